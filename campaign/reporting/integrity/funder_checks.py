"""Checks of funders' payments for checker.py, with SQL of their own: the books have each, and a receipt if one is due and only then."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from campaign.reporting.integrity.snapshot import rows

SUMS = (
    # What is left of each payment by the rows of its reversal and returns.
    """
    CREATE TEMPORARY TABLE payment_left ON COMMIT DROP AS
    SELECT p.id, p.fund_id, coalesce(t.cents, 0)::bigint AS returned_cents,
        CASE WHEN v.funder_payment_id IS NULL THEN p.cents - coalesce(t.cents, 0) ELSE 0 END::bigint AS left_cents
    FROM funder_payment p LEFT JOIN funder_payment_reversal v ON v.funder_payment_id = p.id
    LEFT JOIN (SELECT r.funder_payment_id, sum(r.cents) AS cents FROM funder_payment_return r
               WHERE NOT EXISTS (SELECT FROM undone_payment_return u WHERE u.return_id = r.id) GROUP BY 1) t ON t.funder_payment_id = p.id
    """,
)


def sum_up(snapshot: Connection) -> None:
    """Create the sums that the checks share."""
    for statement in SUMS:
        snapshot.execute(text(statement))


def _received_equals_entries(snapshot: Connection) -> Iterator[str]:
    for slug, paid, posted in rows(
        snapshot,
        """
        SELECT f.slug, coalesce(p.cents, 0), coalesce(e.cents, 0) FROM fund f
        LEFT JOIN (SELECT fund_id, sum(left_cents) AS cents FROM payment_left GROUP BY 1) p ON p.fund_id = f.id
        LEFT JOIN (SELECT fund_id, sum(CASE kind WHEN 'receive' THEN cents WHEN 'receive_reversal' THEN -cents END) AS cents
                   FROM move_sum GROUP BY 1) e ON e.fund_id = f.id
        WHERE coalesce(p.cents, 0) <> coalesce(e.cents, 0) OR coalesce(p.cents, 0) > f.pledged_cents
        """,
    ):
        yield f"I17: fund {slug} received {paid} cents, but {posted} are posted, or it is more than was pledged."


def _payments_are_recorded_once(snapshot: Connection) -> Iterator[str]:
    for slug, reference, count in rows(
        snapshot,
        """
        SELECT f.slug, p.reference, count(*) FROM funder_payment p JOIN fund f ON f.id = p.fund_id
        WHERE NOT EXISTS (SELECT FROM funder_payment_reversal v WHERE v.funder_payment_id = p.id) GROUP BY 1, 2 HAVING count(*) > 1
        """,
    ):
        yield f"I17: fund {slug} has {count} payments with the reference {reference}."


def _reversals_are_agreed_on(snapshot: Connection) -> Iterator[str]:
    """A payment was reversed as one request says that two people agreed on, and replaced by what it says is right."""
    for reference, slug in rows(
        snapshot,
        """
        SELECT p.reference, f.slug FROM funder_payment_reversal v JOIN funder_payment p ON p.id = v.funder_payment_id JOIN fund f ON f.id = p.fund_id
        LEFT JOIN funder_payment_request r ON r.id = v.request_id LEFT JOIN funder_payment n ON n.replaces_id = p.id
        WHERE (r.kind IN ('correct', 'reverse') AND r.funder_payment_id = p.id AND r.decision = 'agreed' AND r.requested_at <= r.decided_at
               AND lower(btrim(r.requested_by)) <> lower(btrim(r.decided_by)) AND (r.kind = 'correct') = (n.id IS NOT NULL)
               AND (n.id IS NULL OR (n.fund_id, n.cents, n.received_on, n.reference, n.recorded_by, n.livemode)
                    = (p.fund_id, r.cents, r.received_on, r.reference, r.requested_by, p.livemode))) IS NOT TRUE
        UNION
        SELECT p.reference, f.slug FROM funder_payment n JOIN funder_payment p ON p.id = n.replaces_id JOIN fund f ON f.id = p.fund_id
        WHERE NOT EXISTS (SELECT FROM funder_payment_reversal v WHERE v.funder_payment_id = p.id)
        UNION
        SELECT p.reference, f.slug FROM funder_payment_request r JOIN funder_payment p ON p.id = r.funder_payment_id JOIN fund f ON f.id = p.fund_id
        WHERE r.decision = 'agreed' AND NOT EXISTS (SELECT FROM funder_payment_reversal v WHERE v.request_id = r.id)
          AND NOT EXISTS (SELECT FROM funder_payment_return t WHERE t.request_id = r.id)
          AND NOT EXISTS (SELECT FROM undone_payment_return u WHERE u.request_id = r.id)
        ORDER BY 1, 2
        """,
    ):
        yield f"I17: the payment {reference} of fund {slug} was changed otherwise than two people agreed."


def _returns_are_agreed_on(snapshot: Connection) -> Iterator[str]:
    """Money went back as one request says that two people agreed on, was recorded not to have as another says, and never more than came."""
    for reference, slug in rows(
        snapshot,
        """
        SELECT p.reference, f.slug FROM funder_payment_return t JOIN funder_payment p ON p.id = t.funder_payment_id JOIN fund f ON f.id = p.fund_id
        LEFT JOIN funder_payment_request r ON r.id = t.request_id
        WHERE (r.kind = 'return' AND r.decision = 'agreed' AND r.requested_at <= r.decided_at
               AND lower(btrim(r.requested_by)) <> lower(btrim(r.decided_by)) AND t.returned_on >= p.received_on
               AND (r.funder_payment_id, r.cents, r.returned_on, r.reference) = (p.id, t.cents, t.returned_on, t.reference)) IS NOT TRUE
        UNION
        SELECT p.reference, f.slug FROM undone_payment_return u JOIN funder_payment_return t ON t.id = u.return_id
        JOIN funder_payment p ON p.id = t.funder_payment_id JOIN fund f ON f.id = p.fund_id LEFT JOIN funder_payment_request r ON r.id = u.request_id
        WHERE (r.kind = 'undo_return' AND r.decision = 'agreed' AND r.requested_at <= r.decided_at
               AND lower(btrim(r.requested_by)) <> lower(btrim(r.decided_by)) AND (r.funder_payment_id, r.undoes_id) = (p.id, t.request_id)) IS NOT TRUE
        UNION
        SELECT p.reference, f.slug FROM payment_left l JOIN funder_payment p ON p.id = l.id JOIN fund f ON f.id = p.fund_id
        WHERE l.returned_cents > p.cents
           OR (l.returned_cents > 0 AND EXISTS (SELECT FROM funder_payment_reversal v WHERE v.funder_payment_id = p.id))
        ORDER BY 1, 2
        """,
    ):
        yield f"I17: money of the payment {reference} of fund {slug} went back otherwise than two people agreed, or more than came."


def _receipts_are_of_payments(snapshot: Connection) -> Iterator[str]:
    """A valid receipt has what is left and the day of a payment that is not reversed, of a funder who is no registered charity.

    Once a funder is known to be one, its receipts are valid until a second person agrees to void them.
    """
    for serial, receipted, paid in rows(
        snapshot,
        """
        SELECT r.serial, g.cents, p.cents - l.returned_cents FROM receipt_line g JOIN receipt r ON r.id = g.receipt_id
        JOIN funder_payment p ON p.id = g.funder_payment_id JOIN payment_left l ON l.id = p.id JOIN fund f ON f.id = p.fund_id JOIN funder u ON u.id = f.funder_id
        WHERE g.is_current AND (g.cents <> p.cents - l.returned_cents OR u.is_registered_charity IS NULL OR r.content ->> 'received_on' <> p.received_on::text
            OR (u.is_registered_charity AND NOT EXISTS (SELECT FROM void_request v WHERE v.receipt_id = r.id AND v.decision IS NULL)))
        """,
    ):
        yield (
            f"I17: receipt {serial} of {receipted} cents is for a payment of {paid} or of another day, "
            "or for a funder who was not asked, or who is a registered charity while nobody asks to void it."
        )
    for serial, reference in rows(
        snapshot,
        """
        SELECT r.serial, p.reference FROM receipt_line g JOIN receipt r ON r.id = g.receipt_id JOIN funder_payment p ON p.id = g.funder_payment_id
        JOIN funder_payment_reversal v ON v.funder_payment_id = p.id WHERE g.is_current
        """,
    ):
        yield f"I17: receipt {serial} is valid, but its payment {reference} was reversed."


def _each_payment_has_its_receipt(snapshot: Connection) -> Iterator[str]:
    """A payment of a funder who is no registered charity has a receipt or waits for it, unless two people voided one.

    One that was voided because the funder was held to be a charity does not count.
    """
    for slug, reference in rows(
        snapshot,
        """
        WITH RECURSIVE voided AS (
            SELECT g.funder_payment_id AS id FROM receipt_line g JOIN receipt_end e ON e.receipt_id = g.receipt_id
            WHERE e.reason = 'void' AND g.funder_payment_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM void_request q WHERE q.receipt_id = e.receipt_id AND q.decision = 'agreed' AND q.of_charity_answer)
            UNION
            SELECT n.id FROM funder_payment n JOIN voided v ON v.id = n.replaces_id
            WHERE NOT EXISTS (SELECT FROM receipt_line g WHERE g.funder_payment_id = n.id))
        SELECT f.slug, p.reference FROM funder_payment p JOIN fund f ON f.id = p.fund_id JOIN funder u ON u.id = f.funder_id
        JOIN payment_left l ON l.id = p.id
        WHERE u.is_registered_charity IS NOT TRUE AND p.id NOT IN (SELECT id FROM voided) AND l.left_cents > 0
          AND NOT EXISTS (SELECT FROM receipt_line g WHERE g.funder_payment_id = p.id AND g.is_current)
          AND NOT EXISTS (SELECT FROM outbox o WHERE o.funder_payment_id = p.id AND o.done_at IS NULL AND o.dead_at IS NULL)
        ORDER BY 1, 2
        """,
    ):
        yield f"I14: the payment {reference} of fund {slug} has no receipt and none is pending."


def _returned_payments_are_reported(snapshot: Connection) -> Iterator[str]:
    """More than $50 of a payment that was returned after its receipt takes an information return, due 90 days after the day (CG-016).

    The receipt of a payment that it corrects counts as its own. A payment that was returned by its reversal, as before returns were rows of their
    own, has one return for all of it.
    """
    for slug, reference in rows(
        snapshot,
        """
        SELECT f.slug, p.reference FROM funder_payment_reversal v JOIN funder_payment_request q ON q.id = v.request_id
        JOIN funder_payment p ON p.id = v.funder_payment_id JOIN fund f ON f.id = p.fund_id
        LEFT JOIN information_return i ON i.funder_payment_id = p.id
            AND NOT EXISTS (SELECT FROM reported_reversal n WHERE n.information_return_id = i.id)
        WHERE (q.returned_on IS NOT NULL AND p.cents > 5000 AND EXISTS (SELECT FROM receipt_line g WHERE g.funder_payment_id = p.id))
              <> (i.id IS NOT NULL) OR i.returned_cents <> p.cents OR i.returned_on <> q.returned_on OR i.due_on <> q.returned_on + 90
           OR q.returned_on < p.received_on
        UNION
        SELECT f.slug, p.reference FROM payment_left l JOIN funder_payment p ON p.id = l.id JOIN fund f ON f.id = p.fund_id
        JOIN (WITH RECURSIVE corrected AS (
                SELECT id, replaces_id, id AS payment_id FROM funder_payment
                UNION ALL SELECT c.id, c.replaces_id, k.payment_id FROM corrected k JOIN funder_payment c ON c.id = k.replaces_id)
            SELECT k.payment_id, max(r.cents) AS cents FROM corrected k JOIN receipt_line r ON r.funder_payment_id = k.id GROUP BY 1) g
            ON g.payment_id = p.id
        CROSS JOIN LATERAL (SELECT coalesce(sum(n.cents), 0) AS cents FROM reported_reversal n
            JOIN funder_payment_return t ON t.id = n.funder_payment_return_id
            WHERE t.funder_payment_id = p.id AND n.information_return_id IS NOT NULL) n
        WHERE n.cents > l.returned_cents OR ((l.left_cents > 0 OR l.returned_cents > 0)
          AND least(g.cents, p.cents) - l.left_cents > 5000 AND n.cents < least(g.cents, p.cents) - l.left_cents)
        ORDER BY 1, 2
        """,
    ):
        yield f"I17: the payment {reference} of fund {slug} was returned, but its information return is missing or says otherwise."
    for number, reference, why in rows(
        snapshot,
        """
        SELECT i.id, p.reference, v.why FROM information_return i JOIN funder_payment p ON p.id = i.funder_payment_id
        CROSS JOIN LATERAL (SELECT sum(n.cents) AS cents, bool_or(t.funder_payment_id <> p.id) AS is_of_another,
                bool_or(n.returned_on <> t.returned_on) AS is_of_another_day, bool_or(t.returned_on = i.returned_on) AS has_its_day
            FROM reported_reversal n JOIN funder_payment_return t ON t.id = n.funder_payment_return_id WHERE n.information_return_id = i.id) n
        CROSS JOIN LATERAL (VALUES
            ('reports more than its returns', n.cents > i.returned_cents),
            ('reports a return of another payment or day', n.is_of_another OR n.is_of_another_day OR NOT n.has_its_day),
            ('is open although its money came back', i.closed_at IS NULL AND n.cents <= 0),
            ('is not due 90 days after the money was returned', i.due_on <> i.returned_on + 90),
            ('was filed before the money was returned', i.filed_on < i.returned_on)) v (why, is_so)
        WHERE v.is_so
        """,
    ):
        yield f"I17: the payment {reference} has information return {number}, which {why}."


def _each_payment_is_posted(snapshot: Connection) -> Iterator[str]:
    for slug, reference, what in rows(
        snapshot,
        """
        WITH due AS (
            SELECT fund_id, reference, cents, 'receive:' || id AS entry, 'received' AS what FROM funder_payment
            UNION ALL
            SELECT p.fund_id, p.reference, p.cents, 'receive_reversal:' || p.id, 'reversed'
            FROM funder_payment_reversal v JOIN funder_payment p ON p.id = v.funder_payment_id
            UNION ALL
            SELECT p.fund_id, p.reference, t.cents, 'receive_reversal:' || p.id || ':' || t.id, 'returned'
            FROM funder_payment_return t JOIN funder_payment p ON p.id = t.funder_payment_id
            UNION ALL
            SELECT p.fund_id, p.reference, t.cents, 'receive:' || p.id || ':' || t.id, 'not returned'
            FROM undone_payment_return u JOIN funder_payment_return t ON t.id = u.return_id JOIN funder_payment p ON p.id = t.funder_payment_id)
        SELECT f.slug, d.reference, d.what FROM due d JOIN fund f ON f.id = d.fund_id
        WHERE NOT EXISTS (SELECT FROM ledger_entry e WHERE e.reference = d.entry AND e.fund_id = d.fund_id AND e.cents = d.cents
                          AND e.kind = split_part(d.entry, ':', 1))
        UNION ALL
        SELECT f.slug, e.reference, 'posted' FROM ledger_entry e JOIN fund f ON f.id = e.fund_id
        WHERE e.kind IN ('receive', 'receive_reversal') AND NOT EXISTS (SELECT FROM due d WHERE d.entry = e.reference)
        """,
    ):
        yield f"I17: the payment {reference} of fund {slug} is {what} otherwise than its entries say."


def _parts_leave_something_to_the_lead(snapshot: Connection) -> Iterator[str]:
    """Contributors promise less than the pledge as the fund was activated, and the lead funder is none of them."""
    for slug, parts, pledged in rows(
        snapshot,
        """
        SELECT f.slug, sum(c.pledged_cents), coalesce(min(p.cents), 0) FROM fund f JOIN fund_contributor c ON c.fund_id = f.id
        LEFT JOIN (SELECT g.fund_id, sum(g.cents) AS cents FROM fund_change g
                   WHERE g.kind = 'pledged' AND NOT EXISTS (
                       SELECT FROM fund_change a WHERE a.fund_id = g.fund_id AND a.kind = 'activated' AND a.position < g.position)
                   GROUP BY 1) p ON p.fund_id = f.id
        GROUP BY f.id HAVING sum(c.pledged_cents) >= coalesce(min(p.cents), 0) OR min(c.pledged_cents) <= 0 OR bool_or(c.funder_id = f.funder_id)
        ORDER BY 1
        """,
    ):
        yield f"I17: the contributors of fund {slug} promise {parts} of {pledged} cents, or its lead funder is one of them."


CHECKS = (
    _parts_leave_something_to_the_lead,
    _received_equals_entries,
    _payments_are_recorded_once,
    _reversals_are_agreed_on,
    _returns_are_agreed_on,
    _receipts_are_of_payments,
)
# A part of the books has no entries, emails and ended receipts of earlier payments.
CHECKS_OF_ALL = (_each_payment_is_posted, _each_payment_has_its_receipt, _returned_payments_are_reported)
