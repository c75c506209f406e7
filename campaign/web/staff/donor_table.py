"""Donors as a table for exports, with its headings in the current language."""

from collections.abc import Iterable, Sequence

from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.donations.donors import ANNUAL
from campaign.reporting.donor_list import ListedDonor
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.web.labels import country_name, language_labels


def donor_table(charity: Charity, donors: Iterable[ListedDonor]) -> Table:
    """A row for each of these donors, read while it is sent."""
    annual, each, yes = gettext("for the year"), gettext("for each gift"), gettext("yes")
    countries, languages = dict[str, str](), language_labels()

    def row(one: ListedDonor) -> list[Cell]:
        latest = one.latest
        return [
            latest.full_name,
            latest.first_name,
            latest.last_name,
            latest.organization,
            one.donor.email or "",
            ", ".join(filter(None, (latest.address_line1, latest.address_line2))),
            latest.city,
            latest.province,
            latest.postal_code,
            countries.setdefault(latest.country, country_name(latest.country)),
            languages[latest.language],
            one.gifts,
            one.gross_cents,
            one.net_cents,
            one.matched_cents,
            charity.local(one.first_at).date(),
            charity.local(one.last_at).date(),
            yes if one.is_monthly else "",
            annual if one.donor.receipt_preference == ANNUAL else each,
            str(one.donor.id),
        ]

    return Table(title=gettext("Donors"), columns=_columns(), rows=map(row, donors), total=gettext("Total"))


def _columns() -> Sequence[Column]:
    return (
        Column(heading=gettext("Donor"), width=24),
        Column(heading=gettext("First name")),
        Column(heading=gettext("Last name")),
        Column(heading=gettext("Organization"), width=20),
        Column(heading=gettext("Email"), width=28),
        Column(heading=gettext("Address"), width=30),
        Column(heading=gettext("City")),
        Column(heading=gettext("Province"), width=10),
        Column(heading=gettext("Postal code"), width=10),
        Column(heading=gettext("Country"), width=10),
        Column(heading=gettext("Language"), width=10),
        Column(heading=gettext("Gifts"), kind=Kind.COUNT, width=8, is_totalled=True),
        Column(heading=gettext("Given"), kind=Kind.MONEY, width=13, is_totalled=True),
        Column(heading=gettext("Without what was returned"), kind=Kind.MONEY, width=13, is_totalled=True),
        Column(heading=gettext("Matched"), kind=Kind.MONEY, width=13, is_totalled=True),
        Column(heading=gettext("First gift"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Last gift"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Monthly gift"), width=10),
        Column(heading=gettext("Official receipt"), width=14),
        Column(heading=gettext("Number of the donor"), width=10),
    )
