"""Words for confidentiality incidents in the current language: the names of their facts, and what a version of one says or changes."""

from datetime import date
from typing import Any

from flask_babel import format_decimal, gettext

from campaign.campaigns.charities import Charity
from campaign.privacy.incidents import IncidentFacts, IncidentVersion
from campaign.texts.dates import format_day, format_moment
from campaign.web.languages import current_language


def fact_labels() -> dict[str, str]:
    """The facts, in the order in which they are shown."""
    return {
        "circumstances": gettext("What happened"),
        "began_on": gettext("When it happened"),
        "ended_on": gettext("Until"),
        "learned_on": gettext("When you learned of it"),
        "information": gettext("Which data"),
        "concerned": gettext("Whose data"),
        "people": gettext("How many people"),
        "in_quebec": gettext("Of these, in Quebec"),
        "is_serious": gettext("Risk of serious injury"),
        "risk": gettext("Why"),
        "commission_on": gettext("Commission d’accès à l’information notified"),
        "commissioner_on": gettext("Privacy Commissioner of Canada notified"),
        "people_on": gettext("The people notified"),
        "unnotified_reason": gettext("Who is not notified, and why"),
        "measures": gettext("Measures taken"),
    }


def value_words(value: str | date | int | None) -> str:
    """The value of a fact; empty when there is none."""
    match value:
        case None | "":
            return ""
        case bool():
            return gettext("yes") if value else gettext("no")
        case date():
            return format_day(value, current_language())
        case int():
            return str(format_decimal(value))
        case _:
            return value


def facts_in_words(facts: IncidentFacts) -> dict[str, str]:
    """The name of each fact with its value."""
    return {label: value_words(getattr(facts, name)) for name, label in fact_labels().items()}


def changes_between(before: IncidentFacts, after: IncidentFacts) -> list[tuple[str, str, str]]:
    """The facts that differ: the name, what it was, and what it is."""
    pairs = [(label, getattr(before, name), getattr(after, name)) for name, label in fact_labels().items()]
    return [(label, value_words(old) or "–", value_words(new) or "–") for label, old, new in pairs if old != new]


def history_of(versions: list[IncidentVersion], charity: Charity) -> list[dict[str, Any]]:
    """The versions of an incident, the latest first: by whom, when, why, and what it changed."""
    return [
        {
            "what": _act(later, before),
            "by": later.actor,
            "at": format_moment(charity.local(later.at), current_language()),
            "iso": charity.local(later.at).isoformat(),
            "reason": later.reason,
            "changes": changes_between(before.facts, later.facts) if before else [],
        }
        for later, before in zip(versions, [*versions[1:], None], strict=True)
    ]


def _act(version: IncidentVersion, before: IncidentVersion | None) -> str:
    if before is None:
        return gettext("Recorded")
    if version.is_closed != before.is_closed:
        return gettext("Closed") if version.is_closed else gettext("Opened again")
    return gettext("Amended")


def state_words(version: IncidentVersion) -> str:
    """Whether it is open, and whether somebody must be notified."""
    if version.is_closed:
        return gettext("closed")
    return gettext("still to be reported") if version.facts.is_unreported else gettext("open")
