"""Checkouts that start together in one transaction, each with the same result as if it had started alone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import match_of
from campaign.payments import checkouts, unpaid_holds
from campaign.payments.checkouts import LessMatchAvailable
from campaign.reporting.integrity import checker
from campaign.web.public import batching
from tests.factories import another_campaign, checkout_context, donation_details, start_donation

DONORS = 60


def held(donation: Donation) -> int:
    return match_of(donation.id).held_cents


def test_donations_that_start_together_draw_on_the_fund_in_their_order(campaign: Campaign) -> None:
    own = another_campaign(150_00, like=campaign)
    first, second, third = checkouts.start_checkouts(own, [(donation_details(100_00), checkout_context()) for _ in range(3)])
    assert isinstance(first, Donation)
    assert isinstance(second, Donation)
    assert isinstance(third, Donation)
    assert [held(d) for d in (first, second, third)] == [100_00, 50_00, 0]
    db.session.commit()
    assert checker.findings(db.engine) == []


def test_a_donor_who_would_get_less_match_than_promised_is_refused_and_the_others_start(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(150_00, like=campaign)
    db.session.commit()
    requests = [
        (own.id, donation_details(100_00), checkout_context(expected_match_cents=promised)) for promised in (100_00, 100_00, 50_00, 10_00)
    ]
    first, second, third, fourth = batching._start_all(requests)
    assert isinstance(second, LessMatchAvailable)
    assert (second.held_cents, second.quote.full_cents) == (50_00, 100_00)
    assert isinstance(fourth, LessMatchAvailable)
    assert fourth.held_cents == 0
    assert [held(d) for d in (first, third) if isinstance(d, Donation)] == [100_00, 50_00]
    assert db.session.scalar(text("SELECT count(*) FROM donation WHERE campaign_id = :c"), {"c": own.id}) == 2
    assert checker.findings(db.engine) == []


def test_an_attempt_submitted_twice_in_one_batch_starts_once(fund: Fund, campaign: Campaign) -> None:
    context = checkout_context(expected_match_cents=100_00)
    first, again = checkouts.start_checkouts(campaign, [(donation_details(100_00), context), (donation_details(200_00), context)])
    assert isinstance(first, Donation)
    assert again is None
    assert checkouts.donation_by_attempt(context.attempt) is first
    db.session.refresh(fund)
    assert (first.amount_cents, fund.held_cents) == (100_00, 100_00)


def test_of_two_submissions_the_promise_of_the_first_counts(fund: Fund, campaign: Campaign) -> None:
    context = checkout_context(expected_match_cents=100_00)
    shown_more = checkout_context(attempt=context.attempt, expected_match_cents=900_00)
    first, again = checkouts.start_checkouts(campaign, [(donation_details(100_00), context), (donation_details(100_00), shown_more)])
    assert isinstance(first, Donation)
    assert again is None


def test_a_repeated_submission_keeps_the_place_of_the_first(campaign: Campaign) -> None:
    own = another_campaign(150_00, like=campaign)
    twice = checkout_context()
    requests = [(donation_details(100_00), twice), (donation_details(100_00), checkout_context()), (donation_details(100_00), twice)]
    first, second, _ = checkouts.start_checkouts(own, requests)
    assert [held(d) for d in (first, second) if isinstance(d, Donation)] == [100_00, 50_00]


@pytest.mark.parametrize("by", ["email", "client"])
def test_the_limit_on_holds_counts_donations_in_the_same_batch(fund: Fund, campaign: Campaign, by: str) -> None:
    campaign.holds_per_email, campaign.holds_per_address = 3, 3
    same: dict[str, Any] = {"email": "one@example.org"} if by == "email" else {}
    client: dict[str, Any] = {"client_key": "one"} if by == "client" else {}
    start_donation(campaign, 5_00, **same, **client)
    started = checkouts.start_checkouts(campaign, [(donation_details(5_00, **same), checkout_context(**client)) for _ in range(4)])
    assert [held(d) for d in started if isinstance(d, Donation)] == [5_00, 5_00, 0, 0]
    (more,) = checkouts.start_checkouts(campaign, [(donation_details(5_00, **same), checkout_context(expected_match_cents=5_00, **client))])
    assert isinstance(more, LessMatchAvailable)
    assert (more.held_cents, more.quote.later_cents) == (0, 5_00)


def test_counting_holds_uses_the_indexes_on_donor_and_client(campaign: Campaign) -> None:
    start_donation(campaign, client_key="one")
    db.session.execute(text("SET LOCAL enable_seqscan = off"))
    parameters = {"campaign": campaign.id, "period": timedelta(hours=2), "donors": [1], "clients": ["one"]}
    plan = "\n".join(db.session.execute(text(f"EXPLAIN {unpaid_holds._HOLDS}"), parameters).scalars())
    assert "ix_donation_donor_id" in plan
    assert "ix_donation_unpaid_client" in plan
    assert "ix_ledger_entry_donation_id" in plan
    assert "ix_donation_campaign_id" not in plan


def test_a_crowd_of_donors_gets_exactly_what_is_left(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(37_42, like=campaign)
    db.session.commit()
    own_id, start = own.id, threading.Barrier(DONORS)

    def donate(number: int) -> tuple[int, int]:
        """The match promised to this donor and the match held, in cents; zeros when less was available than promised."""
        with app.app_context():
            start.wait()
            promised = 5_00 if number % 2 else 0
            started = batching.start_checkout(
                db.session.get_one(Campaign, own_id), donation_details(5_00), checkout_context(expected_match_cents=promised)
            )
            if isinstance(started, LessMatchAvailable):
                return 0, 0
            assert started
            return promised, held(started)

    with ThreadPoolExecutor(DONORS) as pool:
        results = list(pool.map(donate, range(DONORS)))
    assert all(held_cents >= promised for promised, held_cents in results)
    db.session.expire_all()
    (fund,) = funds_of(own_id)
    assert (fund.held_cents, fund.available_cents) == (sum(held_cents for _, held_cents in results), 0)
    assert checker.findings(db.engine) == []
