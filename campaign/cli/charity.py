"""Commands for the charity's details: those that receipts print, how donors reach it, and the settings of receipts and returns."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from flask.cli import with_appcontext

from campaign.campaigns.charities import Charity
from campaign.cli.funds import CommandRefused
from campaign.cli.receipts import OF_CHARITY, OPERATOR, the_charity
from campaign.edges.pdf import RenderingFailed
from campaign.outbox import waiting_receipts
from campaign.receipts import charity_actions, charity_confirmations, confirmation_actions, render_jobs
from campaign.receipts.charity_actions import PictureRefused
from campaign.receipts.charity_confirmations import DetailsNotReal
from campaign.receipts.completeness import CONFIRMATION
from campaign.receipts.confirmation_actions import AlreadyConfirmed, SampleIsStale, SampleNotOpened
from campaign.receipts.render_jobs import Sample
from campaign.rules import charity_details, fiscal_years
from campaign.rules.charity_details import Detail, Finding, normalized, text_of
from campaign.rules.fiscal_years import InvalidYearEnd
from campaign.rules.pictures import MAX_BYTES
from campaign.rules.return_lines import AwaitedAs
from campaign.texts.charity_details import describe_finding, describe_flaw, name_of

FC = TypeVar("FC", bound=Callable[..., Any] | click.Command)
LANGUAGE = "en"


def _picture(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> bytes | None:
    """Read the file of a picture, as far as one may be long."""
    if path is None:
        return None
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _picture_option(name: str, what: str) -> Callable[[FC], FC]:
    return click.option(name, type=click.Path(exists=True, dir_okay=False, path_type=Path), callback=_picture, help=what)


def _year_end(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    try:
        return fiscal_years.parse_year_end(text) if text is not None else None
    except InvalidYearEnd as error:
        raise click.BadParameter(str(error)) from None


@click.group("charity")
def charity_group() -> None:
    """Manage the charity's details, which receipts print and donors read."""


@charity_group.command("show")
@OF_CHARITY
@with_appcontext
def charity_show(number: str | None) -> None:
    """Show the charity's details, and whether they are confirmed."""
    found = the_charity(number)
    _echo_details(found)
    click.echo(f"series: {found.series}")
    click.echo(f"bilingual-receipts: {'yes' if found.bilingual_receipts else 'no'}")
    click.echo(f"fiscal-year-end: {found.fiscal_year_end}")
    click.echo(f"awaited-gifts-as: {found.awaited_gifts_as}")
    for finding in charity_confirmations.findings_of(found):
        click.echo(f"not real: {_sentence(finding)}")
    if found.confirmed_at is None:
        click.echo(f"confirmed: no. {_what_stops(found)}")
    else:
        (last,) = charity_confirmations.list_confirmations(found, limit=1)
        click.echo(f"confirmed: {found.local(last.at):%Y-%m-%d %H:%M} by {last.actor}")


def _echo_details(charity: Charity) -> None:
    details = charity_confirmations.details_of(charity)
    for detail in Detail:
        text = text_of(details, detail).replace("\n", "; ")
        if detail in charity_details.PICTURES:
            instead = "the name in italics" if detail is Detail.SIGNATURE else "the name in large type"
            text = "a picture" if text else f"no picture; {instead}"
        click.echo(f"{detail.value.replace('_', '-')}: {text}")


def _sentence(finding: Finding) -> str:
    return f"{name_of(finding.detail, LANGUAGE)}: {describe_finding(finding, LANGUAGE)} Set it with `campaign charity set {_option(finding.detail)}`."


def _option(detail: Detail) -> str:
    return f"--{detail.value.replace('_', '-')}"


def _what_stops(charity: Charity) -> str:
    count = waiting_receipts.count_for(CONFIRMATION, charity)
    receipts = "1 receipt waits" if count == 1 else f"{count} receipts wait"
    return f"Until the details are confirmed no official receipt is issued for real money; {receipts} for it."


@charity_group.command("set")
@OF_CHARITY
@click.option("--legal-name", help="Legal name on file with the Canada Revenue Agency.")
@click.option("--name-en", help="Name on pages and in emails in English.")
@click.option("--name-fr", help="Name on pages and in emails in French.")
@click.option("--registration-number", help="Registration number, as 12345 6782 RR 0001.")
@click.option("--address", multiple=True, help="A line of the address on file; repeat the option for each line.")
@click.option("--place-of-issue", help="City or town where receipts are issued.")
@click.option("--signatory-name", help="Name of the person who signs receipts.")
@click.option("--signatory-title-en", help="Title of that person in English.")
@click.option("--signatory-title-fr", help="Title of that person in French.")
@_picture_option("--signature", "PNG of the signature in a dark colour, at most 200 KB, on a white or transparent background.")
@_picture_option("--logo", "PNG of the logo at the head of receipts, at most 200 KB, about 800 by 300 pixels.")
@click.option("--no-logo", is_flag=True, help="Print the charity's name at the head of receipts instead of a logo.")
@click.option("--email", help="Address to which donors write; emails are answered to it.")
@click.option("--phone", help="Phone number for donors, with its area code; empty for none.")
@click.option("--website", help="Address of the charity's website, which begins with https://.")
@click.option("--privacy-officer", help="Email address of the person who answers questions about privacy.")
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
def charity_set(
    number: str | None,
    address: tuple[str, ...],
    signature: bytes | None,
    logo: bytes | None,
    *,
    no_logo: bool,
    **options: str | bool | None,
) -> None:
    """Change the charity's details. What receipts print must be confirmed again. Issued receipts do not change."""
    found = the_charity(number)
    if logo is not None and no_logo:
        raise CommandRefused("Choose either --logo or --no-logo.")
    typed = {name: value for name, value in options.items() if value is not None}
    values: dict[str, Any] = {
        name: normalized(Detail(name), value) if name in set(Detail) and isinstance(value, str) else value for name, value in typed.items()
    }
    if address:
        values["address"] = _read_address(address)
    if no_logo:
        values["logo"] = None
    files = {Detail.SIGNATURE: signature, Detail.LOGO: logo}
    try:
        pictures = charity_actions.store_pictures(found, {detail: png for detail, png in files.items() if png is not None})
        changed = charity_actions.change(found, values | pictures, actor=OPERATOR)
    except PictureRefused as error:
        raise CommandRefused(f"{_option(error.detail)}: {describe_flaw(error.flaw, LANGUAGE)}") from None
    except DetailsNotReal as error:
        sentences = [f"{_option(finding.detail)}: {describe_finding(finding, LANGUAGE)}" for finding in error.findings]
        raise CommandRefused(f"Nothing was changed. {' '.join(sentences)}") from None
    click.echo(f"Changed: {', '.join(changed) or 'nothing'}.")
    if found.confirmed_at is None:
        click.echo(f"{_what_stops(found)} Confirm with `campaign charity confirm`.")


def _read_address(lines: Sequence[str]) -> list[str]:
    """The lines as they are stored. Raises CommandRefused for one that is empty."""
    read = [line for text in lines for line in normalized(Detail.ADDRESS, text) or [""]]
    if "" in read:
        raise CommandRefused("Nothing was changed. --address: A line of the address is empty.")
    return read


@charity_group.command("sample")
@OF_CHARITY
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--language", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="Language of the sample.")
@with_appcontext
def charity_sample(path: Path, language: str, number: str | None) -> None:
    """Write a sample receipt with the details as they are. It states their fingerprint, which `confirm --sample` takes."""
    _write_sample(the_charity(number), path, language)
    click.echo(f"Wrote {path}, a sample that is no receipt. Compare everything on it with the charity's registration.")
    click.echo("`campaign charity confirm --sample` takes the fingerprint at its foot, once there are samples in English and in French.")


def _write_sample(charity: Charity, path: Path, language: str) -> Sample:
    try:
        sample = render_jobs.render_sample(charity, language, opened_by=OPERATOR)
        path.write_bytes(sample.pdf)
        return sample
    except RenderingFailed:
        raise CommandRefused(
            "A receipt with these details cannot be printed; look for unusual characters in `campaign charity show`."
        ) from None
    except OSError as error:
        raise CommandRefused(f"The sample cannot be written to {path} ({error.strerror}); name another file.") from None


@charity_group.command("confirm")
@OF_CHARITY
@click.option("--by", "actor", required=True, help="Person who has compared the details with the registration.")
@click.option(
    "--sample",
    "fingerprint",
    help="Fingerprint at the foot of the samples that `campaign charity sample` wrote, where nobody can be asked.",
)
@with_appcontext
def charity_confirm(actor: str, fingerprint: str | None, number: str | None) -> None:
    """Confirm that the details are those on file, having seen a sample receipt. Then receipts are issued in live mode."""
    if not actor.strip():
        raise CommandRefused("Please say who confirms, with --by.")
    found = the_charity(number)
    _check_real(charity_confirmations.findings_of(found))
    if found.confirmed_at is not None:
        raise CommandRefused("These details are confirmed already; `campaign charity show` says by whom.")
    sample = fingerprint.strip() if fingerprint else _confirm_sample(found)
    try:
        woken = confirmation_actions.confirm(found, sample=sample, actor=actor.strip(), opened_by=OPERATOR)
    except DetailsNotReal as error:
        _check_real(error.findings)
        raise
    except AlreadyConfirmed:
        raise CommandRefused("Somebody else has just confirmed these details.") from None
    except SampleIsStale:
        raise CommandRefused(
            "That is not the fingerprint of the details as they are now: make samples in both languages with `campaign charity sample`, and read them."
        ) from None
    except SampleNotOpened as error:
        options = " and ".join(f"`campaign charity sample FILE --language {language}`" for language in error.languages)
        raise CommandRefused(f"Receipts are in English and in French: read the sample of {options} too.") from None
    click.echo(f"Confirmed by {actor.strip()}. Receipts are now issued in live mode; {woken} that waited are being sent.")


def _check_real(findings: Sequence[Finding]) -> None:
    """Print what to do about each finding. Raises CommandRefused if there is any."""
    for finding in findings:
        click.echo(f"not real: {_sentence(finding)}")
    if findings:
        names = ", ".join(finding.detail.value.replace("_", "-") for finding in findings)
        raise CommandRefused(f"Nothing was confirmed, because not everything is real: {names}; what to do about each is listed above.")


def _confirm_sample(charity: Charity) -> str:
    """Show the details and a sample, and return the fingerprint of what was shown if the answer is yes. Raises CommandRefused."""
    if not sys.stdin.isatty():
        raise CommandRefused(
            "Nobody can be asked here: read samples, made with `campaign charity sample FILE --language en` and `fr`, and confirm with the"
            " fingerprint at their foot: `--sample FINGERPRINT`."
        )
    _echo_details(charity)
    folder = Path(tempfile.mkdtemp(prefix="sample-receipt-"))
    for language in ("en", "fr"):
        sample = _write_sample(charity, folder / f"sample-{language}.pdf", language)
        click.echo(f"sample receipt: {folder / f'sample-{language}.pdf'}")
    if not click.confirm("Have you looked at the samples, and is everything on them right?"):
        raise CommandRefused("Nothing was confirmed; correct the details with `campaign charity set`.")
    return sample.fingerprint
