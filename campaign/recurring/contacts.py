"""Contact details, which belong to a person: to each gift as it was made, to the monthly gift for later months, and to the donor.

A corrected email address moves the donor with their choices, counts and links (policy.md, section 5). A donor changes it by a link that is mailed
to the new address, after one that was mailed to the old one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import PERSON_FIELDS, RECEIPT_FIELDS, Donation
from campaign.donations.donors import Donor, is_current
from campaign.edges.db import Base, db
from campaign.edges.mailed_tokens import derive_token, known_token, token_hash
from campaign.edges.services import services
from campaign.matching.funds import lock_funds
from campaign.outbox import messages
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.recurring.recurring_gifts import RecurringGift

# Of the tokens of these links.
WHAT = "email change"
LIFETIME = timedelta(days=2)
MAX_CHANGES_PER_DAY = 5


class Scope(StrEnum):
    """What a correction is for: this gift, all that comes from now on, or both."""

    THIS_GIFT = "this_gift"
    FROM_NOW_ON = "from_now_on"
    BOTH = "both"

    @property
    def is_for_this_gift(self) -> bool:
        """Whether the gift itself is corrected."""
        return self is not Scope.FROM_NOW_ON

    @property
    def is_for_later(self) -> bool:
        """Whether what comes later is corrected."""
        return self is not Scope.THIS_GIFT


class EmailTaken(Exception):
    """Another donor has this address: the two have to be merged."""


class EmailChange(Base):
    """A new email address that a donor wants. `donation_id` is the gift from whose page it was asked for."""

    __tablename__ = "email_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    donor_id: Mapped[int] = mapped_column(ForeignKey("donor.id"), index=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"))
    old_email: Mapped[str]
    new_email: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    confirmed_at: Mapped[datetime | None]


Index("ix_email_change_lower_old", func.lower(EmailChange.old_email))
Index("ix_email_change_lower_new", func.lower(EmailChange.new_email))


def running_gifts_of(donor_id: int) -> list[RecurringGift]:
    """The donor's monthly gifts that have not ended."""
    running = select(RecurringGift).join(Donation, Donation.id == RecurringGift.donation_id).where(Donation.donor_id == donor_id)
    return list(db.session.scalars(running.where(RecurringGift.ended_at.is_(None)).order_by(RecurringGift.id)))


def running_gifts_like(donation: Donation) -> list[RecurringGift]:
    """The running monthly gifts that a correction of the donation may be for: the one that it is a month of, or those in the same name.

    Two people may share an email address, and one person may give for an organization too.
    """
    running = running_gifts_of(donation.donor_id)
    if donation.recurring_gift_id is not None:
        return [gift for gift in running if gift.id == donation.recurring_gift_id]
    return [gift for gift in running if all(getattr(gift, field) == getattr(donation, field) for field in PERSON_FIELDS)]


def first_month_of(donation: Donation) -> int:
    """The id of the donation that declarations about this one are recorded for: the first month of its monthly gift, or itself."""
    first = select(RecurringGift.donation_id).where(RecurringGift.id == donation.recurring_gift_id)
    return db.session.scalar(first) or donation.id


def change_person(gifts: Sequence[RecurringGift], person: Mapping[str, str | bool]) -> list[str]:
    """Change the name or address of later months. Returns the names of the fields that changed."""
    changed = set()
    for gift in gifts:
        for field in RECEIPT_FIELDS:
            if field in person and getattr(gift, field) != person[field]:
                setattr(gift, field, person[field])
                changed.add(field)
    db.session.flush()
    return sorted(changed)


def change_email(donor_id: int, email: str, *, from_email: str | None = None) -> None:
    """Move the donor to another address, with all gifts and monthly gifts that have the old one.

    Raises EmailTaken when another donor has it, or when the donor no longer has `from_email`.
    """
    normalized = email.strip().casefold()
    donor, donations = lock_donor(donor_id)
    old = donor.email
    if from_email not in {None, old}:
        raise EmailTaken
    try:
        with db.session.begin_nested():
            donor.email = normalized
            db.session.flush()
    except IntegrityError:
        raise EmailTaken from None
    for donation in donations:
        if donation.email.casefold() == (old or ""):
            donation.email = email
    for gift in running_gifts_of(donor_id):
        if gift.email.casefold() == old:
            gift.email = email
    db.session.flush()


def lock_donor(donor_id: int) -> tuple[Donor, list[Donation]]:
    """Lock the donor with their donations, and return them as they are now. In the order of all transactions: campaigns, donations, donor."""
    campaigns = select(Donation.campaign_id).where(Donation.donor_id == donor_id).distinct()
    lock_funds(sorted(db.session.scalars(campaigns)))
    of_donor = select(Donation).where(Donation.donor_id == donor_id).order_by(Donation.id).with_for_update(key_share=True)
    donations = list(db.session.scalars(of_donor, execution_options={"populate_existing": True}))
    return db.session.get_one(Donor, donor_id, with_for_update=True, populate_existing=True), donations


def lock_running_gifts_like(donation: Donation) -> list[RecurringGift]:
    """As `running_gifts_like`, locked after the donation."""
    for gift in (gifts := running_gifts_like(donation)):
        db.session.refresh(gift, with_for_update=True)
    return gifts


def request_email_change(donation: Donation, email: str) -> bool:
    """Mail a link to the new address of a donor who came by a link to the old one. Returns False after MAX_CHANGES_PER_DAY."""
    donor = db.session.get_one(Donor, donation.donor_id, with_for_update=True)
    recent = select(func.count()).where(EmailChange.donor_id == donor.id, EmailChange.created_at > func.now() - timedelta(days=1))
    if (db.session.scalar(recent) or 0) >= MAX_CHANGES_PER_DAY:
        return False
    number = db.session.scalars(select(func.nextval(func.pg_get_serial_sequence("email_change", "id")))).one()
    change = EmailChange(id=number, donor_id=donor.id, donation_id=donation.id, old_email=donor.email, new_email=email)
    change.token_hash = token_hash(derive_token(services().keys, WHAT, number))
    db.session.add(change)
    db.session.flush()
    messages.enqueue(NewMessage(MessageKind.EMAIL_CHANGE, donation, f"email-{change.id}", email_change_id=change.id))
    return True


def token_of(change: EmailChange) -> str:
    """The token of the link; empty when it was made with a SECRET_KEY that is not known any more."""
    return known_token(services().keys, WHAT, change.id, change.token_hash)


def find_email_change(token: str) -> EmailChange | None:
    """The change with this token that can still be confirmed: the donor still has the address that it was asked for from."""
    waiting = select(EmailChange).join(Donor, (Donor.id == EmailChange.donor_id) & (Donor.email == EmailChange.old_email))
    waiting = waiting.where(EmailChange.token_hash == token_hash(token), EmailChange.confirmed_at.is_(None), is_current())
    return db.session.scalar(waiting.where(EmailChange.created_at > func.now() - LIFETIME))


def confirm_email_change(change: EmailChange) -> None:
    """Move the donor to the new address, and tell both addresses. Raises EmailTaken, also when the donor has moved meanwhile."""
    change_email(change.donor_id, change.new_email, from_email=change.old_email)
    change.confirmed_at = func.now()
    donation = db.session.get_one(Donation, change.donation_id)
    for which, address in (("old", change.old_email), ("new", change.new_email)):
        messages.enqueue(
            NewMessage(MessageKind.EMAIL_CHANGED, donation, f"email-{change.id}-{which}", email_change_id=change.id, recipient=address)
        )
    db.session.flush()
