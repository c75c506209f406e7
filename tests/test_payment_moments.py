"""The two moments of a payment: the same by every route and in every order (policy.md, section 2b; I25)."""

import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import debits
from campaign.donations import donors
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.payments import CheckoutLine, StripePayments
from campaign.edges.stripe.subscriptions import Part
from campaign.ledger.entries import Entry, post_entries
from campaign.ledger.moves import Move
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import match_of
from campaign.payments import quarantine, quarantine_actions
from campaign.receipts import annual
from campaign.reporting import receipt_register
from campaign.reporting.integrity import checker
from campaign.rules.fiscal_years import calendar_year
from campaign.rules.payment_moments import PaymentMoments, are_alike, moments_of_charge
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import charges, event_jobs, poll_checkout_jobs, reconciliations
from campaign.stripe_sync.balance_jobs import sync_balance
from campaign.stripe_sync.poll_event_jobs import poll_events
from campaign.stripe_sync.reconcile_jobs import reconcile
from campaign.stripe_sync.reconciliations import DifferenceState
from campaign.texts.reconciliation_messages import DifferenceKind
from tests.conftest import Stripe
from tests.factories import another_campaign, issue_receipt, paid, pay, start_donation
from tests.scale import SCALE
from tests.stripe import checkout_request, completed, control, handle, start_recurring, stored_object, succeeded

TORONTO = ZoneInfo("America/Toronto")
MIDNIGHT = datetime(2026, 1, 1, tzinfo=TORONTO)
HOUR = timedelta(hours=1)
CARD_EVENTS = ("payment_intent.succeeded", "checkout.session.completed")
DEBIT_EVENTS = (
    "checkout.session.completed",
    "payment_intent.processing",
    "payment_intent.succeeded",
    "checkout.session.async_payment_succeeded",
)
Route = Callable[[Stripe, Donation], None]


# The rule.


def test_a_moment_is_decisive_unless_an_edge_or_the_end_of_a_day_may_lie_before_it() -> None:
    moments = PaymentMoments(authorized_at=MIDNIGHT, received_at=MIDNIGHT, not_before=MIDNIGHT - timedelta(seconds=2))
    assert not moments.is_decisive([], [TORONTO])
    assert moments.is_decisive([], [ZoneInfo("America/Vancouver")])
    assert moments.is_decisive([MIDNIGHT - timedelta(seconds=2)], []), "a window includes its start"
    assert not moments.is_decisive([MIDNIGHT - timedelta(seconds=1)], [])
    assert not moments.is_decisive([MIDNIGHT], []), "a window excludes its end"
    assert moments.is_decisive([MIDNIGHT + timedelta(seconds=1)], [])
    assert moments_of_charge(MIDNIGHT).is_decisive([MIDNIGHT], [TORONTO]), "the charge says it exactly"


@given(st.integers(0, 5 * 24 * 60), st.integers(0, 90), st.integers(0, 5 * 24 * 60))
def test_between_moments_that_are_alike_every_moment_has_the_same_date_and_window(start: int, minutes: int, edge: int) -> None:
    """Around the end of daylight saving time, when a day in Toronto has 25 hours."""
    begin = datetime(2026, 10, 30, 4, tzinfo=UTC)
    first, last, closes = begin + timedelta(minutes=start), begin + timedelta(minutes=start + minutes), begin + timedelta(minutes=edge)
    every = [first + timedelta(minutes=n) for n in range(minutes + 1)]
    decisions = {(moment.astimezone(TORONTO).date(), moment < closes) for moment in every}
    assert are_alike(first, last, [closes], [TORONTO]) == are_alike(last, first, [closes], [TORONTO]) == (len(decisions) == 1)


# Every route.


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The payments that are fetched at Stripe."""
    fetched: list[str] = []
    get_payment = StripePayments.get_payment

    def recorded(client: StripePayments, payment_intent: str) -> Any:
        fetched.append(payment_intent)
        return get_payment(client, payment_intent)

    monkeypatch.setattr(StripePayments, "get_payment", recorded)
    return fetched


def give(campaign: Campaign, stripe: Stripe, *, by_debit: bool = False) -> Donation:
    """A donation that is paid at Stripe, of which we have heard nothing."""
    donation = start_donation(campaign, 100_00)
    request = checkout_request(
        donation=donation.public_id, attempt_key=donation.attempt, lines=[CheckoutLine(name="Gift", cents=100_00, part=Part.GIFT)]
    )
    opened = services().stripe_payments.open_checkout(request)
    donation.checkout_id = opened.id
    db.session.commit()
    session = stored_object(stripe, opened.id)
    if by_debit:
        debits.begin_debit(stripe.account, session, name="Donor", email=None)
        debits.end_debit(stripe.account, stored_object(stripe, opened.id), succeeded=True)
    else:
        stripe.account.pay_checkout(session, "4242424242424242")
    return donation


def events_of(stripe: Stripe, donation: Donation, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """The sandbox's events about the donation, in the order of these types."""
    listed = [event for event in stripe.store.newest("event", limit=1000) if donation.public_id in str(event["data"])]
    found = {event["type"]: {name: value for name, value in event.items() if not name.startswith("sandbox")} for event in reversed(listed)}
    return [found[kind] for kind in kinds]


def set_moments(stripe: Stripe, donation: Donation, *, charged: datetime, cleared: datetime | None = None) -> None:
    """As if the payment had been made at this moment, in a checkout of five minutes, and reported some seconds later.

    A bank debit is cleared by the bank later; the checkout reports that some seconds after the payment.
    """
    session = stored_object(stripe, donation.checkout_id)
    intent = stored_object(stripe, session["payment_intent"])
    charge = stored_object(stripe, intent["latest_charge"])
    at, end = int(charged.timestamp()), int(cleared.timestamp()) if cleared else None
    created = {session["id"]: at - 300, intent["id"]: at - 1, charge["id"]: at}
    for document in (session, intent, charge):
        stripe.store.put(document | {"created": created[document["id"]]})
    reported = {
        "payment_intent.succeeded": end or at + 3,
        "checkout.session.completed": at + 4,
        "payment_intent.processing": at + 3,
        "checkout.session.async_payment_succeeded": (end or at) + 7,
    }
    for event in stripe.store.newest("event", limit=1000):
        if (subject := event["data"]["object"])["id"] in created:
            subject["created"] = created[subject["id"]]
            stripe.store.put(event | {"created": reported.get(event["type"], at)})
    for line in stripe.store.newest("balance_transaction", limit=1000):
        if line["source"] == charge["id"]:
            stripe.store.put(line | {"created": at})


def poll(stripe: Stripe, donation: Donation) -> None:
    poll_checkout_jobs.poll_checkout(donation)


def poll_events_list(stripe: Stripe, donation: Donation) -> None:
    db.session.execute(
        text("INSERT INTO stripe_cursor (list, livemode, read_until) VALUES ('events', false, '2020-01-01') ON CONFLICT DO NOTHING")
    )
    db.session.execute(text("UPDATE stripe_cursor SET read_until = '2020-01-01' WHERE list = 'events'"))
    db.session.commit()
    poll_events()
    event_jobs.handle_events()


def reconcile_all(stripe: Stripe, donation: Donation) -> None:
    reconcile(since=datetime(2020, 1, 1, tzinfo=UTC), actor="test")


def webhooks(kinds: Sequence[str]) -> Route:
    """One webhook after another."""

    def deliver(stripe: Stripe, donation: Donation) -> None:
        for event in events_of(stripe, donation, kinds):
            handle(event)

    return deliver


def at_once(kinds: Sequence[str]) -> Route:
    """All webhooks are received before the first is handled."""
    return lambda stripe, donation: handle(*events_of(stripe, donation, kinds))


OTHER_ROUTES: list[Route] = [poll, poll_events_list, reconcile_all]
CARD_ROUTES = [
    *(webhooks(order) for size in (1, 2) for order in itertools.permutations(CARD_EVENTS, size)),
    *(at_once(order) for order in itertools.permutations(CARD_EVENTS)),
    *OTHER_ROUTES,
]
DEBIT_ROUTES = [
    *(webhooks(order) for order in itertools.permutations(DEBIT_EVENTS)),
    *(webhooks(order) for order in itertools.permutations(DEBIT_EVENTS[2:], 1)),
    *(at_once(order) for order in itertools.permutations(DEBIT_EVENTS[1:])),
    *OTHER_ROUTES,
]


def in_suite(routes: list[Route]) -> list[Route]:
    """Every third route, where other cases take all of them; all in `make long`."""
    return routes if SCALE > 1 else routes[::3]


def row_of(donation: Donation) -> dict[str, Any]:
    """All that is stored of the donation, but what differs from donation to donation, with its match and the date of its receipt."""
    db.session.expire_all()
    row = {column.name: getattr(donation, column.name) for column in Donation.__table__.columns}
    for name in (
        "id",
        "public_id",
        "attempt",
        "donor_id",
        "email",
        "started_at",
        "checkout_id",
        "checkout_expires_at",
        "polled_at",
    ):
        del row[name]
    for name in ("payment_intent", "processing_at"):
        row[name] = row[name] is not None
    receipt = issue_receipt(donation)
    row |= {"matched_cents": match_of(donation.id).matched_cents, "receipt": receipt and receipt.content["received_on"]}
    db.session.rollback()
    return row


def rows_by_route(
    campaign: Campaign, stripe: Stripe, routes: Sequence[Route], *, charged: datetime, cleared: datetime | None = None
) -> list[dict[str, Any]]:
    """The donation's row by each route, and again after all that Stripe has was read."""
    rows = []
    for route in routes:
        donation = give(campaign, stripe, by_debit=cleared is not None)
        set_moments(stripe, donation, charged=charged, cleared=cleared)
        route(stripe, donation)
        decided = row_of(donation)
        poll_events_list(stripe, donation)
        sync_balance()
        rows.append(row_of(donation))
        assert [decided[name] for name in ("matched_cents", "match_limit", "receipt")] == [
            rows[-1][name] for name in ("matched_cents", "match_limit", "receipt")
        ], "decided at once, and for good"
        stripe.store.clear_events()  # Otherwise each route would read those of all before it.
    return rows


@pytest.mark.parametrize(("seconds", "matched", "dated"), [(-1, 100_00, "2025-12-31"), (0, 0, "2026-01-01")])
def test_a_card_payment_has_the_same_moments_by_every_route_and_in_every_order(
    app: Flask, campaign: Campaign, stripe: Stripe, seconds: int, matched: int, dated: str
) -> None:
    """At the end of the year in Toronto, which is also the end of the window."""
    ended = another_campaign(50_000_00, like=campaign, closes_at=MIDNIGHT)
    charged = MIDNIGHT + timedelta(seconds=seconds)
    rows = rows_by_route(ended, stripe, CARD_ROUTES if matched else in_suite(CARD_ROUTES), charged=charged)
    assert all(row == rows[0] for row in rows)
    assert (rows[0]["authorized_at"], rows[0]["received_at"]) == (charged, charged)
    assert (rows[0]["matched_cents"], rows[0]["receipt"]) == (matched, dated)
    assert rows[0]["match_limit"] == (None if matched else "closed")
    assert checker.findings(db.engine) == []


# The last second of a year, which is reported much later: the receipt, the annual receipt and the register are of that year.

YEAR_END = MIDNIGHT - timedelta(seconds=1)


def by_a_route(route: Route, *, by_debit: bool = False) -> Callable[[Flask, Campaign, Stripe], Donation]:
    """A gift that is paid at YEAR_END and found by this route. A bank debit is submitted three days before."""

    def pay_by_route(app: Flask, campaign: Campaign, stripe: Stripe) -> Donation:
        donation = give(campaign, stripe, by_debit=by_debit)
        set_moments(
            stripe, donation, charged=YEAR_END - timedelta(days=3) if by_debit else YEAR_END, cleared=YEAR_END if by_debit else None
        )
        route(stripe, donation)
        return donation

    return pay_by_route


def by_its_page(app: Flask, campaign: Campaign, stripe: Stripe) -> Donation:
    donation = give(campaign, stripe)
    set_moments(stripe, donation, charged=YEAR_END)
    assert app.test_client().get(f"/en/donations/{donation.token}").status_code == 200
    return donation


def by_accepting_a_second_payment(app: Flask, campaign: Campaign, stripe: Stripe) -> Donation:
    """The first payment is made in the year after."""
    first, twin = give(campaign, stripe), give(campaign, stripe)
    handle(*events_of(stripe, first, CARD_EVENTS))
    set_moments(stripe, twin, charged=YEAR_END)
    (reported,) = events_of(stripe, twin, CARD_EVENTS[:1])
    reported["data"]["object"]["metadata"] = {"donation": first.public_id}
    handle(reported)
    return accept_pending()


def by_accepting_another_amount(app: Flask, campaign: Campaign, stripe: Stripe) -> Donation:
    donation = give(campaign, stripe)
    set_moments(stripe, donation, charged=YEAR_END)
    (reported,) = events_of(stripe, donation, CARD_EVENTS[:1])
    reported["data"]["object"]["amount_received"] = 70_00
    handle(reported)
    return accept_pending()


def accept_pending() -> Donation:
    (waiting,) = quarantine.list_pending(limit=2)
    return quarantine_actions.accept(waiting.id, actor="manager@example.org", reason="test")


def by_a_month(app: Flask, campaign: Campaign, stripe: Stripe) -> Donation:
    """The second month of a monthly gift."""
    first = start_recurring(app, stripe, news_consent="y")
    schedule_jobs.poll_stripe()
    subscription = stripe.store.newest("subscription", limit=1)[0]["id"]
    control(stripe, f"subscriptions/{subscription}/months", outcome="paid")
    charge = stripe.store.newest("charge", limit=1)[0]
    stripe.store.put(charge | {"created": int(YEAR_END.timestamp())})
    poll_events()
    event_jobs.handle_events()
    month = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert month and month.id != first.id
    assert month.news_consent_at and month.news_consent_at == first.news_consent_at, "the donor consented once"
    return month


YEAR_END_ROUTES = [
    *map(by_a_route, (webhooks(CARD_EVENTS[::-1]), *OTHER_ROUTES)),
    by_a_route(webhooks(DEBIT_EVENTS), by_debit=True),
    *(by_its_page, by_accepting_a_second_payment, by_accepting_another_amount, by_a_month),
]


def assert_received_in_2025(donation: Donation) -> None:
    """By its receipt, by annual receipts, and by the register."""
    db.session.expire_all()
    charity = donation.campaign.charity
    before = receipt_register.totals_of(charity, calendar_year(2025)).receipted_cents
    donors.set_receipt_preference(donation.donor_id, donors.ANNUAL)
    assert [donation.id] in [list(group.donation_ids) for group in annual.groups_due(charity, 2025, limit=100)]
    donors.set_receipt_preference(donation.donor_id, donors.PER_DONATION)
    receipt = issue_receipt(donation)
    assert receipt
    assert receipt.content["received_on"] == "2025-12-31"
    assert receipt_register.totals_of(charity, calendar_year(2025)).receipted_cents == before + donation.charged_cents
    db.session.rollback()


def test_a_payment_of_the_last_second_of_a_year_is_of_that_year_by_every_route(
    app: Flask, campaign: Campaign, fund: Fund, stripe: Stripe
) -> None:
    for route in YEAR_END_ROUTES:
        donation = route(app, campaign, stripe)
        assert donation.received_at == YEAR_END, route
        assert_received_in_2025(donation)
    # The control: a route that knew only when the payment was reported.
    with pytest.raises(AssertionError):
        assert_received_in_2025(paid(campaign, 100_00))


def test_the_day_of_a_payment_ends_at_midnight_where_the_charity_is(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    cases = [
        ("America/Vancouver", datetime(2026, 1, 1, 7, 59, 59, tzinfo=UTC), "2025-12-31"),
        ("America/St_Johns", datetime(2026, 1, 1, 3, 29, 59, tzinfo=UTC), "2025-12-31"),
        ("America/St_Johns", datetime(2026, 1, 1, 3, 30, tzinfo=UTC), "2026-01-01"),
        ("America/Toronto", datetime(2026, 3, 9, 3, 59, 59, tzinfo=UTC), "2026-03-08"),  # This day has 23 hours,
        ("America/Toronto", datetime(2026, 11, 2, 4, 59, 59, tzinfo=UTC), "2026-11-01"),  # and this one 25.
    ]
    for zone, charged, day in cases:
        campaign.charity.time_zone = zone
        donation = give(campaign, stripe)
        set_moments(stripe, donation, charged=charged)
        handle(*events_of(stripe, donation, CARD_EVENTS[:1]))
        assert row_of(donation)["receipt"] == day, (zone, charged)


def last_midnight(days_ago: int) -> datetime:
    day = datetime.now(TORONTO).date() - timedelta(days=days_ago)
    return datetime(day.year, day.month, day.day, tzinfo=TORONTO)


@pytest.mark.parametrize(("seconds", "matched"), [(-1, 100_00), (0, 0)])
def test_a_bank_debit_is_judged_by_its_submission_and_dated_by_its_success(
    app: Flask, campaign: Campaign, stripe: Stripe, seconds: int, matched: int
) -> None:
    """The payment succeeds three seconds before a midnight; the checkout reports it after that midnight."""
    submitted, cleared = last_midnight(6) + timedelta(seconds=seconds), last_midnight(2) - timedelta(seconds=3)
    ended = another_campaign(50_000_00, like=campaign, closes_at=last_midnight(6))
    rows = rows_by_route(ended, stripe, in_suite(DEBIT_ROUTES), charged=submitted, cleared=cleared)
    assert all(row == rows[0] for row in rows)
    assert (rows[0]["authorized_at"], rows[0]["received_at"]) == (submitted, cleared)
    assert (rows[0]["matched_cents"], rows[0]["receipt"]) == (matched, cleared.date().isoformat())
    assert checker.findings(db.engine) == []


def test_a_test_that_ignored_the_charge_would_fail(app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: by their events alone, the routes disagree."""
    monkeypatch.setattr(PaymentMoments, "is_decisive", lambda *_: True)
    ended = another_campaign(50_000_00, like=campaign, closes_at=MIDNIGHT)
    decided = []
    for route in (poll, webhooks(CARD_EVENTS[:1])):
        donation = give(ended, stripe)
        set_moments(stripe, donation, charged=MIDNIGHT - timedelta(seconds=1))
        route(stripe, donation)
        decided.append((match_of(donation.id).matched_cents, row_of(donation)["receipt"]))
    assert decided == [(100_00, "2025-12-31"), (0, "2026-01-01")]


def test_most_payments_need_no_call(app: Flask, campaign: Campaign, stripe: Stripe, calls: list[str]) -> None:
    noon = last_midnight(2) + 12 * HOUR
    donation = give(campaign, stripe)
    set_moments(stripe, donation, charged=noon)
    handle(*events_of(stripe, donation, CARD_EVENTS))
    assert (calls, donation.authorized_at) == ([], noon + timedelta(seconds=3))
    sync_balance()
    db.session.expire_all()
    assert (calls, donation.authorized_at, donation.received_at) == ([], noon, noon), "exact once its balance transaction is read"
    near = give(campaign, stripe)
    set_moments(stripe, near, charged=last_midnight(1) - timedelta(seconds=1))
    handle(*events_of(stripe, near, CARD_EVENTS))
    assert calls == [near.payment_intent], "once"


def test_a_window_that_ends_while_an_event_is_read_sends_it_back_for_its_charge(
    app: Flask, campaign: Campaign, fund: Fund, stripe: Stripe, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    donation = give(campaign, stripe)
    charged = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2)
    set_moments(stripe, donation, charged=charged)
    events = events_of(stripe, donation, CARD_EVENTS[:1])
    events[0]["created"] += 20  # However slow the test is, the fund ends before the event.
    requests_of = charges.requests

    def end_after(read: Any) -> Any:
        """The fund ends after it was decided that no charge is needed."""
        if fund.ended_at is not None:
            return requests_of(read)
        fund_lifecycle.end(fund, actor="test", reason="test")
        db.session.commit()
        return {}

    monkeypatch.setattr(charges, "requests", end_after)
    handle(*events)
    db.session.expire_all()
    assert (donation.received_at, calls) == (None, []), "it waits for its charge"
    db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
    db.session.commit()
    event_jobs.handle_events()
    db.session.expire_all()
    assert (calls, donation.authorized_at, match_of(donation.id).matched_cents) == ([donation.payment_intent], charged, 100_00)


def test_a_payment_that_stripe_does_not_show_is_judged_by_its_event(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = give(campaign, stripe)
    set_moments(stripe, donation, charged=MIDNIGHT - timedelta(seconds=1))
    event = events_of(stripe, donation, CARD_EVENTS[:1])[0]
    event["data"]["object"]["id"] = "pi_unknown"
    handle(event)
    assert row_of(donation)["receipt"] == "2026-01-01"


# What a reconciliation and the checker find.


@pytest.mark.parametrize(("shift", "state"), [(timedelta(seconds=20), DifferenceState.REPAIRED), (30 * HOUR, DifferenceState.OPEN)])
def test_a_reconciliation_names_moments_that_differ_and_repairs_them_within_a_day(
    app: Flask, campaign: Campaign, stripe: Stripe, shift: timedelta, state: DifferenceState
) -> None:
    noon = last_midnight(3) + 12 * HOUR
    donation = give(campaign, stripe)
    set_moments(stripe, donation, charged=noon)
    handle(*events_of(stripe, donation, CARD_EVENTS))
    sync_balance()
    assert checker.findings(db.engine) == []
    db.session.execute(
        text("UPDATE donation SET authorized_at = authorized_at + :shift, received_at = received_at + :shift"), {"shift": shift}
    )
    db.session.commit()
    assert any("the charge was made at" in finding for finding in checker.findings(db.engine))
    run = reconcile(since=datetime(2020, 1, 1, tzinfo=UTC), actor="test")
    (found,) = reconciliations.findings_of(run)
    assert (found.kind, found.state) == (DifferenceKind.MOMENTS_DIFFER, state)
    assert f"was made on {noon:%Y-%m-%d %H:%M:%S} and received on {noon:%Y-%m-%d %H:%M:%S} by Stripe" in found.describe("en")
    assert f"le paiement {donation.payment_intent} a été fait le {noon:%Y-%m-%d %H:%M:%S}" in found.describe("fr")
    db.session.expire_all()
    assert (donation.authorized_at == noon) is (state == DifferenceState.REPAIRED)


def test_a_debit_whose_success_is_dated_differently_is_a_difference(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = give(campaign, stripe, by_debit=True)
    set_moments(stripe, donation, charged=last_midnight(6), cleared=last_midnight(2) + HOUR)
    handle(*events_of(stripe, donation, DEBIT_EVENTS))
    sync_balance()
    db.session.execute(text("UPDATE donation SET received_at = received_at - interval '1 day'"))
    db.session.commit()
    run = reconcile(since=datetime(2020, 1, 1, tzinfo=UTC), actor="test")
    assert [(found.kind, found.state) for found in reconciliations.findings_of(run)] == [
        (DifferenceKind.MOMENTS_DIFFER, DifferenceState.OPEN)
    ]


def test_a_match_outside_of_its_window_is_found(app: Flask, campaign: Campaign) -> None:
    ends = datetime.now(UTC) + HOUR
    donation = paid(another_campaign(50_000_00, like=campaign, closes_at=ends), 100_00)
    assert checker.findings(db.engine) == []
    db.session.execute(text("UPDATE donation SET authorized_at = :at, received_at = :at"), {"at": ends + HOUR})
    db.session.commit()
    said = f"matched 10000 cents with donation {donation.public_id}, which was paid outside of its window."
    assert [finding.endswith(said) for finding in checker.findings(db.engine) if finding.startswith("I25: fund")] == [True]


# A hold at the end of the window.


@pytest.mark.parametrize(
    ("minutes", "matched"),
    [
        (-1, 100_00),
        (31, 100_00),
        (43, 0),
    ],
)
def test_a_checkout_begun_within_the_window_may_be_finished_while_its_hold_lives(
    app: Flask, campaign: Campaign, minutes: int, matched: int
) -> None:
    """A hold lives as long as its checkout, and ten minutes more, by which Stripe's clock may differ."""
    now = datetime.now(UTC)
    ended = another_campaign(50_000_00, like=campaign, closes_at=now + timedelta(minutes=1))
    donation = start_donation(ended, 100_00)
    assert match_of(donation.id).held_cents == 100_00
    pay(donation, at=now + timedelta(minutes=minutes))
    db.session.commit()
    sums = match_of(donation.id)
    assert (sums.held_cents, sums.matched_cents, donation.match_limit) == (0, matched, None if matched else "closed")
    assert [fund.available_cents for fund in funds_of(ended.id)] == [50_000_00 - matched]
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(("minutes", "is_refused"), [(31, False), (43, True)])
def test_the_database_refuses_a_hold_that_the_payment_came_too_late_for(
    app: Flask, campaign: Campaign, minutes: int, is_refused: bool
) -> None:
    now = datetime.now(UTC)
    ended = another_campaign(50_000_00, like=campaign, closes_at=now + timedelta(minutes=1))
    donation = start_donation(ended, 100_00)
    donation.authorized_at = donation.received_at = now + timedelta(minutes=minutes)
    db.session.flush()
    (fund,) = funds_of(ended.id)
    payment = Entry(
        kind=Move.DONATION,
        source="donations",
        target="stripe",
        cents=100_00,
        campaign_id=ended.id,
        donation_id=donation.id,
        reference="gift",
        cause="test",
    )
    match = replace(payment, kind=Move.MATCH, source="held", target="matched", fund_id=fund.id, reference="match")
    with pytest.raises(IntegrityError, match="within_hold") if is_refused else contextlib.nullcontext():
        post_entries(payment, match)


# Events that can never be handled are worse than a moment that is some seconds late.


@pytest.mark.parametrize("case", ["another account", "no payment", "the payment of another gift"])
def test_an_event_near_midnight_for_which_no_charge_is_read_is_handled_all_the_same(app: Flask, campaign: Campaign, case: str) -> None:
    donation, at = start_donation(campaign, 100_00), int((last_midnight(1) + timedelta(seconds=3)).timestamp())
    reported = succeeded(donation, created=at - 10)
    if case == "no payment":
        reported = completed(donation, payment_intent=None)
        reported["data"]["object"]["created"] = at - 10
    if case == "the payment of another gift":
        pay(start_donation(campaign, 100_00), payment_intent=f"pi_{donation.public_id}")
    handle({**reported, "created": at, **({"account": "acct_other"} if case == "another account" else {})})
    assert db.session.scalars(text("SELECT done_at IS NOT NULL FROM stripe_event")).all() == [True]


@pytest.mark.parametrize("hours", [3, 96])
def test_a_reconciliation_repairs_the_seconds_of_a_debit_without_losing_its_success(
    app: Flask, campaign: Campaign, stripe: Stripe, hours: int
) -> None:
    submitted = last_midnight(6) + HOUR
    cleared = submitted + hours * HOUR
    donation = give(campaign, stripe, by_debit=True)
    set_moments(stripe, donation, charged=submitted, cleared=cleared)
    handle(*events_of(stripe, donation, DEBIT_EVENTS))
    sync_balance()
    later = text(
        "UPDATE donation SET authorized_at = authorized_at + interval '20 seconds', received_at = received_at + interval '20 seconds'"
    )
    db.session.execute(later)
    db.session.commit()
    assert any("succeeded at" in finding for finding in checker.findings(db.engine))
    run = reconcile(since=datetime(2020, 1, 1, tzinfo=UTC), actor="test")
    assert [found.state for found in reconciliations.findings_of(run)] == [DifferenceState.REPAIRED]
    db.session.expire_all()
    assert (donation.authorized_at, donation.received_at) == (submitted, cleared)
    assert checker.findings(db.engine) == []


def test_a_debit_whose_success_stripe_no_longer_lists_is_received_when_it_is_found(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each route: nobody can say any more when it succeeded, and its submission is not it."""
    monkeypatch.setattr(StripePayments, "list_successes", lambda *_: iter(()))
    submitted, received = last_midnight(6), []
    for route in (poll, reconcile_all):
        donation = give(campaign, stripe, by_debit=True)
        set_moments(stripe, donation, charged=submitted, cleared=last_midnight(2))
        route(stripe, donation)
        db.session.expire_all()
        assert donation.authorized_at == submitted
        received.append(donation.received_at)
    assert all(moment and datetime.now(UTC) - moment < timedelta(minutes=1) for moment in received)


@pytest.mark.parametrize("change", ["+ interval '10 days'", "- interval '1 day'", "- interval '20 seconds'"])
def test_the_success_of_a_debit_that_was_moved_is_found(app: Flask, campaign: Campaign, stripe: Stripe, change: str) -> None:
    donation = give(campaign, stripe, by_debit=True)
    set_moments(stripe, donation, charged=last_midnight(6), cleared=last_midnight(2) + HOUR)
    handle(*events_of(stripe, donation, DEBIT_EVENTS))
    assert checker.findings(db.engine) == []
    db.session.execute(text(f"UPDATE donation SET received_at = received_at {change}"))
    db.session.commit()
    assert any("succeeded at" in finding for finding in checker.findings(db.engine))
