"""How many donors a fund matches, and with what gifts: at the end of each day that has ended as it was stored, at any other moment from there on.

The cost of reading it grows with the gifts of the last days alone. Two donors who turn out to be one person count once, on earlier days too: the
trigger `move_donor` corrects what is stored.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, delete, func, insert, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import Base, db
from campaign.ledger.entries import LedgerEntry
from campaign.matching.funds import Fund
from campaign.reporting.ledger_days import FIRST_DAY, SummedDays
from campaign.rules.local_time import end_of_day

# With a campaign's id, the advisory lock between storing a day and merging donors. The trigger `move_donor` takes the same.
REACH_LOCK = 72050


class FundReach(Base):
    """The gifts and donors that a fund matched at the end of a day, on days on which there were entries about them."""

    __tablename__ = "fund_reach"

    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    gift_cents: Mapped[int]
    donors: Mapped[int]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The gifts that a fund matches, in full or in part, net of what was returned, in cents; and how many people made them."""

    gift_cents: int = 0
    donors: int = 0

    def plus(self, more: "Reach") -> "Reach":
        """Both together."""
        return Reach(gift_cents=self.gift_cents + more.gift_cents, donors=self.donors + more.donors)


def store_ended_days(campaign: Campaign) -> int:
    """Store the days that have ended since the last time: those whose sums are stored (ledger_days.py). Returns how many. The caller commits."""
    zone = ZoneInfo(campaign.charity.time_zone)
    db.session.execute(select(func.pg_advisory_xact_lock(REACH_LOCK, campaign.id)))
    summed = db.session.get(SummedDays, campaign.id, populate_existing=True)
    if summed is None or summed.time_zone != zone.key:
        return 0
    until = summed.until_on
    funds = select(Fund.id).where(Fund.campaign_id == campaign.id)
    if summed.reach_until_on is None:
        db.session.execute(delete(FundReach).where(FundReach.fund_id.in_(funds)))
    first = summed.reach_until_on + timedelta(days=1) if summed.reach_until_on else _first_day(campaign, zone) or until
    levels = {fund_id: _stored(fund_id, before=first) for fund_id in db.session.scalars(funds)}
    days = [first + timedelta(days=number) for number in range((until - first).days + 1)]
    for day in days:
        for fund_id, change in _changes(campaign, datetime.combine(day, time.min, zone), end_of_day(day, zone)).items():
            levels[fund_id] = levels[fund_id].plus(change)
            values = {"fund_id": fund_id, "day": day, "gift_cents": levels[fund_id].gift_cents, "donors": levels[fund_id].donors}
            db.session.execute(insert(FundReach).values(values))
    summed.reach_until_on = until
    db.session.flush()
    return len(days)


def reach_of(fund: Fund, campaign: Campaign, *, until: datetime) -> Reach:
    """What the fund matches at this moment, which has come."""
    zone, summed = ZoneInfo(campaign.charity.time_zone), db.session.get(SummedDays, campaign.id, populate_existing=True)
    day = until.astimezone(zone).date()
    if summed is None or summed.reach_until_on is None or summed.time_zone != zone.key:
        return _changes(campaign, datetime.combine(FIRST_DAY, time.min, zone), until).get(fund.id, Reach())
    unstored = min(summed.reach_until_on + timedelta(days=1), day)
    change = _changes(campaign, datetime.combine(unstored, time.min, zone), until).get(fund.id, Reach())
    return _stored(fund.id, before=unstored).plus(change)


def _first_day(campaign: Campaign, zone: ZoneInfo) -> date | None:
    first = db.session.scalar(select(func.min(LedgerEntry.at)).where(LedgerEntry.campaign_id == campaign.id))
    return first.astimezone(zone).date() if first else None


def _stored(fund_id: int, *, before: date) -> Reach:
    r = FundReach
    row = db.session.scalar(select(r).where(r.fund_id == fund_id, r.day < before).order_by(r.day.desc()).limit(1))
    return Reach(gift_cents=row.gift_cents, donors=row.donors) if row else Reach()


# Of the donors with entries between two moments: what they gave and had matched before the first one, and before the second one.
_CHANGES = text("""
    WITH touched AS (
        SELECT DISTINCT d.donor_id FROM ledger_entry e JOIN donation d ON d.id = e.donation_id
        WHERE e.campaign_id = :campaign AND e.at >= :first AND e.at < :until
          AND e.kind IN ('match', 'unmatch', 'refund', 'dispute', 'reinstatement', 'offline_reversal')
    ), gift AS (
        SELECT d.donor_id, m.fund_id,
               sum(account_change('matched', e.from_account, e.to_account, e.cents)) FILTER (WHERE e.fund_id = m.fund_id) AS matched,
               sum(account_change('donations', e.to_account, e.from_account, e.cents)) FILTER (WHERE e.fund_id IS NULL) AS net,
               sum(account_change('matched', e.from_account, e.to_account, e.cents)) FILTER (WHERE e.fund_id = m.fund_id AND e.at < :first)
                   AS matched_before,
               sum(account_change('donations', e.to_account, e.from_account, e.cents)) FILTER (WHERE e.fund_id IS NULL AND e.at < :first)
                   AS net_before
        FROM touched t JOIN donation d ON d.donor_id = t.donor_id AND d.campaign_id = :campaign
        JOIN donation_match m ON m.donation_id = d.id
        JOIN ledger_entry e ON e.donation_id = d.id AND e.at < :until AND (e.fund_id IS NULL OR e.fund_id = m.fund_id)
        GROUP BY d.donor_id, m.fund_id, d.id
    ), donor AS (
        SELECT fund_id, coalesce(sum(net) FILTER (WHERE matched > 0), 0) - coalesce(sum(net_before) FILTER (WHERE matched_before > 0), 0) AS cents,
               coalesce(bool_or(matched > 0), false)::int - coalesce(bool_or(matched_before > 0), false)::int AS donors
        FROM gift GROUP BY fund_id, donor_id
    )
    SELECT fund_id, sum(cents)::bigint AS cents, sum(donors)::bigint AS donors FROM donor GROUP BY fund_id
""")


def _changes(campaign: Campaign, first: datetime, until: datetime) -> dict[int, Reach]:
    """By how much the reach of each fund of the campaign changed from the first moment to before the second one."""
    rows = db.session.execute(_CHANGES, {"campaign": campaign.id, "first": first, "until": until})
    return {fund_id: Reach(gift_cents=cents, donors=donors) for fund_id, cents, donors in rows}
