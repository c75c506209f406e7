"""What corrections changed of the name, address or email of a gift, or of the later months of a monthly gift: from what to what.

Who made them, when and why is in the audit trail, which holds no personal data. Rows are only added.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import RECEIPT_FIELDS, Donation
from campaign.edges.db import Base, db
from campaign.recurring.contacts import running_gifts_of
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.staff.audit import AuditEntry

FIELDS = (*RECEIPT_FIELDS, "email")


class ContactChange(Base):
    """What the action of an audit entry changed of one donation, or of later months: the old and the new value of each field that it changed."""

    __tablename__ = "contact_change"
    __table_args__ = (CheckConstraint("num_nonnulls(donation_id, recurring_gift_id) = 1", name="change_is_of_one_gift"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    audit_entry_id: Mapped[int] = mapped_column(ForeignKey("audit_entry.id"), index=True)
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    recurring_gift_id: Mapped[int | None] = mapped_column(ForeignKey("recurring_gift.id"), index=True)
    old: Mapped[dict[str, Any]]
    new: Mapped[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Contact:
    """The name, address and email of a donation or of later months at some moment."""

    row: Donation | RecurringGift
    values: Mapping[str, Any]


def contacts_of(rows: Iterable[Donation | RecurringGift]) -> list[Contact]:
    """The contact details of these as they are now, to be compared once they are corrected."""
    return [Contact(row=row, values={field: getattr(row, field) for field in FIELDS}) for row in rows]


def contacts_of_donor(donor_id: int) -> list[Contact]:
    """The contact details of all donations and running monthly gifts of the donor."""
    donations = db.session.scalars(select(Donation).where(Donation.donor_id == donor_id).order_by(Donation.id))
    return contacts_of([*donations, *running_gifts_of(donor_id)])


def record_changes(before: Iterable[Contact], entry: AuditEntry) -> None:
    """Record what the action of this entry has changed since."""
    db.session.flush()
    for contact in before:
        row = contact.row
        changed = [field for field in FIELDS if getattr(row, field) != contact.values[field]]
        if changed:
            of_gift = {"donation_id": row.id} if isinstance(row, Donation) else {"recurring_gift_id": row.id}
            old, new = {field: contact.values[field] for field in changed}, {field: getattr(row, field) for field in changed}
            db.session.add(ContactChange(audit_entry_id=entry.id, old=old, new=new, **of_gift))


def list_changes(donation: Donation) -> list[tuple[ContactChange, AuditEntry]]:
    """What was changed of the donation and of the later months of its monthly gift, with who did it, the earliest first."""
    c = ContactChange
    of_gift = or_(c.donation_id == donation.id, c.recurring_gift_id == donation.recurring_gift_id)
    query = select(c, AuditEntry).join(AuditEntry, AuditEntry.id == c.audit_entry_id).where(of_gift)
    return [(change, entry) for change, entry in db.session.execute(query.order_by(c.id))]
