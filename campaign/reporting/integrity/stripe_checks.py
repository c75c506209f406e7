"""Checks of the books against what Stripe reported (I11), for checker.py: reversals, balance transactions and payouts.

The balance transactions of a donation are compared once Stripe's list has been read to an hour after its last entry, so that transactions
that are not listed yet cause no finding. The books of a sealed campaign do not take what moves at Stripe afterwards (payments/after_seal.py).
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.reporting.integrity.snapshot import rows

ABOUT_THE_BALANCE = "I11: Stripe"
ABOUT_A_CHARGE = "I25: the charge"


def _reversals_are_posted(snapshot: Connection) -> Iterator[str]:
    for kind, name, donation in rows(
        snapshot,
        """
        SELECT m.kind, m.stripe_id, d.public_id FROM reversal m JOIN donation d ON d.payment_intent = m.payment_intent
        JOIN campaign c ON c.id = d.campaign_id AND c.sealed_at IS NULL
        WHERE d.received_at IS NOT NULL AND (
            m.posted_cents <> m.reversed_cents
            OR m.kind = 'refund' AND m.posted_cents <> CASE
                WHEN m.status IN ('failed', 'canceled') THEN 0
                WHEN m.status IN ('pending', 'requires_action', 'succeeded') THEN m.cents ELSE m.posted_cents END)
        """,
    ):
        yield f"I11: {kind} {name} of donation {donation} is not in the books as Stripe reported it."


def _lost_disputes_are_posted(snapshot: Connection) -> Iterator[str]:
    """A lost dispute may have been reinstated all the same, by a balance transaction that is not listed yet: matching goes on."""
    for name, donation in rows(
        snapshot,
        """
        SELECT m.stripe_id, d.public_id FROM reversal m JOIN donation d ON d.payment_intent = m.payment_intent
        JOIN campaign c ON c.id = d.campaign_id AND c.sealed_at IS NULL
        WHERE d.received_at IS NOT NULL AND m.kind = 'dispute' AND m.posted_cents = 0
        AND m.status IN ('lost', 'appeal_needs_response', 'appeal_under_review')
        AND NOT EXISTS (SELECT FROM balance_transaction l WHERE l.source = m.stripe_id AND l.cents > 0)
        """,
    ):
        yield f"{ABOUT_THE_BALANCE} has the dispute {name} of donation {donation} as lost, and the books do not."


def _reversed_sums_equal_stripe(snapshot: Connection) -> Iterator[str]:
    for donation, posted, reported, fee_posted, fee in rows(
        snapshot,
        """
        WITH reported AS (
            SELECT payment_intent, sum(posted_cents) AS cents FROM reversal GROUP BY 1
        ), reversed AS (
            SELECT donation_id, sum(CASE WHEN kind LIKE '%reinstatement' THEN -cents ELSE cents END) AS cents,
                   sum(CASE kind WHEN 'covered_fee_refund' THEN cents WHEN 'covered_fee_reinstatement' THEN -cents END) AS fee
            FROM ledger_entry
            WHERE kind IN ('refund', 'dispute', 'covered_fee_refund', 'reinstatement', 'covered_fee_reinstatement')
                AND 'stripe' IN (from_account, to_account) GROUP BY 1
        ), expected AS (
            SELECT d.public_id, d.covered_fee_cents, d.amount_cents + d.covered_fee_cents AS charged, coalesce(reversed.cents, 0) AS posted,
                   coalesce(reversed.fee, 0) AS fee_posted, least(d.amount_cents + d.covered_fee_cents, coalesce(reported.cents, 0)) AS cents
            FROM donation d LEFT JOIN reported ON reported.payment_intent = d.payment_intent LEFT JOIN reversed ON reversed.donation_id = d.id
            WHERE d.received_at IS NOT NULL AND (reported.payment_intent IS NOT NULL OR reversed.donation_id IS NOT NULL)
        )
        SELECT public_id, posted, cents, fee_posted, fee FROM expected
        CROSS JOIN LATERAL (SELECT trunc(cents * covered_fee_cents / charged) AS fee) share
        WHERE posted <> cents OR fee_posted <> fee
        """,
    ):
        yield (
            f"I11: {reported} cents of donation {donation} were reversed, {fee} of them covered fee, "
            f"but the books say {posted} and {fee_posted}."
        )


def _transactions_are_posted(snapshot: Connection) -> Iterator[str]:
    """A dispute changes the balance when opened and the books when lost; a refund may be posted before it changes the balance."""
    for donation, moved, open_cents, posted, fees, fees_posted in rows(
        snapshot,
        """
        WITH settled AS (
            SELECT max(read_until) - interval '1 hour' AS until FROM stripe_cursor WHERE list = 'balance'
        ), lines AS (
            SELECT l.payment_intent, sum(l.cents) AS cents, sum(l.fee_cents) AS fees,
                   coalesce(sum(l.cents) FILTER (WHERE m.kind = 'dispute'), 0) AS disputed
            FROM balance_transaction l LEFT JOIN reversal m ON m.stripe_id = l.source
            WHERE l.payment_intent IS NOT NULL GROUP BY 1
        ), posted AS (
            SELECT payment_intent, sum(posted_cents) AS cents,
                   coalesce(sum(posted_cents) FILTER (WHERE kind = 'dispute' AND has_lines), 0) AS disputed,
                   coalesce(sum(posted_cents) FILTER (WHERE kind = 'refund' AND NOT has_lines AND status IN ('pending', 'requires_action')), 0)
                       AS pending
            FROM reversal m CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM balance_transaction l WHERE l.source = m.stripe_id) AS has_lines) listed
            GROUP BY 1
        ), entries AS (
            SELECT donation_id, max(at) AS last,
                   coalesce(sum(CASE WHEN to_account = 'stripe' THEN cents ELSE -cents END) FILTER (WHERE 'fees' NOT IN (from_account, to_account)), 0)
                       AS cents,
                   coalesce(sum(CASE WHEN to_account = 'fees' THEN cents ELSE -cents END) FILTER (WHERE 'fees' IN (from_account, to_account)), 0)
                       AS fees
            FROM ledger_entry WHERE donation_id IS NOT NULL AND 'stripe' IN (from_account, to_account) GROUP BY 1
        )
        SELECT d.public_id, l.cents, o.cents, e.cents, l.fees, e.fees
        FROM lines l JOIN donation d ON d.payment_intent = l.payment_intent AND d.received_at IS NOT NULL
        JOIN entries e ON e.donation_id = d.id LEFT JOIN posted p ON p.payment_intent = l.payment_intent CROSS JOIN settled s
        -- Not in the books: what disputes withdrew and are not lost, refunds that did not move the balance yet, losses beyond the charge.
        CROSS JOIN LATERAL (SELECT l.disputed + coalesce(p.disputed + p.pending, 0)
                                   - greatest(0, coalesce(p.cents, 0) - d.amount_cents - d.covered_fee_cents) AS cents) o
        JOIN campaign c ON c.id = d.campaign_id
        WHERE e.last < s.until AND (c.sealed_at IS NULL OR NOT EXISTS (
            SELECT FROM balance_transaction late WHERE late.payment_intent = d.payment_intent AND late.stored_at > c.sealed_at
            UNION ALL SELECT FROM reversal m WHERE m.payment_intent = d.payment_intent AND m.reversed_cents <> m.posted_cents))
        AND (l.cents - o.cents <> e.cents OR l.fees <> e.fees)
        """,
    ):
        yield (
            f"{ABOUT_THE_BALANCE} moved {moved} cents for donation {donation}, {open_cents} of them not final yet, "
            f"and charged {fees} in fees; the books say {posted} and {fees_posted}."
        )


def _paid_donations_moved_the_balance(snapshot: Connection) -> Iterator[str]:
    """A payment that was renamed, or never made, has no balance transaction."""
    for donation, payment in rows(
        snapshot,
        """
        SELECT d.public_id, d.payment_intent FROM donation d JOIN stripe_cursor s ON s.list = 'balance' AND s.livemode = d.livemode
        JOIN ledger_entry e ON e.donation_id = d.id AND e.kind = 'donation' AND e.at < s.read_until - interval '1 hour'
        WHERE d.payment_intent IS NOT NULL AND NOT EXISTS (SELECT FROM balance_transaction l WHERE l.payment_intent = d.payment_intent)
        """,
    ):
        yield f"{ABOUT_THE_BALANCE} has no balance transaction of {payment}, which is said to have paid donation {donation}."


def _moments_are_of_the_charge(snapshot: Connection) -> Iterator[str]:
    """I25: when a donation was made and received is what its charge says. A bank debit is received later than it is made."""
    for donation, authorized, received, charged in rows(
        snapshot,
        """
        SELECT d.public_id, d.authorized_at, d.received_at, l.charged_at
        FROM balance_transaction l JOIN donation d ON d.payment_intent = l.payment_intent
        WHERE l.charged_at IS NOT NULL AND l.posted_at IS NOT NULL
          AND (d.authorized_at <> l.charged_at OR (d.received_at <> l.charged_at AND NOT l.is_debit))
        """,
    ):
        yield f"{ABOUT_A_CHARGE} was made at {charged}, but donation {donation} is said to be made at {authorized} and received at {received}."


def _methods_are_of_the_charge(snapshot: Connection) -> Iterator[str]:
    """I25: a payment by card is nowhere called a bank debit, nor a bank debit a payment by card."""
    for donation, is_debit in rows(
        snapshot,
        """
        SELECT d.public_id, l.is_debit FROM balance_transaction l JOIN donation d ON d.payment_intent = l.payment_intent
        WHERE l.charged_at IS NOT NULL AND l.posted_at IS NOT NULL AND l.is_debit <> (d.processing_at IS NOT NULL)
        """,
    ):
        charge, said = ("a bank debit", "a card") if is_debit else ("of a card", "a bank debit")
        yield f"{ABOUT_A_CHARGE} is {charge}, but donation {donation} is said to be paid by {said}."


def _debits_are_received_when_stripe_says(snapshot: Connection) -> Iterator[str]:
    """I25: a bank debit is received when Stripe reported its success, if that report was received."""
    for donation, received, said in rows(
        snapshot,
        """
        WITH said AS (
            SELECT d.id, min(to_timestamp((convert_from(s.body, 'UTF8')::jsonb ->> 'created')::bigint)) AS at
            FROM donation d JOIN stripe_event s ON s.subject = d.public_id AND s.type = 'payment_intent.succeeded'
            WHERE d.processing_at IS NOT NULL AND s.event_id LIKE 'evt\\_%' AND s.done_at IS NOT NULL
              AND convert_from(s.body, 'UTF8')::jsonb #>> '{data,object,id}' = d.payment_intent GROUP BY 1)
        SELECT d.public_id, d.received_at, said.at FROM donation d JOIN said ON said.id = d.id WHERE d.received_at <> said.at
        """,
    ):
        yield f"{ABOUT_A_CHARGE} of donation {donation} succeeded at {said}, but it is said to be received at {received}."


def _payouts_equal_their_transactions(snapshot: Connection) -> Iterator[str]:
    for payout, cents, summed in rows(
        snapshot,
        """
        SELECT p.stripe_id, p.cents, coalesce(sum(l.net_cents), 0) FROM payout p
        LEFT JOIN balance_transaction l ON l.payout = p.stripe_id AND l.source IS DISTINCT FROM p.stripe_id
        WHERE p.transactions_read_at IS NOT NULL GROUP BY p.id HAVING p.cents <> coalesce(sum(l.net_cents), 0)
        """,
    ):
        yield f"{ABOUT_THE_BALANCE} paid out {cents} cents with {payout}, but its transactions sum to {summed}."
    for payout, reconciliation_status in rows(
        snapshot,
        """
        SELECT l.source, coalesce(p.reconciliation_status, 'not known') FROM balance_transaction l LEFT JOIN payout p ON p.stripe_id = l.source
        WHERE l.type = 'payout' AND l.posted_at IS NULL AND p.transactions_read_at IS NULL AND coalesce(p.reconciliation_status, '') <> 'not_applicable'
        AND l.created_at < (SELECT max(read_until) - interval '3 days' FROM stripe_cursor WHERE list = 'balance')
        """,
    ):
        yield (
            f"{ABOUT_THE_BALANCE} has not listed the transactions of payout {payout} ({reconciliation_status}), "
            "so it is in no campaign's books."
        )


def _payouts_are_posted(snapshot: Connection) -> Iterator[str]:
    for payout, campaign, tied, posted in rows(
        snapshot,
        """
        WITH posted AS (
            SELECT cause, campaign_id, split_part(reference, ':', 1) AS what, sum(CASE to_account WHEN 'bank' THEN cents ELSE -cents END) AS cents
            FROM ledger_entry WHERE kind IN ('payout', 'payout_reversal') GROUP BY 1, 2, 3
        ), parts AS (
            SELECT l.payout, d.campaign_id, l.net_cents AS cents, d.received_at FROM balance_transaction l
            JOIN donation d ON d.payment_intent = l.payment_intent WHERE l.payout IS NOT NULL AND d.received_at IS NOT NULL
            UNION ALL
            SELECT l.payout, b.campaign_id, -b.cents, l.created_at FROM balance_transaction l JOIN posted b ON b.cause = l.source AND b.what = 'payout_back'
            WHERE l.payout IS NOT NULL AND l.type IN ('payout_failure', 'payout_cancel')
        ), tied AS (
            SELECT payout, campaign_id, sum(cents) AS cents FROM parts GROUP BY 1, 2
            HAVING max(received_at) < (SELECT max(read_until) - interval '1 hour' FROM stripe_cursor WHERE list = 'balance')
        )
        SELECT t.payout, c.slug, t.cents, coalesce(s.cents, 0) FROM tied t JOIN campaign c ON c.id = t.campaign_id
        JOIN payout p ON p.stripe_id = t.payout AND p.transactions_read_at IS NOT NULL
        LEFT JOIN posted s ON s.cause = t.payout AND s.campaign_id = t.campaign_id AND s.what = 'payout'
        WHERE t.cents <> coalesce(s.cents, 0) AND (p.created_at > c.sealed_at) IS NOT TRUE
        """,
    ):
        yield f"{ABOUT_THE_BALANCE} paid out {tied} cents of campaign {campaign} with {payout}, but its books say {posted}."


CHECKS = (
    _reversals_are_posted,
    _lost_disputes_are_posted,
    _reversed_sums_equal_stripe,
    _transactions_are_posted,
    _paid_donations_moved_the_balance,
    _moments_are_of_the_charge,
    _methods_are_of_the_charge,
)
CHECKS_OF_ALL = (
    _debits_are_received_when_stripe_says,
    _payouts_equal_their_transactions,
    _payouts_are_posted,
)
