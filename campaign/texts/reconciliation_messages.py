"""Differences between our books and Stripe's, each in one sentence."""

from collections.abc import Mapping
from enum import StrEnum

from campaign.rules.money import format_money
from campaign.texts.catalogue import gettext_noop, pgettext_noop, translator


class DifferenceKind(StrEnum):
    """What differs."""

    CHECKOUT_ENDED = "checkout ended"
    INSTALMENT_MISSING = "instalment missing"
    SUBSCRIPTION_DIFFERS = "subscription differs"
    PAYMENT_MISSING = "payment missing"
    PAYMENT_DIFFERS = "payment differs"
    MOMENTS_DIFFER = "moments differ"
    PAYMENT_NOT_AT_STRIPE = "payment not at Stripe"
    REVERSAL_MISSING = "reversal missing"
    REVERSAL_DIFFERS = "reversal differs"
    REVERSAL_DATED_DIFFERENTLY = "reversal dated differently"
    REVERSAL_NOT_AT_STRIPE = "reversal not at Stripe"
    TRANSACTION_MISSING = "transaction missing"
    TRANSACTION_DIFFERS = "transaction differs"
    TRANSACTION_NOT_AT_STRIPE = "transaction not at Stripe"
    PAYOUT_MISSING = "payout missing"
    PAYOUT_DIFFERS = "payout differs"
    PAYOUT_NOT_AT_STRIPE = "payout not at Stripe"
    BALANCE_DIFFERS = "balance differs"
    NOT_LISTED = "not listed"


_MESSAGES = {
    DifferenceKind.CHECKOUT_ENDED: gettext_noop("The payment page %(object)s is open in our books and not at Stripe (%(status)s)."),
    DifferenceKind.SUBSCRIPTION_DIFFERS: gettext_noop(
        "The monthly gift %(object)s is %(status)s at Stripe and %(our_status)s in our books, or ends on another day."
    ),
    DifferenceKind.INSTALMENT_MISSING: gettext_noop(
        "Stripe has a month of a monthly gift, %(object)s, paid with %(theirs)s, that our books do not have."
    ),
    DifferenceKind.PAYMENT_MISSING: gettext_noop("Stripe has a payment of %(theirs)s, %(object)s, that our books do not have."),
    DifferenceKind.PAYMENT_DIFFERS: gettext_noop("The payment %(object)s is for %(theirs)s at Stripe and for %(ours)s in our books."),
    DifferenceKind.MOMENTS_DIFFER: gettext_noop(
        "The payment %(object)s was made on %(theirs)s and received on %(their_receipt)s by Stripe, "
        "and on %(ours)s and %(our_receipt)s by our books."
    ),
    DifferenceKind.PAYMENT_NOT_AT_STRIPE: gettext_noop(
        "Our books have a payment of %(ours)s, %(object)s, that Stripe does not have as paid (%(status)s)."
    ),
    DifferenceKind.REVERSAL_MISSING: gettext_noop(
        "Stripe has %(reversal)s %(object)s of %(theirs)s (%(status)s) that our books do not have."
    ),
    DifferenceKind.REVERSAL_DIFFERS: gettext_noop(
        "At Stripe, %(reversal)s %(object)s is for %(theirs)s, %(status)s; in our books it is for %(ours)s, %(our_status)s."
    ),
    DifferenceKind.REVERSAL_DATED_DIFFERENTLY: gettext_noop(
        "The money of %(reversal)s %(object)s was returned on %(theirs)s by Stripe, and on %(ours)s by our books."
    ),
    DifferenceKind.REVERSAL_NOT_AT_STRIPE: gettext_noop("Our books have %(reversal)s %(object)s of %(ours)s that Stripe does not have."),
    DifferenceKind.TRANSACTION_MISSING: gettext_noop(
        "Stripe’s balance changed by %(theirs)s (%(type)s, fee %(fee)s) with %(object)s, which our books do not have."
    ),
    DifferenceKind.TRANSACTION_DIFFERS: gettext_noop(
        "The balance transaction %(object)s is for %(theirs)s with a fee of %(fee)s at Stripe, "
        "and for %(ours)s with %(our_fee)s in our books."
    ),
    DifferenceKind.TRANSACTION_NOT_AT_STRIPE: gettext_noop(
        "Our books have a balance transaction of %(ours)s, %(object)s, that Stripe does not have."
    ),
    DifferenceKind.PAYOUT_MISSING: gettext_noop("Stripe has a payout of %(theirs)s, %(object)s (%(status)s), that our books do not have."),
    DifferenceKind.PAYOUT_DIFFERS: gettext_noop(
        "The payout %(object)s is for %(theirs)s, %(status)s, at Stripe, and for %(ours)s, %(our_status)s, in our books."
    ),
    DifferenceKind.PAYOUT_NOT_AT_STRIPE: gettext_noop("Our books have a payout of %(ours)s, %(object)s, that Stripe does not have."),
    DifferenceKind.BALANCE_DIFFERS: gettext_noop(
        "Stripe’s balance is %(theirs)s %(object)s; the transactions in our books add up to %(ours)s."
    ),
    DifferenceKind.NOT_LISTED: gettext_noop("Stripe did not list its %(object)s, so they were not compared: %(status)s"),
}
_FIND_PAYMENT = gettext_noop("Search for it on Stripe’s dashboard, and for the donor here: one of the two may have been changed by hand.")
_WAIT = gettext_noop("It may have come after the comparison. If it is still here tomorrow, tell whoever runs the service.")
_TELL = gettext_noop("Tell whoever runs the service before you close the month.")
_ACTS = {
    DifferenceKind.PAYMENT_DIFFERS: _FIND_PAYMENT,
    DifferenceKind.PAYMENT_NOT_AT_STRIPE: _FIND_PAYMENT,
    DifferenceKind.REVERSAL_DIFFERS: _FIND_PAYMENT,
    DifferenceKind.REVERSAL_NOT_AT_STRIPE: _FIND_PAYMENT,
    DifferenceKind.TRANSACTION_MISSING: _WAIT,
    DifferenceKind.PAYOUT_MISSING: _WAIT,
    DifferenceKind.PAYOUT_DIFFERS: _WAIT,
    DifferenceKind.BALANCE_DIFFERS: _WAIT,
    DifferenceKind.NOT_LISTED: gettext_noop("The next comparison, tomorrow, tries again. If it stays, Stripe’s key may lack a permission."),
}
# What a comparison counts, by the name it is stored under.
_COMPARED = {
    "checkouts": gettext_noop("payment pages: %(count)s"),
    "payments": gettext_noop("payments: %(count)s"),
    "payments that are not ours": gettext_noop("other payments on the account: %(count)s"),
    "instalments": gettext_noop("months of monthly gifts: %(count)s"),
    "subscriptions": gettext_noop("monthly gifts: %(count)s"),
    "refunds": gettext_noop("refunds: %(count)s"),
    "disputes": gettext_noop("disputes: %(count)s"),
    "balance transactions": gettext_noop("lines of Stripe’s balance: %(count)s"),
    "payouts": gettext_noop("payouts: %(count)s"),
    "balances": gettext_noop("balances: %(count)s"),
}
_REVERSALS = {"refund": gettext_noop("the refund"), "dispute": gettext_noop("the dispute")}
_STATUS_CONTEXT = "status at Stripe"
_STATUSES = {
    pgettext_noop("status at Stripe", "unknown"),
    pgettext_noop("status at Stripe", "expired"),
    pgettext_noop("status at Stripe", "active"),
    pgettext_noop("status at Stripe", "past_due"),
    pgettext_noop("status at Stripe", "unpaid"),
    pgettext_noop("status at Stripe", "appeal_needs_response"),
    pgettext_noop("status at Stripe", "appeal_under_review"),
    pgettext_noop("status at Stripe", "prevented"),
    pgettext_noop("status at Stripe", "pending"),
    pgettext_noop("status at Stripe", "requires_action"),
    pgettext_noop("status at Stripe", "requires_payment_method"),
    pgettext_noop("status at Stripe", "processing"),
    pgettext_noop("status at Stripe", "succeeded"),
    pgettext_noop("status at Stripe", "failed"),
    pgettext_noop("status at Stripe", "canceled"),
    pgettext_noop("status at Stripe", "needs_response"),
    pgettext_noop("status at Stripe", "under_review"),
    pgettext_noop("status at Stripe", "won"),
    pgettext_noop("status at Stripe", "lost"),
    pgettext_noop("status at Stripe", "in_transit"),
    pgettext_noop("status at Stripe", "paid"),
}


def describe_difference(kind: DifferenceKind, object_id: str, detail: Mapping[str, object], language: str) -> str:
    """Return the sentence. In `detail`, whole numbers under `theirs`, `ours`, `fee` and `our_fee` are cents."""
    to = translator(language)
    values = {"object": object_id}
    for name in ("theirs", "ours", "their_receipt", "our_receipt", "fee", "our_fee", "status", "our_status", "type"):
        value = detail.get(name, "")
        values[name] = format_money(value, language) if isinstance(value, int) else str(value)
    for name in ("status", "our_status"):
        if values[name] in _STATUSES:
            values[name] = to.pgettext(_STATUS_CONTEXT, values[name])
    reversal = str(detail.get("what", ""))
    values["reversal"] = to.gettext(_REVERSALS[reversal]) if reversal in _REVERSALS else reversal
    sentence = to.gettext(_MESSAGES[kind], **values)
    return sentence[:1].upper() + sentence[1:]


def describe_act(kind: DifferenceKind, language: str) -> str:
    """What staff do about an open difference."""
    return translator(language).gettext(_ACTS.get(kind, _TELL))


def describe_compared(compared: Mapping[str, object], language: str) -> str:
    """What a comparison compared, with how many of each."""
    to = translator(language)
    return ", ".join(to.gettext(words, count=compared[name]) for name, words in _COMPARED.items() if compared.get(name))
