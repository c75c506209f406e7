"""The donation form with valid, mistaken and hostile input: field errors in the donor's language, no input lost, never a 500."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.config import STRIPE
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.secret_keys import SecretKeys
from campaign.edges.stripe.payments import StripePayments
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.reporting.integrity import checker
from campaign.web.flask_settings import checkout_origins
from campaign.web.public.donation_form import Attempts
from tests.conftest import Stripe, make_settings
from tests.factories import another_campaign, start_donation
from tests.scale import examples
from tests.stripe import sessions
from tests.web import FORM, SLUG, TRIES, hidden_fields, send

ERROR = re.compile(r'id="(\w+)-error">([^<]*)<')


def errors(response: TestResponse) -> dict[str, str]:
    return {name: message.replace("&#39;", "'").replace("\u00a0", " ") for name, message in ERROR.findall(response.text)}


def test_a_donation_starts_with_its_match_held_and_redirects_to_stripe(client: FlaskClient, stripe: Stripe, fund: Fund) -> None:
    response = send(client, cover_fee="y")
    session = sessions(stripe)[0]
    donation = db.session.query(Donation).one()
    db.session.refresh(fund)
    assert response.status_code == 303
    assert response.location == session["url"]
    assert fund.held_cents == 100_00
    assert (session["client_reference_id"], session["metadata"]) == (donation.public_id, {"donation": donation.public_id})
    assert session["sandbox_intent"]["metadata"] == {"donation": donation.public_id}
    assert session["success_url"] == f"http://127.0.0.1:8000/fr/donations/{donation.token}"
    assert session["cancel_url"] == f"{session['success_url']}?return=cancel"
    assert (session["amount_total"], session["currency"], session["submit_type"], session["locale"]) == (103_30, "cad", "donate", "fr-CA")
    assert [line["amount_total"] for line in session["sandbox_lines"]] == [100_00, 3_30]
    assert abs(session["expires_at"] - (donation.started_at + timedelta(minutes=32)).timestamp()) < 5
    assert (donation.province, donation.postal_code, donation.language) == ("QC", "H2X 1Y4", "fr")


@pytest.mark.parametrize(
    ("field", "value", "language", "part"),
    [
        ("amount", "", "en", "How much would you like"),
        ("amount", "", "fr", "Combien aimeriez-vous"),
        ("amount", "1,234", "fr", "pas pu lire"),
        ("amount", "ten", "en", "could not read"),
        ("amount", "4.99", "en", "$5"),
        ("amount", "25000.01", "en", "$25,000"),
        ("amount", "sNaN", "en", "could not read"),
        ("frequency", "weekly", "en", "one each month"),
        ("frequency", "", "en", "one each month"),
        ("amount", "50\t", "en", "could not read"),
        ("amount", "50" + " " * 40 + "00", "en", "could not read"),
        ("first_name", "Ana 😀", "en", "cannot be used here"),
        ("last_name", "\ue000", "fr", "caractère invisible"),
        ("first_name", "", "fr", "prénom"),
        ("last_name", "   ", "en", "last name"),
        ("first_name", "A\x00B", "en", "invisible character"),
        ("last_name", "evil\u202etxt", "en", "invisible character"),
        ("city", "Mont\x1bréal", "fr", "caractère invisible"),
        ("first_name", "x" * 81, "en", "at most 80"),
        ("email", "not-an-address", "en", "email address"),
        ("email", "", "fr", "courriel"),
        ("email", "a@b@c", "en", "email address"),
        ("email", "josé@example.org", "en", "email address"),
        ("address_line1", "", "en", "street address"),
        ("city", "", "en", "city"),
        ("province", "", "en", "province"),
        ("province", "Bavaria", "en", "province"),
        ("postal_code", "", "en", "postal code"),
        ("postal_code", "12345", "en", "postal code"),
        ("postal_code", "M5V 2T6", "fr", "ne va pas avec la province"),
        ("country", "XX", "en", ""),
        ("tribute_kind", "revenge", "en", "choose one"),
        ("message", "x" * 1001, "en", "at most 1000"),
        ("message", "a\x07b", "en", "invisible character"),
    ],
)
def test_an_invalid_field_is_reported_in_the_donors_language_and_no_input_is_lost(
    client: FlaskClient, stripe: Stripe, fund: Fund, field: str, value: str, language: str, part: str
) -> None:
    before = len(sessions(stripe))
    response = send(client, language, **{field: value})
    assert response.status_code == 422
    messages = errors(response) if field != "frequency" else {"frequency": response.text}
    assert part in messages[field]
    if field != "last_name":
        assert "D&#39;Arcy-Lévesque" in response.text
    assert len(sessions(stripe)) == before
    assert db.session.query(Donation).count() == 0
    assert hidden_fields(response)["attempt"]


def test_a_tribute_needs_the_name_of_the_person(client: FlaskClient) -> None:
    assert "tribute_name" in errors(send(client, "en", tribute_kind="memory"))
    assert send(client, "en", tribute_kind="memory", tribute_name="Œnone").status_code == 303


def test_a_form_without_a_frequency_is_refused(client: FlaskClient) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    del fields["frequency"]
    assert client.post(f"/en/{SLUG}/donations", data=fields).status_code == 422


@pytest.mark.parametrize("no", ["", "0", "no", "off", "false"])
def test_values_for_no_are_false(client: FlaskClient, no: str) -> None:
    assert send(client, cover_fee=no, news_consent=no, anonymous=no).status_code == 303
    donation = db.session.query(Donation).one()
    assert (donation.covered_fee_cents, donation.news_consent_at, donation.anonymous) == (0, None, False)


def test_a_name_corrected_after_the_first_submission_is_not_lost(client: FlaskClient) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    client.post(f"/en/{SLUG}/donations", data=fields)
    corrected = client.post(f"/en/{SLUG}/donations", data={**fields, "last_name": "Lévesque"})
    assert corrected.status_code == 409
    client.post(f"/en/{SLUG}/donations", data={**fields, "last_name": "Lévesque", **hidden_fields(corrected)})
    assert {d.last_name for d in db.session.query(Donation)} == {"D'Arcy-Lévesque", "Lévesque"}


def test_two_amounts_are_refused(client: FlaskClient) -> None:
    assert "one amount" in errors(send(client, "en", amount=["100", "5"]))["amount"]


def test_bytes_that_are_not_utf8_are_refused(client: FlaskClient) -> None:
    fields = hidden_fields(client.get(f"/en/{SLUG}"))
    pairs = "&".join(
        f"{k}={v}" for k, v in {**fields, "amount": "50", "frequency": "once", "first_name": "%FF%FE", "last_name": "%ED%A0%80"}.items()
    )
    response = client.post(f"/en/{SLUG}/donations", data=pairs.encode(), content_type="application/x-www-form-urlencoded")
    assert response.status_code == 422
    assert {"first_name", "last_name"} <= errors(response).keys()


def test_a_form_over_64_kilobytes_is_413_with_a_message(client: FlaskClient) -> None:
    response = send(client, "fr", message="x" * 70_000)
    assert response.status_code == 413
    assert "volumineux" in response.text


def test_unknown_fields_are_ignored(client: FlaskClient) -> None:
    assert send(client, amount_cents="1", livemode="true", donor_id="7", received_at="2026-01-01", token="mine").status_code == 303
    donation = db.session.query(Donation).one()
    assert (donation.amount_cents, donation.livemode, donation.received_at) == (100_00, False, None)
    assert donation.token != "mine"


def test_an_organization_donates_in_its_own_name(client: FlaskClient) -> None:
    assert send(client, first_name="", last_name="", organization="Caisse de l’Île").status_code == 303
    assert db.session.query(Donation).one().full_name == "Caisse de l’Île"


def test_names_may_contain_letters_of_any_script(client: FlaskClient) -> None:
    assert send(client, first_name="Nguyễn Thị", last_name="李小龍 bin ʻAlī").status_code == 303
    assert db.session.query(Donation).one().full_name == "Nguyễn Thị 李小龍 bin ʻAlī"


def test_a_stale_or_forged_attempt_is_a_form_error_and_the_next_submission_works(client: FlaskClient) -> None:
    for wrong in ({"attempt": "forged"}, {"attempt": ""}):
        response = send(client, "en", **wrong)
        assert response.status_code == 422
        assert "D&#39;Arcy-Lévesque" in response.text
        again = client.post(f"/en/{SLUG}/donations", data={**FORM, **hidden_fields(response)})
        assert again.status_code == 303


def test_an_attempt_signed_with_another_secret_is_rejected(app: Flask) -> None:
    ours = Attempts(app.extensions["services"].keys)
    assert ours.read(ours.sign("n")) == "n"
    assert ours.read(Attempts(SecretKeys(secret="another")).sign("n")) is None
    assert ours.read(None) is None


def test_a_repeated_attempt_redirects_to_the_same_session_then_to_the_donation_page(client: FlaskClient, stripe: Stripe) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/fr/{SLUG}"))}
    first, again = (client.post(f"/fr/{SLUG}/donations", data=fields) for _ in range(2))
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.location == again.location
    donation = db.session.query(Donation).one()
    donation.ended_at, donation.ended_as = datetime.now(UTC), "expired"
    db.session.commit()
    assert client.post(f"/fr/{SLUG}/donations", data=fields).location == f"/fr/donations/{donation.token}"


def test_i13_twenty_concurrent_submissions_create_one_donation_and_one_session(app: Flask, stripe: Stripe, fund: Fund) -> None:
    client = app.test_client()
    fields = {**FORM, **hidden_fields(client.get(f"/fr/{SLUG}"))}
    cookie = client.get_cookie("session")
    assert cookie
    before, start = len(sessions(stripe)), threading.Barrier(20)

    def submit(_: int) -> str | None:
        client = app.test_client()
        client.set_cookie("session", cookie.value)
        start.wait()
        return client.post(f"/fr/{SLUG}/donations", data=fields).location

    with ThreadPoolExecutor(20) as pool:
        locations = set(pool.map(submit, range(20)))
    assert len(locations) == 1
    assert len(sessions(stripe)) == before + 1
    assert db.session.query(Donation).count() == 1
    db.session.refresh(fund)
    assert fund.held_cents == 100_00


def test_an_amount_changed_after_the_first_submission_does_not_pay_the_old_one(client: FlaskClient, fund: Fund) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    client.post(f"/en/{SLUG}/donations", data=fields)
    changed = client.post(f"/en/{SLUG}/donations", data={**fields, "amount": "250"})
    assert changed.status_code == 409
    assert "$100 is already under way" in changed.text
    assert client.post(f"/en/{SLUG}/donations", data={**fields, "amount": "250", **hidden_fields(changed)}).status_code == 303


@pytest.mark.parametrize(("expected", "status"), [("100", 409), ("", 409), ("3742", 303), ("0", 303), ("99999", 409), ("nonsense", 409)])
def test_a_match_smaller_than_promised_needs_another_confirmation(
    app: Flask, client: FlaskClient, campaign: Campaign, expected: str, status: int
) -> None:
    own = another_campaign(37_42, like=campaign)
    db.session.commit()
    response = send(client, "en", own.slug, expected_match="10000" if expected == "100" else expected)
    assert response.status_code == status
    if status == 409:
        fields = hidden_fields(response)
        assert fields["expected_match"] == "3742"
        assert "$37.42" in response.text
        assert "D&#39;Arcy-Lévesque" in response.text
        assert db.session.query(Donation).count() == 0
        assert client.post(f"/en/{own.slug}/donations", data={**FORM, **fields}).status_code == 303
    donation = db.session.query(Donation).one()
    assert match_of(donation.id).held_cents == 37_42


def test_when_stripe_is_unavailable_no_input_is_lost_and_the_attempt_can_continue(
    app: Flask, client: FlaskClient, stripe: Stripe, fund: Fund
) -> None:
    original = app.extensions["services"]
    unreachable = StripePayments(secret_key="sk_test_of_the_tests", api_base="http://127.0.0.1:9")
    app.extensions["services"] = replace(original, stripe_payments=unreachable)
    response = send(client, "en")
    assert response.status_code == 503
    assert "Nothing has been charged" in response.text
    assert "D&#39;Arcy-Lévesque" in response.text
    assert response.headers["Retry-After"]
    app.extensions["services"] = original
    again = client.post(f"/en/{SLUG}/donations", data={**FORM, **hidden_fields(response)})
    assert again.status_code == 303
    assert again.location == sessions(stripe)[0]["url"]
    assert db.session.query(Donation).count() == 1
    db.session.refresh(fund)
    assert fund.held_cents == 100_00


def test_a_late_retry_requests_an_expiry_that_stripe_accepts(app: Flask, client: FlaskClient, stripe: Stripe) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    client.post(f"/en/{SLUG}/donations", data=fields)
    donation = db.session.query(Donation).one()
    donation.checkout_id = donation.checkout_url = None
    donation.checkout_expires_at = datetime.now(UTC) + timedelta(minutes=20)
    db.session.commit()
    assert client.post(f"/en/{SLUG}/donations", data=fields).status_code == 303
    db.session.refresh(donation)
    assert donation.checkout_tries == 2


def test_unknown_campaigns_tokens_and_languages_get_the_same_page(client: FlaskClient) -> None:
    paths = [
        "/en/nothing",
        "/de/vision-sanaa-richard",
        "/en/donations/unknown",
        "/fr/donations/x/receipt.pdf",
        "/funder/links/x",
        "/nothing",
    ]
    responses = [client.get(path, headers={"Accept-Language": "en"}) for path in paths]
    assert {response.status_code for response in responses} == {404}
    assert len({r.text for r in responses if "does not exist" in r.text}) == 1
    assert client.post("/en/nothing/donations").status_code == 404
    assert client.get("/en/donations/unknown.json").json == {"error": "This page does not exist"}


def test_too_many_submissions_from_one_address_are_429_with_retry_after(client: FlaskClient) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/fr/{SLUG}"))}
    responses = [client.post(f"/fr/{SLUG}/donations", data=fields) for _ in range(TRIES + 1)]
    assert {r.status_code for r in responses[:-1]} == {303}
    assert responses[-1].status_code == 429
    assert int(responses[-1].headers["Retry-After"]) >= 1
    assert "Trop d’essais" in responses[-1].text
    minutes = -(-int(responses[-1].headers["Retry-After"]) // 60)
    assert f"Veuillez réessayer dans {minutes} min" in responses[-1].text


def test_an_invalid_form_does_not_count_toward_the_limit(client: FlaskClient) -> None:
    assert {client.post(f"/en/{SLUG}/donations", data={}).status_code for _ in range(TRIES + 10)} == {422}


@settings(max_examples=examples(30))
@given(
    field=st.sampled_from([*FORM, "organization", "message", "tribute_name", "tribute_kind", "expected_match", "attempt", "csrf_token"]),
    value=st.text(max_size=200),
)
def test_no_text_in_any_field_is_ever_a_500(client: FlaskClient, field: str, value: str) -> None:
    client.application.extensions["services"].waker._client.flushall()
    with client.application.app_context():
        text = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        assert send(client, "fr", **{field: text}).status_code in {303, 409, 422}


def test_the_form_shows_the_amount_of_the_query_with_its_match(client: FlaskClient) -> None:
    page = client.get(f"/en/{SLUG}?amount=250")
    assert "Your gift of $250 + $250 matched = $500." in page.text
    assert hidden_fields(page)["expected_match"] == "25000"
    assert client.get(f"/en/{SLUG}?amount=<script>").status_code == 200


def test_a_quote_promises_the_available_match(client: FlaskClient, campaign: Campaign) -> None:
    own = another_campaign(30_00, like=campaign)
    db.session.commit()
    data: Any = client.get(f"/fr/{own.slug}/quote?amount=50").json
    assert (data["match_cents"], "en partie" in data["quote"]) == (30_00, True)
    invalid: Any = client.get(f"/en/{own.slug}/quote?amount=x").json
    assert invalid["match_cents"] is None


def test_the_donation_page_shows_the_status_as_html_and_json(client: FlaskClient, campaign: Campaign) -> None:
    donation = start_donation(campaign, 100_00)
    db.session.commit()
    data: Any = client.get(f"/en/donations/{donation.token}.json").json
    assert {k: data[k] for k in ("state", "amount_cents", "covered_fee_cents", "net_cents", "matched_cents", "held_cents", "receipt")} == {
        "state": "pending",
        "amount_cents": 100_00,
        "covered_fee_cents": 0,
        "net_cents": 100_00,
        "matched_cents": 0,
        "held_cents": 100_00,
        "receipt": None,
    }
    assert "not paid yet" in client.get(f"/en/donations/{donation.token}").text
    assert checker.findings(db.engine) == []


def test_a_name_is_escaped(client: FlaskClient) -> None:
    response = send(client, "en", first_name="<script>alert(1)</script>", amount="")
    assert "<script>alert" not in response.text
    assert "&lt;script&gt;alert(1)" in response.text


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://pay.charity.example/c/pay/cs_1#abc", "https://pay.charity.example"),
        ("http://pay.charity.example/c/pay/cs_1", None),
        ("javascript:alert(1)", None),
    ],
)
def test_a_form_may_redirect_to_the_custom_domain_that_stripe_returned(
    app: Flask, stripe: Stripe, monkeypatch: pytest.MonkeyPatch, url: str, origin: str | None
) -> None:
    original = StripePayments.open_checkout
    monkeypatch.setattr(StripePayments, "open_checkout", lambda api, request: replace(original(api, request), url=url))
    client = app.test_client()
    before = client.get("/en/vision-sanaa-richard").headers["Content-Security-Policy"]
    answer = send(client, "en")
    assert (answer.status_code, answer.headers["Location"]) == (303, url), "unchanged"
    after = client.get("/en/vision-sanaa-richard").headers["Content-Security-Policy"]
    policy = {name: text.partition("form-action")[2].partition(";")[0].split() for name, text in (("before", before), ("after", after))}
    assert policy["after"] == [*policy["before"], *([origin] if origin else [])]


def test_custom_domains_of_checkout_are_a_setting() -> None:
    changed = make_settings("postgresql+psycopg://x@/y").model_copy(
        update={"stripe_api_base": STRIPE, "stripe_checkout_hosts": "pay.charity.example, portal.charity.example"}
    )
    assert checkout_origins(changed).split()[-2:] == ["https://pay.charity.example", "https://portal.charity.example"]


@pytest.mark.parametrize("unreadable", ["\u2800", "\u0301", "...", "\u200b\u2063", "- -"])
def test_what_nobody_can_read_is_no_name_and_no_address(client: FlaskClient, stripe: Stripe, unreadable: str) -> None:
    page = send(client, "fr", first_name=unreadable, last_name=unreadable, address_line1=unreadable, city=unreadable)
    assert page.status_code == 422
    for name in ("first_name", "last_name", "address_line1", "city"):
        assert f'id="{name}-error"' in page.text, name
    assert db.session.query(Donation).count() == 0


@pytest.mark.parametrize("dash", ["-", "–", "\u2212", "--"])
def test_who_has_one_name_puts_a_dash_for_the_other(client: FlaskClient, stripe: Stripe, dash: str) -> None:
    assert send(client, "en", first_name="Sukarno", last_name=dash).status_code == 303
    assert db.session.query(Donation).one().full_name == f"Sukarno {dash}"


def test_an_organization_without_a_name_that_can_be_read_is_asked_for_one(client: FlaskClient, stripe: Stripe) -> None:
    page = send(client, "en", first_name="", last_name="", organization="\u0301", organization_declaration="y")
    assert (page.status_code, "Please enter the organization’s name." in page.text) == (422, True)
