"""The independent check of the books: its own SQL and its own sums, in one snapshot, sharing no code with what it checks.

Each finding is one sentence that names what is wrong. Numbers like I2 are those of the invariants that the service promises.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, text

MOVES = {
    "donation": {("donations", "stripe")},
    "covered_fee": {("covered_fees", "stripe")},
    "fee": {("stripe", "fees")},
    "refund": {("stripe", "donations")},
    "covered_fee_refund": {("stripe", "covered_fees")},
    "dispute": {("stripe", "donations")},
    "reinstatement": {("donations", "stripe")},
    "payout": {("stripe", "bank")},
    "offline": {("donations", "bank")},
    "pledge": {("outside", "available")},
    "hold": {("available", "held")},
    "release": {("held", "available")},
    "match": {("held", "matched"), ("available", "matched")},
    "unmatch": {("matched", "available")},
}


def findings(engine: Engine) -> list[str]:
    """One sentence for each thing that is not as it must be; empty when the books are right."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as snapshot:
        return [sentence for check in CHECKS for sentence in check(snapshot)]


def _rows(snapshot: Connection, sql: str) -> Iterator[tuple[object, ...]]:
    for row in snapshot.execute(text(sql)):
        yield tuple(row)


def _funds_within_pledge(snapshot: Connection) -> Iterator[str]:
    for slug, pledged, held, matched in _rows(
        snapshot,
        "SELECT slug, pledged_cents, held_cents, matched_cents FROM fund "
        "WHERE held_cents < 0 OR matched_cents < 0 OR held_cents + matched_cents > pledged_cents",
    ):
        yield f"I1: fund {slug} has {held} cents held and {matched} matched of {pledged} pledged."


def _funds_equal_entries(snapshot: Connection) -> Iterator[str]:
    for slug, what, kept, summed in _rows(
        snapshot,
        """
        SELECT f.slug, v.what, v.kept, v.summed FROM fund f
        LEFT JOIN LATERAL (SELECT
            coalesce(sum(CASE WHEN kind = 'pledge' THEN cents END), 0) AS pledged,
            coalesce(sum(CASE WHEN kind = 'hold' THEN cents WHEN kind = 'release' THEN -cents
                              WHEN kind = 'match' AND from_account = 'held' THEN -cents END), 0) AS held,
            coalesce(sum(CASE WHEN kind = 'match' THEN cents WHEN kind = 'unmatch' THEN -cents END), 0) AS matched
            FROM ledger_entry e WHERE e.fund_id = f.id) s ON true
        CROSS JOIN LATERAL (VALUES ('pledged', f.pledged_cents, s.pledged), ('held', f.held_cents, s.held),
                                   ('matched', f.matched_cents, s.matched)) v (what, kept, summed)
        WHERE v.kept <> v.summed
        """,
    ):
        yield f"I2: fund {slug} says {kept} cents {what}, but its entries sum to {summed}."


def _totals_equal_entries(snapshot: Connection) -> Iterator[str]:
    for slug, what, kept, summed in _rows(
        snapshot,
        """
        SELECT c.slug, v.what, v.kept, v.summed FROM campaign c JOIN campaign_totals t ON t.campaign_id = c.id
        LEFT JOIN LATERAL (SELECT
            coalesce(sum(CASE WHEN kind IN ('donation', 'offline', 'reinstatement') THEN e.cents
                              WHEN kind IN ('refund', 'dispute') THEN -e.cents END), 0) AS donated,
            coalesce(sum(CASE WHEN kind = 'covered_fee' THEN e.cents WHEN kind = 'covered_fee_refund' THEN -e.cents END), 0) AS covered,
            coalesce(sum(CASE WHEN kind = 'fee' THEN e.cents END), 0) AS fees,
            count(*) FILTER (WHERE kind IN ('donation', 'offline')) AS donations,
            count(DISTINCT d.donor_id) FILTER (WHERE kind IN ('donation', 'offline')) AS donors
            FROM ledger_entry e LEFT JOIN donation d ON d.id = e.donation_id
            WHERE e.campaign_id = c.id AND e.fund_id IS NULL) s ON true
        CROSS JOIN LATERAL (VALUES ('cents donated', t.donated_cents, s.donated), ('cents of covered fees', t.covered_fee_cents, s.covered),
            ('cents of fees', t.fee_cents, s.fees), ('donations', t.donations, s.donations), ('donors', t.donors, s.donors))
            v (what, kept, summed)
        WHERE v.kept <> v.summed
        """,
    ):
        yield f"I2: the totals of campaign {slug} say {kept} {what}, but its entries say {summed}."


def _matches_within_gifts(snapshot: Connection) -> Iterator[str]:
    for name, covered, net in _rows(
        snapshot,
        """
        WITH by_fund AS (
            SELECT e.donation_id, e.fund_id,
                   sum(CASE WHEN e.kind = 'match' THEN e.cents WHEN e.kind = 'unmatch' THEN -e.cents ELSE 0 END) AS cents
            FROM ledger_entry e WHERE e.kind IN ('match', 'unmatch') GROUP BY 1, 2
        ), matched AS (
            SELECT b.donation_id, sum(ceil(b.cents * f.ratio_denominator::numeric / f.ratio_numerator)) AS covered, min(b.cents) AS least
            FROM by_fund b JOIN fund f ON f.id = b.fund_id GROUP BY 1
        ), net AS (
            SELECT donation_id, sum(CASE WHEN kind IN ('donation', 'offline', 'reinstatement') THEN cents
                                         WHEN kind IN ('refund', 'dispute') THEN -cents ELSE 0 END) AS cents
            FROM ledger_entry WHERE fund_id IS NULL GROUP BY 1
        )
        SELECT d.public_id, m.covered, coalesce(n.cents, 0) FROM matched m
        JOIN donation d ON d.id = m.donation_id LEFT JOIN net n ON n.donation_id = m.donation_id
        WHERE m.covered > coalesce(n.cents, 0) OR m.least < 0
        """,
    ):
        yield f"I4: the match of donation {name} stands for {covered} cents of gift, but its net gift is {net}."


def _held_only_while_open(snapshot: Connection) -> Iterator[str]:
    for name, cents in _rows(
        snapshot,
        """
        SELECT d.public_id, h.cents FROM (
            SELECT donation_id, sum(CASE WHEN kind = 'hold' THEN cents ELSE -cents END) AS cents FROM ledger_entry
            WHERE kind IN ('hold', 'release') OR (kind = 'match' AND from_account = 'held') GROUP BY 1) h
        JOIN donation d ON d.id = h.donation_id
        WHERE h.cents < 0 OR (h.cents > 0 AND (d.paid_at IS NOT NULL OR d.ended_at IS NOT NULL OR d.quarantined_at IS NOT NULL))
        """,
    ):
        yield f"I32: {cents} cents are held for donation {name}, which is no longer open."


def _paid_is_posted_once(snapshot: Connection) -> Iterator[str]:
    for name, posted, gift, covered, asked_covered in _rows(
        snapshot,
        """
        SELECT d.public_id, coalesce(s.gift, 0), d.amount_cents, coalesce(s.covered, 0), d.covered_fee_cents
        FROM donation d LEFT JOIN (
            SELECT donation_id, sum(cents) FILTER (WHERE kind IN ('donation', 'offline')) AS gift,
                   sum(cents) FILTER (WHERE kind = 'covered_fee') AS covered
            FROM ledger_entry WHERE fund_id IS NULL GROUP BY 1) s ON s.donation_id = d.id
        WHERE (d.paid_at IS NOT NULL AND (coalesce(s.gift, 0) <> d.amount_cents OR coalesce(s.covered, 0) <> d.covered_fee_cents))
           OR (d.paid_at IS NULL AND (s.gift IS NOT NULL OR s.covered IS NOT NULL))
        """,
    ):
        yield (
            f"I13: donation {name} is of {gift} cents with {asked_covered} of covered fee, "
            f"but {posted} and {covered} are posted as paid, or it is posted and not paid."
        )


def _chains_verify(snapshot: Connection) -> Iterator[str]:
    for chain, position in _rows(
        snapshot,
        """
        SELECT chain, min(position) FROM (
            SELECT chain, position, hash, row_number() OVER w AS expected,
                   sha256(coalesce(lag(hash) OVER w, '') || convert_to(concat_ws('|', chain, position, kind, from_account, to_account,
                          cents, reference, cause, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')), 'UTF8')) AS computed
            FROM ledger_entry WINDOW w AS (PARTITION BY chain ORDER BY position)) e
        WHERE hash <> computed OR position <> expected GROUP BY chain
        """,
    ):
        yield f"I20: the hash chain {chain} breaks at entry {position}."
    for chain, kept, found in _rows(
        snapshot,
        """
        SELECT h.chain, h.entries, coalesce(l.position, 0) FROM (
            SELECT 'fund:' || id AS chain, chain_entries AS entries, chain_hash AS hash FROM fund
            UNION ALL SELECT 'campaign:' || campaign_id, chain_entries, chain_hash FROM campaign_totals) h
        LEFT JOIN LATERAL (SELECT position, hash FROM ledger_entry e WHERE e.chain = h.chain ORDER BY position DESC LIMIT 1) l ON true
        WHERE coalesce(l.position, 0) <> h.entries OR coalesce(l.hash, '') <> h.hash
        """,
    ):
        yield f"I20: the hash chain {chain} should end at entry {kept}, but ends at {found}, or with another hash."


def _moves_are_permitted(snapshot: Connection) -> Iterator[str]:
    for kind, source, target, of_fund, entries in _rows(
        snapshot, "SELECT kind, from_account, to_account, fund_id IS NOT NULL, count(*) FROM ledger_entry GROUP BY 1, 2, 3, 4"
    ):
        is_of_fund = str(kind) in {"pledge", "hold", "release", "match", "unmatch"}
        if (source, target) not in MOVES.get(str(kind), set()) or of_fund != is_of_fund:
            yield f"I20: {entries} entries move {kind} from {source} to {target}, which is not permitted."


def _receipts_count_up(snapshot: Connection) -> Iterator[str]:
    for charity, year, last, receipts, highest in _rows(
        snapshot,
        """
        SELECT s.charity_id, s.year, s.last_number, count(r.id), coalesce(max(r.number), 0)
        FROM receipt_series s LEFT JOIN receipt r ON r.charity_id = s.charity_id AND r.year = s.year
        GROUP BY 1, 2, 3 HAVING s.last_number <> count(r.id) OR s.last_number <> coalesce(max(r.number), 0)
        """,
    ):
        yield f"I15: series {year} of charity {charity} counts to {last}, but has {receipts} receipts up to number {highest}."


def _receipts_equal_gifts(snapshot: Connection) -> Iterator[str]:
    for serial, on_receipt, paid in _rows(
        snapshot,
        """
        SELECT r.serial, (r.content ->> 'amount_cents')::bigint, d.amount_cents + d.covered_fee_cents
        FROM receipt r JOIN donation d ON d.id = r.donation_id
        WHERE d.paid_at IS NULL OR (r.content ->> 'amount_cents')::bigint <> d.amount_cents + d.covered_fee_cents
           OR (r.content ->> 'eligible_cents')::bigint + (r.content ->> 'advantage_cents')::bigint <> (r.content ->> 'amount_cents')::bigint
        """,
    ):
        yield f"I17: receipt {serial} is of {on_receipt} cents, but {paid} were paid, or the gift is not paid."
    for (serial,) in _rows(
        snapshot, "SELECT r.serial FROM receipt_document d JOIN receipt r ON r.id = d.receipt_id WHERE d.sha256 <> sha256(d.pdf)"
    ):
        yield f"I16: the document of receipt {serial} is not the one whose hash was kept."


CHECKS = (
    _funds_within_pledge,
    _funds_equal_entries,
    _totals_equal_entries,
    _matches_within_gifts,
    _held_only_while_open,
    _paid_is_posted_once,
    _chains_verify,
    _moves_are_permitted,
    _receipts_count_up,
    _receipts_equal_gifts,
)
