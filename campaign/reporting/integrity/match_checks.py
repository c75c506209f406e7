"""Checks of matching for checker.py: I1 to I7 and I32, with SQL of their own and sums from the ledger entries alone."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from campaign.reporting.integrity.snapshot import rows

# `net_donation`: paid donations with their net cents, and whether they turned out to be gifts. `part`: what of a payment or a reinstatement is still there, at its place in the order
# of settlement, with the donation's cents `up_to` it: what came last went back first. `fund_match`: what each fund matches and holds.
# `covered`: the cents of each donation that its match covers. `donor_sum`: what a fund with a donor cap matches and holds for each donor.
SUMS = (
    """
    CREATE TEMPORARY TABLE net_donation ON COMMIT DROP AS
    SELECT d.id, d.public_id, d.campaign_id, d.donor_id, d.amount_cents, d.authorized_at, d.is_matchable, s.has_given, s.net
    FROM (SELECT donation_id,
                 sum(CASE WHEN kind IN ('donation', 'reinstatement') THEN cents
                          WHEN kind IN ('refund', 'dispute', 'offline_reversal') THEN -cents ELSE 0 END) AS net,
                 NOT bool_or(kind = 'offline_reversal') AS has_given
          FROM ledger_entry WHERE fund_id IS NULL AND donation_id IS NOT NULL GROUP BY 1) s
    JOIN donation d ON d.id = s.donation_id
    """,
    # A later refund reaches a part only after all that came after it: a part is there up to the lowest sum that was left later.
    """
    CREATE TEMPORARY TABLE part ON COMMIT DROP AS
    WITH balance AS (
        SELECT donation_id, id, kind, cents, sum(CASE WHEN kind IN ('donation', 'reinstatement') THEN cents ELSE -cents END) OVER w AS left_after
        FROM ledger_entry WHERE kind IN ('donation', 'reinstatement', 'refund', 'dispute', 'offline_reversal') WINDOW w AS (PARTITION BY donation_id ORDER BY id)),
    lowest AS (
        SELECT *, min(left_after) OVER (PARTITION BY donation_id ORDER BY id DESC) AS left_at_last FROM balance)
    SELECT donation_id, id AS place, left_at_last AS up_to FROM lowest
    WHERE kind IN ('donation', 'reinstatement') AND left_at_last > left_after - cents
    """,
    """
    CREATE TEMPORARY TABLE fund_match ON COMMIT DROP AS
    SELECT donation_id, fund_id,
           sum(CASE WHEN kind = 'match' THEN cents WHEN kind = 'unmatch' THEN -cents ELSE 0 END) AS matched,
           sum(CASE WHEN kind = 'hold' THEN cents WHEN kind = 'release' THEN -cents
                    WHEN kind = 'match' AND from_account = 'held' THEN -cents ELSE 0 END) AS held
    FROM ledger_entry WHERE fund_id IS NOT NULL AND donation_id IS NOT NULL GROUP BY 1, 2
    """,
    """
    CREATE TEMPORARY TABLE covered ON COMMIT DROP AS
    SELECT g.donation_id, sum(ceil(g.matched * f.ratio_denominator::numeric / f.ratio_numerator)) AS cents
    FROM fund_match g JOIN fund f ON f.id = g.fund_id GROUP BY 1
    """,
    """
    CREATE TEMPORARY TABLE donor_sum ON COMMIT DROP AS
    SELECT g.fund_id, d.donor_id, sum(g.held + g.matched) AS cents FROM fund_match g
    JOIN donation d ON d.id = g.donation_id JOIN fund f ON f.id = g.fund_id AND f.per_donor_cents IS NOT NULL GROUP BY 1, 2
    """,
    "ANALYZE net_donation, part, fund_match, covered, donor_sum",
    # Parts of donations that a fund could still match if it has money: those within its window and caps, by `capacity` cents.
    """
    CREATE TEMPORARY TABLE matchable ON COMMIT DROP AS
    SELECT * FROM (SELECT f.id AS fund_id, f.slug, f.pledged_cents - f.held_cents - f.matched_cents AS available, g.public_id, p.place,
           least(f.per_donation_cents - coalesce(own.matched, 0), f.per_donor_cents - coalesce(o.cents, 0),
                 floor((p.up_to - coalesce(c.cents, 0) + ceil(coalesce(own.matched, 0) * f.ratio_denominator::numeric / f.ratio_numerator))
                       * f.ratio_numerator / f.ratio_denominator) - coalesce(own.matched, 0)) AS capacity
    FROM fund f JOIN net_donation g ON g.campaign_id = f.campaign_id AND g.is_matchable JOIN part p ON p.donation_id = g.id
    LEFT JOIN covered c ON c.donation_id = g.id
    LEFT JOIN fund_match own ON own.donation_id = g.id AND own.fund_id = f.id
    LEFT JOIN donor_sum o ON o.fund_id = f.id AND o.donor_id = g.donor_id
    WHERE f.activated_at IS NOT NULL AND f.paused_at IS NULL AND NOT EXISTS (SELECT FROM pending_rematch h WHERE h.campaign_id = f.campaign_id)
      AND p.up_to >= coalesce(c.cents, 0) AND g.amount_cents >= f.minimum_cents
      AND (f.opens_at IS NULL OR g.authorized_at >= f.opens_at)
      AND (f.closes_at IS NULL OR g.authorized_at < f.closes_at) AND (f.ended_at IS NULL OR g.authorized_at < f.ended_at)) w
    WHERE capacity >= 1
    """,
)


def sum_up(snapshot: Connection) -> None:
    """Create the sums that the checks share."""
    for statement in SUMS:
        snapshot.execute(text(statement))


def funds_within_pledge(snapshot: Connection) -> Iterator[str]:
    """I1: held and matched cents are within the pledge."""
    for slug, pledged, held, matched in rows(
        snapshot,
        "SELECT slug, pledged_cents, held_cents, matched_cents FROM fund "
        "WHERE held_cents < 0 OR matched_cents < 0 OR held_cents + matched_cents > pledged_cents",
    ):
        yield f"I1: fund {slug} has {held} cents held and {matched} matched of {pledged} pledged."


def funds_equal_entries(snapshot: Connection) -> Iterator[str]:
    """I2: the balances of funds, donations and donors equal the sums of their entries."""
    for slug, what, stored, summed in rows(
        snapshot,
        """
        SELECT f.slug, v.what, v.stored, v.summed FROM fund f
        LEFT JOIN (SELECT fund_id,
            coalesce(sum(CASE WHEN kind = 'pledge' THEN cents END), 0) AS pledged,
            coalesce(sum(CASE WHEN kind = 'hold' THEN cents WHEN kind = 'release' THEN -cents
                              WHEN kind = 'match' AND from_account = 'held' THEN -cents END), 0) AS held,
            coalesce(sum(CASE WHEN kind = 'match' THEN cents WHEN kind = 'unmatch' THEN -cents END), 0) AS matched
            FROM move_sum WHERE fund_id IS NOT NULL GROUP BY 1) s ON s.fund_id = f.id
        CROSS JOIN LATERAL (VALUES ('pledged', f.pledged_cents, coalesce(s.pledged, 0)), ('held', f.held_cents, coalesce(s.held, 0)),
                                   ('matched', f.matched_cents, coalesce(s.matched, 0))) v (what, stored, summed)
        WHERE v.stored <> v.summed
        """,
    ):
        yield f"I2: fund {slug} says {stored} cents {what}, but its entries sum to {summed}."
    for name, slug, held, matched, held_sum, matched_sum in rows(
        snapshot,
        """
        SELECT d.public_id, f.slug, coalesce(m.held_cents, 0), coalesce(m.matched_cents, 0), coalesce(g.held, 0), coalesce(g.matched, 0)
        FROM donation_match m FULL JOIN fund_match g ON g.donation_id = m.donation_id AND g.fund_id = m.fund_id
        JOIN donation d ON d.id = coalesce(m.donation_id, g.donation_id) JOIN fund f ON f.id = coalesce(m.fund_id, g.fund_id)
        WHERE (coalesce(m.held_cents, 0), coalesce(m.matched_cents, 0)) <> (coalesce(g.held, 0), coalesce(g.matched, 0))
        """,
    ):
        yield (
            f"I2: donation {name} says {held} cents held and {matched} matched of fund {slug}, "
            f"but its entries sum to {held_sum} and {matched_sum}."
        )
    for slug, donor, stored, summed in rows(
        snapshot,
        """
        SELECT f.slug, o.donor_id, coalesce(m.cents, 0), o.cents FROM donor_sum o JOIN fund f ON f.id = o.fund_id
        LEFT JOIN donor_match m ON m.fund_id = o.fund_id AND m.donor_id = o.donor_id WHERE coalesce(m.cents, 0) <> o.cents
        """,
    ):
        yield f"I2: fund {slug} says {stored} cents for donor {donor}, but the entries sum to {summed}."


def fund_matches_by_its_rule(snapshot: Connection) -> Iterator[str]:
    """I3: a fund matches what its rule says. For campaigns with one unlimited fund, when nothing is held and no rematch is pending."""
    for slug, matched, due in rows(
        snapshot,
        """
        WITH alone AS (
            SELECT f.* FROM fund f WHERE f.activated_at IS NOT NULL AND f.paused_at IS NULL AND f.held_cents = 0
              AND f.minimum_cents = 0 AND f.per_donation_cents IS NULL AND f.per_donor_cents IS NULL
              AND f.opens_at IS NULL AND f.closes_at IS NULL AND f.ended_at IS NULL
              AND NOT EXISTS (SELECT FROM pending_rematch h WHERE h.campaign_id = f.campaign_id)
              AND (SELECT count(*) FROM fund o WHERE o.campaign_id = f.campaign_id AND o.activated_at IS NOT NULL) = 1)
        SELECT a.slug, a.matched_cents, least(a.pledged_cents, coalesce(s.cents, 0)) FROM alone a
        LEFT JOIN (SELECT campaign_id, sum(floor(net_donation.net * f.ratio_numerator / f.ratio_denominator)) AS cents
                   FROM net_donation JOIN alone f USING (campaign_id) WHERE net_donation.is_matchable GROUP BY 1) s ON s.campaign_id = a.campaign_id
        WHERE a.matched_cents <> least(a.pledged_cents, coalesce(s.cents, 0))
        """,
    ):
        yield f"I3: fund {slug} has matched {matched} cents, but its rule says {due}."


def matches_within_donations(snapshot: Connection) -> Iterator[str]:
    """I4: a match is within its net donation and the caps of its fund."""
    for name, cents, net in rows(
        snapshot,
        """
        SELECT d.public_id, c.cents, coalesce(g.net, 0) FROM covered c JOIN donation d ON d.id = c.donation_id
        LEFT JOIN net_donation g ON g.id = c.donation_id WHERE c.cents > coalesce(g.net, 0)
        UNION ALL SELECT d.public_id, matched, 0 FROM fund_match JOIN donation d ON d.id = donation_id
            WHERE matched < 0 OR (matched + held > 0 AND NOT d.is_matchable)
        """,
    ):
        yield f"I4: the match of donation {name} covers {cents} cents, but the net donation is {net}."
    for name, slug, cents in rows(
        snapshot,
        """
        SELECT d.public_id, f.slug, g.matched + g.held FROM fund_match g JOIN fund f ON f.id = g.fund_id JOIN donation d ON d.id = g.donation_id
        WHERE g.matched + g.held > f.per_donation_cents OR (g.matched + g.held > 0 AND d.amount_cents < f.minimum_cents)
        UNION ALL SELECT 'of donor ' || d.donor_id, f.slug, sum(g.matched + g.held) FROM fund_match g JOIN fund f ON f.id = g.fund_id
        JOIN donation d ON d.id = g.donation_id GROUP BY d.donor_id, f.slug, f.per_donor_cents
        HAVING sum(g.matched + g.held) > f.per_donor_cents * (
            1 + (SELECT count(*) FROM donor_merge m WHERE m.primary_donor_id = d.donor_id AND m.undone_at IS NULL))
        """,
    ):
        yield f"I4: fund {slug} matches or holds {cents} cents for donation {name}, against its terms."


def no_donation_waits_while_money_is_available(snapshot: Connection) -> Iterator[str]:
    """I5: no donation is less than fully matched while a fund that could match it has money."""
    for slug, available, name in rows(
        snapshot,
        "SELECT slug, available, min(public_id) FROM matchable WHERE available > 0 GROUP BY 1, 2",
    ):
        yield f"I5: fund {slug} has {available} cents left, but donation {name} is not fully matched."


def matches_are_reversed_with_their_donation(snapshot: Connection) -> Iterator[str]:
    """I6: a match is reversed only with a refund or lost dispute of the same donation and cause."""
    for name, cents in rows(
        snapshot,
        """
        SELECT d.public_id, u.cents FROM ledger_entry u JOIN donation d ON d.id = u.donation_id WHERE u.kind = 'unmatch' AND NOT EXISTS (
            SELECT FROM ledger_entry r WHERE r.donation_id = u.donation_id AND r.kind IN ('refund', 'dispute', 'offline_reversal') AND r.cause = u.cause)
        """,
    ):
        yield f"I6: {cents} cents of the match of donation {name} were reversed without a refund or lost dispute of the donation."


def freed_money_goes_in_order(snapshot: Connection) -> Iterator[str]:
    """I7: freed money rematches donations in the order of their settlement."""
    for slug, waiting, rematched in rows(
        snapshot,
        """
        WITH matched AS (
            SELECT e.fund_id, e.donation_id, e.id AS entry, e.kind, e.cause,
                   sum(CASE WHEN e.kind = 'match' THEN 1 ELSE -1 END * e.cents * f.ratio_denominator::numeric / f.ratio_numerator)
                       OVER (PARTITION BY e.donation_id ORDER BY e.id)
                   - CASE WHEN e.kind = 'match' THEN 1 ELSE -1 END * e.cents * f.ratio_denominator::numeric / f.ratio_numerator AS covered_before
            FROM ledger_entry e JOIN fund f ON f.id = e.fund_id WHERE e.kind IN ('match', 'unmatch')),
        rematched AS (
            SELECT m.fund_id, m.entry, min(p.place) AS place, g.public_id FROM matched m JOIN net_donation g ON g.id = m.donation_id
            JOIN part p ON p.donation_id = m.donation_id AND p.up_to > ceil(m.covered_before)
            WHERE m.kind = 'match' AND m.cause LIKE 'rematch/%' GROUP BY m.fund_id, m.entry, g.public_id HAVING m.entry > min(p.place))
        SELECT w.slug, min(w.public_id), min(h.public_id) FROM (
            SELECT DISTINCT ON (fund_id) * FROM matchable ORDER BY fund_id, place) w
        JOIN rematched h ON h.fund_id = w.fund_id AND h.place > w.place AND h.entry > w.place GROUP BY 1
        """,
    ):
        yield f"I7: fund {slug} rematched donation {rematched}, while donation {waiting} was settled before it and still waits."


def matches_are_within_windows(snapshot: Connection) -> Iterator[str]:
    """I25: a fund matches what was paid within its window; a hold also what was paid while it lived, give or take ten minutes."""
    for name, slug, cents in rows(
        snapshot,
        """
        SELECT d.public_id, f.slug, e.cents FROM ledger_entry e JOIN donation d ON d.id = e.donation_id JOIN fund f ON f.id = e.fund_id
        CROSS JOIN LATERAL (SELECT least(f.closes_at, CASE WHEN e.at >= f.ended_at THEN f.ended_at END) AS closes,
                                   CASE e.from_account WHEN 'held' THEN interval '10 minutes' ELSE interval '0' END AS margin) w
        WHERE e.kind = 'match' AND d.authorized_at IS NOT NULL AND (d.authorized_at < f.opens_at - w.margin
           OR (d.authorized_at >= w.closes AND (e.from_account <> 'held' OR d.authorized_at > d.checkout_expires_at + w.margin)))
        """,
    ):
        yield f"I25: fund {slug} matched {cents} cents with donation {name}, which was paid outside of its window."


def held_only_while_open(snapshot: Connection) -> Iterator[str]:
    """I32: money is held only for open donations."""
    for name, cents in rows(
        snapshot,
        """
        SELECT d.public_id, h.cents FROM (SELECT donation_id, sum(held) AS cents, min(held) AS least FROM fund_match GROUP BY 1) h
        JOIN donation d ON d.id = h.donation_id
        WHERE h.least < 0 OR (h.cents > 0 AND (d.received_at IS NOT NULL OR d.ended_at IS NOT NULL OR d.quarantined_at IS NOT NULL))
        """,
    ):
        yield f"I32: {cents} cents are held for donation {name}, which is no longer open."


CHECKS = (
    funds_within_pledge,
    funds_equal_entries,
    matches_within_donations,
    no_donation_waits_while_money_is_available,
    matches_are_reversed_with_their_donation,
    freed_money_goes_in_order,
    matches_are_within_windows,
    held_only_while_open,
)
CHECKS_OF_ALL = (fund_matches_by_its_rule,)
