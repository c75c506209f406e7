"""Loads a seeded history: refuses what is not an empty trial database, dates the funds back, and stores everything in one transaction.

Triggers do not fire meanwhile, so everything that they would derive is computed here; `campaign check-books` says whether it is right.
"""

import gc
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign, current_campaign
from campaign.cli.bulk_seeds import tables
from campaign.cli.bulk_seeds.beginnings import move_back
from campaign.cli.bulk_seeds.donation_rows import DonationRows
from campaign.cli.bulk_seeds.entries import Chain, Ledger
from campaign.cli.bulk_seeds.history import Books, History
from campaign.cli.bulk_seeds.mail_rows import MailRows
from campaign.cli.bulk_seeds.matching import Fund, Matching
from campaign.cli.bulk_seeds.people import People
from campaign.cli.bulk_seeds.receipt_rows import ReceiptRows
from campaign.cli.bulk_seeds.stripe_rows import StripeRows
from campaign.cli.bulk_seeds.tables import Rows
from campaign.cli.funds import CommandRefused
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching.funds import funds_of
from campaign.reporting import fund_reach, ledger_days
from campaign.staff import audit

OPERATOR = "command line"
# Tables whose ids are numbered here, because other rows name them.
NUMBERED = ("donor", "donation", "recurring_gift", "ledger_entry", "reversal", "receipt", "information_return", "outbox")


def load_history(count: int, *, seed: int) -> int:
    """Add `count` donations to the current campaign, which has none. Commits. Returns how many. Raises CommandRefused."""
    campaign = current_campaign()
    if campaign is None:
        return 0
    if not db.session.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
        raise CommandRefused("The bulk path needs a superuser's connection: triggers must not fire while it loads. Leave out --bulk.")
    db.session.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"))
    db.session.execute(text(f"LOCK TABLE {', '.join(tables.COLUMNS)} IN SHARE ROW EXCLUSIVE MODE"))
    _refuse_unsuitable(campaign)
    move_back(campaign, count)
    # The days that have ended get more entries.
    db.session.execute(text("DELETE FROM ledger_day; DELETE FROM fund_reach; DELETE FROM summed_days"))
    db.session.execute(text("SET LOCAL session_replication_role = replica"))
    # The chains of the funds are computed again: what a check remembers of them would look like a change of the books.
    db.session.execute(text("UPDATE integrity_check SET point = NULL"))
    connection = db.session.connection().connection.driver_connection
    end = int(datetime.now(UTC).timestamp())
    first_ids = {table: int(db.session.execute(text(f"SELECT {_NEXT_ID}"), {"table": table}).scalar_one()) for table in NUMBERED}
    gc.disable()  # Half of the donations stay in memory, and none of them is in a cycle.
    try:
        with tables.loading(connection) as rows:
            history = _history(campaign, rows, first_ids, seed=seed, end=end)
            history.play(count)
    finally:
        gc.enable()
    # Without statistics of what was just loaded, the sums of days would be planned as those of a small table.
    db.session.execute(text("ANALYZE ledger_entry, donation"))
    _store_sums(history)
    ledger_days.store_ended_days(campaign, now=datetime.fromtimestamp(end, UTC))
    fund_reach.store_ended_days(campaign)
    _advance_sequences()
    db.session.execute(text("SET LOCAL session_replication_role = origin"))
    audit.record(OPERATOR, "seeded a history", campaign.slug, donations=count, seed=seed)
    db.session.commit()
    _analyze()
    return count


_NEXT_ID = "nextval(pg_get_serial_sequence(:table, 'id'))"


def _refuse_unsuitable(campaign: Campaign) -> None:
    if db.session.scalar(text("SELECT EXISTS (SELECT FROM donation) OR EXISTS (SELECT FROM funder_payment WHERE livemode)")):
        raise CommandRefused("The bulk path fills a trial database that has no donations yet. Use a new database, or leave out --bulk.")
    if any(fund.per_donor_cents is not None for fund in funds_of(campaign.id)):
        raise CommandRefused("The bulk path knows no caps per donor, and a fund of the campaign has one. Leave out --bulk.")


def _history(campaign: Campaign, rows: Rows, first_ids: dict[str, int], *, seed: int, end: int) -> History:
    rng, settings = random.Random(seed), services()
    db.session.expire_all()
    funds = funds_of(campaign.id)
    chains: dict[int | None, Chain] = {fund.id: Chain(f"fund:{fund.id}", fund.chain_entries, fund.chain_hash) for fund in funds}
    ledger = Ledger(
        rows=rows,
        campaign_id=campaign.id,
        next_id=first_ids["ledger_entry"],
        chains=chains | {None: _chain_of(campaign)},
    )
    receipts = ReceiptRows(
        rows,
        campaign.charity,
        settings.links,
        currency=campaign.currency,
        first_id=first_ids["receipt"],
        first_return_id=first_ids["information_return"],
        end=end,
    )
    numbers = db.session.execute(text("SELECT year, last_number FROM receipt_series WHERE charity_id = :id"), {"id": campaign.charity_id})
    receipts.last_numbers.update({row.year: row.last_number for row in numbers})
    books = Books(
        rows=rows,
        ledger=ledger,
        matching=Matching([Fund(fund.offer(), pledged_cents=fund.pledged_cents) for fund in funds], ledger, campaign.hold_bounds),
        donations=DonationRows(rows, campaign, first_id=first_ids["donation"], first_recurring_id=first_ids["recurring_gift"], end=end),
        stripe=StripeRows(rows, ledger, currency=campaign.currency, seed=seed, end=end),
        receipts=receipts,
        mail=MailRows(rows, campaign, settings.keys, first_id=first_ids["outbox"], end=end),
    )
    people = People(rng, seed=seed, first_id=first_ids["donor"])
    return History(campaign=campaign, rng=rng, seed=seed, end=end, books=books, people=people, first_reversal_id=first_ids["reversal"])


def _chain_of(campaign: Campaign) -> Chain:
    row = db.session.execute(
        text("SELECT chain_entries, chain_hash FROM campaign_totals WHERE campaign_id = :id"), {"id": campaign.id}
    ).one()
    return Chain(f"campaign:{campaign.id}", row.chain_entries, row.chain_hash)


def _store_sums(history: History) -> None:
    """Write what triggers would have derived: balances of funds, totals of the campaign, ends of chains, last numbers of receipts."""
    books, campaign = history.books, history.campaign
    sums, chains = books.ledger.sums, books.ledger.chains
    _execute(
        """UPDATE fund SET held_cents = :held, matched_cents = :matched, chain_entries = :entries, chain_hash = :hash WHERE id = :id""",
        [
            {"id": f.id, "held": f.held_cents, "matched": f.matched_cents, "entries": chains[f.id].position, "hash": chains[f.id].hash}
            for f in books.matching.funds
        ],
    )
    total = {
        "id": campaign.id,
        "donated": sums["donation"] - sums["refund"] - sums["dispute"],
        "covered": sums["covered_fee"] - sums["covered_fee_refund"],
        "fees": sums["fee"],
        "donations": books.ledger.counts["donation"],
        "donors": history.donors,
        "entries": chains[None].position,
        "hash": chains[None].hash,
    }
    _execute(
        """UPDATE campaign_totals SET donated_cents = :donated, covered_fee_cents = :covered, fee_cents = :fees, donations = :donations,
               donors = :donors, chain_entries = :entries, chain_hash = :hash WHERE campaign_id = :id""",
        [total],
    )
    _execute(
        """INSERT INTO receipt_series (charity_id, year, last_number) VALUES (:charity, :year, :last)
           ON CONFLICT (charity_id, year) DO UPDATE SET last_number = excluded.last_number""",
        [{"charity": campaign.charity_id, "year": y, "last": n} for y, n in books.receipts.last_numbers.items()],
    )


def _execute(statement: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        db.session.execute(text(statement), rows)


def _advance_sequences() -> None:
    for table in NUMBERED:
        last = f"SELECT coalesce(max(id), 0) + 1 FROM {table}"  # noqa: S608  # our own names
        db.session.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), ({last}), false)"))


def _analyze() -> None:
    """As autovacuum does in books that grow for months."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text(f"VACUUM ANALYZE {', '.join(tables.COLUMNS)}"))
