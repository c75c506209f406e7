"""The command line's part about funds: their terms, their life, what they owe. Each change says why, and is a fact of its own."""

import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from email_validator import EmailNotValidError, validate_email
from flask import current_app
from flask.cli import with_appcontext
from flask_babel import force_locale, gettext

from campaign.config import ROOT
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.giving import audit, fund_changes, funder_payments, funds
from campaign.giving.campaigns import Campaign, campaign_named
from campaign.giving.fund_changes import CannotChange
from campaign.giving.funder_payments import CannotReceive
from campaign.giving.funds import Fund, Funder
from campaign.reporting import books, statements
from campaign.rules import moments, money

STATEMENT_TEMPLATE = ROOT / "templates" / "funders" / "statement.typ"


class Refused(click.ClickException):
    """One sentence for the operator; exit 2."""

    exit_code = 2


def fund_named(name: str) -> Fund:
    """The fund, or a refusal that names those there are."""
    found = funds.fund_named(name)
    if found is None:
        known = ", ".join(funds.fund_slugs()) or "none"
        raise Refused(f"There is no fund {name}; known funds: {known}.")
    return found


def cents_of(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """A sum that an operator typed, in cents."""
    if text is None:
        return None
    try:
        return money.parse(text, "en")
    except money.NotMoney:
        raise click.BadParameter(f"{text} is no sum of money; write it like 500 or 1,234.56.") from None


def _ratio(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, int]:
    match, _, gift = text.partition(":")
    if not (match.isascii() and match.isdigit() and gift.isascii() and gift.isdigit() and 0 < int(match) < 1000 and 0 < int(gift) < 1000):
        raise click.BadParameter(f"{text} is no ratio; 2:1 adds two dollars to each dollar given, 1:2 fifty cents.")
    return int(match), int(gift)


@click.group("fund")
def fund() -> None:
    """Matching funds."""


@fund.command("list")
@with_appcontext
def fund_list() -> None:
    """Each fund: where it stands, its terms, what happened to it."""
    for slug in funds.fund_slugs():
        one = fund_named(slug)
        click.echo(f"{one.slug}: {_standing(one)}")
        sums = ((one.pledged_cents, "pledged"), (one.held_cents, "held"), (one.matched_cents, "matched"), (one.available_cents, "left"))
        click.echo("  " + ", ".join(f"{money.written(cents, 'en')} {what}" for cents, what in sums))
        click.echo(f"  {_terms(one)}")
        for change in fund_changes.changes_of(one):
            raised = f" {money.written(change.cents, 'en')}" if change.cents else ""
            click.echo(f"  {change.at:%Y-%m-%d %H:%M} UTC {change.kind}{raised} by {change.actor}: {change.reason}")


def _standing(one: Fund) -> str:
    if one.activated_at is None:
        return "a draft"
    return "ended" if one.ended_at else "paused" if one.paused_at else "active"


def _terms(one: Fund) -> str:
    terms = [f"{one.ratio_numerator}:{one.ratio_denominator}"]
    for cents, what in (
        (one.minimum_cents, "for gifts from"),
        (one.per_donation_cents, "at most a gift"),
        (one.per_donor_cents, "at most a donor"),
    ):
        if cents:
            terms.append(f"{what} {money.written(cents, 'en')}")
    terms += [f"{what} {moment.isoformat()}" for what, moment in (("from", one.opens_at), ("before", one.closes_at)) if moment]
    return ", ".join(terms)


@fund.command("add")
@click.argument("campaign")
@click.argument("slug")
@click.option("--name-en", required=True, help="The fund's public name.")
@click.option("--name-fr", required=True)
@click.option("--funder", "funder_name", help="Who stands behind it, if not of the same name.")
@click.option("--ratio", default="1:1", show_default=True, callback=_ratio, help="Match to gift.")
@click.option("--minimum", callback=cents_of, help="The least gift that is matched.")
@click.option("--per-donation", callback=cents_of, help="The most that it adds to one gift.")
@click.option("--per-donor", callback=cents_of, help="The most that it adds for one donor.")
@click.option("--opens", help="First moment by the charity's clocks, as 2026-12-01 or 2026-12-01 09:00.")
@click.option("--closes", help="The last day, included, or the moment before which a gift must be paid.")
@with_appcontext
def fund_add(campaign: str, slug: str, ratio: tuple[int, int], opens: str | None, closes: str | None, **given: Any) -> None:
    """A new fund as a draft, drawn on after the others. `fund pledge` gives it money, `fund activate` freezes its terms."""
    found = campaign_named(campaign)
    if found is None:
        raise Refused(f"There is no campaign {campaign}.")
    if slug in funds.fund_slugs() or not re.fullmatch(r"(?=.*[a-z])[a-z0-9-]{1,60}", slug):
        raise Refused(f"A fund cannot be called {slug}: the name is taken, or is not of small letters, digits and dashes.")
    zone = ZoneInfo(found.charity.time_zone)
    funder = Funder(name_en=given["funder_name"] or given["name_en"], name_fr=given["funder_name"] or given["name_fr"])
    db.session.add(funder)
    db.session.flush()
    db.session.add(
        Fund(
            campaign_id=found.id,
            funder_id=funder.id,
            slug=slug,
            name_en=given["name_en"],
            name_fr=given["name_fr"],
            position=_next_position(found),
            ratio_numerator=ratio[0],
            ratio_denominator=ratio[1],
            minimum_cents=given["minimum"] or 0,
            per_donation_cents=given["per_donation"],
            per_donor_cents=given["per_donor"],
            opens_at=moments.parse(opens, zone) if opens else None,
            closes_at=moments.parse_end(closes, zone) if closes else None,
        )
    )
    db.session.commit()
    click.echo(f"The fund {slug} is a draft.")


def _next_position(campaign: Campaign) -> int:
    return 1 + max((f.position for f in db.session.query(Fund).filter_by(campaign_id=campaign.id)), default=0)


def _changing(act: Callable[..., None], name: str, *, actor: str, reason: str, **given: Any) -> None:
    one = fund_named(name)
    try:
        act(one, actor=actor, reason=reason, **given)
    except CannotChange as refusal:
        raise Refused(str(refusal)) from None
    db.session.commit()
    click.echo(
        f"{one.slug}: {_standing(one)}, {money.written(one.available_cents, 'en')} left of {money.written(one.pledged_cents, 'en')}."
    )


BY = click.option("--by", "actor", default="command line", show_default=True, help="Who decided it.")
REASON = click.option("--reason", required=True, help="Why, for the record.")


@fund.command("activate")
@click.argument("name")
@BY
@REASON
@with_appcontext
def fund_activate(name: str, actor: str, reason: str) -> None:
    """Freeze the terms and begin to match, gifts within the window that are paid already first."""
    _changing(fund_changes.activate, name, actor=actor, reason=reason)


@fund.command("pledge")
@click.argument("name")
@click.argument("sum", callback=cents_of)
@BY
@REASON
@with_appcontext
def fund_pledge(name: str, sum: int, actor: str, reason: str) -> None:  # noqa: A002  # the operator's word for the argument
    """Add to a fund's pledge. It is never lowered."""
    if sum <= 0:
        raise Refused("A pledge is raised by more than nothing.")
    _changing(fund_changes.pledge, name, actor=actor, reason=reason, cents=sum)


@fund.command("pause")
@click.argument("name")
@BY
@REASON
@with_appcontext
def fund_pause(name: str, actor: str, reason: str) -> None:
    """Match nothing new until the fund is resumed; holds that were given are honoured."""
    _changing(fund_changes.pause, name, actor=actor, reason=reason)


@fund.command("resume")
@click.argument("name")
@BY
@REASON
@click.option("--in-spite-of-findings", is_flag=True, help="Match though the books are not right; the reason is kept.")
@with_appcontext
def fund_resume(name: str, actor: str, reason: str, *, in_spite_of_findings: bool) -> None:
    """Match again, those first who waited. Refused while the books are not right."""
    found = books.findings(db.engine)
    if found and not in_spite_of_findings:
        raise Refused(f"The books are not right, so nothing is matched: {found[0]}")
    _changing(fund_changes.resume, name, actor=actor, reason=reason)


@fund.command("end")
@click.argument("name")
@BY
@REASON
@with_appcontext
def fund_end(name: str, actor: str, reason: str) -> None:
    """Close the window now. Holds are honoured, and what was paid before now still counts."""
    _changing(fund_changes.end, name, actor=actor, reason=reason)


@fund.command("received")
@click.argument("name")
@click.argument("sum", callback=cents_of)
@click.option("--on", "on", required=True, help="The day it arrived, as 2026-12-01.")
@click.option("--reference", required=True, help="The bank's or the cheque's; one payment is written down once.")
@BY
@with_appcontext
def fund_received(name: str, sum: int, on: str, reference: str, actor: str) -> None:  # noqa: A002  # the operator's word
    """Write down money that the funder has paid; a receipt is issued for it, unless the funder is a registered charity."""
    one, livemode = fund_named(name), not current_app.config["IS_SANDBOX"]
    day = moments.parse(on, ZoneInfo(db.session.get_one(Campaign, one.campaign_id).charity.time_zone)).date()
    try:
        funder_payments.record(one, sum, received_on=day, reference=reference.strip(), livemode=livemode, actor=actor)
    except CannotReceive as refusal:
        raise Refused(str(refusal)) from None
    audit.record(actor, "recorded money from a funder", one.slug, cents=sum, reference=reference.strip())
    db.session.commit()
    click.echo(f"{one.slug}: {money.written(funder_payments.received_of(one), 'en')} received of {money.written(one.pledged_cents, 'en')}.")


@fund.command("funder")
@click.argument("name")
@click.option("--legal-name", help="As a receipt names it.")
@click.option("--address", multiple=True, help="A line of its address; repeat it for each line.")
@click.option("--email", help="Where receipts and notices go.")
@click.option("--language", type=click.Choice(["en", "fr"]))
@click.option("--registered-charity/--not-registered-charity", "is_registered_charity", default=None)
@with_appcontext
def fund_funder(name: str, address: tuple[str, ...], email: str | None, **given: Any) -> None:
    """Who stands behind a fund: what a receipt for their money needs. Without options, what is known."""
    one = db.session.get_one(Funder, fund_named(name).funder_id)
    changed = {field: value for field, value in given.items() if value is not None}
    if address:
        changed["address"] = list(address)
    if email:
        changed["email"] = _email(email)
    for field, value in changed.items():
        setattr(one, field, value)
    if changed:
        audit.record("command line", "changed a funder's details", one.name_en, fields=sorted(changed))
    db.session.commit()
    charity = "a registered charity" if one.is_registered_charity else "no registered charity"
    click.echo(
        f"{one.legal_name or one.name_en}; {', '.join(one.address) or 'no address'}; {one.email or 'no e-mail'}; {one.language}; {charity}."
    )


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise Refused(f"{text} is not an e-mail address.") from None


@click.command()
@click.argument("name", metavar="FUND")
@click.option("--as-of", help="A day, included, or a moment, by the charity's clocks. Now, if not given.")
@click.option("--format", "form", type=click.Choice(["pdf", "csv", "json"]), required=True)
@click.option("--language", type=click.Choice(["en", "fr"]), default="en", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write there, in place of standard output.")
@with_appcontext
def statement(name: str, as_of: str | None, form: str, language: str, output: Path | None) -> None:
    """A funder's statement; for the same moment always the same bytes. JSON carries each entry with its hash (docs/verify.md)."""
    one = fund_named(name)
    zone = ZoneInfo(db.session.get_one(Campaign, one.campaign_id).charity.time_zone)
    found = statements.statement_of(one, before=moments.parse_end(as_of, zone) if as_of else None)
    with output.open("wb") if output else nullcontext(sys.stdout.buffer) as target:
        if form == "pdf":
            printed = statements.printed(found, language, is_test=current_app.config["IS_SANDBOX"])
            target.write(pdf.render(STATEMENT_TEMPLATE, printed, at=found.as_of))
            return
        if form == "json":
            pieces = statements.as_json(found)
        else:
            with force_locale(language):
                pieces = statements.as_csv(found, [gettext("Day"), gettext("Donations matched"), gettext("Matched (CAD)")])
        for piece in pieces:
            target.write(piece.encode())
