"""The sheets of the exports for returns and of the register of receipts, with their headings in the current language."""

from collections.abc import Iterable, Iterator

from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.reporting import receipt_register, return_gifts
from campaign.reporting.receipt_register import RegisterGift
from campaign.reporting.return_gifts import ReturnGift
from campaign.reporting.returns import ReturnsOfYear
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.rules import return_lines
from campaign.rules.fiscal_years import Period
from campaign.rules.money import format_money
from campaign.rules.return_lines import AWAITED, AwaitedAs, Figure, Form, GiftGroup
from campaign.texts.return_labels import form_number, line_label, places_of_lines
from campaign.web.labels import country_name, end_reason_labels, gift_group_labels, payment_method, receipt_status_labels
from campaign.web.languages import current_language
from campaign.web.staff.issue_dates import issue_dates_table
from campaign.web.staff.nonresidents import nonresidents_table

WITHOUT_RECEIPT = (GiftGroup.OTHER_CHARITY, GiftGroup.INCOMPLETE, GiftGroup.UNDECLARED, GiftGroup.VOIDED, GiftGroup.ANNUAL, GiftGroup.DUE)


def register_table(charity: Charity, period: Period) -> Table:
    """The register, a row for each gift on a receipt. The valid amounts add up to what is receipted."""
    return Table(
        title=gettext("Receipts"),
        columns=(
            Column(heading=gettext("Serial number"), width=13),
            Column(heading=gettext("Date of issue"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Gift received"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Donor"), width=24),
            Column(heading=gettext("Province"), width=10),
            Column(heading=gettext("Amount"), kind=Kind.MONEY, width=13),
            Column(heading=gettext("Advantage"), kind=Kind.MONEY, width=13),
            Column(heading=gettext("Eligible amount"), kind=Kind.MONEY, width=13),
            Column(heading=gettext("State"), width=10),
            Column(heading=gettext("Replaces"), width=13),
            Column(heading=gettext("Eligible amount, valid receipts"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Replaced by"), width=13),
            Column(heading=gettext("Ended on"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Reason of the end"), width=22),
            Column(heading=gettext("Address"), width=30),
            Column(heading=gettext("Country"), width=10),
            Column(heading=gettext("Reference of the donation"), width=25),
            Column(heading=gettext("Reference of the payment"), width=31),
            Column(heading=gettext("Method")),
        ),
        rows=map(_register_row, receipt_register.whole_register(charity, period)),
        total=gettext("Total"),
    )


def _register_row(gift: RegisterGift) -> list[Cell]:
    return [
        gift.serial,
        gift.issued_on,
        gift.received_on,
        gift.donor,
        gift.province,
        gift.cents,
        gift.advantage_cents,
        gift.cents - gift.advantage_cents,
        receipt_status_labels()[gift.status],
        gift.replaces,
        gift.valid_cents - gift.advantage_cents if gift.valid_cents else 0,
        gift.replaced_by,
        gift.ended_on,
        end_reason_labels()[gift.end_reason] if gift.end_reason else "",
        gift.address,
        country_name(gift.country),
        gift.donation,
        gift.payment,
        payment_method(is_debit=gift.is_debit, offline_method=gift.offline_method),
    ]


def workbook_tables(charity: Charity, found: ReturnsOfYear) -> list[Table]:
    """The workbook for both returns.

    The lines, how they add up to the books, the register, the gifts without a receipt, the gifts that count in another year by the date of issue,
    and donors for line 3900.
    """
    return [
        _lines_table(found),
        _groups_table(found),
        register_table(charity, found.period),
        _gifts_table(gettext("Without a receipt"), found, return_gifts.gifts_of(charity, found.period, *WITHOUT_RECEIPT)),
        issue_dates_table(charity, found),
        nonresidents_table(charity, found.period),
    ]


def gifts_table(charity: Charity, found: ReturnsOfYear) -> Table:
    """Every gift of the year with its line on each form."""
    return _gifts_table(gettext("Gifts"), found, return_gifts.gifts_of(charity, found.period))


def _lines_table(found: ReturnsOfYear) -> Table:
    return Table(
        title=gettext("Lines"),
        columns=(
            Column(heading=gettext("Form"), width=14),
            Column(heading=gettext("Version"), width=10),
            Column(heading=gettext("Line"), width=8),
            Column(heading=gettext("What it counts"), width=60),
            Column(heading=gettext("Yes or no"), width=10),
            Column(heading=gettext("Amount"), kind=Kind.MONEY),
            Column(heading=gettext("Of this, in Québec"), kind=Kind.MONEY),
            Column(heading=gettext("Of this, province unknown"), kind=Kind.MONEY),
            Column(heading=gettext("By date of issue"), kind=Kind.MONEY),
        ),
        rows=[row for form in Form for row in _line_rows(found, form)],
        total="",
        notes=(
            gettext(
                "Fiscal year from %(first)s to %(last)s, by the books as they are now.",
                first=found.period.first_on,
                last=found.period.last_on,
            ),
            awaited_note(found),
            *(f"{form_number(form)}: {places_of_lines(form, current_language())}" for form in Form),
            not_applicable(),
        ),
    )


def awaited_note(found: ReturnsOfYear) -> str:
    """How gifts whose receipt is still to come are counted, by the charity's setting, and how much they are."""
    amount = format_money(found.cents(*AWAITED), current_language())
    if found.awaited_as is AwaitedAs.RECEIPTED:
        return gettext(
            "Gifts whose receipt is still to come (%(amount)s) count as receipted on both forms. T3010 asks for gifts for which the charity “has issued or will issue tax receipts”; for TP-985.22 the accountant decides.",
            amount=amount,
        )
    return gettext(
        "Gifts whose receipt is still to come (%(amount)s) count as receipted on T3010, which asks for gifts for which the charity “has issued or will issue tax receipts”, and as gifts without a receipt on TP-985.22, as the accountant decided.",
        amount=amount,
    )


def part_lines_note() -> str:
    """What a line in parentheses is."""
    return gettext("Where a line is in parentheses, it has a part of the line before it, and is not added to it.")


def not_applicable() -> str:
    """What the forms ask for and this service never has."""
    return gettext(
        "Not applicable here: tuition fees (T3010 line 5610, TP-985.22 line 12.1), gifts in kind, advantages and sales. All gifts are money without an advantage."
    )


def _line_rows(found: ReturnsOfYear, form: Form) -> Iterator[list[Cell]]:
    version, language = found.version(form), current_language()
    cents, in_quebec, unknown, by_issue = found.lines(form), found.in_quebec(form), found.of_unknown_place(form), found.lines_by_issue(form)
    head = [form_number(form), version.version]
    for line in version.lines:
        number = line.number
        if line.figure is Figure.HAS_RECEIPTS:
            yield [*head, number, line_label(version, line, language), gettext("yes") if cents[number] else gettext("no"), *[None] * 4]
        else:
            amounts = (cents[number], in_quebec[number], unknown[number], by_issue.get(number))
            yield [*head, number, line_label(version, line, language), "", *amounts]
    added, by_books = return_lines.added_cents(version, cents), found.totals.retained_cents
    not_added = ", ".join(version.not_added)
    sum_label = (
        gettext("Sum of the lines without %(numbers)s, which are not added", numbers=not_added)
        if not_added
        else gettext("Sum of the lines")
    )
    yield [*head, "", sum_label, "", added, None, None, None]
    yield [*head, "", gettext("Retained of the year’s gifts, by the books"), "", by_books, None, None, None]
    yield [*head, "", gettext("Difference"), "", added - by_books, None, None, None]


def _groups_table(found: ReturnsOfYear) -> Table:
    labels = gift_group_labels()
    return Table(
        title=gettext("By kind"),
        columns=(
            Column(heading=gettext("Kind of gift"), width=60),
            Column(heading=gettext("T3010, line"), width=12),
            Column(heading=gettext("TP-985.22, line"), width=12),
            Column(heading=gettext("Gifts"), kind=Kind.COUNT, width=10, is_totalled=True),
            Column(heading=gettext("Amount received"), kind=Kind.MONEY, is_totalled=True),
            Column(heading=gettext("Returned until now"), kind=Kind.MONEY, is_totalled=True),
            Column(heading=gettext("Of this, after the year"), kind=Kind.MONEY, is_totalled=True),
            Column(heading=gettext("Retained"), kind=Kind.MONEY, is_totalled=True),
            Column(heading=gettext("Of this, outside Canada"), kind=Kind.MONEY, is_totalled=True),
        ),
        rows=[[labels[group], *(found.lines_of_group(form, group) for form in Form), *_group_sums(found, group)] for group in GiftGroup],
        total=gettext("Total"),
        notes=(part_lines_note(),),
    )


def _group_sums(found: ReturnsOfYear, group: GiftGroup) -> list[int]:
    sums = [s for s in found.sums if s.group is group]
    amounts = ((s.gifts, s.received_cents, s.returned_cents, s.late_cents, s.cents, s.cents if s.is_abroad else 0) for s in sums)
    return [sum(column) for column in zip(*amounts, strict=True)] or [0] * 6


def _lines_of(found: ReturnsOfYear, group: GiftGroup, *, is_abroad: bool) -> list[str]:
    """The line of T3010, the one that repeats it as a part, and the line of TP-985.22, which has no such parts."""
    return [
        *found.lines_of_gift(Form.T3010, group, is_abroad=is_abroad),
        found.lines_of_gift(Form.TP_985_22, group, is_abroad=is_abroad)[0],
    ]


def _gifts_table(title: str, found: ReturnsOfYear, gifts: Iterable[ReturnGift]) -> Table:
    return Table(
        title=title,
        columns=(
            Column(heading=gettext("Gift received"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Donor"), width=24),
            Column(heading=gettext("Address"), width=30),
            Column(heading=gettext("Province"), width=10),
            Column(heading=gettext("Country"), width=10),
            Column(heading=gettext("Kind of gift"), width=26),
            Column(heading=gettext("T3010, line"), width=12),
            Column(heading=gettext("T3010, also on line (a part, not added)"), width=14),
            Column(heading=gettext("TP-985.22, line"), width=12),
            Column(heading=gettext("Amount received"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Returned until now"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Retained"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Serial number"), width=13),
            Column(heading=gettext("Reference of the donation"), width=25),
            Column(heading=gettext("Reference of the payment"), width=31),
            Column(heading=gettext("Method")),
            Column(heading=gettext("First receipt issued on"), kind=Kind.DATE),
            Column(heading=gettext("Registration number of the funder"), width=20),
        ),
        rows=(_gift_row(found, gift) for gift in gifts),
        total=gettext("Total"),
    )


def _gift_row(found: ReturnsOfYear, gift: ReturnGift) -> list[Cell]:
    return [
        gift.received_on,
        gift.donor,
        _whole_address(gift),
        gift.province,
        country_name(gift.country),
        gift_group_labels()[gift.group],
        *_lines_of(found, gift.group, is_abroad=gift.is_abroad),
        gift.received_cents,
        gift.returned_cents,
        gift.cents,
        gift.serial,
        gift.donation,
        gift.payment,
        payment_method(is_debit=gift.is_debit, offline_method=gift.offline_method),
        gift.first_issued_on,
        gift.registration_number,
    ]


def _whole_address(gift: ReturnGift) -> str:
    """The address with the name of a country other than Canada; empty when the country is all that is known of it."""
    return f"{gift.address}, {country_name(gift.country)}" if gift.address and gift.country not in ("CA", "") else gift.address
