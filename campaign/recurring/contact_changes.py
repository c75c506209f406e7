"""What corrections changed of the name, address or email of a gift, or of the later months of a monthly gift: from what to what.

Who made them, when and why is in the audit trail, which holds no personal data. Rows are only added.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, literal_column, or_, select, union
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import RECEIPT_FIELDS, Donation
from campaign.donations.donors import Donor
from campaign.edges.db import Base, db
from campaign.recurring.contacts import running_gifts_of
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.staff.audit import AuditEntry

FIELDS = (*RECEIPT_FIELDS, "email")
CHANGES_SHOWN = 20


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


Index("ix_contact_change_lower_old", func.lower(ContactChange.old.op("->>")(literal_column("'email'"))))
Index("ix_contact_change_lower_new", func.lower(ContactChange.new.op("->>")(literal_column("'email'"))))


@dataclass(frozen=True, kw_only=True)
class Contact:
    """The name, address and email of a donation or of later months at some moment."""

    row: Donation | RecurringGift
    values: Mapping[str, Any]


class ContactHasChanged(Exception):
    """Somebody has changed these contact details since they were read; `entry` is of the latest change, None if it is not known."""

    def __init__(self, entry: AuditEntry | None) -> None:
        super().__init__(entry.action if entry else "")
        self.entry = entry


def version_of_person(donation: Donation, later: Sequence[RecurringGift]) -> str:
    """A hash over the name and address of the donation and of these later months, by which a form knows whether they are still as it shows them."""
    return _hash_of([[getattr(row, field) for field in RECEIPT_FIELDS] for row in (donation, *later)])


def version_of_email(donation: Donation) -> str:
    """The same over the email addresses of the donation and of its donor."""
    return _hash_of([donation.email, db.session.scalar(select(Donor.email).where(Donor.id == donation.donor_id))])


def _hash_of(values: Sequence[object]) -> str:
    return sha256(repr(values).encode()).hexdigest()


def check_version(seen: str | None, current: str, donation: Donation) -> None:
    """Raise ContactHasChanged when a form was opened before the donation's details became what they are now; `seen` is None without a form."""
    if seen not in {None, current}:
        changes = list_changes(donation)
        db.session.rollback()
        raise ContactHasChanged(changes[-1][1] if changes else None)


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


def list_changes_of_donor(donor_ids: Sequence[int]) -> list[tuple[ContactChange, AuditEntry]]:
    """What the latest CHANGES_SHOWN corrections changed of these donors' donations and monthly gifts, with who did it, the latest first.

    A correction that changed several gifts in the same way is there once.
    """
    c, d, gift = ContactChange, Donation, RecurringGift
    of_gifts = select(c.audit_entry_id).join(d, d.id == c.donation_id).where(d.donor_id.in_(donor_ids))
    monthly = select(gift.id).join(d, d.id == gift.donation_id).where(d.donor_id.in_(donor_ids))
    of_months = select(c.audit_entry_id).where(c.recurring_gift_id.in_(monthly))
    found = union(of_gifts, of_months).subquery()
    latest = select(found.c.audit_entry_id).order_by(found.c.audit_entry_id.desc()).limit(CHANGES_SHOWN)
    alike = (c.audit_entry_id.desc(), c.old, c.new, c.recurring_gift_id.is_(None))
    query = select(c, AuditEntry).join(AuditEntry, AuditEntry.id == c.audit_entry_id).where(c.audit_entry_id.in_(latest))
    query = query.ext(distinct_on(c.audit_entry_id, *alike[1:])).order_by(*alike, c.id)
    return [(change, entry) for change, entry in db.session.execute(query)]


def list_changes(donation: Donation) -> list[tuple[ContactChange, AuditEntry]]:
    """What was changed of the donation and of the later months of its monthly gift, with who did it, the earliest first."""
    c = ContactChange
    of_gift = c.donation_id == donation.id
    if donation.recurring_gift_id is not None:
        of_gift = or_(of_gift, c.recurring_gift_id == donation.recurring_gift_id)
    query = select(c, AuditEntry).join(AuditEntry, AuditEntry.id == c.audit_entry_id).where(of_gift)
    return [(change, entry) for change, entry in db.session.execute(query.order_by(c.id))]
