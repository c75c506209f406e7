"""The list of donors: filters, pages that continue from a row, and the same list as CSV and XLSX."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from campaign.campaigns.charities import Charity, list_charities
from campaign.reporting import donor_list
from campaign.reporting.donor_list import DonorFilters, ListedDonor, Trait
from campaign.reporting.search_terms import LONGEST_QUERY
from campaign.rules.money import format_money
from campaign.rules.typed_text import clean, first_forbidden
from campaign.texts.dates import format_day
from campaign.texts.file_names import Document
from campaign.web.errors import campaign_or_404
from campaign.web.labels import donor_trait_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.donor_table import donor_table
from campaign.web.staff.exports import list_name, origin_of_list, send_table
from campaign.web.staff.keyset_links import page_links, read_position
from campaign.web.staff.list_filters import read_days
from campaign.web.staff.typed_fields import refused

bp = Blueprint("staff_donor_list", __name__, url_prefix="/staff")

FIELDS = ("q", "is", "from", "to")


@dataclass(frozen=True, kw_only=True)
class FilterForm:
    """What was typed, by field; what is wrong with it, by field; the filters of the rest; and what they say, by field."""

    typed: dict[str, str]
    filters: DonorFilters
    errors: dict[str, str]
    says: dict[str, str]

    @property
    def used(self) -> dict[str, Any]:
        """The fields that filter, for links to the same list."""
        return {name: self.typed[name] for name in self.says}

    @property
    def recorded(self) -> dict[str, Any]:
        """The same for the audit trail: of what was searched for, often a name, only that it was."""
        return {name: True if name == "q" else value for name, value in self.used.items()}


def _read_filters(charity: Charity) -> FilterForm:
    """The filters of this request, for donors of the charity, if there are several. A value that cannot be one is an error at its field and filters nothing."""
    typed = {name: " ".join(clean(request.args.get(name)).split())[:LONGEST_QUERY] for name in FIELDS}
    errors: dict[str, str] = {}
    first_on, last_on = read_days(typed, errors)
    language, traits = current_language(), donor_trait_labels()
    trait = Trait(typed["is"]) if typed["is"] in set(Trait) else None
    if typed["is"] and trait is None:
        errors["is"] = gettext("There is no such choice. Please choose one of the list.")
    if typed["q"] and first_forbidden(typed["q"]):
        errors["q"] = gettext("This has a character that no name has. Please type it without.")
    says = {
        "q": "" if "q" in errors else typed["q"],
        "is": traits[trait] if trait else "",
        "from": gettext("gave from %(day)s", day=format_day(first_on, language)) if first_on else "",
        "to": gettext("gave until %(day)s", day=format_day(last_on, language)) if last_on else "",
    }
    charity_id = charity.id if len(list_charities()) > 1 else 0
    filters = DonorFilters(charity_id=charity_id, q=says["q"], language=language, trait=trait, first_on=first_on, last_on=last_on)
    return FilterForm(typed=typed, filters=filters, errors=errors, says={name: said for name, said in says.items() if said})


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
        says=[
            (said, url_for("staff_donor_list.page", **{other: value for other, value in form.used.items() if other != name}))
            for name, said in form.says.items()
        ],
        rows=[_row(row, campaign.charity) for row in listed.rows],
        pages=page_links(listed, "staff_donor_list.page", **form.used),
        has_days="from" in form.says or "to" in form.says,
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
