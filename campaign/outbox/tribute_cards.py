"""Cards by email about gifts in honour or in memory of somebody: to somebody whom the donor names, on a day that the donor chooses, once.

A card becomes a message of the outbox on its day. What happened to it is derived from that message (`state_of`).
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, exists, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.outbox import deliveries
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage

MAX_CARDS = 3
# Cancelled ones included.
MAX_ROWS = 12
LONGEST_MESSAGE = 300


class CardState(StrEnum):
    """What happened to a card. A WITHHELD one was not sent, because the gift did not count on its day."""

    SCHEDULED = "scheduled"
    SENDING = "sending"
    SENT = "sent"
    WITHHELD = "withheld"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TributeCard(Base):
    """One card. `from_name` is empty when the donor is not to be named. All texts are empty once they are erased; such a card is not sent."""

    __tablename__ = "tribute_card"
    __table_args__ = (
        CheckConstraint("language IN ('en', 'fr')", name="language_of_card_is_known"),
        CheckConstraint("length(message) <= 300", name="card_is_short"),
        Index("ix_tribute_card_to_send", "send_on", postgresql_where=text("cancelled_at IS NULL AND recipient_email <> ''")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), index=True)
    language: Mapped[str]
    recipient_name: Mapped[str]
    recipient_email: Mapped[str]
    from_name: Mapped[str]
    message: Mapped[str]
    send_on: Mapped[date]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    cancelled_at: Mapped[datetime | None]

    @property
    def is_erased(self) -> bool:
        """Whether nobody is known any more to whom it is."""
        return self.recipient_email == ""


def list_cards(donation: Donation) -> list[TributeCard]:
    """The cards of the donation, the earliest first."""
    return list(db.session.scalars(select(TributeCard).where(TributeCard.donation_id == donation.id).order_by(TributeCard.id)))


def is_full(donation: Donation) -> bool:
    """Whether the donation has as many cards as it may have."""
    c = TributeCard
    counts = select(func.count(), func.count().filter(c.cancelled_at.is_(None))).where(c.donation_id == donation.id)
    rows, in_force = db.session.execute(counts).one()
    return bool(rows >= MAX_ROWS or in_force >= MAX_CARDS)


def messages_of_cards(cards: Sequence[TributeCard]) -> dict[int, OutboxMessage]:
    """The message of each card that has one, by the id of the card."""
    of_cards = select(OutboxMessage).where(OutboxMessage.tribute_card_id.in_([card.id for card in cards]))
    found = db.session.scalars(of_cards, execution_options={"populate_existing": True})
    return {message.tribute_card_id: message for message in found if message.tribute_card_id}


def state_of(card: TributeCard, message: OutboxMessage | None) -> CardState:
    """What happened to the card, which has this message."""
    if message is None or (card.cancelled_at and not deliveries.must_be_sent_as_frozen(message.id)):
        return CardState.CANCELLED if card.cancelled_at else CardState.SCHEDULED
    if message.dead_at:
        return CardState.FAILED
    if deliveries.must_be_sent_as_frozen(message.id):
        return CardState.SENT if message.done_at else CardState.SENDING
    if message.done_at:
        return CardState.WITHHELD
    return CardState.SENDING if deliveries.email_of(message.id) else CardState.SCHEDULED


def lock_card(card_id: int) -> TributeCard:
    """The card as it is now, locked: it is sent or cancelled, not both."""
    return db.session.get_one(TributeCard, card_id, with_for_update=True, populate_existing=True)


def cancel(card: TributeCard) -> bool:
    """Cancel the card, and erase who it was to and what it said. Returns False when it is cancelled, on its way or sent."""
    locked = lock_card(card.id)
    if state_of(locked, messages_of_cards([locked]).get(locked.id)) is not CardState.SCHEDULED:
        return False
    locked.cancelled_at = func.now()
    for name, value in without_texts().items():
        setattr(locked, name, value)
    db.session.flush()
    return True


def without_texts() -> dict[str, str]:
    """What replaces all that was typed."""
    return dict.fromkeys(("recipient_name", "recipient_email", "from_name", "message"), "")


def cards_until(last_on: date) -> list[TributeCard]:
    """The cards whose day is not after this one and that have no message yet."""
    c = TributeCard
    is_enqueued = exists().where(OutboxMessage.tribute_card_id == c.id)
    due = select(c).where(c.send_on <= last_on, c.cancelled_at.is_(None), c.recipient_email != "", ~is_enqueued)
    return list(db.session.scalars(due.order_by(c.id)))


def enqueue_card(card: TributeCard, *, not_before: datetime) -> None:
    """Enqueue the message of the card, once, however often this is called. A card that was cancelled meanwhile is composed as nothing."""
    kind = MessageKind.TRIBUTE_CARD
    row = insert(OutboxMessage).values(
        key=f"{kind}:{card.id}", kind=kind, donation_id=card.donation_id, tribute_card_id=card.id, not_before=not_before
    )
    db.session.execute(row.on_conflict_do_nothing())  # Two workers may come to either unique index first.
