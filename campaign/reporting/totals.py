"""What a campaign has reached, read from rows that the ledger keeps: the cost does not grow with the number of donations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from campaign.edges.db import db
from campaign.giving import claims, healing, matches
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.charities import Charity
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.outbox import OutboxItem
from campaign.rules.wording import FundStanding, FundState, MatchState

LATEST = 25


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums in cents. `donated_cents` is net of refunds and without covered fees; `as_of` is the database's moment of reading."""

    campaign: str
    currency: str
    goal_cents: int
    donated_cents: int
    matched_cents: int
    donations: int
    donors: int
    pledged_cents: int
    held_cents: int
    covered_fee_cents: int
    fee_cents: int
    as_of: datetime

    @property
    def raised_cents(self) -> int:
        """Given and matched together."""
        return self.donated_cents + self.matched_cents

    @property
    def available_cents(self) -> int:
        """Match that is neither held nor matched."""
        return self.pledged_cents - self.held_cents - self.matched_cents

    def as_json(self) -> dict[str, Any]:
        """As outsiders rely on it (contract.md, section 4)."""
        return {
            "campaign": self.campaign,
            "currency": self.currency,
            "goal_cents": self.goal_cents,
            "donated_cents": self.donated_cents,
            "matched_cents": self.matched_cents,
            "raised_cents": self.raised_cents,
            "donations": self.donations,
            "donors": self.donors,
            "match": {
                "pledged_cents": self.pledged_cents,
                "matched_cents": self.matched_cents,
                "held_cents": self.held_cents,
                "available_cents": self.available_cents,
            },
            "as_of": self.as_of.isoformat(),
        }


def totals_of(slug: str) -> Totals | None:
    """The campaign's totals in one statement, and so in one snapshot; None when there is no such campaign."""
    funds = (
        select(
            func.coalesce(func.sum(Fund.pledged_cents), 0).label("pledged"),
            func.coalesce(func.sum(Fund.held_cents), 0).label("held"),
            func.coalesce(func.sum(Fund.matched_cents), 0).label("matched"),
        )
        .where(Fund.campaign_id == Campaign.id, Fund.activated_at.is_not(None))
        .lateral()
    )
    t = CampaignTotals
    row = db.session.execute(
        select(Campaign.slug, Campaign.currency, Campaign.goal_cents, t, funds.c.pledged, funds.c.held, funds.c.matched, func.now())
        .join(t, t.campaign_id == Campaign.id)
        .join(funds, funds.c.pledged.is_not(None))
        .where(Campaign.slug == slug),
        execution_options={"populate_existing": True},
    ).first()
    if row is None:
        return None
    name, currency, goal, kept, pledged, held, matched, now = row
    return Totals(
        campaign=name,
        currency=currency,
        goal_cents=goal,
        donated_cents=kept.donated_cents,
        matched_cents=int(matched),
        donations=kept.donations,
        donors=kept.donors,
        pledged_cents=int(pledged),
        held_cents=int(held),
        covered_fee_cents=kept.covered_fee_cents,
        fee_cents=kept.fee_cents,
        as_of=now,
    )


def match_state(campaign: Campaign, funds: list[Fund], language: str, *, now: datetime) -> MatchState:
    """What the public words about the match depend on."""
    return MatchState(
        funds=tuple(_fund_state(fund, campaign.charity, language, now) for fund in funds),
        holds=campaign.holds_match,
        is_healing=healing.due_of(campaign.id) is not None,
    )


def _fund_state(fund: Fund, charity: Charity, language: str, now: datetime) -> FundState:
    terms = fund.terms
    return FundState(
        name=fund.name(language),
        ratio=fund.ratio,
        pledged_cents=fund.pledged_cents,
        available_cents=fund.available_cents,
        held_cents=fund.held_cents,
        standing=_standing(fund, now),
        minimum_cents=fund.minimum_cents,
        per_donation_cents=fund.per_donation_cents,
        per_donor_cents=fund.per_donor_cents,
        opens_at=charity.local(terms.opens_at) if terms.opens_at else None,
        closes_at=charity.local(terms.closes_at) if terms.closes_at else None,
    )


def _standing(fund: Fund, now: datetime) -> FundStanding:
    terms = fund.terms
    if terms.closes_at is not None and terms.closes_at <= now:
        return FundStanding.CLOSED
    if fund.paused_at is not None:
        return FundStanding.PAUSED
    return FundStanding.OPEN if terms.is_open(now) else FundStanding.NOT_OPEN_YET


@dataclass(frozen=True, kw_only=True)
class DayTotals:
    """What was given since midnight by the charity's clocks."""

    donations: int
    donated_cents: int


def given_today(campaign: Campaign, charity: Charity, *, now: datetime) -> DayTotals:
    """Gifts paid today."""
    midnight = charity.local(now).replace(hour=0, minute=0, second=0, microsecond=0)
    count, cents = db.session.execute(
        select(func.count(), func.coalesce(func.sum(Donation.amount_cents), 0)).where(
            Donation.campaign_id == campaign.id, Donation.paid_at >= midnight
        )
    ).one()
    return DayTotals(donations=count, donated_cents=int(cents))


@dataclass(frozen=True, kw_only=True)
class LatestDonation:
    """A line of the staff's list."""

    donation: Donation
    matched_cents: int


def latest_donations(campaign: Campaign) -> list[LatestDonation]:
    """The gifts paid last, newest first."""
    found = list(
        db.session.scalars(
            select(Donation)
            .where(Donation.campaign_id == campaign.id, Donation.paid_at.is_not(None))
            .order_by(Donation.paid_at.desc(), Donation.id.desc())
            .limit(LATEST)
        )
    )
    of_donations = matches.matches_of([d.id for d in found])
    return [LatestDonation(donation=d, matched_cents=of_donations.get(d.id, matches.NO_MATCH).matched_cents) for d in found]


def receipts_waiting() -> list[tuple[str, int]]:
    """Why receipts that are owed have not gone out, with how many for each reason."""
    rows = db.session.execute(
        select(OutboxItem.last_error, func.count())
        .where(OutboxItem.kind == "receipt", claims.waiting(OutboxItem), OutboxItem.last_error.is_not(None))
        .group_by(OutboxItem.last_error)
        .order_by(func.count().desc())
        .limit(5)
    )
    return [(reason or "", count) for reason, count in rows]
