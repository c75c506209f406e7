"""What staff do about privacy requests. Each action commits once, with its place in the history of the request and its audit row."""

from campaign.donations import news_withdrawals
from campaign.donations.news_withdrawals import WithdrawnBy
from campaign.edges.db import db
from campaign.privacy import erasure, people, privacy_requests
from campaign.privacy.erasure import Preview
from campaign.privacy.privacy_requests import ActKind, NewRequest, PrivacyRequest
from campaign.staff import audit


class RequestClosed(Exception):
    """Somebody else has closed the request, or opened it again, in the meantime."""


def record(charity_id: int, new: NewRequest, *, actor: str) -> PrivacyRequest:
    """Record a request."""
    request = privacy_requests.create(charity_id, new, actor=actor)
    audit.record(actor, "recorded a privacy request", name_of(request), request_kind=request.kind, received_on=str(request.received_on))
    db.session.commit()
    return request


def name_of(request: PrivacyRequest) -> str:
    """What the audit trail calls a request."""
    return f"privacy request {request.id}"


def record_identity(request_id: int, *, how: str, actor: str) -> None:
    """Record how staff know that it is the person themselves. Raises RequestClosed."""
    request = _lock_open(request_id)
    privacy_requests.record_act(request, ActKind.IDENTIFIED, actor=actor, note=how)
    audit.record(actor, "verified who made a privacy request", name_of(request))
    db.session.commit()


def choose_person(request_id: int, donor_id: int, *, actor: str) -> None:
    """Record which donor the person is. Raises RequestClosed."""
    request = _lock_open(request_id)
    request.donor_id = people.current_donor_id(donor_id)
    privacy_requests.record_act(request, ActKind.FOUND, actor=actor, donor=request.donor_id)
    audit.record(actor, "found who made a privacy request", name_of(request), donor=f"donor {request.donor_id}")
    db.session.commit()


def record_note(request_id: int, text: str, *, actor: str) -> None:
    """Record what was done. Raises RequestClosed."""
    request = _lock_open(request_id)
    privacy_requests.record_act(request, ActKind.NOTED, actor=actor, note=text)
    audit.record(actor, "noted something about a privacy request", name_of(request))
    db.session.commit()


def record_export(request: PrivacyRequest, *, actor: str, sha256: str, gifts: int, receipts: int) -> None:
    """Record that all about the person was downloaded, by the hash of the file."""
    privacy_requests.record_act(request, ActKind.EXPORTED, actor=actor, sha256=sha256, gifts=gifts, receipts=receipts)
    audit.record(actor, "exported all about a person", name_of(request), sha256=sha256, gifts=gifts, receipts=receipts)
    db.session.commit()


def erase(request_id: int, *, actor: str) -> Preview:
    """Erase the person, and record what was erased as the proof; nothing is recorded when something prevents it, or nothing is left to erase.

    Raises RequestClosed.
    """
    request = _lock_open(request_id)
    assert request.donor_id is not None and privacy_requests.is_identified(request_id)
    result = erasure.erase(request.donor_id)
    if result.is_possible and not result.is_done:
        counts = {what.value: count for what, count in result.erased.items()}
        stays = {what.value: count for what, count in result.stays.items()}
        until = result.until.isoformat() if result.until else ""
        privacy_requests.record_act(request, ActKind.ERASED, actor=actor, erased=counts, stays=stays, until=until)
        audit.record(actor, "erased a person", name_of(request), donor=f"donor {request.donor_id}", rows=sum(counts.values()))
        db.session.commit()
    else:
        db.session.rollback()
    return result


def withdraw_consent(request_id: int, *, actor: str) -> bool:
    """Withdraw the person's consent to news. Returns False when none is in force. Raises RequestClosed."""
    request = _lock_open(request_id)
    assert request.donor_id is not None
    gifts = [gift for gift in people.donations_of_person(people.donor_ids_of(request.donor_id)) if gift.news_consent_at]
    is_withdrawn = bool(gifts) and news_withdrawals.record(gifts[-1], how=WithdrawnBy.STAFF, recorded_by=actor)
    if is_withdrawn:
        privacy_requests.record_act(request, ActKind.NOTED, actor=actor, withdrawn=True)
        audit.record(actor, "withdrew consent to news", name_of(request), donor=f"donor {request.donor_id}")
    db.session.commit()
    return is_withdrawn


def close(request_id: int, text: str, *, actor: str) -> None:
    """Close the request with what was done. Raises RequestClosed."""
    request = _lock_open(request_id)
    now = privacy_requests.record_act(request, ActKind.CLOSED, actor=actor, note=text)
    db.session.refresh(now)
    request.closed_at, request.closed_by = now.at, actor
    audit.record(actor, "closed a privacy request", name_of(request))
    db.session.commit()


def reopen(request_id: int, text: str, *, actor: str) -> None:
    """Open a closed request again, for a reason. Raises RequestClosed when it is open."""
    request = privacy_requests.lock(request_id)
    if request.closed_at is None:
        db.session.rollback()
        raise RequestClosed
    request.closed_at = request.closed_by = None
    privacy_requests.record_act(request, ActKind.REOPENED, actor=actor, note=text)
    audit.record(actor, "reopened a privacy request", name_of(request))
    db.session.commit()


def _lock_open(request_id: int) -> PrivacyRequest:
    request = privacy_requests.lock(request_id)
    if request.closed_at is not None:
        db.session.rollback()
        raise RequestClosed
    return request
