"""Handing a letter to the mail server: the same bytes each time, each hand-over written down before and after.

A worker that dies in between leaves a hand-over without an end, which the next one takes for unknown: the mail goes out again, with the
same Message-ID and the same bytes.
"""

from urllib.parse import urlsplit

from campaign.edges import mail
from campaign.edges.db import db
from campaign.edges.mail import Attachment, MailDelayed, MailRefused, MailUnknown
from campaign.edges.outside import outside
from campaign.giving import mails, outbox
from campaign.giving.mails import Letter, Mail, Outcome
from campaign.giving.outbox import OutboxItem
from campaign.giving.receipts import Receipt
from campaign.work import documents


def freeze(item: OutboxItem, letter: Letter) -> Mail:
    """Keep the words and the Message-ID, before anything leaves. The caller commits."""
    outbox.message_id_of(item, mail_domain())
    return mails.keep(item, letter)


def hand_over(item: OutboxItem, words: Mail) -> None:
    """One hand-over, with its end; raises what the server said (MailDelayed, MailRefused, MailUnknown). The caller commits the success."""
    message = mail.compose(_message(item, words))
    hand_off = mails.begin_hand_off(item.id, mail.digest(message))
    db.session.commit()
    try:
        mail.send(outside().settings.mail_url, message)
    except (MailDelayed, MailRefused, MailUnknown) as error:
        mails.end_hand_off(hand_off, OUTCOMES[type(error)], str(error))
        db.session.commit()
        raise
    mails.end_hand_off(hand_off, Outcome.ACCEPTED)


OUTCOMES = {MailDelayed: Outcome.PUT_OFF, MailRefused: Outcome.REFUSED, MailUnknown: Outcome.UNKNOWN}


def _message(item: OutboxItem, words: Mail) -> mail.Message:
    assert item.message_id is not None
    return mail.Message(
        message_id=item.message_id,
        at=words.written_at,
        sender=outside().settings.mail_from,
        sender_name=words.sender_name,
        recipient=words.recipient,
        recipient_name=words.recipient_name,
        language=words.language,
        subject=words.subject,
        text=words.plain,
        html=words.html,
        attachments=_attachments(words),
    )


def _attachments(words: Mail) -> list[Attachment]:
    if words.receipt_id is None:
        return []
    receipt = db.session.get_one(Receipt, words.receipt_id)
    return [Attachment(name=receipt.file_name, mime_type="application/pdf", content=documents.sealed(receipt))]


def mail_domain() -> str:
    """What our Message-IDs end in."""
    return outside().settings.mail_from.rpartition("@")[2].strip(" >") or urlsplit(outside().settings.base_url).hostname or "localhost"
