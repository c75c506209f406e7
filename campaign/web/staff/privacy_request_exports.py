"""The register of privacy requests as CSV and XLSX."""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.privacy.privacy_requests import PrivacyRequest, RequestKind
from campaign.reporting.privacy_request_list import whole_register
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.texts.file_names import Document
from campaign.web.errors import campaign_or_404
from campaign.web.security import access
from campaign.web.staff.exports import list_name, origin_of_list, send_table
from campaign.web.staff.privacy_words import kind_labels

bp = Blueprint("staff_privacy_request_exports", __name__, url_prefix="/staff")


@bp.get("/privacy-requests.csv")
@access("manager", fresh=True)
def as_csv() -> ResponseReturnValue:
    """The whole register as CSV, the request that was recorded last first."""
    return _send_register("csv")


@bp.get("/privacy-requests.xlsx")
@access("manager", fresh=True)
def as_xlsx() -> ResponseReturnValue:
    """The whole register as an XLSX workbook, the request that was recorded last first."""
    return _send_register("xlsx")


def _send_register(extension: str) -> ResponseReturnValue:
    charity = campaign_or_404().charity
    name = list_name(charity, Document.PRIVACY_REQUESTS, extension)
    return send_table(
        _table(charity), origin_of_list(charity, []), name, document="register of privacy requests", subject="privacy requests"
    )


def _table(charity: Charity) -> Table:
    kinds = kind_labels()

    def row(one: PrivacyRequest) -> list[Cell]:
        return [
            str(one.id),
            kinds[RequestKind(one.kind)],
            one.person or gettext("erased"),
            one.contact or gettext("erased"),
            one.received_on,
            one.due_on,
            charity.local(one.closed_at).date() if one.closed_at else None,
            one.closed_by or "",
            one.recorded_by,
            str(one.donor_id or ""),
        ]

    columns = (
        Column(heading=gettext("Number"), width=8),
        Column(heading=gettext("What the person asks for"), width=30),
        Column(heading=gettext("Who asks"), width=24),
        Column(heading=gettext("How to answer them"), width=28),
        Column(heading=gettext("Came on"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Answer by"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Closed on"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Closed by"), width=28),
        Column(heading=gettext("Recorded by"), width=28),
        Column(heading=gettext("Number of the donor"), width=10),
    )
    return Table(title=gettext("Privacy requests"), columns=columns, rows=map(row, whole_register(charity.id)), total="")
