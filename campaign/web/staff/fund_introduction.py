"""The form in which managers say who is behind a fund: words, names and a portrait, which the campaign's page shows. Nothing typed is lost."""

from dataclasses import dataclass, field

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges import pictures
from campaign.edges.db import db
from campaign.edges.pictures import PagePicture, UnusablePicture
from campaign.funders import introduction_actions
from campaign.funders.introduction_actions import IntroductionHasChanged, version_of
from campaign.funders.introductions import TEXTS, FundIntroduction, introduction_of
from campaign.funders.portraits import Portrait
from campaign.matching.funds import Fund
from campaign.rules import typed_text
from campaign.rules.pictures import LEAST_PORTRAIT_SIDE, MOST_UPLOADED_BYTES
from campaign.web.errors import campaign_or_404
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.security import access, csrf
from campaign.web.staff.campaign_form import TextRule, WrongField
from campaign.web.staff.payment_form import find_fund_or_404
from campaign.web.staff.picture_words import PictureLimits, describe_flaw

bp = Blueprint("staff_fund_introduction", __name__, url_prefix="/staff/funds/<slug>/introduction")

LONGEST = {"words": 400, "name": 80, "portrait_alt": 300}
LIMITS = PictureLimits(most_bytes=MOST_UPLOADED_BYTES, least_width=LEAST_PORTRAIT_SIDE, least_height=LEAST_PORTRAIT_SIDE)


@dataclass(frozen=True, kw_only=True)
class IntroductionForm:
    """The fields as typed, the error of each, and what is stored of those that somebody else has changed meanwhile."""

    typed: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    portrait: PagePicture | None = None
    removes_portrait: bool = False


@bp.get("")
@access("manager", fresh=True)
def form(slug: str) -> ResponseReturnValue:
    """The form with the words, names and portrait as they are."""
    fund = find_fund_or_404(slug)
    return _page(fund, IntroductionForm(typed=_typed_of(introduction_of(fund))))


def _typed_of(introduction: FundIntroduction) -> dict[str, str]:
    return {name: getattr(introduction, name) for name in TEXTS}


def _page(fund: Fund, form: IntroductionForm) -> str:
    language, stored = current_language(), introduction_of(fund)
    return render_template(
        "staff/fund_introduction.html",
        title=campaign_or_404().title(language),
        slug=fund.slug,
        fund=fund.name(language),
        is_anonymous=fund.is_anonymous,
        form=form,
        version=version_of(stored),
        portrait=stored.portrait is not None,
        portrait_alt=stored.portrait_alt(language),
        longest=LONGEST,
        limits=LIMITS,
    )


@bp.get("/portrait.jpg")
@access("viewer")
def portrait(slug: str) -> ResponseReturnValue:
    """The portrait as it is stored, in forms and previews, whether the public sees it or not."""
    stored = introduction_of(find_fund_or_404(slug)).portrait
    if stored is None:
        abort(404)
    response = Response(db.session.get_one(Portrait, stored).jpeg, mimetype="image/jpeg")
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.post("")
@access("manager", fresh=True, takes_document=True)
@csrf.exempt  # Its token is checked here, once the request may be as large as a picture.
def change(slug: str) -> ResponseReturnValue:
    """Show other words, names or another portrait, or none. What somebody else has changed meanwhile is shown first."""
    csrf.protect()
    fund = find_fund_or_404(slug)
    form = _read_form(introduction_of(fund))
    if form.errors:
        return _page(fund, form), 422
    try:
        changed = introduction_actions.change(
            fund,
            form.typed,
            portrait=form.portrait,
            removes_portrait=form.removes_portrait,
            actor=current_user.email,
            version=request.form.get("version", ""),
        )
    except IntroductionHasChanged:
        fund = find_fund_or_404(slug)
        stored = {name: text for name, text in _typed_of(introduction_of(fund)).items() if text != form.typed[name]}
        errors = {"portrait": _choose_again()} if form.portrait else {}
        return _page(fund, IntroductionForm(typed=form.typed, errors=errors, stored=stored or {"portrait": ""})), 422
    flash(gettext("Saved.") if changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_fund.page", slug=slug), 303)


def _read_form(stored: FundIntroduction) -> IntroductionForm:
    removes = request.form.get("change") == "remove"
    typed = {name: " ".join(typed_text.clean_lines(request.form.get(name)).split()) for name in TEXTS}
    if removes:
        typed |= {f"portrait_alt_{of}": "" for of in LANGUAGES}
    portrait, errors = (None, {}) if removes else _read_portrait()
    has_portrait = not removes and (portrait is not None or stored.portrait is not None)
    has_words = any(typed[f"words_{of}"] for of in LANGUAGES)
    needed = {"words": has_words, "name": has_words or has_portrait, "portrait_alt": has_portrait}
    for kind, is_needed in needed.items():
        for of in LANGUAGES:
            if error := _error_of(typed[f"{kind}_{of}"], kind, is_needed=is_needed):
                errors.setdefault(f"{kind}_{of}", error)
    if portrait and errors:
        errors["portrait"] = _choose_again()
    return IntroductionForm(typed=typed, errors=errors, portrait=portrait, removes_portrait=removes)


def _choose_again() -> str:
    return gettext("Please choose the picture again: nothing was saved.")


def _read_portrait() -> tuple[PagePicture | None, dict[str, str]]:
    """The portrait that came with the form, if one did, and what is wrong with it."""
    file = request.files.get("portrait")
    upload = file.read(MOST_UPLOADED_BYTES + 1) if file else b""
    if not upload:
        return None, {}
    try:
        return pictures.portrait(upload), {}
    except UnusablePicture as error:
        unreadable = gettext("This file cannot be read as a picture. Please choose a PNG or JPEG.")
        return None, {"portrait": describe_flaw(error.flaw, LIMITS, unreadable=unreadable)}


def _error_of(text: str, kind: str, *, is_needed: bool) -> str:
    if not is_needed:
        return gettext("This is shown only with a portrait or words. Please add one of them, or leave this empty.") if text else ""
    try:
        TextRule(LONGEST[kind], has_lines=False)(text)
    except WrongField as error:
        return str(error)
    return ""
