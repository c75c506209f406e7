"""Sending what is due from the outbox: each message is composed, frozen, delivered and completed, a transaction for each step.

The mail server and the PDF renderer are called only between transactions.
"""

import structlog
from sqlalchemy.exc import OperationalError

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.pdf_signing import SigningKeyMissing
from campaign.edges.smtp import MailDeferred, MailRefused, MailUnknown
from campaign.mail import compose, deliver_jobs
from campaign.outbox import deliveries, leases, messages, pending_messages
from campaign.outbox.deliveries import FrozenEmail
from campaign.outbox.leases import Lease
from campaign.outbox.message_kinds import DETAILS_QUIET_SECONDS, QUIET_SECONDS, MessageKind
from campaign.outbox.messages import NewMessage, OutboxMessage
from campaign.receipts import completeness, receipts
from campaign.receipts.receipts import ReceiptIncomplete
from campaign.stripe_sync import inbox

log = structlog.get_logger()

INCOMPLETE_RETRY_SECONDS = 6 * 3600


def send_due() -> int:
    """Send the messages that are due; returns how many are done. Stops while Stripe events wait: money comes first."""
    done = 0
    while not inbox.is_behind():
        leased = messages.lease_due(limit=1)  # One lease covers one e-mail, however slow the server is.
        db.session.commit()
        if not leased:
            break
        for lease in leased:
            done += _send_one(lease)
    db.session.commit()
    return done


def _send_one(lease: Lease) -> bool:
    message = messages.message_of(lease)
    key = message.key
    try:
        email = _get_or_freeze_email(message)
        db.session.commit()
        if email is not None:
            deliver_jobs.deliver(message, email)
        leases.complete(OutboxMessage, lease)
        db.session.commit()
        return True
    except ReceiptIncomplete as error:
        _wait_for_details(lease, message, error)
        return True
    except (MailDeferred, SigningKeyMissing) as error:
        _defer(lease, key, error)
    except MailRefused as error:
        _fail(lease, key, error, for_good=True)
    except (OperationalError, MailUnknown) as error:
        _fail(lease, key, error, for_good=False)
    except Exception as error:
        log.exception("outbox.failed", key=key)
        _fail(lease, key, error, for_good=False)
    return False


def _get_or_freeze_email(message: OutboxMessage) -> FrozenEmail | None:
    """The frozen content if it may still be sent, else new content; None when it is erased, or there is no longer anything to report."""
    deliveries.close_abandoned_attempts(message.id)
    email = deliveries.email_of(message.id)
    if email is not None:
        if email.is_erased:
            return None
        if _may_be_sent(message, email):
            return email
        deliveries.discard_email(email)
    compose.prepare_receipts(message)
    db.session.commit()  # So that nothing is composed or rendered while the counter of receipts is locked.
    content = compose.compose(message) if messages.has_address(message) else None
    return deliver_jobs.freeze(message, content) if content else None


def _may_be_sent(message: OutboxMessage, email: FrozenEmail) -> bool:
    """Content that no server has is composed again when its receipt has ended, a server has refused it, or its SECRET_KEY has gone.

    So is news of a call for funds, which may be paid or cancelled by then, a card, whose gift may be refunded, and what has changed again since.
    """
    if deliveries.must_be_sent_as_frozen(email.outbox_id):
        return True
    if not email.is_readable:
        return False
    if message.fund_call_id is not None or message.tribute_card_id is not None:
        return False
    if message.kind in QUIET_SECONDS and pending_messages.is_superseded(message):
        return False
    receipt_has_ended = email.receipt_id is not None and receipts.has_ended(email.receipt_id)
    return not receipt_has_ended and not deliveries.was_refused(email.outbox_id)


def _wait_for_details(lease: Lease, message: OutboxMessage, error: ReceiptIncomplete) -> None:
    """The receipt is incomplete: send the thanks without it, with a link to complete the address if that is missing, and retry later.

    The thanks wait while the donor may complete it on the page after the payment, so that one e-mail has both. `missing_elements` shows
    staff what is missing.
    """
    db.session.rollback()
    if message.kind == MessageKind.RECEIPT and message.donation_id:
        donation = db.session.get_one(Donation, message.donation_id)
        messages.enqueue(NewMessage(MessageKind.ACKNOWLEDGEMENT, donation))
        if completeness.waits_for_donor(donation):
            messages.postpone_first(MessageKind.ACKNOWLEDGEMENT, donation, seconds=DETAILS_QUIET_SECONDS)
    messages.wait_for_elements(lease, error.missing, reason=str(error), seconds=INCOMPLETE_RETRY_SECONDS)
    db.session.commit()


def _defer(lease: Lease, key: str, error: Exception) -> None:
    """The mail server or the signing key is unavailable: retry for up to three days, without counting the attempt."""
    db.session.rollback()
    is_dead = messages.defer(lease, error=f"{type(error).__name__}: {error}"[:500])
    db.session.commit()
    _log_failure(key, error, is_dead=is_dead)


def _fail(lease: Lease, key: str, error: Exception, *, for_good: bool) -> None:
    db.session.rollback()
    is_dead = messages.fail(lease, error=f"{type(error).__name__}: {error}"[:500], for_good=for_good)
    db.session.commit()
    _log_failure(key, error, is_dead=is_dead)


def _log_failure(key: str, error: Exception, *, is_dead: bool) -> None:
    (log.error if is_dead else log.warning)("outbox.dead" if is_dead else "outbox.retry", key=key, error=type(error).__name__)
