"""What mail servers report about our emails, read from a mailbox on a schedule, or by a command from files.

A report is believed only about an email of ours that a server may have, and only for the address that it went to. Each message is a transaction
of its own; one that cannot be read is left, and never keeps the next from being read.
"""

import time
from enum import StrEnum

import structlog
from sqlalchemy.exc import OperationalError

from campaign.edges import delivery_reports, imap
from campaign.edges.db import db
from campaign.edges.delivery_reports import DeliveryAction, DeliveryReport, RecipientReport
from campaign.edges.services import services
from campaign.mail import mail_actions
from campaign.outbox import deliveries, delivery_delays, messages
from campaign.outbox.messages import OutboxMessage

log = structlog.get_logger()

MAIL_SERVER = "mail server"
MAX_SECONDS = 120


class ReportOutcome(StrEnum):
    """What followed from a message: an email bounced or is delayed; its report was known or says that all is well; it is about no email of ours; it is no report; or it cannot be read."""

    BOUNCED = "bounced"
    DELAYED = "delayed"
    NOTHING_NEW = "nothing new"
    NOT_OURS = "not ours"
    NO_REPORT = "no report"
    BROKEN = "broken"


def handle_bounces() -> int:
    """Handle the unread messages of the mailbox for reports, if there is one, for two minutes at most. Returns how many emails have bounced.

    Every message is then marked as read and stays where it is. Raises MailboxUnavailable.
    """
    url, bounced, until = services().settings.bounce_mailbox_url, 0, time.monotonic() + MAX_SECONDS
    if not url:
        return 0
    with imap.open_mailbox(url) as mailbox:
        for uid in mailbox.unread():
            if time.monotonic() > until:
                break  # The next run goes on.
            bounced += handle_message(mailbox.read(uid, max_bytes=delivery_reports.MAX_BYTES)) is ReportOutcome.BOUNCED
            mailbox.mark_as_read(uid)
    return bounced


def handle_message(raw: bytes) -> ReportOutcome:
    """Record what a message reports about an email of ours, once. Commits. Only a database that is away is an error."""
    try:
        report = delivery_reports.parse_report(raw)
        outcome = ReportOutcome.NO_REPORT if report is None else _handle_report(report)
    except OperationalError:
        raise
    except Exception as error:
        db.session.rollback()
        log.warning("bounce.broken", error=type(error).__name__, bytes=len(raw))
        return ReportOutcome.BROKEN
    db.session.commit()
    return outcome


def _handle_report(report: DeliveryReport) -> ReportOutcome:
    for message in messages.messages_by_message_id(report.message_ids):
        found = _report_about(message, report)
        if found:
            outcome = _record(message, found)
            log.info("bounce.read", key=message.key, outcome=outcome.value, status=found.status)
            return outcome
    return ReportOutcome.NOT_OURS


def _report_about(message: OutboxMessage, report: DeliveryReport) -> RecipientReport | None:
    """The report for the address that the email went to: it may have been corrected since an earlier attempt."""
    email = deliveries.email_of(message.id)
    return next((r for r in report.recipients if email and email.recipient.lower() in r.addresses), None)


def _record(message: OutboxMessage, found: RecipientReport) -> ReportOutcome:
    match found.action:
        case DeliveryAction.FAILED:
            reason = f"{found.status} {found.diagnostic}".strip() or "no reason given"
            is_new = mail_actions.report_bounce(message, actor=MAIL_SERVER, reason=reason)
            return ReportOutcome.BOUNCED if is_new else ReportOutcome.NOTHING_NEW
        case DeliveryAction.DELAYED if deliveries.must_be_sent_as_frozen(message.id):
            is_new = delivery_delays.record_delay(message.id, status=found.status, diagnostic=found.diagnostic)
            return ReportOutcome.DELAYED if is_new else ReportOutcome.NOTHING_NEW
        case _:
            return ReportOutcome.NOTHING_NEW
