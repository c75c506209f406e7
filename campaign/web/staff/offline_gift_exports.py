"""The list of offline gifts as CSV and XLSX: each with its deposit, match and receipt."""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.reporting import donation_list
from campaign.reporting.offline_gift_list import ListedGift, whole_list
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.texts.file_names import Document
from campaign.web.errors import campaign_or_404
from campaign.web.labels import offline_method_labels, offline_reversal_labels
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.exports import list_name, origin_of_list, send_table

bp = Blueprint("staff_offline_gift_exports", __name__, url_prefix="/staff")


@bp.get("/offline-gifts.csv")
@access("manager", fresh=True)
def as_csv() -> ResponseReturnValue:
    """All offline gifts as CSV, those recorded last first."""
    return _send_list("csv")


@bp.get("/offline-gifts.xlsx")
@access("manager", fresh=True)
def as_xlsx() -> ResponseReturnValue:
    """All offline gifts as an XLSX workbook, those recorded last first."""
    return _send_list("xlsx")


def _send_list(extension: str) -> ResponseReturnValue:
    charity = campaign_or_404().charity
    name = list_name(charity, Document.OFFLINE_GIFTS, extension)
    origin, document = origin_of_list(charity, []), "list of offline gifts"
    return send_table(_table(charity), origin, name, document=document, subject="offline gifts", of_charity=charity.id)


def _table(charity: Charity) -> Table:
    language, methods, reversals = current_language(), offline_method_labels(), offline_reversal_labels()
    titles = {campaign.id: campaign.title(language) for campaign in donation_list.campaigns_and_funds()[0]}
    no, refunded = gettext("no"), gettext("Given back in part")

    def row(listed: ListedGift) -> list[Cell]:
        gift, deposit = listed.donation, listed.deposit
        assert gift.received_at is not None
        is_refunded = gift.net_cents != gift.amount_cents
        return [
            charity.local(gift.received_at).date(),
            gift.full_name,
            methods[listed.method],
            listed.reference,
            gift.amount_cents,
            gift.net_cents,
            listed.matched_cents,
            "" if gift.is_matchable else no,
            reversals[listed.fell_through or OfflineReversalKind.REFUNDED] if not gift.net_cents else refunded if is_refunded else "",
            str(deposit.number) if deposit else "",
            deposit.deposited_on if deposit else None,
            listed.serial,
            listed.recorded_by,
            titles.get(gift.campaign_id, ""),
            gift.public_id,
        ]

    return Table(title=gettext("Offline gifts"), columns=_columns(), rows=map(row, whole_list(charity)), total=gettext("Total"))


def _columns() -> tuple[Column, ...]:
    return (
        Column(heading=gettext("Received on"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Donor"), width=24),
        Column(heading=gettext("Paid by")),
        Column(heading=gettext("Number of the cheque or transfer"), width=20),
        Column(heading=gettext("Gift"), kind=Kind.MONEY, width=13, is_totalled=True),
        Column(heading=gettext("Gift without what was returned"), kind=Kind.MONEY, width=13, is_totalled=True),
        Column(heading=gettext("Matched"), kind=Kind.MONEY, width=13, is_totalled=True),
        Column(heading=gettext("To be matched"), width=10),
        Column(heading=gettext("Reversed"), width=28),
        Column(heading=gettext("Deposit"), width=10),
        Column(heading=gettext("Taken to the bank on"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Receipt"), width=14),
        Column(heading=gettext("Recorded by"), width=28),
        Column(heading=gettext("Campaign"), width=20),
        Column(heading=gettext("Reference of the donation"), width=25),
    )
