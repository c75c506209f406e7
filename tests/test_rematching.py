"""Which donations are rematched, in what order and how far: the match queue is processed in steps, and decisions share a match session."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import close_connections, db
from campaign.matching import fund_lifecycle, rematching
from campaign.matching.funds import funds_of
from campaign.matching.holds import FreedBy, matches_of
from campaign.matching.rematching import QueuedDonation, lock_match_session
from campaign.reporting import donation_history
from campaign.reporting.integrity import checker
from campaign.rules.allocation import Limit
from campaign.stripe_sync import event_jobs
from campaign.texts.donation_timeline import TimelineKind
from tests.factories import (
    another_campaign,
    create_fund,
    create_refund,
    decide_together,
    paid,
    pay,
    payment_decision,
    raise_pledge,
    reversal_decision,
    start_donation,
)

NOW = datetime.now(UTC).replace(microsecond=0)


def matched(*donations: Donation) -> list[int]:
    db.session.expire_all()
    found = matches_of(d.id for d in donations)
    return [found[d.id].matched_cents if d.id in found else 0 for d in donations]


def queue(campaign: Campaign) -> list[int]:
    query = db.session.query(QueuedDonation.donation_id).filter_by(campaign_id=campaign.id).order_by(QueuedDonation.position)
    return [donation_id for (donation_id,) in query]


def refund(donation: Donation, cents: int, **changed: Any) -> None:
    create_refund(donation, cents, **changed)
    db.session.commit()


def is_consistent() -> bool:
    return rematching.campaigns_to_rematch() == [] and checker.findings(db.engine) == []


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rematching, "STEP_SIZE", 2)


@pytest.mark.parametrize(
    "terms",
    [
        {"minimum_cents": 40_00},
        {"opens_at": NOW},
        {"closes_at": NOW + timedelta(microseconds=1)},
        {"per_donation_cents": 100_00},
    ],
)
def test_a_donation_at_the_edge_of_a_funds_terms_is_rematched(campaign: Campaign, terms: dict[str, Any]) -> None:
    own = another_campaign(100_00, like=campaign, **terms)
    first, waiting = start_donation(own, 100_00), start_donation(own, 40_00)
    pay(first, at=NOW)
    pay(waiting, at=NOW)
    db.session.commit()
    refund(first, 100_00)
    assert matched(first, waiting) == [0, 40_00]
    assert is_consistent()


def test_one_freed_cent_is_rematched(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    first, waiting = paid(own, 100_00), paid(own, 50_00)
    refund(first, 1)
    assert matched(first, waiting) == [99_99, 1]
    assert is_consistent()


def test_a_donation_below_its_cap_is_rematched_and_one_at_its_cap_is_not(campaign: Campaign) -> None:
    own = another_campaign(120_00, like=campaign, per_donation_cents=50_00)
    first, at_cap, waiting = (paid(own, 100_00) for _ in range(3))
    assert matched(first, at_cap, waiting) == [50_00, 50_00, 20_00]
    refund(first, 100_00)
    assert matched(first, at_cap, waiting) == [0, 50_00, 50_00]
    assert is_consistent()


def test_a_cap_reached_in_one_fund_does_not_exclude_a_donation_from_another(campaign: Campaign) -> None:
    own = another_campaign(100_00, 80_00, like=campaign, per_donation_cents=50_00)
    first, waiting = paid(own, 100_00), paid(own, 100_00)
    assert matched(first, waiting) == [100_00, 80_00]
    refund(first, 50_00)
    assert matched(first, waiting) == [50_00, 100_00]
    assert is_consistent()


def test_the_match_limit_of_a_donation_is_its_own_when_no_rematch_is_due(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign, per_donation_cents=30_00)
    donation = paid(own, 40_00)
    assert (matched(donation), donation.match_limit) == ([30_00], Limit.PER_DONATION)
    fund_lifecycle.pause(funds_of(own.id)[0], actor="test", reason="test")
    assert paid(own, 20_00).match_limit == Limit.PAUSED


def test_two_holds_in_one_match_session_share_what_is_left(campaign: Campaign) -> None:
    own = another_campaign(0, like=campaign)
    one, two = start_donation(own, 60_00), start_donation(own, 60_00)
    raise_pledge(funds_of(own.id)[0], 100_00)
    session = lock_match_session([own.id], [one.id, two.id])
    held = []
    for donation in (one, two):
        quote = session.hold_quote(donation, own.hold_bounds, [])
        held += [entry.cents for entry in session.hold(donation, quote, cause="test")]
    assert held == [60_00, 40_00]


def test_a_cap_freed_during_a_rematch_is_rematched_too(campaign: Campaign) -> None:
    """A donation held back by its donor's cap precedes the donations already examined; its cap is freed while others are rematched."""
    own = another_campaign(300_00, like=campaign, per_donor_cents=100_00)
    others = [paid(own, 100_00, email=f"gone{i}@example.org") for i in range(2)]
    uncapped, capped = paid(own, 100_00, email="one@example.org"), paid(own, 30_00, email="one@example.org")
    waiting = [paid(own, 10_00, email=f"w{i}@example.org") for i in range(7)]
    assert matched(uncapped, capped, *waiting) == [100_00, 0, *[0] * 7]
    refund(others[0], 100_00)
    assert matched(capped, *waiting) == [0, *[10_00] * 2, *[0] * 5]
    refund(uncapped, 30_00)
    assert matched(uncapped, capped, *waiting) == [70_00, 0, *[10_00] * 2, *[0] * 5]
    event_jobs.rematch()
    assert matched(uncapped, capped, *waiting) == [70_00, 30_00, *[10_00] * 7]
    assert queue(own) == []
    assert is_consistent()


def test_a_rematch_ends_although_money_is_left(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    first = paid(own, 100_00)
    waiting = [paid(own, 10_00) for _ in range(5)]
    refund(first, 90_00)
    refund(first, 5_00)
    assert event_jobs.rematch(max_steps=50) < 10
    assert matched(*waiting) == [10_00] * 5
    assert is_consistent()


def test_two_refunds_in_one_batch_are_rematched_in_queue_order(campaign: Campaign) -> None:
    own = another_campaign(40_00, like=campaign)
    first, second = paid(own, 20_00), paid(own, 20_00)
    waiting = [paid(own, 20_00) for _ in range(3)]
    decide_together((first, reversal_decision(first, 20_00)), (second, reversal_decision(second, 20_00)))
    event_jobs.rematch()
    assert matched(first, second, *waiting) == [0, 0, 20_00, 20_00, 0]
    assert queue(own) == [waiting[2].id]
    assert is_consistent()


def test_a_donation_paid_in_the_batch_that_made_a_rematch_due_takes_nothing_from_earlier_ones(campaign: Campaign) -> None:
    own = another_campaign(40_00, like=campaign)
    first = paid(own, 40_00)
    waiting = [paid(own, 10_00) for _ in range(4)]
    late = start_donation(own, 10_00)
    decide_together((first, reversal_decision(first, 40_00)), (late, payment_decision(late)))
    assert matched(late) == [0]
    event_jobs.rematch()
    assert matched(*waiting, late) == [10_00] * 4 + [0]
    assert is_consistent()


def test_a_donation_paid_and_partly_refunded_in_one_batch_stays_behind_queued_ones(campaign: Campaign) -> None:
    own = another_campaign(50_00, like=campaign)
    first, waiting = paid(own, 50_00), paid(own, 50_00)
    late = start_donation(own, 50_00)
    decide_together((late, payment_decision(late)), (late, reversal_decision(late, 10_00)), (first, reversal_decision(first, 30_00)))
    assert matched(first, waiting, late) == [20_00, 30_00, 0]
    assert queue(own) == [waiting.id, late.id]
    assert is_consistent()


def test_a_donation_whose_donor_cap_is_freed_takes_its_own_place_in_the_queue(campaign: Campaign) -> None:
    """The refund frees money and the donor's cap together: a donation paid before the donor's other donation comes first."""
    own = another_campaign(60_00, like=campaign, per_donor_cents=60_00)
    uncapped = paid(own, 60_00, email="one@example.org")
    earlier = paid(own, 25_00)
    capped = paid(own, 40_00, email="one@example.org")
    refund(uncapped, 30_00)
    assert matched(uncapped, earlier, capped) == [30_00, 25_00, 5_00]
    assert is_consistent()


def test_a_partly_rematched_donation_retains_its_place_in_the_queue(campaign: Campaign) -> None:
    own = another_campaign(60_00, like=campaign, per_donor_cents=60_00)
    first = paid(own, 60_00)
    uncapped, capped = paid(own, 40_00, email="one@example.org"), paid(own, 40_00, email="one@example.org")
    later = paid(own, 60_00)
    refund(first, 60_00)
    assert matched(first, uncapped, capped, later) == [0, 40_00, 20_00, 0]
    refund(uncapped, 10_00)
    assert matched(uncapped, capped, later) == [30_00, 30_00, 0]
    assert is_consistent()


@pytest.mark.owner
def test_a_donation_held_back_by_its_donor_cap_is_next_once_only_money_is_missing(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue row was inserted last and its donation started last; its place is not last, whichever scan the database uses."""
    database = db.engine.url.database
    for scan in ("indexscan", "bitmapscan", "indexonlyscan"):
        db.session.execute(text(f'ALTER DATABASE "{database}" SET enable_{scan} = off'))
    db.session.commit()
    close_connections()
    monkeypatch.setattr(rematching, "STEP_SIZE", 1)
    own = another_campaign(60_00, like=campaign, per_donor_cents=40_00)
    other = paid(own, 20_00)
    uncapped = paid(own, 40_00, email="one@example.org")
    later = start_donation(own, 20_00)
    earlier = paid(own, 20_00)
    capped = paid(own, 20_00, email="one@example.org")
    pay(later)
    refund(uncapped, 20_00)
    event_jobs.rematch()
    assert matched(earlier, capped, later) == [20_00, 0, 0]
    refund(other, 20_00)
    event_jobs.rematch()
    assert matched(earlier, capped, later) == [20_00, 20_00, 0]
    assert is_consistent()


def test_a_rematch_in_one_campaign_does_not_change_the_queue_of_another(campaign: Campaign) -> None:
    first_of, capped_of = {}, {}
    campaigns = [another_campaign(200_00, like=campaign, per_donor_cents=50_00) for _ in range(2)]
    for own in campaigns:
        first_of[own.id] = paid(own, 50_00, email="one@example.org")
        capped_of[own.id] = paid(own, 30_00, email="one@example.org")
    one, another = campaigns
    refund(first_of[one.id], 30_00)
    assert matched(capped_of[one.id], capped_of[another.id]) == [30_00, 0]
    assert queue(another) == [capped_of[another.id].id]
    refund(first_of[another.id], 10_00)
    assert matched(capped_of[another.id]) == [10_00]
    assert is_consistent()


def test_a_donation_queued_in_another_campaign_stays_queued(campaign: Campaign) -> None:
    one, another = (another_campaign(50_00, like=campaign) for _ in range(2))
    first, elsewhere = paid(one, 50_00), paid(another, 50_00)
    waits_elsewhere, waits = paid(another, 20_00), paid(one, 20_00)
    refund(first, 50_00)
    assert matched(waits, waits_elsewhere) == [20_00, 0]
    assert queue(another) == [waits_elsewhere.id]
    refund(elsewhere, 20_00)
    assert matched(waits_elsewhere) == [20_00]
    assert is_consistent()


def test_a_reinstated_donation_stays_queued_although_a_donor_cap_is_examined_after_it(campaign: Campaign) -> None:
    own = another_campaign(60_00, like=campaign, per_donor_cents=50_00)
    reinstated = paid(own, 50_00)
    waiting = paid(own, 50_00)
    refund(reinstated, 50_00, name="re_that_fails")
    assert matched(reinstated, waiting) == [0, 50_00]
    uncapped, capped = paid(own, 10_00, email="one@example.org"), paid(own, 50_00, email="one@example.org")
    assert matched(uncapped, capped) == [10_00, 0]
    decide_together(
        (reinstated, reversal_decision(reinstated, 50_00, name="re_that_fails", status="failed")),
        (uncapped, reversal_decision(uncapped, 10_00)),
    )
    event_jobs.rematch()
    assert matched(reinstated, waiting, uncapped, capped) == [0, 50_00, 0, 10_00]
    assert queue(own) == [capped.id, reinstated.id]
    assert is_consistent()


@pytest.mark.parametrize("kind", ["refund", "dispute"])
def test_only_the_sum_that_came_back_is_at_the_end_of_the_queue(campaign: Campaign, kind: str) -> None:
    own = another_campaign(100_00, like=campaign)
    matched_first, early, late = paid(own, 100_00), paid(own, 100_00), paid(own, 50_00)
    refund(early, 1_00, kind=kind, name="returns")
    refund(early, 1_00, kind=kind, name="returns", status="failed" if kind == "refund" else "won")
    assert queue(own) == [early.id, late.id, early.id]
    refund(matched_first, 99_50)
    assert matched(early, late) == [99_00, 50]
    assert queue(own) == [late.id, early.id]
    assert is_consistent()
    refund(early, 50_00)
    assert matched(early, late) == [50_00, 49_50]
    assert is_consistent()
    refund(matched_first, 50)
    assert (matched(matched_first, early, late), queue(own)) == ([0, 50_00, 50_00], [])
    assert is_consistent()


def test_a_donation_that_was_wholly_lost_and_won_back_is_at_the_end_of_the_queue(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    matched_first, early, late = paid(own, 100_00), paid(own, 60_00), paid(own, 50_00)
    refund(early, 60_00, kind="dispute", name="returns")
    refund(early, 60_00, kind="dispute", name="returns", status="won")
    assert queue(own) == [late.id, early.id]
    refund(matched_first, 70_00)
    assert matched(early, late) == [20_00, 50_00]
    assert is_consistent()


def test_a_new_fund_matches_each_part_in_its_place(campaign: Campaign) -> None:
    own = another_campaign(like=campaign)
    early, late = paid(own, 100_00), paid(own, 50_00)
    refund(early, 40_00, name="returns")
    refund(early, 40_00, name="returns", status="failed")
    create_fund(own, 90_00, position=1)
    db.session.commit()
    event_jobs.rematch()
    assert matched(early, late) == [60_00, 30_00]
    assert queue(own) == [late.id, early.id]
    assert is_consistent()


def test_control_the_checker_finds_money_that_went_to_a_part_before_its_turn(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    matched_first, early, late = paid(own, 100_00), paid(own, 100_00), paid(own, 50_00)
    refund(early, 60_00, name="returns")
    refund(early, 60_00, name="returns", status="failed")
    db.session.execute(text("DELETE FROM match_queue WHERE donation_id = :late"), {"late": late.id})
    refund(matched_first, 60_00)
    assert matched(early, late) == [60_00, 0]
    assert any(finding.startswith("I7") for finding in checker.findings(db.engine))


def test_each_donor_is_given_the_reason_that_freed_the_money(campaign: Campaign) -> None:
    own = another_campaign(120_00, like=campaign)
    first, second = paid(own, 60_00), paid(own, 60_00)
    waiting = [paid(own, 10_00) for _ in range(9)]
    decide_together(
        (first, reversal_decision(first, 60_00, name="re_one")),
        (second, reversal_decision(second, 30_00, name="dp_one", kind="dispute")),
    )
    pending = db.session.query(rematching.PendingRematch).one()
    assert (pending.cause, pending.next_cause, pending.after_position > 0) == (FreedBy.REFUND.cause, FreedBy.DISPUTE.cause, True)
    event_jobs.rematch()
    assert matched(*waiting) == [10_00] * 9
    reasons = [
        [entry.event.reason for entry in donation_history.history_of(donation, "en") if entry.event.kind is TimelineKind.REMATCHED]
        for donation in waiting
    ]
    assert {reason for of_donation in reasons for reason in of_donation} <= {"refund", "dispute"}
    assert is_consistent()


def test_a_second_fund_matches_what_the_first_has_left_unmatched(campaign: Campaign) -> None:
    own = another_campaign(50_00, like=campaign)
    donation = paid(own, 80_00)
    create_fund(own, 20_00, position=2)
    db.session.commit()
    event_jobs.rematch()
    assert matched(donation) == [70_00]
    assert is_consistent()
