"""What receipts say, from donations, the charity as it is now, and the time of issue. Issuing one freezes it (receipts.py)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.links import Links
from campaign.rules.receipt_requirements import GiftLine, ReceiptContent, receipt_languages


@dataclass(frozen=True, kw_only=True)
class IssueContext:
    """The time of issue, and the links of the service, from which the receipt's verification URL is built."""

    now: datetime
    links: Links


@dataclass(frozen=True, kw_only=True)
class Receiptable:
    """A paid donation and the cents that a receipt may show for it: what the charity retains, covered fee included."""

    donation: Donation
    cents: int


def charity_fields(charity: Charity, context: IssueContext, *, language: str, code: str) -> dict[str, Any]:
    """The fields of `ReceiptContent` that come from the charity as it is now, the time of issue and the verification URL."""
    db.session.refresh(charity)  # A worker's session may have read it long ago.
    return {
        "language": language,
        "is_bilingual": charity.bilingual_receipts,
        "charity_name": charity.legal_name,
        "charity_address": tuple(charity.address),
        "registration_number": charity.registration_number.replace(" ", ""),
        "place_of_issue": charity.place_of_issue,
        "issued_on": charity.local(context.now).date(),
        "signatory_name": charity.signatory_name,
        "signatory_title": charity.signatory_title(*receipt_languages(language, is_bilingual=charity.bilingual_receipts)),
        "signature": charity.signature or "",
        "logo": charity.logo or "",
        "check_url": context.links.receipt_check(language, code),
    }


def content_of(
    items: Sequence[Receiptable], context: IssueContext, *, code: str = "", received_in: int | None = None, replaced_serial: str = ""
) -> ReceiptContent:
    """The content of a receipt for these donations of one donor, issued now. It need not be complete.

    With `received_in` it is the annual receipt of that year, and lists its donations. Without `code` it cannot be verified.
    """
    charity = items[0].donation.campaign.charity
    donation, cents = items[0].donation, sum(item.cents for item in items)
    days = [charity.local(item.donation.received_at or context.now).date() for item in items]
    gifts = [GiftLine(received_on=day, cents=item.cents) for day, item in sorted(zip(days, items, strict=True), key=lambda pair: pair[0])]
    return ReceiptContent(
        **charity_fields(charity, context, language=donation.language, code=code),
        received_on=None if received_in else days[0],
        received_in=received_in,
        gifts=tuple(gifts) if received_in else (),
        donor_name=donation.full_name,
        donor_address=donation.address_lines,
        amount_cents=cents,
        advantage_cents=0,
        eligible_cents=cents,
        currency=donation.currency,
        replaces=replaced_serial,
        is_test=not donation.livemode,
    )
