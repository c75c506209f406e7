"""Mail as it was sent: the words of each letter, frozen before the first hand-over, and every hand-over with how it ended.

SMTP cannot say for sure that a message arrived once. So there is one Message-ID and one set of bytes for a letter; it is handed over again
only when the server put it off, or when nobody knows how a hand-over ended (reliability.md, section 4).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, delete, exists, func, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.outbox import OutboxItem
from campaign.giving.receipts import Receipt, ReceiptEnd


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One letter, ready to be sent; `receipt` goes with it."""

    recipient: str
    recipient_name: str
    sender_name: str
    language: str
    subject: str
    plain: str
    html: str
    receipt: Receipt | None = None


class Outcome(StrEnum):
    """How a hand-over ended. After PUT_OFF and REFUSED the server has nothing; after UNKNOWN it may have it."""

    ACCEPTED = "accepted"
    PUT_OFF = "put_off"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class State(StrEnum):
    """Where a mail stands."""

    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    RETURNED = "returned"
    NOT_NEEDED = "not needed"


class Mail(Base):
    """The words of one letter. Once handed over they stay; until then they may be written anew."""

    __tablename__ = "mail"

    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), primary_key=True, autoincrement=False)
    written_at: Mapped[datetime] = mapped_column(server_default=func.now())
    recipient: Mapped[str]
    recipient_name: Mapped[str]
    sender_name: Mapped[str]
    language: Mapped[str]
    subject: Mapped[str]
    plain: Mapped[str]
    html: Mapped[str]
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("receipt.id"), index=True)


class HandOff(Base):
    """One hand-over to the mail server: begun before it, ended once. `sha256` is that of the message's bytes."""

    __tablename__ = "hand_off"
    __table_args__ = (
        Index("ix_hand_off_outbox_id", "outbox_id", "id"),
        Index("accepted_once", "outbox_id", unique=True, postgresql_where=text("outcome = 'accepted'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"))
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    answer: Mapped[str | None]


class Bounce(Base):
    """That a mail came back, as staff saw it; open until it was settled by sending it elsewhere, or otherwise."""

    __tablename__ = "bounce"
    __table_args__ = (Index("ix_bounce_open", "noted_at", postgresql_where=text("settled_at IS NULL")),)

    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), primary_key=True, autoincrement=False)
    reason: Mapped[str]
    noted_by: Mapped[str]
    noted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]


def keep(item: OutboxItem, letter: Letter) -> Mail:
    """Freeze the words."""
    mail = Mail(
        outbox_id=item.id,
        recipient=letter.recipient,
        recipient_name=letter.recipient_name,
        sender_name=letter.sender_name,
        language=letter.language,
        subject=letter.subject,
        plain=letter.plain,
        html=letter.html,
        receipt_id=letter.receipt.id if letter.receipt else None,
    )
    db.session.add(mail)
    db.session.flush()
    return mail


def mail_of(outbox_id: int) -> Mail | None:
    """The words as they are frozen."""
    return db.session.scalar(select(Mail).where(Mail.outbox_id == outbox_id), execution_options={"populate_existing": True})


def written_before(item: OutboxItem) -> Mail | None:
    """The words of an earlier try, if they still hold. What was never taken by a server is written anew when its receipt has ended since,
    or when the server has refused it: the address may have been corrected.
    """
    mail = mail_of(item.id)
    if mail is None or _may_be_out(item.id):
        return mail
    has_ended = mail.receipt_id is not None and db.session.scalar(select(exists().where(ReceiptEnd.receipt_id == mail.receipt_id)))
    if not has_ended and not _was_refused(item.id):
        return mail
    db.session.execute(delete(Mail).where(Mail.outbox_id == item.id), execution_options={"synchronize_session": False})
    db.session.expunge(mail)
    return None


def _may_be_out(outbox_id: int) -> bool:
    out = exists().where(HandOff.outbox_id == outbox_id, HandOff.outcome.in_([Outcome.ACCEPTED, Outcome.UNKNOWN]))
    return bool(db.session.scalar(select(out)))


def _was_refused(outbox_id: int) -> bool:
    return bool(db.session.scalar(select(exists().where(HandOff.outbox_id == outbox_id, HandOff.outcome == Outcome.REFUSED))))


def begin_hand_off(outbox_id: int, sha256: bytes) -> int:
    """Say that the message is about to be handed over. Commit before it is, so that nobody forgets it."""
    handed = HandOff(outbox_id=outbox_id, sha256=sha256)
    db.session.add(handed)
    db.session.flush()
    return handed.id


def end_hand_off(hand_off_id: int, outcome: Outcome, answer: str = "") -> bool:
    """Say how it ended; False when somebody has given it up as unknown meanwhile."""
    ended = db.session.execute(
        update(HandOff)
        .where(HandOff.id == hand_off_id, HandOff.outcome.is_(None))
        .values(outcome=outcome.value, answer=answer[:500], ended_at=func.now())
        .returning(HandOff.id),
        execution_options={"synchronize_session": False},
    )
    return ended.first() is not None


def give_up_unended(outbox_id: int) -> int:
    """Hand-overs whose worker never said how they ended are unknown; how many there were."""
    unended = db.session.execute(
        update(HandOff)
        .where(HandOff.outbox_id == outbox_id, HandOff.outcome.is_(None))
        .values(outcome=Outcome.UNKNOWN.value, answer="its worker died", ended_at=func.now())
        .returning(HandOff.id),
        execution_options={"synchronize_session": False},
    )
    return len(unended.all())


def hand_offs_of(outbox_ids: list[int]) -> dict[int, HandOff]:
    """The last hand-over of each of these."""
    last = select(HandOff).where(HandOff.outbox_id.in_(outbox_ids)).order_by(HandOff.id)
    return {handed.outbox_id: handed for handed in db.session.scalars(last, execution_options={"populate_existing": True})}


def all_hand_offs(outbox_id: int) -> list[HandOff]:
    """Every hand-over of this mail, the first one first."""
    return list(db.session.scalars(select(HandOff).where(HandOff.outbox_id == outbox_id).order_by(HandOff.id)))


def returned(*, limit: int) -> list[OutboxItem]:
    """Mails that came back and were not seen to, the latest first."""
    came_back = select(OutboxItem).join(Bounce, Bounce.outbox_id == OutboxItem.id).where(Bounce.settled_at.is_(None))
    return list(db.session.scalars(came_back.order_by(Bounce.noted_at.desc()).limit(limit)))


def has_open_bounce(donation_id: int) -> bool:
    """Whether a mail about this donation came back and was not seen to."""
    of_donation = select(Bounce.outbox_id).join(OutboxItem, OutboxItem.id == Bounce.outbox_id)
    return db.session.scalar(of_donation.where(OutboxItem.donation_id == donation_id, Bounce.settled_at.is_(None)).limit(1)) is not None


def bounces_of(outbox_ids: list[int]) -> dict[int, Bounce]:
    """What came back of these."""
    return {b.outbox_id: b for b in db.session.scalars(select(Bounce).where(Bounce.outbox_id.in_(outbox_ids)))}


def state_of(item: OutboxItem, last: HandOff | None, bounce: Bounce | None = None) -> State:
    """Where it stands, from its row and its last hand-over."""
    if bounce is not None:
        return State.RETURNED
    if item.dead_at is not None:
        return State.FAILED
    if item.done_at is not None:
        return State.SENT if last is not None else State.NOT_NEEDED
    if last is None or last.outcome == Outcome.PUT_OFF:
        return State.READY
    return State.SENDING if last.outcome is None else State.UNKNOWN


def is_in_a_mail(receipt: Receipt) -> bool:
    """Whether a letter that carries this receipt was written."""
    return db.session.scalar(select(exists().where(Mail.receipt_id == receipt.id))) is True


def sent_at(receipt: Receipt) -> datetime | None:
    """When a mail server first took the receipt; None while none has."""
    taken = select(func.min(HandOff.ended_at)).join(Mail, Mail.outbox_id == HandOff.outbox_id)
    return db.session.scalar(taken.where(Mail.receipt_id == receipt.id, HandOff.outcome == Outcome.ACCEPTED))


def note_bounce(outbox_id: int, *, reason: str, actor: str) -> bool:
    """Staff have seen that the mail came back; False when that was noted before, or when it was never sent."""
    if not _may_be_out(outbox_id) or db.session.get(Bounce, outbox_id) is not None:
        return False
    db.session.add(Bounce(outbox_id=outbox_id, reason=reason, noted_by=actor))
    db.session.flush()
    return True


def settle_bounces(donation_id: int) -> None:
    """What came back of this donation's mail was seen to."""
    of_donation = select(OutboxItem.id).where(OutboxItem.donation_id == donation_id)
    db.session.execute(
        update(Bounce).where(Bounce.outbox_id.in_(of_donation), Bounce.settled_at.is_(None)).values(settled_at=func.now()),
        execution_options={"synchronize_session": False},
    )


def count_open_bounces() -> int:
    """How many came back and were not seen to."""
    return db.session.scalar(select(func.count()).where(Bounce.settled_at.is_(None))) or 0
