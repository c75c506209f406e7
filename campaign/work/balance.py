"""Reading Stripe's balance: new lines are kept, fees posted, payouts tied to what they paid out and posted."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import structlog

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import balance_lines, looks, payouts
from campaign.giving.payouts import PayoutTold
from campaign.giving.watermarks import StripeList, move_watermark, watermark

log = structlog.get_logger()

# Stripe may book a line some time after the moment that it gives.
OVERLAP = timedelta(hours=1)
A_BATCH = 400


def read_balance() -> int:
    """Bring fees and payouts up to Stripe's own books; returns how many lines were new."""
    livemode, now = outside().settings.stripe_livemode, datetime.now(UTC)
    since = watermark(StripeList.BALANCE, livemode=livemode)
    db.session.commit()
    new = 0
    listed = outside().stripe_books.moves_since(since - OVERLAP if since else None)
    while moves := list(islice(listed, A_BATCH)):
        new += balance_lines.keep(moves)
        db.session.commit()
    move_watermark(StripeList.BALANCE, livemode=livemode, seen_until=now)
    db.session.commit()
    _post_fees()
    _tie_payouts()
    while payouts.post_shares():
        db.session.commit()
    db.session.commit()
    return new


def _post_fees() -> None:
    while balance_lines.post_fees(limit=A_BATCH):
        db.session.commit()
    db.session.commit()


def _tie_payouts() -> None:
    names = payouts.to_be_tied()
    db.session.commit()
    for name in names:
        look = looks.next_look()
        db.session.commit()
        books = outside().stripe_books
        now = books.payout(name)
        lines = books.moves_in_payout(name) if now.lines == "completed" else []
        payouts.record(PayoutTold(now=now, look=look))
        if lines:
            payouts.tie(name, lines)
        else:
            log.info("payout.lines", payout=name, lines=now.lines)
        db.session.commit()
