"""Checks of receipts and their emails for checker.py: I14 to I18, with SQL of their own and sums from the ledger entries."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from campaign.reporting.integrity.snapshot import rows

SUMS = (
    # What the charity retains of each paid donation by the entries alone, covered fee included.
    """
    CREATE TEMPORARY TABLE retained ON COMMIT DROP AS
    SELECT donation_id, sum(CASE WHEN kind IN ('donation', 'covered_fee', 'reinstatement', 'covered_fee_reinstatement') THEN cents
                                 WHEN kind IN ('refund', 'dispute', 'covered_fee_refund', 'offline_reversal') THEN -cents ELSE 0 END) AS cents
    FROM ledger_entry WHERE fund_id IS NULL AND donation_id IS NOT NULL GROUP BY 1
    """,
    # Donations with a pending message that will bring their receipts up to date, and those whose cancelled receipt it will replace too.
    """
    CREATE TEMPORARY TABLE receipt_pending ON COMMIT DROP AS
    WITH pending AS (
        SELECT DISTINCT donation_id FROM outbox WHERE kind IN ('receipt', 'receipt_copy', 'reversal') AND done_at IS NULL AND dead_at IS NULL)
    SELECT donation_id FROM pending
    UNION SELECT other.donation_id FROM pending p JOIN receipt_line l ON l.donation_id = p.donation_id
    JOIN receipt_end e ON e.receipt_id = l.receipt_id AND e.awaits_replacement JOIN receipt_line other ON other.receipt_id = e.receipt_id
    WHERE NOT EXISTS (SELECT FROM receipt n WHERE n.replaces_id = e.receipt_id)
    """,
    "ANALYZE retained, receipt_pending",
)


def sum_up(snapshot: Connection) -> None:
    """Create the sums that the checks share."""
    for statement in SUMS:
        snapshot.execute(text(statement))


def _one_receipt_a_donation(snapshot: Connection) -> Iterator[str]:
    for name, count in rows(
        snapshot,
        """
        SELECT d.public_id, count(*) FROM receipt_line g JOIN donation d ON d.id = g.donation_id
        LEFT JOIN receipt_end e ON e.receipt_id = g.receipt_id WHERE e.receipt_id IS NULL GROUP BY 1 HAVING count(*) > 1
        """,
    ):
        yield f"I14: donation {name} has {count} valid receipts at once."
    for (serial,) in rows(
        snapshot,
        """
        SELECT DISTINCT r.serial FROM receipt_line g JOIN receipt r ON r.id = g.receipt_id LEFT JOIN receipt_end e ON e.receipt_id = r.id
        WHERE g.is_current <> (e.receipt_id IS NULL)
        """,
    ):
        yield f"I14: receipt {serial} has ended but its lines are current, or the reverse."
    for name, cents in rows(
        snapshot,
        """
        SELECT d.public_id, k.cents FROM retained k JOIN donation d ON d.id = k.donation_id
        WHERE k.cents > 0 AND d.received_at IS NOT NULL AND NOT EXISTS (SELECT FROM receipt_pending u WHERE u.donation_id = d.id)
          AND NOT EXISTS (SELECT FROM receipt_line g WHERE g.donation_id = d.id AND g.is_current)
          AND NOT EXISTS (SELECT FROM receipt_line g JOIN receipt_end e ON e.receipt_id = g.receipt_id
                          WHERE g.donation_id = d.id AND e.reason = 'void')
          AND NOT EXISTS (SELECT FROM donor w JOIN campaign c ON c.id = d.campaign_id JOIN charity h ON h.id = c.charity_id
                          WHERE w.id = d.donor_id AND w.receipt_preference = 'annual'
                            AND now() < make_timestamptz(extract(year FROM d.received_at AT TIME ZONE h.time_zone)::int + 1, 3, 1, 0, 0, 0, h.time_zone))
        """,
    ):
        yield f"I14: donation {name}, of which the charity retains {cents} cents, has no receipt and none is pending."


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


def _serials_are_of_their_numbers(snapshot: Connection) -> Iterator[str]:
    for serial, number in rows(
        snapshot,
        """
        SELECT serial, number FROM receipt
        WHERE serial <> (CASE year WHEN 0 THEN '' ELSE year || '-' END) || lpad(number::text, greatest(6, length(number::text)), '0')
        """,
    ):
        yield f"I15: receipt {serial} is number {number} of its series, which its serial number does not match."


def _receipts_are_immutable(snapshot: Connection) -> Iterator[str]:
    """A receipt that is cancelled for what was returned may be replaced later, by one that says so, and so may a funder's."""
    for serial, ended_as in rows(
        snapshot,
        """
        SELECT r.serial, coalesce(e.ended_as, 'not ended') FROM receipt r LEFT JOIN receipt_end e ON e.receipt_id = r.id
        LEFT JOIN receipt n ON n.replaces_id = r.id
        WHERE (coalesce(e.ended_as = 'replaced', false) <> (n.id IS NOT NULL) AND NOT coalesce(e.awaits_replacement, false)
               AND NOT (e.ended_as = 'cancelled' AND EXISTS (
                   SELECT FROM receipt_line g WHERE g.receipt_id = r.id AND g.funder_payment_id IS NOT NULL)))
           OR (n.id IS NOT NULL AND (n.content ->> 'replaces' <> r.serial OR n.id < r.id))
        """,
    ):
        yield f"I16: receipt {serial} is {ended_as}, but the receipt that replaces it does not say so, or is missing."


def _receipts_equal_donations(snapshot: Connection) -> Iterator[str]:
    for serial, said, on_lines in rows(
        snapshot,
        """
        SELECT r.serial, (r.content ->> 'amount_cents')::bigint, coalesce(g.cents, 0)
        FROM receipt r LEFT JOIN (SELECT receipt_id, sum(cents) AS cents FROM receipt_line GROUP BY 1) g ON g.receipt_id = r.id
        WHERE (r.content ->> 'amount_cents')::bigint IS DISTINCT FROM g.cents
           OR (r.content ->> 'eligible_cents')::bigint + (r.content ->> 'advantage_cents')::bigint
              IS DISTINCT FROM (r.content ->> 'amount_cents')::bigint
        """,
    ):
        yield (
            f"I17: receipt {serial} says {said} cents, but its lines sum to {on_lines}, "
            "or its eligible amount and advantage to another amount."
        )
    for serial, name, receipted, retained in rows(
        snapshot,
        """
        SELECT r.serial, d.public_id, g.cents, coalesce(k.cents, 0)
        FROM receipt_line g JOIN receipt r ON r.id = g.receipt_id JOIN donation d ON d.id = g.donation_id
        LEFT JOIN retained k ON k.donation_id = d.id
        WHERE g.is_current AND (g.cents <> coalesce(k.cents, 0) OR d.received_at IS NULL)
          AND NOT EXISTS (SELECT FROM receipt_pending u WHERE u.donation_id = d.id)
        """,
    ):
        yield (
            f"I17: receipt {serial} is for {receipted} cents of donation {name}, "
            f"but the charity retains {retained} of it, or it is not paid."
        )


def _receipts_are_dated_when_received(snapshot: Connection) -> Iterator[str]:
    """I25: a receipt bears the day, or the year, on which the charity had the gift, in its time zone."""
    for serial, name, said, received in rows(
        snapshot,
        """
        SELECT r.serial, d.public_id, coalesce(r.content ->> 'received_on', r.content ->> 'received_in'), w.day
        FROM receipt_line g JOIN receipt r ON r.id = g.receipt_id JOIN donation d ON d.id = g.donation_id JOIN charity h ON h.id = r.charity_id
        CROSS JOIN LATERAL (SELECT (d.received_at AT TIME ZONE h.time_zone)::date AS day) w
        WHERE g.is_current AND (r.content ->> 'received_on' <> w.day::text OR r.content ->> 'received_in' <> extract(year FROM w.day)::text)
        """,
    ):
        yield f"I25: receipt {serial} says that donation {name} was received on {said}, but it was received on {received}."


def _organizations_are_declared(snapshot: Connection) -> Iterator[str]:
    """CRA, CPC-010: a receipt in the name of an organization has the donor's declaration, unless it is in the name of the one that it replaces."""
    for serial, name in rows(
        snapshot,
        """
        SELECT r.serial, d.public_id FROM receipt_line g JOIN receipt r ON r.id = g.receipt_id JOIN donation d ON d.id = g.donation_id
        LEFT JOIN receipt w ON w.id = r.replaces_id
        WHERE g.is_current AND NOT r.predates_declarations AND NOT d.in_own_name AND d.organization <> ''
          AND r.content ->> 'donor_name' = d.organization AND w.content ->> 'donor_name' IS DISTINCT FROM r.content ->> 'donor_name'
          AND NOT EXISTS (SELECT FROM receipt_declaration v WHERE v.name = d.organization AND v.donation_id = d.id)
          AND NOT EXISTS (SELECT FROM receipt_declaration v JOIN recurring_gift m ON m.donation_id = v.donation_id
                          WHERE v.name = d.organization AND m.id = d.recurring_gift_id)
        """,
    ):
        yield f"I14: receipt {serial} is in the name of an organization, but the donor of donation {name} has not declared that the money is its."


def _names_on_receipts_are_of_their_donors(snapshot: Connection) -> Iterator[str]:
    """CRA, CPC-010: a receipt names whoever's money it is, for each of its donations."""
    for serial, said, name, donor in rows(
        snapshot,
        """
        SELECT r.serial, r.content ->> 'donor_name', d.public_id, n.name FROM receipt_line g JOIN receipt r ON r.id = g.receipt_id
        JOIN donation d ON d.id = g.donation_id
        CROSS JOIN LATERAL (SELECT btrim(d.first_name || ' ' || d.last_name) AS person) p
        CROSS JOIN LATERAL (
            SELECT CASE WHEN d.organization = '' OR (d.in_own_name AND p.person <> '') THEN p.person ELSE d.organization END AS name) n
        WHERE g.is_current AND r.content ->> 'donor_name' <> n.name
        """,
    ):
        yield f"I14: receipt {serial} is in the name of {said!r}, but donation {name} on it bears the name {donor!r}."


def _returned_gifts_are_reported_once(snapshot: Connection) -> Iterator[str]:
    """policy.md, section 4: more than $50 returned after a receipt takes an information return; by the entries, and the most that was receipted.

    Of an offline gift that turned out not to be one, only what was given back before was returned to the donor.

    What waits to be handled is in a message about its reversal. A receipt that waits for something lets nothing else wait. Sums are joined, not
    computed for each donation: the tables of a part of the books have no indexes (scope.py).
    """
    for name, returned, reported, reversed_cents in rows(
        snapshot,
        """
        SELECT d.public_id, b.receipted - b.retained, b.reported, b.charged - b.retained FROM donation d
        JOIN (SELECT donation_id, max(cents) AS cents FROM receipt_line GROUP BY 1) f ON f.donation_id = d.id
        LEFT JOIN retained k ON k.donation_id = d.id
        LEFT JOIN (SELECT r.payment_intent, sum(p.cents) AS cents FROM reported_reversal p JOIN reversal r ON r.id = p.reversal_id
            WHERE p.information_return_id IS NOT NULL GROUP BY 1) i ON i.payment_intent = d.payment_intent
        LEFT JOIN (SELECT r.donation_id, sum(p.cents) AS cents FROM reported_reversal p JOIN offline_reversal r ON r.id = p.offline_reversal_id
            WHERE p.information_return_id IS NOT NULL GROUP BY 1) j ON j.donation_id = d.id
        LEFT JOIN offline_reversal n ON n.donation_id = d.id AND n.kind <> 'refunded'
        CROSS JOIN LATERAL (SELECT greatest(f.cents - coalesce(n.cents, 0), coalesce(k.cents, 0)) AS receipted, coalesce(k.cents, 0) AS retained,
            coalesce(i.cents, j.cents, 0) AS reported,
            d.amount_cents + d.covered_fee_cents AS charged) b
        WHERE ((b.receipted - b.retained > 5000 AND b.reported < b.receipted - b.retained) OR b.reported > b.charged - b.retained)
          AND NOT EXISTS (SELECT FROM outbox o WHERE o.donation_id = d.id AND o.kind = 'reversal' AND o.done_at IS NULL AND o.dead_at IS NULL)
        """,
    ):
        yield (
            f"I17: of donation {name}, {returned} cents were returned after its receipt and {reversed_cents} in all, "
            f"but information returns report {reported}."
        )
    for number, name, why in rows(
        snapshot,
        """
        SELECT i.id, d.public_id, v.why FROM information_return i JOIN donation d ON d.id = i.donation_id
        LEFT JOIN (SELECT p.information_return_id AS id, sum(p.cents) AS cents,
                bool_or(coalesce(r.payment_intent <> g.payment_intent, o.donation_id <> g.id, true)) AS is_of_another
            FROM reported_reversal p JOIN information_return t ON t.id = p.information_return_id JOIN donation g ON g.id = t.donation_id
            LEFT JOIN reversal r ON r.id = p.reversal_id LEFT JOIN offline_reversal o ON o.id = p.offline_reversal_id GROUP BY 1) n ON n.id = i.id
        CROSS JOIN LATERAL (VALUES
            ('reports more than its refunds and disputes', n.cents > i.returned_cents),
            ('reports a refund or dispute of another donation', n.is_of_another),
            ('is open although its money came back', i.closed_at IS NULL AND coalesce(n.cents, 0) <= 0),
            ('is not due 90 days after the money was returned', i.due_on <> i.returned_on + 90),
            ('was filed before the money was returned', i.filed_on < i.returned_on)) v (why, is_so)
        WHERE v.is_so AND NOT EXISTS (
            SELECT FROM outbox o WHERE o.donation_id = d.id AND o.kind = 'reversal' AND o.done_at IS NULL AND o.dead_at IS NULL)
        """,
    ):
        yield f"I17: information return {number} on donation {name} {why}."


def _emails_are_delivered_once(snapshot: Connection) -> Iterator[str]:
    for key, why in rows(
        snapshot,
        """
        SELECT o.key, v.why FROM outbox o JOIN (
            SELECT outbox_id, 'was sent again after a server had accepted it' AS why FROM delivery_attempt h
            WHERE EXISTS (SELECT FROM delivery_attempt a WHERE a.outbox_id = h.outbox_id AND a.id < h.id AND a.outcome = 'accepted')
            UNION SELECT outbox_id, 'was sent with different content after an attempt that may have been delivered' FROM delivery_attempt
            WHERE outcome IN ('accepted', 'unknown') GROUP BY 1 HAVING count(DISTINCT sha256) > 1
            UNION SELECT m.outbox_id, 'is done, but no server has accepted it' FROM frozen_email m JOIN outbox d ON d.id = m.outbox_id
            WHERE d.done_at IS NOT NULL AND m.recipient <> '' AND NOT EXISTS (SELECT FROM delivery_attempt h WHERE h.outbox_id = m.outbox_id AND h.outcome = 'accepted')
            UNION SELECT m.outbox_id, 'was created without a Message-ID' FROM frozen_email m JOIN outbox d ON d.id = m.outbox_id
            WHERE d.message_id IS NULL) v ON v.outbox_id = o.id
        """,
    ):
        yield f"I18: the email {key} {why}."
    for serial, count in rows(
        snapshot,
        """
        SELECT r.serial, count(*) FROM frozen_email m JOIN outbox o ON o.id = m.outbox_id AND o.kind <> 'receipt_copy'
        JOIN receipt r ON r.id = m.receipt_id GROUP BY 1 HAVING count(*) > 1
        """,
    ):
        yield f"I18: receipt {serial} is attached to {count} emails that nobody requested."


def _copies_equal_their_gifts(snapshot: Connection) -> Iterator[str]:
    """The lines of the copy of a filed return, each cent once: 4490 is a question, and line 4500 contains 4571."""
    for form, last_on, said, counted in rows(
        snapshot,
        """
        SELECT r.form, r.last_on, l.cents, g.cents FROM filed_return r
        CROSS JOIN LATERAL (SELECT coalesce(sum(value::bigint), 0) AS cents FROM jsonb_each_text(r.lines) WHERE key NOT IN ('4490', '4571')) l
        CROSS JOIN LATERAL (SELECT coalesce(sum(cents), 0) AS cents FROM filed_gift WHERE filed_return_id = r.id AND gift_group <> 'returned') g
        WHERE l.cents <> g.cents
        """,
    ):
        yield f"I17: the copy of {form} for the year to {last_on} has lines of {said} cents, but its gifts sum to {counted}."


CHECKS = (
    _one_receipt_a_donation,
    _serials_are_of_their_numbers,
    _receipts_are_immutable,
    _receipts_equal_donations,
    _receipts_are_dated_when_received,
    _organizations_are_declared,
    _names_on_receipts_are_of_their_donors,
    _returned_gifts_are_reported_once,
    _copies_equal_their_gifts,
    _emails_are_delivered_once,
)
CHECKS_OF_ALL = (_receipts_count_up,)
