"""Requests of people about their data: access, correction, erasure, portability, withdrawal of consent.

Each is answered within 30 days (rules/retention.py). What was done is a history that is only added to; who asked is erased two years after
the answer.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.rules import retention


class RequestKind(StrEnum):
    """What a person asks for."""

    ACCESS = "access"
    CORRECTION = "correction"
    ERASURE = "erasure"
    PORTABILITY = "portability"
    WITHDRAWAL = "withdrawal"


class ActKind(StrEnum):
    """What was done about a request. FOUND says which donor the person is; IDENTIFIED how staff know that it is them."""

    RECORDED = "recorded"
    IDENTIFIED = "identified"
    FOUND = "found"
    EXPORTED = "exported"
    ERASED = "erased"
    NOTED = "noted"
    CLOSED = "closed"
    REOPENED = "reopened"


class PrivacyRequest(Base):
    """One request. `person` is who asks, `contact` how to answer them; `donor_id` is the donor that they are, once found."""

    __tablename__ = "privacy_request"

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    kind: Mapped[str]
    received_on: Mapped[date]
    due_on: Mapped[date]
    person: Mapped[str]
    contact: Mapped[str]
    donor_id: Mapped[int | None] = mapped_column(ForeignKey("donor.id"), index=True)
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]


class PrivacyAct(Base):
    """One act: by whom, when, and what they wrote. `detail` has counts and no personal data."""

    __tablename__ = "privacy_act"

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("privacy_request.id"), index=True)
    kind: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    note: Mapped[str]
    detail: Mapped[dict[str, Any]]


Index("ix_privacy_request_open", PrivacyRequest.due_on, postgresql_where=PrivacyRequest.closed_at.is_(None))


@dataclass(frozen=True, kw_only=True)
class NewRequest:
    """What staff record of a request."""

    kind: RequestKind
    received_on: date
    person: str
    contact: str


def create(charity_id: int, new: NewRequest, *, actor: str) -> PrivacyRequest:
    """Record a request."""
    row = PrivacyRequest(
        charity_id=charity_id,
        kind=new.kind,
        received_on=new.received_on,
        due_on=retention.due_on(new.received_on),
        person=new.person,
        contact=new.contact,
        recorded_by=actor,
    )
    db.session.add(row)
    db.session.flush()
    record_act(row, ActKind.RECORDED, actor=actor)
    return row


def record_act(request: PrivacyRequest, kind: ActKind, *, actor: str, note: str = "", **detail: object) -> PrivacyAct:
    """Add to the history of a request."""
    act = PrivacyAct(request_id=request.id, kind=kind, actor=actor, note=note, detail=detail)
    db.session.add(act)
    db.session.flush()
    return act


def get(request_id: int) -> PrivacyRequest | None:
    """The request with this id."""
    return db.session.get(PrivacyRequest, request_id)


def lock(request_id: int) -> PrivacyRequest:
    """The request, locked, as it is now."""
    return db.session.get_one(PrivacyRequest, request_id, with_for_update=True, populate_existing=True)


def acts_of(request_id: int) -> list[PrivacyAct]:
    """The history of a request, the earliest first."""
    return list(db.session.scalars(select(PrivacyAct).where(PrivacyAct.request_id == request_id).order_by(PrivacyAct.id)))


def is_identified(request_id: int) -> bool:
    """Whether staff have said how they know that it is the person themselves."""
    said = select(PrivacyAct.id).where(PrivacyAct.request_id == request_id, PrivacyAct.kind == ActKind.IDENTIFIED)
    return db.session.scalar(said.limit(1)) is not None


def list_open(charity_id: int) -> list[PrivacyRequest]:
    """Open requests, the first due first."""
    r = PrivacyRequest
    return list(db.session.scalars(select(r).where(r.charity_id == charity_id, r.closed_at.is_(None)).order_by(r.due_on, r.id)))


def counts_by_urgency(charity_id: ColumnElement[int], today: date) -> Select[int, int]:
    """The query of how many open requests of the charity are overdue on this day in its time zone, and how many are due soon."""
    due_on, number = PrivacyRequest.due_on, func.count()
    last = date.fromordinal(today.toordinal() + retention.WARNED_DAYS)
    overdue, soon = number.filter(due_on < today), number.filter(due_on.between(today, last))
    counts = select(overdue.label("privacy_overdue"), soon.label("privacy_due_soon"))
    return counts.where(PrivacyRequest.charity_id == charity_id, PrivacyRequest.closed_at.is_(None))
