"""Messages that are still to be sent, for whoever is about to say the same in another one."""

from sqlalchemy import ColumnElement, exists, func, or_, select, update

from campaign.edges.db import db
from campaign.outbox import leases
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage

_THANKS = (MessageKind.RECEIPT, MessageKind.ACKNOWLEDGEMENT)


def is_superseded(message: OutboxMessage) -> bool:
    """Whether a later message of the kind, about the same gift and to the same address, says how things are, or will say it."""
    m = OutboxMessage
    of_kind = (m.kind == message.kind, m.donation_id == message.donation_id, m.recipient.is_not_distinct_from(message.recipient))
    counts = or_(leases.is_pending(m), m.message_id.is_not(None))
    return db.session.scalar(select(exists().where(m.id > message.id, *of_kind, counts))) is True


def has_thanked(donation_id: int, *, besides: int | None = None) -> bool:
    """Whether thanks for the donation were composed, by another message than that with the id `besides`. The caller has locked the donation.

    One that a server refused is composed again: its own earlier content is no other one.
    """
    return _has_thanks(donation_id, OutboxMessage.message_id.is_not(None), OutboxMessage.id.is_distinct_from(besides))


def awaits_thanks(donation_id: int) -> bool:
    """Whether thanks for the donation are still to be composed, with its match as it is by then. The caller has locked the donation."""
    m = OutboxMessage
    return not has_thanked(donation_id) and _has_thanks(donation_id, leases.is_pending(m), m.missing_elements.is_(None))


def _has_thanks(donation_id: int, *conditions: ColumnElement[bool]) -> bool:
    m = OutboxMessage
    of_thanks = exists().where(m.donation_id == donation_id, m.kind.in_(_THANKS), *conditions)
    return db.session.scalar(select(of_thanks)) is True


def complete_match_news(donation_id: int) -> None:
    """End news of the donation's match that is still to be composed: the e-mail that the caller composes next, in this transaction, states the match."""
    m = OutboxMessage
    of_donation = (m.donation_id == donation_id, m.kind == MessageKind.MATCH_INCREASED)
    of_news = update(m).where(*of_donation, leases.is_pending(m), m.message_id.is_(None))
    db.session.execute(of_news.values(done_at=func.now()), execution_options={"synchronize_session": False})
