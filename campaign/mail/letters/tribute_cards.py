"""The card about a gift in honour or in memory of somebody, to somebody whom its donor names. It says nothing of the amount."""

from dataclasses import dataclass

from flask_babel import force_locale, gettext

from campaign.donations.donations import Donation
from campaign.edges.services import services
from campaign.mail.letters.frame import MATCH, SMALL, Paragraph, Recipient, build_email
from campaign.outbox.deliveries import EmailContent
from campaign.texts.dedications import gift_notice


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the donor chose. `from_name` is empty when they are not to be named."""

    language: str
    recipient_name: str
    recipient_email: str
    from_name: str
    message: str


def tribute_card(donation: Donation, card: Card, *, erased_after_days: int) -> EmailContent:
    """The card, in the language that the donor chose for its reader."""
    charity, language = donation.campaign.charity, card.language
    title = donation.campaign.title(language)
    recipient = Recipient(
        address=card.recipient_email,
        name=card.recipient_name,
        greeted_as=card.recipient_name,
        language=language,
        charity=charity,
        is_test=not donation.livemode,
    )
    with force_locale(language):
        paragraphs = [
            Paragraph(gift_notice(donation.tribute_kind or "honour", donation.tribute_name, language), style=MATCH),
            Paragraph(gettext("It goes to this campaign: %(campaign)s (%(charity)s)", campaign=title, charity=charity.name(language))),
            *_from_donor(card),
            Paragraph(_why(card), style=SMALL),
            Paragraph(
                gettext(
                    "You are not on any list. We erase your name and address %(days)s days after sending this. If you did not want it, or have a complaint, please reply or write to %(email)s. Our privacy officer: %(officer)s",
                    days=erased_after_days,
                    email=charity.email,
                    officer=charity.privacy_officer,
                ),
                style=SMALL,
            ),
            Paragraph(
                gettext("About the campaign:"),
                services().links.campaign_page(language, donation.campaign.slug),
                SMALL,
                gettext("See the campaign"),
            ),
        ]
        return build_email(recipient, gettext("A card for you – %(campaign)s", campaign=title), paragraphs, ending=gettext("Kind regards,"))


def _from_donor(card: Card) -> list[Paragraph]:
    signed = gettext("From %(name)s", name=card.from_name) if card.from_name else ""
    if not card.message:
        return [Paragraph(signed)]
    return [Paragraph(gettext("“%(message)s”", message=" ".join(card.message.split()))), Paragraph(signed)]


def _why(card: Card) -> str:
    if card.from_name:
        return gettext("%(name)s made this gift and asked us to send you this card, once.", name=card.from_name)
    return gettext("The person who made this gift asked us to send you this card, once, and prefers not to be named.")
