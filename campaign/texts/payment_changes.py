"""What a request changes of what is recorded of a funder's payment, in one sentence."""

from datetime import date

from campaign.rules.funder_payments import PaymentDetails, ReturnDetails
from campaign.rules.money import format_money
from campaign.texts.catalogue import gettext_noop, translator

_CORRECTION = gettext_noop(
    "Correct the payment %(reference)s of %(day)s, %(amount)s: right is %(right_reference)s of %(right_day)s, %(right_amount)s."
)
_MISTAKE = gettext_noop("Reverse the payment %(reference)s of %(day)s, %(amount)s: it never came, or was written down twice.")
_RETURN = gettext_noop(
    "Reverse the payment %(reference)s of %(day)s, %(amount)s: it came, and was returned to the funder on %(returned_on)s."
)
_PART = gettext_noop(
    "Of the payment %(reference)s of %(day)s, %(amount)s: %(part)s went back to the funder on %(returned_on)s (%(return_reference)s)."
)
_UNDO = gettext_noop(
    "Of the payment %(reference)s of %(day)s, %(amount)s: %(part)s did not go back to the funder on %(returned_on)s (%(return_reference)s), that was recorded wrongly."
)
_RECEIPT = gettext_noop(
    "Issue a new receipt for the payment %(reference)s of %(day)s, %(amount)s: the funder’s name or address has changed since the receipt."
)
_VOIDED = gettext_noop("Its receipt was voided, so it gets no other one, even if it is corrected.")
_NEW_NAME = gettext_noop("Receipt %(serial)s is for “%(old_name)s”, the new one is for “%(new_name)s”.")


def describe_change(recorded: PaymentDetails, right: PaymentDetails | None, *, returned_on: date | None, language: str) -> str:
    """Return the sentence. `right` takes the place of what is recorded; None reverses it, because it was returned on that day or never came."""
    to = translator(language)
    values = _values(recorded, language)
    if right is None:
        return to.gettext(_RETURN, returned_on=returned_on.isoformat(), **values) if returned_on else to.gettext(_MISTAKE, **values)
    if right == recorded:
        return to.gettext(_RECEIPT, **values)
    return to.gettext(_CORRECTION, **values, **{f"right_{name}": value for name, value in _values(right, language).items()})


def describe_return(recorded: PaymentDetails, returned: ReturnDetails, *, is_undone: bool, language: str) -> str:
    """Return the sentence that money of the payment went back, or that it did not although it is recorded."""
    about = {"returned_on": returned.returned_on.isoformat(), "return_reference": returned.reference}
    part = format_money(returned.cents, language)
    return translator(language).gettext(_UNDO if is_undone else _PART, part=part, **about, **_values(recorded, language))


def describe_new_name(serial: str, *, old: str, new: str, language: str) -> str:
    """Return the sentence that a correction's receipt is for another name than the one that it replaces."""
    return translator(language).gettext(_NEW_NAME, serial=serial, old_name=old, new_name=new)


def describe_voided(language: str) -> str:
    """Return the sentence that a payment whose receipt was voided gets none."""
    return translator(language).gettext(_VOIDED)


def _values(details: PaymentDetails, language: str) -> dict[str, str]:
    amount = format_money(details.cents, language)
    return {"reference": details.reference, "day": details.received_on.isoformat(), "amount": amount}
