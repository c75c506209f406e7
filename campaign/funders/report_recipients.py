"""Who gets reports about a funder's funds by email, and which. Each choice is a row that is never changed; the latest is in force."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import ForeignKey, Index, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.secret_keys import Purpose
from campaign.edges.services import services
from campaign.funders.funders import Funder
from campaign.rules.report_schedule import Choice, ReportKind

MOST_RECIPIENTS = 10
# What a recipient gets unless something else is chosen.
USUAL = frozenset({ReportKind.MONTHLY, ReportKind.MILESTONE, ReportKind.END})


class Sending(StrEnum):
    """Whether reports are sent. Who paused them gets none of the periods that end meanwhile; the kinds stay chosen."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"


class ReportRecipient(Base):
    """Somebody who gets reports about all funds of a funder, in their language."""

    __tablename__ = "report_recipient"

    id: Mapped[int] = mapped_column(primary_key=True)
    funder_id: Mapped[int] = mapped_column(ForeignKey("funder.id"))
    email: Mapped[str]
    language: Mapped[str]
    added_by: Mapped[str]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("recipient_of_funder_is_unique", ReportRecipient.funder_id, func.lower(ReportRecipient.email), unique=True)


class ReportChoice(Base):
    """What a recipient gets from `chosen_at` on: the kinds, while `sending` is active."""

    __tablename__ = "report_choice"

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("report_recipient.id"), index=True)
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sending: Mapped[str]
    chosen_by: Mapped[str]
    chosen_at: Mapped[datetime] = mapped_column(server_default=func.now())


def add_recipient(funder: Funder, *, email: str, language: str, kinds: Collection[ReportKind], actor: str) -> ReportRecipient:
    """Insert a recipient with the first choice."""
    recipient = ReportRecipient(funder_id=funder.id, email=email, language=language, added_by=actor)
    db.session.add(recipient)
    db.session.flush()
    add_choice(recipient, kinds=kinds, sending=Sending.ACTIVE, actor=actor)
    return recipient


def add_own_address(funder: Funder, *, actor: str) -> None:
    """Make the funder's own address the first recipient, of the usual reports, unless there is one."""
    if funder.email and not recipients_of(funder.id):
        add_recipient(funder, email=funder.email, language=funder.language, kinds=USUAL, actor=actor)


def add_choice(recipient: ReportRecipient, *, kinds: Collection[ReportKind], sending: Sending, actor: str) -> None:
    """Insert a choice, which is in force from now on."""
    db.session.add(ReportChoice(recipient_id=recipient.id, kinds=sorted(kinds), sending=sending, chosen_by=actor))
    db.session.flush()


def recipients_of(funder_id: int) -> list[ReportRecipient]:
    """The recipients of reports about the funder's funds, the first one first."""
    return list(db.session.scalars(select(ReportRecipient).where(ReportRecipient.funder_id == funder_id).order_by(ReportRecipient.id)))


def find_recipient(funder_id: int, email: str) -> ReportRecipient | None:
    """The funder's recipient with this address."""
    r = ReportRecipient
    return db.session.scalar(select(r).where(r.funder_id == funder_id, func.lower(r.email) == email.lower()))


def choices_of(recipients: Sequence[ReportRecipient]) -> dict[int, list[ReportChoice]]:
    """All choices of each recipient, by its id, in their order. Each has one."""
    found: dict[int, list[ReportChoice]] = {recipient.id: [] for recipient in recipients}
    rows = select(ReportChoice).where(ReportChoice.recipient_id.in_(found)).order_by(ReportChoice.id)
    for choice in db.session.scalars(rows):
        found[choice.recipient_id].append(choice)
    return found


def choice_of(recipient: ReportRecipient) -> ReportChoice:
    """The choice in force."""
    latest = select(ReportChoice).where(ReportChoice.recipient_id == recipient.id).order_by(ReportChoice.id.desc()).limit(1)
    return db.session.scalars(latest).one()


def kinds_of(choice: ReportChoice) -> frozenset[ReportKind]:
    """The kinds that were chosen, sent or not."""
    return frozenset(ReportKind(kind) for kind in choice.kinds)


def as_rule(choices: Sequence[ReportChoice]) -> list[Choice]:
    """The choices for rules/report_schedule.py."""
    none = frozenset[ReportKind]()
    return [Choice(at=one.chosen_at, kinds=kinds_of(one) if one.sending == Sending.ACTIVE else none) for one in choices]


def choices_token(recipient: ReportRecipient) -> str:
    """The token of the page on which a recipient chooses, in the link of each report. It opens nothing else."""
    return str(_serializer().dumps(recipient.id))


def recipient_by_token(token: str) -> ReportRecipient | None:
    """The recipient whose token this is."""
    try:
        return db.session.get(ReportRecipient, _serializer().loads(token))
    except BadSignature:
        return None


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(services().keys.oldest_first(Purpose.MAILED_LINK), salt="report choices")
