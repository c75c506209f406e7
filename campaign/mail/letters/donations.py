"""E-mails about a donation: the thanks, an increased match, a failed payment."""

from dataclasses import dataclass, replace

from flask_babel import force_locale, gettext

from campaign.donations.donations import Donation
from campaign.mail.letters.frame import (
    BUTTON,
    MATCH,
    SMALL,
    Paragraph,
    about_organization,
    build_email,
    contact_line,
    donation_page_link,
    my_gifts_page_link,
    paid_on,
    receipt_subject,
    recipient_of,
)
from campaign.outbox.deliveries import EmailContent
from campaign.payments import offline_gifts
from campaign.receipts.receipts import Receipt
from campaign.rules.masking import mask_email
from campaign.rules.money import format_money_short
from campaign.texts import dedications, donation_timeline


def thanks(
    donation: Donation,
    *,
    page_url: str,
    outcome: str,
    receipt: Receipt | None,
    recurring_url: str = "",
    address_url: str = "",
    declaration_url: str = "",
    is_annual: bool = False,
    is_sent: bool = False,
) -> EmailContent:
    """The thanks, with the official receipt when there is one; else an acknowledgement that says what the receipt waits for.

    `outcome` describes the match. `recurring_url` is the page of the recurring donation, for an instalment. `address_url` is the page
    for a missing name or address, `declaration_url` the one where the donor says whose money it is, when the receipt waits for that. `is_annual`
    says that the donor gets one receipt for the year, `is_sent` that another email had the receipt.
    """
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        amount, charged = format_money_short(donation.amount_cents, language), format_money_short(donation.charged_cents, language)
        paragraphs = [
            Paragraph(gettext("Thank you for your gift of %(amount)s to %(campaign)s.", amount=amount, campaign=title)),
            Paragraph(outcome, style=MATCH),
            *_covered_fee(donation, charged),
            *_tribute(donation),
            *(
                _sent_receipt(receipt)
                if receipt and is_sent
                else _about_receipt(donation, receipt, address_url, declaration_url, is_annual=is_annual)
            ),
            *([] if declaration_url else [donation_page_link(page_url, "" if address_url else BUTTON)]),
        ]
        if recurring_url:
            text = gettext("You give each month. To change the amount or the card, or to stop:")
            paragraphs.append(Paragraph(text, recurring_url, label=gettext("Manage my monthly gift")))
        paragraphs += [my_gifts_page_link(donation), *_on_statement(donation), contact_line(donation.campaign.charity)]
        attached = None if is_sent else receipt
        subject = receipt_subject(attached, title) if attached else gettext("Thank you for your gift – %(campaign)s", campaign=title)
        return build_email(recipient_of(donation), subject, paragraphs, receipt=attached)


def _sent_receipt(receipt: Receipt) -> list[Paragraph]:
    return [Paragraph(gettext("Your official receipt no. %(serial)s came with an earlier email.", serial=receipt.serial))]


def _covered_fee(donation: Donation, charged: str) -> list[Paragraph]:
    if not donation.covered_fee_cents:
        return []
    fee = format_money_short(donation.covered_fee_cents, donation.language)
    return [Paragraph(gettext("You also covered the processing fee of %(fee)s, for a total of %(charged)s.", fee=fee, charged=charged))]


def _tribute(donation: Donation) -> list[Paragraph]:
    if not donation.tribute_kind or not donation.tribute_name:
        return []
    return [Paragraph(dedications.dedication(donation.tribute_kind, donation.tribute_name, donation.language))]


def _about_receipt(
    donation: Donation, receipt: Receipt | None, address_url: str, declaration_url: str, *, is_annual: bool
) -> list[Paragraph]:
    if receipt is not None:
        text = gettext(
            "Your official receipt no. %(serial)s for %(charged)s is attached. It shows your own gift; the match is the gift of the fund.",
            serial=receipt.serial,
            charged=format_money_short(receipt.cents, donation.language),
        )
        return [Paragraph(text), *about_organization(donation, receipt)]
    paragraphs = []
    if is_annual:
        text = gettext(
            "As you asked, you will get one official receipt for all your gifts of the year in January. This message is not a receipt."
        )
        paragraphs.append(Paragraph(text))
    if address_url:
        text = gettext("An official receipt needs your full name and postal address. Add them here:")
        paragraphs += [
            Paragraph(text, address_url, BUTTON, gettext("Add my address")),
            Paragraph(gettext("This message is not a receipt.")),
        ]
    if declaration_url:
        text = gettext(
            "An official receipt must name whoever provides the money. You named an organization, %(name)s: did the money come from it, or from you? Please answer on your page, so that we can make the receipt:",
            name=donation.organization,
        )
        paragraphs += [Paragraph(text, declaration_url, BUTTON, gettext("Answer")), Paragraph(gettext("This message is not a receipt."))]
    if paragraphs:
        return paragraphs
    return [Paragraph(gettext("Your official receipt will follow by email. This message is not a receipt."))]


def _on_statement(donation: Donation) -> list[Paragraph]:
    """What a card statement says; nothing for a bank debit, and for what was paid without Stripe."""
    if donation.is_debit or offline_gifts.find(donation.id) is not None:
        return []
    name = donation.campaign.charity.name(donation.language)
    return [
        Paragraph(
            gettext("Your card statement will show the payment under the name %(charity)s, or a short form of it.", charity=name),
            style=SMALL,
        )
    ]


def match_increased(donation: Donation, *, page_url: str, matched_cents: int, more_cents: int, fund_name: str) -> EmailContent:
    """More of a donation is matched than when it was paid."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        rematched = donation_timeline.rematch_news(
            gift_cents=donation.net_cents,
            matched_cents=matched_cents,
            more_cents=more_cents,
            fund_name=fund_name,
            cause=donation.campaign.cause(language),
            language=language,
        )
        paragraphs = [
            Paragraph(
                gettext("Good news: more of your gift of %(day)s to %(campaign)s is now matched.", day=paid_on(donation), campaign=title)
            ),
            Paragraph(rematched, style=MATCH),
            Paragraph(gettext("You do not need to do anything. Your official receipt does not change: it shows your own gift.")),
            donation_page_link(page_url),
            contact_line(donation.campaign.charity),
        ]
        return build_email(recipient_of(donation), gettext("More of your gift is matched – %(campaign)s", campaign=title), paragraphs)


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """What the receipt of a donation waits for, that the donor alone can say."""

    is_address: bool
    is_declaration: bool


def access_link(donation: Donation, *, url: str, address: str, awaited: Awaited) -> EmailContent:
    """The link with which the donor may answer for their receipt or change something about their gifts, to their own address, whatever that of this gift is."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        asked, subject = _asked(donation, awaited, title)
        paragraphs = [
            Paragraph(asked, url, BUTTON, gettext("Open my page")),
            Paragraph(
                gettext("The link works once, within ten minutes. If you did not ask for it, please ignore this message: nothing changes.")
            ),
            contact_line(donation.campaign.charity),
        ]
        recipient = replace(recipient_of(donation), address=address)
        return build_email(recipient, subject, paragraphs)


def _asked(donation: Donation, awaited: Awaited, title: str) -> tuple[str, str]:
    """What the donor is asked behind the link, why, and what happens then; and the subject of the e-mail."""
    gift = {"amount": format_money_short(donation.amount_cents, donation.language), "campaign": title}
    if awaited.is_address:
        text = gettext(
            "The official receipt for your gift of %(amount)s to %(campaign)s must show your full name and postal address. Once you add them, we will make the receipt and send it by email. To add them:",
            **gift,
        )
        return text, gettext("Your name and address for the receipt – %(campaign)s", campaign=title)
    if awaited.is_declaration:
        text = gettext(
            "We need your answer to make the official receipt for your gift of %(amount)s to %(campaign)s. You named an organization, %(name)s: did the money come from it, or from you? A receipt must name whoever provided the money. Once you answer, we will make it and send it by email. To answer:",
            name=donation.organization,
            **gift,
        )
        return text, gettext("A question about your receipt – %(campaign)s", campaign=title)
    text = gettext("You asked to change something about your gifts to %(campaign)s. To continue:", campaign=title)
    return text, gettext("Your link to change your gifts – %(campaign)s", campaign=title)


def email_change(donation: Donation, *, url: str, address: str) -> EmailContent:
    """The link that confirms a new email address, to that address."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        paragraphs = [
            Paragraph(
                gettext("You asked us to use this address for your gifts to %(campaign)s. To confirm it:", campaign=title),
                url,
                BUTTON,
                gettext("Confirm my address"),
            ),
            Paragraph(gettext("The link works for two days. If you did not ask for it, please ignore this message: nothing changes.")),
            contact_line(donation.campaign.charity),
        ]
        recipient = replace(recipient_of(donation), address=address)
        return build_email(recipient, gettext("Confirm your new address – %(campaign)s", campaign=title), paragraphs)


def contact_changed(donation: Donation, *, address: str, new_email: str = "") -> EmailContent:
    """The donor's email address has changed, to both; or the postal address of later months, without `new_email`."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        what = (
            gettext(
                "From now on, email about your gifts goes to %(email)s.", email=new_email if address == new_email else mask_email(new_email)
            )
            if new_email
            else gettext("The name or postal address of your monthly gift has changed. Later receipts show the new one.")
        )
        paragraphs = [
            Paragraph(what),
            Paragraph(gettext("If you did not change it, please write to us.")),
            contact_line(donation.campaign.charity),
        ]
        recipient = replace(recipient_of(donation), address=address)
        return build_email(recipient, gettext("Your contact details have changed – %(campaign)s", campaign=title), paragraphs)


def links_renewed(donation: Donation, *, page_url: str, address: str) -> EmailContent:
    """The links in earlier emails have ended; the new one, to the donor's address."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        paragraphs = [
            Paragraph(gettext("The links to your gifts are new. Those in earlier emails no longer open anything.")),
            donation_page_link(page_url),
            Paragraph(gettext("If you did not ask for this, please write to us.")),
            contact_line(donation.campaign.charity),
        ]
        recipient = replace(recipient_of(donation), address=address)
        return build_email(recipient, gettext("New links to your gifts – %(campaign)s", campaign=title), paragraphs)


def receipt_choice_changed(donation: Donation, *, is_annual: bool, page_url: str, address: str) -> EmailContent:
    """The donor now gets one receipt for the year, or one for each gift."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        choice = (
            gettext("From now on, you will get one official receipt for all your gifts of a year, the following January.")
            if is_annual
            else gettext("From now on, you will get an official receipt for each gift, as soon as it is paid.")
        )
        paragraphs = [
            Paragraph(choice),
            Paragraph(gettext("If you did not choose this, please write to us.")),
            donation_page_link(page_url),
            contact_line(donation.campaign.charity),
        ]
        recipient = replace(recipient_of(donation), address=address)
        return build_email(recipient, gettext("Your choice of receipts – %(campaign)s", campaign=title), paragraphs)


def payment_failed(donation: Donation, *, restart_url: str) -> EmailContent:
    """The bank declined the payment of a donation, days after the donor made it."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        paragraphs = [
            Paragraph(
                gettext(
                    "Your bank declined your gift of %(amount)s to %(campaign)s. Nothing was taken from your account, and you owe nothing.",
                    amount=format_money_short(donation.charged_cents, language),
                    campaign=title,
                )
            ),
            Paragraph(
                gettext(
                    "This happens for many reasons, and most of them are nobody’s fault. If you would still like to give, you can try again here:"
                ),
                restart_url,
                BUTTON,
                gettext("Try again"),
            ),
            contact_line(donation.campaign.charity),
        ]
        subject = gettext("Your gift did not go through – %(campaign)s", campaign=title)
        return build_email(recipient_of(donation), subject, paragraphs, ending=gettext("Thank you for wanting to help,"))
