"""The independent check of the books: its own SQL and sums, in one snapshot, sharing no code with what it checks.

Each finding is one sentence that begins with the number of the broken invariant, such as I2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Engine, text

from campaign.reporting.integrity import (
    call_checks,
    chain_checks,
    confirmation_checks,
    derived_checks,
    document_checks,
    funder_checks,
    guard_checks,
    journal_checks,
    match_checks,
    offline_checks,
    receipt_checks,
    scope,
    seal_checks,
    statement_checks,
    stripe_checks,
)
from campaign.reporting.integrity.scope import VerifiedPoint
from campaign.reporting.integrity.snapshot import rows

MOVES = {
    "donation": {("donations", "stripe"), ("donations", "bank")},
    "covered_fee": {("covered_fees", "stripe")},
    "fee": {("stripe", "fees")},
    "fee_refund": {("fees", "stripe")},
    "refund": {("stripe", "donations"), ("bank", "donations")},
    "covered_fee_refund": {("stripe", "covered_fees")},
    "dispute": {("stripe", "donations")},
    "covered_fee_reinstatement": {("covered_fees", "stripe")},
    "reinstatement": {("donations", "stripe")},
    "offline_reversal": {("bank", "donations")},
    "payout": {("stripe", "bank")},
    "payout_reversal": {("bank", "stripe")},
    "pledge": {("outside", "available")},
    "hold": {("available", "held")},
    "release": {("held", "available")},
    "match": {("held", "matched"), ("available", "matched")},
    "unmatch": {("matched", "available")},
    "receive": {("funder", "received")},
    "receive_reversal": {("received", "funder")},
    "call": {("earned", "called")},
    "call_reversal": {("called", "earned")},
}

OF_A_FUND = {"pledge", "hold", "release", "match", "unmatch", "receive", "receive_reversal", "call", "call_reversal"}

# Findings that begin with these do not pause matching.
NOT_ABOUT_MATCHING = (
    "I14",
    "I15",
    "I16",
    "I17",
    "I18",
    stripe_checks.ABOUT_THE_BALANCE,
    stripe_checks.ABOUT_A_CHARGE,
    journal_checks.ABOUT_A_MONTH,
    journal_checks.ABOUT_THE_JOURNAL,
    "I25: receipt",
    guard_checks.OF_ANOTHER_VERSION,
)


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One sentence for each broken invariant, and the point that is verified if there is none."""

    findings: list[str]
    point: VerifiedPoint | None


def findings(engine: Engine) -> list[str]:
    """One sentence for each broken invariant; empty when the books are right."""
    return check(engine, since=None).findings


def check(engine: Engine, *, since: VerifiedPoint | None, night: date | None = None) -> CheckResult:
    """Check all books, or what came after the point (scope.py). With a `night`, only some of the receipts' documents are read."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as snapshot:
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            snapshot.execute(text(f"SET LOCAL {limit} = '{document_checks.MAX_SECONDS}s'"))
        documents = scope.open_all_books(snapshot, night=night) if since is None else scope.open_new_books(snapshot, since)
        with document_checks.read_documents(engine, snapshot, documents) as found:
            match_checks.sum_up(snapshot)
            receipt_checks.sum_up(snapshot)
            funder_checks.sum_up(snapshot)
            found += [sentence for check in (*CHECKS, *(CHECKS_OF_ALL if since is None else ())) for sentence in check(snapshot)]
        return CheckResult(findings=found, point=None if found else scope.verified_point(snapshot))


def _totals_equal_entries(snapshot: Connection) -> Iterator[str]:
    for slug, what, stored, summed in rows(
        snapshot,
        """
        SELECT c.slug, v.what, v.stored, v.summed FROM campaign c JOIN campaign_totals t ON t.campaign_id = c.id
        LEFT JOIN donor_count n ON n.campaign_id = c.id
        LEFT JOIN LATERAL (SELECT
            coalesce(sum(CASE WHEN kind IN ('donation', 'reinstatement') THEN cents
                              WHEN kind IN ('refund', 'dispute', 'offline_reversal') THEN -cents END), 0) AS donated,
            coalesce(sum(CASE WHEN kind = 'covered_fee' THEN cents WHEN kind = 'covered_fee_reinstatement' THEN cents
                              WHEN kind = 'covered_fee_refund' THEN -cents END), 0) AS covered,
            coalesce(sum(CASE kind WHEN 'fee' THEN cents WHEN 'fee_refund' THEN -cents END), 0) AS fees,
            coalesce(sum(CASE kind WHEN 'donation' THEN entries WHEN 'offline_reversal' THEN -entries END), 0) AS donations,
            coalesce(sum(CASE 'bank' WHEN to_account THEN cents WHEN from_account THEN -cents END)
                FILTER (WHERE kind IN ('donation', 'refund', 'offline_reversal')), 0) AS offline
            FROM move_sum m WHERE m.campaign_id = c.id AND m.fund_id IS NULL) s ON true
        CROSS JOIN LATERAL (VALUES ('cents donated', t.donated_cents, s.donated), ('cents of covered fees', t.covered_fee_cents, s.covered),
            ('cents of fees', t.fee_cents, s.fees), ('donations', t.donations, s.donations), ('donors', t.donors, coalesce(n.donors, 0)), ('cents that never lay at Stripe', t.offline_cents, s.offline))
            v (what, stored, summed)
        WHERE v.stored <> v.summed
        """,
    ):
        yield f"I2: the totals of campaign {slug} say {stored} {what}, but its entries say {summed}."


def _paid_is_posted_once(snapshot: Connection) -> Iterator[str]:
    for name, posted, amount, posted_fee, fee in rows(
        snapshot,
        """
        SELECT d.public_id, coalesce(s.donated, 0), d.amount_cents, coalesce(s.fee, 0), d.covered_fee_cents
        FROM donation d LEFT JOIN (
            SELECT donation_id, sum(cents) FILTER (WHERE kind = 'donation') AS donated,
                   sum(cents) FILTER (WHERE kind = 'covered_fee') AS fee
            FROM ledger_entry WHERE fund_id IS NULL GROUP BY 1) s ON s.donation_id = d.id
        WHERE (d.received_at IS NOT NULL AND (coalesce(s.donated, 0) <> d.amount_cents OR coalesce(s.fee, 0) <> d.covered_fee_cents))
           OR (d.received_at IS NULL AND (s.donated IS NOT NULL OR s.fee IS NOT NULL))
        """,
    ):
        yield (
            f"I13: donation {name} is {amount} cents and {fee} of covered fee, "
            f"but {posted} and {posted_fee} are posted, or it is posted and not paid."
        )


def _nets_equal_entries(snapshot: Connection) -> Iterator[str]:
    for name, stored, summed in rows(
        snapshot,
        """
        SELECT d.public_id, d.net_cents, coalesce(s.net, 0) FROM donation d LEFT JOIN (
            SELECT donation_id, sum(CASE WHEN kind IN ('donation', 'reinstatement') THEN cents
                                         WHEN kind IN ('refund', 'dispute', 'offline_reversal') THEN -cents ELSE 0 END) AS net
            FROM ledger_entry WHERE fund_id IS NULL GROUP BY 1) s ON s.donation_id = d.id
        WHERE d.net_cents <> coalesce(s.net, 0)
        """,
    ):
        yield f"I2: donation {name} has {stored} net cents, but its entries sum to {summed}."


def _posted_donations_are_consistent(snapshot: Connection) -> Iterator[str]:
    for name, why in rows(
        snapshot,
        """
        SELECT d.public_id, 'is quarantined' FROM donation d WHERE d.quarantined_at IS NOT NULL
            AND EXISTS (SELECT FROM ledger_entry e WHERE e.donation_id = d.id AND e.kind IN ('donation', 'covered_fee', 'match'))
        UNION ALL SELECT d.public_id, 'is in ' || d.currency FROM donation d JOIN campaign c ON c.id = d.campaign_id
            WHERE d.received_at IS NOT NULL AND d.currency <> c.currency
        UNION ALL SELECT d.public_id, 'has entries of another campaign' FROM donation d
            WHERE EXISTS (SELECT FROM ledger_entry e WHERE e.donation_id = d.id AND e.campaign_id <> d.campaign_id)
        """,
    ):
        yield f"I12: donation {name} {why}, but it is in the books."


def _sums_are_whole_cents(snapshot: Connection) -> Iterator[str]:
    for table, column, kind in rows(
        snapshot,
        """
        SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_schema = current_schema() AND (column_name LIKE '%cents' AND data_type <> 'bigint'
            AND NOT (column_name = 'presets_cents' AND data_type = 'ARRAY'))
        """,
    ):
        yield f"I21: {table}.{column} is {kind}, not whole cents."


def _moves_are_permitted(snapshot: Connection) -> Iterator[str]:
    for kind, source, target, of_fund, entries in rows(
        snapshot, "SELECT kind, from_account, to_account, fund_id IS NOT NULL, sum(entries) FROM move_sum GROUP BY 1, 2, 3, 4"
    ):
        if (source, target) not in MOVES.get(str(kind), set()) or of_fund != (kind in OF_A_FUND):
            yield f"I20: {entries} entries move {kind} from {source} to {target}, which is not permitted."


def _permitted_moves_are_these(snapshot: Connection) -> Iterator[str]:
    stored = set(rows(snapshot, "SELECT kind, from_account, to_account, of_fund FROM ledger_move"))
    permitted = {(kind, source, target, kind in OF_A_FUND) for kind, moves in MOVES.items() for source, target in moves}
    for kind, source, target, _ in sorted(stored ^ permitted, key=str):
        yield f"I20: the table of moves and this check disagree on whether {kind} may move from {source} to {target}."


CHECKS = (
    *match_checks.CHECKS,
    *derived_checks.CHECKS,
    *stripe_checks.CHECKS,
    *offline_checks.CHECKS,
    *receipt_checks.CHECKS,
    *confirmation_checks.CHECKS,
    *funder_checks.CHECKS,
    *call_checks.CHECKS,
    *seal_checks.CHECKS,
    _totals_equal_entries,
    _nets_equal_entries,
    _paid_is_posted_once,
    _posted_donations_are_consistent,
    *chain_checks.CHECKS,
    _moves_are_permitted,
    _permitted_moves_are_these,
    *guard_checks.CHECKS,
    _sums_are_whole_cents,
)
# Of these, a part says nothing.
CHECKS_OF_ALL = (
    *derived_checks.CHECKS_OF_ALL,
    *match_checks.CHECKS_OF_ALL,
    *stripe_checks.CHECKS_OF_ALL,
    *offline_checks.CHECKS_OF_ALL,
    *receipt_checks.CHECKS_OF_ALL,
    *confirmation_checks.CHECKS_OF_ALL,
    *funder_checks.CHECKS_OF_ALL,
    *call_checks.CHECKS_OF_ALL,
    *seal_checks.CHECKS_OF_ALL,
    *chain_checks.CHECKS_OF_ALL,
    *journal_checks.CHECKS_OF_ALL,
    *statement_checks.CHECKS_OF_ALL,
)
