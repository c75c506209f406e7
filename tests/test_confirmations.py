"""Confirming that it is the member before what moves money, exports or changes access: nothing typed is lost, and each export is recorded."""

import html
import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from campaign import logs
from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.receipts.receipts import Receipt
from campaign.staff.audit import AuditEntry
from campaign.staff.members import Staff
from campaign.web import security
from campaign.web.security import limiter
from campaign.web.staff.sign_in_rules import GUESSES_PER_ACCOUNT
from tests.conftest import Stripe
from tests.factories import issue_receipt, paid
from tests.web import hash_cheaply, open_page, signed_in, submit

PASSWORD = "three quiet herons at dawn"
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
# What staff post that moves no money and changes no access, and why.
NEEDS_NO_CONFIRMATION = {
    "staff_campaign_edit.create": "a draft that nobody sees",
    "staff_campaign_edit.preview_new": "stores nothing",
    "staff_campaign_edit.preview_typed": "stores nothing",
    "staff_password.change": "takes the current password itself",
    "staff_factors.stored": "shows again what was shown a moment ago",
    "staff_passkeys.change_name": "a name",
    "staff_donations.send_again": "sends to the donor's own address",
    "staff_failed_events.again": "handles an event of Stripe's again",
    "staff_import_preview.decide": "which rows of a file are in; they are recorded by a confirmation",
    "staff_import_rows.correct": "a row of a file, before it is recorded",
    "staff_imports.set_columns": "how a file is read, before anything is recorded",
    "staff_imports.template": "headings and examples",
    "staff_imports.upload": "a file; nothing of it is recorded",
    "staff_mail.again": "sends to the address it was for",
    "staff_mail.bounce": "a note",
    "staff_fund_calls.preview": "stores nothing",
    "staff_fund_calls.mark": "a note, and taken back",
    "staff_settlement.close_alert": "a note",
    "staff_donation_views.save": "filters under a name",
    "staff_donation_views.change": "a name",
    "staff_donation_views.delete": "filters under a name",
    "staff_account.set_shortcut": "a key of one's own keyboard",
    "staff_deposits.close": "a slip for the bank; no money moves",
    "staff_offline_gifts.search_donors": "what the form offers to fill in",
    "staff_privacy_requests.record": "a note",
    "staff_privacy_requests.identify": "a note",
    "staff_privacy_requests.choose": "a note, and chosen again",
    "staff_privacy_requests.note": "a note",
    "staff_privacy_requests.withdraw": "only ends emails",
    "staff_privacy_requests.close": "a note, and reopened",
    "staff_privacy_requests.reopen": "a note",
    "staff_incidents.record": "a note",
    "staff_incidents.amend": "a note, whose earlier versions stay",
    "staff_incidents.close": "a note, and reopened",
    "staff_incidents.reopen": "a note",
    "staff_posted_receipts.post": "a note, and undone",
    "staff_posted_receipts.undo": "a note",
    "staff_posted_receipts.post_notice": "a note, and undone",
    "staff_posted_receipts.undo_notice": "a note",
    "staff_charity_pages.preview": "it stores nothing",
    "staff_wall.decide": "the donor agreed to it, and it can be taken back",
    "staff_wall.agree": "the donors agreed to it, and it can be taken back",
    "staff_messages.decide": "the donor agreed to it, and it can be taken back",
    "staff_notes.add_to_donor": "a note",
    "staff_notes.add_to_donation": "a note",
    "staff_notes.replace": "a note, whose earlier words stay",
    "staff_notes.remove": "a note, marked as removed",
}


def unconfirmed(app: Flask) -> set[str]:
    """Routes of staff that post, or download a list, without a confirmation."""
    found = set()
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        is_export = rule.rule.endswith((".csv", ".xlsx", ".json", ".zip"))
        if rule.rule.startswith("/staff") and not rule.endpoint.startswith("security.") and (is_export or "POST" in (rule.methods or ())):
            found |= set() if getattr(view, "needs_fresh", False) else {rule.endpoint}
    return found


def test_all_that_moves_money_exports_or_changes_access_is_confirmed(app: Flask) -> None:
    assert unconfirmed(app) == set(NEEDS_NO_CONFIRMATION)


def test_control_a_route_without_it_is_found(app: Flask) -> None:
    app.view_functions["staff_quarantine.decide"] = lambda **_: ""
    assert unconfirmed(app) - set(NEEDS_NO_CONFIRMATION) == {"staff_quarantine.decide"}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A manager who signed in eleven minutes ago."""
    limiter._storage_dead = False
    client = signed_in(app, "manager")
    db.session.query(Staff).one().password = hash_cheaply(PASSWORD)
    db.session.commit()
    with client.session_transaction() as session:
        session["fs_paa"] -= 11 * 60
    return client


@pytest.fixture
def donation(campaign: Campaign) -> Donation:
    return paid(campaign, email="old@example.org")


@pytest.fixture
def receipt(donation: Donation) -> Receipt:
    receipt = issue_receipt(donation)
    db.session.commit()
    assert receipt
    return receipt


def send_on(client: FlaskClient, asked: TestResponse, password: str) -> TestResponse:
    """The page that asked, sent with this password."""
    action = re.findall(r'action="([^"]+)" method="post" novalidate', asked.text)
    fields = [(name, html.unescape(value)) for name, value in HIDDEN.findall(asked.text)]
    with client.application.app_context():
        return client.post(action[0], data={**dict(fields), "confirm_password": password})


def test_a_form_that_comes_too_late_loses_nothing(app: Flask, client: FlaskClient, donation: Donation) -> None:
    path = f"/staff/donations/{donation.public_id}"
    typed = {"email": "new@example.org", "scope": "this_gift", "note": 'a "quoted" <b>note</b>'}
    asked = submit(client, open_page(client, path), f"{path}/email", **typed)
    assert asked.status_code == 403
    assert "Please confirm that it is you" in asked.text
    assert typed.items() <= {(name, html.unescape(value)) for name, value in HIDDEN.findall(asked.text)}
    assert email_of(donation) == "old@example.org"
    wrong = send_on(client, asked, "wrong")
    assert (wrong.status_code, email_of(donation)) == (403, "old@example.org")
    assert "This password is not right" in wrong.text
    assert send_on(client, wrong, PASSWORD).status_code == 303
    assert email_of(donation) == "new@example.org"
    assert "Please confirm" not in open_page(client, "/staff/receipts/register.csv").text, "for ten minutes"


def email_of(donation: Donation) -> str:
    db.session.expire_all()
    return db.session.get_one(Donation, donation.id).email


def test_a_confirmation_does_not_last_longer_for_being_used(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = open_page(client, "/staff/verify")
    assert submit(client, asked, "/staff/verify", confirm_password=PASSWORD).location == "/staff/"
    assert open_page(client, "/staff/receipts/register.csv").status_code == 200
    monkeypatch.setattr(security, "FRESH", timedelta(0))
    assert open_page(client, "/staff/receipts/register.csv").status_code == 303


def test_a_confirmation_goes_on_in_a_new_session_so_that_a_copied_token_is_worth_nothing(app: Flask, client: FlaskClient) -> None:
    with client.session_transaction() as session:
        copied = dict(session)
    submit(client, open_page(client, "/staff/verify"), "/staff/verify", confirm_password=PASSWORD)
    assert open_page(client, "/staff/").status_code == 200
    thief = app.test_client()
    with thief.session_transaction() as session:
        session.update(copied)
    assert open_page(thief, "/staff/").status_code == 302


def test_an_export_comes_after_the_confirmation_with_its_query(app: Flask, client: FlaskClient) -> None:
    asked = open_page(client, "/staff/receipts/register.csv?year=2025")
    assert asked.status_code == 303
    page = open_page(client, asked.location)
    answer = send_on(client, page, PASSWORD)
    assert answer.location == "/staff/receipts/register.csv?year=2025"


@pytest.mark.parametrize(
    "address", ["//evil.example/staff/", "https://evil.example", "/\\evil.example", "/staff/../en", "/staff/nothing", ""]
)
def test_the_way_on_never_leaves_the_pages_of_staff(app: Flask, client: FlaskClient, address: str) -> None:
    page = open_page(client, "/staff/verify")
    assert submit(client, page, f"/staff/verify?next={address}", confirm_password=PASSWORD).location == "/staff/"


def test_guesses_at_a_confirmation_are_bounded_and_audited(app: Flask, client: FlaskClient) -> None:
    page, guesses = open_page(client, "/staff/verify"), int(GUESSES_PER_ACCOUNT.split()[0])
    statuses = [submit(client, page, "/staff/verify", confirm_password="wrong").status_code for _ in range(guesses + 1)]
    assert statuses == [200] * guesses + [429]
    assert submit(client, page, "/staff/verify", confirm_password=PASSWORD).status_code == 429
    assert db.session.query(AuditEntry).filter_by(action="failed to sign in").count() == guesses


def test_exports_are_in_the_audit_trail_and_the_log_without_donors(
    app: Flask, stripe: Stripe, receipt: Receipt, donation: Donation
) -> None:
    client = signed_in(app, "manager")
    year, serial = receipt.content["issued_on"][:4], receipt.serial
    paths = {
        f"/staff/receipts/register.csv?year={year}": ("register of receipts (CSV)", year),
        f"/staff/receipts/register.xlsx?year={year}": ("register of receipts (XLSX)", year),
        f"/staff/receipts/{serial}/receipt.pdf": ("receipt (PDF)", serial),
        f"/staff/receipts/{serial}/archived.pdf": ("receipt (PDF/A)", serial),
        f"/staff/donations/{donation.public_id}/preview.pdf": ("preview of a receipt (PDF)", donation.public_id),
    }
    logs.configure("INFO")
    with capture_logs() as logged:
        for path in paths:
            answer = open_page(client, path)
            assert answer.status_code == 200, path
            assert answer.data
    entries = db.session.query(AuditEntry).filter_by(action="exported").order_by(AuditEntry.id).all()
    assert [(entry.detail["document"], entry.subject) for entry in entries] == list(paths.values())
    exported = [line for line in logged if line["event"] == "security.export"]
    assert [(line["document"], line["subject"]) for line in exported] == list(paths.values())
    assert {entry.actor for entry in entries} == {"member@example.org"}
    assert donation.last_name not in str([*logged, *((entry.subject, entry.detail) for entry in entries)])
