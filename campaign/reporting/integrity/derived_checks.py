"""Checks for checker.py that what is stored for speed, or twice, is what entries and changes say: the queue, sums of donors, funds' moments."""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.reporting.integrity.snapshot import rows

# A rematch goes on every few seconds while there is anything to do.
STUCK_AFTER = "10 minutes"


def queue_is_complete(snapshot: Connection) -> Iterator[str]:
    """I7: every part of a paid donation that the terms of a fund could still match is in the queue, at its place."""
    for name, place, stored, due in rows(
        snapshot,
        """
        WITH due AS (
            SELECT DISTINCT p.donation_id, p.place, p.up_to, g.public_id
            FROM part p JOIN net_donation g ON g.id = p.donation_id AND g.is_matchable JOIN fund f ON f.campaign_id = g.campaign_id
            LEFT JOIN covered c ON c.donation_id = g.id LEFT JOIN fund_match own ON own.donation_id = g.id AND own.fund_id = f.id
            WHERE f.activated_at IS NOT NULL AND p.up_to >= coalesce(c.cents, 0) AND g.amount_cents >= f.minimum_cents
              AND (f.opens_at IS NULL OR g.authorized_at >= f.opens_at)
              AND (f.closes_at IS NULL OR g.authorized_at < f.closes_at) AND (f.ended_at IS NULL OR g.authorized_at < f.ended_at)
              AND least(f.per_donation_cents - coalesce(own.matched, 0), f.per_donor_cents - coalesce(own.matched, 0),
                    floor((p.up_to - coalesce(c.cents, 0) + ceil(coalesce(own.matched, 0) * f.ratio_denominator::numeric / f.ratio_numerator))
                          * f.ratio_numerator / f.ratio_denominator) - coalesce(own.matched, 0)) >= 1)
        SELECT public_id, place, NULL, up_to FROM due
        WHERE NOT EXISTS (SELECT FROM match_queue q WHERE q.donation_id = due.donation_id AND q.position = due.place)
        UNION ALL
        SELECT d.public_id, q.position, q.net_cents, p.up_to FROM match_queue q JOIN donation d ON d.id = q.donation_id
        LEFT JOIN part p ON p.donation_id = q.donation_id AND p.place = q.position
        WHERE q.net_cents IS DISTINCT FROM p.up_to OR q.campaign_id <> d.campaign_id
            OR NOT d.is_matchable OR (q.capped_donor_id IS NOT NULL AND q.capped_donor_id <> d.donor_id)
        """,
    ):
        yield f"I7: donation {name} has {stored} cents at place {place} of the queue, but {due} are due there."


def sums_of_donors_equal_entries(snapshot: Connection) -> Iterator[str]:
    """I2: no donor has a sum or a campaign without entries."""
    for slug, donor, cents in rows(
        snapshot,
        """
        SELECT f.slug, m.donor_id, m.cents FROM donor_match m JOIN fund f ON f.id = m.fund_id
        LEFT JOIN donor_sum o ON o.fund_id = m.fund_id AND o.donor_id = m.donor_id WHERE m.cents <> coalesce(o.cents, 0)
        """,
    ):
        yield f"I2: fund {slug} says {cents} cents for donor {donor}, but the entries say otherwise."
    for slug, donor in rows(
        snapshot,
        """
        WITH donated AS (SELECT DISTINCT g.campaign_id, g.donor_id FROM net_donation g WHERE g.has_given)
        SELECT c.slug, coalesce(s.donor_id, o.donor_id) FROM campaign_donor s
        FULL JOIN donated o ON o.campaign_id = s.campaign_id AND o.donor_id = s.donor_id
        JOIN campaign c ON c.id = coalesce(s.campaign_id, o.campaign_id) WHERE s.donor_id IS NULL OR o.donor_id IS NULL
        """,
    ):
        yield f"I2: campaign {slug} and its entries disagree on whether donor {donor} has given."


def funds_equal_their_changes(snapshot: Connection) -> Iterator[str]:
    """I22: a fund is active, paused or ended as its changes say."""
    for slug, what in rows(
        snapshot,
        """
        SELECT f.slug, v.what FROM fund f LEFT JOIN LATERAL (
            SELECT max(at) FILTER (WHERE kind = 'activated') AS activated, max(at) FILTER (WHERE kind = 'ended') AS ended,
                   (array_agg(CASE kind WHEN 'paused' THEN at END ORDER BY id DESC) FILTER (WHERE kind IN ('paused', 'resumed')))[1] AS paused,
                   coalesce(sum(cents) FILTER (WHERE kind = 'pledged'), 0) AS pledged
            FROM fund_change c WHERE c.fund_id = f.id) s ON true
        CROSS JOIN LATERAL (VALUES ('active', f.activated_at IS DISTINCT FROM s.activated), ('ended', f.ended_at IS DISTINCT FROM s.ended),
            ('paused', f.paused_at IS DISTINCT FROM s.paused), ('pledged', f.pledged_cents <> s.pledged)) v (what, differs)
        WHERE v.differs
        """,
    ):
        yield f"I22: fund {slug} is {what} otherwise than its changes say."


def pledges_are_raised_by_two_people(snapshot: Connection) -> Iterator[str]:
    """I22: the pledge of an active fund was raised as one agreed request says, by two people, unless that was before it took two."""
    for slug, position in rows(
        snapshot,
        """
        SELECT f.slug, c.position FROM fund f JOIN fund_change a ON a.fund_id = f.id AND a.kind = 'activated'
        JOIN fund_change c ON c.fund_id = f.id AND c.kind = 'pledged' AND c.position > a.position
        LEFT JOIN pledge_request r ON r.id = c.pledge_request_id
        WHERE (c.predates_requests AND NOT EXISTS (SELECT FROM fund_change e WHERE e.id < c.id AND NOT e.predates_requests)) IS NOT TRUE
          AND (r.fund_id = c.fund_id AND r.cents = c.cents AND r.decision = 'agreed' AND r.decided_by = c.actor AND r.requested_at <= r.decided_at
               AND lower(btrim(r.requested_by)) <> lower(btrim(r.decided_by))
               AND NOT EXISTS (SELECT FROM fund_change e WHERE e.pledge_request_id = r.id AND e.id <> c.id)) IS NOT TRUE
        ORDER BY 1, 2
        """,
    ):
        yield f"I22: change {position} of fund {slug} raises its pledge without the agreement of two people."


def open_donations_have_their_holds(snapshot: Connection) -> Iterator[str]:
    """I32: what is held for an open donation is within it, and was never released."""
    for name, covered, amount in rows(
        snapshot,
        """
        SELECT d.public_id, h.cents, d.amount_cents FROM donation d JOIN (
            SELECT g.donation_id, sum(ceil(g.held * f.ratio_denominator::numeric / f.ratio_numerator)) AS cents
            FROM fund_match g JOIN fund f ON f.id = g.fund_id GROUP BY 1) h ON h.donation_id = d.id
        WHERE d.received_at IS NULL AND h.cents > d.amount_cents
        """,
    ):
        yield f"I32: what is held for donation {name} covers {covered} cents, but it is {amount}."
    for (name,) in rows(
        snapshot,
        """
        SELECT DISTINCT d.public_id FROM donation d JOIN ledger_entry e ON e.donation_id = d.id AND e.kind = 'release'
        WHERE d.received_at IS NULL AND d.ended_at IS NULL AND d.quarantined_at IS NULL AND d.unverified_at IS NULL
        """,
    ):
        yield f"I32: donation {name} is open, but its hold was released."


def no_rematch_is_stuck(snapshot: Connection) -> Iterator[str]:
    """I5: a pending rematch goes on. While one is pending, nobody else is offered the money that it matches."""
    for slug, since in rows(
        snapshot,
        f"SELECT c.slug, p.started_at FROM pending_rematch p JOIN campaign c ON c.id = p.campaign_id "  # noqa: S608  # our own text
        f"WHERE p.started_at < now() - interval '{STUCK_AFTER}'",
    ):
        yield f"I5: the rematch of campaign {slug} has been pending since {since}."


def sums_of_days_equal_entries(snapshot: Connection) -> Iterator[str]:
    """I2: what is stored of the days that have ended is what was posted on them, in the time zone for which it was stored."""
    for slug, day, kind, stored, posted in rows(
        snapshot,
        """
        WITH posted AS (
            SELECT e.campaign_id, e.fund_id, (e.at AT TIME ZONE s.time_zone)::date AS day, e.kind, sum(e.cents) AS cents, count(*) AS entries,
                   sum(account_change('held', e.from_account, e.to_account, e.cents)) AS held
            FROM ledger_entry e JOIN summed_days s ON s.campaign_id = e.campaign_id
            WHERE (e.at AT TIME ZONE s.time_zone)::date <= s.until_on GROUP BY 1, 2, 3, 4),
        moved AS (
            SELECT fund_id, donation_id, campaign_id, at, kind, sum(account_change('matched', from_account, to_account, cents)) OVER w AS after,
                   account_change('matched', from_account, to_account, cents) AS change
            FROM ledger_entry WHERE kind IN ('match', 'unmatch') WINDOW w AS (PARTITION BY fund_id, donation_id ORDER BY position)),
        turned AS (
            SELECT m.campaign_id, m.fund_id, (m.at AT TIME ZONE s.time_zone)::date AS day, m.kind, count(*) AS donations
            FROM moved m JOIN summed_days s ON s.campaign_id = m.campaign_id WHERE (m.after = 0) <> (m.after - m.change = 0) GROUP BY 1, 2, 3, 4)
        SELECT c.slug, coalesce(d.day, p.day), coalesce(d.kind, p.kind), coalesce(d.cents, 0), coalesce(p.cents, 0)
        FROM ledger_day d FULL JOIN posted p ON p.campaign_id = d.campaign_id AND p.day = d.day AND p.kind = d.kind
            AND coalesce(p.fund_id, 0) = coalesce(d.fund_id, 0)
        LEFT JOIN turned t ON t.fund_id = d.fund_id AND t.day = d.day AND t.kind = d.kind
        JOIN campaign c ON c.id = coalesce(d.campaign_id, p.campaign_id)
        WHERE (d.cents, d.entries, d.held_cents, d.donations) IS DISTINCT FROM (p.cents, p.entries, p.held, coalesce(t.donations, 0)) ORDER BY 1, 2, 3
        """,
    ):
        yield f"I2: the day {day} of campaign {slug} has {stored} cents of {kind}, but {posted} were posted."


def reach_of_days_equals_entries(snapshot: Connection) -> Iterator[str]:
    """I2: on each stored day, the donors and gifts of a fund changed as its entries say, by whose donors are now."""
    for slug, day, stored, donors, stored_cents, cents in rows(
        snapshot,
        """
        WITH entry AS (
            SELECT m.fund_id, d.donor_id, d.id AS donation_id, e.id, (e.at AT TIME ZONE s.time_zone)::date AS day,
                   CASE WHEN e.fund_id = m.fund_id THEN account_change('matched', e.from_account, e.to_account, e.cents) ELSE 0 END AS matched,
                   CASE WHEN e.fund_id IS NULL THEN account_change('donations', e.to_account, e.from_account, e.cents) ELSE 0 END AS donated
            FROM summed_days s JOIN donation d ON d.campaign_id = s.campaign_id JOIN fund_match m ON m.donation_id = d.id
            JOIN ledger_entry e ON e.donation_id = d.id AND coalesce(e.fund_id, m.fund_id) = m.fund_id
            WHERE (e.at AT TIME ZONE s.time_zone)::date <= s.reach_until_on),
        gift AS (
            SELECT fund_id, donation_id, day, id, sum(matched) OVER w > 0 AS is_matched, sum(donated) OVER w AS net
            FROM entry WINDOW w AS (PARTITION BY fund_id, donation_id ORDER BY id)),
        gift_change AS (
            SELECT fund_id, day, CASE WHEN is_matched THEN net ELSE 0 END
                   - lag(CASE WHEN is_matched THEN net ELSE 0 END, 1, 0) OVER (PARTITION BY fund_id, donation_id ORDER BY id) AS cents, 0 AS donors
            FROM gift),
        person AS (
            SELECT fund_id, donor_id, day, id, (sum(matched) OVER w > 0)::int AS is_matched
            FROM entry WINDOW w AS (PARTITION BY fund_id, donor_id ORDER BY id)),
        person_change AS (
            SELECT fund_id, day, 0 AS cents, is_matched - lag(is_matched, 1, 0) OVER (PARTITION BY fund_id, donor_id ORDER BY id) AS donors
            FROM person),
        expected AS (
            SELECT fund_id, day, sum(cents) AS cents, sum(donors) AS donors
            FROM (SELECT * FROM gift_change UNION ALL SELECT * FROM person_change) c GROUP BY 1, 2),
        stored AS (
            SELECT fund_id, day, gift_cents - lag(gift_cents, 1, 0::bigint) OVER w AS cents, donors - lag(donors, 1, 0::bigint) OVER w AS donors
            FROM fund_reach WINDOW w AS (PARTITION BY fund_id ORDER BY day))
        SELECT f.slug, coalesce(r.day, x.day), coalesce(r.donors, 0), coalesce(x.donors, 0), coalesce(r.cents, 0), coalesce(x.cents, 0)
        FROM stored r FULL JOIN expected x ON x.fund_id = r.fund_id AND x.day = r.day JOIN fund f ON f.id = coalesce(r.fund_id, x.fund_id)
        WHERE (coalesce(r.donors, 0), coalesce(r.cents, 0)) <> (coalesce(x.donors, 0), coalesce(x.cents, 0)) ORDER BY 1, 2
        """,
    ):
        yield f"I2: the day {day} of fund {slug} has {stored} more donors with {stored_cents} cents, but entries say {donors} with {cents}."


CHECKS = (
    queue_is_complete,
    sums_of_donors_equal_entries,
    funds_equal_their_changes,
    pledges_are_raised_by_two_people,
    open_donations_have_their_holds,
    no_rematch_is_stuck,
)
# Entries are never changed, and a day is stored once: what was right of it stays so.
CHECKS_OF_ALL = (sums_of_days_equal_entries, reach_of_days_equals_entries)
