"""The donation form: validates the input into `DonationDetails`, or shows an error beside each field and retains what was typed."""

import secrets
from typing import Any

from flask_babel import gettext, lazy_gettext
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, HiddenField, RadioField, StringField, TextAreaField
from wtforms.validators import Optional as OptionalField
from wtforms.validators import StopValidation

from campaign.campaigns.campaigns import Campaign
from campaign.donations.declarations import How
from campaign.donations.donations import DonationDetails
from campaign.donations.wall_entries import WallConsent
from campaign.edges.secret_keys import Purpose, SecretKeys
from campaign.edges.services import services
from campaign.rules import email_typos, money, typed_text
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.rules.public_names import name_to_show
from campaign.web.public.address_form import FALSE_VALUES, AddressForm, PlainText, Required, text_field
from campaign.web.public.wall_fields import WallFields, check_name

ATTEMPT_LIFETIME_SECONDS = 24 * 3600
IN_ORDER = (
    *("amount", "frequency", "first_name", "last_name", "email", "postal_code", "country"),
    *("address_line1", "address_line2", "city", "province"),
)


class DonationForm(AddressForm, WallFields):
    """The fields of contract.md, section 4, and the donor's answers to two questions.

    `preset` is the suggested amount that is chosen, which counts when no amount is typed. `email_checked` is the address that the donor sees
    questioned, and keeps by sending it again. `second_monthly` says that they want a second monthly gift of the same amount. `proof`, `code` and `new_code` answer what is asked during card testing (human_check.py), which sets `resumes`
    when the page goes on by itself, and `code_sent_to` when it asks for the code.
    """

    class Meta(AddressForm.Meta):
        """Without a CSRF token, so that a browser without cookies can give: the signed attempt shows that the form came from us."""

        csrf = False

    printed = (*AddressForm.printed, "public_name", "tribute_name")
    takes_name_later = True

    amount = StringField(lazy_gettext("Amount"))
    preset = HiddenField()
    frequency = HiddenField()
    email = text_field(lazy_gettext("Email"), Required(lazy_gettext("Please enter your email address.")), longest=254)
    cover_fee = BooleanField(lazy_gettext("Cover the processing fee"), false_values=FALSE_VALUES)
    on_wall = BooleanField(lazy_gettext("Show my gift on this page, without the amount"), false_values=FALSE_VALUES)
    tribute_kind = RadioField(lazy_gettext("Dedicate this gift"), [OptionalField()], validate_choice=False, default="")
    tribute_name = text_field(lazy_gettext("Name of the person"), longest=120)
    message = TextAreaField(lazy_gettext("A message for the foundation"), [PlainText(1000, lines=True)], filters=[typed_text.clean_lines])
    share_message = BooleanField(
        lazy_gettext("The funder who matches my gift may read this message, without my name"), false_values=FALSE_VALUES
    )
    news_consent = BooleanField(lazy_gettext("Send me news about what gifts make possible"), false_values=FALSE_VALUES)
    attempt = HiddenField()
    email_checked = HiddenField()
    second_monthly = BooleanField(false_values=FALSE_VALUES)
    expected_match = HiddenField()
    expected_for = HiddenField()
    website = StringField()
    proof = HiddenField()
    code = StringField(lazy_gettext("Code from the email"))
    new_code = BooleanField(false_values=FALSE_VALUES)

    def __init__(self, campaign: Campaign, language: str, *args: Any, **kw: Any) -> None:
        super().__init__(language, *args, **kw)
        self.campaign = campaign
        self.amount_cents = 0
        self.attempt_nonce = ""
        self.resumes = False
        self.code_sent_to = ""
        self.tribute_kind.choices = [
            ("", gettext("No dedication")),
            ("honour", gettext("In honour of")),
            ("memory", gettext("In memory of")),
        ]

    @property
    def amount_text(self) -> str:
        """The amount that is typed or, when none is, the suggested one that is chosen: without scripts it is not copied into the field."""
        return self.amount.data if (self.amount.data or "").strip() else self.preset.data or ""

    def validate_amount(self, field: Field) -> None:
        if field.raw_data and len(field.raw_data) > 1:
            raise StopValidation(gettext("Please enter one amount."))
        if not self.amount_text.strip():
            raise StopValidation(gettext("How much would you like to give? For example 50 or 125.50."))
        try:
            cents = money.parse(self.amount_text, self.language)
        except money.InvalidMoney:
            raise StopValidation(gettext("We could not read this amount. Please enter it like 50 or 1,234.56.")) from None
        low, high = (money.format_money_short(c, self.language) for c in (self.campaign.minimum_cents, self.campaign.maximum_cents))
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
            field.data = parse_email(field.data)
        except InvalidEmail:
            raise StopValidation(
                gettext("This does not look like an email address. Please check it, for example name@example.com.")
            ) from None
        suggested = email_typos.suggested_address(field.data)
        if suggested and self.email_checked.data != field.data:
            raise StopValidation(
                gettext("Did you mean %(email)s? Please correct the address, or press the button again to confirm it.", email=suggested)
            )

    def validate_tribute_kind(self, field: Field) -> None:
        if field.data not in {None, "", "honour", "memory"}:
            raise StopValidation(gettext("Please choose one of these."))

    def validate_tribute_name(self, field: Field) -> None:
        if self.tribute_kind.data and not field.data:
            raise StopValidation(gettext("Please enter the name of the person, or choose no dedication."))

        if self.on_wall.data and self.show_tribute.data and self.tribute_kind.data:
            check_name(field)

    def validate_public_name(self, field: Field) -> None:
        is_shown = self.on_wall.data and not self.anonymous.data
        check_name(field, first_name=self.first_name.data or "", last_name=(self.last_name.data or "") if is_shown else "")

    def validate_website(self, field: Field) -> None:
        if field.data:
            raise StopValidation(gettext("Please leave this field empty."))

    def details(self) -> DonationDetails:
        """The validated input. Call it only after `validate`."""
        kind = self.tribute_kind.data or None
        fee = money.fee_to_cover(
            self.amount_cents,
            percent_hundredths=self.campaign.fee_percent_hundredths,
            fixed_cents=self.campaign.fee_fixed_cents,
        )
        return DonationDetails(
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
            in_own_name=self.in_own_name(),
        )

    def wall_consent(self) -> WallConsent | None:
        """What everybody may see of the gift; None for nothing. Call it only after `validate`."""
        if not self.on_wall.data:
            return None
        name = name_to_show(
            self.public_name.data,
            first_name=self.first_name.data,
            last_name=self.last_name.data,
            is_anonymous=bool(self.anonymous.data),
        )
        return WallConsent(
            name=name,
            shows_province=bool(self.show_province.data),
            shows_tribute=bool(self.show_tribute.data and self.tribute_kind.data),
        )

    def declaration(self) -> str:
        """The words with which the donor declares that the money is the organization's; empty when they do not."""
        statement = self.statement(How.FORM)
        return statement.words if statement else ""

    def expected_match_cents(self) -> int | None:
        """The match in cents that the donor was shown for this amount; None when none was shown, or the field is not a valid number.

        Without scripts, a form that comes back shows the match of the amount that was sent, and the donor may choose another one.
        """
        shown_for = _cents_in(self.expected_for.data)
        return _cents_in(self.expected_match.data) if shown_for in {None, self.amount_cents} else None

    def all_errors(self) -> list[tuple[str, str]]:
        """Each field with its first error, in the order of the page."""
        return sorted(super().all_errors(), key=lambda error: IN_ORDER.index(error[0]) if error[0] in IN_ORDER else len(IN_ORDER))


def _cents_in(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 12 else None


def amount_error(campaign: Campaign, language: str, text: str) -> str:
    """What is wrong with a typed amount, as the form says it; empty when nothing is."""
    form = DonationForm(campaign, language, formdata=MultiDict({"amount": text}))
    form.amount.validate(form, [DonationForm.validate_amount])
    return str(form.amount.errors[0]) if form.amount.errors else ""


class Attempts:
    """Signed attempt tokens of forms, valid for ATTEMPT_LIFETIME_SECONDS, so that a double click or a reload starts one donation only."""

    def __init__(self, keys: SecretKeys) -> None:
        self._signer = URLSafeTimedSerializer(keys.oldest_first(Purpose.ATTEMPT), salt="attempt")

    def sign(self, nonce: str) -> str:
        """The signed token for the form's hidden field."""
        return self._signer.dumps(nonce)

    def read(self, token: str | None) -> str | None:
        """The nonce of the attempt, or None when the token is invalid or expired."""
        try:
            nonce = self._signer.loads(token or "", max_age=ATTEMPT_LIFETIME_SECONDS)
        except (BadSignature, ValueError):
            return None
        return nonce if isinstance(nonce, str) else None


def new_attempt() -> str:
    """A signed attempt token for a new form."""
    return attempts().sign(secrets.token_urlsafe(18))


def attempts() -> Attempts:
    """The signer of attempt tokens."""
    return Attempts(services().keys)
