"""A page of staff does not stay on the screen when its session has ended, in any tab and without the service."""

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import BaseWSGIServer, make_server

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox.__main__ import Quiet
from tests.browser import ARGUMENTS, chromium_path
from tests.factories import paid
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
    cookie = signed_in(app, "viewer").get_cookie("session")
    assert cookie
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        context = browser.new_context()
        context.add_cookies([{"name": "session", "value": cookie.value, "url": f"http://127.0.0.1:{server.port}"}])
        yield context
        browser.close()


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
