"""The command for the guard against card testing."""

import click
from flask.cli import with_appcontext

from campaign.payments import card_testing, card_testing_actions

ACTOR = "command line"


@click.command("card-testing")
@click.argument("action", type=click.Choice(["on", "off", "status"]))
@with_appcontext
def card_testing_command(action: str) -> None:
    """Begin or end the guard against card testing, or show it with the figures of the last hours.

    Begun here it ends here, on the staff page, or after 24 hours.
    """
    if action == "on" and not card_testing_actions.begin_guard(ACTOR):
        click.echo("The guard is on already.")
    if action == "off" and not card_testing_actions.end_guard(ACTOR):
        click.echo("The guard is off already.")
    guard = card_testing.current_guard()
    click.echo(
        f"The guard against card testing is on since {guard.begun_at:%Y-%m-%d %H:%M} UTC, by {guard.begun_by}." if guard else "It is off."
    )
    for hour in card_testing.hourly_figures() if action == "status" else ():
        figures = f"{hour.declines} cards declined, {hour.payments} card payments, {hour.unpaid_checkouts} checkouts not paid"
        click.echo(f"{hour.begins_at:%Y-%m-%d %H:%M} UTC: {figures}")
