"""What donors and staff ask of receipts: the address that one lacked, one more copy, another in place of a wrong or lost one, its end.

Doors: each act is one transaction with its audit row, and wakes whoever sends the mail.
"""

from collections.abc import Mapping

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import audit, donors, mails, outbox, receipting, receipts, returned_gifts, void_requests
from campaign.giving.donations import PERSON_FIELDS, Donation
from campaign.giving.donors import EACH
from campaign.giving.outbox import Owed
from campaign.giving.receipts import Because, CannotIssue, Receipt
from campaign.giving.void_requests import VoidRequest
from campaign.rules.refusals import Refusal
from campaign.work.documents import issuing

COPIES_A_DAY = 3


class CannotDo(Exception):
    """What was asked for cannot be; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


def complete(donation: Donation, person: Mapping[str, str]) -> None:
    """The donor gives the name and address that their receipt lacked; it goes out at once. Raises CannotDo once one was issued."""
    db.session.refresh(donation, with_for_update={"key_share": True})
    if receipts.last_receipt_of(donation.id) is not None:
        db.session.rollback()
        raise CannotDo(Refusal.RECEIPT_IS_ISSUED)
    changed = _write(donation, person)
    audit.record("the donor", "completed their address", donation.public_id, fields=changed)
    outbox.owe_now(Owed("receipt", donation))
    db.session.commit()
    outside().waker.wake("mail")


def ask_again(donation: Donation) -> bool:
    """The donor asks for their receipt by mail once more; False when they have asked often enough for a day."""
    if outbox.owed_lately(donation, outbox.RECEIPT_AGAIN, hours=24) >= COPIES_A_DAY:
        return False
    outbox.owe_copy(donation)
    db.session.commit()
    outside().waker.wake("mail")
    return True


def send_again(donation: Donation, *, actor: str) -> None:
    """Staff send the receipt once more: the same bytes in a new mail. Raises CannotDo when there is none."""
    receipt = receipts.receipt_of(donation.id)
    if receipt is None:
        raise CannotDo(Refusal.NO_RECEIPT)
    audit.record(actor, "sent the receipt again", donation.public_id, serial=receipt.serial)
    outbox.owe_copy(donation)
    mails.settle_bounces(donation.id)
    db.session.commit()
    outside().waker.wake("mail")


def correct(donation: Donation, person: Mapping[str, str], *, actor: str, reason: str) -> Receipt | None:
    """Another name or address: kept for the donation, and the receipt that stands is replaced. Raises CannotDo, CannotIssue."""
    changed = [field for one in receipting.sharing(donation) for field in _write(one, person)]
    if not changed:
        raise CannotDo(Refusal.NOTHING_CHANGED)
    audit.record(actor, "corrected name or address", donation.public_id, fields=sorted(set(changed)), reason=reason)
    return _replaced(donation, Because.CORRECTED, actor=actor, reason=reason)


def replace_lost(donation: Donation, *, actor: str, reason: str) -> Receipt | None:
    """A receipt with a new number in place of one that is lost. Raises CannotDo, CannotIssue."""
    if receipts.receipt_of(donation.id) is None:
        raise CannotDo(Refusal.NO_RECEIPT)
    audit.record(actor, "replaced a lost receipt", donation.public_id, reason=reason)
    return _replaced(donation, Because.LOST, actor=actor, reason=reason)


def _replaced(donation: Donation, because: Because, *, actor: str, reason: str) -> Receipt | None:
    try:
        settled = receipting.replace(donation, issuing(), because, actor=actor, note=reason)
    except CannotIssue:
        db.session.rollback()
        raise
    if settled.receipt is not None:
        outbox.owe_copy(donation)
    db.session.commit()
    outside().waker.wake("mail")
    return settled.receipt


def ask_to_void(receipt: Receipt, *, actor: str, reason: str) -> None:
    """The first of two people: the receipt should never have been issued. Raises CannotDo when it does not stand."""
    if receipts.end_of(receipt) is not None:
        raise CannotDo(Refusal.NO_RECEIPT)
    if void_requests.open_for(receipt) is not None:
        raise CannotDo(Refusal.DECIDED)
    void_requests.ask(receipt, actor=actor, reason=reason)
    audit.record(actor, "asked to void a receipt", receipt.serial, reason=reason)
    db.session.commit()


def decide_void(request: VoidRequest, *, agrees: bool, actor: str) -> None:
    """The second of two people agrees or refuses; whoever asked may only take it back. Raises CannotDo."""
    locked = void_requests.lock(request.id)
    if locked is None:
        raise CannotDo(Refusal.DECIDED)
    if agrees and locked.asked_by.casefold() == actor.casefold():
        raise CannotDo(Refusal.ANOTHER_PERSON)
    receipt = db.session.get_one(Receipt, locked.receipt_id)
    if agrees and receipts.end_of(receipt) is not None:
        raise CannotDo(Refusal.NO_RECEIPT)
    void_requests.decide(locked, agrees=agrees, actor=actor)
    audit.record(actor, "agreed to void a receipt" if agrees else "refused to void a receipt", receipt.serial)
    if agrees:
        receipting.void(receipt, actor=actor, note=locked.reason)
        if first := receipts.gifts_on(receipt)[0].donation_id:
            outbox.owe_copy(db.session.get_one(Donation, first))
    db.session.commit()
    outside().waker.wake("mail")


def choose(donation: Donation, choice: str) -> bool:
    """The donor wishes a receipt for each gift, or one for the year; gifts that waited for the year's get theirs now. False: as before."""
    if not donors.choose_receipts(donation.donor_id, choice):
        db.session.rollback()
        return False
    audit.record("the donor", "chose receipts", donation.public_id, choice=choice)
    if choice == EACH:
        for waiting in receipting.without_receipt(donation.donor_id):
            outbox.owe_copy(waiting)
    db.session.commit()
    outside().waker.wake("mail")
    return True


def file_return(task_id: int, *, actor: str, note: str) -> bool:
    """The information return about a returned gift was filed, or is not needed; False when somebody said so before."""
    task = returned_gifts.finish(task_id, actor=actor, note=note)
    if task is not None:
        audit.record(actor, "settled a returned gift", f"returned gift {task_id}", note=note)
    db.session.commit()
    return task is not None


def reopen_return(task_id: int, *, actor: str) -> bool:
    """It was not filed after all."""
    task = returned_gifts.reopen(task_id)
    if task is not None:
        audit.record(actor, "reopened a returned gift", f"returned gift {task_id}")
    db.session.commit()
    return task is not None


def _write(donation: Donation, person: Mapping[str, str]) -> list[str]:
    """Put name and address down; the names of the fields that changed, for the audit trail, which holds no personal data."""
    changed = [field for field in PERSON_FIELDS if field in person and getattr(donation, field) != person[field]]
    for field in changed:
        setattr(donation, field, person[field])
    db.session.flush()
    return changed
