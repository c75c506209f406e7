"""`make run`: the whole service from nothing, with its addresses in a form that is a pleasure to read."""

import os
import signal
import sys
from collections.abc import Callable

from sqlalchemy import select

from campaign.config import ROOT
from campaign.edges.db import db, hang_up
from campaign.embedded.house import House
from campaign.embedded.servers import NotStarted
from campaign.first_steps import invite_staff, link_for_funder
from campaign.giving.first_campaign import SLUG as FIRST_CAMPAIGN
from campaign.giving.funds import Fund
from campaign.giving.staff import AlreadyStaff

FIRST_STAFF = "staff@example.org"


def main() -> int:
    """Start everything, say where it is, and stay until Ctrl-C or SIGTERM."""
    port = os.environ.get("PORT", "8000")
    if not (port.isascii() and port.isdigit() and 1024 <= int(port) <= 65000):
        print(f"PORT must be a number from 1024 to 65000, not {port}.", file=sys.stderr)
        return 2
    house = House(ROOT / "var", port=int(port), say=_say, given=dict(os.environ))
    _on_signals(house.stop_watching)
    _say("Starting: database, queue, Stripe sandbox, mailbox, web, worker …")
    try:
        house.start()
        if not house.is_ending:
            print(_welcome(house), flush=True)
            house.watch()
            _say("Stopping what was started …")
    except NotStarted as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    finally:
        house.end()
    _say("Stopped. The data is kept in var/.")
    return 0


def _on_signals(stop: Callable[[], None]) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: stop())


def _say(text: str) -> None:
    print(text, flush=True)


def _links(house: House) -> tuple[str, str]:
    """A link for the first member of staff, empty once it was used, and one to the funder's report."""
    with house.service().app_context():
        try:
            staff = invite_staff(FIRST_STAFF, "admin")
        except AlreadyStaff:
            staff = ""
        fund = db.session.scalars(select(Fund).order_by(Fund.id)).first()
        funder = link_for_funder(fund) if fund else ""
        db.session.commit()
        hang_up()
    return staff, funder


def _welcome(house: House) -> str:
    base, (staff_link, funder_link) = house.settings["BASE_URL"], _links(house)
    lines = [
        ("Give (English)", f"{base}/en/{FIRST_CAMPAIGN}"),
        ("Donner (français)", f"{base}/fr/{FIRST_CAMPAIGN}"),
        ("Staff", staff_link or f"{base}/staff/sign-in"),
        ("Funder’s report", funder_link),
        ("Mailbox", house.addresses["mailbox"] if house.has("mailbox") else "as set in MAIL_URL"),
        ("Stripe sandbox", house.addresses["sandbox"] if house.has("sandbox") else "as set in STRIPE_API_BASE"),
    ]
    width = max(len(name) for name, _ in lines)
    shown = "\n".join(f"  {name:<{width}}  {address}" for name, address in lines)
    notes = [f"The staff link is for {FIRST_STAFF} and works once."] if staff_link else [f"{FIRST_STAFF} has a password already."]
    if house.has("sandbox"):
        notes.insert(0, "Pay with card 4242 4242 4242 4242, any future date, any CVC. No real money moves.")
    told = "\n".join(f"  {note}" for note in [*notes, "Logs are in var/log. Ctrl-C stops everything."])
    return f"\nThe campaign is up.\n\n{shown}\n\n{told}\n"


if __name__ == "__main__":
    sys.exit(main())
