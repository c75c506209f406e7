"""Commands for the charity's legal details, which are printed on receipts."""

from datetime import UTC, datetime
from pathlib import Path

import click
from flask.cli import with_appcontext

from campaign.campaigns.charities import Charity
from campaign.cli.funds import CommandRefused
from campaign.cli.receipts import OPERATOR, the_charity
from campaign.edges.db import db
from campaign.edges.pdf import RenderingFailed
from campaign.receipts import receipts, render_jobs, signatures
from campaign.rules import fiscal_years
from campaign.rules.fiscal_years import InvalidYearEnd
from campaign.rules.receipt_requirements import REGISTRATION_NUMBER, ReceiptContent
from campaign.rules.return_lines import AwaitedAs
from campaign.staff import audit

EXAMPLE_NUMBER = "000000000RR0001"
MAX_SIGNATURE_BYTES = 200 * 1024
# What no receipt says: changing it needs no new confirmation.
NOT_PRINTED = {"series", "bilingual_receipts", "fiscal_year_end", "awaited_gifts_as"}
DETAILS = ("legal_name", "registration_number", "place_of_issue", "signatory_name", "signatory_title_en", "signatory_title_fr")


def _signature(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> bytes | None:
    """Read the file of a signature. Raises BadParameter unless it is a PNG within the size limit."""
    if path is None:
        return None
    if path.stat().st_size > MAX_SIGNATURE_BYTES or not (png := path.read_bytes()).startswith(b"\x89PNG\r\n\x1a\n"):
        raise click.BadParameter("A signature must be a PNG of at most 200 KB.")
    return png


def _year_end(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    try:
        return fiscal_years.parse_year_end(text) if text is not None else None
    except InvalidYearEnd as error:
        raise click.BadParameter(str(error)) from None


@click.group("charity")
def charity_group() -> None:
    """Manage the charity's legal details, which are printed on receipts."""


@charity_group.command("show")
@with_appcontext
def charity_show() -> None:
    """Show the charity's details, and whether they are confirmed."""
    found = the_charity()
    for name in DETAILS:
        click.echo(f"{name.replace('_', '-')}: {getattr(found, name)}")
    click.echo(f"address: {'; '.join(found.address)}")
    click.echo(f"signature: {'a picture' if found.signature else 'the name in italics'}")
    click.echo(f"series: {found.series}")
    click.echo(f"bilingual-receipts: {'yes' if found.bilingual_receipts else 'no'}")
    click.echo(f"fiscal-year-end: {found.fiscal_year_end}")
    click.echo(f"awaited-gifts-as: {found.awaited_gifts_as}")
    click.echo(f"confirmed: {found.confirmed_at:%Y-%m-%d}" if found.confirmed_at else "confirmed: no; in live mode no receipts are issued")


@charity_group.command("set")
@click.option("--legal-name", help="Legal name on file with the Canada Revenue Agency.")
@click.option("--registration-number", help="Registration number, as 123456789RR0001.")
@click.option("--address", multiple=True, help="A line of the address on file; repeat the option for each line.")
@click.option("--place-of-issue", help="City or town where receipts are issued.")
@click.option("--signatory-name", help="Name of the person who signs receipts.")
@click.option("--signatory-title-en", help="Title of that person in English.")
@click.option("--signatory-title-fr", help="Title of that person in French.")
@click.option(
    "--signature",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_signature,
    help="PNG of the signature, at most 200 KB, on a white or transparent background.",
)
@click.option("--series", type=click.Choice(["yearly", "continuous"]), help="Whether serial numbers restart each year.")
@click.option(
    "--bilingual-receipts/--receipts-in-one-language", "bilingual_receipts", default=None, help="Print receipts in both languages."
)
@click.option("--fiscal-year-end", callback=_year_end, help="Last day of the fiscal year, as 03-31. It bounds the charity's returns.")
@click.option(
    "--awaited-gifts-as",
    type=click.Choice([one.value for one in AwaitedAs]),
    help="How TP-985.22 counts gifts whose receipt is still to come: on line 12 or on line 14. The accountant decides.",
)
@with_appcontext
def charity_set(address: tuple[str, ...], signature: bytes | None, **options: str | bool | None) -> None:
    """Change the charity's details. Changed legal details must be confirmed again. Issued receipts do not change."""
    found = the_charity()
    changed = {name: value for name, value in options.items() if value is not None and value != getattr(found, name)}
    if address and list(address) != found.address:
        changed["address"] = list(address)  # type: ignore[assignment]  # the only detail that is a list
    if signature is not None:
        _check_printable(signature, found)
        changed["signature"] = signatures.store(signature)
    number = changed.get("registration_number")
    if number is not None and not REGISTRATION_NUMBER.fullmatch(str(number)):
        raise CommandRefused("A registration number consists of nine digits, RR and four digits, as 123456789RR0001.")
    if any(not str(value).strip() for value in changed.values()):
        raise CommandRefused("A detail must not be empty.")
    for name, value in changed.items():
        setattr(found, name, value)
    if changed.keys() - NOT_PRINTED:
        found.confirmed_at = None
    audit.record(OPERATOR, "changed the charity's details", found.legal_name, fields=sorted(changed))
    db.session.commit()
    click.echo(
        f"Changed: {', '.join(sorted(changed)) or 'nothing'}." + ("" if found.confirmed_at else " Confirm with `campaign charity confirm`.")
    )


def _check_printable(signature: bytes, charity: Charity) -> None:
    """Render a receipt with the picture, so that an unusable picture is refused now. Raises CommandRefused."""
    context = render_jobs.issue_context()
    content = ReceiptContent(
        **receipts.charity_fields(charity, context, language="en", code=""),
        received_on=context.now.date(),
        donor_name="–",
        donor_address=(),
        amount_cents=0,
        advantage_cents=0,
        eligible_cents=0,
        currency="CAD",
    )
    try:
        render_jobs.render_page(content, signature, serial="–", mark=render_jobs.PREVIEW_MARK, at=context.now)
    except RenderingFailed:
        raise CommandRefused("This picture cannot be printed on a receipt; save it as a standard PNG.") from None


@charity_group.command("confirm")
@click.option("--by", "actor", required=True, help="Person who has compared the details with the registration.")
@with_appcontext
def charity_confirm(actor: str) -> None:
    """Confirm that the details are those on file. Then receipts are issued in live mode."""
    found = the_charity()
    if found.registration_number == EXAMPLE_NUMBER:
        raise CommandRefused(
            "The details are still the examples that `campaign setup` wrote; set the real ones with `campaign charity set`."
        )
    if not REGISTRATION_NUMBER.fullmatch(found.registration_number) or len(found.address) < 2:
        raise CommandRefused("The registration number or the address is incomplete; see `campaign charity show`.")
    found.confirmed_at = datetime.now(UTC)
    audit.record(actor, "confirmed the charity's details", found.legal_name)
    db.session.commit()
    click.echo(f"Confirmed by {actor}. Receipts are now issued in live mode.")
