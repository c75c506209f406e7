"""The sentences of alerts about objects at Stripe, for staff."""

from collections.abc import Mapping

from campaign.rules.money import format_money
from campaign.texts.catalogue import gettext_noop, translator

_SENTENCES = {
    "not_taken": gettext_noop(
        "The invoice %(object)s of a monthly gift is paid at Stripe with %(invoiced)s, of which Stripe took %(taken)s. The rest was forgiven "
        "or paid in another way, and is no gift in the books."
    ),
    "loss_beyond_charge": gettext_noop(
        "Refunds and disputes took %(taken)s for the payment %(object)s, of which the donor paid %(charged)s. The gift is at zero in the books; "
        "the rest is a loss of the charity."
    ),
    "unknown_status": gettext_noop(
        "Stripe reports a status that this service does not know, “%(status)s”, for %(object)s. The books were not changed: look at Stripe’s "
        "dashboard."
    ),
    "failed_after_success": gettext_noop(
        "Stripe reports that the payment %(object)s has failed, which it had reported as paid. The books were not changed: look at Stripe’s "
        "dashboard, cancel the receipt if the money is gone, and tell the donor."
    ),
    "after_seal": gettext_noop(
        "Money moved at Stripe after the campaign was sealed: %(amount)s (%(object)s). Its books do not change any more: enter it in the "
        "charity’s own accounts. If a gift was given back, void its receipt."
    ),
    "disputed_agreement": gettext_noop(
        "The dispute %(object)s ends a monthly gift. The service cancels it at Stripe, and the donor gets a message once that is done."
    ),
}


def describe_alert(kind: str, object_id: str, detail: Mapping[str, object], language: str) -> str:
    """Return the sentence. Sums in `detail` are cents, under names that end in `_cents`."""
    values = {"object": object_id}
    for name, value in detail.items():
        values[name.removesuffix("_cents")] = format_money(value, language) if isinstance(value, int) else str(value)
    return translator(language).gettext(_SENTENCES[kind], **values)
