"""Messages that are still to be sent, for whoever is about to say the same in another one."""

from sqlalchemy import exists, func, select, update

from campaign.edges.db import db
from campaign.outbox import leases
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage


def is_superseded(message: OutboxMessage) -> bool:
    """Whether a later message of the kind, about the same gift and to the same address, will say how things are by then."""
    m = OutboxMessage
    of_kind = (m.kind == message.kind, m.donation_id == message.donation_id, m.recipient.is_not_distinct_from(message.recipient))
    return db.session.scalar(select(exists().where(m.id > message.id, *of_kind, leases.is_pending(m)))) is True


def awaits_thanks(donation_id: int) -> bool:
    """Whether the thanks for the donation are still to be composed, with its match as it is by then. The caller has locked the donation."""
    m = OutboxMessage
    of_thanks = (m.donation_id == donation_id, m.kind.in_([MessageKind.RECEIPT, MessageKind.ACKNOWLEDGEMENT]))
    is_due = (leases.is_pending(m), m.missing_elements.is_(None), m.message_id.is_(None))
    return db.session.scalar(select(exists().where(*of_thanks, *is_due))) is True


def complete_match_news(donation_id: int) -> None:
    """End news of the donation's match that is still to be composed: the e-mail that the caller composes next, in this transaction, states the match."""
    m = OutboxMessage
    of_donation = (m.donation_id == donation_id, m.kind == MessageKind.MATCH_INCREASED)
    of_news = update(m).where(*of_donation, leases.is_pending(m), m.message_id.is_(None))
    db.session.execute(of_news.values(done_at=func.now()), execution_options={"synchronize_session": False})
