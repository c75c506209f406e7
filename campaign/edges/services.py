"""The external services of one app: settings, keys, URLs, Stripe clients, Redis, the charity's signing key."""

from dataclasses import dataclass

from flask import current_app

from campaign.config import Settings
from campaign.edges.links import Links
from campaign.edges.pdf_signing import KeyFile
from campaign.edges.secret_keys import SecretKeys
from campaign.edges.stripe.account import StripeAccount
from campaign.edges.stripe.balance import StripeBalance
from campaign.edges.stripe.payments import StripePayments
from campaign.edges.stripe.subscriptions import StripeSubscriptions
from campaign.edges.wakeups import Waker


@dataclass(frozen=True, kw_only=True)
class Services:
    """Created once by create_app."""

    settings: Settings
    keys: SecretKeys
    links: Links
    stripe_payments: StripePayments
    stripe_balance: StripeBalance
    stripe_subscriptions: StripeSubscriptions
    stripe_account: StripeAccount
    waker: Waker
    signing_key: KeyFile


def services() -> Services:
    """The services of the current app."""
    found = current_app.extensions["services"]
    assert isinstance(found, Services)
    return found
