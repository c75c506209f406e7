"""Recovery codes: each signs in once, is stored as a hash alone, is guessed as seldom as a one-time code, and its use is reported."""

from math import log2

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from campaign import logs
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.staff import recovery_codes
from campaign.staff.audit import AuditEntry
from campaign.staff.members import Staff
from campaign.web.security import limiter
from campaign.web.staff.sign_in_rules import GUESSES_PER_ACCOUNT
from tests.conftest import Post
from tests.factories import run_concurrently
from tests.mail import text_of
from tests.web import add_member, open_page, signed_in, submit

ADDRESS, PASSWORD = "member@example.org", "three quiet herons at dawn"
GUESSES = int(GUESSES_PER_ACCOUNT.split()[0])


@pytest.fixture
def member(app: Flask) -> Staff:
    limiter._storage_dead = False
    return add_member(app, "clerk", address=ADDRESS, password=PASSWORD)


def codes_of(member: Staff) -> list[str]:
    codes = recovery_codes.replace(member)
    db.session.commit()
    return codes


def with_password(app: Flask) -> FlaskClient:
    client = app.test_client()
    submit(client, open_page(client, "/staff/sign-in"), "/staff/sign-in", email=ADDRESS, password=PASSWORD)
    return client


def send_code(client: FlaskClient, code: str) -> TestResponse:
    return submit(client, open_page(client, "/staff/recovery-code"), "/staff/recovery-code", code=code)


def test_a_code_signs_in_once_and_its_use_is_audited_logged_and_mailed(app: Flask, member: Staff, post: Post) -> None:
    first, second, *_ = codes_of(member)
    client = with_password(app)
    logs.configure("INFO")
    with capture_logs() as logged:
        assert send_code(client, f" {first.lower().replace('-', ' ')} ").location == "/staff/"
    assert open_page(client, "/staff/").status_code == 200
    assert {"event": "security.factor_changed", "log_level": "info", "staff": member.id, "change": "recovery_code_used"} in logged
    (entry,) = db.session.query(AuditEntry).filter_by(action="used a recovery code").all()
    assert (entry.actor, entry.detail) == (ADDRESS, {"codes_left": recovery_codes.COUNT - 1})
    send_jobs.send_due()
    _, to, message, _ = next(iter(post.box.newest(1)))
    assert to == [ADDRESS]
    body = text_of(message)
    assert "signed in to your staff account with a recovery code" in body
    assert "Quelqu’un a utilisé un code de secours" in body
    assert first not in body
    again = with_password(app)
    refused = send_code(again, first)
    assert "it was used before" in refused.text
    assert open_page(again, "/staff/").status_code == 302
    assert send_code(again, second).status_code == 302, "control: another one counts"


def test_two_who_use_a_code_at_the_same_time_count_once(app: Flask, member: Staff) -> None:
    code, *_ = codes_of(member)

    def use() -> bool:
        is_accepted = recovery_codes.accept(db.session.query(Staff).one(), code)
        db.session.commit()
        return is_accepted

    assert sorted(run_concurrently(app, [use, use])) == [False, True]


def test_codes_are_stored_as_hashes_alone_and_have_enough_random_bits(app: Flask, member: Staff) -> None:
    codes = codes_of(member)
    stored = str(db.session.execute(text("SELECT row_to_json(staff)::text FROM staff")).scalar_one())
    assert not [code for code in codes if code in stored or code.replace("-", "") in stored]
    assert len(set(codes)) == recovery_codes.COUNT
    assert recovery_codes.LENGTH * log2(len(set(recovery_codes.ALPHABET))) >= 112
    with pytest.raises(IntegrityError, match="recovery_codes_are_hashes"):
        db.session.execute(text("UPDATE staff SET mf_recovery_codes = :codes"), {"codes": [*member.mf_recovery_codes, codes[0]]})
    db.session.rollback()


def test_guesses_of_recovery_codes_are_bounded_for_the_account(app: Flask, member: Staff) -> None:
    client = with_password(app)
    statuses = []
    for n in range(GUESSES + 2):
        network = {"REMOTE_ADDR": f"203.0.113.{n}"}
        page = open_page(client, "/staff/recovery-code")
        with app.app_context():
            token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
            statuses.append(
                client.post("/staff/recovery-code", data={"code": "x", "csrf_token": token}, environ_overrides=network).status_code
            )
    assert statuses == [200] * GUESSES + [429] * 2


def test_new_codes_end_the_earlier_ones_and_the_other_sessions(app: Flask, member: Staff) -> None:
    old, *_ = codes_of(member)
    mine, other = signed_in(app, "clerk"), signed_in(app, "clerk")
    page = submit(mine, open_page(mine, "/staff/account"), "/staff/account/recovery-codes")
    assert page.text.count("<li><code>") == recovery_codes.COUNT
    assert [open_page(client, "/staff/").status_code for client in (mine, other)] == [200, 302]
    db.session.expire_all()
    assert not recovery_codes.accept(member, old)


@pytest.mark.parametrize(("left", "is_shown"), [(recovery_codes.FEW, False), (recovery_codes.FEW - 1, True), (0, True)])
def test_the_account_page_asks_for_new_codes_when_few_are_left(app: Flask, left: int, is_shown: bool) -> None:
    client = signed_in(app, "clerk")
    member = db.session.query(Staff).one()
    for code in codes_of(member)[left:]:
        recovery_codes.accept(member, code)
    db.session.commit()
    assert ("Please make new ones below" in open_page(client, "/staff/account").text) is is_shown
