"""What a request changes of a funder's payment, in one sentence."""

from campaign.rules.funder_payments import PaymentDetails
from campaign.rules.money import format_money
from campaign.texts.catalogue import gettext_noop, translator

_CORRECTION = gettext_noop(
    "Correct the payment %(reference)s of %(day)s, %(amount)s: right is %(right_reference)s of %(right_day)s, %(right_amount)s."
)
_MISTAKE = gettext_noop("Reverse the payment %(reference)s of %(day)s, %(amount)s: it never came, or was written down twice.")
_RETURN = gettext_noop("Reverse the payment %(reference)s of %(day)s, %(amount)s: it came, and was returned to the funder.")


def describe_change(recorded: PaymentDetails, right: PaymentDetails | None, *, was_returned: bool, language: str) -> str:
    """Return the sentence. `right` takes the place of what is recorded; None reverses it, because it `was_returned` or never came."""
    to = translator(language)
    values = _values(recorded, language)
    if right is None:
        return to.gettext(_RETURN if was_returned else _MISTAKE, **values)
    return to.gettext(_CORRECTION, **values, **{f"right_{name}": value for name, value in _values(right, language).items()})


def _values(details: PaymentDetails, language: str) -> dict[str, str]:
    amount = format_money(details.cents, language)
    return {"reference": details.reference, "day": details.received_on.isoformat(), "amount": amount}
