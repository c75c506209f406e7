"""The form for a stack of cheques: one gift that was paid without Stripe, and what the next one begins with."""

from datetime import UTC, date, datetime
from typing import Any

from flask import request
from flask_babel import gettext, lazy_gettext
from flask_security import current_user
from wtforms import BooleanField, Field, Form, HiddenField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import Optional as OptionalField
from wtforms.validators import StopValidation

from campaign.campaigns.charities import Charity
from campaign.donations.declarations import How, Statement
from campaign.donations.donations import DonationDetails
from campaign.receipts.offline_gift_actions import TypedGift
from campaign.rules import local_time, money, typed_text
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.rules.email_typos import suggested_address
from campaign.rules.local_time import InvalidLocalTime
from campaign.rules.offline_gifts import OfflineMethod, OfflineQuestion
from campaign.texts.declaration_words import words_of_payment
from campaign.web.labels import offline_method_labels, tribute_labels
from campaign.web.languages import LANGUAGES
from campaign.web.public.address_form import FALSE_VALUES, AddressForm, PlainText, text_field
from campaign.web.public.donation_form import attempts

# A cheque that is larger than this is one zero too many.
MOST_CENTS = 10_000_000_00
LONGEST_REFERENCE = 100
PERSON, ORGANIZATION = "person", "organization"
NEW_DONOR = "0"
# What the next gift of the stack begins with.
STACK_FIELDS = ("method", "received_on", "donor_language")


class RequiredDetail:
    """Refuses an empty field of the receipt unless it was said that the details are not known, or the organization's name is enough."""

    def __init__(self, message: object, *, unless_organization: bool = False) -> None:
        self.message = message
        self.unless_organization = unless_organization

    def __call__(self, form: Form, field: Field) -> None:
        is_named = self.unless_organization and bool((form["organization"].data or "").strip())
        if not (field.data or "").strip() and not form["details_unknown"].data and not is_named:
            raise StopValidation(str(self.message))


class OfflineGiftForm(AddressForm):
    """One gift. `today` is the day of the charity. `payer` is whose name is on the cheque or account: it is asked when an organization is named.

    `donor` answers which donor it is: the id of one, or NEW_DONOR. `email_checked` is an address that was questioned, and kept by sending it again.
    """

    printed = (*AddressForm.printed, "public_name", "tribute_name")
    takes_name_later = True

    method = SelectField(lazy_gettext("Paid by"), validate_choice=False, default=OfflineMethod.CHEQUE.value)
    received_on = StringField(lazy_gettext("Received on"), filters=[typed_text.clean])
    donor_language = SelectField(lazy_gettext("Language of the receipt"), validate_choice=False)
    amount = StringField(lazy_gettext("Amount"))
    reference = text_field(lazy_gettext("Number of the cheque or transfer"), longest=LONGEST_REFERENCE)
    first_name = text_field(
        lazy_gettext("First name"), RequiredDetail(lazy_gettext("Please write the first name."), unless_organization=True), longest=80
    )
    last_name = text_field(
        lazy_gettext("Last name"), RequiredDetail(lazy_gettext("Please write the last name."), unless_organization=True), longest=80
    )
    payer = RadioField(lazy_gettext("Whose name is on the cheque or account?"), validate_choice=False, default="")
    address_line1 = text_field(lazy_gettext("Address"), RequiredDetail(lazy_gettext("Please write the street address.")), longest=120)
    city = text_field(lazy_gettext("City"), RequiredDetail(lazy_gettext("Please write the city or town.")), longest=80)
    details_unknown = BooleanField(lazy_gettext("The name or address is not known"), false_values=FALSE_VALUES)
    email = text_field(lazy_gettext("Email"), longest=254)
    email_checked = HiddenField()
    donor = RadioField(lazy_gettext("Is this the same person?"), [OptionalField()], validate_choice=False, default="")
    not_matchable = BooleanField(lazy_gettext("Do not match this gift"), false_values=FALSE_VALUES)
    public_name = text_field(lazy_gettext("Name shown to the public"), longest=80)
    anonymous = BooleanField(lazy_gettext("Do not show the name"), false_values=FALSE_VALUES)
    tribute_kind = SelectField(lazy_gettext("Dedication"), validate_choice=False, default="")
    tribute_name = text_field(lazy_gettext("Name of the person"), longest=120)
    message = TextAreaField(lazy_gettext("Message of the donor"), [PlainText(1000, lines=True)], filters=[typed_text.clean_lines])
    attempt = HiddenField()

    def __init__(self, language: str, *args: Any, charity: Charity, **kw: Any) -> None:
        super().__init__(language, *args, **kw)
        self.today = charity.local(datetime.now(UTC)).date()
        self.amount_cents, self.day, self.nonce = 0, date.min, ""
        self.method.choices = [(method.value, label) for method, label in offline_method_labels().items()]
        self.donor_language.choices = [("en", "English"), ("fr", "Français")]
        self.payer.choices = [(PERSON, gettext("The person’s")), (ORGANIZATION, gettext("The organization’s"))]
        self.tribute_kind.choices = [("", gettext("No dedication")), *tribute_labels().items()]
        self.organization_declaration.data = self.payer.data == ORGANIZATION

    def validate_method(self, field: Field) -> None:
        if field.data not in set(OfflineMethod):
            raise StopValidation(gettext("Please choose one of these."))

    def validate_donor_language(self, field: Field) -> None:
        if field.data not in LANGUAGES:
            raise StopValidation(gettext("Please choose one of these."))

    def validate_received_on(self, field: Field) -> None:
        example = self.today.isoformat()
        try:
            self.day = local_time.parse_day(field.data or "")
        except InvalidLocalTime:
            raise StopValidation(gettext("Please write a day, for example %(example)s.", example=example)) from None
        if self.day > self.today:
            raise StopValidation(gettext("This day has not come yet. Please check it."))

    def validate_amount(self, field: Field) -> None:
        try:
            self.amount_cents = money.parse(field.data or "", self.language)
        except money.InvalidMoney:
            example = money.format_money(1_234_56, self.language)
            raise StopValidation(gettext("Please write an amount, for example %(example)s.", example=example)) from None
        if not 0 < self.amount_cents <= MOST_CENTS:
            most = money.format_money_short(MOST_CENTS, self.language)
            raise StopValidation(gettext("Please write an amount of more than zero, and %(most)s at most.", most=most))

    def validate_reference(self, field: Field) -> None:
        if self.method.data == OfflineMethod.CHEQUE and not field.data:
            raise StopValidation(gettext("Please write the number of the cheque: it tells one cheque from another."))

    def validate_payer(self, field: Field) -> None:
        if self.organization.data and field.data not in {PERSON, ORGANIZATION}:
            raise StopValidation(gettext("Please choose: a receipt must name whoever provided the money."))
        if field.data == PERSON and self.organization.data and not (self.first_name.data and self.last_name.data):
            raise StopValidation(gettext("The receipt is then in the person’s name: please write their first and last name."))

    def validate_email(self, field: Field) -> None:
        if not field.data:
            return
        try:
            field.data = parse_email(field.data)
        except InvalidEmail:
            raise StopValidation(
                gettext("This does not look like an email address. Please check it, for example name@example.com.")
            ) from None
        if (suggested := suggested_address(field.data)) and self.email_checked.data != field.data:
            self.email_checked.data = field.data
            raise StopValidation(
                gettext("Did you mean %(email)s? Please correct the address, or press the button again to confirm it.", email=suggested)
            )

    def validate_tribute_kind(self, field: Field) -> None:
        if field.data not in {"", "honour", "memory"}:
            raise StopValidation(gettext("Please choose one of these."))

    def validate_tribute_name(self, field: Field) -> None:
        if self.tribute_kind.data and not field.data:
            raise StopValidation(gettext("Please enter the name of the person, or choose no dedication."))

    def validate_attempt(self, field: Field) -> None:
        nonce = attempts().read(field.data)
        if nonce is None:
            raise StopValidation(gettext("This page was open for a long time. Please press the button again."))
        self.nonce = nonce

    def _validate_address(self) -> bool:
        """An address that is not known is not checked; one that was typed in part is."""
        is_empty = not any(self[name].data for name in ("address_line1", "city", "postal_code"))
        return True if self.details_unknown.data and is_empty else super()._validate_address()

    def _question_name(self) -> bool:
        if self.payer.data == PERSON or super()._question_name():
            return True
        self.last_name.errors = [
            gettext(
                "This is like the name of an organization. If it is one, please write it under Organization; if it is a person’s, press the button again."
            )
        ]
        return False

    def typed_gift(self) -> TypedGift:
        """The validated gift. Call it only after `validate`."""
        kind, method, chosen = self.tribute_kind.data or None, OfflineMethod(self.method.data), self.donor.data or ""
        details = DonationDetails(
            language=self.donor_language.data,
            frequency="once",
            amount_cents=self.amount_cents,
            covered_fee_cents=0,
            email=self.email.data,
            public_name=self.public_name.data,
            anonymous=bool(self.anonymous.data),
            tribute_kind=kind,
            tribute_name=self.tribute_name.data if kind else "",
            message=self.message.data,
            news_consent=False,
            **self.person(),  # type: ignore[arg-type]  # texts, and one bool of the same name
        )
        return TypedGift(
            details=details,
            method=method,
            reference=self.reference.data,
            received_on=self.day,
            is_matchable=not self.not_matchable.data,
            attempt=self.nonce,
            donor_id=int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 else None,
            statement=self._statement_of_payment(method),
            answered=[question for question in OfflineQuestion if question.value in request.form.getlist("answered")],
        )

    def _statement_of_payment(self, method: OfflineMethod) -> Statement | None:
        """That the account is the organization's. Cash has no name on it: the receipt waits for the donor's declaration."""
        name = self.organization.data
        if not name or self.payer.data != ORGANIZATION or method is OfflineMethod.CASH:
            return None
        words = words_of_payment(name, self.donor_language.data)
        return Statement(how=How.PAYMENT, words=words, language=self.donor_language.data, recorded_by=current_user.email)
