"""The forms in which managers create a matching fund and change it while it is a draft. Nothing typed is lost."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user
from sqlalchemy import select

from campaign.edges import pdf
from campaign.edges.db import db
from campaign.funders.contributors import contributors_of
from campaign.funders.funders import Funder
from campaign.matching import fund_actions
from campaign.matching.fund_actions import FundHasChanged, PositionIsTaken
from campaign.matching.funds import Fund, FundStatus, Leftover
from campaign.matching.pledge_requests import MAX_CENTS
from campaign.rules import local_time, money, typed_text
from campaign.rules.local_time import InvalidLocalTime
from campaign.texts.characters import describe_forbidden, describe_unprintable
from campaign.web.errors import campaign_or_404
from campaign.web.labels import leftover_labels
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.campaign_form import slug_of
from campaign.web.staff.payment_form import find_fund_or_404

bp = Blueprint("staff_fund_edit", __name__, url_prefix="/staff/funds")

FIELDS = (
    *("name_en", "name_fr", "funder", "funder_en", "funder_fr", "pledge", "ratio_match", "ratio_gift", "per_donation", "per_donor"),
    *("minimum", "opens", "closes", "position", "leftover"),
)
COLUMNS = (
    *("funder_id", "name_en", "name_fr", "position", "ratio_numerator", "ratio_denominator", "minimum_cents"),
    *("per_donation_cents", "per_donor_cents", "opens_at", "closes_at", "leftover"),
)
LONGEST_NAME, NEW = 120, "new"
RESERVED = {"new", "pledge-requests", ""}


@dataclass(frozen=True, kw_only=True)
class FundForm:
    """The fields as typed, the error of each, and the columns that are right. `stored` is what somebody else has changed meanwhile, by field."""

    typed: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    pledge_cents: int = 0
    stored: dict[str, str] = field(default_factory=dict)
    version: str = ""


class _Wrong(Exception):
    """A field is not right; the message says what to do."""


@bp.get("/new")
@access("manager")
def new_form() -> ResponseReturnValue:
    """The form for a new fund of the campaign that is shown."""
    position = str(fund_actions.next_position(campaign_or_404().id))
    typed = dict.fromkeys(FIELDS, "") | {"ratio_match": "1", "ratio_gift": "1", "funder": NEW, "position": position}
    typed["leftover"] = Leftover.RELEASED.value
    return _page(None, FundForm(typed=typed))


@bp.post("/new")
@access("manager", fresh=True)
def create() -> ResponseReturnValue:
    """Create a fund as a draft, with its funder if that is a new one."""
    form = _read_form(zone=ZoneInfo(campaign_or_404().charity.time_zone))
    if form.errors:
        return _page(None, form), 422
    slug = slug_of(form.values["name_en"])
    slug = fund_actions.free_slug(f"fund-{slug}".strip("-") if slug in RESERVED else slug)
    fund = Fund(campaign_id=campaign_or_404().id, slug=slug, **form.values | {"funder_id": _get_or_create_funder_id(form)})
    try:
        fund_actions.create(fund, pledge_cents=form.pledge_cents, actor=current_user.email, reason="created the draft")
    except PositionIsTaken:
        return _page(None, _with_taken_position(form)), 422
    flash(gettext("The fund is a draft: it is not public and matches nothing until you activate it."))
    return redirect(url_for("staff_fund.page", slug=slug), 303)


def _get_or_create_funder_id(form: FundForm) -> int:
    """The chosen funder, or a new one with the names that were typed, or else with those of the fund."""
    if form.typed["funder"] != NEW:
        return int(form.typed["funder"])
    names = {f"name_{of}": form.typed[f"funder_{of}"] or form.values[f"name_{of}"] for of in ("en", "fr")}
    funder = Funder(**names)
    db.session.add(funder)
    db.session.flush()
    return funder.id


def _with_taken_position(form: FundForm) -> FundForm:
    return replace(form, errors={"position": gettext("Another fund of this campaign has this place. Please choose another number.")})


@bp.get("/<slug>/edit")
@access("manager")
def edit_form(slug: str) -> ResponseReturnValue:
    """The form with a draft as it is stored. An active fund's terms are frozen."""
    fund = find_fund_or_404(slug)
    if fund.status is not FundStatus.DRAFT:
        return _frozen(slug)
    return _page(fund, FundForm(typed=_typed_of(fund), version=_version(fund)))


def _version(fund: Fund) -> str:
    return fund_actions.version_of(fund, [*COLUMNS, "pledged_cents"])


def _frozen(slug: str) -> ResponseReturnValue:
    flash(gettext("The terms of this fund are frozen since it was activated. Its pledge may be raised, by two people."), "error")
    return redirect(url_for("staff_fund.page", slug=slug), 303)


@bp.post("/<slug>/edit")
@access("manager", fresh=True)
def change(slug: str) -> ResponseReturnValue:
    """Change a draft. What somebody else has changed meanwhile is shown first."""
    fund = find_fund_or_404(slug)
    if fund.status is not FundStatus.DRAFT:
        return _frozen(slug)
    contributing = [one.funder_id for one in contributors_of(fund)]
    form = _read_form(zone=ZoneInfo(campaign_or_404().charity.time_zone), least_pledge=fund.pledged_cents, contributing=contributing)
    if form.errors:
        return _page(fund, form), 422
    try:
        values = form.values | {"funder_id": _get_or_create_funder_id(form)}
        has_changed = fund_actions.change_draft(
            fund, values, pledge_cents=form.pledge_cents, actor=current_user.email, version=form.version
        )
    except PositionIsTaken:
        return _page(find_fund_or_404(slug), _with_taken_position(form)), 422
    except FundHasChanged:
        fund = find_fund_or_404(slug)
        if fund.status is not FundStatus.DRAFT:
            return _frozen(slug)
        stored = {name: text for name, text in _typed_of(fund).items() if text != form.typed[name]}
        return _page(fund, replace(form, stored=stored, version=_version(fund))), 422
    flash(gettext("Saved.") if has_changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_fund.page", slug=slug), 303)


def _typed_of(fund: Fund) -> dict[str, str]:
    language, zone = current_language(), ZoneInfo(campaign_or_404().charity.time_zone)

    def amount(cents: int | None) -> str:
        return money.format_typed(cents, language) if cents else ""

    return {
        "name_en": fund.name_en,
        "name_fr": fund.name_fr,
        "funder": str(fund.funder_id),
        "funder_en": "",
        "funder_fr": "",
        "pledge": amount(fund.pledged_cents),
        "ratio_match": str(fund.ratio_numerator),
        "ratio_gift": str(fund.ratio_denominator),
        "per_donation": amount(fund.per_donation_cents),
        "per_donor": amount(fund.per_donor_cents),
        "minimum": amount(fund.minimum_cents),
        "opens": _day(fund.opens_at, zone),
        "closes": _day(fund.closes_at, zone, is_end=True),
        "position": str(fund.position),
        "leftover": fund.leftover,
    }


def _day(moment: datetime | None, zone: ZoneInfo, *, is_end: bool = False) -> str:
    """The day, or the moment where it is no whole day, as `local_time` reads it."""
    if moment is None:
        return ""
    local = moment.astimezone(zone)
    if (local.hour, local.minute, local.second) != (0, 0, 0):
        return f"{local:%Y-%m-%d %H:%M}"
    return f"{local - timedelta(hours=12) if is_end else local:%Y-%m-%d}"


def _page(fund: Fund | None, form: FundForm) -> str:
    language, campaign = current_language(), campaign_or_404()
    found = db.session.scalars(select(Funder).order_by(Funder.id))
    return render_template(
        "staff/fund_form.html",
        title=campaign.title(language),
        slug=fund.slug if fund else "",
        name=fund.name(language) if fund else "",
        form=form,
        funders=[(str(one.id), one.name(language)) for one in found],
        leftovers=leftover_labels(),
        longest=LONGEST_NAME,
        new=NEW,
        zone=campaign.charity.time_zone,
    )


def _read_form(*, zone: ZoneInfo, least_pledge: int = 0, contributing: Collection[int] = ()) -> FundForm:
    typed = {name: " ".join(typed_text.clean(request.form.get(name)).split())[: LONGEST_NAME + 1] for name in FIELDS}
    errors, values = dict[str, str](), dict[str, Any]()

    def read(name: str, column: str, parse: Callable[[str], Any]) -> None:
        try:
            values[column] = parse(typed[name])
        except _Wrong as error:
            errors[name] = str(error)

    for name in ("name_en", "name_fr"):
        read(name, name, _name)
    for name in ("funder_en", "funder_fr"):
        read(name, name, lambda text: text and _name(text))
    read("funder", "funder_id", lambda text: _funder(text, contributing))
    read("ratio_match", "ratio_numerator", _part)
    read("ratio_gift", "ratio_denominator", _part)
    for name in ("per_donation", "per_donor", "minimum"):
        read(name, f"{name}_cents", lambda text: _amount(text) if text else None)
    read("pledge", "pledge", lambda text: _pledge(text, least_pledge))
    read("opens", "opens_at", lambda text: _moment(text, lambda: local_time.parse(text, zone)))
    read("closes", "closes_at", lambda text: _moment(text, lambda: local_time.parse_end(text, zone)))
    read("position", "position", _part)
    read("leftover", "leftover", _leftover)
    if values.get("opens_at") and values.get("closes_at") and values["opens_at"] >= values["closes_at"]:
        errors["closes"] = gettext("The last day is before the first one.")
    values["minimum_cents"] = values.get("minimum_cents") or 0
    columns = {name: values[name] for name in COLUMNS if name in values}
    return FundForm(
        typed=typed, errors=errors, values=columns, pledge_cents=values.get("pledge", 0), version=request.form.get("version", "")
    )


def _name(text: str) -> str:
    if not typed_text.has_words(text) or len(text) > LONGEST_NAME:
        raise _Wrong(gettext("Please write the name in both languages, in at most %(longest)s characters.", longest=LONGEST_NAME))
    if character := typed_text.first_forbidden(text):
        raise _Wrong(describe_forbidden(character, current_language()))
    if characters := pdf.first_unprintable(text):
        raise _Wrong(describe_unprintable(characters, current_language()))
    return text


def _funder(text: str, contributing: Collection[int]) -> int | None:
    if text == NEW:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    if not is_number or db.session.get(Funder, int(text)) is None:
        raise _Wrong(gettext("Please choose a funder."))
    if int(text) in contributing:
        raise _Wrong(gettext("This funder contributes to the fund. To let them lead it, remove them as a contributor first."))
    return int(text)


def _leftover(text: str) -> str:
    if text and text not in set(Leftover):
        raise _Wrong(gettext("Please choose what becomes of it."))
    return text or Leftover.RELEASED.value


def _part(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
        raise _Wrong(gettext("Please write a whole number from %(least)s to %(most)s.", least=1, most=999))
    return int(text)


def _amount(text: str) -> int:
    language = current_language()
    try:
        cents = money.parse(text, language)
    except money.InvalidMoney:
        raise _Wrong(gettext("Please write an amount, for example %(example)s.", example=money.format_money(1_234_56, language))) from None
    if not 0 < cents <= MAX_CENTS:
        most = money.format_money_short(MAX_CENTS, language)
        raise _Wrong(gettext("Please write an amount of more than zero, and %(most)s at most.", most=most))
    return cents


def _pledge(text: str, least_cents: int) -> int:
    cents = _amount(text)
    if cents < least_cents:
        least = money.format_money(least_cents, current_language())
        raise _Wrong(gettext("A pledge is never lowered: this one is %(least)s. For a smaller one, make a new fund.", least=least))
    return cents


def _moment(text: str, parse: Callable[[], datetime]) -> datetime | None:
    if not text:
        return None
    try:
        return parse()
    except InvalidLocalTime:
        raise _Wrong(gettext("Please write a day, for example %(example)s.", example="2026-12-31")) from None
