"""Commands for receipts: annual receipts and the signing key."""

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from campaign.campaigns.charities import Charity, list_charities
from campaign.campaigns.signing_keys import signing_key_of
from campaign.cli.funds import CommandRefused
from campaign.edges.db import db
from campaign.edges.pdf_signing import SigningKeyMissing
from campaign.receipts import annual, annual_jobs
from campaign.staff import audit

OPERATOR = "command line"


OF_CHARITY = click.option("--charity", "number", help="Id or registration number of the charity; needed when there are several.")


@click.group("receipts")
def receipts_group() -> None:
    """Manage official receipts."""


@receipts_group.command("yearly")
@click.argument("year", type=click.IntRange(2000, 2200))
@OF_CHARITY
@with_appcontext
def receipts_yearly(year: int, number: str | None) -> None:
    """Issue the annual receipts of a past year. An interrupted run can be repeated."""
    charity, now = the_charity(number), datetime.now(UTC)
    if year >= charity.local(now).year:
        raise CommandRefused(f"The year {year} is not over; its receipts can be issued from January 1, {year + 1}.")
    run = annual_jobs.issue_for(charity, year)
    click.echo(
        f"{run.issued} receipts for {year} were issued."
        + (f" {run.incomplete} wait because required elements are missing." if run.incomplete else "")
    )
    if annual.year_that_is_due(charity, now) < year:
        click.echo("The schedule issues receipts for donations of that year that are settled later, from January 8.")


@receipts_group.command("rotate-key")
@OF_CHARITY
@with_appcontext
def receipts_rotate_key(number: str | None) -> None:
    """Create a new signing key. Receipts that were signed with earlier keys stay valid."""
    charity = the_charity(number)
    key = signing_key_of(charity.id)
    try:
        key.rotate(name=charity.legal_name, now=datetime.now(UTC))
    except SigningKeyMissing as error:
        raise CommandRefused(str(error)) from None
    audit.record(OPERATOR, "rotated the key for receipts", key.path.name)
    db.session.commit()
    click.echo(f"Created the new signing key: {key.path}. Keep a copy of it in a safe place.")


def the_charity(number: str | None = None) -> Charity:
    """The charity with this registration number or id; the only one where none is named. Raises CommandRefused."""
    found = list_charities()
    if not found:
        raise CommandRefused("There is no campaign yet; run `campaign setup` first.")
    named = [one for one in found if number in {str(one.id), one.registration_number}] if number else found
    if len(named) == 1:
        return named[0]
    known = "; ".join(f"{one.id} ({one.legal_name}, {one.registration_number})" for one in found)
    raise CommandRefused(f"Please name one charity with --charity, by its id or registration number: {known}.")
