"""Finds a person in all that is stored: by an email address that they have or had, or by words of their name, without accents and case."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, literal_column, or_, select, union

from campaign.donations.donations import Donation
from campaign.donations.donor_merges import DonorMove
from campaign.donations.donors import Donor, DonorMerge
from campaign.donations.search_words import is_of_words
from campaign.edges.db import db
from campaign.outbox.deliveries import FrozenEmail
from campaign.outbox.donor_access import DonorAccess
from campaign.outbox.messages import OutboxMessage
from campaign.recurring.contact_changes import ContactChange
from campaign.recurring.contacts import EmailChange
from campaign.recurring.recurring_gifts import RecurringGift

MOST_FOUND = 50


@dataclass(frozen=True, kw_only=True)
class FoundPerson:
    """A donor who may be the person: under which addresses and names, with how many gifts, the last of which when."""

    donor_id: int
    emails: list[str]
    names: list[str]
    places: list[str]
    gifts: int
    last_at: datetime | None


def find_people(typed: str) -> list[FoundPerson]:
    """The donors who have or had this address, or these words in a name; those with the latest gifts first, at most MOST_FOUND."""
    ids = _of_email(typed) if "@" in typed else _of_name(typed)
    current = {current_donor_id(donor_id) for donor_id in ids}
    found = [_found(donor_id) for donor_id in sorted(current)]
    return sorted(found, key=lambda person: person.last_at.timestamp() if person.last_at else 0, reverse=True)[:MOST_FOUND]


def _of_email(typed: str) -> list[int]:
    """Each source has an index on the address in lower case (migration `remainders`), as mail and changes grow with the gifts."""
    email = typed.strip().casefold()
    of_gift = select(Donation.donor_id)
    sources: tuple[Select[int], ...] = (
        select(Donor.id).where(Donor.email == email),
        of_gift.where(*([words] if (words := is_of_words(email)) is not None else []), func.lower(Donation.email) == email),
        select(DonorAccess.donor_id).where(func.lower(DonorAccess.email) == email),
        select(EmailChange.donor_id).where(or_(func.lower(EmailChange.old_email) == email, func.lower(EmailChange.new_email) == email)),
        of_gift.join(DonorMove, DonorMove.donation_id == Donation.id).where(func.lower(DonorMove.email) == email),
        of_gift.join(RecurringGift, RecurringGift.donation_id == Donation.id).where(func.lower(RecurringGift.email) == email),
        of_gift.join(ContactChange, ContactChange.donation_id == Donation.id).where(
            or_(*(func.lower(contact.op("->>")(literal_column("'email'"))) == email for contact in (ContactChange.old, ContactChange.new)))
        ),
        of_gift.join(OutboxMessage, OutboxMessage.donation_id == Donation.id)
        .join(FrozenEmail, FrozenEmail.outbox_id == OutboxMessage.id)
        # A card goes to somebody whom the donor knows: who asks for what is stored about them is not the donor.
        .where(func.lower(FrozenEmail.recipient) == email, FrozenEmail.recipient != "", OutboxMessage.tribute_card_id.is_(None)),
    )
    return list(db.session.scalars(union(*sources)))


def _of_name(typed: str) -> list[int]:
    words = is_of_words(typed)
    if words is None:
        return []
    return list(db.session.scalars(select(Donation.donor_id).where(words).distinct().limit(MOST_FOUND * 4)))


def current_donor_id(donor_id: int) -> int:
    """The donor that this one is merged into, or itself."""
    merged = select(DonorMerge.primary_donor_id).where(DonorMerge.merged_donor_id == donor_id, DonorMerge.undone_at.is_(None))
    return db.session.scalar(merged) or donor_id


def donor_ids_of(donor_id: int) -> list[int]:
    """All donors that this person is: the current one first, then those merged into it."""
    current = current_donor_id(donor_id)
    merged = select(DonorMerge.merged_donor_id).where(DonorMerge.primary_donor_id == current, DonorMerge.undone_at.is_(None))
    return [current, *db.session.scalars(merged.order_by(DonorMerge.merged_donor_id))]


def donations_of_person(donor_ids: Sequence[int]) -> list[Donation]:
    """All donations of a person who is these donors, the earliest first."""
    return list(db.session.scalars(select(Donation).where(Donation.donor_id.in_(donor_ids)).order_by(Donation.id)))


def get_person(donor_id: int) -> FoundPerson:
    """What identifies the person who is this donor."""
    return _found(current_donor_id(donor_id))


def _found(donor_id: int) -> FoundPerson:
    ids = donor_ids_of(donor_id)
    gifts = donations_of_person(ids)
    emails = [email for email in db.session.scalars(select(Donor.email).where(Donor.id.in_(ids)).order_by(Donor.id)) if email]
    return FoundPerson(
        donor_id=donor_id,
        emails=list(dict.fromkeys([*emails, *(gift.email.casefold() for gift in gifts if gift.email)])),
        names=list(dict.fromkeys(gift.full_name for gift in reversed(gifts) if gift.full_name)),
        places=list(dict.fromkeys(gift.city for gift in reversed(gifts) if gift.city)),
        gifts=sum(gift.received_at is not None for gift in gifts),
        last_at=max((gift.received_at or gift.started_at for gift in gifts), default=None),
    )
