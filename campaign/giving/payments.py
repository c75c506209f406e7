"""What Stripe says of the payment of a donation, and what follows from it. Hearing a thing twice changes nothing.

Each `record_` decides on a desk: it marks the donation and returns what is to be written (consequences.py).
"""

from sqlalchemy import func

from campaign.giving import quarantine
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation
from campaign.giving.healing import Healed, HealingDesk
from campaign.giving.ledger import Entry, Move
from campaign.giving.matches import Freed
from campaign.giving.outbox import Owed
from campaign.giving.quarantine import PaymentMade, QuarantinedPayment, Why


def record_payment(donation: Donation, payment: PaymentMade, desk: HealingDesk, *, cause: str) -> Consequence:
    """The gift and its match, and a receipt owed.

    A payment that is not as we made it is quarantined: no match, no receipt, staff decide (policy.md, section 2).
    """
    if donation.paid_at or donation.quarantined_at:
        return _heard_again(donation, payment)
    if why := _difference(donation, payment):
        donation.payment_intent = payment.payment_intent
        return _set_apart(donation, payment, why, desk, cause)
    donation.payment_intent = payment.payment_intent
    donation.paid_at = payment.paid_at
    return _settle(donation, desk, cause)


def _settle(donation: Donation, desk: HealingDesk, cause: str) -> Consequence:
    desk.now_nets(donation, donation.amount_cents)
    entries = [_given(donation, Move.DONATION, "donations", donation.amount_cents, cause)]
    if donation.covered_fee_cents:
        entries.append(_given(donation, Move.COVERED_FEE, "covered_fees", donation.covered_fee_cents, cause))
    entries += desk.settle(donation, cause=cause)
    desk.settled(donation)
    return Consequence(outcome="paid", entries=entries, owed=[Owed("receipt", donation)])


def _heard_again(donation: Donation, payment: PaymentMade) -> Consequence:
    if payment.payment_intent and donation.payment_intent and payment.payment_intent != donation.payment_intent:
        quarantine.keep(payment, donation, Why.SECOND)
        return Consequence(outcome=f"quarantined: a second payment of the same donation: {payment.payment_intent}")
    if donation.payment_intent is None:
        donation.payment_intent = payment.payment_intent
        if donation.quarantined_at:
            quarantine.keep(payment, donation, _difference(donation, payment) or Why.AMOUNT)
    return Consequence(outcome="known")


def record_claim(donation: Donation, payment: PaymentMade, desk: HealingDesk, *, cause: str) -> Consequence:
    """The payment names this donation, but is that of another one: whatever it is, it is not this gift."""
    if donation.paid_at or donation.quarantined_at:
        return Consequence(outcome="known")
    return _set_apart(donation, payment, Why.TAKEN, desk, cause)


def _set_apart(donation: Donation, payment: PaymentMade, why: Why, desk: HealingDesk, cause: str) -> Consequence:
    donation.quarantined_at, donation.quarantine_reason = func.now(), _in_words(donation, payment, why)
    quarantine.keep(payment, donation, why)
    return _freed(donation, desk, f"quarantined: {donation.quarantine_reason}", Freed.QUARANTINE, cause)


def _difference(donation: Donation, payment: PaymentMade) -> Why | None:
    if payment.odd:
        return payment.odd
    if payment.livemode != donation.livemode:
        return Why.MODE
    if payment.currency.upper() != donation.currency:
        return Why.CURRENCY
    return Why.AMOUNT if payment.amount_cents != donation.charged_cents else None


def _in_words(donation: Donation, payment: PaymentMade, why: Why) -> str:
    match why:
        case Why.MODE:
            return "the payment is of the other mode"
        case Why.CURRENCY:
            return f"paid in {payment.currency.upper()[:8]}, not {donation.currency}"
        case Why.ACCOUNT:
            return "the payment is of another Stripe account"
        case Why.METADATA:
            return "the payment names two donations"
        case Why.TAKEN:
            return "the payment is that of another donation"
        case _:
            return f"paid {payment.amount_cents} cents, not {donation.charged_cents}"


def accept(payment: QuarantinedPayment, donation: Donation, desk: HealingDesk, *, cause: str) -> Consequence:
    """Take a payment out of quarantine as that of the donation: what was paid is the gift, and its covered fee in proportion.

    The donation must not be paid. It is matched by what the funds have now; no promise was given for it.
    """
    assert donation.paid_at is None
    charged, paid = donation.charged_cents, payment.amount_cents
    donation.covered_fee_cents = paid * donation.covered_fee_cents // charged
    donation.amount_cents = paid - donation.covered_fee_cents
    donation.quarantined_at = donation.quarantine_reason = None
    donation.payment_intent, donation.paid_at = payment.payment_intent, payment.paid_at
    return _settle(donation, desk, cause)


def _given(donation: Donation, kind: Move, source: str, cents: int, cause: str) -> Entry:
    return Entry(
        kind=kind,
        source=source,
        target="stripe",
        cents=cents,
        campaign_id=donation.campaign_id,
        donation_id=donation.id,
        reference=f"{kind}:{donation.public_id}",
        cause=cause,
    )


def _freed(donation: Donation, desk: HealingDesk, outcome: str, freed: Freed, cause: str) -> Consequence:
    """What was held for it is free, and goes to those who wait."""
    entries = desk.release(donation, cause=cause)
    return Consequence(outcome=outcome, entries=entries).with_healed(
        desk.heal_waiting(donation.campaign_id, freed, of_donor=donation.donor_id) if entries else Healed()
    )


def record_processing(donation: Donation) -> Consequence:
    """The payment is under way and may take days: the hold stays."""
    if not donation.is_open:
        return Consequence(outcome="known")
    donation.processing_at = donation.processing_at or func.now()
    return Consequence(outcome="processing")


def record_end(donation: Donation, desk: HealingDesk, *, ended_as: str, cause: str) -> Consequence:
    """Stripe says that the payment can no longer happen: what was held is free."""
    if not donation.is_open:
        return Consequence(outcome="known")
    donation.ended_at = func.now()
    donation.ended_as = ended_as
    return _freed(donation, desk, ended_as, Freed.RELEASE, cause)


def record_failure(donation: Donation, desk: HealingDesk, *, cause: str) -> Consequence:
    """The bank said no to a payment that was under way, whether we had heard of that or not; the donor, who waited for it, is told."""
    record_processing(donation)
    is_news = donation.is_open
    ended = record_end(donation, desk, ended_as="failed", cause=cause)
    return ended.and_then(Consequence(outcome="", owed=[Owed("payment_failed", donation)])) if is_news else ended
