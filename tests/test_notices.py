"""Money from funders with its receipt, and notices to funders and staff: once each, to whom they concern."""

from datetime import UTC, date, datetime

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from campaign.edges.db import db
from campaign.giving import funder_payments, outbox, staff
from campaign.giving.campaigns import Campaign
from campaign.giving.funder_payments import CannotReceive, FunderPayment
from campaign.giving.funds import Fund, Funder
from campaign.giving.outbox import OutboxItem
from campaign.giving.receipts import Receipt
from campaign.reporting import books, registers
from campaign.work import notices, owed
from tests.factories import another_campaign, paid
from tests.test_mail import words_of
from tests.test_receipts import attached, said


@pytest.fixture
def funder(fund: Fund) -> Funder:
    found = db.session.get_one(Funder, fund.funder_id)
    found.legal_name, found.address, found.email, found.language = (
        "Fonds Sanâa et Richard inc.",
        ["1, rue Sherbrooke", "Montréal QC  H2X 1Y4"],
        "fonds@example.org",
        "fr",
    )
    db.session.commit()
    return found


def received(fund: Fund, cents: int, reference: str = "cheque 17") -> FunderPayment:
    on = date(2026, 11, 20)
    payment = funder_payments.record(fund, cents, received_on=on, reference=reference, livemode=False, actor="manager@example.org")
    db.session.commit()
    return payment


def mails_to(post: object, address: str) -> list:
    return [m for _, to, m, _ in post.box.newest(100) if to == [address]]


def test_a_funder_is_receipted_for_what_it_paid_and_never_for_a_pledge(app: Flask, fund: Fund, funder: Funder, post: object) -> None:
    owed.send_owed()
    assert db.session.query(Receipt).count() == 0, "a pledge is no gift"
    payment = received(fund, 12_500_00)
    owed.send_owed()
    receipt = funder_payments.receipt_of(payment)
    assert (receipt.cents, receipt.content["donor_name"], receipt.content["received_on"]) == (12_500_00, funder.legal_name, "2026-11-20")
    message = mails_to(post, "fonds@example.org")[0]
    assert attached(message) == [receipt.file_name]
    (document,) = message.iter_attachments()
    assert "12 500,00 $" in words_of(document.get_content())
    assert "nous avons reçu 12 500,00 $" in said(message)
    year = registers.totals_of(db.session.query(Campaign).first().charity, 2026)
    assert (year.receipted_cents, year.unreceipted_cents) == (12_500_00, 0)
    assert books.findings(db.engine) == []


def test_a_registered_charity_gets_thanks_and_no_receipt(app: Flask, fund: Fund, funder: Funder, post: object) -> None:
    funder.is_registered_charity = True
    payment = received(fund, 100_00)
    owed.send_owed()
    assert funder_payments.receipt_of(payment) is None
    message = mails_to(post, "fonds@example.org")[0]
    assert attached(message) == []
    assert "organisme de bienfaisance enregistré" in said(message)
    assert books.findings(db.engine) == []


def test_a_payment_is_written_down_once_and_never_beyond_the_pledge(app: Flask, fund: Fund, funder: Funder) -> None:
    received(fund, 100_00)
    for cents, reference in ((100_00, "cheque 17"), (50_000_00, "cheque 18")):
        with pytest.raises(CannotReceive):
            received(fund, cents, reference)
    with pytest.raises(DatabaseError, match="received_is_pledged"), db.session.begin_nested():
        db.session.add(
            FunderPayment(fund_id=fund.id, cents=50_000_00, received_on=date(2026, 1, 1), reference="x", livemode=False, recorded_by="x")
        )
        db.session.flush()
    # Control: without the guard the checker sees it.
    db.session.execute(text("ALTER TABLE funder_payment DISABLE TRIGGER within_pledge"))
    db.session.execute(
        text(
            "INSERT INTO funder_payment (fund_id, cents, received_on, reference, livemode, recorded_by) VALUES (:f, 99900000, now(), 'x', false, 'x')"
        ),
        {"f": fund.id},
    )
    db.session.commit()
    assert any("received" in sentence for sentence in books.findings(db.engine))


def test_a_receipt_that_lacks_the_funders_address_waits_and_uses_no_number(app: Flask, fund: Fund, funder: Funder) -> None:
    funder.address = []
    payment = received(fund, 100_00)
    owed.send_owed()
    assert db.session.query(Receipt).count() == 0
    funder.address = ["1, rue Sherbrooke", "Montréal"]
    db.session.execute(text("UPDATE outbox SET not_before = now()"))
    db.session.commit()
    owed.send_owed()
    assert funder_payments.receipt_of(payment) is not None


def test_a_funder_hears_once_that_its_pledge_is_matched_in_full(app: Flask, campaign: Campaign, post: object) -> None:
    own = another_campaign(50_00, like=campaign)
    fund = db.session.scalars(select(Fund).where(Fund.campaign_id == own.id)).one()
    db.session.get_one(Funder, fund.funder_id).email = "full@example.org"
    db.session.commit()
    notices.owe_notices()
    owed.send_owed()
    assert mails_to(post, "full@example.org") == []
    paid(own, 60_00)
    for _ in range(2):
        notices.owe_notices()
        owed.send_owed()
    (message,) = mails_to(post, "full@example.org")
    assert "Every dollar of your pledge of $50.00" in said(message)


def test_staff_are_told_once_a_day_in_both_languages_of_what_needs_them(app: Flask, campaign: Campaign, post: object) -> None:
    for role in ("viewer", "manager", "admin"):
        staff.add_staff(f"{role}@notices.example.org", role).password = "a hash"
    db.session.commit()
    with time_machine.travel(datetime(2026, 11, 26, 15, tzinfo=UTC), tick=True):
        assert notices.owe_notices() == 0, "nothing needs anybody"
        paid(campaign)
        db.session.execute(text("UPDATE outbox SET dead_at = now(), last_error = 'x'"))
        db.session.commit()
        for _ in range(3):
            notices.owe_notices()
            owed.send_owed()
    assert mails_to(post, "viewer@notices.example.org") == []
    for role in ("manager", "admin"):
        (message,) = mails_to(post, f"{role}@notices.example.org")
        assert "1 mail could not be delivered." in said(message)
        assert "Ceci demande quelqu’un" in said(message)
        assert "courriel" in said(message)
        assert "/staff/" in said(message)
    assert db.session.scalars(select(OutboxItem.kind).where(OutboxItem.donation_id.is_(None))).all() == ["staff_notice"] * 2


def test_before_the_morning_only_what_is_urgent_is_told(app: Flask, campaign: Campaign) -> None:
    staff.add_staff("manager@notices.example.org", "manager").password = "a hash"
    paid(campaign)
    db.session.execute(text("UPDATE outbox SET dead_at = now()"))
    db.session.commit()
    night = datetime(2026, 11, 26, 9, tzinfo=UTC)  # Four in the morning in Toronto.
    with time_machine.travel(night, tick=True):
        assert notices.owe_notices() == 0
        db.session.execute(
            text(
                "INSERT INTO stripe_event (event_id, type, subject, livemode, body, source, dead_at) VALUES ('e', 't', 's', false, '', 'poll', now())"
            )
        )
        db.session.commit()
        assert notices.owe_notices() == 1
    assert outbox.dead_items() == 1
