"""What events make of the books: in any order, doubled, late, wrong, or beside a bad one."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.edges.db import db
from campaign.giving import checkouts, claims, matches, payments, standing, stripe_events
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.checkouts import Opened
from campaign.giving.claims import Claim
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.standing import State
from campaign.giving.stripe_events import StripeEvent
from campaign.reporting import books
from campaign.work import handling, sweeps
from tests.factories import another_campaign, begun, body_of, completed, event, expired, succeeded


def receive(*made: dict) -> None:
    for one in made:
        stripe_events.keep(stripe_events.read_event(body_of(one)), source="webhook")
    db.session.commit()


def handle(*made: dict) -> None:
    receive(*made)
    handling.handle_events()


def outcomes() -> list[str]:
    return list(db.session.execute(text("SELECT outcome FROM stripe_event ORDER BY id")).scalars())


def state(donation: Donation) -> str:
    db.session.expire_all()
    return standing.standing(donation).state.value


def test_a_paid_checkout_becomes_a_donation_with_its_match_and_owes_a_receipt(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 100_00, covered_fee_cents=3_30)
    handle(completed(donation))
    db.session.refresh(fund)
    assert state(donation) == State.PAID
    assert (fund.held_cents, fund.matched_cents) == (0, 100_00)
    assert list(db.session.execute(text("SELECT key FROM outbox")).scalars()) == [f"receipt:{donation.public_id}"]
    assert books.findings(db.engine) == []


def test_i8_any_order_with_any_doubling_ends_in_the_same_books(campaign: Campaign) -> None:
    kinds = [completed, succeeded, expired, lambda d: event("payment_intent.processing", succeeded(d)["data"]["object"])]
    seen = set()
    for order in itertools.permutations(range(4)):
        own = another_campaign(60_00, like=campaign)
        donation = begun(own, 100_00)
        made = [kinds[i](donation) for i in order]
        handle(*made, *made[::-1])
        totals = db.session.get_one(CampaignTotals, own.id)
        match = matches.match_of(donation.id)
        seen.add((state(donation), totals.donated_cents, totals.donations, match.held_cents, match.matched_cents))
    assert seen == {("paid", 100_00, 1, 0, 60_00)}
    assert books.findings(db.engine) == []


def test_i32_an_expired_checkout_frees_what_it_held_and_a_late_payment_is_still_matched(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 100_00)
    handle(expired(donation))
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("expired", 0)
    handle(completed(donation))
    db.session.refresh(fund)
    assert (state(donation), fund.matched_cents) == ("paid", 100_00)
    assert books.findings(db.engine) == []


def test_a_release_applied_by_expiry_and_by_failure_is_applied_once(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 100_00)
    failed = {**expired(donation), "type": "checkout.session.async_payment_failed", "id": "evt_failed"}
    handle(expired(donation), failed, {**failed, "id": "evt_failed_again"})
    db.session.refresh(fund)
    assert (fund.held_cents, fund.available_cents) == (0, 50_000_00)
    assert books.findings(db.engine) == []


def test_a_payment_under_way_keeps_its_hold(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 100_00)
    handle(completed(donation, payment_status="unpaid"))
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("processing", 100_00)


def test_the_end_of_a_checkout_that_the_donor_never_saw_frees_nothing(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 100_00)
    checkouts.checkouts_opened([Opened(donation_id=donation.id, session_id="cs_the_one_shown", url="https://example.org")])
    handle(expired(donation))
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("pending", 100_00)


@pytest.mark.parametrize(
    ("difference", "reason"),
    [
        ({"amount_total": 99_99}, "paid 9999"),
        ({"currency": "usd"}, "USD"),
        ({"livemode": True}, "mode"),
        ({"amount_total": None}, "paid -1"),
    ],
)
def test_i12_a_payment_that_is_not_as_we_made_it_is_quarantined(campaign: Campaign, fund: Fund, difference: dict, reason: str) -> None:
    donation = begun(campaign, 100_00)
    handle(completed(donation, **difference))
    handle(succeeded(donation))
    db.session.refresh(fund)
    assert state(donation) == "quarantined"
    assert reason in (donation.quarantine_reason or "")
    assert (fund.held_cents, fund.matched_cents) == (0, 0)
    assert db.session.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 0
    assert books.findings(db.engine) == []


def test_a_second_payment_of_one_donation_is_told_and_not_counted(campaign: Campaign) -> None:
    donation = begun(campaign, 100_00)
    handle(completed(donation), succeeded(donation, id="pi_another"))
    assert outcomes()[1] == "quarantined: a second payment of the same donation: pi_another"
    assert db.session.get_one(CampaignTotals, campaign.id).donations == 1


def test_events_of_one_donation_in_one_batch_spend_its_hold_once(campaign: Campaign, fund: Fund) -> None:
    """Without metadata the events have different subjects, so that one batch takes them all."""
    donation = begun(campaign, 100_00)
    nameless = [completed(donation, metadata={}, id=f"cs_{n}", payment_intent=f"pi_{donation.public_id}") for n in range(4)]
    for number, made in enumerate(nameless):
        made["data"]["object"]["payment_intent"] = None if number else f"pi_{donation.public_id}"
    nameless[0]["data"]["object"]["payment_status"] = "unpaid"
    receive(*nameless, {**expired(donation), "id": "evt_end"})
    assert len(stripe_events.claim(limit=10)) == 5
    db.session.rollback()
    handling.handle_events()
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents, fund.matched_cents) == ("paid", 0, 100_00)
    assert books.findings(db.engine) == []


def test_events_of_nobody_we_know_are_ignored_with_a_reason(campaign: Campaign) -> None:
    donation = begun(campaign)
    nobody = {"metadata": {"donation": "d_unknown"}, "client_reference_id": None}
    handle(completed(donation, **nobody, payment_status="unpaid"))
    handle(event("payment_intent.processing", {"id": "pi_1", "object": "payment_intent", "metadata": None}))
    assert outcomes() == ["ignored: not one of our donations"] * 2
    assert state(donation) == "pending"


def test_the_time_of_payment_is_stripes(campaign: Campaign) -> None:
    donation = begun(campaign)
    handle({**completed(donation), "created": 1_790_000_000})
    db.session.refresh(donation)
    assert donation.paid_at == datetime.fromtimestamp(1_790_000_000, UTC)


def test_one_bad_event_never_holds_back_a_batch_and_dies_with_an_alert(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = begun(campaign), begun(campaign)
    real = payments.record_payment

    def record(donation: Donation, *args: object, **kw: object) -> payments.Consequence:
        if donation.id == bad.id:
            raise RuntimeError("broken for this one")
        return real(donation, *args, **kw)

    monkeypatch.setattr(payments, "record_payment", record)
    handle(completed(bad), completed(good))
    assert (state(bad), state(good)) == ("pending", "paid")
    for _ in range(claims.DEAD_AFTER_ATTEMPTS):
        db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
        db.session.commit()
        handling.handle_events()
    assert stripe_events.dead_events() == 1
    assert stripe_events.waiting_events() == 0
    assert books.findings(db.engine) == []


def test_an_event_whose_work_kills_its_worker_is_given_up_in_the_end(campaign: Campaign) -> None:
    receive(completed(begun(campaign)))
    for attempt in range(1, claims.DEAD_AFTER_ATTEMPTS + 1):
        (claim,) = stripe_events.claim(limit=10)
        db.session.commit()  # The worker is killed here, before it says how it ended.
        assert claim.attempts == attempt
        db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
    assert stripe_events.claim(limit=10) == []
    sweeps.bury()
    assert stripe_events.dead_events() == 1


def test_events_of_one_payment_are_taken_in_order(campaign: Campaign) -> None:
    first, second = begun(campaign), begun(campaign)
    receive(completed(first), succeeded(first), completed(second))
    taken = [claim.id for claim in stripe_events.claim(limit=10)]
    assert taken == [1, 3]


def test_a_fund_with_another_ratio_matches_by_it(campaign: Campaign) -> None:
    own = another_campaign(1_000_00, like=campaign, ratio=(1, 3))
    donation = begun(own, 100_01)
    handle(completed(donation))
    assert matches.match_of(donation.id).matched_cents == 33_33
    assert books.findings(db.engine) == []


def test_a_donation_draws_on_two_funds_in_their_order(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(37_42, 100_00, like=campaign)
    donation = begun(own, 50_00)
    handle(completed(donation))
    assert [a.cents for a in matches.match_of(donation.id).matched] == [37_42, 12_58]
    assert books.findings(db.engine) == []


def blocks_read(act: Callable[[], object]) -> int:
    """Blocks that the statements of an act looked at, counted by the database itself."""
    read = text(
        "SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read) FROM pg_statio_user_tables WHERE relname = 'stripe_event'"
    )
    flush = text("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")

    def now() -> int:
        db.session.execute(flush)
        db.session.commit()
        return int(db.session.execute(read).scalar_one())

    before = now()
    act()
    db.session.commit()
    return now() - before


@pytest.mark.parametrize("known_to_the_planner", ["nothing", "a year of handled events"])
def test_a_flood_is_not_walked_for_each_of_its_events(app: Flask, known_to_the_planner: str) -> None:
    flood = text(
        "INSERT INTO stripe_event (event_id, type, subject, livemode, body, source) "
        "SELECT :name || n, 't', 'd_' || n, false, '{}', 'webhook' FROM generate_series(1, 4000) n"
    )
    if known_to_the_planner != "nothing":
        db.session.execute(flood, {"name": "old"})
        db.session.execute(text("UPDATE stripe_event SET done_at = now()"))
        db.session.commit()
        db.session.execute(text("ANALYZE stripe_event"))
    db.session.execute(flood, {"name": "new"})
    db.session.commit()
    taken: list[Claim] = []
    claiming = blocks_read(lambda: taken.extend(stripe_events.claim(limit=100)))
    finishing = blocks_read(lambda: claims.finish_all(StripeEvent, taken, {c.id: "done" for c in taken}))
    assert len(taken) == 100
    assert max(claiming, finishing) < 100 * 60
