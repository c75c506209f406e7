"""The donor's page, in a browser, while the payment is confirmed: it reloads when the state changes, and never cancels a link that was followed."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import chromium_path, open_browser
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

SCRIPT = Path(__file__).parents[1] / "campaign" / "web" / "static" / "wait.js"
GIFT = """<!doctype html><title>{state}</title><h1>{state}</h1><a href="/campaign">The campaign</a>
<section id="waiting" data-json="/status" data-state="{state}" data-receipt="yes"></section><script src="/wait.js"></script>"""


class Site:
    """A donation's page, its state, and the page of a campaign that is sent only when the test says so."""

    def __init__(self) -> None:
        self.state = "pending"
        self.campaign: Route | None = None

    def respond(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path == "/campaign":
            self.campaign = route
        elif path == "/status":
            route.fulfill(json={"state": self.state})
        elif path == "/wait.js":
            route.fulfill(body=SCRIPT.read_text(), content_type="text/javascript")
        else:
            route.fulfill(body=GIFT.format(state=self.state), content_type="text/html")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    with open_browser() as browser:
        page = browser.new_page()
        page.clock.install()
        page.route("**/*", site.respond)
        page.goto("https://charity.example/gift")
        yield page


def follow_link(page: Page, site: Site) -> None:
    page.get_by_role("link").click(no_wait_after=True)
    while site.campaign is None:
        page.wait_for_timeout(50)


def poll(page: Page) -> None:
    with page.expect_response("**/status"):
        pass


def test_the_page_reloads_when_the_payment_is_confirmed(page: Page, site: Site) -> None:
    site.state = "paid"
    expect(page.get_by_role("heading")).to_have_text("paid", timeout=PATIENCE_SECONDS * 1000)


def test_a_link_that_the_donor_followed_is_not_cancelled_by_a_reload(page: Page, site: Site) -> None:
    follow_link(page, site)
    site.state = "paid"
    poll(page)
    poll(page)  # The answer to the first one was read: a reload would have begun.
    assert site.campaign
    site.campaign.fulfill(body="<title>campaign</title><h1>The campaign</h1>", content_type="text/html")
    expect(page.get_by_role("heading")).to_have_text("The campaign")


def test_a_page_that_stayed_because_the_link_was_a_download_reloads_later(page: Page, site: Site) -> None:
    follow_link(page, site)
    assert site.campaign
    site.campaign.fulfill(status=204)
    site.state = "paid"
    poll(page)
    expect(page.get_by_role("heading")).to_have_text("pending")
    page.clock.fast_forward("00:20")
    expect(page.get_by_role("heading")).to_have_text("paid", timeout=PATIENCE_SECONDS * 1000)
