"""Random lives of donations, funds and refunds against an oracle that shares no code with the service; the checker stays silent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from flask import Flask
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from campaign.edges.db import db
from campaign.giving import fund_changes, healing, matches
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.checkouts import LessMatch
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund, funds_of
from campaign.reporting import books
from campaign.work import handling
from tests.factories import a_fund, another_campaign, begun, end, give_back, pay
from tests.oracle import Oracle, OracleFund, OracleGift

SUMS = st.sampled_from([5_00, 10_01, 37_42, 100_00, 250_00])
HOURS = st.sampled_from([-2, 0, 2])
CAPS = st.sampled_from([None, None, 20_00, 99_99])


@st.composite
def funds(draw: st.DrawFn) -> list[OracleFund]:
    def one(index: int) -> OracleFund:
        return OracleFund(
            ratio=draw(st.sampled_from([Fraction(1), Fraction(1), Fraction(2), Fraction(1, 3), Fraction(2, 3)])),
            pledged=draw(st.sampled_from([0, 1, 37_42, 100_00, 333_33])),
            minimum=draw(st.sampled_from([0, 0, 10_01])),
            per_donation=draw(CAPS),
            per_donor=draw(CAPS),
            opens=draw(st.sampled_from([None, None, None, Fraction(-1), Fraction(1)])),
            closes=draw(st.sampled_from([None, None, None, Fraction(2), Fraction(3)])),
        )

    return [one(i) for i in range(draw(st.integers(1, 3)))]


class Books(RuleBasedStateMachine):
    """Gifts that begin, are paid at some hour, end, are refunded, disputed and reinstated; funds that pause, go on, end, are raised."""

    app: Flask
    steps = 0
    gifts: Bundle[int] = Bundle("gifts")

    @initialize(made=funds(), looked_at=st.sampled_from([2, 200]))
    def open(self, made: list[OracleFund], looked_at: int) -> None:
        self.context = self.app.app_context()
        self.context.push()
        self.now = datetime.now(UTC)
        healing.LOOKED_AT_A_STEP = looked_at
        like = db.session.query(Campaign).order_by(Campaign.id).first()
        self.campaign = another_campaign(like=like)
        for position, fund in enumerate(made, 1):
            a_fund(
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
        self.oracle = Oracle(made)
        self.known: dict[int, OracleGift] = {}
        self.names = 0

    def moment(self, hours: Fraction | int | None) -> datetime | None:
        return None if hours is None else self.now + timedelta(hours=int(hours))

    def done(self) -> None:
        """The step is written, and whatever healing is due is done before the next."""
        db.session.commit()
        handling.heal()
        Books.steps += 1

    def fund(self, number: int) -> Fund:
        return funds_of(self.campaign.id)[number % len(self.oracle.funds)]

    @rule(target=gifts, cents=SUMS, fee=st.sampled_from([0, 0, 1_23]), donor=st.sampled_from(["a", "b", "c"]))
    def begin(self, cents: int, fee: int, donor: str) -> int:
        donation = begun(self.campaign, cents, covered_fee_cents=fee, email=f"{donor}@example.org")
        self.done()
        self.known[donation.id] = self.oracle.begin(donor, cents, fee)
        return donation.id

    @rule(cents=SUMS, more=st.integers(1, 100))
    def begin_with_a_promise_that_cannot_be_kept(self, cents: int, more: int) -> None:
        could = self.oracle.begin("d", cents, 0)
        held = sum(could.held.values())
        self.oracle.gifts.remove(could)
        with pytest.raises(LessMatch) as less:
            begun(self.campaign, cents, expected=held + more, email="d@example.org")
        db.session.rollback()
        assert less.value.held_cents == held
        self.done()

    @rule(which=gifts, hour=HOURS, times=st.integers(1, 2))
    def pay(self, which: int, hour: int, times: int) -> None:
        donation = db.session.get_one(Donation, which)
        for _ in range(times):
            pay(donation, paid_at=self.moment(hour))
            self.done()
        if donation.quarantined_at is None:
            self.oracle.pay(self.known[which], Fraction(hour))

    @rule(which=gifts, kind=st.sampled_from(["expired", "failed"]), times=st.integers(1, 2))
    def end(self, which: int, kind: str, times: int) -> None:
        donation = db.session.get_one(Donation, which)
        for _ in range(times):
            end(donation, kind)
            self.done()
        self.oracle.end(self.known[which])

    @rule(which=gifts)
    def pay_wrongly(self, which: int) -> None:
        donation = db.session.get_one(Donation, which)
        was_open = donation.paid_at is None
        pay(donation, amount_cents=donation.charged_cents + 1)
        self.done()
        if was_open:
            self.oracle.quarantine(self.known[which])

    @rule(
        which=gifts, cents=st.sampled_from([1, 5_00, 33_33, 400_00]), kind=st.sampled_from(["refund", "dispute"]), times=st.integers(1, 2)
    )
    def money_goes_back(self, which: int, cents: int, kind: str, times: int) -> None:
        donation, gift = db.session.get_one(Donation, which), self.known[which]
        if gift.paid_at is None:
            return
        self.names += 1
        name = f"{kind}-{self.names}-{donation.public_id}"
        for _ in range(times):
            give_back(donation, cents, kind=kind, name=name)
            self.done()
        self.oracle.return_money(gift, {**gift.gone, name: cents})

    @rule(which=gifts)
    def money_comes_back(self, which: int) -> None:
        """The last refund fails, or the last dispute is won after all."""
        donation, gift = db.session.get_one(Donation, which), self.known[which]
        if not gift.gone:
            return
        name = next(reversed(gift.gone))
        kind = name.partition("-")[0]
        give_back(donation, 1, kind=kind, name=name, status="failed" if kind == "refund" else "won")
        self.done()
        self.oracle.return_money(gift, {n: c for n, c in gift.gone.items() if n != name})

    @rule(number=st.integers(0, 2))
    def pause_or_resume(self, number: int) -> None:
        fund, model = self.fund(number), self.oracle.funds[number % len(self.oracle.funds)]
        act = fund_changes.resume if model.paused else fund_changes.pause
        act(fund, actor="test", reason="test")
        self.done()
        model.paused = not model.paused
        self.oracle.heal()

    @precondition(lambda self: hasattr(self, "oracle") and len(self.known) > 4)
    @rule(number=st.integers(0, 2))
    def end_early(self, number: int) -> None:
        fund, model = self.fund(number), self.oracle.funds[number % len(self.oracle.funds)]
        if fund.ended_at is None:
            fund_changes.end(fund, actor="test", reason="test")
            self.done()
            model.closes = Oracle.ENDED

    @rule(number=st.integers(0, 2), cents=st.sampled_from([1, 50_00]))
    def raise_the_pledge(self, number: int, cents: int) -> None:
        fund, model = self.fund(number), self.oracle.funds[number % len(self.oracle.funds)]
        if fund.ended_at is None:
            fund_changes.pledge(fund, cents, actor="test", reason="test")
            self.done()
            model.pledged += cents
            self.oracle.heal()

    @invariant()
    def the_books_are_as_the_oracle_says(self) -> None:
        if not hasattr(self, "oracle"):
            return
        db.session.expire_all()
        of_fund = funds_of(self.campaign.id)
        assert [fund.available_cents for fund in of_fund] == [self.oracle.available(i) for i in range(len(of_fund))]
        found = matches.matches_of(self.known)
        number = {fund.id: i for i, fund in enumerate(of_fund)}
        for which, gift in self.known.items():
            match = found.get(which, matches.NO_MATCH)
            assert {number[a.fund_id]: a.cents for a in match.held} == {i: c for i, c in gift.held.items() if c}
            assert {number[a.fund_id]: a.cents for a in match.matched} == {i: c for i, c in gift.matched.items() if c}
            assert db.session.get_one(Donation, which).net_cents == gift.net
        totals = db.session.get_one(CampaignTotals, self.campaign.id)
        assert totals.donated_cents == sum(gift.net for gift in self.known.values())
        if Books.steps % 10 == 0:
            assert books.findings(db.engine) == []

    def teardown(self) -> None:
        if hasattr(self, "oracle"):
            assert books.findings(db.engine) == []
            db.session.remove()
            self.context.pop()


@pytest.fixture
def machine(app: Flask) -> Iterator[type[Books]]:
    Books.app, Books.steps = app, 0
    usual = healing.LOOKED_AT_A_STEP
    yield Books
    healing.LOOKED_AT_A_STEP = usual
    del Books.app


@pytest.mark.timeout(3600)
def test_random_lives_end_as_the_oracle_says(machine: type[Books], pytestconfig: pytest.Config) -> None:
    wanted = pytestconfig.getoption("--steps")
    while machine.steps < wanted:
        examples = max(10, (wanted - machine.steps) // 40)
        run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=50, deadline=None))
    print(f"{machine.steps} steps")


def test_control_with_healing_off_the_checker_and_the_oracle_say_so(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing.HealingDesk, "heal_waiting", lambda *_, **__: healing.Healed())
    own = another_campaign(100_00, like=campaign)
    first, second = begun(own, 100_00), begun(own, 50_00)
    pay(first)
    pay(second)
    give_back(first, 60_00)
    db.session.commit()
    assert {"I3", "I5"} <= {sentence[:2] for sentence in books.findings(db.engine)}
