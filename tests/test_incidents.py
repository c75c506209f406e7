"""Incidents of matchbot, the one open-source system that runs real match funds, each as a test (see peers in docs/decisions.md)."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import Entry, LedgerEntry, post_entries
from campaign.ledger.moves import Move
from campaign.matching import rematching
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import FreedBy, match_of
from campaign.matching.rematching import PendingRematch
from campaign.outbox import messages
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.payments import reversals
from campaign.payments.status import status_of
from campaign.reporting.integrity import checker
from campaign.stripe_sync import dispatch, event_jobs, inbox
from campaign.stripe_sync.inbox import StripeEvent
from tests.conftest import Stripe
from tests.factories import another_campaign, create_refund, end, paid, pay, start_donation, waits_for_this_transaction
from tests.patience import PATIENCE_SECONDS
from tests.stripe import body_of, completed, expired, reversal_event, succeeded


def receive(*events: dict[str, Any]) -> None:
    for sent in events:
        inbox.store_events(inbox.parse_event(body_of(sent)), source="webhook")
    db.session.commit()
    event_jobs.handle_events()


def refund_of(stripe: Stripe, donation: Donation, cents: int, *, kind: str = "refund.created", **changed: Any) -> dict[str, Any]:
    return reversal_event(stripe, donation, cents, kind=kind, **changed)


def match(donation: Donation) -> tuple[int, int]:
    found = match_of(donation.id)
    return found.held_cents, found.matched_cents


def state(donation: Donation) -> str:
    db.session.expire_all()
    return status_of(donation).state.value


def test_matchbot_2020_2021_2024_2026_a_release_by_expiry_and_by_cancel_is_one_release(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    donation, other = start_donation(own, 60_00), start_donation(own, 40_00)
    ended = [expired(donation), {**expired(donation), "type": "checkout.session.async_payment_failed"}]
    receive(*ended, *[{**sent, "id": f"{sent['id']}_again"} for sent in ended])
    end(donation, "expired")
    db.session.commit()
    assert (match(donation), match(other)) == ((0, 0), (40_00, 0))
    fund = funds_of(own.id)[0]
    assert (fund.held_cents, fund.available_cents) == (40_00, 60_00)
    again = Entry(
        kind=Move.RELEASE,
        source="held",
        target="available",
        cents=40_00,
        campaign_id=own.id,
        fund_id=fund.id,
        donation_id=donation.id,
        reference="release once more",
        cause="a second path",
    )
    with pytest.raises(IntegrityError, match="donation_hold_is_not_negative"):  # The money held is another donor's.
        post_entries(again)
    db.session.rollback()
    assert checker.findings(db.engine) == []


def test_matchbot_2025_concurrent_refunds_and_rematches_match_nobody_twice(app: Flask, campaign: Campaign) -> None:
    """Rematching and redistribution ran concurrently and over-matched two donations."""
    own = another_campaign(100_00, like=campaign)
    first = start_donation(own, 100_00)
    waiting = [start_donation(own, 30_00) for _ in range(8)]
    for donation in (first, *waiting):
        pay(donation)
    db.session.commit()
    first_id, waiting_ids = first.id, [d.id for d in waiting]
    gate = threading.Barrier(6)

    def refund(cents: int) -> None:
        with app.app_context():
            gate.wait()
            create_refund(db.session.get_one(Donation, first_id), cents)
            db.session.commit()
            db.session.remove()

    def rematch() -> None:
        with app.app_context():
            gate.wait()
            event_jobs.rematch()
            db.session.remove()

    threads = [threading.Thread(target=refund, args=(20_00,)) for _ in range(4)] + [threading.Thread(target=rematch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.expire_all()
    assert match(first) == (0, 20_00)
    assert [match(db.session.get_one(Donation, donation_id))[1] for donation_id in waiting_ids] == [30_00, 30_00, 20_00, 0, 0, 0, 0, 0]
    assert checker.findings(db.engine) == []


def test_matchbot_2023_a_crash_between_hold_and_donation_leaks_nothing(campaign: Campaign, fund: Fund) -> None:
    """The hold and its donation are one transaction: a crash before the commit leaves neither."""
    start_donation(campaign, 100_00)
    backend = db.session.scalars(text("SELECT pg_backend_pid()")).one()
    with db.engine.connect() as another:
        another.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
    with pytest.raises(OperationalError):
        db.session.commit()
    db.session.rollback()
    db.session.refresh(fund)
    assert (fund.held_cents, db.session.query(Donation).count()) == (0, 0)
    assert checker.findings(db.engine) == []


def test_matchbot_2025_a_donation_cannot_be_matched_twice(campaign: Campaign, fund: Fund) -> None:
    donation = paid(campaign, 100_00)
    for reference in (f"match:{donation.public_id}:{fund.id}:2", "under another name"):
        again = Entry(
            kind=Move.MATCH,
            source="available",
            target="matched",
            cents=100_00,
            campaign_id=campaign.id,
            fund_id=fund.id,
            donation_id=donation.id,
            reference=reference,
            cause="again",
        )
        with pytest.raises(IntegrityError):
            post_entries(again)
        db.session.rollback()
    assert match(donation) == (0, 100_00)


def test_matchbot_a_late_webhook_does_not_undo_a_refund(campaign: Campaign, stripe: Stripe) -> None:
    donation = start_donation(campaign, 100_00)
    receive(completed(donation), refund_of(stripe, donation, 100_00))
    assert state(donation) == "refunded"
    receive(succeeded(donation), {**completed(donation), "id": "evt_days_late"})
    assert (state(donation), match(donation)) == ("refunded", (0, 0))
    assert checker.findings(db.engine) == []


def test_a_refund_received_before_its_payment_counts_once_the_payment_arrives(campaign: Campaign, stripe: Stripe) -> None:
    donation = start_donation(campaign, 100_00, covered_fee_cents=3_30)
    receive(refund_of(stripe, donation, 51_65))
    assert state(donation) == "pending"
    receive(completed(donation))
    assert (state(donation), donation.net_cents, match(donation)) == ("partially_refunded", 50_00, (0, 50_00))
    assert checker.findings(db.engine) == []
    assert list(db.session.scalars(select(OutboxMessage.kind))) == ["receipt", "reversal"]
    outcome = select(StripeEvent.outcome).where(StripeEvent.type == "checkout.session.completed")
    assert db.session.scalars(outcome).one() == "paid"


def test_two_refunds_received_before_their_payment_both_count_once_it_arrives(campaign: Campaign, stripe: Stripe) -> None:
    donation = start_donation(campaign, 100_00)
    receive(refund_of(stripe, donation, 30_00, id="re_first"), refund_of(stripe, donation, 20_01, id="re_second"))
    assert state(donation) == "pending"
    receive(completed(donation))
    db.session.expire_all()
    assert (donation.net_cents, match(donation)) == (49_99, (0, 49_99))
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("refund_first", [True, False])
def test_a_refund_of_a_quarantined_payment_moves_nothing(campaign: Campaign, refund_first: bool, stripe: Stripe) -> None:
    donation = start_donation(campaign, 100_00)
    events = [completed(donation, amount_total=99_00), refund_of(stripe, donation, 99_00)]
    receive(*(events[::-1] if refund_first else events))
    assert (state(donation), donation.net_cents, match(donation)) == ("refunded", 0, (0, 0))
    assert checker.findings(db.engine) == []


def test_a_payment_whose_id_arrives_later_can_be_refunded(campaign: Campaign, stripe: Stripe) -> None:
    """A checkout may be reported as paid before its payment intent is known; a later event adds the id and pays nothing twice."""
    donation = start_donation(campaign, 100_00)
    receive(completed(donation, payment_intent=None))
    receive(refund_of(stripe, donation, 40_00))
    assert (state(donation), match(donation)) == ("paid", (0, 100_00))
    receive(succeeded(donation))
    assert (state(donation), match(donation)) == ("partially_refunded", (0, 60_00))
    receive(succeeded(donation, id=None))
    db.session.refresh(donation)
    assert donation.payment_intent == f"pi_{donation.public_id}"
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("ending", [expired, lambda donation: completed(donation, amount_total=1)])
def test_a_released_hold_rematches_a_donation_paid_meanwhile(campaign: Campaign, ending: Callable[[Donation], dict[str, Any]]) -> None:
    own = another_campaign(100_00, like=campaign)
    holder, waiting = start_donation(own, 100_00), start_donation(own, 80_00)
    receive(completed(waiting))
    assert match(waiting) == (0, 0)
    receive(ending(holder))
    assert (match(holder), match(waiting)) == ((0, 0), (0, 80_00))
    outcome = select(StripeEvent.outcome).order_by(StripeEvent.id.desc()).limit(1)
    assert str(db.session.scalars(outcome).one()).startswith(("expired", "quarantined"))
    cause = select(LedgerEntry.cause).where(LedgerEntry.donation_id == waiting.id, LedgerEntry.kind == Move.MATCH)
    assert db.session.scalars(cause).one() in {"rematch/release", "rematch/quarantine"}
    assert checker.findings(db.engine) == []


def test_a_released_hold_frees_its_donors_cap(campaign: Campaign) -> None:
    own = another_campaign(1_000_00, like=campaign, per_donor_cents=100_00)
    holder, waiting = start_donation(own, 100_00, email="one@example.org"), start_donation(own, 80_00, email="one@example.org")
    receive(completed(waiting))
    assert match(waiting) == (0, 0)
    receive(expired(holder))
    assert (match(holder), match(waiting)) == ((0, 0), (0, 80_00))
    assert checker.findings(db.engine) == []


def test_matchbot_a_payment_in_flight_does_not_lose_its_match_to_a_timer(campaign: Campaign, fund: Fund) -> None:
    """Bank debits clear after days. A hold ends only when Stripe says so, never by our clock."""
    donation = start_donation(campaign, 100_00)
    receive(completed(donation, payment_status="unpaid"))
    db.session.execute(text("UPDATE donation SET started_at = now() - interval '9 days', checkout_expires_at = now() - interval '9 days'"))
    db.session.commit()
    event_jobs.rematch()
    assert match(donation) == (100_00, 0)
    receive({**completed(donation), "type": "checkout.session.async_payment_succeeded"})
    assert match(donation) == (0, 100_00)


def test_matchbot_partial_refunds_reduce_the_match_in_proportion(campaign: Campaign, stripe: Stripe) -> None:
    donation = start_donation(campaign, 100_00)
    receive(completed(donation))
    for number, left in enumerate((70_00, 40_00, 0), 1):
        receive(refund_of(stripe, donation, 30_00 if left else 40_00, id=f"re_{number}"))
        db.session.expire_all()
        assert (donation.net_cents, match(donation)) == (left, (0, left))
    assert state(donation) == "refunded"
    assert checker.findings(db.engine) == []


def test_a_failed_refund_restores_the_donation_at_the_end_of_the_match_queue(campaign: Campaign, stripe: Stripe) -> None:
    own = another_campaign(100_00, like=campaign)
    first, second = start_donation(own, 100_00), start_donation(own, 60_00)
    receive(completed(first), completed(second), refund_of(stripe, first, 80_00))
    assert (match(first), match(second)) == ((0, 20_00), (0, 60_00))
    late_event = refund_of(stripe, first, 80_00, kind="refund.updated")
    receive(refund_of(stripe, first, 80_00, status="failed", kind="refund.failed"), late_event)
    assert (state(first), match(first), match(second)) == ("paid", (0, 40_00), (0, 60_00))
    assert checker.findings(db.engine) == []


def test_a_disputed_donation_counts_until_the_dispute_is_lost_and_again_when_it_is_won(campaign: Campaign, stripe: Stripe) -> None:
    donation = start_donation(campaign, 100_00)
    receive(completed(donation))

    def dispute(kind: str, status: str) -> dict[str, Any]:
        return reversal_event(stripe, donation, 100_00, of="dispute", kind=f"charge.dispute.{kind}", status=status)

    statuses = []
    for kind, status in (("created", "needs_response"), ("updated", "under_review"), ("closed", "lost"), ("closed", "won")):
        receive(dispute(kind, status))
        statuses.append((state(donation), match(donation)[1]))
    assert statuses == [("disputed", 100_00), ("disputed", 100_00), ("refunded", 0), ("paid", 100_00)]
    late_event = dispute("updated", "won")
    late_event["data"]["object"]["status"] = "under_review"
    receive(late_event)
    assert state(donation) == "paid", "the current state at Stripe counts, not the payload of a late event"
    assert checker.findings(db.engine) == []


def test_matchbot_2025_two_event_types_send_one_confirmation(campaign: Campaign) -> None:
    donation = start_donation(campaign, 100_00)
    receive(completed(donation), succeeded(donation))
    receive({**succeeded(donation), "id": "evt_again"})
    kinds = db.session.execute(text("SELECT kind FROM outbox ORDER BY kind")).scalars().all()
    assert kinds == ["receipt"]


def test_matchbot_4450_pounds_a_repeated_rematch_never_matches_more_than_was_freed(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, stripe: Stripe
) -> None:
    monkeypatch.setattr(rematching, "STEP_SIZE", 2)
    own = another_campaign(44_50, like=campaign)
    first = start_donation(own, 44_50)
    waiting = [start_donation(own, 5_00) for _ in range(12)]
    receive(completed(first), *[completed(d) for d in waiting])
    receive(refund_of(stripe, first, 44_50))
    for _ in range(3):
        db.session.merge(PendingRematch(campaign_id=own.id, cause=FreedBy.REFUND.cause))
        db.session.commit()
        event_jobs.rematch()
    db.session.expire_all()
    assert [match(d)[1] for d in waiting] == [5_00] * 8 + [4_50, 0, 0, 0]
    assert db.session.query(messages.OutboxMessage).filter_by(kind=MessageKind.MATCH_INCREASED).count() == 9
    assert rematching.campaigns_to_rematch() == []
    assert checker.findings(db.engine) == []


def test_i25_a_late_webhook_is_decided_by_the_time_of_payment(campaign: Campaign) -> None:
    closed = datetime.now(UTC) - timedelta(days=1)
    own = another_campaign(100_00, like=campaign, closes_at=closed)
    in_time, too_late = start_donation(own, 20_00), start_donation(own, 20_00)
    receive({**completed(in_time), "created": int(closed.timestamp()) - 1}, {**completed(too_late), "created": int(closed.timestamp()) + 1})
    assert (match(in_time), match(too_late)) == ((0, 20_00), (0, 0))
    assert checker.findings(db.engine) == []


class Worker:
    """One of two workers, in a thread of its own."""

    def __init__(self, app: Flask, *events: dict[str, Any]) -> None:
        self.app, self.events = app, events
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        with self.app.app_context():
            receive(*self.events)
            db.session.remove()

    def is_waiting(self) -> bool:
        return waits_for_this_transaction(self.thread)


def handle_without_commit(event: dict[str, Any]) -> None:
    """Handle the event up to the commit, and leave the transaction open."""
    inbox.store_events(inbox.parse_event(body_of(event)), source="webhook")
    db.session.commit()
    leased = inbox.lease_events(limit=10)
    db.session.commit()
    events = dispatch.read_events(leased)
    ready, snapshots = event_jobs._take_snapshots(leased, events)
    assert dispatch.dispatch(ready, events, snapshots) == 1


def commit_and_finish(worker: Worker) -> None:
    db.session.commit()
    worker.thread.join(PATIENCE_SECONDS)
    db.session.execute(text("UPDATE stripe_event SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()
    event_jobs.handle_events()


@pytest.mark.parametrize("refund_first", [True, False])
def test_a_refund_and_its_payment_handled_concurrently_never_miss_each_other(
    app: Flask, campaign: Campaign, refund_first: bool, stripe: Stripe
) -> None:
    donation = start_donation(campaign, 100_00)
    db.session.commit()
    order = [refund_of(stripe, donation, 30_00), completed(donation)]
    first, second = order if refund_first else order[::-1]
    handle_without_commit(first)
    worker = Worker(app, second)
    assert worker.is_waiting()
    commit_and_finish(worker)
    db.session.expire_all()
    assert (donation.net_cents, match(donation)) == (70_00, (0, 70_00))
    assert checker.findings(db.engine) == []


def test_control_without_the_lock_of_the_payment_a_refund_is_missed_and_the_checker_reports_it(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch, stripe: Stripe
) -> None:
    monkeypatch.setattr(reversals, "lock_payments", lambda _: None)
    donation = start_donation(campaign, 100_00)
    db.session.commit()
    handle_without_commit(completed(donation))
    worker = Worker(app, refund_of(stripe, donation, 30_00))
    assert not worker.is_waiting()
    commit_and_finish(worker)
    db.session.expire_all()
    assert donation.net_cents == 100_00
    assert [sentence[:3] for sentence in checker.findings(db.engine)] == ["I11"]


@pytest.mark.parametrize(
    ("kind", "statuses", "net"),
    [
        ("dispute", {1: "needs_response", 2: "lost"}, 0),
        ("dispute", {2: "lost", 1: "needs_response"}, 0),
        ("dispute", {1: "lost", 2: "won"}, 100_00),
        ("dispute", {2: "won", 1: "lost"}, 100_00),
        ("refund", {1: "pending", 2: "succeeded"}, 0),
        ("refund", {1: "succeeded", 2: "failed"}, 100_00),
        ("refund", {2: "failed", 1: "succeeded"}, 100_00),
        ("refund", {3: "canceled", 2: "pending", 1: "pending"}, 100_00),
    ],
)
def test_i22_the_latest_snapshot_counts_in_whatever_order_snapshots_are_recorded(
    campaign: Campaign, kind: str, statuses: dict[int, str], net: int
) -> None:
    donation = paid(campaign, 100_00)
    for snapshot_number, status in statuses.items():
        create_refund(donation, 100_00, kind=kind, name="one", status=status, snapshot_number=snapshot_number)
    db.session.commit()
    db.session.refresh(donation)
    assert (donation.net_cents, match(donation)[1]) == (net, net)
    assert checker.findings(db.engine) == []


def test_only_an_open_dispute_of_this_payment_makes_a_donation_disputed(campaign: Campaign) -> None:
    mine, other = paid(campaign, 100_00), paid(campaign, 100_00)
    create_refund(other, 100_00, kind="dispute", status="needs_response")
    create_refund(mine, 10_00, kind="refund", status="needs_response")
    db.session.commit()
    assert (state(mine), state(other)) == ("paid", "disputed")
