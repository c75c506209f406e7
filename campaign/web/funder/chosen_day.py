"""The day as of whose end a funder's page is shown: today, or one that the address or the form with its slider names."""

from dataclasses import dataclass
from datetime import date, timedelta

from flask import request
from flask_babel import gettext

from campaign.rules.local_time import InvalidLocalTime, parse_day
from campaign.texts.dates import format_day
from campaign.web.languages import current_language


@dataclass(frozen=True, kw_only=True)
class ChosenDay:
    """The day that is shown, between the first day of the fund and today; `typed` and `error` are those of the field."""

    first_on: date
    today: date
    day: date
    typed: str
    error: str = ""

    @property
    def is_past(self) -> bool:
        """Whether the page is as of the end of an earlier day, not as of now."""
        return self.day < self.today

    @property
    def number(self) -> int:
        """The place of the day on the slider, whose first place is 0."""
        return (self.day - self.first_on).days

    @property
    def last_number(self) -> int:
        """The place of today."""
        return (self.today - self.first_on).days


def read_day(first_on: date, today: date) -> ChosenDay:
    """The day that the request names; today, with an error, if it names none on which there was a fund."""
    typed = request.args.get("as_of", "").strip()
    if not typed:
        return ChosenDay(first_on=first_on, today=today, day=today, typed=today.isoformat())
    try:
        day = parse_day(typed)
    except InvalidLocalTime:
        error = gettext("Please write a day like %(example)s.", example=today.isoformat())
    else:
        if first_on <= day <= today:
            return ChosenDay(first_on=first_on, today=today, day=day, typed=day.isoformat())
        error = (
            gettext("This day has not come yet. Please choose today or an earlier one.")
            if day > today
            else gettext("Your fund began on %(day)s. Please choose that day or a later one.", day=format_day(first_on, current_language()))
        )
    return ChosenDay(first_on=first_on, today=today, day=today, typed=typed[:40], error=error)


def slid_to(first_on: date, today: date) -> date | None:
    """The day to which the slider was moved, if the form was sent with it. A day that was typed beside it goes first."""
    place, shown = (request.args.get(name, type=int) for name in ("place", "shown"))
    if place is None or shown is None or place == shown:
        return None
    last = (today - first_on).days
    if not (0 <= place <= last and 0 <= shown <= last):
        return None
    was_typed = request.args.get("as_of", "").strip() != (first_on + timedelta(days=shown)).isoformat()
    return None if was_typed else first_on + timedelta(days=place)
