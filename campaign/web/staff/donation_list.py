"""The list of donations: filters, sums, pages that continue from a row, views that members save, and the same list as CSV and XLSX."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, format_decimal, gettext, ngettext
from flask_security import current_user

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.payments.status import ShownState
from campaign.reporting import donation_list
from campaign.reporting.donation_filters import MatchLevel, Method
from campaign.reporting.donation_list import SUMMED_AT_ONCE, ListedDonation, ListPage, ListSums, Position
from campaign.rules.money import NO_BREAK_SPACE, format_money
from campaign.staff import saved_views
from campaign.staff.saved_views import LONGEST_NAME, SavedView
from campaign.texts.file_names import Document
from campaign.web.errors import campaign_or_404
from campaign.web.filter_labels import list_state_labels, relative_days_labels, tribute_filter_labels
from campaign.web.labels import match_level_labels, method_labels, status_labels, tribute_sentence
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.add_up import ALL_SUMS
from campaign.web.staff.donation_filter_form import DonationForm, funds_to_choose, read_filters
from campaign.web.staff.donation_table import donation_table
from campaign.web.staff.exports import list_name, origin_of_list, send_table
from campaign.web.staff.list_filters import address_of
from campaign.web.staff.typed_fields import refused

bp = Blueprint("staff_donation_list", __name__, url_prefix="/staff")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LONGEST_NUMBER = 18


@bp.get("/donations")
@access("viewer")
def page() -> ResponseReturnValue:
    """The gifts that the filters in the query find, one page of them."""
    return render_page()


def render_page(*, typed_name: str = "", name_error: str = "", view_id: int = 0) -> str:
    """The page, with what was typed to save or rename a view and what is wrong with it."""
    campaign = campaign_or_404()
    campaigns, funds = donation_list.campaigns_and_funds()
    form, charity, language = read_filters(campaigns, funds), campaign.charity, current_language()
    address = address_of(form.used)
    zone, before, after = ZoneInfo(charity.time_zone), _position("before"), _position("after")
    listed = donation_list.list_page(form.filters, zone, before=before, after=after)
    if not listed.rows and (before or after):  # Nothing is newer, or the filters were changed in the address.
        listed = donation_list.list_page(form.filters, zone)
    is_patient = request.args.get("sums") == ALL_SUMS
    sums = (donation_list.whole_sums_of if is_patient else donation_list.sums_of)(form.filters, zone)
    return render_template(
        "staff/donation_list.html",
        title=campaign.title(language),
        form=form,
        address=address,
        choices={
            "state": list(list_state_labels().items()),
            "campaign": [(one.slug, one.title(language)) for one in campaigns] if len(campaigns) > 1 else [],
            "fund": [(one.slug, one.name(language)) for one in funds_to_choose(form.typed["campaign"], campaigns, funds)],
            "days": [(days.value, label) for days, label in relative_days_labels().items()],
            "tribute": [(tribute.value, label) for tribute, label in tribute_filter_labels().items()],
            "method": [(method.value, label) for method, label in method_labels().items()],
            "match": [(level.value, label) for level, label in match_level_labels().items()],
        },
        says=[(said, url_for("staff_donation_list.page", **address_of(form.without(name)))) for name, said in form.says.items()],
        all_url=url_for("staff_donation_list.page", **address_of({})),
        sums=_sum_tiles(sums, form) if sums else [],
        more_than=_more_than(),
        sums_url=url_for("staff_donation_list.page", **address, sums=ALL_SUMS),
        rows=_rows(listed, charity),
        **_links(listed, address),
        is_of_unpaid=form.filters.is_of_unpaid,
        views=_views(form),
        may_export=has_role("manager"),
        may_share=has_role("clerk"),
        typed_name=typed_name,
        name_error=name_error,
        wrong_view=view_id,
        longest_name=LONGEST_NAME,
    )


def _position(name: str) -> Position | None:
    """The row in the query from which the list continues: microseconds since 1970 and an id; None for what is none."""
    numbers = request.args.get(name, "").split("-")
    if len(numbers) != 2 or not all(part.isascii() and part.isdigit() and len(part) <= LONGEST_NUMBER for part in numbers):
        return None
    try:
        return EPOCH + int(numbers[0]) * MICROSECOND, int(numbers[1])
    except OverflowError:
        return None


def _position_text(position: Position) -> str:
    return f"{(position[0] - EPOCH) // MICROSECOND}-{position[1]}"


def _links(listed: ListPage, address: dict[str, Any]) -> dict[str, str]:
    """The addresses of the neighbouring pages; empty where there is none. `address` has the fields of this list."""
    if not listed.rows:
        return {"newer_url": "", "older_url": "", "first_url": url_for("staff_donation_list.page", **address)}
    newer, older = _position_text(listed.rows[0].position), _position_text(listed.rows[-1].position)
    return {
        "newer_url": url_for("staff_donation_list.page", **address, after=newer) if listed.has_newer else "",
        "older_url": url_for("staff_donation_list.page", **address, before=older) if listed.has_older else "",
        "first_url": url_for("staff_donation_list.page", **address) if listed.has_newer else "",
    }


def _rows(listed: ListPage, charity: Charity) -> list[dict[str, Any]]:
    labels = (status_labels(), match_level_labels(), method_labels())  # Once for all rows: translating takes longer than reading them.
    return [_row(row, charity, *labels) for row in listed.rows]


def _row(
    row: ListedDonation, charity: Charity, states: dict[ShownState, str], levels: dict[MatchLevel, str], methods: dict[Method, str]
) -> dict[str, Any]:
    language, donation = current_language(), row.donation
    match = format_money(row.match.matched_cents or row.match.held_cents, language)
    return {
        "at": format_datetime(charity.local(row.at), "yyyy-MM-dd HH:mm", rebase=False),
        "iso": row.at.isoformat(),
        "name": donation.full_name or donation.email or gettext("no name"),
        "email": donation.email,
        "amount": format_money(donation.amount_cents, language),
        "net": format_money(donation.net_cents, language) if donation.received_at and donation.net_cents != donation.amount_cents else "",
        "matched": match if row.match.matched_cents else "–",
        "held": match if row.match.held_cents and not row.match.matched_cents else "",
        "level": levels[row.level] if row.match.matched_cents else "",
        "waits": row.waits,
        "state": states[row.state],
        "method": methods[row.method],
        "public_id": donation.public_id,
        "tribute": tribute_sentence(donation),
    }


def _sum_tiles(sums: ListSums, form: DonationForm) -> list[tuple[str, str, str]]:
    """The sums with their names and, under them, what they are."""
    language = current_language()

    def money(cents: int) -> str:
        return format_money(cents, language)

    count = ngettext("%(num)s gift", "%(num)s gifts", sums.count)
    if form.filters.is_of_unpaid:
        return [(gettext("Begun and not paid"), money(sums.gross_cents or 0), count)]
    tiles = [(gettext("Given"), money(sums.gross_cents), count)] if sums.gross_cents is not None else []
    return [
        *tiles,
        (gettext("Without what was returned"), money(sums.net_cents), "" if tiles else count),
        (gettext("Covered fees"), money(sums.covered_fee_cents), ""),
        (gettext("Matched"), money(sums.matched_cents), ""),
    ]


def _more_than() -> str:
    count = format_decimal(SUMMED_AT_ONCE).replace("\u202f", NO_BREAK_SPACE)
    return str(gettext("There are more than %(count)s gifts, or finding them takes long, so they are not added up at once.", count=count))


def _views(form: DonationForm) -> list[dict[str, Any]]:
    views = saved_views.views_for(current_user.id)
    owners = saved_views.owners_of(views)
    return [_view(view, form, owners[view.id]) for view in views]


def _view(view: SavedView, form: DonationForm, owner: str) -> dict[str, Any]:
    is_own = view.staff_id == current_user.id
    return {
        "id": view.id,
        "name": view.name,
        "url": url_for("staff_donation_list.page", **address_of(view.filters)),
        "is_shown": view.filters == form.used,
        "owner": "" if is_own else owner,
        "may_change": is_own or has_role("manager"),
        "is_shared": view.is_shared,
    }


@bp.get("/donations.csv")
@access("manager", fresh=True)
def as_csv() -> ResponseReturnValue:
    """The whole list that the filters find, as CSV."""
    return _send_list(campaign_or_404(), "csv")


@bp.get("/donations.xlsx")
@access("manager", fresh=True)
def as_xlsx() -> ResponseReturnValue:
    """The whole list that the filters find, as an XLSX workbook."""
    return _send_list(campaign_or_404(), "xlsx")


def _send_list(campaign: Campaign, extension: str) -> ResponseReturnValue:
    campaigns, funds = donation_list.campaigns_and_funds()
    form, charity = read_filters(campaigns, funds), campaign.charity
    if form.errors:  # Without the filter it would be the list of all donors.
        return refused(render_page())
    return send_table(
        donation_table(charity, campaigns, form.filters),
        origin_of_list(charity, list(form.says.values())),
        list_name(charity, Document.GIFTS, extension),
        document="list of gifts",
        subject="donations",
        **({"filters": form.recorded} if form.used else {}),
    )
