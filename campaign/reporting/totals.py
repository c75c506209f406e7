"""Totals of a campaign, read from rows that ledger triggers maintain, so that the cost does not grow with the number of donations."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, exists, func, or_, select

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching import rematching
from campaign.matching.funds import Fund, Leftover
from campaign.matching.holds import NO_MATCH, matches_of
from campaign.matching.rematching import PendingRematch
from campaign.outbox import leases, waiting_receipts
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.texts.match_copy import FundStatus, FundView, MatchState

LATEST = 25


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums in cents. `donated_cents` is net of refunds and without covered fees; `as_of` is the database's time of the query.

    `available_cents` is what a gift that is paid now could be matched from: nothing of a fund that is paused, ended or outside its window, and
    nothing while money that has come free goes to earlier gifts.
    """

    campaign: str
    currency: str
    goal_cents: int
    match_counts: bool
    donated_cents: int
    matched_cents: int
    donations: int
    donors: int
    pledged_cents: int
    held_cents: int
    available_cents: int
    covered_fee_cents: int
    fee_cents: int
    as_of: datetime

    @property
    def raised_cents(self) -> int:
        """Donated and matched together."""
        return self.donated_cents + self.matched_cents

    @property
    def toward_goal_cents(self) -> int:
        """What counts toward the goal: what is raised, or what donors gave alone if the campaign says so."""
        return self.raised_cents if self.match_counts else self.donated_cents

    @property
    def unavailable_cents(self) -> int:
        """Match that is neither held nor matched, of funds that match nothing now."""
        return self.pledged_cents - self.held_cents - self.matched_cents - self.available_cents

    def as_json(self) -> dict[str, Any]:
        """The public API's format (contract.md, section 4)."""
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


_is_open = and_(
    Fund.paused_at.is_(None),
    or_(Fund.opens_at.is_(None), Fund.opens_at <= func.now()),
    or_(Fund.closes_at.is_(None), Fund.closes_at > func.now()),
    or_(Fund.ended_at.is_(None), Fund.ended_at > func.now()),
    ~exists().where(PendingRematch.campaign_id == Fund.campaign_id),
)


def totals_of(slug: str) -> Totals | None:
    """The campaign's totals, read in one statement and so in one snapshot; None when there is no such campaign."""
    funds = (
        select(
            func.coalesce(func.sum(Fund.pledged_cents), 0).label("pledged"),
            func.coalesce(func.sum(Fund.held_cents), 0).label("held"),
            func.coalesce(func.sum(Fund.matched_cents), 0).label("matched"),
            func.coalesce(func.sum(Fund.pledged_cents - Fund.held_cents - Fund.matched_cents).filter(_is_open), 0).label("available"),
        )
        .where(Fund.campaign_id == Campaign.id, Fund.activated_at.is_not(None))
        .lateral()
    )
    t = CampaignTotals
    row = db.session.execute(
        select(Campaign.slug, Campaign.currency, Campaign.goal_cents, Campaign.match_counts, t, funds, func.now())
        .join(t, t.campaign_id == Campaign.id)
        .join(funds, funds.c.pledged.is_not(None))
        .where(Campaign.slug == slug),
        execution_options={"populate_existing": True},
    ).first()
    if row is None:
        return None
    name, currency, goal, match_counts, totals, pledged, held, matched, available, now = row
    return Totals(
        campaign=name,
        currency=currency,
        goal_cents=goal,
        match_counts=match_counts,
        donated_cents=totals.donated_cents,
        matched_cents=int(matched),
        donations=totals.donations,
        donors=totals.donors,
        pledged_cents=int(pledged),
        held_cents=int(held),
        available_cents=int(available),
        covered_fee_cents=totals.covered_fee_cents,
        fee_cents=totals.fee_cents,
        as_of=now,
    )


def no_totals(campaign: Campaign) -> Totals:
    """The totals of a campaign that is not stored yet, for its preview."""
    return Totals(
        **dict.fromkeys(("donated_cents", "matched_cents", "donations", "donors", "pledged_cents", "held_cents", "available_cents"), 0),
        covered_fee_cents=0,
        fee_cents=0,
        campaign=campaign.slug,
        currency=campaign.currency,
        goal_cents=campaign.goal_cents,
        match_counts=campaign.match_counts,
        as_of=datetime.now(UTC),
    )


def match_state(campaign: Campaign, funds: list[Fund], language: str, *, now: datetime) -> MatchState:
    """The state of the funds, for texts/match_copy.py."""
    return MatchState(
        funds=tuple(_fund_state(fund, campaign.charity, language, now) for fund in funds),
        holds=campaign.holds_match,
        is_rematching=rematching.pending_rematch_of(campaign.id) is not None,
    )


def _fund_state(fund: Fund, charity: Charity, language: str, now: datetime) -> FundView:
    terms = fund.terms
    return FundView(
        name=fund.public_name(language),
        ratio=fund.ratio,
        pledged_cents=fund.pledged_cents,
        available_cents=fund.available_cents,
        held_cents=fund.held_cents,
        status=_fund_status(fund, now),
        minimum_cents=fund.minimum_cents,
        per_donation_cents=fund.per_donation_cents,
        per_donor_cents=fund.per_donor_cents,
        opens_at=charity.local(terms.opens_at) if terms.opens_at else None,
        closes_at=charity.local(terms.closes_at) if terms.closes_at else None,
        donates_leftover=fund.leftover == Leftover.DONATED,
    )


def _fund_status(fund: Fund, now: datetime) -> FundStatus:
    terms = fund.terms
    if terms.closes_at is not None and terms.closes_at <= now:
        return FundStatus.CLOSED
    if fund.paused_at is not None:
        return FundStatus.PAUSED
    return FundStatus.OPEN if terms.is_open(now) else FundStatus.NOT_OPEN_YET


@dataclass(frozen=True, kw_only=True)
class LatestDonation:
    """A donation with its match, for the staff dashboard."""

    donation: Donation
    matched_cents: int


def latest_donations(campaign: Campaign) -> list[LatestDonation]:
    """Up to 25 donations, latest payment first."""
    found = list(
        db.session.scalars(
            select(Donation)
            .where(Donation.campaign_id == campaign.id, Donation.received_at.is_not(None))
            .order_by(Donation.received_at.desc(), Donation.id.desc())
            .limit(LATEST)
        )
    )
    matches = matches_of([d.id for d in found])
    return [LatestDonation(donation=d, matched_cents=matches.get(d.id, NO_MATCH).matched_cents) for d in found]


# Messages that wait while the receipt that they bring lacks something.
WITH_RECEIPT = (MessageKind.RECEIPT, MessageKind.FUNDER_PAYMENT, MessageKind.FUNDER_PAYMENT_CORRECTED)


@dataclass(frozen=True, kw_only=True)
class WaitingReceipts:
    """How many receipts wait for one reason: elements that they miss (rules/receipt_requirements.py), or else an error."""

    missing: list[str]
    error: str
    count: int


_waits_with_receipt = or_(
    OutboxMessage.missing_elements.is_not(None),
    and_(OutboxMessage.kind.in_(WITH_RECEIPT), OutboxMessage.last_error.is_not(None)),
)


def receipts_waiting(charity: Charity | None = None) -> list[WaitingReceipts]:
    """Return why receipts of the charity, or of all, that are due have not been sent, the most frequent reasons first."""
    o = OutboxMessage
    rows = db.session.execute(
        select(o.missing_elements, o.last_error, func.count())
        .where(_waits_with_receipt, leases.is_pending(o), *([waiting_receipts.is_of(charity)] if charity else []))
        .group_by(o.missing_elements, o.last_error)
        .order_by(func.count().desc())
        .limit(5)
    )
    return [WaitingReceipts(missing=missing or [], error=error or "", count=count) for missing, error, count in rows]
