"""Money is `int` cents. Here text becomes cents, and cents become text; nowhere else.

The grammar takes what people in Canada write (`50`, `50,00`, `1 234,56 $`, `$1,234.56`) and refuses what could mean two sums.
"""

import re

SPACE = "[ \u00a0\u202f]"
NO_BREAK_SPACE = "\u00a0"
LONGEST = 24

_PLAIN_OR_SPACED = re.compile(rf"([0-9]+|[1-9][0-9]{{0,2}}(?:{SPACE}[0-9]{{3}})+)(?:[.,]([0-9]{{2}}))?")
_COMMA_GROUPS = re.compile(r"([1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.([0-9]{2}))?")
_DOLLAR_BEFORE = re.compile(rf"\${SPACE}?")
_DOLLAR_AFTER = re.compile(rf"{SPACE}?\$")


class NotMoney(ValueError):
    """The text is no sum of money, or could mean two."""


def parse(text: str, language: str) -> int:
    """Cents from what a person typed; raises NotMoney.

    `1,234` is $1,234.00 in English and refused in French, where the comma is the decimal sign.
    """
    bare = _without_dollar_sign(text.strip(" \u00a0\u202f"))
    if len(bare) > LONGEST:
        raise NotMoney(text)
    if found := _PLAIN_OR_SPACED.fullmatch(bare):
        return _cents(*found.groups())
    found = _COMMA_GROUPS.fullmatch(bare)
    if found and (language == "en" or found.group(2)):
        return _cents(*found.groups())
    raise NotMoney(text)


def _without_dollar_sign(text: str) -> str:
    if before := _DOLLAR_BEFORE.match(text):
        return text[before.end() :]
    return _DOLLAR_AFTER.sub("", text) if text.endswith("$") else text


def _cents(dollars: str, cents: str | None) -> int:
    return int(re.sub(rf"{SPACE}|,", "", dollars)) * 100 + int(cents or 0)


def written(cents: int, language: str) -> str:
    """`$1,234.56` in English, `1 234,56 $` in French, with no-break spaces."""
    return _written(cents, language, with_cents=True)


def written_short(cents: int, language: str) -> str:
    """As `written`, without the cents when they are nought: `$50`, `50 $`."""
    return _written(cents, language, with_cents=cents % 100 != 0)


def _written(cents: int, language: str, *, with_cents: bool) -> str:
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    if language == "fr":
        decimals = f",{rest:02d}" if with_cents else ""
        return f"{sign}{dollars:,}".replace(",", NO_BREAK_SPACE) + f"{decimals}{NO_BREAK_SPACE}$"
    decimals = f".{rest:02d}" if with_cents else ""
    return f"{sign}${dollars:,}{decimals}"


def decimal(cents: int) -> str:
    """`1234.56`, for files that machines read."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def fee_to_cover(gift_cents: int, *, percent_hundredths: int, fixed_cents: int) -> int:
    """What to add to a gift so that the charity keeps the whole gift after a fee on the whole payment.

    `percent_hundredths` is 290 for 2.9 %. The smallest whole number of cents that is enough.
    """
    kept = 10_000 - percent_hundredths
    owed = gift_cents * percent_hundredths + fixed_cents * 10_000
    return -(-owed // kept)
