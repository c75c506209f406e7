"""The words of a month's close: its figures, and its checks with what is open of each."""

from campaign.texts.catalogue import gettext_noop, pgettext_noop, translator
from campaign.texts.journal_words import MOVES

# Of the figures of a month; the others are moves of the journal.
_FIGURES = {
    "opening": gettext_noop("Balance at Stripe at the beginning"),
    "closing": gettext_noop("Balance at Stripe at the end"),
    "undeposited_opening": gettext_noop("Not deposited at the beginning"),
    "undeposited_closing": gettext_noop("Not deposited at the end"),
    "pledge": gettext_noop("Pledged by funders"),
    "match": gettext_noop("Matched to gifts"),
    "unmatch": gettext_noop("Match of gifts that went back"),
    "call": gettext_noop("Called from funders"),
    "call_reversal": gettext_noop("Calls cancelled or credited"),
    "issued": gettext_noop("Receipts issued"),
    "ended": gettext_noop("Receipts cancelled or replaced"),
    **MOVES,
}
# By the name of a check: what is right, and what is open of it.
_DONE = {
    "stripe_read": gettext_noop("All that moved Stripe’s balance in the month is read."),
    "reconciled": gettext_noop("Our books were compared with Stripe’s after the end of the month."),
    "differences": gettext_noop("No difference from Stripe is open."),
    "books": gettext_noop("The check of the books found nothing."),
    "ties": gettext_noop("The journal ties to the books to the cent."),
    "payouts_tied": gettext_noop("Stripe has said of each payout what it paid out."),
    "payouts_back": gettext_noop("No payout came back."),
    "payouts_by_hand": gettext_noop("No payout was made by hand."),
    "quarantine": gettext_noop("No payment is in quarantine."),
    "disputes": gettext_noop("No dispute waits for an answer."),
    "debits": gettext_noop("No bank debit is under way."),
    "events": gettext_noop("Every event from Stripe was handled."),
    "receipts": gettext_noop("No receipt waits."),
    "payment_requests": gettext_noop("No change of a funder’s payment waits for a second person."),
}
_OPEN = {
    "stripe_read": pgettext_noop("check", "Not all that moved Stripe’s balance in the month is read yet. It is read every minute."),
    "reconciled": pgettext_noop("check", "Our books were not compared with Stripe’s since the end of the month. It happens every day."),
    "differences": pgettext_noop("check", "Differences from Stripe that are open: %(count)s"),
    "books": pgettext_noop("check", "What the check of the books found: %(count)s"),
    "ties": pgettext_noop("check", "The journal does not tie to the books. Tell whoever runs the service before you export it."),
    "payouts_tied": pgettext_noop("check", "Payouts of which Stripe has not said what they paid out: %(count)s"),
    "payouts_back": pgettext_noop("check", "Payouts that came back or were stopped: %(count)s"),
    "payouts_by_hand": pgettext_noop(
        "check", "Payouts made by hand, which the campaigns’ books do not have; enter them yourself: %(count)s"
    ),
    "quarantine": pgettext_noop("check", "Payments in quarantine, which are in no figure: %(count)s"),
    "disputes": pgettext_noop("check", "Disputes that wait for an answer: %(count)s"),
    "debits": pgettext_noop("check", "Bank debits under way, which count when they are received: %(count)s"),
    "events": pgettext_noop("check", "Events from Stripe that could not be handled: %(count)s"),
    "receipts": pgettext_noop("check", "Receipts that wait: %(count)s"),
    "payment_requests": pgettext_noop("check", "Changes of funders’ payments that wait for a second person: %(count)s"),
}


def figure_label(name: str, language: str) -> str:
    """What a figure of a month is."""
    return translator(language).gettext(_FIGURES[name])


def check_sentence(name: str, count: int, language: str) -> str:
    """What a check found."""
    to = translator(language)
    return to.pgettext("check", _OPEN[name]) % {"count": count} if count else to.gettext(_DONE[name])
