"""The page of all gifts in a real browser: from the form to the page in both languages, on a phone, for screen readers, on paper and closed again."""

import re
import threading
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from playwright.sync_api import Page, ViewportSize, expect
from werkzeug.serving import make_server

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.stack import free_port
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.schedule import schedule_jobs
from tests.browser import chromium_path, open_browser
from tests.conftest import Post, Stripe
from tests.factories import another_campaign, another_charity, create_refund, end, issue_receipt, paid, start_donation
from tests.mail import last_email, make_due, text_of
from tests.stripe import start_recurring
from tests.test_shared_messages import shared
from tests.web import FORM

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")]

OWNER = FORM["email"]
PHONE, SCREEN = ViewportSize(width=320, height=700), ViewportSize(width=1280, height=900)


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    port = free_port(23000, taken=set())
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.shutdown()
    thread.join()
    server.server_close()


def many_gifts(app: Flask, campaign: Campaign, stripe: Stripe, language: str) -> Donation:
    """Gifts in all kinds of states, one of them monthly; the latest paid one."""
    start_recurring(app, stripe, language)
    schedule_jobs.poll_stripe()
    refunded = paid(campaign, 1_234_50, email=OWNER, language=language)
    issue_receipt(refunded)
    create_refund(refunded, 234_50)
    end(start_donation(campaign, 31_00, email=OWNER), "expired")
    other = another_campaign(500_00, like=campaign, charity=another_charity())
    issue_receipt(paid(other, 70_00, email=OWNER, language=language, covered_fee_cents=2_00))
    latest = shared(campaign, 50_00, email=OWNER, language=language)
    issue_receipt(latest)
    db.session.commit()
    make_due()
    send_jobs.send_due()
    return latest


def assert_accessible_and_fitting(page: Page) -> None:
    found = Axe().run(page)
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found.response["violations"]] == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.set_viewport_size(SCREEN)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            {
                "ask": "Email me the link",
                "go on": "Continue",
                "heading": "Your gifts",
                "close": "Close this page",
                "closed": "closed in this browser",
            },
        ),
        (
            "fr",
            {
                "ask": "M’envoyer le lien",
                "go on": "Continuer",
                "heading": "Vos dons",
                "close": "Fermer cette page",
                "closed": "fermés dans ce navigateur",
            },
        ),
    ],
)
def test_from_the_form_to_the_page_and_closed_again(
    app: Flask, campaign: Campaign, stripe: Stripe, post: Post, site: str, language: str, words: dict[str, str]
) -> None:
    gift = many_gifts(app, campaign, stripe, language)
    with open_browser() as browser:  # After the receipts are signed, which takes an event loop of its own.
        page = browser.new_context(viewport=SCREEN).new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"{site}/{language}/my-gifts")
        assert_accessible_and_fitting(page)
        page.locator("#email").fill(OWNER)
        page.get_by_role("button", name=words["ask"]).click()
        expect(page.get_by_role("status")).to_be_visible()
        make_due()
        send_jobs.send_due()
        link = re.search(r"/\w\w/access/[0-9a-f]{64}", text_of(last_email(post, gift)))
        assert link
        page.goto(f"{site}{link[0]}")
        page.get_by_role("button", name=words["go on"]).click()
        heading = page.get_by_role("heading", name=words["heading"], exact=True)
        expect(heading).to_be_visible()
        assert page.url == f"{site}/{language}/my-gifts"
        for details in page.locator("details").all():
            details.evaluate("one => one.open = true")
        assert_accessible_and_fitting(page)
        page.emulate_media(media="print")
        expect(page.get_by_role("button", name=words["close"])).to_be_hidden()
        page.emulate_media(media="screen")
        page.get_by_role("button", name=words["close"]).click()
        expect(page.get_by_role("status")).to_contain_text(words["closed"])
        page.go_back()
        page.reload()
        expect(heading).to_have_count(0)
        assert errors == []
