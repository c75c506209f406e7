"""Months: the figures of each, what to check before closing it, its closing and reopening, and what came after it."""

from datetime import UTC, date, datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.reporting import closed_months, journal, month_actions, month_checks, months
from campaign.reporting.closed_months import ClosedMonth
from campaign.reporting.month_actions import FiguresChanged
from campaign.rules.fiscal_years import Period
from campaign.rules.local_time import EARLIEST_YEAR, LATEST_YEAR
from campaign.rules.months import InvalidMonth, month_of, months_back, parse_month
from campaign.texts.action_errors import ActionError, ActionRefused, describe_error
from campaign.texts.dates import format_moment, format_month
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff import add_up, month_rows
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedLine, read_reason, read_reason_line, refused

bp = Blueprint("staff_months", __name__, url_prefix="/staff/money/months")

LATE_SHOWN = 100


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The months of a year with gifts, fees and payouts, and whether each is closed."""
    campaign, language = campaign_or_404(), current_language()
    charity = campaign.charity
    today = _today(charity)
    begins = months.first_day_of_money(charity)
    first_day = min(charity.local(begins).date(), today) if begins else today
    year = min(max(request.args.get("year", today.year, type=int), EARLIEST_YEAR), LATEST_YEAR)
    of_year = Period(first_on=max(date(year, 1, 1), first_day), last_on=min(date(year, 12, 31), today))
    years = range(today.year, min(first_day.year, year) - 1, -1)
    if add_up.asks_first(campaign, of_year):
        return add_up.render_question(campaign, gettext("Months of %(year)s", year=year), list(years), year)
    sums = journal.sums_by_month(charity, of_year) if of_year.first_on <= of_year.last_on else {}
    of_months = [sums.get(first_on, {}) for first_on in months_back(of_year.last_on, of_year.first_on)]
    closings = {
        c.first_on: c
        for c in closed_months.list_closings(charity, first=of_year.first_on.replace(day=1), last=of_year.last_on)
        if c.reopened_at is None
    }
    return render_template(
        "staff/months.html",
        title=campaign.title(language),
        year=year,
        years=years,
        total=month_rows.overview_row(month_rows.added(of_months)),
        months=[
            {
                "name": f"{first_on:%Y-%m}",
                "label": format_month(first_on, language),
                "is_over": month_of(first_on).last_on < today,
                **month_rows.overview_row(sums.get(first_on, {})),
                "closed": _closing_row(charity, closings[first_on]) if first_on in closings else None,
            }
            for first_on in months_back(of_year.last_on, of_year.first_on)
        ],
    )


@bp.get("/<name>")
@access("viewer")
def month(name: str) -> ResponseReturnValue:
    """One month."""
    period, campaign = _month_or_404(name), campaign_or_404()
    if add_up.asks_first_since(campaign, period):
        return add_up.render_question(campaign, format_month(period.first_on, current_language()), [], None)
    return _page(period)


def _page(period: Period, *, error: str = "", typed: TypedLine | None = None) -> str:
    campaign, language = campaign_or_404(), current_language()
    charity = campaign.charity
    figures = months.figures_of(charity, period)
    checks = month_checks.check_month(charity, period, figures)
    closed, is_over = closed_months.closing_of(charity, period.first_on), period.last_on < _today(charity)
    late = list(journal.movements(charity, period, after=closed.positions)) if closed else []
    return render_template(
        "staff/month.html",
        title=campaign.title(language),
        name=f"{period.first_on:%Y-%m}",
        label=format_month(period.first_on, language),
        first=period.first_on.isoformat(),
        last=period.last_on.isoformat(),
        is_over=is_over,
        groups=month_rows.figure_groups(figures, closed),
        closed=_closing_row(charity, closed) if closed else None,
        differs=closed is not None and closed.figures != figures.as_json(),
        late=month_rows.late_rows(late[:LATE_SHOWN]),
        more_late=max(0, len(late) - LATE_SHOWN),
        comparison=month_rows.comparison_rows(figures, months.at_stripe(charity, campaign.currency, period)),
        payouts=month_rows.payout_rows(campaign, period),
        not_received=month_rows.money(months.not_received_cents(charity)),
        checks=[month_rows.check_row(checked) for checked in checks],
        stops=any(checked.stops for checked in checks),
        seen=figures.digest,
        error=error,
        typed=typed or TypedLine(),
        may_close=has_role("manager"),
        longest_reason=LONGEST_REASON,
        history=[_closing_row(charity, one) for one in closed_months.list_closings(charity, first=period.first_on, last=period.first_on)],
    )


def _closing_row(charity: Charity, closed: ClosedMonth) -> dict[str, Any]:
    language = current_language()
    return {
        "id": closed.id,
        "at": format_moment(charity.local(closed.closed_at), language),
        "by": closed.closed_by,
        "reason": closed.reason,
        "reopened_at": format_moment(charity.local(closed.reopened_at), language) if closed.reopened_at else "",
        "reopened_by": closed.reopened_by or "",
        "reopening_reason": closed.reopening_reason or "",
    }


@bp.post("/<name>/closings")
@access("manager", fresh=True)
def close(name: str) -> ResponseReturnValue:
    """Close the month with its figures as they are now."""
    period, campaign = _month_or_404(name), campaign_or_404()
    typed = read_reason_line() if request.form.get("reason", "").strip() else TypedLine()
    if typed.error:
        return refused(_page(period, typed=typed))
    try:
        month_actions.close_month(
            campaign.charity, period.first_on, reason=typed.text, seen=request.form.get("seen", ""), actor=current_user.email
        )
    except FiguresChanged:
        error = gettext("The figures have changed since you opened the page, so nothing was closed. Read them again, then close the month.")
        return refused(_page(period, error=error, typed=typed))
    except ActionRefused as refusal:
        return refused(_refused_page(period, refusal.refusal, typed))
    flash(gettext("The month is closed. What comes later in it shows here as a difference."))
    return redirect(url_for("staff_months.month", name=name), 303)


def _refused_page(period: Period, error: ActionError, typed: TypedLine) -> str:
    sentence = describe_error(error, current_language())
    if error is ActionError.MONTH_NEEDS_REASON:
        return _page(period, typed=TypedLine(text=typed.text, error=sentence))
    return _page(period, error=sentence, typed=typed)


@bp.post("/<name>/reopenings")
@access("manager", fresh=True)
def reopen(name: str) -> ResponseReturnValue:
    """Reopen the month, so that it can be closed again with its figures of then."""
    period, campaign = _month_or_404(name), campaign_or_404()
    reason = read_reason()
    if not reason:
        return refused(_page(period))
    try:
        month_actions.reopen_month(campaign.charity, period.first_on, reason=reason, actor=current_user.email)
    except ActionRefused as refusal:
        return refused(_refused_page(period, refusal.refusal, TypedLine()))
    flash(gettext("The month is open again. Its earlier closing stays in the list below."))
    return redirect(url_for("staff_months.month", name=name), 303)


def _month_or_404(name: str) -> Period:
    try:
        period = month_of(parse_month(name))
    except InvalidMonth:
        abort(404)
    if period.first_on > _today(campaign_or_404().charity):
        abort(404)
    return period


def _today(charity: Charity) -> date:
    return charity.local(datetime.now(UTC)).date()
