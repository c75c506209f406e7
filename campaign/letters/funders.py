"""Letters to funders: thanks for money received, with its receipt, and the news that a pledge is matched in full."""

from flask_babel import force_locale, format_date, gettext

from campaign.giving.campaigns import Campaign
from campaign.giving.funder_payments import FunderPayment
from campaign.giving.funds import Fund, Funder
from campaign.giving.mails import Letter
from campaign.giving.receipts import Receipt
from campaign.letters.frame import Paragraph, Reader, letter, questions
from campaign.rules.money import written


def _reader(funder: Funder, campaign: Campaign, *, is_test: bool) -> Reader:
    name = funder.legal_name or funder.name(funder.language)
    return Reader(
        address=funder.email,
        name=name,
        greeted_as=funder.name(funder.language),
        language=funder.language,
        charity=campaign.charity,
        is_test=is_test,
    )


def money_received(payment: FunderPayment, funder: Funder, campaign: Campaign, *, receipt: Receipt | None) -> Letter:
    """Thanks for a payment; a registered charity gets no official receipt, and is told so."""
    language = funder.language
    with force_locale(language):
        words = gettext(
            "Thank you. On %(day)s we received %(amount)s towards your pledge for %(campaign)s.",
            day=format_date(payment.received_on, "long"),
            amount=written(payment.cents, language),
            campaign=campaign.title(language),
        )
        about = (
            gettext("Your official receipt no. %(new)s is attached.", new=receipt.serial)
            if receipt
            else gettext("As a registered charity you get no official receipt for it; this message is an acknowledgement.")
        )
        paragraphs = [Paragraph(words), Paragraph(about), questions(campaign.charity)]
        subject = gettext("Your payment has arrived – %(campaign)s", campaign=campaign.title(language))
        return letter(_reader(funder, campaign, is_test=not payment.livemode), subject, paragraphs, receipt=receipt)


def pledge_is_matched(fund: Fund, funder: Funder, campaign: Campaign, *, is_test: bool) -> Letter:
    """The news that every dollar of the pledge stands beside gifts of donors."""
    language = funder.language
    with force_locale(language):
        words = gettext(
            "Every dollar of your pledge of %(amount)s now stands beside the gifts of others to %(campaign)s. Thank you.",
            amount=written(fund.pledged_cents, language),
            campaign=campaign.title(language),
        )
        more = gettext(
            "Should a gift be given back, its match goes to the next gift in line. We write to you about the payment of the pledge."
        )
        paragraphs = [Paragraph(words), Paragraph(more), questions(campaign.charity)]
        subject = gettext("Your pledge is matched in full – %(campaign)s", campaign=campaign.title(language))
        return letter(_reader(funder, campaign, is_test=is_test), subject, paragraphs)
