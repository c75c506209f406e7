"""The page for whole exports: what, of which days, with headings in which language, as CSV or XLSX. Each leaves an audit row."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, gettext

from campaign.campaigns.charities import Charity
from campaign.reporting import donation_list
from campaign.reporting.donation_filters import DonationFilters
from campaign.reporting.spreadsheets import Table
from campaign.rules import local_time
from campaign.rules.fiscal_years import Period, calendar_year
from campaign.rules.local_time import InvalidLocalTime
from campaign.texts.file_names import Document
from campaign.web.errors import campaign_or_404
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.security import access
from campaign.web.staff.donation_table import donation_table
from campaign.web.staff.export_tables import consents_table, donors_table, ledger_table, payouts_table
from campaign.web.staff.exports import export_name, origin_of, send_table
from campaign.web.staff.return_tables import register_table

bp = Blueprint("staff_exports", __name__, url_prefix="/staff/exports")

FORMATS = ("csv", "xlsx")


def _donations_table(charity: Charity, period: Period) -> Table:
    filters = DonationFilters(charity_id=charity.id, first_on=period.first_on, last_on=period.last_on)
    return donation_table(charity, donation_list.campaigns_and_funds()[0], filters)


# What can be exported, with the first word of the file's name, and what an audit entry calls it.
EXPORTS: dict[str, tuple[Document, Callable[[Charity, Period], Table]]] = {
    "donations": (Document.GIFTS, _donations_table),
    "donors": (Document.DONORS, donors_table),
    "receipts": (Document.RECEIPTS, register_table),
    "ledger": (Document.LEDGER, ledger_table),
    "payouts": (Document.PAYOUTS, payouts_table),
    "consents": (Document.CONSENTS, consents_table),
}


def _descriptions() -> dict[str, tuple[str, str]]:
    """What each export is called and what is in it."""
    return {
        "donations": (gettext("Donations"), gettext("Every gift received in these days, with its donor, match, state and receipt.")),
        "donors": (gettext("Donors"), gettext("Everybody with a gift in these days: name, address, number and sum of gifts.")),
        "receipts": (gettext("Receipts"), gettext("The register of official receipts for gifts received in these days.")),
        "ledger": (gettext("Ledger"), gettext("Every entry of the books posted in these days, with its two accounts.")),
        "payouts": (gettext("Payouts"), gettext("What Stripe pays to the bank account in these days, with its fees.")),
        "consents": (gettext("Consents to news"), gettext("Who agreed to news in these days: when, by which form and to which words.")),
    }


@bp.get("")
@access("manager")
def page() -> ResponseReturnValue:
    """What can be exported."""
    year = calendar_year(campaign_or_404().charity.local(datetime.now(UTC)).year)
    return _page({"from": year.first_on.isoformat(), "to": year.last_on.isoformat(), "headings": current_language()}, {})


def _page(typed: dict[str, str], errors: dict[str, str]) -> str:
    campaign = campaign_or_404()
    return render_template(
        "staff/exports.html",
        title=campaign.title(current_language()),
        exports=[(name, *described) for name, described in _descriptions().items()],
        typed={"what": "donations", **typed},
        errors=errors,
    )


@bp.get("/file")
@access("manager", fresh=True)
def file() -> ResponseReturnValue:
    """The export that the query names, or the page with an error at each field that is wrong."""
    charity, errors = campaign_or_404().charity, dict[str, str]()
    typed: dict[str, Any] = {name: request.args.get(name, "").strip()[:20] for name in ("what", "from", "to", "headings", "format")}
    first_on, last_on = (_day(name, typed[name], errors) for name in ("from", "to"))
    if first_on and last_on and first_on > last_on:
        errors["to"] = gettext("This day is before the first one.")
    if typed["what"] not in EXPORTS:
        errors["what"] = gettext("Please choose what to export.")
    if errors or not first_on or not last_on:
        return _page(typed, errors), 422
    period, (document, table_of) = Period(first_on=first_on, last_on=last_on), EXPORTS[typed["what"]]
    extension = typed["format"] if typed["format"] in FORMATS else FORMATS[0]
    with force_locale(typed["headings"] if typed["headings"] in LANGUAGES else current_language()):
        return send_table(
            table_of(charity, period),
            origin_of(charity, period),
            export_name(charity, document, period, extension),
            document=typed["what"],
            subject=f"{first_on} – {last_on}",
            of_charity=charity.id,
        )


def _day(name: str, typed: str, errors: dict[str, str]) -> date | None:
    try:
        return local_time.parse_day(typed)
    except InvalidLocalTime:
        errors[name] = gettext("Please write a day, for example %(example)s.", example="2026-12-31")
        return None
