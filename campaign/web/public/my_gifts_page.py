"""What the page of all gifts of a donor shows, as values for its template."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import request, url_for
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations import donor_merges
from campaign.donations.donations import Donation, latest_with_email
from campaign.donations.donors import Donor, wants_annual_receipt
from campaign.donations.news_withdrawals import wants_news
from campaign.edges.db import db
from campaign.payments.status import Status
from campaign.receipts.receipts import Receipt
from campaign.receipts.receipts import Status as ReceiptStatus
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.reporting import donor_record, my_gifts
from campaign.reporting.donor_record import YearSums
from campaign.reporting.my_gifts import OwnGift
from campaign.rules.money import format_money
from campaign.texts.consent_words import consent_words
from campaign.texts.dates import format_day
from campaign.web.labels import receipt_status_labels, status_labels
from campaign.web.public.typed_email import take_typed_email
from campaign.web.public.wall_choice import wall_of_gift
from campaign.web.staff.keyset_links import page_links, read_position

RETAINED = (Status.PAID, Status.PARTIALLY_REFUNDED)
LONGEST_ID = 40


def values_of(donor_id: int, language: str) -> dict[str, Any] | None:
    """The values of the page of this donor; None for one without gifts."""
    latest, ids = latest_with_email(donor_id), donor_merges.ids_of_person(donor_id)
    if latest is None:
        return None
    campaigns = my_gifts.campaigns_of(ids)  # The gifts refer to them: this loads all of them at once.
    charities = {campaign.charity_id: campaign.charity for campaign in campaigns}
    shown = latest.campaign
    return {
        "campaign": shown,
        "charity": shown.charity,
        "charity_name": shown.charity.name(language),
        "charities": [_charity(charity, language) for charity in charities.values()],
        "has_several": len(charities) > 1,
        **_sums(donor_record.sums_by_year(ids), charities, language),
        **_gifts(ids, language),
        **_receipts(ids, charities, language),
        "monthly": [_monthly(gift, language) for gift in donor_record.monthly_gifts(ids)],
        "messages": [_message(gift, language) for gift in my_gifts.shared_messages_of(ids)],
        "walls": [one for gift in my_gifts.shown_gifts_of(ids) if (one := _shown(gift, language))],
        "is_annual": wants_annual_receipt(donor_id),
        "email": db.session.get_one(Donor, donor_id).email,
        "typed_email": take_typed_email(),
        "lines": _name_and_address(ids),
        "wants_news": wants_news(donor_id),
        "consent_words": consent_words(language),
    }


def _charity(charity: Charity, language: str) -> dict[str, str]:
    return {"name": charity.name(language), "email": charity.email, "officer": charity.privacy_officer}


def _name_and_address(ids: Sequence[int]) -> list[str]:
    """As on the latest gift; empty once it is erased."""
    found = donor_record.names_and_addresses(ids)
    return [line for line in (found[0].latest.full_name, *found[0].latest.address_lines) if line] if found else []


def _day(moment: datetime, charity: Charity, language: str) -> str:
    return format_day(charity.local(moment).date(), language)


def _sums(years: Sequence[YearSums], charities: dict[int, Charity], language: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    this_year = [one for one in years if one.year == charities[one.charity_id].local(now).year]
    return {
        "total": _sum_row(years, language),
        "this_year": _sum_row(this_year, language) if this_year else None,
        "has_covered_fees": any(one.covered_fee_cents for one in years),
        "years": [
            {"year": one.year, "charity": charities[one.charity_id].name(language), "gifts": one.gifts, **_sum_row([one], language)}
            for one in years
        ],
    }


def _sum_row(rows: Sequence[YearSums], language: str) -> dict[str, str]:
    net, matched = sum(row.net_cents for row in rows), sum(row.matched_cents for row in rows)
    sums = {"net": net, "matched": matched, "together": net + matched}
    return {name: format_money(cents, language) if cents else "" for name, cents in sums.items()}


def _gifts(ids: Sequence[int], language: str) -> dict[str, Any]:
    args = request.args
    page = my_gifts.gifts_page(ids, before=args.get("before", "")[:LONGEST_ID], after=args.get("after", "")[:LONGEST_ID])
    return {
        "gifts": [_gift(row, language) for row in page.rows],
        "gift_pages": {
            "first": _gifts_url(language) if page.newer else "",
            "newer": _gifts_url(language, after=page.newer) if page.newer else "",
            "older": _gifts_url(language, before=page.older) if page.older else "",
        },
        "unpaid": [_gift(row, language) for row in my_gifts.unpaid_gifts(ids)],
    }


def _gifts_url(language: str, *, before: str | None = None, after: str | None = None) -> str:
    return url_for("my_gifts.page", language=language, _anchor="gifts", before=before, after=after)


def _gift(row: OwnGift, language: str) -> dict[str, Any]:
    gift, campaign = row.donation, row.donation.campaign
    words = {**status_labels(), Status.QUARANTINED: gettext("we are reviewing it"), Status.DISPUTED: gettext("your bank is reviewing it")}
    is_missing = row.receipt is None and row.state in RETAINED and gift.lacks_details
    return {
        "day": _day(gift.received_at or gift.started_at, campaign.charity, language),
        "campaign": campaign.title(language),
        "amount": format_money(gift.amount_cents, language),
        "remains": format_money(gift.net_cents, language) if row.state is Status.PARTIALLY_REFUNDED else "",
        "matched": format_money(row.matched_cents, language) if row.matched_cents else "–",
        "is_monthly": gift.recurring_gift_id is not None,
        "state": words[row.state],
        "url": url_for("donation_page.page", language=language, token=gift.token),
        "serial": row.receipt.serial if row.receipt else "",
        "receipt_url": _receipt_url(row.receipt, language) if row.receipt else "",
        "address_url": url_for("receipt_page.address", language=language, token=gift.token) if is_missing else "",
    }


def _receipt_url(receipt: Receipt, language: str) -> str:
    """Its address; empty for one whose name is erased."""
    if not my_gifts.is_readable(receipt):
        return ""
    return url_for("my_gifts.receipt", language=language, code=receipt.check_code)


def _receipts(ids: Sequence[int], charities: dict[int, Charity], language: str) -> dict[str, Any]:
    page = donor_record.receipts_page(ids, read_position("receipts_"))
    statuses = my_gifts.statuses_of(page.rows)
    return {
        "receipts": [_receipt(one, statuses[one.id], charities[one.charity_id], language) for one in page.rows],
        "receipt_pages": page_links(page, "my_gifts.page", of="receipts_", anchor="receipts", language=language),
    }


def _receipt(receipt: Receipt, status: ReceiptStatus, charity: Charity, language: str) -> dict[str, Any]:
    content = receipt.content
    whole_year = content.get("received_in")
    return {
        "year": str(whole_year or content["received_on"][:4]),
        "covers": gettext("all gifts of the year") if whole_year else gettext("one gift"),
        "serial": receipt.serial,
        "charity": charity.name(language),
        "issued": format_day(charity.local(receipt.issued_at), language, "medium"),
        "amount": format_money(receipt.cents, language),
        "state": "" if status is ReceiptStatus.VALID else receipt_status_labels()[status.value],
        "url": _receipt_url(receipt, language),
    }


def _monthly(gift: RecurringGift, language: str) -> dict[str, Any]:
    campaign = gift.donation.campaign
    return {
        "campaign": campaign.title(language),
        "amount": format_money(gift.amount_cents, language),
        "when": _next_month(gift, campaign, language),
        "is_over": gift.is_over,
        "url": url_for("recurring_page.page", language=language, token=gift.token),
        "contact_url": url_for("contact_page.address", language=language, token=gift.token),
    }


def _next_month(gift: RecurringGift, campaign: Campaign, language: str) -> str:
    if gift.ended_at:
        return gettext("ended on %(day)s", day=_day(gift.ended_at, campaign.charity, language))
    if gift.status in {"past_due", "unpaid"}:
        return gettext("the last month could not be charged")
    if gift.cancels_at:
        return gettext("ends on %(day)s", day=_day(gift.cancels_at, campaign.charity, language))
    return gettext("next on %(day)s", day=_day(gift.next_payment_at, campaign.charity, language)) if gift.next_payment_at else ""


def _message(gift: Donation, language: str) -> dict[str, str]:
    day = _day(gift.received_at or gift.started_at, gift.campaign.charity, language)
    return {"public_id": gift.public_id, "day": day, "campaign": gift.campaign.title(language), "text": gift.message}


def _shown(gift: Donation, language: str) -> dict[str, Any] | None:
    """What everybody may see of the gift, and where that is changed; None when nothing is to be seen."""
    wall = wall_of_gift(gift)
    if wall is None:
        return None
    day = _day(gift.received_at or gift.started_at, gift.campaign.charity, language)
    return {"wall": wall, "day": day, "url": url_for("donation_page.page", language=language, token=gift.token, _anchor="wall")}
