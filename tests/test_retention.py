"""What is stored for a time and erased then, by the job that runs each day: only what is due, once, and the books stay right."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from campaign.campaigns.campaigns import Campaign
from campaign.cli.main import replay_events
from campaign.donations.donors import Donor
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.mail import send_jobs
from campaign.privacy import retention_jobs, retention_rules
from campaign.receipts.receipts import Receipt
from campaign.reporting import published_heads
from campaign.reporting.integrity import checker
from campaign.rules.retention import PERIODS, Retained, books_until
from campaign.staff import sessions
from campaign.staff.audit import AuditEntry
from campaign.staff.members import add_staff
from campaign.staff.sessions import StaffSession
from campaign.stripe_sync.inbox import StripeEvent
from tests.factories import confirm_charity, end, issue_receipt, pay, start_donation
from tests.mail import make_due
from tests.stripe import completed, expired, handle, succeeded
from tests.web import open_page, signed_in, submit

EMAIL = "old@example.org"


def age(*statements: str) -> None:
    """Change moments that only the database sets, as its owner."""
    for statement in statements:
        table = statement.split()[1]
        db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        db.session.execute(text(statement))
        db.session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    db.session.commit()


def erased() -> dict[Retained, int]:
    """What the last run erased, by kind."""
    return {rule.kind: rule.erased for rule in retention_rules.list_rules() if rule.erased_at}


@pytest.mark.owner
def test_what_is_over_is_erased_once_and_what_is_not_stays(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm_charity()
    gift = start_donation(campaign, email=EMAIL)
    handle(completed(gift), succeeded(gift))
    unpaid = start_donation(campaign, email="nobody@example.org", message="a message")
    keen = start_donation(campaign, email="keen@example.org", news_consent=True)
    young = start_donation(campaign, email="young@example.org")
    for one in (unpaid, keen, young):
        handle(expired(one))
    for one in (unpaid, keen, young):
        db.session.refresh(one)
        if one.ended_at is None:
            end(one, "expired")
    make_due()
    send_jobs.send_due()
    sessions.begin(add_staff("member@example.org", "clerk").id, client="Firefox", network="a network")
    db.session.commit()
    published_heads.publish(services().signing_key)
    assert retention_jobs.erase_now() == 0, "nothing is due yet"
    long_ago = "now() - interval '800 days'"
    age(
        f"UPDATE frozen_email SET frozen_at = {long_ago}",
        f"UPDATE stripe_event SET received_at = {long_ago}",
        f"UPDATE donation SET ended_at = {long_ago} WHERE id IN ({unpaid.id}, {keen.id})",
        f"UPDATE staff_session SET seen_at = {long_ago}, begun_at = {long_ago}",
    )
    monkeypatch.setattr(retention_jobs, "BATCH", 1)  # More than one batch.
    assert retention_jobs.erase_what_is_over() == retention_jobs.NOT_DUE, "it ran within the day"
    done = retention_jobs.erase_now()
    assert erased() == {Retained.EMAILS: 1, Retained.EVENTS: 5, Retained.CHECKOUTS: 1, Retained.SIGN_INS: 1} and done == 8
    assert retention_jobs.erase_now() == 0, "twice is as once"
    db.session.expire_all()
    assert (unpaid.email, unpaid.full_name, unpaid.message, unpaid.postal_code) == ("", "", "", "")
    assert db.session.get_one(Donor, unpaid.donor_id).email is None and keen.email == "keen@example.org" and young.full_name
    assert gift.email == EMAIL, "a gift that was received is in the books"
    event = db.session.scalars(select(StripeEvent).where(StripeEvent.type == "payment_intent.succeeded")).one()
    assert b"amount" not in event.body and f"pi_{gift.public_id}".encode() in event.body
    assert db.session.scalar(select(func.count()).where(StaffSession.client != "")) == 0
    assert checker.findings(db.engine) == []
    published_heads.publish(services().signing_key)
    assert checker.findings(db.engine) == [], "heads that are published later are of the bodies as they were received"
    result = app.test_cli_runner().invoke(replay_events, ["--id", event.event_id])
    assert result.exit_code == 2 and "erased" in result.output


@pytest.mark.owner
def test_i20_the_checker_finds_an_event_that_was_changed_as_if_it_were_erased(campaign: Campaign) -> None:
    gift = start_donation(campaign)
    handle(succeeded(gift))
    age("UPDATE stripe_event SET received_at = now() - interval '2 hours'")
    published_heads.publish(services().signing_key)
    db.session.commit()
    age("UPDATE stripe_event SET body = erased_event_body(body), body_sha256 = sha256('another')")
    assert any("the log events" in sentence for sentence in checker.findings(db.engine))


@pytest.mark.owner
def test_names_in_the_books_are_erased_once_tax_law_asks_for_them_no_longer(campaign: Campaign) -> None:
    charity = confirm_charity()
    old, again = (start_donation(campaign, email=email) for email in (EMAIL, "again@example.org"))
    at = datetime.now(UTC) - timedelta(days=366 * 8)
    for gift in (old, again):
        pay(gift, at=at)
    later = start_donation(campaign, email="again@example.org")
    pay(later)
    db.session.commit()
    receipt, other = issue_receipt(old), issue_receipt(again)
    make_due()
    send_jobs.send_due()
    assert receipt and other
    assert retention_jobs.erase_now() == 0, "a receipt that was issued now stays for its time"
    age(
        f"UPDATE receipt SET issued_at = '{at.isoformat()}' WHERE id = {receipt.id}",
        f"UPDATE receipt_document SET rendered_at = '{at.isoformat()}'",
    )
    retention_jobs.erase_now()
    assert erased()[Retained.BOOKS] == 1
    db.session.expire_all()
    assert old.full_name == "" and old.address_lines == () and old.email == "" and old.net_cents == 100_00
    content = db.session.get_one(Receipt, receipt.id).content
    assert (content["donor_name"], content["donor_address"], content["amount_cents"]) == ("", [], 100_00)
    assert again.full_name and later.full_name and db.session.get_one(Receipt, other.id).content["donor_name"], "who still gives stays"
    assert checker.findings(db.engine) == []
    assert retention_jobs.erase_now() == 0
    last = retention_jobs.last_day_of_books(charity, charity.local(datetime.now(UTC)).date())
    today = charity.local(datetime.now(UTC)).date()
    assert books_until(last, charity.fiscal_year_end) < today <= books_until(last + timedelta(days=1), charity.fiscal_year_end)


def test_an_administrator_sets_a_period_and_a_wrong_one_is_an_error_at_its_field(app: Flask, campaign: Campaign) -> None:
    client = signed_in(app, "admin")
    page = open_page(client, "/staff/retention")
    fields: dict[str, Any] = {kind.value: bounds.default for kind, bounds in PERIODS.items()}
    refused = submit(client, page, "/staff/retention", **{**fields, "events": "5", "emails": "400"})
    assert refused.status_code == 422 and 'id="events-error"' in refused.text and 'value="400"' in refused.text
    assert submit(client, page, "/staff/retention", **{**fields, "emails": "400"}).status_code == 303
    assert retention_rules.days_of(Retained.EMAILS) == 400
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "changed a period of retention")).one()
    assert entry.detail == {"before": 730, "after": 400} and entry.subject == "retention emails"
    reader = signed_in(app, "viewer", address="reader@example.org")
    assert 'name="emails"' not in open_page(reader, "/staff/retention").text
    assert "400" in open_page(app.test_client(), "/fr/privacy").text
