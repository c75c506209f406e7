"""E-mails to funders: thanks for a payment, with its receipt, and the notice that a pledge is fully matched."""

from flask_babel import force_locale, gettext

from campaign.campaigns.campaigns import Campaign
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.mail.letters.frame import Paragraph, Recipient, build_email, contact_line, receipt_subject
from campaign.matching.funds import Fund
from campaign.outbox.deliveries import EmailContent
from campaign.receipts.receipts import Receipt
from campaign.reporting.published_heads import SignedHead
from campaign.rules.money import format_money
from campaign.texts.dates import format_day


def _recipient(funder: Funder, campaign: Campaign, *, is_test: bool) -> Recipient:
    name = funder.legal_name or funder.name(funder.language)
    return Recipient(
        address=funder.email,
        name=name,
        greeted_as=funder.name(funder.language),
        language=funder.language,
        charity=campaign.charity,
        is_test=is_test,
    )


def _for_the_auditor(head: SignedHead) -> Paragraph:
    """Where the fund's books end as the message is written, so that nobody can write them anew unseen (docs/verify.md)."""
    return Paragraph(
        gettext(
            "For your auditor, to keep: where the books of your fund end now, %(head)s, and the charity’s signature of these words, %(signature)s.",
            head=head.text,
            signature=head.signature,
        )
    )


def money_received(
    payment: FunderPayment, funder: Funder, campaign: Campaign, *, receipt: Receipt | None, head: SignedHead
) -> EmailContent:
    """Thanks for a payment. A registered charity gets no official receipt, and the e-mail says so."""
    language = funder.language
    with force_locale(language):
        text = gettext(
            "Thank you. On %(day)s we received %(amount)s towards your pledge for %(campaign)s.",
            day=format_day(payment.received_on, language),
            amount=format_money(payment.cents, language),
            campaign=campaign.title(language),
        )
        about = (
            gettext("Your official receipt no. %(new)s is attached.", new=receipt.serial)
            if receipt
            else gettext("As a registered charity you get no official receipt for it; this message is an acknowledgement.")
        )
        paragraphs = [Paragraph(text), Paragraph(about), _for_the_auditor(head), contact_line(campaign.charity)]
        title = campaign.title(language)
        subject = receipt_subject(receipt, title) if receipt else gettext("Your payment has arrived – %(campaign)s", campaign=title)
        return build_email(_recipient(funder, campaign, is_test=not payment.livemode), subject, paragraphs, receipt=receipt)


def pledge_is_matched(fund: Fund, funder: Funder, campaign: Campaign, *, is_test: bool, head: SignedHead) -> EmailContent:
    """The whole pledge is matched."""
    language = funder.language
    with force_locale(language):
        text = gettext(
            "Every dollar of your pledge of %(amount)s now stands beside the gifts of others to %(campaign)s. Thank you.",
            amount=format_money(fund.pledged_cents, language),
            campaign=campaign.title(language),
        )
        more = gettext(
            "Should a gift be given back, its match goes to the next gift in line. We write to you about the payment of the pledge."
        )
        paragraphs = [Paragraph(text), Paragraph(more), _for_the_auditor(head), contact_line(campaign.charity)]
        subject = gettext("Your pledge is matched in full – %(campaign)s", campaign=campaign.title(language))
        return build_email(_recipient(funder, campaign, is_test=is_test), subject, paragraphs)
