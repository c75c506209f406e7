"""The part of the books that a check reads: all of them, or only what came after a verified point.

A verified point is what a clean check found: where the chains ended, the sums of their entries, and the last row of some tables. A check from
there reads the entries after it, and the donations, matches, receipts and emails that may have changed, of each donor as a whole. They are
copied into temporary tables with the names of the real ones, which come first in the search path, so that the SQL of a check is the same for
all books and for a part of them. Sums of all entries are those of the point and of the entries after it.

What was changed without an entry or a new row is found by the next check of all books.
"""

import json
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from campaign.reporting.integrity.snapshot import rows

# `chain`: its name, last position and hash. `move`: campaign, fund, kind, accounts, cents, entries. `donors`: campaign, number. `row`: table, id.
# `moment`: when the books were read, and up to when Stripe's balance was read. `message`: the first ids of messages that were pending.
VerifiedPoint = dict[str, list[list[Any]]]
START: VerifiedPoint = {
    "chain": [],
    "move": [],
    "donors": [],
    "row": [],
    "moment": [["read", "-infinity"], ["balance", "-infinity"]],
    "message": [],
}
SUMS_OF_A_POINT = ("chain", "move", "donors")

# Tables whose new rows name donations to check, with the moment of their transaction. A transaction takes less than MARGIN, so that all rows
# with lower ids than one that is as old were there when the point was verified. A checkout that was open then has changed without a new row.
MOMENTS = {
    "donation": "started_at",
    "receipt": "issued_at",
    "outbox": "created_at",
    "delivery_attempt": "started_at",
    "balance_transaction": "stored_at",
}
MARGIN = "10 minutes"
MARGIN_OF_CHECKOUTS = "45 minutes"
# Snapshots of reversals are numbered before they are fetched. So many are being fetched at once at most.
SNAPSHOTS_AT_ONCE = 100
# The first donations in the queue are those that wait when money becomes available.
QUEUE_LENGTH = 1000
PENDING_MESSAGES = 1000
# Documents take the most time: three hundred thousand receipts have thirty gigabytes of them. Each is read once a week.
NIGHTS_FOR_DOCUMENTS = 7

# The point is in a setting of the transaction, as CREATE TABLE AS takes no parameters.
_BEFORE = (
    """
    CREATE TEMPORARY TABLE move_before ON COMMIT DROP AS
    SELECT (m ->> 0)::bigint AS campaign_id, (m ->> 1)::bigint AS fund_id, m ->> 2 AS kind, m ->> 3 AS from_account, m ->> 4 AS to_account,
           (m ->> 5)::bigint AS cents, (m ->> 6)::bigint AS entries
    FROM jsonb_array_elements(current_setting('campaign.point')::jsonb -> 'move') m
    """,
    """
    CREATE TEMPORARY TABLE donors_before ON COMMIT DROP AS
    SELECT (d ->> 0)::bigint AS campaign_id, (d ->> 1)::bigint AS donors
    FROM jsonb_array_elements(current_setting('campaign.point')::jsonb -> 'donors') d
    """,
    # After which entry of each chain the check begins.
    """
    CREATE TEMPORARY TABLE chain_start ON COMMIT DROP AS
    SELECT c.chain, coalesce((b ->> 1)::bigint, 0) AS position, coalesce(decode(b ->> 2, 'hex'), '') AS hash
    FROM (SELECT 'fund:' || id AS chain FROM fund UNION ALL SELECT 'campaign:' || id FROM campaign) c
    LEFT JOIN jsonb_array_elements(current_setting('campaign.point')::jsonb -> 'chain') b ON b ->> 0 = c.chain
    """,
)
_ALL_ENTRIES = "CREATE TEMPORARY VIEW new_entry AS SELECT * FROM ledger_entry"
_NEW_ENTRIES = "CREATE TEMPORARY TABLE new_entry ON COMMIT DROP AS {after}"
# The position is written out, one chain at a time: the planner knows how few entries come after it only if it sees it.
_ENTRIES_AFTER = "SELECT * FROM ledger_entry WHERE chain = '{chain}' AND position > {position}"
# Documents of receipts whose hash is computed again, of the row `d`.
_NEW_DOCUMENTS = """
    d.receipt_id > {receipt} OR d.receipt_id IN (
        SELECT m.receipt_id FROM delivery_attempt a JOIN frozen_email m ON m.outbox_id = a.outbox_id WHERE a.id > {delivery_attempt})
    """
# Donations of donors of which anything is new.
_SCOPE = (
    """
    CREATE TEMPORARY TABLE changed ON COMMIT DROP AS
    SELECT donation_id FROM new_entry WHERE donation_id IS NOT NULL
    UNION SELECT id FROM donation WHERE id > {donation}
    UNION SELECT donation_id FROM receipt_line WHERE receipt_id > {receipt}
    UNION SELECT donation_id FROM receipt_line WHERE receipt_id IN (SELECT receipt_id FROM receipt_end WHERE at > '{read}')
    UNION SELECT donation_id FROM outbox WHERE id > {outbox}
    UNION SELECT donation_id FROM outbox WHERE id = ANY('{messages}')
    UNION SELECT o.donation_id FROM delivery_attempt a JOIN outbox o ON o.id = a.outbox_id WHERE a.id > {delivery_attempt}
    UNION SELECT d.id FROM balance_transaction l JOIN donation d ON d.payment_intent = l.payment_intent WHERE l.id > {balance_transaction}
    UNION SELECT d.id FROM reversal r JOIN donation d ON d.payment_intent = r.payment_intent WHERE r.snapshot_number > {reversal}
    UNION SELECT e.donation_id FROM campaign c JOIN ledger_entry e ON e.campaign_id = c.id AND e.at >= '{balance}' AND e.at < '{balance_now}'
    UNION SELECT q.donation_id FROM campaign c CROSS JOIN LATERAL (
        SELECT donation_id FROM match_queue q WHERE q.campaign_id = c.id AND q.capped_donor_id IS NULL ORDER BY position LIMIT {queue}) q
    """,
    "ANALYZE changed",
    """
    CREATE TEMPORARY TABLE scope ON COMMIT DROP AS
    SELECT id, donor_id, payment_intent FROM donation WHERE donor_id IN (
        SELECT d.donor_id FROM changed c JOIN donation d ON d.id = c.donation_id)
    """,
    "ANALYZE scope",
)
# What replaces each table, in this order. `pg_temp` names a replacement that is there already.
_REPLACEMENTS = {
    "ledger_entry": "SELECT * FROM {real} WHERE id IN (SELECT e.id FROM {real} e JOIN scope s ON s.id = e.donation_id UNION SELECT id FROM new_entry)",
    "donation": "SELECT * FROM {real} WHERE id IN (SELECT id FROM scope)",
    "donation_match": "SELECT * FROM {real} WHERE donation_id IN (SELECT id FROM scope)",
    "match_queue": "SELECT * FROM {real} WHERE donation_id IN (SELECT id FROM scope)",
    "donor_match": "SELECT * FROM {real} WHERE donor_id IN (SELECT donor_id FROM scope)",
    "campaign_donor": "SELECT * FROM {real} WHERE donor_id IN (SELECT donor_id FROM scope)",
    "reversal": "SELECT * FROM {real} WHERE payment_intent IN (SELECT payment_intent FROM scope)",
    "balance_transaction": "SELECT * FROM {real} WHERE payment_intent IN (SELECT payment_intent FROM scope)",
    "receipt_line": """
        SELECT * FROM {real} WHERE receipt_id IN (SELECT l.receipt_id FROM {real} l JOIN scope s ON s.id = l.donation_id)
        UNION SELECT * FROM {real} WHERE receipt_id > {receipt}
        UNION SELECT * FROM {real} WHERE is_current AND funder_payment_id > 0
        """,
    "receipt": """
        SELECT * FROM {real} WHERE id IN (SELECT id FROM {real} WHERE id > {receipt} UNION SELECT receipt_id FROM pg_temp.receipt_line)
        """,
    "receipt_end": "SELECT * FROM {real} WHERE receipt_id IN (SELECT id FROM pg_temp.receipt)",
    "frozen_email": """
        SELECT outbox_id, receipt_id, recipient FROM {real} WHERE outbox_id IN (
            SELECT id FROM {schema}.outbox WHERE id > {outbox} UNION SELECT o.id FROM {schema}.outbox o JOIN scope s ON s.id = o.donation_id
            UNION SELECT m.outbox_id FROM {real} m JOIN pg_temp.receipt r ON r.id = m.receipt_id)
        """,
    "outbox": """
        SELECT * FROM {real} WHERE id IN (SELECT id FROM {real} WHERE id > {outbox} UNION SELECT o.id FROM {real} o JOIN scope s ON s.id = o.donation_id
            UNION SELECT outbox_id FROM pg_temp.frozen_email UNION SELECT outbox_id FROM {schema}.delivery_attempt WHERE id > {delivery_attempt})
        """,
    "delivery_attempt": "SELECT * FROM {real} WHERE outbox_id IN (SELECT id FROM pg_temp.outbox)",
}
# `move_sum`: the cents and the number of all entries of each kind of move. `donor_count`: how many donors each campaign has.
_SUMS = (
    """
    CREATE TEMPORARY TABLE move_sum ON COMMIT DROP AS
    SELECT campaign_id, fund_id, kind, from_account, to_account, sum(cents)::bigint AS cents, sum(entries)::bigint AS entries FROM (
        SELECT * FROM move_before
        UNION ALL SELECT campaign_id, fund_id, kind, from_account, to_account, sum(cents), count(*) FROM new_entry GROUP BY 1, 2, 3, 4, 5) m
    GROUP BY 1, 2, 3, 4, 5
    """,
    """
    CREATE TEMPORARY TABLE donor_count ON COMMIT DROP AS
    SELECT campaign_id, sum(donors)::bigint AS donors FROM (
        SELECT * FROM donors_before
        UNION ALL
        SELECT campaign_id, sum((gifts > 0)::int - (gifts_before > 0)::int) FROM (
            SELECT e.campaign_id, d.donor_id, sum(v.gifts) AS gifts, coalesce(sum(v.gifts) FILTER (WHERE e.position <= s.position), 0) AS gifts_before
            FROM ledger_entry e JOIN donation d ON d.id = e.donation_id LEFT JOIN chain_start s ON s.chain = e.chain
            CROSS JOIN LATERAL (SELECT CASE e.kind WHEN 'donation' THEN 1 ELSE -1 END AS gifts) v
            WHERE e.kind IN ('donation', 'offline_reversal') GROUP BY 1, 2) n
        GROUP BY 1) d
    GROUP BY 1
    """,
)
_POINT = {
    "chain": """
        SELECT s.chain, coalesce(e.position, s.position), encode(coalesce(e.hash, s.hash), 'hex') FROM chain_start s
        LEFT JOIN LATERAL (SELECT position, hash FROM new_entry e WHERE e.chain = s.chain ORDER BY position DESC LIMIT 1) e ON true
        ORDER BY 1
        """,
    "move": "SELECT * FROM move_sum ORDER BY 1, 2, 3, 4, 5",
    "donors": "SELECT * FROM donor_count ORDER BY 1",
}
_LAST_ROW = "SELECT coalesce((SELECT id FROM {table} WHERE {moment} < now() - interval '{margin}' ORDER BY id DESC LIMIT 1), 0)"
_LAST_SNAPSHOT = "SELECT greatest(0, max(snapshot_number) - {margin}) FROM {table}"
# Stripe's balance is compared with the entries that are an hour older than what was read of it (stripe_checks.py).
_READ = "SELECT now() - interval '{margin}'"
_BALANCE_READ = "SELECT coalesce({which}(read_until) - interval '1 hour', '-infinity') FROM stripe_cursor WHERE list = 'balance'"
_PENDING = "SELECT id FROM {table} WHERE done_at IS NULL AND dead_at IS NULL ORDER BY id LIMIT {limit}"


def open_all_books(snapshot: Connection, *, night: date | None) -> str:
    """Let the checks that follow see all books. Returns which documents to read: those whose turn it is that night, or all of them."""
    _open(snapshot, START)
    _execute(snapshot, _ALL_ENTRIES, *_SUMS)
    return "true" if night is None else f"d.receipt_id % {NIGHTS_FOR_DOCUMENTS} = {night.toordinal() % NIGHTS_FOR_DOCUMENTS}"


def open_new_books(snapshot: Connection, since: VerifiedPoint) -> str:
    """Let the checks that follow see what came after the point. Returns which documents to read."""
    _open(snapshot, since)
    schema = _schema(snapshot)
    starts = list(rows(snapshot, "SELECT chain, position FROM chain_start"))
    after = " UNION ALL ".join(_ENTRIES_AFTER.format(chain=chain, position=position) for chain, position in starts)
    names = {
        "schema": schema,
        "queue": QUEUE_LENGTH,
        "messages": "{" + ",".join(str(int(message)) for (message,) in since["message"]) + "}",
        "balance_now": _moment(snapshot, _BALANCE_READ.format(which="max")),
        **dict.fromkeys((*MOMENTS, "reversal"), 0),
        **{name: int(row) for name, row in since["row"]},
        **{name: _moment(snapshot, "SELECT CAST(:moment AS timestamptz)", moment=moment) for name, moment in since["moment"]},
    }
    _execute(snapshot, _NEW_ENTRIES.format(after=after or "SELECT * FROM ledger_entry WHERE false"), "ANALYZE chain_start, new_entry")
    _execute(snapshot, *(statement.format(**names) for statement in _SCOPE))
    for table, query in _REPLACEMENTS.items():
        replacement = query.format(real=f"{schema}.{table}", **names)
        _execute(snapshot, f"CREATE TEMPORARY TABLE {table} ON COMMIT DROP AS {replacement}", f"ANALYZE pg_temp.{table}")
    _execute(snapshot, *_SUMS)
    return _NEW_DOCUMENTS.format(**names)


def verified_point(snapshot: Connection) -> VerifiedPoint:
    """The point that is verified when the checks of this snapshot have found nothing."""
    schema = _schema(snapshot)
    last_row = {"reversal": _LAST_SNAPSHOT.format(table=f"{schema}.reversal", margin=SNAPSHOTS_AT_ONCE)}
    for table, moment in MOMENTS.items():
        margin = MARGIN_OF_CHECKOUTS if table == "donation" else MARGIN
        last_row[table] = _LAST_ROW.format(table=f"{schema}.{table}", moment=moment, margin=margin)
    pending = _PENDING.format(table=f"{schema}.outbox", limit=PENDING_MESSAGES)
    return {
        **{name: [list(row) for row in rows(snapshot, query)] for name, query in _POINT.items()},
        "row": [[table, snapshot.scalar(text(query))] for table, query in last_row.items()],
        "moment": [
            ["read", _moment(snapshot, _READ.format(margin=MARGIN))],
            ["balance", _moment(snapshot, _BALANCE_READ.format(which="min"))],
        ],
        "message": [list(row) for row in rows(snapshot, pending)],
    }


def _open(snapshot: Connection, since: VerifiedPoint) -> None:
    snapshot.execute(text("SELECT set_config('campaign.point', :point, true)"), {"point": json.dumps(since)})
    _execute(snapshot, *_BEFORE)


def _execute(snapshot: Connection, *statements: str) -> None:
    for statement in statements:
        snapshot.execute(text(statement))


def _schema(snapshot: Connection) -> str:
    return str(snapshot.scalar(text("SELECT quote_ident(current_schema())")))


def _moment(snapshot: Connection, query: str, **values: str) -> str:
    """The moment as PostgreSQL writes it, infinity included."""
    return str(snapshot.scalar(text(f"SELECT CAST(({query}) AS text)"), values))
