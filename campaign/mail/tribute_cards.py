"""Composes a card about a gift in honour or in memory of somebody; None when it is cancelled or erased, or the gift does not count."""

from campaign.donations.donations import Donation
from campaign.mail.letters import tribute_cards as emails
from campaign.mail.letters.tribute_cards import Card
from campaign.outbox import tribute_cards
from campaign.outbox.deliveries import EmailContent
from campaign.outbox.messages import OutboxMessage
from campaign.payments.status import Status, status_of
from campaign.privacy.retention_rules import days_of
from campaign.rules.card_texts import has_link
from campaign.rules.retention import Retained

COUNTS = frozenset({Status.PAID, Status.PARTIALLY_REFUNDED})


def may_have_cards(donation: Donation) -> bool:
    """Whether the donation is in honour or in memory of somebody, and is paid, not returned and not in dispute."""
    return bool(donation.tribute_kind and donation.tribute_name) and status_of(donation).state in COUNTS


def may_be_mailed(donation: Donation) -> bool:
    """Whether a card of the donation may go out by email: the name in its dedication is nothing that a mail program makes a link of."""
    return may_have_cards(donation) and not has_link(donation.tribute_name)


def compose_card(donation: Donation, message: OutboxMessage) -> EmailContent | None:
    """The card as an email. The card is locked, so that it is not cancelled while it is composed."""
    assert message.tribute_card_id is not None
    row = tribute_cards.lock_card(message.tribute_card_id)
    if row.cancelled_at or row.is_erased or not may_be_mailed(donation):
        return None
    card = Card(
        language=row.language,
        recipient_name=row.recipient_name,
        recipient_email=row.recipient_email,
        from_name=row.from_name,
        message=row.message,
    )
    return build_card(donation, card)


def build_card(donation: Donation, card: Card) -> EmailContent:
    """The email, for sending it or for showing it to the donor first."""
    return emails.tribute_card(donation, card, erased_after_days=days_of(Retained.CARDS))
