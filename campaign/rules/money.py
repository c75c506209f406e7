"""Conversion of text to cents and of cents to text; everywhere else, money is `int` cents.

The parser accepts what people in Canada write (`50`, `50,00`, `1 234,56 $`, `$1,234.56`, `25 CAD`) and refuses ambiguous amounts.
"""

import re

SPACES = " \u00a0\u202f"
SPACE = f"[{SPACES}]"
NO_BREAK_SPACE = "\u00a0"
DECIMAL_SIGNS = {"en": ".", "fr": ","}
MAX_LENGTH = 24

_PLAIN_OR_SPACED = re.compile(rf"([0-9]+|[1-9][0-9]{{0,2}}(?:{SPACE}[0-9]{{3}})+)(?:[.,]([0-9]{{2}}))?")
_COMMA_GROUPS = re.compile(r"([1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.([0-9]{2}))?")
# How Canadian dollars are marked: `$`, `CAD`, `CA$`, `$ CA`; before the amount, after it, or `$25 CAD`.
_MARK = rf"(?:ca{SPACE}?\$|c\$|\${SPACE}?ca|\${SPACE}?cad|cad{SPACE}?\$|cad|\$)"
_MARK_BEFORE = re.compile(rf"{_MARK}{SPACE}?(?=[0-9])", re.IGNORECASE)
_MARK_AFTER = re.compile(rf"(?<=[0-9]){SPACE}?{_MARK}$", re.IGNORECASE)


class InvalidMoney(ValueError):
    """The text is not an amount of money, or it is ambiguous."""


def parse(text: str, language: str) -> int:
    """The cents that a person typed. Raises InvalidMoney.

    `1,234` is $1,234.00 in English and is refused in French, where the comma is the decimal sign.
    """
    bare = _without_marks(text.strip(SPACES))
    if len(bare) > MAX_LENGTH:
        raise InvalidMoney(text)
    if found := _PLAIN_OR_SPACED.fullmatch(bare):
        return _cents(*found.groups())
    found = _COMMA_GROUPS.fullmatch(bare)
    if found and (language == "en" or found.group(2)):
        return _cents(*found.groups())
    raise InvalidMoney(text)


def _without_marks(text: str) -> str:
    """Without the marks of the currency: at most one on each side, and not the same twice."""
    before = _MARK_BEFORE.match(text)
    rest = text[before.end() :] if before else text
    after = _MARK_AFTER.search(rest)
    if before and after and (before[0].strip(SPACES) == "$") == (after[0].strip(SPACES) == "$"):
        raise InvalidMoney(text)
    return rest[: after.start()] if after else rest


def _cents(dollars: str, cents: str | None) -> int:
    return int(re.sub(rf"{SPACE}|,", "", dollars)) * 100 + int(cents or 0)


def format_money(cents: int, language: str) -> str:
    """`$1,234.56` in English; `1 234,56 $` in French, with no-break spaces."""
    return _format(cents, language, with_cents=True)


def format_money_short(cents: int, language: str) -> str:
    """As `format_money`, without the decimals when they are zero: `$50`, `50 $`."""
    return _format(cents, language, with_cents=cents % 100 != 0)


def _format(cents: int, language: str, *, with_cents: bool) -> str:
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    if language == "fr":
        decimals = f",{rest:02d}" if with_cents else ""
        return f"{sign}{dollars:,}".replace(",", NO_BREAK_SPACE) + f"{decimals}{NO_BREAK_SPACE}$"
    decimals = f".{rest:02d}" if with_cents else ""
    return f"{sign}${dollars:,}{decimals}"


def format_typed(cents: int, language: str) -> str:
    """`1234.56` or `1234,56`, as a person types it, without the decimals when they are zero."""
    return format_decimal(cents).removesuffix(".00").replace(".", DECIMAL_SIGNS[language])


def format_decimal(cents: int) -> str:
    """`1234.56`, for files that machines read."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def fee_to_cover(donation_cents: int, *, percent_hundredths: int, fixed_cents: int) -> int:
    """The cents to add to a donation so that the charity receives all of it after the fee on the whole payment, rounded up.

    `percent_hundredths` is in hundredths of a percent: 290 is 2.9 %.
    """
    fee_on_donation = donation_cents * percent_hundredths + fixed_cents * 10_000
    return -(-fee_on_donation // (10_000 - percent_hundredths))
