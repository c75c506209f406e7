"""Actions of donors and staff on receipts: complete details, request a copy, correct, replace, void, choose a preference.

Each action commits once, together with its audit row, and wakes the mail worker when it enqueues an e-mail.
"""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from campaign.donations import declarations, donors
from campaign.donations.declarations import How, Statement
from campaign.donations.donations import Donation, latest_with_email, lock_donations
from campaign.donations.donors import PER_DONATION
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import deliveries, messages, waiting_receipts
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.payments.reversals import Reversal
from campaign.receipts import awaited, lifecycle, name_changes, receipts, void_requests
from campaign.receipts.name_changes import Person
from campaign.receipts.receipts import EndReason, Receipt, ReceiptIncomplete
from campaign.receipts.render_jobs import issue_context
from campaign.receipts.void_requests import VoidRequest
from campaign.recurring import contact_changes, contacts
from campaign.recurring.contacts import Scope
from campaign.recurring.recurring_gifts import RecurringGift, recurring_gift_of
from campaign.staff import audit, two_people
from campaign.texts.action_errors import ActionError, ActionRefused

MAX_COPIES_PER_DAY = 3


def complete_details(donation: Donation, person: Person, *, statement: Statement | None = None) -> None:
    """Store the name and address that the donor's receipt lacked, with what they declare about the organization, and send the receipt.

    Months of the same monthly gift that wait for the same get it too, and all gifts that are to be on the same receipt, unless the donor declares
    something of this one. Raises ActionRefused when a receipt was issued already.
    """
    waiting, later = _lock_waiting(donation, with_all_on_receipt=statement is None)
    before = contact_changes.contacts_of([*waiting, *later])
    changed = {field for one in waiting for field in name_changes.update_person(one, person)}
    changed |= set(contacts.change_person(later, person))
    entry = audit.record("the donor", "completed their address", donation.public_id, fields=sorted(changed))
    contact_changes.record_changes(before, entry)
    _finish_details(donation, waiting, statement)


def record_declaration(donation: Donation, name: str, statement: Statement) -> None:
    """Record that the money is that of the organization with this name, and send the receipts that waited for it.

    Raises ActionRefused when a receipt was issued already, or the organization has another name by now.
    """
    waiting, later = _lock_waiting(donation)
    if donation.organization != name:
        db.session.rollback()
        raise ActionRefused(ActionError.NAME_HAS_CHANGED)
    for one in waiting:
        one.in_own_name = False
    for gift in later:
        gift.in_own_name = False
    _finish_details(donation, waiting, statement)


def _lock_waiting(donation: Donation, *, with_all_on_receipt: bool = False) -> tuple[list[Donation], list[RecurringGift]]:
    """The donation, months of the same monthly gift without a receipt under the same names, and the gift if its later months have these too.

    If asked, also whatever is on the receipt whose replacement the donation awaits: only under one name can it be on one receipt again.
    """
    gift = recurring_gift_of(donation)
    months = [d.id for d in lifecycle.donations_without_receipt(donation.donor_id) if gift and d.recurring_gift_id == gift.id]
    awaiting = awaited.awaiting_receipt_of(donation.id)
    lines = receipts.lines_of(awaiting) if awaiting and with_all_on_receipt else []
    sharing = {line.donation_id for line in lines if line.donation_id}
    locked = lock_donations(sorted({donation.id, *months, *sharing}))
    if not awaited.is_due(donation):
        db.session.rollback()
        raise ActionRefused(ActionError.RECEIPT_IS_ISSUED)
    waiting = [one for one in locked if one.names == donation.names or one.id in sharing]
    return waiting, [gift] if gift and gift.names == donation.names else []


def _finish_details(donation: Donation, waiting: list[Donation], statement: Statement | None) -> None:
    if statement is not None:
        declarations.record(statement, [contacts.first_month_of(donation)], donation.organization)
        audit.record("the donor", "declared whose money it is", donation.public_id, how=statement.how)
    messages.enqueue_now(*(NewMessage(MessageKind.RECEIPT, one) for one in waiting))
    for one in waiting:
        waiting_receipts.wake_of(one)
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
    """Send the receipt again, the same bytes in a new e-mail. Raises ActionRefused without a valid receipt or an address."""
    receipt = receipts.receipt_of(donation.id)
    if receipt is None or not donation.email:
        raise ActionRefused(ActionError.NO_EMAIL if receipt else ActionError.NO_RECEIPT)
    audit.record(actor, "sent the receipt again", donation.public_id, serial=receipt.serial)
    messages.enqueue_receipt_copy(donation)
    deliveries.resolve_bounces(donation.id)
    db.session.commit()
    services().waker.wake("mail")


def correct_details(
    donation: Donation,
    person: Person,
    *,
    actor: str,
    reason: str,
    scope: Scope = Scope.THIS_GIFT,
    is_same_donor: bool = False,
    statement: Statement | None = None,
    version: str | None = None,
) -> Receipt | None:
    """Correct the name or address: of the donation and those on the same receipt, which is replaced; of later months; or both.

    A name changes for the same donor, or because the money is somebody else's: then with the donor's statement, which may also come alone.
    Returns the receipt that replaces another, or is issued at last; None when it waits for something else. Raises ActionRefused when
    nothing changed or nothing says why the name did, ContactHasChanged when somebody else has changed them since they had this `version`, and
    ReceiptIncomplete when the receipt that replaces a valid one would lack something: then nothing has changed.
    """
    locked = lifecycle.lock_sharing_donations(donation)
    later = contacts.lock_running_gifts_like(donation)  # By the name before it is corrected.
    contact_changes.check_version(version, contact_changes.version_of_person(donation, later), donation)
    sharing, later = locked if scope.is_for_this_gift else [], later if scope.is_for_later else []
    bearers, before = name_changes.bearers_of(sharing, later), contact_changes.contacts_of([*sharing, *later])
    changed = {field for one in sharing for field in name_changes.update_person(one, person)}
    changed_later = contacts.change_person(later, person)
    refusal = name_changes.why_refused(bearers, is_same_donor=is_same_donor, statement=statement)
    if not changed and not changed_later and statement is None:
        refusal = ActionError.NOTHING_CHANGED
    if refusal is not None:
        db.session.rollback()
        raise ActionRefused(refusal)
    fields = sorted({*changed, *changed_later})
    entry = audit.record(actor, "corrected name or address", donation.public_id, fields=fields, scope=scope, reason=reason)
    contact_changes.record_changes(before, entry)
    if statement is None:
        name_changes.extend_declarations(bearers, actor=actor, reason=reason)
    else:
        name_changes.record_statement(bearers, statement)
        audit.record(actor, "recorded a declaration", donation.public_id, how=statement.how, has_document=bool(statement.document))
    if changed:
        return _replace(donation, EndReason.CORRECTED, actor=actor, note=reason)
    _send_waiting(donation)
    return None


def _send_waiting(donation: Donation) -> None:
    """Send the receipt if it was not issued before: what it waited for may be there now."""
    if donation.received_at is not None and awaited.is_due(donation):
        messages.enqueue_now(NewMessage(MessageKind.RECEIPT, donation))
        waiting_receipts.wake_of(donation)
    db.session.commit()
    services().waker.wake("mail")


def replace_lost(donation: Donation, *, actor: str, reason: str) -> Receipt | None:
    """Replace a lost receipt by one with a new number. Raises ActionRefused when there is no valid receipt, and ReceiptIncomplete."""
    if receipts.receipt_of(donation.id) is None:
        raise ActionRefused(ActionError.NO_RECEIPT)
    audit.record(actor, "replaced a lost receipt", donation.public_id, reason=reason)
    return _replace(donation, EndReason.LOST, actor=actor, note=reason)


def _has_moved_since_seal(donation: Donation) -> bool:
    """Whether money of the donation moved at Stripe after its campaign was sealed: the books do not say what the charity retains."""
    r = Reversal
    differs = select(r.id).where(r.payment_intent == donation.payment_intent, r.reversed_cents != r.posted_cents)
    return donation.campaign.sealed_at is not None and db.session.scalar(differs.limit(1)) is not None


def _replace(donation: Donation, end_reason: EndReason, *, actor: str, note: str) -> Receipt | None:
    if _has_moved_since_seal(donation):
        db.session.rollback()
        raise ActionRefused(ActionError.MOVED_SINCE_SEAL)
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

    Raises ActionRefused when the receipt has ended, or a request is open already.
    """
    if receipts.end_of(receipt) is not None:
        raise ActionRefused(ActionError.NO_RECEIPT)
    if void_requests.open_for(receipt.id) is not None:
        raise ActionRefused(ActionError.VOID_IS_REQUESTED)
    try:
        void_requests.create(receipt.id, actor=actor, reason=reason)
    except IntegrityError as error:  # Somebody else asked at this moment.
        db.session.rollback()
        raise ActionRefused(ActionError.VOID_IS_REQUESTED) from error
    audit.record(actor, "asked to void a receipt", receipt.serial, of_charity=receipt.charity_id, reason=reason)
    db.session.commit()


@two_people.roll_back_if_refused()
def decide_void(request: VoidRequest, *, agrees: bool, actor: str) -> None:
    """Agree to a void request, or refuse it. The requester may refuse their own request, which withdraws it, but may not agree to it.

    `actor` is the address of a manager or administrator. Raises ActionRefused.
    """
    locked = two_people.lock_open(VoidRequest, request.id)
    if locked is None:
        raise ActionRefused(ActionError.VOID_IS_DECIDED)
    member = two_people.get_decider(locked, actor, agrees=agrees)
    receipt = db.session.get_one(Receipt, locked.receipt_id)
    if agrees and receipts.end_of(receipt) is not None:
        raise ActionRefused(ActionError.NO_RECEIPT)
    two_people.decide(locked, agrees=agrees, actor=member.email)
    action = "agreed to void a receipt" if agrees else "refused to void a receipt"
    audit.record(member.email, action, receipt.serial, of_charity=receipt.charity_id)
    if agrees:
        try:
            lifecycle.void(receipt, actor=member.email, note=locked.reason)
        except IntegrityError as error:  # A refund or a correction ended it at this moment.
            raise ActionRefused(ActionError.NO_RECEIPT) from error
        _notify_of_void(receipt)
    db.session.commit()
    services().waker.wake("mail")


def _notify_of_void(receipt: Receipt) -> None:
    first = receipts.lines_of(receipt)[0]
    if first.donation_id:
        messages.enqueue_receipt_copy(db.session.get_one(Donation, first.donation_id))
    if first.funder_payment_id:
        messages.enqueue_payment_news(first.funder_payment_id)


def choose_preference(donation: Donation, choice: str) -> bool:
    """Set whether the donor gets a receipt for each donation or one for the year. Returns False when the preference is unchanged.

    Donations that waited for the annual receipt get their receipts now when the donor chooses one for each donation.
    """
    if not donors.set_receipt_preference(donation.donor_id, choice):
        db.session.rollback()
        return False
    audit.record("the donor", "chose receipts", donation.public_id, choice=choice)
    _finish_choice(donation.donor_id, choice, donation)
    return True


def choose_preference_for(donor_id: int, choice: str, *, how: How, actor: str) -> bool:
    """As `choose_preference`, by staff, whom the donor has asked in this way. The donor is notified by email if they have an address."""
    if not donors.set_receipt_preference(donor_id, choice):
        db.session.rollback()
        return False
    audit.record(actor, "chose receipts for a donor", f"donor {donor_id}", choice=choice, how=how)
    _finish_choice(donor_id, choice, latest_with_email(donor_id))
    return True


def _finish_choice(donor_id: int, choice: str, notified_of: Donation | None) -> None:
    if notified_of is not None:
        number = messages.count_all(notified_of, MessageKind.RECEIPT_CHOICE_CHANGED)
        messages.enqueue(NewMessage(MessageKind.RECEIPT_CHOICE_CHANGED, notified_of, f"{notified_of.public_id}:{number}"))
    if choice == PER_DONATION:
        for waiting in lifecycle.donations_without_receipt(donor_id):
            messages.enqueue_receipt_copy(waiting)
    db.session.commit()
    services().waker.wake("mail")
