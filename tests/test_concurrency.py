"""Sixteen threads, real commits, every event twice: exact to the cent. And the controls: with a guard off, the same runs go wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.edges.db import db
from campaign.giving import checkouts, happenings, healing, ledger, matches, stripe_events
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.checkouts import LessMatch
from campaign.giving.claims import Claim
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund, LockedFunds, funds_of
from campaign.giving.receipts import Receipt
from campaign.reporting import books
from campaign.work import handling, owed
from tests.factories import another_campaign, begun, body_of, completed, paid, succeeded

THREADS = 16


def at_once(app: Flask, works: list) -> list:
    """Run all works in threads that begin together, each in the app."""
    gate = threading.Barrier(min(THREADS, len(works)))

    def run(index: int) -> object:
        if index < gate.parties:
            gate.wait()
        with app.app_context():
            try:
                return works[index]()
            finally:
                db.session.remove()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(len(works))))


def give(campaign_id: int, cents: int, expected: int | None) -> int | None:
    """What was held for a gift; None when the donor was told that there is less."""
    try:
        donation = begun(db.session.get_one(Campaign, campaign_id), cents, expected=expected)
        held = matches.match_of(donation.id).held_cents
        db.session.commit()
    except LessMatch:
        db.session.rollback()
        return None
    return held


def receive_and_handle(body: bytes) -> None:
    stripe_events.keep(stripe_events.read_event(body), source="webhook")
    db.session.commit()
    handling.handle_events()


def test_sixteen_threads_and_every_event_twice_end_exact(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(1_000_00, like=campaign)
    given = [begun(own, cents) for cents in (10_00, 25_00, 33_33, 50_00, 100_01) * 12]
    db.session.commit()
    bodies = [body_of(made) for donation in given for made in (completed(donation), succeeded(donation))]
    at_once(app, [lambda b=b: receive_and_handle(b) for b in bodies * 2])
    handling.handle_events()
    fund, totals = funds_of(own.id)[0], db.session.get_one(CampaignTotals, own.id)
    db.session.refresh(fund)
    gifts = sum(donation.amount_cents for donation in given)
    assert (fund.matched_cents, fund.held_cents) == (min(1_000_00, gifts), 0)
    assert (totals.donated_cents, totals.donations) == (gifts, 60)
    assert stripe_events.waiting_events() == stripe_events.dead_events() == 0
    assert books.findings(db.engine) == []


@pytest.mark.parametrize("left", [1, 1_00, 37_42])
def test_when_little_is_left_nobody_is_told_more_than_is_held(app: Flask, campaign: Campaign, left: int) -> None:
    own = another_campaign(left, like=campaign)
    db.session.commit()
    own_id = own.id
    held = at_once(app, [lambda: give(own_id, 50_00, left)] * 32 + [lambda: give(own_id, 5_00, 0)] * 8)
    assert sum(cents or 0 for cents in held) == left
    assert held.count(None) >= 31 - 8
    db.session.expire_all()
    assert funds_of(own_id)[0].held_cents == left
    assert books.findings(db.engine) == []


def test_i13_the_same_attempt_twenty_times_at_once_makes_one_donation(app: Flask, campaign: Campaign) -> None:
    own_id = campaign.id
    db.session.commit()

    def once() -> str:
        name = begun(db.session.get_one(Campaign, own_id), 50_00, attempt="one", email="one@example.org").public_id
        db.session.commit()
        return name

    assert len(set(at_once(app, [once] * 20))) == 1
    db.session.expire_all()
    assert funds_of(own_id)[0].held_cents == 50_00
    assert books.findings(db.engine) == []


def naive_hold(campaign_id: int, cents: int, barrier: threading.Barrier) -> bool:
    """Read, compute, write, as an application without locks would; True when the database took it."""
    fund = db.session.query(Fund).filter_by(campaign_id=campaign_id).one()
    take = min(cents, fund.available_cents)
    donation_id = db.session.execute(
        text("SELECT id FROM donation WHERE campaign_id = :c AND attempt = :a"), {"c": campaign_id, "a": threading.current_thread().name}
    ).scalar_one()
    donation = db.session.get_one(Donation, donation_id)
    barrier.wait()
    try:
        ledger.post(naive_entry(donation, fund, take))
        db.session.commit()
    except Exception:
        db.session.rollback()
        return False
    return True


def naive_entry(donation: Donation, fund: Fund, cents: int) -> ledger.Entry:
    return ledger.Entry(
        kind=ledger.Move.HOLD,
        source="available",
        target="held",
        cents=cents,
        campaign_id=fund.campaign_id,
        fund_id=fund.id,
        donation_id=donation.id,
        reference=f"naive:{donation.public_id}",
        cause="naive",
    )


def naive_run(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch, *sabotage: str) -> list[bool]:
    own = another_campaign(100_00, like=campaign)
    own_id = own.id
    for sql in sabotage:
        db.session.execute(text(sql))
    monkeypatch.setattr(checkouts, "_hold", lambda *_: {})
    for number in range(8):
        begun(own, 80_00, attempt=f"naive-{number}")
    db.session.commit()
    barrier, results = threading.Barrier(8), []

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
    assert naive_run(app, campaign, monkeypatch).count(True) == 1
    assert books.findings(db.engine) == []


def test_control_with_the_trigger_off_the_naive_application_breaks_the_books(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage = (
        *(f"ALTER TABLE ledger_entry DISABLE TRIGGER {trigger}" for trigger in ("move", "move_matches", "refuse")),
        "ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_chain_position_is_unique",
    )
    assert naive_run(app, campaign, monkeypatch, *sabotage).count(True) == 8
    assert {sentence[:2] for sentence in books.findings(db.engine)} >= {"I2"}


def test_control_with_the_lock_off_donors_meet_the_databases_refusal(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locking is for order and liveness: without it the pledge still holds, but donors get errors in place of answers."""
    own = another_campaign(60_00, like=campaign)
    db.session.commit()
    own_id = own.id
    gate = threading.Barrier(8)

    def unlocked(campaign_ids: list[int]) -> LockedFunds:
        found = list(db.session.query(Fund).filter(Fund.campaign_id.in_(campaign_ids)))
        gate.wait()
        return LockedFunds(funds=found, healing=set(), now=datetime.now(UTC))

    def refused() -> bool:
        try:
            give(own_id, 50_00, 0)
        except Exception:
            db.session.rollback()
            return True
        return False

    with monkeypatch.context() as patched:
        patched.setattr(healing, "lock_funds", unlocked)
        assert any(at_once(app, [refused] * 8))
    assert not any(at_once(app, [refused] * 8))
    assert books.findings(db.engine) == []


def test_i15_receipts_issued_at_once_count_without_a_gap(app: Flask, campaign: Campaign) -> None:
    names = [paid(campaign, 20_00).id for _ in range(40)]
    at_once(app, [owed.send_owed] * 8)
    owed.send_owed()
    assert sorted(r.number for r in db.session.query(Receipt)) == list(range(1, len(names) + 1))
    assert books.findings(db.engine) == []


def test_control_a_sequence_in_place_of_the_counter_leaves_gaps(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    db.session.execute(text("CREATE SEQUENCE serials"))
    monkeypatch.setattr("campaign.giving.receipts.next_number", _from_sequence)
    paid(campaign, 20_00)
    owed.send_owed()
    assert any(sentence.startswith("I15") for sentence in books.findings(db.engine))


def _from_sequence(charity_id: int, year: int) -> int:
    db.session.execute(text("INSERT INTO receipt_series VALUES (:c, :y, 0) ON CONFLICT DO NOTHING"), {"c": charity_id, "y": year})
    db.session.execute(text("SELECT nextval('serials')"))  # A number lost in a transaction that was rolled back.
    return int(db.session.execute(text("SELECT nextval('serials')")).scalar_one())


def test_i22_a_worker_that_was_away_too_long_changes_nothing(app: Flask, campaign: Campaign) -> None:
    donation = begun(campaign)
    stripe_events.keep(stripe_events.read_event(body_of(completed(donation))), source="webhook")
    db.session.commit()
    (stale,) = stripe_events.claim(limit=10)
    db.session.commit()
    db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
    (fresh,) = stripe_events.claim(limit=10)
    db.session.commit()
    assert fresh == Claim(id=stale.id, fence=stale.fence + 1, attempts=2)
    assert happenings.handle([fresh], {}) == 1
    db.session.commit()
    happenings.handle([stale], {})
    db.session.commit()
    assert db.session.execute(text("SELECT fence, outcome FROM stripe_event")).one() == (2, "paid")
    assert books.findings(db.engine) == []
