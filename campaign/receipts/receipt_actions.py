"""Actions of donors and staff on receipts: complete details, request a copy, correct, replace, void, choose a preference, close a return.

Each action commits once, together with its audit row, and wakes the mail worker when it enqueues an e-mail.
"""

from collections.abc import Mapping

from campaign.donations import donors
from campaign.donations.donations import PERSON_FIELDS, Donation, lock_donations
from campaign.donations.donors import PER_DONATION
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import deliveries, messages, waiting_receipts
from campaign.outbox.messages import MessageKind, NewMessage
from campaign.receipts import awaited, information_returns, lifecycle, receipts, void_requests
from campaign.receipts.receipts import EndReason, Receipt, ReceiptIncomplete
from campaign.receipts.render_jobs import issue_context
from campaign.receipts.void_requests import VoidRequest
from campaign.recurring import contacts
from campaign.recurring.contacts import Scope
from campaign.staff import audit
from campaign.texts.action_errors import ActionError

MAX_COPIES_PER_DAY = 3


class ReceiptActionRefused(Exception):
    """The action is not possible; `refusal` says why."""

    def __init__(self, refusal: ActionError) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


def complete_details(donation: Donation, person: Mapping[str, str]) -> None:
    """Store the name and address that the donor's receipt lacked, and send the receipt.

    Raises ReceiptActionRefused when a receipt was issued already.
    """
    db.session.refresh(donation, with_for_update={"key_share": True})
    if not awaited.is_due(donation.id):
        db.session.rollback()
        raise ReceiptActionRefused(ActionError.RECEIPT_IS_ISSUED)
    changed = _update_person(donation, person)
    audit.record("the donor", "completed their address", donation.public_id, fields=changed)
    messages.enqueue_now(NewMessage(MessageKind.RECEIPT, donation))
    waiting_receipts.wake_of(donation)
    db.session.commit()
    services().waker.wake("mail")


def request_copy(donation: Donation) -> bool:
    """Send the donor their receipt again. Returns False when they reached MAX_COPIES_PER_DAY."""
    lock_donations([donation.id])  # Requests at the same time are counted one after the other.
    if messages.count_recent(donation, MessageKind.RECEIPT_COPY, hours=24) >= MAX_COPIES_PER_DAY:
        return False
    messages.enqueue_receipt_copy(donation)
    db.session.commit()
    services().waker.wake("mail")
    return True


def resend(donation: Donation, *, actor: str) -> None:
    """Send the receipt again, the same bytes in a new e-mail. Raises ReceiptActionRefused when there is no valid receipt."""
    receipt = receipts.receipt_of(donation.id)
    if receipt is None:
        raise ReceiptActionRefused(ActionError.NO_RECEIPT)
    audit.record(actor, "sent the receipt again", donation.public_id, serial=receipt.serial)
    messages.enqueue_receipt_copy(donation)
    deliveries.resolve_bounces(donation.id)
    db.session.commit()
    services().waker.wake("mail")


def correct_details(
    donation: Donation, person: Mapping[str, str], *, actor: str, reason: str, scope: Scope = Scope.THIS_GIFT
) -> Receipt | None:
    """Correct the name or address: of the donation and those on the same receipt, which is replaced; of later months; or both.

    Returns the receipt that replaces another, or is issued at last; None when it waits for something else. Raises ReceiptActionRefused when
    nothing changed, and ReceiptIncomplete when the receipt that replaces a valid one would lack something: then nothing has changed.
    """
    later = contacts.running_gifts_like(donation) if scope.is_for_later else []  # By the name before it is corrected.
    sharing = lifecycle.lock_sharing_donations(donation) if scope.is_for_this_gift else []
    changed = sorted({field for one in sharing for field in _update_person(one, person)})
    changed_later = contacts.change_person(later, person)
    if not changed and not changed_later:
        db.session.rollback()
        raise ReceiptActionRefused(ActionError.NOTHING_CHANGED)
    fields = sorted({*changed, *changed_later})
    audit.record(actor, "corrected name or address", donation.public_id, fields=fields, scope=scope, reason=reason)
    if not changed:
        db.session.commit()
        return None
    return _replace(donation, EndReason.CORRECTED, actor=actor, note=reason)


def replace_lost(donation: Donation, *, actor: str, reason: str) -> Receipt | None:
    """Replace a lost receipt by one with a new number. Raises ReceiptActionRefused when there is no valid receipt, and ReceiptIncomplete."""
    if receipts.receipt_of(donation.id) is None:
        raise ReceiptActionRefused(ActionError.NO_RECEIPT)
    audit.record(actor, "replaced a lost receipt", donation.public_id, reason=reason)
    return _replace(donation, EndReason.LOST, actor=actor, note=reason)


def _replace(donation: Donation, end_reason: EndReason, *, actor: str, note: str) -> Receipt | None:
    has_receipt = receipts.receipt_of(donation.id) is not None
    issued = None
    try:
        with db.session.begin_nested():
            issued = lifecycle.replace(donation, issue_context(), end_reason, actor=actor, note=note).receipt
    except ReceiptIncomplete:
        if has_receipt:
            db.session.rollback()
            raise
    if not waiting_receipts.wake_of(donation) and issued is not None:
        messages.enqueue_receipt_copy(donation)
    db.session.commit()
    services().waker.wake("mail")
    return issued


def request_void(receipt: Receipt, *, actor: str, reason: str) -> None:
    """Request that a receipt be voided; a second person must agree.

    Raises ReceiptActionRefused when the receipt has ended, or a request is open already.
    """
    if receipts.end_of(receipt) is not None:
        raise ReceiptActionRefused(ActionError.NO_RECEIPT)
    if void_requests.open_for(receipt) is not None:
        raise ReceiptActionRefused(ActionError.VOID_IS_REQUESTED)
    void_requests.create(receipt, actor=actor, reason=reason)
    audit.record(actor, "asked to void a receipt", receipt.serial, reason=reason)
    db.session.commit()


def decide_void(request: VoidRequest, *, agrees: bool, actor: str) -> None:
    """Agree to a void request, or refuse it. The requester may refuse their own request, which withdraws it, but may not agree to it.

    Raises ReceiptActionRefused.
    """
    locked = void_requests.lock(request.id)
    if locked is None:
        raise ReceiptActionRefused(ActionError.VOID_IS_DECIDED)
    if agrees and locked.requested_by.casefold() == actor.casefold():
        raise ReceiptActionRefused(ActionError.ANOTHER_PERSON)
    receipt = db.session.get_one(Receipt, locked.receipt_id)
    if agrees and receipts.end_of(receipt) is not None:
        raise ReceiptActionRefused(ActionError.NO_RECEIPT)
    void_requests.decide(locked, agrees=agrees, actor=actor)
    audit.record(actor, "agreed to void a receipt" if agrees else "refused to void a receipt", receipt.serial)
    if agrees:
        lifecycle.void(receipt, actor=actor, note=locked.reason)
        if first := receipts.lines_of(receipt)[0].donation_id:
            messages.enqueue_receipt_copy(db.session.get_one(Donation, first))
    db.session.commit()
    services().waker.wake("mail")


def choose_preference(donation: Donation, choice: str) -> bool:
    """Set whether the donor gets a receipt for each donation or one for the year. Returns False when the preference is unchanged.

    Donations that waited for the annual receipt get their receipts now when the donor chooses one for each donation.
    """
    if not donors.set_receipt_preference(donation.donor_id, choice):
        db.session.rollback()
        return False
    audit.record("the donor", "chose receipts", donation.public_id, choice=choice)
    messages.enqueue_now(
        NewMessage(
            MessageKind.RECEIPT_CHOICE_CHANGED,
            donation,
            f"{donation.public_id}:{messages.count_all(donation, MessageKind.RECEIPT_CHOICE_CHANGED)}",
        )
    )
    if choice == PER_DONATION:
        for waiting in lifecycle.donations_without_receipt(donation.donor_id):
            messages.enqueue_receipt_copy(waiting)
    db.session.commit()
    services().waker.wake("mail")
    return True


def close_return(task_id: int, *, actor: str, note: str) -> bool:
    """Close an information return as filed or not needed. Returns False when it was closed already."""
    task = information_returns.close(task_id, actor=actor, note=note)
    if task is not None:
        audit.record(actor, "closed an information return", f"information return {task_id}", note=note)
    db.session.commit()
    return task is not None


def reopen_return(task_id: int, *, actor: str) -> bool:
    """Reopen an information return that was closed. Returns False when it is not closed."""
    task = information_returns.reopen(task_id)
    if task is not None:
        audit.record(actor, "reopened an information return", f"information return {task_id}")
    db.session.commit()
    return task is not None


def _update_person(donation: Donation, person: Mapping[str, str]) -> list[str]:
    """Update the name and address. Returns the names of the fields that changed: the audit trail holds no personal data."""
    changed = [field for field in PERSON_FIELDS if field in person and getattr(donation, field) != person[field]]
    for field in changed:
        setattr(donation, field, person[field])
    db.session.flush()
    return changed
