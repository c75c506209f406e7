"""The labels printed on PDFs: official receipts and drafts of information returns."""

from collections.abc import Iterable

from campaign.texts.catalogue import pgettext_noop, translator

_RECEIPT = {
    "title": pgettext_noop("official receipt", "Official donation receipt for income tax purposes"),
    "registration_number": pgettext_noop("official receipt", "Registration number"),
    "serial": pgettext_noop("official receipt", "Unique serial number"),
    "replaces": pgettext_noop("official receipt", "Cancels and replaces receipt no."),
    "donor_name": pgettext_noop("official receipt", "Donor’s full name"),
    "donor_address": pgettext_noop("official receipt", "Donor’s address"),
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
    "fingerprint": pgettext_noop("official receipt", "Fingerprint of the details of the charity on this sample"),
    "qr": pgettext_noop("official receipt", "QR code of the address where this receipt can be checked"),
    "logo": pgettext_noop("official receipt", "Logo"),
    "thanks": pgettext_noop("official receipt", "Thank you for your generosity."),
    "keep": pgettext_noop("official receipt", "Keep this receipt for your income tax return."),
    "test": pgettext_noop("official receipt", "TEST"),
    "test_banner": pgettext_noop("official receipt", "TEST – not a valid receipt"),
    "sample": pgettext_noop("official receipt", "SAMPLE"),
    "sample_banner": pgettext_noop("official receipt", "SAMPLE – not a receipt, no number was used"),
    "cancelled": pgettext_noop("official receipt", "CANCELLED"),
    "cancelled_banner": pgettext_noop("official receipt", "CANCELLED – this receipt is no longer valid"),
    "replaced": pgettext_noop("official receipt", "CANCELLED"),
    "replaced_banner": pgettext_noop("official receipt", "CANCELLED – replaced by another receipt"),
}
_SIGNATURE_NAME = pgettext_noop("official receipt", "Electronic signature of %(charity)s")
# The Act gives no form for the return: it is a letter. The sources do not settle its address, so that it is filled in by hand.
_INFORMATION_RETURN = {
    "return_title": pgettext_noop("information return", "Information return on returned property"),
    "law": pgettext_noop(
        "information return",
        "Income Tax Act, subsections 110.1(16) and 118.1(27); Income Tax Regulations, section 3501.1; guidance CG-016",
    ),
    "test_return": pgettext_noop("information return", "TEST – not a real return"),
    "draft": pgettext_noop("information return", "DRAFT UNTIL SIGNED – check each line, fill in what is blank, and sign"),
    "to": pgettext_noop("information return", "To"),
    "recipient": pgettext_noop("information return", "Charities Directorate, Canada Revenue Agency"),
    "address": pgettext_noop("information return", "Address (see canada.ca/charities-giving on the day of sending):"),
    "date": pgettext_noop("information return", "Date:"),
    "intro": pgettext_noop(
        "information return",
        "We issued an official donation receipt for the gift below. Afterwards property with a value of more than $50 was returned to the donor. "
        "This is our information return about it; the donor gets a copy.",
    ),
    "property": pgettext_noop("information return", "Property returned"),
    "description": pgettext_noop("information return", "Description"),
    "money": pgettext_noop("information return", "Money"),
    "value": pgettext_noop("information return", "Fair market value when it was returned"),
    "returned_on": pgettext_noop("information return", "Date of the return"),
    "part": pgettext_noop("information return", "Part of it, returned on %(day)s"),
    "returned_to": pgettext_noop("information return", "Returned to"),
    "due_on": pgettext_noop("information return", "To be sent by"),
    "receipt": pgettext_noop("information return", "Receipt issued for the gift"),
    "issued_by": pgettext_noop("information return", "Issued by"),
    "this_gift": pgettext_noop("information return", "This gift on it, received on %(day)s"),
    "signed_by": pgettext_noop("information return", "Signed by"),
    "state": pgettext_noop("information return", "No. %(serial)s today"),
    "valid": pgettext_noop("information return", "Valid"),
    "revised": pgettext_noop("information return", "Cancelled and replaced by no. %(serial)s of %(day)s for %(amount)s"),
    "ended": pgettext_noop("information return", "Cancelled; no receipt is in its place"),
    "signature_line": pgettext_noop("information return", "Signature"),
    "copy": pgettext_noop("information return", "Copy for the donor"),
    "donor_title": pgettext_noop("information return", "About a gift that was returned to you"),
    "donor_intro": pgettext_noop(
        "information return",
        "%(amount)s of your gift to us was returned to you. As we had issued an official donation receipt for it, the law asks us to tell the "
        "Canada Revenue Agency, and to give you a copy of what we tell it. The copy is on the next page.",
    ),
    "donor_ended": pgettext_noop(
        "information return", "Official receipt no. %(serial)s is cancelled. Please do not use it for your taxes."
    ),
    "donor_revised": pgettext_noop(
        "information return", "Official receipt no. %(serial)s is cancelled and replaced by no. %(new)s. Please use only the new one."
    ),
    "donor_ended_several": pgettext_noop(
        "information return", "Official receipts no. %(serial)s are cancelled. Please do not use them for your taxes."
    ),
    "donor_revised_several": pgettext_noop(
        "information return", "Official receipts no. %(serial)s are cancelled and replaced by no. %(new)s. Please use only the new one."
    ),
    "donor_claimed": pgettext_noop(
        "information return",
        "If you have claimed this receipt in a tax return already, the agency may reassess that return. The agency, or whoever helps you with "
        "your taxes, can say what to do.",
    ),
    "donor_claimed_in_quebec": pgettext_noop(
        "information return",
        "If you have claimed this receipt in your tax returns already, please amend both: the federal one, with the Canada Revenue Agency, and "
        "the one of Québec, with Revenu Québec. Each may reassess its own. They, or whoever helps you with your taxes, can say how.",
    ),
    "donor_contact": pgettext_noop("information return", "If something here is not right, please write to %(email)s."),
}


def receipt_labels(language: str) -> dict[str, str]:
    """Return the labels of an official receipt by key."""
    to = translator(language)
    return {key: to.pgettext("official receipt", message) for key, message in _RECEIPT.items()}


def information_return_labels(language: str) -> dict[str, str]:
    """Return the labels of an information return and of its copy for the donor by key, those of the receipt among them.

    Some have values to fill in, such as `%(day)s`.
    """
    to = translator(language)
    return receipt_labels(language) | {key: to.pgettext("information return", message) for key, message in _INFORMATION_RETURN.items()}


def signature_name(languages: Iterable[str], charity: str) -> str:
    """Return the name of the electronic signature in these languages, for tooltips and screen readers."""
    names = [translator(language).pgettext("official receipt", _SIGNATURE_NAME) % {"charity": charity} for language in languages]
    return " / ".join(names)
