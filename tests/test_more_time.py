"""More time to pay: a donor sees until when the payment page is open, is warned before it ends, and has more time without typing anything again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.payments import StripePayments
from campaign.matching.holds import match_of
from campaign.payments.status import status_of
from campaign.stripe_sync import event_jobs
from campaign.web.public.donation_page import TIME_WARNING
from tests.browser import chromium_path, open_browser, serve
from tests.conftest import Stripe
from tests.stripe import pay_at_stripe, sessions
from tests.web import FORM, SLUG, hidden_fields, send

WORDS = {
    "en": {
        "until": "You can pay until",
        "warning": "The time to pay is almost over.",
        "button": "I need more time",
        "title": "You have more time",
    },
    "fr": {
        "until": "Vous pouvez payer jusqu’à",
        "warning": "Le temps pour payer est presque écoulé.",
        "button": "Il me faut plus de temps",
        "title": "Vous avez plus de temps",
    },
}


def begin(client: FlaskClient, language: str = "en") -> Donation:
    assert send(client, language).status_code == 303
    donation = db.session.query(Donation).one()
    donation.polled_at = datetime.now(UTC)  # The page does not poll.
    db.session.commit()
    return donation


def press(client: FlaskClient, donation: Donation) -> str:
    """Where the button leads."""
    path = f"/{donation.language}/donations/{donation.token}"
    answer = client.post(f"{path}/time", data=hidden_fields(client.get(path)))
    assert answer.status_code == 303
    return str(answer.location)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_more_time_closes_the_page_of_stripe_and_shows_the_form_filled_in(client: FlaskClient, stripe: Stripe, language: str) -> None:
    first, words = begin(client, language), WORDS[language]
    page = client.get(f"/{language}/donations/{first.token}").text
    assert (words["until"] in page, words["button"] in page) == (True, True)
    shown = press(client, first)
    assert shown == f"/{language}/{SLUG}?again={first.token}&time=more#give"
    assert (sessions(stripe)[0]["status"], status_of(first).state.value, match_of(first.id).held_cents) == ("expired", "expired", 0)
    form = client.get(shown)
    assert words["title"] in form.text
    for value in ("D&#39;Arcy-Lévesque", 'value="sanaa@example.org"', 'value="H2X 1Y4"'):
        assert value in form.text
    assert client.post(f"/{language}/{SLUG}/donations", data={**FORM, **hidden_fields(form)}).status_code == 303
    second = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert second
    assert (match_of(second.id).held_cents, sorted(one["status"] for one in sessions(stripe))) == (100_00, ["expired", "open"])
    assert second.checkout_expires_at and second.checkout_expires_at > datetime.now(UTC) + timedelta(minutes=30)


def test_a_gift_that_was_paid_meanwhile_is_shown_as_paid(client: FlaskClient, stripe: Stripe) -> None:
    donation = begin(client)
    fields = hidden_fields(client.get(f"/en/donations/{donation.token}"))
    pay_at_stripe(stripe, donation)
    answer = client.post(f"/en/donations/{donation.token}/time", data=fields)
    assert answer.location == f"/en/donations/{donation.token}"
    assert status_of(donation).state.value == "paid"


def test_while_stripe_cannot_be_reached_the_page_and_its_hold_remain(app: Flask, client: FlaskClient, stripe: Stripe) -> None:
    donation, reachable = begin(client), app.extensions["services"]
    fields = hidden_fields(client.get(f"/en/donations/{donation.token}"))
    unavailable = StripePayments(secret_key="sk_test_of_the_tests", api_base="http://127.0.0.1:9")
    app.extensions["services"] = replace(reachable, stripe_payments=unavailable)
    answer = client.post(f"/en/donations/{donation.token}/time", data=fields)
    app.extensions["services"] = reachable
    assert "cannot be reached right now" in client.get(answer.location).text
    assert (status_of(donation).state.value, match_of(donation.id).held_cents) == ("pending", 100_00)


def test_a_gift_whose_campaign_has_closed_can_be_paid_and_not_begun_anew(client: FlaskClient, stripe: Stripe, campaign: Campaign) -> None:
    donation = begin(client)
    fields = hidden_fields(client.get(f"/en/donations/{donation.token}"))
    campaign_actions.close_to_gifts(db.session.get_one(Campaign, campaign.id), actor="manager@example.org")
    page = client.get(f"/en/donations/{donation.token}").text
    assert ("Continue to payment" in page, WORDS["en"]["button"] in page) == (True, False)
    assert client.post(f"/en/donations/{donation.token}/time", data=fields).location == f"/en/donations/{donation.token}"
    assert (sessions(stripe)[0]["status"], match_of(donation.id).held_cents) == ("open", 100_00)


def test_the_form_says_that_nothing_was_charged_of_a_gift_of_which_nothing_was(client: FlaskClient, stripe: Stripe) -> None:
    first = begin(client)
    shown = press(client, first)
    again = client.get(f"/en/{SLUG}?again={first.token}").text
    assert ("Nothing has been charged" in again, WORDS["en"]["title"] in again) == (True, False)
    form = client.get(shown)
    assert client.post(f"/en/{SLUG}/donations", data={**FORM, **hidden_fields(form)}).status_code == 303
    second = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert second
    pay_at_stripe(stripe, second)
    event_jobs.handle_events()
    for token in (first.token, second.token):
        client.get(f"/en/donations/{token}")
    assert "Nothing has been charged" not in client.get(f"/en/{SLUG}?again={second.token}&time=more").text
    stale = client.post(f"/en/donations/{first.token}/time", data=hidden_fields(form))
    assert stale.location == f"/en/donations/{first.token}", "a tab that was left open ends nothing, and begins nothing"


def test_a_browser_that_did_not_begin_the_gift_closes_nothing(app: Flask, client: FlaskClient, stripe: Stripe) -> None:
    donation, other = begin(client), app.test_client()
    page = other.get(f"/en/donations/{donation.token}")
    assert WORDS["en"]["button"] not in page.text
    fields = hidden_fields(other.get(f"/en/{SLUG}/my-gifts"))
    assert other.post(f"/en/donations/{donation.token}/time", data={"csrf_token": fields.get("csrf_token", "")}).status_code in {303, 400}
    assert sessions(stripe)[0]["status"] == "open"
    assert client.post("/en/donations/nobody/time", data=hidden_fields(client.get(f"/en/donations/{donation.token}"))).status_code == 404


@pytest.mark.parametrize(
    ("left", "is_warned"), [(TIME_WARNING - timedelta(seconds=30), True), (TIME_WARNING + timedelta(minutes=2), False)]
)
def test_without_scripts_the_warning_is_in_the_page_when_the_time_is_short(
    client: FlaskClient, stripe: Stripe, left: timedelta, is_warned: bool
) -> None:
    donation = begin(client)
    donation.checkout_expires_at = datetime.now(UTC) + left
    db.session.commit()
    page = client.get(f"/en/donations/{donation.token}").text
    assert ('<p class="notice">' in page, '<p class="notice" hidden>' in page) == (is_warned, not is_warned)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.mark.browser
@pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")
@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_page_warns_before_the_time_ends_and_leads_back_to_the_form(
    app: Flask, client: FlaskClient, stripe: Stripe, chromium: Browser, language: str
) -> None:
    donation, words = begin(client, language), WORDS[language]
    donation.checkout_expires_at = datetime.now(UTC) + TIME_WARNING + timedelta(seconds=4)
    donation.polled_at = datetime.now(UTC) + timedelta(minutes=1)
    db.session.commit()
    cookie = client.get_cookie("session")
    assert cookie
    with serve(app) as address:
        context = chromium.new_context()
        context.add_cookies([{"name": "session", "value": cookie.value, "url": address}])
        page = context.new_page()
        page.goto(f"{address}/{language}/donations/{donation.token}")
        warning = page.get_by_role("alert").get_by_text(words["warning"])
        expect(page.get_by_text(words["until"])).to_be_visible()
        expect(warning).to_be_hidden()
        expect(warning).to_be_visible()
        page.get_by_role("button", name=words["button"]).click()
        expect(page.get_by_text(words["title"], exact=True)).to_be_visible()
        expect(page.locator("[name=email]")).to_have_value(FORM["email"])
        context.close()


def test_without_scripts_a_page_with_a_message_is_not_loaded_again_before_it_is_read(
    app: Flask, client: FlaskClient, stripe: Stripe
) -> None:
    donation, reachable = begin(client), app.extensions["services"]
    path = f"/en/donations/{donation.token}"
    before = client.get(path)
    assert '<meta http-equiv="refresh"' in before.text
    app.extensions["services"] = replace(reachable, stripe_payments=StripePayments(secret_key="sk_test_x", api_base="http://127.0.0.1:9"))
    client.post(f"{path}/time", data=hidden_fields(before))
    app.extensions["services"] = reachable
    assert '<meta http-equiv="refresh"' not in client.get(path).text
    assert '<meta http-equiv="refresh"' in client.get(path).text
