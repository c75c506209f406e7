"""Passkeys of staff, in a browser with a virtual authenticator: added, used at sign-in and to confirm, removed; each challenge counts once."""

import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
import time_machine
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import update
from werkzeug.serving import make_server

from campaign.edges.db import db
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.staff import members, passkeys
from campaign.staff.members import Staff
from campaign.staff.passkeys import Passkey
from campaign.staff.password_links import one_time_link
from campaign.web import security
from campaign.web.security import limiter
from campaign.web.staff import passkey_challenges
from campaign.web.staff.passkey_challenges import Use
from tests.browser import open_browser
from tests.web import one_time_code, open_page, signed_in, submit

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
    with open_browser() as browser:
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
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("I have stored them").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#given")).to_be_visible()


def add_passkey(page: Page, base: str) -> None:
    page.goto(f"{base}/staff/account/passkeys/new")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_text("Please give the passkey a name first.")).to_be_visible()
    fill(page, {"Name": "My telephone"})
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_text("The passkey “My telephone” is set up.")).to_be_visible()


def assert_it_counts_once(app: Flask, base: str, sent: dict[str, str]) -> None:
    """Whoever has the password and recorded what a passkey signed cannot sign in with it."""
    answer = {name: sent[name] for name in (Use.SIGN_IN.challenge, Use.SIGN_IN.answer)}
    assert not replay(app, base, answer), "the challenge was signed before"
    as_if_unused = update(Passkey).values(challenged_at=None, sign_count=0)
    db.session.execute(as_if_unused)
    db.session.commit()
    later = time.time() + passkey_challenges.SECONDS + 1
    with time_machine.travel(later):
        assert not replay(app, base, answer), "it was made too long ago"
    for_another_use = {Use.CONFIRM.challenge: sent[Use.SIGN_IN.challenge], Use.CONFIRM.answer: sent[Use.SIGN_IN.answer]}
    with app.test_request_context("/", base_url=base, method="POST", data=for_another_use):
        assert not passkey_challenges.accept_signature(Use.CONFIRM, db.session.query(Staff).one()), "it was made for another use"
    assert replay(app, base, answer), "control: otherwise it counts"


def replay(app: Flask, base: str, answer: dict[str, str]) -> bool:
    client = app.test_client()
    submit(client, open_page(client, "/staff/sign-in", base=base), "/staff/sign-in", base=base, email=ADDRESS, password=PASSWORD)
    submit(client, open_page(client, "/staff/code", base=base), "/staff/passkey", base=base, **answer)
    return open_page(client, "/staff/", base=base).status_code == 200


def test_a_member_adds_a_passkey_signs_in_and_confirms_with_it(app: Flask, page: Page, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in_for_the_first_time(app, page, base)
    add_passkey(page, base)
    page.get_by_role("button", name="Sign out").click()
    fill(page, {"Email": ADDRESS, "Password": PASSWORD})
    page.get_by_role("button", name="Sign in").click()
    with page.expect_request(re.compile("/staff/passkey")) as sent:
        page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("#given")).to_be_visible()
    assert_it_counts_once(app, base, dict(parse_qsl(sent.value.post_data or "")))
    member = db.session.query(Staff).one()

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


def test_what_no_passkey_has_signed_is_refused(app: Flask) -> None:
    client = signed_in(app, "viewer")
    page = open_page(client, "/staff/account/passkeys/new")
    challenge = re.findall(r'name="add_challenge" value="([^"]+)"', page.text)[0]
    for answer in (
        "",
        "{}",
        "[]",
        "null",
        '{"id": 1}',
        "{" * 3000,
        '{"id":"AA","rawId":"AA","type":"public-key","response":{"attestationObject":"AA"}}',
    ):
        refused = submit(client, page, "/staff/account/passkeys", name="phone", add_challenge=challenge, add_answer=answer)
        assert refused.status_code == 422
        assert "The passkey could not be made" in refused.text
    assert db.session.query(Passkey).count() == 0


def test_nobody_renames_or_removes_the_passkey_of_another_member(app: Flask) -> None:
    signed_in(app, "viewer", address="other@example.org")
    other = db.session.query(Staff).one()
    key = passkeys.add(other.id, credential_id=b"an id", public_key=b"a key", sign_count=0, transports=[], name="phone")
    db.session.commit()
    client = signed_in(app, "admin")
    page = open_page(client, "/staff/account")
    for action in ("name", "removal"):
        assert submit(client, page, f"/staff/account/passkeys/{key.id}/{action}", name="mine").status_code == 404
    db.session.expire_all()
    assert [one.name for one in passkeys.list_of(other.id)] == ["phone"]
    passkeys.change_name(key.id, "tablet", staff_id=other.id)
    assert [one.name for one in passkeys.list_of(other.id)] == ["tablet"], "control: its owner does"


def test_a_passkey_belongs_to_one_member(app: Flask) -> None:
    first, second = (members.add_staff(f"{name}@example.org", "viewer") for name in ("one", "two"))
    passkeys.add(first.id, credential_id=b"an id", public_key=b"a key", sign_count=0, transports=[], name="phone")
    with pytest.raises(passkeys.PasskeyKnown):
        passkeys.add(second.id, credential_id=b"an id", public_key=b"a key", sign_count=0, transports=[], name="phone")
