"""The command that writes a funder's statement."""

import sys
from contextlib import nullcontext
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext
from flask_babel import force_locale, gettext

from campaign.campaigns.signing_keys import signing_key_for
from campaign.cli.funds import FUND, get_fund, time_zone_of
from campaign.reporting import funder_statement, statement_actions
from campaign.rules import local_time


@click.command()
@FUND
@click.option("--as-of", help="Day (inclusive) or moment in the charity's time zone; default: now.")
@click.option("--format", "form", type=click.Choice(["pdf", "csv", "json"]), required=True, help="File format.")
@click.option("--language", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="Language.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: standard output.")
@with_appcontext
def statement(name: str, as_of: str | None, form: str, language: str, output: Path | None) -> None:
    """Write a funder's statement. The same moment always gives the same bytes.

    The JSON format contains each ledger entry with its hash (docs/verify.md).
    """
    fund = get_fund(name)
    key = signing_key_for(fund.campaign_id)
    found = statement_actions.take_statement(fund, before=local_time.parse_end(as_of, time_zone_of(fund)) if as_of else None)
    try:
        opened = output.open("wb") if output else nullcontext(sys.stdout.buffer)
    except OSError as error:
        raise click.BadParameter(f"{output} cannot be written: {error.strerror}", param_hint="--output") from None
    with opened as target:
        if form == "pdf":
            target.write(funder_statement.render_pdf(found, language, key, is_test=current_app.config["IS_SANDBOX"]))
            return
        if form == "json":
            pieces = funder_statement.as_json(found, key)
        else:
            with force_locale(language):
                pieces = funder_statement.as_csv(found, [gettext("Day"), gettext("Donations matched"), gettext("Matched (CAD)")], language)
        for piece in pieces:
            target.write(piece.encode())
