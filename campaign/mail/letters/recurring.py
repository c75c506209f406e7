"""E-mails about a recurring donation: a failed instalment, its end, the link to its page."""

from collections.abc import Sequence
from dataclasses import replace

from flask_babel import force_locale, gettext

from campaign.donations.donations import Donation
from campaign.mail.letters.frame import BUTTON, Paragraph, build_email, contact_line, recipient_of
from campaign.outbox.deliveries import EmailContent
from campaign.recurring import recurring_gifts
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.rules.money import format_money_short


def instalment_failed(donation: Donation, gift: RecurringGift, *, page_url: str) -> EmailContent:
    """An instalment could not be charged. Stripe retries; the donor may change the card."""
    language = donation.language
    with force_locale(language):
        amount = format_money_short(gift.amount_cents + gift.covered_fee_cents, language)
        sentences = [
            gettext(
                "Your gift of %(amount)s for this month could not be charged to your card. This happens, and you owe nothing.",
                amount=amount,
            ),
            gettext("We will not try again. If you add another card on your page, your monthly gift continues.")
            if gift.status == "unpaid"
            else gettext(
                "We will try again in the next few days, and you do not need to do anything. If your card has changed, you can add the new one on your page."
            ),
        ]
        return _monthly(donation, page_url, gettext("This month’s gift could not be charged"), sentences, address=gift.email)


def recurring_gift_ended(donation: Donation, gift: RecurringGift, *, page_url: str) -> EmailContent:
    """The recurring donation has ended, with thanks."""
    with force_locale(donation.language):
        match gift.cancellation_reason:
            case "payment_failed":
                why = gettext("Your monthly gift has ended because your card could no longer be charged. Nothing more will be charged.")
            case recurring_gifts.DISPUTED:
                why = gettext(
                    "Your monthly gift has ended because your bank told us that you did not want a payment. Nothing more will be charged."
                )
            case _:
                why = gettext("Your monthly gift has ended. Nothing more will be charged.")
        thanks_for = (
            gettext(
                "Thank you for every month you gave. The other months do not change: your gifts, their match and their receipts all remain."
            )
            if gift.cancellation_reason == recurring_gifts.DISPUTED
            else gettext("Thank you for every month you gave. Your past gifts, their match and their receipts do not change.")
        )
        return _monthly(donation, page_url, gettext("Your monthly gift has ended"), [why, thanks_for], address=gift.email, has_ended=True)


def recurring_gift_changed(donation: Donation, gift: RecurringGift, *, page_url: str) -> EmailContent:
    """The donor gives another amount from the next month on."""
    with force_locale(donation.language):
        amount = format_money_short(gift.amount_cents, donation.language)
        sentences = [
            gettext("From next month on, you will give %(amount)s each month.", amount=amount),
            gettext("If you did not change it, please write to us."),
        ]
        return _monthly(donation, page_url, gettext("Your monthly gift has changed"), sentences, address=gift.email)


def recurring_gift_link(donation: Donation, *, page_url: str, address: str) -> EmailContent:
    """The link to the page of the recurring donation, as requested, to the address of the donor."""
    with force_locale(donation.language):
        sentences = [
            gettext("Someone, probably you, asked for the link to your monthly gift. If it was not you, you do not need to do anything."),
            gettext("The link works once, within ten minutes; you can ask for another at any time."),
        ]
        return _monthly(donation, page_url, gettext("The link to your monthly gift"), sentences, address=address)


def _monthly(
    donation: Donation, page_url: str, subject: str, sentences: Sequence[str], *, address: str, has_ended: bool = False
) -> EmailContent:
    about_page = (
        gettext("Your page for this monthly gift, with each month so far:")
        if has_ended
        else gettext("Your page for this monthly gift, where you can change the amount or the card, or stop:")
    )
    paragraphs = [
        *map(Paragraph, sentences),
        Paragraph(about_page, page_url, BUTTON, gettext("See my monthly gift") if has_ended else gettext("Manage my monthly gift")),
        contact_line(donation.campaign.charity),
    ]
    recipient = replace(recipient_of(donation), address=address)
    return build_email(recipient, f"{subject} – {donation.campaign.title(donation.language)}", paragraphs)
