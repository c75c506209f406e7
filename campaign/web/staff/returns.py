"""The charity's returns T3010 and TP-985.22 by fiscal year: their lines tied to the books, exports, and copies of filed returns.

A copy says what changed before and after it was recorded.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.receipts import filed_returns
from campaign.receipts.filed_returns import FiledReturn
from campaign.reporting import filing_changes, return_actions, return_gifts, returns
from campaign.reporting.filing_changes import GiftThen
from campaign.reporting.return_actions import FilingDoubtful, FilingRefused
from campaign.reporting.return_gifts import ChangedGift
from campaign.reporting.returns import ReturnsOfYear
from campaign.rules import return_lines
from campaign.rules.fiscal_years import Period, fiscal_year, fiscal_year_of
from campaign.rules.money import format_money
from campaign.rules.return_lines import Figure, Form, FormVersion, GiftGroup
from campaign.texts.dates import format_day, format_moment
from campaign.texts.file_names import AS_OF, Document, file_name
from campaign.texts.return_labels import form_number, form_title, line_label, places_of_lines
from campaign.web.errors import campaign_or_404
from campaign.web.labels import gift_group_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff import add_up
from campaign.web.staff.exports import export_name, origin_of, record_export, send_csv, send_stored_xlsx, send_xlsx
from campaign.web.staff.filing_rows import CHANGES_SHOWN, MAY_DIFFER, filing_rows
from campaign.web.staff.issue_dates import issue_dates_rows
from campaign.web.staff.nonresidents import nonresident_rows
from campaign.web.staff.receipts import bounded_year
from campaign.web.staff.return_sums import books_row, group_row
from campaign.web.staff.return_tables import awaited_note, gifts_table, not_applicable, part_lines_note, workbook_tables
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedDay, read_day, read_reason, refused

bp = Blueprint("staff_returns", __name__, url_prefix="/staff/receipts/returns")

COPIES_SHOWN = 50


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """Both returns of a fiscal year, with how their lines add up to the books, and the copies of filed returns."""
    campaign = campaign_or_404()
    period = requested_period(campaign.charity)
    if add_up.asks_first(campaign, period):
        heading = gettext("Returns for fiscal year %(year)s", year=period.year)
        return add_up.render_question(campaign, heading, _years(campaign.charity, period), period.year)
    return _page(TypedDay())


def _years(charity: Charity, period: Period) -> list[int]:
    return sorted({period.year, *(one.year for one in returns.fiscal_years(charity, datetime.now(UTC)))}, reverse=True)


def _page(filed_on: TypedDay, changed: Sequence[GiftThen] = ()) -> str:
    """The page, with the day of a filing as it was typed, and the gifts that changed since that day."""
    campaign = campaign_or_404()
    charity, period = campaign.charity, requested_period(campaign.charity)
    found, today = returns.returns_of(charity, period), charity.local(datetime.now(UTC)).date()
    return render_template(
        "staff/returns.html",
        title=campaign.title(current_language()),
        charity_name=charity.name(current_language()),
        legal_name=charity.legal_name,
        registration_number=charity.registration_number,
        as_of=format_moment(charity.local(datetime.now(UTC)), current_language(), "long"),
        has_gifts=bool(found.gifts()),
        year=period.year,
        years=_years(charity, period),
        first_on=format_day(period.first_on, current_language()),
        last_on=format_day(period.last_on, current_language()),
        fiscal_year_end=charity.fiscal_year_end,
        forms=[_form_row(charity, found, form) for form in Form],
        groups=[group_row(found, group) for group in GiftGroup],
        books=books_row(found),
        questions=found.questions,
        to_void=found.to_void,
        not_applicable=not_applicable(),
        awaited_note=awaited_note(found),
        part_lines_note=part_lines_note(),
        by_issue=issue_dates_rows(found),
        nonresidents=nonresident_rows(charity, period),
        copies=[_copy_row(charity, filed) for filed in filed_returns.list_of(charity, limit=COPIES_SHOWN)],
        is_over=period.last_on < today,
        over_from=format_day(period.last_on + timedelta(days=1), current_language()),
        today=today.isoformat(),
        filed_on=filed_on,
        changed_since_filing=filing_rows(changed) if changed else None,
        may_differ=MAY_DIFFER,
        may_file=has_role("manager"),
        longest_reason=LONGEST_REASON,
    )


def requested_period(charity: Charity) -> Period:
    """The fiscal year in the query or the form, by default the last one that is over."""
    last = fiscal_year_of(charity.fiscal_year_end, charity.local(datetime.now(UTC)).date()) - 1
    return fiscal_year(charity.fiscal_year_end, bounded_year(request.values.get("year", last, type=int)))


def _form_row(charity: Charity, found: ReturnsOfYear, form: Form) -> dict[str, Any]:
    version, filed = found.version(form), filed_returns.last_of(charity, form, found.period)
    cents, in_quebec, unknown = found.lines(form), found.in_quebec(form), found.of_unknown_place(form)
    added = return_lines.added_cents(version, cents)
    return {
        "form": form.value,
        "title": form_title(version.form, current_language()),
        "version": version.version,
        "places": places_of_lines(form, current_language()),
        "lines": [
            {
                **_line_row(version, number, cents, filed),
                "in_quebec": "" if number == version.line_of(Figure.HAS_RECEIPTS) else _money(in_quebec[number]),
                "unknown": _money(unknown[number]) if unknown[number] and number != version.line_of(Figure.HAS_RECEIPTS) else "",
            }
            for number in cents
        ],
        "sum": _money(added),
        "not_added": ", ".join(version.not_added),
        "by_books": _money(found.totals.retained_cents),
        "difference": _money(added - found.totals.retained_cents),
        "ties": added == found.totals.retained_cents,
        "filed": _copy_row(charity, filed) if filed else None,
    }


def _line_row(version: FormVersion, number: str, cents: dict[str, int], filed: FiledReturn | None) -> dict[str, Any]:
    line = next(line for line in version.lines if line.number == number)
    is_question = line.figure is Figure.HAS_RECEIPTS
    then = filed.lines.get(number, 0) if filed else 0
    return {
        "number": number,
        "name": line_label(version, line, current_language()),
        "now": _yes_or_no(cents[number]) if is_question else _money(cents[number]),
        "filed": "" if filed is None else _yes_or_no(then) if is_question else _money(then),
        "difference": "" if filed is None or is_question else _money(cents[number] - then),
        "differs": filed is not None and not is_question and cents[number] != then,
    }


def _yes_or_no(count: int) -> str:
    return gettext("yes") if count else gettext("no")


def _money(cents: int) -> str:
    return format_money(cents, current_language())


def _copy_row(charity: Charity, filed: FiledReturn) -> dict[str, Any]:
    first, last, day = (format_day(day, current_language()) for day in (filed.first_on, filed.last_on, filed.filed_on))
    return {
        "first": first,
        "last": last,
        "day": day,
        "id": filed.id,
        "title": form_number(Form(filed.form)),
        "last_on": filed.last_on.isoformat(),
        "filed_on": filed.filed_on.isoformat(),
        "recorded_at": format_moment(charity.local(filed.recorded_at), current_language(), "medium"),
        "filed_by": filed.filed_by,
        "note": filed.note,
        "sha256": filed.sha256,
    }


@bp.get("/returns.xlsx")
@access("manager", fresh=True)
def workbook() -> ResponseReturnValue:
    """The workbook for both returns: lines, kinds of gifts, register, gifts without a receipt."""
    charity = campaign_or_404().charity
    period = requested_period(charity)
    record_export("returns (XLSX)", str(period.last_on), of_charity=charity.id)
    tables = workbook_tables(charity, returns.returns_of(charity, period))
    return send_xlsx(tables, origin_of(charity, period), export_name(charity, Document.RETURNS, period, "xlsx"))


@bp.get("/gifts.csv")
@access("manager", fresh=True)
def gifts_csv() -> ResponseReturnValue:
    """Each gift of the fiscal year with its line on each form, as CSV."""
    charity = campaign_or_404().charity
    period = requested_period(charity)
    record_export("gifts by line (CSV)", str(period.last_on), of_charity=charity.id)
    return send_csv(gifts_table(charity, returns.returns_of(charity, period)), export_name(charity, Document.GIFTS, period, "csv"))


@bp.post("/filings")
@access("manager", fresh=True)
def file() -> ResponseReturnValue:
    """Record that a return was filed, with a copy of its lines and its register."""
    charity = campaign_or_404().charity
    period, form = requested_period(charity), request.form.get("form", "")
    note = read_reason(missing=gettext("The note is missing. Please write it in one line."))
    filed_on = read_day("filed_on", example=charity.local(datetime.now(UTC)).date())
    if form not in [*Form]:
        abort(404)
    if filed_on.error or not note:
        return refused(_page(filed_on))
    try:
        filed = return_actions.record_filed_return(
            charity,
            Form(form),
            period,
            lambda found: workbook_tables(charity, found),
            origin_of(charity, period),
            filed_on=filed_on.day,
            actor=current_user.email,
            note=note,
            may_differ=MAY_DIFFER in request.form.getlist("answered"),
        )
    except FilingDoubtful as doubtful:
        return refused(_page(filed_on, doubtful.changed))
    except FilingRefused:
        error = gettext("Please give the day on which it was filed: after the fiscal year, and today at the latest. Nothing was kept.")
        return refused(_page(replace(filed_on, error=error)))
    flash(gettext("The copy is kept. Later differences are shown against it."))
    return redirect(url_for("staff_returns.copy", filed_id=filed.id), 303)


@bp.get("/filings/<int:filed_id>")
@access("viewer")
def copy(filed_id: int) -> ResponseReturnValue:
    """The copy of a filed return, each line as of now, and the gifts that changed between filing and record, and since."""
    campaign = campaign_or_404()
    charity, filed = campaign.charity, _filed_or_404(campaign.charity, filed_id)
    form, period = Form(filed.form), Period(first_on=filed.first_on, last_on=filed.last_on)
    found, changed = returns.returns_of(charity, period), return_gifts.changed_gifts(charity, filed, limit=CHANGES_SHOWN + 1)
    version, cents, since = found.version(form), found.lines(form), filing_changes.end_of_filing_day(charity, filed.filed_on)
    return render_template(
        "staff/filed_return.html",
        title=campaign.title(current_language()),
        charity_name=charity.name(current_language()),
        copy=_copy_row(charity, filed),
        year=period.year,
        version=filed.version,
        form_title=form_title(version.form, current_language()),
        before=filing_rows(filing_changes.changes_before_record(charity, filed, since)),
        lines=[_line_row(version, number, cents, filed) for number in cents],
        changed=[_changed_row(gift) for gift in changed[:CHANGES_SHOWN]],
        has_more=len(changed) > CHANGES_SHOWN,
        may_export=has_role("manager"),
    )


def _changed_row(gift: ChangedGift) -> dict[str, Any]:
    labels = gift_group_labels()
    return {
        "donation": gift.donation,
        "payment": gift.payment,
        "donor": gift.donor,
        "then": labels[gift.group_then] if gift.group_then else gettext("Not a gift of the year"),
        "now": labels[gift.group_now] if gift.group_now else gettext("Not a gift of the year"),
        "line_then": gift.line_then,
        "line_now": gift.line_now,
        "cents_then": _money(gift.cents_then),
        "cents_now": _money(gift.cents_now),
        "serial_then": gift.serial_then,
        "serial_now": gift.serial_now,
    }


@bp.get("/filings/<int:filed_id>/register.xlsx")
@access("manager", fresh=True)
def register(filed_id: int) -> ResponseReturnValue:
    """The workbook that was stored with a filed return, byte for byte."""
    charity = campaign_or_404().charity
    filed = _filed_or_404(charity, filed_id)
    if not filed.register:  # Its period is over (privacy/retention_jobs.py).
        abort(404)
    record_export("register as filed (XLSX)", f"{filed.form} {filed.last_on}", of_charity=charity.id)
    parts = (filed.form, filed.last_on, AS_OF, f"{charity.local(filed.recorded_at):%Y-%m-%d}", filed.id)
    name = file_name(Document.FILED_RETURN, *parts, language=current_language(), extension="xlsx")
    return send_stored_xlsx(filed.register, name)


def _filed_or_404(charity: Charity, filed_id: int) -> FiledReturn:
    filed = filed_returns.find(charity, filed_id)
    if filed is None:
        abort(404)
    return filed
