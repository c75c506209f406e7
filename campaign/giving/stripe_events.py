"""The inbox of Stripe's events: the raw body is kept before anything is made of it, and handled once, in any order.

Only what is needed is read from a body, so that new fields at Stripe break nothing. One bad event never holds back a batch.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Index, LargeBinary, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, aliased, mapped_column

from campaign.edges.db import Base, db
from campaign.giving import claims, consequences, donations, healing, money_back, payments
from campaign.giving.claims import Claim, Claimable
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation
from campaign.giving.healing import HealingDesk
from campaign.giving.money_back import DISPUTE, REFUND, Told
from campaign.giving.payments import PaymentMade

log = structlog.get_logger()

LONGEST_ID = 255
ACTED_ON = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.processing",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
)


class NotAnEvent(ValueError):
    """The body is signed but is no event that we could keep."""


class StripeEvent(Claimable, Base):
    """One event as it came. `subject` names the payment that it is about: events of one subject are handled in order."""

    __tablename__ = "stripe_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    subject: Mapped[str]
    livemode: Mapped[bool]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    source: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    outcome: Mapped[str | None]


Index("ix_stripe_event_waiting_subject", StripeEvent.subject, StripeEvent.id, postgresql_where=claims.waiting(StripeEvent))
Index("ix_stripe_event_waiting", StripeEvent.id, postgresql_where=claims.waiting(StripeEvent))


Index("ix_stripe_event_second_payment", StripeEvent.id, postgresql_where=StripeEvent.outcome.startswith(payments.SECOND_PAYMENT))


class StripeWatermark(Base):
    """Until when Stripe's own list of events has been read."""

    __tablename__ = "stripe_watermark"

    livemode: Mapped[bool] = mapped_column(primary_key=True)
    seen_until: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """An event that can be kept: its envelope, read from the body."""

    event_id: str
    type: str
    subject: str
    livemode: bool
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Happened:
    """A kept event as it is handled: only what is needed is read from its body."""

    event_row: int
    event_id: str
    type: str
    at: datetime
    about: dict[str, Any]

    @classmethod
    def of(cls, event: StripeEvent) -> "Happened":
        """Read the body that was kept. The time is Stripe's; ours when it gave none."""
        body = json.loads(event.body)
        created = body.get("created")
        at = datetime.fromtimestamp(created, UTC) if isinstance(created, int) else event.received_at
        return cls(event_row=event.id, event_id=event.event_id, type=event.type, at=at, about=body["data"]["object"])

    @property
    def donation_name(self) -> str | None:
        """The public id of the donation that the object names, if it names one."""
        metadata = self.about.get("metadata")
        name = metadata.get("donation") if isinstance(metadata, dict) else None
        name = name or self.about.get("client_reference_id")
        return name if isinstance(name, str) else None

    @property
    def payment_name(self) -> str | None:
        """The payment that the object is, or names."""
        name = self.about.get("id") if self.about.get("object") == "payment_intent" else self.about.get("payment_intent")
        return name if isinstance(name, str) else None

    @property
    def money_back(self) -> Told | None:
        """The refund or dispute that the event tells of; None when it tells of neither, or of one without a payment."""
        kind = {"refund": REFUND, "dispute": DISPUTE}.get(str(self.about.get("object")))
        name, intent, cents, status = (self.about.get(field) for field in ("id", "payment_intent", "amount", "status"))
        if kind is None or not (isinstance(name, str) and isinstance(intent, str) and isinstance(cents, int) and cents > 0):
            return None
        return Told(stripe_id=name, kind=kind, payment_intent=intent, cents=cents, status=str(status), as_of=self.at)

    def payment(self, amount_field: str, intent: Any) -> PaymentMade:
        """The payment that the object tells of; what it does not tell cannot be as we made it."""
        amount, currency = self.about.get(amount_field), self.about.get("currency")
        return PaymentMade(
            payment_intent=intent if isinstance(intent, str) else None,
            amount_cents=amount if isinstance(amount, int) else -1,
            currency=currency if isinstance(currency, str) else "",
            livemode=self.about.get("livemode") is True,
            paid_at=self.at,
        )


def read_event(body: bytes) -> Incoming:
    """The envelope of a signed body; raises NotAnEvent for anything that is no event of Stripe's."""
    try:
        event = json.loads(body.decode("utf-8"))
        assert isinstance(event, dict) and event.get("object") == "event"
        event_id, kind, livemode, about = event["id"], event["type"], event["livemode"], event["data"]["object"]
        assert isinstance(event_id, str) and isinstance(kind, str) and isinstance(livemode, bool) and isinstance(about, dict)
        assert 0 < len(event_id) <= LONGEST_ID and 0 < len(kind) <= LONGEST_ID
        subject = _subject(about) or event_id
        assert not any("\x00" in text for text in (event_id, kind, subject))
        (event_id + kind + subject).encode()
    except (AssertionError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotAnEvent(str(error)) from None
    return Incoming(event_id=event_id, type=kind, subject=subject[:LONGEST_ID], livemode=livemode, body=body)


def _subject(about: dict[str, Any]) -> str:
    """The donation if the object names one, else the payment, else the object itself."""
    metadata = about.get("metadata")
    named = metadata.get("donation") if isinstance(metadata, dict) else None
    for candidate in (named, about.get("payment_intent"), about.get("id")):
        if isinstance(candidate, str) and candidate:
            return candidate
    return ""


def keep(incoming: Incoming, *, source: str) -> bool:
    """Put the event in the inbox; False when it was there already."""
    return db.session.execute(_keep, {**vars(incoming), "source": source}).first() is not None


# Made once and on the bare table: this is what stands between Stripe's call and its answer.
_keep = insert(StripeEvent.__table__).on_conflict_do_nothing(index_elements=["event_id"]).returning(StripeEvent.__table__.c.id)  # type: ignore[arg-type]


def claim(*, limit: int) -> list[Claim]:
    """Take waiting events in order. One that failed before is taken alone, so that it cannot take others down with it.

    An event whose payment has an earlier one waiting is left for the next round. Commit before the work.
    """
    earlier = aliased(StripeEvent)
    is_next = (
        ~select(earlier.id).where(earlier.subject == StripeEvent.subject, earlier.id < StripeEvent.id, claims.waiting(earlier)).exists()
    )
    fresh = claims.claim(StripeEvent, limit=limit, first=StripeEvent.id, only=is_next & (StripeEvent.attempts == 0))
    return fresh or claims.claim(StripeEvent, limit=1, first=StripeEvent.id, only=is_next)


def handle(taken: Sequence[Claim]) -> int:
    """Handle claimed events in one transaction; returns how many are done. The caller commits.

    They are tried together, which is how one lock of the funds serves hundreds of gifts. If anything in that fails, it is undone, and
    each is handled by itself in a savepoint of its own, so that a bad event never holds back the good ones.
    """
    try:
        with db.session.begin_nested():
            return _handle_together(taken)
    except OperationalError:
        raise  # The connection or a lock is gone: the whole batch comes again.
    except Exception as error:
        if len(taken) > 1:
            log.warning("events.one_by_one", events=len(taken), error=type(error).__name__)
            return sum(handle([claim]) for claim in taken)
        return _failed(taken[0], error)


def _failed(claim: Claim, error: Exception) -> int:
    is_dead = claims.fail(StripeEvent, claim, error=f"{type(error).__name__}: {error}"[:500])
    (log.error if is_dead else log.warning)("event.dead" if is_dead else "event.failed", row=claim.id, exc_info=error)
    return 0


def _handle_together(taken: Sequence[Claim]) -> int:
    events = list(db.session.scalars(select(StripeEvent).where(StripeEvent.id.in_([c.id for c in taken])).order_by(StripeEvent.id)))
    happened = [Happened.of(event) for event in events]
    by_name = donations.donations_by_public_id([h.donation_name for h in happened if h.donation_name])
    told = {h.event_row: h.money_back for h in happened if h.type in ACTED_ON and h.money_back}
    by_payment = donations.donations_by_payment([t.payment_intent for t in told.values()]) if told else {}
    known = {d.id: d for d in (*by_name.values(), *by_payment.values())}
    desk = healing.open_desk(sorted({d.campaign_id for d in known.values()}), list(known))
    payments_named = {h.payment_name for h in happened if h.payment_name and h.type in ACTED_ON}
    money_back.lock_payments(payments_named)
    with_back = money_back.payments_with_money_back(sorted(payments_named))
    paid_meanwhile = donations.donations_by_payment([t.payment_intent for t in told.values() if t.payment_intent not in by_payment])
    decided: list[Consequence] = []
    outcomes = {}
    for what in happened:
        if what.event_row in told and told[what.event_row].payment_intent in paid_meanwhile.keys() - {
            d.payment_intent for d in known.values()
        }:
            continue  # Its donation is not on this desk: the event comes again.
        donation = by_name.get(what.donation_name or "")
        if what.event_row in told:
            back = told[what.event_row]
            with_back.add(back.payment_intent)
            consequence = money_back.record(back, by_payment.get(back.payment_intent) or _paid_by(known, back), desk, cause=what.event_id)
        elif what.type not in ACTED_ON:
            consequence = Consequence(outcome=f"ignored: {what.type[:80]} is not acted on")
        elif donation is None:
            consequence = Consequence(outcome="ignored: not one of our donations")
        else:
            consequence = _decide(what, donation, desk)
            if donation.payment_intent in with_back:
                consequence = money_back.after_payment(consequence, donation, desk, cause=what.event_id)
        decided.append(consequence)
        outcomes[what.event_row] = consequence.outcome
    consequences.carry_out(desk, decided)
    for claim in (c for c in taken if c.id not in outcomes):
        claims.postpone(StripeEvent, claim, seconds=1, reason="its payment was settled at the same time")
    return claims.finish_all(StripeEvent, [c for c in taken if c.id in outcomes], outcomes)


def _paid_by(known: dict[int, Donation], back: Told) -> Donation | None:
    """The donation that an event before this one in the batch has tied to the payment."""
    return next((d for d in known.values() if d.payment_intent == back.payment_intent), None)


def _decide(what: Happened, donation: Donation, desk: HealingDesk) -> Consequence:
    about, cause = what.about, what.event_id
    match what.type:
        case "checkout.session.completed" if about.get("payment_status") != "paid":
            return payments.record_processing(donation)
        case "checkout.session.completed" | "checkout.session.async_payment_succeeded":
            return payments.record_payment(donation, what.payment("amount_total", about.get("payment_intent")), desk, cause=cause)
        case "payment_intent.succeeded":
            return payments.record_payment(donation, what.payment("amount_received", about.get("id")), desk, cause=cause)
        case "payment_intent.processing":
            return payments.record_processing(donation)
    if donation.checkout_id not in {None, about.get("id")}:
        return Consequence(outcome="ignored: not the checkout that the donor has")
    ended_as = "expired" if what.type == "checkout.session.expired" else "failed"
    return payments.record_end(donation, desk, ended_as=ended_as, cause=cause)


def watermark(*, livemode: bool) -> datetime | None:
    """Until when Stripe's own list has been read; None when it never was."""
    return db.session.scalar(select(StripeWatermark.seen_until).where(StripeWatermark.livemode == livemode))


def move_watermark(*, livemode: bool, seen_until: datetime) -> None:
    """Stripe's own list has been read until this moment; never moves back."""
    db.session.execute(
        insert(StripeWatermark)
        .values(livemode=livemode, seen_until=seen_until)
        .on_conflict_do_update(
            index_elements=[StripeWatermark.livemode],
            set_={"seen_until": func.greatest(StripeWatermark.seen_until, seen_until)},
        )
    )


def waiting_events() -> int:
    """How many are still to be handled."""
    return db.session.scalar(select(func.count()).select_from(StripeEvent).where(claims.waiting(StripeEvent))) or 0


def is_behind() -> bool:
    """Whether an event that nobody has tried yet waits for longer than a second."""
    late = select(StripeEvent.id).where(
        claims.waiting(StripeEvent), StripeEvent.attempts == 0, StripeEvent.received_at < func.now() - timedelta(seconds=1)
    )
    return db.session.scalar(late.limit(1)) is not None


def second_payments() -> int:
    """How many payments came for donations that were paid already: staff must give them back."""
    return db.session.scalar(select(func.count()).where(StripeEvent.outcome.startswith(payments.SECOND_PAYMENT))) or 0


def dead_events() -> int:
    """How many could not be handled: staff must look."""
    return db.session.scalar(select(func.count()).where(StripeEvent.dead_at.is_not(None))) or 0
