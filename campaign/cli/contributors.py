"""The command for the contributors of a fund beside its lead funder, who are named by their English names."""

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from campaign.cli import printed_text
from campaign.cli.funds import BY, FUND, CommandRefused, get_fund, parse_cents
from campaign.edges.db import db
from campaign.funders import contributor_actions, contributors
from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund
from campaign.matching.pledge_requests import MAX_CENTS
from campaign.rules import money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused


def get_contributor(fund: Fund, name: str) -> FundContributor:
    """The contributor with this English name. Raises CommandRefused, with the names of all, when there is none, and when there are several."""
    found = _find_contributor(fund, name)
    if found is None:
        names = ", ".join(contributors.funder_of(one).name_en for one in contributors.contributors_of(fund))
        raise CommandRefused(f"{fund.slug} has no contributor {name}; its contributors: {names or 'none'}.")
    return found


def _find_contributor(fund: Fund, name: str) -> FundContributor | None:
    found = [one for one in contributors.contributors_of(fund) if contributors.funder_of(one).name_en == name]
    if len(found) > 1:
        raise CommandRefused(f"{fund.slug} has several contributors called {name}: use the pages of staff.")
    return found[0] if found else None


@click.command("contributor")
@FUND
@click.argument("contributor_name", metavar="NAME", callback=printed_text.printed)
@click.option("--part", "cents", callback=parse_cents, help="What they promise of the pledge.")
@click.option("--name-fr", callback=printed_text.printed, help="Name in French, if it differs; of a new funder.")
@click.option("--remove", is_flag=True, help="Remove them: the lead funder promises their part too.")
@BY
@with_appcontext
def contributor_command(name: str, contributor_name: str, cents: int | None, name_fr: str | None, actor: str, *, remove: bool) -> None:
    """Let a funder contribute to a draft beside its lead funder, change their part, or remove them. Print all parts then.

    The lead funder promises the rest of the pledge, and pays. When the fund is activated, the parts freeze with its terms.
    """
    fund = get_fund(name)
    if remove == (cents is not None):
        raise CommandRefused("Name either the part that they promise with --part, or --remove.")
    if cents is not None and not 0 < cents <= MAX_CENTS:
        raise CommandRefused(f"The part must be more than zero, and {money.format_money(MAX_CENTS, 'en')} at most.")
    try:
        if cents is None:
            contributor_actions.remove(fund, get_contributor(fund, contributor_name).id, actor=actor)
        else:
            _set_part(fund, contributor_name, name_fr or contributor_name, cents, actor=actor)
    except ActionRefused as error:
        raise CommandRefused(action_errors.describe_error(error.refusal, "en", cents=fund.pledged_cents)) from None
    parts = contributors.weights_of(fund, others := contributors.contributors_of(fund))
    names = ["the lead funder", *(contributors.funder_of(one).name_en for one in others)]
    for cents_of_one, name_of_one in zip(parts, names, strict=True):
        click.echo(f"{money.format_money(cents_of_one, 'en')} by {name_of_one}")


def _set_part(fund: Fund, name: str, name_fr: str, cents: int, *, actor: str) -> None:
    if contributor := _find_contributor(fund, name):
        contributor_actions.change_part(fund, contributor.id, cents, actor=actor)
        return
    found = list(db.session.scalars(select(Funder).where(Funder.name_en == name)))
    if len(found) > 1:
        raise CommandRefused(f"There are {len(found)} funders with the name {name}: choose one on the page of the fund for staff.")
    contributor_actions.add(fund, lambda: found[0] if found else _create_funder(name, name_fr), cents, actor=actor)


def _create_funder(name: str, name_fr: str) -> Funder:
    funder = Funder(name_en=name, name_fr=name_fr)
    db.session.add(funder)
    db.session.flush()
    return funder
