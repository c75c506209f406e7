"""Every route, as each role and with each of its methods, with parameters that nobody sends by accident: an answer, never an error of ours."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from tests.conftest import Post, Stripe
from tests.factories import issue_receipt, paid
from tests.scale import SCALE
from tests.web import FORM, SLUG, hidden_fields, send, signed_in

ROLES = (None, "viewer", "clerk", "manager", "admin")
BEYOND_BIGINT = str(2**63)
TEXTS = ("%00", "a%00b", "%ff%fe", "%E2%80%AE", "..%2f..%2fetc", "'%20OR%201=1--", "x" * 3000, "%F0%9F%92%94", "-1", BEYOND_BIGINT)
NUMBERS = ("0", "9223372036854775807", BEYOND_BIGINT, "99999999999999999999999999")
QUERIES = (
    "?lang=%00&after=%00&amount=%00&serial=%00&year=%00&as_of=%00&again=%00&return=%00",
    f"?lang=xx&after={BEYOND_BIGINT}&amount=1e999&year={BEYOND_BIGINT}&as_of=9999-99-99&again={'x' * 2000}&serial=%F0%9F%92%94",
    "?after=-1&year=0&year=99999&as_of=0001-01-01&amount=%E2%80%AE5",
)
POSTED = dict.fromkeys(
    ("amount", "reason", "note", "email", "choice", "decision", "back", "covered_fee", "first_name", "password", "code", "to", "year"),
    "a\x00b�\u202e" + "x" * 2000,
)
VALUES = re.compile(r"<(?:(?P<kind>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")


def own_routes(app: Flask) -> list[Rule]:
    """All but the files of the pages, and the probe that says 503 while no worker runs."""
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint not in {"static", "health.ready"}]


def paths_of(rule: Rule) -> Iterator[str]:
    """Paths of the route with each hostile value in place of its parameters."""
    if not VALUES.search(rule.rule):
        yield from (rule.rule + query for query in ("", *QUERIES))
        return
    for text, number in zip(TEXTS, NUMBERS * 3, strict=False):
        values = {"any": "en", "int": number}
        yield VALUES.sub(lambda found: values.get(found["kind"] or "", text), rule.rule)  # noqa: B023  # used at once


@pytest.mark.parametrize("role", ROLES)
def test_no_route_fails_with_hostile_parameters(app: Flask, stripe: Stripe, post: Post, role: str | None) -> None:
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False  # Otherwise few forms would be read.
    client = signed_in(app, role) if role else app.test_client()
    failed = []
    # Who may less meets the same parameters more seldom. Each route begins with others, so that all occur; `make long` takes each at each.
    every = 1 if SCALE > 1 else 3 if role in {None, "admin"} else 6
    for number, rule in enumerate(own_routes(app)):
        for path in list(paths_of(rule))[number % every :: every]:
            for method in sorted((rule.methods or set()) - {"OPTIONS"}):
                with app.app_context():
                    answer = client.open(path, method=method, data=surrogates_as_bytes(POSTED) if method == "POST" else None)
                    answer.close()  # What is streamed has contexts of its own until then.
                if answer.status_code >= 500:
                    failed.append((method, path[:80], answer.status_code))
    assert failed == []


def surrogates_as_bytes(fields: dict[str, str]) -> dict[str, bytes]:
    return {name: value.encode("utf-8", "surrogatepass") for name, value in fields.items()}


def test_other_peoples_pages_are_not_opened_by_their_public_ids(app: Flask, campaign: Campaign, client: FlaskClient) -> None:
    """What identifies a donation at Stripe and to staff opens no page of its donor."""
    donation = paid(campaign)
    receipt = issue_receipt(donation)
    db.session.commit()
    assert receipt
    for known in (donation.public_id, str(donation.id), donation.attempt, receipt.serial, receipt.check_code):
        for path in (f"/en/donations/{known}", f"/en/donations/{known}.json", f"/en/donations/{known}/receipt.pdf", f"/en/monthly/{known}"):
            assert client.get(path).status_code == 404
    assert client.get(f"/en/receipts/check/{donation.token}").status_code == 404


@pytest.mark.parametrize("field", ["first_name", "city", "email", "message", "attempt", "expected_match", "frequency", "country"])
@pytest.mark.parametrize("value", ["a\0b", "\ud800", "9" * 400, "\u202e", "x" * 5000])
def test_the_donation_form_answers_whatever_is_in_a_field(app: Flask, stripe: Stripe, field: str, value: str) -> None:
    client = app.test_client()
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}")), field: value.encode("utf-8", "surrogatepass")}
    assert client.post(f"/en/{SLUG}/donations", data=fields).status_code in {303, 409, 422}


def test_a_webhook_answer_is_as_strict_as_a_page(client: FlaskClient) -> None:
    answer = client.post("/stripe/webhook", data=b"{}")
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    assert (answer.status_code, answer.headers["Content-Security-Policy"]) == (400, policy)
    assert client.post("/stripe/webhook", data=b"{}", headers={"Host": "evil.example"}).status_code == 400
    assert "signature" not in client.post("/stripe/webhook", data=b"{}", headers={"Host": "evil.example"}).text


@pytest.mark.parametrize("role", [None, "admin"])
def test_nothing_of_staff_is_stored_by_a_browser(app: Flask, campaign: Campaign, role: str | None) -> None:
    """Files, redirects and the sign-in pages of the library too: `no-store=True` is no directive."""
    client = signed_in(app, role) if role else app.test_client()
    headers = {}
    for rule in own_routes(app):
        if rule.rule.startswith(("/staff", "/funder")) and "GET" in (rule.methods or set()) and not VALUES.search(rule.rule):
            with app.app_context():
                headers[rule.rule] = client.get(rule.rule).headers.get("Cache-Control")
    assert len(headers) > 15
    assert {path: value for path, value in headers.items() if value != "private, no-store"} == {}


def test_numbers_beyond_a_bigint_are_unknown_addresses(app: Flask) -> None:
    client = signed_in(app, "admin")
    assert client.get(f"/staff/mail/{BEYOND_BIGINT}").status_code == 404
    assert client.get(f"/en/{SLUG}%00").status_code == 404
    assert client.get(f"/en/{SLUG}?amount=%00").status_code == 400
    assert send(client, "en").status_code in {303, 503}
