"""Email delivery: the text is frozen first, each attempt is recorded, and every attempt has the same bytes whatever the mail server does."""

import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import compose, deliver_jobs, mail_actions, send_jobs
from campaign.outbox import deliveries, messages
from campaign.outbox.deliveries import DeliveryAttempt, DeliveryOutcome, EmailState, FrozenEmail
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import receipts
from campaign.reporting.integrity import checker
from tests.conftest import Post, ScriptedSmtp
from tests.factories import create_refund, paid, run_concurrently
from tests.mail import attached, last_email, make_due


def the_message() -> OutboxMessage:
    return db.session.scalars(
        select(OutboxMessage).where(OutboxMessage.kind == "receipt"), execution_options={"populate_existing": True}
    ).one()


def state() -> EmailState:
    message = the_message()
    attempt = deliveries.last_attempts([message.id]).get(message.id)
    return deliveries.state_of(message, attempt, deliveries.bounces_of([message.id]).get(message.id))


def outcomes() -> list[str | None]:
    return list(db.session.scalars(select(DeliveryAttempt.outcome).order_by(DeliveryAttempt.id)))


def test_an_email_goes_from_ready_to_sent(app: Flask, campaign: Campaign, scripted_smtp: ScriptedSmtp) -> None:
    paid(campaign)
    assert state() is EmailState.READY
    scripted_smtp.response = "450 Later"
    send_jobs.send_due()
    assert (state(), outcomes()) == (EmailState.READY, ["deferred"])
    scripted_smtp.response = "disconnect"
    make_due()
    send_jobs.send_due()
    assert (state(), outcomes()) == (EmailState.UNKNOWN, ["deferred", "unknown"])
    scripted_smtp.response = "250 OK"
    make_due()
    send_jobs.send_due()
    assert (state(), outcomes()) == (EmailState.SENT, ["deferred", "unknown", "accepted"])
    assert len(set(db.session.scalars(select(DeliveryAttempt.sha256)))) == 1
    assert checker.findings(db.engine) == []


def test_a_refused_email_fails_and_is_sent_to_the_corrected_address(
    app: Flask,
    campaign: Campaign,
    scripted_smtp: ScriptedSmtp,
    post: Post,
) -> None:
    donation = paid(campaign)
    scripted_smtp.response = "550 No such mailbox"
    send_jobs.send_due()
    assert (state(), outcomes()) == (EmailState.FAILED, ["refused"])
    services = app.extensions["services"]
    app.extensions["services"] = replace(services, settings=services.settings.model_copy(update={"mail_url": post.url}))
    mail_actions.correct_email(donation, "right@example.org", actor="clerk@example.org")
    send_jobs.send_due()
    assert state() is EmailState.SENT
    message = next(m for _, to, m, _ in post.box.newest(3) if to == ["right@example.org"])
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    assert attached(message) == [receipt.file_name]
    assert checker.findings(db.engine) == []


def test_a_worker_that_dies_during_an_attempt_leaves_an_unknown_outcome(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign)
    (lease,) = messages.lease_due(limit=1)
    message = messages.message_of(lease)
    compose.prepare_receipts(message)
    content = compose.compose(message)
    assert content
    deliver_jobs.freeze(message, content)
    stale = deliveries.start_attempt(message.id, b"bytes")
    db.session.commit()
    assert state() is EmailState.SENDING
    make_due()
    send_jobs.send_due()
    assert outcomes() == ["unknown", "accepted"]
    assert not deliveries.finish_attempt(stale, DeliveryOutcome.ACCEPTED), "a worker that returns late changes nothing"
    assert last_email(post, donation)["Message-ID"] == message.message_id


@pytest.mark.owner
def test_later_changes_of_the_books_do_not_change_an_email_that_may_be_delivered(
    app: Flask, campaign: Campaign, scripted_smtp: ScriptedSmtp
) -> None:
    donation = paid(campaign, 100_00)
    scripted_smtp.response = "disconnect"
    send_jobs.send_due()
    create_refund(donation, 10_00)
    db.session.execute(text("UPDATE outbox SET not_before = now() + interval '1 hour' WHERE kind = 'reversal'"))
    scripted_smtp.response = "250 OK"
    db.session.execute(text("UPDATE outbox SET not_before = now() WHERE kind = 'receipt'"))
    db.session.commit()
    send_jobs.send_due()
    assert len(set(scripted_smtp.received)) == 1
    with pytest.raises(DatabaseError, match="cannot change"):
        db.session.execute(text("UPDATE frozen_email SET sealed_plain = 'other words'"))


def test_a_receipt_that_ended_before_a_server_accepted_it_is_not_sent(
    app: Flask, campaign: Campaign, scripted_smtp: ScriptedSmtp, post: Post
) -> None:
    donation = paid(campaign, 100_00)
    scripted_smtp.response = "450 Later"
    send_jobs.send_due()
    create_refund(donation, 30_00)
    db.session.commit()
    scripted_smtp.response = "250 OK"
    db.session.execute(text("UPDATE outbox SET not_before = now() + interval '1 hour' WHERE kind = 'receipt'"))
    db.session.commit()
    send_jobs.send_due()
    make_due()
    send_jobs.send_due()
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    assert receipts.receipts_of(donation.id)[-1] == receipt
    sent = db.session.scalars(select(FrozenEmail.receipt_id).where(FrozenEmail.receipt_id.is_not(None))).all()
    assert sent == [receipt.id], "only the valid receipt was sent"
    assert checker.findings(db.engine) == []


def test_an_email_that_is_no_longer_needed_has_that_state(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    create_refund(donation, 100_00)
    db.session.execute(text("UPDATE outbox SET done_at = now() WHERE kind = 'reversal'"))
    db.session.commit()
    send_jobs.send_due()
    assert state() is EmailState.NOT_NEEDED


def send_two_emails_concurrently(app: Flask, campaign: Campaign) -> None:
    """An acknowledgement and a refund notice are due at the same time, and two workers take one each."""
    donation = paid(campaign, 100_00)
    create_refund(donation, 30_00)
    db.session.commit()
    run_concurrently(app, [send_jobs.send_due] * 2)


def let_both_check_first(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    """Let two workers check whether a receipt was emailed before either freezes its email, unless the second does not come in time."""
    is_emailed = deliveries.is_emailed
    both = threading.Barrier(2)

    def check_and_wait(receipt_id: int) -> bool:
        result = is_emailed(receipt_id)
        with suppress(threading.BrokenBarrierError):
            both.wait(seconds)
            both.abort()  # Later checks are not delayed.
        return result

    monkeypatch.setattr(deliveries, "is_emailed", check_and_wait)


def test_i18_two_workers_send_a_receipt_with_one_email(app: Flask, campaign: Campaign, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    let_both_check_first(monkeypatch, seconds=0.4)
    send_two_emails_concurrently(app, campaign)
    assert checker.findings(db.engine) == []


def test_control_without_the_lock_a_receipt_is_sent_with_two_emails(
    app: Flask, campaign: Campaign, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_both_check_first(monkeypatch, seconds=60)
    monkeypatch.setattr(compose, "_lock_donation", lambda item: db.session.get_one(Donation, item.donation_id, populate_existing=True))
    send_two_emails_concurrently(app, campaign)
    assert any("is attached to 2 emails" in sentence for sentence in checker.findings(db.engine))
