"""The checks of receipts and of the mail they go out with, for books.py: I14 to I18, with their own SQL and sums from the entries."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from campaign.reporting.snapshots import rows

SUMS = (
    # What the charity keeps of each paid gift by the entries alone, covered fee included.
    """
    CREATE TEMPORARY TABLE kept ON COMMIT DROP AS
    SELECT donation_id, sum(CASE WHEN kind IN ('donation', 'offline', 'covered_fee', 'reinstatement', 'covered_fee_reinstatement') THEN cents
                                 WHEN kind IN ('refund', 'dispute', 'covered_fee_refund') THEN -cents ELSE 0 END) AS cents
    FROM ledger_entry WHERE fund_id IS NULL AND donation_id IS NOT NULL GROUP BY 1
    """,
    # Gifts whose receipts have something to follow that is owed, and neither done nor given up.
    """
    CREATE TEMPORARY TABLE under_way ON COMMIT DROP AS
    SELECT DISTINCT donation_id FROM outbox WHERE kind IN ('receipt', 'receipt_again', 'money_back') AND done_at IS NULL AND dead_at IS NULL
    """,
    "ANALYZE kept, under_way",
)


def sum_up(snapshot: Connection) -> None:
    """Make the sums that the checks share."""
    for statement in SUMS:
        snapshot.execute(text(statement))


def _one_receipt_a_gift(snapshot: Connection) -> Iterator[str]:
    for name, count in rows(
        snapshot,
        """
        SELECT d.public_id, count(*) FROM receipt_gift g JOIN donation d ON d.id = g.donation_id
        LEFT JOIN receipt_end e ON e.receipt_id = g.receipt_id WHERE e.receipt_id IS NULL GROUP BY 1 HAVING count(*) > 1
        """,
    ):
        yield f"I14: for donation {name} stand {count} receipts at once."
    for (serial,) in rows(
        snapshot,
        """
        SELECT DISTINCT r.serial FROM receipt_gift g JOIN receipt r ON r.id = g.receipt_id LEFT JOIN receipt_end e ON e.receipt_id = r.id
        WHERE g.is_current <> (e.receipt_id IS NULL)
        """,
    ):
        yield f"I14: receipt {serial} is ended and counted as one that stands, or the other way round."
    for name, cents in rows(
        snapshot,
        """
        SELECT d.public_id, k.cents FROM kept k JOIN donation d ON d.id = k.donation_id
        WHERE k.cents > 0 AND d.paid_at IS NOT NULL AND NOT EXISTS (SELECT FROM under_way u WHERE u.donation_id = d.id)
          AND NOT EXISTS (SELECT FROM receipt_gift g WHERE g.donation_id = d.id AND g.is_current)
          AND NOT EXISTS (SELECT FROM receipt_gift g JOIN receipt_end e ON e.receipt_id = g.receipt_id
                          WHERE g.donation_id = d.id AND e.because = 'void')
          AND NOT EXISTS (SELECT FROM donor w JOIN campaign c ON c.id = d.campaign_id JOIN charity h ON h.id = c.charity_id
                          WHERE w.id = d.donor_id AND w.receipts = 'yearly'
                            AND now() < make_timestamptz(extract(year FROM d.paid_at AT TIME ZONE h.time_zone)::int + 1, 3, 1, 0, 0, 0, h.time_zone))
        """,
    ):
        yield f"I14: donation {name}, of which the charity keeps {cents} cents, has no receipt and none is under way."


def _receipts_count_up(snapshot: Connection) -> Iterator[str]:
    for charity, year, last, receipts, highest in rows(
        snapshot,
        """
        SELECT s.charity_id, s.year, s.last_number, count(r.id), coalesce(max(r.number), 0)
        FROM receipt_series s LEFT JOIN receipt r ON r.charity_id = s.charity_id AND r.year = s.year
        GROUP BY 1, 2, 3 HAVING s.last_number <> count(r.id) OR s.last_number <> coalesce(max(r.number), 0)
        """,
    ):
        yield f"I15: series {year} of charity {charity} counts to {last}, but has {receipts} receipts up to number {highest}."
    for serial, number in rows(
        snapshot,
        """
        SELECT serial, number FROM receipt
        WHERE serial <> (CASE year WHEN 0 THEN '' ELSE year || '-' END) || lpad(number::text, greatest(6, length(number::text)), '0')
        """,
    ):
        yield f"I15: receipt {serial} is number {number} of its series, which its serial number does not say."


def _receipts_stay(snapshot: Connection) -> Iterator[str]:
    for serial, kind in rows(
        snapshot, "SELECT r.serial, d.kind FROM receipt_document d JOIN receipt r ON r.id = d.receipt_id WHERE d.sha256 <> sha256(d.pdf)"
    ):
        yield f"I16: the {kind} document of receipt {serial} is not the one whose hash was kept."
    for serial, ended_as in rows(
        snapshot,
        """
        SELECT r.serial, coalesce(e.ended_as, 'not ended') FROM receipt r LEFT JOIN receipt_end e ON e.receipt_id = r.id
        LEFT JOIN receipt n ON n.replaces_id = r.id
        WHERE coalesce(e.ended_as = 'replaced', false) <> (n.id IS NOT NULL) OR (n.id IS NOT NULL AND n.content ->> 'replaces' <> r.serial)
        """,
    ):
        yield f"I16: receipt {serial} is {ended_as}, but the receipt in its place does not say so, or there is none."


def _receipts_equal_gifts(snapshot: Connection) -> Iterator[str]:
    for serial, said, on_gifts in rows(
        snapshot,
        """
        SELECT r.serial, (r.content ->> 'amount_cents')::bigint, coalesce(g.cents, 0)
        FROM receipt r LEFT JOIN (SELECT receipt_id, sum(cents) AS cents FROM receipt_gift GROUP BY 1) g ON g.receipt_id = r.id
        WHERE (r.content ->> 'amount_cents')::bigint IS DISTINCT FROM g.cents
           OR (r.content ->> 'eligible_cents')::bigint + (r.content ->> 'advantage_cents')::bigint
              IS DISTINCT FROM (r.content ->> 'amount_cents')::bigint
        """,
    ):
        yield f"I17: receipt {serial} says {said} cents, but its gifts sum to {on_gifts}, or its eligible amount and advantage to something else."
    for serial, name, receipted, kept in rows(
        snapshot,
        """
        SELECT r.serial, d.public_id, g.cents, coalesce(k.cents, 0)
        FROM receipt_gift g JOIN receipt r ON r.id = g.receipt_id JOIN donation d ON d.id = g.donation_id
        LEFT JOIN kept k ON k.donation_id = d.id
        WHERE g.is_current AND (g.cents <> coalesce(k.cents, 0) OR d.paid_at IS NULL)
          AND NOT EXISTS (SELECT FROM under_way u WHERE u.donation_id = d.id)
        """,
    ):
        yield f"I17: receipt {serial} stands for {receipted} cents of donation {name}, but the charity keeps {kept} of it, or it is not paid."


def _mail_goes_out_once(snapshot: Connection) -> Iterator[str]:
    for key, why in rows(
        snapshot,
        """
        SELECT o.key, v.why FROM outbox o JOIN (
            SELECT outbox_id, 'was handed over again after a server had taken it' AS why FROM hand_off h
            WHERE EXISTS (SELECT FROM hand_off a WHERE a.outbox_id = h.outbox_id AND a.id < h.id AND a.outcome = 'accepted')
            UNION SELECT outbox_id, 'was handed over with other bytes after one that may have arrived' FROM hand_off
            WHERE outcome IN ('accepted', 'unknown') GROUP BY 1 HAVING count(DISTINCT sha256) > 1
            UNION SELECT m.outbox_id, 'is done, but no server has taken it' FROM mail m JOIN outbox d ON d.id = m.outbox_id
            WHERE d.done_at IS NOT NULL AND NOT EXISTS (SELECT FROM hand_off h WHERE h.outbox_id = m.outbox_id AND h.outcome = 'accepted')
            UNION SELECT m.outbox_id, 'was written without a Message-ID' FROM mail m JOIN outbox d ON d.id = m.outbox_id
            WHERE d.message_id IS NULL) v ON v.outbox_id = o.id
        """,
    ):
        yield f"I18: the mail {key} {why}."
    for serial, count in rows(
        snapshot,
        """
        SELECT r.serial, count(*) FROM mail m JOIN outbox o ON o.id = m.outbox_id AND o.kind <> 'receipt_again'
        JOIN receipt r ON r.id = m.receipt_id GROUP BY 1 HAVING count(*) > 1
        """,
    ):
        yield f"I18: receipt {serial} goes with {count} mails that nobody asked for."


def _funders_are_receipted_for_what_they_paid(snapshot: Connection) -> Iterator[str]:
    for slug, paid, posted in rows(
        snapshot,
        """
        SELECT f.slug, coalesce(p.cents, 0), coalesce(e.cents, 0) FROM fund f
        LEFT JOIN (SELECT fund_id, sum(cents) AS cents FROM funder_payment GROUP BY 1) p ON p.fund_id = f.id
        LEFT JOIN (SELECT fund_id, sum(cents) AS cents FROM ledger_entry WHERE kind = 'receive' GROUP BY 1) e ON e.fund_id = f.id
        WHERE coalesce(p.cents, 0) <> coalesce(e.cents, 0) OR coalesce(p.cents, 0) > f.pledged_cents
        """,
    ):
        yield f"I17: fund {slug} received {paid} cents, but {posted} are in its books, or it is more than was pledged."
    for serial, receipted, paid in rows(
        snapshot,
        """
        SELECT r.serial, g.cents, p.cents FROM receipt_gift g JOIN receipt r ON r.id = g.receipt_id
        JOIN funder_payment p ON p.id = g.funder_payment_id JOIN fund f ON f.id = p.fund_id JOIN funder u ON u.id = f.funder_id
        WHERE g.is_current AND (g.cents <> p.cents OR u.is_registered_charity)
        """,
    ):
        yield f"I17: receipt {serial} of {receipted} cents is for a payment of {paid}, or for a registered charity."


CHECKS = (
    _one_receipt_a_gift,
    _receipts_count_up,
    _receipts_stay,
    _receipts_equal_gifts,
    _funders_are_receipted_for_what_they_paid,
    _mail_goes_out_once,
)
