"""A statement as tables: its lines as CSV, and with its summary, days and rules as a workbook. Both are streamed."""

from collections.abc import Iterable, Iterator, Sequence

from campaign.funders.contributors import FundContributor
from campaign.reporting import spreadsheets, workbooks
from campaign.reporting.spreadsheets import Cell, Column, Kind, Origin, Table
from campaign.reporting.statements.balances import Balances, DayChange
from campaign.reporting.statements.lines import Line, RuleSum
from campaign.reporting.statements.shares import seen_by
from campaign.reporting.statements.statement import Statement, StatementEnd
from campaign.rules.statement_lines import LineRule
from campaign.texts.dates import format_moment
from campaign.texts.statement_words import describe_more_sheets, describe_period, line_words, statement_labels

ACCOUNTS = ("pledged", "held", "matched", "left", "called", "received")
# What was called and received is between the charity and the lead funder.
ACCOUNTS_OF_CONTRIBUTOR = ACCOUNTS[:4]


def accounts_for(contributor: FundContributor | None) -> tuple[str, ...]:
    """The balances that the contributor, or the lead funder, sees."""
    return ACCOUNTS_OF_CONTRIBUTOR if contributor else ACCOUNTS


def as_csv(lines: Iterable[Line], end: StatementEnd, language: str, accounts: Sequence[str] = ACCOUNTS) -> Iterator[str]:
    """Yield the lines of the period as CSV for the spreadsheets of the language, with these balances after each."""
    return spreadsheets.csv_lines(_lines_table(lines, end, language, accounts), language)


def _lines_table(lines: Iterable[Line], end: StatementEnd, language: str, accounts: Sequence[str]) -> Table:
    labels = statement_labels(language)
    columns = (
        Column(heading=labels["number"], kind=Kind.COUNT, width=9),
        Column(heading=labels["day"], kind=Kind.DATE, width=12),
        Column(heading=labels["time"], width=10),
        Column(heading=labels["what"], width=20),
        Column(heading=labels["why"], width=40),
        Column(heading=labels["reference"], width=26),
        *(Column(heading=labels[name], kind=Kind.MONEY) for name in ("amount", *accounts)),
    )
    return Table(title=labels["lines"], columns=columns, rows=_line_rows(lines, end, language, accounts), total="")


def _line_rows(lines: Iterable[Line], end: StatementEnd, language: str, accounts: Sequence[str]) -> Iterator[Sequence[Cell]]:
    words = {rule: line_words(rule, language) for rule in LineRule}
    for line in lines:
        at = line.at.astimezone(end.zone)
        yield [line.position, at.date(), f"{at:%H:%M:%S}", *words[line.rule], line.reference, line.cents, *cents_of(line.after, accounts)]


def cents_of(balances: Balances, accounts: Sequence[str]) -> list[int]:
    """The balances of these accounts."""
    return [getattr(balances, f"{name}_cents") for name in accounts]


def workbook_pieces(
    statement: Statement, rules: Iterable[RuleSum], lines: Iterable[Line], language: str, *, is_test: bool
) -> Iterator[bytes]:
    """Yield a workbook of the statement: what it is of, its summary, days, rules and lines. The same statement gives the same bytes."""
    tables = (
        _summary_table(statement, language),
        _days_table(statement, language),
        _rules_table(rules, language),
        *([_shares_table(statement, language)] if statement.shares else []),
        _lines_table(lines, statement.end, language, accounts_for(statement.contributor)),
    )
    origin = _origin(statement, language, is_test=is_test)
    yield from workbooks.workbook_pieces(tables, origin, at=statement.as_of)


def _summary_table(statement: Statement, language: str) -> Table:
    labels, accounts = statement_labels(language), accounts_for(statement.contributor)
    headings = [Column(heading=labels[name], kind=Kind.MONEY) for name in ("opening", "change", "closing")]
    change = statement.closing - statement.opening
    sums = zip(accounts, *(cents_of(balances, accounts) for balances in (statement.opening, change, statement.closing)), strict=True)
    rows: Iterator[Sequence[Cell]] = ([labels[name], *cents] for name, *cents in sums)
    return Table(title=labels["summary"], columns=(Column(heading=labels["account"], width=30), *headings), rows=rows, total="")


def _shares_table(statement: Statement, language: str) -> Table:
    labels, accounts = statement_labels(language), accounts_for(statement.contributor)
    columns = (
        Column(heading=labels["funder"], width=40),
        Column(heading=labels["part"], kind=Kind.MONEY, is_totalled=True),
        *(Column(heading=labels[name], kind=Kind.MONEY, is_totalled=True) for name in accounts),
    )
    rows: Iterator[Sequence[Cell]] = ([name, part_cents, *cents] for name, part_cents, cents in share_rows(statement, language))
    return Table(title=labels["shares"], columns=columns, rows=rows, total=labels["total"])


def share_rows(statement: Statement, language: str) -> list[tuple[str, int, list[int]]]:
    """Each funder with what they promised and their share of the closing balances, as far as the reader sees them; empty without shares."""
    accounts, shares = accounts_for(statement.contributor), statement.shares
    seen = seen_by(shares, statement.contributor) if statement.contributor else shares
    others = statement_labels(language)["other_funders"]
    return [
        (share.name(language) if share.facts else others, share.part_cents, [getattr(share.sums, f"{name}_cents") for name in accounts])
        for share in seen or []
    ]


def _days_table(statement: Statement, language: str) -> Table:
    labels, accounts = statement_labels(language), accounts_for(statement.contributor)
    columns = (
        Column(heading=labels["day"], kind=Kind.DATE, width=12),
        Column(heading=labels["donations_matched"], kind=Kind.COUNT, is_totalled=True),
        *(Column(heading=labels[name], kind=Kind.MONEY, is_totalled=True) for name in accounts),
    )
    rows: Iterator[Sequence[Cell]] = ([day.on, day.donations, *cents_of(day.change, accounts)] for day in days_for(statement))
    return Table(title=labels["days"], columns=columns, rows=rows, total=labels["total"])


def days_for(statement: Statement) -> list[DayChange]:
    """The days on which anything changed that the reader sees."""
    if statement.contributor is None:
        return statement.day_changes
    return [day for day in statement.day_changes if day.donations or any(cents_of(day.change, ACCOUNTS_OF_CONTRIBUTOR))]


def _rules_table(rules: Iterable[RuleSum], language: str) -> Table:
    labels = statement_labels(language)
    columns = (
        Column(heading=labels["what"], width=20),
        Column(heading=labels["why"], width=50),
        Column(heading=labels["entries"], kind=Kind.COUNT, is_totalled=True),
        Column(heading=labels["amount"], kind=Kind.MONEY),
    )
    rows: Iterator[Sequence[Cell]] = ([*line_words(found.rule, language), found.entries, found.cents] for found in rules)
    return Table(title=labels["rules"], columns=columns, rows=rows, total=labels["total"])


def _origin(statement: Statement, language: str, *, is_test: bool) -> Origin:
    labels, names, end = statement_labels(language), statement.names, statement.end
    marks = [(labels["trial"], labels["test_banner"])] if is_test else []
    if end.is_growing:
        marks.append((labels["unfinished"], labels["grows"]))
    if end.position - end.after > workbooks.MAX_ROWS - 1:
        marks.append((labels["lines"], describe_more_sheets(language)))
    fund, moment = names.fund_name(language), format_moment(statement.as_of, language, "long")
    period = describe_period(end.period, language)
    facts = [
        (labels["charity"], names.charity["legal_name"]),
        (labels["registration_number"], names.charity["registration_number"]),
        (labels["funder"], names.funder_name(language)),
        (labels["fund"], fund),
        (labels["campaign"], names.campaign_title(language)),
        (labels["period"], period),
        (labels["as_of"], moment),
        (labels["time_zone"], end.zone.key),
        *marks,
    ]
    return Origin(title=labels["about"], facts=facts, subject=f"{labels['title']}. {fund}. {period}", source=moment)
