"""What a screen reader has of the main pages: landmarks, headings and names in their order, live regions, languages of parts, and messages with the focus."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask, flash, redirect
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from playwright.sync_api import Browser, expect

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.web.done_message import ANCHOR
from campaign.web.security import access, csrf
from tests.browser import chromium_path, open_browser, serve
from tests.conftest import Stripe
from tests.factories import paid
from tests.journeys import DESKTOP, PHONE, Donor, journey
from tests.web import SLUG
from tools.architecture import ROOT

in_browser = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")]

# Roles in their order, which is that of both languages; other things may be between. That each has a name is in test_public_pages.py.
CAMPAIGN = """
    - link
    - banner:
      - navigation:
        - link
    - main:
      - region:
        - heading [level=1]
      - region:
        - heading [level=2]
        - radiogroup:
          - radio [checked]
          - radio
        - group:
          - radio
        - textbox
        - status
    - contentinfo
"""
THANKS = """
    - link
    - banner
    - main:
      - heading [level=1]
      - region:
        - heading [level=2]
        - term
        - definition: /100/
      - region:
        - heading [level=2]
        - textbox
        - status
      - region:
        - list:
          - listitem
    - contentinfo
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


class TestInABrowser:
    pytestmark = in_browser

    @pytest.mark.parametrize("language", ["en", "fr"])
    def test_the_main_pages_are_read_in_their_order(self, app: Flask, chromium: Browser, campaign: Campaign, language: str) -> None:
        gift = paid(campaign, 100_00, expected=100_00, language=language)
        db.session.commit()
        with serve(app) as site:
            page = chromium.new_context().new_page()
            page.goto(f"{site}/{language}/{SLUG}")
            expect(page.locator("body")).to_match_aria_snapshot(CAMPAIGN)
            assert (
                page.locator("#quote-said").get_attribute("role") == "status"
                and page.locator("#checking").get_attribute("role") == "status"
            )
            page.goto(f"{site}/{language}/donations/{gift.token}")
            expect(page.locator("body")).to_match_aria_snapshot(THANKS)
            spoken = page.locator("html, [lang]").evaluate_all("all => all.map(one => one.lang)")
            assert spoken == [language, {"en": "fr", "fr": "en"}[language]], "the page, and the link to the other language"
            page.context.close()

    @pytest.mark.parametrize("has_scripts", [False, True])
    def test_a_message_and_a_refused_form_have_the_focus_on_every_kind_of_page(
        self, app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, has_scripts: bool
    ) -> None:
        """Those that no journey leads through: the journeys see the others."""
        donor = Donor(language="en", width=PHONE if has_scripts else DESKTOP, scheme="light", has_scripts=has_scripts)
        with journey(app, chromium, "focus", donor) as way:
            way.open("/en/monthly")
            way.page.locator("#email").fill("nobody@example.org")
            way.press("Send me the link", "")
            way.reads_message("If there is a monthly gift under this address", "")
            way.page.reload()
            expect(way.page.locator("#done")).to_have_count(0)


def test_only_what_was_done_by_a_public_form_moves_the_focus(app: Flask) -> None:
    def act(said: str, to: str) -> ResponseReturnValue:
        if said:
            flash(said)
        return redirect(f"https://stripe.example/{to}" if to == "pay" else f"/en/{to}", 303)

    for name, role in (("public", "public"), ("staff", "viewer")):
        view = csrf.exempt(access(role)(lambda said="", to="x": act(said, to)))
        app.view_functions[f"act_{name}"] = view
        app.url_map.add(app.url_rule_class(f"/act-{name}/<to>/<said>", methods=["POST", "GET"], endpoint=f"act_{name}"))
        app.url_map.add(app.url_rule_class(f"/act-{name}/<to>", methods=["POST"], endpoint=f"act_{name}"))
    client = app.test_client()
    assert client.post("/act-public/gift").location == "/en/gift", "nothing was said"
    assert client.post("/act-public/gift/Changed").location == f"/en/gift#{ANCHOR}"
    assert client.post("/act-public/pay/Changed").location == "https://stripe.example/pay", "a page of somebody else"
    assert client.get("/act-public/gift/Changed").location == "/en/gift", "a link has an address of its own"
    assert ANCHOR not in (client.post("/act-staff/gift/Changed").location or "")


def test_all_pages_of_donors_show_messages_in_the_one_way() -> None:
    showing = [path.name for path in (ROOT / "templates" / "donate").glob("*.html") if "get_flashed_messages" in path.read_text()]
    assert showing == ["done.html"]
    pages = [path for path in (ROOT / "templates").glob("donate/*.html") if "donate/done.html" in path.read_text()]
    assert len(pages) == 6 and not any("parts.messages" in path.read_text() for path in (ROOT / "templates" / "donate").glob("*.html"))


def test_each_refused_form_leads_to_what_is_wrong(client: FlaskClient) -> None:
    """The address of a form that is shown again with its errors ends in the list of them."""
    for name in ("address", "contact", "wall_choice", "cards"):
        template = (ROOT / "templates" / "donate" / f"{name}.html").read_text()
        assert "fields.summary(errors" in template and re.search(r"_anchor='errors'\) }}\" method=\"post\"", template), name
