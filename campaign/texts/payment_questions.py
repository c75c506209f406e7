"""The questions that are asked before a payment of a funder is recorded."""

from campaign.rules.funder_payments import PaymentQuestion
from campaign.texts.catalogue import gettext_noop, translator

_QUESTIONS = {
    PaymentQuestion.EARLIER_YEAR: gettext_noop("%(day)s is in an earlier year. The receipt is for the taxes of that year. Is it right?"),
    PaymentQuestion.FILED_YEAR: gettext_noop(
        "A return was filed for a fiscal year whose figures this changes, so that it may have to be amended. Is it right?"
    ),
    PaymentQuestion.BEFORE_CAMPAIGN: gettext_noop("%(day)s is before the campaign began. Is it right?"),
    PaymentQuestion.SAME_AMOUNT: gettext_noop("Another payment of the same amount on %(day)s is recorded. Are there really two?"),
}


def describe_question(question: PaymentQuestion, day: str, language: str) -> str:
    """Return the question. `day` is formatted for display."""
    return translator(language).gettext(_QUESTIONS[question], day=day)
