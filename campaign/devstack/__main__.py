"""`make run`: starts the whole service from an empty checkout and prints its addresses."""

import os
import signal
import sys
from collections.abc import Callable

from sqlalchemy import select

from campaign.cli.first_campaign import SLUG as FIRST_CAMPAIGN
from campaign.cli.setup import create_funder_link, invite_staff
from campaign.config import ROOT, SettingsError
from campaign.devstack.stack import DevStack
from campaign.edges.db import close_connections, db
from campaign.matching.funds import Fund
from campaign.staff.members import AlreadyStaff

FIRST_STAFF = "staff@example.org"


def main() -> int:
    """Start everything, print the addresses, and run until Ctrl-C, SIGTERM or SIGHUP."""
    port = os.environ.get("PORT", "8000")
    if not (port.isascii() and port.isdigit() and 1024 <= int(port) <= 65000):
        print(f"PORT must be a number from 1024 to 65000, not {port}.", file=sys.stderr)
        return 2
    stack = DevStack(ROOT / "var", port=int(port), report=_print, overrides=dict(os.environ))
    _handle_signals(stack.stop_watching)
    _print("Starting: database, queue, Stripe sandbox, mailbox, web, worker …")
    try:
        stack.start()
        if not stack.is_ending:
            print(_compose_welcome(stack), flush=True)
            stack.watch()
            _print("Stopping …")
    except SettingsError as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    finally:
        stack.end()
    _print("Stopped. The data remains in var/.")
    return 0


def _handle_signals(stop: Callable[[], None]) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: stop())


def _print(text: str) -> None:
    print(text, flush=True)


def _create_links(stack: DevStack) -> tuple[str, str]:
    """Create an invitation link for the first member of staff (empty once it was used) and a link to the funder's report."""
    with stack.service().app_context():
        try:
            staff = invite_staff(FIRST_STAFF, "admin")
        except AlreadyStaff:
            staff = ""
        fund = db.session.scalars(select(Fund).order_by(Fund.id)).first()
        funder = create_funder_link(fund) if fund else ""
        db.session.commit()
        close_connections()
    return staff, funder


def _compose_welcome(stack: DevStack) -> str:
    base, (staff_link, funder_link) = stack.settings["BASE_URL"], _create_links(stack)
    lines = [
        ("Donate (English)", f"{base}/en/{FIRST_CAMPAIGN}"),
        ("Donner (français)", f"{base}/fr/{FIRST_CAMPAIGN}"),
        ("Staff", staff_link or f"{base}/staff/sign-in"),
        ("Funder’s report", funder_link),
        ("Mailbox", stack.addresses["mailbox"] if stack.has("mailbox") else "as set in MAIL_URL"),
        ("Stripe sandbox", stack.addresses["sandbox"] if stack.has("sandbox") else "as set in STRIPE_API_BASE"),
    ]
    width = max(len(name) for name, _ in lines)
    table = "\n".join(f"  {name:<{width}}  {address}" for name, address in lines)
    notes = [f"The staff link is for {FIRST_STAFF} and works once."] if staff_link else [f"{FIRST_STAFF} has a password already."]
    if stack.has("sandbox"):
        notes.insert(0, "Pay with card 4242 4242 4242 4242, any future date, any CVC. No real money moves.")
    remarks = "\n".join(f"  {note}" for note in [*notes, "Logs are in var/log. Ctrl-C stops everything."])
    return f"\nThe campaign is up.\n\n{table}\n\n{remarks}\n"


if __name__ == "__main__":
    sys.exit(main())
