"""Sessions of staff: each is a row, so that it can be listed, and ended by its owner, by an administrator and by a change of password or factor.

The browser's cookie has a random token; the row has its hash.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, bindparam, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.mailed_tokens import token_hash

# Of the token in the browser's cookie.
COOKIE_KEY = "staff_session"
IDLE = timedelta(minutes=30)
MAX_SESSION = timedelta(hours=12)
# How often a request writes that the session was used.
SEEN_INTERVAL = timedelta(minutes=1)
MAX_CLIENT_LENGTH = 200
# How long a member is known at a network where they signed in.
KNOWN_FOR = timedelta(days=30)


class StaffSession(Base):
    """One session. `client` is the browser as it names itself, `network` a keyed hash of where it was begun."""

    __tablename__ = "staff_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    client: Mapped[str]
    network: Mapped[str]
    begun_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


Index("ix_staff_session_open", StaffSession.staff_id, postgresql_where=StaffSession.ended_at.is_(None))


Index("ix_staff_session_staff_id_network", StaffSession.staff_id, StaffSession.network)


def begin(staff_id: int, *, client: str, network: str) -> str:
    """Begin a session, and return the token for the browser's cookie."""
    token = secrets.token_urlsafe(32)
    db.session.add(StaffSession(staff_id=staff_id, token_hash=token_hash(token), client=client[:MAX_CLIENT_LENGTH], network=network))
    db.session.flush()
    return token


@dataclass(frozen=True, kw_only=True)
class OpenSession:
    """A session that is open. It was last noted as used SEEN_INTERVAL ago or before if `is_note_due`."""

    id: int
    is_note_due: bool


def find_open(token: str, staff_id: int) -> OpenSession | None:
    """The member's session with this token; None when it was ended, was idle for IDLE, or began MAX_SESSION ago."""
    found = db.session.execute(_open_session(), {"token_hash": token_hash(token), "staff_id": staff_id}).one_or_none()
    return OpenSession(id=found.id, is_note_due=found.is_note_due) if found else None


@cache  # Each request of staff asks this.
def _open_session() -> Select[int, bool]:
    s = StaffSession
    is_note_due = (s.seen_at < func.now() - SEEN_INTERVAL).label("is_note_due")
    of_member = s.token_hash == bindparam("token_hash"), s.staff_id == bindparam("staff_id")
    return select(s.id, is_note_due).where(*of_member, _is_open())


def record_seen(session_id: int) -> None:
    """Note that the session is used."""
    db.session.execute(update(StaffSession).where(StaffSession.id == session_id).values(seen_at=func.now()))


def list_open(staff_id: int) -> Sequence[StaffSession]:
    """The member's sessions that have not ended, the latest used first."""
    return db.session.scalars(
        select(StaffSession).where(StaffSession.staff_id == staff_id, _is_open()).order_by(StaffSession.seen_at.desc())
    ).all()


def has_been_at(staff_id: int, network: str) -> bool:
    """Whether the member began a session in this network within KNOWN_FOR."""
    recent = StaffSession.begun_at > func.now() - KNOWN_FOR
    at_network = select(StaffSession.id).where(StaffSession.staff_id == staff_id, StaffSession.network == network, recent)
    return db.session.scalar(at_network.limit(1)) is not None


def end(session_id: int, *, staff_id: int) -> bool:
    """End one session of the member. Returns False when it has ended, or is not theirs."""
    return _end(StaffSession.id == session_id, StaffSession.staff_id == staff_id) == 1


def end_by_token(token: str) -> None:
    """End the session with this token, if there is one."""
    _end(StaffSession.token_hash == token_hash(token))


def end_all(staff_id: int, *, except_token: str = "") -> int:
    """End the member's sessions, but for the one with this token. Returns their number."""
    return _end(StaffSession.staff_id == staff_id, StaffSession.token_hash != token_hash(except_token))


def end_everybodys() -> int:
    """End the sessions of all members. Returns their number."""
    return _end()


def _end(*conditions: ColumnElement[bool]) -> int:
    ended = update(StaffSession).where(StaffSession.ended_at.is_(None), *conditions).values(ended_at=func.now()).returning(StaffSession.id)
    return len(db.session.execute(ended, execution_options={"synchronize_session": False}).all())


def _is_open() -> ColumnElement[bool]:
    s = StaffSession
    return s.ended_at.is_(None) & (s.seen_at > func.now() - IDLE) & (s.begun_at > func.now() - MAX_SESSION)
