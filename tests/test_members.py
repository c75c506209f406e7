"""Members of staff: invited, given another role and deactivated by an administrator, with a fresh password; the last one cannot go."""

import re
import time
from email.message import EmailMessage

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_security import hash_password
from werkzeug.test import TestResponse

from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.staff import members
from campaign.staff.audit import AuditEntry
from campaign.staff.members import ADMIN, LastAdmin, Staff
from tests.conftest import Post
from tests.factories import run_concurrently
from tests.web import csrf_of, hidden_fields, signed_in

PASSWORD = "three quiet herons at dawn"


@pytest.fixture(name="mailbox")
def _mailbox(post: Post) -> Post:
    """Under another name: `post` is a helper here."""
    return post


def text_of(email: EmailMessage) -> str:
    body = email.get_body(("plain",))
    assert body
    return str(body.get_content())


def member(email: str) -> Staff:
    db.session.expire_all()
    return db.session.query(Staff).filter_by(email=email).one()


def page(client: FlaskClient, path: str = "/staff/members") -> TestResponse:
    with client.application.app_context():
        return client.get(path)


def post(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    token = csrf_of(page(client))
    with client.application.app_context():
        return client.post(path, data={"csrf_token": token, **fields})


@pytest.mark.parametrize("role", ["viewer", "clerk", "manager"])
def test_only_administrators_manage_members(app: Flask, role: str) -> None:
    assert page(signed_in(app, role)).status_code == 403


def test_an_administrator_invites_changes_deactivates_and_reactivates(app: Flask, mailbox: Post) -> None:
    admin = signed_in(app, "admin")
    invited = post(admin, "/staff/members", email="New@Example.org", role="viewer")
    link = re.search(r"http://127\.0\.0\.1:8000(/staff/password/[^<\s]+)", invited.text)
    assert link
    assert page(app.test_client(), link[1]).status_code == 200
    assert "/staff/password/" not in page(admin).text, "the link is shown once"
    wrong = post(admin, "/staff/members", email="nobody at all", role="clerk")
    assert (wrong.status_code, 'value="nobody at all"' in wrong.text) == (422, True), "what was typed is still there"
    new = member("new@example.org")
    send_jobs.send_due()
    (mailed,) = [email for _, recipients, email, _ in mailbox.box.newest(9) if "new@example.org" in recipients]
    assert "You are invited" in text_of(mailed) and "Vous avez accès" in text_of(mailed)
    mailed_link = re.search(r"http://127\.0\.0\.1:8000(/staff/password/\S+)", text_of(mailed))
    assert mailed_link and page(app.test_client(), mailed_link[1]).status_code == 200
    assert post(admin, f"/staff/members/{new.id}/role", role="clerk").status_code == 303
    assert [role.name for role in member("new@example.org").roles] == ["clerk"]
    theirs = signed_in(app, "clerk", address="new@example.org")
    assert page(theirs, "/staff/").status_code == 200
    post(admin, f"/staff/members/{new.id}/deactivation")
    assert page(theirs, "/staff/").status_code == 302
    assert not member("new@example.org").active
    post(admin, f"/staff/members/{new.id}/reactivation")
    assert member("new@example.org").active
    actions = [entry.action for entry in db.session.query(AuditEntry).filter_by(subject="new@example.org").order_by(AuditEntry.id)]
    assert actions == ["invited a member", "changed a role", "deactivated a member", "reactivated a member"]


def test_a_changed_role_counts_at_once_and_ends_the_sessions(app: Flask) -> None:
    admin, other = signed_in(app, "admin"), signed_in(app, "manager", address="other@example.org")
    post(admin, f"/staff/members/{member('other@example.org').id}/role", role="viewer")
    assert page(other, "/staff/").status_code == 302


def test_the_last_administrator_cannot_go(app: Flask) -> None:
    admin = signed_in(app, "admin")
    own = member("member@example.org").id
    for path, fields in ((f"/staff/members/{own}/role", {"role": "viewer"}), (f"/staff/members/{own}/deactivation", {})):
        post(admin, path, **fields)
        assert "is the last administrator who can sign in" in page(admin).text
    found = member("member@example.org")
    assert (found.active, [role.name for role in found.roles]) == (True, [ADMIN])


def test_two_administrators_who_remove_each_other_leave_one(app: Flask) -> None:
    for address in ("one@example.org", "two@example.org"):
        members.add_staff(address, ADMIN).password = "a hash"
    db.session.commit()

    def remove(address: str) -> bool:
        try:
            members.deactivate(member(address))
        except LastAdmin:
            db.session.rollback()
            return False
        db.session.commit()
        return True

    assert sorted(run_concurrently(app, [lambda: remove("one@example.org"), lambda: remove("two@example.org")])) == [False, True]


def test_managing_members_needs_a_password_of_the_last_ten_minutes(app: Flask) -> None:
    admin = signed_in(app, "admin")
    own = member("member@example.org")
    own.password = hash_password(PASSWORD)
    db.session.commit()
    with admin.session_transaction() as session:
        session["fs_paa"] = time.time() - 11 * 60
    asked = page(admin)
    assert (asked.status_code, asked.location) == (303, "/staff/verify?next=/staff/members")
    verify = page(admin, asked.location)
    assert "Please confirm that it is you" in verify.text
    token = hidden_fields(verify)["csrf_token"]
    with app.app_context():
        wrong = admin.post(asked.location, data={"confirm_password": "wrong", "csrf_token": token})
    assert wrong.status_code == 200
    with app.app_context():
        answer = admin.post(asked.location, data={"confirm_password": PASSWORD, "csrf_token": token})
    assert answer.location.endswith("/staff/members")
    assert page(admin).status_code == 200
