"""The fields of a funder's payment as a member typed them, with the questions about it, for recording and for changing one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from flask import abort, request
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders.payment_actions import PaymentDoubtful
from campaign.funders.payment_requests import PaymentChange
from campaign.matching import funds, pledge_requests
from campaign.matching.funds import Fund
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion, ReturnDetails
from campaign.texts.dates import format_day
from campaign.texts.payment_questions import describe_question
from campaign.web.chosen_campaign import show_campaign
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.staff.typed_fields import TypedAmount, TypedDay, TypedLine, read_amount, read_day, read_line, read_reason_line

LONGEST_REFERENCE = 100


def today() -> date:
    """Today in the charity's time zone."""
    return campaign_or_404().charity.local(datetime.now(UTC)).date()


def find_fund_or_404(slug: str) -> Fund:
    """The fund with this slug, whose campaign the page then shows."""
    fund = funds.fund_by_slug(slug)
    if fund is None:
        abort(404)
    show_campaign(db.session.get_one(Campaign, fund.campaign_id))
    return fund


@dataclass(frozen=True, kw_only=True)
class PaymentForm:
    """What a member typed of a payment or of its return, and the questions about it. `reason` is of a change."""

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

    @property
    def returned(self) -> ReturnDetails:
        """What is written down of a return, if the form is valid."""
        return ReturnDetails(cents=self.amount.cents, returned_on=self.day.day, reference=self.reference.text)


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


def read_change(change: PaymentChange) -> PaymentForm:
    """The posted change of a payment: what is right, what went back, or the reason alone."""
    if change in {PaymentChange.CORRECT, PaymentChange.RETURN}:
        return read_payment(has_reason=True)
    return PaymentForm(reason=read_reason_line())


def answered_questions() -> list[PaymentQuestion]:
    """The questions whose boxes are ticked."""
    return [question for question in PaymentQuestion if question.value in request.form.getlist("answered")]


def with_questions(typed: PaymentForm, doubtful: PaymentDoubtful) -> PaymentForm:
    """The form with what is asked, and what was answered before."""
    asked = [question for question in PaymentQuestion if question in doubtful.questions or question in answered_questions()]
    language = current_language()
    day = format_day(typed.day.day, language)
    return replace(typed, questions={question.value: describe_question(question, day, language) for question in asked})
