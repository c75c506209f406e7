"""The main journeys of donors in a real browser: give once and see the receipt, mend a form, come back without paying, change the language."""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.receipts import receipts
from campaign.reporting.integrity import checker
from tests.browser import chromium_path, open_browser
from tests.conftest import Post, Stripe
from tests.journeys import EIGHT, EMAIL, FIVE, OTHER_FIVE, Donor, Journey, books, covers, journey, newest_donation, tried
from tests.mail import attached, last_email, pdf_text
from tests.scale import SCALE
from tests.web import FORM

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def test_the_tables_cover_what_they_say() -> None:
    assert covers(EIGHT, together=3) and covers(FIVE, together=2) and covers(OTHER_FIVE, together=2)
    assert not covers(FIVE[1:], together=2)
    assert covers(FIVE[:3], together=1) and covers(OTHER_FIVE[:3], together=1)


@pytest.mark.parametrize("donor", EIGHT if SCALE > 1 else FIVE, ids=str)
def test_give_once_come_back_and_see_the_receipt(
    app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, post: Post, donor: Donor
) -> None:
    with journey(app, chromium, "give-once", donor) as way:
        way.open_form()
        way.sees("every dollar you give is doubled", "chaque dollar donné est doublé")
        way.picture("1-form")
        way.type_amount("100")
        way.type_person()
        way.picture("2-filled-in")
        way.submit()
        expect(way.page.locator("#card")).to_be_visible()
        assert books() == ("pending", 100_00, 0), "the match is held while the donor pays"
        way.pay()
        way.sees_heading(f"Thank you, {FORM['first_name']}", f"Merci, {FORM['first_name']}")
        way.sees("Research receives $200", "La recherche reçoit 200 $")
        way.picture("3-thanks")
        assert books() == ("paid", 0, 100_00)
        way.open(way.mailed_link(post, "donations"))
        donation = newest_donation()
        receipt = receipts.receipt_of(donation.id)
        assert receipt and (receipt.cents, donation.language) == (100_00, donor.language)
        way.sees(receipt.serial, receipt.serial)
        way.picture("4-receipt")
        link = way.page.get_by_role("link", name=way.said("Open the official receipt (PDF)", "Ouvrir le reçu officiel (PDF)"))
        pdf = way.page.request.get(f"{way.site}{link.get_attribute('href')}")
        assert receipt.serial in pdf_text(pdf.body())
        assert attached(last_email(post, donation)) == [receipt.file_name]
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("donor", tried(FIVE), ids=str)
def test_give_with_errors_and_mend_them(app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, donor: Donor) -> None:
    with journey(app, chromium, "errors", donor) as way:
        way.open_form()
        way.type_amount("60")
        way.type_person(email="nobody", postal_code="H2X", city="")
        way.submit()
        way.sees("Please check the form. Nothing has been charged.", "Veuillez vérifier le formulaire. Rien n’a été prélevé.")
        way.picture("1-errors")
        listed = way.page.locator("#errors li a")
        assert [link.get_attribute("href") for link in listed.all()] == ["#email", "#postal_code", "#city"]
        for name in ("email", "postal_code", "city"):
            field = way.page.locator(f"#{name}")
            expect(field).to_have_attribute("aria-invalid", "true")
            described = (field.get_attribute("aria-describedby") or "").split()
            assert f"{name}-error" in described
            expect(way.page.locator(f"#{name}-error")).to_be_visible()
        listed.first.click()
        expect(way.page.locator("#email")).to_be_focused()
        expect(way.page.locator("#last_name")).to_have_value(FORM["last_name"])
        assert db.session.execute(db.text("SELECT count(*) FROM donation")).scalar() == 0, "nothing is begun"
        for name in ("email", "postal_code", "city"):
            way.page.locator(f"#{name}").fill(FORM[name])
        way.submit()
        way.pay()
        way.sees("Research receives $120", "La recherche reçoit 120 $")
    donation = newest_donation()
    assert (donation.email, donation.city, donation.postal_code) == (EMAIL, FORM["city"], "H2X 1Y4")
    assert books() == ("paid", 0, 60_00)


@pytest.mark.parametrize("donor", tried(OTHER_FIVE), ids=str)
def test_come_back_without_paying_and_give_again(app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, donor: Donor) -> None:
    with journey(app, chromium, "not-paid", donor) as way:
        way.open_form()
        way.type_amount("80")
        way.type_person()
        way.submit()
        leave_checkout(way)
        way.sees_heading("This gift was not completed", "Ce don n’a pas été mené à terme")
        way.sees("Nothing has been charged", "Rien n’a été prélevé")
        way.picture("1-not-paid")
        first = newest_donation().id
        assert books() == ("expired", 0, 0), "what was held is free for others"
        way.press("Finish my gift", "Terminer mon don")
        expect(way.page.locator("#email")).to_have_value(EMAIL)
        expect(way.page.locator("#amount")).to_have_value("80")
        way.picture("2-again")
        way.submit()
        way.pay()
        way.sees("Research receives $160", "La recherche reçoit 160 $")
        assert newest_donation().id != first and books() == ("paid", 0, 80_00)


def leave_checkout(way: Journey) -> None:
    """Go back from Stripe's page by its link."""
    expect(way.page.locator("#card")).to_be_visible()
    way.page.get_by_role("link").filter(has_text="←").click()
    way.page.wait_for_url(f"{way.site}/**")


@pytest.mark.parametrize("donor", tried(FIVE), ids=str)
def test_the_other_language_on_the_way(app: Flask, chromium: Browser, stripe: Stripe, post: Post, campaign: Campaign, donor: Donor) -> None:
    with journey(app, chromium, "language", donor) as way:
        way.open_form()
        way.type_amount("45")
        way.type_person()
        other = way.said("fr", "en")
        if donor.has_scripts:
            way.page.locator("#other-language").click()
        else:
            way.press("Continuer en français", "Continue in English")
        expect(way.page.locator("html")).to_have_attribute("lang", other)
        way.language = "fr" if other == "fr" else "en"
        for name in ("amount", *FORM.keys() & {"first_name", "email", "city"}):
            expect(way.page.locator(f"#{name}")).to_have_value("45" if name == "amount" else FORM[name])
        way.picture("1-other-language")
        way.submit()
        way.pay()
        way.sees("Research receives $90", "La recherche reçoit 90 $")
        way.open(way.mailed_link(post, "donations"))
        way.press("English", "English") if other == "fr" else way.press("Français", "Français")
        expect(way.page.locator("html")).to_have_attribute("lang", donor.language)
        donation = newest_donation()
        receipt = receipts.receipt_of(donation.id)
        assert receipt and (donation.language, receipt.content["language"]) == (other, other), "the receipt is in the language of the gift"
