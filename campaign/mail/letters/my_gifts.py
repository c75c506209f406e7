"""The e-mail with the link to all gifts of a donor."""

from dataclasses import replace

from flask_babel import force_locale, gettext

from campaign.donations.donations import Donation
from campaign.mail.letters.frame import BUTTON, Paragraph, build_email, contact_line, recipient_of
from campaign.outbox.deliveries import EmailContent


def my_gifts_link(donation: Donation, *, url: str, address: str) -> EmailContent:
    """The link that opens all gifts of the donor of this one, to the donor’s own address."""
    charity, language = donation.campaign.charity, donation.language
    with force_locale(language):
        paragraphs = [
            Paragraph(
                gettext("You asked for the link to all your gifts, with their receipts and your choices. To open them:"),
                url,
                BUTTON,
                gettext("Open my gifts"),
            ),
            Paragraph(
                gettext("The link works once, within ten minutes. If you did not ask for it, please ignore this message: nothing changes.")
            ),
            contact_line(charity),
        ]
        recipient = replace(recipient_of(donation), address=address)
        subject = gettext("The link to all your gifts – %(charity)s", charity=charity.name(language))
        return build_email(recipient, subject, paragraphs)
