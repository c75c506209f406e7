"""The forms of a card about a gift: one for a card to print, one for a card by email. Both take plain text alone."""

from datetime import date
from typing import Any

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm

from campaign.edges import pdf
from campaign.mail.letters.tribute_cards import Card
from campaign.outbox.tribute_cards import LONGEST_MESSAGE
from campaign.rules import card_texts, email_typos
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.rules.local_time import InvalidLocalTime, parse_day
from campaign.web.languages import LANGUAGES
from campaign.web.public.address_form import AddressForm, Required, lines_field, text_field

LONGEST_NAME = 80
CARD_FIELDS = ("recipient_name", "recipient_email", "card_language", "send_on", "from_name", "message")


class PrintedCardForm(FlaskForm):
    """What a printed card says: from whom, if the donor is to be named, and a message. It changes nothing, and so needs no token."""

    class Meta(AddressForm.Meta):
        """Without a CSRF token: its fields are in the address of the card."""

        csrf = False

    from_name = text_field(lazy_gettext("Signed by"), longest=LONGEST_NAME)
    message = lines_field(lazy_gettext("Your message"), longest=LONGEST_MESSAGE)

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        for field in (self.from_name, self.message):
            field.id = f"printed_{field.name}"  # The other form on the page has fields of these names.

    def validate(self, extra_validators: Any = None) -> bool:
        """Validate each field, then whether the card can print the name. Of a message, what cannot be printed is left out."""
        is_valid: bool = super().validate(extra_validators)
        if is_valid and (characters := pdf.first_unprintable(self.from_name.data or "")):
            self.from_name.errors = [gettext("“%(character)s” cannot be printed. Please write it another way.", character=characters)]
        return is_valid and not self.from_name.errors

    def all_errors(self) -> list[tuple[str, str]]:
        """Each field with its first error, in the order of the form."""
        again = gettext("This page was open for a long time. Please press the button again.")
        return [(field.id, again if field.name == "csrf_token" else str(field.errors[0])) for field in self if field.errors]


class MailedCardForm(FlaskForm):
    """A card by email. `today` is the day in the time zone of the charity.

    `email_checked` is the address that the donor sees questioned, and keeps by sending it again.
    """

    class Meta(AddressForm.Meta):
        """All words are ours."""

    recipient_name = text_field(
        lazy_gettext("Name of the person who gets it"), Required(lazy_gettext("Please enter the name.")), longest=LONGEST_NAME
    )
    recipient_email = text_field(
        lazy_gettext("Their email address"), Required(lazy_gettext("Please enter their email address.")), longest=254
    )
    email_checked = text_field("", longest=254)
    card_language = text_field(lazy_gettext("Language of the card"), longest=2)
    send_on = text_field(lazy_gettext("Send it on"), Required(lazy_gettext("Please choose a day.")), longest=10)
    from_name = text_field(lazy_gettext("Signed by"), longest=LONGEST_NAME)
    message = lines_field(lazy_gettext("Your message"), longest=LONGEST_MESSAGE)

    all_errors = PrintedCardForm.all_errors

    def __init__(self, *args: Any, today: date, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.first_on, self.last_on = today, card_texts.last_day(today)

    def validate(self, extra_validators: Any = None) -> bool:
        """Validate each field by itself, then what a card may not have or must be."""
        is_valid: bool = super().validate(extra_validators)
        self._refuse_links()
        self._check_email()
        self._check_choices()
        return is_valid and not any(field.errors for field in self)

    def _refuse_links(self) -> None:
        for field in (self.recipient_name, self.from_name, self.message):
            if not field.errors and card_texts.has_link(field.data or ""):
                field.errors = [gettext("Please leave out links and email addresses, and put a space after each full stop.")]

    def _check_email(self) -> None:
        field = self.recipient_email
        if field.errors:
            return
        try:
            field.data = parse_email(field.data or "")
        except InvalidEmail:
            field.errors = [gettext("This does not look like an email address. Please check it, for example name@example.com.")]
            return
        suggested = email_typos.suggested_address(field.data)
        if suggested and self.email_checked.data != field.data:
            field.errors = [
                gettext("Did you mean %(email)s? Please correct the address, or press the button again to confirm it.", email=suggested)
            ]

    def _check_choices(self) -> None:
        if not self.card_language.errors and self.card_language.data not in LANGUAGES:
            self.card_language.errors = [gettext("Please choose one of these.")]
        if not self.send_on.errors and not (self.day and self.first_on <= self.day <= self.last_on):
            self.send_on.errors = [gettext("Please choose a day from today to one year from now.")]

    @property
    def day(self) -> date | None:
        """The chosen day; None when it is none."""
        try:
            return parse_day(self.send_on.data or "")
        except InvalidLocalTime:
            return None

    def card(self) -> Card:
        """The validated input. Call it only after `validate`."""
        return Card(
            language=self.card_language.data,
            recipient_name=self.recipient_name.data,
            recipient_email=self.recipient_email.data,
            from_name=self.from_name.data,
            message=self.message.data,
        )
