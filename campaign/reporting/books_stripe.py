"""The part of the checker that compares the books with what Stripe told of (I11): what went back, and each line of Stripe's balance.

A line is compared an hour after Stripe's list was read beyond it, so that what is on its way in is no finding.
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.reporting.snapshots import rows

OF_THE_BALANCE = "I11: Stripe"


def _money_back_is_posted(snapshot: Connection) -> Iterator[str]:
    for kind, name, donation in rows(
        snapshot,
        """
        SELECT m.kind, m.stripe_id, d.public_id FROM money_back m JOIN donation d ON d.payment_intent = m.payment_intent
        WHERE d.paid_at IS NOT NULL AND (m.turns % 2 = 1) <> (CASE m.kind WHEN 'refund' THEN m.status NOT IN ('failed', 'canceled')
                                                                          ELSE m.status = 'lost' END)
        """,
    ):
        yield f"I11: {kind} {name} of donation {donation} is not in the books as Stripe told of it."


def _what_went_back_is_what_stripe_told_of(snapshot: Connection) -> Iterator[str]:
    for donation, posted, told, fee_posted, fee in rows(
        snapshot,
        """
        WITH told AS (
            SELECT payment_intent, sum(cents) FILTER (WHERE turns % 2 = 1) AS cents FROM money_back GROUP BY 1
        ), back AS (
            SELECT donation_id, sum(CASE WHEN kind LIKE '%reinstatement' THEN -cents ELSE cents END) AS cents,
                   sum(CASE kind WHEN 'covered_fee_refund' THEN cents WHEN 'covered_fee_reinstatement' THEN -cents END) AS fee
            FROM ledger_entry
            WHERE kind IN ('refund', 'dispute', 'covered_fee_refund', 'reinstatement', 'covered_fee_reinstatement') GROUP BY 1
        ), gone AS (
            SELECT d.public_id, d.covered_fee_cents, d.amount_cents + d.covered_fee_cents AS charged, coalesce(back.cents, 0) AS posted,
                   coalesce(back.fee, 0) AS fee_posted, least(d.amount_cents + d.covered_fee_cents, coalesce(told.cents, 0)) AS cents
            FROM donation d LEFT JOIN told ON told.payment_intent = d.payment_intent LEFT JOIN back ON back.donation_id = d.id
            WHERE d.paid_at IS NOT NULL AND (told.payment_intent IS NOT NULL OR back.donation_id IS NOT NULL)
        )
        SELECT public_id, posted, cents, fee_posted, fee FROM gone
        CROSS JOIN LATERAL (SELECT trunc(cents * covered_fee_cents / charged) AS fee) share
        WHERE posted <> cents OR fee_posted <> fee
        """,
    ):
        yield (
            f"I11: of donation {donation}, {told} cents with {fee} of covered fee went back, "
            f"but the books say {posted} with {fee_posted} of covered fee."
        )


def _lines_are_in_the_books(snapshot: Connection) -> Iterator[str]:
    """A dispute moves the balance when it is opened and the books when it is lost; a refund may be in the books before it moves the balance."""
    for donation, moved, open_cents, posted, fees, fees_posted in rows(
        snapshot,
        """
        WITH settled AS (
            SELECT max(seen_until) - interval '1 hour' AS until FROM stripe_watermark WHERE list = 'balance'
        ), lines AS (
            SELECT l.payment_intent, sum(l.cents) AS cents, sum(l.fee_cents) AS fees,
                   coalesce(sum(l.cents) FILTER (WHERE m.kind = 'dispute' AND m.turns % 2 = 0), 0) AS open
            FROM balance_line l LEFT JOIN money_back m ON m.stripe_id = l.source
            WHERE l.payment_intent IS NOT NULL GROUP BY 1
        ), pending AS (
            SELECT payment_intent, sum(cents) AS cents FROM money_back m
            WHERE kind = 'refund' AND turns % 2 = 1 AND NOT EXISTS (SELECT FROM balance_line l WHERE l.source = m.stripe_id)
            AND status IN ('pending', 'requires_action') GROUP BY 1
        ), entries AS (
            SELECT donation_id, max(at) AS last,
                   coalesce(sum(CASE WHEN to_account = 'stripe' THEN cents ELSE -cents END) FILTER (WHERE 'fees' NOT IN (from_account, to_account)), 0)
                       AS cents,
                   coalesce(sum(CASE WHEN to_account = 'fees' THEN cents ELSE -cents END) FILTER (WHERE 'fees' IN (from_account, to_account)), 0)
                       AS fees
            FROM ledger_entry WHERE donation_id IS NOT NULL AND 'stripe' IN (from_account, to_account) GROUP BY 1
        )
        SELECT d.public_id, l.cents, l.open + coalesce(p.cents, 0), e.cents, l.fees, e.fees
        FROM lines l JOIN donation d ON d.payment_intent = l.payment_intent AND d.paid_at IS NOT NULL
        JOIN entries e ON e.donation_id = d.id LEFT JOIN pending p ON p.payment_intent = l.payment_intent CROSS JOIN settled s
        WHERE e.last < s.until AND (l.cents - l.open - coalesce(p.cents, 0) <> e.cents OR l.fees <> e.fees)
        """,
    ):
        yield (
            f"{OF_THE_BALANCE} moved {moved} cents for donation {donation}, {open_cents} of them not decided yet, and kept {fees}; "
            f"the books say {posted} and {fees_posted}."
        )


def _payouts_are_their_lines(snapshot: Connection) -> Iterator[str]:
    for payout, cents, summed in rows(
        snapshot,
        """
        SELECT p.stripe_id, p.cents, coalesce(sum(l.net_cents), 0) FROM payout p
        LEFT JOIN balance_line l ON l.payout = p.stripe_id AND l.type <> 'payout'
        WHERE p.lines_read_at IS NOT NULL GROUP BY p.id HAVING p.cents <> coalesce(sum(l.net_cents), 0)
        """,
    ):
        yield f"{OF_THE_BALANCE} paid out {cents} cents with {payout}, but its lines come to {summed}."
    for payout, lines in rows(
        snapshot,
        """
        SELECT l.source, coalesce(p.lines, 'not known') FROM balance_line l LEFT JOIN payout p ON p.stripe_id = l.source
        WHERE l.type = 'payout' AND l.posted_at IS NULL AND p.lines_read_at IS NULL
        AND l.made_at < (SELECT max(seen_until) - interval '3 days' FROM stripe_watermark WHERE list = 'balance')
        """,
    ):
        yield (
            f"{OF_THE_BALANCE} has not told what payout {payout} paid out ({lines}), so it is in no campaign's books; "
            "payouts that are made by hand cannot be tied, automatic ones can."
        )


def _payouts_are_in_the_books(snapshot: Connection) -> Iterator[str]:
    for payout, campaign, tied, posted in rows(
        snapshot,
        """
        WITH posted AS (
            SELECT cause, campaign_id, split_part(reference, ':', 1) AS what, sum(CASE to_account WHEN 'bank' THEN cents ELSE -cents END) AS cents
            FROM ledger_entry WHERE kind IN ('payout', 'payout_reversal') GROUP BY 1, 2, 3
        ), parts AS (
            SELECT l.payout, d.campaign_id, l.net_cents AS cents, d.paid_at FROM balance_line l
            JOIN donation d ON d.payment_intent = l.payment_intent WHERE l.payout IS NOT NULL AND d.paid_at IS NOT NULL
            UNION ALL
            SELECT l.payout, b.campaign_id, -b.cents, l.made_at FROM balance_line l JOIN posted b ON b.cause = l.source AND b.what = 'payout_back'
            WHERE l.payout IS NOT NULL AND l.type IN ('payout_failure', 'payout_cancel')
        ), tied AS (
            SELECT payout, campaign_id, sum(cents) AS cents FROM parts GROUP BY 1, 2
            HAVING max(paid_at) < (SELECT max(seen_until) - interval '1 hour' FROM stripe_watermark WHERE list = 'balance')
        )
        SELECT t.payout, c.slug, t.cents, coalesce(s.cents, 0) FROM tied t JOIN campaign c ON c.id = t.campaign_id
        JOIN payout p ON p.stripe_id = t.payout AND p.lines_read_at IS NOT NULL
        LEFT JOIN posted s ON s.cause = t.payout AND s.campaign_id = t.campaign_id AND s.what = 'payout'
        WHERE t.cents <> coalesce(s.cents, 0)
        """,
    ):
        yield f"{OF_THE_BALANCE} paid out {tied} cents of campaign {campaign} with {payout}, but its books say {posted}."


CHECKS = (
    _money_back_is_posted,
    _what_went_back_is_what_stripe_told_of,
    _lines_are_in_the_books,
    _payouts_are_their_lines,
    _payouts_are_in_the_books,
)
