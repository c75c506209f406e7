"""E-mail as it was sent: the content of each message, frozen before the first delivery attempt, and every attempt with its outcome.

SMTP cannot guarantee that a message arrives exactly once. So a message has one Message-ID and one set of bytes, and is sent again only
when the server deferred it, or when the outcome of an attempt is unknown (reliability.md, section 4).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, Select, delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.sealed_text import UnknownKey, seal, unseal
from campaign.edges.services import services
from campaign.outbox import leases
from campaign.outbox.messages import OutboxMessage


@dataclass(frozen=True, kw_only=True)
class EmailContent:
    """One e-mail, ready to be sent. Answers go to `reply_to`, or to the sender. `receipt_id`, `fund_call_id` or `funder_report_id` is the document to attach."""

    recipient: str
    recipient_name: str
    sender_name: str
    language: str
    subject: str
    reply_to: str
    plain: str
    html: str
    receipt_id: int | None = None
    fund_call_id: int | None = None
    funder_report_id: int | None = None


class DeliveryOutcome(StrEnum):
    """How an attempt ended. After DEFERRED and REFUSED the server has nothing; after UNKNOWN it may have the message."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class EmailState(StrEnum):
    """The state of an e-mail, derived from its message, its last attempt and its bounce."""

    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    BOUNCED = "bounced"
    NOT_NEEDED = "not needed"


class FrozenEmail(Base):
    """The content of one e-mail, its text encrypted. Once a server may have it, it cannot change; until then it may be composed again.

    `reply_to` is None where the content was frozen before there was one: its bytes stay without (edges/smtp.py).
    """

    __tablename__ = "frozen_email"

    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), primary_key=True, autoincrement=False)
    frozen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    recipient: Mapped[str]
    recipient_name: Mapped[str]
    sender_name: Mapped[str]
    language: Mapped[str]
    subject: Mapped[str]
    reply_to: Mapped[str | None]
    sealed_plain: Mapped[bytes]
    sealed_html: Mapped[bytes]
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("receipt.id"), index=True)
    fund_call_id: Mapped[int | None] = mapped_column(ForeignKey("fund_call.id"))
    funder_report_id: Mapped[int | None] = mapped_column(ForeignKey("funder_report.id"))

    @property
    def is_erased(self) -> bool:
        """Whether who it was to and what it said are erased: its period is over, or the person has asked for it."""
        return self.recipient == ""

    @property
    def is_readable(self) -> bool:
        """Whether the key that the text was encrypted with is known."""
        try:
            return bool(self.plain)
        except UnknownKey:
            return False

    @property
    def plain(self) -> str:
        """The text. Raises UnknownKey."""
        return unseal(services().keys, self.sealed_plain)

    @property
    def html(self) -> str:
        """The text as HTML. Raises UnknownKey."""
        return unseal(services().keys, self.sealed_html)


Index("ix_frozen_email_readable", FrozenEmail.frozen_at, postgresql_where=FrozenEmail.recipient != "")
Index("ix_frozen_email_lower_recipient", func.lower(FrozenEmail.recipient), postgresql_where=FrozenEmail.recipient != "")


class DeliveryAttempt(Base):
    """One attempt to deliver a message to the mail server: started before it, ended once. `sha256` is the hash of the message’s bytes."""

    __tablename__ = "delivery_attempt"
    __table_args__ = (
        Index("ix_delivery_attempt_outbox_id", "outbox_id", "id"),
        Index("accepted_once", "outbox_id", unique=True, postgresql_where=text("outcome = 'accepted'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"))
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    answer: Mapped[str | None]


class Bounce(Base):
    """An e-mail that bounced, as reported by staff or a mail server; open until it is resolved, by sending to another address or otherwise."""

    __tablename__ = "bounce"
    __table_args__ = (Index("ix_bounce_open", "reported_at", postgresql_where=text("resolved_at IS NULL")),)

    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), primary_key=True, autoincrement=False)
    reason: Mapped[str]
    reported_by: Mapped[str]
    reported_at: Mapped[datetime] = mapped_column(server_default=func.now())
    resolved_at: Mapped[datetime | None]


def freeze_email(message: OutboxMessage, content: EmailContent) -> FrozenEmail:
    """Store the content, as every attempt will send it."""
    keys, sealed = services().keys, vars(content).copy()
    plain, html = seal(keys, sealed.pop("plain")), seal(keys, sealed.pop("html"))
    email = FrozenEmail(outbox_id=message.id, sealed_plain=plain, sealed_html=html, **sealed)
    db.session.add(email)
    db.session.flush()
    return email


def email_of(outbox_id: int) -> FrozenEmail | None:
    """The content as it is frozen."""
    return db.session.scalar(select(FrozenEmail).where(FrozenEmail.outbox_id == outbox_id), execution_options={"populate_existing": True})


def count_unsent() -> int:
    """How many composed e-mails are not sent yet."""
    unsent = select(func.count()).select_from(FrozenEmail).join(OutboxMessage, OutboxMessage.id == FrozenEmail.outbox_id)
    return db.session.scalar(unsent.where(leases.is_pending(OutboxMessage))) or 0


def must_be_sent_as_frozen(outbox_id: int) -> bool:
    """Whether a server may have the message: then every further attempt sends the same bytes."""
    delivered = DeliveryAttempt.outcome.in_([DeliveryOutcome.ACCEPTED, DeliveryOutcome.UNKNOWN])
    return bool(db.session.scalar(select(exists().where(DeliveryAttempt.outbox_id == outbox_id, delivered))))


def was_refused(outbox_id: int) -> bool:
    """Whether a server has refused the message: its address may have been corrected since."""
    refused = DeliveryAttempt.outcome == DeliveryOutcome.REFUSED
    return bool(db.session.scalar(select(exists().where(DeliveryAttempt.outbox_id == outbox_id, refused))))


def discard_email(email: FrozenEmail) -> None:
    """Delete content that no server has, so that it is composed again. The database refuses to delete any other."""
    db.session.execute(
        delete(FrozenEmail).where(FrozenEmail.outbox_id == email.outbox_id), execution_options={"synchronize_session": False}
    )
    db.session.expunge(email)


def start_attempt(outbox_id: int, sha256: bytes) -> int:
    """Record that an attempt begins. Commit before it does, so that it is never forgotten."""
    attempt = DeliveryAttempt(outbox_id=outbox_id, sha256=sha256)
    db.session.add(attempt)
    db.session.flush()
    return attempt.id


def finish_attempt(attempt_id: int, outcome: DeliveryOutcome, answer: str = "") -> bool:
    """Record how an attempt ended; False when it was closed as unknown meanwhile."""
    ended = db.session.execute(
        update(DeliveryAttempt)
        .where(DeliveryAttempt.id == attempt_id, DeliveryAttempt.outcome.is_(None))
        .values(outcome=outcome.value, answer=answer[:500], ended_at=func.now())
        .returning(DeliveryAttempt.id),
        execution_options={"synchronize_session": False},
    )
    return ended.first() is not None


def close_abandoned_attempts(outbox_id: int) -> int:
    """Close as unknown the attempts whose worker died before it recorded how they ended; returns how many."""
    abandoned = db.session.execute(
        update(DeliveryAttempt)
        .where(DeliveryAttempt.outbox_id == outbox_id, DeliveryAttempt.outcome.is_(None))
        .values(outcome=DeliveryOutcome.UNKNOWN.value, answer="its worker died", ended_at=func.now())
        .returning(DeliveryAttempt.id),
        execution_options={"synchronize_session": False},
    )
    return len(abandoned.all())


def last_attempts(outbox_ids: list[int]) -> dict[int, DeliveryAttempt]:
    """The last attempt of each of these messages."""
    last = select(DeliveryAttempt).where(DeliveryAttempt.outbox_id.in_(outbox_ids)).order_by(DeliveryAttempt.id)
    return {attempt.outbox_id: attempt for attempt in db.session.scalars(last, execution_options={"populate_existing": True})}


def attempts_of(outbox_id: int) -> list[DeliveryAttempt]:
    """Every attempt of this message, the first one first."""
    return list(db.session.scalars(select(DeliveryAttempt).where(DeliveryAttempt.outbox_id == outbox_id).order_by(DeliveryAttempt.id)))


def list_bounced(*, limit: int) -> list[OutboxMessage]:
    """Messages with an open bounce, the latest first."""
    bounced = select(OutboxMessage).join(Bounce, Bounce.outbox_id == OutboxMessage.id).where(Bounce.resolved_at.is_(None))
    return list(db.session.scalars(bounced.order_by(Bounce.reported_at.desc()).limit(limit)))


def has_open_bounce(donation_id: int) -> bool:
    """Whether an e-mail to the donor of this donation has an open bounce."""
    m = OutboxMessage
    of_donation = (
        select(Bounce.outbox_id).join(m, m.id == Bounce.outbox_id).where(m.donation_id == donation_id, m.tribute_card_id.is_(None))
    )
    return db.session.scalar(of_donation.where(Bounce.resolved_at.is_(None)).limit(1)) is not None


def bounces_of(outbox_ids: list[int]) -> dict[int, Bounce]:
    """The bounces of these messages."""
    return {b.outbox_id: b for b in db.session.scalars(select(Bounce).where(Bounce.outbox_id.in_(outbox_ids)))}


def state_of(message: OutboxMessage, last: DeliveryAttempt | None, bounce: Bounce | None = None) -> EmailState:
    """The state of a message’s e-mail."""
    if bounce is not None:
        return EmailState.BOUNCED
    if message.dead_at is not None:
        return EmailState.FAILED
    if message.done_at is not None:
        return EmailState.SENT if last is not None else EmailState.NOT_NEEDED
    if last is None or last.outcome == DeliveryOutcome.DEFERRED:
        return EmailState.READY
    return EmailState.SENDING if last.outcome is None else EmailState.UNKNOWN


def is_emailed(receipt_id: int) -> bool:
    """Whether an e-mail that carries this receipt was composed."""
    return db.session.scalar(select(exists().where(FrozenEmail.receipt_id == receipt_id))) is True


def has_email_about(donation_id: int) -> bool:
    """Whether an e-mail about this donation was composed."""
    of_donation = select(FrozenEmail.outbox_id).join(OutboxMessage, OutboxMessage.id == FrozenEmail.outbox_id)
    return db.session.scalar(select(exists(of_donation.where(OutboxMessage.donation_id == donation_id)))) is True


def sent_at(receipt_id: int) -> datetime | None:
    """When a mail server first accepted the receipt; None while none has."""
    accepted = select(func.min(DeliveryAttempt.ended_at)).join(FrozenEmail, FrozenEmail.outbox_id == DeliveryAttempt.outbox_id)
    return db.session.scalar(accepted.where(FrozenEmail.receipt_id == receipt_id, DeliveryAttempt.outcome == DeliveryOutcome.ACCEPTED))


def record_bounce(outbox_id: int, *, reason: str, actor: str) -> bool:
    """Record that the e-mail bounced; False when that was recorded before, or when it was never sent."""
    if not must_be_sent_as_frozen(outbox_id):
        return False
    row = insert(Bounce).values(outbox_id=outbox_id, reason=reason, reported_by=actor)
    recorded = row.on_conflict_do_nothing(index_elements=[Bounce.outbox_id]).returning(Bounce.outbox_id)
    return db.session.scalar(recorded) is not None


def resolve_bounces(donation_id: int) -> None:
    """Close the open bounces of this donation’s e-mails."""
    of_donation = select(OutboxMessage.id).where(OutboxMessage.donation_id == donation_id)
    db.session.execute(
        update(Bounce).where(Bounce.outbox_id.in_(of_donation), Bounce.resolved_at.is_(None)).values(resolved_at=func.now()),
        execution_options={"synchronize_session": False},
    )


def count_open_bounces() -> int:
    """How many e-mails have an open bounce."""
    return db.session.scalar(open_bounce_count()) or 0


def open_bounce_count() -> Select[int]:
    """The query of how many emails have an open bounce."""
    return select(func.count()).where(Bounce.resolved_at.is_(None))
