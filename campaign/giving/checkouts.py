"""A checkout: a donation on its way to being paid, begun with its match held, until Stripe says how it ended.

The same attempt never makes two donations. What the donor was shown as match is what is held, or the donation does not begin; what is
held never shrinks, and is freed only when Stripe says that the payment can no longer happen.
"""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from campaign.edges.db import db
from campaign.edges.stripe_api import CHECKOUT_MINUTES
from campaign.giving import ledger
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation, Gift
from campaign.giving.donors import donor_id_for
from campaign.giving.healing import HealingDesk, open_desk
from campaign.giving.matches import DonationMatch
from campaign.rules.matching import Limit

# Stripe wants at least 30 minutes ahead at the moment it is asked; a plan older than this is made anew.
PLAN_LASTS = timedelta(seconds=40)


class LessMatch(Exception):
    """Less can be held than the donor was shown; `held_cents` is what could be, `limit` why it is not all."""

    def __init__(self, *, held_cents: int, full_cents: int, limit: Limit | None) -> None:
        super().__init__(f"{held_cents} of {full_cents}: {limit}")
        self.held_cents = held_cents
        self.full_cents = full_cents
        self.limit = limit


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """How a gift begins. `expected_match_cents` is what the donor was shown, None when nothing was; `client_key` tells their network
    address without being it.
    """

    attempt: str
    expected_match_cents: int | None
    livemode: bool
    now: datetime
    client_key: str = ""


def begin(campaign: Campaign, gift: Gift, how: Beginning) -> Donation:
    """The donation of this attempt, with its match held; made if the attempt is new.

    Raises LessMatch when less can be held than was shown, or than the full match when nothing was; the caller must then roll back.
    """
    asked = asdict(gift)
    consented = asked.pop("news_consent")
    made = db.session.scalar(
        insert(Donation)
        .values(
            **asked,
            public_id=f"d_{secrets.token_hex(10)}",
            token=secrets.token_urlsafe(24),
            attempt=how.attempt,
            campaign_id=campaign.id,
            donor_id=donor_id_for(gift.email),
            livemode=how.livemode,
            currency=campaign.currency,
            news_consent_at=how.now if consented else None,
            checkout_tries=1,
            checkout_expires_at=how.now + timedelta(minutes=CHECKOUT_MINUTES),
            client_key=how.client_key,
        )
        .on_conflict_do_nothing(index_elements=[Donation.attempt])
        .returning(Donation.id)
    )
    donation = db.session.scalars(select(Donation).where(Donation.attempt == how.attempt)).one()
    if made is not None and campaign.holds_match:
        _hold(campaign, donation, how.expected_match_cents)
    return donation


def _hold(campaign: Campaign, donation: Donation, expected_match_cents: int | None) -> None:
    desk = open_desk([donation.campaign_id])
    desk.take_up([donation])
    most, full, limit = _most(campaign, donation, desk)
    promised = full if expected_match_cents is None else expected_match_cents
    if most < promised:
        raise LessMatch(held_cents=most, full_cents=full, limit=limit)
    if most:
        ledger.post(*desk.hold(donation))


def _most(campaign: Campaign, donation: Donation, desk: HealingDesk) -> tuple[int, int, Limit | None]:
    """What can be held, what would be in full, and why it is less: the funds' terms and money, then the bounds on hoarding."""
    most, full, limit = desk.most_to_hold(donation)
    if most and _holds_too_many(campaign, donation):
        return 0, full, Limit.HELD_ELSEWHERE
    return most, full, limit


def _holds_too_many(campaign: Campaign, donation: Donation) -> bool:
    """Whether this donor, or this client, holds match for as many open gifts as the campaign allows."""
    holding = (
        select(func.count())
        .select_from(Donation)
        .where(
            Donation.campaign_id == campaign.id,
            Donation.paid_at.is_(None),
            Donation.ended_at.is_(None),
            select(DonationMatch.donation_id).where(DonationMatch.donation_id == Donation.id, DonationMatch.held_cents > 0).exists(),
        )
    )
    if db.session.scalars(holding.where(Donation.donor_id == donation.donor_id)).one() >= campaign.holds_per_email:
        return True
    if not donation.client_key:
        return False
    return db.session.scalars(holding.where(Donation.client_key == donation.client_key)).one() >= campaign.holds_per_address


def plan_checkout(donation: Donation, *, now: datetime) -> None:
    """Make sure that the time to ask Stripe for is still far enough ahead; a new plan has a new key at Stripe."""
    expires_at = donation.checkout_expires_at
    least = now + timedelta(minutes=CHECKOUT_MINUTES) - PLAN_LASTS
    if donation.checkout_id is None and (expires_at is None or expires_at < least):
        db.session.refresh(donation, with_for_update={"key_share": True})
        if donation.checkout_expires_at == expires_at:
            donation.checkout_tries += 1
            donation.checkout_expires_at = now + timedelta(minutes=CHECKOUT_MINUTES)


def checkout_opened(donation: Donation, *, checkout_id: str, url: str | None) -> None:
    """Stripe has opened a checkout for the donation."""
    donation.checkout_id = checkout_id
    donation.checkout_url = url
    db.session.flush()


def open_past_expiry(*, limit: int) -> list[Donation]:
    """Donations whose checkout should have ended by now, but of whose end we have not heard."""
    return list(
        db.session.scalars(
            select(Donation)
            .where(
                Donation.paid_at.is_(None),
                Donation.ended_at.is_(None),
                Donation.quarantined_at.is_(None),
                Donation.checkout_expires_at < func.now() - timedelta(seconds=30),
                func.coalesce(Donation.asked_stripe_at, Donation.begun_at) < func.now() - timedelta(seconds=50),
            )
            .order_by(Donation.checkout_expires_at)
            .limit(limit)
        )
    )
