"""What we write to donors: each letter in the donor's language, as text and as HTML that say the same."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import render_template
from flask_babel import force_locale, format_date, gettext

from campaign.edges.mail import Attachment, Mail
from campaign.giving.donations import Donation
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


def thanks(donation: Donation, *, envelope: Envelope, outcome: str, receipt: Receipt | None, pdf: bytes | None) -> Mail:
    """The thank-you, with the official receipt attached when there is one; else an acknowledgement, which says that it is to come.

    `outcome` is what became of the match, in the donor's language.
    """
    language = donation.language
    with force_locale(language):
        words = {
            **_common(donation, envelope),
            "amount": written(donation.amount_cents, language),
            "covered_fee": written(donation.covered_fee_cents, language) if donation.covered_fee_cents else "",
            "charged": written(donation.charged_cents, language),
            "outcome": outcome,
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
