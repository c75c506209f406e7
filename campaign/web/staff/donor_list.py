"""The list of donors: filters, pages that continue from a row, and the same list as CSV and XLSX."""

from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from campaign.campaigns.charities import Charity, list_charities
from campaign.reporting import donor_list
from campaign.reporting.donor_list import DonorFilters, ListedDonor, Trait
from campaign.rules.money import format_money
from campaign.texts.file_names import Document
from campaign.web.errors import campaign_or_404
from campaign.web.filter_labels import donor_trait_labels, relative_days_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.donor_table import donor_table
from campaign.web.staff.exports import list_name, origin_of_list, send_table
from campaign.web.staff.keyset_links import page_links, read_position
from campaign.web.staff.list_filters import FilterForm, form_of, read_choice, read_days, read_typed, read_words
from campaign.web.staff.typed_fields import refused

bp = Blueprint("staff_donor_list", __name__, url_prefix="/staff")

FIELDS = ("q", "is", "days", "from", "to")


def _read_filters(charity: Charity) -> FilterForm[DonorFilters]:
    """The filters of this request, for donors of the charity, if there are several."""
    typed, errors, traits = read_typed(FIELDS), dict[str, str](), donor_trait_labels()
    days, trait = read_days(typed, errors, charity), read_choice("is", typed, traits, errors)
    filters = DonorFilters(
        charity_id=charity.id if len(list_charities()) > 1 else 0,
        q=read_words("q", typed, errors),
        language=current_language(),
        trait=trait,
        first_on=days.first_on,
        last_on=days.last_on,
    )
    says = {
        "q": filters.q,
        "is": traits[trait] if trait else "",
        "days": days.says.get("days", ""),
        "from": gettext("gave from %(day)s", day=days.says["from"]) if "from" in days.says else "",
        "to": gettext("gave until %(day)s", day=days.says["to"]) if "to" in days.says else "",
    }
    return form_of(typed, filters, errors, says)


@bp.get("/donors")
@access("viewer")
def page() -> ResponseReturnValue:
    """The donors that the filters in the query find, one page of them."""
    campaign, language = campaign_or_404(), current_language()
    form = _read_filters(campaign.charity)
    listed = donor_list.list_page(form.filters, ZoneInfo(campaign.charity.time_zone), read_position())
    return render_template(
        "staff/donor_list.html",
        title=campaign.title(language),
        form=form,
        traits=[(trait.value, label) for trait, label in donor_trait_labels().items()],
        days=[(days.value, label) for days, label in relative_days_labels().items()],
        says=[(said, url_for("staff_donor_list.page", **form.without(name))) for name, said in form.says.items()],
        rows=[_row(row, campaign.charity) for row in listed.rows],
        pages=page_links(listed, "staff_donor_list.page", **form.used),
        has_days=bool(form.says.keys() & {"days", "from", "to"}),
        may_export=has_role("manager"),
    )


def _row(row: ListedDonor, charity: Charity) -> dict[str, Any]:
    language = current_language()
    traits = donor_trait_labels()
    return {
        "id": row.donor.id,
        "name": row.latest.full_name or row.donor.email or gettext("no name"),
        "email": row.donor.email or gettext("no email address"),
        "place": f"{row.latest.city} {row.latest.province}".strip(),
        "gifts": ngettext("%(num)s gift", "%(num)s gifts", row.gifts),
        "given": format_money(row.gross_cents, language),
        "left": format_money(row.net_cents, language) if row.net_cents != row.gross_cents else "",
        "matched": format_money(row.matched_cents, language) if row.matched_cents else "–",
        "last_on": charity.local(row.last_at).date().isoformat(),
        "monthly": traits[Trait.MONTHLY] if row.is_monthly else "",
        "annual": traits[Trait.ANNUAL] if row.donor.receipt_preference == Trait.ANNUAL else "",
    }


@bp.get("/donors.csv")
@access("manager", fresh=True)
def as_csv() -> ResponseReturnValue:
    """The whole list that the filters find, as CSV."""
    return _send_list("csv")


@bp.get("/donors.xlsx")
@access("manager", fresh=True)
def as_xlsx() -> ResponseReturnValue:
    """The whole list that the filters find, as an XLSX workbook."""
    return _send_list("xlsx")


def _send_list(extension: str) -> ResponseReturnValue:
    charity = campaign_or_404().charity
    form = _read_filters(charity)
    if form.errors:  # Without the filter it would be the list of all donors.
        return refused(page())
    return send_table(
        donor_table(charity, donor_list.whole_list(form.filters, ZoneInfo(charity.time_zone))),
        origin_of_list(charity, list(form.says.values())),
        list_name(charity, Document.DONORS, extension),
        document="list of donors",
        subject="donors",
        of_charity=charity.id,
        **({"filters": form.recorded} if form.used else {}),
    )
