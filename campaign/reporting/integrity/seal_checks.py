"""Checks of sealed campaigns for checker.py, with SQL of their own: two people sealed them, and nothing has moved since."""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.reporting.integrity.snapshot import rows


def _sealed_by_two_people(snapshot: Connection) -> Iterator[str]:
    for (slug,) in rows(
        snapshot,
        """
        SELECT c.slug FROM campaign c LEFT JOIN campaign_seal s ON s.campaign_id = c.id LEFT JOIN seal_request r ON r.id = s.request_id
        WHERE (c.sealed_at IS NOT NULL OR s.campaign_id IS NOT NULL) AND (
            r.campaign_id = c.id AND r.decision = 'agreed' AND lower(btrim(r.requested_by)) <> lower(btrim(r.decided_by))
            AND c.sealed_at = s.sealed_at AND c.closed_at <= c.sealed_at
            AND NOT EXISTS (SELECT FROM campaign_totals t WHERE t.campaign_id = c.id AND t.sealed_at IS DISTINCT FROM s.sealed_at)
            AND NOT EXISTS (SELECT FROM fund f WHERE f.campaign_id = c.id AND f.sealed_at IS DISTINCT FROM s.sealed_at)) IS NOT TRUE
        ORDER BY 1
        """,
    ):
        yield f"I22: the campaign {slug} is sealed, but not as two people agreed, or not all of it."


def _nothing_moved_since(snapshot: Connection) -> Iterator[str]:
    for slug, chain in rows(
        snapshot,
        """
        WITH sealed AS (SELECT s.campaign_id, h.key AS chain, (h.value ->> 'position')::bigint AS position, h.value ->> 'hash' AS hash
                        FROM campaign_seal s CROSS JOIN LATERAL jsonb_each(s.heads) h),
        ends AS (
            SELECT c.id AS campaign_id, 'campaign:' || c.id AS chain FROM campaign c JOIN campaign_seal s ON s.campaign_id = c.id
            UNION ALL SELECT f.campaign_id, k.kind || ':' || f.id FROM fund f CROSS JOIN (VALUES ('fund'), ('changes')) k (kind)
            WHERE f.campaign_id IN (SELECT campaign_id FROM campaign_seal)),
        last AS (
            SELECT n.campaign_id, n.chain, e.position, encode(e.hash, 'hex') AS hash FROM ends n
            CROSS JOIN LATERAL (SELECT position, hash FROM ledger_entry WHERE chain = n.chain ORDER BY position DESC LIMIT 1) e
            UNION ALL
            SELECT n.campaign_id, n.chain, e.position, encode(e.hash, 'hex') FROM ends n
            CROSS JOIN LATERAL (SELECT x.position, x.hash FROM fund_change x WHERE n.chain = 'changes:' || x.fund_id
                                ORDER BY x.position DESC LIMIT 1) e)
        SELECT c.slug, coalesce(s.chain, l.chain) FROM sealed s FULL JOIN last l USING (campaign_id, chain)
        JOIN campaign c ON c.id = campaign_id
        WHERE (s.position, s.hash) IS DISTINCT FROM (l.position, l.hash) ORDER BY 1, 2
        """,
    ):
        yield f"I22: the campaign {slug} is sealed, but its chain {chain} does not end where it did then."


CHECKS = (_sealed_by_two_people,)
# A part of the books does not have the ends of all chains.
CHECKS_OF_ALL = (_nothing_moved_since,)
