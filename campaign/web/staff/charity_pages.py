"""The texts of the charity's public pages: what is shown now, the form that changes a text in both languages, its preview, and all versions."""

import re
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, gettext
from flask_security import current_user

from campaign.campaigns import charity_page_actions
from campaign.campaigns.campaigns import campaigns_of
from campaign.campaigns.charities import Charity
from campaign.campaigns.charity_page_actions import PageHasChanged
from campaign.campaigns.charity_pages import CharityPage, page_of, version_of, versions_of
from campaign.rules import typed_text
from campaign.rules.page_text import PageKind, blocks_of
from campaign.texts.dates import format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.public.charity_pages import charity_page, default_of, name_of
from campaign.web.public.preview_notice import PreviewNotice
from campaign.web.public.privacy_page import privacy_page
from campaign.web.security import access, has_role
from campaign.web.staff.campaign_form import TextRule, WrongField

bp = Blueprint("staff_charity_pages", __name__, url_prefix="/staff/charity/pages")

LONGEST = 10_000
SHOWN = 200
KINDS = ",".join(kind.value for kind in PageKind)


@dataclass(frozen=True, kw_only=True)
class PageForm:
    """The texts as typed and the error of each, by field. `stored` is what somebody else has set meanwhile; `seen_id` is the version that the form began with."""

    typed: dict[str, str]
    seen_id: int
    errors: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The public pages, each with whose text it shows and who changed it last."""
    campaign = campaign_or_404()
    public = [one.slug for one in campaigns_of(campaign.charity) if one.is_public]
    return render_template(
        "staff/charity_pages.html",
        title=campaign.title(current_language()),
        pages=[_row(campaign.charity, kind, public) for kind in PageKind],
        may_edit=has_role("manager"),
    )


def _row(charity: Charity, kind: PageKind, public: list[str]) -> dict[str, Any]:
    stored = page_of(charity, kind)
    names = {"en": gettext("in English"), "fr": gettext("in French")}
    return {
        "kind": kind.value,
        "name": name_of(kind),
        "state": _state(kind, is_own=stored is not None and stored.is_own),
        "changed": _changed(stored, charity) if stored else "",
        "addresses": [(of, names[of], _address(kind, of, public[0])) for of in LANGUAGES if public],
    }


def _address(kind: PageKind, language: str, slug: str) -> str:
    if kind is PageKind.PRIVACY:
        return url_for("privacy_page.of_campaign", language=language, slug=slug)
    return url_for("charity_pages.page", language=language, slug=slug, kind=kind.value)


def _state(kind: PageKind, *, is_own: bool) -> str:
    if kind is PageKind.PRIVACY:
        return gettext("Page from the settings, and a section of your own") if is_own else gettext("Page from the settings")
    return gettext("Your own text") if is_own else gettext("Default text")


def _changed(version: CharityPage, charity: Charity) -> str:
    moment = format_moment(charity.local(version.changed_at), current_language())
    return gettext("Last changed on %(moment)s by %(who)s", moment=moment, who=version.changed_by)


@bp.get(f"/<any({KINDS}):kind>")
@access("manager", fresh=True)
def form(kind: str) -> ResponseReturnValue:
    """The form with the text that is shown now, in both languages."""
    charity = campaign_or_404().charity
    stored = page_of(charity, PageKind(kind))
    return _form_page(PageKind(kind), PageForm(typed=_shown(charity, PageKind(kind), stored), seen_id=stored.id if stored else 0))


def _shown(charity: Charity, kind: PageKind, stored: CharityPage | None) -> dict[str, str]:
    """The texts that donors read now, as they would be read from the form."""
    is_own = stored is not None and stored.is_own
    texts = {of: stored.text(of) if stored and is_own else default_of(charity, kind, of) for of in LANGUAGES}
    return {f"text_{of}": typed_text.clean_lines(text) for of, text in texts.items()}


def _form_page(kind: PageKind, typed: PageForm) -> str:
    campaign = campaign_or_404()
    stored = page_of(campaign.charity, kind)
    return render_template(
        "staff/charity_page_form.html",
        title=campaign.title(current_language()),
        kind=kind.value,
        name=name_of(kind),
        is_section=kind is PageKind.PRIVACY,
        is_own=stored is not None and stored.is_own,
        changed=_changed(stored, campaign.charity) if stored else "",
        form=typed,
        longest=LONGEST,
    )


@bp.post(f"/<any({KINDS}):kind>")
@access("manager", fresh=True)
def change(kind: str) -> ResponseReturnValue:
    """Set the text in both languages. What somebody else has set meanwhile is shown first."""
    charity, of_kind, typed = campaign_or_404().charity, PageKind(kind), _read_form()
    if typed.errors:
        return _form_page(of_kind, typed), 422
    stored = page_of(charity, of_kind)
    has_changed = typed.typed != _shown(charity, of_kind, stored)
    try:
        if has_changed:
            charity_page_actions.change(charity, of_kind, **typed.typed, seen_id=typed.seen_id, actor=current_user.email)
    except PageHasChanged:
        return _form_page(of_kind, _with_stored(charity, of_kind, typed)), 422
    flash(gettext("Saved.") if has_changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_charity_pages.page"), 303)


def _read_form() -> PageForm:
    typed = {name: typed_text.clean_lines(request.form.get(name)).strip() for name in ("text_en", "text_fr")}
    errors = dict[str, str]()
    for name, text in typed.items():
        try:
            TextRule(LONGEST, has_lines=True)(text)
        except WrongField as error:
            errors[name] = str(error)
    return PageForm(typed=typed, errors=errors, seen_id=_number("seen"))


def _number(name: str) -> int:
    """The id in this field; 0 for what is none."""
    typed = request.form.get(name, "")
    return int(typed) if re.fullmatch(r"[0-9]{1,18}", typed) else 0


def _with_stored(charity: Charity, kind: PageKind, typed: PageForm) -> PageForm:
    latest = page_of(charity, kind)
    stored = {name: text for name, text in _shown(charity, kind, latest).items() if text != typed.typed[name]}
    return PageForm(typed=typed.typed, stored=stored, seen_id=latest.id if latest else 0)


@bp.post(f"/<any({KINDS}):kind>/preview/<any(en,fr):of>")
@access("manager")
def preview(kind: str, of: str) -> ResponseReturnValue:
    """The public page with the text as it is typed. Nothing is stored."""
    text = typed_text.clean_lines(request.form.get(f"text_{of}"))[:LONGEST]
    notice = PreviewNotice(label=gettext("Preview"), text=gettext("Nothing of this is stored."), language=current_language())
    with force_locale(of):
        if kind == PageKind.PRIVACY:
            return privacy_page(campaign_or_404(), of, text, preview=notice)
        return charity_page(campaign_or_404(), PageKind(kind), of, text, preview=notice)


@bp.get(f"/<any({KINDS}):kind>/versions")
@access("viewer")
def versions(kind: str) -> ResponseReturnValue:
    """All texts that the page had, with who set them when."""
    campaign = campaign_or_404()
    found = versions_of(campaign.charity, PageKind(kind), limit=SHOWN)
    return render_template(
        "staff/charity_page_versions.html",
        title=campaign.title(current_language()),
        kind=kind,
        name=name_of(PageKind(kind)),
        versions=[_version(one, campaign.charity) for one in found],
        seen_id=found[0].id if found else 0,
        may_edit=has_role("manager"),
    )


def _version(one: CharityPage, charity: Charity) -> dict[str, Any]:
    labels = {"en": gettext("Text in English"), "fr": gettext("Text in French")}
    return {
        "id": one.id,
        "at": format_moment(charity.local(one.changed_at), current_language()),
        "iso": one.changed_at.isoformat(),
        "who": one.changed_by,
        "state": _state(PageKind(one.kind), is_own=one.is_own),
        "texts": [(of, labels[of], blocks_of(one.text(of))) for of in LANGUAGES if one.is_own],
    }


@bp.post(f"/<any({KINDS}):kind>/restorations")
@access("manager", fresh=True)
def restore(kind: str) -> ResponseReturnValue:
    """Show the default text again, or that of an earlier version."""
    charity, of_kind, number = campaign_or_404().charity, PageKind(kind), _number("version")
    version = version_of(charity, of_kind, number) if number else None
    if request.form.get("version") and version is None:
        abort(404)
    try:
        if version:
            changed = charity_page_actions.restore(charity, of_kind, version, seen_id=_number("seen"), actor=current_user.email)
        else:
            changed = charity_page_actions.restore_default(charity, of_kind, seen_id=_number("seen"), actor=current_user.email)
    except PageHasChanged:
        flash(
            gettext(
                "Nothing was restored: somebody has changed this text since you opened the page. What is shown now is the first one here."
            ),
            "error",
        )
        return redirect(url_for("staff_charity_pages.versions", kind=kind), 303)
    flash(gettext("Restored.") if changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_charity_pages.page"), 303)
