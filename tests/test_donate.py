"""The form as donors, clumsy fingers and attackers use it: a clear field error in their language, nothing lost, never a 500."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from campaign.edges.db import db
from campaign.edges.stripe_api import StripeApi
from campaign.giving import matches
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.reporting import books
from campaign.web.forms import Attempts
from campaign.web.security import DONATIONS_PER_CLIENT
from tests.factories import FORM, another_campaign, begun

SLUG = "vision-sanaa-richard"
TRIES = int(DONATIONS_PER_CLIENT.split()[0])
HIDDEN = re.compile(r'name="(csrf_token|attempt|expected_match)"[^>]*?value="([^"]*)"')
ERROR = re.compile(r'id="(\w+)-error">([^<]*)<')


def hidden_fields(page: TestResponse) -> dict[str, str]:
    return dict(HIDDEN.findall(page.text))


def send(client: FlaskClient, language: str = "fr", slug: str = SLUG, **changed: object) -> TestResponse:
    fields = hidden_fields(client.get(f"/{language}/{slug}"))
    return client.post(f"/{language}/{slug}/donations", data={**FORM, **fields, **changed})


def errors(answer: TestResponse) -> dict[str, str]:
    return {name: message.replace("&#39;", "'").replace("\u00a0", " ") for name, message in ERROR.findall(answer.text)}


def sessions(stripe: object) -> list[dict]:
    return stripe.store.newest("checkout.session", limit=1000)


def test_a_donation_begins_with_its_match_held_and_goes_to_stripe(client: FlaskClient, stripe: object, fund: Fund) -> None:
    answer = send(client, cover_fee="y")
    session = sessions(stripe)[0]
    donation = db.session.query(Donation).one()
    db.session.refresh(fund)
    assert answer.status_code == 303
    assert answer.location == session["url"]
    assert fund.held_cents == 100_00
    assert (session["client_reference_id"], session["metadata"]) == (donation.public_id, {"donation": donation.public_id})
    assert session["sandbox_intent"]["metadata"] == {"donation": donation.public_id}
    assert session["success_url"] == f"http://127.0.0.1:8000/fr/donations/{donation.token}"
    assert session["cancel_url"] == f"{session['success_url']}?return=cancel"
    assert (session["amount_total"], session["currency"], session["submit_type"], session["locale"]) == (103_30, "cad", "donate", "fr-CA")
    assert [line["amount_total"] for line in session["sandbox_lines"]] == [100_00, 3_30]
    assert abs(session["expires_at"] - (donation.begun_at + timedelta(minutes=31)).timestamp()) < 5
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
        ("first_name", "Ana 😀", "en", "cannot keep"),
        ("last_name", "\ue000", "fr", "conserver"),
        ("first_name", "", "fr", "prénom"),
        ("last_name", "   ", "en", "last name"),
        ("first_name", "A\x00B", "en", "cannot keep"),
        ("last_name", "evil\u202etxt", "en", "cannot keep"),
        ("city", "Mont\x1bréal", "fr", "conserver"),
        ("first_name", "x" * 81, "en", "at most 80"),
        ("email", "not-an-address", "en", "e-mail address"),
        ("email", "", "fr", "courriel"),
        ("email", "a@b@c", "en", "e-mail address"),
        ("email", "josé@example.org", "en", "e-mail address"),
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
        ("message", "a\x07b", "en", "cannot keep"),
    ],
)
def test_a_bad_field_is_named_in_the_donors_language_and_nothing_is_lost(
    client: FlaskClient, stripe: object, fund: Fund, field: str, value: str, language: str, part: str
) -> None:
    before = len(sessions(stripe))
    answer = send(client, language, **{field: value})
    assert answer.status_code == 422
    shown = errors(answer) if field != "frequency" else {"frequency": answer.text}
    assert part in shown[field]
    if field != "last_name":
        assert "D&#39;Arcy-Lévesque" in answer.text
    assert len(sessions(stripe)) == before
    assert db.session.query(Donation).count() == 0
    assert hidden_fields(answer)["attempt"]


def test_a_tribute_needs_the_name_of_the_person(client: FlaskClient) -> None:
    assert "tribute_name" in errors(send(client, "en", tribute_kind="memory"))
    assert send(client, "en", tribute_kind="memory", tribute_name="Œnone").status_code == 303


def test_a_form_without_a_frequency_is_refused(client: FlaskClient) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    del fields["frequency"]
    assert client.post(f"/en/{SLUG}/donations", data=fields).status_code == 422


@pytest.mark.parametrize("no", ["", "0", "no", "off", "false"])
def test_a_no_is_a_no(client: FlaskClient, no: str) -> None:
    assert send(client, cover_fee=no, news_consent=no, anonymous=no).status_code == 303
    donation = db.session.query(Donation).one()
    assert (donation.covered_fee_cents, donation.news_consent_at, donation.anonymous) == (0, None, False)


def test_a_name_corrected_after_the_first_press_is_not_lost(client: FlaskClient) -> None:
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
    answer = client.post(f"/en/{SLUG}/donations", data=pairs.encode(), content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 422
    assert {"first_name", "last_name"} <= errors(answer).keys()


def test_a_form_over_64_kilobytes_is_413_and_says_so(client: FlaskClient) -> None:
    answer = send(client, "fr", message="x" * 70_000)
    assert answer.status_code == 413
    assert "volumineux" in answer.text


def test_unknown_fields_are_ignored(client: FlaskClient) -> None:
    assert send(client, amount_cents="1", livemode="true", donor_id="7").status_code == 303


def test_an_organization_gives_in_its_own_name(client: FlaskClient) -> None:
    assert send(client, first_name="", last_name="", organization="Caisse de l’Île").status_code == 303
    assert db.session.query(Donation).one().full_name == "Caisse de l’Île"


def test_names_keep_every_genuine_letter(client: FlaskClient) -> None:
    assert send(client, first_name="Nguyễn Thị", last_name="李小龍 bin ʻAlī").status_code == 303
    assert db.session.query(Donation).one().full_name == "Nguyễn Thị 李小龍 bin ʻAlī"


def test_a_stale_or_forged_token_is_an_error_above_the_form_and_the_next_press_works(client: FlaskClient) -> None:
    for wrong in ({"csrf_token": "forged"}, {"attempt": "forged"}, {"attempt": ""}):
        answer = send(client, "en", **wrong)
        assert answer.status_code == 422
        assert "D&#39;Arcy-Lévesque" in answer.text
        again = client.post(f"/en/{SLUG}/donations", data={**FORM, **hidden_fields(answer)})
        assert again.status_code == 303


def test_an_attempt_of_another_secret_is_not_ours(app: Flask) -> None:
    ours = Attempts(app.config["SECRET_KEY"])
    assert ours.read(ours.new("n")) == "n"
    assert ours.read(Attempts("another").new("n")) is None
    assert ours.read(None) is None


def test_the_same_attempt_again_goes_to_the_same_session_then_to_the_donors_page(client: FlaskClient, stripe: object) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/fr/{SLUG}"))}
    first, again = (client.post(f"/fr/{SLUG}/donations", data=fields) for _ in range(2))
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.location == again.location
    donation = db.session.query(Donation).one()
    donation.ended_at, donation.ended_as = datetime.now(UTC), "expired"
    db.session.commit()
    assert client.post(f"/fr/{SLUG}/donations", data=fields).location == f"/fr/donations/{donation.token}"


def test_i13_twenty_presses_at_once_make_one_donation_and_one_session(app: Flask, stripe: object, fund: Fund) -> None:
    client = app.test_client()
    fields = {**FORM, **hidden_fields(client.get(f"/fr/{SLUG}"))}
    cookie = client.get_cookie("session")
    assert cookie
    before, gate = len(sessions(stripe)), threading.Barrier(20)

    def press(_: int) -> str | None:
        own = app.test_client()
        own.set_cookie("session", cookie.value)
        gate.wait()
        return own.post(f"/fr/{SLUG}/donations", data=fields).location

    with ThreadPoolExecutor(20) as pool:
        places = set(pool.map(press, range(20)))
    assert len(places) == 1
    assert len(sessions(stripe)) == before + 1
    assert db.session.query(Donation).count() == 1
    db.session.refresh(fund)
    assert fund.held_cents == 100_00


def test_an_amount_changed_after_the_first_press_does_not_pay_the_old_one(client: FlaskClient, fund: Fund) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    client.post(f"/en/{SLUG}/donations", data=fields)
    changed = client.post(f"/en/{SLUG}/donations", data={**fields, "amount": "250"})
    assert changed.status_code == 409
    assert "$100 is already under way" in changed.text
    assert client.post(f"/en/{SLUG}/donations", data={**fields, "amount": "250", **hidden_fields(changed)}).status_code == 303


@pytest.mark.parametrize(("expected", "status"), [("100", 409), ("", 409), ("3742", 303), ("0", 303), ("99999", 409), ("nonsense", 409)])
def test_the_promise_less_than_was_shown_is_asked_again(
    app: Flask, client: FlaskClient, campaign: Campaign, expected: str, status: int
) -> None:
    own = another_campaign(37_42, like=campaign)
    db.session.commit()
    answer = send(client, "en", own.slug, expected_match="10000" if expected == "100" else expected)
    assert answer.status_code == status
    if status == 409:
        fields = hidden_fields(answer)
        assert fields["expected_match"] == "3742"
        assert "$37.42" in answer.text
        assert "D&#39;Arcy-Lévesque" in answer.text
        assert db.session.query(Donation).count() == 0
        assert client.post(f"/en/{own.slug}/donations", data={**FORM, **fields}).status_code == 303
    donation = db.session.query(Donation).one()
    assert matches.match_of(donation.id).held_cents == 37_42


def test_when_stripe_is_down_nothing_is_lost_and_the_same_attempt_goes_on(
    app: Flask, client: FlaskClient, stripe: object, fund: Fund
) -> None:
    there = app.extensions["outside"]
    away = StripeApi(secret_key="sk_test_of_the_tests", api_base="http://127.0.0.1:9")
    app.extensions["outside"] = replace(there, stripe=away)
    answer = send(client, "en")
    assert answer.status_code == 503
    assert "Nothing has been charged" in answer.text
    assert "D&#39;Arcy-Lévesque" in answer.text
    assert answer.headers["Retry-After"]
    app.extensions["outside"] = there
    again = client.post(f"/en/{SLUG}/donations", data={**FORM, **hidden_fields(answer)})
    assert again.status_code == 303
    assert again.location == sessions(stripe)[0]["url"]
    assert db.session.query(Donation).count() == 1
    db.session.refresh(fund)
    assert fund.held_cents == 100_00


def test_a_retry_after_a_minute_asks_stripe_for_a_time_that_is_far_enough_ahead(app: Flask, client: FlaskClient, stripe: object) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    client.post(f"/en/{SLUG}/donations", data=fields)
    donation = db.session.query(Donation).one()
    donation.checkout_id = donation.checkout_url = None
    donation.checkout_expires_at = datetime.now(UTC) + timedelta(minutes=20)
    db.session.commit()
    assert client.post(f"/en/{SLUG}/donations", data=fields).status_code == 303
    db.session.refresh(donation)
    assert donation.checkout_tries == 2


def test_unknown_campaigns_tokens_and_languages_get_one_body(client: FlaskClient) -> None:
    paths = [
        "/en/nothing",
        "/de/vision-sanaa-richard",
        "/en/donations/unknown",
        "/fr/donations/x/receipt.pdf",
        "/funder/links/x",
        "/nothing",
    ]
    answers = [client.get(path, headers={"Accept-Language": "en"}) for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({a.text for a in answers if "does not exist" in a.text}) == 1
    assert client.post("/en/nothing/donations").status_code == 404
    assert client.get("/en/donations/unknown.json").json == {"error": "This page does not exist"}


def test_too_many_tries_from_one_address_are_429_with_retry_after(client: FlaskClient) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/fr/{SLUG}"))}
    answers = [client.post(f"/fr/{SLUG}/donations", data=fields) for _ in range(TRIES + 1)]
    assert {a.status_code for a in answers[:-1]} == {303}
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert "Trop d’essais" in answers[-1].text
    minutes = -(-int(answers[-1].headers["Retry-After"]) // 60)
    assert f"Veuillez réessayer dans {minutes} min" in answers[-1].text


def test_a_form_that_comes_back_with_an_error_does_not_count_as_a_try(client: FlaskClient) -> None:
    assert {client.post(f"/en/{SLUG}/donations", data={}).status_code for _ in range(TRIES + 10)} == {422}


@settings(max_examples=60)
@given(
    field=st.sampled_from([*FORM, "organization", "message", "tribute_name", "tribute_kind", "expected_match", "attempt", "csrf_token"]),
    value=st.text(max_size=200),
)
def test_no_text_in_any_field_is_ever_a_500(client: FlaskClient, field: str, value: str) -> None:
    client.application.extensions["outside"].waker._client.flushall()
    with client.application.app_context():
        text = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        assert send(client, "fr", **{field: text}).status_code in {303, 409, 422}


def test_a_form_by_get_shows_the_amount_and_what_it_becomes(client: FlaskClient) -> None:
    page = client.get(f"/en/{SLUG}?amount=250")
    assert "Your gift of $250 + $250 matched = $500." in page.text
    assert hidden_fields(page)["expected_match"] == "25000"
    assert client.get(f"/en/{SLUG}?amount=<script>").status_code == 200


def test_a_quote_promises_what_is_there(client: FlaskClient, campaign: Campaign) -> None:
    own = another_campaign(30_00, like=campaign)
    db.session.commit()
    found = client.get(f"/fr/{own.slug}/quote?amount=50").json
    assert (found["match_cents"], "en partie" in found["quote"]) == (30_00, True)
    assert client.get(f"/en/{own.slug}/quote?amount=x").json["match_cents"] is None


def test_the_donors_page_shows_the_state_as_page_and_as_data(client: FlaskClient, campaign: Campaign) -> None:
    donation = begun(campaign, 100_00)
    db.session.commit()
    found = client.get(f"/en/donations/{donation.token}.json").json
    assert {k: found[k] for k in ("state", "amount_cents", "covered_fee_cents", "net_cents", "matched_cents", "held_cents", "receipt")} == {
        "state": "pending",
        "amount_cents": 100_00,
        "covered_fee_cents": 0,
        "net_cents": 100_00,
        "matched_cents": 0,
        "held_cents": 100_00,
        "receipt": None,
    }
    assert "not paid yet" in client.get(f"/en/donations/{donation.token}").text
    assert books.findings(db.engine) == []


def test_a_name_is_shown_literally(client: FlaskClient) -> None:
    answer = send(client, "en", first_name="<script>alert(1)</script>", amount="")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
