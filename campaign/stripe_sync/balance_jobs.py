"""Reads Stripe's balance transactions: stores new ones, posts fees, ties payouts to the transactions they paid out, and posts payouts."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import structlog

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeRefused
from campaign.payments import snapshot_numbers
from campaign.stripe_sync import balance_transactions, payouts
from campaign.stripe_sync.cursors import StripeList, advance_cursor, read_until
from campaign.stripe_sync.payouts import PayoutSnapshot

log = structlog.get_logger()

# Stripe may list a transaction some time after its `created` time.
OVERLAP = timedelta(hours=1)
BATCH_SIZE = 400
PAYOUTS_AT_A_TIME = 100


def sync_balance(*, since: datetime | None = None) -> int:
    """Bring fees and payouts up to date with Stripe. Returns how many transactions were new. Raises StripeUnavailable or StripeRefused.

    Transactions are read from an hour before the last reading on, or from `since` if that is earlier.
    """
    livemode, now = services().settings.stripe_livemode, datetime.now(UTC)
    last = read_until(StripeList.BALANCE, livemode=livemode)
    db.session.commit()
    new, start = 0, last - OVERLAP if last else None
    listed = services().stripe_balance.list_transactions(min(start, since) if start and since else start)
    while batch := list(islice(listed, BATCH_SIZE)):
        new += balance_transactions.store_transactions(batch)
        db.session.commit()
    advance_cursor(StripeList.BALANCE, livemode=livemode, read_until=now)
    db.session.commit()
    _post_fees()
    try:
        _tie_payouts()
    finally:
        db.session.rollback()
        while payouts.post_shares():
            db.session.commit()
        db.session.commit()
    return new


def _post_fees() -> None:
    while balance_transactions.post_fees(limit=BATCH_SIZE):
        db.session.commit()
    db.session.commit()


def _tie_payouts() -> None:
    """Raises StripeUnavailable, and StripeRefused after the other payouts were tied."""
    untied, refused = payouts.list_untied(limit=PAYOUTS_AT_A_TIME), None
    db.session.commit()
    for stripe_id in untied:
        try:
            _tie_payout(stripe_id)
        except StripeRefused as error:
            db.session.rollback()
            refused = refused or error
    if refused:
        raise refused


def _tie_payout(stripe_id: str) -> None:
    payouts.mark_fetched(stripe_id)
    snapshot_number = snapshot_numbers.take_snapshot_number()
    db.session.commit()
    stripe = services().stripe_balance
    payout = stripe.get_payout(stripe_id)
    is_complete = payout.reconciliation_status == "completed"
    transactions = stripe.list_payout_transaction_ids(stripe_id) if is_complete else []
    payouts.record(PayoutSnapshot(payout=payout, snapshot_number=snapshot_number))
    if transactions:
        payouts.tie_transactions(stripe_id, transactions)
    else:
        log.info("payout.not_tied", payout=stripe_id, reconciliation_status=payout.reconciliation_status)
    db.session.commit()
