"""When receipts are issued, replaced and cancelled, so that each valid receipt shows what the charity retains of its donations.

`bring_up_to_date` compares the receipt with the books, not with an event: called twice, late, or after several refunds, it ends with the
same content.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from campaign.donations.donations import Donation, lock_donations
from campaign.donations.donors import wants_annual_receipt
from campaign.edges.db import db
from campaign.outbox import waiting_receipts
from campaign.payments import reversals
from campaign.receipts import awaited, completeness, contents, receipts, reported_reversals, void_requests
from campaign.receipts.contents import IssueContext, Receiptable
from campaign.receipts.receipts import SYSTEM_ACTOR, EndReason, Receipt, ReceiptIncomplete, Status
from campaign.receipts.void_requests import VoidDecision


@dataclass(frozen=True, kw_only=True)
class LifecycleResult:
    """The valid receipt after the operation, and the receipt that the operation ended; each may be None."""

    receipt: Receipt | None
    ended: Receipt | None = None


def bring_up_to_date(donation: Donation, context: IssueContext) -> LifecycleResult:
    """Issue, replace or cancel the donation's receipt so that it agrees with the books.

    A donation gets no receipt while it is unpaid, when it is fully returned, when its donor wants annual receipts, or after staff voided its
    receipt. A receipt that disagrees with the books ends in any case: when its replacement would lack an element it is cancelled, and a
    message is enqueued that waits for the element. Raises ReceiptIncomplete when a receipt is due, would lack an element, and none has to end.
    """
    locked = _lock(donation)
    report_returned(locked, context)
    receipt = receipts.receipt_of(donation.id)
    if receipt is None:
        return LifecycleResult(receipt=_issue_due(donation, locked, context))
    retained = _retained(locked)
    if {item.donation.id: item.cents for item in retained} == {line.donation_id: line.cents for line in receipts.lines_of(receipt)}:
        return LifecycleResult(receipt=receipt)
    missing = _missing_of_replacement(receipt, retained, context)
    if missing:
        receipts.end(receipt, Status.CANCELLED, EndReason.RETURNED, actor=SYSTEM_ACTOR, is_awaiting=True)
        waiting_receipts.enqueue(donation)
        return LifecycleResult(receipt=None, ended=receipt)
    return LifecycleResult(receipt=_replace(receipt, retained, context, EndReason.RETURNED, actor=SYSTEM_ACTOR), ended=receipt)


def report_returned(donations: Sequence[Donation], context: IssueContext) -> None:
    """Open the information returns that are due for what was returned of these donations after their receipts. The donations are locked."""
    for donation in donations:
        reported_reversals.bring_up_to_date(reported_reversals.donated_gift_of(donation), on=context.now)


def receiptable(donation: Donation) -> Receiptable:
    """What a receipt may show for the donation, according to the books."""
    return Receiptable(donation=donation, cents=reversals.retained_cents(donation))


def replace(donation: Donation, context: IssueContext, reason: EndReason, *, actor: str, note: str) -> LifecycleResult:
    """Replace the valid receipt by one with a new number: for a lost receipt, and for a corrected name or address.

    Without a valid receipt it does the same as `bring_up_to_date`. Raises ReceiptIncomplete, and then nothing has ended.
    """
    locked = _lock(donation)
    receipt = receipts.receipt_of(donation.id)
    if receipt is None:
        return bring_up_to_date(donation, context)
    report_returned(locked, context)
    retained = _retained(locked)
    if missing := _missing_of_replacement(receipt, retained, context):
        raise ReceiptIncomplete(missing)
    return LifecycleResult(receipt=_replace(receipt, retained, context, reason, actor=actor, note=note), ended=receipt)


def donations_without_receipt(donor_id: int) -> list[Donation]:
    """Paid donations of the donor, not fully returned, that have no receipt: none was issued, or they were reinstated after it had ended."""
    own = select(Donation).where(Donation.donor_id == donor_id, Donation.net_cents > 0, awaited.has_no_receipt())
    return list(db.session.scalars(own.order_by(Donation.id)))


def lock_sharing_donations(donation: Donation) -> list[Donation]:
    """The donation and those on the same receipt, locked in a fixed order."""
    return _lock(donation)


def void(receipt: Receipt, *, actor: str, note: str) -> None:
    """Cancel a receipt that should not have been issued. Its donations get no other receipt automatically."""
    receipts.end(receipt, Status.CANCELLED, EndReason.VOID, actor=actor, note=note)


def was_voided(receipt: Receipt) -> bool:
    """Whether staff voided the receipt."""
    ended = receipts.end_of(receipt)
    return ended is not None and ended.reason == EndReason.VOID


def _lock(donation: Donation) -> list[Donation]:
    """Lock until the receipt that was read before locking is still the valid one: it may be replaced while this waits for a lock.

    A receipt whose replacement is awaited counts as the valid one. More donations are locked only after those are released that were locked
    for the receipt before: all are locked in one order, so that two workers never wait for each other.
    """
    donation_ids: set[int] = {donation.id}
    while True:
        receipt = _receipt_to_lock(donation.id)
        donation_ids |= {line.donation_id for line in receipts.lines_of(receipt) if line.donation_id} if receipt else set()
        since = db.session.begin_nested()
        locked = lock_donations(sorted(donation_ids))
        current = _receipt_to_lock(donation.id)
        if current is None or (receipt is not None and current.id == receipt.id):
            since.commit()
            return locked
        since.rollback()


def _receipt_to_lock(donation_id: int) -> Receipt | None:
    return receipts.receipt_of(donation_id) or awaited.awaiting_receipt_of(donation_id)


def _retained(donations: Sequence[Donation]) -> list[Receiptable]:
    return [item for item in map(receiptable, donations) if item.cents]


def _issue_due(donation: Donation, locked: Sequence[Donation], context: IssueContext) -> Receipt | None:
    """Issue the receipt that an earlier one awaits, which it names (Income Tax Regulations, s. 3501(4)), or else the first one."""
    awaiting = awaited.awaiting_receipt_of(donation.id)
    if awaiting is None:
        return _issue_first(next(d for d in locked if d.id == donation.id), context)
    if retained := _retained(locked):
        return receipts.issue(retained, context, received_in=_year_of(awaiting), replaces=awaiting)
    if void_request := void_requests.lock_of_receipt(awaiting.id):  # No receipt takes it over any more.
        void_requests.close(void_request, VoidDecision.ENDED, actor=SYSTEM_ACTOR)
    return None


def _issue_first(donation: Donation, context: IssueContext) -> Receipt | None:
    item, last = receiptable(donation), receipts.last_receipt_of(donation.id)
    if item.cents == 0 or wants_annual_receipt(donation.donor_id) or (last is not None and was_voided(last)):
        return None
    receipt = receipts.issue([item], context)
    reported_reversals.record_left_out(donation, receipted_cents=item.cents)
    return receipt


def _missing_of_replacement(receipt: Receipt, retained: Sequence[Receiptable], context: IssueContext) -> list[str]:
    """What the receipt that replaces this one would lack; empty when nothing is retained, and so none is due."""
    if not retained:
        return []
    content = contents.content_of(retained, context, received_in=_year_of(receipt), replaced_serial=receipt.serial)
    donations = [item.donation for item in retained]
    charity, replaced_name = donations[0].campaign.charity, str(receipt.content["donor_name"])
    return completeness.missing_for_donations(charity, content, donations, replaced_name=replaced_name)


def _replace(
    receipt: Receipt, retained: Sequence[Receiptable], context: IssueContext, reason: EndReason, *, actor: str, note: str = ""
) -> Receipt | None:
    receipts.end(receipt, Status.REPLACED if retained else Status.CANCELLED, reason, actor=actor, note=note)
    if not retained:
        return None
    db.session.expire(receipt)
    return receipts.issue(retained, context, received_in=_year_of(receipt), replaces=receipt)


def _year_of(receipt: Receipt) -> int | None:
    """The year of an annual receipt; None for a receipt for one donation."""
    year: int | None = receipt.content.get("received_in")
    return year
