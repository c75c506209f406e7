"""Commands for email: the reports of mail servers about email that was not delivered."""

from collections import Counter
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from campaign.edges import delivery_reports
from campaign.mail import bounce_jobs


@click.group("mail")
def mail_group() -> None:
    """Manage email."""


@mail_group.command("bounces")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.File("rb"))
@with_appcontext
def mail_bounces(files: tuple[BinaryIO, ...]) -> None:
    """Record what mail servers report about our email. Each file, or `-` for standard input, is one message as it arrived.

    Messages that are no reports, or about no email of ours, change nothing.
    """
    outcomes = Counter(bounce_jobs.handle_message(file.read(delivery_reports.MAX_BYTES)) for file in files)
    click.echo(", ".join(f"{count} {outcome.value}" for outcome, count in outcomes.items()))
