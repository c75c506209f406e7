"""The charity's returns for a fiscal year, T3010 and TP-985.22: each line's figure, and how the lines add up to the books."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.reporting import first_receipts, receipt_register
from campaign.reporting.first_receipts import ReceiptedBefore
from campaign.reporting.gifts_received import (
    QUEBEC,
    UNKNOWN,
    first_and_last_of_funders,
    first_and_last_received,
    funder_payments_in,
    gifts_in,
)
from campaign.reporting.receipt_register import RegisterTotals
from campaign.rules import return_lines
from campaign.rules.fiscal_years import Period, fiscal_year, fiscal_year_of
from campaign.rules.return_lines import AWAITED, AwaitedAs, Figure, Form, FormVersion, GiftGroup, GroupSum


@dataclass(frozen=True, kw_only=True)
class ReturnsOfYear:
    """The gifts of a fiscal year by group and place. `totals` are read apart, from entries and receipts, so that they prove the sums.

    `questions` names the funders of the year of whom it is not known whether they are registered charities; `to_void` names those that are, each
    with the number of a receipt that is valid although they get none. `receipted_before` are gifts of earlier years that count in this one if the
    lines for receipts go by their date of issue.
    """

    period: Period
    sums: list[GroupSum]
    receipted_before: ReceiptedBefore
    totals: RegisterTotals
    questions: list[str]
    to_void: list[tuple[str, str]]
    awaited_as: AwaitedAs

    def cents(self, *groups: GiftGroup, place: str | None = None) -> int:
        """What the books retain of the gifts of these groups, by default of all, and of this place."""
        return sum(s.cents for s in self._of(groups, place))

    def gifts(self, *groups: GiftGroup) -> int:
        """How many gifts are in these groups, by default in all."""
        return sum(s.gifts for s in self._of(groups, None))

    def _of(self, groups: tuple[GiftGroup, ...], place: str | None) -> list[GroupSum]:
        return [s for s in self.sums if (not groups or s.group in groups) and place in (None, s.place)]

    @property
    def received_cents(self) -> int:
        """What was received in the year, before anything went back."""
        return sum(s.received_cents for s in self.sums)

    @property
    def returned_cents(self) -> int:
        """What went back of the gifts of the year until now."""
        return sum(s.returned_cents for s in self.sums)

    @property
    def late_cents(self) -> int:
        """What of it went back after the year."""
        return sum(s.late_cents for s in self.sums)

    @property
    def difference_from_books_cents(self) -> int:
        """What the groups differ by from the entries of the ledger: zero."""
        return self.cents() - self.totals.retained_cents

    @property
    def difference_from_receipts_cents(self) -> int:
        """What the receipted gifts differ by from the valid receipts: not zero while a receipt is being replaced or cancelled."""
        return self.cents(GiftGroup.RECEIPTED) - self.totals.receipted_cents

    def version(self, form: Form) -> FormVersion:
        """The version of the form for the year."""
        return return_lines.version_for(form, self.period.last_on)

    def lines(self, form: Form) -> dict[str, int]:
        """The cents of each line, by its number (return_lines.line_cents)."""
        return return_lines.line_cents(self.version(form), self.sums, self.awaited_as)

    def lines_by_issue(self, form: Form) -> dict[str, int]:
        """The cents of the lines for gifts with receipts, counted in the year in which the first receipt of a gift was issued."""
        cents = {
            Figure.RECEIPTED: self.issued_cents + self.receipted_before.cents,
            Figure.RECEIPTED_ABROAD: sum(s.issued_cents for s in self.sums if s.is_abroad) + self.receipted_before.abroad_cents,
        }
        return {line.number: cents[line.figure] for line in self.version(form).lines if line.figure in cents}

    @property
    def issued_cents(self) -> int:
        """What is retained of the gifts of the year whose first receipt was issued by its end, and that have a valid one."""
        return sum(s.issued_cents for s in self.sums)

    @property
    def receipted_later(self) -> tuple[int, int]:
        """How many gifts of the year with a receipt, issued or to come, had none by its end, and what is retained of them."""
        counted = (GiftGroup.RECEIPTED, *AWAITED)
        return self.gifts(*counted) - sum(s.issued_gifts for s in self.sums), self.cents(*counted) - self.issued_cents

    def lines_of_place(self, form: Form, place: str) -> dict[str, int]:
        """The part of each line from gifts of this place."""
        return return_lines.line_cents(self.version(form), self._of((), place), self.awaited_as)

    def lines_of_group(self, form: Form, group: GiftGroup) -> str:
        """The numbers of the lines that count gifts of this group, in parentheses those of a part of them; a dash for gifts that no line counts."""
        lines, parts = dict[str, None](), dict[str, None]()
        for is_abroad in sorted({s.is_abroad for s in self._of((group,), None)} or {False}):
            line, part = self.lines_of_gift(form, group, is_abroad=is_abroad)
            lines[line or "–"] = None
            parts |= {part: None} if part else {}
        return ", ".join(lines) + (f" ({', '.join(parts)})" if parts else "")

    def lines_of_gift(self, form: Form, group: GiftGroup, *, is_abroad: bool) -> tuple[str, str]:
        """The numbers of the line that counts a gift and of the one that repeats it as a part; empty for a gift that none does."""
        figure = return_lines.figure_of(form, group, is_abroad=is_abroad, awaited_as=self.awaited_as)
        version = self.version(form)
        return version.line_of(figure), version.part_line_of(figure, is_abroad=is_abroad)

    def in_quebec(self, form: Form) -> dict[str, int]:
        """The part of each line from Québec."""
        return self.lines_of_place(form, QUEBEC)

    def of_unknown_place(self, form: Form) -> dict[str, int]:
        """The part of each line whose province is not known."""
        return self.lines_of_place(form, UNKNOWN)


def returns_of(charity: Charity, period: Period) -> ReturnsOfYear:
    """The returns of the fiscal year, by the books as they are now."""
    paid = funder_payments_in(charity, period).c
    return ReturnsOfYear(
        period=period,
        sums=_sums(charity, period),
        receipted_before=first_receipts.received_before(charity, period),
        totals=receipt_register.totals_of(charity, period),
        to_void=_receipts_to_void(charity, period),
        questions=list(db.session.scalars(select(paid.name).where(paid.is_charity.is_(None)).distinct().order_by(paid.name))),
        awaited_as=AwaitedAs(charity.awaited_gifts_as),
    )


def _receipts_to_void(charity: Charity, period: Period) -> list[tuple[str, str]]:
    paid = funder_payments_in(charity, period).c
    query = select(paid.name, Receipt.serial).join(ReceiptLine, ReceiptLine.funder_payment_id == paid.id)
    query = query.join(Receipt, Receipt.id == ReceiptLine.receipt_id).where(ReceiptLine.is_current, paid.is_charity)
    return [(name, serial) for name, serial in db.session.execute(query.order_by(Receipt.id))]


def _sums(charity: Charity, period: Period) -> list[GroupSum]:
    gifts = gifts_in(charity, period)
    g, is_issued = gifts.c, first_receipts.is_issued_by_end(charity, period, gifts)
    sums = (func.sum(column) for column in (g.received_cents, g.returned_cents, g.late_cents, g.cents))
    issued = (func.count().filter(is_issued), func.coalesce(func.sum(g.cents).filter(is_issued), 0))
    by = (g.gift_group, g.place)
    return [
        GroupSum(
            group=GiftGroup(group),
            place=place,
            gifts=count,
            received_cents=int(received),
            returned_cents=int(returned),
            late_cents=int(late),
            cents=int(cents),
            issued_gifts=issued_gifts,
            issued_cents=int(issued_cents),
        )
        for group, place, count, received, returned, late, cents, issued_gifts, issued_cents in db.session.execute(
            select(*by, func.count(), *sums, *issued).group_by(*by).order_by(*by)
        )
    ]


def fiscal_years(charity: Charity, now: datetime) -> list[Period]:
    """The fiscal years from that of the first gift, a donor's or a funder's, to the current one, latest first."""
    first, _ = first_and_last_received(charity)
    days = [charity.local(moment).date() for moment in (first, now) if moment]
    days += [day for day in first_and_last_of_funders(charity) if day]
    since, this = (fiscal_year_of(charity.fiscal_year_end, day) for day in (min(days), charity.local(now).date()))
    return [fiscal_year(charity.fiscal_year_end, year) for year in range(this, since - 1, -1)]
