"""What went wrong at matchbot, the one open system that runs real match funds, each as a test of ours (see peers in docs/decisions.md)."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from campaign.edges.db import db
from campaign.giving import happenings, healing, ledger, matches, money_back, outbox, standing, stripe_events
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund, funds_of
from campaign.giving.ledger import Entry, LedgerEntry, Move
from campaign.giving.outbox import OutboxItem
from campaign.giving.stripe_events import StripeEvent
from campaign.reporting import books
from campaign.work import handling
from tests.conftest import Stripe
from tests.factories import another_campaign, begun, body_of, completed, end, expired, give_back, gone_at, paid, pay, succeeded


def receive(*made: dict) -> None:
    for one in made:
        stripe_events.keep(stripe_events.read_event(body_of(one)), source="webhook")
    db.session.commit()
    handling.handle_events()


def refund_of(stripe: Stripe, donation: Donation, cents: int, *, kind: str = "refund.created", **changed: object) -> dict:
    return gone_at(stripe, donation, cents, kind=kind, **changed)


def match(donation: Donation) -> tuple[int, int]:
    found = matches.match_of(donation.id)
    return found.held_cents, found.matched_cents


def state(donation: Donation) -> str:
    db.session.expire_all()
    return standing.standing(donation).state.value


def test_matchbot_2020_2021_2024_2026_a_release_by_expiry_and_by_cancel_is_one_release(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    donation, other = begun(own, 60_00), begun(own, 40_00)
    ended = [expired(donation), {**expired(donation), "type": "checkout.session.async_payment_failed"}]
    receive(*ended, *[{**made, "id": f"{made['id']}_again"} for made in ended])
    end(donation, "expired")
    db.session.commit()
    assert (match(donation), match(other)) == ((0, 0), (40_00, 0))
    fund = funds_of(own.id)[0]
    assert (fund.held_cents, fund.available_cents) == (40_00, 60_00)
    twice = Entry(
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
    with pytest.raises(IntegrityError, match="held_for_a_donation_is_not_negative"):  # The money held is another donor's.
        ledger.post(twice)
    db.session.rollback()
    assert books.findings(db.engine) == []


def test_matchbot_2025_healing_and_settling_in_parallel_match_nobody_twice(app: Flask, campaign: Campaign) -> None:
    """Re-match and redistribution ran beside each other and over-matched two gifts."""
    own = another_campaign(100_00, like=campaign)
    first = begun(own, 100_00)
    waiting = [begun(own, 30_00) for _ in range(8)]
    for donation in (first, *waiting):
        pay(donation)
    db.session.commit()
    name, ids = first.id, [d.id for d in waiting]
    gate = threading.Barrier(6)

    def heal_by_refund(cents: int) -> None:
        with app.app_context():
            gate.wait()
            give_back(db.session.get_one(Donation, name), cents)
            db.session.commit()
            db.session.remove()

    def go_on() -> None:
        with app.app_context():
            gate.wait()
            handling.heal()
            db.session.remove()

    threads = [threading.Thread(target=heal_by_refund, args=(20_00,)) for _ in range(4)] + [
        threading.Thread(target=go_on) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.expire_all()
    assert match(first) == (0, 20_00)
    assert [match(db.session.get_one(Donation, i))[1] for i in ids] == [30_00, 30_00, 20_00, 0, 0, 0, 0, 0]
    assert books.findings(db.engine) == []


def test_matchbot_2023_a_crash_between_hold_and_donation_leaks_nothing(campaign: Campaign, fund: Fund) -> None:
    """The hold and its donation are one transaction: a crash before the commit leaves neither."""
    begun(campaign, 100_00)
    backend = db.session.scalars(text("SELECT pg_backend_pid()")).one()
    with db.engine.connect() as another:
        another.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
    with pytest.raises(OperationalError):
        db.session.commit()
    db.session.rollback()
    db.session.refresh(fund)
    assert (fund.held_cents, db.session.query(Donation).count()) == (0, 0)
    assert books.findings(db.engine) == []


def test_matchbot_2025_no_second_funding_of_one_gift_to_delete_by_hand(campaign: Campaign, fund: Fund) -> None:
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
            ledger.post(again)
        db.session.rollback()
    assert match(donation) == (0, 100_00)


def test_matchbot_a_late_webhook_does_not_turn_refunded_back(campaign: Campaign, stripe: Stripe) -> None:
    donation = begun(campaign, 100_00)
    receive(completed(donation), refund_of(stripe, donation, 100_00))
    assert state(donation) == "refunded"
    receive(succeeded(donation), {**completed(donation), "id": "evt_days_late"})
    assert (state(donation), match(donation)) == ("refunded", (0, 0))
    assert books.findings(db.engine) == []


def test_a_refund_heard_of_before_its_payment_counts_when_the_payment_comes(campaign: Campaign, stripe: Stripe) -> None:
    donation = begun(campaign, 100_00, covered_fee_cents=3_30)
    receive(refund_of(stripe, donation, 51_65))
    assert state(donation) == "pending"
    receive(completed(donation))
    assert (state(donation), donation.net_cents, match(donation)) == ("partially_refunded", 50_00, (0, 50_00))
    assert books.findings(db.engine) == []
    assert list(db.session.scalars(select(OutboxItem.kind))) == ["receipt", "money_back"]
    told = select(StripeEvent.outcome).where(StripeEvent.type == "checkout.session.completed")
    assert db.session.scalars(told).one() == "paid"


def test_two_refunds_heard_of_before_their_payment_both_count_when_it_comes(campaign: Campaign, stripe: Stripe) -> None:
    donation = begun(campaign, 100_00)
    receive(refund_of(stripe, donation, 30_00, id="re_first"), refund_of(stripe, donation, 20_01, id="re_second"))
    assert state(donation) == "pending"
    receive(completed(donation))
    db.session.expire_all()
    assert (donation.net_cents, match(donation)) == (49_99, (0, 49_99))
    assert books.findings(db.engine) == []


@pytest.mark.parametrize("refund_first", [True, False])
def test_a_refund_of_a_quarantined_payment_moves_nothing(campaign: Campaign, refund_first: bool, stripe: Stripe) -> None:
    donation = begun(campaign, 100_00)
    told = [completed(donation, amount_total=99_00), refund_of(stripe, donation, 99_00)]
    receive(*(told[::-1] if refund_first else told))
    assert (state(donation), donation.net_cents, match(donation)) == ("refunded", 0, (0, 0))
    assert books.findings(db.engine) == []


def test_a_payment_whose_name_is_heard_later_can_be_refunded(campaign: Campaign, stripe: Stripe) -> None:
    """The checkout may be told of as paid before its payment has a name; what is heard again gives the name and pays nothing twice."""
    donation = begun(campaign, 100_00)
    receive(completed(donation, payment_intent=None))
    receive(refund_of(stripe, donation, 40_00))
    assert (state(donation), match(donation)) == ("paid", (0, 100_00))
    receive(succeeded(donation))
    assert (state(donation), match(donation)) == ("partially_refunded", (0, 60_00))
    receive(succeeded(donation, id=None))
    db.session.refresh(donation)
    assert donation.payment_intent == f"pi_{donation.public_id}"
    assert books.findings(db.engine) == []


@pytest.mark.parametrize("ending", [expired, lambda donation: completed(donation, amount_total=1)])
def test_a_hold_that_is_freed_heals_whoever_was_paid_meanwhile(campaign: Campaign, ending: Callable[[Donation], dict]) -> None:
    own = another_campaign(100_00, like=campaign)
    holder, waiting = begun(own, 100_00), begun(own, 80_00)
    receive(completed(waiting))
    assert match(waiting) == (0, 0)
    receive(ending(holder))
    assert (match(holder), match(waiting)) == ((0, 0), (0, 80_00))
    told = select(StripeEvent.outcome).order_by(StripeEvent.id.desc()).limit(1)
    assert str(db.session.scalars(told).one()).startswith(("expired", "quarantined"))
    cause = select(LedgerEntry.cause).where(LedgerEntry.donation_id == waiting.id, LedgerEntry.kind == Move.MATCH)
    assert db.session.scalars(cause).one() in {"healed/release", "healed/quarantine"}
    assert books.findings(db.engine) == []


def test_a_hold_that_is_freed_gives_its_donor_back_their_cap(campaign: Campaign) -> None:
    own = another_campaign(1_000_00, like=campaign, per_donor_cents=100_00)
    holder, waiting = begun(own, 100_00, email="one@example.org"), begun(own, 80_00, email="one@example.org")
    receive(completed(waiting))
    assert match(waiting) == (0, 0)
    receive(expired(holder))
    assert (match(holder), match(waiting)) == ((0, 0), (0, 80_00))
    assert books.findings(db.engine) == []


def test_matchbot_a_payment_in_flight_does_not_lose_its_match_to_a_timer(campaign: Campaign, fund: Fund) -> None:
    """Bank debits clear after days. A hold ends by Stripe's word alone, never by our clock."""
    donation = begun(campaign, 100_00)
    receive(completed(donation, payment_status="unpaid"))
    db.session.execute(text("UPDATE donation SET begun_at = now() - interval '9 days', checkout_expires_at = now() - interval '9 days'"))
    db.session.commit()
    handling.heal()
    assert match(donation) == (100_00, 0)
    receive({**completed(donation), "type": "checkout.session.async_payment_succeeded"})
    assert match(donation) == (0, 100_00)


def test_matchbot_partial_refunds_take_their_part_of_the_match(campaign: Campaign, stripe: Stripe) -> None:
    donation = begun(campaign, 100_00)
    receive(completed(donation))
    for number, left in enumerate((70_00, 40_00, 0), 1):
        receive(refund_of(stripe, donation, 30_00 if left else 40_00, id=f"re_{number}"))
        db.session.expire_all()
        assert (donation.net_cents, match(donation)) == (left, (0, left))
    assert state(donation) == "refunded"
    assert books.findings(db.engine) == []


def test_a_refund_that_fails_gives_gift_and_match_back_at_the_tail(campaign: Campaign, stripe: Stripe) -> None:
    own = another_campaign(100_00, like=campaign)
    first, second = begun(own, 100_00), begun(own, 60_00)
    receive(completed(first), completed(second), refund_of(stripe, first, 80_00))
    assert (match(first), match(second)) == ((0, 20_00), (0, 60_00))
    late = refund_of(stripe, first, 80_00, kind="refund.updated")
    receive(refund_of(stripe, first, 80_00, status="failed", kind="refund.failed"), late)
    assert (state(first), match(first), match(second)) == ("paid", (0, 40_00), (0, 60_00))
    assert books.findings(db.engine) == []


def test_a_dispute_counts_as_given_until_it_is_lost_and_again_when_reinstated(campaign: Campaign, stripe: Stripe) -> None:
    donation = begun(campaign, 100_00)
    receive(completed(donation))

    def dispute(kind: str, status: str) -> dict:
        return gone_at(stripe, donation, 100_00, of="dispute", kind=f"charge.dispute.{kind}", status=status)

    seen = []
    for kind, status in (("created", "needs_response"), ("updated", "under_review"), ("closed", "lost"), ("closed", "won")):
        receive(dispute(kind, status))
        seen.append((state(donation), match(donation)[1]))
    assert seen == [("disputed", 100_00), ("disputed", 100_00), ("refunded", 0), ("paid", 100_00)]
    late = dispute("updated", "won")
    late["data"]["object"]["status"] = "under_review"
    receive(late)
    assert state(donation) == "paid", "what Stripe has now counts, not what a late event says"
    assert books.findings(db.engine) == []


def test_matchbot_2025_two_event_types_send_one_confirmation(campaign: Campaign) -> None:
    donation = begun(campaign, 100_00)
    receive(completed(donation), succeeded(donation))
    receive({**succeeded(donation), "id": "evt_again"})
    kinds = db.session.execute(text("SELECT kind FROM outbox ORDER BY kind")).scalars().all()
    assert kinds == ["receipt"]


def test_matchbot_4450_pounds_a_nightly_rematch_never_gives_more_than_was_freed(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, stripe: Stripe
) -> None:
    monkeypatch.setattr(healing, "LOOKED_AT_A_STEP", 2)
    own = another_campaign(44_50, like=campaign)
    first = begun(own, 44_50)
    waiting = [begun(own, 5_00) for _ in range(12)]
    receive(completed(first), *[completed(d) for d in waiting])
    receive(refund_of(stripe, first, 44_50))
    for _ in range(3):
        healing.make_due(own.id, cause="healed/refund")
        db.session.commit()
        handling.heal()
    db.session.expire_all()
    assert [match(d)[1] for d in waiting] == [5_00] * 8 + [4_50, 0, 0, 0]
    told = db.session.query(outbox.OutboxItem).filter_by(kind="healed").count()
    assert told == 9
    assert healing.campaigns_due() == []
    assert books.findings(db.engine) == []


def test_i25_a_webhook_three_days_late_is_decided_by_the_time_of_payment(campaign: Campaign) -> None:
    closed = datetime.now(UTC) - timedelta(days=1)
    own = another_campaign(100_00, like=campaign, closes_at=closed)
    in_time, too_late = begun(own, 20_00), begun(own, 20_00)
    receive({**completed(in_time), "created": int(closed.timestamp()) - 1}, {**completed(too_late), "created": int(closed.timestamp()) + 1})
    assert (match(in_time), match(too_late)) == ((0, 20_00), (0, 0))
    assert books.findings(db.engine) == []


class Beside:
    """One of two workers, in a thread of its own."""

    def __init__(self, app: Flask, *made: dict) -> None:
        self.app, self.made = app, made
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        with self.app.app_context():
            receive(*self.made)
            db.session.remove()

    def is_waiting(self) -> bool:
        self.thread.join(0.7)
        return self.thread.is_alive()


def handled_but_not_committed(made: dict) -> None:
    """As far as a worker is just before its commit."""
    stripe_events.keep(stripe_events.read_event(body_of(made)), source="webhook")
    db.session.commit()
    taken = stripe_events.claim(limit=10)
    db.session.commit()
    assert happenings.handle(*handling._looked_into(taken)) == 1


def finish(beside: Beside) -> None:
    db.session.commit()
    beside.thread.join(10)
    db.session.execute(text("UPDATE stripe_event SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()
    handling.handle_events()


@pytest.mark.parametrize("refund_first", [True, False])
def test_a_refund_and_its_payment_handled_at_the_same_moment_never_miss_each_other(
    app: Flask, campaign: Campaign, refund_first: bool, stripe: Stripe
) -> None:
    donation = begun(campaign, 100_00)
    db.session.commit()
    order = [refund_of(stripe, donation, 30_00), completed(donation)]
    first, second = order if refund_first else order[::-1]
    handled_but_not_committed(first)
    beside = Beside(app, second)
    assert beside.is_waiting()
    finish(beside)
    db.session.expire_all()
    assert (donation.net_cents, match(donation)) == (70_00, (0, 70_00))
    assert books.findings(db.engine) == []


def test_control_without_the_lock_of_the_payment_a_refund_is_missed_and_the_checker_says_so(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch, stripe: Stripe
) -> None:
    monkeypatch.setattr(money_back, "lock_payments", lambda _: None)
    donation = begun(campaign, 100_00)
    db.session.commit()
    handled_but_not_committed(completed(donation))
    beside = Beside(app, refund_of(stripe, donation, 30_00))
    assert not beside.is_waiting()
    finish(beside)
    db.session.expire_all()
    assert donation.net_cents == 100_00
    assert [sentence[:3] for sentence in books.findings(db.engine)] == ["I11"]


@pytest.mark.parametrize(
    ("kind", "seen", "net"),
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
def test_i22_the_latest_look_counts_in_whatever_order_workers_come_with_theirs(campaign: Campaign, kind: str, seen: dict, net: int) -> None:
    donation = paid(campaign, 100_00)
    for look, status in seen.items():
        give_back(donation, 100_00, kind=kind, name="one", status=status, look=look)
    db.session.commit()
    db.session.refresh(donation)
    assert (donation.net_cents, match(donation)[1]) == (net, net)
    assert books.findings(db.engine) == []


def test_only_a_dispute_under_way_about_this_payment_makes_a_gift_disputed(campaign: Campaign) -> None:
    mine, other = paid(campaign, 100_00), paid(campaign, 100_00)
    give_back(other, 100_00, kind="dispute", status="needs_response")
    give_back(mine, 10_00, kind="refund", status="needs_response")
    db.session.commit()
    assert (state(mine), state(other)) == ("partially_refunded", "disputed")
