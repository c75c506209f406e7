"""E-mails about reversals and reinstatements, and about receipts that were replaced, cancelled or requested again."""

from dataclasses import dataclass

from flask_babel import force_locale, gettext

from campaign.donations.donations import Donation
from campaign.mail.letters.frame import (
    MATCH,
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
from campaign.mail.letters.receipt_changes import ReceiptChange, about_ended
from campaign.outbox.deliveries import EmailContent
from campaign.receipts.receipts import Receipt
from campaign.rules.money import format_money_short
from campaign.rules.offline_gifts import OfflineReversalKind


@dataclass(frozen=True, kw_only=True)
class Retained:
    """What the charity retains of a charge, covered fee included, and which part of the covered fee it has returned, in cents."""

    cents: int
    returned_fee_cents: int


def money_returned(
    donation: Donation, *, page_url: str, cents: int, is_dispute: bool, retained: Retained, outcome: str, change: ReceiptChange
) -> EmailContent:
    """Part or all of a donation was returned to the donor by a refund or a lost dispute.

    `cents` is the reversed amount, covered fee included. `outcome` describes the match.
    """
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        sums = {"amount": format_money_short(cents, language), "day": paid_on(donation), "campaign": title}
        first = (
            gettext(
                "Your bank has decided about the disputed payment of %(day)s to %(campaign)s: it returned %(amount)s to you.",
                **sums,
            )
            if is_dispute
            else gettext(
                "We are refunding %(amount)s of your gift of %(day)s to %(campaign)s. It will reach the card or account you paid with, usually within ten business days.",
                **sums,
            )
        )
        paragraphs = [
            Paragraph(f"{first} {_about_fee(donation, retained)}"),
            Paragraph(outcome, style=MATCH),
            *about_ended(change, language),
            donation_page_link(page_url),
            contact_line(donation.campaign.charity),
        ]
        subject = _subject_of_return(title, change, is_whole=donation.net_cents == 0)
        return build_email(recipient_of(donation), subject, paragraphs, receipt=change.receipt)


def offline_gift_reversed(
    donation: Donation, *, kind: OfflineReversalKind, cents: int, page_url: str, outcome: str, change: ReceiptChange
) -> EmailContent:
    """A payment without Stripe came back from the bank, was recorded by mistake, or was given back in part or in full.

    `cents` is of the gift. Of a payment that came back, the rest was given back before.
    """
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        match kind:
            case OfflineReversalKind.REFUNDED:
                subject = _subject_of_return(title, change, is_whole=donation.net_cents == 0)
            case OfflineReversalKind.RETURNED:
                subject = gettext("Your payment came back from the bank – %(campaign)s", campaign=title)
            case OfflineReversalKind.MISTAKE:
                subject = gettext("A gift was recorded in your name by mistake – %(campaign)s", campaign=title)
        paragraphs = [
            Paragraph(about_offline_reversal(donation, kind=kind, cents=cents, language=donation.language)),
            Paragraph(outcome, style=MATCH),
            *about_ended(change, language),
            donation_page_link(page_url),
            contact_line(donation.campaign.charity),
        ]
        return build_email(recipient_of(donation), subject, paragraphs, receipt=change.receipt)


def about_offline_reversal(donation: Donation, *, kind: OfflineReversalKind, cents: int, language: str) -> str:
    """What was reversed of a payment without Stripe, in an email or on paper. The caller has set the language with `force_locale`."""
    sums = {
        "amount": format_money_short(cents, language),
        "day": paid_on(donation, language),
        "campaign": donation.campaign.title(language),
    }
    match kind:
        case OfflineReversalKind.REFUNDED:
            return gettext("We have refunded %(amount)s of your gift of %(day)s to %(campaign)s.", **sums)
        case OfflineReversalKind.RETURNED:
            whole = {**sums, "amount": format_money_short(donation.amount_cents, language)}
            text = gettext(
                "Your bank did not honour the payment of %(amount)s that we received on %(day)s for %(campaign)s, so your gift has not arrived.",
                **whole,
            )
            if cents == donation.amount_cents:
                return text
            before = format_money_short(donation.amount_cents - cents, language)
            return " ".join((text, gettext("Before we knew that, we refunded %(amount)s of it to you.", amount=before)))
        case OfflineReversalKind.MISTAKE:
            return gettext("We had recorded a gift of %(amount)s of %(day)s to %(campaign)s in your name by mistake.", **sums)


def _about_fee(donation: Donation, retained: Retained) -> str:
    """What was returned and retained in all, and that no fee was deducted. Empty when the money is back with the charity by now."""
    language = donation.language
    charged, fee = format_money_short(donation.charged_cents, language), format_money_short(retained.returned_fee_cents, language)
    sums = {"charged": charged, "fee": fee, "retained": format_money_short(retained.cents, language)}
    if retained.cents == donation.charged_cents:
        return ""
    if retained.cents == 0 and donation.covered_fee_cents:
        return gettext("This returns all of the %(charged)s that you paid, including the processing fee of %(fee)s.", **sums)
    if retained.cents == 0:
        return gettext("This returns all of the %(charged)s that you paid: no fee is deducted.", **sums)
    if donation.covered_fee_cents:
        return gettext(
            "Of the %(charged)s that you paid we now keep %(retained)s. The processing fee that you covered is returned in the same proportion: %(fee)s of it.",
            **sums,
        )
    return gettext("Of the %(charged)s that you paid we now keep %(retained)s: no fee is deducted from what you get back.", **sums)


def _subject_of_return(title: str, change: ReceiptChange, *, is_whole: bool) -> str:
    receipt, ended = change.receipt, change.ended
    if is_whole and ended is not None and receipt is None:
        whole = gettext("Your gift was returned: receipt %(serial)s is cancelled – %(campaign)s", serial=ended.serial, campaign=title)
        return str(whole)
    if is_whole:
        return str(gettext("Your gift was returned – %(campaign)s", campaign=title))
    if receipt is not None:
        part = gettext("Your gift was returned in part: your receipt is %(serial)s – %(campaign)s", serial=receipt.serial, campaign=title)
        return str(part)
    return str(gettext("Your gift was returned in part – %(campaign)s", campaign=title))


def money_reinstated(donation: Donation, *, page_url: str, cents: int, outcome: str, change: ReceiptChange) -> EmailContent:
    """Money that was returned to the donor was reinstated. The arguments are those of `money_returned`."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        text = gettext(
            "%(amount)s of your gift of %(day)s to %(campaign)s, which had been returned to you, has come back to us.",
            amount=format_money_short(cents, language),
            day=paid_on(donation),
            campaign=title,
        )
        paragraphs = [Paragraph(text), Paragraph(outcome, style=MATCH)]
        if change.receipt is not None and change.ended is None:
            sums = {"new": change.receipt.serial, "amount": format_money_short(change.receipt.cents, language)}
            attached = gettext("Your official receipt no. %(new)s for %(amount)s is attached.", **sums)
            paragraphs += [Paragraph(attached), *about_organization(donation, change.receipt)]
        else:
            paragraphs += about_ended(change, language)
        paragraphs += [donation_page_link(page_url), contact_line(donation.campaign.charity)]
        receipt = change.receipt
        subject = (
            gettext("Your gift has come back to us: your receipt is %(serial)s – %(campaign)s", serial=receipt.serial, campaign=title)
            if receipt is not None
            else gettext("Your gift has come back to us – %(campaign)s", campaign=title)
        )
        return build_email(recipient_of(donation), subject, paragraphs, receipt=receipt)


def annual_receipt(donation: Donation, *, page_url: str, receipt: Receipt) -> EmailContent:
    """The annual receipt, with thanks."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        year = receipt.content["received_in"]
        text = gettext(
            "Thank you for your gifts to %(campaign)s in %(year)s: %(amount)s in total. Your official receipt no. %(serial)s for these gifts is attached.",
            campaign=title,
            year=year,
            amount=format_money_short(receipt.cents, language),
            serial=receipt.serial,
        )
        about = about_organization(donation, receipt)
        paragraphs = [
            Paragraph(text),
            *about,
            donation_page_link(page_url),
            my_gifts_page_link(donation),
            contact_line(donation.campaign.charity),
        ]
        return build_email(
            recipient_of(donation),
            gettext(
                "Your official donation receipt %(serial)s for %(year)s – %(campaign)s", serial=receipt.serial, year=year, campaign=title
            ),
            paragraphs,
            receipt=receipt,
        )


def receipt_copy(donation: Donation, *, page_url: str, receipt: Receipt, is_first: bool, change: ReceiptChange) -> EmailContent:
    """The valid receipt: for the first time, again, or as the replacement of another."""
    language, title = donation.language, donation.campaign.title(donation.language)
    is_replacement = is_first and change.ended is not None
    with force_locale(language):
        sums = {"new": receipt.serial, "amount": format_money_short(receipt.cents, language)}
        if is_replacement:
            about = about_ended(change, language)
        elif is_first:
            text = gettext("Your official receipt no. %(new)s for %(amount)s is attached.", **sums)
            about = [Paragraph(text), *about_organization(donation, receipt)]
        else:
            again = gettext("Here is another copy of your official receipt no. %(new)s for %(amount)s. Nothing in it has changed.", **sums)
            about = [Paragraph(again), *about_organization(donation, receipt)]
        subject = (
            gettext("Your new official donation receipt %(serial)s – %(campaign)s", serial=receipt.serial, campaign=title)
            if is_replacement
            else receipt_subject(receipt, title)
        )
        paragraphs = [*about, donation_page_link(page_url), contact_line(donation.campaign.charity)]
        return build_email(recipient_of(donation), subject, paragraphs, receipt=receipt)


def receipt_cancelled(donation: Donation, *, page_url: str, receipt: Receipt) -> EmailContent:
    """Staff have cancelled a receipt that should not have been issued."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        paragraphs = [
            *about_ended(ReceiptChange(ended=receipt), language),
            donation_page_link(page_url),
            contact_line(donation.campaign.charity),
        ]
        subject = gettext("Official donation receipt %(serial)s is cancelled – %(campaign)s", serial=receipt.serial, campaign=title)
        return build_email(recipient_of(donation), subject, paragraphs)
