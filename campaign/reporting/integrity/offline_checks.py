"""Checks of gifts that were paid without Stripe for checker.py, with SQL of their own: their money, their reversals and their deposits."""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.reporting.integrity.snapshot import rows


def _money_is_where_it_was_paid(snapshot: Connection) -> Iterator[str]:
    """I11: money of an offline gift never lies at Stripe, and that of other donations never lies anywhere else before a payout."""
    for name, why in rows(
        snapshot,
        """
        SELECT DISTINCT d.public_id, CASE WHEN o.donation_id IS NULL THEN 'was paid through Stripe, but its money is at the bank'
                                          ELSE 'was paid without Stripe, but has money there' END
        FROM ledger_entry e JOIN donation d ON d.id = e.donation_id LEFT JOIN offline_gift o ON o.donation_id = d.id
        WHERE CASE WHEN o.donation_id IS NULL THEN 'bank' ELSE 'stripe' END IN (e.from_account, e.to_account)
        UNION ALL SELECT d.public_id, 'was paid without Stripe, but has a payment, a checkout or a covered fee of it'
            FROM donation d JOIN offline_gift o ON o.donation_id = d.id
            WHERE d.payment_intent IS NOT NULL OR d.checkout_id IS NOT NULL OR d.covered_fee_cents <> 0 OR d.processing_at IS NOT NULL
        UNION ALL SELECT d.public_id, 'was paid without Stripe, but is not received, or at two moments'
            FROM donation d JOIN offline_gift o ON o.donation_id = d.id WHERE (d.received_at = d.authorized_at) IS NOT TRUE
        UNION ALL SELECT d.public_id, 'is not matched by the choice of staff, although nobody recorded it'
            FROM donation d LEFT JOIN offline_gift o ON o.donation_id = d.id WHERE NOT d.is_matchable AND o.donation_id IS NULL
        """,
    ):
        yield f"I11: donation {name} {why}."


def _reversals_equal_entries(snapshot: Connection) -> Iterator[str]:
    """I11: each reversal of an offline gift is posted once, as what it is, and each such entry has its reversal."""
    for name, recorded, posted in rows(
        snapshot,
        """
        SELECT d.public_id, r.cents, p.cents FROM (
            SELECT donation_id, CASE kind WHEN 'refunded' THEN 'refund' ELSE 'offline_reversal' END AS kind, id, cents FROM offline_reversal
            WHERE donation_id IN (SELECT id FROM donation)) r
        FULL JOIN (
            SELECT donation_id, kind, split_part(reference, ':offline:', 2) AS id, cents FROM ledger_entry
            WHERE donation_id IS NOT NULL AND kind IN ('refund', 'offline_reversal') AND from_account = 'bank') p
        ON p.donation_id = r.donation_id AND p.kind = r.kind AND p.id = r.id::text
        JOIN donation d ON d.id = coalesce(r.donation_id, p.donation_id) WHERE r.cents IS DISTINCT FROM p.cents
        """,
    ):
        yield f"I11: {recorded} cents of donation {name} were reversed by staff, but the books say {posted}."
    for name, left in rows(
        snapshot,
        """
        SELECT d.public_id, d.net_cents FROM offline_reversal r JOIN donation d ON d.id = r.donation_id
        CROSS JOIN LATERAL (SELECT coalesce(sum(o.cents), 0) AS cents FROM offline_reversal o WHERE o.donation_id = d.id AND o.kind = 'refunded') b
        WHERE r.kind <> 'refunded' AND (d.net_cents <> 0 OR r.cents + b.cents <> d.amount_cents OR r.kind = 'mistake' AND b.cents > 0)
        """,
    ):
        yield f"I11: donation {name} never was a gift, but {left} cents of it count, or only a part of what was not given back was reversed."


def _deposits_equal_their_gifts(snapshot: Connection) -> Iterator[str]:
    """I2: a closed deposit is what was taken to the bank, as its slip says."""
    for number, said_gifts, said, gifts, cents in rows(
        snapshot,
        """
        SELECT p.number, p.gifts, p.cents, s.gifts, s.cents FROM deposit p CROSS JOIN LATERAL (
            SELECT count(*) AS gifts, coalesce(sum(d.amount_cents), 0) AS cents FROM offline_gift o JOIN donation d ON d.id = o.donation_id
            WHERE o.deposit_id = p.id) s
        WHERE p.closed_at IS NOT NULL AND (p.gifts <> s.gifts OR p.cents <> s.cents)
        """,
    ):
        yield f"I2: deposit {number} says {said_gifts} gifts and {said} cents, but {gifts} of {cents} cents are in it."
    for number, name in rows(
        snapshot,
        """
        SELECT p.number, d.public_id FROM deposit p JOIN offline_gift o ON o.deposit_id = p.id JOIN donation d ON d.id = o.donation_id
        JOIN campaign c ON c.id = d.campaign_id WHERE c.charity_id <> p.charity_id OR o.method NOT IN ('cheque', 'cash')
        """,
    ):
        yield f"I2: donation {name} is in deposit {number}, where it does not belong."
    for name, where in rows(
        snapshot,
        """
        SELECT d.public_id, CASE WHEN o.deposit_id IS NULL THEN 'in no deposit, although it was not reversed as a whole'
                                 ELSE 'in an open deposit, although nothing of it is left to take to the bank' END
        FROM offline_gift o JOIN donation d ON d.id = o.donation_id LEFT JOIN deposit p ON p.id = o.deposit_id
        WHERE o.method IN ('cheque', 'cash') AND p.closed_at IS NULL AND (o.deposit_id IS NULL) <> EXISTS (
            SELECT FROM offline_reversal r WHERE r.donation_id = o.donation_id AND r.cents = d.amount_cents)
        """,
    ):
        yield f"I2: donation {name} was paid by cheque or in cash and is {where}."
    for number, name in rows(
        snapshot,
        """
        SELECT p.number, d.public_id FROM deposit p JOIN offline_gift o ON o.deposit_id = p.id JOIN donation d ON d.id = o.donation_id
        JOIN charity c ON c.id = p.charity_id WHERE p.deposited_on < (d.received_at AT TIME ZONE c.time_zone)::date
        """,
    ):
        yield f"I2: deposit {number} was taken to the bank before donation {name} was received."


CHECKS = (_money_is_where_it_was_paid, _reversals_equal_entries)
# Deposits are small: all of them are summed at night.
CHECKS_OF_ALL = (_deposits_equal_their_gifts,)
