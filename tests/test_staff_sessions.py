"""Sessions of staff are rows: listed, ended one by one or all at once, at sign-out, by a change of password or factor, and by time."""

import time

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_security import hash_password
from flask_security.signals import password_reset
from passlib.totp import TOTP

from campaign.edges.db import db
from campaign.staff import members, sessions
from campaign.staff.factor_changes import FactorChange
from campaign.staff.members import Staff
from campaign.staff.sessions import StaffSession
from campaign.web.staff import factor_reports
from campaign.web.staff.sign_in import SESSION_KEY
from tests.web import hidden_fields, signed_in

ADDRESS, PASSWORD = "member@example.org", "three quiet herons at dawn"


def is_signed_in(client: FlaskClient) -> bool:
    with client.application.app_context():
        return client.get("/staff/").status_code == 200


def post(client: FlaskClient, path: str) -> int:
    with client.application.app_context():
        token = hidden_fields(client.get("/staff/account"))["csrf_token"]
    with client.application.app_context():
        return client.post(path, data={"csrf_token": token}).status_code


def member() -> Staff:
    return db.session.query(Staff).filter_by(email=ADDRESS).one()


@pytest.mark.parametrize(
    ("seen_ago", "started_ago", "is_open"),
    [(0, 0, True), (29 * 60, 0, True), (31 * 60, 0, False), (0, 11 * 3600, True), (0, 12 * 3600 + 60, False)],
)
def test_a_session_ends_when_it_is_idle_and_after_twelve_hours(app: Flask, seen_ago: int, started_ago: int, is_open: bool) -> None:
    assert is_signed_in(signed_in(app, "viewer", seen_ago=seen_ago, started_ago=started_ago)) is is_open


def test_a_stolen_cookie_is_worth_nothing_after_sign_out(app: Flask) -> None:
    client = signed_in(app, "viewer")
    with client.session_transaction() as session:
        stolen = dict(session)
    assert post(client, "/staff/sign-out") in {302, 303}
    thief = app.test_client()
    with thief.session_transaction() as session:
        session.update(stolen)
    assert not is_signed_in(thief)


def test_the_account_page_lists_sessions_and_ends_one_or_all_others(app: Flask) -> None:
    one, two, three = (signed_in(app, "viewer") for _ in range(3))
    with app.app_context():
        page = one.get("/staff/account").text
    assert (page.count("a test"), page.count("this browser")) == (3, 1)
    with two.session_transaction() as session:
        row = sessions.find_open(session[SESSION_KEY], member().id)
    assert row
    assert post(one, f"/staff/account/sessions/{row.id}/end") == 303
    assert (is_signed_in(one), is_signed_in(two), is_signed_in(three)) == (True, False, True)
    assert post(one, "/staff/account/sessions/end-others") == 303
    assert (is_signed_in(one), is_signed_in(three)) == (True, False)


def test_nobody_ends_the_session_of_another_member(app: Flask) -> None:
    mine, other = signed_in(app, "admin"), signed_in(app, "viewer", address="other@example.org")
    row = db.session.query(StaffSession).join(Staff, Staff.id == StaffSession.staff_id).filter(Staff.email == "other@example.org").one()
    assert post(mine, f"/staff/account/sessions/{row.id}/end") == 303
    assert is_signed_in(other)


@pytest.mark.parametrize(
    "change", [FactorChange.PASSWORD, FactorChange.ONE_TIME_CODES, FactorChange.PASSKEY_ADDED, FactorChange.RECOVERY_CODES]
)
def test_a_change_of_password_or_factor_ends_the_other_sessions(app: Flask, change: FactorChange) -> None:
    client = signed_in(app, "viewer")
    with app.test_request_context():
        if change is FactorChange.PASSWORD:
            password_reset.send(app, user=member())
        else:
            factor_reports.report_change(member(), change)
    assert not is_signed_in(client)


def test_a_sign_in_begins_a_session_of_its_own_with_a_token_that_is_not_stored(app: Flask) -> None:
    codes = app.extensions["security"].totp_factory
    added = members.add_staff(ADDRESS, "clerk")
    added.password, added.tf_primary_method, added.tf_totp_secret = hash_password(PASSWORD), "authenticator", codes.generate_totp_secret()
    db.session.commit()
    client = app.test_client()
    with client.session_transaction() as session:
        session[SESSION_KEY] = "fixed by an attacker"
    with app.app_context():
        token = hidden_fields(client.get("/staff/sign-in"))["csrf_token"]
    with app.app_context():
        page = client.post("/staff/sign-in", data={"email": ADDRESS, "password": PASSWORD, "csrf_token": token}, follow_redirects=True)
    assert not is_signed_in(client), "a password alone is half of it"
    generator: type = TOTP
    code = generator(key=codes.get_totp_b32_key(added.tf_totp_secret), format="base32").generate(time.time()).token
    with app.app_context():
        client.post("/staff/code", data={"code": code, "csrf_token": hidden_fields(page)["csrf_token"]})
    assert is_signed_in(client)
    with client.session_transaction() as session:
        assert session[SESSION_KEY] != "fixed by an attacker"
        assert session[SESSION_KEY] not in str(db.session.query(StaffSession.token_hash).all())
    assert db.session.query(StaffSession).one().client.startswith("Werkzeug")
