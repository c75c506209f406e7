"""The command that lets an earlier SECRET_KEY go."""

import click
from flask.cli import with_appcontext

from campaign.cli.funds import CommandRefused
from campaign.cli.setup import OPERATOR
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import deliveries
from campaign.recurring import page_links
from campaign.staff import audit
from campaign.web.staff.one_time_codes import UnknownSecretKey, encrypt_second_factors_again


@click.command("rotate-secret-key")
@click.option("--end-links", is_flag=True, help="End the links in earlier emails: somebody has learned the old key.")
@with_appcontext
def rotate_secret_key(*, end_links: bool) -> None:
    """Make what depends on earlier keys depend on the new SECRET_KEY, so that SECRET_KEY_FALLBACKS can go (docs/security.md)."""
    try:
        count = encrypt_second_factors_again()
    except UnknownSecretKey as error:
        raise CommandRefused(str(error)) from None
    links = _rotate_links(end_links=end_links)
    db.session.commit()
    click.echo(f"{count} second factors of staff are encrypted with the new key. {links}")
    if unsent := deliveries.count_unsent():
        click.echo(f"{unsent} emails are on their way: leave the old key among SECRET_KEY_FALLBACKS until they are sent.")


def _rotate_links(*, end_links: bool) -> str:
    fallbacks = services().keys.fallbacks
    if end_links:
        page_links.renew_all_links()
        for secret in fallbacks:
            audit.record(OPERATOR, page_links.ENDED, page_links.name_of(secret))
        return "The links of donors in earlier emails have ended. Unset SECRET_KEY_FALLBACKS now: whoever knows an old key can make links while it is set."
    if not fallbacks:
        return "SECRET_KEY_FALLBACKS names no old key, so the links of donors stay as they are."
    if audit.has_entry(page_links.ENDED, page_links.name_of(fallbacks[0])):
        return "The links by the old key were ended before, so they are not stored."
    return f"{page_links.store_links_of(fallbacks[0])} links of donors do not depend on the old key any more."
