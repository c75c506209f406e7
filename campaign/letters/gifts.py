"""Letters about a gift: the thank-you, the match that was healed, the payment that failed."""

from flask_babel import force_locale, gettext

from campaign.giving.donations import Donation
from campaign.giving.mails import Letter
from campaign.giving.receipts import Receipt
from campaign.letters.frame import MATCH, SMALL, Paragraph, letter, own_page, paid_on, questions, reader_of
from campaign.rules import match_of_a_gift
from campaign.rules.money import written


def thanks(
    donation: Donation,
    *,
    page_url: str,
    outcome: str,
    receipt: Receipt | None,
    monthly_url: str = "",
    address_url: str = "",
    is_yearly: bool = False,
) -> Letter:
    """The thank-you, with the official receipt when there is one; else an acknowledgement, which says what the receipt waits for.

    `outcome` is what became of the match; `monthly_url` the page of the monthly gift that this is a month of; `address_url` where the
    donor can give the address that a receipt needs; `is_yearly` when they wish one receipt for the year.
    """
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        amount, charged = written(donation.amount_cents, language), written(donation.charged_cents, language)
        paragraphs = [
            Paragraph(gettext("Thank you for your gift of %(amount)s to %(campaign)s.", amount=amount, campaign=title)),
            Paragraph(outcome, style=MATCH),
            *_covered_fee(donation, charged),
            *_tribute(donation),
            *_about_receipt(donation, receipt, address_url, is_yearly=is_yearly),
            own_page(page_url),
        ]
        if monthly_url:
            paragraphs.append(Paragraph(gettext("You give each month. To change the sum or the card, or to stop:"), monthly_url))
        paragraphs.append(_on_statement(donation))
        subject = gettext("Thank you for your gift – %(campaign)s", campaign=title)
        return letter(reader_of(donation), subject, paragraphs, receipt=receipt)


def _covered_fee(donation: Donation, charged: str) -> list[Paragraph]:
    if not donation.covered_fee_cents:
        return []
    fee = written(donation.covered_fee_cents, donation.language)
    return [Paragraph(gettext("You also covered the processing fee of %(fee)s; in all you paid %(charged)s.", fee=fee, charged=charged))]


def _tribute(donation: Donation) -> list[Paragraph]:
    if not donation.tribute_kind or not donation.tribute_name:
        return []
    if donation.tribute_kind == "honour":
        return [Paragraph(gettext("Given in honour of %(name)s.", name=donation.tribute_name))]
    return [Paragraph(gettext("Given in memory of %(name)s.", name=donation.tribute_name))]


def _about_receipt(donation: Donation, receipt: Receipt | None, address_url: str, *, is_yearly: bool) -> list[Paragraph]:
    if receipt is not None:
        words = gettext(
            "Your official receipt no. %(serial)s for %(charged)s is attached. It shows your own gift; the match is the gift of the fund.",
            serial=receipt.serial,
            charged=written(receipt.cents, donation.language),
        )
        return [Paragraph(words)]
    paragraphs = []
    if is_yearly:
        words = gettext(
            "As you wished, one official receipt for all your gifts of the year comes in January. This message is not a receipt."
        )
        paragraphs.append(Paragraph(words))
    if address_url:
        words = gettext("An official receipt needs your full name and postal address. Give them here:")
        paragraphs += [Paragraph(words, address_url), Paragraph(gettext("This message is not a receipt."))]
    if paragraphs:
        return paragraphs
    return [Paragraph(gettext("Your official receipt follows by e-mail. This message is not a receipt."))]


def _on_statement(donation: Donation) -> Paragraph:
    charity = donation.campaign.charity
    words = gettext(
        "On your card statement the payment is under the name of %(charity)s. If anything is not right, please answer this mail or write to %(email)s.",
        charity=charity.name(donation.language),
        email=charity.email,
    )
    return Paragraph(words, style=SMALL)


def match_healed(donation: Donation, *, page_url: str, matched_cents: int, more_cents: int, fund_name: str) -> Letter:
    """The news that more of a gift is matched by now than when it was paid. Sums in cents."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        healed = match_of_a_gift.healed(
            gift_cents=donation.net_cents, matched_cents=matched_cents, more_cents=more_cents, fund_name=fund_name, language=language
        )
        paragraphs = [
            Paragraph(gettext("Your gift of %(day)s to %(campaign)s is matched further.", day=paid_on(donation), campaign=title)),
            Paragraph(healed, style=MATCH),
            Paragraph(gettext("You need not do anything, and your official receipt stays as it is: it shows your own gift.")),
            own_page(page_url),
            questions(donation.campaign.charity),
        ]
        return letter(reader_of(donation), gettext("Your gift is matched further – %(campaign)s", campaign=title), paragraphs)


def payment_failed(donation: Donation, *, again_url: str) -> Letter:
    """The news that the bank did not let a gift through, days after it was given."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        paragraphs = [
            Paragraph(
                gettext(
                    "Your bank did not let your gift of %(amount)s to %(campaign)s through. Nothing was taken from your account, and you owe nothing.",
                    amount=written(donation.charged_cents, language),
                    campaign=title,
                )
            ),
            Paragraph(
                gettext(
                    "This happens for many reasons, and most of them are nobody’s fault. If you would still like to give, your form is as you left it:"
                ),
                again_url,
            ),
            questions(donation.campaign.charity),
        ]
        subject = gettext("Your gift did not go through – %(campaign)s", campaign=title)
        return letter(reader_of(donation), subject, paragraphs, ending=gettext("Thank you for wanting to help,"))
