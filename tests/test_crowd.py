"""Gifts that begin together, in one transaction: each as if it had begun alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.edges.db import db
from campaign.giving import checkouts, matches
from campaign.giving.campaigns import Campaign
from campaign.giving.checkouts import LessMatch
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund, funds_of
from campaign.reporting import books
from campaign.rules.matching import Limit
from campaign.web import turns
from tests.factories import a_beginning, a_gift, another_campaign, begun

DONORS = 60


def held(donation: Donation) -> int:
    return matches.match_of(donation.id).held_cents


def test_gifts_that_begin_together_draw_on_the_fund_in_their_order(campaign: Campaign) -> None:
    own = another_campaign(150_00, like=campaign)
    first, second, third = checkouts.begin_all(own, [(a_gift(100_00), a_beginning()) for _ in range(3)])
    assert isinstance(first, Donation)
    assert isinstance(second, Donation)
    assert isinstance(third, Donation)
    assert [held(d) for d in (first, second, third)] == [100_00, 50_00, 0]
    db.session.commit()
    assert books.findings(db.engine) == []


def test_one_who_would_get_less_than_was_shown_is_told_so_and_the_others_begin(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(150_00, like=campaign)
    db.session.commit()
    asked = [(own.id, a_gift(100_00), a_beginning(expected_match_cents=promised)) for promised in (100_00, 100_00, 50_00, 10_00)]
    first, second, third, fourth = turns._begin_all(asked)
    assert isinstance(second, LessMatch)
    assert (second.held_cents, second.full_cents) == (50_00, 100_00)
    assert isinstance(fourth, LessMatch)
    assert fourth.held_cents == 0
    assert [held(d) for d in (first, third) if isinstance(d, Donation)] == [100_00, 50_00]
    assert db.session.scalar(text("SELECT count(*) FROM donation WHERE campaign_id = :c"), {"c": own.id}) == 2
    assert books.findings(db.engine) == []


def test_one_attempt_that_is_sent_twice_at_once_begins_once(fund: Fund, campaign: Campaign) -> None:
    how = a_beginning(expected_match_cents=100_00)
    first, again = checkouts.begin_all(campaign, [(a_gift(100_00), how), (a_gift(200_00), how)])
    assert isinstance(first, Donation)
    assert again is None
    assert checkouts.begun_before(how.attempt) is first
    db.session.refresh(fund)
    assert (first.amount_cents, fund.held_cents) == (100_00, 100_00)


def test_what_the_first_of_two_presses_was_shown_is_what_counts(fund: Fund, campaign: Campaign) -> None:
    how = a_beginning(expected_match_cents=100_00)
    shown_more = a_beginning(attempt=how.attempt, expected_match_cents=900_00)
    first, again = checkouts.begin_all(campaign, [(a_gift(100_00), how), (a_gift(100_00), shown_more)])
    assert isinstance(first, Donation)
    assert again is None


def test_two_presses_stand_where_the_first_came(campaign: Campaign) -> None:
    own = another_campaign(150_00, like=campaign)
    twice = a_beginning()
    asked = [(a_gift(100_00), twice), (a_gift(100_00), a_beginning()), (a_gift(100_00), twice)]
    first, second, _ = checkouts.begin_all(own, asked)
    assert [held(d) for d in (first, second) if isinstance(d, Donation)] == [100_00, 50_00]


@pytest.mark.parametrize("by", ["email", "client"])
def test_the_bound_on_holds_counts_those_that_begin_together(fund: Fund, campaign: Campaign, by: str) -> None:
    campaign.holds_per_email, campaign.holds_per_address = 3, 3
    same = {"email": "one@example.org"} if by == "email" else {}
    client = {"client_key": "one"} if by == "client" else {}
    begun(campaign, 5_00, **same, **client)
    answers = checkouts.begin_all(campaign, [(a_gift(5_00, **same), a_beginning(**client)) for _ in range(4)])
    assert [held(a) for a in answers if isinstance(a, Donation)] == [5_00, 5_00, 0, 0]
    (more,) = checkouts.begin_all(campaign, [(a_gift(5_00, **same), a_beginning(expected_match_cents=5_00, **client))])
    assert isinstance(more, LessMatch)
    assert more.limit == Limit.HELD_ELSEWHERE


def test_holds_are_counted_by_donor_and_client_and_not_by_walking_the_campaign(campaign: Campaign) -> None:
    begun(campaign, client_key="one")
    db.session.execute(text("SET LOCAL enable_seqscan = off"))
    who = {"campaign": campaign.id, "donors": [1], "clients": ["one"]}
    counting = checkouts._holding.compile(db.engine)
    plan = "\n".join(db.session.connection().exec_driver_sql(f"EXPLAIN {counting}", {**counting.params, **who}).scalars())
    assert "ix_donation_donor_id" in plan
    assert "ix_donation_open_client" in plan
    assert "ix_donation_campaign_id" not in plan


def test_a_crowd_at_the_door_gets_exactly_what_is_left(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(37_42, like=campaign)
    db.session.commit()
    own_id, gate = own.id, threading.Barrier(DONORS)

    def one(number: int) -> tuple[int, int]:
        """What this donor was told would be held at least, and what the books hold; nothing where they were told that it is less."""
        with app.app_context():
            gate.wait()
            told = 5_00 if number % 2 else 0
            begun = turns.begin(db.session.get_one(Campaign, own_id), a_gift(5_00), a_beginning(expected_match_cents=told))
            if isinstance(begun, LessMatch):
                return 0, 0
            assert begun
            return told, held(begun)

    with ThreadPoolExecutor(DONORS) as pool:
        found = list(pool.map(one, range(DONORS)))
    assert all(got >= told for told, got in found)
    db.session.expire_all()
    (fund,) = funds_of(own_id)
    assert (fund.held_cents, fund.available_cents) == (sum(got for _, got in found), 0)
    assert books.findings(db.engine) == []
