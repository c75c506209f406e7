"""Compares the setup of the Stripe account with what the service needs: `campaign check-stripe`. Nothing is changed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from campaign.campaigns.campaigns import Campaign
from campaign.edges.links import STRIPE_WEBHOOK
from campaign.edges.services import services
from campaign.edges.stripe.account import StripeAccount, WebhookEndpoint
from campaign.edges.stripe.client import StripeKeyRefused, StripeRefused
from campaign.edges.stripe.payments import API_VERSION
from campaign.stripe_sync.event import HANDLED_TYPES, NEEDED_TYPES, NOTED_TYPES

ALL_TYPES = "*"
METHODS = ("card", "acss_debit")
WALLETS = ("link", "apple_pay", "google_pay")
DELIVERED_WITHIN = timedelta(minutes=5)
EXAMINED = timedelta(days=1)
EVENTS_EXAMINED = 100
TYPES_NAMED = 10
MAX_CLOCK_SKEW_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Result:
    """One thing that was checked: one sentence, and whether it must be mended."""

    sentence: str
    is_problem: bool


def check_setup(campaigns: Sequence[Campaign]) -> Iterator[Result]:
    """Check the key, the webhook, the payment methods and the portal, one after the other. Raises StripeUnavailable."""
    account = services().stripe_account
    try:
        missing = account.list_missing_permissions()
    except StripeKeyRefused as error:
        yield _problem(f"Stripe refuses the key of STRIPE_SECRET_KEY: {error}")
        return
    for name, message in missing.items():
        yield _problem(f"The key lacks the permission “{name}”; edit the key in Stripe's dashboard. Stripe says: {message}")
    if not missing:
        yield _fine("The key has every permission that the service needs.")
    checks: dict[str, Callable[[StripeAccount], Iterator[Result]]] = {
        "The webhook endpoint": _check_webhook,
        "The delivery of events": _check_deliveries,
        "The payment methods": lambda account: _check_payment_methods(account, campaigns),
        "The billing portal": _check_portal,
        "The clock": _check_clock,
    }
    for name, check in checks.items():
        try:
            yield from check(account)
        except StripeKeyRefused:
            yield _problem(f"{name} could not be checked, as the key lacks the permission.")
        except StripeRefused as error:
            yield _problem(f"Stripe refused a question about the account's setup: {error}")


def _problem(sentence: str) -> Result:
    return Result(sentence=sentence, is_problem=True)


def _fine(sentence: str) -> Result:
    return Result(sentence=sentence, is_problem=False)


def _our_endpoints(account: StripeAccount) -> list[WebhookEndpoint]:
    url = services().links.absolute(STRIPE_WEBHOOK)
    return [found for found in account.list_webhook_endpoints() if found.url.rstrip("/") == url]


def _check_webhook(account: StripeAccount) -> Iterator[Result]:
    url, endpoints = services().links.absolute(STRIPE_WEBHOOK), _our_endpoints(account)
    endpoint = max(endpoints, key=lambda found: (found.is_enabled, len(found.event_types)), default=None)
    if len(endpoints) > 1:
        yield _fine(f"{len(endpoints)} webhook endpoints have the address {url}: one is enough.")
    if endpoint is None:
        yield _problem(f"No webhook endpoint of the account has the address {url}: create one, with the event types of docs/stripe.md.")
        return
    if not endpoint.is_enabled:
        yield _problem(f"The webhook endpoint {url} is disabled: enable it in Stripe's dashboard.")
        return
    if endpoint.api_version != API_VERSION:
        version = endpoint.api_version or "that is the account's default"
        yield _problem(f"The webhook endpoint sends events of the API version {version}; the service reads {API_VERSION}.")
    yield from _check_event_types(endpoint)


def _check_event_types(endpoint: WebhookEndpoint) -> Iterator[Result]:
    sent = set(endpoint.event_types)
    missing, too_many = sorted(set(NEEDED_TYPES) - sent), sorted(sent - set(HANDLED_TYPES) - set(NOTED_TYPES))
    if ALL_TYPES in sent:
        yield _fine("The webhook endpoint sends all types of events; those that the service does not need are ignored.")
    elif missing:
        yield _problem(f"The webhook endpoint does not send these types of events; add them to it: {', '.join(missing)}.")
    else:
        yield _fine("The webhook endpoint sends every type of event that the service needs.")
    if too_many and ALL_TYPES not in sent:
        named = ", ".join(too_many[:TYPES_NAMED]) + (f" and {more} more" if (more := len(too_many) - TYPES_NAMED) > 0 else "")
        yield _fine(f"The webhook endpoint also sends, and the service ignores: {named}.")


def _check_deliveries(account: StripeAccount) -> Iterator[Result]:
    """A wrong signing secret shows only in what Stripe could not deliver. Without an endpoint nothing was to be delivered."""
    if not _our_endpoints(account):
        return
    now = datetime.now(UTC)
    count = account.count_undelivered_events(now - EXAMINED, now - DELIVERED_WITHIN, limit=EVENTS_EXAMINED)
    if count:
        many = f"{count} or more" if count == EVENTS_EXAMINED else str(count)
        yield _problem(
            f"Stripe could not deliver {many} events of the last day. If the address is right, compare the endpoint's signing secret with "
            "STRIPE_WEBHOOK_SECRETS."
        )
    else:
        yield _fine("Stripe delivered every event of the last day.")


def _check_payment_methods(account: StripeAccount, campaigns: Sequence[Campaign]) -> Iterator[Result]:
    enabled = account.list_payment_methods()
    if "card" not in enabled:
        yield _problem("The account does not take cards.")
    takes_debits = any(campaign.takes_bank_debits for campaign in campaigns)
    if takes_debits and "acss_debit" not in enabled:
        yield _problem(
            "The campaign takes bank debits, and the account does not: switch on pre-authorized debit in Canada "
            "in Stripe's dashboard. Until then donors can pay by card only."
        )
    elif not takes_debits and "acss_debit" in enabled:
        yield _fine("The account takes bank debits; the campaign does not offer them.")
    yield _fine(f"Payment methods: {', '.join(name for name in (*METHODS, *WALLETS) if name in enabled)}.")


def _check_portal(account: StripeAccount) -> Iterator[Result]:
    if account.can_donors_change_cards():
        yield _fine("Donors can change their card in the billing portal.")
    else:
        yield _problem(
            "The billing portal does not let donors change their card: switch “payment methods” on in its default configuration."
        )


def _check_clock(_: StripeAccount) -> Iterator[Result]:
    services().stripe_balance.get_balance()
    seconds = round(services().stripe_balance.clock_skew_seconds)
    if abs(seconds) > MAX_CLOCK_SKEW_SECONDS:
        yield _problem(f"The clock of this machine is {abs(seconds)} seconds {'ahead of' if seconds > 0 else 'behind'} Stripe's: set it.")
    else:
        yield _fine("The clock of this machine agrees with Stripe's.")
