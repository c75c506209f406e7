"""The card about a gift as a PDF to print and fold: one page, without the amount."""

import re
from datetime import UTC, datetime

from flask_babel import force_locale, gettext

from campaign.config import resource
from campaign.donations.donations import Donation
from campaign.edges import pdf
from campaign.edges.services import services

CARD = resource("templates") / "shared" / "card.typ"
MOST_LINES = 8
# No word is longer that fits a line of the card; a space of no width lets it break.
LONG_WORD = re.compile(r"\S{22,}")
NO_WIDTH = "\u200b"


def draw_card(donation: Donation, language: str, *, from_name: str, message: str) -> bytes:
    """The card in this language. Raises RenderingFailed."""
    campaign, charity = donation.campaign, donation.campaign.charity
    with force_locale(language):
        is_memory = donation.tribute_kind == "memory"
        data = {
            "language": language,
            "title": gettext("A card in memory of somebody") if is_memory else gettext("A card in honour of somebody"),
            "about": gettext("A gift was made in memory of") if is_memory else gettext("A gift was made in honour of"),
            "name": _printed(donation.tribute_name),
            "message": _lines(message),
            "from": gettext("From %(name)s", name=_printed(from_name)) if from_name else "",
            "campaign": _printed(campaign.title(language)) or campaign.slug,
            "charity": _printed(charity.name(language)),
            "registered": gettext("Registered charity"),
            "registration_number": charity.registration_number,
            "test": gettext("TEST") if services().settings.is_sandbox else "",
        }
    # The same bytes whenever the same card is opened.
    return pdf.render(CARD, data, at=donation.received_at or datetime.now(UTC))


def _lines(message: str) -> list[str]:
    lines = [printed for line in message.splitlines() if (printed := _printed(line))]
    return lines if len(lines) <= MOST_LINES else [" ".join(lines)]


def _printed(text: str) -> str:
    return LONG_WORD.sub(lambda word: NO_WIDTH.join(word[0]), pdf.printable(text))
