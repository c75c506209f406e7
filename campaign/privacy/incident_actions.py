"""What staff do about confidentiality incidents. Each action commits once, with its audit row, which has none of the facts: the register has them."""

from campaign.edges.db import db
from campaign.privacy import incidents
from campaign.privacy.incidents import IncidentFacts, IncidentHasChanged, IncidentVersion
from campaign.staff import audit


def record(charity_id: int, facts: IncidentFacts, *, actor: str) -> IncidentVersion:
    """Record an incident."""
    version = incidents.create(charity_id, facts, actor=actor)
    audit.record(actor, "recorded a confidentiality incident", name_of(version))
    db.session.commit()
    return version


def name_of(version: IncidentVersion) -> str:
    """What the audit trail calls an incident."""
    return f"incident {version.incident_id}"


def amend(latest: IncidentVersion, facts: IncidentFacts, *, reason: str, actor: str) -> None:
    """Amend what is known, for a reason. Raises IncidentHasChanged."""
    _add(latest, facts, is_closed=False, action="amended a confidentiality incident", reason=reason, actor=actor)


def close(latest: IncidentVersion, *, reason: str, actor: str) -> None:
    """Close the incident, of which everybody is notified who must be. Raises IncidentHasChanged."""
    assert not latest.facts.is_unreported
    _add(latest, latest.facts, is_closed=True, action="closed a confidentiality incident", reason=reason, actor=actor)


def reopen(latest: IncidentVersion, *, reason: str, actor: str) -> None:
    """Open a closed incident again. Raises IncidentHasChanged."""
    _add(latest, latest.facts, is_closed=False, action="reopened a confidentiality incident", reason=reason, actor=actor)


def _add(latest: IncidentVersion, facts: IncidentFacts, *, is_closed: bool, action: str, reason: str, actor: str) -> None:
    try:
        incidents.amend(latest, facts, is_closed=is_closed, reason=reason, actor=actor)
    except IncidentHasChanged:
        db.session.rollback()
        raise
    audit.record(actor, action, name_of(latest), reason=reason)
    db.session.commit()
