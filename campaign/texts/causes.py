"""Who or what told the books of an event, in words: causes of ledger entries are made for programs."""

from campaign.texts.catalogue import gettext_noop, translator

_REPORTED = gettext_noop("Stripe reported it")
_READ = gettext_noop("read at Stripe")
# By how a cause begins. Of the others, the sentence about the event says all there is.
_CAUSES = {
    "evt_": _REPORTED,
    "polled_": _READ,
    "polled:": _READ,
    "refund_": gettext_noop("a refund that staff asked for"),
    "accepted:": gettext_noop("staff accepted the payment"),
    "change:": gettext_noop("staff changed the fund"),
    "never opened": gettext_noop("its payment page was never opened"),
}


def describe_cause(cause: str, language: str) -> str:
    """The cause of an entry in words; empty when the sentence about the event says it all."""
    message = next((words for start, words in _CAUSES.items() if cause.startswith(start)), "")
    return translator(language).gettext(message) if message else ""
