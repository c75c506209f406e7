"""Monthly gifts in words for staff: whether they go on, what the next month is charged and when."""

from datetime import datetime
from typing import Any

from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.rules.money import format_money
from campaign.web.languages import current_language


def monthly_state(gift: RecurringGift, charity: Charity) -> str:
    """Whether the monthly gift goes on, and when it ends."""
    if gift.ended_at:
        return gettext("ended on %(day)s", day=_day(gift.ended_at, charity))
    if gift.cancel_requested_at:
        return gettext("being cancelled because of a dispute")
    if gift.cancels_at:
        return gettext("ends on %(day)s", day=_day(gift.cancels_at, charity))
    match gift.status:
        case "past_due" | "unpaid":
            return gettext("the last month could not be charged")
        case "active":
            return gettext("goes on")
        case _:
            return gettext("not begun or paused at Stripe")


def monthly_row(gift: RecurringGift) -> dict[str, Any]:
    """A monthly gift, formatted for display."""
    language, charity = current_language(), gift.donation.campaign.charity
    is_going_on = not gift.is_over and not gift.cancels_at and not gift.cancel_requested_at
    return {
        "id": gift.id,
        "amount": format_money(gift.amount_cents, language),
        "fee": format_money(gift.covered_fee_cents, language) if gift.covered_fee_cents else "",
        "state": monthly_state(gift, charity),
        "since": _day(gift.started_at, charity),
        "next_on": _day(gift.next_payment_at, charity) if gift.next_payment_at and is_going_on else "",
        "public_id": gift.donation.public_id,
        "email": gift.email,
        "name": gift.names.on_receipt,
        "may_end": bool(gift.subscription) and not gift.is_over,
    }


def _day(moment: datetime, charity: Charity) -> str:
    return charity.local(moment).date().isoformat()
