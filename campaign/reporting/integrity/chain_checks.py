"""Checks for checker.py that the hash chains of entries and of changes of funds verify, and end where they were published to end."""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.reporting.integrity.snapshot import rows


def chains_verify(snapshot: Connection) -> Iterator[str]:
    """I20: each entry has its place, its digest covers its fields, and its hash the hash before it."""
    for chain, position in rows(
        snapshot,
        """
        SELECT chain, min(position) FROM (
            SELECT e.chain, e.position, e.hash, digest, coalesce(s.position, 0) + row_number() OVER w AS expected,
                   sha256(convert_to(concat_ws('|', e.chain, e.position, kind, from_account, to_account, cents, coalesce(d.public_id, ''),
                          reference, cause, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')), 'UTF8')) AS of_text,
                   coalesce(lag(e.hash) OVER w, s.hash, '') AS before
            FROM new_entry e LEFT JOIN chain_start s USING (chain) LEFT JOIN donation d ON d.id = donation_id
            WINDOW w AS (PARTITION BY e.chain ORDER BY e.position)) e
        WHERE digest <> of_text OR hash <> sha256(before || of_text) OR position <> expected GROUP BY chain
        """,
    ):
        yield f"I20: the hash chain {chain} breaks at entry {position}."
    for chain, recorded, last in rows(
        snapshot,
        """
        SELECT h.chain, h.entries, coalesce(l.position, s.position) FROM (
            SELECT 'fund:' || id AS chain, chain_entries AS entries, chain_hash AS hash FROM fund
            UNION ALL SELECT 'campaign:' || campaign_id, chain_entries, chain_hash FROM campaign_totals) h
        JOIN chain_start s USING (chain)
        LEFT JOIN LATERAL (SELECT position, hash FROM new_entry e WHERE e.chain = h.chain ORDER BY position DESC LIMIT 1) l ON true
        WHERE coalesce(l.position, s.position) <> h.entries OR coalesce(l.hash, s.hash) <> h.hash
        """,
    ):
        yield f"I20: the hash chain {chain} should end at entry {recorded}, but ends at {last}, or with another hash."


def heads_are_as_published(snapshot: Connection) -> Iterator[str]:
    """A chain that was written anew has another hash where its head was published."""
    for chain, position in rows(
        snapshot,
        """
        SELECT h.chain, min(h.position) FROM published_head h LEFT JOIN chain_start s ON s.chain = h.chain
        LEFT JOIN new_entry e ON e.chain = h.chain AND e.position = h.position
        LEFT JOIN fund_change c ON 'changes:' || c.fund_id = h.chain AND c.position = h.position
        WHERE h.chain NOT IN ('audit', 'events') AND h.position > coalesce(s.position, 0) AND h.hash IS DISTINCT FROM coalesce(e.hash, c.hash) GROUP BY 1
        """,
    ):
        yield f"I20: the hash chain {chain} is not the one whose head at {position} was published."


def logs_are_as_published(snapshot: Connection) -> Iterator[str]:
    """I20: what was done, and what Stripe sent, is what it was when the head after it was published."""
    for log, after, position in rows(
        snapshot,
        """
        WITH head AS (
            SELECT chain, position, hash, lag(position, 1, 0::bigint) OVER w AS after, lag(hash, 1, ''::bytea) OVER w AS before
            FROM published_head WHERE chain IN ('audit', 'events') WINDOW w AS (PARTITION BY chain ORDER BY position)), logged AS (
            SELECT h.*, concat_ws('|', a.id, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), a.actor, a.action, a.subject,
                                  a.detail::text) AS line, a.id
            FROM head h LEFT JOIN audit_entry a ON a.id > h.after AND a.id <= h.position WHERE h.chain = 'audit'
            UNION ALL
            SELECT h.*, concat_ws('|', s.id, s.event_id, s.type, s.subject, s.livemode, s.source, encode(coalesce(s.body_sha256, sha256(s.body)), 'hex')), s.id
            FROM head h LEFT JOIN stripe_event s ON s.id > h.after AND s.id <= h.position WHERE h.chain = 'events')
        SELECT chain, after, position FROM logged GROUP BY chain, position, hash, after, before
        HAVING hash <> sha256(before || sha256(convert_to(coalesce(string_agg(line, chr(10) ORDER BY id), ''), 'UTF8'))) ORDER BY 1, 3
        """,
    ):
        yield f"I20: records of the log {log} between {after} and {position} are not those that were published."


def changes_verify(snapshot: Connection) -> Iterator[str]:
    """The changes of each fund are a chain, and the terms in the last of them are those of the fund."""
    for slug, position in rows(
        snapshot,
        """
        SELECT f.slug, min(e.position) FROM (
            SELECT fund_id, position, hash, row_number() OVER w AS expected, sha256(coalesce(lag(hash) OVER w, '') || sha256(convert_to(text, 'UTF8')))
                AS of_text, text, split_part(text, '|', 1) AS chain, split_part(text, '|', 2) AS place, split_part(text, '|', 3) AS said,
                split_part(text, '|', 4) AS said_cents, split_part(text, '|', 5) AS said_by, split_part(text, '|', 6) AS said_at,
                kind, cents, actor, reason, pledge_request_id, at
            FROM fund_change WINDOW w AS (PARTITION BY fund_id ORDER BY position)) e JOIN fund f ON f.id = e.fund_id
        WHERE e.position <> expected OR hash <> of_text OR chain <> 'changes:' || fund_id OR place <> e.position::text OR said <> kind
            OR said_cents <> coalesce(cents::text, '') OR said_by <> encode(sha256(convert_to(concat_ws(chr(31), actor, reason, pledge_request_id), 'UTF8')), 'hex')
            OR said_at <> to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        GROUP BY 1
        """,
    ):
        yield f"I20: the chain of the changes of fund {slug} breaks at {position}."
    for slug, recorded, terms in rows(
        snapshot,
        """
        SELECT slug, said, terms FROM (
            SELECT f.slug, substring(c.text FROM '^(?:[^|]*[|]){6}(.*)$') AS said, concat_ws('|', f.slug, p.slug, p.currency,
                f.ratio_numerator || '/' || f.ratio_denominator, f.minimum_cents, coalesce(f.per_donation_cents::text, ''),
                coalesce(f.per_donor_cents::text, ''), coalesce(to_char(f.opens_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ''),
                coalesce(to_char(f.closes_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '')) AS terms
            FROM fund f JOIN campaign p ON p.id = f.campaign_id
            JOIN fund_change c ON c.fund_id = f.id AND c.kind = 'activated') t
        WHERE said <> terms
        """,
    ):
        yield f"I20: fund {slug} was activated with the terms {recorded}, but says {terms}."


CHECKS = (chains_verify, changes_verify, heads_are_as_published)
CHECKS_OF_ALL = (logs_are_as_published,)
