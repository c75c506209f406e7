"""What donors do with their monthly gifts: asked of Stripe, and written down as Stripe then has it."""

from datetime import UTC, datetime

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_monthly import SubscriptionNow
from campaign.giving import looks, monthly, outbox
from campaign.giving.donations import Donation
from campaign.giving.monthly import MonthlyGift, SubscriptionTold
from campaign.giving.outbox import Owed


def change_amount(gift: MonthlyGift, cents: int) -> None:
    """From the next month on; the covered fee changes in proportion. Raises StripeAway or StripeRefused."""
    subscription, fee = _named(gift), cents * gift.covered_fee_cents // gift.amount_cents
    look = _look()
    _seen(outside().stripe_monthly.change(subscription, [cents, fee]), look)


def stop(gift: MonthlyGift) -> None:
    """No further month. Raises StripeAway or StripeRefused."""
    if not gift.is_over:
        subscription, look = _named(gift), _look()
        _seen(outside().stripe_monthly.stop(subscription), look)


def portal(gift: MonthlyGift, return_url: str) -> str:
    """The address of Stripe's page for the card. Raises StripeAway or StripeRefused."""
    customer = gift.customer
    assert customer
    db.session.commit()
    return outside().stripe_monthly.portal(customer, return_url=return_url)


def send_links(email: str) -> None:
    """To the donor's own address, for each monthly gift that goes on; once an hour."""
    hour = f"{datetime.now(UTC):%Y%m%dT%H}"
    for gift in monthly.monthly_gifts_of(email):
        outbox.owe(Owed("monthly_link", db.session.get_one(Donation, gift.donation_id), f"{gift.id}:{hour}"))
    db.session.commit()
    outside().waker.wake("mail")


def _named(gift: MonthlyGift) -> str:
    assert gift.subscription
    return gift.subscription


def _look() -> int:
    number = looks.next_look()
    db.session.commit()
    return number


def _seen(now: SubscriptionNow, look: int) -> None:
    _, ended = monthly.record(SubscriptionTold(now=now, look=look))
    if ended is not None:
        outbox.owe(Owed("monthly_stopped", ended))
    db.session.commit()
    outside().waker.wake("mail")
