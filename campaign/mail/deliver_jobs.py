"""Delivery of a frozen e-mail to the mail server: the same bytes each time, each attempt recorded before and after.

A worker that dies in between leaves an attempt without an outcome. The next worker closes it as unknown and sends the message again, with
the same Message-ID and the same bytes.
"""

from urllib.parse import urlsplit

from campaign.edges import smtp
from campaign.edges.db import db
from campaign.edges.links import report_choices_in
from campaign.edges.services import services
from campaign.edges.smtp import Attachment, MailDeferred, MailRefused, MailUnknown, OutgoingEmail
from campaign.funders import call_render_jobs
from campaign.funders.calls import FundCall
from campaign.outbox import deliveries, messages
from campaign.outbox.deliveries import DeliveryOutcome, EmailContent, FrozenEmail
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import render_jobs
from campaign.receipts.receipts import Receipt
from campaign.reporting import funder_report_files
from campaign.reporting.funder_reports import FunderReport

OUTCOMES = {MailDeferred: DeliveryOutcome.DEFERRED, MailRefused: DeliveryOutcome.REFUSED, MailUnknown: DeliveryOutcome.UNKNOWN}


def freeze(message: OutboxMessage, content: EmailContent) -> FrozenEmail:
    """Store the content and the Message-ID, before the first delivery attempt. The caller commits."""
    messages.assign_message_id(message, mail_domain())
    return deliveries.freeze_email(message, content)


def deliver(message: OutboxMessage, email: FrozenEmail) -> None:
    """Make one attempt and record its outcome. The caller commits a success.

    Raises MailDeferred, MailRefused or MailUnknown, with the outcome committed.
    """
    outgoing, settings = smtp.build_message(_prepare_outgoing(message, email)), services().settings
    attempt_id = deliveries.start_attempt(message.id, smtp.digest(outgoing))
    db.session.commit()
    try:
        smtp.send(settings.mail_url, outgoing, bounce_address=settings.envelope_sender)
    except (MailDeferred, MailRefused, MailUnknown) as error:
        deliveries.finish_attempt(attempt_id, OUTCOMES[type(error)], str(error))
        db.session.commit()
        raise
    deliveries.finish_attempt(attempt_id, DeliveryOutcome.ACCEPTED)


def _prepare_outgoing(message: OutboxMessage, email: FrozenEmail) -> OutgoingEmail:
    assert message.message_id is not None
    return OutgoingEmail(
        message_id=message.message_id,
        at=email.frozen_at,
        sender=services().settings.mail_from,
        sender_name=email.sender_name,
        recipient=email.recipient,
        recipient_name=email.recipient_name,
        language=email.language,
        subject=email.subject,
        text=email.plain,
        html=email.html,
        reply_to=email.reply_to,
        unsubscribe_url=report_choices_in(email.plain) if email.funder_report_id else "",
        attachments=_render_attachments(email),
    )


def _render_attachments(email: FrozenEmail) -> list[Attachment]:
    if email.fund_call_id is not None:
        call = db.session.get_one(FundCall, email.fund_call_id)
        name = call_render_jobs.file_name_of(call)
        return [Attachment(name=name, mime_type="application/pdf", content=call_render_jobs.get_or_render_pdf(call))]
    if email.funder_report_id is not None:
        report = db.session.get_one(FunderReport, email.funder_report_id)
        return [funder_report_files.get_or_render_statement(report, email.language)]
    if email.receipt_id is None:
        return []
    receipt = db.session.get_one(Receipt, email.receipt_id)
    return [Attachment(name=receipt.file_name, mime_type="application/pdf", content=render_jobs.get_or_sign(receipt))]


def mail_domain() -> str:
    """The domain of our Message-IDs: that of the sender, else that of the service."""
    settings = services().settings
    return settings.mail_from.rpartition("@")[2].strip(" >") or urlsplit(settings.base_url).hostname or "localhost"
