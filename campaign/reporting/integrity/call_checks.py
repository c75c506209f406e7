"""Checks of calls for funds for checker.py, with SQL of their own: numbers have no gap, entries say the same, and what is called was matched."""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.reporting.integrity.snapshot import rows


def _called_equals_entries(snapshot: Connection) -> Iterator[str]:
    for slug, called, posted in rows(
        snapshot,
        """
        SELECT f.slug, coalesce(c.cents, 0), coalesce(e.cents, 0) FROM fund f
        LEFT JOIN (SELECT k.fund_id, sum(CASE WHEN k.kind = 'credit_note' THEN -k.cents WHEN x.call_id IS NULL THEN k.cents ELSE 0 END) AS cents
                   FROM fund_call k LEFT JOIN call_cancellation x ON x.call_id = k.id GROUP BY 1) c ON c.fund_id = f.id
        LEFT JOIN (SELECT fund_id, sum(CASE kind WHEN 'call' THEN cents WHEN 'call_reversal' THEN -cents END) AS cents
                   FROM move_sum GROUP BY 1) e ON e.fund_id = f.id
        WHERE coalesce(c.cents, 0) <> coalesce(e.cents, 0) OR coalesce(c.cents, 0) NOT BETWEEN 0 AND f.pledged_cents
        """,
    ):
        yield f"I17: {called} cents of fund {slug} are called, but {posted} are posted, or it is more than was pledged."


def _numbers_have_no_gap(snapshot: Connection) -> Iterator[str]:
    for charity, last, numbers in rows(
        snapshot,
        """
        SELECT h.legal_name, coalesce(s.last_number, 0), count(c.id) FROM charity h
        LEFT JOIN call_series s ON s.charity_id = h.id LEFT JOIN fund_call c ON c.charity_id = h.id
        GROUP BY h.id, s.last_number HAVING coalesce(s.last_number, 0) <> count(c.id) OR coalesce(max(c.number), 0) <> count(c.id)
        """,
    ):
        yield f"I17: the calls of {charity} are numbered up to {last}, but there are {numbers} of them."


def _calls_are_of_their_funds(snapshot: Connection) -> Iterator[str]:
    """A call is of its fund's charity, says what it asks for, and has the document with its hash."""
    for number, slug, why in rows(
        snapshot,
        """
        SELECT c.number, f.slug, v.why FROM fund_call c JOIN fund f ON f.id = c.fund_id JOIN campaign p ON p.id = f.campaign_id
        LEFT JOIN call_document d ON d.call_id = c.id LEFT JOIN call_cancellation x ON x.call_id = c.id
        CROSS JOIN LATERAL (VALUES
            ('is of another charity', c.charity_id <> p.charity_id),
            ('says another sum', (c.content ->> 'cents')::bigint IS DISTINCT FROM c.cents OR c.content ->> 'kind' IS DISTINCT FROM c.kind),
            ('has lines that do not add up', c.cents IS DISTINCT FROM (SELECT sum((l ->> 1)::bigint) FROM jsonb_array_elements(c.content -> 'lines') l)),
            ('has a document that was changed', d.sha256 <> sha256(d.pdf)),
            ('is a credit note that was cancelled', c.kind = 'credit_note' AND x.call_id IS NOT NULL)) v (why, is_so)
        WHERE v.is_so ORDER BY 1
        """,
    ):
        yield f"I17: the call {number} of fund {slug} {why}."


def _called_was_matched(snapshot: Connection) -> Iterator[str]:
    """At the moment of each call, what was called was matched, or pledged where what is left of an ended fund is given all the same.

    The balances are those of the chain's entries before the call's own.
    """
    for reference, slug, called, matched in rows(
        snapshot,
        """
        WITH of_funds AS (
            SELECT e.fund_id, e.reference, e.kind, e.at,
                   sum(CASE e.kind WHEN 'call' THEN e.cents WHEN 'call_reversal' THEN -e.cents ELSE 0 END) OVER w AS called,
                   sum(CASE 'matched' WHEN e.to_account THEN e.cents WHEN e.from_account THEN -e.cents ELSE 0 END) OVER w AS matched,
                   sum(CASE 'outside' WHEN e.from_account THEN e.cents ELSE 0 END) OVER w AS pledged
            FROM ledger_entry e WHERE e.fund_id IN (SELECT fund_id FROM fund_call) WINDOW w AS (PARTITION BY e.fund_id ORDER BY e.position))
        SELECT o.reference, f.slug, o.called, o.matched FROM of_funds o JOIN fund f ON f.id = o.fund_id
        WHERE (o.kind = 'call' AND o.called > CASE WHEN f.leftover = 'given' AND least(f.ended_at, f.closes_at) <= o.at THEN o.pledged ELSE o.matched END)
           OR (o.kind = 'call_reversal' AND o.called < 0)
        ORDER BY 1
        """,
    ):
        yield f"I17: with {reference} {called} cents of fund {slug} are called, of which {matched} were matched then."


def _each_call_is_posted(snapshot: Connection) -> Iterator[str]:
    for slug, reference in rows(
        snapshot,
        """
        WITH due AS (
            SELECT fund_id, cents, 'call:' || id AS entry FROM fund_call WHERE kind = 'call'
            UNION ALL
            SELECT c.fund_id, c.cents, 'call_reversal:' || c.id FROM fund_call c
            WHERE c.kind = 'credit_note' OR EXISTS (SELECT FROM call_cancellation x WHERE x.call_id = c.id))
        SELECT f.slug, d.entry FROM due d JOIN fund f ON f.id = d.fund_id
        WHERE NOT EXISTS (SELECT FROM ledger_entry e WHERE e.reference = d.entry AND e.fund_id = d.fund_id AND e.cents = d.cents
                          AND e.kind = split_part(d.entry, ':', 1))
        UNION ALL
        SELECT f.slug, e.reference FROM ledger_entry e JOIN fund f ON f.id = e.fund_id
        WHERE e.kind IN ('call', 'call_reversal') AND NOT EXISTS (SELECT FROM due d WHERE d.entry = e.reference)
        ORDER BY 2
        """,
    ):
        yield f"I17: {reference} of fund {slug} is posted otherwise than its call says."


def _cancelled_calls_were_unpaid(snapshot: Connection) -> Iterator[str]:
    """To a cancelled call nothing was applied when it was cancelled: what was received and credited is applied to the oldest calls first."""
    for number, slug in rows(
        snapshot,
        """
        SELECT c.number, f.slug FROM call_cancellation x JOIN fund_call c ON c.id = x.call_id JOIN fund f ON f.id = c.fund_id
        JOIN ledger_entry own ON own.reference = 'call_reversal:' || c.id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(CASE e.kind WHEN 'receive' THEN e.cents WHEN 'receive_reversal' THEN -e.cents
                                            WHEN 'call_reversal' THEN CASE n.kind WHEN 'credit_note' THEN e.cents ELSE 0 END END), 0) AS cents
            FROM ledger_entry e LEFT JOIN fund_call n ON e.reference = 'call_reversal:' || n.id
            WHERE e.fund_id = c.fund_id AND e.position < own.position AND e.kind IN ('receive', 'receive_reversal', 'call_reversal')) s
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(o.cents), 0) AS cents FROM fund_call o LEFT JOIN ledger_entry r ON r.reference = 'call_reversal:' || o.id
            WHERE o.fund_id = c.fund_id AND o.kind = 'call' AND o.number < c.number AND (r.id IS NULL OR r.position > own.position)) earlier
        WHERE s.cents > earlier.cents ORDER BY 1
        """,
    ):
        yield f"I17: the call {number} of fund {slug} was cancelled although part of it was paid."


CHECKS = (_called_equals_entries, _numbers_have_no_gap)
# A part of the books has no entries of earlier calls, and these read all of a fund's.
CHECKS_OF_ALL = (_calls_are_of_their_funds, _called_was_matched, _each_call_is_posted, _cancelled_calls_were_unpaid)
