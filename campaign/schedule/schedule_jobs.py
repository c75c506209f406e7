"""The scheduled jobs: each does the work that is due, on one worker at a time, whether or not a wake-up was lost."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from campaign.donations.wall_jobs import begin_batches
from campaign.edges.db import db
from campaign.edges.imap import MailboxUnavailable
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeKeyRefused, StripeRefused, StripeUnavailable
from campaign.mail import notice_jobs
from campaign.mail.bounce_jobs import handle_bounces
from campaign.mail.send_jobs import send_due
from campaign.mail.tribute_card_jobs import enqueue_cards
from campaign.matching import fund_lifecycle
from campaign.operations import heartbeats, integrity_checks, job_results
from campaign.operations.job_results import FailureReason
from campaign.outbox import leases
from campaign.outbox.messages import OutboxMessage
from campaign.payments.card_testing_jobs import end_card_testing_guard
from campaign.payments.refund_jobs import retry_refunds
from campaign.privacy.retention_jobs import erase_what_is_over
from campaign.receipts import annual_jobs
from campaign.receipts.donor_merge_actions import move_strays
from campaign.receipts.gift_import_jobs import delete_expired, handle_imports
from campaign.receipts.unreported_return_jobs import report_unreported
from campaign.recurring.cancel_jobs import cancel_requested
from campaign.reporting import head_jobs, ledger_day_jobs
from campaign.reporting.funder_report_jobs import enqueue_funder_reports
from campaign.reporting.integrity import checker
from campaign.stripe_sync import inbox, reconcile_jobs, reconciliations
from campaign.stripe_sync.balance_jobs import sync_balance
from campaign.stripe_sync.event_jobs import check_deferred_events, handle_events, rematch
from campaign.stripe_sync.poll_checkout_jobs import poll_overdue_checkouts
from campaign.stripe_sync.poll_event_jobs import poll_events
from campaign.stripe_sync.setup_check import MAX_CLOCK_SKEW_SECONDS

log = structlog.get_logger()

DUE_WORK_LOCK = 7_203_641
POLL_STRIPE_LOCK = 7_203_642
INTEGRITY_LOCK = 7_203_643
RECONCILIATION_LOCK = 7_203_644
INFREQUENT_WORK_LOCK = 7_203_645
IMPORT_LOCK = 7_203_646
# Twice within the two minutes in which everything is in the books without webhooks (contract.md, section 7).
POLL_STRIPE_SECONDS = 50
RECONCILIATION_INTERVAL = timedelta(days=1)
# What a step returns when it was not due and so did nothing.
NOT_DUE = -1
CHECKER_ACTOR = "integrity check"


def check_integrity_now() -> int:
    """Check the books if a check is due, once a night all of them. Returns the number of findings, or NOT_DUE.

    A new finding about matching pauses all funds; donations continue unmatched.
    """
    if not integrity_checks.is_due():
        db.session.rollback()
        return NOT_DUE
    started, before, since = time.monotonic(), integrity_checks.last_check(), integrity_checks.verified_point()
    db.session.commit()  # A transaction that is idle for a minute is ended by the database, and a check of large books takes longer.
    # Documents are read in turns; once something is wrong, all of them are, so that no finding disappears with the day.
    night = None if before and before.findings else datetime.now(UTC).date()
    try:
        result = checker.check(db.engine, since=since, night=night)
    except Exception as error:
        if since is None:
            raise
        log.exception("integrity.point_failed", exc_info=error)  # A point that cannot be read must not keep the books from being checked.
        since, result = None, checker.check(db.engine, since=None, night=night)
    found = result.findings
    milliseconds = int((time.monotonic() - started) * 1000)
    integrity_checks.record(found, milliseconds=milliseconds, is_whole=since is None, point=result.point)
    db.session.commit()  # What was found is recorded even if the funds cannot be paused.
    if found:
        log.critical("integrity.failed", findings=len(found), first=found[0])
    # Funds that are active despite the findings of the last check were resumed by a person. Receipts and Stripe's balance do not affect
    # matching.
    known = before.findings if before else []
    new = [sentence for sentence in found if sentence not in known and not sentence.startswith(checker.NOT_ABOUT_MATCHING)]
    if new:
        paused = fund_lifecycle.pause_all(actor=CHECKER_ACTOR, reason=new[0])
        log.critical("matching.paused", funds=paused)
    db.session.commit()
    return len(found)


def dead_letter_exhausted() -> int:
    """Dead-letter events and emails that have killed their workers too often. Returns how many."""
    exhausted = leases.dead_letter(inbox.StripeEvent) + leases.dead_letter(OutboxMessage)
    db.session.commit()
    if exhausted:
        log.error("work.dead", rows=exhausted)
    return exhausted


def run_due_work() -> bool:
    """Process due events, rematches and emails, and end the guard against card testing when it is over. Returns False when another worker is doing so."""
    steps = (dead_letter_exhausted, handle_events, end_card_testing_guard, rematch, move_strays, send_due)
    return _run_exclusively(DUE_WORK_LOCK, *steps)


def poll_stripe() -> bool:
    """Poll Stripe for missed events, checkouts, refunds and balance transactions. Returns False when another worker is doing so."""
    return _run_exclusively(POLL_STRIPE_LOCK, *_POLL_STEPS)


class ClockIsWrong(Exception):
    """Our clock differs from Stripe's by more than 30 seconds. Signatures and the deadlines of checkouts depend on it."""


def check_clock() -> int:
    """Compare our clock with Stripe's, as of its last response. Returns 0. Raises ClockIsWrong."""
    seconds = round(services().stripe_balance.clock_skew_seconds)
    if abs(seconds) > MAX_CLOCK_SKEW_SECONDS:
        raise ClockIsWrong(f"our clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} Stripe's")
    return 0


def check_refused_key() -> int:
    """Try whether the key may do again what pages for donors could not do. Returns how many of them it may do.

    A page tries only when a donor comes, and a reconciliation once a day.
    """
    polled = {step.__name__ for step in _POLL_STEPS}  # These find out by themselves.
    names = [name for name in job_results.list_key_refused() if name not in polled]
    db.session.rollback()
    if not names or services().stripe_account.list_missing_permissions():
        return 0
    for name in names:
        job_results.record_recovery(name)
    db.session.commit()
    return len(names)


def check_webhook_silence() -> int:
    """Log an error while Stripe's webhooks are silent: donations are then settled by polling, only later. Returns 1 if silent, else 0."""
    silence = heartbeats.webhook_silence()
    db.session.rollback()
    if silence:
        log.error("webhooks.silent", since=silence.since and silence.since.isoformat(), checkouts=silence.checkouts)
    return int(silence is not None)


def reconcile_daily() -> bool:
    """Reconcile with Stripe if no run has started for a day. Returns False when another worker is doing so."""
    return _run_exclusively(RECONCILIATION_LOCK, _reconcile)


def _reconcile() -> int:
    is_due = reconciliations.is_due(every=RECONCILIATION_INTERVAL)
    db.session.rollback()
    if not is_due:
        return NOT_DUE
    reconcile_jobs.reconcile(since=None, actor=reconciliations.SCHEDULE)
    return 1


def run_infrequent_work() -> bool:
    """Issue due annual receipts, report returned gifts that are not reported yet, enqueue notices to staff, reports to funders and the cards of the
    day, publish the heads of the chains, store the sums of days that have ended, read what mail came back, delete files of gifts whose time is over,
    begin to show gifts on the pages of campaigns, and erase what was stored
    for long enough.

    Returns False when another worker is doing so.
    """
    steps = (
        annual_jobs.issue_due,
        report_unreported,
        notice_jobs.enqueue_notices,
        enqueue_funder_reports,
        enqueue_cards,
        head_jobs.publish_heads,
        ledger_day_jobs.store_ended_days,
        handle_bounces,
        delete_expired,
        begin_batches,
        erase_what_is_over,
    )
    return _run_exclusively(INFREQUENT_WORK_LOCK, *steps)


def run_imports() -> bool:
    """Record the rows of imports that staff confirmed, or undo them. Returns False when another worker is doing so."""
    return _run_exclusively(IMPORT_LOCK, _run_imports)


def _run_imports() -> int:
    return handle_imports() or NOT_DUE


def check_integrity() -> bool:
    """Check the books if a check is due. Returns False when another worker is doing so."""
    return _run_exclusively(INTEGRITY_LOCK, check_integrity_now)


def _run_exclusively(lock: int, *steps: Callable[[], int]) -> bool:
    """Run each step, even if an earlier one fails. Returns False, and runs none, when another worker has the advisory lock."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard:
        if not guard.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": lock}):
            return False
        try:
            for step in steps:
                _run_step(step)
        finally:
            guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": lock})
        return True


def _run_step(step: Callable[[], int]) -> None:
    """Run the step and record how it went, so that one that keeps failing is reported (operations/job_results.py)."""
    name = step.__name__.strip("_")
    try:
        was_due = step() != NOT_DUE
        db.session.rollback()
        if was_due:
            failing_since = job_results.record_success(name)
            db.session.commit()
            if failing_since:
                log.info("job.recovered", job=name, since=failing_since.isoformat())
    except Exception as error:
        db.session.rollback()
        _record_failure(name, error)


def _record_failure(name: str, error: Exception) -> None:
    reason = next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), FailureReason.ERROR)
    try:
        job = job_results.record_failure(name, reason, f"{type(error).__name__}: {error}")
        db.session.commit()
    except SQLAlchemyError:  # The database itself is away.
        db.session.rollback()
        log.exception("job.failed", job=name, exc_info=error)
        return
    trace = error if reason is FailureReason.ERROR else None
    is_repeated = job.failures >= job_results.REPORTED_FAILURES
    (log.error if is_repeated or trace else log.warning)(
        "job.failing" if is_repeated else "job.failed",
        job=name,
        since=job.since.isoformat(),
        failures=job.failures,
        error=job.error,
        exc_info=trace,
    )


_POLL_STEPS = (
    poll_events,
    poll_overdue_checkouts,
    retry_refunds,
    handle_events,
    check_deferred_events,
    cancel_requested,
    sync_balance,
    check_webhook_silence,
    check_clock,
    check_refused_key,
)
# The first that fits: a rejected key is also an unavailable Stripe.
_REASONS: dict[type[Exception], FailureReason] = {
    StripeKeyRefused: FailureReason.KEY_REFUSED,
    StripeUnavailable: FailureReason.STRIPE_UNAVAILABLE,
    StripeRefused: FailureReason.STRIPE_REFUSED,
    ClockIsWrong: FailureReason.CLOCK,
    MailboxUnavailable: FailureReason.MAILBOX,
}
