"""The service's own work about money, and the sweeps, for whoever has a hand free: workers, the webhook when Redis is away, a donor's page.

Each function is one door: it begins and commits its own transactions, and calls Stripe only between them.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_api import Checkout, StripeAway, StripeRefused
from campaign.giving import (
    books_checks,
    checkouts,
    claims,
    consequences,
    fund_changes,
    happenings,
    healing,
    money_back,
    payments,
    stripe_events,
)
from campaign.giving.claims import Claim
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation
from campaign.giving.healing import HealingDesk
from campaign.giving.outbox import OutboxItem
from campaign.giving.payments import PaymentMade
from campaign.owed import send_owed
from campaign.refunding import carry_on
from campaign.reporting import books

log = structlog.get_logger()

EVENTS_A_BATCH = 400
SWEEP_DUE_LOCK = 7_203_641
SWEEP_OUTSIDE_LOCK = 7_203_642
SWEEP_BOOKS_LOCK = 7_203_643
CHECKER = "the books' check"
POLL_OVERLAP = timedelta(minutes=5)
FIRST_POLL = timedelta(days=3)


def handle_events() -> int:
    """Handle all waiting events, a batch a transaction; returns how many were done."""
    done = 0
    while True:
        taken = stripe_events.claim(limit=EVENTS_A_BATCH)
        db.session.commit()
        if not taken:
            break
        done += _handle_batch(taken)
        heal(steps_at_most=1)  # Between the batches too, so that those who wait do not wait for a flood to end.
    if done:
        heal()
        outside().waker.wake("mail")
    return done


def _handle_batch(taken: list[Claim]) -> int:
    for last_try in (False, False, True):
        try:
            done = happenings.handle(taken)
            db.session.commit()
            return done
        except OperationalError as error:
            db.session.rollback()
            log.warning("events.again", error=str(error.orig)[:200])
            if last_try:
                _leave_for_later(taken)
    return 0


def _leave_for_later(taken: list[Claim]) -> None:
    """Leave claimed events to a later round, when the database could not carry them now."""
    for claim in taken:
        claims.fail(stripe_events.StripeEvent, claim, error="the database could not carry the batch")
    db.session.commit()


def ask_stripe(donation: Donation) -> None:
    """Look at Stripe what became of the donation's checkout, and record it; raises StripeAway or StripeRefused.

    For a webhook that is late or lost: what follows goes through the same verbs as an event.
    """
    checkout_id = donation.checkout_id
    donation.asked_stripe_at = _now()
    db.session.commit()
    if checkout_id is None:
        _end_unopened(donation)
        return
    found = outside().stripe.checkout(checkout_id)
    paid_at = None
    if found.payment_status == "paid" and found.payment_intent:
        paid_at = outside().stripe.payment(found.payment_intent).paid_at
    consequences.apply(donation, lambda desk: _found_out(donation, found, paid_at, desk))
    db.session.commit()
    outside().waker.wake("mail")


def _found_out(donation: Donation, found: Checkout, paid_at: int | None, desk: HealingDesk) -> Consequence:
    cause = f"asked:{found.id}"
    if found.payment_status == "paid":
        made = PaymentMade(
            payment_intent=found.payment_intent,
            amount_cents=found.amount_cents,
            currency=found.currency,
            livemode=found.livemode,
            paid_at=datetime.fromtimestamp(paid_at, UTC) if paid_at else _now(),
        )
        paid = payments.record_payment(donation, made, desk, cause=cause)
        return money_back.after_payment(paid, donation, desk, cause=cause)
    if found.status == "expired":
        return payments.record_end(donation, desk, ended_as="expired", cause=cause)
    if found.status == "complete":
        return payments.record_processing(donation)
    return Consequence(outcome="still open")


def _end_unopened(donation: Donation) -> None:
    """No checkout was ever shown to the donor, and the time to pay one has passed."""
    consequences.apply(donation, lambda desk: _ended_unopened(donation, desk))
    db.session.commit()


def _ended_unopened(donation: Donation, desk: HealingDesk) -> Consequence:
    """Looked at again under the lock: the donor may have pressed once more, and have a checkout by now."""
    expires_at = donation.checkout_expires_at
    if donation.checkout_id or (expires_at and expires_at > _now()):
        return Consequence(outcome="opened meanwhile")
    return payments.record_end(donation, desk, ended_as="expired", cause="never opened")


def cancel(donation: Donation) -> None:
    """The donor came back without paying and does not want to: end the checkout at Stripe, so that it cannot be paid any more, and free
    what it held. Raises StripeAway or StripeRefused; what Stripe says of a checkout that cannot be ended is recorded all the same.
    """
    db.session.refresh(donation)
    checkout_id = donation.checkout_id
    db.session.commit()
    if checkout_id is None or not donation.is_open or donation.processing_at:
        return
    try:
        outside().stripe.expire_checkout(checkout_id)
    except StripeRefused:  # It was paid or had ended meanwhile: what became of it counts.
        ask_stripe(donation)
        return
    donation.cancelled_at = _now()
    ask_stripe(donation)


def end_checkouts() -> int:
    """Ask Stripe about checkouts that should have ended by now, and free what they held."""
    late = checkouts.open_past_expiry(limit=100)
    db.session.commit()
    for donation in late:
        db.session.refresh(donation)
        try:
            ask_stripe(donation)
        except StripeAway:
            db.session.rollback()
            raise  # The others would wait for it as well: the next sweep asks again.
        except StripeRefused as error:
            db.session.rollback()
            log.warning("checkout.unknown", donation=donation.public_id, error=type(error).__name__)
    return len(late)


def read_stripe_events() -> int:
    """Put into the inbox what Stripe's own list has and no webhook brought; returns how many were new."""
    settings = outside().settings
    now = _now()
    since = stripe_events.watermark(livemode=settings.stripe_livemode)
    db.session.commit()
    listed = outside().stripe.events_since((since or now - FIRST_POLL) - POLL_OVERLAP, happenings.ACTED_ON)
    new = 0
    for event in listed:
        new += _keep_listed(event)
        db.session.commit()  # At once: the same event may be at the webhook's door.
    stripe_events.move_watermark(livemode=settings.stripe_livemode, seen_until=now)
    db.session.commit()
    return new


def _keep_listed(event: dict[str, object]) -> bool:
    try:
        incoming = stripe_events.read_event(json.dumps(event, ensure_ascii=False).encode())
    except stripe_events.NotAnEvent as error:
        log.error("event.unreadable", error=str(error)[:200])
        return False
    return incoming.livemode == outside().settings.stripe_livemode and bool(stripe_events.keep(incoming, source="poll"))


def heal(steps_at_most: int = 1_000_000) -> int:
    """Go on with healings that are due, a step a transaction; returns how many steps were made."""
    steps = 0
    for campaign_id in healing.campaigns_due():
        while steps < steps_at_most and consequences.go_on_healing(campaign_id):
            db.session.commit()
            steps += 1
    db.session.commit()
    return steps


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
    # What was found before, and matching goes on in spite of it, is a person's decision; receipts are not the match.
    known = before.findings if before else []
    breach = [sentence for sentence in found if sentence not in known and not sentence.startswith(books.OF_RECEIPTS)]
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
    return _alone(SWEEP_OUTSIDE_LOCK, read_stripe_events, end_checkouts, carry_on, handle_events)


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


def _now() -> datetime:
    return datetime.now(UTC)
