"""Each gift of a fiscal year as the returns count it, and the gifts that changed since a copy of a filed return was recorded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, or_, select

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.funders import ABROAD
from campaign.payments.offline_gifts import OfflineGift
from campaign.receipts.filed_returns import FiledGift, FiledReturn
from campaign.reporting import first_receipts
from campaign.reporting.first_receipts import Side
from campaign.reporting.gifts_received import funder_payments_in, gifts_in
from campaign.rules import return_lines
from campaign.rules.fiscal_years import Period
from campaign.rules.offline_gifts import OfflineMethod
from campaign.rules.return_lines import AwaitedAs, Figure, Form, GiftGroup

ROWS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class ReturnGift:
    """One gift; sums in cents. `payment` is Stripe's payment, or the reference of a cheque or transfer. `donation` is empty for a funder.

    `address` is without the country, a code that is empty while it is not known. `registration_number` is that of a funder that is a registered
    charity. `is_debit` is None for a funder, `offline_method` for what was paid through Stripe, `serial` empty without a valid receipt, `first_issued_on` None before the first receipt.
    """

    received_on: date
    donor: str
    address: str
    province: str
    country: str
    donation: str
    payment: str
    is_debit: bool | None
    offline_method: OfflineMethod | None
    group: GiftGroup
    is_abroad: bool
    received_cents: int
    returned_cents: int
    cents: int
    serial: str
    first_issued_on: date | None
    registration_number: str = ""


def gifts_of(charity: Charity, period: Period, *groups: GiftGroup) -> Iterator[ReturnGift]:
    """Yield the gifts of these groups, by default all, streamed from the database: donations first, then payments of funders."""
    gifts = gifts_in(charity, period)
    query = _query(charity, period, gifts)
    if groups:
        query = query.where(gifts.c.gift_group.in_([group.value for group in groups]))
    for row in db.session.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}):
        yield _gift(charity, *row)


def gifts_on_line(charity: Charity, period: Period, form: Form, figure: Figure, *, skip: int, limit: int) -> list[ReturnGift]:
    """The gifts that make up what a line of the form counts, after the first `skip` of them."""
    gifts = gifts_in(charity, period)
    counted, is_abroad = _figure(form, gifts, AwaitedAs(charity.awaited_gifts_as)), gifts.c.is_abroad
    match figure:
        case Figure.HAS_RECEIPTS:
            is_on_line = gifts.c.gift_group == GiftGroup.RECEIPTED.value
        case Figure.RECEIPTED_ABROAD:
            is_on_line = and_(counted == Figure.RECEIPTED.value, is_abroad)
        case _:
            is_on_line = counted == figure.value
    query = _query(charity, period, gifts).where(is_on_line).offset(skip).limit(limit)
    return [_gift(charity, *row) for row in db.session.execute(query)]


def gifts_in_groups(charity: Charity, period: Period, groups: Sequence[GiftGroup], *, skip: int, limit: int) -> list[ReturnGift]:
    """The gifts of these groups, after the first `skip` of them."""
    gifts = gifts_in(charity, period)
    is_in_group = gifts.c.gift_group.in_([group.value for group in groups])
    query = _query(charity, period, gifts).where(is_in_group).offset(skip).limit(limit)
    return [_gift(charity, *row) for row in db.session.execute(query)]


def gifts_that_differ(charity: Charity, period: Period, side: Side, *, skip: int = 0, limit: int | None = None) -> Iterator[ReturnGift]:
    """Yield the gifts that count in another year by the date of issue, on this side, after the first `skip` of them, streamed."""
    gifts = first_receipts.gifts_that_differ(charity, period, side)
    query = _query(charity, period.until_its_end, gifts).offset(skip).limit(limit)
    for row in db.session.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}):
        yield _gift(charity, *row)


def _query(charity: Charity, period: Period, gifts: Subquery) -> Select[Any]:
    g, paid = gifts.c, funder_payments_in(charity, period)
    counted = (g.gift_group, g.is_abroad, g.received_cents, g.returned_cents, g.cents, g.serial, first_receipts.first_issued_at(gifts))
    return (
        select(Donation, paid.c.received_on, paid.c.name, paid.c.address, paid.c.province, paid.c.registration_number, paid.c.reference)
        .add_columns(OfflineGift, *counted)
        .select_from(gifts)
        .outerjoin(Donation, Donation.id == g.donation_id)
        .outerjoin(OfflineGift, OfflineGift.donation_id == g.donation_id)
        .outerjoin(paid, paid.c.id == g.funder_payment_id)
        .order_by(g.donation_id, g.funder_payment_id)
    )


def _gift(charity: Charity, donation: Donation | None, *row: Any) -> ReturnGift:
    paid_on, name, address, province, number, reference, offline, group, is_abroad, received, returned, cents, serial, first_at = row
    amounts = {"received_cents": int(received), "returned_cents": int(returned), "cents": int(cents)}
    first_on = charity.local(first_at).date() if first_at else None
    counted = {"group": GiftGroup(group), "is_abroad": is_abroad, "serial": serial, "first_issued_on": first_on, **amounts}
    if donation is None:
        place = {"province": province.replace(ABROAD, ""), "country": "CA" if province and not is_abroad else ""}
        named = {"donor": name, "address": ", ".join(address), "registration_number": number}
        return ReturnGift(
            received_on=paid_on, donation="", payment=reference, is_debit=None, offline_method=None, **named, **place, **counted
        )
    assert donation.received_at is not None
    return ReturnGift(
        received_on=charity.local(donation.received_at).date(),
        donor=donation.full_name,
        address=", ".join(donation.lines_in_country),
        province=donation.province,
        country=donation.country,
        donation=donation.public_id,
        payment=donation.payment_intent or (offline.reference if offline else ""),
        is_debit=donation.is_debit,
        offline_method=OfflineMethod(offline.method) if offline else None,
        **counted,
    )


@dataclass(frozen=True, kw_only=True)
class ChangedGift:
    """A gift that a line counts otherwise than in the copy of a filed return. A group is None for a gift that was or is not of the year.

    `donation` is a public id, `payment` the reference of a funder's payment; one of them is empty.
    """

    donation: str
    payment: str
    donor: str
    group_then: GiftGroup | None
    group_now: GiftGroup | None
    line_then: str
    line_now: str
    cents_then: int
    cents_now: int
    serial_then: str
    serial_now: str


def changed_gifts(charity: Charity, filed: FiledReturn, *, limit: int) -> list[ChangedGift]:
    """The gifts of the filed year that another line, or the same line with another amount, counts now; at most `limit`."""
    form, then, now = Form(filed.form), AwaitedAs(filed.awaited_gifts_as), AwaitedAs(charity.awaited_gifts_as)
    period = Period(first_on=filed.first_on, last_on=filed.last_on)
    f, g = filed_gifts(filed), gifts_in(charity, period)
    f_figure, g_figure = _figure(form, f, then), _figure(form, g, now)
    donation_id, payment_id = (func.coalesce(f.c[name], g.c[name]) for name in ("donation_id", "funder_payment_id"))
    paid = funder_payments_in(charity, period)
    query = (
        select(Donation, paid.c.reference, paid.c.name, f.c.gift_group, g.c.gift_group, f_figure, g_figure)
        .add_columns(func.coalesce(f.c.cents, 0), func.coalesce(g.c.cents, 0), func.coalesce(f.c.serial, ""), func.coalesce(g.c.serial, ""))
        .select_from(f)
        .join(g, gift_key(f) == gift_key(g), full=True)
        .outerjoin(Donation, Donation.id == donation_id)
        .outerjoin(paid, paid.c.id == payment_id)
        .where(or_(f_figure.is_distinct_from(g_figure), and_(f_figure.is_not(None), f.c.cents != g.c.cents)))
        .order_by(donation_id, payment_id)
        .limit(limit)
    )
    version = return_lines.version_for(form, period.last_on)
    return [_changed(version, *row) for row in db.session.execute(query)]


def filed_gifts(filed: FiledReturn) -> Subquery:
    """The gifts of the copy."""
    return select(FiledGift).where(FiledGift.filed_return_id == filed.id).subquery("filed")


def gift_key(gifts: Subquery) -> ColumnElement[int]:
    """What joins the gifts of two readings: the number of the donation, or that of a funder's payment with a minus sign."""
    return func.coalesce(gifts.c.donation_id, -gifts.c.funder_payment_id)


def _figure(form: Form, gifts: Subquery, awaited_as: AwaitedAs) -> ColumnElement[str]:
    """The figure that counts a gift, in SQL, from the one function that knows (return_lines.figure_of)."""
    cases = []
    for group, is_abroad in product(GiftGroup, (False, True)):
        figure = return_lines.figure_of(form, group, is_abroad=is_abroad, awaited_as=awaited_as)
        if figure is not None:
            cases.append((and_(gifts.c.gift_group == group.value, gifts.c.is_abroad.is_(is_abroad)), figure.value))
    return case(*cases, else_=None)


def _changed(version: return_lines.FormVersion, donation: Donation | None, *row: Any) -> ChangedGift:
    reference, name, group_then, group_now, figure_then, figure_now, cents_then, cents_now, serial_then, serial_now = row
    line_then, line_now = (version.line_of(Figure(figure) if figure else None) for figure in (figure_then, figure_now))
    return ChangedGift(
        donation=donation.public_id if donation else "",
        payment=reference or "",
        donor=donation.full_name if donation else name or "",
        group_then=GiftGroup(group_then) if group_then else None,
        group_now=GiftGroup(group_now) if group_now else None,
        line_then=line_then,
        line_now=line_now,
        cents_then=int(cents_then),
        cents_now=int(cents_now),
        serial_then=serial_then,
        serial_now=serial_now,
    )


def change_of_line(number: str, changed: Sequence[ChangedGift]) -> int:
    """What these gifts change of the line, in cents."""
    added = sum(gift.cents_now for gift in changed if gift.line_now == number)
    return added - sum(gift.cents_then for gift in changed if gift.line_then == number)
