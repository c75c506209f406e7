"""E-mails to funders: thanks for a payment, its correction, reversal or return, with receipts, and the notice that a pledge is fully matched.

They are about money and taxes, so they address the funder by the legal name, as receipts do, and not by the public one.
"""

from datetime import date

from flask_babel import force_locale, gettext

from campaign.campaigns.campaigns import Campaign
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.mail.letters.frame import Code, Paragraph, Recipient, build_email, contact_line, receipt_subject
from campaign.mail.letters.receipt_changes import ReceiptChange, about_ended
from campaign.matching.funds import Fund
from campaign.outbox.deliveries import EmailContent
from campaign.receipts.receipts import EndReason, Receipt
from campaign.rules.funder_payments import ReturnDetails
from campaign.rules.money import format_money
from campaign.texts.dates import format_day


def recipient_of_funder(funder: Funder, campaign: Campaign, *, is_test: bool) -> Recipient:
    """The funder, by the legal name if there is one."""
    name = funder.legal_name or funder.name(funder.language)
    return Recipient(
        address=funder.email,
        name=name,
        greeted_as=name,
        language=funder.language,
        charity=campaign.charity,
        is_test=is_test,
    )


def for_an_audit(head: str) -> Code:
    """Where the fund's books end as the message is composed, so that nobody can write them anew unseen (docs/verify.md)."""
    purpose = gettext(
        "For an audit: this line shows where the books of your fund end today. With it, your auditor can check later that nothing before it "
        "was changed. Please keep it."
    )
    return Code(purpose=purpose, code=head)


def money_received(
    payment: FunderPayment, funder: Funder, campaign: Campaign, *, receipt: Receipt | None, replaced: Receipt | None, head: str
) -> EmailContent:
    """Thanks for a payment. A registered charity gets no official receipt, and the e-mail says so. `replaced` is what the receipt replaces."""
    language = funder.language
    with force_locale(language):
        text = gettext(
            "Thank you. On %(day)s we received %(amount)s towards your pledge for %(campaign)s.",
            day=format_day(payment.received_on, language),
            amount=format_money(payment.cents, language),
            campaign=campaign.title(language),
        )
        about = gettext("Your official receipt no. %(new)s is attached.", new=receipt.serial) if receipt else _no_receipt_for_charity()
        about_receipt = about_ended(ReceiptChange(ended=replaced, receipt=receipt), language) if replaced else [Paragraph(about)]
        paragraphs = [Paragraph(text), *about_receipt, contact_line(campaign.charity)]
        title = campaign.title(language)
        subject = receipt_subject(receipt, title) if receipt else gettext("Your payment has arrived – %(campaign)s", campaign=title)
        recipient, code = recipient_of_funder(funder, campaign, is_test=not payment.livemode), for_an_audit(head)
        return build_email(recipient, subject, paragraphs, receipt=receipt, code=code)


def _no_receipt_for_charity() -> str:
    return str(gettext("As a registered charity you get no official receipt for it; this message is an acknowledgement."))


def receipt_voided(payment: FunderPayment, funder: Funder, campaign: Campaign, *, ended: Receipt, head: str) -> EmailContent:
    """Two people have voided the receipt of a payment, which still counts."""
    language, title = funder.language, campaign.title(funder.language)
    with force_locale(language):
        counts = gettext(
            "It was for your payment of %(amount)s, received on %(day)s (reference %(reference)s). The payment still counts towards your pledge.",
            **_noted(payment, language),
        )
        paragraphs = [*about_ended(ReceiptChange(ended=ended), language), Paragraph(counts)]
        if funder.is_registered_charity:
            paragraphs.append(Paragraph(_no_receipt_for_charity()))
        paragraphs.append(contact_line(campaign.charity))
        subject = gettext("Official donation receipt %(serial)s is cancelled – %(campaign)s", serial=ended.serial, campaign=title)
        recipient = recipient_of_funder(funder, campaign, is_test=not payment.livemode)
        return build_email(recipient, subject, paragraphs, code=for_an_audit(head))


def payment_corrected(
    payment: FunderPayment,
    earlier: FunderPayment,
    funder: Funder,
    campaign: Campaign,
    *,
    receipt: Receipt | None,
    ended: Receipt | None,
    head: str,
) -> EmailContent:
    """A payment was recorded wrongly, and `payment` is what is right. `ended` is the receipt of the earlier one, `receipt` the one that is valid."""
    language, title = funder.language, campaign.title(funder.language)
    with force_locale(language):
        text = gettext(
            "We recorded your payment to %(campaign)s wrongly, as %(amount)s, received on %(day)s (reference %(reference)s).",
            campaign=title,
            **_noted(earlier, language),
        )
        right = gettext("What is right: %(amount)s, received on %(day)s (reference %(reference)s).", **_noted(payment, language))
        paragraphs = [Paragraph(text), Paragraph(right), *_about_receipts(ended, receipt, language)]
        if funder.is_registered_charity:
            paragraphs.append(Paragraph(_no_receipt_for_charity()))
        paragraphs.append(contact_line(campaign.charity))
        subject = gettext("Your payment is corrected – %(campaign)s", campaign=title)
        recipient, code = recipient_of_funder(funder, campaign, is_test=not payment.livemode), for_an_audit(head)
        return build_email(recipient, subject, paragraphs, receipt=receipt, code=code)


def _about_receipts(ended: Receipt | None, receipt: Receipt | None, language: str) -> list[Paragraph]:
    if ended is None and receipt is not None:
        text = gettext(
            "Your official receipt no. %(new)s for %(amount)s is attached.",
            new=receipt.serial,
            amount=format_money(receipt.cents, language),
        )
        return [Paragraph(text)]
    return about_ended(ReceiptChange(ended=ended, receipt=receipt), language)


def payment_reversed(
    payment: FunderPayment, funder: Funder, campaign: Campaign, *, returned_on: date | None, ended: Receipt | None, head: str
) -> EmailContent:
    """A payment no longer counts: it was returned to the funder on `returned_on`, or it was noted by mistake. `ended` is its receipt."""
    language, title = funder.language, campaign.title(funder.language)
    with force_locale(language):
        noted = {"campaign": title, **_noted(payment, language)}
        text = (
            gettext(
                "On %(returned_on)s we returned to you your payment of %(amount)s to %(campaign)s, received on %(day)s (reference %(reference)s).",
                returned_on=format_day(returned_on, language),
                **noted,
            )
            if returned_on
            else gettext(
                "We recorded a payment of %(amount)s from you to %(campaign)s, received on %(day)s (reference %(reference)s). That was a mistake: it did not arrive, or was recorded twice.",
                **noted,
            )
        )
        no_longer = Paragraph(gettext("It no longer counts as received towards your pledge."))
        paragraphs = [Paragraph(text), no_longer, *about_ended(ReceiptChange(ended=ended), language), contact_line(campaign.charity)]
        subject = gettext("Your payment no longer counts – %(campaign)s", campaign=title)
        recipient = recipient_of_funder(funder, campaign, is_test=not payment.livemode)
        return build_email(recipient, subject, paragraphs, code=for_an_audit(head))


def payment_returned(
    payment: FunderPayment,
    details: ReturnDetails,
    funder: Funder,
    campaign: Campaign,
    *,
    is_undone: bool,
    retained_cents: int,
    receipt: Receipt | None,
    ended: Receipt | None,
    head: str,
) -> EmailContent:
    """Money of a payment went back to the funder, or did not although it was recorded so. `ended` is the earlier receipt, `receipt` the valid one."""
    language, title = funder.language, campaign.title(funder.language)
    with force_locale(language):
        about = {"part": format_money(details.cents, language), "returned_on": format_day(details.returned_on, language)}
        noted = {"campaign": title, "return_reference": details.reference, **about, **_noted(payment, language)}
        text = (
            gettext(
                "We recorded that on %(returned_on)s we returned %(part)s to you (reference %(return_reference)s), of your payment of %(amount)s to %(campaign)s, received on %(day)s (reference %(reference)s). That was a mistake: the money did not go back.",
                **noted,
            )
            if is_undone
            else gettext(
                "On %(returned_on)s we returned %(part)s to you (reference %(return_reference)s), of your payment of %(amount)s to %(campaign)s, received on %(day)s (reference %(reference)s).",
                **noted,
            )
        )
        counts = gettext("Of this payment, %(left)s counts as received towards your pledge.", left=format_money(retained_cents, language))
        change = ReceiptChange(ended=ended, receipt=receipt, reason=None if is_undone else EndReason.RETURNED)
        paragraphs = [Paragraph(text), Paragraph(counts), *about_ended(change, language), contact_line(campaign.charity)]
        subject = (
            gettext("Your payment was not returned – %(campaign)s", campaign=title)
            if is_undone
            else gettext("Your payment was returned – %(campaign)s", campaign=title)
            if retained_cents == 0
            else gettext("Part of your payment was returned – %(campaign)s", campaign=title)
        )
        recipient, code = recipient_of_funder(funder, campaign, is_test=not payment.livemode), for_an_audit(head)
        return build_email(recipient, subject, paragraphs, receipt=receipt, code=code)


def _noted(payment: FunderPayment, language: str) -> dict[str, str]:
    amount, day = format_money(payment.cents, language), format_day(payment.received_on, language)
    return {"amount": amount, "day": day, "reference": payment.reference}


def pledge_is_matched(fund: Fund, funder: Funder, campaign: Campaign, *, is_test: bool, head: str) -> EmailContent:
    """The whole pledge is matched."""
    language = funder.language
    with force_locale(language):
        text = gettext(
            "All of your pledge of %(amount)s now goes with gifts to %(campaign)s. Thank you.",
            amount=format_money(fund.pledged_cents, language),
            campaign=campaign.title(language),
        )
        more = gettext(
            "Should a gift be returned, its match goes to the next gift in line. We write to you about the payment of the pledge."
        )
        paragraphs = [Paragraph(text), Paragraph(more), contact_line(campaign.charity)]
        subject = gettext("Your pledge is matched in full – %(campaign)s", campaign=campaign.title(language))
        return build_email(recipient_of_funder(funder, campaign, is_test=is_test), subject, paragraphs, code=for_an_audit(head))
