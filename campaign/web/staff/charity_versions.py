"""The versions of a charity's details, as they were confirmed, and the form for a further charity."""

from datetime import datetime
from typing import Any

import structlog
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user
from sqlalchemy import func, select

from campaign.campaigns.charities import Charity, list_charities
from campaign.campaigns.signing_keys import make_signing_key
from campaign.edges.db import db
from campaign.receipts import charity_actions, charity_confirmations
from campaign.receipts.charity_confirmations import CharityConfirmation, DetailsNotReal
from campaign.receipts.receipts import Receipt
from campaign.rules import typed_text
from campaign.rules.charity_details import LONGEST, PICTURES, Detail, normalized
from campaign.texts.charity_details import describe_finding, name_of
from campaign.texts.dates import format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access

log = structlog.get_logger()

bp = Blueprint("staff_charity_versions", __name__, url_prefix="/staff/charity")

SHOWN = 200
ASKED = (Detail.LEGAL_NAME, Detail.NAME_EN, Detail.NAME_FR, Detail.REGISTRATION_NUMBER, Detail.EMAIL)
ZONES = (
    *("America/Toronto", "America/Halifax", "America/St_Johns", "America/Moncton", "America/Winnipeg", "America/Regina"),
    *("America/Edmonton", "America/Vancouver", "America/Whitehorse", "America/Yellowknife", "America/Iqaluit"),
)


@bp.get("/versions")
@access("viewer")
def versions() -> ResponseReturnValue:
    """What was confirmed, from when to when, by whom, and how many receipts print it."""
    campaign = campaign_or_404()
    found = charity_confirmations.list_confirmations(campaign.charity, limit=SHOWN)
    counted = (
        select(Receipt.confirmation_id, func.count()).where(Receipt.charity_id == campaign.charity_id).group_by(Receipt.confirmation_id)
    )
    receipts = dict(iter(db.session.execute(counted)))
    pairs = zip(found, [None, *found], [*found[1:], None], strict=False)
    return render_template(
        "staff/charity_versions.html",
        title=campaign.title(current_language()),
        charity=campaign.charity.legal_name,
        versions=[_version(one, newer, older, campaign.charity, receipts.get(one.id, 0)) for one, newer, older in pairs],
    )


def _version(
    one: CharityConfirmation, newer: CharityConfirmation | None, older: CharityConfirmation | None, charity: Charity, receipts: int
) -> dict[str, Any]:
    language, details, before = current_language(), one.details or {}, older.details if older else None
    changed = [name_of(detail, language) for detail in Detail if detail in details and before and before.get(detail) != details[detail]]
    return {
        "period": _period(one, newer, charity),
        "iso": one.at.isoformat(),
        "who": one.actor,
        "fingerprint": one.fingerprint or "–",
        "receipts": receipts,
        "changed": ", ".join(changed),
        "rows": [(name_of(detail, language), _shown(detail, details[detail])) for detail in Detail if detail in details],
    }


def _period(one: CharityConfirmation, newer: CharityConfirmation | None, charity: Charity) -> str:
    def show(moment: datetime) -> str:
        return format_moment(charity.local(moment), current_language())

    if newer is not None:
        return gettext("from %(first)s until %(last)s", first=show(one.at), last=show(newer.at))
    if charity.confirmed_at == one.at:
        return gettext("since %(first)s", first=show(one.at))
    return gettext("from %(first)s; since then a detail was changed", first=show(one.at))


def _shown(detail: Detail, value: str | list[str] | None) -> str:
    if detail in PICTURES:
        return gettext("a picture") if value else gettext("none")
    return "; ".join(value) if isinstance(value, list) else value or "–"


@bp.get("/new")
@access("manager", fresh=True)
def new_form() -> ResponseReturnValue:
    """The form for a further charity."""
    return _page(dict.fromkeys((*ASKED, "time_zone"), "") | {"time_zone": campaign_or_404().charity.time_zone}, {})


def _page(typed: dict[str, str], errors: dict[str, str]) -> str:
    language = current_language()
    return render_template(
        "staff/charity_new.html",
        title=campaign_or_404().title(language),
        fields=[{"name": detail.value, "label": name_of(detail, language), "longest": LONGEST[detail]} for detail in ASKED],
        typed=typed,
        errors=errors,
        zones=ZONES,
    )


@bp.post("/new")
@access("manager", fresh=True)
def create() -> ResponseReturnValue:
    """Create a further charity, and go on to its first campaign."""
    typed = {detail.value: typed_text.clean(request.form.get(detail.value)) for detail in ASKED} | {
        "time_zone": request.form.get("time_zone", "")
    }
    values = {detail.value: normalized(detail, typed[detail.value]) for detail in ASKED}
    errors = {}
    if any(one.registration_number == values["registration_number"] for one in list_charities()):
        errors["registration_number"] = gettext("Another charity here has this registration number.")
    zone = typed["time_zone"] if typed["time_zone"] in ZONES else ZONES[0]
    try:
        created = None if errors else charity_actions.create(values | {"time_zone": zone}, actor=current_user.email)
    except DetailsNotReal as error:
        errors |= {finding.detail.value: describe_finding(finding, current_language()) for finding in error.findings}
        created = None
    if created is None:
        return _page(typed, errors), 422
    try:
        make_signing_key(created)
    except OSError as error:  # `campaign setup` creates it where the web server may not write.
        log.error("signing_key.not_created", charity=created.id, error=str(error)[:200])
    flash(gettext("The charity is created. Now write its first campaign; then complete and confirm its details."))
    return redirect(url_for("staff_campaign_edit.new_form", charity=created.id), 303)
