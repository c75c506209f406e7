"""Passkeys of staff, in a browser with a virtual authenticator: added, used at sign-in and to confirm, removed; each challenge counts once."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from campaign.edges.db import db
from campaign.outbox.messages import MessageKind, OutboxMessage
from campaign.staff import members, passkeys
from campaign.staff.members import Staff
from campaign.staff.password_links import one_time_link
from campaign.web import security
from campaign.web.security import limiter
from tests.browser import ARGUMENTS, chromium_path
from tests.web import one_time_code

ADDRESS, PASSWORD = "member@example.org", "three quiet herons at dawn"


@pytest.fixture
def base(app: Flask) -> Iterator[str]:
    """The service over HTTP. Browsers bind passkeys to names, not to addresses."""
    limiter._storage_dead = False
    server = make_server("localhost", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(base: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        opened = browser.new_page(locale="en-CA")
        devtools = opened.context.new_cdp_session(opened)
        devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
        }
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "automaticPresenceSimulation": True}})
        yield opened
        browser.close()


def fill(page: Page, fields: dict[str, str]) -> None:
    for label, text in fields.items():
        page.get_by_label(label, exact=True).fill(text)


def sign_in_for_the_first_time(app: Flask, page: Page, base: str) -> None:
    link = one_time_link(members.add_staff(ADDRESS, "manager"))
    db.session.commit()
    page.goto(base + link.removeprefix(app.extensions["services"].links.base_url))
    fill(page, {"New password": PASSWORD, "The same again": PASSWORD})
    page.get_by_role("button", name="Keep this password").click()
    fill(page, {"Code from the app": one_time_code(page.locator("#totp-key").inner_text())})
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("I have stored them").check()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#given")).to_be_visible()


def add_passkey(page: Page, base: str) -> None:
    page.goto(f"{base}/staff/account/passkeys/new")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_text("Please give the passkey a name first.")).to_be_visible()
    fill(page, {"Name": "My telephone"})
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_text("The passkey “My telephone” is set up.")).to_be_visible()


def test_a_member_adds_a_passkey_signs_in_and_confirms_with_it(app: Flask, page: Page, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in_for_the_first_time(app, page, base)
    add_passkey(page, base)
    page.get_by_role("button", name="Sign out").click()
    fill(page, {"E-mail": ADDRESS, "Password": PASSWORD})
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("#given")).to_be_visible()
    db.session.expire_all()
    member = db.session.query(Staff).one()
    (key,) = passkeys.list_of(member.id)
    assert key.used_at
    assert key.challenged_at

    page.goto(f"{base}/staff/account")
    monkeypatch.setattr(security, "FRESH", timedelta(0))
    page.get_by_role("button", name="Remove the passkey My telephone").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Please confirm that it is you")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("The passkey “My telephone” is removed.")).to_be_visible()
    db.session.expire_all()
    assert passkeys.list_of(member.id) == []
    changes = [m.factor_change for m in db.session.query(OutboxMessage).filter_by(kind=MessageKind.STAFF_FACTOR).order_by(OutboxMessage.id)]
    assert changes == ["password", "one_time_codes", "passkey_added", "passkey_removed"]
