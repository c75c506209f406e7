"""The list of donations as a table for exports, with its headings in the current language."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.reporting import donation_list
from campaign.reporting.donation_filters import DonationFilters
from campaign.reporting.donation_list import ListedDonation
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.web.labels import country_name, language_labels, match_level_labels, method_labels, status_labels, tribute_labels
from campaign.web.languages import current_language


def donation_table(charity: Charity, campaigns: Sequence[Campaign], filters: DonationFilters) -> Table:
    """A row for each gift, newest first, read while it is sent."""
    language = current_language()
    titles = {campaign.id: campaign.title(language) for campaign in campaigns}
    states, levels, methods = status_labels(), match_level_labels(), method_labels()
    countries, languages, tributes = dict[str, str](), language_labels(), tribute_labels()

    def row(listed: ListedDonation) -> list[Cell]:
        gift = listed.donation
        country = countries.setdefault(gift.country, country_name(gift.country))
        return [
            charity.local(listed.at).date(),
            gift.full_name,
            gift.first_name,
            gift.last_name,
            gift.organization,
            gift.email,
            gift.amount_cents,
            gift.covered_fee_cents,
            gift.net_cents if gift.received_at else None,
            listed.match.matched_cents,
            states[listed.state],
            levels[listed.level],
            methods[listed.method],
            gettext("monthly") if gift.frequency == "monthly" else gettext("once"),
            titles.get(gift.campaign_id, ""),
            listed.serial,
            ", ".join(filter(None, (gift.address_line1, gift.address_line2))),
            gift.city,
            gift.province,
            gift.postal_code,
            country,
            languages[gift.language],
            charity.local(gift.news_consent_at).date() if gift.news_consent_at else None,
            charity.local(listed.news_withdrawn_at).date() if listed.news_withdrawn_at else None,
            "" if gift.anonymous else gift.public_name,
            tributes.get(gift.tribute_kind or "", ""),
            gift.tribute_name,
            gift.message,
            charity.local(listed.thanked_at).date() if listed.thanked_at else None,
            gift.public_id,
            gift.payment_intent or "",
        ]

    return Table(
        title=gettext("Gifts"),
        columns=_columns(filters),
        rows=map(row, donation_list.whole_list(filters, ZoneInfo(charity.time_zone))),
        total=gettext("Total"),
    )


def _columns(filters: DonationFilters) -> Sequence[Column]:
    return (
        Column(heading=gettext("Begun on") if filters.is_of_unpaid else gettext("Received on"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Donor"), width=24),
        Column(heading=gettext("First name")),
        Column(heading=gettext("Last name")),
        Column(heading=gettext("Organization"), width=20),
        Column(heading=gettext("Email"), width=28),
        Column(heading=gettext("Gift"), kind=Kind.MONEY, width=13, is_totalled=True),
        Column(heading=gettext("Covered fee"), kind=Kind.MONEY, width=11, is_totalled=True),
        Column(heading=gettext("Gift without what was returned"), kind=Kind.MONEY, width=13, is_totalled=True),
        Column(heading=gettext("Matched"), kind=Kind.MONEY, width=13, is_totalled=True),
        Column(heading=gettext("State"), width=18),
        Column(heading=gettext("Match"), width=16),
        Column(heading=gettext("Method"), width=14),
        Column(heading=gettext("How often"), width=10),
        Column(heading=gettext("Campaign"), width=24),
        Column(heading=gettext("Valid receipt"), width=13),
        Column(heading=gettext("Address"), width=30),
        Column(heading=gettext("City")),
        Column(heading=gettext("Province"), width=10),
        Column(heading=gettext("Postal code"), width=10),
        Column(heading=gettext("Country"), width=10),
        Column(heading=gettext("Language"), width=10),
        Column(heading=gettext("Agreed to news on"), kind=Kind.DATE, width=11),
        Column(heading=gettext("News withdrawn on"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Public name"), width=20),
        Column(heading=gettext("Tribute"), width=14),
        Column(heading=gettext("In honour or memory of"), width=20),
        Column(heading=gettext("Message"), width=30),
        Column(heading=gettext("Thanked on"), kind=Kind.DATE, width=11),
        Column(heading=gettext("Reference of the donation"), width=25),
        Column(heading=gettext("Reference of the payment"), width=31),
    )
