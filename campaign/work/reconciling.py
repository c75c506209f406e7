"""Comparing our books with Stripe's, object by object over a period, and repairing what differs through the path of the events.

What Stripe has and we lack comes in as an event would have brought it. What we have and Stripe lacks, or what differs in a sum that is
posted, no machine repairs: it stays open for staff.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import structlog
from sqlalchemy import select

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_api import Back, GoneBack
from campaign.edges.stripe_books import BalanceMove, PaymentNow, PayoutNow, StripeBooks
from campaign.edges.stripe_wire import StripeRefused
from campaign.giving import balance_lines, reconciliations, stripe_events
from campaign.giving.balance_lines import BalanceLine
from campaign.giving.donations import Donation
from campaign.giving.money_back import MoneyBack
from campaign.giving.payouts import Payout
from campaign.giving.quarantine import QuarantinedPayment, Why
from campaign.giving.reconciliations import Difference, Reconciliation, State
from campaign.rules.differences import Kind
from campaign.work.balance import read_balance
from campaign.work.handling import handle_events

log = structlog.get_logger()

T = TypeVar("T")

PERIOD = timedelta(days=30)
# A payment may be begun so long before it is paid.
BEGUN_BEFORE = timedelta(days=10)
ROUNDS = 3
VISIBLE_WITHIN_SECONDS = 60
A_CHUNK = 500
SUCCEEDED = "succeeded"


@dataclass
class _Comparison:
    """What one look at everything has found."""

    since: datetime
    books: StripeBooks
    compared: Counter[str] = field(default_factory=Counter)
    found: list[Difference] = field(default_factory=list)
    of_months: set[str] = field(default_factory=set)

    def add(self, kind: Kind, object_id: str, event: tuple[str, dict[str, Any]] | None = None, **detail: object) -> None:
        self.found.append(Difference(kind=kind, object_id=object_id, detail=detail, event=event))


def reconcile(*, since: datetime | None, actor: str) -> Reconciliation:
    """Compare, repair and compare again, until all agree or nothing more can be repaired. Raises StripeAway."""
    began = since or datetime.now(UTC) - PERIOD
    run = reconciliations.begin(since=began, actor=actor)
    db.session.commit()
    first = current = _compare(began)
    met = {difference.name: difference for difference in first.found}
    for _ in range(ROUNDS):
        if not current.found:
            break
        _repair(current.found)
        current = _compare(began)
        met |= {difference.name: difference for difference in current.found}
    still = {difference.name for difference in current.found}
    became = [(difference, State.OPEN if name in still else State.REPAIRED) for name, difference in met.items()]
    reconciliations.end(run, became, compared=first.compared)
    db.session.commit()
    if still:
        log.error("reconciliation.open", differences=len(still), run=run.id)
    return run


def _compare(since: datetime) -> _Comparison:
    comparison = _Comparison(since=since, books=outside().stripe_books)
    for name, compare in _PARTS.items():
        try:
            compare(comparison)
        except StripeRefused as error:
            comparison.add(Kind.NOT_LISTED, name, status=str(error)[:200])
        db.session.rollback()  # Only read; nothing stays locked or open between the parts.
    return comparison


def _chunks(listed: Iterable[T]) -> Iterator[list[T]]:
    it = iter(listed)
    while chunk := list(islice(it, A_CHUNK)):
        yield chunk


def _months(c: _Comparison) -> None:
    """Months of our monthly gifts, by their invoices; their payments name no donation themselves."""
    for chunk in _chunks(i for i in outside().stripe_monthly.paid_since(c.since - BEGUN_BEFORE) if i.donation and i.payment_intent):
        names = [invoice.payment_intent for invoice in chunk]
        ours = set(
            db.session.scalars(select(Donation.payment_intent).where(Donation.payment_intent.in_(names), Donation.paid_at.is_not(None)))
        )
        apart = set(
            db.session.scalars(
                select(QuarantinedPayment.payment_intent).where(
                    QuarantinedPayment.payment_intent.in_(names), QuarantinedPayment.why != Why.UNKNOWN
                )
            )
        )
        known = set(db.session.scalars(select(Donation.public_id).where(Donation.public_id.in_([i.donation for i in chunk]))))
        for invoice in chunk:
            c.compared["months"] += 1
            if invoice.donation in known and invoice.payment_intent not in ours | apart:
                event = {"id": invoice.stripe_id, "object": "invoice"}
                c.add(Kind.MONTH_MISSING, invoice.stripe_id, ("invoice.paid", event), theirs=invoice.cents)
                c.of_months.add(str(invoice.payment_intent))
        db.session.rollback()


def _payments(c: _Comparison) -> None:
    seen: set[str] = set()
    for chunk in _chunks(p for p in c.books.payments_since(c.since - BEGUN_BEFORE) if p.status == SUCCEEDED):
        names = [payment.stripe_id for payment in chunk]
        seen.update(names)
        ours = {d.payment_intent: d for d in db.session.scalars(select(Donation).where(Donation.payment_intent.in_(names)))}
        apart = set(db.session.scalars(select(QuarantinedPayment.payment_intent).where(QuarantinedPayment.payment_intent.in_(names))))
        for payment in chunk:
            _payment(c, payment, ours.get(payment.stripe_id), is_apart=payment.stripe_id in apart)
        db.session.rollback()
    _payments_not_there(c, seen)


def _payment(c: _Comparison, payment: PaymentNow, donation: Donation | None, *, is_apart: bool) -> None:
    c.compared["payments"] += 1
    if donation is None or donation.paid_at is None:
        if not is_apart and payment.stripe_id not in c.of_months:
            c.add(Kind.PAYMENT_MISSING, payment.stripe_id, ("payment_intent.succeeded", payment.about), theirs=payment.cents)
    elif (payment.cents, payment.currency) != (donation.charged_cents, donation.currency):
        c.add(Kind.PAYMENT_DIFFERS, payment.stripe_id, theirs=payment.cents, ours=donation.charged_cents)


def _payments_not_there(c: _Comparison, seen: set[str]) -> None:
    """Of those that Stripe's list does not have, Stripe is asked one by one: they may have been begun long before."""
    paid = select(Donation.payment_intent, Donation.amount_cents + Donation.covered_fee_cents).where(
        Donation.paid_at >= c.since, Donation.payment_intent.is_not(None)
    )
    missing = [(str(name), cents) for name, cents in db.session.execute(paid.order_by(Donation.id)) if name not in seen]
    db.session.rollback()
    for name, cents in missing:
        status = _status_of(lambda name=name: c.books.payment(name).status)  # type: ignore[misc]
        if status != SUCCEEDED:
            c.add(Kind.PAYMENT_NOT_THERE, name, ours=cents, status=status)


def _status_of(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except StripeRefused:
        return "unknown"


def _refunds(c: _Comparison) -> None:
    _went_back(c, Back.REFUND, "refund.updated", c.books.refunds_since(c.since))


def _disputes(c: _Comparison) -> None:
    _went_back(c, Back.DISPUTE, "charge.dispute.updated", c.books.disputes_since(c.since))


def _went_back(c: _Comparison, kind: Back, event_type: str, listed: Iterable[GoneBack]) -> None:
    seen: set[str] = set()
    for chunk in _chunks(one for one in listed if one.payment_intent):
        seen.update(one.id for one in chunk)
        rows = db.session.scalars(select(MoneyBack).where(MoneyBack.stripe_id.in_([one.id for one in chunk])))
        ours = {row.stripe_id: row for row in rows}
        for one in chunk:
            c.compared[f"{kind}s"] += 1
            _one_back(c, one, ours.get(one.id), event_type)
        db.session.rollback()
    _back_not_there(c, kind, seen)


def _one_back(c: _Comparison, one: GoneBack, row: MoneyBack | None, event_type: str) -> None:
    event: tuple[str, dict[str, Any]] = (event_type, {"id": one.id, "object": str(one.kind), "payment_intent": one.payment_intent})
    if row is None:
        c.add(Kind.BACK_MISSING, one.id, event, what=str(one.kind), theirs=one.cents, status=one.status)
    elif (row.cents, row.status) != (one.cents, one.status):
        c.add(
            Kind.BACK_DIFFERS,
            one.id,
            event,
            what=str(one.kind),
            theirs=one.cents,
            status=one.status,
            ours=row.cents,
            our_status=row.status,
        )


def _back_not_there(c: _Comparison, kind: Back, seen: set[str]) -> None:
    """Refunds and disputes of payments of this period that Stripe's list does not have: asked for one by one."""
    of_period = select(Donation.payment_intent).where(Donation.paid_at >= c.since)
    rows = db.session.scalars(
        select(MoneyBack).where(MoneyBack.kind == kind, MoneyBack.payment_intent.in_(of_period)).order_by(MoneyBack.id)
    )
    missing = [(row.stripe_id, row.cents) for row in rows if row.stripe_id not in seen]
    db.session.rollback()
    stripe = outside().stripe
    ask = stripe.refund if kind == Back.REFUND else stripe.dispute
    for name, cents in missing:
        if _status_of(lambda name=name: ask(name).status) == "unknown":  # type: ignore[misc]
            c.add(Kind.BACK_NOT_THERE, name, what=str(kind), ours=cents)


def _lines(c: _Comparison) -> None:
    seen: set[str] = set()
    for chunk in _chunks(c.books.moves_since(c.since)):
        seen.update(move.stripe_id for move in chunk)
        rows = db.session.scalars(select(BalanceLine).where(BalanceLine.stripe_id.in_([move.stripe_id for move in chunk])))
        ours = {row.stripe_id: row for row in rows}
        for move in chunk:
            _line(c, move, ours.get(move.stripe_id))
        db.session.rollback()
    for name, cents in db.session.execute(
        select(BalanceLine.stripe_id, BalanceLine.cents).where(BalanceLine.made_at >= c.since + timedelta(seconds=1))
    ):
        if name not in seen:
            c.add(Kind.LINE_NOT_THERE, name, ours=cents)


def _line(c: _Comparison, move: BalanceMove, row: BalanceLine | None) -> None:
    c.compared["lines of the balance"] += 1
    if row is None:
        c.add(Kind.LINE_MISSING, move.stripe_id, theirs=move.cents, fee=move.fee_cents, type=move.type)
    elif (row.cents, row.fee_cents, row.currency) != (move.cents, move.fee_cents, move.currency):
        c.add(Kind.LINE_DIFFERS, move.stripe_id, theirs=move.cents, fee=move.fee_cents, ours=row.cents, our_fee=row.fee_cents)


def _payouts(c: _Comparison) -> None:
    seen: set[str] = set()
    for now in c.books.payouts_since(c.since):
        seen.add(now.stripe_id)
        c.compared["payouts"] += 1
        _payout(c, now, db.session.scalar(select(Payout).where(Payout.stripe_id == now.stripe_id)))
    for name, cents in db.session.execute(
        select(Payout.stripe_id, Payout.cents).where(Payout.made_at >= c.since + timedelta(seconds=1)).order_by(Payout.id)
    ):
        if name not in seen:
            c.add(Kind.PAYOUT_NOT_THERE, name, ours=cents)


def _payout(c: _Comparison, now: PayoutNow, row: Payout | None) -> None:
    event: tuple[str, dict[str, Any]] = ("payout.paid", {"id": now.stripe_id, "object": "payout"})
    if row is None:
        c.add(Kind.PAYOUT_MISSING, now.stripe_id, event, theirs=now.cents, status=now.status)
    elif (row.cents, row.status) != (now.cents, now.status):
        c.add(Kind.PAYOUT_DIFFERS, now.stripe_id, event, theirs=now.cents, status=now.status, ours=row.cents, our_status=row.status)


def _balance(c: _Comparison) -> None:
    theirs, ours = c.books.balance(), balance_lines.sum_of_lines()
    for currency in sorted({*theirs, *ours}):
        c.compared["balances"] += 1
        if theirs.get(currency, 0) != ours.get(currency, 0):
            c.add(Kind.BALANCE_DIFFERS, currency, theirs=theirs.get(currency, 0), ours=ours.get(currency, 0))


_PARTS: dict[str, Callable[[_Comparison], None]] = {
    "months": _months,
    "payments": _payments,
    "refunds": _refunds,
    "disputes": _disputes,
    "lines of the balance": _lines,
    "payouts": _payouts,
    "balance": _balance,
}


def _repair(differences: Iterable[Difference]) -> None:
    """Bring in what Stripe has and we lack, and wait until it is visible, whoever handles it."""
    kept = [_keep(*difference.event) for difference in differences if difference.event]
    db.session.commit()
    read_balance()
    handle_events()
    patience = time.monotonic() + VISIBLE_WITHIN_SECONDS
    while stripe_events.any_waiting(kept) and time.monotonic() < patience:
        time.sleep(0.5)
        handle_events()
    db.session.rollback()
    read_balance()


def _keep(event_type: str, about: dict[str, Any]) -> str:
    """The event that would have told of it; a name of its own, as what changed since may have to be told again."""
    now = datetime.now(UTC)
    charge = about.get("latest_charge")
    made = charge.get("created") if isinstance(charge, dict) else None
    event = {
        "id": f"reconciled_{about['id']}_{now:%Y%m%dT%H%M%S%f}",
        "object": "event",
        "type": event_type,
        "livemode": outside().settings.stripe_livemode,
        "created": made or int(now.timestamp()),
        "data": {"object": about},
    }
    incoming = stripe_events.read_event(json.dumps(event, ensure_ascii=False, default=str).encode())
    stripe_events.keep(incoming, source="reconciliation")
    return incoming.event_id
