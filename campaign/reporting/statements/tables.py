"""A statement as tables: its lines as CSV, and with its summary, days and rules as a workbook. Both are streamed."""

from collections.abc import Iterable, Iterator, Sequence

from campaign.reporting import spreadsheets, workbooks
from campaign.reporting.spreadsheets import Cell, Column, Kind, Origin, Table
from campaign.reporting.statements.balances import Balances
from campaign.reporting.statements.lines import Line, RuleSum
from campaign.reporting.statements.statement import Statement, StatementEnd
from campaign.rules.statement_lines import LineRule
from campaign.texts.dates import format_moment
from campaign.texts.statement_words import describe_more_sheets, describe_period, line_words, statement_labels

ACCOUNTS = ("pledged", "held", "matched", "left", "called", "received")


def as_csv(lines: Iterable[Line], end: StatementEnd, language: str) -> Iterator[str]:
    """Yield the lines of the period as CSV for the spreadsheets of the language."""
    return spreadsheets.csv_lines(_lines_table(lines, end, language), language)


def _lines_table(lines: Iterable[Line], end: StatementEnd, language: str) -> Table:
    labels = statement_labels(language)
    columns = (
        Column(heading=labels["number"], kind=Kind.COUNT, width=9),
        Column(heading=labels["day"], kind=Kind.DATE, width=12),
        Column(heading=labels["time"], width=10),
        Column(heading=labels["what"], width=20),
        Column(heading=labels["why"], width=40),
        Column(heading=labels["reference"], width=26),
        *(Column(heading=labels[name], kind=Kind.MONEY) for name in ("amount", *ACCOUNTS)),
    )
    return Table(title=labels["lines"], columns=columns, rows=_line_rows(lines, end, language), total="")


def _line_rows(lines: Iterable[Line], end: StatementEnd, language: str) -> Iterator[Sequence[Cell]]:
    words = {rule: line_words(rule, language) for rule in LineRule}
    for line in lines:
        at = line.at.astimezone(end.zone)
        yield [line.position, at.date(), f"{at:%H:%M:%S}", *words[line.rule], line.reference, line.cents, *cents_of(line.after)]


def cents_of(balances: Balances) -> list[int]:
    """The balances of ACCOUNTS."""
    return [getattr(balances, f"{name}_cents") for name in ACCOUNTS]


def workbook_pieces(
    statement: Statement, rules: Iterable[RuleSum], lines: Iterable[Line], language: str, *, is_test: bool
) -> Iterator[bytes]:
    """Yield a workbook of the statement: what it is of, its summary, days, rules and lines. The same statement gives the same bytes."""
    tables = (
        _summary_table(statement, language),
        _days_table(statement, language),
        _rules_table(rules, language),
        _lines_table(lines, statement.end, language),
    )
    origin = _origin(statement, language, is_test=is_test)
    yield from workbooks.workbook_pieces(tables, origin, at=statement.as_of)


def _summary_table(statement: Statement, language: str) -> Table:
    labels = statement_labels(language)
    headings = [Column(heading=labels[name], kind=Kind.MONEY) for name in ("opening", "change", "closing")]
    change = statement.closing - statement.opening
    sums = zip(ACCOUNTS, *(cents_of(balances) for balances in (statement.opening, change, statement.closing)), strict=True)
    rows: Iterator[Sequence[Cell]] = ([labels[name], *cents] for name, *cents in sums)
    return Table(title=labels["summary"], columns=(Column(heading=labels["account"], width=30), *headings), rows=rows, total="")


def _days_table(statement: Statement, language: str) -> Table:
    labels = statement_labels(language)
    columns = (
        Column(heading=labels["day"], kind=Kind.DATE, width=12),
        Column(heading=labels["donations_matched"], kind=Kind.COUNT, is_totalled=True),
        *(Column(heading=labels[name], kind=Kind.MONEY, is_totalled=True) for name in ACCOUNTS),
    )
    rows: Iterator[Sequence[Cell]] = ([day.on, day.donations, *cents_of(day.change)] for day in statement.day_changes)
    return Table(title=labels["days"], columns=columns, rows=rows, total=labels["total"])


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
