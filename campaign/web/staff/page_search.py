"""Finds pages of staff by what they are called and what people do there, in both languages whichever the member reads, without accents and case."""

from collections.abc import Iterable
from functools import cache

from flask_babel import force_locale

from campaign.rules.import_columns import folded
from campaign.web.languages import LANGUAGES
from campaign.web.staff.navigation import SECTIONS, Destination
from campaign.web.staff.shown_sections import list_sections

SHOWN = 5
SHORTEST = 2
# Words that people leave out or write as they please.
SMALL = frozenset(
    ["a", "an", "and", "au", "aux", "d", "de", "des", "du", "et", "l", "la", "le", "les", "of", "on", "the", "to", "un", "une"]
)


def find_pages(typed: str) -> list[tuple[str, str, str]]:
    """The label, the address and the section of each page that has all typed words, or their beginnings; at most SHOWN."""
    words = _words([typed])
    if not any(len(word) >= SHORTEST and not word.isdigit() for word in words):
        return []
    found = [(page, section) for section in list_sections() for page in section.destinations if _has(page, words)]
    return [(str(page.label), page.url, str(section.label) if len(section.destinations) > 1 else "") for page, section in found[:SHOWN]]


def _has(page: Destination, typed: set[str]) -> bool:
    return any(all(any(name.startswith(word) for name in names) for word in typed) for names in _names()[page.endpoint])


@cache
def _names() -> dict[str, list[set[str]]]:
    """The words of each page by its endpoint, in each language."""
    names: dict[str, list[set[str]]] = {}
    for language in LANGUAGES:
        with force_locale(language):
            for page in (page for section in SECTIONS for page in section.pages):
                names.setdefault(page.endpoint, []).append(_words([str(page.label), str(page.words)]))
    return names


def _words(texts: Iterable[str]) -> set[str]:
    return set(folded(" ".join(texts).replace("œ", "oe")).split()) - SMALL
