"""The register of confidentiality incidents: personal data that was seen, used, sent or lost without right.

Its contents are those of section 7 of Québec's Regulation respecting confidentiality incidents (A-2.1, r. 3.1), and what section 3 asks of a notice to
the Commission d'accès à l'information. Section 8 asks for five years from the day on which the charity learned of an incident, the federal Breach of
Security Safeguards Regulations (SOR/2018-64, s. 6) for two: no row is changed or deleted, so the register stays for longer. An amendment is another
version, and the versions are the history.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime

from sqlalchemy import ColumnElement, ForeignKey, Select, UniqueConstraint, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, aliased, mapped_column

from campaign.edges.db import Base, db


class ConfidentialityIncident(Base):
    """One incident of a charity. What is known about it is in its versions."""

    __tablename__ = "confidentiality_incident"

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"), index=True)


@dataclass(frozen=True, kw_only=True)
class IncidentFacts:
    """What is known about an incident.

    It lasted from `began_on` until `ended_on`, if that is another day. `people` is how many are concerned, `in_quebec` how many of them live
    there, if that is known. The days are those on which the Commission d'accès à l'information, the Privacy Commissioner of Canada and the people
    themselves were notified; `unnotified_reason` says why one of them is not to be.
    """

    circumstances: str
    began_on: date
    ended_on: date | None
    learned_on: date
    information: str
    concerned: str
    people: int
    in_quebec: int | None
    is_serious: bool
    risk: str
    commission_on: date | None
    commissioner_on: date | None
    people_on: date | None
    unnotified_reason: str
    measures: str

    @property
    def is_unreported(self) -> bool:
        """Whether somebody must still be notified, as there is a risk of serious injury."""
        is_complete = bool(self.commission_on and self.commissioner_on and self.people_on)
        return self.is_serious and not is_complete and not self.unnotified_reason


class IncidentVersion(Base):
    """What was known about an incident when a member recorded it; `number` counts its versions from 1. `reason` says why it was amended, closed or
    opened again.
    """

    __tablename__ = "incident_version"
    __table_args__ = (UniqueConstraint("incident_id", "number", name="one_version_after_another"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("confidentiality_incident.id"))
    number: Mapped[int]
    circumstances: Mapped[str]
    began_on: Mapped[date]
    ended_on: Mapped[date | None]
    learned_on: Mapped[date]
    information: Mapped[str]
    concerned: Mapped[str]
    people: Mapped[int]
    in_quebec: Mapped[int | None]
    is_serious: Mapped[bool]
    risk: Mapped[str]
    commission_on: Mapped[date | None]
    commissioner_on: Mapped[date | None]
    people_on: Mapped[date | None]
    unnotified_reason: Mapped[str]
    measures: Mapped[str]
    is_closed: Mapped[bool]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def facts(self) -> IncidentFacts:
        """What it says."""
        return IncidentFacts(**{one.name: getattr(self, one.name) for one in fields(IncidentFacts)})


class IncidentHasChanged(Exception):
    """Somebody has amended, closed or reopened the incident in the meantime."""


def create(charity_id: int, facts: IncidentFacts, *, actor: str) -> IncidentVersion:
    """Record an incident."""
    incident = ConfidentialityIncident(charity_id=charity_id)
    db.session.add(incident)
    db.session.flush()
    return _add(incident.id, 1, facts, is_closed=False, reason="", actor=actor)


def amend(latest: IncidentVersion, facts: IncidentFacts, *, is_closed: bool, reason: str, actor: str) -> IncidentVersion:
    """Put another version after the latest one that the member has seen. Raises IncidentHasChanged when there is a later one."""
    try:
        with db.session.begin_nested():
            return _add(latest.incident_id, latest.number + 1, facts, is_closed=is_closed, reason=reason, actor=actor)
    except IntegrityError as error:
        if db.session.scalar(
            select(exists().where(IncidentVersion.incident_id == latest.incident_id, IncidentVersion.number > latest.number))
        ):
            raise IncidentHasChanged from error
        raise


def _add(incident_id: int, number: int, facts: IncidentFacts, *, is_closed: bool, reason: str, actor: str) -> IncidentVersion:
    version = IncidentVersion(incident_id=incident_id, number=number, **asdict(facts), is_closed=is_closed, reason=reason, actor=actor)
    db.session.add(version)
    db.session.flush()
    return version


def versions_of(charity_id: int, incident_id: int) -> Sequence[IncidentVersion]:
    """The versions of this incident of the charity, the latest first; none if it has no such incident."""
    v, incident = IncidentVersion, ConfidentialityIncident
    of = select(v).join(incident, incident.id == v.incident_id).where(incident.charity_id == charity_id, incident.id == incident_id)
    return db.session.scalars(of.order_by(v.number.desc())).all()


def list_latest(charity_id: int) -> Sequence[IncidentVersion]:
    """The register as it is now, the incident that was recorded last first. A charity has few."""
    return db.session.scalars(_latest(charity_id).order_by(IncidentVersion.incident_id.desc())).all()


def _latest(charity_id: int | ColumnElement[int]) -> Select[IncidentVersion]:
    v, later, incident = IncidentVersion, aliased(IncidentVersion), ConfidentialityIncident
    return (
        select(v)
        .join(incident, incident.id == v.incident_id)
        .where(incident.charity_id == charity_id, ~exists().where(later.incident_id == v.incident_id, later.number > v.number))
    )


def unreported_count(charity_id: ColumnElement[int]) -> Select[int]:
    """The query of how many open incidents with a risk of serious injury somebody must still be notified of (IncidentFacts.is_unreported)."""
    v = IncidentVersion
    is_incomplete = func.num_nulls(v.commission_on, v.commissioner_on, v.people_on) > 0
    unreported = _latest(charity_id).where(v.is_serious, ~v.is_closed, is_incomplete, v.unnotified_reason == "")
    return unreported.with_only_columns(func.count())
