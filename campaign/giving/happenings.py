"""What Stripe's events make of the books: a batch is decided together and written together. One bad event never holds back a batch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from campaign.edges.db import db
from campaign.giving import claims, consequences, donations, healing, money_back, monthly, payments, payouts, quarantine
from campaign.giving.claims import Claim
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation
from campaign.giving.happened import ACTED_ON, LOOKED_AT, NOTED, Happened, Question, name_in
from campaign.giving.healing import HealingDesk
from campaign.giving.money_back import Told
from campaign.giving.monthly import InvoiceTold, SubscriptionTold
from campaign.giving.outbox import Owed
from campaign.giving.payouts import PayoutTold
from campaign.giving.quarantine import PaymentMade, Why
from campaign.giving.stripe_events import StripeEvent

log = structlog.get_logger()

# What one look has seen.
Seen = Told | PayoutTold | InvoiceTold | SubscriptionTold
NOTHING_TO_LOOK_AT = Consequence(outcome="ignored: names nothing that could be looked at")


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
    answers = [one for h in happened for one in seen.get(h.event_row, ())]
    told = [one for one in answers if isinstance(one, Told)]
    months = {one.now.stripe_id: name for one in answers if isinstance(one, InvoiceTold) and (name := monthly.donation_for(one.now))}
    desk = _desk_for(happened, told, months.values())
    by_name = {donation.public_id: donation for donation in desk.donations.values()}
    payers = _payers(happened, answers)
    payments_named = {h.payment_name for h in happened if h.payment_name and h.type in ACTED_ON}
    payments_named |= {one.payment_intent for one in told} | _paid_by_invoice(answers)
    money_back.lock_payments(payments_named)
    with_back = money_back.payments_with_money_back(sorted(payments_named))
    missed = _paid_meanwhile(told, desk)
    decided: dict[int, Consequence] = {}
    for what in happened:
        if what.type not in LOOKED_AT:
            decided[what.event_row] = _decide(what, by_name.get(what.donation_name or ""), desk, payers, with_back)
            continue
        of_payments = {one.payment_intent for one in seen.get(what.event_row, ()) if isinstance(one, Told)}
        if not missed.intersection(of_payments):
            with_back |= of_payments
            each = [_follow_look(one, desk, months, by_name, payers, with_back, what.event_id) for one in seen.get(what.event_row, ())]
            decided[what.event_row] = reduce(Consequence.and_then, each) if each else NOTHING_TO_LOOK_AT
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


def _desk_for(happened: Sequence[Happened], told: Iterable[Told], months: Iterable[str]) -> HealingDesk:
    """A desk with every donation that these events are about, as far as they can be known."""
    names, intents = [h.donation_name for h in happened if h.donation_name], [back.payment_intent for back in told]
    found = donations.named([*names, *months], intents)
    return healing.open_desk(sorted({row.campaign_id for row in found}), [row.id for row in found])


def _paid_by_invoice(answers: Iterable[Seen]) -> set[str]:
    return {made.payment_intent for one in answers if isinstance(one, InvoiceTold) and (made := one.payment) and made.payment_intent}


def _paid_meanwhile(told: Collection[Told], desk: HealingDesk) -> set[str]:
    """Payments whose donation became known while we waited for the locks: it is not on this desk, so what is told of them comes again."""
    found = donations.named([], [back.payment_intent for back in told]) if told else []
    return {row.payment_intent for row in found if row.id not in desk.donations}


def _follow_look(
    one: Seen,
    desk: HealingDesk,
    months: Mapping[str, str],
    by_name: Mapping[str, Donation],
    payers: dict[str, int],
    with_back: Collection[str],
    cause: str,
) -> Consequence:
    """What one look has seen of a refund or dispute, a payout, a month's invoice, or what is given each month."""
    match one:
        case Told():
            return money_back.record(one, _paid_by(one, desk), desk, cause=cause)
        case PayoutTold():
            return Consequence(outcome=payouts.record(one))
        case InvoiceTold():
            return _follow_invoice(one, by_name.get(months.get(one.now.stripe_id, "")), desk, payers, with_back, cause)
        case SubscriptionTold():
            outcome, ended = monthly.record(one)
            return Consequence(outcome=outcome, owed=[Owed("monthly_stopped", ended)] if ended else [])


def _follow_invoice(
    told: InvoiceTold, donation: Donation | None, desk: HealingDesk, payers: dict[str, int], with_back: Collection[str], cause: str
) -> Consequence:
    """A month that was paid is a donation; of one that was not, the donor is told once."""
    made = told.payment
    if made is None:
        return monthly.not_paid(told)
    if donation is None:
        return _of_nobody(made, payers)
    monthly.belongs(donation, told.now)
    consequence = _pay(made, donation, desk, payers, cause=cause)
    quarantine.claimed(made, donation)
    if donation.payment_intent in with_back:
        return money_back.after_payment(consequence, donation, desk, cause=cause)
    return consequence


def _paid_by(back: Told, desk: HealingDesk) -> Donation | None:
    """The donation that the payment is tied to, maybe by an event before this one in the batch."""
    return next((d for d in desk.donations.values() if d.payment_intent == back.payment_intent), None)


def _payers(happened: Sequence[Happened], answers: Iterable[Seen]) -> dict[str, int]:
    """The donation that each of these payments is tied to already."""
    made = {payment.payment_intent for h in happened if (payment := h.payment_made) and payment.payment_intent} | _paid_by_invoice(answers)
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
    if donation.checkout_id not in {None, name_in(what.about.get("id"))}:
        return Consequence(outcome="ignored: not the checkout that the donor has")
    if what.type == "checkout.session.expired":
        return payments.record_end(donation, desk, ended_as="expired", cause=what.event_id)
    return payments.record_failure(donation, desk, cause=what.event_id)
