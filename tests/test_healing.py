"""Who is healed, in what order and how far: the queue walked in small steps, and several things decided on one desk."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from campaign.edges.db import db, hang_up
from campaign.giving import fund_changes, healing
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation
from campaign.giving.funds import funds_of
from campaign.giving.healing import UnderMatched, open_desk
from campaign.giving.matches import matches_of
from campaign.reporting import books
from campaign.rules.matching import Limit
from campaign.work import handling
from tests.factories import a_fund, another_campaign, begun, give_back, money_gone, paid, pay, payment, together

NOW = datetime.now(UTC).replace(microsecond=0)


def matched(*donations: Donation) -> list[int]:
    db.session.expire_all()
    found = matches_of(d.id for d in donations)
    return [found[d.id].matched_cents if d.id in found else 0 for d in donations]


def queue(campaign: Campaign) -> list[int]:
    query = db.session.query(UnderMatched.donation_id).filter_by(campaign_id=campaign.id).order_by(UnderMatched.place)
    return [donation_id for (donation_id,) in query]


def returned(donation: Donation, cents: int, **changed: object) -> None:
    give_back(donation, cents, **changed)
    db.session.commit()


def is_sound() -> bool:
    return healing.campaigns_due() == [] and books.findings(db.engine) == []


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing, "LOOKED_AT_A_STEP", 2)


@pytest.mark.parametrize(
    "terms",
    [
        {"minimum_cents": 40_00},
        {"opens_at": NOW},
        {"closes_at": NOW + timedelta(microseconds=1)},
        {"per_donation_cents": 100_00},
    ],
)
def test_a_gift_at_the_edge_of_a_funds_terms_is_healed(campaign: Campaign, terms: dict) -> None:
    own = another_campaign(100_00, like=campaign, **terms)
    first, waiting = begun(own, 100_00), begun(own, 40_00)
    pay(first, paid_at=NOW)
    pay(waiting, paid_at=NOW)
    db.session.commit()
    returned(first, 100_00)
    assert matched(first, waiting) == [0, 40_00]
    assert is_sound()


def test_one_cent_that_comes_free_heals_one_cent(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    first, waiting = paid(own, 100_00), paid(own, 50_00)
    returned(first, 1)
    assert matched(first, waiting) == [99_99, 1]
    assert is_sound()


def test_a_gift_below_its_cap_is_healed_beside_one_that_is_at_it(campaign: Campaign) -> None:
    own = another_campaign(120_00, like=campaign, per_donation_cents=50_00)
    first, at_cap, waiting = (paid(own, 100_00) for _ in range(3))
    assert matched(first, at_cap, waiting) == [50_00, 50_00, 20_00]
    returned(first, 100_00)
    assert matched(first, at_cap, waiting) == [0, 50_00, 50_00]
    assert is_sound()


def test_a_cap_reached_in_one_fund_does_not_keep_a_gift_from_another(campaign: Campaign) -> None:
    own = another_campaign(100_00, 80_00, like=campaign, per_donation_cents=50_00)
    first, waiting = paid(own, 100_00), paid(own, 100_00)
    assert matched(first, waiting) == [100_00, 80_00]
    returned(first, 50_00)
    assert matched(first, waiting) == [50_00, 100_00]
    assert is_sound()


def test_why_a_gift_was_matched_in_part_is_its_own_reason_while_nobody_is_healed(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign, per_donation_cents=30_00)
    donation = paid(own, 40_00)
    assert (matched(donation), donation.match_limit) == ([30_00], Limit.PER_DONATION)
    fund_changes.pause(funds_of(own.id)[0], actor="test", reason="test")
    assert paid(own, 20_00).match_limit == Limit.PAUSED


def test_two_gifts_held_on_one_desk_share_what_is_left(campaign: Campaign) -> None:
    own = another_campaign(0, like=campaign)
    one, two = begun(own, 60_00), begun(own, 60_00)
    fund_changes.pledge(funds_of(own.id)[0], 100_00, actor="test", reason="test")
    desk = open_desk([own.id], [one.id, two.id])
    assert [entry.cents for donation in (one, two) for entry in desk.hold(donation)] == [60_00, 40_00]


def test_what_comes_free_while_the_queue_is_walked_is_walked_for_again(campaign: Campaign) -> None:
    """A gift that its donor's cap kept back has its place before those who were looked at; its cap comes free while others are healed."""
    own = another_campaign(300_00, like=campaign, per_donor_cents=100_00)
    gone = [paid(own, 100_00, email=f"gone{i}@example.org") for i in range(2)]
    given, capped = paid(own, 100_00, email="one@example.org"), paid(own, 30_00, email="one@example.org")
    waiting = [paid(own, 10_00, email=f"w{i}@example.org") for i in range(7)]
    assert matched(given, capped, *waiting) == [100_00, 0, *[0] * 7]
    returned(gone[0], 100_00)
    assert matched(capped, *waiting) == [0, *[10_00] * 2, *[0] * 5]
    returned(given, 30_00)
    assert matched(given, capped, *waiting) == [70_00, 0, *[10_00] * 2, *[0] * 5]
    handling.heal()
    assert matched(given, capped, *waiting) == [70_00, 30_00, *[10_00] * 7]
    assert queue(own) == []
    assert is_sound()


def test_the_walk_ends_although_money_is_left(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    first = paid(own, 100_00)
    waiting = [paid(own, 10_00) for _ in range(5)]
    returned(first, 90_00)
    returned(first, 5_00)
    assert handling.heal(steps_at_most=50) < 10
    assert matched(*waiting) == [10_00] * 5
    assert is_sound()


def test_two_refunds_in_one_batch_heal_one_after_the_other(campaign: Campaign) -> None:
    own = another_campaign(40_00, like=campaign)
    first, second = paid(own, 20_00), paid(own, 20_00)
    waiting = [paid(own, 20_00) for _ in range(3)]
    together((first, money_gone(first, 20_00)), (second, money_gone(second, 20_00)))
    handling.heal()
    assert matched(first, second, *waiting) == [0, 0, 20_00, 20_00, 0]
    assert queue(own) == [waiting[2].id]
    assert is_sound()


def test_a_gift_paid_in_the_batch_that_left_a_healing_due_takes_nothing_from_those_before_it(campaign: Campaign) -> None:
    own = another_campaign(40_00, like=campaign)
    first = paid(own, 40_00)
    waiting = [paid(own, 10_00) for _ in range(4)]
    late = begun(own, 10_00)
    together((first, money_gone(first, 40_00)), (late, payment(late)))
    assert matched(late) == [0]
    handling.heal()
    assert matched(*waiting, late) == [10_00] * 4 + [0]
    assert is_sound()


def test_a_gift_paid_and_returned_in_part_in_one_batch_still_stands_behind_those_who_wait(campaign: Campaign) -> None:
    own = another_campaign(50_00, like=campaign)
    first, waiting = paid(own, 50_00), paid(own, 50_00)
    late = begun(own, 50_00)
    together((late, payment(late)), (late, money_gone(late, 10_00)), (first, money_gone(first, 30_00)))
    assert matched(first, waiting, late) == [20_00, 30_00, 0]
    assert queue(own) == [waiting.id, late.id]
    assert is_sound()


def test_a_gift_whose_donors_cap_comes_free_takes_its_own_place(campaign: Campaign) -> None:
    """The refund frees money and its donor's cap at once: whoever was paid before that donor's other gift is first."""
    own = another_campaign(60_00, like=campaign, per_donor_cents=60_00)
    given = paid(own, 60_00, email="one@example.org")
    earlier = paid(own, 25_00)
    capped = paid(own, 40_00, email="one@example.org")
    returned(given, 30_00)
    assert matched(given, earlier, capped) == [30_00, 25_00, 5_00]
    assert is_sound()


def test_the_place_of_a_gift_is_that_of_its_payment_also_after_it_was_healed_in_part(campaign: Campaign) -> None:
    own = another_campaign(60_00, like=campaign, per_donor_cents=60_00)
    first = paid(own, 60_00)
    given, capped = paid(own, 40_00, email="one@example.org"), paid(own, 40_00, email="one@example.org")
    later = paid(own, 60_00)
    returned(first, 60_00)
    assert matched(first, given, capped, later) == [0, 40_00, 20_00, 0]
    returned(given, 10_00)
    assert matched(given, capped, later) == [30_00, 30_00, 0]
    assert is_sound()


def test_a_gift_that_its_donors_cap_kept_back_is_next_once_only_money_is_missing(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row in the queue is the one written last, its gift was begun last; its place is not the last, however the database reads."""
    name = db.engine.url.database
    for way in ("indexscan", "bitmapscan", "indexonlyscan"):
        db.session.execute(text(f'ALTER DATABASE "{name}" SET enable_{way} = off'))
    db.session.commit()
    hang_up()
    monkeypatch.setattr(healing, "LOOKED_AT_A_STEP", 1)
    own = another_campaign(60_00, like=campaign, per_donor_cents=40_00)
    other = paid(own, 20_00)
    given = paid(own, 40_00, email="one@example.org")
    later = begun(own, 20_00)
    earlier = paid(own, 20_00)
    capped = paid(own, 20_00, email="one@example.org")
    pay(later)
    returned(given, 20_00)
    handling.heal()
    assert matched(earlier, capped, later) == [20_00, 0, 0]
    returned(other, 20_00)
    handling.heal()
    assert matched(earlier, capped, later) == [20_00, 20_00, 0]
    assert is_sound()


def test_what_is_freed_in_one_campaign_leaves_the_queue_of_another_alone(campaign: Campaign) -> None:
    first_of, capped_of = {}, {}
    campaigns = [another_campaign(200_00, like=campaign, per_donor_cents=50_00) for _ in range(2)]
    for own in campaigns:
        first_of[own.id] = paid(own, 50_00, email="one@example.org")
        capped_of[own.id] = paid(own, 30_00, email="one@example.org")
    one, another = campaigns
    returned(first_of[one.id], 30_00)
    assert matched(capped_of[one.id], capped_of[another.id]) == [30_00, 0]
    assert queue(another) == [capped_of[another.id].id]
    returned(first_of[another.id], 10_00)
    assert matched(capped_of[another.id]) == [10_00]
    assert is_sound()


def test_whoever_waits_in_another_campaign_goes_on_waiting_there(campaign: Campaign) -> None:
    one, another = (another_campaign(50_00, like=campaign) for _ in range(2))
    first, elsewhere = paid(one, 50_00), paid(another, 50_00)
    waits_elsewhere, waits = paid(another, 20_00), paid(one, 20_00)
    returned(first, 50_00)
    assert matched(waits, waits_elsewhere) == [20_00, 0]
    assert queue(another) == [waits_elsewhere.id]
    returned(elsewhere, 20_00)
    assert matched(waits_elsewhere) == [20_00]
    assert is_sound()


def test_a_gift_that_comes_back_waits_although_a_donors_cap_is_looked_at_after_it(campaign: Campaign) -> None:
    own = another_campaign(60_00, like=campaign, per_donor_cents=50_00)
    back = paid(own, 50_00)
    waiting = paid(own, 50_00)
    returned(back, 50_00, name="re_that_fails")
    assert matched(back, waiting) == [0, 50_00]
    given, capped = paid(own, 10_00, email="one@example.org"), paid(own, 50_00, email="one@example.org")
    assert matched(given, capped) == [10_00, 0]
    together(
        (back, money_gone(back, 50_00, name="re_that_fails", status="failed")),
        (given, money_gone(given, 10_00)),
    )
    handling.heal()
    assert matched(back, waiting, given, capped) == [0, 50_00, 0, 10_00]
    assert queue(own) == [capped.id, back.id]
    assert is_sound()


def test_a_second_fund_matches_what_the_first_has_left_open(campaign: Campaign) -> None:
    own = another_campaign(50_00, like=campaign)
    donation = paid(own, 80_00)
    a_fund(own, 20_00, position=2)
    db.session.commit()
    handling.heal()
    assert matched(donation) == [70_00]
    assert is_sound()
