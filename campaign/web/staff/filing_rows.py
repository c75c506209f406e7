"""What changed in the gifts of a fiscal year since the day on which a return was filed, as the pages of the returns show it."""

from collections.abc import Sequence
from typing import Any

from campaign.reporting import filing_changes
from campaign.reporting.filing_changes import GiftThen
from campaign.rules.money import format_money
from campaign.web.labels import change_labels
from campaign.web.languages import current_language

CHANGES_SHOWN = 200
# What a member answers who records the return all the same.
MAY_DIFFER = "may_differ"


def filing_rows(changed: Sequence[GiftThen]) -> dict[str, Any]:
    """The sums of each kind of change, and the first of the gifts, those whose amount changed before the others."""
    order = list(filing_changes.Change)
    first = sorted(changed, key=lambda gift: order.index(gift.change))[:CHANGES_SHOWN]
    return {
        "sums": [
            {"name": change_labels()[found.change], "gifts": found.gifts, "amount": _money(found.cents)}
            for found in filing_changes.sums_by_change(changed)
        ],
        "gifts": [_gift_row(gift) for gift in first],
        "has_more": len(changed) > CHANGES_SHOWN,
    }


def _gift_row(gift: GiftThen) -> dict[str, str]:
    return {
        "donation": gift.donation,
        "payment": gift.payment,
        "donor": gift.donor,
        "change": change_labels()[gift.change],
        "then": _money(gift.cents_then),
        "now": _money(gift.cents_now),
        "serial": gift.serial_now,
    }


def _money(cents: int) -> str:
    return format_money(cents, current_language())
