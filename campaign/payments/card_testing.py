"""The guard against card testing: since when a checkout asks more of the donor because somebody tries stolen cards, and by whose decision.

It begins by itself with declined cards, never with checkouts that were merely begun; one that began by itself also ends so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Index, ScalarSelect, Select, func, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import enqueue_notice
from campaign.payments.card_declines import CardDecline
from campaign.staff import audit
from campaign.staff.members import members_to_notify

log = structlog.get_logger()

# Where one card in ten is declined, as is usual for gifts, 25 declines in ten minutes come with 200 gifts. Testers have few that succeed: so the
# guard wants both many declines and more of them than payments.
BEGINS_AT = 25
BEGINS_WITHIN = timedelta(minutes=10)
# Testers pause and try again. Fewer than five declines in half an hour are what honest donors have.
ENDS_BELOW = 5
ENDS_AFTER = timedelta(minutes=30)
# Whoever began it by hand may forget it: it costs donors a little each time.
BY_HAND_ENDS_AFTER = timedelta(hours=24)
# Who begins and ends it when no person does.
SERVICE = "the service"
HOURS_SHOWN = 12
SPELLS_SHOWN = 20


class CardTestingGuard(Base):
    """One time for which the guard is on. `declines` and `payments` are those of the ten minutes before it began."""

    __tablename__ = "card_testing_guard"

    id: Mapped[int] = mapped_column(primary_key=True)
    begun_at: Mapped[datetime] = mapped_column(server_default=func.now())
    begun_by: Mapped[str]
    declines: Mapped[int]
    payments: Mapped[int]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]

    @property
    def is_by_hand(self) -> bool:
        """Whether a person began it."""
        return self.begun_by != SERVICE


_is_on = CardTestingGuard.ended_at.is_(None)
Index("one_guard_at_a_time", _is_on, unique=True, postgresql_where=_is_on)


@dataclass(frozen=True, kw_only=True)
class HourFigures:
    """What an hour had: declined cards, card payments, and checkouts that are not paid."""

    begins_at: datetime
    declines: int
    payments: int
    unpaid_checkouts: int


def current_guard() -> CardTestingGuard | None:
    """The guard that is on, None while it is off."""
    return db.session.scalar(select(CardTestingGuard).where(_is_on), execution_options={"populate_existing": True})


def guard_count() -> Select[int]:
    """The query of how many guards are on: one or none."""
    return select(func.count()).select_from(CardTestingGuard).where(_is_on)


def list_guards() -> list[CardTestingGuard]:
    """The latest times for which it was on, the newest first."""
    return list(db.session.scalars(select(CardTestingGuard).order_by(CardTestingGuard.id.desc()).limit(SPELLS_SHOWN)))


# Payments by card that donors made themselves: no bank debits, no gifts that staff entered, and no later months, which the first day of a month
# brings by the hundred.
_is_payment = (
    Donation.campaign_id.in_(select(Campaign.id)),
    Donation.payment_intent.is_not(None),
    ~Donation.is_debit,
    Donation.attempt.not_like("invoice:%"),
)
_this_hour = func.date_trunc("hour", func.now())
_hour: Any = func.generate_series(_this_hour, _this_hour - timedelta(hours=HOURS_SHOWN - 1), -timedelta(hours=1)).column_valued("hour")


def hourly_figures() -> list[HourFigures]:
    """The figures of the last HOURS_SHOWN hours, the current one first."""
    rows = select(
        _hour.label("begins_at"),
        _count_in_hour(CardDecline.declined_at).label("declines"),
        _count_in_hour(Donation.received_at, *_is_payment).label("payments"),
        _count_in_hour(Donation.started_at, Donation.received_at.is_(None)).label("unpaid_checkouts"),
    )
    return [HourFigures(**row) for row in db.session.execute(rows).mappings()]


def _count_in_hour(moment: Any, *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).where(moment >= _hour, moment < _hour + timedelta(hours=1), *conditions).scalar_subquery()


def begin_if_attacked() -> CardTestingGuard | None:
    """Begin the guard when the declines of the last ten minutes call for it; None when they do not, or it is on.

    Declines count by Stripe's moment, so that those of an outage begin nothing when they are heard later, and from the moment on at which staff
    ended the guard.
    """
    if current_guard() is not None:
        return None
    declines, payments = _recent_figures()
    return _begin(SERVICE, declines, payments) if declines >= BEGINS_AT and declines > payments else None


def begin_by_hand(actor: str) -> CardTestingGuard | None:
    """Begin the guard; None when it is on already."""
    return _begin(actor, *_recent_figures())


def _recent_figures() -> tuple[int, int]:
    """The declines and payments of the last ten minutes."""
    since = func.now() - BEGINS_WITHIN
    last_end = select(func.coalesce(func.max(CardTestingGuard.ended_at), since)).scalar_subquery()
    declines = select(func.count()).where(CardDecline.declined_at > func.greatest(since, last_end)).scalar_subquery()
    payments = select(func.count()).where(Donation.received_at > since, *_is_payment).scalar_subquery()
    row = db.session.execute(select(declines.label("declines"), payments.label("payments"))).one()
    return row.declines, row.payments


def _begin(actor: str, declines: int, payments: int) -> CardTestingGuard | None:
    row = insert(CardTestingGuard).values(begun_by=actor, declines=declines, payments=payments)
    guard = db.session.scalar(row.on_conflict_do_nothing().returning(CardTestingGuard))
    if guard is not None:
        _report(guard, MessageKind.CARD_TESTING_BEGUN, actor, "began the guard against card testing")
    return guard


def end_if_over() -> CardTestingGuard | None:
    """End the guard when few cards are declined any more, or a person began it and forgot it; None when it goes on, or is off."""
    guard = _lock_current()
    return _end(guard, SERVICE) if guard is not None and _is_over(guard) else None


def _is_over(guard: CardTestingGuard) -> bool:
    is_old = CardTestingGuard.begun_at < func.now() - (BY_HAND_ENDS_AFTER if guard.is_by_hand else ENDS_AFTER)
    declines = select(func.count()).where(CardDecline.declined_at > func.now() - ENDS_AFTER).scalar_subquery()
    is_quiet = true() if guard.is_by_hand else declines < ENDS_BELOW
    return db.session.scalar(select(CardTestingGuard.id).where(CardTestingGuard.id == guard.id, is_old, is_quiet)) is not None


def end_by_hand(actor: str) -> CardTestingGuard | None:
    """End the guard; None when it is off already."""
    guard = _lock_current()
    return _end(guard, actor) if guard is not None else None


def _lock_current() -> CardTestingGuard | None:
    current = select(CardTestingGuard).where(_is_on).with_for_update()
    return db.session.scalar(current, execution_options={"populate_existing": True})


def _end(guard: CardTestingGuard, actor: str) -> CardTestingGuard:
    guard.ended_at, guard.ended_by = func.now(), actor
    db.session.flush()
    _report(guard, MessageKind.CARD_TESTING_ENDED, actor, "ended the guard against card testing")
    return guard


def _report(guard: CardTestingGuard, kind: MessageKind, actor: str, action: str) -> None:
    """Notify staff by mail, once for each member, and record it in the audit trail and the log."""
    for member in members_to_notify():
        enqueue_notice(kind, f"{guard.id}:{member.id}", staff_id=member.id, card_testing_guard_id=guard.id)
    audit.record(actor, action, f"guard {guard.id}", declines=guard.declines, payments=guard.payments)
    has_begun = kind is MessageKind.CARD_TESTING_BEGUN
    log.error("security.card_testing_begun" if has_begun else "security.card_testing_ended", guard=guard.id, by_hand=actor != SERVICE)
