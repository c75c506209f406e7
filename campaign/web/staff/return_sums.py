"""How the lines of the returns add up to the books, as the page shows it: the kinds of gifts, and the sums of the ledger and of the receipts."""

from typing import Any

from campaign.reporting.returns import ReturnsOfYear
from campaign.rules.money import format_money
from campaign.rules.return_lines import Form, GiftGroup
from campaign.web.labels import gift_group_labels
from campaign.web.languages import current_language


def group_row(found: ReturnsOfYear, group: GiftGroup) -> dict[str, Any]:
    """A kind of gift."""
    return {
        "group": group.value,
        "name": gift_group_labels()[group],
        "lines": [found.lines_of_group(form, group) for form in Form],
        "gifts": found.gifts(group),
        "cents": _money(found.cents(group)),
        "in_quebec": _money(found.cents(group, place="QC")),
    }


def books_row(found: ReturnsOfYear) -> dict[str, Any]:
    """All gifts of the year, and what entries and receipts say of them."""
    return {
        "gifts": found.gifts(),
        "received": _money(found.received_cents),
        "returned": _money(found.returned_cents),
        "late": _money(found.late_cents) if found.late_cents else "",
        "sum": _money(found.cents()),
        "in_quebec": _money(found.cents(place="QC")),
        "retained": _money(found.totals.retained_cents),
        "ties": not found.difference_from_books_cents,
        "difference": _money(found.difference_from_books_cents),
        "receipts": _money(found.totals.receipted_cents),
        "valid": found.totals.valid,
        "receipts_tie": not found.difference_from_receipts_cents,
        "receipts_difference": _money(found.difference_from_receipts_cents),
        "cancelled": found.totals.cancelled,
        "replaced": found.totals.replaced,
    }


def _money(cents: int) -> str:
    return format_money(cents, current_language())
