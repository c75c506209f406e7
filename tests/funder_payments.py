"""Payments of funders in tests: a funder with two managers, and what two people record, correct, reverse, return and void."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import funder_actions, payment_actions, payment_receipts, payments
from campaign.funders.funder_actions import ChangedDetails
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment, FunderPaymentReturn
from campaign.matching.funds import Fund
from campaign.receipts import receipt_actions, void_requests
from campaign.receipts.receipts import Receipt
from campaign.receipts.render_jobs import issue_context
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion, ReturnDetails
from campaign.texts.action_errors import ActionError, ActionRefused
from tests.conftest import Post
from tests.factories import create_managers
from tests.mail import attached, text_of

ONE, TWO = "asks@payments.example.org", "agrees@payments.example.org"
ADDRESS = ["1, rue Sherbrooke", "Montréal QC  H2X 1Y4"]


def create_funder(fund: Fund) -> Funder:
    """The fund's funder with all that a receipt needs, no registered charity, and two managers, ONE and TWO."""
    funder = db.session.get_one(Funder, fund.funder_id)
    funder.legal_name, funder.address, funder.is_registered_charity = "Fonds inc.", ADDRESS, False
    funder.email = f"{uuid4().hex}@example.org"  # Of its own: all tests share a mailbox.
    create_managers(ONE, TWO)
    return funder


def today(fund: Fund) -> date:
    return db.session.get_one(Campaign, fund.campaign_id).charity.local(datetime.now(UTC)).date()


def change(funder: Funder, **details: object) -> ChangedDetails:
    return funder_actions.change_details(funder, details, actor=ONE, void_reason="a charity")


def details(fund: Fund, cents: int = 12_500_00, reference: str = "cheque 17", *, days_ago: int = 0) -> PaymentDetails:
    return PaymentDetails(cents=cents, received_on=today(fund) - timedelta(days=days_ago), reference=reference)


def record(fund: Fund, cents: int = 12_500_00, reference: str = "cheque 17") -> FunderPayment:
    return payment_actions.record(fund, details(fund, cents, reference), livemode=False, actor=ONE, answered=list(PaymentQuestion)).payment


def receipted(fund: Fund) -> tuple[FunderPayment, Receipt]:
    payment = record(fund)
    receipt = payment_receipts.issue_receipt(payment, issue_context())
    assert receipt
    db.session.commit()
    return payment, receipt


def corrected(payment: FunderPayment, right: PaymentDetails) -> FunderPayment:
    request = payment_actions.request_correction(payment, right, actor=ONE, reason="a digit", answered=list(PaymentQuestion))
    found = payment_actions.decide(request, agrees=True, actor=TWO)
    assert found
    return found


def reverse(payment: FunderPayment) -> None:
    request = payment_actions.request_reversal(payment, actor=ONE, reason="it bounced")
    assert payment_actions.decide(request, agrees=True, actor=TWO) is None


def send_back(payment: FunderPayment, cents: int = 0, reference: str = "back 1", *, days_after: int = 0) -> FunderPaymentReturn:
    """Two people record that so much of the payment, by default all that is left, went back to the funder."""
    day = payment.received_on + timedelta(days=days_after)
    returned = ReturnDetails(cents=cents or payments.retained_cents(payment), returned_on=day, reference=reference)
    request = payment_actions.request_return(payment, returned, actor=ONE, reason="by their wish", answered=list(PaymentQuestion))
    assert payment_actions.decide(request, agrees=True, actor=TWO) is payment
    return payments.returns_of(payment)[-1]


def undo(returned: FunderPaymentReturn) -> None:
    request = payment_actions.request_undo(returned, actor=ONE, reason="another funder's", answered=list(PaymentQuestion))
    assert payment_actions.decide(request, agrees=True, actor=TWO)


def refusal_of(attempt: Callable[[], object]) -> ActionError:
    with pytest.raises(ActionRefused) as error:
        attempt()
    return error.value.refusal


def run(sql: str) -> None:
    db.session.execute(text(sql))


def request_sql(**other: str) -> str:
    row = {"funder_payment_id": "1", "kind": "'reverse'", "reason": "'r'", "requested_by": f"'{ONE}'", **other}
    return f"INSERT INTO funder_payment_request ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def payment_sql(reference: str, replaces: str) -> str:
    columns = "fund_id, cents, received_on, livemode, recorded_by, reference, replaces_id"
    return f"INSERT INTO funder_payment ({columns}) VALUES (1, 1, now(), false, '{ONE}', {reference}, {replaces})"


def mails_to(post: Post, address: str) -> list[str]:
    """The texts of the latest mails to this address, the latest first."""
    return [text_of(mail) for _, to, mail, _ in post.box.newest(20) if to == [address]]


def decide_void(receipt: Receipt, *, agrees: bool) -> None:
    request = void_requests.open_for(receipt.id)
    assert request
    receipt_actions.decide_void(request, agrees=agrees, actor=TWO)


def attached_to(post: Post, address: str, receipt: Receipt) -> int:
    """With how many mails the receipt went to this address."""
    return sum(receipt.file_name in attached(mail) for _, to, mail, _ in post.box.newest(20) if to == [address])
