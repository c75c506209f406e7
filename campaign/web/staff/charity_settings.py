"""The form in which managers change what decides about receipts and returns beside the charity's details."""

from collections.abc import Mapping
from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.receipts import charity_actions
from campaign.receipts.charity_actions import DetailsHaveChanged
from campaign.texts.charity_details import Setting, list_settings
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.typed_fields import refused

bp = Blueprint("staff_charity_settings", __name__, url_prefix="/staff/charity/settings")


def _settings(charity: Charity) -> list[Setting]:
    year = charity.local(datetime.now(UTC)).year
    return [one for one in list_settings(charity, current_language(), year=year) if one.choices]


@bp.get("")
@access("manager", fresh=True)
def form() -> ResponseReturnValue:
    """The form, with the settings as they are."""
    return _page({})


def _page(typed: Mapping[str, str], *, has_changed: bool = False) -> str:
    campaign = campaign_or_404()
    settings = _settings(campaign.charity)
    return render_template(
        "staff/charity_settings.html",
        title=campaign.title(current_language()),
        settings=settings,
        typed={one.column: typed.get(one.column, one.chosen) for one in settings},
        version=charity_actions.version_of(campaign.charity, [one.column for one in settings]),
        has_changed=has_changed,
    )


@bp.post("")
@access("manager", fresh=True)
def change() -> ResponseReturnValue:
    """Change the settings. Receipts that are issued stay as they are."""
    charity = campaign_or_404().charity
    settings = _settings(charity)
    typed = {one.column: request.form.get(one.column, "") for one in settings}
    if any(typed[one.column] not in one.choices for one in settings):
        return refused(_page({}))
    values: dict[str, object] = {**typed, "bilingual_receipts": typed["bilingual_receipts"] == "yes"}
    try:
        changed = charity_actions.change(charity, values, actor=current_user.email, version=request.form.get("version", ""))
    except DetailsHaveChanged:
        return refused(_page(typed, has_changed=True))
    flash(gettext("Saved.") if changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_charity.page", _anchor="settings"), 303)
