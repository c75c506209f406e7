"""Members of staff and their roles. A new member gets a one-time link, chooses a password and sets up a second factor."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from flask_security import RoleMixin, UserMixin
from sqlalchemy import Column, ForeignKey, Table, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship

from campaign.edges.db import Base, db
from campaign.staff import passkeys, sessions

Change = Callable[[], None]

ADMIN = "admin"
# How long a member must have had their role to be one of two people who raise a pledge.
APPOINTED_FOR = timedelta(days=1)
ROLES = ("viewer", "clerk", "manager", ADMIN)

staff_role = Table(
    "staff_role",
    Base.metadata,
    Column("staff_id", ForeignKey("staff.id"), primary_key=True),
    Column("role_id", ForeignKey("role.id"), primary_key=True),
)


class Role(Base, RoleMixin):
    """What a member of staff may do."""

    __tablename__ = "role"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Staff(Base, UserMixin):
    """One member of staff. `fs_uniquifier` identifies their sessions: a new one ends them all.

    `role_since` is since when they have their role, as an active member. `tf_last_counter` is the number of the 30 seconds whose one-time code was used last. `mf_recovery_codes` holds hashes (recovery_codes.py).
    """

    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str | None]
    active: Mapped[bool]
    fs_uniquifier: Mapped[str] = mapped_column(unique=True)
    tf_primary_method: Mapped[str | None]
    tf_totp_secret: Mapped[str | None]
    tf_last_counter: Mapped[int | None]
    mf_recovery_codes: Mapped[list[str]] = mapped_column(MutableList.as_mutable(ARRAY(Text)), server_default="{}", default=list)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    role_since: Mapped[datetime] = mapped_column(server_default=func.now())
    # A shortcut of one key gets in the way of speech input (WCAG 2.1.4), so that it can be switched off.
    has_slash_shortcut: Mapped[bool] = mapped_column(server_default="true", default=True)
    roles: Mapped[list[Role]] = relationship(secondary=staff_role, lazy="joined")  # type: ignore[assignment]  # Flask-Security names a wider type


class AlreadyStaff(Exception):
    """A member of staff with this address exists."""


class NotStaff(Exception):
    """No member of staff has this address."""


def reset_staff(email: str) -> Staff:
    """Remove a member's password and all second factors and end their sessions, after a lost phone or a breach. Raises NotStaff."""
    member = db.session.scalar(select(Staff).where(Staff.email == email))
    if member is None:
        raise NotStaff(email)
    member.password = member.tf_totp_secret = member.tf_primary_method = None
    member.mf_recovery_codes = []
    member.fs_uniquifier = secrets.token_hex(16)
    passkeys.remove_all(member.id)
    sessions.end_all(member.id)
    db.session.flush()
    return member


def add_staff(email: str, role: str) -> Staff:
    """Add a member without a password. Raises AlreadyStaff when a member with this address has set one.

    A member who has not set a password yet gets this role instead, and their earlier one-time links end.
    """
    chosen = db.session.scalars(select(Role).where(Role.name == role)).one()
    existing = db.session.scalar(select(Staff).where(Staff.email == email))
    if existing is not None and existing.password:
        raise AlreadyStaff(email)
    member = existing or Staff(email=email, active=True)
    if member.roles != [chosen]:
        member.roles, member.role_since = [chosen], func.now()
    member.fs_uniquifier = secrets.token_hex(16)
    db.session.add(member)
    db.session.flush()
    return member


class LastAdmin(Exception):
    """Without this member nobody could manage the others."""


def list_members() -> list[Staff]:
    """All members, active ones first, by address."""
    return list(db.session.scalars(select(Staff).order_by(Staff.active.desc(), Staff.email)).unique())


def find_member(email: str) -> Staff | None:
    """The member with this address."""
    return db.session.scalar(select(Staff).where(Staff.email == email))


def find_manager(address: str) -> Staff | None:
    """The manager or administrator with this address, in any case of its letters, who is active and can sign in."""
    found = [member for member in members_to_notify() if member.email.casefold() == address.strip().casefold()]
    return found[0] if found else None


def new_role_until(member: Staff) -> datetime | None:
    """When the member will have had their role for APPOINTED_FOR: before, one person might have appointed them for one purpose. None if they have."""
    recent = select(Staff.role_since).where(Staff.id == member.id, Staff.role_since > func.now() - APPOINTED_FOR)
    since = db.session.scalar(recent)
    return since + APPOINTED_FOR if since else None


def change_role(member: Staff, role: str) -> None:
    """Give the member another role, and end their sessions. Raises LastAdmin."""
    if role != ADMIN:
        _check_another_admin(member)
    member.roles, member.role_since = [db.session.scalars(select(Role).where(Role.name == role)).one()], func.now()
    sessions.end_all(member.id)
    db.session.flush()


def deactivate(member: Staff) -> None:
    """Keep the member from signing in, and end their sessions and links. Raises LastAdmin."""
    _check_another_admin(member)
    member.active = False
    member.fs_uniquifier = secrets.token_hex(16)
    sessions.end_all(member.id)
    db.session.flush()


def reactivate(member: Staff) -> None:
    """Let a deactivated member sign in again."""
    member.active, member.role_since = True, func.now()
    db.session.flush()


def _check_another_admin(member: Staff) -> None:
    """Raises LastAdmin. All admins are locked, so that two who remove each other are handled one after the other."""
    admins = select(Staff).join(Staff.roles).where(Role.name == ADMIN, Staff.active).order_by(Staff.id).with_for_update(of=Staff)
    found = list(db.session.scalars(admins, execution_options={"populate_existing": True}).unique())
    if member in found and not [other for other in found if other.id != member.id and other.password]:
        raise LastAdmin(member.email)


def list_admins() -> list[Staff]:
    """The administrators who are active and can sign in."""
    return [member for member in members_to_notify() if any(role.name == ADMIN for role in member.roles)]


def members_to_notify() -> list[Staff]:
    """Who is notified when something needs a person: managers and admins who can sign in."""
    members = db.session.scalars(select(Staff).where(Staff.active, Staff.password.is_not(None)).order_by(Staff.id)).unique()
    return [member for member in members if any(role.name in {"manager", "admin"} for role in member.roles)]
