"""The command line (contract.md, section 2). An error is reported as one sentence on standard error, with exit code 2."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

import click
from flask.cli import FlaskGroup, with_appcontext
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from campaign import create_app, logs
from campaign.campaigns import seals
from campaign.campaigns.campaigns import current_campaign, list_campaigns
from campaign.cli import (
    card_testing,
    charity,
    contributors,
    funder_links,
    funders,
    funds,
    mail,
    payments,
    pledges,
    receipts,
    secret_keys,
    seeds,
    staff,
    statements,
    web_server,
)
from campaign.cli.bulk_seeds import load
from campaign.cli.funds import CommandRefused
from campaign.cli.setup import set_up, warn_if_owner
from campaign.config import SettingsError, read_settings
from campaign.donations.donations import donation_by_public_id
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeKeyRefused, StripeUnavailable
from campaign.ledger.privileges import CREATE_ROLE
from campaign.payments import refund_jobs, reversals
from campaign.payments.refunds import RefundRefused
from campaign.reporting.integrity import checker
from campaign.rules import local_time, money
from campaign.stripe_sync import inbox, reconcile_jobs, reconciliations, replay_jobs, setup_check
from campaign.stripe_sync.reconciliations import DifferenceState
from campaign.texts.action_errors import ActionError, describe_error

try:
    from campaign.devstack.command_settings import settings_for_a_command
except ModuleNotFoundError:  # Installed from the wheel, which has no dev stack: all settings come from the environment.

    @contextmanager
    def settings_for_a_command(*, alone: bool, as_owner: bool) -> Iterator[None]:
        """Add nothing to the environment."""
        yield


class Commands(FlaskGroup):
    """Our commands and Flask's. Listing them needs no settings."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands without creating the app."""
        return click.Group.list_commands(self, ctx)


@click.group(cls=Commands, create_app=create_app, load_dotenv=False)
def campaign() -> None:
    """Run and administer the donation-matching service."""


@campaign.command()
@with_appcontext
def setup() -> None:
    """Migrate the database, and create the first campaign and the receipt key if they do not exist."""
    done = set_up()
    click.echo(f"Migrated. Created the campaign {done.campaign.slug}." if done.campaign else "Migrated. A campaign already exists.")
    if done.has_new_key:
        click.echo(f"Created the key that signs receipts: {services().settings.key_path}. Keep a copy of it in a safe place.")
    if not done.has_service_role:
        click.echo(
            f"The service has no role of its own in the database: let a superuser run `{CREATE_ROLE};`, then run `campaign setup` again.",
            err=True,
        )


@campaign.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Number of processes.")
def web(host: str, port: int, workers: int) -> None:
    """Run the web server."""
    _prepare_process()
    web_server.raise_limit_of_files()
    os.execv(sys.executable, web_server.command(host, port, workers))


@campaign.command()
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 64), help="Number of threads.")
def worker(threads: int) -> None:
    """Run a worker: handle events, send email, and run the schedule."""
    _prepare_process()
    os.execv(
        sys.executable,
        [sys.executable, "-m", "celery", "-A", "workers", "worker", "--pool", "threads", "--concurrency", str(threads)]
        + ["--without-gossip", "--without-mingle", "--loglevel", "warning"],
    )


def _prepare_process() -> None:
    settings = read_settings()
    logs.configure(settings.log_level)
    warn_if_owner(settings)


@campaign.command("check-books")
@with_appcontext
def check_books() -> None:
    """Check the integrity of the books. Prints one sentence for each finding and exits with 1 if there is any."""
    findings = checker.findings(db.engine)
    for sentence in findings:
        click.echo(sentence)
    if findings:
        sys.exit(1)


@campaign.command()
@click.argument("public_id", metavar="DONATION")
@click.option("--amount", "cents", callback=funds.parse_cents, help="Amount to refund, covered fee included; default: all that is left.")
@click.option("--reason", required=True, help="Reason, stored in the audit trail and not shown to the donor.")
@with_appcontext
def refund(public_id: str, cents: int | None, reason: str) -> None:
    """Refund a donation through Stripe, in full or in part.

    As a rule a registered charity cannot return a gift (CRA guidance CG-016): refund what was no gift, such as a payment by mistake.
    """
    donation = donation_by_public_id(public_id)
    if donation is None:
        raise CommandRefused(f"There is no donation {public_id}; an id begins with d_ and is shown on the donation's staff page.")
    if not reason.strip():
        raise CommandRefused("Please say why, with --reason.")
    try:
        request = refund_jobs.refund(donation, cents, actor="command line", reason=reason.strip())
    except RefundRefused as error:
        raise CommandRefused(str(error)) from None
    except StripeUnavailable as error:
        raise CommandRefused(f"Stripe did not answer ({error}); the refund request is stored and will be retried within minutes.") from None
    refunded, left = (money.format_money(sum_, "en") for sum_ in (request.cents, reversals.refundable_cents(donation)))
    click.echo(f"Refunded {refunded} of {public_id} ({request.stripe_id}); {left} of the payment is left.")


@campaign.command()
@click.option("--since", help="Day or moment in the charity's time zone; default: thirty days ago.")
@with_appcontext
def reconcile(since: str | None) -> None:
    """Compare the books with Stripe and repair what can be repaired. Exits with 1 if differences stay open."""
    current = current_campaign()
    moment = local_time.parse(since, ZoneInfo(current.charity.time_zone)) if since and current else None
    try:
        run = reconcile_jobs.reconcile(since=moment, actor="command line")
    except StripeKeyRefused as error:
        raise CommandRefused(f"Stripe refuses the key ({error}); `campaign check-stripe` says what is missing.") from None
    except StripeUnavailable as error:
        raise CommandRefused(f"Stripe did not answer ({error}); nothing is lost, run this command again later.") from None
    findings = reconciliations.findings_of(run)
    for finding in findings:
        click.echo(f"{finding.state}: {finding.sentence}")
    compared = ", ".join(_counted(count, name) for name, count in run.compared.items()) or "nothing"
    click.echo(f"Compared {compared} since {run.since:%Y-%m-%d %H:%M} UTC.")
    if any(finding.state == DifferenceState.OPEN for finding in findings):
        sys.exit(1)


def _counted(count: int, plural: str) -> str:
    """`1 payment`, `2 payments`, `1 payment that is not ours`."""
    if count != 1:
        return f"{count} {plural}"
    return f"1 {plural.replace('s that are', ' that is') if ' that ' in plural else plural.removesuffix('s')}"


@campaign.command("check-stripe")
@with_appcontext
def check_stripe() -> None:
    """Compare the Stripe account's setup with what the service needs. Exits with 1 if something must be mended."""
    try:
        results = list(setup_check.check_setup(list_campaigns()))
    except StripeUnavailable as error:
        raise CommandRefused(f"Stripe did not answer ({error}); run this command again later.") from None
    for result in results:
        click.echo(f"{'problem' if result.is_problem else 'ok'}: {result.sentence}")
    if any(result.is_problem for result in results):
        sys.exit(1)


@campaign.command("replay-events")
@click.option("--id", "event_id", help="Handle one event, by its id at Stripe.")
@click.option("--dead", "only_dead", is_flag=True, help="Handle only events that could not be handled before.")
@with_appcontext
def replay_events(event_id: str | None, *, only_dead: bool) -> None:
    """Handle stored events again, by default all of them. Events that were already handled change nothing."""
    if event_id and not inbox.is_stored(event_id):
        raise CommandRefused(f"There is no event {event_id} in the inbox.")
    if event_id and inbox.is_erased(event_id):
        raise CommandRefused(
            f"The people in event {event_id} are erased, so it cannot be handled again. `campaign reconcile` asks Stripe anew."
        )
    count, left = replay_jobs.replay(event_id, only_dead=only_dead, actor="command line")
    click.echo(f"{count} events were handled again." + (f" {left} of them are pending or could not be handled." if left else ""))
    if left:
        sys.exit(1)


campaign.add_command(staff.staff)


campaign.add_command(funder_links.funder)


@campaign.command()
@click.option("--donations", "count", required=True, type=click.IntRange(1, 5_000_000), help="Number of donations.")
@click.option("--seed", default=1, show_default=True, type=int, help="The same seed creates the same donations.")
@click.option("--bulk", is_flag=True, help="Load them at once, thousands a second, into a database that has no donations yet.")
@with_appcontext
def seed(count: int, seed: int, *, bulk: bool) -> None:
    """Create a realistic history of donations for trials. Refused in live mode.

    Without --bulk each donation is made by the operations of the service, some dozens a second, of the last 45 days. With it the history
    is of 400 days, with monthly gifts, refunds, disputes and payouts, and about half of it is matched.
    """
    if services().settings.stripe_livemode:
        raise CommandRefused("Seeding is refused in live mode.")
    started = time.monotonic()
    created = (load.load_history if bulk else seeds.create_history)(count, seed=seed)
    click.echo(f"{created} donations in {time.monotonic() - started:.1f} s.")


for fund_command in (*pledges.COMMANDS, funders.funder_command, contributors.contributor_command, *payments.COMMANDS):
    funds.fund_group.add_command(fund_command)
campaign.add_command(funds.fund_group)
campaign.add_command(card_testing.card_testing_command)
campaign.add_command(secret_keys.rotate_secret_key)
campaign.add_command(statements.statement)
campaign.add_command(receipts.receipts_group)
campaign.add_command(charity.charity_group)
campaign.add_command(mail.mail_group)


def main() -> None:
    """Run a command. An error that an operator can fix is reported as one sentence."""
    try:
        with settings_for_a_command(alone=_may_run_alone(sys.argv[1:]), as_owner=_needs_owner(sys.argv[1:])):
            campaign.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.Exit as request:
        sys.exit(request.exit_code)
    except click.ClickException as error:
        _fail(error.format_message())
    except SettingsError as error:
        _fail(str(error))
    except OperationalError as error:
        _fail("The database cannot be reached: " + str(error.orig).strip().splitlines()[0])
    except ValueError as error:
        _fail(str(error).splitlines()[0] if str(error) else type(error).__name__)
    except IntegrityError as error:
        if not seals.is_refusal(error):
            raise
        _fail(describe_error(ActionError.CAMPAIGN_IS_SEALED, "en"))
    except ProgrammingError as error:
        _fail("The database is not set up; run `campaign setup` first: " + str(error.orig).strip().splitlines()[0])


def _may_run_alone(arguments: list[str]) -> bool:
    return bool(arguments) and arguments[0] not in {"web", "worker"} and "--help" not in arguments


def _needs_owner(arguments: list[str]) -> bool:
    return arguments[:1] == ["setup"] or (arguments[:1] == ["seed"] and "--bulk" in arguments)


def _fail(sentence: str) -> None:
    click.echo(f"campaign: {sentence}", err=True)
    sys.exit(2)
