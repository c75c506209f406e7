"""Commands for matching funds: their terms and status. Each change of status is stored with its actor and reason."""

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import click
from flask.cli import with_appcontext

from campaign.campaigns.campaigns import Campaign, campaign_by_slug
from campaign.cli import printed_text
from campaign.edges.db import db
from campaign.funders.funders import Funder
from campaign.matching import fund_actions, fund_lifecycle, funds, pledge_requests
from campaign.matching.fund_lifecycle import FundChangeRefused
from campaign.matching.funds import Fund, Leftover
from campaign.reporting.integrity import checker
from campaign.rules import local_time, money


class CommandRefused(click.ClickException):
    """The command cannot be carried out. The message is one sentence; the exit code is 2."""

    exit_code = 2


def get_fund(name: str) -> Fund:
    """Return the fund with this slug or number. Raises CommandRefused, with the slugs of all funds, when there is none."""
    fund = funds.find_fund(name)
    if fund is None:
        known = ", ".join(funds.fund_slugs()) or "none"
        raise CommandRefused(f"There is no fund {name}; known funds: {known}.")
    return fund


def parse_cents(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """Parse an amount argument into cents, as a click callback."""
    if text is None:
        return None
    try:
        return money.parse(text, "en")
    except money.InvalidMoney:
        raise click.BadParameter(f"{text} is not an amount of money; write it as 500 or 1,234.56.") from None


def _ratio(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, int]:
    if not re.fullmatch(r"0*[1-9][0-9]{0,2}:0*[1-9][0-9]{0,2}", text):
        raise click.BadParameter(f"{text} is not a ratio; 2:1 adds two dollars to each dollar donated, 1:2 adds fifty cents.")
    match, _, donation = text.partition(":")
    return int(match), int(donation)


@click.group("fund")
def fund_group() -> None:
    """Manage matching funds."""


@fund_group.command("list")
@with_appcontext
def fund_list() -> None:
    """Show each fund with its status, balances, terms and changes."""
    for slug in funds.fund_slugs():
        fund = get_fund(slug)
        click.echo(f"{fund.slug}: {fund.status}")
        sums = ((fund.pledged_cents, "pledged"), (fund.held_cents, "held"), (fund.matched_cents, "matched"), (fund.available_cents, "left"))
        click.echo("  " + ", ".join(f"{money.format_money(cents, 'en')} {what}" for cents, what in sums))
        click.echo(f"  {_terms(fund)}")
        if request := pledge_requests.open_for(fund):
            click.echo(f"  {money.format_money(request.cents, 'en')} more asked for by {request.requested_by}: {request.reason}")
        for change in fund_lifecycle.changes_of(fund):
            raised = f" {money.format_money(change.cents, 'en')}" if change.cents else ""
            click.echo(f"  {change.at:%Y-%m-%d %H:%M} UTC {change.kind}{raised} by {change.actor}: {change.reason}")


def _terms(fund: Fund) -> str:
    limits = (
        (fund.minimum_cents, "donations of at least {}"),
        (fund.per_donation_cents, "at most {} per donation"),
        (fund.per_donor_cents, "at most {} per donor"),
    )
    terms = [f"{fund.ratio_numerator}:{fund.ratio_denominator}"]
    terms += [term.format(money.format_money(cents, "en")) for cents, term in limits if cents]
    terms += [f"{what} {moment.isoformat()}" for what, moment in (("from", fund.opens_at), ("before", fund.closes_at)) if moment]
    if fund.leftover == Leftover.DONATED:
        terms.append("what is not matched is given all the same")
    return ", ".join(terms)


@fund_group.command("add")
@click.argument("campaign_slug", metavar="CAMPAIGN")
@click.argument("slug")
@click.option("--name-en", required=True, callback=printed_text.printed, help="Public name of the fund in English.")
@click.option("--name-fr", required=True, callback=printed_text.printed, help="Public name of the fund in French.")
@click.option("--funder", "funder_name", callback=printed_text.printed, help="Name of the funder, if it differs from the name of the fund.")
@click.option("--ratio", default="1:1", show_default=True, callback=_ratio, help="Ratio of match to donation.")
@click.option("--minimum", callback=parse_cents, help="Smallest donation that is matched.")
@click.option("--per-donation", callback=parse_cents, help="Maximum match of one donation.")
@click.option("--per-donor", callback=parse_cents, help="Maximum match for one donor.")
@click.option("--opens", help="First moment in the charity's time zone, as 2026-12-01 or 2026-12-01 09:00.")
@click.option("--closes", help="Last day (inclusive), or the moment before which a donation must be paid.")
@click.option(
    "--leftover",
    type=click.Choice([choice.value for choice in Leftover]),
    default=Leftover.RELEASED.value,
    help="What becomes of what is not matched by the end.",
)
@with_appcontext
def fund_add(campaign_slug: str, slug: str, ratio: tuple[int, int], opens: str | None, closes: str | None, **options: Any) -> None:
    """Create a fund as a draft, used after the campaign's other funds.

    `fund pledge` adds money to it, `fund activate` freezes its terms and starts matching.
    """
    campaign = campaign_by_slug(campaign_slug)
    if campaign is None:
        raise CommandRefused(f"There is no campaign {campaign_slug}.")
    if slug in funds.fund_slugs() or not re.fullmatch(r"(?=.*[a-z])[a-z0-9-]{1,60}", slug):
        raise CommandRefused(
            f"A fund cannot be named {slug}: the name is taken, or does not consist of lowercase letters, digits and hyphens."
        )
    zone = ZoneInfo(campaign.charity.time_zone)
    opens_at, closes_at = (local_time.parse(opens, zone) if opens else None), (local_time.parse_end(closes, zone) if closes else None)
    if opens_at and closes_at and opens_at >= closes_at:
        raise CommandRefused(f"The fund would close ({closes}) before it opens ({opens}).")
    funder = Funder(name_en=options["funder_name"] or options["name_en"], name_fr=options["funder_name"] or options["name_fr"])
    db.session.add(funder)
    db.session.flush()
    created = Fund(
        campaign_id=campaign.id,
        funder_id=funder.id,
        slug=slug,
        name_en=options["name_en"],
        name_fr=options["name_fr"],
        position=fund_actions.next_position(campaign.id),
        ratio_numerator=ratio[0],
        ratio_denominator=ratio[1],
        minimum_cents=options["minimum"] or 0,
        per_donation_cents=options["per_donation"],
        per_donor_cents=options["per_donor"],
        opens_at=opens_at,
        closes_at=closes_at,
        leftover=options["leftover"],
    )
    fund_actions.create(created, pledge_cents=0, actor="command line", reason="")
    click.echo(f"The fund {slug} is a draft.")


def change_fund(change: Callable[..., None], name: str, **arguments: Any) -> None:
    """Change the fund with this name, and print its status and what it has left. Raises CommandRefused."""
    fund = get_fund(name)
    try:
        fund_actions.apply(change, fund, **arguments)
    except FundChangeRefused as refusal:
        raise CommandRefused(str(refusal)) from None
    left, pledged = (money.format_money(cents, "en") for cents in (fund.available_cents, fund.pledged_cents))
    click.echo(f"{fund.slug}: {fund.status}, {left} left of {pledged}.")


FUND = click.argument("name", metavar="FUND")
BY = click.option("--by", "actor", default="command line", show_default=True, help="Who decided it.")
REASON = click.option("--reason", required=True, help="Reason, stored in the audit trail.")


@fund_group.command("activate")
@FUND
@BY
@REASON
@with_appcontext
def fund_activate(name: str, actor: str, reason: str) -> None:
    """Freeze the terms and start matching, first the donations that are already paid within the window."""
    change_fund(fund_lifecycle.activate, name, actor=actor, reason=reason)


@fund_group.command("pause")
@FUND
@BY
@REASON
@with_appcontext
def fund_pause(name: str, actor: str, reason: str) -> None:
    """Stop matching until the fund is resumed. Existing holds are honored."""
    change_fund(fund_lifecycle.pause, name, actor=actor, reason=reason)


@fund_group.command("resume")
@FUND
@BY
@REASON
@click.option("--in-spite-of-findings", is_flag=True, help="Resume although the integrity check has findings.")
@with_appcontext
def fund_resume(name: str, actor: str, reason: str, *, in_spite_of_findings: bool) -> None:
    """Resume matching, first for the donations in the queue. Refused while the integrity check has findings."""
    findings = checker.findings(db.engine)
    if findings and not in_spite_of_findings:
        raise CommandRefused(f"The integrity check has findings, so the fund stays paused: {findings[0]}")
    change_fund(fund_lifecycle.resume, name, actor=actor, reason=reason)


@fund_group.command("end")
@FUND
@BY
@REASON
@with_appcontext
def fund_end(name: str, actor: str, reason: str) -> None:
    """End the fund now. Existing holds are honored, and donations paid before now are still matched."""
    change_fund(fund_lifecycle.end, name, actor=actor, reason=reason)


def time_zone_of(fund: Fund) -> ZoneInfo:
    """The time zone of the fund's charity."""
    return ZoneInfo(db.session.get_one(Campaign, fund.campaign_id).charity.time_zone)
