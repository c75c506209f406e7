"""Commands for the payments of funders: record one, list them, and correct, return or reverse one, which takes two members of staff.

Whoever may run commands may name any member. The audit trail, and the mail to both and to all managers, let them find what they did not do.
"""

from collections.abc import Callable
from datetime import date
from typing import TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext

from campaign.cli import printed_text
from campaign.cli.funds import BY, FUND, REASON, CommandRefused, get_fund, parse_cents
from campaign.cli.pledges import BY_MEMBER, refused_by_name
from campaign.funders import payment_actions, payment_receipts, payment_requests, payments
from campaign.funders.payment_actions import PaymentDoubtful
from campaign.funders.payment_descriptions import describe_request
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment
from campaign.matching.funds import Fund
from campaign.receipts.receipts import ReceiptIncomplete
from campaign.rules import local_time, money
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion, ReturnDetails
from campaign.texts.action_errors import ActionRefused
from campaign.texts.payment_questions import describe_question
from campaign.texts.receipt_elements import describe_missing

PAYMENT = click.argument("reference")
T = TypeVar("T")
YES = click.option("--yes", is_flag=True, help="Answer with yes what would be asked about an unusual day or amount.")


@click.command("received")
@FUND
@click.argument("cents", metavar="AMOUNT", callback=parse_cents)
@click.option("--on", required=True, help="Day on which it was received, as 2026-12-01.")
@click.option(
    "--reference", required=True, callback=printed_text.line, help="Reference of the bank transfer or cheque. A payment is recorded once."
)
@YES
@BY
@with_appcontext
def received(name: str, cents: int, on: str, reference: str, actor: str, *, yes: bool) -> None:
    """Record a payment from the funder and issue its receipt, unless the funder is a registered charity."""
    fund, livemode = get_fund(name), not current_app.config["IS_SANDBOX"]
    details = _details(cents, on, reference)
    recorded = _ask_and_act(
        lambda answered: payment_actions.record(fund, details, livemode=livemode, actor=actor, answered=answered),
        details.received_on,
        actor,
        yes=yes,
    )
    received, pledged = (money.format_money(sum_, "en") for sum_ in (payments.received_cents(fund), fund.pledged_cents))
    click.echo(f"{fund.slug}: {received} received of {pledged}.")
    if recorded.missing:
        click.echo(f"Its receipt waits for {describe_missing(recorded.missing, 'en')}; see `campaign fund funder {fund.slug} --help`.")


def _details(cents: int, on: str, reference: str) -> PaymentDetails:
    return PaymentDetails(cents=_positive(cents), received_on=local_time.parse_day(on), reference=reference)


def _positive(cents: int) -> int:
    if cents <= 0:
        raise CommandRefused("The amount must be more than zero.")
    return cents


def _ask_and_act(act: Callable[[list[PaymentQuestion]], T], day: date, actor: str, *, yes: bool) -> T:
    """Act, once what is asked about the payment is answered with yes. Raises CommandRefused."""
    answered = list(PaymentQuestion) if yes else []
    while True:
        try:
            return act(answered)
        except PaymentDoubtful as error:
            answered += [question for question in error.questions if _is_answered(question, day)]
        except ActionRefused as error:
            raise refused_by_name(error, actor) from None


def _is_answered(question: PaymentQuestion, day: date) -> bool:
    """Ask. Raises CommandRefused when the answer is not yes, or nobody can answer."""
    sentence = describe_question(question, day.isoformat(), "en")
    try:
        is_right = click.confirm(sentence)
    except click.Abort:
        raise CommandRefused(f"{sentence} If so, add --yes. Nothing was recorded.") from None
    if not is_right:
        raise CommandRefused("Nothing was recorded.")
    return True


@click.command("payments")
@FUND
@with_appcontext
def list_payments(name: str) -> None:
    """List the payments received for a fund, with their receipts and open requests."""
    fund = get_fund(name)
    for payment in payments.payments_of(fund):
        receipt = payment_receipts.last_receipt_of(payment)
        amount, about = money.format_money(payment.cents, "en"), f"receipt {receipt.serial}" if receipt else "no receipt"
        state = " (reversed)" if payments.reversal_of(payment) else ""
        click.echo(f"{payment.received_on} {amount} {payment.reference}{state}: {about}, recorded by {payment.recorded_by}")
        if request := payment_requests.open_for(payment):
            click.echo(f"  {request.requested_by} asks: {_change(request, payment)} {request.reason}")
        for decided in payment_requests.list_agreed(payment):
            click.echo(f"  {decided.requested_by} asked and {decided.decided_by} agreed: {_change(decided, payment)} {decided.reason}")
    click.echo(f"{money.format_money(payments.received_cents(fund), 'en')} received of {money.format_money(fund.pledged_cents, 'en')}.")


def _change(request: FunderPaymentRequest, payment: FunderPayment) -> str:
    return describe_request(request, payment, "en")


@click.command("correct-payment")
@FUND
@PAYMENT
@click.option("--amount", "cents", callback=parse_cents, help="The right amount; default: as recorded.")
@click.option("--on", help="The right day, as 2026-12-01; default: as recorded.")
@click.option("--right-reference", callback=printed_text.line, help="The right reference; default: as recorded.")
@YES
@BY_MEMBER
@REASON
@with_appcontext
def correct_payment(name: str, reference: str, actor: str, reason: str, *, yes: bool, **right: str | int | None) -> None:
    """Ask that a payment that was recorded wrongly be corrected. It is when a second manager or administrator agrees."""
    fund = get_fund(name)
    payment = _payment(fund, reference)
    cents, day = right["cents"], right["on"] or payment.received_on.isoformat()
    details = _details(payment.cents if cents is None else int(cents), str(day), str(right["right_reference"] or reference))
    _ask_and_act(
        lambda answered: payment_actions.request_correction(payment, details, actor=actor, reason=reason, answered=answered),
        details.received_on,
        actor,
        yes=yes,
    )
    _show_request(fund, payment)


@click.command("reverse-payment")
@FUND
@PAYMENT
@click.option("--never-came", is_flag=True, required=True, help="The money never came, or is recorded twice.")
@YES
@BY_MEMBER
@REASON
@with_appcontext
def reverse_payment(name: str, reference: str, actor: str, reason: str, *, never_came: bool, yes: bool) -> None:
    """Ask that a payment be reversed: it never came, or is recorded twice. For money that went back there is `fund return-payment`."""
    fund = get_fund(name)
    payment = _payment(fund, reference)
    _ask_and_act(
        lambda answered: payment_actions.request_reversal(payment, actor=actor, reason=reason, answered=answered),
        payment.received_on,
        actor,
        yes=yes,
    )
    _show_request(fund, payment)


@click.command("return-payment")
@FUND
@PAYMENT
@click.option("--amount", "cents", callback=parse_cents, help="What went back to the funder; default: all that is left.")
@click.option("--on", required=True, help="Day on which it went back, as 2026-12-01.")
@click.option(
    "--return-reference", required=True, callback=printed_text.line, help="Reference of the transfer or cheque by which it went back."
)
@YES
@BY_MEMBER
@REASON
@with_appcontext
def return_payment(
    name: str, reference: str, cents: int | None, on: str, return_reference: str, actor: str, reason: str, *, yes: bool
) -> None:
    """Ask to record that the money of a payment, or a part of it, went back to the funder."""
    fund = get_fund(name)
    payment = _payment(fund, reference)
    amount, day = payments.retained_cents(payment) if cents is None else cents, local_time.parse_day(on)
    details = ReturnDetails(cents=_positive(amount), returned_on=day, reference=return_reference)
    _ask_and_act(
        lambda answered: payment_actions.request_return(payment, details, actor=actor, reason=reason, answered=answered),
        day,
        actor,
        yes=yes,
    )
    _show_request(fund, payment)


@click.command("undo-return")
@FUND
@PAYMENT
@click.argument("return_reference")
@YES
@BY_MEMBER
@REASON
@with_appcontext
def undo_return(name: str, reference: str, return_reference: str, actor: str, reason: str, *, yes: bool) -> None:
    """Ask to undo a return that was recorded wrongly: the money did not go back."""
    fund = get_fund(name)
    payment = _payment(fund, reference)
    named = [one for one in payments.returns_of(payment) if one.reference == return_reference.strip()]
    returned = next((one for one in named if payments.undo_of(one) is None), None)
    if returned is None:
        raise CommandRefused(f"No return {return_reference} of {reference} is recorded; `campaign fund payments {fund.slug}` lists them.")
    _ask_and_act(
        lambda answered: payment_actions.request_undo(returned, actor=actor, reason=reason, answered=answered),
        returned.returned_on,
        actor,
        yes=yes,
    )
    _show_request(fund, payment)


def _payment(fund: Fund, reference: str) -> FunderPayment:
    payment = payments.find_payment(fund, reference.strip())
    if payment is None:
        raise CommandRefused(f"{fund.slug} has no payment {reference}; `campaign fund payments {fund.slug}` lists them.")
    return payment


def _show_request(fund: Fund, payment: FunderPayment) -> None:
    request = payment_requests.open_for(payment)
    assert request is not None
    click.echo(f"{request.requested_by} asks: {_change(request, payment)} Nothing is changed yet.")
    click.echo("Another manager or administrator agrees on the page of the fund's payments for staff, or with:")
    click.echo(f"  campaign fund agree-payment {fund.slug} {payment.reference!r} --by ADDRESS")


@click.command("agree-payment")
@FUND
@PAYMENT
@BY_MEMBER
@with_appcontext
def agree_payment(name: str, reference: str, actor: str) -> None:
    """Agree that a payment is changed as another member asked."""
    fund = get_fund(name)
    _decide(fund, reference, agrees=True, actor=actor)
    received, pledged = (money.format_money(sum_, "en") for sum_ in (payments.received_cents(fund), fund.pledged_cents))
    click.echo(f"{fund.slug}: {received} received of {pledged}.")


@click.command("refuse-payment")
@FUND
@PAYMENT
@BY_MEMBER
@with_appcontext
def refuse_payment(name: str, reference: str, actor: str) -> None:
    """Refuse to change a payment. Whoever asked for it may take it back with this."""
    _decide(get_fund(name), reference, agrees=False, actor=actor)
    click.echo(f"The payment {reference} stays as it is.")


def _decide(fund: Fund, reference: str, *, agrees: bool, actor: str) -> None:
    request = payment_requests.open_for(_payment(fund, reference))
    if request is None:
        raise CommandRefused(f"Nobody asks to change the payment {reference} of {fund.slug}.")
    try:
        payment_actions.decide(request, agrees=agrees, actor=actor)
    except ActionRefused as error:
        raise refused_by_name(error, actor) from None
    except ReceiptIncomplete as error:
        missing = describe_missing(error.missing, "en")
        raise CommandRefused(f"The new receipt would lack {missing}; see `campaign fund funder {fund.slug} --help`.") from None


COMMANDS = (received, list_payments, correct_payment, return_payment, undo_return, reverse_payment, agree_payment, refuse_payment)
