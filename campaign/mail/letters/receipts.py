"""E-mails about reversals and reinstatements, and about receipts that were replaced, cancelled or requested again."""

from dataclasses import dataclass

from flask_babel import force_locale, gettext

from campaign.donations.donations import Donation
from campaign.mail.letters.frame import (
    MATCH,
    Paragraph,
    build_email,
    contact_line,
    donation_page_link,
    paid_on,
    receipt_subject,
    recipient_of,
)
from campaign.outbox.deliveries import EmailContent
from campaign.receipts.receipts import Receipt
from campaign.rules.money import format_money


@dataclass(frozen=True, kw_only=True)
class ReceiptChange:
    """What an e-mail tells about a receipt that has `ended`, and the `receipt` that replaces it; one `follows` when it cannot be issued yet."""

    receipt: Receipt | None = None
    ended: Receipt | None = None
    follows: bool = False


def money_returned(donation: Donation, *, page_url: str, cents: int, is_dispute: bool, outcome: str, change: ReceiptChange) -> EmailContent:
    """Part or all of a donation was returned to the donor by a refund or a lost dispute.

    `cents` is the reversed amount, covered fee included. `outcome` describes the match.
    """
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        sums = {"amount": format_money(cents, language), "day": paid_on(donation), "campaign": title}
        first = (
            gettext(
                "Your bank has decided about the payment of %(day)s to %(campaign)s that was questioned: %(amount)s went back to you.",
                **sums,
            )
            if is_dispute
            else gettext(
                "We are giving back %(amount)s of your gift of %(day)s to %(campaign)s. It comes to the card or account you paid from, usually within ten days.",
                **sums,
            )
        )
        paragraphs = [Paragraph(first), Paragraph(outcome, style=MATCH), *about_ended(change), donation_page_link(page_url)]
        paragraphs.append(contact_line(donation.campaign.charity))
        subject = _subject_of_return(title, change, is_whole=donation.net_cents == 0)
        return build_email(recipient_of(donation), subject, paragraphs, receipt=change.receipt)


def _subject_of_return(title: str, change: ReceiptChange, *, is_whole: bool) -> str:
    receipt, ended = change.receipt, change.ended
    if is_whole and ended is not None and receipt is None:
        whole = gettext("Your gift was given back: receipt %(serial)s is cancelled – %(campaign)s", serial=ended.serial, campaign=title)
        return str(whole)
    if is_whole:
        return str(gettext("Your gift was given back – %(campaign)s", campaign=title))
    if receipt is not None:
        part = gettext("Your gift was given back in part: your receipt is %(serial)s – %(campaign)s", serial=receipt.serial, campaign=title)
        return str(part)
    return str(gettext("Your gift was given back in part – %(campaign)s", campaign=title))


def about_ended(change: ReceiptChange) -> list[Paragraph]:
    """That a receipt has ended, and which one replaces it; that one is attached."""
    receipt, ended = change.receipt, change.ended
    if ended is not None and receipt is not None:
        text = gettext(
            "Official receipt no. %(old)s is cancelled and replaced by no. %(new)s, which is attached. Please use only the new one.",
            old=ended.serial,
            new=receipt.serial,
        )
        return [Paragraph(text)]
    if ended is not None:
        text = gettext("Official receipt no. %(old)s is cancelled. Please do not use it for your taxes.", old=ended.serial)
        return [Paragraph(text), *_about_next(change)]
    if receipt is not None:
        return [Paragraph(gettext("Your official receipt no. %(new)s for what is left of the gift is attached.", new=receipt.serial))]
    return []


def _about_next(change: ReceiptChange) -> list[Paragraph]:
    return [Paragraph(gettext("A new receipt, for what we keep of your gift, follows by e-mail."))] if change.follows else []


def money_reinstated(donation: Donation, *, page_url: str, cents: int, outcome: str, change: ReceiptChange) -> EmailContent:
    """Money that was returned to the donor was reinstated. The arguments are those of `money_returned`."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        text = gettext(
            "%(amount)s of your gift of %(day)s to %(campaign)s, which had gone back, is with us again.",
            amount=format_money(cents, language),
            day=paid_on(donation),
            campaign=title,
        )
        paragraphs = [Paragraph(text), Paragraph(outcome, style=MATCH)]
        if change.receipt is not None and change.ended is None:
            paragraphs.append(Paragraph(gettext("Your official receipt no. %(new)s is attached.", new=change.receipt.serial)))
        else:
            paragraphs += about_ended(change)
        paragraphs += [donation_page_link(page_url), contact_line(donation.campaign.charity)]
        receipt = change.receipt
        subject = (
            gettext("Your gift is with us again: your receipt is %(serial)s – %(campaign)s", serial=receipt.serial, campaign=title)
            if receipt is not None
            else gettext("Your gift is with us again – %(campaign)s", campaign=title)
        )
        return build_email(recipient_of(donation), subject, paragraphs, receipt=receipt)


def annual_receipt(donation: Donation, *, page_url: str, receipt: Receipt) -> EmailContent:
    """The annual receipt, with thanks."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        year = receipt.content["received_in"]
        text = gettext(
            "Thank you for all you gave to %(campaign)s in %(year)s: %(amount)s in all. Your official receipt no. %(serial)s for these gifts is attached.",
            campaign=title,
            year=year,
            amount=format_money(receipt.cents, language),
            serial=receipt.serial,
        )
        paragraphs = [Paragraph(text), donation_page_link(page_url), contact_line(donation.campaign.charity)]
        return build_email(
            recipient_of(donation),
            gettext(
                "Your official donation receipt %(serial)s for %(year)s – %(campaign)s", serial=receipt.serial, year=year, campaign=title
            ),
            paragraphs,
            receipt=receipt,
        )


def receipt_copy(donation: Donation, *, page_url: str, receipt: Receipt, is_first: bool) -> EmailContent:
    """The valid receipt: for the first time, again, or as the replacement of another."""
    title, replaces = donation.campaign.title(donation.language), receipt.content.get("replaces")
    with force_locale(donation.language):
        text = (
            gettext(
                "Official receipt no. %(old)s is cancelled and replaced by no. %(new)s, which is attached. Please use only the new one.",
                old=replaces,
                new=receipt.serial,
            )
            if replaces and is_first
            else gettext("Your official receipt no. %(new)s is attached.", new=receipt.serial)
            if is_first
            else gettext("Here is your official receipt no. %(serial)s once more. It is the same as before.", serial=receipt.serial)
        )
        paragraphs = [Paragraph(text), donation_page_link(page_url), contact_line(donation.campaign.charity)]
        subject = (
            gettext("Your new official donation receipt %(serial)s – %(campaign)s", serial=receipt.serial, campaign=title)
            if replaces and is_first
            else receipt_subject(receipt, title)
        )
        return build_email(recipient_of(donation), subject, paragraphs, receipt=receipt)


def receipt_cancelled(donation: Donation, *, page_url: str, receipt: Receipt) -> EmailContent:
    """Staff have cancelled a receipt that should not have been issued."""
    title = donation.campaign.title(donation.language)
    with force_locale(donation.language):
        paragraphs = [*about_ended(ReceiptChange(ended=receipt)), donation_page_link(page_url), contact_line(donation.campaign.charity)]
        subject = gettext("Official donation receipt %(serial)s is cancelled – %(campaign)s", serial=receipt.serial, campaign=title)
        return build_email(recipient_of(donation), subject, paragraphs)
