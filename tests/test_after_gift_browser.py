"""What comes after a gift in a real browser: for screen readers, on a phone, in the dark, with and without scripts, and nothing from elsewhere."""

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from playwright.sync_api import Page, expect

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.funds import Fund
from campaign.outbox import tribute_cards
from campaign.web.public import donor_access
from tests.browser import chromium_path, open_browser, serve
from tests.factories import paid
from tests.web import SLUG

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")]


def cookie_of(app: Flask, donation: Donation) -> str:
    """The session of a browser that came by the link that was mailed to the donor."""
    interface = app.session_interface
    signer = interface.get_signing_serializer(app)  # type: ignore[attr-defined]  # of sessions in cookies
    with app.test_request_context():
        return str(signer.dumps({donor_access.ACCESS: donor_access.grant_of(donation.donor_id)}))


def assert_accessible_and_fitting(page: Page) -> None:
    for details in page.locator("details").all():
        details.evaluate("one => one.open = true")
    found = Axe().run(page)
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found.response["violations"]] == []
    width = page.viewport_size
    assert width and page.evaluate("document.documentElement.scrollWidth") <= width["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize(
    ("language", "copied", "see", "schedule"),
    [
        ("en", "The address is copied.", "See the email first", "Schedule this card"),
        ("fr", "L’adresse est copiée.", "Voir d’abord le courriel", "Programmer cette carte"),
    ],
)
def test_from_the_thanks_to_a_scheduled_card(
    app: Flask, campaign: Campaign, fund: Fund, language: str, copied: str, see: str, schedule: str, width: int, scheme: str
) -> None:
    donation = paid(campaign, 100_00, expected=100_00, tribute_kind="honour", tribute_name="Ana Roy")
    db.session.commit()
    path, cookie = f"/{language}/donations/{donation.token}", cookie_of(app, donation)
    with serve(app) as site, open_browser() as browser:
        dark = scheme == "dark"
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light")
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.add_cookies([{"name": app.config["SESSION_COOKIE_NAME"], "value": cookie, "url": site}])
        page = context.new_page()
        errors, asked = [], []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(site + path)
        assert_accessible_and_fitting(page)
        page.locator("[data-copy=share-url]").click()
        expect(page.get_by_role("status").filter(has_text=copied)).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == f"http://127.0.0.1:8000/{language}/{SLUG}"
        page.goto(f"{site}{path}/cards")
        assert_accessible_and_fitting(page)
        page.locator("#recipient_name").fill("Léa")
        page.locator("#recipient_email").fill("lea@reader.example")
        page.get_by_role("button", name=see).click()
        expect(page.get_by_role("button", name=schedule)).to_be_visible()
        assert_accessible_and_fitting(page)
        page.get_by_role("button", name=schedule).click()
        expect(page.get_by_text("Léa")).to_be_visible()
        assert_accessible_and_fitting(page)
        assert errors == []
        assert [url for url in asked if not url.startswith((site, "data:"))] == [], "nothing is asked of others"
    assert len(tribute_cards.list_cards(donation)) == 1


def test_without_scripts_the_address_can_be_selected_and_phones_share_it_with_an_app(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    db.session.commit()
    with serve(app) as site, open_browser() as browser:
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(f"{site}/en/donations/{donation.token}")
        expect(page.locator("#share-url")).to_have_value(f"http://127.0.0.1:8000/en/{SLUG}")
        expect(page.locator("[data-copy]").first).to_be_hidden()
        phone = browser.new_context().new_page()
        phone.add_init_script("navigator.share = async (what) => { window.shared = what; }")
        phone.goto(f"{site}/en/donations/{donation.token}")
        phone.locator("[data-share]").click()
        shared = phone.evaluate("window.shared")
    assert shared["url"] == f"http://127.0.0.1:8000/en/{SLUG}"
    assert donation.token not in str(shared) and "100" not in str(shared)
