"""Commands for the charity's legal details, which are printed on receipts."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from flask.cli import with_appcontext

from campaign.campaigns.charities import Charity
from campaign.cli.funds import CommandRefused
from campaign.cli.receipts import OPERATOR, the_charity
from campaign.edges.db import db
from campaign.edges.pdf import RenderingFailed
from campaign.receipts import logos, receipts, render_jobs, signatures
from campaign.receipts.render_jobs import Pictures
from campaign.rules.receipt_requirements import REGISTRATION_NUMBER, ReceiptContent
from campaign.staff import audit

FC = TypeVar("FC", bound=Callable[..., Any] | click.Command)
EXAMPLE_NUMBER = "000000000RR0001"
MAX_PICTURE_BYTES = 200 * 1024
DETAILS = ("legal_name", "registration_number", "place_of_issue", "signatory_name", "signatory_title_en", "signatory_title_fr")


def _picture(_context: click.Context, parameter: click.Parameter, path: Path | None) -> bytes | None:
    """Read the file of a picture. Raises BadParameter unless it is a PNG within the size limit."""
    if path is None:
        return None
    if path.stat().st_size > MAX_PICTURE_BYTES or not (png := path.read_bytes()).startswith(b"\x89PNG\r\n\x1a\n"):
        raise click.BadParameter(f"A {parameter.name} must be a PNG of at most 200 KB.")
    return png


def _picture_option(name: str, what: str) -> Callable[[FC], FC]:
    return click.option(name, type=click.Path(exists=True, dir_okay=False, path_type=Path), callback=_picture, help=what)


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
    click.echo(f"logo: {'a picture' if found.logo else 'none; the name is printed large'}")
    click.echo(f"series: {found.series}")
    click.echo(f"bilingual-receipts: {'yes' if found.bilingual_receipts else 'no'}")
    click.echo(f"confirmed: {found.confirmed_at:%Y-%m-%d}" if found.confirmed_at else "confirmed: no; in live mode no receipts are issued")


@charity_group.command("set")
@click.option("--legal-name", help="Legal name on file with the Canada Revenue Agency.")
@click.option("--registration-number", help="Registration number, as 123456789RR0001.")
@click.option("--address", multiple=True, help="A line of the address on file; repeat the option for each line.")
@click.option("--place-of-issue", help="City or town where receipts are issued.")
@click.option("--signatory-name", help="Name of the person who signs receipts.")
@click.option("--signatory-title-en", help="Title of that person in English.")
@click.option("--signatory-title-fr", help="Title of that person in French.")
@_picture_option("--signature", "PNG of the signature, at most 200 KB, on a white or transparent background.")
@_picture_option("--logo", "PNG of the logo at the head of receipts, at most 200 KB, about 800 by 300 pixels.")
@click.option("--series", type=click.Choice(["yearly", "continuous"]), help="Whether serial numbers restart each year.")
@click.option(
    "--bilingual-receipts/--receipts-in-one-language", "bilingual_receipts", default=None, help="Print receipts in both languages."
)
@with_appcontext
def charity_set(address: tuple[str, ...], signature: bytes | None, logo: bytes | None, **options: str | bool | None) -> None:
    """Change the charity's details. Changed legal details must be confirmed again. Issued receipts do not change."""
    found = the_charity()
    changed = {name: value for name, value in options.items() if value is not None and value != getattr(found, name)}
    if address and list(address) != found.address:
        changed["address"] = list(address)  # type: ignore[assignment]  # the only detail that is a list
    if signature is not None:
        _check_printable(Pictures(signature=signature), found)
        changed["signature"] = signatures.store(signature)
    if logo is not None:
        _check_printable(Pictures(logo=logo), found)
        changed["logo"] = logos.store(logo)
    number = changed.get("registration_number")
    if number is not None and not REGISTRATION_NUMBER.fullmatch(str(number)):
        raise CommandRefused("A registration number consists of nine digits, RR and four digits, as 123456789RR0001.")
    if any(not str(value).strip() for value in changed.values()):
        raise CommandRefused("A detail must not be empty.")
    for name, value in changed.items():
        setattr(found, name, value)
    if changed.keys() - {"series", "bilingual_receipts", "logo"}:
        found.confirmed_at = None
    audit.record(OPERATOR, "changed the charity's details", found.legal_name, fields=sorted(changed))
    db.session.commit()
    click.echo(
        f"Changed: {', '.join(sorted(changed)) or 'nothing'}." + ("" if found.confirmed_at else " Confirm with `campaign charity confirm`.")
    )


def _check_printable(pictures: Pictures, charity: Charity) -> None:
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
        render_jobs.render_page(content, pictures, serial="–", mark=render_jobs.PREVIEW_MARK, at=context.now)
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
