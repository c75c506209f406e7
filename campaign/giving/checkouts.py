"""A checkout: a donation on its way to being paid, begun with its match held, until Stripe says how it ended.

The same attempt never makes two donations. What the donor was shown as match is what is held, or the donation does not begin; what is
held never shrinks, and is freed only when Stripe says that the payment can no longer happen.
"""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ScalarSelect, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm.attributes import set_committed_value

from campaign.edges.db import db
from campaign.edges.stripe_api import CHECKOUT_MINUTES
from campaign.giving import ledger
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation, Gift
from campaign.giving.donors import donor_id_for
from campaign.giving.healing import open_desk
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
        _begin,
        {
            **asked,
            "public_id": f"d_{secrets.token_hex(10)}",
            "token": secrets.token_urlsafe(24),
            "attempt": how.attempt,
            "campaign_id": campaign.id,
            "donor_id": donor_id_for(gift.email),
            "livemode": how.livemode,
            "currency": campaign.currency,
            "news_consent_at": how.now if consented else None,
            "checkout_tries": 1,
            "checkout_expires_at": how.now + timedelta(minutes=CHECKOUT_MINUTES),
            "client_key": how.client_key,
        },
    )
    if made is None:
        return db.session.scalars(select(Donation).where(Donation.attempt == how.attempt)).one()
    if campaign.holds_match:
        _hold(campaign, made, how.expected_match_cents)
    return made


_begin = insert(Donation).on_conflict_do_nothing(index_elements=[Donation.attempt]).returning(Donation)


def _hold(campaign: Campaign, donation: Donation, expected_match_cents: int | None) -> None:
    holds_too_many = _holds_too_many(campaign, donation)  # Before the lock: the bound need not be exact, and all others wait for the lock.
    desk = open_desk([donation.campaign_id])
    desk.take_up_new(donation)
    most, full, limit = desk.most_to_hold(donation)
    if most and holds_too_many:
        most, limit = 0, Limit.HELD_ELSEWHERE
    promised = full if expected_match_cents is None else expected_match_cents
    if most < promised:
        raise LessMatch(held_cents=most, full_cents=full, limit=limit)
    if most:
        ledger.post(*desk.hold(donation))


def _holds_too_many(campaign: Campaign, donation: Donation) -> bool:
    """Whether this donor, or this client, holds match for as many open gifts as the campaign allows."""
    who = {"campaign": campaign.id, "donor": donation.donor_id, "client": donation.client_key or None}
    of_donor, of_client = db.session.execute(_holding, who).one()
    return of_donor >= campaign.holds_per_email or of_client >= campaign.holds_per_address


def _count_holding(whose: ColumnElement[bool]) -> ScalarSelect[int]:
    holds = select(DonationMatch.donation_id).where(DonationMatch.donation_id == Donation.id, DonationMatch.held_cents > 0)
    is_open = (Donation.campaign_id == bindparam("campaign"), Donation.paid_at.is_(None), Donation.ended_at.is_(None))
    return select(func.count()).select_from(Donation).where(*is_open, whose, holds.exists()).scalar_subquery()


_holding = select(_count_holding(Donation.donor_id == bindparam("donor")), _count_holding(Donation.client_key == bindparam("client")))


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
    db.session.execute(_opened, {"donation": donation.id, "checkout": checkout_id, "url": url})
    set_committed_value(donation, "checkout_id", checkout_id)
    set_committed_value(donation, "checkout_url", url)


_opened = (
    update(Donation.__table__)  # type: ignore[arg-type]  # a declarative class's table is a Table
    .where(Donation.id == bindparam("donation"))
    .values(checkout_id=bindparam("checkout"), checkout_url=bindparam("url"))
)


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
