"""The frame of every letter: whom it is for, its paragraphs, and the two forms it goes out in, text and HTML, that say the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import render_template
from flask_babel import format_date, gettext

from campaign.giving.charities import Charity
from campaign.giving.donations import Donation
from campaign.giving.mails import Letter
from campaign.giving.receipts import Receipt

MATCH = "match"
SMALL = "small"


@dataclass(frozen=True)
class Paragraph:
    """Some sentences, with an address under them, in a style of the template."""

    text: str
    url: str = ""
    style: str = ""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Whom a letter is for, and from which charity."""

    address: str
    name: str
    greeted_as: str
    language: str
    charity: Charity
    is_test: bool


def reader_of(donation: Donation) -> Reader:
    """The donor, as they gave."""
    return Reader(
        address=donation.email,
        name=donation.full_name,
        greeted_as=donation.first_name or donation.full_name,
        language=donation.language,
        charity=donation.campaign.charity,
        is_test=not donation.livemode,
    )


def letter(
    reader: Reader,
    subject: str,
    paragraphs: Sequence[Paragraph],
    *,
    receipt: Receipt | None = None,
    greeting: str = "",
    ending: str = "",
) -> Letter:
    """In the reader's language, which the caller has set, with the usual greeting and ending; paragraphs without words are left out."""
    subject = f"[TEST] {subject}" if reader.is_test else subject
    words = {
        "language": reader.language,
        "subject": subject,
        "greeting": greeting or gettext("Dear %(name)s,", name=reader.greeted_as),
        "paragraphs": [p for p in paragraphs if p.text],
        "ending": ending or gettext("With thanks,"),
        "charity_name": reader.charity.name(reader.language),
        "registration_number": reader.charity.registration_number,
        "is_test": reader.is_test,
    }
    return Letter(
        recipient=reader.address,
        recipient_name=reader.name,
        sender_name=reader.charity.name(reader.language),
        language=reader.language,
        subject=subject,
        plain=render_template("mail/letter.txt", **words),
        html=render_template("mail/letter.html", **words),
        receipt=receipt,
    )


def own_page(page_url: str) -> Paragraph:
    """Where the donor finds this gift."""
    return Paragraph(gettext("Your page for this gift, with its match and receipt:"), page_url)


def paid_on(donation: Donation) -> str:
    """The day of the gift, by the charity's clocks, in the language that is set."""
    assert donation.paid_at is not None
    return str(format_date(donation.campaign.charity.local(donation.paid_at).date(), "long"))


def questions(charity: Charity) -> Paragraph:
    """Whom to ask."""
    return Paragraph(gettext("If anything is not right, please answer this mail or write to %(email)s.", email=charity.email), style=SMALL)
