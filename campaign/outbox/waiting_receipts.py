"""Messages whose receipt cannot be issued yet, because it lacks an element: to enqueue, wake, count and list them."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, column, exists, func, or_, select, table, update

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.outbox import leases, messages
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage


def enqueue(donation: Donation) -> None:
    """Enqueue a receipt that is due but cannot be issued yet, unless a message waits for it already."""
    m = OutboxMessage
    is_waiting = or_(m.missing_elements.is_not(None), m.attempts == 0)  # Others are being sent, with what they read before.
    of_receipts = m.kind.in_([MessageKind.RECEIPT, MessageKind.RECEIPT_COPY])
    if not db.session.scalar(select(exists().where(m.donation_id == donation.id, of_receipts, leases.is_pending(m), is_waiting))):
        messages.enqueue_receipt_copy(donation)


def wake_for(element: str, charity: Charity) -> int:
    """Make the messages of the charity that wait for this element due now. Returns how many."""
    return _wake(OutboxMessage.missing_elements.contains([element]), is_of(charity))


def is_of(charity: Charity) -> ColumnElement[bool]:
    """Whether the message is about a gift to the charity: of a donor or of a funder."""
    campaigns = select(Campaign.id).where(Campaign.charity_id == charity.id)
    of_donor = exists().where(Donation.id == OutboxMessage.donation_id, Donation.campaign_id.in_(campaigns))
    is_paid_for = and_(_payment.c.id == OutboxMessage.funder_payment_id, _fund.c.id == _payment.c.fund_id)
    return or_(of_donor, exists().where(is_paid_for, _fund.c.campaign_id.in_(campaigns)))


# Their entities are in packages that import this one.
_payment = table("funder_payment", column("id"), column("fund_id"))
_fund = table("fund", column("id"), column("campaign_id"))


def wake_of(donation: Donation) -> int:
    """Make the messages that wait for what a receipt of this donation lacks due now. Returns how many."""
    return _wake(OutboxMessage.missing_elements.is_not(None), OutboxMessage.donation_id == donation.id)


def _wake(*conditions: ColumnElement[bool]) -> int:
    m = OutboxMessage
    due = update(m).where(leases.is_pending(m), *conditions).values(not_before=func.now()).returning(m.id)
    return len(db.session.execute(due, execution_options={"synchronize_session": False}).all())


def count_for(element: str, charity: Charity) -> int:
    """The number of messages of the charity that wait for this element."""
    is_waiting = OutboxMessage.missing_elements.contains([element])
    return db.session.scalar(select(func.count()).where(leases.is_pending(OutboxMessage), is_waiting, is_of(charity))) or 0


def list_oldest(charity: Charity, *, limit: int) -> list[OutboxMessage]:
    """Messages of the charity that wait for any element, the longest waiting first."""
    is_waiting = OutboxMessage.missing_elements.is_not(None)
    found = select(OutboxMessage).where(leases.is_pending(OutboxMessage), is_waiting, is_of(charity)).order_by(OutboxMessage.id)
    return list(db.session.scalars(found.limit(limit), execution_options={"populate_existing": True}))


def issued_at(donation: Donation) -> datetime | None:
    """When the email is due with which the first receipt of the donation is issued; None when no such email waits."""
    with_receipt = OutboxMessage.kind.in_([MessageKind.RECEIPT, MessageKind.RECEIPT_COPY])
    waiting = (OutboxMessage.donation_id == donation.id, leases.is_pending(OutboxMessage), OutboxMessage.missing_elements.is_(None))
    return db.session.scalar(select(func.min(OutboxMessage.not_before)).where(with_receipt, *waiting))


def find_of(donation: Donation) -> OutboxMessage | None:
    """The message that waits for what a receipt of this donation lacks, or None."""
    is_waiting = OutboxMessage.missing_elements.is_not(None)
    of_donation = select(OutboxMessage).where(OutboxMessage.donation_id == donation.id, leases.is_pending(OutboxMessage), is_waiting)
    return db.session.scalar(of_donation.order_by(OutboxMessage.id).limit(1))
