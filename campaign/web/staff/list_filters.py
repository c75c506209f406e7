"""The filters of the list of donations as fields of a form: what a member types or a link carries becomes filters, or an error at its field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from flask import request
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.matching.funds import Fund
from campaign.reporting.donation_filters import DonationFilters, MatchLevel, Method
from campaign.reporting.search_terms import LONGEST_QUERY
from campaign.rules import local_time
from campaign.rules.local_time import InvalidLocalTime
from campaign.rules.typed_text import clean, first_forbidden
from campaign.texts.dates import format_day
from campaign.web.chosen_campaign import campaign_choice
from campaign.web.labels import list_state_labels, match_level_labels, method_labels
from campaign.web.languages import current_language

# The fields of contract.md, section 4, in the order of the form.
FIELDS = ("q", "state", "from", "to", "campaign", "fund", "method", "match")

# In place of a campaign, for the gifts of all: an address without a campaign is completed by that of the page.
ALL_CAMPAIGNS = "all"

Choice = TypeVar("Choice", Method, MatchLevel)


@dataclass(frozen=True, kw_only=True)
class FilterForm:
    """What was typed, by field; what is wrong with it, by field; the filters of the rest; and what they say, by field."""

    typed: dict[str, str]
    filters: DonationFilters
    errors: dict[str, str] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)

    @property
    def used(self) -> dict[str, Any]:
        """The fields that filter."""
        return {name: self.typed[name] for name in self.says}

    @property
    def address(self) -> dict[str, Any]:
        """The fields for links to the same list."""
        return address_of(self.used)

    @property
    def recorded(self) -> dict[str, Any]:
        """The fields that filter, for the audit trail: of what was searched for, often a donor's name, only that it was."""
        return {name: True if name == "q" else value for name, value in self.used.items()}

    def without(self, name: str) -> dict[str, Any]:
        """The fields of the same list without one filter."""
        return address_of({other: value for other, value in self.used.items() if other != name})


def address_of(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of the address of a list with these filters, which says that it is of all campaigns unless they name one."""
    return {"campaign": ALL_CAMPAIGNS, **fields} if campaign_choice() else fields


def read_filters(campaigns: list[Campaign], funds: list[Fund]) -> FilterForm:
    """The filters of this request. A value that cannot be one is an error at its field and filters nothing."""
    typed = {name: " ".join(clean(request.args.get(name)).split())[:LONGEST_QUERY] for name in FIELDS}
    errors: dict[str, str] = {}
    first_on, last_on = read_days(typed, errors)
    if typed["campaign"] == ALL_CAMPAIGNS:
        typed["campaign"] = ""
    states, language = list_state_labels(), current_language()
    method = _chosen("method", typed, method_labels(), errors)
    match = _chosen("match", typed, match_level_labels(), errors)
    campaign = next((one for one in campaigns if one.slug == typed["campaign"]), None)
    fund = next((one for one in funds if one.slug == typed["fund"]), None)
    for name, is_known in (("state", typed["state"] in states), ("campaign", campaign), ("fund", fund)):
        if typed[name] and not is_known:
            errors[name] = gettext("There is no such choice. Please choose one of the list.")
    if typed["q"] and first_forbidden(typed["q"]):
        errors["q"] = gettext("This has a character that no name has. Please type it without.")
    filters = DonationFilters(
        q="" if "q" in errors else typed["q"],
        language=language,
        state="" if "state" in errors else typed["state"],
        first_on=first_on,
        last_on=last_on,
        campaign_id=campaign.id if campaign else 0,
        fund_id=fund.id if fund else 0,
        method=method,
        match=match,
    )
    says = {
        "q": typed["q"],
        "state": states.get(typed["state"], ""),
        "from": gettext("from %(day)s", day=format_day(first_on, language)) if first_on else "",
        "to": gettext("until %(day)s", day=format_day(last_on, language)) if last_on else "",
        "campaign": campaign.title(language) if campaign else "",
        "fund": fund.name(language) if fund else "",
        "method": method_labels()[method] if method else "",
        "match": match_level_labels()[match] if match else "",
    }
    return FilterForm(
        typed=typed, filters=filters, errors=errors, says={name: said for name, said in says.items() if said and name not in errors}
    )


def read_days(typed: Mapping[str, str], errors: dict[str, str]) -> tuple[date | None, date | None]:
    """The days of the fields `from` and `to`, and the errors of those that are none."""
    first_on, last_on = (_day(name, typed[name], errors) for name in ("from", "to"))
    if first_on and last_on and first_on > last_on:
        errors["to"], last_on = gettext("This day is before the first one."), None
    return first_on, last_on


def _day(name: str, text: str, errors: dict[str, str]) -> date | None:
    if not text:
        return None
    try:
        return local_time.parse_day(text)
    except InvalidLocalTime:
        errors[name] = gettext("Please write a day, for example %(example)s.", example="2026-12-31")
        return None


def _chosen(name: str, typed: dict[str, str], labels: dict[Choice, str], errors: dict[str, str]) -> Choice | None:
    found = next((choice for choice in labels if choice.value == typed[name]), None)
    if typed[name] and found is None:
        errors[name] = gettext("There is no such choice. Please choose one of the list.")
    return found
