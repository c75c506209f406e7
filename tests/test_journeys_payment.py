"""Journeys of donors whose payment takes another way: a bank debit that fails, a refund, and a campaign that ends while they fill in the form."""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import debits
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.payments import refund_jobs
from campaign.receipts import receipts
from campaign.reporting.integrity import checker
from tests.browser import chromium_path, open_browser
from tests.conftest import Post, Stripe
from tests.journeys import EMAIL, FIVE, OTHER_FIVE, Donor, books, journey, newest_donation, tried
from tests.mail import last_email, text_of
from tests.stripe import paid_at_stripe, sessions

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.mark.parametrize("donor", tried(OTHER_FIVE), ids=str)
def test_a_bank_debit_is_under_way_and_fails(
    app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, post: Post, donor: Donor
) -> None:
    with journey(app, chromium, "debit", donor) as way:
        way.open_form()
        way.type_amount("100")
        way.type_person()
        way.submit()
        way.page.locator("form:has([value=debit]) button").first.click()
        way.page.wait_for_url(f"{way.site}/**")
        way.sees_heading("Your payment is under way", "Votre paiement est en cours")
        way.sees("Your bank may take a few days", "Votre banque peut prendre quelques jours")
        way.picture("1-under-way")
        assert books() == ("processing", 100_00, 0)
        assert receipts.receipt_of(newest_donation().id) is None, "no receipt until the money has come"
        debits.end_debit(stripe.account, sessions(stripe)[0], succeeded=False)
        way.work()
        declined = text_of(last_email(post, newest_donation()))
        assert way.said("Your bank declined your gift of $100", "Votre banque a refusé votre don de 100 $") in declined
        way.open(way.page.url.partition("#")[0])
        way.sees_heading("The payment did not go through", "Le paiement n’a pas abouti")
        way.sees("Nothing was taken from your account", "Rien n’a été prélevé sur votre compte")
        way.picture("2-failed")
        assert books() == ("failed", 0, 0)
        way.press("Try again", "Réessayer")
        expect(way.page.locator("#amount")).to_have_value("100")


def refund(public_id: str, cents: int) -> None:
    """Staff refund a part of the gift."""
    donation = db.session.query(Donation).filter_by(public_id=public_id).one()
    refund_jobs.refund(donation, cents, actor="clerk@example.org", reason="asked by the donor")
    db.session.commit()


@pytest.mark.parametrize("donor", tried(FIVE), ids=str)
def test_a_refund_is_seen_by_the_donor(app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, post: Post, donor: Donor) -> None:
    gift = paid_at_stripe(campaign, 100_00, expected=100_00, language=donor.language, email=EMAIL)
    path, name = f"/{donor.language}/donations/{gift.token}", gift.public_id
    with journey(app, chromium, "refund", donor) as way:
        way.work()
        first = receipts.receipt_of(gift.id)
        way.aside(lambda: refund(name, 40_00))
        way.work()
        way.open(path)
        way.sees("Research receives $120", "La recherche reçoit 120 $")
        way.sees("Returned to you", "Retourné")
        way.picture("1-partly-refunded")
        second = receipts.receipt_of(gift.id)
        assert first and second and (first.cents, second.cents) == (100_00, 60_00)
        way.sees(second.serial, second.serial)
        way.sees("Replaces receipt", "Remplace le reçu")
        assert books() == ("partially_refunded", 0, 60_00)
        way.aside(lambda: refund(name, 60_00))
        way.work()
        way.open(path)
        way.sees_heading("This gift was refunded", "Ce don a été remboursé")
        way.sees("This receipt is cancelled, and cannot be used for taxes.", "Ce reçu est annulé et ne peut servir pour les impôts.")
        way.picture("2-refunded")
        assert books() == ("refunded", 0, 0) and receipts.receipt_of(gift.id) is None
        assert way.said("$60", "60 $") in text_of(last_email(post, gift))
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("donor", tried(OTHER_FIVE), ids=str)
def test_a_campaign_ends_while_the_donor_fills_in_the_form(
    app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, donor: Donor
) -> None:
    with journey(app, chromium, "over", donor) as way:
        way.open_form()
        way.type_amount("100")
        way.type_person()
        campaign_actions.close_to_gifts(campaign, actor="manager@example.org")
        way.submit()
        over = way.page.get_by_role("heading", name=way.said("This campaign is over", "Cette campagne est terminée"))
        expect(over).to_be_visible()
        way.sees("It no longer takes gifts", "Elle n’accepte plus de dons")
        expect(way.page.locator("#give-form")).to_have_count(0)
        way.picture("1-over")
        assert db.session.query(Donation).count() == 0 and sessions(stripe) == []
        way.open_form()
        expect(over).to_be_visible()
