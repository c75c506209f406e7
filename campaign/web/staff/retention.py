"""For how long data about people is stored: the periods, which administrators set, and what was erased last."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.privacy import retention_rules
from campaign.privacy.retention_rules import Retention
from campaign.rules.retention import PERIODS, Retained
from campaign.staff.members import ADMIN
from campaign.texts.dates import format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.privacy_words import retained_labels
from campaign.web.staff.typed_fields import refused

bp = Blueprint("staff_retention", __name__, url_prefix="/staff/retention")


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The periods."""
    return _page({}, {})


def _page(typed: dict[str, str], errors: dict[str, str]) -> str:
    return render_template(
        "staff/retention.html",
        title=campaign_or_404().title(current_language()),
        rules=[_row(rule, typed, errors) for rule in retention_rules.list_rules()],
        may_change=has_role(ADMIN),
    )


def _row(rule: Retention, typed: dict[str, str], errors: dict[str, str]) -> dict[str, Any]:
    label, what = retained_labels()[rule.kind]
    charity, bounds = campaign_or_404().charity, PERIODS.get(rule.kind)
    run, erased = (format_moment(charity.local(at), current_language()) if at else "" for at in (rule.run_at, rule.erased_at))
    return {
        "name": rule.kind.value,
        "label": label,
        "what": what,
        "days": typed.get(rule.kind, str(rule.days)) if bounds else "",
        "shortest": bounds.shortest if bounds else 0,
        "longest": bounds.longest if bounds else 0,
        "error": errors.get(rule.kind, ""),
        "run": run,
        "erased_at": erased,
        "erased": rule.erased,
        "total": rule.total,
    }


@bp.post("")
@access("admin", fresh=True)
def change() -> ResponseReturnValue:
    """Set the periods."""
    typed = {kind.value: request.form.get(kind.value, "").strip()[:10] for kind in PERIODS}
    errors = {kind.value: error for kind in PERIODS if (error := _error(kind, typed[kind.value]))}
    if errors:
        return refused(_page(typed, errors))
    changed = [retention_rules.set_days(kind, int(typed[kind.value]), actor=current_user.email) for kind in PERIODS]
    db.session.commit()
    flash(gettext("The periods are changed. The next run erases by them.") if any(changed) else gettext("Nothing was changed."))
    return redirect(url_for("staff_retention.page"), 303)


def _error(kind: Retained, typed: str) -> str:
    bounds = PERIODS[kind]
    if typed.isascii() and typed.isdigit() and bounds.shortest <= int(typed) <= bounds.longest:
        return ""
    return str(gettext("Please write a number of days from %(least)s to %(most)s.", least=bounds.shortest, most=bounds.longest))
