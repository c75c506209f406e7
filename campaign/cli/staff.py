"""Commands about members of staff: add one, and give a new link after a lost phone."""

import click
from email_validator import EmailNotValidError, validate_email
from flask.cli import with_appcontext

from campaign.cli.funds import CommandRefused
from campaign.cli.setup import invite_staff, reset_staff_access
from campaign.edges.db import db
from campaign.staff.members import ROLES, AlreadyStaff, NotStaff


@click.group()
def staff() -> None:
    """Manage members of staff."""


@staff.command("add")
@click.argument("email")
@click.option("--role", required=True, type=click.Choice(ROLES), help="Role of the member.")
@with_appcontext
def staff_add(email: str, role: str) -> None:
    """Create a member of staff and print a one-time sign-in link."""
    try:
        address = validate_email(email, check_deliverability=False, test_environment=True).normalized
        link = invite_staff(address, role)
    except EmailNotValidError:
        raise CommandRefused(f"{email} is not an e-mail address.") from None
    except AlreadyStaff:
        raise CommandRefused(f"{email} is a member of staff already; `staff reset` gives them a new link.") from None
    db.session.commit()
    click.echo(link)


@staff.command("reset")
@click.argument("email")
@with_appcontext
def staff_reset(email: str) -> None:
    """Reset a member's password and second factor, end all sessions, and print a one-time sign-in link."""
    try:
        link = reset_staff_access(email)
    except NotStaff:
        raise CommandRefused(f"{email} is not a member of staff.") from None
    db.session.commit()
    click.echo(link)
