"""What is on hold for people who have not paid, by whom, and when it is so much that staff should know (policy.md, section 2a)."""

from dataclasses import dataclass

from sqlalchemy import and_, func, select, text

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.holds import DonationMatch

# Staff get a notice when this part of what a fund has left was on hold for all of the last ten minutes.
REPORTED_PERCENT = 40
# Staff get a notice of a network that began more unpaid checkouts than this within an hour.
REPORTED_CHECKOUTS = 5


@dataclass(frozen=True, kw_only=True)
class OpenHold:
    """An unpaid donation and what all funds hold for it, in cents."""

    donation: Donation
    cents: int


@dataclass(frozen=True, kw_only=True)
class BusyNetwork:
    """A network that began many checkouts within an hour that are not paid, and what is on hold for it, in cents."""

    client_key: str
    checkouts: int
    cents: int


def list_open_holds(campaign_id: int, *, limit: int) -> list[OpenHold]:
    """Unpaid donations for which anything is on hold, the largest hold first."""
    # Only what is open holds anything (I32). There is an index of that, and none of what is on hold.
    is_open = and_(Donation.received_at.is_(None), Donation.ended_at.is_(None), Donation.quarantined_at.is_(None))
    held = select(func.sum(DonationMatch.held_cents)).where(DonationMatch.donation_id == Donation.id).correlate(Donation)
    cents = func.coalesce(held.scalar_subquery(), 0)
    open_holds = select(Donation, cents).where(Donation.campaign_id == campaign_id, is_open, cents > 0)
    return [OpenHold(donation=d, cents=int(c)) for d, c in db.session.execute(open_holds.order_by(cents.desc(), Donation.id).limit(limit))]


def list_busy_networks(campaign_id: int) -> list[BusyNetwork]:
    """Networks that began many checkouts within the last hour that are not paid, the busiest first."""
    rows = db.session.execute(_BUSY, {"campaign": campaign_id, "most": REPORTED_CHECKOUTS})
    return [BusyNetwork(client_key=row.client_key, checkouts=row.checkouts, cents=int(row.cents)) for row in rows]


def percent_on_hold(campaign_id: int) -> int:
    """The part of what a fund has left that was on hold at each moment of the last ten minutes, in percent: of the fund with the largest part."""
    return max((int(row.percent) for row in db.session.execute(_PERCENT, {"campaign": campaign_id})), default=0)


_BUSY = text("""
    SELECT d.client_key, count(*) AS checkouts,
           coalesce(sum((SELECT sum(m.held_cents) FROM donation_match m WHERE m.donation_id = d.id)), 0) AS cents
    FROM donation d
    WHERE d.campaign_id = :campaign AND d.received_at IS NULL AND d.client_key <> '' AND d.started_at > now() - interval '1 hour'
    GROUP BY 1 HAVING count(*) > :most ORDER BY 2 DESC, 1
""")
# From now back to the state before the first entry of the last ten minutes, which was in force when they began.
_PERCENT = text("""
    SELECT f.id, min(s.held * 100 / nullif(s.unmatched, 0)) AS percent
    FROM fund f CROSS JOIN LATERAL (
        SELECT f.held_cents AS held, f.pledged_cents - f.matched_cents AS unmatched
        UNION ALL
        SELECT f.held_cents - sum(CASE e.kind WHEN 'hold' THEN e.cents WHEN 'release' THEN -e.cents
                                  WHEN 'match' THEN CASE e.from_account WHEN 'held' THEN -e.cents ELSE 0 END ELSE 0 END) OVER w,
               f.pledged_cents - f.matched_cents - sum(CASE e.kind WHEN 'pledge' THEN e.cents WHEN 'unmatch' THEN e.cents
                                  WHEN 'match' THEN -e.cents ELSE 0 END) OVER w
        FROM ledger_entry e WHERE e.fund_id = f.id AND e.at > now() - interval '10 minutes' WINDOW w AS (ORDER BY e.id DESC)) s
    WHERE f.campaign_id = :campaign AND f.activated_at IS NOT NULL AND f.held_cents > 0 GROUP BY f.id
""")
