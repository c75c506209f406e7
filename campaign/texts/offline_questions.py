"""The questions that are asked before a gift is recorded that was paid without Stripe."""

from campaign.rules.offline_gifts import OfflineQuestion
from campaign.texts.catalogue import gettext_noop, translator

_QUESTIONS = {
    OfflineQuestion.EARLIER_YEAR: gettext_noop("%(day)s is in an earlier year. The receipt is for the taxes of that year. Is it right?"),
    OfflineQuestion.OLD_DAY: gettext_noop("%(day)s is more than three months ago. The receipt is dated that day. Is it right?"),
    OfflineQuestion.FILED_YEAR: gettext_noop(
        "A return was filed for a fiscal year whose figures this changes, so that it may have to be amended. Is it right?"
    ),
    OfflineQuestion.SAME_REFERENCE: gettext_noop(
        "A gift with this number, and the same amount or day, is recorded already. Is it another one?"
    ),
    OfflineQuestion.SAME_DONOR: gettext_noop("A gift of the same amount on %(day)s by this donor is recorded already. Is it another one?"),
}


def describe_question(question: OfflineQuestion, day: str, language: str) -> str:
    """Return the question. `day` is formatted for display."""
    return translator(language).gettext(_QUESTIONS[question], day=day)
