"""Whole lives of gifts at Stripe, told to us in any order, doubled, late, never, to workers that are killed: always the same books (I8, I26).

What happens at the account is random too, as is how much of it was told by then, since we look at how things stand when we are told.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import checkouts, claims, matches, monthly, reconciliations, stripe_events
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.checkouts import Opened
from campaign.giving.donations import Donation
from campaign.giving.funds import funds_of
from campaign.reporting import books, clearing
from campaign.sandbox import aftermath, clock, debits, subscriptions
from campaign.sandbox import payouts as at_stripe
from campaign.work import balance, catching_up, handling, reconciling
from tests.conftest import Stripe
from tests.factories import another_campaign, begun, body_of
from tests.test_events import state

# What was drawn is printed; to look for a smaller example takes longer than to read it.
PHASES = (Phase.explicit, Phase.generate)
VISA = "4242424242424242"
GIFT = 50_00

Act = Callable[["Life"], object]


@dataclass
class Life:
    """One gift, and the acts at the account that are still to come for it."""

    donation: Donation
    stripe: Stripe
    session: dict
    acts: list[Act]
    ends_as: str
    net: int
    kept: dict[str, dict] = field(default_factory=dict)

    @property
    def charge(self) -> dict:
        session = self.stripe.store.get(self.session["id"])
        return self.stripe.store.get(self.stripe.store.get(session["payment_intent"])["latest_charge"])

    @property
    def months(self) -> int:
        """How many were paid, by the account: the clock that one life moves goes on for all."""
        name = self.now().get("subscription")
        if name is None:
            return 1
        invoices = self.stripe.store.newest("invoice", limit=100_000)
        return sum(one["status"] == "paid" and one["parent"]["subscription_details"]["subscription"] == name for one in invoices)

    def now(self) -> dict:
        return self.stripe.store.get(self.session["id"])


def pay(life: Life) -> None:
    life.stripe.account.pay_checkout(life.now(), VISA)


def pay_wrongly(life: Life) -> None:
    """Somebody has changed what is to be paid."""
    life.stripe.store.put({**life.now(), "amount_total": 49_99})
    pay(life)


def pay_first_month(life: Life) -> None:
    subscriptions.pay(life.stripe.account, life.now(), VISA)


def a_month_passes(card: str, *, days: int = 31) -> Act:
    """The account's clock goes on, and the card is charged for what is due then."""

    def act(life: Life) -> None:
        made = life.stripe.store.get(life.now()["subscription"])
        subscriptions.change(life.stripe.account, made, sandbox_card=card)
        clock.set_ahead(clock._ahead + days * 24 * 3600)
        subscriptions.renew_due(life.stripe.account)

    return act


def stop(life: Life) -> None:
    subscriptions.cancel(life.stripe.account, life.stripe.store.get(life.now()["subscription"]))


def decline(life: Life) -> None:
    with pytest.raises(Exception, match="declined"):
        life.stripe.account.pay_checkout(life.now(), "4000000000000002")


def expire(life: Life) -> None:
    life.stripe.account.expire(life.now())


def allow_debit(life: Life) -> None:
    debits.begin_debit(life.stripe.account, life.now(), name="", email=None)


def debit_ends(*, succeeded: bool) -> Act:
    return lambda life: debits.end_debit(life.stripe.account, life.now(), succeeded=succeeded)


def refund(cents: int) -> Act:
    def act(life: Life) -> None:
        life.kept["refund"] = aftermath.refund(life.stripe.account, life.charge, cents, {})

    return act


def refund_becomes(status: str) -> Act:
    return lambda life: aftermath.change_refund(life.stripe.account, life.stripe.store.get(life.kept["refund"]["id"]), status)


def dispute(life: Life) -> None:
    life.kept["dispute"] = aftermath.dispute(life.stripe.account, life.charge)


def dispute_is(status: str) -> Act:
    return lambda life: aftermath.decide_dispute(life.stripe.account, life.stripe.store.get(life.kept["dispute"]["id"]), status)


DECLINED = "4000000000000002"
YEAR = [a_month_passes(VISA)] * 4 + [a_month_passes(DECLINED), a_month_passes(VISA, days=4)] * 2 + [a_month_passes(VISA)] * 5
MONTHS = {"monthly for a year with two failures": 12, "monthly, and stopped": 2}
LIVES: dict[str, tuple[list[Act], str, int]] = {
    "monthly for a year with two failures": ([pay_first_month, *YEAR], "paid", GIFT),
    "monthly, and stopped": ([pay_first_month, a_month_passes(VISA), stop], "paid", GIFT),
    "paid": ([pay], "paid", GIFT),
    "declined, then paid": ([decline, pay], "paid", GIFT),
    "expired": ([expire], "expired", 0),
    "debit paid": ([allow_debit, debit_ends(succeeded=True)], "paid", GIFT),
    "debit refused": ([allow_debit, debit_ends(succeeded=False)], "failed", 0),
    "refunded thrice": ([pay, refund(10_00), refund(15_01), refund(24_99)], "refunded", 0),
    "refunded in part": ([pay, refund(20_00)], "partially_refunded", 30_00),
    "refund failed": ([pay, refund(20_00), refund_becomes("failed")], "paid", GIFT),
    "disputed and won": ([pay, dispute, dispute_is("under_review"), dispute_is("won")], "paid", GIFT),
    "disputed and lost": ([pay, dispute, dispute_is("lost")], "refunded", 0),
    "paid wrongly": ([pay_wrongly], "quarantined", 0),
    "paid wrongly and given back": ([pay_wrongly, refund(49_99)], "refunded", 0),
}


class Killed(BaseException):
    """The worker is gone, in the middle of whatever it did."""


@contextmanager
def killed_at(statement: int) -> Iterator[None]:
    """The worker is killed before this statement, the first is 1; 0 for never."""
    left = [statement]

    def before(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    sqlalchemy_event.listen(db.engine, "before_cursor_execute", before)
    try:
        yield
    except Killed:
        pass
    finally:
        sqlalchemy_event.remove(db.engine, "before_cursor_execute", before)
        db.session.rollback()


def work(statement: int = 0) -> None:
    """A worker handles what waits; leases of those that were killed before have ended."""
    db.session.execute(text("UPDATE stripe_event SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()
    with killed_at(statement):
        handling.handle_events()


def tell(*events: dict) -> None:
    for made in events:
        stripe_events.keep(stripe_events.read_event(body_of(made)), source="webhook")
        db.session.commit()


def born(stripe: Stripe, campaign: Campaign, kind: str) -> Life:
    is_monthly = kind in MONTHS
    donation = begun(campaign, GIFT, frequency="monthly" if is_monthly else "once")
    price: dict[str, object] = {"currency": "cad", "unit_amount": str(GIFT), "product_data": {"name": "Gift"}}
    session = stripe.account.open_checkout(
        {
            "mode": "subscription" if is_monthly else "payment",
            "subscription_data": {"metadata": {"donation": donation.public_id}},
            "client_reference_id": donation.public_id,
            "metadata": {"donation": donation.public_id},
            "payment_intent_data": {"metadata": {"donation": donation.public_id}},
            "allowed_payment_method_types": ["card", "acss_debit"],
            "line_items": [{"price_data": price | ({"recurring": {"interval": "month"}} if is_monthly else {})}],
        }
    )
    checkouts.checkouts_opened([Opened(donation_id=donation.id, session_id=session["id"], url=session["url"])])
    db.session.commit()
    acts, ends_as, net = LIVES[kind]
    return Life(donation=donation, stripe=stripe, session=session, acts=list(acts), ends_as=ends_as, net=net)


def told_so_far(stripe: Stripe, told_before: int) -> list[dict]:
    """What happened at the account since it had made so many events, the oldest first."""
    return stripe.store.newest("event", limit=100_000)[::-1][told_before:]


def settled(stripe: Stripe) -> int:
    """What an example before has left, as it may have been given up in the middle, is done; returns how many events there were."""
    db.session.rollback()
    for made in stripe.store.newest("subscription", limit=100_000):
        if made["status"] != "canceled":
            subscriptions.cancel(stripe.account, made)
    clock.set_ahead(0)
    catching_up.read_stripe_events()
    work()
    return len(stripe.store.newest("event", limit=100_000))


def all_is_as_it_must_be(lives: list[Life], campaign: Campaign, pledge: int) -> None:
    assert [(state(life.donation), life.donation.net_cents) for life in lives] == [(life.ends_as, life.net) for life in lives]
    given = sum(life.net * life.months for life in lives)
    assert [len(monthly.months_of(gift)) for life in lives if (gift := monthly.monthly_gift_of(life.donation))] == [
        life.months for life in lives if life.donation.frequency == "monthly"
    ]
    (fund,) = funds_of(campaign.id)
    db.session.refresh(fund)
    assert (fund.held_cents, fund.matched_cents) == (0, min(pledge, given))
    if pledge >= given:
        assert [matches.match_of(life.donation.id).matched_cents for life in lives] == [life.net for life in lives]
    assert db.session.get_one(CampaignTotals, campaign.id).donated_cents == given
    assert stripe_events.dead_events() == 0
    balance.read_balance()
    assert clearing.clearing_of(campaign).balance == outside().stripe_books.balance().get("CAD", 0)
    assert books.findings(db.engine) == []
    assert an_hour_later() == []
    run = reconciling.reconcile(since=None, actor="test")
    assert [finding.sentence for finding in reconciliations.findings_of(run)] == []


def an_hour_later() -> list[str]:
    """What the checker says once every line of the balance must be in the books."""
    seen = db.session.execute(text("SELECT seen_until FROM stripe_watermark WHERE list = 'balance'")).scalar_one()
    move = text("UPDATE stripe_watermark SET seen_until = :moment WHERE list = 'balance'")
    db.session.execute(move, {"moment": seen + timedelta(hours=2)})
    db.session.commit()
    found = books.findings(db.engine)
    db.session.execute(move, {"moment": seen})
    db.session.commit()
    return found


def live(data: st.DataObject, stripe: Stripe, campaign: Campaign, told_before: int, *, webhooks: bool) -> list[Life]:
    """Act after act, of one gift or another; what was told of it by then is told in any order, some of it often, some of it to a dying worker."""
    kinds = data.draw(st.lists(st.sampled_from(sorted(LIVES)), min_size=2, max_size=4), label="lives")
    lives = [born(stripe, campaign, kind) for kind in kinds]
    kills_left = claims.DEAD_AFTER_ATTEMPTS - 3
    while under_way := [life for life in lives if life.acts]:
        life = data.draw(st.sampled_from(under_way), label="whose turn")
        life.acts.pop(0)(life)
        if webhooks and data.draw(st.booleans(), label="told now"):
            so_far = told_so_far(stripe, told_before)
            tell(*data.draw(st.lists(st.sampled_from(so_far), max_size=6), label="which"))
            kill = data.draw(st.integers(0, 40), label="killed at") if kills_left else 0
            kills_left -= kill > 0
            work(kill)
    return lives


@pytest.mark.timeout(900)
def test_i8_i26_any_lives_in_any_order_with_any_kills_end_in_the_same_books(
    app: Flask, campaign: Campaign, stripe: Stripe, pytestconfig: pytest.Config
) -> None:
    examples = max(12, pytestconfig.getoption("--steps") // 160)

    @settings(max_examples=examples, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), pledge=st.sampled_from([70_00, 10_000_00]))
    def run(data: st.DataObject, pledge: int) -> None:
        told_before = settled(stripe)
        own = another_campaign(pledge, like=campaign)
        lives = live(data, stripe, own, told_before, webhooks=True)
        everything = told_so_far(stripe, told_before)
        tell(*data.draw(st.permutations(everything), label="all of it"))
        tell(*data.draw(st.lists(st.sampled_from(everything), max_size=4), label="once more"))
        work(data.draw(st.integers(0, 60), label="killed at the end"))
        work()
        all_is_as_it_must_be(lives, own, pledge)

    run()


@pytest.mark.timeout(900)
def test_with_webhooks_off_catching_up_alone_ends_in_the_same_books(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    @settings(max_examples=6, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), pledge=st.sampled_from([70_00, 10_000_00]))
    def run(data: st.DataObject, pledge: int) -> None:
        told_before = settled(stripe)
        own = another_campaign(pledge, like=campaign)
        lives = live(data, stripe, own, told_before, webhooks=False)
        if data.draw(st.booleans(), label="half-way"):
            catching_up.read_stripe_events()
            work()
        if data.draw(st.booleans(), label="paid out"):
            pay_out(stripe)
        catching_up.read_stripe_events()
        work()
        all_is_as_it_must_be(lives, own, pledge)

    run()


def pay_out(stripe: Stripe) -> None:
    if outside().stripe_books.balance().get("CAD", 0) > 0:
        at_stripe.pay_out(stripe.account, all_of_it=True)


@pytest.mark.parametrize("kind", LIVES)
def test_killed_before_each_statement_of_its_life_nothing_changes(app: Flask, campaign: Campaign, stripe: Stripe, kind: str) -> None:
    """Every statement in turn: the worker dies before it, and the next one goes on."""
    own = another_campaign(10_000_00, like=campaign)
    life = born(stripe, own, kind)
    for act in life.acts:
        act(life)
    tell(*told_so_far(stripe, 0))
    assert life.months == MONTHS.get(kind, 1)
    statement, step = 0, 17 if life.months > 2 else 1  # Of a year, every seventeenth: it is the same dozen statements for each month.
    while stripe_events.waiting_events():
        statement += step
        db.session.execute(text("UPDATE stripe_event SET attempts = 0 WHERE done_at IS NULL"))
        db.session.commit()
        work(statement)
        assert statement < 4000
    all_is_as_it_must_be([life], own, 10_000_00)
