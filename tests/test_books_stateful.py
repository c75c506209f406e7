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
from campaign.funders import call_actions, calls, payments
from campaign.funders.funders import Funder
from campaign.matching import effects, fund_lifecycle, rematching
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import NO_MATCH, matches_of
from campaign.payments import checkouts, quarantine, quarantine_actions, settlement
from campaign.payments.checkouts import LessMatchAvailable
from campaign.reporting.integrity import checker
from campaign.rules.payment_moments import PaymentMoments, moments_of_charge
from campaign.stripe_sync import event_jobs
from campaign.texts.action_errors import ActionError
from tests.factories import (
    another_campaign,
    checkout_context,
    create_fund,
    create_refund,
    donation_details,
    end,
    pay,
    raise_pledge,
    start_donation,
    today,
)
from tests.fund_calls import credit, issue_call, open_sums
from tests.funder_payments import refusal_of
from tests.oracle import Oracle, OracleBounds, OracleDonation, OracleFund, check
from tests.scale import examples
from tests.stripe import completed, handle, succeeded

SUMS = st.sampled_from([5_00, 10_01, 37_42, 100_00, 250_00])
# Hours from the start of the run. A hold lives 32 minutes, and 10 more by which clocks may differ.
HOURS = st.sampled_from([Fraction(-2), Fraction(0), Fraction(1, 2), Fraction(2)])
CAPS = st.sampled_from([None, None, 20_00, 99_99])
DONORS = st.sampled_from(["a", "b", "c"])


@st.composite
def funds(draw: st.DrawFn) -> list[OracleFund]:
    def draw_fund(index: int) -> OracleFund:
        opens = draw(st.sampled_from([None, None, None, Fraction(-1), Fraction(1)]))
        ends = [Fraction(2), Fraction(3)] if opens == 1 else [Fraction(1, 4), Fraction(2), Fraction(3)]
        return OracleFund(
            ratio=draw(st.sampled_from([Fraction(1), Fraction(1), Fraction(2), Fraction(1, 3), Fraction(2, 3)])),
            pledged=draw(st.sampled_from([0, 1, 37_42, 100_00, 333_33])),
            minimum=draw(st.sampled_from([0, 0, 10_01])),
            per_donation=draw(CAPS),
            per_donor=draw(CAPS),
            opens=opens,
            closes=draw(st.sampled_from([None, None, None, *ends])),
        )

    return [draw_fund(i) for i in range(draw(st.integers(1, 3)))]


@st.composite
def bounds(draw: st.DrawFn) -> OracleBounds:
    return OracleBounds(
        share=draw(st.sampled_from([Fraction(1, 2), Fraction(1)])),
        checkout_share=draw(st.sampled_from([Fraction(1, 10), Fraction(1)])),
        checkout_floor=draw(st.sampled_from([0, 20_00, 1000_00])),
        times=draw(st.sampled_from([1, 2])),
        email_count=draw(st.sampled_from([2, 10])),
        network_count=draw(st.sampled_from([3, 50])),
    )


class Books(RuleBasedStateMachine):
    """Donations start, are paid by card or bank debit, end, are quarantined, refunded, disputed and reinstated, with months and second payments.

    Funds are paused, resumed, ended and raised, called, paid and credited. After each step the books are as the oracle says.
    """

    app: Flask
    steps = 0
    donations: Bundle[int] = Bundle("donations")

    @initialize(models=funds(), limits=bounds(), step_size=st.sampled_from([2, 200]))
    def open(self, models: list[OracleFund], limits: OracleBounds, step_size: int) -> None:
        self.context = self.app.app_context()
        self.context.push()
        self.now = datetime.now(UTC).replace(microsecond=0)  # Stripe counts in seconds.
        rematching.STEP_SIZE = step_size
        like = db.session.query(Campaign).order_by(Campaign.id).first()
        assert like
        self.campaign = another_campaign(
            like=like,
            bounds={
                "hold_share_percent": int(limits.share * 100),
                "hold_checkout_percent": int(limits.checkout_share * 100),
                "hold_checkout_cents": limits.checkout_floor,
                "hold_period_factor": limits.times,
                "holds_per_email": limits.email_count,
                "holds_per_address": limits.network_count,
            },
        )
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
                opens_at=None if fund.opens is None else self.moment(fund.opens),
                closes_at=None if fund.closes is None else self.moment(fund.closes),
            )
        for created in funds_of(self.campaign.id):
            db.session.get_one(Funder, created.funder_id).email = "funder@example.org"
        db.session.commit()
        self.called, self.came_in = [0] * len(models), [0] * len(models)
        # What happens now happens a little after the start of the run, when gifts of the hour 0 are paid.
        self.oracle = Oracle(models, limits, now=Fraction(1, 1000))
        self.modelled: dict[int, OracleDonation] = {}
        self.paid_at: dict[int, Fraction] = {}
        self.names = 0

    def moment(self, hours: Fraction) -> datetime:
        return self.now + timedelta(hours=float(hours))

    def commit_step(self) -> None:
        """Commit the step, and rematch whatever is pending before the next step."""
        db.session.commit()
        event_jobs.rematch()
        Books.steps += 1

    def fund(self, number: int) -> Fund:
        return funds_of(self.campaign.id)[number % len(self.oracle.funds)]

    def new_name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}-{self.names}-{self.campaign.id}"

    @rule(target=donations, cents=SUMS, fee=st.sampled_from([0, 0, 1_23]), donor=DONORS, network=st.sampled_from(["", "x", "y"]))
    def start(self, cents: int, fee: int, donor: str, network: str) -> int:
        donation = start_donation(self.campaign, cents, covered_fee_cents=fee, email=f"{donor}@example.org", client_key=network)
        self.commit_step()
        self.modelled[donation.id] = self.oracle.start(donor, network, cents, fee)
        return donation.id

    @rule(cents=SUMS, more=st.integers(1, 100), donor=DONORS, network=st.sampled_from(["", "x"]))
    def start_with_a_promise_that_exceeds_the_hold(self, cents: int, more: int, donor: str, network: str) -> None:
        held, if_paid, _ = self.oracle.quote(donor, network, cents)
        with pytest.raises(LessMatchAvailable) as less:
            start_donation(self.campaign, cents, expected=held + more, email=f"{donor}@example.org", client_key=network)
        db.session.rollback()
        assert (less.value.held_cents, less.value.quote.later_cents) == (held, if_paid - held)
        self.commit_step()

    @rule(which=donations, hour=HOURS, times=st.integers(1, 2), route=st.sampled_from(["poll", "payment_intent", "checkout"]))
    def pay(self, which: int, hour: Fraction, times: int, route: str) -> None:
        donation, hour = db.session.get_one(Donation, which), self.paid_at.setdefault(which, hour)  # A payment has one moment.
        for _ in range(times):
            if route == "poll":
                at = self.moment(hour)
                # Stripe's API does not say when a bank debit succeeded: only that it had, when it was polled.
                moments = PaymentMoments(authorized_at=at, received_at=at) if donation.processing_at else moments_of_charge(at)
                pay(donation, moments=moments)
            else:
                reported = succeeded(donation) if route == "payment_intent" else completed(donation)
                handle({**reported, "created": int(self.moment(hour).timestamp())})
            self.commit_step()
        if donation.quarantined_at is None:
            self.oracle.pay(self.modelled[which], hour)

    @rule(which=donations, is_verified=st.booleans())
    def choose_a_bank_debit(self, which: int, is_verified: bool) -> None:
        donation = db.session.get_one(Donation, which)
        was_verified = donation.processing_at is not None
        record = settlement.record_processing if is_verified else settlement.record_unverified
        effects.decide_and_apply(donation, lambda session: record(donation, session, cause="test"))
        self.commit_step()
        if is_verified:
            self.oracle.begin_debit(self.modelled[which])
        elif not was_verified:
            self.oracle.verify_debit(self.modelled[which])

    @rule(donor=DONORS, cents=SUMS, fee=st.sampled_from([0, 1_23]), hour=HOURS)
    def pay_a_month(self, donor: str, cents: int, fee: int, hour: Fraction) -> None:
        details = donation_details(cents, covered_fee_cents=fee, email=f"{donor}@example.org")
        month = checkouts.get_or_create_donation(self.campaign, details, checkout_context(attempt=self.new_name("invoice")))
        pay(month, at=self.moment(hour))
        self.commit_step()
        self.modelled[month.id] = self.oracle.instalment(donor, cents, fee, hour)

    @rule(which=donations, cents=SUMS, hour=HOURS)
    def pay_a_second_time(self, which: int, cents: int, hour: Fraction) -> None:
        first = db.session.get_one(Donation, which)
        if first.received_at is None:
            return
        pay(first, payment_intent=self.new_name("second"), amount_cents=cents, at=self.moment(hour))
        self.commit_step()
        second = quarantine_actions.accept(quarantine.payments_of(first)[-1].id, actor="test", reason="test")
        self.commit_step()
        model = self.oracle.second_payment(self.modelled[which], second.amount_cents, second.covered_fee_cents, hour)
        assert second.covered_fee_cents == cents * self.modelled[which].fee // (self.modelled[which].amount + self.modelled[which].fee)
        self.modelled[second.id] = model

    @rule(which=donations, kind=st.sampled_from(["expired", "failed"]), times=st.integers(1, 2))
    def end(self, which: int, kind: str, times: int) -> None:
        donation = db.session.get_one(Donation, which)
        for _ in range(times):
            end(donation, kind)
            self.commit_step()
        self.oracle.end(self.modelled[which])

    @rule(which=donations, hour=HOURS, is_accepted=st.booleans())
    def pay_wrongly(self, which: int, hour: Fraction, is_accepted: bool) -> None:
        donation = db.session.get_one(Donation, which)
        if donation.received_at is not None or donation.quarantined_at is not None:
            return
        paid_cents = donation.charged_cents + 1
        pay(donation, amount_cents=paid_cents, at=self.moment(hour))
        self.commit_step()
        self.oracle.quarantine(self.modelled[which])
        if is_accepted:
            quarantine_actions.accept(quarantine.payments_of(donation)[-1].id, actor="test", reason="test")
            self.commit_step()
            model = self.modelled[which]
            fee = paid_cents * model.fee // (paid_cents - 1)
            self.oracle.accept(model, paid_cents - fee, fee, hour)

    @rule(
        which=donations,
        cents=st.sampled_from([1, 5_00, 33_33, 400_00]),
        kind=st.sampled_from(["refund", "dispute"]),
        times=st.integers(1, 2),
    )
    def reverse(self, which: int, cents: int, kind: str, times: int) -> None:
        donation, donated = db.session.get_one(Donation, which), self.modelled[which]
        if donated.authorized_at is None:
            return
        name = self.new_name(kind)
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

    @rule(minutes=st.sampled_from([0, 120]))
    def pass_the_period_of_holds(self, minutes: int) -> None:
        """A period of no time is one that has passed: what was held before no longer counts."""
        self.campaign.hold_period_minutes = minutes
        self.commit_step()
        self.oracle.bounds.period = Fraction(minutes, 60)
        self.oracle.placements.clear()

    @rule(number=st.integers(0, 2))
    def pause_or_resume(self, number: int) -> None:
        fund, model = self.fund(number), self.oracle.funds[number % len(self.oracle.funds)]
        change = fund_lifecycle.resume if model.paused else fund_lifecycle.pause
        change(fund, actor="test", reason="test")
        self.commit_step()
        (self.oracle.resume if model.paused else self.oracle.pause)(number % len(self.oracle.funds))

    @precondition(lambda self: hasattr(self, "oracle") and len(self.modelled) > 4)
    @rule(number=st.integers(0, 2))
    def end_early(self, number: int) -> None:
        fund = self.fund(number)
        if fund.ended_at is None:
            fund_lifecycle.end(fund, actor="test", reason="test")
            self.commit_step()
            self.oracle.end_early(number % len(self.oracle.funds))

    @rule(number=st.integers(0, 2), cents=st.sampled_from([1, 50_00]))
    def raise_the_pledge(self, number: int, cents: int) -> None:
        fund = self.fund(number)
        if fund.ended_at is None:
            raise_pledge(fund, cents)
            self.commit_step()
            self.oracle.raise_pledge(number % len(self.oracle.funds), cents)

    @rule(number=st.integers(0, 2), part=st.sampled_from([Fraction(1), Fraction(1, 2)]))
    def call_for_funds(self, number: int, part: Fraction) -> None:
        """What is matched and not called is called, and no cent more."""
        fund, i = self.fund(number), number % len(self.oracle.funds)
        left = self.oracle.matched(i) - self.called[i]
        if left <= 0:
            assert refusal_of(lambda: issue_call(fund, 1)) is ActionError.NOTHING_TO_CALL
            return
        assert refusal_of(lambda: issue_call(fund, left + 1)) is ActionError.CALL_TOO_MUCH
        self.called[i] += issue_call(fund, max(int(left * part), 1)).cents

    @rule(number=st.integers(0, 2), cents=st.sampled_from([1, 20_00]))
    def receive_from_the_funder(self, number: int, cents: int) -> None:
        fund, i = self.fund(number), number % len(self.oracle.funds)
        if payments.received_cents(fund) + cents <= fund.pledged_cents:
            name = self.new_name("wire")
            payments.record_payment(fund, cents, received_on=today(), reference=name, livemode=False, actor="test")
            self.commit_step()
            self.came_in[i] += cents

    @rule(number=st.integers(0, 2))
    def take_back_what_is_called(self, number: int) -> None:
        """The last call is cancelled if nothing of it is settled; else what is matched no longer is credited, once the fund has ended."""
        fund, i = self.fund(number), number % len(self.oracle.funds)
        settled = calls.balances_of(fund)
        if settled and settled[-1].applied_cents == 0:
            call_actions.cancel(settled[-1].call, reason="test", actor="test")
            self.called[i] -= settled[-1].call.cents
        elif fund.ended_at is not None and self.called[i] > self.oracle.matched(i):
            cents = credit(fund).cents
            assert cents == self.called[i] - self.oracle.matched(i)
            self.called[i] -= cents

    @invariant()
    def calls_are_settled_by_what_came_in(self) -> None:
        if not hasattr(self, "oracle"):
            return
        for i, fund in enumerate(funds_of(self.campaign.id)):
            assert (calls.called_cents(fund), payments.received_cents(fund)) == (self.called[i], self.came_in[i])
            assert sum(open_sums(fund)) == max(self.called[i] - self.came_in[i], 0) == calls.open_cents(fund)

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
        check(self.oracle)
        if Books.steps % 20 == 0:
            assert checker.findings(db.engine) == []

    def teardown(self) -> None:
        if hasattr(self, "oracle"):
            try:
                db.session.rollback()
                assert checker.findings(db.engine) == []
            finally:
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
def test_random_histories_end_as_the_oracle_says(machine: type[Books]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=examples(6), stateful_step_count=50, deadline=None))


def test_control_without_rematching_the_checker_reports_findings(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rematching.RematchingSession, "rematch_freed", lambda *_, **__: rematching.Rematched())
    own = another_campaign(100_00, like=campaign)
    first, second = start_donation(own, 100_00), start_donation(own, 50_00)
    pay(first)
    pay(second)
    create_refund(first, 60_00)
    db.session.commit()
    assert {"I3", "I5"} <= {sentence[:2] for sentence in checker.findings(db.engine)}
