"""Commands for the pledge of a fund. That of an active fund is raised by two members of staff: one asks for it, another agrees.

Whoever may run commands may name any member. The audit trail, and the mail to both and to all managers, let them find what they did not do.
"""

import click
from flask.cli import with_appcontext

from campaign.cli.funds import BY, FUND, REASON, CommandRefused, change_fund, get_fund, parse_cents
from campaign.matching import fund_lifecycle, pledge_actions, pledge_requests
from campaign.matching.funds import Fund, FundStatus
from campaign.rules import money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionError, ActionRefused

BY_MEMBER = click.option("--by", "actor", required=True, help="Address of the manager or administrator who decides.")


@click.command("pledge")
@FUND
@click.argument("cents", metavar="AMOUNT", callback=parse_cents)
@BY
@REASON
@with_appcontext
def pledge(name: str, cents: int, actor: str, reason: str) -> None:
    """Raise a fund's pledge by an amount. A pledge can never be lowered.

    That of a draft is raised at once. That of an active fund is raised when a second manager or administrator agrees.
    """
    if not 0 < cents <= pledge_requests.MAX_CENTS:
        raise CommandRefused(f"The amount must be more than zero, and {money.format_money(pledge_requests.MAX_CENTS, 'en')} at most.")
    fund = get_fund(name)
    if fund.status == FundStatus.DRAFT:
        change_fund(fund_lifecycle.raise_draft_pledge, name, actor=actor, reason=reason, cents=cents)
        return
    try:
        request = pledge_actions.request_raise(fund, cents, actor=actor, reason=reason)
    except ActionRefused as error:
        raise refused_by_name(error, actor) from None
    click.echo(
        f"{request.requested_by} asks to raise the pledge of {fund.slug} by {money.format_money(cents, 'en')}. Nothing is raised yet."
    )
    click.echo("Another manager or administrator agrees on the page of funds for staff, or with:")
    click.echo(f"  campaign fund agree-pledge {fund.slug} --by ADDRESS")


@click.command("agree-pledge")
@FUND
@BY_MEMBER
@with_appcontext
def agree_pledge(name: str, actor: str) -> None:
    """Agree that a fund's pledge is raised as another member asked. It is raised at once."""
    fund = get_fund(name)
    _decide(fund, agrees=True, actor=actor)
    left, pledged = (money.format_money(cents, "en") for cents in (fund.available_cents, fund.pledged_cents))
    click.echo(f"{fund.slug}: {fund.status}, {left} left of {pledged}.")


@click.command("refuse-pledge")
@FUND
@BY_MEMBER
@with_appcontext
def refuse_pledge(name: str, actor: str) -> None:
    """Refuse to raise a fund's pledge. Whoever asked for it may take it back with this."""
    fund = get_fund(name)
    _decide(fund, agrees=False, actor=actor)
    click.echo(f"{fund.slug}: its pledge stays at {money.format_money(fund.pledged_cents, 'en')}.")


def _decide(fund: Fund, *, agrees: bool, actor: str) -> None:
    request = pledge_requests.open_for(fund)
    if request is None:
        raise CommandRefused(f"Nobody asks to raise the pledge of {fund.slug}.")
    try:
        pledge_actions.decide_raise(request, agrees=agrees, actor=actor)
    except ActionRefused as error:
        raise refused_by_name(error, actor) from None


def refused_by_name(error: ActionRefused, actor: str) -> CommandRefused:
    """The refusal of an action by the member with this address, with what to do."""
    if error.refusal is ActionError.NOT_A_MANAGER:
        return CommandRefused(f"{actor} is not an active manager or administrator; name one by their address with --by.")
    return CommandRefused(action_errors.describe_error(error.refusal, "en"))


COMMANDS = (pledge, agree_pledge, refuse_pledge)
