"""Looking at Stripe how refunds and disputes stand, before the events that tell of them are handled: with nothing locked, several at a time."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from campaign.edges.stripe_api import GoneBack, StripeApi
from campaign.edges.stripe_wire import StripeAway, StripeRefused
from campaign.giving.happenings import About, Question
from campaign.giving.money_back import Told

AT_A_TIME = 8


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What Stripe answered to each question, or why it did not."""

    seen: Mapping[int, Sequence[Told]]
    unanswered: Mapping[int, StripeAway | StripeRefused]


def look(questions: Mapping[int, Question], stripe: StripeApi, *, number: int) -> Looked:
    """Ask each question once, whoever asks it; the number is that of this look (money_back.next_look), taken before."""
    if not questions:
        return Looked(seen={}, unanswered={})
    different = list(dict.fromkeys(questions.values()))
    with ThreadPoolExecutor(min(AT_A_TIME, len(different)), thread_name_prefix="look") as pool:
        answers = dict(zip(different, pool.map(lambda question: _ask(question, stripe), different), strict=True))
    seen: dict[int, Sequence[Told]] = {}
    unanswered: dict[int, StripeAway | StripeRefused] = {}
    for row, question in questions.items():
        answer = answers[question]
        if isinstance(answer, list):
            seen[row] = [told for one in answer if (told := Told.of(one, look=number))]
        else:
            unanswered[row] = answer
    return Looked(seen=seen, unanswered=unanswered)


def _ask(question: Question, stripe: StripeApi) -> list[GoneBack] | StripeAway | StripeRefused:
    try:
        match question.about:
            case About.REFUND:
                return [stripe.refund(question.name)]
            case About.REFUNDS_OF:
                return stripe.refunds_of(question.name)
            case About.DISPUTE:
                return [stripe.dispute(question.name)]
    except (StripeAway, StripeRefused) as error:
        return error
