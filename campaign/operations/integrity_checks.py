"""Results of the integrity check: when it ran, how long it took, what it found, and up to where the books are verified."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import time_zones
from campaign.donations import donor_merges
from campaign.edges.db import Base, db

INTERVAL = timedelta(minutes=10)
# Several checks in a row have not ended, or nobody starts them: what is wrong with the books would go unseen.
MAX_SILENCE = timedelta(hours=1)
# From this hour on in the time zone of a charity, the next check is of all books.
NIGHT_HOUR = 3


class IntegrityCheck(Base):
    """One check, of all books if `is_whole`. They are right when `findings` is empty; then `point` is what the next check may begin from."""

    __tablename__ = "integrity_check"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    milliseconds: Mapped[int]
    findings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    is_whole: Mapped[bool] = mapped_column(server_default="true")
    point: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


# A clock that was fast for a while has recorded checks that are still to come.
_IS_PAST = IntegrityCheck.at <= func.now()


def last_check() -> IntegrityCheck | None:
    """The latest check; None before the first."""
    return db.session.scalar(select(IntegrityCheck).order_by(IntegrityCheck.id.desc()).limit(1))


def is_due() -> bool:
    """Whether there was no check within the last ten minutes."""
    recent = select(IntegrityCheck.id).where(IntegrityCheck.at > func.now() - INTERVAL, _IS_PAST)
    return db.session.scalar(recent.limit(1)) is None


def verified_point(now: datetime | None = None) -> dict[str, Any] | None:
    """What the last clean check verified. None when all books are to be checked: once a night, until such a check is clean, and after a merge.

    A merge of donors changes sums without an entry.
    """
    whole = db.session.scalar(select(IntegrityCheck).where(IntegrityCheck.is_whole).order_by(IntegrityCheck.id.desc()).limit(1))
    now = now or datetime.now(UTC)
    if whole is None or whole.findings or whole.at > now or any(whole.at < _last_night(zone, now) for zone in time_zones()):
        return None
    verified = select(IntegrityCheck.point).where(IntegrityCheck.id >= whole.id, IntegrityCheck.point.is_not(None))
    point = db.session.scalar(verified.order_by(IntegrityCheck.id.desc()).limit(1))
    read_at = _read_at(point)
    return None if read_at is not None and donor_merges.has_moved_since(read_at) else point


def _read_at(point: Any) -> datetime | None:
    """When the books of a point were read, less the time that a transaction takes; None when it cannot be read."""
    try:
        return datetime.fromisoformat(dict(point["moment"])["read"])
    except (KeyError, TypeError, ValueError):
        return None


def _last_night(zone: ZoneInfo, now: datetime) -> datetime:
    night = now.astimezone(zone).replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return night if night <= now else night - timedelta(days=1)


def silent_since() -> datetime | None:
    """Since when no check has ended, if that is more than an hour ago: since the last one, or since the first campaign was created."""
    return db.session.scalar(start_of_silence())


def start_of_silence() -> Select[datetime]:
    """The query of `silent_since`."""
    last = func.coalesce(func.max(IntegrityCheck.at).filter(_IS_PAST), select(func.min(Campaign.created_at)).scalar_subquery())
    return select(last).having(last < func.now() - MAX_SILENCE)


def record(findings: list[str], *, milliseconds: int, is_whole: bool, point: dict[str, Any] | None) -> None:
    """Store the result of a check."""
    db.session.add(IntegrityCheck(findings=findings, milliseconds=milliseconds, is_whole=is_whole, point=point))
    db.session.flush()
