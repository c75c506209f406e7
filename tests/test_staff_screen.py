"""Pages of staff in a browser: none stays on the screen when its session has ended, and all fit a phone, in the dark scheme too."""

import threading
from collections.abc import Iterator
from datetime import date

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from playwright.sync_api import BrowserContext, Page, expect
from werkzeug.serving import BaseWSGIServer, make_server

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox.__main__ import Quiet
from campaign.edges.db import db
from campaign.funders import payments
from campaign.funders.funders import Funder
from tests.browser import chromium_path, open_browser
from tests.factories import contribute, create_fund, issue_receipt, paid, today
from tests.web import signed_in

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")


@pytest.fixture
def server(app: Flask) -> Iterator[BaseWSGIServer]:
    running = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def context(app: Flask, server: BaseWSGIServer) -> Iterator[BrowserContext]:
    """A browser in which a member of staff is signed in."""
    cookie = signed_in(app, "admin").get_cookie("session")
    assert cookie
    with open_browser() as browser:
        context = browser.new_context()
        context.add_cookies([{"name": "session", "value": cookie.value, "url": f"http://127.0.0.1:{server.port}"}])
        yield context


def test_a_page_clears_itself_after_the_session_and_at_a_sign_out_in_another_tab(
    context: BrowserContext, server: BaseWSGIServer, campaign: Campaign
) -> None:
    address = f"http://127.0.0.1:{server.port}/staff/donations/{paid(campaign).public_id}"

    def open_tab() -> Page:
        tab = context.new_page()
        tab.clock.install()
        tab.goto(address)
        expect(tab.locator("#signed-in")).to_be_visible()
        return tab

    idle, used = open_tab(), open_tab()
    idle.clock.fast_forward("29:00")
    used.reload()
    expect(used.locator("#signed-in")).to_be_visible()
    idle.clock.fast_forward("29:00")
    expect(idle.locator("#signed-in")).to_be_visible()  # Control: a tab that is used keeps the others. They share the clock.
    context.set_offline(True)
    idle.clock.fast_forward("31:01")
    for tab in (idle, used):
        expect(tab.locator("#signed-in")).to_have_count(0)
    context.set_offline(False)
    other = open_tab()
    open_tab().get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(f"http://127.0.0.1:{server.port}/staff/sign-in")


LONG = {"first_name": "Wolfeschlegelsteinhausenbergerdorff", "last_name": "Saint-Jean-Baptiste de la Salle", "organization": "ACME Inc."}
OVERFLOWS = """() => [document.documentElement, ...document.querySelectorAll('.scroll')]
    .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => [...e.querySelectorAll('*')].filter(x => x.getBoundingClientRect().right > 321).map(x => x.outerHTML.slice(0, 90)))"""


def test_every_page_of_staff_fits_a_phone_and_has_contrast_in_the_dark(
    context: BrowserContext, server: BaseWSGIServer, app: Flask, campaign: Campaign
) -> None:
    donation = paid(campaign, 25_000_00, email="a.very.long.address.of.somebody@subdomain.example.org", in_own_name=True, **LONG)
    receipt, fund, last_year = issue_receipt(donation), create_fund(campaign, 9_876_543_21, position=9), date(today().year - 1, 5, 1)
    payments.record_payment(fund, 9_876_543_21, received_on=last_year, reference="1", livemode=False, actor="manager@example.org")
    db.session.get_one(Funder, fund.funder_id).province = "QC"
    draft = create_fund(campaign, 9_876_543_21, position=10, active=False)
    contribute(draft, 1_234_567_89, "The Wolfeschlegelsteinhausenbergerdorff Family Foundation of Eastern Canada")
    db.session.commit()
    assert receipt
    own = [f"/staff/donations/{donation.public_id}", f"/staff/donations/{donation.public_id}/person", f"/staff/receipts/{receipt.serial}"]
    own += ["/staff/receipts/returns?lang=fr", f"/staff/donors/{donation.donor_id}", f"/{campaign.slug}", f"/en/donations/{donation.token}"]
    of_campaign = f"/staff/campaigns/{campaign.slug}"
    own += [
        of_campaign,
        f"{of_campaign}/edit",
        f"{of_campaign}/picture",
        f"/staff/funds/{fund.slug}",
        f"/staff/funds/{fund.slug}/introduction",
        f"/staff/funds/{draft.slug}",
        f"/staff/funds/{draft.slug}?lang=fr",
        "/staff/funds/new",
        "/staff/campaigns/new",
    ]
    files = (".csv", ".xlsx", ".pdf", ".json", ".pem")
    with app.app_context():
        rules = {str(rule) for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments}
    pages = sorted(path for path in rules if path.startswith("/staff") and not path.endswith(files)) + own
    tab = context.new_page()
    tab.emulate_media(color_scheme="dark")
    tab.set_viewport_size({"width": 320, "height": 700})
    wrong = {}
    for path in pages:
        tab.goto(f"http://127.0.0.1:{server.port}{path}")
        if found := tab.evaluate(OVERFLOWS):
            wrong[path] = found
        if path in own:
            tested = Axe().run(tab, options={"runOnly": ["color-contrast"]}).response
            wrong |= {node["html"][:150]: [path] for rule in tested["violations"] for node in rule["nodes"]}
    assert wrong == {}
    assert len(pages) > 20
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    expect(tab.locator(".test-banner"), "a printed page of a trial says so").to_be_visible()


def test_two_keys_lead_to_the_search_except_while_somebody_types(
    context: BrowserContext, server: BaseWSGIServer, campaign: Campaign
) -> None:
    donation = paid(campaign, first_name="Hélène", last_name="Côté-Tremblay")
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/staff/mail")
    search = page.get_by_role("searchbox")
    page.keyboard.press("Control+k")
    expect(search).to_be_focused()
    page.keyboard.type("a/b")
    expect(search).to_have_value("a/b")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type(donation.public_id)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hélène Côté-Tremblay")
