"""What is open before a campaign can be sealed, in one sentence each, for staff."""

from campaign.rules.money import format_money
from campaign.texts.catalogue import gettext_noop, translator

# By the name of the blocker (reporting/seal_blockers.py): of one, and of several or of a sum.
_SENTENCES: dict[str, tuple[str, str]] = {
    "open campaign": (gettext_noop("The campaign is open to gifts."),) * 2,
    "active funds": (gettext_noop("The fund “%(fund)s” has not ended."),) * 2,
    "gifts under way": (gettext_noop("%(count)s gift is under way."), gettext_noop("%(count)s gifts are under way.")),
    "monthly gifts": (gettext_noop("%(count)s monthly gift goes on."), gettext_noop("%(count)s monthly gifts go on.")),
    "quarantined": (
        gettext_noop("%(count)s payment in quarantine waits for a decision."),
        gettext_noop("%(count)s payments in quarantine wait for a decision."),
    ),
    "refunds": (gettext_noop("%(count)s refund is in progress."), gettext_noop("%(count)s refunds are in progress.")),
    "disputes": (
        gettext_noop("%(count)s refund or dispute is not decided."),
        gettext_noop("%(count)s refunds or disputes are not decided."),
    ),
    "rematching": (gettext_noop("Matching that came free is going to earlier gifts at this moment."),) * 2,
    "imports": (
        gettext_noop("%(count)s row of a file of gifts is not recorded or left out."),
        gettext_noop("%(count)s rows of files of gifts are not recorded or left out."),
    ),
    "undeposited": (
        gettext_noop("%(count)s cheque or gift in cash is not deposited."),
        gettext_noop("%(count)s cheques or gifts in cash are not deposited."),
    ),
    "alerts": (gettext_noop("%(count)s alert from Stripe is not closed."), gettext_noop("%(count)s alerts from Stripe are not closed.")),
    "events": (
        gettext_noop("%(count)s event from Stripe is not processed."),
        gettext_noop("%(count)s events from Stripe are not processed."),
    ),
    "fees": (gettext_noop("%(count)s fee of Stripe is not in the books."), gettext_noop("%(count)s fees of Stripe are not in the books.")),
    "at stripe": (gettext_noop("%(amount)s lies at Stripe and is not paid out."),) * 2,
    "mail": (
        gettext_noop("%(count)s receipt or other message to a donor or funder is not sent."),
        gettext_noop("%(count)s receipts or other messages to donors and funders are not sent."),
    ),
    "voids": (
        gettext_noop("%(count)s request to void a receipt waits for a second person."),
        gettext_noop("%(count)s requests to void receipts wait for a second person."),
    ),
    "two people": (
        gettext_noop("%(count)s request about a pledge or a payment of a funder waits for a second person."),
        gettext_noop("%(count)s requests about pledges or payments of funders wait for a second person."),
    ),
    "funder account": (
        gettext_noop("The final account of the fund “%(fund)s” is not settled: %(amount)s is to be called, paid, credited or returned."),
    )
    * 2,
    "not reconciled": (
        gettext_noop(
            "The books were not compared with Stripe’s from the first gift on since the last entry: let whoever runs the service run "
            "“campaign reconcile --since %(since)s”."
        ),
    )
    * 2,
    "differences": (
        gettext_noop("%(count)s difference between the books and Stripe’s is open."),
        gettext_noop("%(count)s differences between the books and Stripe’s are open."),
    ),
    "not checked": (gettext_noop("The books were not checked since the last entry. They are every ten minutes: come back then."),) * 2,
    "findings": (
        gettext_noop("The last check of the books found %(count)s error."),
        gettext_noop("The last check of the books found %(count)s errors."),
    ),
}


def describe_blocker(kind: str, language: str, *, count: int = 0, cents: int = 0, fund: str = "", since: str = "") -> str:
    """Return the sentence. `count` says how many there are, `cents` how much; `fund` is the name of the fund, `since` the day of the first gift."""
    one, several = _SENTENCES[kind]
    text = one if count == 1 else several
    return translator(language).gettext(text, count=count, amount=format_money(cents, language), fund=fund, since=since)
