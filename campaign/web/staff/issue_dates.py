"""The lines for gifts with receipts by the date on which receipts were issued, beside those by the date on which gifts were received."""

from collections.abc import Iterator
from typing import Any

from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.reporting import return_gifts
from campaign.reporting.first_receipts import Side
from campaign.reporting.returns import ReturnsOfYear
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.rules.money import format_money
from campaign.rules.return_lines import Form
from campaign.texts.return_labels import form_number
from campaign.web.labels import gift_group_labels, side_labels
from campaign.web.languages import current_language


def issue_dates_rows(found: ReturnsOfYear) -> dict[str, Any]:
    """What the page shows: the lines both ways, and the gifts that make the difference, by why they do."""
    later_gifts, later_cents = found.receipted_later
    before = found.receipted_before
    sides = {Side.LATER: (later_gifts, -later_cents), Side.EARLIER: (before.gifts, before.cents)}
    return {
        "about": about_issue_dates(),
        "lines": [_line_row(found, form, number, cents) for form in Form for number, cents in found.lines_by_issue(form).items()],
        "sides": [
            {"side": side.value, "name": side_labels()[side], "gifts": gifts, "cents": format_money(cents, current_language())}
            for side, (gifts, cents) in sides.items()
        ],
    }


def _line_row(found: ReturnsOfYear, form: Form, number: str, by_issue: int) -> dict[str, str]:
    received = found.lines(form)[number]
    amounts = {"received": received, "issued": by_issue, "difference": by_issue - received}
    return {
        "form": form_number(form),
        "number": number,
        **{name: format_money(cents, current_language()) for name, cents in amounts.items()},
    }


def issue_dates_table(charity: Charity, found: ReturnsOfYear) -> Table:
    """The gifts that count in another fiscal year by the date of issue. Their amounts lead from one figure of line 4500 to the other."""
    return Table(
        title=gettext("By date of issue"),
        columns=(
            Column(heading=gettext("Why it differs"), width=30),
            Column(heading=gettext("Gift received"), kind=Kind.DATE, width=11),
            Column(heading=gettext("First receipt issued on"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Donor"), width=24),
            Column(heading=gettext("Kind of gift"), width=26),
            Column(heading=gettext("Outside Canada"), width=10),
            Column(heading=gettext("Retained"), kind=Kind.MONEY, width=13),
            Column(heading=gettext("Added to line 4500"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Serial number"), width=13),
            Column(heading=gettext("Reference of the donation"), width=25),
            Column(heading=gettext("Reference of the payment"), width=31),
        ),
        rows=_rows(charity, found),
        total=gettext("Total"),
        notes=(about_issue_dates(),),
    )


def about_issue_dates() -> str:
    """What the other figure is, and who decides."""
    return gettext(
        "The lines of the returns count gifts by the day on which they were received. The CRA also wrote (2025-01-23) that receipts issued in a "
        "fiscal period are reported on that period’s return. By the date of issue, a gift counts in the year of its first receipt, as long as a "
        "receipt is valid. The charity’s accountant decides which figure is reported, and reports it in the same way every year."
    )


def _rows(charity: Charity, found: ReturnsOfYear) -> Iterator[list[Cell]]:
    for side in Side:
        for gift in return_gifts.gifts_that_differ(charity, found.period, side):
            yield [
                side_labels()[side],
                gift.received_on,
                gift.first_issued_on,
                gift.donor,
                gift_group_labels()[gift.group],
                gettext("yes") if gift.is_abroad else gettext("no"),
                gift.cents,
                gift.cents if side is Side.EARLIER else -gift.cents,
                gift.serial,
                gift.donation,
                gift.payment,
            ]
