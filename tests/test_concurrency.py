"""Sixteen threads with real commits and every event twice: exact to the cent. Controls without a guard show that the same runs then fail."""

import threading
from datetime import UTC, datetime
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.donations.donations import Donation, lock_donations
from campaign.edges.db import db
from campaign.ledger.entries import Entry, post_entries
from campaign.ledger.moves import Move
from campaign.mail import compose, send_jobs
from campaign.matching import rematching
from campaign.matching.funds import Fund, LockedFunds, funds_of
from campaign.matching.holds import match_of
from campaign.outbox.leases import Lease
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.payments import checkouts
from campaign.payments.checkouts import LessMatchAvailable
from campaign.receipts import annual, lifecycle
from campaign.receipts.receipts import Receipt
from campaign.receipts.render_jobs import issue_context
from campaign.reporting.integrity import checker
from campaign.stripe_sync import dispatch, event_jobs, inbox
from tests.factories import another_campaign, paid, pay_with_annual_receipt, run_concurrently, start_donation, waits_for_this_transaction
from tests.stripe import body_of, completed, succeeded


def try_to_donate(campaign_id: int, cents: int, expected: int | None) -> int | None:
    """Start a donation and return its held cents; None when less match was available than promised."""
    try:
        donation = start_donation(db.session.get_one(Campaign, campaign_id), cents, expected=expected)
        held = match_of(donation.id).held_cents
        db.session.commit()
    except LessMatchAvailable:
        db.session.rollback()
        return None
    return held


def receive_and_handle(body: bytes) -> None:
    inbox.store_events(inbox.parse_event(body), source="webhook")
    db.session.commit()
    event_jobs.handle_events()


def test_sixteen_threads_with_every_event_twice_are_exact(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(1_000_00, like=campaign)
    donations = [start_donation(own, cents) for cents in (10_00, 25_00, 33_33, 50_00, 100_01) * 12]
    db.session.commit()
    bodies = [body_of(event) for donation in donations for event in (completed(donation), succeeded(donation))]
    run_concurrently(app, [partial(receive_and_handle, body) for body in bodies * 2])
    event_jobs.handle_events()
    fund, totals = funds_of(own.id)[0], db.session.get_one(CampaignTotals, own.id)
    db.session.refresh(fund)
    donated = sum(donation.amount_cents for donation in donations)
    assert (fund.matched_cents, fund.held_cents) == (min(1_000_00, donated), 0)
    assert (totals.donated_cents, totals.donations) == (donated, 60)
    assert inbox.count_pending() == inbox.count_dead() == 0
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("left", [1, 1_00, 37_42])
def test_when_little_is_left_nobody_is_promised_more_than_is_held(app: Flask, campaign: Campaign, left: int) -> None:
    own = another_campaign(left, like=campaign)
    db.session.commit()
    own_id = own.id
    held = run_concurrently(app, [lambda: try_to_donate(own_id, 50_00, left)] * 32 + [lambda: try_to_donate(own_id, 5_00, 0)] * 8)
    assert sum(cents or 0 for cents in held) == left
    assert held.count(None) >= 31 - 8
    db.session.expire_all()
    assert funds_of(own_id)[0].held_cents == left
    assert checker.findings(db.engine) == []


def test_i13_the_same_attempt_twenty_times_at_once_creates_one_donation(app: Flask, campaign: Campaign) -> None:
    own_id = campaign.id
    db.session.commit()

    def once() -> str:
        public_id = start_donation(db.session.get_one(Campaign, own_id), 50_00, attempt="one", email="one@example.org").public_id
        db.session.commit()
        return public_id

    assert len(set(run_concurrently(app, [once] * 20))) == 1
    db.session.expire_all()
    assert funds_of(own_id)[0].held_cents == 50_00
    assert checker.findings(db.engine) == []


def naive_hold(campaign_id: int, cents: int, barrier: threading.Barrier) -> bool:
    """Read, compute and write without locks. Returns whether the database accepted it."""
    fund = db.session.query(Fund).filter_by(campaign_id=campaign_id).one()
    cents = min(cents, fund.available_cents)
    donation_id = db.session.execute(
        text("SELECT id FROM donation WHERE campaign_id = :c AND attempt = :a"), {"c": campaign_id, "a": threading.current_thread().name}
    ).scalar_one()
    donation = db.session.get_one(Donation, donation_id)
    barrier.wait()
    try:
        post_entries(naive_entry(donation, fund, cents))
        db.session.commit()
    except Exception:
        db.session.rollback()
        return False
    return True


def naive_entry(donation: Donation, fund: Fund, cents: int) -> Entry:
    return Entry(
        kind=Move.HOLD,
        source="available",
        target="held",
        cents=cents,
        campaign_id=fund.campaign_id,
        fund_id=fund.id,
        donation_id=donation.id,
        reference=f"naive:{donation.public_id}",
        cause="naive",
    )


def run_naively(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch, *sabotage: str) -> list[bool]:
    own = another_campaign(100_00, like=campaign)
    own_id = own.id
    for sql in sabotage:
        db.session.execute(text(sql))
    monkeypatch.setattr(checkouts, "_hold", lambda *_: {})
    for number in range(8):
        start_donation(own, 80_00, attempt=f"naive-{number}")
    db.session.commit()
    barrier = threading.Barrier(8)
    results: list[bool] = []

    def run() -> None:
        with app.app_context():
            results.append(naive_hold(own_id, 80_00, barrier))
            db.session.remove()

    threads = [threading.Thread(target=run, name=f"naive-{n}") for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_even_a_naive_application_cannot_hold_more_than_the_pledge(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_naively(app, campaign, monkeypatch).count(True) == 1
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_control_without_triggers_the_naive_application_breaks_the_books(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage = (
        *(f"ALTER TABLE ledger_entry DISABLE TRIGGER {trigger}" for trigger in ("move_balances", "move_matches", "within_terms")),
        "ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_chain_position_is_unique",
    )
    assert run_naively(app, campaign, monkeypatch, *sabotage).count(True) == 8
    assert {sentence[:2] for sentence in checker.findings(db.engine)} >= {"I2"}


def test_control_without_the_lock_donors_get_database_errors(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lock the pledge is still not exceeded, but donors get errors in place of responses."""
    own = another_campaign(60_00, like=campaign)
    db.session.commit()
    own_id = own.id
    start = threading.Barrier(8)

    def unlocked(campaign_ids: list[int]) -> LockedFunds:
        funds = list(db.session.query(Fund).filter(Fund.campaign_id.in_(campaign_ids)))
        start.wait()
        return LockedFunds(funds=funds, rematching=set(), now=datetime.now(UTC))

    def is_refused() -> bool:
        try:
            try_to_donate(own_id, 50_00, 0)
        except Exception:
            db.session.rollback()
            return True
        return False

    with monkeypatch.context() as patched:
        patched.setattr(rematching, "lock_funds", unlocked)
        assert any(run_concurrently(app, [is_refused] * 8))
    assert not any(run_concurrently(app, [is_refused] * 8))
    assert checker.findings(db.engine) == []


def test_i15_receipts_issued_concurrently_are_numbered_without_gaps(app: Flask, campaign: Campaign) -> None:
    ids = [paid(campaign, 20_00).id for _ in range(40)]
    run_concurrently(app, [send_jobs.send_due] * 8)
    send_jobs.send_due()
    assert sorted(r.number for r in db.session.query(Receipt)) == list(range(1, len(ids) + 1))
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_control_a_sequence_instead_of_the_counter_leaves_gaps(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    db.session.execute(text("CREATE SEQUENCE serials"))
    monkeypatch.setattr("campaign.receipts.receipts.take_next_number", take_from_sequence)
    paid(campaign, 20_00)
    send_jobs.send_due()
    assert any(sentence.startswith("I15") for sentence in checker.findings(db.engine))


def take_from_sequence(charity_id: int, year: int) -> int:
    db.session.execute(text("INSERT INTO receipt_series VALUES (:c, :y, 0) ON CONFLICT DO NOTHING"), {"c": charity_id, "y": year})
    db.session.execute(text("SELECT nextval('serials')"))  # A number lost by a rolled-back transaction.
    return int(db.session.execute(text("SELECT nextval('serials')")).scalar_one())


def test_workers_whose_receipts_share_donations_never_wait_for_each_other(app: Flask, campaign: Campaign) -> None:
    """Both lock the donation of their message and those on its receipt. Before they do, one receipt for both donations is issued."""
    first, second = pay_with_annual_receipt(campaign, datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC))
    (group,) = annual.groups_due(campaign.charity, 2025, limit=2)
    errors: list[Exception] = []

    def lock(donation_id: int) -> None:
        with app.app_context():
            try:
                lifecycle.lock_sharing_donations(db.session.get_one(Donation, donation_id))
                db.session.commit()
            except OperationalError as error:
                errors.append(error)
            finally:
                db.session.remove()

    def prepare(donation_id: int) -> None:
        with app.app_context():
            compose.prepare_receipts(OutboxMessage(kind=MessageKind.RECEIPT_COPY, donation_id=donation_id))
            db.session.commit()
            db.session.remove()

    issued = annual.issue(group, 2025, issue_context())
    assert issued
    waiting = threading.Thread(target=lock, args=(second.id,))
    waiting.start()  # It has read that the second donation is on no receipt.
    assert waits_for_this_transaction(waiting)
    with db.engine.connect() as another:
        behind = threading.Thread(target=lambda: another.execute(text("SELECT FROM donation WHERE id = :id FOR UPDATE"), {"id": first.id}))
        behind.start()
        assert waits_for_this_transaction(behind, waiting=2)
        db.session.commit()
        behind.join()
        another.execute(text("SET lock_timeout = '20s'"))
        another.execute(text("SELECT FROM donation WHERE id = :id FOR UPDATE"), {"id": second.id})
        another.rollback()
    waiting.join()
    lock_donations([first.id])
    composing = threading.Thread(target=prepare, args=(second.id,))
    composing.start()
    assert waits_for_this_transaction(composing)
    lock_donations([second.id])
    db.session.rollback()
    composing.join()
    assert errors == []


def test_i22_a_worker_whose_lease_has_expired_changes_nothing(app: Flask, campaign: Campaign) -> None:
    donation = start_donation(campaign)
    inbox.store_events(inbox.parse_event(body_of(completed(donation))), source="webhook")
    db.session.commit()
    (stale,) = inbox.lease_events(limit=10)
    db.session.commit()
    db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
    (fresh,) = inbox.lease_events(limit=10)
    db.session.commit()
    assert fresh == Lease(id=stale.id, lease_token=stale.lease_token + 1, attempts=2)
    assert dispatch.dispatch([fresh], dispatch.read_events([fresh]), {}) == 1
    db.session.commit()
    dispatch.dispatch([stale], dispatch.read_events([stale]), {})
    db.session.commit()
    assert db.session.execute(text("SELECT lease_token, outcome FROM stripe_event")).one() == (2, "paid")
    assert checker.findings(db.engine) == []
