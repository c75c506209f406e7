"""Journeys of donors after their gift: monthly gifts, all gifts by a mailed link, another email address, the wall of gifts, a card for somebody."""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from campaign.campaigns.campaigns import Campaign
from campaign.donations import wall_entries
from campaign.donations.donations import Donation
from campaign.donations.donors import Donor as DonorRow
from campaign.donations.donors import wants_annual_receipt
from campaign.donations.news_withdrawals import wants_news
from campaign.edges.db import db
from campaign.mail.tribute_card_jobs import enqueue_cards
from campaign.outbox import tribute_cards
from campaign.receipts import receipts
from campaign.recurring.recurring_gifts import recurring_gift_of
from campaign.reporting.integrity import checker
from tests.browser import chromium_path, open_browser
from tests.conftest import Post, Stripe
from tests.factories import today
from tests.journeys import EMAIL, FIVE, OTHER_FIVE, Donor, Journey, books, journey, newest_donation, tried
from tests.mail import pdf_text, text_of
from tests.stripe import advance_months, paid_at_stripe
from tests.wall import agree, entry_of, show
from tests.web import FORM

NEW, FRIEND = "another@reader.example", "friend@reader.example"

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def ask_for_link(way: Journey) -> None:
    """Ask on the page for the link that lets the donor change something."""
    way.press("Email me a link", "M’envoyer un lien")
    way.reads_message("A link is on its way to", "Nous venons d’envoyer un lien à")


def give(way: Journey) -> Donation:
    """Go through the form to the page that thanks; what else is to be typed is typed before."""
    way.type_person()
    way.submit()
    way.pay()
    way.sees_heading(f"Thank you, {FORM['first_name']}", f"Merci, {FORM['first_name']}")
    return newest_donation()


@pytest.mark.parametrize("donor", tried(OTHER_FIVE), ids=str)
def test_a_monthly_gift_is_changed_and_stopped(
    app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, post: Post, donor: Donor
) -> None:
    with journey(app, chromium, "monthly", donor) as way:
        way.open_form()
        way.page.locator("label[for=monthly]").click()
        way.type_amount("50")
        donation = give(way)
        way.press("Change the amount or the card, or stop", "Changer le montant ou la carte, ou arrêter")
        way.sees("You give $50.00 each month", "Vous donnez 50,00 $ chaque mois")
        way.picture("1-page")
        ask_for_link(way)
        way.enter(post)
        amount = way.page.locator("#amount")
        amount.fill("1")
        way.press("Change the amount from next month", "Changer le montant à partir du mois prochain")
        way.reads_message("Please choose an amount from", "Choisissez un montant de")
        expect(amount).to_have_attribute("aria-invalid", "true")
        way.picture("2-wrong-amount")
        amount.fill("75")
        way.press("Change the amount from next month", "Changer le montant à partir du mois prochain")
        way.reads_message("From next month on, you will give $75.00.", "À partir du mois prochain, vous donnerez 75,00 $.")
        gift = recurring_gift_of(newest_donation())
        assert gift and gift.amount_cents == 75_00
        way.press("Change your name or address", "Changer votre nom ou votre adresse")
        way.page.locator("#city").fill("")
        way.press("Change it", "Modifier")
        expect(way.page.locator("#errors")).to_be_focused()
        way.page.locator("#city").fill("Laval")
        way.press("Change it", "Modifier")
        way.reads_message("Changed. The receipts of later months show it.", "C’est modifié. Les reçus des prochains mois le montreront.")
        way.unfold("Stop giving each month", "Arrêter de donner chaque mois")
        way.press("Stop now", "Arrêter maintenant")
        way.reads_message("Your monthly gift has ended.", "Votre don mensuel a pris fin.")
        way.picture("3-ended")
        way.aside(lambda: advance_months(stripe, 2))
        gift = recurring_gift_of(newest_donation())
        assert gift and (gift.is_over, gift.city) == (True, "Laval")
        assert newest_donation().id == donation.id and books() == ("paid", 0, 50_00), "nothing more is charged"
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("donor", tried(FIVE), ids=str)
def test_all_gifts_by_a_mailed_link(app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, post: Post, donor: Donor) -> None:
    gift = paid_at_stripe(campaign, 100_00, expected=100_00, language=donor.language, email=EMAIL)
    with journey(app, chromium, "my-gifts", donor) as way:
        way.work()
        way.open(f"/{donor.language}/my-gifts")
        for typed in ("nobody@example", EMAIL):
            way.page.locator("#email").fill(typed)
            way.press("Email me the link", "M’envoyer le lien")
            if typed != EMAIL:
                expect(way.page.locator("#email-error")).to_be_visible()
                expect(way.page.locator("#email")).to_be_focused()
                way.picture("1-wrong-email")
        way.reads_message("If there are gifts under this address", "Si des dons ont été faits avec cette adresse")
        way.enter(post)
        way.sees_heading("Your gifts", "Vos dons")
        receipt = receipts.receipt_of(gift.id)
        assert receipt
        link = way.page.get_by_role("link", name=receipt.serial).first
        assert receipt.serial in pdf_text(way.page.request.get(f"{way.site}{link.get_attribute('href')}").body())
        details = way.unfold("One receipt for each gift, or one for the year", "Un reçu pour chaque don, ou un pour l’année")
        details.locator("[value=annual]").check()
        way.press("Save my choice", "Enregistrer mon choix")
        way.reads_message(
            "You will get one official receipt for all your gifts of a year", "Vous recevrez un seul reçu officiel pour tous vos dons"
        )
        way.press("I agree", "J’accepte")
        way.reads_message("You get a few emails a year with news", "Vous recevez quelques courriels de nouvelles par année")
        way.picture("2-gifts")
        db.session.rollback()
        assert wants_annual_receipt(gift.donor_id) and wants_news(gift.donor_id)
        way.press("Close this page", "Fermer cette page")
        way.reads_message("Your gifts are closed in this browser", "Vos dons sont fermés dans ce navigateur")
        way.open(f"/{donor.language}/my-gifts")
        expect(way.page.locator("table")).to_have_count(0)


@pytest.mark.parametrize("donor", tried(OTHER_FIVE), ids=str)
def test_another_email_address(app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, post: Post, donor: Donor) -> None:
    gift = paid_at_stripe(campaign, 100_00, language=donor.language, email=EMAIL)
    with journey(app, chromium, "email", donor) as way:
        way.open(f"/{donor.language}/donations/{gift.token}")
        ask_for_link(way)
        way.picture("1-link-is-sent")
        way.enter(post)
        way.unfold("Change your email address", "Changer votre adresse courriel").locator("#email").fill(NEW)
        way.press("Email me a link", "M’envoyer un lien")
        way.reads_message("Until then nothing changes.", "D’ici là, rien ne change.")
        link = way.mailed_link(post, "email", to=NEW)
        assert db.session.get_one(DonorRow, newest_donation().donor_id).email == EMAIL
        way.open(link)
        way.press("Confirm this address", "Confirmer cette adresse")
        way.sees_heading("Your address is changed", "Votre adresse est modifiée")
        way.picture("2-changed")
        assert db.session.get_one(DonorRow, newest_donation().donor_id).email == NEW


@pytest.mark.parametrize("donor", tried(FIVE), ids=str)
def test_a_gift_on_the_wall_is_shown_and_withdrawn(
    app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, post: Post, donor: Donor
) -> None:
    with journey(app, chromium, "wall", donor) as way:
        way.open_form()
        way.type_amount("100")
        way.page.locator(".of-person details summary").click()
        way.page.locator("#on_wall").check()
        way.page.locator("#public_name").fill("Jeanne")
        way.picture("1-agreed")
        donation = give(way)
        shown = way.page.locator(".wall", has_text="Jeanne")
        own = way.page.url
        way.open_form()
        expect(shown).to_have_count(0)
        agree(donation)
        show(donation)
        way.open_form()
        expect(shown).to_be_visible()
        expect(shown).not_to_contain_text(FORM["last_name"])
        way.picture("2-shown")
        way.open(own)
        ask_for_link(way)
        way.enter(post)
        way.sees("It is shown now, among others.", "Il est affiché en ce moment, parmi d’autres.")
        way.press("Do not show my gift any more", "Ne plus afficher mon don")
        way.reads_message("Your gift is not shown any more.", "Votre don n’est plus affiché.")
        way.open_form()
        expect(shown).to_have_count(0)
        assert wall_entries.list_shown(campaign, limit=9) == [] and entry_of(newest_donation()).withdrawn_at


@pytest.mark.parametrize("donor", tried(OTHER_FIVE), ids=str)
def test_a_card_for_somebody(app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, post: Post, donor: Donor) -> None:
    with journey(app, chromium, "card", donor) as way:
        way.open_form()
        way.type_amount("100")
        way.page.locator(".of-person details summary").click()
        way.page.locator("[name=tribute_kind][value=honour]").check()
        way.page.locator("#tribute_name").fill("Ana Roy")
        donation = give(way)
        cards = f"/{donor.language}/donations/{donation.token}/cards"
        way.open(cards)
        ask_for_link(way)
        way.enter(post)
        way.open(cards)
        way.page.locator("#recipient_name").fill("Léa")
        way.page.locator("#send_on").fill(today().isoformat())
        way.press("See the email first", "Voir d’abord le courriel")
        expect(way.page.locator("#errors")).to_be_focused()
        way.picture("1-errors")
        way.page.locator("#recipient_email").fill(FRIEND)
        way.press("See the email first", "Voir d’abord le courriel")
        assert tribute_cards.list_cards(newest_donation()) == [], "the donor sees it before it is scheduled"
        way.picture("2-preview")
        way.press("Schedule this card", "Programmer cette carte")
        way.reads_message("The card will be sent", "La carte partira")
        way.picture("3-scheduled")
        way.aside(enqueue_cards)
        way.work()
        [sent] = [message for _, to, message, _ in post.box.newest(20) if to == [FRIEND]]
        assert "Ana Roy" in text_of(sent) and "100" not in text_of(sent).replace(way.site, "")
