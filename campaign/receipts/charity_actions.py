"""Changing a charity's details and settings, for the command and the page. Each change commits once, with an audit row of what was and what is."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from campaign.campaigns.charities import Charity
from campaign.edges import pictures
from campaign.edges.db import db
from campaign.edges.pdf import RenderingFailed
from campaign.receipts import charity_confirmations, printed_pictures, render_jobs
from campaign.receipts.charity_confirmations import TABLES, DetailsNotReal
from campaign.receipts.render_jobs import Pictures
from campaign.rules.charity_details import Detail
from campaign.rules.pictures import PictureFlaw
from campaign.staff import audit


class DetailsHaveChanged(Exception):
    """Somebody has changed one of these details since they were read."""


class PictureRefused(Exception):
    """The picture cannot be printed on receipts, because of `flaw`."""

    def __init__(self, detail: Detail, flaw: PictureFlaw) -> None:
        super().__init__(f"{detail}: {flaw}")
        self.detail, self.flaw = detail, flaw


def version_of(charity: Charity, names: Sequence[str]) -> str:
    """A hash over these columns, by which a form knows whether they are still as they were when it was opened."""
    return sha256(repr([getattr(charity, name) for name in sorted(names)]).encode()).hexdigest()


def create(values: Mapping[str, Any], *, actor: str) -> Charity:
    """Create a charity with these details; the others are to be completed before it can be confirmed. Raises DetailsNotReal for these."""
    empty: dict[str, Any] = dict.fromkeys((detail.value for detail in Detail if detail not in TABLES), "")
    charity = Charity(**empty | {"address": []} | dict(values))
    if findings := [finding for finding in charity_confirmations.findings_of(charity) if finding.detail in values]:
        raise DetailsNotReal(findings)
    db.session.add(charity)
    audit.record(actor, "created a charity", charity.legal_name, after=dict(values))
    db.session.commit()
    return charity


def change(charity: Charity, values: Mapping[str, object], *, actor: str, version: str | None = None) -> list[str]:
    """Set these columns, and return those that changed. With a detail that is confirmed, the database clears the confirmation.

    `version` is that of all these columns as they were read. Raises DetailsNotReal for what is not real or cannot be printed of what changes, and
    DetailsHaveChanged.
    """
    db.session.refresh(charity, with_for_update={"key_share": True})
    before = {name: getattr(charity, name) for name in values}
    changed = sorted(name for name, value in values.items() if value != before[name])
    is_current = version in {None, version_of(charity, list(values))}
    with db.session.no_autoflush:
        for name in changed:
            setattr(charity, name, values[name])
        findings = [finding for finding in charity_confirmations.findings_of(charity) if finding.detail in changed]
    if findings or (changed and not is_current):
        db.session.rollback()
        raise DetailsNotReal(findings) if is_current else DetailsHaveChanged
    if changed:
        # All of it is public: receipts, pages and emails say it.
        was, now = ({name: row[name] for name in changed} for row in (before, values))
        audit.record(actor, "changed the charity's details", charity.legal_name, before=was, after=now)
    db.session.commit()
    return changed


def store_pictures(charity: Charity, pngs: Mapping[Detail, bytes]) -> dict[str, Any]:
    """Store these pictures, and return the values of their columns. Raises PictureRefused for one that no receipt can show."""
    for detail, png in pngs.items():
        _check_picture(charity, detail, png)
    return {detail.value: printed_pictures.store(TABLES[detail], png) for detail, png in pngs.items()}


def _check_picture(charity: Charity, detail: Detail, png: bytes) -> None:
    if flaw := pictures.flaw_of(png):
        raise PictureRefused(detail, flaw)
    try:
        render_jobs.check_pictures(charity, Pictures(**{detail.value: png}))
    except RenderingFailed:
        raise PictureRefused(detail, PictureFlaw.UNREADABLE) from None
