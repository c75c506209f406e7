"""`make pages [COUNT=1000000]`: how long the pages of staff, funders and donors take in books of that size, loaded by `campaign seed --bulk`.

Each page is requested fifty times in one process, each time about another donation, donor, receipt or payout. Where DATABASE_URL names a
database, its books are measured instead of new ones.
"""

import gc
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median, quantiles
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, text

from benchmarks.place import start_servers
from benchmarks.row import Row, print_row
from campaign.campaigns.campaigns import current_campaign
from campaign.cli.bulk_seeds import load
from campaign.config import read_settings
from campaign.donations.donations import donation_by_public_id
from campaign.edges.db import db
from campaign.funders import access_links
from campaign.matching.funds import funds_of
from campaign.staff import members, sessions
from campaign.staff.members import APPOINTED_FOR
from campaign.web.staff import sign_in

from campaign import create_app  # isort: skip

COUNT, REQUESTS = 1_000_000, 50
TARGET_MS = 150
MEMBER = "reads@bench.example.org"

# One row of a table, at random, whose column is in the address of a page.
ONE = "SELECT {column} FROM {table} WHERE id >= (SELECT min(id) + floor(CAST(:at AS float) * (max(id) - min(id))) FROM {table}) ORDER BY id LIMIT 1"
CHOSEN = {
    "donation": ("public_id", "donation"),
    "name": ("last_name", "donation"),
    "email": ("email", "donation"),
    "donor": ("id", "donor"),
    "receipt": ("serial", "receipt"),
    "message": ("id", "outbox"),
    "payout": ("stripe_id", "payout"),
}
PAGES = {
    "home": "/staff/",
    "donations": "/staff/donations",
    "of a name": "/staff/donations?q={name}",
    "matched in part": "/staff/donations?match=partial",
    "search, name": "/staff/search?q={name}",
    "search, email": "/staff/search?q={email}",
    "search, receipt": "/staff/search?q={receipt}",
    "donors": "/staff/donors",
    "audit trail": "/staff/audit",
    "months": "/staff/money/months",
    "journal": "/staff/money/journal",
    "deposits": "/staff/offline-gifts/deposits",
    "donation": "/staff/donations/{donation}",
    "person of donation": "/staff/donations/{donation}/person",
    "donor": "/staff/donors/{donor}",
    "search for a name": "/staff/search?q=helene+tremb",
    "search for an amount": "/staff/search?q=51.84",
    "gifts with a tribute": "/staff/donations?tribute=any",
    "gifts with a tribute to": "/staff/donations?tribute_name=marguerite",
    "mail": "/staff/mail",
    "message": "/staff/mail/{message}",
    "failed events": "/staff/events",
    "holds": "/staff/holds",
    "quarantine": "/staff/quarantine",
    "money at Stripe": "/staff/stripe",
    "payout": "/staff/stripe/payouts/{payout}",
    "receipts": "/staff/receipts",
    "receipt": "/staff/receipts/{receipt}",
    "returns": "/staff/receipts/returns",
    "returned gifts": "/staff/returned-gifts",
    "funds": "/staff/funds",
    "funders": "/staff/funders",
    "campaign": "/en/{slug}",
    "campaign as data": "/api/campaigns/{slug}",
    "donor's page": "/en/donations/{token}",
    "funder's report": "/funder/",
}


def main() -> int:
    """Exit 0 when every target is reached, otherwise 1."""
    if os.environ.get("DATABASE_URL"):
        app = create_app(read_settings())
        with app.app_context():
            return _print(app)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with start_servers() as servers, servers.app.app_context():
        started = time.monotonic()
        load.load_history(count, seed=1)
        print(f"{count} donations loaded in {time.monotonic() - started:.0f} s", flush=True)
        return _print(servers.app)


def _print(app: Flask) -> int:
    rows = [print_row(row) for row in measure(app)]
    return 0 if all(row.reached for row in rows) else 1


def measure(app: Flask) -> Iterator[Row]:
    """Measure each page. A page that does not answer with 200 fails the run."""
    staff, funder = signed_in(app), _funder(app)
    gc.freeze()  # As wsgi.py does: a collection of all that is loaded takes a fifth of a second.
    floor = median(_times(app, staff, lambda: "/healthz"))
    for name, path in PAGES.items():
        client = funder if path.startswith("/funder") else staff
        times = _times(app, client, lambda path=path: path.format_map(_Choice()))  # type: ignore[misc]  # bound here, for this page
        high = quantiles(times, n=20)[-1]
        yield Row(
            name=name,
            target=f"p95 < {TARGET_MS} ms",
            figure=f"p95 {high:.0f} ms, median {median(times):.0f} ms",
            floor=f"{floor:.0f} ms",
            ratio=high / floor,
            reached=high < TARGET_MS,
        )


class _Choice(Mapping[str, str]):
    """What the addresses of pages name, chosen when it is asked for."""

    def __getitem__(self, name: str) -> str:
        campaign = current_campaign()
        assert campaign
        if name == "slug":
            return campaign.slug
        if name == "token":
            return _token(self["donation"])
        column, table = CHOSEN[name]
        query = text(ONE.format(column=column, table=table))
        return str(db.session.execute(query, {"at": random.random()}).scalar_one())  # noqa: S311  # any row will do

    def __iter__(self) -> Iterator[str]:
        return iter(CHOSEN)

    def __len__(self) -> int:
        return len(CHOSEN)


def _token(public_id: str) -> str:
    donation = donation_by_public_id(public_id)
    assert donation
    return donation.token


def _times(app: Flask, client: FlaskClient, path: Callable[[], str]) -> list[float]:
    times = []
    for number in range(REQUESTS + 3):
        with app.app_context():
            address = path()
        started = time.perf_counter()
        with app.app_context():
            answer = client.get(address)
        if number >= 3:  # The first requests fill caches of the process.
            times.append((time.perf_counter() - started) * 1000)
        assert answer.status_code in {200, 302}, f"{address}: {answer.status}"  # A search for what one thing is called leads to it.
    return times


def signed_in(app: Flask) -> FlaskClient:
    """A client in which a manager is signed in."""
    member = members.find_member(MEMBER) or members.add_staff(MEMBER, "manager")
    member.password, member.role_since = "never signs in", func.now() - APPOINTED_FOR
    token = sessions.begin(member.id, client="a benchmark", network="a network")
    db.session.commit()
    client = app.test_client()
    with client.session_transaction() as session:
        uniquifier = member.fs_uniquifier
        session.update({"_user_id": uniquifier, "_fresh": True, "fs_cc": "set", "fs_paa": int(time.time()), "identity.id": uniquifier})
        session[sign_in.SESSION_KEY] = token
    return client


def _funder(app: Flask) -> FlaskClient:
    campaign = current_campaign()
    assert campaign
    link = access_links.create_link(funds_of(campaign.id)[0], actor=MEMBER)
    db.session.commit()
    client = app.test_client()
    client.get(urlsplit(link).path, follow_redirects=True)
    return client


if __name__ == "__main__":
    sys.exit(main())
