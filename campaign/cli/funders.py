"""The command for a funder's details."""

import click
from flask.cli import with_appcontext

from campaign.cli import printed_text
from campaign.cli.funds import BY, FUND, CommandRefused, get_fund
from campaign.edges.db import db
from campaign.funders import funder_actions, payment_receipts
from campaign.funders.funders import PROVINCES, Funder
from campaign.rules import business_numbers
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused


@click.command("funder")
@FUND
@click.option("--legal-name", callback=printed_text.printed, help="Legal name, for receipts.")
@click.option("--address", multiple=True, callback=printed_text.printed, help="A line of the address; repeat the option for each line.")
@click.option("--email", help="Address for receipts and notices.")
@click.option("--language", type=click.Choice(["en", "fr"]), help="Language of receipts and notices.")
@click.option("--province", type=click.Choice(PROVINCES), help="Province of the address, or abroad; for the charity's returns.")
@click.option(
    "--registered-charity/--not-a-registered-charity",
    " /--not-registered-charity",
    "is_registered_charity",
    default=None,
    help="A registered charity gets no receipt. Until this is said, nobody does.",
)
@click.option("--registration-number", help="Number of a registered charity, as 123456782RR0001.")
@BY
@with_appcontext
def funder_command(
    name: str, actor: str, address: tuple[str, ...], email: str | None, registration_number: str | None, **options: str | bool | None
) -> None:
    """Set the details of a fund's funder that receipts need. Without options, show them.

    Saying that it is a registered charity asks another person to void its valid receipts; saying that it is not withdraws that, and issues those
    that are due.
    """
    funder = db.session.get_one(Funder, get_fund(name).funder_id)
    details: dict[str, object] = {field: value for field, value in options.items() if value is not None}
    if address:
        details["address"] = list(address)
    if email is not None:
        details["email"] = _email(email)
    if registration_number is not None:
        details["registration_number"] = business_numbers.normalized(registration_number)
    try:
        changed = funder_actions.change_details(funder, details, actor=actor, void_reason="The funder is a registered charity.")
    except ActionRefused as error:
        raise CommandRefused(f"{action_errors.describe_error(error.refusal, 'en')} Name it with --registration-number.") from None
    click.echo(f"{funder.legal_name or 'no legal name'}; {', '.join(funder.address) or 'no address'}; {_more(funder)}.")
    if changed.not_to_void:
        click.echo(f"Receipts that nobody is asked to void any more: {', '.join(receipt.serial for receipt in changed.not_to_void)}.")
    if changed.receipts_due:
        click.echo(f"Receipts of earlier payments that are issued now: {changed.receipts_due}.")
    if funder.is_registered_charity and (valid := payment_receipts.list_valid_receipts(funder)):
        serials = ", ".join(receipt.serial for receipt in valid)
        click.echo(
            f"Its official receipts are still valid: {serials}. Another manager is asked to void them, on the page of receipts for staff."
        )


def _more(funder: Funder) -> str:
    charity = {
        None: "not asked yet whether it is a registered charity",
        True: f"a registered charity, {funder.registration_number or 'without its number'}",
        False: "not a registered charity",
    }[funder.is_registered_charity]
    return f"{funder.email or 'no email'}; {funder.language}; {funder.province or 'province unknown'}; {charity}"


def _email(text: str) -> str:
    try:
        return parse_email(text)
    except InvalidEmail:
        raise CommandRefused(f"{text} is not an email address.") from None
