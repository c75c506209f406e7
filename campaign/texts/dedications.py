"""How a gift in honour or in memory of somebody names them. French joins the word before a name to its vowel: « d’Anne », but « de Marc »."""

import unicodedata

from campaign.texts.catalogue import pgettext_noop, translator

VOWEL, CONSONANT, OTHER = "vowel", "consonant", "other"
_VOWELS, _CONSONANTS = frozenset("aeiouæœø"), frozenset("bcdfgjklmnpqrstvwxzłđ")
# Words that would themselves be joined to the one before, as in « des anciens », and words before whose vowel none is: « de onze ».
_ARTICLES = frozenset({"le", "les", "du", "des", "de", "au", "aux"})
_APART = frozenset({"onze", "oui", "ouistiti", "uhlan"})
_DEDICATIONS = {
    ("honour", VOWEL): pgettext_noop("before a vowel", "In honour of %(name)s"),
    ("honour", CONSONANT): pgettext_noop("before a consonant", "In honour of %(name)s"),
    ("honour", OTHER): pgettext_noop("before any letter", "In honour of %(name)s"),
    ("memory", VOWEL): pgettext_noop("before a vowel", "In memory of %(name)s"),
    ("memory", CONSONANT): pgettext_noop("before a consonant", "In memory of %(name)s"),
    ("memory", OTHER): pgettext_noop("before any letter", "In memory of %(name)s"),
}
_GIFT_NOTICES = {
    ("honour", VOWEL): pgettext_noop("before a vowel", "A gift was made in honour of %(name)s"),
    ("honour", CONSONANT): pgettext_noop("before a consonant", "A gift was made in honour of %(name)s"),
    ("honour", OTHER): pgettext_noop("before any letter", "A gift was made in honour of %(name)s"),
    ("memory", VOWEL): pgettext_noop("before a vowel", "A gift was made in memory of %(name)s"),
    ("memory", CONSONANT): pgettext_noop("before a consonant", "A gift was made in memory of %(name)s"),
    ("memory", OTHER): pgettext_noop("before any letter", "A gift was made in memory of %(name)s"),
}
_CONTEXTS = {VOWEL: "before a vowel", CONSONANT: "before a consonant", OTHER: "before any letter"}


def dedication(kind: str, name: str, language: str) -> str:
    """`In memory of Anne Roy`; `kind` is honour or memory."""
    return dedication_format(kind, name, language) % {"name": name}


def dedication_format(kind: str, name: str, language: str) -> str:
    """As `dedication`, with `%(name)s` where the name is to be put."""
    start = _start_of(name)
    return translator(language).pgettext(_CONTEXTS[start], _DEDICATIONS[kind, start])


def gift_notice(kind: str, name: str, language: str) -> str:
    """`A gift was made in memory of Anne Roy`."""
    start = _start_of(name)
    return translator(language).pgettext(_CONTEXTS[start], _GIFT_NOTICES[kind, start]) % {"name": name}


def _start_of(name: str) -> str:
    """What the name begins with, as far as its sound is certain: an h or y may join or not, and a word of another script has no rule."""
    first = unicodedata.normalize("NFD", name.strip()[:1]).casefold()[:1]
    if name.casefold().split()[:1] and name.casefold().split()[0] in _ARTICLES | _APART:
        return OTHER
    return VOWEL if first in _VOWELS and first else CONSONANT if first in _CONSONANTS and first else OTHER
