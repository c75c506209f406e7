"""Random histories of donations, funds and reversals, compared with an oracle that shares no code with the service."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from flask import Flask
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching import fund_lifecycle, rematching
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import NO_MATCH, matches_of
from campaign.payments.checkouts import LessMatchAvailable
from campaign.reporting.integrity import checker
from campaign.stripe_sync import event_jobs
from tests.factories import another_campaign, create_fund, create_refund, end, pay, start_donation
from tests.oracle import Oracle, OracleDonation, OracleFund

SUMS = st.sampled_from([5_00, 10_01, 37_42, 100_00, 250_00])
HOURS = st.sampled_from([-2, 0, 2])
CAPS = st.sampled_from([None, None, 20_00, 99_99])


@st.composite
def funds(draw: st.DrawFn) -> list[OracleFund]:
    def draw_fund(index: int) -> OracleFund:
        return OracleFund(
            ratio=draw(st.sampled_from([Fraction(1), Fraction(1), Fraction(2), Fraction(1, 3), Fraction(2, 3)])),
            pledged=draw(st.sampled_from([0, 1, 37_42, 100_00, 333_33])),
            minimum=draw(st.sampled_from([0, 0, 10_01])),
            per_donation=draw(CAPS),
            per_donor=draw(CAPS),
            opens=draw(st.sampled_from([None, None, None, Fraction(-1), Fraction(1)])),
            closes=draw(st.sampled_from([None, None, None, Fraction(2), Fraction(3)])),
        )

    return [draw_fund(i) for i in range(draw(st.integers(1, 3)))]


class Books(RuleBasedStateMachine):
    """Donations start, are paid, end, are refunded, disputed and reinstated; funds are paused, resumed, ended and raised."""

    app: Flask
    steps = 0
    donations: Bundle[int] = Bundle("donations")

    @initialize(models=funds(), step_size=st.sampled_from([2, 200]))
    def open(self, models: list[OracleFund], step_size: int) -> None:
        self.context = self.app.app_context()
        self.context.push()
        self.now = datetime.now(UTC)
        rematching.STEP_SIZE = step_size
        like = db.session.query(Campaign).order_by(Campaign.id).first()
        assert like
        self.campaign = another_campaign(like=like)
        for position, fund in enumerate(models, 1):
            create_fund(
                self.campaign,
                fund.pledged,
                position=position,
                ratio_numerator=fund.ratio.numerator,
                ratio_denominator=fund.ratio.denominator,
                minimum_cents=fund.minimum,
                per_donation_cents=fund.per_donation,
                per_donor_cents=fund.per_donor,
                opens_at=self.moment(fund.opens),
                closes_at=self.moment(fund.closes),
            )
        db.session.commit()
        self.oracle = Oracle(models)
        self.modelled: dict[int, OracleDonation] = {}
        self.reversals = 0

    def moment(self, hours: Fraction | int | None) -> datetime | None:
        return None if hours is None else self.now + timedelta(hours=int(hours))

    def commit_step(self) -> None:
        """Commit the step, and rematch whatever is pending before the next step."""
        db.session.commit()
        event_jobs.rematch()
        Books.steps += 1

    def fund(self, number: int) -> Fund:
        return funds_of(self.campaign.id)[number % len(self.oracle.funds)]

    @rule(target=donations, cents=SUMS, fee=st.sampled_from([0, 0, 1_23]), donor=st.sampled_from(["a", "b", "c"]))
    def start(self, cents: int, fee: int, donor: str) -> int:
        donation = start_donation(self.campaign, cents, covered_fee_cents=fee, email=f"{donor}@example.org")
        self.commit_step()
        self.modelled[donation.id] = self.oracle.start(donor, cents, fee)
        return donation.id

    @rule(cents=SUMS, more=st.integers(1, 100))
    def start_with_a_promise_that_exceeds_the_match(self, cents: int, more: int) -> None:
        trial = self.oracle.start("d", cents, 0)
        held = sum(trial.held.values())
        self.oracle.donations.remove(trial)
        with pytest.raises(LessMatchAvailable) as less:
            start_donation(self.campaign, cents, expected=held + more, email="d@example.org")
        db.session.rollback()
        assert less.value.held_cents == held
        self.commit_step()

    @rule(which=donations, hour=HOURS, times=st.integers(1, 2))
    def pay(self, which: int, hour: int, times: int) -> None:
        donation = db.session.get_one(Donation, which)
        for _ in range(times):
            pay(donation, at=self.moment(hour))
            self.commit_step()
        if donation.quarantined_at is None:
            self.oracle.pay(self.modelled[which], Fraction(hour))

    @rule(which=donations, kind=st.sampled_from(["expired", "failed"]), times=st.integers(1, 2))
    def end(self, which: int, kind: str, times: int) -> None:
        donation = db.session.get_one(Donation, which)
        for _ in range(times):
            end(donation, kind)
            self.commit_step()
        self.oracle.end(self.modelled[which])

    @rule(which=donations)
    def pay_wrongly(self, which: int) -> None:
        donation = db.session.get_one(Donation, which)
        was_open = donation.received_at is None
        pay(donation, amount_cents=donation.charged_cents + 1)
        self.commit_step()
        if was_open:
            self.oracle.quarantine(self.modelled[which])

    @rule(
        which=donations,
        cents=st.sampled_from([1, 5_00, 33_33, 400_00]),
        kind=st.sampled_from(["refund", "dispute"]),
        times=st.integers(1, 2),
    )
    def reverse(self, which: int, cents: int, kind: str, times: int) -> None:
        donation, donated = db.session.get_one(Donation, which), self.modelled[which]
        if donated.paid_at is None:
            return
        self.reversals += 1
        name = f"{kind}-{self.reversals}-{donation.public_id}"
        for _ in range(times):
            create_refund(donation, cents, kind=kind, name=name)
            self.commit_step()
        self.oracle.set_reversals(donated, {**donated.reversed_cents, name: cents})

    @rule(which=donations)
    def reinstate(self, which: int) -> None:
        """The last refund fails, or the last dispute is won."""
        donation, donated = db.session.get_one(Donation, which), self.modelled[which]
        if not donated.reversed_cents:
            return
        name = next(reversed(donated.reversed_cents))
        kind = name.partition("-")[0]
        create_refund(donation, 1, kind=kind, name=name, status="failed" if kind == "refund" else "won")
        self.commit_step()
        self.oracle.set_reversals(donated, {n: c for n, c in donated.reversed_cents.items() if n != name})

    @rule(number=st.integers(0, 2))
    def pause_or_resume(self, number: int) -> None:
        fund, model = self.fund(number), self.oracle.funds[number % len(self.oracle.funds)]
        change = fund_lifecycle.resume if model.paused else fund_lifecycle.pause
        change(fund, actor="test", reason="test")
        self.commit_step()
        model.paused = not model.paused
        self.oracle.rematch()

    @precondition(lambda self: hasattr(self, "oracle") and len(self.modelled) > 4)
    @rule(number=st.integers(0, 2))
    def end_early(self, number: int) -> None:
        fund, model = self.fund(number), self.oracle.funds[number % len(self.oracle.funds)]
        if fund.ended_at is None:
            fund_lifecycle.end(fund, actor="test", reason="test")
            self.commit_step()
            model.closes = Oracle.ENDED

    @rule(number=st.integers(0, 2), cents=st.sampled_from([1, 50_00]))
    def raise_the_pledge(self, number: int, cents: int) -> None:
        fund, model = self.fund(number), self.oracle.funds[number % len(self.oracle.funds)]
        if fund.ended_at is None:
            fund_lifecycle.raise_pledge(fund, cents, actor="test", reason="test")
            self.commit_step()
            model.pledged += cents
            self.oracle.rematch()

    @invariant()
    def the_books_equal_the_oracle(self) -> None:
        if not hasattr(self, "oracle"):
            return
        db.session.expire_all()
        funds = funds_of(self.campaign.id)
        assert [fund.available_cents for fund in funds] == [self.oracle.available(i) for i in range(len(funds))]
        matches = matches_of(self.modelled)
        numbers = {fund.id: i for i, fund in enumerate(funds)}
        for which, donated in self.modelled.items():
            match = matches.get(which, NO_MATCH)
            assert {numbers[a.fund_id]: a.cents for a in match.held} == {i: c for i, c in donated.held.items() if c}
            assert {numbers[a.fund_id]: a.cents for a in match.matched} == {i: c for i, c in donated.matched.items() if c}
            assert db.session.get_one(Donation, which).net_cents == donated.net
        totals = db.session.get_one(CampaignTotals, self.campaign.id)
        assert totals.donated_cents == sum(donated.net for donated in self.modelled.values())
        if Books.steps % 10 == 0:
            assert checker.findings(db.engine) == []

    def teardown(self) -> None:
        if hasattr(self, "oracle"):
            assert checker.findings(db.engine) == []
            db.session.remove()
            self.context.pop()


@pytest.fixture
def machine(app: Flask) -> Iterator[type[Books]]:
    Books.app, Books.steps = app, 0
    original = rematching.STEP_SIZE
    yield Books
    rematching.STEP_SIZE = original
    del Books.app


@pytest.mark.timeout(3600)
def test_random_histories_end_as_the_oracle_says(machine: type[Books], pytestconfig: pytest.Config) -> None:
    steps = pytestconfig.getoption("--steps")
    while machine.steps < steps:
        examples = max(10, (steps - machine.steps) // 40)
        run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=50, deadline=None))
    print(f"{machine.steps} steps")


def test_control_without_rematching_the_checker_reports_findings(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rematching.RematchingSession, "rematch_freed", lambda *_, **__: rematching.Rematched())
    own = another_campaign(100_00, like=campaign)
    first, second = start_donation(own, 100_00), start_donation(own, 50_00)
    pay(first)
    pay(second)
    create_refund(first, 60_00)
    db.session.commit()
    assert {"I3", "I5"} <= {sentence[:2] for sentence in checker.findings(db.engine)}
