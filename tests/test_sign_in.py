"""Signing in as staff: guesses are bounded for each account and network, passwords are not guessable, and the form is the only way in."""

import re
import time

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_security import hash_password
from passlib.totp import TOTP
from sqlalchemy import text
from werkzeug.test import TestResponse

from campaign.edges.db import db
from campaign.mail import mail_actions, send_jobs
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.staff import members, sessions
from campaign.staff.audit import AuditEntry
from campaign.staff.members import Staff
from campaign.web.networks import network_of, pseudonym
from campaign.web.security import limiter
from campaign.web.staff.sign_in_rules import GUESSES_PER_ACCOUNT, Passwords
from tests.conftest import Post
from tests.mail import text_of
from tests.web import hidden_fields

ADDRESS, PASSWORD = "clerk@example.org", "three quiet herons at dawn"
GUESSES = int(GUESSES_PER_ACCOUNT.split()[0])
OWN_NETWORK = "198.51.100.7"


@pytest.fixture
def member(app: Flask) -> Staff:
    limiter._storage_dead = False
    added = members.add_staff(ADDRESS, "clerk")
    codes = app.extensions["security"].totp_factory
    added.password, added.tf_primary_method, added.tf_totp_secret = hash_password(PASSWORD), "authenticator", codes.generate_totp_secret()
    db.session.commit()
    return added


def send_password(app: Flask, client: FlaskClient, password: str, *, at: str, **changed: str) -> TestResponse:
    at_network = {"REMOTE_ADDR": at}
    with app.app_context():
        token = hidden_fields(client.get("/staff/sign-in", environ_overrides=at_network))["csrf_token"]
    with app.app_context():
        fields = {"email": ADDRESS, "password": password, "csrf_token": token, **changed}
        return client.post("/staff/sign-in", data=fields, environ_overrides=at_network)


def guess_from_many_networks(app: Flask, count: int) -> list[int]:
    return [send_password(app, app.test_client(), f"wrong {n}", at=f"203.0.113.{n}").status_code for n in range(count)]


def test_guesses_for_one_account_are_bounded_over_all_networks(app: Flask, member: Staff) -> None:
    assert guess_from_many_networks(app, GUESSES + 3) == [200] * GUESSES + [429] * 3
    assert send_password(app, app.test_client(), PASSWORD, at="203.0.113.99").status_code == 429, "the right one is a guess like any other"


def test_the_owner_is_not_locked_out_where_they_have_signed_in_before(app: Flask, member: Staff) -> None:
    with app.test_request_context():
        sessions.begin(member.id, client="a browser", network=pseudonym(network_of(OWN_NETWORK)))
    db.session.commit()
    guess_from_many_networks(app, GUESSES + 3)
    assert send_password(app, app.test_client(), PASSWORD, at=OWN_NETWORK).status_code == 302
    db.session.execute(text("UPDATE staff_session SET begun_at = begun_at - interval '31 days'"))
    db.session.commit()
    assert send_password(app, app.test_client(), PASSWORD, at=OWN_NETWORK).status_code == 429, "control: an unknown network is bounded"


@pytest.mark.parametrize("spelling", ["Clerk@Example.org", "clerk@ｅxample.org", "clerk@example。org", " clerk@example.org "])
def test_another_spelling_of_the_address_is_the_same_account(app: Flask, member: Staff, spelling: str) -> None:
    guess_from_many_networks(app, GUESSES)
    assert send_password(app, app.test_client(), PASSWORD, at="203.0.113.98", email=spelling).status_code == 429


@pytest.mark.parametrize("named", [{}, {"email": "somebody-{n}@example.org"}], ids=["none", "another address each time"])
def test_codes_are_bounded_too(app: Flask, member: Staff, named: dict[str, str]) -> None:
    statuses = []
    for n in range(GUESSES + 2):
        client, network = app.test_client(), {"REMOTE_ADDR": f"203.0.113.{n}"}
        send_password(app, client, PASSWORD, at=f"203.0.113.{n}")
        with app.app_context():
            token = hidden_fields(client.get("/staff/code", environ_overrides=network))["csrf_token"]
        with app.app_context():
            fields = {"code": "000000", "csrf_token": token, **{name: value.format(n=n) for name, value in named.items()}}
            statuses.append(client.post("/staff/code", data=fields, environ_overrides=network).status_code)
    assert statuses == [200] * GUESSES + [429] * 2


def test_an_unknown_member_gets_the_same_answer_as_a_known_one(app: Flask, member: Staff) -> None:
    known = send_password(app, app.test_client(), "wrong", at="203.0.113.1")
    unknown = send_password(app, app.test_client(), "wrong", at="203.0.113.2", email="nobody@example.org")
    assert known.status_code == unknown.status_code == 200
    pages = [page.text.replace("nobody@example.org", ADDRESS).partition("csrf_token")[0] for page in (known, unknown)]
    assert pages[0] == pages[1]


def test_failures_are_in_the_audit_trail_and_no_password_is(app: Flask, member: Staff) -> None:
    send_password(app, app.test_client(), "my other password", at="203.0.113.1")
    (entry,) = db.session.query(AuditEntry).filter_by(action="failed to sign in").all()
    assert (entry.actor, entry.detail) == (ADDRESS, {"factor": "password"})


def test_no_cookie_and_no_token_outlives_a_session(app: Flask, member: Staff) -> None:
    client = app.test_client()
    send_password(app, client, PASSWORD, at="203.0.113.1", remember="y")
    assert client.get_cookie("remember_token") is None
    with app.app_context():
        answer = client.post("/staff/sign-in?include_auth_token", json={"email": ADDRESS, "password": PASSWORD})
    assert answer.mimetype == "text/html"
    assert "authentication_token" not in answer.text


def test_opening_an_address_never_signs_out(app: Flask, member: Staff) -> None:
    client = app.test_client()
    send_password(app, client, PASSWORD, at="203.0.113.1")
    codes = app.extensions["security"].totp_factory
    generator: type = TOTP
    code = generator(key=codes.get_totp_b32_key(member.tf_totp_secret), format="base32").generate(time.time()).token
    with app.app_context():
        token = hidden_fields(client.get("/staff/code"))["csrf_token"]
    with app.app_context():
        client.post("/staff/code", data={"code": code, "csrf_token": token})
    with app.app_context():
        client.get("/staff/sign-out")
    with app.app_context():
        assert client.get("/staff/").status_code == 200


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "at least 12 characters"),
        ("123456789012", "easy to guess"),
        ("passwordpassword", "easy to guess"),
        ("motdepasse1234", "easy to guess"),
        ("clerk@example.org", "easy to guess"),
        ("x" * 500, "easy to guess"),
        (PASSWORD, ""),
    ],
)
def test_a_password_that_can_be_guessed_is_refused_with_the_reason(app: Flask, member: Staff, password: str, reason: str) -> None:
    with app.test_request_context("/en/"):
        reasons, _ = Passwords(app).validate(password, is_register=False, user=member)
    assert (reason in reasons[0]) if reasons else not reason


def ask_for_password(app: Flask, email: str, *, at: str = "203.0.113.50") -> TestResponse:
    client, network = app.test_client(), {"REMOTE_ADDR": at}
    with app.app_context():
        token = hidden_fields(client.get("/staff/password", environ_overrides=network))["csrf_token"]
    with app.app_context():
        return client.post("/staff/password", data={"email": email, "csrf_token": token}, environ_overrides=network)


def test_a_forgotten_password_is_mailed_through_the_outbox_in_both_languages(app: Flask, member: Staff, post: Post) -> None:
    known, unknown = ask_for_password(app, ADDRESS), ask_for_password(app, "nobody@example.org")
    assert known.status_code == unknown.status_code
    assert (
        known.text.replace(ADDRESS, "").partition("csrf_token")[0]
        == unknown.text.replace("nobody@example.org", "").partition("csrf_token")[0]
    )
    assert db.session.query(OutboxMessage).filter_by(kind=MessageKind.STAFF_ACCESS).count() == 1
    send_jobs.send_due()
    _, to, message, _ = next(iter(post.box.newest(1)))
    body = text_of(message)
    assert to == [ADDRESS]
    assert "Somebody, we hope you" in body
    assert "On nous a demandé, sans doute de votre part, un nouveau mot de passe" in body
    link = re.search(r"http://127\.0\.0\.1:8000(/staff/password/\S+)", body)
    assert link
    client = app.test_client()
    with app.app_context():
        page = client.get(link[1])
    with app.app_context():
        fields = {"password": "four calm otters by moonlight", "password_confirm": "four calm otters by moonlight"}
        assert client.post(link[1], data={**fields, "csrf_token": hidden_fields(page)["csrf_token"]}).status_code == 302
    with app.app_context():
        assert client.get(link[1]).status_code == 302, "it works once"


def test_links_to_choose_a_password_are_bounded_for_each_member(app: Flask, member: Staff) -> None:
    for n in range(mail_actions.MAX_PASSWORD_LINKS + 2):
        ask_for_password(app, ADDRESS, at=f"203.0.113.{n}")
    assert db.session.query(OutboxMessage).filter_by(kind=MessageKind.STAFF_ACCESS).count() == mail_actions.MAX_PASSWORD_LINKS
