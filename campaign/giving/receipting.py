"""When receipts are issued, replaced and cancelled: so that they say what the charity keeps of each gift, and nothing else.

`settle` looks at the books, not at what happened: asked twice, late, or after several refunds, it ends in the same receipts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select

from campaign.edges.db import db
from campaign.giving import money_back, receipts, returned_gifts
from campaign.giving.donations import Donation, lock_donations
from campaign.giving.donors import wants_yearly
from campaign.giving.receipts import Because, Issuing, Kept, Receipt, ReceiptGift, Status

BOOKS = "the books"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The receipt that stands now, and the one that was ended for it."""

    receipt: Receipt | None
    ended: Receipt | None = None


def settle(donation: Donation, how: Issuing) -> Settled:
    """Bring the donation's receipt in line with the books; raises CannotIssue when one is due that would lack something.

    What is not paid, was returned in whole, waits for the receipt of the year, or had its receipt voided by staff gets none.
    """
    locked = _lock(donation)
    receipt = receipts.receipt_of(donation.id)
    if receipt is None:
        own = next(d for d in locked if d.id == donation.id)
        return Settled(receipt=_first(own, how))
    wanted = [k for k in map(kept, locked) if k.cents]
    if {k.donation.id: k.cents for k in wanted} == {g.donation_id: g.cents for g in receipts.gifts_on(receipt)}:
        return Settled(receipt=receipt)
    return Settled(receipt=_replace(receipt, wanted, how, Because.RETURNED, actor=BOOKS), ended=receipt)


def kept(donation: Donation) -> Kept:
    """What of the donation may stand on a receipt, by the books."""
    return Kept(donation=donation, cents=money_back.kept_of(donation))


def replace(donation: Donation, how: Issuing, because: Because, *, actor: str, note: str) -> Settled:
    """A receipt with a new number for what stands in the books now, in place of the one that stands; raises CannotIssue.

    For a receipt that is lost, and for a name or address that was corrected.
    """
    locked = _lock(donation)
    receipt = receipts.receipt_of(donation.id)
    if receipt is None:
        return settle(donation, how)
    wanted = [k for k in map(kept, locked) if k.cents]
    return Settled(receipt=_replace(receipt, wanted, how, because, actor=actor, note=note), ended=receipt)


def without_receipt(donor_id: int) -> list[Donation]:
    """Paid gifts of the donor for which no receipt was ever issued."""
    ever = exists().where(ReceiptGift.donation_id == Donation.id)
    return list(
        db.session.scalars(select(Donation).where(Donation.donor_id == donor_id, Donation.net_cents > 0, ~ever).order_by(Donation.id))
    )


def sharing(donation: Donation) -> list[Donation]:
    """The donation and those on the same receipt, locked."""
    return _lock(donation)


def void(receipt: Receipt, *, actor: str, note: str) -> None:
    """Cancel a receipt that should never have been; its gifts get no other by themselves."""
    receipts.end(receipt, Status.CANCELLED, Because.VOID, actor=actor, note=note)


def _lock(donation: Donation) -> list[Donation]:
    """The donation and those that share its receipt, locked in one order."""
    wanted: set[int] = {donation.id}
    while True:
        receipt = receipts.receipt_of(donation.id)
        wanted |= {gift.donation_id for gift in receipts.gifts_on(receipt) if gift.donation_id} if receipt else set()
        locked = lock_donations(sorted(wanted))
        again = receipts.receipt_of(donation.id)
        if again is None or (receipt is not None and again.id == receipt.id):
            return locked


def _first(donation: Donation, how: Issuing) -> Receipt | None:
    own, last = kept(donation), receipts.last_receipt_of(donation.id)
    if own.cents == 0 or wants_yearly(donation.donor_id) or (last is not None and _was_voided(last)):
        return None
    return receipts.issue([own], how)


def _was_voided(receipt: Receipt) -> bool:
    ended = receipts.end_of(receipt)
    return ended is not None and ended.because == Because.VOID


def _replace(receipt: Receipt, wanted: Sequence[Kept], how: Issuing, because: Because, *, actor: str, note: str = "") -> Receipt | None:
    ended_as = Status.REPLACED if wanted else Status.CANCELLED
    before = receipts.gifts_on(receipt)
    receipts.end(receipt, ended_as, because, actor=actor, note=note)
    with_cents = {k.donation.id: k.cents for k in wanted}
    for gift in before:
        returned_gifts.note(receipt, gift, kept_cents=with_cents.get(gift.donation_id or 0, 0), on=how.now)
    if not wanted:
        return None
    db.session.expire(receipt)
    return receipts.issue(wanted, how, received_in=receipt.content.get("received_in"), replaces=receipt)
