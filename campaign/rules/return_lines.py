"""The lines for gifts of the charity's yearly returns, by version of the form, and the line that counts each gift. One table; no prose.

T3010: form T3010 (24) and guide T4033, whose lines the CRA's open data dictionary (form ID 27) lists: 4500 counts gifts for which the charity
"has issued or will issue tax receipts". TP-985.22: Revenu Québec, "Gifts and Other Revenue (Lines 12 to 24)" and guide TP-985.22.G, section
6.2.1. Neither form has a part for donors in Québec.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum


class Form(StrEnum):
    """The two returns."""

    T3010 = "t3010"
    TP_985_22 = "tp-985.22"


class GiftGroup(StrEnum):
    """What a gift is for the returns: each gift of a fiscal year is in one group."""

    RECEIPTED = "receipted"  # It has a valid receipt.
    ANNUAL = "annual"  # Its donor gets one receipt for the year, which is not issued yet.
    DUE = "due"  # Its receipt is due and not issued yet.
    OTHER_CHARITY = "other_charity"  # A registered charity gave it, and gets no receipt (policy.md, section 4).
    INCOMPLETE = "incomplete"  # A name or an address is missing.
    UNDECLARED = "undeclared"  # The donor has yet to declare that the money is the organization's that they named.
    VOIDED = "voided"  # Two people voided its receipt.
    RETURNED = "returned"  # All of it went back.


AWAITED = (GiftGroup.ANNUAL, GiftGroup.DUE)


class AwaitedAs(StrEnum):
    """How TP-985.22 counts gifts whose receipt is still to come: the charity's setting."""

    RECEIPTED = "receipted"
    UNRECEIPTED = "unreceipted"


class Figure(StrEnum):
    """What a line counts."""

    HAS_RECEIPTS = "has_receipts"
    RECEIPTED = "receipted"
    OTHER_CHARITIES = "other_charities"
    UNRECEIPTED = "unreceipted"
    RECEIPTED_ABROAD = "receipted_abroad"
    UNRECEIPTED_ABROAD = "unreceipted_abroad"


# Yes or no, and an amount that another line contains: neither is added up.
NOT_ADDED = (Figure.HAS_RECEIPTS, Figure.RECEIPTED_ABROAD)


@dataclass(frozen=True, kw_only=True)
class ReturnLine:
    """A line of a form, and what it counts. Its words are in texts/return_labels.py."""

    number: str
    figure: Figure


@dataclass(frozen=True, kw_only=True)
class FormVersion:
    """A form as it is for fiscal years that end on `since` or later. `source` says where its lines were read."""

    form: Form
    version: str
    since: date
    source: str
    lines: tuple[ReturnLine, ...]

    def line_of(self, figure: Figure | None) -> str:
        """The number of the line that counts this; empty for None."""
        return next((line.number for line in self.lines if line.figure is figure), "")

    def part_line_of(self, figure: Figure | None, *, is_abroad: bool) -> str:
        """The number of the line that repeats, as a part, what the line of this figure counts; empty if none does. It is not added."""
        return self.line_of(Figure.RECEIPTED_ABROAD) if figure is Figure.RECEIPTED and is_abroad else ""

    @property
    def not_added(self) -> list[str]:
        """The numbers of the lines that are not added up."""
        return [line.number for line in self.lines if line.figure in NOT_ADDED]


_T3010_24 = FormVersion(
    form=Form.T3010,
    version="24",
    since=date(2023, 12, 31),
    source="T3010 (24), section D and schedule 6; T4033 Rev. 24; CRA open data dictionary, form ID 27",
    lines=(
        ReturnLine(number="4490", figure=Figure.HAS_RECEIPTS),
        ReturnLine(number="4500", figure=Figure.RECEIPTED),
        ReturnLine(number="4510", figure=Figure.OTHER_CHARITIES),
        ReturnLine(number="4530", figure=Figure.UNRECEIPTED),
        ReturnLine(number="4571", figure=Figure.RECEIPTED_ABROAD),
        ReturnLine(number="4575", figure=Figure.UNRECEIPTED_ABROAD),
    ),
)
VERSIONS = (
    replace(_T3010_24, version="23", since=date.min, source="the lines of version 24; T3010 (23) was not read"),
    _T3010_24,
    FormVersion(
        form=Form.TP_985_22,
        version="2023-10",
        since=date(2023, 1, 1),
        source="Revenu Québec, Gifts and Other Revenue (Lines 12 to 24); TP-985.22.G (2023-10), section 6.2.1",
        lines=(
            ReturnLine(number="12", figure=Figure.RECEIPTED),
            ReturnLine(number="13", figure=Figure.OTHER_CHARITIES),
            ReturnLine(number="14", figure=Figure.UNRECEIPTED),
            ReturnLine(number="16", figure=Figure.UNRECEIPTED_ABROAD),
        ),
    ),
)


def version_for(form: Form, last_on: date) -> FormVersion:
    """The form for a fiscal year that ends on this day: the latest version by then, else the first."""
    versions = sorted((version for version in VERSIONS if version.form is form), key=lambda version: version.since)
    return next((version for version in reversed(versions) if version.since <= last_on), versions[0])


def figure_of(form: Form, group: GiftGroup, *, is_abroad: bool, awaited_as: AwaitedAs) -> Figure | None:
    """What counts a gift of this group; None for a gift that was returned. T3010 counts a receipt that is to come as issued."""
    match group:
        case GiftGroup.RETURNED:
            return None
        case GiftGroup.OTHER_CHARITY:
            return Figure.OTHER_CHARITIES
        case GiftGroup.ANNUAL | GiftGroup.DUE if form is Form.T3010 or awaited_as is AwaitedAs.RECEIPTED:
            return Figure.RECEIPTED
        case GiftGroup.RECEIPTED:
            return Figure.RECEIPTED
        case _:
            return Figure.UNRECEIPTED_ABROAD if is_abroad else Figure.UNRECEIPTED


@dataclass(frozen=True, kw_only=True)
class GroupSum:
    """The gifts of one group in one place, in cents. `late_cents` is what of them was returned after the fiscal year.

    `issued_gifts` and `issued_cents` are of those with a valid receipt whose first one was issued by the end of the fiscal year. `place` is `QC`,
    `other` (elsewhere in Canada), `abroad`, or `unknown`.
    """

    group: GiftGroup
    place: str
    gifts: int
    received_cents: int
    returned_cents: int
    late_cents: int
    cents: int
    issued_gifts: int
    issued_cents: int

    @property
    def is_abroad(self) -> bool:
        """Whether they came from outside Canada."""
        return self.place == "abroad"


def line_cents(version: FormVersion, sums: Iterable[GroupSum], awaited_as: AwaitedAs) -> dict[str, int]:
    """The cents of each line, by its number; for the question whether there are receipts, the number of gifts with one."""
    cents = {line.number: 0 for line in version.lines}
    for found in sums:
        figure = figure_of(version.form, found.group, is_abroad=found.is_abroad, awaited_as=awaited_as)
        if figure is None:
            continue
        cents[version.line_of(figure)] += found.cents
        if part := version.part_line_of(figure, is_abroad=found.is_abroad):
            cents[part] += found.cents
        if found.group is GiftGroup.RECEIPTED and (question := version.line_of(Figure.HAS_RECEIPTS)):
            cents[question] += found.gifts
    return cents


def added_cents(version: FormVersion, cents: dict[str, int]) -> int:
    """The sum of the lines, each cent once."""
    return sum(cents[line.number] for line in version.lines if line.number not in version.not_added)
