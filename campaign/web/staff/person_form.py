"""The form in which staff correct a name or address. A name on a receipt changes for the same donor, or with a declaration, which it takes in."""

from datetime import date

from flask_babel import gettext, lazy_gettext
from flask_security import current_user
from flask_wtf.file import FileField
from wtforms import Field, HiddenField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import Optional as OptionalField
from wtforms.validators import StopValidation

from campaign.donations.declarations import REPORTED, How, Statement
from campaign.donations.donations import Donation
from campaign.rules import local_time, typed_text
from campaign.rules.document_types import media_type_of
from campaign.rules.local_time import InvalidLocalTime
from campaign.web.labels import declaration_labels
from campaign.web.public.address_form import AddressForm, PlainText

SAME_DONOR, OTHER_DONOR = "same_donor", "other_donor"
LARGEST_DOCUMENT = 5 * 1024 * 1024
LONGEST_WORDS = 2000


class PersonForm(AddressForm):
    """Name and address of a donation, and why the name on its receipts changes.

    `name_change` is the reason, and the other fields are the donor's declaration that it takes when the money is somebody else's. `today` is the
    day of the charity. `document_lost` names a document that did not come with the form, as the password was asked for in between.
    """

    takes_name_later = True

    name_change = RadioField(validators=[OptionalField()], validate_choice=False)
    declared_how = SelectField(lazy_gettext("How did the donor declare it?"), validate_choice=False)
    declared_on = StringField(lazy_gettext("On which day?"), filters=[typed_text.clean])
    declared_words = TextAreaField(
        lazy_gettext("The donor’s words"), [PlainText(LONGEST_WORDS, lines=True)], filters=[typed_text.clean_lines]
    )
    document = FileField(lazy_gettext("A document"))
    document_lost = HiddenField()

    def __init__(self, donation: Donation, language: str, *, today: date, **kw: object) -> None:
        super().__init__(language, **kw)
        self.was_in_own_name, self.today = donation.in_own_name, today
        self.day: date | None = None
        self.content = b""
        self.name_change.choices = [
            (SAME_DONOR, gettext("It is the same donor: a spelling, a missing initial, a married name")),
            (OTHER_DONOR, gettext("The money is another person’s or organization’s: the donor has declared it")),
        ]
        self.declared_how.choices = [("", gettext("Please choose")), *((how.value, declaration_labels()[how]) for how in REPORTED)]

    @property
    def takes_declaration(self) -> bool:
        """Whether the donor's declaration belongs to this correction."""
        return bool(self.name_change.data == OTHER_DONOR)

    @property
    def is_same_donor(self) -> bool:
        """Whether the name changes for the same donor."""
        return bool(self.name_change.data == SAME_DONOR)

    def in_own_name(self) -> bool:
        """A declaration is about the name that is typed; without one the person gives as before."""
        return self.was_in_own_name and bool(self.organization.data) and not self.takes_declaration

    def validate_declared_how(self, field: Field) -> None:
        if self.takes_declaration and field.data not in REPORTED:
            raise StopValidation(gettext("Please choose how the donor declared it."))

    def validate_declared_on(self, field: Field) -> None:
        if not self.takes_declaration:
            return
        try:
            self.day = local_time.parse_day(field.data or "")
        except InvalidLocalTime:
            raise StopValidation(gettext("Please write the day on which the donor declared it, like 2026-11-27.")) from None
        if self.day > self.today:
            raise StopValidation(gettext("This day has not come yet. Please check it."))

    def validate_document(self, field: Field) -> None:
        if not self.takes_declaration:
            return
        self.content = field.data.read() if field.data else b""
        if self.document_lost.data and not self.content:
            raise StopValidation(gettext("Please choose the document again: it did not come along while we asked for your password."))
        if len(self.content) > LARGEST_DOCUMENT:
            raise StopValidation(gettext("This document is too large. Please choose one of up to 5 MB."))
        if self.content and media_type_of(self.content) is None:
            raise StopValidation(gettext("This is no PDF, PNG or JPEG. Please choose another document."))
        if not self.content and not self.declared_words.data:
            raise StopValidation(gettext("Please write the donor’s words above, or choose a document that has them."))

    def ask_again_for_document(self) -> None:
        """A page that shows the form again cannot carry its document."""
        if self.content and not self.document.errors:
            self.document.errors = [gettext("Please choose the document again.")]

    def reported_statement(self) -> Statement | None:
        """What the donor has declared to staff; None when the name changes for the same donor or not at all. Call it only after `validate`."""
        if not self.takes_declaration:
            return None
        return Statement(
            how=How(self.declared_how.data),
            words=self.declared_words.data or "",
            language=self.language,
            recorded_by=current_user.email,
            declared_on=self.day,
            document=self.content,
        )
