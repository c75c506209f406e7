"""I20 and I11: what months were closed with adds up, at places where the chains still are as they were; and nothing is left out of the journal."""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.reporting.integrity.snapshot import rows

ABOUT_A_MONTH = "I20: the closed month"
ABOUT_THE_JOURNAL = "I11: the journal"


def _closed_months_add_up(snapshot: Connection) -> Iterator[str]:
    """The balance at the beginning and the moves are that at the end, by the accounts of the moves."""
    for month, closing, summed in rows(
        snapshot,
        """
        SELECT to_char(c.first_on, 'YYYY-MM'), (c.figures #>> '{closing,1}')::bigint, (c.figures #>> '{opening,1}')::bigint + coalesce(s.cents, 0)
        FROM closed_month c LEFT JOIN LATERAL (
            SELECT sum(CASE 'stripe' WHEN m.to_account THEN 1 WHEN m.from_account THEN -1 ELSE 0 END * (f.value ->> 1)::bigint) AS cents
            FROM jsonb_each(c.figures) f JOIN ledger_move m ON m.kind = f.key) s ON true
        WHERE (c.figures #>> '{closing,1}')::bigint IS DISTINCT FROM (c.figures #>> '{opening,1}')::bigint + coalesce(s.cents, 0)
        """,
    ):
        yield f"{ABOUT_A_MONTH} {month} ends with {closing} cents at Stripe, but its opening and moves add up to {summed}."
    for month, closing, summed in rows(
        snapshot,
        """
        SELECT to_char(first_on, 'YYYY-MM'), f.closing, f.opening + f.received - f.reversed - f.deposited FROM closed_month CROSS JOIN LATERAL (
            SELECT (figures #>> '{undeposited_closing,1}')::bigint AS closing, (figures #>> '{undeposited_opening,1}')::bigint AS opening,
                   coalesce((figures #>> '{undeposited_donation,1}')::bigint, 0) AS received,
                   coalesce((figures #>> '{undeposited_refund,1}')::bigint, 0)
                   + coalesce((figures #>> '{undeposited_reversal,1}')::bigint, 0) AS reversed,
                   coalesce((figures #>> '{deposit,1}')::bigint, 0) AS deposited) f
        WHERE f.closing <> f.opening + f.received - f.reversed - f.deposited
        """,
    ):
        yield f"{ABOUT_A_MONTH} {month} ends with {closing} cents not deposited, but its opening and moves add up to {summed}."


def _chains_of_closed_months_are_unchanged(snapshot: Connection) -> Iterator[str]:
    for month, chain, position in rows(
        snapshot,
        """
        SELECT to_char(c.first_on, 'YYYY-MM'), h.key, (h.value ->> 0)::bigint FROM closed_month c CROSS JOIN jsonb_each(c.heads) h
        LEFT JOIN ledger_entry e ON e.chain = h.key AND e.position = (h.value ->> 0)::bigint
        WHERE (h.value ->> 0)::bigint > 0 AND h.key <> 'deposits' AND encode(e.hash, 'hex') IS DISTINCT FROM h.value ->> 1
        """,
    ):
        yield f"{ABOUT_A_MONTH} {month} was closed with another hash of chain {chain} at position {position}."


def _every_movement_has_a_day(snapshot: Connection) -> Iterator[str]:
    """What an entry of the journal takes its day from is there."""
    for kind, reference in rows(
        snapshot,
        """
        SELECT e.kind, e.reference FROM ledger_entry e WHERE
            e.kind IN ('donation', 'covered_fee') AND NOT EXISTS (SELECT FROM donation d WHERE d.id = e.donation_id AND d.received_at IS NOT NULL)
            OR e.kind IN ('fee', 'fee_refund') AND NOT EXISTS (
                SELECT FROM balance_transaction l JOIN donation d ON d.payment_intent = l.payment_intent
                WHERE l.stripe_id = e.cause AND d.id = e.donation_id)
            OR e.kind IN ('payout', 'payout_reversal') AND NOT EXISTS (SELECT FROM payout p WHERE p.stripe_id = e.cause)
            OR e.kind IN ('refund', 'offline_reversal') AND e.from_account = 'bank' AND NOT EXISTS (
                SELECT FROM offline_reversal r WHERE r.donation_id = e.donation_id AND e.reference = e.kind || ':offline:' || r.id)
            OR e.kind IN ('refund', 'dispute', 'reinstatement', 'covered_fee_refund', 'covered_fee_reinstatement') AND e.from_account <> 'bank'
               AND NOT EXISTS (
                   SELECT FROM reversal r JOIN donation d ON d.payment_intent = r.payment_intent
                   WHERE r.stripe_id = split_part(e.reference, ':', 2) AND d.id = e.donation_id)
            OR e.kind IN ('receive', 'receive_reversal') AND NOT EXISTS (
                SELECT FROM funder_payment p WHERE p.id::text = split_part(e.reference, ':', 2))
        """,
    ):
        yield f"{ABOUT_THE_JOURNAL} has no day for the {kind} {reference}: nothing in the books says when it happened."


CHECKS_OF_ALL = (_closed_months_add_up, _chains_of_closed_months_are_unchanged, _every_movement_has_a_day)
