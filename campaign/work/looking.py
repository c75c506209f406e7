"""Looking at Stripe how refunds, disputes and payouts stand, before the events that tell of them are handled: with nothing locked, several at a time."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from campaign.edges.outside import Outside
from campaign.edges.stripe_api import GoneBack
from campaign.edges.stripe_wire import StripeAway, StripeRefused
from campaign.giving.happened import About, Question
from campaign.giving.happenings import Seen
from campaign.giving.money_back import Told
from campaign.giving.monthly import InvoiceTold, SubscriptionTold
from campaign.giving.payouts import PayoutTold

AT_A_TIME = 8


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What Stripe answered to each question, or why it did not."""

    seen: Mapping[int, Sequence[Seen]]
    unanswered: Mapping[int, StripeAway | StripeRefused]


def look(questions: Mapping[int, Question], there: Outside, *, number: int) -> Looked:
    """Ask each question once, whoever asks it; the number is that of this look (looks.next_look), taken before."""
    if not questions:
        return Looked(seen={}, unanswered={})
    different = list(dict.fromkeys(questions.values()))
    with ThreadPoolExecutor(min(AT_A_TIME, len(different)), thread_name_prefix="look") as pool:
        answers = dict(zip(different, pool.map(lambda question: _ask(question, there, number), different), strict=True))
    seen: dict[int, Sequence[Seen]] = {}
    unanswered: dict[int, StripeAway | StripeRefused] = {}
    for row, question in questions.items():
        answer = answers[question]
        if isinstance(answer, list):
            seen[row] = answer
        else:
            unanswered[row] = answer
    return Looked(seen=seen, unanswered=unanswered)


def _ask(question: Question, there: Outside, number: int) -> list[Seen] | StripeAway | StripeRefused:
    try:
        match question.about:
            case About.PAYOUT:
                return [PayoutTold(now=there.stripe_books.payout(question.name), look=number)]
            case About.INVOICE:
                return _month(question.name, there, number)
            case About.SUBSCRIPTION:
                return [SubscriptionTold(now=there.stripe_monthly.subscription(question.name), look=number)]
            case About.REFUND:
                gone = [there.stripe.refund(question.name)]
            case About.REFUNDS_OF:
                gone = there.stripe.refunds_of(question.name)
            case About.DISPUTE:
                gone = [there.stripe.dispute(question.name)]
    except (StripeAway, StripeRefused) as error:
        return error
    return _told(gone, number)


def _month(invoice_id: str, there: Outside, number: int) -> list[Seen]:
    """The invoice, and what is given each month as it stands after it."""
    invoice = there.stripe_monthly.invoice(invoice_id)
    seen: list[Seen] = [InvoiceTold(now=invoice, look=number)]
    if invoice.subscription:
        seen.append(SubscriptionTold(now=there.stripe_monthly.subscription(invoice.subscription), look=number))
    return seen


def _told(gone: Sequence[GoneBack], number: int) -> list[Seen]:
    return [told for one in gone if (told := Told.of(one, look=number))]
