"""Payments from funders with their receipts, and notices to funders and staff: each is sent once, to the right recipients."""

from datetime import UTC, date, datetime
from email.message import EmailMessage

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import payment_receipts, payments
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.mail import notice_jobs, send_jobs
from campaign.matching.funds import Fund
from campaign.outbox import dead_messages, messages
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import lifecycle
from campaign.receipts.receipts import Receipt
from campaign.reporting import receipt_register
from campaign.reporting.integrity import checker
from campaign.rules.fiscal_years import calendar_year
from campaign.staff import members
from campaign.texts.action_errors import ActionRefused
from tests.conftest import Post
from tests.factories import another_campaign, paid
from tests.mail import attached, pdf_text, text_of


@pytest.fixture
def funder(fund: Fund) -> Funder:
    funder = db.session.get_one(Funder, fund.funder_id)
    funder.legal_name, funder.address, funder.email, funder.language = (
        "Fonds Sanâa et Richard inc.",
        ["1, rue Sherbrooke", "Montréal QC  H2X 1Y4"],
        "fonds@example.org",
        "fr",
    )
    funder.is_registered_charity = False
    db.session.commit()
    return funder


def record_payment(fund: Fund, cents: int, reference: str = "cheque 17") -> FunderPayment:
    on = date(2026, 11, 20)
    payment = payments.record_payment(fund, cents, received_on=on, reference=reference, livemode=False, actor="manager@example.org")
    db.session.commit()
    return payment


def emails_to(post: Post, address: str) -> list[EmailMessage]:
    return [m for _, to, m, _ in post.box.newest(100) if to == [address]]


def test_a_funder_gets_a_receipt_for_what_it_paid_and_none_for_a_pledge(app: Flask, fund: Fund, funder: Funder, post: Post) -> None:
    send_jobs.send_due()
    assert db.session.query(Receipt).count() == 0, "a pledge is not a payment"
    payment = record_payment(fund, 12_500_00)
    send_jobs.send_due()
    receipt = payment_receipts.receipt_of(payment)
    assert receipt
    assert (receipt.cents, receipt.content["donor_name"], receipt.content["received_on"]) == (12_500_00, funder.legal_name, "2026-11-20")
    message = emails_to(post, "fonds@example.org")[0]
    assert attached(message) == [receipt.file_name]
    (document,) = message.iter_attachments()
    assert "12 500,00 $" in pdf_text(document.get_content())
    assert "nous avons reçu 12 500,00 $" in text_of(message)
    year = receipt_register.totals_of(db.session.query(Campaign).one().charity, calendar_year(2026))
    assert (year.receipted_cents, year.unreceipted_cents) == (12_500_00, 0)
    assert checker.findings(db.engine) == []
    lifecycle.void(receipt, actor="manager@example.org", note="wrong sum")
    db.session.commit()
    assert checker.findings(db.engine) == []


def test_a_registered_charity_gets_thanks_and_no_receipt(app: Flask, fund: Fund, funder: Funder, post: Post) -> None:
    funder.is_registered_charity = True
    payment = record_payment(fund, 100_00)
    send_jobs.send_due()
    assert payment_receipts.receipt_of(payment) is None
    message = emails_to(post, "fonds@example.org")[0]
    assert attached(message) == []
    assert "organisme de bienfaisance enregistré" in text_of(message)
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_a_payment_is_recorded_once_and_never_beyond_the_pledge(app: Flask, fund: Fund, funder: Funder) -> None:
    record_payment(fund, 100_00)
    for cents, reference in ((100_00, "cheque 17"), (50_000_00, "cheque 18")):
        with pytest.raises(ActionRefused):
            record_payment(fund, cents, reference)
    with pytest.raises(DatabaseError, match="received_is_pledged"), db.session.begin_nested():
        db.session.add(
            FunderPayment(fund_id=fund.id, cents=50_000_00, received_on=date(2026, 1, 1), reference="x", livemode=False, recorded_by="x")
        )
        db.session.flush()
    # Control: without the guard, the checker finds the excess.
    db.session.execute(text("ALTER TABLE funder_payment DISABLE TRIGGER within_pledge"))
    db.session.execute(
        text(
            "INSERT INTO funder_payment (fund_id, cents, received_on, reference, livemode, recorded_by) VALUES (:f, 99900000, now(), 'x', false, 'x')"
        ),
        {"f": fund.id},
    )
    db.session.commit()
    assert any("received" in finding for finding in checker.findings(db.engine))


def test_a_receipt_that_lacks_the_funders_address_waits_and_uses_no_number(app: Flask, fund: Fund, funder: Funder) -> None:
    funder.address = []
    payment = record_payment(fund, 100_00)
    send_jobs.send_due()
    assert db.session.query(Receipt).count() == 0
    funder.address = ["1, rue Sherbrooke", "Montréal"]
    db.session.execute(text("UPDATE outbox SET not_before = now()"))
    db.session.commit()
    send_jobs.send_due()
    assert payment_receipts.receipt_of(payment) is not None


def test_a_notice_that_a_pledge_is_matched_that_waited_when_reports_came_is_sent(app: Flask, campaign: Campaign, post: Post) -> None:
    own = another_campaign(50_00, like=campaign)
    fund = db.session.scalars(select(Fund).where(Fund.campaign_id == own.id)).one()
    db.session.get_one(Funder, fund.funder_id).email = "full@example.org"
    paid(own, 60_00)
    messages.enqueue_notice(MessageKind.PLEDGE_MATCHED, f"{fund.id}:{fund.pledged_cents}", fund_id=fund.id)
    db.session.commit()
    send_jobs.send_due()
    (message,) = emails_to(post, "full@example.org")
    assert "All of your pledge of $50.00" in text_of(message)


def test_staff_get_one_todo_email_a_day_in_both_languages(app: Flask, campaign: Campaign, post: Post) -> None:
    for role in ("viewer", "manager", "admin"):
        members.add_staff(f"{role}@notices.example.org", role).password = "a hash"
    db.session.commit()
    with time_machine.travel(datetime(2026, 11, 26, 15, tzinfo=UTC), tick=True):
        assert notice_jobs.enqueue_notices() == 0, "there is nothing to do"
        paid(campaign)
        db.session.execute(text("UPDATE outbox SET dead_at = now(), last_error = 'x'"))
        db.session.commit()
        for _ in range(3):
            notice_jobs.enqueue_notices()
            send_jobs.send_due()
    assert emails_to(post, "viewer@notices.example.org") == []
    for role in ("manager", "admin"):
        (message,) = emails_to(post, f"{role}@notices.example.org")
        assert "1 email could not be delivered." in text_of(message)
        assert "À traiter :" in text_of(message)
        assert "courriel" in text_of(message)
        assert "/staff/" in text_of(message)
    assert db.session.scalars(select(OutboxMessage.kind).where(OutboxMessage.donation_id.is_(None))).all() == ["staff_todo"] * 2


def test_before_the_morning_only_urgent_todos_are_sent(app: Flask, campaign: Campaign) -> None:
    members.add_staff("manager@notices.example.org", "manager").password = "a hash"
    paid(campaign)
    db.session.execute(text("UPDATE outbox SET dead_at = now()"))
    db.session.commit()
    night = datetime(2026, 11, 26, 9, tzinfo=UTC)  # Four in the morning in Toronto.
    with time_machine.travel(night, tick=True):
        assert notice_jobs.enqueue_notices() == 0
        db.session.execute(
            text(
                "INSERT INTO stripe_event (event_id, type, subject, livemode, body, source, dead_at) VALUES ('e', 't', 's', false, '', 'poll', now())"
            )
        )
        db.session.commit()
        assert notice_jobs.enqueue_notices() == 1
    assert dead_messages.count_dead() == 1
