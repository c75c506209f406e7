"""Which names the page of a campaign may show of a donor: a name, and nothing by which somebody can be reached or found. Never the last name."""

import re
import unicodedata
from enum import StrEnum

MOST_DIGITS = 4
SHORTEST_PART = 3
# Of a last name that is looked for within a word, as in AnnaDupont: shorter ones are in many first names.
SHORTEST_JOINED = 4
# Letters that Unicode does not take apart, and Cyrillic ones that look like Latin ones.
_FOLDED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ß": "ss", **dict(zip("аеорсухі", "aeopcyxi", strict=True))})
_LINK = re.compile(
    r"https?:|://|\bwww\.|[\w-]\.(?:app|biz|ca|cn|co|com|dev|eu|fr|gl|info|io|link|ly|me|net|online|org|quebec|ru|shop|site|uk|us|xyz)(?!\w)",
    re.IGNORECASE,
)


class Flaw(StrEnum):
    """Why a name is not shown."""

    EMAIL = "email"
    LINK = "link"
    NUMBER = "number"
    LAST_NAME = "last_name"


def flaw_of(name: str, *, first_name: str = "", last_name: str = "") -> Flaw | None:
    """What a donor with this first and last name should leave out of the name to show; None when nothing."""
    plain = unicodedata.normalize("NFKC", name)
    if "@" in plain:
        return Flaw.EMAIL
    if _LINK.search(plain):
        return Flaw.LINK
    if sum(c.isdigit() for c in plain) > MOST_DIGITS:
        return Flaw.NUMBER
    return Flaw.LAST_NAME if _names_family(_words(name), _words(first_name), _words(last_name)) else None


def name_to_show(typed: str, *, first_name: str, last_name: str, is_anonymous: bool) -> str:
    """The name that is shown: what the donor typed, or their first name. Empty for nobody's, also when the first name is none to be shown."""
    name = typed or first_name
    return "" if is_anonymous or flaw_of(name, first_name=first_name, last_name=last_name) else name


def _names_family(name: list[str], first_name: list[str], last_name: list[str]) -> bool:
    """Whether the name has the last name, or a part of it that is longer than an article. A first name that is the last name too is shown."""
    if not last_name or name == first_name == last_name:
        return False
    if name != first_name and len(_letters(last_name)) >= SHORTEST_JOINED and _letters(last_name) in _letters(name):
        return True
    is_whole = any(name[start : start + len(last_name)] == last_name for start in range(len(name)))
    return is_whole or bool(set(name) & {word for word in last_name if len(word) >= SHORTEST_PART})


def _letters(words: list[str]) -> str:
    """The words in one, without what separates their parts."""
    return "".join(words).replace("_", "")


def _words(text: str) -> list[str]:
    """The words without case and accents."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.findall(r"\w+", bare.translate(_FOLDED))
