"""Whole donation histories with events in any order, repeated, late or missing, and with killed workers: always the same books (I8, I26).

The order of actions in the sandbox is random, as is how many of their events have arrived at each point: the service fetches the current
state of an object when it handles an event.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.devstack.sandbox import aftermath, clock, debits, subscriptions
from campaign.devstack.sandbox import payouts as stripe_payouts
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching.funds import funds_of
from campaign.matching.holds import match_of
from campaign.outbox import leases
from campaign.payments import checkouts
from campaign.payments.checkouts import OpenedCheckout
from campaign.recurring import recurring_gifts
from campaign.reporting import stripe_clearing
from campaign.reporting.integrity import checker
from campaign.stripe_sync import balance_jobs, event_jobs, inbox, poll_event_jobs, reconcile_jobs, reconciliations
from tests.conftest import Stripe
from tests.factories import another_campaign, start_donation
from tests.scale import examples
from tests.stripe import body_of, state, stored_object

# The drawn values are printed. Minimizing an example takes longer than reading it.
PHASES = (Phase.explicit, Phase.generate)
VISA = "4242424242424242"
DONATION = 50_00

Action = Callable[["History"], object]


@dataclass
class History:
    """A donation and the actions in the sandbox that are still to come. `status` and `net` are the expected result."""

    donation: Donation
    stripe: Stripe
    session: dict[str, Any]
    actions: list[Action]
    status: str
    net: int
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def charge(self) -> dict[str, Any]:
        intent = stored_object(self.stripe, self.current_session()["payment_intent"])
        return stored_object(self.stripe, intent["latest_charge"])

    @property
    def instalments(self) -> int:
        """The number of paid instalments at Stripe. Histories share one clock, so another history can add instalments."""
        subscription = self.current_session().get("subscription")
        if subscription is None:
            return 1
        invoices = self.stripe.store.newest("invoice", limit=100_000)
        return sum(i["status"] == "paid" and i["parent"]["subscription_details"]["subscription"] == subscription for i in invoices)

    @property
    def subscription(self) -> dict[str, Any]:
        return stored_object(self.stripe, self.current_session()["subscription"])

    def current_session(self) -> dict[str, Any]:
        return stored_object(self.stripe, self.session["id"])


def pay(history: History) -> None:
    history.stripe.account.pay_checkout(history.current_session(), VISA)


def pay_wrongly(history: History) -> None:
    """Pay an amount that is not that of the donation."""
    history.stripe.store.put({**history.current_session(), "amount_total": 49_99})
    pay(history)


def pay_first_instalment(history: History) -> None:
    subscriptions.pay_checkout(history.stripe.account, history.current_session(), VISA)


def pass_month(card: str, *, days: int = 31) -> Action:
    """Move the account's clock ahead and charge the card for the invoices that are due then."""

    def action(history: History) -> None:
        subscriptions.change(history.stripe.account, history.subscription, sandbox_card=card)
        clock.set_ahead(clock._ahead + days * 24 * 3600)
        subscriptions.renew_due(history.stripe.account)

    return action


def cancel(history: History) -> None:
    subscriptions.cancel(history.stripe.account, history.subscription)


def decline(history: History) -> None:
    with pytest.raises(Exception, match="declined"):
        history.stripe.account.pay_checkout(history.current_session(), "4000000000000002")


def expire(history: History) -> None:
    history.stripe.account.expire(history.current_session())


def begin_debit(history: History) -> None:
    debits.begin_debit(history.stripe.account, history.current_session(), name="", email=None)


def end_debit(*, succeeded: bool) -> Action:
    return lambda history: debits.end_debit(history.stripe.account, history.current_session(), succeeded=succeeded)


def refund(cents: int) -> Action:
    def action(history: History) -> None:
        history.objects["refund"] = aftermath.create_refund(history.stripe.account, history.charge, cents, {})

    return action


def set_refund_status(status: str) -> Action:
    return lambda history: aftermath.set_refund_status(
        history.stripe.account, stored_object(history.stripe, history.objects["refund"]["id"]), status
    )


def dispute(history: History) -> None:
    history.objects["dispute"] = aftermath.create_dispute(history.stripe.account, history.charge)


def set_dispute_status(status: str) -> Action:
    return lambda history: aftermath.set_dispute_status(
        history.stripe.account, stored_object(history.stripe, history.objects["dispute"]["id"]), status
    )


DECLINED = "4000000000000002"
YEAR = [pass_month(VISA)] * 4 + [pass_month(DECLINED), pass_month(VISA, days=4)] * 2 + [pass_month(VISA)] * 5
INSTALMENTS = {"monthly for a year with two failures": 12, "monthly, and stopped": 2}
HISTORIES: dict[str, tuple[list[Action], str, int]] = {
    "monthly for a year with two failures": ([pay_first_instalment, *YEAR], "paid", DONATION),
    "monthly, and stopped": ([pay_first_instalment, pass_month(VISA), cancel], "paid", DONATION),
    "paid": ([pay], "paid", DONATION),
    "declined, then paid": ([decline, pay], "paid", DONATION),
    "expired": ([expire], "expired", 0),
    "debit paid": ([begin_debit, end_debit(succeeded=True)], "paid", DONATION),
    "debit refused": ([begin_debit, end_debit(succeeded=False)], "failed", 0),
    "refunded in three parts": ([pay, refund(10_00), refund(15_01), refund(24_99)], "refunded", 0),
    "refunded in part": ([pay, refund(20_00)], "partially_refunded", 30_00),
    "refund failed": ([pay, refund(20_00), set_refund_status("failed")], "paid", DONATION),
    "disputed and won": ([pay, dispute, set_dispute_status("under_review"), set_dispute_status("won")], "paid", DONATION),
    "disputed and lost": ([pay, dispute, set_dispute_status("lost")], "refunded", 0),
    "paid wrongly": ([pay_wrongly], "quarantined", 0),
    "paid wrongly and refunded": ([pay_wrongly, refund(49_99)], "refunded", 0),
}


class Killed(BaseException):
    """The worker was killed."""


@contextmanager
def killed_at(statement: int) -> Iterator[None]:
    """Kill the worker before this SQL statement, counted from 1. 0 means never."""
    remaining = [statement]

    def before(*_: object) -> None:
        remaining[0] -= 1
        if remaining[0] == 0:
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
    """Process the pending events, after the leases of killed workers have expired."""
    db.session.execute(text("UPDATE stripe_event SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()
    with killed_at(statement):
        event_jobs.handle_events()


def receive(*events: dict[str, Any]) -> None:
    for event in events:
        inbox.store_events(inbox.parse_event(body_of(event)), source="webhook")
        db.session.commit()


def start_history(stripe: Stripe, campaign: Campaign, kind: str) -> History:
    is_monthly = kind in INSTALMENTS
    donation = start_donation(campaign, DONATION, frequency="monthly" if is_monthly else "once")
    price: dict[str, object] = {
        "currency": "cad",
        "unit_amount": str(DONATION),
        "product_data": {"name": "Gift", "metadata": {"part": "gift"}},
    }
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
    checkouts.record_opened([OpenedCheckout(donation_id=donation.id, session_id=session["id"], url=session["url"])])
    db.session.commit()
    actions, status, net = HISTORIES[kind]
    return History(donation=donation, stripe=stripe, session=session, actions=list(actions), status=status, net=net)


def events_since(stripe: Stripe, first_event: int) -> list[dict[str, Any]]:
    """The events of the account after the first `first_event`, oldest first."""
    return stripe.store.newest("event", limit=100_000)[::-1][first_event:]


def reset_account(stripe: Stripe) -> int:
    """Process what an interrupted example has left, and return the number of events so far."""
    db.session.rollback()
    for subscription in stripe.store.newest("subscription", limit=100_000):
        if subscription["status"] != "canceled":
            subscriptions.cancel(stripe.account, subscription)
    clock.set_ahead(0)
    poll_event_jobs.poll_events()
    work()
    return len(stripe.store.newest("event", limit=100_000))


def assert_books_are_complete(histories: list[History], campaign: Campaign, pledge: int) -> None:
    assert [(state(history.donation), history.donation.net_cents) for history in histories] == [
        (history.status, history.net) for history in histories
    ]
    donated = sum(history.net * history.instalments for history in histories)
    assert [
        len(recurring_gifts.instalments_of(gift)) for history in histories if (gift := recurring_gifts.recurring_gift_of(history.donation))
    ] == [history.instalments for history in histories if history.donation.frequency == "monthly"]
    (fund,) = funds_of(campaign.id)
    db.session.refresh(fund)
    assert (fund.held_cents, fund.matched_cents) == (0, min(pledge, donated))
    if pledge >= donated:
        assert [match_of(history.donation.id).matched_cents for history in histories] == [history.net for history in histories]
    assert db.session.get_one(CampaignTotals, campaign.id).donated_cents == donated
    assert inbox.count_dead() == 0
    balance_jobs.sync_balance()
    assert stripe_clearing.clearing_of(campaign).balance_cents == services().stripe_balance.get_balance().get("CAD", 0)
    assert checker.findings(db.engine) == []
    assert findings_an_hour_later() == []
    run = reconcile_jobs.reconcile(since=None, actor="test")
    assert [finding.sentence for finding in reconciliations.findings_of(run)] == []


def findings_an_hour_later() -> list[str]:
    """The checker's findings at a time when every balance transaction must be in the books."""
    read_until = db.session.execute(text("SELECT read_until FROM stripe_cursor WHERE list = 'balance'")).scalar_one()
    set_cursor = text("UPDATE stripe_cursor SET read_until = :moment WHERE list = 'balance'")
    db.session.execute(set_cursor, {"moment": read_until + timedelta(hours=2)})
    db.session.commit()
    findings = checker.findings(db.engine)
    db.session.execute(set_cursor, {"moment": read_until})
    db.session.commit()
    return findings


def run_histories(data: st.DataObject, stripe: Stripe, campaign: Campaign, first_event: int, *, webhooks: bool) -> list[History]:
    """Run the actions of several histories interleaved. Events so far are received in any order, some repeated, and some workers are killed."""
    kinds = data.draw(st.lists(st.sampled_from(sorted(HISTORIES)), min_size=2, max_size=4), label="histories")
    histories = [start_history(stripe, campaign, kind) for kind in kinds]
    kills_left = leases.MAX_ATTEMPTS - 3
    while unfinished := [history for history in histories if history.actions]:
        history = data.draw(st.sampled_from(unfinished), label="history")
        history.actions.pop(0)(history)
        if webhooks and data.draw(st.booleans(), label="receive events now"):
            so_far = events_since(stripe, first_event)
            receive(*data.draw(st.lists(st.sampled_from(so_far), max_size=6), label="events"))
            kill = data.draw(st.integers(0, 40), label="killed at") if kills_left else 0
            kills_left -= kill > 0
            work(kill)
    return histories


@pytest.mark.timeout(900)
def test_i8_i26_events_in_any_order_with_killed_workers_end_in_the_same_books(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    @settings(max_examples=examples(8), deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), pledge=st.sampled_from([70_00, 10_000_00]))
    def run(data: st.DataObject, pledge: int) -> None:
        first_event = reset_account(stripe)
        own = another_campaign(pledge, like=campaign)
        histories = run_histories(data, stripe, own, first_event, webhooks=True)
        all_events = events_since(stripe, first_event)
        receive(*data.draw(st.permutations(all_events), label="all events"))
        receive(*data.draw(st.lists(st.sampled_from(all_events), max_size=4), label="repeated"))
        work(data.draw(st.integers(0, 60), label="killed at the end"))
        work()
        assert_books_are_complete(histories, own, pledge)

    run()


@pytest.mark.timeout(900)
def test_without_webhooks_polling_ends_in_the_same_books(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    @settings(max_examples=examples(4), deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), pledge=st.sampled_from([70_00, 10_000_00]))
    def run(data: st.DataObject, pledge: int) -> None:
        first_event = reset_account(stripe)
        own = another_campaign(pledge, like=campaign)
        histories = run_histories(data, stripe, own, first_event, webhooks=False)
        if data.draw(st.booleans(), label="poll halfway"):
            poll_event_jobs.poll_events()
            work()
        if data.draw(st.booleans(), label="pay out"):
            pay_out(stripe)
        poll_event_jobs.poll_events()
        work()
        assert_books_are_complete(histories, own, pledge)

    run()


def pay_out(stripe: Stripe) -> None:
    if services().stripe_balance.get_balance().get("CAD", 0) > 0:
        stripe_payouts.create_payout(stripe.account, include_pending=True)


@pytest.mark.parametrize("kind", HISTORIES)
def test_a_worker_killed_before_any_statement_does_not_change_the_result(app: Flask, campaign: Campaign, stripe: Stripe, kind: str) -> None:
    """Kill the worker before every second statement in turn; the next worker continues."""
    own = another_campaign(10_000_00, like=campaign)
    history = start_history(stripe, own, kind)
    for action in history.actions:
        action(history)
    receive(*events_since(stripe, 0))
    assert history.instalments == INSTALMENTS.get(kind, 1)
    step = 17 if history.instalments > 2 else 2  # A year is sampled: each instalment runs the same dozen statements.
    statement = random.randrange(step) if step == 2 else 0  # Each second statement in one run, the others in another.
    while inbox.count_pending():
        statement += step
        db.session.execute(text("UPDATE stripe_event SET attempts = 0 WHERE done_at IS NULL"))
        db.session.commit()
        work(statement)
        assert statement < 4000
    assert_books_are_complete([history], own, 10_000_00)
