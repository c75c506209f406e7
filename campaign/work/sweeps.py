"""The sweeps: whatever is due, whoever should have been woken for it, by one worker at a time."""

import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import text

from campaign.edges.db import db
from campaign.edges.stripe_wire import StripeAway, StripeRefused
from campaign.giving import books_checks, claims, fund_changes, heartbeats, reconciliations, stripe_events
from campaign.giving.outbox import OutboxItem
from campaign.reporting import books
from campaign.work import notices, reconciling, yearly
from campaign.work.asking import end_checkouts
from campaign.work.balance import read_balance
from campaign.work.catching_up import read_stripe_events
from campaign.work.handling import handle_events, heal
from campaign.work.owed import send_owed
from campaign.work.refunding import carry_on

log = structlog.get_logger()

SWEEP_DUE_LOCK = 7_203_641
SWEEP_OUTSIDE_LOCK = 7_203_642
SWEEP_BOOKS_LOCK = 7_203_643
SWEEP_RECONCILIATION_LOCK = 7_203_644
SWEEP_SELDOM_LOCK = 7_203_645
RECONCILED_EVERY = timedelta(days=1)
CHECKER = "the books' check"


def check_books() -> int:
    """Check the books when that is due; a finding pauses the matching, so that gifts go on unmatched for now. How many findings."""
    if not books_checks.is_due():
        db.session.rollback()
        return 0
    db.session.rollback()
    started, before = time.monotonic(), books_checks.last()
    found = books.findings(db.engine)
    books_checks.record(found, milliseconds=int((time.monotonic() - started) * 1000))
    if found:
        log.critical("books.broken", findings=len(found), first=found[0])
    # What was found before, and matching goes on in spite of it, is a person's decision; receipts and Stripe's balance are not the match.
    known = before.findings if before else []
    breach = [sentence for sentence in found if sentence not in known and not sentence.startswith(books.NOT_OF_THE_MATCH)]
    if breach:
        paused = fund_changes.pause_all(actor=CHECKER, reason=breach[0])
        log.critical("matching.paused", funds=paused)
    db.session.commit()
    return len(found)


def bury() -> int:
    """Give up events and mails whose work has killed its workers, and say so."""
    buried = claims.bury(stripe_events.StripeEvent) + claims.bury(OutboxItem)
    db.session.commit()
    if buried:
        log.error("work.dead", rows=buried)
    return buried


def sweep_due() -> bool:
    """Whatever is waiting and due, whoever should have been woken for it; False when another worker is at it."""
    return _alone(SWEEP_DUE_LOCK, bury, handle_events, heal, send_owed)


def sweep_outside() -> bool:
    """Ask Stripe about events, checkouts and refunds that we may have missed, and do what follows; False when another worker is at it."""
    return _alone(SWEEP_OUTSIDE_LOCK, read_stripe_events, end_checkouts, carry_on, handle_events, read_balance, listen)


def listen() -> int:
    """Say when Stripe's webhooks have gone silent: gifts still come in by Stripe's own list, but later."""
    silence = heartbeats.webhooks_silent()
    db.session.rollback()
    if silence:
        log.error("webhooks.silent", since=silence.since and silence.since.isoformat(), checkouts=silence.checkouts)
    return int(silence is not None)


def sweep_reconciliation() -> bool:
    """A reconciliation, when none was begun for a day; False when another worker is at it."""
    return _alone(SWEEP_RECONCILIATION_LOCK, _reconcile)


def _reconcile() -> int:
    is_due = reconciliations.is_due(every=RECONCILED_EVERY)
    db.session.rollback()
    if is_due:
        reconciling.reconcile(since=None, actor=reconciliations.SCHEDULE)
    return int(is_due)


def sweep_seldom() -> bool:
    """The receipts of a year that is over, and notices to funders and staff; False when another worker is at it."""
    return _alone(SWEEP_SELDOM_LOCK, yearly.issue_due, notices.owe_notices)


def sweep_books() -> bool:
    """The books' own check, when it is due; False when another worker is at it."""
    return _alone(SWEEP_BOOKS_LOCK, check_books)


def _alone(lock: int, *steps: Callable[[], int]) -> bool:
    """Each step, though the one before it failed; by one worker at a time."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard:
        if not guard.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": lock}):
            return False
        try:
            for step in steps:
                _step(step)
        finally:
            guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": lock})
        return True


def _step(step: Callable[[], int]) -> None:
    try:
        step()
    except (StripeAway, StripeRefused) as error:
        log.warning("sweep.stripe", step=step.__name__, error=str(error)[:200])
    except Exception:
        log.exception("sweep.failed", step=step.__name__)
    finally:
        db.session.rollback()
