"""Donors outside Canada who gave $10,000 or more in a fiscal year, for line 3900 of T3010 and its confidential Schedule 4."""

from typing import Any

from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.reporting.nonresident_donors import NonresidentDonor, nonresident_donors
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.rules.fiscal_years import Period
from campaign.rules.money import format_money
from campaign.web.labels import country_name
from campaign.web.languages import current_language


def nonresident_rows(charity: Charity, period: Period) -> dict[str, Any]:
    """What the page shows: the donors, or that there are none."""
    return {
        "about": about_nonresidents(),
        "none": no_nonresidents(),
        "donors": [_shown(donor) for donor in nonresident_donors(charity, period)],
    }


def _shown(donor: NonresidentDonor) -> dict[str, Any]:
    amounts = {"largest": donor.largest_cents, "received": donor.received_cents, "retained": donor.cents}
    shown = {name: format_money(cents, current_language()) for name, cents in amounts.items()}
    return {"name": donor.name, "address": _whole_address(donor), "gifts": donor.gifts, **shown}


def nonresidents_table(charity: Charity, period: Period) -> Table:
    """The donors, or a note that there are none."""
    donors = nonresident_donors(charity, period)
    return Table(
        title=gettext("Donors outside Canada"),
        columns=(
            Column(heading=gettext("Donor"), width=30),
            Column(heading=gettext("Address"), width=60),
            Column(heading=gettext("Gifts"), kind=Kind.COUNT, width=10),
            Column(heading=gettext("Largest gift"), kind=Kind.MONEY),
            Column(heading=gettext("Amount received"), kind=Kind.MONEY),
            Column(heading=gettext("Retained"), kind=Kind.MONEY),
        ),
        rows=[_row(donor) for donor in donors],
        total="",
        notes=(*([] if donors else [no_nonresidents()]), about_nonresidents()),
    )


def no_nonresidents() -> str:
    """That there is no such donor."""
    return gettext("No donor with an address outside Canada gave $10,000 or more in the year.")


def about_nonresidents() -> str:
    """What line 3900 asks, and what is not known here."""
    return gettext(
        "T3010, line 3900, asks for donors who are not resident in Canada and gave $10,000 or more. Their details belong in Schedule 4, which is "
        "confidential. Listed are addresses outside Canada, with all gifts of a donor in the year added up. Whether a donor is resident in Canada or is excepted, such as a Canadian citizen, is for "
        "the charity to find out."
    )


def _row(donor: NonresidentDonor) -> list[Cell]:
    return [donor.name, _whole_address(donor), donor.gifts, donor.largest_cents, donor.received_cents, donor.cents]


def _whole_address(donor: NonresidentDonor) -> str:
    return ", ".join(filter(None, (donor.address, country_name(donor.country))))
