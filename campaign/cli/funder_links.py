"""The command for links of funders to the reports of their funds."""

import click
from flask.cli import with_appcontext

from campaign.cli.contributors import get_contributor
from campaign.cli.funds import CommandRefused, get_fund
from campaign.cli.setup import create_funder_link
from campaign.edges.db import db


@click.group()
def funder() -> None:
    """Manage funders."""


@funder.command("link")
@click.argument("fund")
@click.option("--contributor", metavar="NAME", help="A contributor to the fund; by default its lead funder.")
@click.option("--revoke", is_flag=True, help="Revoke all their earlier links.")
@with_appcontext
def funder_link(fund: str, contributor: str | None, *, revoke: bool) -> None:
    """Create a link to a fund's report and print it."""
    found = get_fund(fund)
    named = get_contributor(found, contributor) if contributor else None
    if named and found.activated_at is None:
        raise CommandRefused(f"{found.slug} is a draft: its contributors see their share once it is activated.")
    link = create_funder_link(found, contributor=named, revoke=revoke)
    db.session.commit()
    click.echo(link)
