"""The labels printed on PDFs: official receipts and funders' statements."""

from collections.abc import Iterable

from campaign.texts.catalogue import pgettext_noop, translator

_RECEIPT = {
    "title": pgettext_noop("official receipt", "Official donation receipt for income tax purposes"),
    "registration_number": pgettext_noop("official receipt", "Registration number"),
    "serial": pgettext_noop("official receipt", "Unique serial number"),
    "replaces": pgettext_noop("official receipt", "Cancels and replaces receipt no."),
    "donor_name": pgettext_noop("official receipt", "Donor's full name"),
    "donor_address": pgettext_noop("official receipt", "Donor's address"),
    "gift": pgettext_noop("official receipt", "Gift"),
    "received_on": pgettext_noop("official receipt", "Date the gift was received"),
    "received_in": pgettext_noop("official receipt", "Year in which the gifts were received"),
    "amount": pgettext_noop("official receipt", "Amount of the gift"),
    "advantage": pgettext_noop("official receipt", "Description and amount of any advantage"),
    "colon": pgettext_noop("official receipt", ": "),
    "none": pgettext_noop("official receipt", "None"),
    "eligible": pgettext_noop("official receipt", "Eligible amount of the gift"),
    "gifts": pgettext_noop("official receipt", "The gifts of the year"),
    "listed": pgettext_noop("official receipt", "The gifts of the year are listed from page 2 on."),
    "day": pgettext_noop("official receipt", "Received on"),
    "issued_on": pgettext_noop("official receipt", "Date of issue"),
    "place_of_issue": pgettext_noop("official receipt", "Place of issue"),
    "signature": pgettext_noop("official receipt", "Signature of an authorized individual"),
    "agency": pgettext_noop("official receipt", "Canada Revenue Agency, canada.ca/charities-giving"),
    "check": pgettext_noop("official receipt", "Verify this receipt at"),
    "qr": pgettext_noop("official receipt", "QR code of the address where this receipt can be checked"),
    "logo": pgettext_noop("official receipt", "Logo"),
    "thanks": pgettext_noop("official receipt", "Thank you for your generosity."),
    "keep": pgettext_noop("official receipt", "Keep this receipt for your income tax return."),
    "test": pgettext_noop("official receipt", "TEST"),
    "test_banner": pgettext_noop("official receipt", "TEST – not a valid receipt"),
    "preview": pgettext_noop("official receipt", "PREVIEW"),
    "preview_banner": pgettext_noop("official receipt", "PREVIEW – not a receipt, no number was used"),
    "cancelled": pgettext_noop("official receipt", "CANCELLED"),
    "cancelled_banner": pgettext_noop("official receipt", "CANCELLED – this receipt is no longer valid"),
    "replaced": pgettext_noop("official receipt", "CANCELLED"),
    "replaced_banner": pgettext_noop("official receipt", "CANCELLED – replaced by another receipt"),
}
_SIGNATURE_NAME = pgettext_noop("official receipt", "Electronic signature of %(charity)s")
_STATEMENT = {
    "title": pgettext_noop("statement", "Matching fund statement"),
    "test_banner": pgettext_noop("statement", "TEST – not a real statement"),
    "as_of": pgettext_noop("statement", "As of"),
    "status": pgettext_noop("statement", "Status"),
    "pledged": pgettext_noop("statement", "Pledged"),
    "matched": pgettext_noop("statement", "Matched"),
    "held": pgettext_noop("statement", "Held for gifts under way"),
    "left": pgettext_noop("statement", "Left"),
    "donations_matched": pgettext_noop("statement", "Donations matched"),
    "day_by_day": pgettext_noop("statement", "Day by day"),
    "no_donation": pgettext_noop("statement", "No gift has been matched yet."),
    "day": pgettext_noop("statement", "Day"),
    "donations": pgettext_noop("statement", "Donations"),
    "chain": pgettext_noop("statement", "Where the chain of the fund’s entries ends, to compare with any later statement:"),
    "signed": pgettext_noop("statement", "The charity’s signature of these words:"),
}


def receipt_labels(language: str) -> dict[str, str]:
    """Return the labels of an official receipt by key."""
    to = translator(language)
    return {key: to.pgettext("official receipt", message) for key, message in _RECEIPT.items()}


def signature_name(languages: Iterable[str], charity: str) -> str:
    """Return the name of the electronic signature in these languages, for tooltips and screen readers."""
    names = [translator(language).pgettext("official receipt", _SIGNATURE_NAME) % {"charity": charity} for language in languages]
    return " / ".join(names)


def receipt_file_stem(language: str) -> str:
    """Return the first part of the name of a receipt's file, in ASCII."""
    return translator(language).pgettext("name of a file", "receipt")


def statement_labels(language: str) -> dict[str, str]:
    """Return the labels of a funder's statement by key."""
    to = translator(language)
    return {key: to.pgettext("statement", message) for key, message in _STATEMENT.items()}
