"""What we write to donors: each letter in the donor's language, as text and as HTML that say the same."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import render_template
from flask_babel import force_locale, format_date, gettext

from campaign.edges.mail import Attachment, Mail
from campaign.giving.donations import Donation
from campaign.giving.monthly import MonthlyGift
from campaign.giving.receipts import Receipt
from campaign.rules import match_of_a_gift
from campaign.rules.money import written


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What a letter needs beside its words. `page_url` is the donor's own page."""

    message_id: str
    at: datetime
    sender: str
    page_url: str


def thanks(
    donation: Donation, *, envelope: Envelope, outcome: str, receipt: Receipt | None, pdf: bytes | None, monthly_url: str = ""
) -> Mail:
    """The thank-you, with the official receipt attached when there is one; else an acknowledgement, which says that it is to come.

    `outcome` is what became of the match, in the donor's language; `monthly_url` the page of the monthly gift that this is a month of.
    """
    language = donation.language
    with force_locale(language):
        words = {
            **_common(donation, envelope),
            "amount": written(donation.amount_cents, language),
            "covered_fee": written(donation.covered_fee_cents, language) if donation.covered_fee_cents else "",
            "charged": written(donation.charged_cents, language),
            "outcome": outcome,
            "monthly_url": monthly_url,
            "tribute_name": donation.tribute_name if donation.tribute_kind else "",
            "tribute_kind": donation.tribute_kind,
            "serial": receipt.serial if receipt else "",
        }
        subject = gettext("Thank you for your gift – %(campaign)s", campaign=donation.campaign.title(language))
        attachments = [Attachment(name=receipt.file_name, mime_type="application/pdf", content=pdf)] if receipt and pdf else []
        text, html = render_template("mail/thanks.txt", **words), render_template("mail/thanks.html", **words)
        return _mail(donation, envelope, subject, text, html, attachments)


def match_healed(donation: Donation, *, envelope: Envelope, matched_cents: int, more_cents: int, fund_name: str) -> Mail:
    """The news that more of a gift is matched by now than when it was paid. Sums in cents."""
    language = donation.language
    assert donation.paid_at is not None
    with force_locale(language):
        healed = match_of_a_gift.healed(
            gift_cents=donation.net_cents,
            matched_cents=matched_cents,
            more_cents=more_cents,
            fund_name=fund_name,
            language=language,
        )
        paid_on = format_date(donation.campaign.charity.local(donation.paid_at).date(), "long")
        subject = gettext("Your gift is matched further – %(campaign)s", campaign=donation.campaign.title(language))
        words = {**_common(donation, envelope), "healed": healed, "paid_on": paid_on}
        return _mail(
            donation, envelope, subject, render_template("mail/healed.txt", **words), render_template("mail/healed.html", **words), []
        )


def payment_failed(donation: Donation, *, envelope: Envelope, again_url: str) -> Mail:
    """The news that the bank did not let a gift through, days after it was given."""
    language = donation.language
    with force_locale(language):
        subject = gettext("Your gift did not go through – %(campaign)s", campaign=donation.campaign.title(language))
        words = {**_common(donation, envelope), "amount": written(donation.charged_cents, language), "again_url": again_url}
        text, html = render_template("mail/payment_failed.txt", **words), render_template("mail/payment_failed.html", **words)
        return _mail(donation, envelope, subject, text, html, [])


def month_failed(donation: Donation, gift: MonthlyGift, *, envelope: Envelope) -> Mail:
    """The news that this month's gift could not be charged: nothing is owed, Stripe tries again, another card may help."""
    language = donation.language
    with force_locale(language):
        amount = written(gift.amount_cents + gift.covered_fee_cents, language)
        paragraphs = [
            gettext(
                "Your gift of %(amount)s for this month could not be charged to your card. This happens, and you owe nothing.",
                amount=amount,
            ),
            gettext("We try again within the next days by ourselves. If your card has changed, you can give us the new one on your page."),
        ]
        return _monthly(donation, envelope, gettext("This month’s gift could not be charged"), paragraphs)


def monthly_stopped(donation: Donation, gift: MonthlyGift, *, envelope: Envelope) -> Mail:
    """The news that no further month will be charged, and thanks for those that were."""
    language = donation.language
    with force_locale(language):
        why = (
            gettext("Your monthly gift has ended, as your card could not be charged any more. Nothing more will be charged.")
            if gift.ended_because == "payment_failed"
            else gettext("Your monthly gift has ended, as you wished. Nothing more will be charged.")
        )
        thanks_for = gettext("Thank you for every month you gave. What you have given stays given, with its match and its receipts.")
        return _monthly(donation, envelope, gettext("Your monthly gift has ended"), [why, thanks_for])


def monthly_link(donation: Donation, *, envelope: Envelope) -> Mail:
    """The address of the donor's page, as they asked for."""
    with force_locale(donation.language):
        paragraphs = [gettext("Somebody, we hope you, asked for the link to your monthly gift. If it was not you, there is nothing to do.")]
        return _monthly(donation, envelope, gettext("The link to your monthly gift"), paragraphs)


def _monthly(donation: Donation, envelope: Envelope, subject: str, paragraphs: list[str]) -> Mail:
    words = {**_common(donation, envelope), "paragraphs": paragraphs}
    subject = f"{subject} – {donation.campaign.title(donation.language)}"
    text, html = render_template("mail/monthly.txt", **words), render_template("mail/monthly.html", **words)
    return _mail(donation, envelope, subject, text, html, [])


def _common(donation: Donation, envelope: Envelope) -> dict[str, Any]:
    language, charity = donation.language, donation.campaign.charity
    return {
        "language": language,
        "donor_name": donation.first_name or donation.full_name,
        "campaign_title": donation.campaign.title(language),
        "charity": charity,
        "charity_name": charity.name(language),
        "page_url": envelope.page_url,
        "is_test": not donation.livemode,
    }


def _mail(donation: Donation, envelope: Envelope, subject: str, text: str, html: str, attachments: list[Attachment]) -> Mail:
    return Mail(
        message_id=envelope.message_id,
        at=envelope.at,
        sender=envelope.sender,
        sender_name=donation.campaign.charity.name(donation.language),
        recipient=donation.email,
        recipient_name=donation.full_name,
        language=donation.language,
        subject=subject if donation.livemode else f"[TEST] {subject}",
        text=text,
        html=html,
        attachments=attachments,
    )
