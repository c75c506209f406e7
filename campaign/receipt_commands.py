"""Commands about receipts: the year's, the key they are signed with, and the charity's details that they carry."""

from datetime import UTC, datetime
from pathlib import Path

import click
from flask.cli import with_appcontext

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.pdf import NotRendered
from campaign.edges.sealing import NoKey
from campaign.fund_commands import Refused
from campaign.giving import audit, receipts, signatures, yearly_receipts
from campaign.giving.campaigns import default_campaign
from campaign.giving.charities import Charity
from campaign.rules.receipt_rules import REGISTRATION_NUMBER, ReceiptContent
from campaign.work import documents, yearly

OPERATOR = "command line"
EXAMPLE_NUMBER = "000000000RR0001"
LARGEST_SIGNATURE = 200 * 1024
DETAILS = ("legal_name", "registration_number", "place_of_issue", "signatory_name", "signatory_title_en", "signatory_title_fr")


@click.group("receipts")
def receipts_group() -> None:
    """Official receipts."""


@receipts_group.command("yearly")
@click.argument("year", type=click.IntRange(2000, 2200))
@with_appcontext
def receipts_yearly(year: int) -> None:
    """Issue the receipts of a year for donors who wish one for all gifts. Run again, it goes on where it was."""
    charity, now = _charity(), datetime.now(UTC)
    if year >= charity.local(now).year:
        raise Refused(f"The year {year} is not over: its receipts can be issued from the first of January {year + 1} on.")
    run = yearly.issue_for(charity, year)
    click.echo(
        f"{run.issued} receipts for {year} were issued." + (f" {run.lacking} wait, as a name or address is lacking." if run.lacking else "")
    )
    if yearly_receipts.year_that_is_due(charity, now) < year:
        click.echo("Gifts of that year that are heard of later get theirs by the schedule, from the eighth of January on.")


@receipts_group.command("rotate-key")
@with_appcontext
def receipts_rotate_key() -> None:
    """A new key for signing; the certificate of the old one is kept, and what it signed stays valid."""
    try:
        outside().key.rotate(name=_charity().legal_name, now=datetime.now(UTC))
    except NoKey as error:
        raise Refused(str(error)) from None
    audit.record(OPERATOR, "rotated the key for receipts", str(outside().key.path.name))
    db.session.commit()
    click.echo(f"Receipts are signed with a new key from now on: {outside().key.path}. Keep a copy of it in a safe place.")


def _signature(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> bytes | None:
    """A picture that a page can be printed with."""
    if path is None:
        return None
    if path.stat().st_size > LARGEST_SIGNATURE or not (png := path.read_bytes()).startswith(b"\x89PNG\r\n\x1a\n"):
        raise click.BadParameter("a signature is a PNG of at most 200 KB.")
    return png


@click.group("charity")
def charity_group() -> None:
    """The charity's legal details, which its receipts carry."""


@charity_group.command("show")
@with_appcontext
def charity_show() -> None:
    """What receipts say, and whether staff have confirmed it."""
    found = _charity()
    for name in DETAILS:
        click.echo(f"{name.replace('_', '-')}: {getattr(found, name)}")
    click.echo(f"address: {'; '.join(found.address)}")
    click.echo(f"signature: {'a picture' if found.signature else 'the name in italics'}")
    click.echo(f"series: {found.series}")
    click.echo(f"bilingual-receipts: {'yes' if found.bilingual_receipts else 'no'}")
    click.echo(f"confirmed: {found.confirmed_at:%Y-%m-%d}" if found.confirmed_at else "confirmed: no; with real money no receipt is issued")


@charity_group.command("set")
@click.option("--legal-name", help="As on file with the Canada Revenue Agency.")
@click.option("--registration-number", help="As 123456789RR0001.")
@click.option("--address", multiple=True, help="A line of the address on file; repeat it for each line.")
@click.option("--place-of-issue", help="A locality.")
@click.option("--signatory-name")
@click.option("--signatory-title-en")
@click.option("--signatory-title-fr")
@click.option(
    "--signature",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_signature,
    help="A PNG of the signature, up to 200 KB, on white or clear ground.",
)
@click.option("--series", type=click.Choice(["yearly", "continuous"]), help="Whether numbers begin anew each year.")
@click.option("--bilingual-receipts/--receipts-in-one-language", "bilingual_receipts", default=None)
@with_appcontext
def charity_set(address: tuple[str, ...], signature: bytes | None, **given: str | bool | None) -> None:
    """Change details. What legal text is changed must be confirmed anew; receipts that were issued stay as they are."""
    found = _charity()
    changed = {name: value for name, value in given.items() if value is not None and value != getattr(found, name)}
    if address and list(address) != found.address:
        changed["address"] = list(address)  # type: ignore[assignment]  # the one detail that is several lines
    if signature is not None:
        _must_print(signature, found)
        changed["signature"] = signatures.keep(signature)
    number = changed.get("registration_number")
    if number is not None and not REGISTRATION_NUMBER.fullmatch(str(number)):
        raise Refused("A registration number is nine digits, RR and four digits, as 123456789RR0001.")
    if any(not str(value).strip() for value in changed.values()):
        raise Refused("A detail cannot be empty.")
    for name, value in changed.items():
        setattr(found, name, value)
    if changed.keys() - {"series", "bilingual_receipts"}:
        found.confirmed_at = None
    audit.record(OPERATOR, "changed the charity's details", found.legal_name, fields=sorted(changed))
    db.session.commit()
    click.echo(
        f"Changed: {', '.join(sorted(changed)) or 'nothing'}." + ("" if found.confirmed_at else " Confirm with `campaign charity confirm`.")
    )


def _must_print(signature: bytes, found: Charity) -> None:
    """A picture that the page cannot hold is refused now, not with the next receipt."""
    how = documents.issuing()
    content = ReceiptContent(
        **receipts.of_charity(found, how, language="en", code=""),
        received_on=how.now.date(),
        donor_name="–",
        donor_address=(),
        amount_cents=0,
        advantage_cents=0,
        eligible_cents=0,
        currency="CAD",
    )
    try:
        documents.page(content, signature, serial="–", mark=documents.PREVIEW, at=how.now)
    except NotRendered:
        raise Refused("This picture cannot be printed on a receipt; save it as a plain PNG.") from None


@charity_group.command("confirm")
@click.option("--by", "actor", required=True, help="Who has compared the details with the registration.")
@with_appcontext
def charity_confirm(actor: str) -> None:
    """Say that the details are those on file: from then on receipts are issued for real money."""
    found = _charity()
    if found.registration_number == EXAMPLE_NUMBER:
        raise Refused("The details are still the examples that setup wrote; give the real ones with `campaign charity set`.")
    if not REGISTRATION_NUMBER.fullmatch(found.registration_number) or len(found.address) < 2:
        raise Refused("The registration number or the address is not whole; see `campaign charity show`.")
    found.confirmed_at = datetime.now(UTC)
    audit.record(actor, "confirmed the charity's details", found.legal_name)
    db.session.commit()
    click.echo(f"Confirmed by {actor}. Receipts are issued for real gifts from now on.")


def _charity() -> Charity:
    campaign = default_campaign()
    if campaign is None:
        raise Refused("There is no campaign yet; run `campaign setup` first.")
    return campaign.charity
