"""The outside as one app has it: its settings, its Stripe account, its Redis, the charity's key."""

from dataclasses import dataclass

from flask import current_app

from campaign.config import Settings
from campaign.edges.queue import Waker
from campaign.edges.sealing import KeyFile
from campaign.edges.stripe_api import StripeApi
from campaign.edges.stripe_books import StripeBooks
from campaign.edges.stripe_monthly import StripeMonthly


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Made once by create_app."""

    settings: Settings
    stripe: StripeApi
    stripe_books: StripeBooks
    stripe_monthly: StripeMonthly
    waker: Waker
    key: KeyFile


def outside() -> Outside:
    """Of the app at work."""
    found = current_app.extensions["outside"]
    assert isinstance(found, Outside)
    return found
