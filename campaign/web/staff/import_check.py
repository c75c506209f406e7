"""Reads the rows of an imported file as the form for one gift reads what is typed: the same fields, the same rules, the same errors."""

import secrets
from collections.abc import Mapping
from datetime import date
from functools import cache

from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from campaign.receipts.gift_import_actions import CheckedRow, ImportOptions
from campaign.receipts.gift_imports import GiftImport, GiftImportRow
from campaign.rules import import_columns, imported_values, money
from campaign.rules.import_columns import ImportField, folded
from campaign.rules.imported_values import DayOrder, ValueFlaw, ValueRefused
from campaign.rules.offline_gifts import OfflineMethod
from campaign.texts import import_words
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.public.donation_form import new_attempt
from campaign.web.public.regions import countries
from campaign.web.staff.offline_gift_form import ORGANIZATION, OfflineGiftForm

# What the receipt needs. Where one is missing, staff may say of the whole file that it is not known.
_DETAILS = (ImportField.ADDRESS_LINE1, ImportField.CITY, ImportField.POSTAL_CODE)
_NOT_STORED = frozenset({"csrf_token", "attempt", "organization_declaration"})


def options_of(imported: GiftImport) -> ImportOptions:
    """How the file is read now."""
    return ImportOptions(
        columns={ImportField(name): place for name, place in imported.columns.items()},
        day_order=DayOrder(imported.day_order) if imported.day_order else None,
        method=OfflineMethod(imported.method),
        donor_language=imported.donor_language,
        is_matchable=imported.is_matchable,
        details_unknown=imported.details_unknown,
    )


def read_row(row: GiftImportRow, options: ImportOptions, *, order: DayOrder | None) -> tuple[dict[str, str], dict[str, str]]:
    """The fields of the form from the cells of the row, and why cells cannot be read, by field. `order` is that of the column's days."""
    raw = {field: _one_line(row.cells[place], field) for field, place in options.columns.items()}
    fields = {
        **{field.value: raw.get(field, "") for field in ImportField},
        "method": options.method.value,
        "donor_language": options.donor_language,
    }
    flaws = {}
    for field in ImportField:
        text = raw.get(field, "")
        if not text:
            continue
        try:
            fields[field.value] = _read(field, text, order)
        except ValueRefused as refused:
            fields[field.value], flaws[field.value] = text, refused.flaw.value
    fields["country"] = fields["country"] or "CA"
    has_name = bool(raw.get(ImportField.FIRST_NAME) and raw.get(ImportField.LAST_NAME))
    if fields["organization"] and not has_name:
        fields["payer"] = ORGANIZATION
    is_known = (has_name or fields["organization"]) and all(raw.get(field) for field in _DETAILS)
    fields["details_unknown"] = "y" if options.details_unknown and not is_known else ""
    fields["not_matchable"] = "" if options.is_matchable else "y"
    return fields, flaws


def _one_line(cell: str, field: ImportField) -> str:
    """The cell in one line: an address of several lines, as Excel's Alt and Enter writes it, gets commas."""
    lines = [line.strip(" ,") for line in cell.replace("\r", "\n").split("\n")]
    return (", " if field in _DETAILS else " ").join(line for line in lines if line)


def _read(field: ImportField, text: str, order: DayOrder | None) -> str:
    match field:
        case ImportField.RECEIVED_ON:
            return imported_values.parse_day(text, order).isoformat()
        case ImportField.AMOUNT:
            return money.format_decimal(imported_values.parse_amount(text))
        case ImportField.METHOD:
            return import_columns.method_of(text).value
        case ImportField.LANGUAGE:
            return import_columns.language_of(text)
        case ImportField.COUNTRY:
            return _country_of(text)
        case _:
            return text


def _country_of(text: str) -> str:
    """The code of the country; the text as it is when no country has this name, so that the form says so."""
    return _countries_by_name().get(folded(text), text)


@cache
def _countries_by_name() -> dict[str, str]:
    """The code of each country by its names in both languages, and by itself."""
    names = {"usa": "US", "united states of america": "US", "etats unis d amerique": "US"}
    for language in LANGUAGES:
        names |= {name: code for code, known in countries(language) for name in (code.casefold(), folded(known))}
    return names


class RowReader:
    """Reads the rows of one file, in the language of whoever sees them."""

    def __init__(self, imported: GiftImport, options: ImportOptions | None = None) -> None:
        self._options = options or options_of(imported)
        self._form = RowForm(imported)
        self._order: DayOrder | None = self._options.day_order

    def use_order_of(self, rows: list[GiftImportRow]) -> None:
        """Read days in the order that the rows show, unless staff chose one."""
        self._order = self._options.day_order or imported_values.order_of(self._days(rows))

    def needs_order(self, rows: list[GiftImportRow]) -> bool:
        """Whether somebody has to say whether day or month comes first."""
        days = self._days(rows)
        return self._options.day_order is None and imported_values.order_of(days) is None and imported_values.needs_order(days)

    def _days(self, rows: list[GiftImportRow]) -> list[str]:
        place = self._options.columns.get(ImportField.RECEIVED_ON)
        return [] if place is None else [row.cells[place] for row in rows if row.cells]

    def check(self, row: GiftImportRow) -> CheckedRow:
        """The row as its cells say."""
        fields, flaws = read_row(row, self._options, order=self._order)
        self._form.fill_in(fields)
        is_valid = self._form.validate() and not flaws
        return CheckedRow(fields=fields, flaws=flaws, gift=self._form.typed_gift() if is_valid else None)


class RowForm(OfflineGiftForm):
    """The form for one gift, filled in with one row of a file after another: to make a form takes longer than to read a row with it.

    No page is open in which somebody could press the button twice, so each row has an attempt of its own, which is not signed.
    """

    def __init__(self, imported: GiftImport) -> None:
        super().__init__(current_language(), charity=imported.campaign.charity, formdata=None, meta={"csrf": False})

    def fill_in(self, fields: Mapping[str, str]) -> None:
        """Take these texts in place of those of the row before. A field that is not ticked is missing, as in a request."""
        self.process(MultiDict({name: text for name, text in fields.items() if text}))
        self.amount_cents, self.day, self.nonce = 0, date.min, secrets.token_urlsafe(18)
        self.organization_declaration.data = self.payer.data == ORGANIZATION

    def validate_attempt(self, field: object) -> None:
        """Nothing is signed."""


def form_of(imported: GiftImport, fields: Mapping[str, str]) -> OfflineGiftForm:
    """The form of one gift with these texts. A field that is not ticked is missing, as in a request."""
    data = MultiDict({name: text for name, text in fields.items() if text} | {"attempt": new_attempt()})
    return OfflineGiftForm(current_language(), charity=imported.campaign.charity, formdata=data, meta={"csrf": False})


def errors_of(imported: GiftImport, row: GiftImportRow) -> list[tuple[str, str]]:
    """What is wrong with the row, in the language of whoever sees it: each field with its error."""
    form = form_of(imported, row.fields)
    form.validate()
    flawed = {name: describe_flaw(flaw, row.fields[name]) for name, flaw in row.flaws.items()}
    rest = [(name, error) for name, error in form.all_errors() if name not in flawed and name != "attempt"]
    return [*flawed.items(), *rest]


def describe_flaw(flaw: str, text: str) -> str:
    """Why the cell cannot be read."""
    return import_words.describe_value(ValueFlaw(flaw), text, current_language())


def label_of(form: OfflineGiftForm, name: str) -> str:
    """The label of the form's field."""
    return str(form[name].label.text) if name in form else str(gettext("Row"))


def fields_of(form: OfflineGiftForm) -> dict[str, str]:
    """The texts of a valid form, to be stored: amounts as everybody reads them."""
    found = {field.name: _text(field.data) for field in form if field.name not in _NOT_STORED}
    return {**found, "amount": money.format_decimal(form.amount_cents)}


def _text(data: object) -> str:
    return ("y" if data else "") if isinstance(data, bool) else str(data or "")
