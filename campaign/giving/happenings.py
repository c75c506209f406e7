"""What Stripe's events tell, and what the books make of it: a batch is decided together and written together.

Only what is needed is read from a body, so that new fields at Stripe break nothing. One bad event never holds back a batch. Of a payment
the event itself tells enough; that of a refund or dispute is a reason to look at Stripe how that stands now.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import reduce
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from campaign.edges.db import db
from campaign.giving import claims, consequences, donations, healing, money_back, payments, payouts, quarantine
from campaign.giving.claims import Claim
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation
from campaign.giving.healing import HealingDesk
from campaign.giving.money_back import Told
from campaign.giving.payouts import PayoutTold
from campaign.giving.quarantine import PaymentMade, Why
from campaign.giving.stripe_events import StripeEvent

log = structlog.get_logger()

# These are answered by a look at Stripe.
LOOKED_AT = (
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "payout.paid",
    "payout.failed",
)
ACTED_ON = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.processing",
    *LOOKED_AT,
)
# What these tell is told by others as well, which say more.
NOTED = {
    "payment_intent.payment_failed": "noted: the checkout stays open, or says itself how it ended",
    "payment_intent.canceled": "noted: the checkout says itself how it ended",
}
LONGEST_NAME = 255
LATEST_SECOND = 2**33
MOST_CENTS = 10**12


class About(StrEnum):
    """What is to be looked at: one refund, all refunds of a payment, one dispute, one payout."""

    REFUND = "refund"
    REFUNDS_OF = "refunds of"
    DISPUTE = "dispute"
    PAYOUT = "payout"


@dataclass(frozen=True)
class Question:
    """What an event makes us ask Stripe."""

    about: About
    name: str


# What one look has seen.
Seen = Told | PayoutTold


@dataclass(frozen=True, kw_only=True)
class Happened:
    """A kept event as it is handled: only what is needed is read from its body."""

    event_row: int
    event_id: str
    type: str
    at: datetime
    about: dict[str, Any]

    @classmethod
    def of(cls, event_row: int, event_id: str, kind: str, kept: bytes, received_at: datetime) -> "Happened":
        """Read the body that was kept. The time is Stripe's; ours when it gave none."""
        body = json.loads(kept)
        created = _number(body.get("created"), below=LATEST_SECOND)
        at = received_at if created is None else datetime.fromtimestamp(created, UTC)
        return cls(event_row=event_row, event_id=event_id, type=kind, at=at, about=body["data"]["object"])

    @property
    def donation_name(self) -> str | None:
        """The public id of the donation that the object names, if it names one."""
        metadata = self.about.get("metadata")
        name = metadata.get("donation") if isinstance(metadata, dict) else None
        return _name(name) or _name(self.about.get("client_reference_id"))

    @property
    def payment_name(self) -> str | None:
        """The payment that the object is, or names."""
        return _name(self.about.get("id") if self.about.get("object") == "payment_intent" else self.about.get("payment_intent"))

    @property
    def question(self) -> Question | None:
        """What to look at because of the event; None when it tells all, or names nothing that could be looked at."""
        if self.type not in LOOKED_AT:
            return None
        kind, name = str(self.about.get("object")), _name(self.about.get("id"))
        if kind == "charge":
            kind, name = About.REFUNDS_OF, self.payment_name
        return Question(About(kind), name) if name and kind in set(About) else None

    @property
    def payment_made(self) -> PaymentMade | None:
        """The payment that the event says has succeeded; what it does not tell of it cannot be as we made it."""
        about = self.about
        match self.type:
            case "checkout.session.completed" if about.get("payment_status") == "paid":
                amount, intent = about.get("amount_total"), about.get("payment_intent")
            case "checkout.session.async_payment_succeeded":
                amount, intent = about.get("amount_total"), about.get("payment_intent")
            case "payment_intent.succeeded":
                amount, intent = about.get("amount_received"), about.get("id")
            case _:
                return None
        cents = _number(amount, below=MOST_CENTS)
        return PaymentMade(
            payment_intent=_name(intent),
            amount_cents=-1 if cents is None else cents,
            currency=_name(about.get("currency")) or "",
            livemode=about.get("livemode") is True,
            paid_at=self.at,
        )


def _name(value: object) -> str | None:
    """A name that the database can hold; None for anything else."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or "\x00" in value:
        return None
    return None if any("\ud800" <= c <= "\udfff" for c in value) else value


def _number(value: object, *, below: int) -> int | None:
    """A whole number that is not negative, nor beyond all reason."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below else None


def questions(taken: Sequence[Claim]) -> dict[int, Question]:
    """What to ask Stripe before these events are handled, by the number of the event."""
    asked = {h.event_row: h.question for h in _happened([claim.id for claim in taken], only=LOOKED_AT)}
    return {row: question for row, question in asked.items() if question}


def handle(taken: Sequence[Claim], seen: Mapping[int, Sequence[Seen]]) -> int:
    """Handle claimed events in one transaction; returns how many are done. The caller commits.

    `seen` is what Stripe has answered to the question of each event. They are tried together, which is how one lock of the funds serves
    hundreds of gifts. If anything in that fails, it is undone, and each is handled by itself in a savepoint of its own, so that a bad
    event never holds back the good ones.
    """
    try:
        with db.session.begin_nested():
            return _handle_together(taken, seen)
    except OperationalError:
        raise  # The connection or a lock is gone: the whole batch comes again.
    except Exception as error:
        if len(taken) > 1:
            log.warning("events.one_by_one", events=len(taken), error=type(error).__name__)
            return sum(handle([claim], seen) for claim in taken)
        return failed(taken[0], error)


def failed(claim: Claim, error: Exception) -> int:
    """It could not be handled: again later, or dead. None is done."""
    is_dead = claims.fail(StripeEvent, claim, error=f"{type(error).__name__}: {error}"[:500])
    (log.error if is_dead else log.warning)("event.dead" if is_dead else "event.failed", row=claim.id, exc_info=error)
    return 0


def _handle_together(taken: Sequence[Claim], seen: Mapping[int, Sequence[Seen]]) -> int:
    happened = _happened([claim.id for claim in taken])
    told = [one for h in happened for one in seen.get(h.event_row, ()) if isinstance(one, Told)]
    desk = _desk_for(happened, told)
    by_name = {donation.public_id: donation for donation in desk.donations.values()}
    payments_named = {h.payment_name for h in happened if h.payment_name and h.type in ACTED_ON} | {one.payment_intent for one in told}
    money_back.lock_payments(payments_named)
    with_back = money_back.payments_with_money_back(sorted(payments_named))
    missed = _paid_meanwhile(told, desk)
    payers = _payers(happened)
    decided: dict[int, Consequence] = {}
    for what in happened:
        answers, donation = seen.get(what.event_row, ()), by_name.get(what.donation_name or "")
        if what.type not in LOOKED_AT:
            decided[what.event_row] = _decide(what, donation, desk, payers, with_back)
        elif not missed.intersection(payments_of := {one.payment_intent for one in answers if isinstance(one, Told)}):
            with_back |= payments_of
            decided[what.event_row] = _follow_look(answers, desk, cause=what.event_id)
    consequences.carry_out(desk, list(decided.values()))
    if with_back:
        quarantine.follow_refunds(with_back)
    for claim in (c for c in taken if c.id not in decided):
        claims.postpone(StripeEvent, claim, seconds=1, reason="its payment was settled at the same time")
    outcomes = {row: consequence.outcome for row, consequence in decided.items()}
    return claims.finish_all(StripeEvent, [c for c in taken if c.id in decided], outcomes)


def _happened(event_rows: Sequence[int], only: Sequence[str] = ()) -> list[Happened]:
    e = StripeEvent
    rows = select(e.id, e.event_id, e.type, e.body, e.received_at).where(e.id.in_(event_rows)).order_by(e.id)
    return [Happened.of(*row) for row in db.session.execute(rows.where(e.type.in_(only)) if only else rows)]


def _desk_for(happened: Sequence[Happened], told: Iterable[Told]) -> HealingDesk:
    """A desk with every donation that these events are about, as far as they can be known."""
    names, intents = [h.donation_name for h in happened if h.donation_name], [back.payment_intent for back in told]
    found = donations.named(names, intents)
    return healing.open_desk(sorted({row.campaign_id for row in found}), [row.id for row in found])


def _paid_meanwhile(told: Collection[Told], desk: HealingDesk) -> set[str]:
    """Payments whose donation became known while we waited for the locks: it is not on this desk, so what is told of them comes again."""
    found = donations.named([], [back.payment_intent for back in told]) if told else []
    return {row.payment_intent for row in found if row.id not in desk.donations}


def _follow_look(answers: Sequence[Seen], desk: HealingDesk, *, cause: str) -> Consequence:
    """What one look has seen of a payment, or of a payout."""
    each = [
        Consequence(outcome=payouts.record(one))
        if isinstance(one, PayoutTold)
        else money_back.record(one, _paid_by(one, desk), desk, cause=cause)
        for one in answers
    ]
    return reduce(Consequence.and_then, each) if each else Consequence(outcome="ignored: names nothing that could be looked at")


def _paid_by(back: Told, desk: HealingDesk) -> Donation | None:
    """The donation that the payment is tied to, maybe by an event before this one in the batch."""
    return next((d for d in desk.donations.values() if d.payment_intent == back.payment_intent), None)


def _payers(happened: Sequence[Happened]) -> dict[str, int]:
    """The donation that each of these payments is tied to already."""
    made = {payment.payment_intent for h in happened if (payment := h.payment_made) and payment.payment_intent}
    return {row.payment_intent: row.id for row in donations.named([], sorted(made)) if row.payment_intent} if made else {}


def _decide(
    what: Happened, donation: Donation | None, desk: HealingDesk, payers: dict[str, int], with_back: Collection[str]
) -> Consequence:
    if what.type in NOTED:
        return Consequence(outcome=NOTED[what.type])
    if what.type not in ACTED_ON:
        return Consequence(outcome=f"ignored: {what.type[:80]} is not acted on")
    made = what.payment_made
    if donation is None:
        return _of_nobody(made, payers)
    consequence = _pay(made, donation, desk, payers, cause=what.event_id) if made else _follow(what, donation, desk)
    if donation.payment_intent in with_back:
        return money_back.after_payment(consequence, donation, desk, cause=what.event_id)
    return consequence


def _of_nobody(made: PaymentMade | None, payers: Mapping[str, int]) -> Consequence:
    """A payment that names no donation of ours: kept, unless we know it without being told."""
    if made is None or not made.payment_intent:
        return Consequence(outcome="ignored: not one of our donations")
    if made.payment_intent in payers:
        return Consequence(outcome="known")
    quarantine.keep(made, None, Why.UNKNOWN)
    return Consequence(outcome="quarantined: a payment that no donation of ours asked for")


def _pay(made: PaymentMade, donation: Donation, desk: HealingDesk, payers: dict[str, int], *, cause: str) -> Consequence:
    if made.payment_intent and payers.setdefault(made.payment_intent, donation.id) != donation.id:
        return payments.record_claim(donation, made, desk, cause=cause)
    return payments.record_payment(donation, made, desk, cause=cause)


def _follow(what: Happened, donation: Donation, desk: HealingDesk) -> Consequence:
    if what.type in {"checkout.session.completed", "payment_intent.processing"}:
        return payments.record_processing(donation)
    if donation.checkout_id not in {None, _name(what.about.get("id"))}:
        return Consequence(outcome="ignored: not the checkout that the donor has")
    if what.type == "checkout.session.expired":
        return payments.record_end(donation, desk, ended_as="expired", cause=what.event_id)
    return payments.record_failure(donation, desk, cause=what.event_id)
