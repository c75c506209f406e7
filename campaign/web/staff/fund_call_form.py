"""The form of a call for funds as a member typed it, and what is wrong with it."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from flask_babel import gettext

from campaign.matching.pledge_requests import MAX_CENTS
from campaign.rules.money import format_money, format_typed
from campaign.web.languages import current_language
from campaign.web.staff.payment_form import today
from campaign.web.staff.typed_fields import TypedAmount, TypedDay, read_amount, read_day

DAYS_TO_PAY = 30
LONGEST_TERM = timedelta(days=366)


@dataclass(frozen=True, kw_only=True)
class CallForm:
    """The amount, and the day by which it is to be paid. `version` is that of the fund's calls as the member saw them."""

    amount: TypedAmount = field(default_factory=TypedAmount)
    due_on: TypedDay = field(default_factory=TypedDay)
    version: str = ""

    @property
    def is_valid(self) -> bool:
        """Whether both fields are."""
        return not (self.amount.error or self.due_on.error)


def new_form(callable_cents: int, version: str) -> CallForm:
    """All that may be called, to be paid within thirty days."""
    due_on = today() + timedelta(days=DAYS_TO_PAY)
    return CallForm(
        amount=TypedAmount(text=format_typed(max(callable_cents, 0), current_language())),
        due_on=TypedDay(text=due_on.isoformat()),
        version=version,
    )


def read_form(callable_cents: int, version: str) -> CallForm:
    """The posted form."""
    amount, due_on = read_amount(most_cents=MAX_CENTS), read_day("due_on", example=today() + timedelta(days=DAYS_TO_PAY))
    if amount.cents > callable_cents:
        most = format_money(max(callable_cents, 0), current_language())
        amount = replace(amount, error=gettext("At most %(most)s can be called now: that much is earned and not called.", most=most))
    if not due_on.error and not today() <= due_on.day <= today() + LONGEST_TERM:
        due_on = replace(due_on, error=gettext("Please choose a day from today to a year from now."))
    return CallForm(amount=amount, due_on=due_on, version=version)
