"""Handing mail over: words frozen before, each hand-over written down, and one set of bytes whatever the mail server does."""

import time
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from campaign.edges.db import db
from campaign.giving import mails, outbox, receipts
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation
from campaign.giving.mails import HandOff, Mail, Outcome, State
from campaign.giving.outbox import OutboxItem
from campaign.reporting import books
from campaign.work import composing, mail_desk, mailing, owed
from tests.conftest import Moody
from tests.factories import give_back, paid
from tests.test_concurrency import at_once
from tests.test_mail import make_due
from tests.test_receipts import attached, last_mail


def the_item() -> OutboxItem:
    return db.session.scalars(select(OutboxItem).where(OutboxItem.kind == "receipt"), execution_options={"populate_existing": True}).one()


def state() -> State:
    item = the_item()
    return mails.state_of(item, mails.hand_offs_of([item.id]).get(item.id), mails.bounces_of([item.id]).get(item.id))


def outcomes() -> list[str | None]:
    return list(db.session.scalars(select(HandOff.outcome).order_by(HandOff.id)))


def test_a_mail_goes_from_ready_to_sent(app: Flask, campaign: Campaign, moody: Moody) -> None:
    paid(campaign)
    assert state() is State.READY
    moody.answer = "450 Later"
    owed.send_owed()
    assert (state(), outcomes()) == (State.READY, ["put_off"])
    moody.answer = "hang up"
    make_due()
    owed.send_owed()
    assert (state(), outcomes()) == (State.UNKNOWN, ["put_off", "unknown"])
    moody.answer = "250 OK"
    make_due()
    owed.send_owed()
    assert (state(), outcomes()) == (State.SENT, ["put_off", "unknown", "accepted"])
    assert len(set(db.session.scalars(select(HandOff.sha256)))) == 1
    assert books.findings(db.engine) == []


def test_a_mail_that_is_refused_is_failed_and_goes_to_the_corrected_address(
    app: Flask,
    campaign: Campaign,
    moody: Moody,
    post: object,
) -> None:
    donation = paid(campaign)
    moody.answer = "550 No such mailbox"
    owed.send_owed()
    assert (state(), outcomes()) == (State.FAILED, ["refused"])
    there = app.extensions["outside"]
    app.extensions["outside"] = replace(there, settings=there.settings.model_copy(update={"mail_url": post.url}))
    mail_desk.correct_email(donation, "right@example.org", actor="clerk@example.org")
    owed.send_owed()
    assert state() is State.SENT
    message = next(m for _, to, m, _ in post.box.newest(3) if to == ["right@example.org"])
    assert attached(message) == [receipts.receipt_of(donation.id).file_name]
    assert books.findings(db.engine) == []


def test_a_worker_that_died_while_it_handed_over_leaves_an_unknown_end(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign)
    (claim,) = outbox.claim(limit=1)
    item = outbox.claimed(claim)
    composing.settle(item)
    mailing.freeze(item, composing.compose(item))
    stale = mails.begin_hand_off(item.id, b"bytes")
    db.session.commit()
    assert state() is State.SENDING
    make_due()
    owed.send_owed()
    assert outcomes() == ["unknown", "accepted"]
    assert not mails.end_hand_off(stale, Outcome.ACCEPTED), "whoever comes back late changes nothing"
    assert last_mail(post, donation)["Message-ID"] == item.message_id


def test_what_the_books_say_later_does_not_change_a_mail_that_may_be_out(app: Flask, campaign: Campaign, moody: Moody) -> None:
    donation = paid(campaign, 100_00)
    moody.answer = "hang up"
    owed.send_owed()
    give_back(donation, 10_00)
    db.session.execute(text("UPDATE outbox SET not_before = now() + interval '1 hour' WHERE kind = 'money_back'"))
    moody.answer = "250 OK"
    db.session.execute(text("UPDATE outbox SET not_before = now() WHERE kind = 'receipt'"))
    db.session.commit()
    owed.send_owed()
    assert len(set(moody.taken)) == 1
    with pytest.raises(DatabaseError, match="its words stay"):
        db.session.execute(text("UPDATE mail SET plain = 'other words'"))


def test_a_receipt_that_ended_before_any_server_took_it_is_not_sent(app: Flask, campaign: Campaign, moody: Moody, post: object) -> None:
    donation = paid(campaign, 100_00)
    moody.answer = "450 Later"
    owed.send_owed()
    give_back(donation, 30_00)
    db.session.commit()
    moody.answer = "250 OK"
    db.session.execute(text("UPDATE outbox SET not_before = now() + interval '1 hour' WHERE kind = 'receipt'"))
    db.session.commit()
    owed.send_owed()
    make_due()
    owed.send_owed()
    serials = [receipts.receipt_of(donation.id).serial]
    assert [s.serial for s in receipts.receipts_of(donation.id)][-1:] == serials
    sent = db.session.scalars(select(Mail.receipt_id).where(Mail.receipt_id.is_not(None))).all()
    assert sent == [receipts.receipt_of(donation.id).id], "only the receipt that stands went out"
    assert books.findings(db.engine) == []


def test_mail_that_is_not_needed_any_more_says_so(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    give_back(donation, 100_00)
    db.session.execute(text("UPDATE outbox SET done_at = now() WHERE kind = 'money_back'"))
    db.session.commit()
    owed.send_owed()
    assert state() is State.NOT_NEEDED


def two_letters_at_once(app: Flask, campaign: Campaign) -> None:
    """Thanks and news of a refund are due in the same moment, and two workers take one each."""
    donation = paid(campaign, 100_00)
    give_back(donation, 30_00)
    db.session.commit()
    at_once(app, [owed.send_owed] * 2)


def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes between asking whether a receipt is in a letter, and writing one."""
    is_in_a_mail = mails.is_in_a_mail

    def asked(receipt: receipts.Receipt) -> bool:
        found = is_in_a_mail(receipt)
        time.sleep(0.4)
        return found

    monkeypatch.setattr(mails, "is_in_a_mail", asked)


def test_i18_two_workers_send_a_receipt_with_one_letter(
    app: Flask, campaign: Campaign, post: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch)
    two_letters_at_once(app, campaign)
    assert books.findings(db.engine) == []


def test_control_without_the_lock_a_receipt_goes_with_two_letters(
    app: Flask, campaign: Campaign, post: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch)
    monkeypatch.setattr(composing, "_donation", lambda item: db.session.get_one(Donation, item.donation_id, populate_existing=True))
    two_letters_at_once(app, campaign)
    assert any("goes with 2 mails" in sentence for sentence in books.findings(db.engine))
