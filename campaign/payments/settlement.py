"""Settlement: what a Stripe event about the payment of a donation leads to. Recording the same event twice changes nothing.

Each `record_` function decides in a match session: it updates the donation and returns the effects to apply (matching/effects.py).
"""

from sqlalchemy import func

from campaign.donations.donations import Donation
from campaign.ledger.entries import Entry
from campaign.ledger.moves import Move
from campaign.matching.effects import Effects
from campaign.matching.holds import FreedBy
from campaign.matching.rematching import Rematched, RematchingSession
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.payments import moments, quarantine
from campaign.payments.alerts import Alert, AlertKind, raise_alert
from campaign.payments.quarantine import Anomaly, QuarantinedPayment, SucceededPayment
from campaign.payments.unpaid_holds import Holders
from campaign.rules.payment_moments import moments_of_charge

# The accounts at which the money of a donation arrives.
AT_STRIPE, AT_BANK = "stripe", "bank"
# How a donation that was not paid has ended.
EXPIRED = "expired"
FAILED = "failed"


def record_payment(donation: Donation, payment: SucceededPayment, session: RematchingSession, *, cause: str) -> Effects:
    """A payment has succeeded: post the donation and its match, and enqueue its receipt.

    A payment that differs from the checkout is quarantined: no match and no receipt until staff decide (policy.md, section 2).
    """
    if donation.received_at or donation.quarantined_at:
        return _handle_repeat(donation, payment, session)
    if anomaly := _anomaly_of(donation, payment):
        donation.payment_intent = payment.payment_intent
        return _quarantine(donation, payment, anomaly, session, cause)
    donation.payment_intent = payment.payment_intent
    donation.authorized_at, donation.received_at = payment.moments.authorized_at, payment.moments.received_at
    record_method(donation, is_debit=payment.is_debit)
    return post_payment(donation, session, cause)


def record_method(donation: Donation, *, is_debit: bool | None) -> None:
    """Write whether the payment is a bank debit, by its charge: a debit that fails may be followed by a card. None changes nothing."""
    if is_debit:
        donation.processing_at = donation.processing_at or func.now()
    elif is_debit is not None:
        donation.processing_at = None


def post_payment(donation: Donation, session: RematchingSession, cause: str, *, account: str = AT_STRIPE) -> Effects:
    """The effects of a donation that is paid now, whose money arrives in this account: it is posted and matched, and its receipt is due."""
    session.set_net(donation, donation.amount_cents)
    entries = [_entry(donation, Move.DONATION, "donations", account, donation.amount_cents, cause)]
    if donation.covered_fee_cents:
        entries.append(_entry(donation, Move.COVERED_FEE, "covered_fees", account, donation.covered_fee_cents, cause))
    matched = session.match_paid(donation, cause=cause)
    session.join_queue(donation)
    effects = Effects(outcome="paid", entries=[*entries, *matched], messages=[NewMessage(MessageKind.RECEIPT, donation)])
    if any(entry.kind == Move.RELEASE for entry in matched):
        effects = effects.with_rematched(session.rematch_freed(donation.campaign_id, FreedBy.RELEASE, of_donor=donation.donor_id))
    return effects


def _handle_repeat(donation: Donation, payment: SucceededPayment, session: RematchingSession) -> Effects:
    if payment.payment_intent and donation.payment_intent and payment.payment_intent != donation.payment_intent:
        quarantine.quarantine_payment(payment, donation, Anomaly.SEALED if donation.campaign.sealed_at else Anomaly.SECOND)
        return Effects(outcome=f"quarantined: a second payment of the same donation: {payment.payment_intent}")
    if donation.payment_intent is None:
        donation.payment_intent = payment.payment_intent
        if donation.quarantined_at:
            quarantine.quarantine_payment(payment, donation, _anomaly_of(donation, payment) or Anomaly.AMOUNT)
    if donation.received_at and payment.payment_intent:
        record_method(donation, is_debit=payment.is_debit)
    if donation.authorized_at and payment.moments.is_of_charge:
        moments.make_exact(donation, payment.moments, session.window_edges(donation.campaign_id))
    elif donation.authorized_at and donation.is_debit and payment.succeeded_at:
        # A checkout reports a bank debit a little later than the payment does: the payment's report counts, in any order.
        succeeded = moments_of_charge(donation.authorized_at, succeeded_at=payment.succeeded_at)
        moments.make_exact(donation, succeeded, session.window_edges(donation.campaign_id))
    return Effects(outcome="known")


def record_conflicting_payment(donation: Donation, payment: SucceededPayment, session: RematchingSession, *, cause: str) -> Effects:
    """The payment names this donation but already belongs to another one: quarantine it, and end the hold of this donation."""
    if donation.received_at or donation.quarantined_at:
        return Effects(outcome="known")
    return _quarantine(donation, payment, Anomaly.CONFLICT, session, cause)


def _quarantine(donation: Donation, payment: SucceededPayment, anomaly: Anomaly, session: RematchingSession, cause: str) -> Effects:
    donation.quarantined_at, donation.quarantine_reason = func.now(), _describe_anomaly(donation, payment, anomaly)
    quarantine.quarantine_payment(payment, donation, anomaly)
    return _release_hold(donation, session, f"quarantined: {donation.quarantine_reason}", FreedBy.QUARANTINE, cause)


def _anomaly_of(donation: Donation, payment: SucceededPayment) -> Anomaly | None:
    if donation.campaign.sealed_at:
        return Anomaly.SEALED
    if payment.anomaly:
        return payment.anomaly
    if payment.livemode != donation.livemode:
        return Anomaly.MODE
    if payment.currency.upper() != donation.currency:
        return Anomaly.CURRENCY
    return Anomaly.AMOUNT if payment.amount_cents != donation.charged_cents else None


def _describe_anomaly(donation: Donation, payment: SucceededPayment, anomaly: Anomaly) -> str:
    match anomaly:
        case Anomaly.MODE:
            return "the payment was made in the other mode"
        case Anomaly.CURRENCY:
            return f"paid in {payment.currency.upper()[:8]}, not {donation.currency}"
        case Anomaly.ACCOUNT:
            return "the payment belongs to another Stripe account"
        case Anomaly.METADATA:
            return "the payment names two donations"
        case Anomaly.LINES:
            return "the invoice does not say what is gift and what is covered fee"
        case Anomaly.CONFLICT:
            return "the payment belongs to another donation"
        case Anomaly.SEALED:
            return "the campaign was sealed before"
        case _:
            return f"paid {payment.amount_cents} cents, not {donation.charged_cents}"


def accept(
    payment: QuarantinedPayment, donation: Donation, session: RematchingSession, *, covered_fee_cents: int | None, cause: str
) -> Effects:
    """Settle a payment in quarantine as that of the donation, of which this part is covered fee, by default in proportion.

    The donation must not be paid. Its match is its hold, if it has one, and what the funds have now.
    """
    assert donation.received_at is None
    paid = payment.amount_cents
    donation.covered_fee_cents = covered_fee_in(payment, donation) if covered_fee_cents is None else covered_fee_cents
    donation.amount_cents = paid - donation.covered_fee_cents
    donation.quarantined_at = donation.quarantine_reason = None
    donation.payment_intent = payment.payment_intent
    donation.authorized_at, donation.received_at = payment.authorized_at, payment.received_at
    record_method(donation, is_debit=payment.is_debit)
    return post_payment(donation, session, cause)


def covered_fee_in(payment: QuarantinedPayment, donation: Donation) -> int:
    """The part of a payment that is covered fee when it has the proportions of the donation, in cents."""
    return payment.amount_cents * donation.covered_fee_cents // donation.charged_cents


def _entry(donation: Donation, kind: Move, source: str, target: str, cents: int, cause: str) -> Entry:
    return Entry(
        kind=kind,
        source=source,
        target=target,
        cents=cents,
        campaign_id=donation.campaign_id,
        donation_id=donation.id,
        reference=f"{kind}:{donation.public_id}",
        cause=cause,
    )


def _release_hold(donation: Donation, session: RematchingSession, outcome: str, freed: FreedBy, cause: str) -> Effects:
    """Release the hold of the donation and rematch what it frees with the queued donations."""
    entries = session.release(donation, cause=cause)
    return Effects(outcome=outcome, entries=entries).with_rematched(
        session.rematch_freed(donation.campaign_id, freed, of_donor=donation.donor_id) if entries else Rematched()
    )


def record_processing(donation: Donation, session: RematchingSession, *, cause: str) -> Effects:
    """A verified bank debit is processing, which may take days. Its hold stays; without one, it gets what may be held now."""
    if not donation.is_open:
        return Effects(outcome="known")
    record_method(donation, is_debit=True)
    if not donation.campaign.holds_match or session.holds(donation):
        return Effects(outcome="processing")
    quote = session.hold_quote(donation, donation.campaign.hold_bounds, Holders(donation.campaign, [donation], session).of(donation))
    return Effects(outcome="processing", entries=session.hold(donation, quote, cause=cause))


def record_unverified(donation: Donation, session: RematchingSession, *, cause: str) -> Effects:
    """The donor chose a bank debit that is not verified, which takes days and may never be: it holds nothing meanwhile (policy.md, section 2a)."""
    if not donation.is_open or donation.is_debit or donation.unverified_at:
        return Effects(outcome="known")
    donation.unverified_at = func.now()
    return _release_hold(donation, session, "a bank debit waits for its verification", FreedBy.RELEASE, cause)


def record_end(donation: Donation, session: RematchingSession, *, ended_as: str, cause: str) -> Effects:
    """The payment can no longer succeed: end the donation as `expired` or `failed`, and release its hold."""
    if not donation.is_open:
        return Effects(outcome="known")
    donation.ended_at = func.now()
    donation.ended_as = ended_as
    return _release_hold(donation, session, ended_as, FreedBy.RELEASE, cause)


def record_failure(donation: Donation, session: RematchingSession, *, cause: str) -> Effects:
    """The bank refused the payment, whether or not it was recorded as processing: end the donation and notify the donor once.

    Staff decide about a payment that had succeeded before.
    """
    if donation.received_at and donation.payment_intent:
        raise_alert(Alert(kind=AlertKind.FAILED_AFTER_SUCCESS, object_id=donation.payment_intent, donation_id=donation.id, detail={}))
        return Effects(outcome="known as paid: staff are alerted")
    was_open = donation.is_open
    if was_open:  # A card that fails leaves the checkout open.
        record_method(donation, is_debit=True)
    ended = record_end(donation, session, ended_as=FAILED, cause=cause)
    return ended.combined_with(Effects(outcome="", messages=[NewMessage(MessageKind.PAYMENT_FAILED, donation)])) if was_open else ended
