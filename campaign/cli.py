"""The command line (contract.md, section 2). Whatever goes wrong is one sentence on standard error and exit 2."""

import os
import sys
import time
from zoneinfo import ZoneInfo

import click
from email_validator import EmailNotValidError, validate_email
from flask.cli import FlaskGroup, with_appcontext
from sqlalchemy.exc import OperationalError, ProgrammingError

from campaign import create_app, fund_commands, receipt_commands, seeds
from campaign.config import ROOT, SettingsError, read_settings
from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_wire import StripeAway
from campaign.embedded.alone import settings_for_a_command
from campaign.embedded.servers import NotStarted
from campaign.first_steps import invite_staff, link_for_funder, make_receipt_key, migrate, readmit_staff
from campaign.fund_commands import Refused, fund_named
from campaign.giving import money_back, reconciliations, stripe_events
from campaign.giving.campaigns import default_campaign
from campaign.giving.donations import donation_by_public_id
from campaign.giving.first_campaign import create_first_campaign
from campaign.giving.reconciliations import State
from campaign.giving.refund_requests import CannotRefund
from campaign.giving.staff import ROLES, AlreadyStaff, NotStaff
from campaign.reporting import books
from campaign.rules import moments, money
from campaign.work import reconciling, refunding, replaying


class Commands(FlaskGroup):
    """Our commands beside Flask's own; listing them needs no settings."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, without building the app."""
        return click.Group.list_commands(self, ctx)


@click.group(cls=Commands, create_app=create_app, load_dotenv=False, help="Donations with matching: run the service and look after it.")
def campaign() -> None:
    """All commands."""


@campaign.command()
@with_appcontext
def setup() -> None:
    """Migrate, and create the first campaign when there is none."""
    migrate()
    made = create_first_campaign()
    db.session.commit()
    click.echo(f"Migrated. Created the campaign {made.slug}." if made else "Migrated. A campaign is there already.")
    if make_receipt_key():
        click.echo(f"Made the charity's key for receipts: {outside().settings.key_path}. Keep a copy of it in a safe place.")


@campaign.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def web(host: str, port: int, workers: int) -> None:
    """Serve the web pages."""
    read_settings()
    os.execv(
        sys.executable,
        [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port), "--workers", str(workers)]
        + [
            "--blocking-threads",
            "24",
            "--backlog",
            "1024",
            "--respawn-failed-workers",
            "--no-access-log",
            "--log-level",
            "warning",
            "wsgi:app",
        ],
    )


@campaign.command()
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 64))
def worker(threads: int) -> None:
    """Do the work that is owed, and keep the schedule."""
    read_settings()
    os.execv(
        sys.executable,
        [sys.executable, "-m", "celery", "-A", "workers", "worker", "--pool", "threads", "--concurrency", str(threads)]
        + ["--without-gossip", "--without-mingle", "--loglevel", "warning"],
    )


@campaign.command("check-books")
@with_appcontext
def check_books() -> None:
    """Check the books independently; one sentence a finding."""
    found = books.findings(db.engine)
    for sentence in found:
        click.echo(sentence)
    if found:
        sys.exit(1)


@campaign.command()
@click.argument("donation")
@click.option(
    "--amount", "cents", callback=fund_commands.cents_of, help="Of what was paid, covered fee included; default: all that is left."
)
@click.option("--reason", required=True, help="Why; for the audit trail, not for the donor.")
@with_appcontext
def refund(donation: str, cents: int | None, reason: str) -> None:
    """Give a gift back through Stripe, in whole or in part."""
    found = donation_by_public_id(donation)
    if found is None:
        raise Refused(f"There is no gift {donation}; its name begins with d_ and stands in its address for staff and at Stripe.")
    if not reason.strip():
        raise Refused("Please say why, with --reason.")
    try:
        request = refunding.refund(found, cents, actor="command line", reason=reason.strip())
    except CannotRefund as error:
        raise Refused(str(error)) from None
    except StripeAway as error:
        raise Refused(f"Stripe did not answer ({error}); the refund is remembered, and is asked for again within minutes.") from None
    left = money.written(money_back.left_of(found), "en")
    click.echo(f"{money.written(request.cents, 'en')} of {found.public_id} goes back ({request.stripe_id}); {left} of the payment is left.")


@campaign.command()
@click.option("--since", help="A day or a moment, by the charity's clocks. Thirty days ago, if not given.")
@with_appcontext
def reconcile(since: str | None) -> None:
    """Compare the books with Stripe's, repair what can be repaired, and say what was found. Exit 1 while anything differs."""
    first = default_campaign()
    moment = moments.parse(since, ZoneInfo(first.charity.time_zone)) if since and first else None
    try:
        run = reconciling.reconcile(since=moment, actor="command line")
    except StripeAway as error:
        raise Refused(f"Stripe did not answer ({error}); run this again later, nothing is lost.") from None
    found = reconciliations.findings_of(run)
    for finding in found:
        click.echo(f"{finding.state}: {finding.sentence}")
    compared = ", ".join(f"{count} {name}" for name, count in run.compared.items()) or "nothing"
    click.echo(f"Compared {compared} since {run.since:%Y-%m-%d %H:%M} UTC.")
    if any(finding.state == State.OPEN for finding in found):
        sys.exit(1)


@campaign.command("replay-events")
@click.option("--id", "event_id", help="One event, by its name at Stripe.")
@click.option("--dead", "only_dead", is_flag=True, help="Only those that could not be handled.")
@with_appcontext
def replay_events(event_id: str | None, *, only_dead: bool) -> None:
    """Handle stored events again, all of them if none is named: what was done before is not done twice."""
    if event_id and not stripe_events.is_kept(event_id):
        raise Refused(f"There is no event {event_id} in the books.")
    count, left = replaying.replay(event_id, only_dead=only_dead, actor="command line")
    click.echo(f"{count} events were handled again." + (f" {left} of them wait, or could not be handled." if left else ""))
    if left:
        sys.exit(1)


@campaign.group()
def staff() -> None:
    """Members of staff."""


@staff.command("add")
@click.argument("email")
@click.option("--role", required=True, type=click.Choice(ROLES))
@with_appcontext
def staff_add(email: str, role: str) -> None:
    """Create a member of staff; prints a one-time sign-in link."""
    try:
        address = validate_email(email, check_deliverability=False, test_environment=True).normalized
        link = invite_staff(address, role)
    except EmailNotValidError:
        raise Refused(f"{email} is not an e-mail address.") from None
    except AlreadyStaff:
        raise Refused(f"{email} is a member of staff already; `staff reset` gives them a new link.") from None
    db.session.commit()
    click.echo(link)


@staff.command("reset")
@click.argument("email")
@with_appcontext
def staff_reset(email: str) -> None:
    """For a lost phone: end all sessions, and print a new one-time link."""
    try:
        link = readmit_staff(email)
    except NotStaff:
        raise Refused(f"{email} is not a member of staff.") from None
    db.session.commit()
    click.echo(link)


@campaign.group()
def funder() -> None:
    """Funders."""


@funder.command("link")
@click.argument("fund")
@click.option("--revoke", is_flag=True, help="End all links given before.")
@with_appcontext
def funder_link(fund: str, *, revoke: bool) -> None:
    """Print a new link to a fund's report."""
    link = link_for_funder(fund_named(fund), revoke=revoke)
    db.session.commit()
    click.echo(link)


@campaign.command()
@click.option("--donations", "count", required=True, type=click.IntRange(1, 5_000_000))
@click.option("--seed", default=1, show_default=True, type=int, help="The same seed makes the same gifts.")
@with_appcontext
def seed(count: int, seed: int) -> None:
    """Make a realistic history for trials, through the real verbs. Refused where real money moves."""
    if outside().settings.stripe_livemode:
        raise Refused("Seeding is refused in live mode.")
    started = time.monotonic()
    made = seeds.make_history(count, seed=seed)
    click.echo(f"{made} donations in {time.monotonic() - started:.1f} s.")


campaign.add_command(fund_commands.fund)
campaign.add_command(fund_commands.statement)
campaign.add_command(receipt_commands.receipts_group)
campaign.add_command(receipt_commands.charity_group)


def main() -> None:
    """Run a command; a failure that an operator can mend is one sentence."""
    try:
        with settings_for_a_command(alone=_may_run_alone(sys.argv[1:])):
            os.chdir(ROOT)
            campaign.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.Exit as wanted:
        sys.exit(wanted.exit_code)
    except click.ClickException as error:
        _refuse(error.format_message())
    except (SettingsError, NotStarted) as error:
        _refuse(str(error))
    except OperationalError as error:
        _refuse("The database cannot be reached: " + str(error.orig).strip().splitlines()[0])
    except ValueError as error:
        _refuse(str(error).splitlines()[0] if str(error) else type(error).__name__)
    except ProgrammingError as error:
        _refuse("The database is not set up; run `campaign setup` first: " + str(error.orig).strip().splitlines()[0])


def _may_run_alone(arguments: list[str]) -> bool:
    return bool(arguments) and arguments[0] not in {"web", "worker"} and "--help" not in arguments


def _refuse(sentence: str) -> None:
    click.echo(f"campaign: {sentence}", err=True)
    sys.exit(2)
