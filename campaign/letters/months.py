"""Letters about a monthly gift: a month that could not be charged, its end, the link to its page."""

from collections.abc import Sequence

from flask_babel import force_locale, gettext

from campaign.giving.donations import Donation
from campaign.giving.mails import Letter
from campaign.giving.monthly import MonthlyGift
from campaign.letters.frame import Paragraph, letter, questions, reader_of
from campaign.rules.money import written


def month_failed(donation: Donation, gift: MonthlyGift, *, page_url: str) -> Letter:
    """The news that this month's gift could not be charged: nothing is owed, Stripe tries again, another card may help."""
    language = donation.language
    with force_locale(language):
        amount = written(gift.amount_cents + gift.covered_fee_cents, language)
        sentences = [
            gettext(
                "Your gift of %(amount)s for this month could not be charged to your card. This happens, and you owe nothing.",
                amount=amount,
            ),
            gettext("We try again within the next days by ourselves. If your card has changed, you can give us the new one on your page."),
        ]
        return _monthly(donation, page_url, gettext("This month’s gift could not be charged"), sentences)


def monthly_stopped(donation: Donation, gift: MonthlyGift, *, page_url: str) -> Letter:
    """The news that no further month will be charged, and thanks for those that were."""
    with force_locale(donation.language):
        why = (
            gettext("Your monthly gift has ended, as your card could not be charged any more. Nothing more will be charged.")
            if gift.ended_because == "payment_failed"
            else gettext("Your monthly gift has ended, as you wished. Nothing more will be charged.")
        )
        thanks_for = gettext("Thank you for every month you gave. What you have given stays given, with its match and its receipts.")
        return _monthly(donation, page_url, gettext("Your monthly gift has ended"), [why, thanks_for])


def monthly_link(donation: Donation, *, page_url: str) -> Letter:
    """The address of the donor's page, as they asked for."""
    with force_locale(donation.language):
        sentences = [gettext("Somebody, we hope you, asked for the link to your monthly gift. If it was not you, there is nothing to do.")]
        return _monthly(donation, page_url, gettext("The link to your monthly gift"), sentences)


def _monthly(donation: Donation, page_url: str, subject: str, sentences: Sequence[str]) -> Letter:
    paragraphs = [
        *map(Paragraph, sentences),
        Paragraph(gettext("Your page for this monthly gift, where you can change the sum or the card, or stop:"), page_url),
        questions(donation.campaign.charity),
    ]
    return letter(reader_of(donation), f"{subject} – {donation.campaign.title(donation.language)}", paragraphs)
