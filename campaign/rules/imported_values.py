"""Days and amounts as Excel in English and in French writes them, read from the text of a file. What has two meanings is refused, never guessed.

The order of day and month is that of the whole column: rows such as 28/11/2026 show it, or staff choose it.
"""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from campaign.rules import local_time, money


class DayOrder(StrEnum):
    """In which order a column writes day and month, where the year is last."""

    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"


class ValueFlaw(StrEnum):
    """Why a value cannot be read."""

    NO_DAY = "no_day"
    DAY_OR_MONTH = "day_or_month"
    NO_AMOUNT = "no_amount"
    THOUSANDS_OR_CENTS = "thousands_or_cents"
    NEGATIVE = "negative"
    METHOD = "method"
    LANGUAGE = "language"


class ValueRefused(ValueError):
    """The value cannot be read."""

    def __init__(self, flaw: ValueFlaw) -> None:
        super().__init__(flaw)
        self.flaw = flaw


_TIME = re.compile(r"[ T]\d{1,2}[:h]\d{2}(:\d{2}(\.\d+)?)?( ?[ap]\.?m\.?)?$", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:er)?[- ]+([a-z]+)\.?,?[- ]+(\d{4}|\d{2})")
_MONTH_DAY = re.compile(r"([a-z]+)\.? +(\d{1,2})(?:st|nd|rd|th)?,? +(\d{4})")
# The first letters of each month, without accents, in both languages: as many as tell it from the others.
_MONTHS = (
    *(("jan",), ("feb", "fev"), ("mar",), ("apr", "avr"), ("may", "mai"), ("jun", "juin")),
    *(("jul", "juil"), ("aug", "aou"), ("sep",), ("oct",), ("nov",), ("dec",)),
)
_ONE_DECIMAL = re.compile(r"(.*[0-9][.,][0-9])")
_BRACKETED = re.compile(r"\(.*\)")
_MINUS = ("-", "\u2212", "\u2013")
_THREE_DIGITS = re.compile(r"[^0-9]*[0-9]{1,3}[,.][0-9]{3}[^0-9]*")


def parse_day(text: str, order: DayOrder | None) -> date:
    """The day. Raises ValueRefused; without an order, when it may be day or month that comes first."""
    bare = _TIME.sub("", text.strip())
    if found := _YEAR_FIRST.fullmatch(bare):
        return _day(*found.groups())
    if found := _YEAR_LAST.fullmatch(bare):
        first, second, year = found.groups()
        fits = {one for one in DayOrder if _is_day(first, second, year, one)}
        if not fits:
            raise ValueRefused(ValueFlaw.NO_DAY)
        if order is None and len(fits) == 2 and int(first) != int(second):
            raise ValueRefused(ValueFlaw.DAY_OR_MONTH)
        if order is not None and order not in fits:
            raise ValueRefused(ValueFlaw.NO_DAY)
        return _ordered(first, second, year, order or fits.pop())
    return _named_day(bare)


def _ordered(first: str, second: str, year: str, order: DayOrder) -> date:
    return _day(year, second, first) if order is DayOrder.DAY_FIRST else _day(year, first, second)


def _is_day(first: str, second: str, year: str, order: DayOrder) -> bool:
    try:
        _ordered(first, second, year, order)
    except ValueRefused:
        return False
    return True


def _day(year: str, month: str | int, day: str) -> date:
    try:
        return local_time.parse_day(f"{int(year):04}-{int(month):02}-{int(day):02}")
    except local_time.InvalidLocalTime:
        raise ValueRefused(ValueFlaw.NO_DAY) from None


def _named_day(text: str) -> date:
    """`28-Nov-26`, `28 novembre 2026`, `1er févr. 2026` or `November 28, 2026`."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    if found := _DAY_MONTH.fullmatch(bare):
        day, name, year = found.groups()
    elif found := _MONTH_DAY.fullmatch(bare):
        name, day, year = found.groups()
    else:
        raise ValueRefused(ValueFlaw.NO_DAY)
    months = [number for number, starts in enumerate(_MONTHS, 1) if name.startswith(starts)]
    if len(months) != 1:
        raise ValueRefused(ValueFlaw.NO_DAY)
    return _day(year if len(year) == 4 else f"20{year}", months[0], day)


def order_of(texts: Iterable[str]) -> DayOrder | None:
    """The order in which the column writes day and month, as far as its rows show; None when none shows it, or they differ."""
    found = set()
    for text in texts:
        if match := _YEAR_LAST.fullmatch(_TIME.sub("", text.strip())):
            first, second, year = match.groups()
            fits = [order for order in DayOrder if _is_day(first, second, year, order)]
            found |= set(fits) if len(fits) == 1 else set()
    return found.pop() if len(found) == 1 else None


def needs_order(texts: Iterable[str]) -> bool:
    """Whether the column has days that are read in one way or the other."""
    for text in texts:
        try:
            parse_day(text, None)
        except ValueRefused as refused:
            if refused.flaw is ValueFlaw.DAY_OR_MONTH:
                return True
    return False


def parse_amount(text: str) -> int:
    """The cents. Raises ValueRefused, also for `1,234` and `1.234`: thousands in one language, and decimals in the other.

    A cell that Excel formats as "General" shows 50.5 for fifty dollars and fifty cents.
    """
    bare = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text).strip()
    if bare.startswith(_MINUS) or bare.removeprefix("$").strip().startswith(_MINUS) or _BRACKETED.fullmatch(bare):
        raise ValueRefused(ValueFlaw.NEGATIVE)
    if _THREE_DIGITS.fullmatch(bare):
        raise ValueRefused(ValueFlaw.THOUSANDS_OR_CENTS)
    for candidate in (bare, _with_second_decimal(bare)):
        try:
            return money.parse(candidate, "fr")
        except money.InvalidMoney:
            continue
    raise ValueRefused(ValueFlaw.NO_AMOUNT)


def _with_second_decimal(text: str) -> str:
    digits = text.rstrip("$ ")
    return f"{digits}0{text[len(digits) :]}" if _ONE_DECIMAL.fullmatch(digits) else text
