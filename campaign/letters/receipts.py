"""Letters about money that went back or came back, and about receipts that were replaced, cancelled or asked for again."""

from flask_babel import force_locale, gettext

from campaign.giving.donations import Donation
from campaign.giving.mails import Letter
from campaign.giving.receipts import Receipt
from campaign.letters.frame import MATCH, Paragraph, letter, own_page, paid_on, questions, reader_of
from campaign.rules.money import written


def money_went_back(
    donation: Donation, *, page_url: str, cents: int, is_dispute: bool, outcome: str, receipt: Receipt | None, ended: Receipt | None
) -> Letter:
    """The news that money of a gift went back to the donor, and what that makes of the match and the receipt.

    `cents` is what went back, covered fee included; `ended` is the receipt that stands no more, `receipt` the one in its place.
    """
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        sums = {"amount": written(cents, language), "day": paid_on(donation), "campaign": title}
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
        paragraphs = [Paragraph(first), Paragraph(outcome, style=MATCH), *_about_ended(ended, receipt), own_page(page_url)]
        paragraphs.append(questions(donation.campaign.charity))
        subject = gettext("Your gift was given back in part – %(campaign)s", campaign=title)
        if donation.net_cents == 0:
            subject = gettext("Your gift was given back – %(campaign)s", campaign=title)
        return letter(reader_of(donation), subject, paragraphs, receipt=receipt)


def _about_ended(ended: Receipt | None, receipt: Receipt | None) -> list[Paragraph]:
    if ended is not None and receipt is not None:
        words = gettext(
            "Official receipt no. %(old)s is cancelled and replaced by no. %(new)s, which is attached. Please use only the new one.",
            old=ended.serial,
            new=receipt.serial,
        )
        return [Paragraph(words)]
    if ended is not None:
        return [Paragraph(gettext("Official receipt no. %(old)s is cancelled. Please do not use it for your taxes.", old=ended.serial))]
    if receipt is not None:
        return [Paragraph(gettext("Your official receipt no. %(new)s for what is left of the gift is attached.", new=receipt.serial))]
    return []


def money_came_back(
    donation: Donation, *, page_url: str, cents: int, outcome: str, receipt: Receipt | None, ended: Receipt | None
) -> Letter:
    """The news that money which had gone back to the donor is with the charity again."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        words = gettext(
            "%(amount)s of your gift of %(day)s to %(campaign)s, which had gone back, is with us again.",
            amount=written(cents, language),
            day=paid_on(donation),
            campaign=title,
        )
        paragraphs = [Paragraph(words), Paragraph(outcome, style=MATCH)]
        if receipt is not None and ended is None:
            paragraphs.append(Paragraph(gettext("Your official receipt no. %(new)s is attached.", new=receipt.serial)))
        else:
            paragraphs += _about_ended(ended, receipt)
        paragraphs += [own_page(page_url), questions(donation.campaign.charity)]
        return letter(
            reader_of(donation), gettext("Your gift is with us again – %(campaign)s", campaign=title), paragraphs, receipt=receipt
        )


def yearly(donation: Donation, *, page_url: str, receipt: Receipt) -> Letter:
    """The one receipt for all gifts of a year, with thanks for them."""
    language, title = donation.language, donation.campaign.title(donation.language)
    with force_locale(language):
        year = receipt.content["received_in"]
        words = gettext(
            "Thank you for all you gave to %(campaign)s in %(year)s: %(amount)s in all. Your official receipt no. %(serial)s for these gifts is attached.",
            campaign=title,
            year=year,
            amount=written(receipt.cents, language),
            serial=receipt.serial,
        )
        paragraphs = [Paragraph(words), own_page(page_url), questions(donation.campaign.charity)]
        return letter(
            reader_of(donation), gettext("Your receipt for %(year)s – %(campaign)s", year=year, campaign=title), paragraphs, receipt=receipt
        )


def receipt_again(donation: Donation, *, page_url: str, receipt: Receipt, is_first: bool) -> Letter:
    """The receipt that stands: for the first time, once more, or in place of another."""
    title, replaces = donation.campaign.title(donation.language), receipt.content.get("replaces")
    with force_locale(donation.language):
        words = (
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
        paragraphs = [Paragraph(words), own_page(page_url), questions(donation.campaign.charity)]
        return letter(reader_of(donation), gettext("Your official receipt – %(campaign)s", campaign=title), paragraphs, receipt=receipt)


def receipt_cancelled(donation: Donation, *, page_url: str, receipt: Receipt) -> Letter:
    """The news that staff have cancelled a receipt that should not have been issued."""
    title = donation.campaign.title(donation.language)
    with force_locale(donation.language):
        paragraphs = [*_about_ended(receipt, None), own_page(page_url), questions(donation.campaign.charity)]
        return letter(reader_of(donation), gettext("Your official receipt is cancelled – %(campaign)s", campaign=title), paragraphs)
