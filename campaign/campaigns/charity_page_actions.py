"""Setting a charity's own text of a page, and returning to an earlier one or to the default. Each act commits once, together with its audit row."""

from campaign.campaigns import charity_pages
from campaign.campaigns.charities import Charity
from campaign.campaigns.charity_pages import CharityPage
from campaign.edges.db import db
from campaign.rules.page_text import PageKind
from campaign.staff import audit

CHANGED = "changed the text of a page"
RESTORED = "restored a text of a page"


class PageHasChanged(Exception):
    """Somebody has changed the text since it was read."""


def change(charity: Charity, kind: PageKind, *, text_en: str, text_fr: str, seen_id: int, actor: str) -> bool:
    """Set the text in both languages; returns whether anything changed. `seen_id` is the id of what the form showed, 0 for none. Raises PageHasChanged."""
    assert text_en and text_fr
    return _set(charity, kind, text_en, text_fr, CHANGED, seen_id=seen_id, actor=actor)


def restore(charity: Charity, kind: PageKind, version: CharityPage, *, seen_id: int, actor: str) -> bool:
    """Set the text as it was in this version. Raises PageHasChanged."""
    assert version.kind == kind.value and version.charity_id == charity.id
    return _set(charity, kind, version.text_en, version.text_fr, RESTORED, seen_id=seen_id, actor=actor)


def restore_default(charity: Charity, kind: PageKind, *, seen_id: int, actor: str) -> bool:
    """Set no text: the page is as it was at first. Raises PageHasChanged."""
    return _set(charity, kind, "", "", RESTORED, seen_id=seen_id, actor=actor)


def _set(charity: Charity, kind: PageKind, text_en: str, text_fr: str, action: str, *, seen_id: int, actor: str) -> bool:
    db.session.refresh(charity, with_for_update={"key_share": True})
    before = charity_pages.page_of(charity, kind)
    if (before.text_en, before.text_fr) == (text_en, text_fr) if before else not text_en:
        db.session.rollback()
        return False
    if (before.id if before else 0) != seen_id:
        db.session.rollback()
        raise PageHasChanged
    db.session.add(CharityPage(charity_id=charity.id, kind=kind.value, text_en=text_en, text_fr=text_fr, changed_by=actor))
    audit.record(actor, action, charity.legal_name, page=kind.value, of_charity=charity.id)
    db.session.commit()
    return True
