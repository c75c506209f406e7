"""Batches concurrent donation requests: those that wait for a campaign's lock are processed together, with one commit for all of them.

Each public function is called by one request; one of the waiting requests processes the batch (edges/group_commit.py).
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import current_app
from flask.sansio.app import App

from campaign.campaigns.campaigns import Campaign, campaign_by_slug
from campaign.donations.donations import Donation, DonationDetails
from campaign.edges.db import db
from campaign.edges.group_commit import GroupCommit
from campaign.edges.stripe.client import StripeKeyRefused
from campaign.operations import job_results
from campaign.operations.job_results import FailureReason
from campaign.payments import card_testing, checkouts
from campaign.payments.checkouts import CheckoutContext, LessMatchAvailable, OpenedCheckout

MAX_BATCH = 32
CACHE_SECONDS = 1.0
OPEN_CHECKOUT = "open_checkout"

Started = Donation | LessMatchAvailable | None
StartRequest = tuple[int, DonationDetails, CheckoutContext]


@dataclass
class _Batches:
    """The batches of one app. `campaigns` is a cache by slug, `card_testing` whether the guard is on, each with the monotonic time at which it was read."""

    starts: GroupCommit[StartRequest, Started]
    opened: GroupCommit[OpenedCheckout, None]
    campaigns: dict[str, tuple[float, Campaign]] = field(default_factory=dict)
    card_testing: tuple[float, bool] = (-math.inf, False)


def init_app(app: App) -> None:
    """Set up the batches of this app."""
    app.extensions["batching"] = _Batches(GroupCommit(_start_all, max_batch=MAX_BATCH), GroupCommit(_record_all, max_batch=MAX_BATCH))


def _batches() -> _Batches:
    batches = current_app.extensions["batching"]
    assert isinstance(batches, _Batches)
    return batches


def load_campaign(slug: str) -> Campaign | None:
    """The campaign as it was at most CACHE_SECONDS ago, to validate a form. Starting the checkout reads the campaign again."""
    cache, now = _batches().campaigns, time.monotonic()
    read_at, campaign = cache.get(slug, (-math.inf, None))
    if campaign is None or now - read_at > CACHE_SECONDS:
        campaign = campaign_by_slug(slug)
        if campaign is None:
            return None
        db.session.commit()  # A request that waits for its batch holds no transaction open.
        db.session.expunge(campaign.charity)
        db.session.expunge(campaign)
        cache[slug] = now, campaign
    return campaign


def is_card_testing() -> bool:
    """Whether the guard against card testing was on at most CACHE_SECONDS ago."""
    batches, now = _batches(), time.monotonic()
    read_at, is_on = batches.card_testing
    if now - read_at > CACHE_SECONDS:
        is_on = card_testing.current_guard() is not None
        batches.card_testing = now, is_on
    return is_on


def start_checkout(campaign: Campaign, details: DonationDetails, context: CheckoutContext) -> Started:
    """Start a donation and commit it.

    Returns LessMatchAvailable, with nothing stored, when less can be held than the donor was shown; None when the attempt exists already.
    """
    started = _batches().starts.submit((campaign.id, details, context))
    if isinstance(started, Donation):
        db.session.add(started)
    return started


def record_opened(opened: OpenedCheckout) -> None:
    """Record a checkout that Stripe has opened, and commit."""
    _batches().opened.submit(opened)


def record_key_refused(error: StripeKeyRefused) -> None:
    """Record, and commit, that Stripe opens no checkout for our key; the next one that it opens ends this."""
    job_results.record_failure(OPEN_CHECKOUT, FailureReason.KEY_REFUSED, str(error))
    db.session.commit()


def _start_all(requests: Sequence[StartRequest]) -> list[Started]:
    """Process the requests of each campaign together; results are in the order of the requests."""
    results: dict[int, Started] = {}
    for campaign_id in {campaign_id for campaign_id, _, _ in requests}:
        numbers = [number for number, request in enumerate(requests) if request[0] == campaign_id]
        results |= zip(numbers, _start_in_campaign(campaign_id, [requests[number][1:] for number in numbers]), strict=True)
    return [results[number] for number in range(len(requests))]


def _start_in_campaign(campaign_id: int, requests: Sequence[tuple[DonationDetails, CheckoutContext]]) -> list[Started]:
    """Start the checkouts in one transaction. It is repeated without those for which less match is available than was shown."""
    results: dict[int, Started] = {}
    while remaining := [number for number in range(len(requests)) if number not in results]:
        with _rollback_on_error():
            started = checkouts.start_checkouts(db.session.get_one(Campaign, campaign_id), [requests[number] for number in remaining])
            reduced: dict[int, Started] = {
                number: result for number, result in zip(remaining, started, strict=True) if isinstance(result, LessMatchAvailable)
            }
            if reduced:
                db.session.rollback()
            else:
                db.session.commit()
        results |= reduced or dict(zip(remaining, started, strict=True))
    for result in results.values():
        if isinstance(result, Donation):
            db.session.expunge(result)  # The thread of its request continues with it.
    return [results[number] for number in range(len(requests))]


def _record_all(opened: Sequence[OpenedCheckout]) -> list[None]:
    with _rollback_on_error():
        checkouts.record_opened(opened)
        job_results.record_recovery(OPEN_CHECKOUT)
        db.session.commit()
    return [None] * len(opened)


@contextmanager
def _rollback_on_error() -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.session.rollback()
        raise
