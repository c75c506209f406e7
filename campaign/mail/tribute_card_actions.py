"""What donors do about cards: schedule one, cancel it. Each commits once, with its audit row, which names nobody and says nothing of the card."""

from datetime import date

from campaign.donations.donations import Donation, lock_donations
from campaign.edges.db import db
from campaign.mail.letters.tribute_cards import Card
from campaign.mail.tribute_cards import may_be_mailed
from campaign.outbox import tribute_cards
from campaign.outbox.tribute_cards import TributeCard
from campaign.staff import audit

DONOR = "the donor"


def send_later(donation: Donation, card: Card, *, send_on: date) -> bool:
    """Schedule the card. Returns False when the gift has as many as it may have, or does not count any more.

    The donation is locked, so that two requests at once do not both take the last one. The same card for the same day is scheduled once.
    """
    (locked,) = lock_donations([donation.id])
    row = TributeCard(donation_id=locked.id, send_on=send_on, **vars(card))
    if any(_is_same(row, other) for other in tribute_cards.list_cards(locked)):
        db.session.rollback()
        return True
    is_possible = may_be_mailed(locked) and not tribute_cards.is_full(locked)
    if is_possible:
        db.session.add(row)
        audit.record(DONOR, "scheduled a tribute card", locked.public_id)
    db.session.commit()
    return is_possible


def _is_same(row: TributeCard, other: TributeCard) -> bool:
    names = ("language", "recipient_name", "recipient_email", "from_name", "message", "send_on")
    return all(getattr(row, name) == getattr(other, name) for name in names)


def cancel(card: TributeCard, donation: Donation) -> bool:
    """Cancel the card. Returns False when it is on its way, sent or cancelled: a second click changes nothing."""
    is_cancelled = tribute_cards.cancel(card)
    if is_cancelled:
        audit.record(DONOR, "cancelled a tribute card", donation.public_id)
    db.session.commit()
    return is_cancelled
