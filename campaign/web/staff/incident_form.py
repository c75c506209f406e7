"""The form of a confidentiality incident as it was typed: its fields, what is wrong with each, and the facts that they say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import request
from flask_babel import gettext

from campaign.privacy.incidents import IncidentFacts
from campaign.web.staff.typed_fields import read_day, read_text

LONGEST = 2000
MOST_PEOPLE = 100_000_000
DAYS = ("began_on", "ended_on", "learned_on", "commission_on", "commissioner_on", "people_on")
REQUIRED_DAYS = frozenset({"began_on", "learned_on"})
NUMBERS = ("people", "in_quebec")
TEXTS = ("circumstances", "information", "concerned", "risk", "unnotified_reason", "measures")


@dataclass(frozen=True, kw_only=True)
class IncidentForm:
    """What was typed and what is wrong, by field. `facts` is None while something is wrong."""

    typed: Mapping[str, str]
    errors: Mapping[str, str]
    facts: IncidentFacts | None = None


def form_of(facts: IncidentFacts) -> IncidentForm:
    """The form with these facts."""
    return IncidentForm(typed=typed_of(facts), errors={}, facts=facts)


def typed_of(facts: IncidentFacts) -> dict[str, str]:
    """The facts as the form's fields have them."""
    typed = {name: getattr(facts, name) for name in (*DAYS, *NUMBERS, *TEXTS)}
    return {
        **{name: "" if value is None else str(value) for name, value in typed.items()},
        "is_serious": "yes" if facts.is_serious else "no",
    }


def read_form(today: date) -> IncidentForm:
    """The posted form."""
    typed: dict[str, str] = {"is_serious": request.form.get("is_serious", "")}
    errors: dict[str, str] = {}
    values: dict[str, Any] = {"is_serious": typed["is_serious"] == "yes"}
    for name in DAYS:
        typed[name], errors[name], values[name] = _read_day(name, today)
    for name in NUMBERS:
        typed[name], errors[name], values[name] = _read_number(name)
    for name in TEXTS:
        line = read_text(name, longest=LONGEST, empty=_missing().get(name, ""))
        typed[name], errors[name], values[name] = line.text, line.error, line.text
    if typed["is_serious"] not in {"yes", "no"}:
        errors["is_serious"] = gettext("Please choose. If you are not sure, choose yes, and amend it once you are.")
    found = {**_contradictions(values), **{name: error for name, error in errors.items() if error}}
    return IncidentForm(typed=typed, errors=found, facts=None if found else IncidentFacts(**values))


def _missing() -> dict[str, str]:
    return {
        "circumstances": gettext("Please write what happened, and why, if you know."),
        "information": gettext("Please write which data it is, or why you do not know."),
        "concerned": gettext("Please write whose data it is, without names: for example donors of the spring campaign."),
        "risk": gettext("Please write why there is a risk of serious injury, or why there is none."),
    }


def _read_day(name: str, today: date) -> tuple[str, str, date | None]:
    if name not in REQUIRED_DAYS and not request.form.get(name, "").strip():
        return "", "", None
    day = read_day(name, example=today)
    if not day.error and day.day > today:
        return day.text, gettext("This day is still to come."), None
    return day.text, day.error, None if day.error else day.day


def _read_number(name: str) -> tuple[str, str, int | None]:
    typed = "".join(request.form.get(name, "").split())
    if not typed and name == "in_quebec":
        return "", "", None
    if not (typed.isascii() and typed.isdigit() and len(typed) < 10 and int(typed) <= MOST_PEOPLE):
        return typed[:20], gettext("Please write how many people it concerns, in digits, about as many as you know."), None
    return typed, "", int(typed)


def _contradictions(values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a field beside another one."""
    found: dict[str, str] = {}
    began, ended, learned = values["began_on"], values["ended_on"], values["learned_on"]
    if began and ended and ended < began:
        found["ended_on"] = gettext("This is before the first day.")
    if began and learned and learned < began:
        found["learned_on"] = gettext("This is before it happened.")
    for name in ("commission_on", "commissioner_on", "people_on"):
        if learned and values[name] and values[name] < learned:
            found[name] = gettext("This is before you learned of it.")
    if values["people"] is not None and values["in_quebec"] is not None and values["in_quebec"] > values["people"]:
        found["in_quebec"] = gettext("These are more people than it concerns.")
    return found
