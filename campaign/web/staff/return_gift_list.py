"""The gifts that make up a line of the charity's returns, or a kind of gift, or that count elsewhere by the date of issue, one page at a time."""

from typing import Any

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.reporting import return_gifts, returns
from campaign.reporting.first_receipts import Side
from campaign.reporting.return_gifts import ReturnGift
from campaign.reporting.returns import ReturnsOfYear
from campaign.rules.money import format_money
from campaign.rules.return_lines import Figure, Form, GiftGroup
from campaign.texts.dates import format_day
from campaign.texts.return_labels import form_number, line_label
from campaign.web.errors import campaign_or_404
from campaign.web.labels import country_name, gift_group_labels, payment_method, side_labels
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.returns import requested_period

bp = Blueprint("staff_return_gifts", __name__, url_prefix="/staff/receipts/returns/gifts")

SHOWN = 100
LAST_PAGE = 1_000_000


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The gifts of a fiscal year on one line of a form, `form` and `line` in the query, those of one `group` or `side`, or all."""
    campaign = campaign_or_404()
    charity, number = campaign.charity, min(max(request.args.get("page", 1, type=int), 1), LAST_PAGE)
    found, skip = returns.returns_of(charity, requested_period(charity)), (number - 1) * SHOWN
    choose = _line if "form" in request.args else _side if "side" in request.args else _groups
    chosen = choose(charity, found, skip)
    gifts = chosen.pop("gifts")
    return render_template(
        "staff/return_gifts.html",
        title=campaign.title(current_language()),
        charity_name=charity.name(current_language()),
        year=found.period.year,
        first_on=format_day(found.period.first_on, current_language()),
        last_on=format_day(found.period.last_on, current_language()),
        gifts=[_gift_row(gift) for gift in gifts[:SHOWN]],
        next_page={**request.args.to_dict(), "page": number + 1} if len(gifts) > SHOWN else None,
        **chosen,
    )


def _groups(charity: Charity, found: ReturnsOfYear, skip: int) -> dict[str, Any]:
    groups = [group for group in GiftGroup if request.args.get("group", group.value) == group.value] or abort(404)
    return {
        "heading": gift_group_labels()[groups[0]] if len(groups) == 1 else gettext("All gifts"),
        "count": found.gifts(*groups),
        "sum": _money(found.cents(*groups)),
        "gifts": return_gifts.gifts_in_groups(charity, found.period, groups, skip=skip, limit=SHOWN + 1),
    }


def _line(charity: Charity, found: ReturnsOfYear, skip: int) -> dict[str, Any]:
    form = Form(request.args["form"]) if request.args.get("form") in [*Form] else abort(404)
    version = found.version(form)
    line = next((line for line in version.lines if line.number == request.args.get("line")), None) or abort(404)
    label = line_label(version, line, current_language())
    return {
        "heading": gettext("%(form)s, line %(number)s: %(label)s", form=form_number(form), number=line.number, label=label),
        "count": None,
        "sum": "" if line.figure is Figure.HAS_RECEIPTS else _money(found.lines(form)[line.number]),
        "gifts": return_gifts.gifts_on_line(charity, found.period, form, line.figure, skip=skip, limit=SHOWN + 1),
    }


def _side(charity: Charity, found: ReturnsOfYear, skip: int) -> dict[str, Any]:
    side = Side(request.args["side"]) if request.args["side"] in [*Side] else abort(404)
    before = (found.receipted_before.gifts, found.receipted_before.cents)
    count, cents = found.receipted_later if side is Side.LATER else before
    return {
        "heading": side_labels()[side],
        "count": count,
        "sum": _money(cents),
        "gifts": list(return_gifts.gifts_that_differ(charity, found.period, side, skip=skip, limit=SHOWN + 1)),
    }


def _gift_row(gift: ReturnGift) -> dict[str, Any]:
    return {
        "received_on": gift.received_on.isoformat(),
        "donor": gift.donor,
        "place": ", ".join(filter(None, (gift.province, country_name(gift.country) if gift.country != "CA" else ""))),
        "donation": gift.donation,
        "paid_by": payment_method(is_debit=gift.is_debit, offline_method=gift.offline_method) if gift.donation else gift.payment,
        "kind": gift_group_labels()[gift.group],
        "received": _money(gift.received_cents) if gift.returned_cents else "",
        "retained": _money(gift.cents),
        "serial": gift.serial,
        "first_issued_on": gift.first_issued_on.isoformat() if gift.first_issued_on else "",
    }


def _money(cents: int) -> str:
    return format_money(cents, current_language())
