"""The fields of a funder's payment as a member typed them, with the questions about it, for recording and for correcting one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from flask import abort, request
from flask_babel import gettext

from campaign.funders.payment_actions import PaymentDoubtful
from campaign.matching import funds, pledge_requests
from campaign.matching.funds import Fund
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion
from campaign.texts.dates import format_day
from campaign.texts.payment_questions import describe_question
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.staff.typed_fields import TypedAmount, TypedDay, TypedLine, read_amount, read_day, read_line, read_reason_line

LONGEST_REFERENCE = 100


def today() -> date:
    """Today in the charity's time zone."""
    return campaign_or_404().charity.local(datetime.now(UTC)).date()


def find_fund_or_404(slug: str) -> Fund:
    """The fund of the campaign with this slug."""
    found = [fund for fund in funds.list_funds(campaign_or_404().id) if fund.slug == slug]
    if not found:
        abort(404)
    return found[0]


@dataclass(frozen=True, kw_only=True)
class PaymentForm:
    """What a member typed of a payment, and the questions about it. `reason` is of a correction."""

    amount: TypedAmount = field(default_factory=TypedAmount)
    day: TypedDay = field(default_factory=TypedDay)
    reference: TypedLine = field(default_factory=TypedLine)
    reason: TypedLine = field(default_factory=TypedLine)
    questions: Mapping[str, str] | None = None

    @property
    def is_valid(self) -> bool:
        """Whether all fields are."""
        return not (self.amount.error or self.day.error or self.reference.error or self.reason.error)

    @property
    def details(self) -> PaymentDetails:
        """What is written down of the payment, if the form is valid."""
        return PaymentDetails(cents=self.amount.cents, received_on=self.day.day, reference=self.reference.text)


def read_payment(*, has_reason: bool) -> PaymentForm:
    """The posted payment."""
    return PaymentForm(
        amount=read_amount(most_cents=pledge_requests.MAX_CENTS),
        day=read_day("day", example=today()),
        reference=read_line(
            "reference", longest=LONGEST_REFERENCE, empty=gettext("Please write the reference of the transfer or cheque, in one line.")
        ),
        reason=read_reason_line() if has_reason else TypedLine(),
    )


def answered_questions() -> list[PaymentQuestion]:
    """The questions whose boxes are ticked."""
    return [question for question in PaymentQuestion if question.value in request.form.getlist("answered")]


def with_questions(typed: PaymentForm, doubtful: PaymentDoubtful) -> PaymentForm:
    """The form with what is asked, and what was answered before."""
    asked = [question for question in PaymentQuestion if question in doubtful.questions or question in answered_questions()]
    language = current_language()
    day = format_day(typed.day.day, language)
    return replace(typed, questions={question.value: describe_question(question, day, language) for question in asked})


@dataclass(frozen=True, kw_only=True)
class ReversalForm:
    """What a member typed of a reversal: whether the money came and was returned (`yes` or `no`), on which day, and why."""

    was_returned: str = ""
    choice_error: str = ""
    day: TypedDay = field(default_factory=TypedDay)
    reason: TypedLine = field(default_factory=TypedLine)

    @property
    def is_valid(self) -> bool:
        """Whether all fields are."""
        return not (self.choice_error or self.day.error or self.reason.error)

    @property
    def returned_on(self) -> date | None:
        """The day on which the money was returned, if the form is valid; None if it never came."""
        return self.day.day if self.was_returned == "yes" else None


def read_reversal() -> ReversalForm:
    """The posted reversal."""
    was_returned = request.form.get("was_returned", "")
    if was_returned not in {"yes", "no"}:
        return ReversalForm(choice_error=gettext("Please choose whether the money came."), reason=read_reason_line())
    day = read_day("returned_on", example=today()) if was_returned == "yes" else TypedDay()
    return ReversalForm(was_returned=was_returned, day=day, reason=read_reason_line())
