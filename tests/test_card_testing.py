"""The guard against card testing: declined cards begin it and nothing else does; it ends by itself or by hand, and staff are notified."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.cli.card_testing import card_testing_command
from campaign.devstack.sandbox.errors import Declined
from campaign.devstack.sandbox.stripe_account import DECLINES
from campaign.devstack.sandbox.subscriptions import pay_checkout
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail.send_jobs import send_due
from campaign.outbox.deliveries import FrozenEmail
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.payments import card_testing, card_testing_actions
from campaign.payments.card_declines import CardDecline
from campaign.payments.card_testing import BEGINS_AT, ENDS_BELOW, SERVICE
from campaign.payments.card_testing_jobs import end_card_testing_guard
from campaign.reporting import staff_todo
from campaign.staff.audit import AuditEntry
from campaign.stripe_sync import declines, event_jobs, poll_event_jobs
from campaign.stripe_sync.event import Event
from campaign.web.security import CONFIRMED_AT
from tests.conftest import Post, Stripe
from tests.factories import paid, start_donation
from tests.stripe import body_of, control, declined, handle
from tests.web import csrf_of, send, signed_in

MANAGER = "manager@example.org"


@pytest.fixture
def donation(campaign: Campaign) -> Donation:
    started = start_donation(campaign)
    db.session.commit()
    return started


def decline(donation: Donation, count: int, *, first: int = 1, ago: float = 0) -> None:
    """Record declines as a batch of events does. The inbox gives a worker one event of a donation at a time, which takes longer."""
    declines.record([event_of(declined(donation, number, ago=ago)) for number in range(first, first + count)], {})
    db.session.commit()


def event_of(sent: dict[str, Any]) -> Event:
    return Event.of(1, sent["id"], sent["type"], body_of(sent), datetime.now(UTC))


def is_on() -> bool:
    db.session.rollback()
    return card_testing.current_guard() is not None


def let_pass(period: timedelta) -> None:
    """Move all that the guard reads into the past."""
    for table, column in (("card_decline", "declined_at"), ("card_testing_guard", "begun_at")):
        db.session.execute(text(f"UPDATE {table} SET {column} = {column} - :period"), {"period": period})
    db.session.commit()


def test_the_guard_begins_at_the_threshold_and_not_one_below(donation: Donation) -> None:
    decline(donation, BEGINS_AT - 1)
    assert not is_on()
    handle(declined(donation, BEGINS_AT))
    guard = card_testing.current_guard()
    assert guard is not None
    assert (guard.begun_by, guard.declines, guard.payments) == (SERVICE, BEGINS_AT, 0)


def test_checkouts_that_are_begun_expire_or_are_never_paid_begin_nothing(app: Flask, stripe: Stripe, campaign: Campaign) -> None:
    client = app.test_client()
    for number in range(BEGINS_AT):
        assert send(client, "en", email=f"donor{number}@example.org", amount="5", expected_match="0").status_code == 303
    for session in stripe.store.newest("checkout.session", limit=100):
        stripe.account.expire(session)
    poll_event_jobs.poll_events()
    event_jobs.handle_events()
    assert db.session.query(Donation).filter(Donation.ended_at.is_not(None)).count() == BEGINS_AT
    card_testing.begin_if_attacked()
    assert not is_on()
    decline(db.session.query(Donation).first() or start_donation(campaign), BEGINS_AT)
    assert is_on(), "control: declined cards do"


def test_declines_of_an_outage_that_are_heard_later_begin_nothing(donation: Donation) -> None:
    decline(donation, 2 * BEGINS_AT, ago=card_testing.BEGINS_WITHIN.total_seconds() + 5)
    assert not is_on()
    assert db.session.query(CardDecline).count() == 2 * BEGINS_AT


def test_more_card_payments_than_declines_begin_nothing(campaign: Campaign, donation: Donation) -> None:
    payments = [paid(campaign, 5_00) for _ in range(BEGINS_AT)]
    db.session.commit()
    decline(donation, BEGINS_AT)
    assert not is_on()
    db.session.execute(text("UPDATE donation SET processing_at = now() WHERE id = :id"), {"id": payments[0].id})
    db.session.commit()
    decline(donation, 1, first=BEGINS_AT + 1)
    assert is_on(), "control: a bank debit is no card payment"


def test_i8_events_that_come_twice_and_in_any_order_count_each_charge_once(donation: Donation) -> None:
    events = [declined(donation, number) for number in range(1, 5)]
    again = [{**sent, "id": f"{sent['id']}_again"} for sent in events]
    shuffled = [*events, *events, *again]
    random.Random(7).shuffle(shuffled)
    handle(*shuffled)
    assert db.session.query(CardDecline).count() == len(events)
    decline(donation, BEGINS_AT - 1)
    assert not is_on()
    assert donation.is_open


@pytest.mark.parametrize(
    "changed",
    [
        {"last_payment_error": {"charge": "py_1", "code": "payment_method_not_available", "payment_method": {"type": "acss_debit"}}},
        {"last_payment_error": {"code": "payment_intent_authentication_failure", "payment_method": {"type": "card"}}},
        {"last_payment_error": None},
        {"metadata": {"order": "tea"}},
        {"metadata": {"donation": "d_" + "0" * 20}},
    ],
    ids=["bank debit", "no charge", "no error", "of a shop", "of no donation"],
)
def test_what_is_no_declined_card_of_a_donation_is_not_recorded(donation: Donation, changed: dict[str, Any]) -> None:
    handle(declined(donation, **changed), {**declined(donation), "account": "acct_another"})
    assert db.session.query(CardDecline).count() == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"decline_code": "lost_card", "code": "card_declined", "payment_method": {"type": "card"}}, "lost_card"),
        ({"decline_code": None, "code": "expired_card", "payment_method": {"type": "card"}}, "expired_card"),
        ({"payment_method": None, "payment_method_type": "card"}, ""),
        ({"payment_method": None}, ""),
    ],
)
def test_the_reason_and_the_kind_of_payment_are_read_wherever_stripe_says_them(
    donation: Donation, error: dict[str, Any], code: str
) -> None:
    sent = declined(donation, last_payment_error={"charge": "ch_1", **error}, payment_method_types=["card"])
    read = event_of(sent)
    assert read.decline is not None
    assert (read.decline.charge, read.decline.code) == ("ch_1", code)


def test_each_try_in_one_checkout_of_the_sandbox_is_reported_and_counts(app: Flask, stripe: Stripe, campaign: Campaign) -> None:
    assert send(app.test_client(), "en").status_code == 303
    (session,) = stripe.store.newest("checkout.session", limit=10)
    for card in DECLINES:
        with pytest.raises(Declined):
            stripe.account.pay_checkout(session, card)
    poll_event_jobs.poll_events()
    event_jobs.handle_events()
    codes = db.session.query(CardDecline.code).order_by(CardDecline.code).all()
    assert [row.code for row in codes] == sorted(decline_code or code for code, decline_code, _ in DECLINES.values())


def test_the_first_payment_of_a_monthly_gift_counts_and_a_later_month_does_not(app: Flask, stripe: Stripe, campaign: Campaign) -> None:
    assert send(app.test_client(), "en", frequency="monthly").status_code == 303
    (session,) = stripe.store.newest("checkout.session", limit=10)
    with pytest.raises(Declined):
        pay_checkout(stripe.account, session, "4000000000000002")
    pay_checkout(stripe.account, session, "4000000000000341")
    control(stripe, "clock", days=32)
    poll_event_jobs.poll_events()
    event_jobs.handle_events()
    assert len([e for e in stripe.store.newest("event", limit=1000) if e["type"] == "payment_intent.payment_failed"]) > 1
    (found,) = db.session.query(CardDecline).all()
    assert db.session.get_one(Donation, found.donation_id).frequency == "monthly"


@pytest.mark.owner
def test_it_ends_by_itself_when_few_cards_are_declined_any_more(donation: Donation) -> None:
    decline(donation, BEGINS_AT)
    assert end_card_testing_guard() == 0
    let_pass(card_testing.ENDS_AFTER + timedelta(seconds=1))
    decline(donation, ENDS_BELOW, first=100)
    assert end_card_testing_guard() == 0
    let_pass(card_testing.ENDS_AFTER + timedelta(seconds=1))
    decline(donation, ENDS_BELOW - 1, first=200)
    assert end_card_testing_guard() == 1
    assert not is_on()
    assert [guard.ended_by for guard in card_testing.list_guards()] == [SERVICE]


@pytest.mark.owner
def test_what_a_person_began_ends_by_hand_or_after_a_day(app: Flask) -> None:
    assert card_testing_actions.begin_guard(MANAGER)
    assert not card_testing_actions.begin_guard(MANAGER)
    let_pass(card_testing.BY_HAND_ENDS_AFTER - timedelta(minutes=1))
    assert end_card_testing_guard() == 0
    let_pass(timedelta(minutes=2))
    assert end_card_testing_guard() == 1
    assert not card_testing_actions.end_guard(MANAGER)


def test_after_staff_ended_it_only_cards_that_are_declined_from_then_on_begin_it_again(donation: Donation) -> None:
    decline(donation, BEGINS_AT)
    assert card_testing_actions.end_guard(MANAGER)
    decline(donation, BEGINS_AT - 1, first=100, ago=-1)
    assert not is_on()
    decline(donation, 1, first=200, ago=-1)
    assert is_on()


@pytest.mark.owner
def test_staff_are_notified_once_of_each_beginning_and_end(app: Flask, campaign: Campaign, donation: Donation, post: Post) -> None:
    signed_in(app, "manager", address=MANAGER)
    signed_in(app, "viewer", address="viewer@example.org")
    with structlog.testing.capture_logs() as logs:
        decline(donation, 2 * BEGINS_AT)
        let_pass(card_testing.ENDS_AFTER + timedelta(seconds=1))
        end_card_testing_guard()
    assert [entry["event"] for entry in logs if entry["event"].startswith("security.")] == [
        "security.card_testing_begun",
        "security.card_testing_ended",
    ]
    kinds = (MessageKind.CARD_TESTING_BEGUN, MessageKind.CARD_TESTING_ENDED)
    assert [message.kind for message in db.session.query(OutboxMessage).filter(OutboxMessage.kind.in_(kinds)).order_by("id")] == list(kinds)
    actions = [entry.action for entry in db.session.query(AuditEntry).filter(AuditEntry.actor == SERVICE).order_by(AuditEntry.id)]
    assert actions == ["began the guard against card testing", "ended the guard against card testing"]
    send_due()
    texts = [email.plain for email in db.session.query(FrozenEmail).filter_by(recipient=MANAGER).order_by(FrozenEmail.outbox_id)]
    assert len(texts) == 2
    assert f"{2 * BEGINS_AT} cards were declined" in texts[0]
    assert "/staff/card-testing" in texts[0]
    assert "ended on" in texts[1]


def test_it_is_on_the_list_of_staff_while_it_is_on(app: Flask, campaign: Campaign) -> None:
    assert "card_testing" not in staff_todo.todo_of(campaign).counted
    card_testing_actions.begin_guard(MANAGER)
    assert staff_todo.todo_of(campaign).counted["card_testing"] == 1
    assert 'href="/staff/card-testing"' in signed_in(app, "viewer").get("/staff/").text


@pytest.mark.parametrize(("role", "may_switch"), [("viewer", False), ("clerk", False), ("manager", True)])
def test_all_of_staff_see_the_figures_and_managers_have_the_switch(
    app: Flask,
    donation: Donation,
    role: str,
    may_switch: bool,
) -> None:
    decline(donation, 3)
    client = signed_in(app, role)
    page = client.get("/staff/card-testing")
    assert page.status_code == 200
    assert '<td class="sum" data-label="Cards declined">3</td>' in page.text
    assert ("Begin the guard" in page.text) is may_switch
    answer = client.post(
        "/staff/card-testing/guard", data={"csrf_token": csrf_of(page) if may_switch else csrf_of(client.get("/staff/account"))}
    )
    assert (answer.status_code, is_on()) == ((303, True) if may_switch else (403, False))
    if may_switch:
        page = client.get("/staff/card-testing")
        assert "Begun by member@example.org" in page.text
        assert client.post("/staff/card-testing/guard/end", data={"csrf_token": csrf_of(page)}).status_code == 303
        assert not is_on()


def test_strangers_sign_in_first(client: FlaskClient) -> None:
    assert client.get("/staff/card-testing").headers["Location"].startswith("/staff/sign-in")


def test_the_switch_wants_a_fresh_password(app: Flask) -> None:
    manager = signed_in(app, "manager")
    token = csrf_of(manager.get("/staff/card-testing"))
    with manager.session_transaction() as session:
        session[CONFIRMED_AT] -= 3600
    with app.app_context():
        answer = manager.post("/staff/card-testing/guard", data={"csrf_token": token})
    assert (answer.status_code, "confirm_password" in answer.text) == (403, True)
    assert not is_on()


def test_the_command_begins_ends_and_shows_it(app: Flask, donation: Donation) -> None:
    run = FlaskCliRunner(app).invoke
    assert run(card_testing_command, ["off"]).output == "The guard is off already.\nIt is off.\n"
    assert "is on since" in run(card_testing_command, ["on"]).output
    assert run(card_testing_command, ["on"]).output.startswith("The guard is on already.\n")
    decline(donation, 2)
    assert "2 cards declined, 0 card payments, 1 checkouts not paid" in run(card_testing_command, ["status"]).output
    assert run(card_testing_command, ["off"]).output == "It is off.\n"


def test_the_database_allows_one_guard_at_a_time(app: Flask) -> None:
    assert card_testing.begin_by_hand("one")
    assert card_testing.begin_by_hand("another") is None
    with pytest.raises(Exception, match="one_guard_at_a_time"):
        db.session.execute(text("INSERT INTO card_testing_guard (begun_by, declines, payments) VALUES ('a third', 0, 0)"))
