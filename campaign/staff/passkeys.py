"""Passkeys of staff: public keys whose owner signs a challenge at sign-in, or to confirm that it is them.

A challenge counts once: a passkey accepts none that is not later than the last one it signed.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Text, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db

LONGEST_NAME = 60
# Of one member.
MOST = 20


class Passkey(Base):
    """One passkey. `challenged_at` is when the challenge was made that it signed last; `transports` is how browsers reach it."""

    __tablename__ = "passkey"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    transports: Mapped[list[str]] = mapped_column(ARRAY(Text))
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]
    challenged_at: Mapped[datetime | None]


class PasskeyKnown(Exception):
    """This passkey belongs to a member already."""


def add(staff_id: int, *, credential_id: bytes, public_key: bytes, sign_count: int, transports: Sequence[str], name: str) -> Passkey:
    """Add a passkey of the member. Raises PasskeyKnown."""
    key = Passkey(staff_id=staff_id, credential_id=credential_id, public_key=public_key, sign_count=sign_count)
    key.transports, key.name = list(transports), name
    try:
        with db.session.begin_nested():
            db.session.add(key)
    except IntegrityError:
        raise PasskeyKnown from None
    return key


def list_of(staff_id: int) -> Sequence[Passkey]:
    """The member's passkeys, the oldest first."""
    return db.session.scalars(select(Passkey).where(Passkey.staff_id == staff_id).order_by(Passkey.id)).all()


def find(staff_id: int, credential_id: bytes) -> Passkey | None:
    """The member's passkey with this credential."""
    return db.session.scalar(select(Passkey).where(Passkey.staff_id == staff_id, Passkey.credential_id == credential_id))


def record_use(key: Passkey, *, sign_count: int, challenged_at: datetime) -> bool:
    """Note that the passkey signed a challenge that was made at this moment. Returns False when it has signed this one, or a later one."""
    is_later = or_(Passkey.challenged_at.is_(None), Passkey.challenged_at < challenged_at)
    used = update(Passkey).where(Passkey.id == key.id, is_later)
    used = used.values(sign_count=sign_count, challenged_at=challenged_at, used_at=func.now())
    return db.session.execute(used.returning(Passkey.id), execution_options={"synchronize_session": False}).first() is not None


def change_name(passkey_id: int, name: str, *, staff_id: int) -> bool:
    """Call the member's passkey otherwise. Returns False when they have no such passkey."""
    renamed = update(Passkey).where(Passkey.id == passkey_id, Passkey.staff_id == staff_id).values(name=name).returning(Passkey.id)
    return db.session.execute(renamed).first() is not None


def remove(passkey_id: int, *, staff_id: int) -> str:
    """Remove the member's passkey. Returns its name, empty when they have no such passkey."""
    gone = delete(Passkey).where(Passkey.id == passkey_id, Passkey.staff_id == staff_id).returning(Passkey.name)
    return db.session.scalar(gone) or ""


def remove_all(staff_id: int) -> None:
    """Remove the member's passkeys."""
    db.session.execute(delete(Passkey).where(Passkey.staff_id == staff_id))
