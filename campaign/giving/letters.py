"""What we write to donors: each letter in the donor's language, as text and as HTML that say the same."""

from datetime import datetime

from flask import render_template
from flask_babel import force_locale, gettext

from campaign.edges.mail import Attachment, Mail
from campaign.giving import ledger
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.receipts import Receipt
from campaign.rules import wording
from campaign.rules.money import written


def thanks(
    donation: Donation,
    *,
    funds: list[Fund],
    receipt: Receipt | None,
    pdf: bytes | None,
    message_id: str,
    at: datetime,
    sender: str,
    page_url: str,
) -> Mail:
    """The thank-you, with the official receipt attached when there is one; else an acknowledgement, which says that it is to come."""
    language, charity = donation.language, donation.campaign.charity
    match = ledger.match_of(donation.id)
    name_of = {fund.id: fund.name(language) for fund in funds}
    first_fund = next((name_of[a.fund_id] for a in match.matched if a.fund_id in name_of), "")
    with force_locale(language):
        words = {
            "language": language,
            "donor_name": donation.first_name or donation.full_name,
            "campaign_title": donation.campaign.title(language),
            "charity": charity,
            "charity_name": charity.name(language),
            "amount": written(donation.amount_cents, language),
            "covered_fee": written(donation.covered_fee_cents, language) if donation.covered_fee_cents else "",
            "charged": written(donation.charged_cents, language),
            "outcome": wording.outcome(
                gift_cents=donation.amount_cents,
                held_cents=0,
                matched_cents=match.matched_cents,
                fund_name=first_fund,
                language=language,
            ),
            "tribute_name": donation.tribute_name if donation.tribute_kind else "",
            "tribute_kind": donation.tribute_kind,
            "serial": receipt.serial if receipt else "",
            "page_url": page_url,
            "is_test": not donation.livemode,
        }
        subject = gettext("Thank you for your gift – %(campaign)s", campaign=donation.campaign.title(language))
        if not donation.livemode:
            subject = f"[TEST] {subject}"
        text = render_template("mail/thanks.txt", **words)
        html = render_template("mail/thanks.html", **words)
    attachments = [Attachment(name=receipt.file_name, mime_type="application/pdf", content=pdf)] if receipt and pdf else []
    return Mail(
        message_id=message_id,
        at=at,
        sender=sender,
        sender_name=charity.name(language),
        recipient=donation.email,
        recipient_name=donation.full_name,
        language=language,
        subject=subject,
        text=text,
        html=html,
        attachments=attachments,
    )
