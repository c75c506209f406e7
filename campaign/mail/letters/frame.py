"""Builds every e-mail from its recipient and paragraphs, as text and as HTML with the same content."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import render_template
from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.donations.news_withdrawals import news_token, wants_news
from campaign.edges.services import services
from campaign.funders.calls import FundCall
from campaign.outbox.deliveries import EmailContent
from campaign.receipts.receipts import Receipt
from campaign.texts.dates import format_day

MATCH = "match"
SMALL = "small"
BUTTON = "button"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, with a link under it if `url` is set.

    MATCH is in a box, and what is SMALL comes after the signature. In HTML, `label` replaces the address, on a button if the style is BUTTON;
    the text has the address itself.
    """

    text: str
    url: str = ""
    style: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Code:
    """A technical code for whoever checks something later, on a line of its own below the signature; `purpose` says in words what it is for."""

    purpose: str
    code: str


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """The recipient of an e-mail, and the charity that sends it. `news_url` is where they stop news, if they get any."""

    address: str
    name: str
    greeted_as: str
    language: str
    charity: Charity
    is_test: bool
    news_url: str = ""


def recipient_of(donation: Donation) -> Recipient:
    """The donor, with the name and address of this donation."""
    return Recipient(
        address=donation.email,
        name=donation.full_name,
        greeted_as=donation.first_name or donation.full_name,
        language=donation.language,
        charity=donation.campaign.charity,
        is_test=not donation.livemode,
        news_url=services().links.news(donation.language, news_token(donation)) if wants_news(donation.donor_id) else "",
    )


def build_email(
    recipient: Recipient,
    subject: str,
    paragraphs: Sequence[Paragraph],
    *,
    receipt: Receipt | None = None,
    call: FundCall | None = None,
    greeting: str = "",
    ending: str = "",
    code: Code | None = None,
) -> EmailContent:
    """Build the e-mail. The caller has set the recipient's language with `force_locale`; paragraphs without text are left out."""
    subject = gettext("[TEST] %(subject)s", subject=subject) if recipient.is_test else subject
    variables = {
        "language": recipient.language,
        "subject": subject,
        "greeting": greeting or gettext("Dear %(name)s,", name=recipient.greeted_as),
        "paragraphs": [p for p in paragraphs if p.text and p.style != SMALL],
        "notes": [p for p in (*paragraphs, *_about_news(recipient)) if p.text and p.style == SMALL],
        "ending": ending or gettext("With thanks,"),
        "charity_name": recipient.charity.name(recipient.language),
        "registration_number": recipient.charity.registration_number,
        "is_test": recipient.is_test,
        "code": code,
    }
    return EmailContent(
        recipient=recipient.address,
        recipient_name=recipient.name,
        sender_name=recipient.charity.name(recipient.language),
        language=recipient.language,
        subject=subject,
        reply_to=recipient.charity.email,
        plain=render_template("mail/letter.txt", **variables),
        html=render_template("mail/letter.html", **variables),
        receipt_id=receipt.id if receipt else None,
        fund_call_id=call.id if call else None,
    )


def _about_news(recipient: Recipient) -> list[Paragraph]:
    """How to stop news (CASL, s. 11), for whoever gets any."""
    text, label = gettext("You agreed to get news from us. You can stop it here:"), gettext("Stop the news")
    return [Paragraph(text, recipient.news_url, SMALL, label)] if recipient.news_url else []


def receipt_subject(receipt: Receipt, title: str) -> str:
    """The subject of an e-mail whose news is its receipt. It names the receipt by its number, and nobody."""
    return str(gettext("Your official donation receipt %(serial)s – %(campaign)s", serial=receipt.serial, campaign=title))


def about_organization(donation: Donation, receipt: Receipt) -> list[Paragraph]:
    """Whose name the receipt of a donation bears for which an organization was named, and why; nothing for other donations."""
    if not donation.organization:
        return []
    if receipt.content["donor_name"] == donation.organization:
        text = gettext("It is in the name of %(name)s, because the money is the organization’s.", name=donation.organization)
    else:
        text = gettext(
            "It is in your own name: you named %(name)s but did not say that the money is the organization’s. If it is, please reply to this email.",
            name=donation.organization,
        )
    return [Paragraph(text)]


def donation_page_link(page_url: str, style: str = BUTTON) -> Paragraph:
    """A link to the donor's page of this donation."""
    return Paragraph(gettext("Your page for this gift, with its match and receipt:"), page_url, style, gettext("See your gift"))


def my_gifts_page_link(donation: Donation) -> Paragraph:
    """The page where the donor asks for the link to all their gifts."""
    url = services().links.my_gifts(donation.language, donation.campaign.slug)
    text, label = gettext("All your gifts and receipts are on one page. We email you a link to it:"), gettext("Your gifts and receipts")
    return Paragraph(text, url, SMALL, label)


def paid_on(donation: Donation, language: str = "") -> str:
    """The day of the payment in the charity's time zone, in this language, else in that of the donation."""
    assert donation.received_at is not None
    return format_day(donation.campaign.charity.local(donation.received_at).date(), language or donation.language)


def contact_line(charity: Charity) -> Paragraph:
    """How to reach the charity."""
    if charity.phone:
        words = gettext(
            "If anything is not right, please reply to this email, write to %(email)s or call %(phone)s.",
            email=charity.email,
            phone=charity.phone,
        )
    else:
        words = gettext("If anything is not right, please reply to this email or write to %(email)s.", email=charity.email)
    return Paragraph(words, style=SMALL)
