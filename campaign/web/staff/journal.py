"""The journal for bookkeepers: its accounts added up and tied to the books, and its files for people, QuickBooks Online and Xero."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from flask import Blueprint, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from campaign.campaigns import journal_accounts
from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.matching.funds import Fund
from campaign.reporting import account_balances, closed_months, journal
from campaign.reporting.closed_months import ClosedMonth
from campaign.reporting.journal_formats import IMPORT_FORMATS, Chart, FormatName, ImportFormat, people_row
from campaign.reporting.spreadsheets import Column, Kind, Table
from campaign.rules.fiscal_years import Period
from campaign.rules.journal import Grain, JournalLine, lines_of, parts_of, sums_by_purpose
from campaign.rules.local_time import InvalidLocalTime, parse_day
from campaign.rules.money import format_money
from campaign.rules.months import month_before, month_of
from campaign.texts.dates import format_day
from campaign.texts.file_names import AS_OF, Document, file_name
from campaign.texts.journal_words import describe_movement, purpose_label
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff import add_up
from campaign.web.staff.exports import origin_of, record_export, send_csv, send_xlsx
from campaign.web.staff.typed_fields import TypedDay

bp = Blueprint("staff_journal", __name__, url_prefix="/staff/money/journal")

LINES_SHOWN = 60
MOST_PARTS = 100_000
BALANCES = ("opening_cents", "change_cents", "closing_cents", "difference_cents")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: a period, with each ledger entry by itself or not, with classes or not, and after which closing of a month.

    What came after a closing is always each entry by itself: a sum of a day would grow with what comes later, under the number that software has.
    """

    period: Period
    grain: Grain
    has_tracking: bool
    closed: ClosedMonth | None

    @property
    def for_import(self) -> "Request":
        """The same as products import it: days, whose lines are few; each ledger entry of a month by itself would be thousands of files."""
        return self if self.closed else replace(self, grain=Grain.DAY)

    def lines(self, charity: Charity) -> Iterator[JournalLine]:
        """Its lines, streamed."""
        return lines_of(journal.movements(charity, self.period, grain=self.grain, after=self.closed.positions if self.closed else None))

    def link(self, name: FormatName, **more: object) -> str:
        """The address of the file in this format."""
        values: dict[str, Any] = {"first": self.period.first_on.isoformat(), "last": self.period.last_on.isoformat(), **more}
        values |= ({"tracking": "1"} if self.has_tracking else {}) | ({"closing": self.closed.id} if self.closed else {})
        return url_for("staff_journal.export", name=name.value, **values)


def _read_request(charity: Charity, first: TypedDay, last: TypedDay) -> Request:
    closed = None
    if number := request.args.get("closing", type=int):
        closed = closed_months.find(charity, number)
        if closed is None:
            abort(404)
    grain = Grain.ENTRY if closed or request.args.get("grain") == Grain.ENTRY else Grain.DAY
    period = month_of(closed.first_on) if closed else Period(first_on=first.day, last_on=last.day)
    return Request(period=period, grain=grain, has_tracking="tracking" in request.args, closed=closed)


def _typed_days(charity: Charity) -> tuple[TypedDay, TypedDay]:
    """The first and the last day in the query, by default those of last month."""
    default = month_before(charity.local(datetime.now(UTC)).date())
    first, last = _typed_day("first", default.first_on), _typed_day("last", default.last_on)
    if not first.error and not last.error and last.day < first.day:
        last = TypedDay(text=last.text, day=first.day, error=gettext("The last day is before the first one."))
    return first, last


def _typed_day(name: str, default: date) -> TypedDay:
    typed = request.args.get(name, default.isoformat()).strip()
    try:
        return TypedDay(text=typed, day=parse_day(typed))
    except InvalidLocalTime:
        error = gettext("Please write a day, for example %(example)s.", example=default.isoformat())
        return TypedDay(text=typed, day=default, error=error)


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The accounts of a period, added up and tied to the books, the first lines, and the files."""
    campaign, language = campaign_or_404(), current_language()
    charity = campaign.charity
    first, last = _typed_days(charity)
    asked, chart = _read_request(charity, first, last), _chart(campaign)
    if asked.closed is None and add_up.asks_first_since(campaign, asked.period):
        return add_up.render_question(campaign, gettext("Journal"), [], None)
    lines = list(asked.for_import.lines(charity))
    sums = sums_by_purpose(lines)
    balances = None if asked.closed else _balances(charity, asked.period)
    return render_template(
        "staff/journal.html",
        title=campaign.title(language),
        first=first,
        last=last,
        first_day=format_day(asked.period.first_on, language),
        last_day=format_day(asked.period.last_on, language),
        month=f"{asked.period.first_on:%Y-%m}",
        after=asked.closed,
        has_tracking=asked.has_tracking,
        accounts=[
            {
                "code": chart.accounts[purpose].code,
                "name": chart.accounts[purpose].name(language),
                "purpose": purpose_label(purpose, language),
                "debits": format_money(found.debit_cents, language) if found.debit_cents else "–",
                "credits": format_money(found.credit_cents, language) if found.credit_cents else "–",
                "net": format_money(found.net_cents, language),
            }
            for purpose, found in sums.items()
        ],
        total=format_money(sum(found.debit_cents for found in sums.values()), language),
        balances=balances,
        files=_files(asked, lines),
        lines=[_line_row(line, chart) for line in lines[:LINES_SHOWN]],
        more=max(0, len(lines) - LINES_SHOWN),
        may_export=has_role("manager"),
    )


def _balances(charity: Charity, period: Period) -> dict[str, dict[str, Any]]:
    """The balances that the lines tie to: that at Stripe, and that of undeposited funds unless there never were any in the period."""
    sums = journal.sums_of(charity, period)
    found = {"stripe": account_balances.stripe_balances(charity, period, sums)}
    undeposited = account_balances.undeposited_balances(charity, period, sums)
    if any(getattr(undeposited, each) for each in BALANCES):
        found["undeposited"] = undeposited
    return {
        name: {
            "ties": balances.difference_cents == 0,
            **{each: format_money(getattr(balances, each), current_language()) for each in BALANCES},
        }
        for name, balances in found.items()
    }


def _files(asked: Request, lines: list[JournalLine]) -> dict[str, Any]:
    """The links of each format; a product that takes so many lines at a time gets as many files."""
    imports = []
    for name, format_ in IMPORT_FORMATS.items():
        count = sum(1 for _ in parts_of(lines, most=format_.most_lines))
        parts = [{"number": number, "url": asked.link(name, part=number)} for number in range(1, count + 1)]
        imports.append({"name": name.value, "product": format_.product, "most": format_.most_lines, "parts": parts})
    grains = {
        grain.value: {name.value: asked.link(name, grain=grain.value) for name in (FormatName.XLSX, FormatName.CSV)}
        for grain in ([Grain.ENTRY] if asked.closed else Grain)
    }
    return {"grains": grains, "imports": imports}


def _line_row(line: JournalLine, chart: Chart) -> dict[str, Any]:
    language = chart.language
    return {
        "on": line.movement.on.isoformat(),
        "number": line.movement.number,
        "account": f"{chart.account(line).code} {chart.account_name(line)}",
        "debit": format_money(line.debit_cents, language) if line.debit_cents else "",
        "credit": format_money(line.credit_cents, language) if line.credit_cents else "",
        "memo": describe_movement(line.movement, language),
        "reference": line.movement.reference,
    }


def _chart(campaign: Campaign, *, has_tracking: bool = False) -> Chart:
    charity, language = campaign.charity, current_language()
    campaigns = list(db.session.scalars(select(Campaign).where(Campaign.charity_id == charity.id)))
    funds = db.session.scalars(select(Fund).where(Fund.campaign_id.in_([one.id for one in campaigns])))
    return Chart(
        accounts=journal_accounts.accounts_of(charity),
        campaigns={one.id: one.title(language) for one in campaigns},
        funds={fund.id: fund.name(language) for fund in funds},
        currency=campaign.currency,
        language=language,
        has_tracking=has_tracking,
    )


@bp.get("/<name>")
@access("manager", fresh=True)
def export(name: str) -> ResponseReturnValue:
    """The journal of the period as a file."""
    campaign = campaign_or_404()
    charity = campaign.charity
    first, last = _typed_days(charity)
    if name not in [*FormatName] or first.error or last.error:
        abort(404)
    asked, format_name = _read_request(charity, first, last), FormatName(name)
    chart, subject = _chart(campaign, has_tracking=asked.has_tracking), f"{asked.period.first_on} {asked.period.last_on}"
    if format_name in IMPORT_FORMATS:
        return _send_import_file(asked, format_name, chart, charity, subject)
    record_export(f"journal by {asked.grain.value} ({name.upper()})", subject, of_charity=charity.id)
    table = _people_table(asked.lines(charity), chart)
    download = _download_name(charity, asked, format_name.value, extension=format_name.value)
    if format_name is FormatName.CSV:
        return send_csv(table, download)
    return send_xlsx([table], origin_of(charity, asked.period), download)


def _send_import_file(asked: Request, name: FormatName, chart: Chart, charity: Charity, subject: str) -> ResponseReturnValue:
    format_: ImportFormat = IMPORT_FORMATS[name]
    number = request.args.get("part", 1, type=int)
    if not 1 <= number <= MOST_PARTS:
        abort(404)
    days = asked.for_import
    part = next(islice(parts_of(days.lines(charity), most=format_.most_lines), max(0, number - 1), None), None)
    if part is None and number != 1:
        abort(404)
    record_export(f"journal for {format_.product}", f"{subject} {number}", of_charity=charity.id)
    rows = [format_.row(line, chart) for line in part or []]
    table = Table(title=format_.product, columns=format_.columns, rows=rows, total="")
    return send_csv(table, _download_name(charity, days, name.value, number, extension="csv"), for_import=True)


def _download_name(charity: Charity, asked: Request, *parts: object, extension: str) -> str:
    number, today = "".join(filter(str.isalnum, charity.registration_number)), f"{charity.local(datetime.now(UTC)):%Y-%m-%d}"
    words = (number, asked.period.first_on, asked.period.last_on, *parts, AS_OF, today)
    return file_name(Document.JOURNAL, *words, language=current_language(), extension=extension, is_trial=current_app.config["IS_SANDBOX"])


def _people_table(lines: Iterator[JournalLine], chart: Chart) -> Table:
    return Table(
        title=gettext("Journal"),
        columns=(
            Column(heading=gettext("Date"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Journal number"), width=22),
            Column(heading=gettext("Account"), width=10),
            Column(heading=gettext("Name of the account"), width=28),
            Column(heading=gettext("Debit"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Credit"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Memo"), width=36),
            Column(heading=gettext("Reference"), width=28),
            Column(heading=gettext("Tax code"), width=14),
            Column(heading=gettext("Campaign"), width=28),
            Column(heading=gettext("Matching fund"), width=24),
        ),
        rows=(people_row(line, chart) for line in lines),
        total=gettext("Total"),
        notes=(gettext("Gifts bear no GST/HST or QST. What Stripe charges for payments is an exempt financial service."),),
    )
