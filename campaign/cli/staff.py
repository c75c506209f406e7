"""Commands about members of staff: add one, change a role, end sessions, deactivate, and give a new link after a lost phone."""

import click
from flask.cli import with_appcontext

from campaign.cli.funds import CommandRefused
from campaign.cli.setup import OPERATOR, invite_staff, reset_staff_access
from campaign.edges.db import db
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.staff import audit, members, sessions
from campaign.staff.members import ROLES, AlreadyStaff, LastAdmin, NotStaff, Staff


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
        link = invite_staff(parse_email(email), role)
    except InvalidEmail:
        raise CommandRefused(f"{email} is not an email address.") from None
    except AlreadyStaff:
        raise CommandRefused(f"{email} is a member of staff already; `staff reset` gives them a new link.") from None
    db.session.commit()
    click.echo(link)


@staff.command("list")
@with_appcontext
def staff_list() -> None:
    """Show the members of staff with their roles."""
    for member in members.list_members():
        state = "active" if member.active and member.password else "invited" if member.active else "deactivated"
        click.echo(f"{member.email}: {', '.join(role.name for role in member.roles) or 'no role'}, {state}")


@staff.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(ROLES))
@with_appcontext
def staff_role(email: str, role: str) -> None:
    """Give a member another role, and end their sessions."""
    member = _get_member(email)
    was = member.roles[0].name if member.roles else ""
    _change(member, lambda: members.change_role(member, role), "changed a role", before={"role": was}, after={"role": role})


@staff.command("deactivate")
@click.argument("email")
@with_appcontext
def staff_deactivate(email: str) -> None:
    """Keep a member from signing in, and end their sessions."""
    member = _get_member(email)
    _change(member, lambda: members.deactivate(member), "deactivated a member")


@staff.command("reactivate")
@click.argument("email")
@with_appcontext
def staff_reactivate(email: str) -> None:
    """Let a deactivated member sign in again."""
    member = _get_member(email)
    _change(member, lambda: members.reactivate(member), "reactivated a member")


def _get_member(email: str) -> Staff:
    member = members.find_member(email)
    if member is None:
        raise CommandRefused(f"{email} is not a member of staff.")
    return member


def _change(member: Staff, change: members.Change, action: str, **detail: object) -> None:
    try:
        change()
    except LastAdmin:
        raise CommandRefused(f"{member.email} is the last administrator who can sign in; make somebody else one first.") from None
    audit.record(OPERATOR, action, member.email, **detail)
    db.session.commit()
    click.echo(f"{member.email}: {action}.")


@staff.command("end-sessions")
@click.argument("email", required=False)
@click.option("--all", "of_all", is_flag=True, help="Those of all members.")
@with_appcontext
def staff_end_sessions(email: str | None, *, of_all: bool) -> None:
    """End all sessions of a member, or of all members with --all."""
    if bool(email) == of_all:
        raise CommandRefused("Name one member by EMAIL, or all of them with --all.")
    ended = sessions.end_all(_get_member(email).id) if email else sessions.end_everybodys()
    audit.record(OPERATOR, "ended sessions", email or "all members", sessions=ended)
    db.session.commit()
    click.echo(f"Sessions ended: {ended}.")


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
