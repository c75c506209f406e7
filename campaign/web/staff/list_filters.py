"""What the filters of the lists of staff have in common: what a member types or a link carries becomes filters, or an error at its field.

A value that cannot be one is an error and filters nothing. Days are typed, or relative to today (rules/relative_days.py), which they stay in links
and saved views.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar

from flask import request
from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.reporting.search_terms import LONGEST_QUERY
from campaign.rules import local_time, relative_days
from campaign.rules.local_time import InvalidLocalTime
from campaign.rules.relative_days import RelativeDays
from campaign.rules.typed_text import clean, first_forbidden
from campaign.texts.dates import format_day
from campaign.web.chosen_campaign import campaign_choice
from campaign.web.filter_labels import relative_days_labels
from campaign.web.languages import current_language

# In place of a campaign, for what is of all: an address without a campaign is completed by that of the page.
ALL_CAMPAIGNS = "all"
# Fields with names of people: the audit trail says only that they filter.
OF_PEOPLE = frozenset({"q", "tribute_name"})

Filters = TypeVar("Filters")
Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True, kw_only=True)
class FilterForm(Generic[Filters]):
    """What was typed, by field; what is wrong with it, by field; the filters of the rest; and what they say, by field."""

    typed: dict[str, str]
    filters: Filters
    errors: dict[str, str] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)

    @property
    def used(self) -> dict[str, Any]:
        """The fields that filter."""
        return {name: self.typed[name] for name in self.says}

    @property
    def recorded(self) -> dict[str, Any]:
        """The fields that filter, for the audit trail: of what was searched for, often a donor's name, only that it was."""
        return {name: True if name in OF_PEOPLE else value for name, value in self.used.items()}

    def without(self, name: str) -> dict[str, Any]:
        """The fields of the same list without one filter."""
        return {other: value for other, value in self.used.items() if other != name}


def address_of(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of the address of a list with these filters, which says that it is of all campaigns unless they name one."""
    return {"campaign": ALL_CAMPAIGNS, **fields} if campaign_choice() else fields


def read_typed(fields: Sequence[str]) -> dict[str, str]:
    """What was typed in these fields."""
    return {name: " ".join(clean(request.args.get(name)).split())[:LONGEST_QUERY] for name in fields}


def form_of(typed: dict[str, str], filters: Filters, errors: dict[str, str], says: Mapping[str, str]) -> FilterForm[Filters]:
    """The form, which says what filters and nothing of what is wrong."""
    said = {name: words for name, words in says.items() if words and name not in errors}
    return FilterForm(typed=typed, filters=filters, errors=errors, says=said)


def read_words(name: str, typed: Mapping[str, str], errors: dict[str, str]) -> str:
    """The words of this field; empty if one has a character that no name has."""
    if typed[name] and first_forbidden(typed[name]):
        errors[name] = gettext("This has a character that no name has. Please type it without.")
        return ""
    return typed[name]


def read_choice(name: str, typed: Mapping[str, str], labels: Mapping[Choice, str], errors: dict[str, str]) -> Choice | None:
    """What was chosen of these, by its value."""
    found = next((choice for choice in labels if str(choice) == typed[name]), None)
    if typed[name] and found is None:
        errors[name] = gettext("There is no such choice. Please choose one of the list.")
    return found


@dataclass(frozen=True, kw_only=True)
class FilteredDays:
    """The first and the last day, and what the fields say: `days` what relative days are today, `from` and `to` typed days."""

    first_on: date | None
    last_on: date | None
    says: dict[str, str]


def read_days(typed: Mapping[str, str], errors: dict[str, str], charity: Charity) -> FilteredDays:
    """The days of the fields `days`, `from` and `to`, as they are for this charity today."""
    language, labels = current_language(), relative_days_labels()
    relative = read_choice("days", typed, labels, errors)
    first_on, last_on = (_day(name, typed[name], errors) for name in ("from", "to"))
    if relative and (typed["from"] or typed["to"]):
        errors["days"] = gettext("Please choose either these days or those from and until.")
    elif relative:
        return _relative_days(relative, labels[relative], charity)
    if first_on and last_on and first_on > last_on:
        errors["to"], last_on = gettext("This day is before the first one."), None
    days = {"from": first_on, "to": last_on}
    return FilteredDays(first_on=first_on, last_on=last_on, says={name: format_day(day, language) for name, day in days.items() if day})


def _relative_days(relative: RelativeDays, label: str, charity: Charity) -> FilteredDays:
    today, language = charity.local(datetime.now(UTC)).date(), current_language()
    period = relative_days.days_of(relative, today, fiscal_year_end=charity.fiscal_year_end)
    first, last = (format_day(day, language) for day in (period.first_on, period.last_on))
    says = {"days": gettext("%(days)s: %(first)s to %(last)s", days=label, first=first, last=last)}
    return FilteredDays(first_on=period.first_on, last_on=period.last_on, says=says)


def _day(name: str, text: str, errors: dict[str, str]) -> date | None:
    if not text:
        return None
    try:
        return local_time.parse_day(text)
    except InvalidLocalTime:
        errors[name] = gettext("Please write a day, for example %(example)s.", example="2026-12-31")
        return None
