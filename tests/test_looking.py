"""Refunds and disputes are what Stripe has, not what an event says: looked at with nothing locked, applied in the order of the looks."""

from dataclasses import replace

from flask import Flask
from sqlalchemy import text

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_wire import StripeRefused
from campaign.giving import claims, looks, money_back, stripe_events
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation
from campaign.giving.happened import About, Question
from campaign.reporting import books
from campaign.sandbox import aftermath, faults
from campaign.work import handling, looking
from tests.conftest import Stripe
from tests.factories import begun, completed, event, gone_at, paid, together
from tests.test_events import handle, outcomes, receive, state


def net(donation: Donation) -> int:
    db.session.expire_all()
    return donation.net_cents


def due_now() -> None:
    db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
    db.session.commit()


def test_a_payload_that_differs_from_the_api_is_not_believed(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    told = gone_at(stripe, donation, 40_00, kind="refund.created")
    told["data"]["object"] |= {"amount": 100_00, "status": "failed", "payment_intent": "pi_another"}
    handle(told)
    assert (state(donation), net(donation)) == ("partially_refunded", 60_00)
    assert books.findings(db.engine) == []


def test_a_refunded_charge_alone_brings_every_refund_of_its_payment(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    for number, cents in enumerate((30_00, 20_01)):
        gone_at(stripe, donation, cents, kind="refund.created", id=f"re_{number}_{donation.public_id}")
    handle(event("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": donation.payment_intent, "metadata": {}}))
    assert net(donation) == 49_99
    assert books.findings(db.engine) == []


def test_with_stripe_away_payments_go_on_and_the_refund_waits_uncounted(campaign: Campaign, stripe: Stripe) -> None:
    donation, other = paid(campaign, 100_00), begun(campaign, 50_00)
    faults.ask_for(stripe.store, kind="500", path="/v1/refunds/", times=1)
    handle(gone_at(stripe, donation, 40_00, kind="refund.created"), completed(other))
    assert (net(donation), net(other)) == (100_00, 50_00)
    attempts, error = db.session.execute(text("SELECT attempts, last_error FROM stripe_event WHERE done_at IS NULL")).one()
    assert (attempts, error) == (0, "Stripe is away: APIError 500")
    assert not stripe_events.is_behind(), "what waits for Stripe holds up no mail"
    due_now()
    handling.handle_events()
    assert net(donation) == 60_00
    assert books.findings(db.engine) == []


def test_what_waits_for_stripe_for_days_is_dead_with_its_reason(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    receive(gone_at(stripe, donation, 40_00, kind="refund.created"))
    db.session.execute(text("ALTER TABLE stripe_event DISABLE TRIGGER what_came_is_kept"))
    db.session.execute(text("UPDATE stripe_event SET received_at = now() - interval '4 days'"))
    db.session.commit()
    faults.ask_for(stripe.store, kind="429", path="/v1/refunds/")
    handling.handle_events()
    assert stripe_events.dead_events() == 1


def test_a_refund_that_stripe_does_not_know_moves_nothing_and_is_shown_in_the_end(campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    about = {"id": "re_of_nobody", "object": "refund", "amount": 40_00, "status": "succeeded", "payment_intent": donation.payment_intent}
    handle(event("refund.created", about))
    for _ in range(claims.DEAD_AFTER_ATTEMPTS):
        due_now()
        handling.handle_events()
    assert net(donation) == 100_00
    (dead,) = stripe_events.oldest_dead(limit=5)
    assert "No such refund" in (dead.last_error or "")


def test_several_events_of_one_refund_are_one_question(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    refund = gone_at(stripe, donation, 40_00, kind="refund.created")["data"]["object"]
    question = Question(About.REFUND, refund["id"])
    asked = []
    there = outside()
    api = type("Counting", (), {"refund": lambda _, name: asked.append(name) or there.stripe.refund(name)})()
    counting = replace(there, stripe=api)
    looked = looking.look({1: question, 2: question, 3: question}, counting, number=7)
    assert asked == [refund["id"]]
    assert {row: [(told.cents, told.look) for told in seen] for row, seen in looked.seen.items()} == {
        row: [(40_00, 7)] for row in (1, 2, 3)
    }


def look_at(refund_id: str, number: int) -> looking.Looked:
    return looking.look({1: Question(About.REFUND, refund_id)}, outside(), number=number)


def late_worker(stripe: Stripe, donation: Donation, *, numbered_before: bool) -> None:
    """One worker sees the refund succeed, and is held up; the other sees it fail and is done; then the first goes on."""
    refund_id = gone_at(stripe, donation, 40_00, kind="refund.created")["data"]["object"]["id"]
    first = looks.next_look()
    seen_first = look_at(refund_id, first)
    stripe.store.put({**stripe.store.get(refund_id), "status": "failed"})
    second = looks.next_look()
    apply(donation, look_at(refund_id, second))
    if not numbered_before:
        seen_first = looking.Looked(
            seen={1: [money_back.Told(**{**vars(told), "look": looks.next_look()}) for told in seen_first.seen[1]]}, unanswered={}
        )
    apply(donation, seen_first)


def apply(donation: Donation, looked: looking.Looked) -> None:
    together(*[(donation, lambda desk, told=told: money_back.record(told, donation, desk, cause="look")) for told in looked.seen[1]])


def test_i22_a_worker_that_looked_before_and_comes_after_changes_nothing(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    late_worker(stripe, donation, numbered_before=True)
    assert net(donation) == 100_00
    assert books.findings(db.engine) == []


def test_control_numbered_after_the_look_a_late_worker_takes_the_money_away(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    late_worker(stripe, donation, numbered_before=False)
    assert net(donation) == 60_00


def test_a_dispute_at_the_account_is_followed_to_its_end(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    charge = stripe.store.put(
        {
            "id": f"ch_{donation.public_id}",
            "object": "charge",
            "amount": 100_00,
            "currency": "cad",
            "status": "succeeded",
            "disputed": False,
            "payment_intent": donation.payment_intent,
        }
    )
    made = aftermath.dispute(stripe.account, charge)
    seen = []
    for status in (None, "under_review", "lost"):
        if status:
            made = aftermath.decide_dispute(stripe.account, stripe.store.get(made["id"]), status)
        events = [one for one in stripe.store.newest("event", limit=5) if one["data"]["object"]["id"] == made["id"]]
        receive(*events)
        due_now()
        handling.handle_events()
        seen.append((state(donation), net(donation)))
    assert seen == [("disputed", 100_00), ("disputed", 100_00), ("refunded", 0)]
    assert all(outcome.startswith("dispute") for outcome in outcomes())
    assert books.findings(db.engine) == []


def test_the_library_escapes_whatever_stands_in_a_name(app: Flask) -> None:
    for name in ("../events", "re_1/../../x", "a b?c=d#e", "é"):
        looked = looking.look({1: Question(About.REFUND, name)}, outside(), number=1)
        assert isinstance(looked.unanswered[1], StripeRefused)
