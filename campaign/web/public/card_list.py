"""The cards by email of a gift, as its donor sees them: for which day, and what happened to each."""

from flask_babel import gettext

from campaign.donations.donations import Donation
from campaign.mail.tribute_cards import may_have_cards
from campaign.outbox import tribute_cards
from campaign.outbox.tribute_cards import CardState
from campaign.texts.dates import format_day


def cards_of(donation: Donation, language: str) -> list[dict[str, object]]:
    """The donor's cards by email: for which day, what happened to each, and who it is to while that is stored."""
    cards = tribute_cards.list_cards(donation)
    found = tribute_cards.messages_of_cards(cards) if cards else {}
    states = {card.id: tribute_cards.state_of(card, found.get(card.id)) for card in cards}
    is_held = bool(cards) and not may_have_cards(donation)
    labels = card_state_labels()
    return [
        {
            "id": card.id,
            "day": format_day(card.send_on, language),
            "to": card.recipient_name,
            "state": gettext("it will not be sent unless the gift counts again by then")
            if is_held and states[card.id] is CardState.SCHEDULED
            else labels[states[card.id]],
            "may_cancel": states[card.id] is CardState.SCHEDULED,
        }
        for card in cards
    ]


def card_state_labels() -> dict[CardState, str]:
    """What happened to a card."""
    return {
        CardState.SCHEDULED: gettext("it will be sent on that morning"),
        CardState.SENDING: gettext("it is on its way"),
        CardState.SENT: gettext("it was sent"),
        CardState.WITHHELD: gettext("it was not sent, because your gift did not count on that day"),
        CardState.FAILED: gettext("it could not be delivered; please write to us"),
        CardState.CANCELLED: gettext("you cancelled it"),
    }
