"""Links with which donors may change something: mailed to the donor's own address, they work once, within ten minutes.

The link to a page shows a gift. It is in old emails, in browsers and on paper, so it is not enough to change anything.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.donations.donors import Donor, is_current
from campaign.edges.db import Base, db
from campaign.edges.mailed_tokens import derive_token, known_token, token_hash
from campaign.edges.services import services
from campaign.outbox import messages
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage

# Of the tokens of these links.
WHAT = "donor access"
LIFETIME = timedelta(minutes=10)
MAX_LINKS_PER_HOUR = 5


class Opens(StrEnum):
    """The page that a link leads to."""

    DONATION = "donation"
    RECURRING_GIFT = "recurring_gift"
    MY_GIFTS = "my_gifts"


class DonorAccess(Base):
    """One link. `donation_id` is the gift from whose page it was asked for, or the latest, `email` the address that it was mailed to."""

    __tablename__ = "donor_access"

    id: Mapped[int] = mapped_column(primary_key=True)
    donor_id: Mapped[int] = mapped_column(ForeignKey("donor.id"), index=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"))
    opens: Mapped[str]
    email: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]


Index("ix_donor_access_lower_email", func.lower(DonorAccess.email))


def request_access(donation: Donation, opens: Opens, *, kind: MessageKind = MessageKind.DONOR_ACCESS) -> bool:
    """Mail the donor a link. Returns False when they have had MAX_LINKS_PER_HOUR, or have no address."""
    donor = db.session.get_one(Donor, donation.donor_id, with_for_update=True, populate_existing=True)
    recent = select(func.count()).where(DonorAccess.donor_id == donation.donor_id, DonorAccess.created_at > func.now() - timedelta(hours=1))
    if donor.email is None or (db.session.scalar(recent) or 0) >= MAX_LINKS_PER_HOUR:
        return False
    number = db.session.scalars(select(func.nextval(func.pg_get_serial_sequence("donor_access", "id")))).one()
    access = DonorAccess(id=number, donor_id=donor.id, donation_id=donation.id, opens=opens, email=donor.email)
    access.token_hash = token_hash(derive_token(services().keys, WHAT, number))
    db.session.add(access)
    db.session.flush()
    messages.enqueue(NewMessage(kind, donation, f"access-{access.id}", donor_access_id=access.id))
    return True


def token_of(access: DonorAccess) -> str:
    """The token of a link; empty when it was made with a SECRET_KEY that is not known any more."""
    return known_token(services().keys, WHAT, access.id, access.token_hash)


def find_access(token: str) -> DonorAccess | None:
    """The link with this token, if it can still be used: the donor still has the address that it was mailed to."""
    unused = select(DonorAccess).join(Donor, (Donor.id == DonorAccess.donor_id) & (Donor.email == DonorAccess.email))
    unused = unused.where(DonorAccess.token_hash == token_hash(token), DonorAccess.used_at.is_(None), is_current())
    return db.session.scalar(unused.where(DonorAccess.created_at > func.now() - LIFETIME))


def take(access: DonorAccess) -> bool:
    """Take the access that the link gives. Returns False when another request has just used it."""
    locked = db.session.get_one(DonorAccess, access.id, with_for_update=True, populate_existing=True)
    if locked.used_at is not None:
        return False
    locked.used_at = func.now()
    db.session.flush()
    return True
