"""Changing who is behind a fund on its campaign's page. Each change commits once, with an audit row that does not repeat what they said."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from campaign.edges.db import db
from campaign.edges.pictures import PagePicture
from campaign.funders import portraits
from campaign.funders.introductions import COLUMNS, TEXTS, FundIntroduction
from campaign.matching.funds import Fund
from campaign.staff import audit

CHANGED = "changed who is behind a fund"
# One change at a time, so that no portrait is deleted while another fund begins to show it.
_lock = text("SELECT pg_advisory_xact_lock(72061)")


class IntroductionHasChanged(Exception):
    """Somebody has changed the introduction since it was read."""


def version_of(introduction: FundIntroduction) -> str:
    """A hash over its columns, by which a form knows whether they are still as they were when it was opened."""
    return sha256(repr([getattr(introduction, name) for name in COLUMNS]).encode()).hexdigest()


def change(
    fund: Fund, texts: Mapping[str, str], *, portrait: PagePicture | None, removes_portrait: bool, actor: str, version: str
) -> list[str]:
    """Set these texts, and another portrait or none, and return the columns that changed. Raises IntroductionHasChanged.

    Without a new portrait the stored one stays, unless it is removed. A portrait that no fund shows any more is deleted.
    """
    db.session.execute(_lock)
    db.session.execute(insert(FundIntroduction).values(fund_id=fund.id).on_conflict_do_nothing())
    stored = db.session.get_one(FundIntroduction, fund.id, populate_existing=True)
    before = {name: getattr(stored, name) for name in COLUMNS}
    is_current = version == version_of(stored)
    digest = portraits.store(portrait) if portrait else None if removes_portrait else stored.portrait
    values: dict[str, Any] = {**texts, "portrait": digest}
    changed = sorted(name for name, value in values.items() if value != before[name])
    if changed and not is_current:
        db.session.rollback()
        raise IntroductionHasChanged
    for name in changed:
        setattr(stored, name, values[name])
    if changed:
        was, now = ({name: _audited(name, row[name]) for name in changed} for row in (before, values))
        audit.record(actor, CHANGED, fund.slug, before=was, after=now)
        db.session.flush()
        _delete_unused(before["portrait"])
    db.session.commit()
    return changed


def _audited(name: str, value: str | None) -> str | None:
    """The audit trail cannot be changed: of what people said it has only that they did, so that they can take it back."""
    return ("…" if value else "") if name in TEXTS else value


def _delete_unused(digest: str | None) -> None:
    is_used = digest is None or db.session.query(FundIntroduction).filter_by(portrait=digest).first() is not None
    if digest is not None and not is_used:
        portraits.delete_portrait(digest)
