"""The command that writes a funder's statement."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from campaign.cli.contributors import get_contributor
from campaign.cli.funds import FUND, CommandRefused, get_fund, time_zone_of
from campaign.funders.contributors import FundContributor
from campaign.matching.funds import Fund
from campaign.reporting import statement_actions
from campaign.reporting.statements.statement import StatementEnd
from campaign.rules import local_time, statement_periods
from campaign.rules.statement_periods import StatementPeriod


@click.command()
@FUND
@click.option("--as-of", help="Day (inclusive) or moment in the charity's time zone; default: now.")
@click.option("--period", "period_name", help="Month or quarter, such as 2026-11 or 2026-q4, in place of --as-of.")
@click.option("--format", "form", type=click.Choice(["pdf", "xlsx", "csv", "json"]), required=True, help="File format.")
@click.option("--contributor", metavar="NAME", help="The statement of this contributor to the fund; by default the lead funder's.")
@click.option("--language", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="Language.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: standard output.")
@with_appcontext
def statement(
    name: str, as_of: str | None, period_name: str | None, form: str, contributor: str | None, language: str, output: Path | None
) -> None:
    """Write a funder's statement. The same period or moment always gives the same bytes.

    The JSON format contains each ledger entry with its hash (docs/verify.md).
    """
    if as_of and period_name:
        raise click.UsageError("Name either a period or a day or moment.")
    fund = get_fund(name)
    period = statement_periods.parse_period(period_name) if period_name else _period_to(fund, as_of)
    reader = get_contributor(fund, contributor) if contributor else None
    end = statement_actions.take_end(fund, period)
    if reader and (fund.activated_at is None or fund.activated_at >= end.moment):
        raise CommandRefused(f"Before {fund.slug} is activated its contributors have no statement.")
    try:
        opened = output.open("wb") if output else nullcontext(sys.stdout.buffer)
    except OSError as error:
        raise click.BadParameter(f"{output} cannot be written: {error.strerror}", param_hint="--output") from None
    with opened as target:
        for piece in _write_pieces(fund, end, form, language, reader):
            target.write(piece)


def _period_to(fund: Fund, as_of: str | None) -> StatementPeriod:
    """Everything up to the end of the day, or up to the moment to the second, by default until now."""
    if as_of is None:
        return statement_actions.wait_for_period_to_now(fund)
    moment = local_time.parse_end(as_of, time_zone_of(fund))
    if len(as_of.strip()) == len("2026-12-31"):
        return statement_periods.to_day(local_time.parse_day(as_of))
    return statement_periods.to_moment(moment.replace(microsecond=0))


def _write_pieces(fund: Fund, end: StatementEnd, form: str, language: str, reader: FundContributor | None) -> Iterator[bytes]:
    is_test = current_app.config["IS_SANDBOX"]
    match form:
        case "pdf":
            yield statement_actions.get_or_render_pdf(fund, end, language, is_test=is_test, contributor=reader)
        case "xlsx":
            yield from statement_actions.write_xlsx(fund, end, language, is_test=is_test, contributor=reader)
        case "csv":
            yield from statement_actions.write_csv(fund, end, language, contributor=reader)
        case _:
            yield from statement_actions.write_json(fund, end, contributor=reader)
