"""The list of a fund's statements and their files, for the pages of funders and of staff. They show amounts and counts, never donors."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import Response, current_app, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.signing_keys import signing_key_for
from campaign.edges.db import db
from campaign.funders.contributors import FundContributor
from campaign.matching.funds import Fund
from campaign.reporting import statement_actions, workbooks
from campaign.reporting.statements.statement import FutureMoment, NothingBefore, StatementEnd, first_day_of
from campaign.rules import local_time, statement_periods
from campaign.rules.local_time import InvalidLocalTime
from campaign.rules.statement_periods import InvalidPeriod, PeriodKind, StatementPeriod
from campaign.texts.dates import format_day
from campaign.texts.file_names import Document, file_name
from campaign.texts.statement_words import describe_period
from campaign.web.downloads import name_file
from campaign.web.languages import current_language

MIME_TYPES = {"pdf": "application/pdf", "xlsx": workbooks.XLSX, "csv": "text/csv", "json": "application/json"}
# The field of the form with the day to which a statement is wanted.
DAY_FIELD = "until"

# The address of a file, by the name of its period and its form.
UrlOfFile = Callable[[str, str], str]


@dataclass(frozen=True, kw_only=True)
class TypedUntil:
    """The day that was typed, with the statement to its end or what is wrong."""

    text: str = ""
    error: str = ""
    row: dict[str, Any] | None = None


def list_context(fund: Fund, url_of: UrlOfFile, contributor: FundContributor | None = None) -> dict[str, Any]:
    """What the list shows: each month and quarter since the fund’s first entry, the latest first, and the day that was typed.

    A contributor's begins with the activation: before it nothing is shared.
    """
    charity = db.session.get_one(Campaign, fund.campaign_id).charity
    today, first_on = charity.local(datetime.now(UTC)).date(), first_day_of(fund)
    if contributor and first_on and fund.activated_at:
        first_on = max(first_on, charity.local(fund.activated_at).date())
    periods = statement_periods.periods_back(today, first_on) if first_on else []
    return {
        "fund": fund.name(current_language()),
        "periods": [_row(period, today, url_of) for period in periods],
        "typed": _read_until(fund, today, first_on, url_of),
        "final": final_statement(fund, url_of),
        "day_field": DAY_FIELD,
        "today": today.isoformat(),
        "first_on": first_on.isoformat() if first_on else "",
    }


def _row(period: StatementPeriod, today: date, url_of: UrlOfFile) -> dict[str, Any]:
    assert period.last_on
    return {
        "label": describe_period(period, current_language()),
        "is_quarter": period.kind is PeriodKind.QUARTER,
        "is_unfinished": period.last_on >= today,
        "files": [(form.upper(), url_of(period.name, form)) for form in MIME_TYPES],
    }


def _read_until(fund: Fund, today: date, first_on: date | None, url_of: UrlOfFile) -> TypedUntil:
    text = request.args.get(DAY_FIELD, "").strip()
    if not text or first_on is None:
        return TypedUntil(text=text)
    try:
        day = local_time.parse_day(text)
    except InvalidLocalTime:
        return TypedUntil(text=text, error=gettext("Please choose a day, or write it like %(day)s.", day=today.isoformat()))
    if day > today:
        return TypedUntil(text=text, error=gettext("This day has not come yet. The latest is today, %(day)s.", day=today.isoformat()))
    if day < first_on:
        began = format_day(first_on, current_language())
        return TypedUntil(text=text, error=gettext("The fund began on %(day)s. Please choose that day or a later one.", day=began))
    return TypedUntil(text=text, row=_row(statement_periods.to_day(day), today, url_of))


def send_file(fund: Fund, name: str, form: str, *, back: str, contributor: FundContributor | None = None) -> ResponseReturnValue:
    """The statement of the period as a file in the current language, for the lead funder or the contributor.

    404 for a form or period that there is not, with a way `back` to the list.
    """
    try:
        end = statement_actions.take_end(fund, statement_periods.parse_period(name)) if form in MIME_TYPES else None
    except (FutureMoment, NothingBefore):
        return _no_statement(
            back, gettext("There is no statement of this period: it has not begun, or ended before the fund’s first entry.")
        )
    except InvalidPeriod:
        end = None
    if end and contributor and (fund.activated_at is None or fund.activated_at >= end.moment):
        return _no_statement(back, gettext("There is no statement of this period for you: it ended before the fund was activated."))
    if end is None:
        return _no_statement(back, gettext("The address names no period: those that there are lead on from the list."))
    language, is_test = current_language(), current_app.config["IS_SANDBOX"]
    signing_key_for(fund.campaign_id).certificates()  # Without a key there is no statement: this raises before the first byte.
    db.session.commit()
    named = file_name(Document.STATEMENT, fund.slug, name, language=language, extension=form)
    if form == "pdf":
        document = statement_actions.get_or_render_pdf(fund, end, language, is_test=is_test, contributor=contributor)
        return name_file(Response(document, mimetype=MIME_TYPES[form]), named, disposition="inline")
    pieces = _write_pieces(fund, end, form, language, contributor=contributor, is_test=is_test)
    return name_file(Response(stream_with_context(pieces), mimetype=MIME_TYPES[form]), named)


def _write_pieces(
    fund: Fund, end: StatementEnd, form: str, language: str, *, contributor: FundContributor | None, is_test: bool
) -> Iterator[bytes]:
    if form == "xlsx":
        return statement_actions.write_xlsx(fund, end, language, is_test=is_test, contributor=contributor)
    if form == "csv":
        return statement_actions.write_csv(fund, end, language, contributor=contributor)
    return statement_actions.write_json(fund, end, contributor=contributor)


def final_statement(fund: Fund, url_of: UrlOfFile) -> list[tuple[str, str]]:
    """The forms of the statement of all that was, up to the seal of the campaign, and their addresses; empty before it."""
    if fund.sealed_at is None:
        return []
    # The name of a statement to a moment is to the second.
    second = fund.sealed_at.replace(microsecond=0) + timedelta(seconds=1)
    return [(form.upper(), url_of(statement_periods.to_moment(second).name, form)) for form in MIME_TYPES]


def _no_statement(back: str, text: str) -> ResponseReturnValue:
    title, label = gettext("There is no such statement"), gettext("All statements")
    return render_template("donate/error.html", title=title, text=text, back=back, back_label=label), 404
