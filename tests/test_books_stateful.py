"""Random lives of donations against a plain model of the rule: the books follow it, and the checker stays silent."""

from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from campaign.edges.db import db
from campaign.giving import donations, ledger
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.donations import Donation, LessMatch
from campaign.giving.funds import funds_of
from campaign.reporting import books
from tests.factories import another_campaign, begun, end, pay

SUMS = st.sampled_from([5_00, 10_01, 37_42, 100_00, 250_00])


class Books(RuleBasedStateMachine):
    """One to three funds of a campaign, and donations that begin, are paid, expire, fail, are quarantined, each perhaps twice."""

    app: Flask
    donated: Bundle[int] = Bundle("donated")

    @initialize(pledges=st.lists(st.sampled_from([0, 1, 37_42, 100_00, 333_33]), min_size=1, max_size=3))
    def open(self, pledges: list[int]) -> None:
        self.context = self.app.app_context()
        self.context.push()
        like = db.session.query(Campaign).order_by(Campaign.id).first()
        self.campaign = another_campaign(*pledges, like=like)
        db.session.commit()
        self.left = list(pledges)
        self.held: dict[int, list[int]] = {}
        self.matched: dict[int, int] = {}
        self.given: dict[int, int] = {}

    def take(self, cents: int) -> list[int]:
        """The model of the rule for one to one: from the first fund on, as much as there is."""
        taken = []
        for i, left in enumerate(self.left):
            part = min(cents, left)
            self.left[i] -= part
            taken.append(part)
            cents -= part
        return taken

    def give_back(self, parts: list[int]) -> None:
        self.left = [left + part for left, part in zip(self.left, parts, strict=True)]

    @rule(target=donated, cents=SUMS)
    def begin(self, cents: int) -> int:
        donation = begun(self.campaign, cents, expected=0)
        db.session.commit()
        self.held[donation.id] = self.take(cents)
        return donation.id

    @rule(cents=SUMS, more=st.integers(1, 100))
    def begin_with_a_promise_that_cannot_be_kept(self, cents: int, more: int) -> None:
        with pytest.raises(LessMatch) as less:
            begun(self.campaign, cents, expected=min(cents, sum(self.left)) + more)
        db.session.rollback()
        assert less.value.held_cents == min(cents, sum(self.left))

    @rule(which=donated, times=st.integers(1, 2))
    def pay(self, which: int, times: int) -> None:
        donation = db.session.get_one(Donation, which)
        was_open = donation.paid_at is None and donation.quarantined_at is None
        for _ in range(times):
            pay(donation)
            db.session.commit()
        if was_open:
            held = self.held.pop(which, [0] * len(self.left))
            more = self.take(donation.amount_cents - sum(held))
            self.matched[which] = sum(held) + sum(more)
            self.given[which] = donation.amount_cents

    @rule(which=donated, kind=st.sampled_from(["expired", "failed"]), times=st.integers(1, 2))
    def end(self, which: int, kind: str, times: int) -> None:
        donation = db.session.get_one(Donation, which)
        for _ in range(times):
            end(donation, kind)
            db.session.commit()
        if which in self.held:
            self.give_back(self.held.pop(which))

    @rule(which=donated)
    def pay_wrongly(self, which: int) -> None:
        donation = db.session.get_one(Donation, which)
        pay(donation, amount_cents=donation.charged_cents + 1)
        db.session.commit()
        if which in self.held:
            self.give_back(self.held.pop(which))

    @invariant()
    def the_books_are_as_the_model_says(self) -> None:
        if not hasattr(self, "campaign"):
            return
        db.session.expire_all()
        funds, totals = funds_of(self.campaign.id), db.session.get_one(CampaignTotals, self.campaign.id)
        assert [fund.available_cents for fund in funds] == self.left
        assert sum(fund.held_cents for fund in funds) == sum(map(sum, self.held.values()))
        assert sum(fund.matched_cents for fund in funds) == sum(self.matched.values())
        assert (totals.donated_cents, totals.donations) == (sum(self.given.values()), len(self.given))
        for which, cents in self.matched.items():
            assert ledger.match_of(which).matched_cents == cents <= self.given[which]
            assert donations.standing(db.session.get_one(Donation, which)).state == "paid"

    def teardown(self) -> None:
        if hasattr(self, "campaign"):
            assert books.findings(db.engine) == []
            db.session.remove()
            self.context.pop()


@pytest.fixture
def machine(app: Flask) -> Iterator[type[Books]]:
    Books.app = app
    yield Books
    del Books.app


def test_random_lives_of_donations_end_as_the_rule_says(machine: type[Books]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))
