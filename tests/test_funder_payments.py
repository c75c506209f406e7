"""Payments of funders: who gets a receipt, what is asked first, and that correcting or reversing one takes two people and erases nothing."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.cli import main
from campaign.config import resource
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.funders import funder_actions, payment_actions, payment_receipts, payment_requests, payments
from campaign.funders.funder_actions import ChangedDetails
from campaign.funders.funders import Funder
from campaign.funders.payment_actions import PaymentDoubtful
from campaign.funders.payment_descriptions import describe_request
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment, FunderPaymentReturn
from campaign.ledger.entries import LedgerEntry
from campaign.mail import send_jobs
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.outbox import waiting_receipts
from campaign.receipts import (
    filed_returns,
    information_return_actions,
    information_returns,
    receipt_actions,
    receipts,
    reported_reversals,
    return_drafts,
    void_requests,
)
from campaign.receipts.receipts import EndReason, Receipt, ReceiptIncomplete, Status
from campaign.receipts.render_jobs import issue_context
from campaign.reporting import published_heads, receipt_register, return_gifts, returns, staff_todo, totals
from campaign.reporting.gifts_received import gifts_in
from campaign.reporting.integrity import checker
from campaign.reporting.statement_actions import take_statement
from campaign.rules import business_numbers
from campaign.rules.fiscal_years import calendar_year
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion, ReturnDetails, questions_about
from campaign.rules.return_lines import Form, GiftGroup
from campaign.staff import members
from campaign.staff.audit import AuditEntry
from campaign.texts.action_errors import ActionError, ActionRefused
from tests.conftest import Post
from tests.factories import create_fund, create_managers, run_concurrently
from tests.mail import attached, text_of
from tests.return_oracle import read_year
from tests.web import signed_in

ONE, TWO = "asks@payments.example.org", "agrees@payments.example.org"
ADDRESS = ["1, rue Sherbrooke", "Montréal QC  H2X 1Y4"]


@pytest.fixture
def funder(fund: Fund) -> Funder:
    funder = db.session.get_one(Funder, fund.funder_id)
    funder.legal_name, funder.address, funder.email, funder.is_registered_charity = (
        "Fonds inc.",
        ADDRESS,
        f"{uuid4().hex}@example.org",
        False,
    )
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


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"is_registered_charity": None}, ["charity_status"]),
        ({"legal_name": ""}, ["funder_name"]),
        ({"legal_name": "Fonds ❤"}, ["funder_name ❤"]),
        ({"address": ["1, rue Sherbrooke"], "legal_name": ""}, ["funder_name", "funder_address"]),
    ],
)
def test_without_the_answer_the_legal_name_or_the_address_a_receipt_waits_and_staff_see_why(
    fund: Fund, funder: Funder, changed: dict[str, object], missing: list[str]
) -> None:
    for name, value in changed.items():
        setattr(funder, name, value)
    done = payment_actions.record(fund, details(fund), livemode=False, actor=ONE)
    assert done.missing == missing
    with pytest.raises(ReceiptIncomplete):
        payment_receipts.issue_receipt(done.payment, issue_context())
    send_jobs.send_due()
    assert [(waiting.missing, waiting.count) for waiting in totals.receipts_waiting()] == [(missing, 1)]
    assert db.session.query(Receipt).count() == 0, "no number is used"
    right = {"is_registered_charity": False, "legal_name": "Fonds inc.", "address": ADDRESS}
    assert change(funder, **right).fields == sorted(changed)
    send_jobs.send_due()
    receipt = payment_receipts.receipt_of(done.payment)
    assert receipt and receipt.content["donor_name"] == "Fonds inc."
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_the_migration_keeps_an_answer_that_receipts_were_issued_by_and_asks_the_others(fund: Fund, funder: Funder) -> None:
    """The statement of the migration, over a funder with a valid receipt and one without."""
    db.session.add(Funder(name_en="Another", name_fr="Un autre", is_registered_charity=False))
    receipted(fund)
    source = (resource("migrations") / "versions" / "0024_funder_payment_corrections.py").read_text(encoding="utf-8")
    run(source[source.index("UPDATE funder u") : source.index("ALTER TABLE funder ADD CONSTRAINT number")])
    assert db.session.execute(text("SELECT is_registered_charity FROM funder ORDER BY id")).scalars().all() == [False, None]


def test_a_registered_charity_has_a_number_whose_check_digit_fits(fund: Fund, funder: Funder) -> None:
    for number in ("", "123456782", "123456789RR0001", "123456782RT0001"):
        answer = {"is_registered_charity": True, "registration_number": number}
        assert refusal_of(lambda answer=answer: change(funder, **answer)) is ActionError.REGISTRATION_NUMBER  # type: ignore[misc]
    assert not funder.is_registered_charity
    number = business_numbers.normalized("12345 6782 rr-0001")
    change(funder, is_registered_charity=True, registration_number=number)
    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
    assert (entry.actor, entry.detail["registration_number"]) == (ONE, "123456782RR0001")
    payment = record(fund)
    assert payment_receipts.issue_receipt(payment, issue_context()) is None
    corrected(payment, details(fund, 100_00))
    assert db.session.query(Receipt).count() == 0
    change(funder, is_registered_charity=False)
    assert funder.registration_number == ""
    with pytest.raises(IntegrityError, match="number_is_of_charity"):
        run("UPDATE funder SET registration_number = '123456782RR0001'")


def test_what_is_asked_of_a_payment() -> None:
    def asked(day: date, *, is_filed: bool = False, has_same: bool = False) -> list[PaymentQuestion]:
        return questions_about(
            day, today=date(2027, 1, 5), campaign_began_on=date(2026, 11, 1), is_filed=is_filed, has_same_amount=has_same
        )

    assert asked(date(2027, 1, 5)) == []
    assert asked(date(2026, 12, 31)) == [PaymentQuestion.EARLIER_YEAR]
    assert asked(date(2026, 10, 31)) == [PaymentQuestion.EARLIER_YEAR, PaymentQuestion.BEFORE_CAMPAIGN]
    assert asked(date(2027, 1, 1), is_filed=True, has_same=True) == [PaymentQuestion.FILED_YEAR, PaymentQuestion.SAME_AMOUNT]


def test_a_day_in_the_future_is_refused_and_an_old_one_or_the_same_amount_is_asked_about(fund: Fund, funder: Funder) -> None:
    def attempt(noted: PaymentDetails, *answered: PaymentQuestion) -> object:
        return payment_actions.record(fund, noted, livemode=False, actor=ONE, answered=answered)

    assert refusal_of(lambda: attempt(details(fund, days_ago=-1))) is ActionError.PAYMENT_IN_FUTURE
    with pytest.raises(PaymentDoubtful) as error:
        attempt(details(fund, days_ago=400))
    assert error.value.questions == [PaymentQuestion.EARLIER_YEAR, PaymentQuestion.BEFORE_CAMPAIGN]
    with pytest.raises(PaymentDoubtful, match="before_campaign"):
        attempt(details(fund, days_ago=400), PaymentQuestion.EARLIER_YEAR)
    assert payments.payments_of(fund) == []
    attempt(details(fund), *PaymentQuestion)
    with pytest.raises(PaymentDoubtful, match="same_amount"):
        attempt(details(fund, reference="cheque 18"))
    attempt(details(fund, 1_00, "cheque 18"))
    assert refusal_of(lambda: attempt(details(fund, 2_00, "cheque 18"))) is ActionError.PAYMENT_IS_RECORDED
    assert refusal_of(lambda: attempt(details(fund, 40_000_00, "cheque 19"))) is ActionError.PAYMENT_BEYOND_PLEDGE


def test_a_corrected_payment_has_a_receipt_that_cancels_and_replaces_the_earlier_one(fund: Fund, funder: Funder, post: Post) -> None:
    payment, first = receipted(fund)
    before = take_statement(fund)
    send_jobs.send_due()
    right = details(fund, 1_250_00, "transfer 3", days_ago=1)
    new = corrected(payment, right)
    send_jobs.send_due()
    receipt = payment_receipts.receipt_of(new)
    assert receipt
    assert (new.replaces_id, new.details, new.recorded_by) == (payment.id, right, ONE)
    assert (receipt.cents, receipt.content["received_on"], receipt.content["replaces"]) == (
        1_250_00,
        right.received_on.isoformat(),
        first.serial,
    )
    assert receipts.status_of(first) is Status.REPLACED
    moves = select(LedgerEntry.kind, LedgerEntry.cents).where(LedgerEntry.fund_id == fund.id).order_by(LedgerEntry.id)
    assert db.session.execute(moves).all()[-3:] == [("receive", 12_500_00), ("receive_reversal", 12_500_00), ("receive", 1_250_00)]
    charity = db.session.query(Campaign).one().charity
    years = [receipt_register.totals_of(charity, calendar_year(year)) for year in receipt_register.years(charity)]
    assert (
        sum(year.retained_cents for year in years)
        == sum(year.receipted_cents for year in years)
        == payments.received_cents(fund)
        == 1_250_00
    )
    after = take_statement(fund)
    assert (before.received_cents, after.received_cents) == (12_500_00, 1_250_00)
    assert take_statement(fund, before=before.as_of).received_cents == 12_500_00, "what was stated then stays stated"
    mail = next(m for _, to, m, _ in post.box.newest(9) if to == [funder.email])
    assert f"Official receipt no. {first.serial}, which showed $12,500.00, is cancelled and replaced by no. {receipt.serial}" in text_of(
        mail
    )
    assert "What is right: $1,250.00" in text_of(mail)
    assert text_of(mail).count("Dear Fonds inc.,") == 1
    below = text_of(mail).partition("Registered charity")[2].strip().splitlines()[-2:]
    assert below[0].startswith("For an audit: this line shows where the books of your fund end")
    codes = [line for line in text_of(mail).splitlines() if re.search("[0-9a-f]{32}", line)]
    assert codes == [below[1]] == [published_heads.end_of(fund)], "one code, below the signature"
    assert attached(mail) == [receipt.file_name]
    assert checker.findings(db.engine) == []


def test_a_reversed_payment_has_no_receipt_and_its_reference_is_free_again(fund: Fund, funder: Funder, post: Post) -> None:
    payment, receipt = receipted(fund)
    reverse(payment)
    send_jobs.send_due()
    ended = receipts.end_of(receipt)
    assert ended and (ended.ended_as, ended.reason) == ("cancelled", EndReason.WRONG_PAYMENT)
    assert (payments.received_cents(fund), take_statement(fund).received_cents) == (0, 0)
    assert information_returns.list_of_payment(payment.id) == []
    mail = next(text_of(m) for _, to, m, _ in post.box.newest(9) if to == [funder.email])
    assert "That was a mistake" in mail
    assert f"Official receipt no. {receipt.serial}, which showed $12,500.00, is cancelled." in mail
    again = record(fund)
    send_jobs.send_due()
    assert payment_receipts.receipt_of(again)
    assert payments.received_cents(fund) == 12_500_00
    assert checker.findings(db.engine) == []


def test_a_payment_that_is_returned_after_its_receipt_was_voided_is_reported(fund: Fund, funder: Funder) -> None:
    payment, receipt = receipted(fund)
    receipt_actions.request_void(receipt, actor=ONE, reason="it was no gift")
    decide_void(receipt, agrees=True)
    send_back(payment)
    (task,) = information_returns.list_of_payment(payment.id)
    assert (task.receipt_id, task.returned_cents) == (receipt.id, payment.cents)
    assert checker.findings(db.engine) == []


def test_a_payment_that_is_reversed_before_its_receipt_never_gets_one(fund: Fund, funder: Funder) -> None:
    payment = record(fund)
    reverse(payment)
    send_jobs.send_due()
    assert (payment_receipts.issue_receipt(payment, issue_context()), db.session.query(Receipt).count()) == (None, 0)
    assert checker.findings(db.engine) == []


def test_a_correction_whose_receipt_would_lack_something_changes_nothing(fund: Fund, funder: Funder) -> None:
    payment, receipt = receipted(fund)
    funder.address = []
    request = payment_actions.request_correction(payment, details(fund, 1_00), actor=ONE, reason="r")
    with pytest.raises(ReceiptIncomplete) as error:
        payment_actions.decide(request, agrees=True, actor=TWO)
    assert error.value.missing == ["funder_address"]
    assert (receipts.status_of(receipt), payments.received_cents(fund)) == (Status.VALID, 12_500_00)
    change(funder, address=ADDRESS)
    assert payment_actions.decide(request, agrees=True, actor=TWO)


def test_only_a_second_manager_who_has_the_role_for_a_day_can_agree(fund: Fund, funder: Funder) -> None:
    campaign, payment = db.session.query(Campaign).one(), record(fund)
    assert (
        refusal_of(lambda: payment_actions.request_correction(payment, payment.details, actor=ONE, reason="r"))
        is ActionError.PAYMENT_IS_THE_SAME
    )
    request = payment_actions.request_reversal(payment, actor=f" {ONE.upper()} ", reason="r")
    assert staff_todo.todo_of(campaign).counted["payments"] == 1
    new, clerk = members.add_staff("new@example.org", "manager"), members.add_staff("clerk@example.org", "clerk")
    new.password = clerk.password = "a hash"
    db.session.commit()
    for actor, error in (
        (ONE, ActionError.ANOTHER_PERSON),
        (ONE.upper(), ActionError.ANOTHER_PERSON),
        ("clerk@example.org", ActionError.NOT_A_MANAGER),
        ("nobody", ActionError.NOT_A_MANAGER),
        ("new@example.org", ActionError.NEW_MANAGER),
    ):
        assert refusal_of(lambda actor=actor: payment_actions.decide(request, agrees=True, actor=actor)) is error  # type: ignore[misc]
        assert payments.received_cents(fund) == 12_500_00
    again = refusal_of(lambda: payment_actions.request_reversal(payment, actor=TWO, reason="r"))
    assert again is ActionError.PAYMENT_CHANGE_IS_REQUESTED
    payment_actions.decide(request, agrees=False, actor=ONE)
    reverse(payment)
    assert refusal_of(lambda: payment_actions.decide(request, agrees=True, actor=TWO)) is ActionError.PAYMENT_CHANGE_IS_DECIDED
    assert refusal_of(lambda: payment_actions.request_reversal(payment, actor=ONE, reason="r")) is ActionError.PAYMENT_IS_REVERSED
    assert staff_todo.todo_of(campaign).payments == 0


def test_of_two_who_agree_at_the_same_time_one_is_heeded_while_the_mail_goes_out(app: Flask, fund: Fund, funder: Funder) -> None:
    payment = record(fund)
    request = payment_actions.request_correction(payment, details(fund, 1_250_00), actor=ONE, reason="r")
    request_id, payment_id = request.id, payment.id

    def agree() -> str:
        try:
            payment_actions.decide(db.session.get_one(FunderPaymentRequest, request_id), agrees=True, actor=TWO)
        except ActionRefused as error:
            return error.refusal.value
        return "done"

    def issue() -> str:
        payment_receipts.issue_receipt(db.session.get_one(FunderPayment, payment_id), issue_context())
        db.session.commit()
        return "issued"

    assert sorted(run_concurrently(app, [agree, issue, agree])) == ["done", "issued", "payment change is decided"]
    db.session.expire_all()
    send_jobs.send_due()
    assert payments.received_cents(fund) == 1_250_00
    assert checker.findings(db.engine) == []


def request_sql(**other: str) -> str:
    row = {"funder_payment_id": "1", "kind": "'reverse'", "reason": "'r'", "requested_by": f"'{ONE}'", **other}
    return f"INSERT INTO funder_payment_request ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def payment_sql(reference: str, replaces: str) -> str:
    columns = "fund_id, cents, received_on, livemode, recorded_by, reference, replaces_id"
    return f"INSERT INTO funder_payment ({columns}) VALUES (1, 1, now(), false, '{ONE}', {reference}, {replaces})"


def test_the_database_refuses_what_two_people_did_not_agree_on(fund: Fund, funder: Funder) -> None:
    payment, receipt = receipted(fund)
    agreed = {"decision": "'agreed'", "decided_at": "now()"}
    reversal = "INSERT INTO funder_payment_reversal (funder_payment_id, request_id) VALUES (1, 1)"
    entry = "INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, reference, cause) VALUES "
    run(request_sql())
    for statement, guard in (
        (request_sql(**agreed, decided_by=f"'{ONE}'"), "two_people_change_payment"),
        (request_sql(**agreed, decided_by=f"'{TWO}'", requested_by=f"'{TWO}'"), "two_people_change_payment"),
        (request_sql(**agreed, decided_by="'nobody'"), "decided_by_exists"),
        (request_sql(), "one_open_request_of_payment"),
        (request_sql(kind="'correct'"), "payment_change_fits_kind"),
        (request_sql(cents="1"), "payment_change_fits_kind"),
        (reversal, "two_people_reverse"),
        (entry + "('receive_reversal', 'received', 'funder', 1250000, 1, 1, 'receive_reversal:1', 'x')", "received_is_a_payment"),
        (entry + "('receive', 'funder', 'received', 1, 1, 1, 'receive:again', 'x')", "received_is_a_payment"),
        (payment_sql("'x'", "1"), "replacement_is_agreed"),
        (payment_sql("'cheque 17'", "NULL"), "payment_is_recorded_once"),
    ):
        with pytest.raises(IntegrityError, match=guard), db.session.begin_nested():
            run(statement)
    run(f"UPDATE funder_payment_request SET decision = 'agreed', decided_by = '{TWO}', decided_at = now()")
    with pytest.raises(IntegrityError, match="receipt_ends_before_reversal"), db.session.begin_nested():
        run(reversal)
    receipts.end(receipt, Status.CANCELLED, EndReason.WRONG_PAYMENT, actor=TWO)
    run(reversal)  # Control: what two people agreed on.
    with pytest.raises(IntegrityError, match="receipted_payment_is_not_reversed"):
        run(f"INSERT INTO receipt_line (receipt_id, funder_payment_id, cents) VALUES ({receipt.id}, {payment.id}, 1)")


@pytest.mark.owner
def test_a_request_changes_by_its_decision_alone_and_a_reversal_never(fund: Fund, funder: Funder) -> None:
    payment = record(fund)
    reverse(payment)
    run(request_sql())
    for change in (
        "UPDATE funder_payment_request SET returned_on = '2026-01-02'",
        f"UPDATE funder_payment_request SET requested_by = '{TWO}'",
        "UPDATE funder_payment_request SET decision = NULL, decided_by = NULL, decided_at = NULL WHERE decision IS NOT NULL",
        "DELETE FROM funder_payment_request",
        "UPDATE funder_payment_reversal SET request_id = 2",
        "DELETE FROM funder_payment_reversal",
        "TRUNCATE funder_payment_reversal",
    ):
        with pytest.raises(DatabaseError, match="append-only"), db.session.begin_nested():
            run(change)


def mails_to(post: Post, address: str) -> list[str]:
    """The texts of the latest mails to this address, the latest first."""
    return [text_of(mail) for _, to, mail, _ in post.box.newest(20) if to == [address]]


def test_a_funder_who_is_no_charity_after_all_gets_receipts_for_earlier_payments(fund: Fund, funder: Funder, post: Post) -> None:
    change(funder, is_registered_charity=True, registration_number="123456782RR0001", email="after.all@example.org")
    sent = corrected(record(fund, 200_00, "cheque 18"), details(fund, 300_00, "cheque 18"))
    send_jobs.send_due()
    assert "As a registered charity you get no official receipt" in mails_to(post, funder.email)[0]
    being_sent = record(fund, 100_00)
    run("UPDATE outbox SET attempts = 1 WHERE done_at IS NULL")
    db.session.commit()
    assert checker.findings(db.engine) == [], "control: no receipt is due"
    run("UPDATE funder SET is_registered_charity = false, registration_number = ''")
    db.session.commit()
    db.session.expire_all()
    (finding,) = checker.findings(db.engine)
    assert finding == f"I14: the payment cheque 18 of fund {fund.slug} has no receipt and none is pending."
    assert (change(funder, is_registered_charity=False).receipts_due, change(funder, is_registered_charity=False).receipts_due) == (2, 0)
    send_jobs.send_due()
    issued = [receipt for payment in (sent, being_sent) if (receipt := payment_receipts.receipt_of(payment))]
    files = [name for _, to, mail, _ in post.box.newest(20) if to == [funder.email] for name in attached(mail) if name]
    assert sorted(files) == sorted(receipt.file_name for receipt in issued), "each in one mail"
    assert [receipt.cents for receipt in issued] == [300_00, 100_00]
    assert checker.findings(db.engine) == []


def decide_void(receipt: Receipt, *, agrees: bool) -> None:
    request = void_requests.open_for(receipt.id)
    assert request
    receipt_actions.decide_void(request, agrees=agrees, actor=TWO)


def test_receipts_of_a_funder_who_is_a_charity_are_valid_until_a_second_person_voids_them(fund: Fund, funder: Funder, post: Post) -> None:
    payment, receipt = receipted(fund)
    send_jobs.send_due()
    charity = {"is_registered_charity": True, "registration_number": "123456782RR0001"}
    assert change(funder, **charity).to_void == [receipt]
    assert (change(funder, **charity).to_void, staff_todo.todo_of(db.session.query(Campaign).one()).voids) == ([], 1)
    assert checker.findings(db.engine) == [], "somebody asks to void it"
    decide_void(receipt, agrees=False)
    (finding,) = checker.findings(db.engine)
    assert receipt.serial in finding
    assert "while nobody asks to void it" in finding
    assert change(funder, **charity).to_void == [receipt], "the same answer asks again"
    decide_void(receipt, agrees=True)
    send_jobs.send_due()
    assert receipts.status_of(receipt) is Status.CANCELLED
    voided, *_ = mails_to(post, funder.email)
    assert f"Official receipt no. {receipt.serial}, which showed $12,500.00, is cancelled." in voided
    assert "$12,500.00, received on" in voided
    assert "As a registered charity you get no official receipt" in voided
    assert payments.received_cents(fund) == payment.cents
    assert checker.findings(db.engine) == []


def test_a_voided_receipt_is_not_issued_again_by_a_correction(fund: Fund, funder: Funder, post: Post) -> None:
    payment, receipt = receipted(fund)
    send_jobs.send_due()
    receipt_actions.request_void(receipt, actor=ONE, reason="it was no gift")
    decide_void(receipt, agrees=True)
    request = payment_actions.request_correction(payment, details(fund, 1_250_00), actor=ONE, reason="a digit")
    assert "Its receipt was voided, so it gets no other one" in describe_request(request, payment, "en")
    new = payment_actions.decide(request, agrees=True, actor=TWO)
    assert new
    again = corrected(new, details(fund, 1_260_00))
    send_jobs.send_due()
    assert (db.session.query(Receipt).count(), payment_receipts.missing_elements(again, issue_context())) == (1, [])
    assert "Your payment" not in mails_to(post, funder.email)[0]
    assert "What is right: $1,260.00" in mails_to(post, funder.email)[0]
    assert change(funder, is_registered_charity=False).receipts_due == 0
    assert checker.findings(db.engine) == []
    charity = db.session.query(Campaign).one().charity
    year = returns.returns_of(charity, calendar_year(again.received_on.year))
    assert (year.cents(GiftGroup.VOIDED), year.cents()) == (1_260_00, 1_260_00)
    reverse(again)
    newly = record(fund, 1_260_00)
    assert payment_receipts.issue_receipt(newly, issue_context()), "a payment that is recorded anew, after two people reversed it, gets one"


def test_who_agrees_sees_that_a_receipt_would_be_for_another_name_and_a_renamed_funder_can_have_a_new_one(
    app: Flask, fund: Fund, funder: Funder
) -> None:
    payment, receipt = receipted(fund)
    change(funder, legal_name="Autre inc.")
    assert receipts.status_of(receipt) is Status.VALID
    request = payment_actions.request_correction(payment, payment.details, actor=ONE, reason="the name", answered=list(PaymentQuestion))
    said = describe_request(request, payment, "en")
    assert said.startswith("Issue a new receipt for the payment cheque 17")
    assert said.endswith(f"Receipt {receipt.serial} is for “Fonds inc.”, the new one is for “Autre inc.”.")
    new = payment_actions.decide(request, agrees=True, actor=TWO)
    assert new
    replacement = payment_receipts.receipt_of(new)
    assert replacement
    assert (replacement.content["donor_name"], replacement.content["replaces"]) == ("Autre inc.", receipt.serial)
    page = signed_in(app, "viewer").get(f"/staff/receipts/{replacement.serial}").text
    assert f"by {TWO}: the name" in page or f"by {ONE}: the name" in page
    assert "Name</span> Fonds inc. → <strong>Autre inc.</strong>" in page
    assert payments.received_cents(fund) == payment.cents
    same = refusal_of(lambda: payment_actions.request_correction(new, new.details, actor=ONE, reason="r"))
    assert same is ActionError.PAYMENT_IS_THE_SAME
    assert checker.findings(db.engine) == []


def test_corrections_end_within_the_pledge_and_a_fund_that_has_ended_can_be_corrected(fund: Fund, funder: Funder) -> None:
    change(funder, email="")
    first, second = record(fund, 20_000_00), record(fund, 20_000_00, "cheque 18")
    beyond = refusal_of(lambda: payment_actions.request_correction(first, details(fund, 30_000_01), actor=ONE, reason="r"))
    assert beyond is ActionError.PAYMENT_BEYOND_PLEDGE
    asked = [
        payment_actions.request_correction(payment, details(fund, 30_000_00, payment.reference), actor=ONE, reason="r")
        for payment in (first, second)
    ]
    assert payment_actions.decide(asked[0], agrees=True, actor=TWO)
    assert refusal_of(lambda: payment_actions.decide(asked[1], agrees=True, actor=TWO)) is ActionError.PAYMENT_BEYOND_PLEDGE
    assert (payments.received_cents(fund), payment_requests.open_for(second)) == (50_000_00, asked[1]), "nothing was decided"
    fund_lifecycle.end(fund, actor=ONE, reason="the campaign is over")
    payment_actions.decide(asked[1], agrees=False, actor=TWO)
    send_back(second)
    assert corrected(record(fund, 1_00, "cheque 19"), details(fund, 2_00, "cheque 19"))
    assert payments.received_cents(fund) == 30_002_00
    send_jobs.send_due()
    assert checker.findings(db.engine) == []


def test_the_same_payment_is_noticed_in_other_letters_and_for_another_fund_of_the_funder(fund: Fund, funder: Funder) -> None:
    record(fund, reference="Cheque 17")
    assert refusal_of(lambda: record(fund, 1_00, "CHEQUE 17")) is ActionError.PAYMENT_IS_RECORDED
    campaign = db.session.query(Campaign).one()
    of_another, second = (create_fund(campaign, 20_000_00, position=position, active=False) for position in (2, 3))
    second.funder_id = fund.funder_id
    db.session.commit()
    with pytest.raises(PaymentDoubtful, match="same_amount"):
        payment_actions.record(second, details(second), livemode=False, actor=ONE)
    assert payment_actions.record(of_another, details(of_another), livemode=False, actor=ONE), "control: another funder"


def test_a_payment_of_a_year_whose_return_was_filed_is_asked_about(fund: Fund, funder: Funder) -> None:
    charity, payment = db.session.query(Campaign).one().charity, receipted(fund)[0]
    period = calendar_year(today(fund).year)
    filed = filed_returns.record(
        charity, Form.T3010, period, version="24", lines={}, register=b"x", gifts=gifts_in(charity, period), filed_on=today(fund), actor=ONE,
        note="",
    )  # fmt: skip
    db.session.commit()
    with pytest.raises(PaymentDoubtful, match="filed_year"):
        payment_actions.record(fund, details(fund, 1_00, "18"), livemode=False, actor=ONE)
    later = PaymentDetails(cents=1_00, received_on=period.first_on - timedelta(days=1), reference="17")
    with pytest.raises(PaymentDoubtful) as error:
        payment_actions.request_correction(payment, later, actor=ONE, reason="r")
    assert PaymentQuestion.FILED_YEAR in error.value.questions, "the year that it leaves was filed"
    corrected(payment, details(fund, 1_250_00))
    gone, right = sorted(return_gifts.changed_gifts(charity, filed, limit=9), key=lambda gift: -gift.cents_then)
    assert (gone.payment, gone.cents_then, gone.cents_now, gone.group_now) == ("cheque 17", 12_500_00, 0, None)
    assert (right.payment, right.cents_then, right.cents_now, right.group_then) == ("cheque 17", 0, 1_250_00, None)


TAMPERED = {
    "UPDATE funder_payment_request SET requested_by = decided_by": "otherwise than two people agreed",
    "UPDATE funder_payment_request SET cents = cents + 1": "otherwise than two people agreed",
    "UPDATE funder_payment SET cents = cents + 1 WHERE replaces_id IS NULL": "is received otherwise than its entries say",
    "DELETE FROM funder_payment_reversal": "fund sanaa-richard received 1375000 cents, but 125000 are posted",
    "DELETE FROM receipt_end; UPDATE receipt_line SET is_current = true": "is valid, but its payment cheque 17 was reversed",
    "UPDATE funder SET is_registered_charity = NULL": "or for a funder who was not asked",
    "UPDATE funder_payment SET received_on = received_on - 1": "of another day",
    "UPDATE funder SET is_registered_charity = true": "who is a registered charity while nobody asks to void it",
    "DELETE FROM outbox; UPDATE receipt_end SET reason = 'lost'; DELETE FROM receipt_line WHERE is_current": "has no receipt and none is pending",
}


@pytest.mark.owner
@pytest.mark.parametrize("tampering", TAMPERED)
def test_the_checker_finds_a_payment_that_was_tampered_with(fund: Fund, funder: Funder, tampering: str) -> None:
    payment, _ = receipted(fund)
    corrected(payment, details(fund, 1_250_00))
    assert checker.findings(db.engine) == [], "control"
    run("SET session_replication_role = replica")
    run("ALTER TABLE funder_payment_request DROP CONSTRAINT two_people_change_payment")
    run(tampering)
    run("SET session_replication_role = origin")
    db.session.commit()
    assert any(finding.startswith(("I14", "I17")) and TAMPERED[tampering] in finding for finding in checker.findings(db.engine))


def fund_command(app: Flask, *arguments: str, typed: str = "") -> Result:
    result = app.test_cli_runner().invoke(main.campaign, ["fund", *arguments], standalone_mode=False, input=typed)
    db.session.expire_all()
    return result


def test_on_the_command_line_doubts_are_asked_and_two_named_members_correct_a_payment(app: Flask, fund: Fund, funder: Funder) -> None:
    slug, day = fund.slug, today(fund).isoformat()
    old = ("received", slug, "12,500", "--on", (today(fund) - timedelta(days=400)).isoformat(), "--reference", "17")
    assert "If so, add --yes" in str(fund_command(app, *old).exception)
    assert "Nothing was recorded" in str(fund_command(app, *old, typed="y\nn\n").exception)
    assert payments.payments_of(fund) == []
    assert "$12,500.00 received of $50,000.00" in fund_command(app, *old, typed="y\ny\n").output
    funder.legal_name = ""
    db.session.commit()
    said = fund_command(app, "received", slug, "1", "--on", day, "--reference", "18").output
    assert "Its receipt waits for the funder’s legal name" in said
    assert "has not come yet" in str(fund_command(app, "received", slug, "1", "--on", "2999-01-01", "--reference", "19").exception)
    ask = ("correct-payment", slug, "17", "--on", day, "--reason", "the year")
    assert "the chair is not an active manager" in str(fund_command(app, *ask, "--by", "the chair").exception)
    assert "campaign fund agree-payment sanaa-richard '17' --by ADDRESS" in fund_command(app, *ask, "--by", ONE).output
    assert f"{ONE} asks: Correct the payment 17" in fund_command(app, "payments", slug).output
    assert "cannot approve your own" in str(fund_command(app, "agree-payment", slug, "17", "--by", ONE).exception)
    assert "$12,501.00 received" in fund_command(app, "agree-payment", slug, "17", "--by", TWO).output
    assert "Nobody asks" in str(fund_command(app, "agree-payment", slug, "17", "--by", TWO).exception)
    listed = fund_command(app, "payments", slug).output
    assert f"17 (reversed): no receipt, recorded by command line\n  {ONE} asked and {TWO} agreed: Correct the payment 17" in listed
    assert "the year\n" in listed
    fund_command(app, "reverse-payment", slug, "18", "--never-came", "--reason", "it bounced", "--by", TWO)
    assert "stays as it is" in fund_command(app, "refuse-payment", slug, "18", "--by", TWO).output
    assert "has no payment 99" in str(
        fund_command(app, "reverse-payment", slug, "99", "--never-came", "--reason", "r", "--by", ONE).exception
    )


def test_both_members_are_notified_of_a_request_and_of_the_decision(fund: Fund, funder: Funder, post: Post) -> None:
    payment = record(fund)
    request = payment_actions.request_reversal(payment, actor=ONE, reason="by their wish")
    send_jobs.send_due()
    payment_actions.decide(request, agrees=True, actor=TWO)
    send_jobs.send_due()
    mails = list(post.box.newest(20))
    for address in (ONE, TWO):
        decided, requested, *_ = (text_of(mail) for _, to, mail, _ in mails if to == [address])
        assert f"{ONE} asks to change a payment to the fund Fonds Sanâa and Richard: by their wish" in requested
        assert "it never came, or was written down twice" in requested
        assert f"/staff/funds/{fund.slug}/payments" in requested
        assert f"{TWO} agreed to what {ONE} asked for" in decided
    assert payment_requests.list_open(fund.campaign_id) == []


def test_a_part_that_went_back_is_reported_and_its_receipt_is_replaced_for_what_is_left(fund: Fund, funder: Funder, post: Post) -> None:
    """CG-016; Income Tax Regulations, s. 3501(4): $40, then $60, later the rest."""
    payment, first = receipted(fund)
    send_jobs.send_due()
    small = send_back(payment, 40_00, days_after=0)
    assert information_returns.list_of_payment(payment.id) == [], "$50 or less in all"
    second = payment_receipts.receipt_of(payment)
    assert second
    assert (second.cents, second.content["eligible_cents"], second.content["replaces"]) == (12_460_00, 12_460_00, first.serial)
    ended = receipts.end_of(first)
    assert ended and (ended.ended_as, ended.reason) == ("replaced", EndReason.RETURNED)
    assert checker.findings(db.engine) == []
    send_back(payment, 60_00, "back 2")
    (task,) = information_returns.list_of_payment(payment.id)
    assert (task.receipt_id, task.receipted_cents, task.returned_cents, task.returned_on, task.due_on) == (
        first.id,
        12_500_00,
        100_00,
        payment.received_on,
        payment.received_on + timedelta(days=90),
    )
    assert [(part.cents, part.returned_on) for part in reported_reversals.parts_of(task)] == [
        (40_00, payment.received_on),
        (60_00, payment.received_on),
    ]
    moves = (
        select(LedgerEntry.kind, LedgerEntry.cents, LedgerEntry.reference).where(LedgerEntry.fund_id == fund.id).order_by(LedgerEntry.id)
    )
    assert db.session.execute(moves).all()[-2:] == [
        ("receive_reversal", 40_00, f"receive_reversal:{payment.id}:{small.id}"),
        ("receive_reversal", 60_00, f"receive_reversal:{payment.id}:{small.id + 1}"),
    ]
    assert (payments.received_cents(fund), take_statement(fund).received_cents) == (12_400_00, 12_400_00)
    send_jobs.send_due()
    latest, earlier, *_ = mails_to(post, funder.email)
    assert "we returned $60.00 to you (back 2), of your payment of $12,500.00" in latest
    assert "Of this payment, $12,400.00 counts as received towards your pledge." in latest
    third = payment_receipts.receipt_of(payment)
    assert third
    assert "we returned $40.00 to you" in earlier
    assert f"Official receipt no. {first.serial}, which showed $12,500.00, is cancelled and replaced by no. {third.serial}" in earlier
    assert "a receipt shows what we keep" in earlier
    assert attached_to(post, funder.email, third) == 1
    send_back(payment, reference="the rest")
    assert [one.returned_cents for one in information_returns.list_of_payment(payment.id)] == [100_00, 12_400_00]
    assert receipts.status_of(third) is Status.CANCELLED
    assert (payment_receipts.receipt_of(payment), payments.received_cents(fund)) == (None, 0)
    send_jobs.send_due()
    assert f"Official receipt no. {third.serial}, which showed $12,400.00, is cancelled." in mails_to(post, funder.email)[0]
    assert checker.findings(db.engine) == []


def attached_to(post: Post, address: str, receipt: Receipt) -> int:
    """With how many mails the receipt went to this address."""
    return sum(receipt.file_name in attached(mail) for _, to, mail, _ in post.box.newest(20) if to == [address])


def test_a_return_that_was_recorded_wrongly_is_undone_by_two_people(fund: Fund, funder: Funder, post: Post) -> None:
    payment, first = receipted(fund)
    returned = send_back(payment, 500_00)
    (task,) = information_returns.list_of_payment(payment.id)
    refusals = (
        (lambda: payment_actions.request_correction(payment, details(fund, 1_00), actor=ONE, reason="r"), ActionError.PAYMENT_IS_RETURNED),
        (lambda: payment_actions.request_reversal(payment, actor=ONE, reason="r"), ActionError.PAYMENT_IS_RETURNED),
        (lambda: send_back(payment, 1_00, "BACK 1"), ActionError.PAYMENT_RETURN_IS_RECORDED),
        (lambda: send_back(payment, 12_000_01, "back 2"), ActionError.PAYMENT_RETURN_TOO_MUCH),
        (lambda: send_back(payment, 1_00, "back 2", days_after=1), ActionError.PAYMENT_RETURN_DAY),
        (lambda: send_back(payment, 1_00, "back 2", days_after=-1), ActionError.PAYMENT_RETURN_DAY),
    )
    for attempt, refusal in refusals:
        assert refusal_of(attempt) is refusal
    request = payment_actions.request_undo(returned, actor=ONE, reason="another funder's", answered=list(PaymentQuestion))
    assert "$500.00 did not go back to the funder" in describe_request(request, payment, "en")
    assert refusal_of(lambda: payment_actions.decide(request, agrees=True, actor=ONE)) is ActionError.ANOTHER_PERSON
    payment_actions.decide(request, agrees=True, actor=TWO)
    assert refusal_of(lambda: undo(returned)) is ActionError.PAYMENT_RETURN_IS_UNDONE
    assert (payments.received_cents(fund), take_statement(fund).received_cents) == (12_500_00, 12_500_00)
    assert (task.closed_by, reported_reversals.returned_cents(task)) == (receipts.SYSTEM_ACTOR, 0)
    assert refusal_of(lambda: information_return_actions.reopen(task.id, actor=ONE)) is ActionError.RETURN_CAME_BACK
    third = payment_receipts.receipt_of(payment)
    assert third and third.cents == 12_500_00
    assert [r.serial for r in receipts.replacements_of(first)][-1] == third.serial
    send_jobs.send_due()
    assert "That was a mistake: the money did not go back." in "".join(mails_to(post, funder.email))
    undo(send_back(payment))
    fifth = payment_receipts.receipt_of(payment)
    assert fifth
    assert fifth.content["replaces"] == third.serial, "also in place of a receipt that was cancelled without one"
    send_jobs.send_due()
    assert checker.findings(db.engine) == []
    reverse(payment)
    assert payments.received_cents(fund) == 0
    assert checker.findings(db.engine) == []


def test_what_went_back_before_the_first_receipt_is_left_out_by_it(fund: Fund, funder: Funder, post: Post) -> None:
    change(funder, address=[])
    payment = record(fund)
    early = send_back(payment, 1_000_00)
    assert information_returns.list_of_payment(payment.id) == []
    change(funder, address=ADDRESS)
    send_jobs.send_due()
    receipt = payment_receipts.receipt_of(payment)
    assert receipt and receipt.cents == 11_500_00
    send_back(payment, 50_01, "back 2")
    (task,) = information_returns.list_of_payment(payment.id)
    assert (task.returned_cents, task.receipted_cents) == (50_01, 11_500_00)
    assert checker.findings(db.engine) == []
    undo(early)
    assert checker.findings(db.engine) == []
    change(funder, address=[])
    other = record(fund, 300_00, "cheque 18")
    send_jobs.send_due()
    all_of_it = send_back(other)
    change(funder, address=ADDRESS)
    run("UPDATE outbox SET not_before = now()")
    db.session.commit()
    send_jobs.send_due()
    assert (payment_receipts.receipt_of(other), checker.findings(db.engine)) == (None, [])
    undo(all_of_it)
    send_jobs.send_due()
    assert payment_receipts.receipt_of(other)
    assert checker.findings(db.engine) == []


def test_the_draft_of_a_return_on_a_payment_has_each_part_and_its_day(fund: Fund, funder: Funder) -> None:
    payment = payment_actions.record(fund, details(fund, days_ago=3), livemode=False, actor=ONE, answered=list(PaymentQuestion)).payment
    payment_receipts.issue_receipt(payment, issue_context())
    send_back(payment, 45_00, days_after=1)
    send_back(payment, 55_00, "back 2", days_after=2)
    (task,) = information_returns.list_of_payment(payment.id)
    assert (task.returned_on, task.due_on) == (payment.received_on + timedelta(days=2), payment.received_on + timedelta(days=92))
    drawn: list[dict[str, Any]] = []

    def render(_: object, data: dict[str, Any], **__: object) -> bytes:
        drawn.append(data)
        return b""

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pdf, "render", render)
        return_drafts.render_draft(task, return_drafts.Reader.DONOR, language="en", is_in_quebec=False)
    (data,) = drawn
    said = [(label, values) for label, values in data["property"]]
    for day, amount in ((1, "$45.00"), (2, "$55.00")):
        date_ = (payment.received_on + timedelta(days=day)).isoformat()
        assert any(date_ in label and values == [amount] for label, values in said), said
    assert any(values == ["$100.00"] for _, values in said)
    assert "$100.00" in data["letter"][0]


def test_returns_count_a_part_that_went_back_in_the_year_in_which_the_payment_was_received(fund: Fund, funder: Funder) -> None:
    charity = db.session.query(Campaign).one().charity
    last_year = calendar_year(today(fund).year - 1)
    noted = PaymentDetails(cents=1_000_00, received_on=last_year.last_on, reference="cheque 17")
    payment = payment_actions.record(fund, noted, livemode=False, actor=ONE, answered=list(PaymentQuestion)).payment
    payment_receipts.issue_receipt(payment, issue_context())
    db.session.commit()
    filed = filed_returns.record(
        charity, Form.T3010, last_year, version="24", lines={"4500": 1_000_00}, register=b"x", gifts=gifts_in(charity, last_year),
        filed_on=today(fund), actor=ONE, note="",
    )  # fmt: skip
    db.session.commit()
    back = ReturnDetails(cents=300_00, returned_on=today(fund), reference="back 1")
    with pytest.raises(PaymentDoubtful, match="filed_year"):
        payment_actions.request_return(payment, back, actor=ONE, reason="r")
    with pytest.raises(PaymentDoubtful, match="filed_year"):
        payment_actions.request_reversal(payment, actor=ONE, reason="r")
    request = payment_actions.request_return(payment, back, actor=ONE, reason="r", answered=[PaymentQuestion.FILED_YEAR])
    payment_actions.decide(request, agrees=True, actor=TWO)
    with pytest.raises(PaymentDoubtful, match="filed_year"):
        payment_actions.request_undo(payments.returns_of(payment)[0], actor=ONE, reason="r")
    year = returns.returns_of(charity, last_year)
    assert (year.received_cents, year.returned_cents, year.late_cents, year.cents(GiftGroup.RECEIPTED)) == (
        1_000_00,
        300_00,
        300_00,
        700_00,
    )
    assert (year.difference_from_books_cents, year.difference_from_receipts_cents) == (0, 0)
    assert read_year(db.session.connection(), last_year.first_on, last_year.last_on).lines["4500"] == 700_00
    (changed,) = return_gifts.changed_gifts(charity, filed, limit=9)
    assert (changed.cents_then, changed.cents_now, changed.group_now) == (1_000_00, 700_00, GiftGroup.RECEIPTED)
    send_back(payment, reference="the rest", days_after=1)
    year = returns.returns_of(charity, last_year)
    assert (year.cents(), year.cents(GiftGroup.RETURNED), year.gifts(GiftGroup.RETURNED), year.late_cents) == (0, 0, 1, 1_000_00)
    assert checker.findings(db.engine) == []


def test_the_database_refuses_a_return_that_two_people_did_not_agree_on(fund: Fund, funder: Funder) -> None:
    payment, _ = receipted(fund)
    returned = "INSERT INTO funder_payment_return (funder_payment_id, request_id, cents, returned_on, reference) VALUES (1, 1, {}, {}, 'b')"
    entry = (
        "INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, reference, cause) "
        "VALUES ('receive_reversal', 'received', 'funder', {}, 1, 1, 'receive_reversal:1:1', 'x')"
    )
    day = f"'{payment.received_on}'"
    run(request_sql(kind="'return'", cents="5100", returned_on=day, reference="'b'"))
    for statement, guard in (
        (returned.format(5100, day), "two_people_return"),
        (entry.format(5100), "received_is_a_payment"),
        (request_sql(kind="'return'", cents="5100", returned_on=day), "payment_change_fits_kind"),
        (request_sql(kind="'undo_return'"), "payment_change_fits_kind"),
        (request_sql(kind="'reverse'", undoes_id="1"), "payment_change_fits_kind"),
    ):
        with pytest.raises(IntegrityError, match=guard), db.session.begin_nested():
            run(statement)
    run(f"UPDATE funder_payment_request SET decision = 'agreed', decided_by = '{TWO}', decided_at = now()")
    for statement, guard in (
        (returned.format(5100, day), "receipt_ends_before_return"),
        (returned.format(5101, day), "two_people_return"),
        (returned.format(5100, f"{day}::date + 1"), "two_people_return"),
        ("INSERT INTO funder_payment_reversal (funder_payment_id, request_id) VALUES (1, 1)", "two_people_reverse"),
    ):
        with pytest.raises(IntegrityError, match=guard), db.session.begin_nested():
            run(statement)
    db.session.rollback()
    back = send_back(payment, 51_00)
    undone = f"INSERT INTO undone_payment_return (return_id, request_id) VALUES ({back.id}, {back.request_id})"
    for statement, guard in (
        (undone, "two_people_undo_return"),
        (entry.format(5100).replace(":1:1", f":1:{back.id}"), "ledger_entry_reference_is_unique"),
        (
            "INSERT INTO receipt_line (receipt_id, funder_payment_id, cents, is_current) VALUES (1, 1, 1250000, false)",
            "receipted_is_retained",
        ),
        (
            f"INSERT INTO reported_reversal (funder_payment_return_id, returned_on, information_return_id, cents) VALUES ({back.id}, {day}, 1, 1)",
            "reported_once",
        ),
        (
            f"INSERT INTO reported_reversal (funder_payment_return_id, returned_on, cents) VALUES ({back.id}, {day}::date - 1, -1)",
            "reported_on_its_day",
        ),
    ):
        with pytest.raises(IntegrityError, match=guard), db.session.begin_nested():
            run(statement)
    run(request_sql())
    run(f"UPDATE funder_payment_request SET decision = 'agreed', decided_by = '{TWO}', decided_at = now() WHERE decision IS NULL")
    run(
        "INSERT INTO receipt_end (receipt_id, ended_as, reason, actor, note) SELECT receipt_id, 'cancelled', 'void', 'x', 'x' FROM receipt_line WHERE is_current"
    )
    with pytest.raises(IntegrityError, match="returned_is_not_reversed"):
        run("INSERT INTO funder_payment_reversal (funder_payment_id, request_id) SELECT 1, max(id) FROM funder_payment_request")


RETURN_TAMPERED = {
    "UPDATE funder_payment_request SET requested_by = decided_by": "went back otherwise than two people agreed",
    "UPDATE funder_payment_return SET cents = cents + 1 WHERE id = 1": "went back otherwise than two people agreed",
    "DELETE FROM funder_payment_return WHERE id = 2": "is posted otherwise than its entries say",
    "DELETE FROM undone_payment_return": "received 1239000 cents, but 1244500 are posted",
    "DELETE FROM reported_reversal": "its information return is missing or says otherwise",
    "UPDATE information_return SET due_on = due_on + 1": "is not due 90 days after the money was returned",
    "UPDATE reported_reversal SET returned_on = returned_on - 1": "reports a return of another payment or day",
    "UPDATE receipt_line SET cents = cents + 5000 WHERE is_current": "is for a payment of 1244500",
}


@pytest.mark.owner
@pytest.mark.parametrize("tampering", RETURN_TAMPERED)
def test_the_checker_finds_a_return_that_was_tampered_with(fund: Fund, funder: Funder, tampering: str) -> None:
    payment, _ = receipted(fund)
    undo(send_back(payment, 50_00))
    send_back(payment, 55_00, "back 2")
    undo(send_back(payment, 5_00, "back 3"))
    assert checker.findings(db.engine) == [], "control"
    run("SET session_replication_role = replica")
    run("ALTER TABLE funder_payment_request DROP CONSTRAINT two_people_change_payment")
    run(tampering)
    run("SET session_replication_role = origin")
    db.session.commit()
    assert any(RETURN_TAMPERED[tampering] in finding for finding in checker.findings(db.engine)), checker.findings(db.engine)


def test_the_answer_no_withdraws_what_yes_asked_for_and_replaces_what_was_voided(fund: Fund, funder: Funder, post: Post) -> None:
    """Income Tax Regulations, s. 3501(4): the new receipt names the cancelled one."""
    payment, receipt = receipted(fund)
    other = record(fund, 300_00, "cheque 18")
    send_jobs.send_due()
    of_other = payment_receipts.receipt_of(other)
    assert of_other
    charity = {"is_registered_charity": True, "registration_number": "123456782RR0001"}
    assert change(funder, **charity).to_void == [receipt, of_other]
    decide_void(receipt, agrees=True)
    corrected(other, details(fund, 310_00, "cheque 18"))
    assert [request.decision for request in void_requests.list_closed(of_other.id)] == ["ended"], "its receipt was cancelled"
    third = record(fund, 1_00, "cheque 19")
    assert change(funder, is_registered_charity=False).not_to_void == []
    send_jobs.send_due()
    issued = [payment_receipts.receipt_of(one) for one in payments.payments_of(fund) if one.id != other.id]
    assert [(one.content["replaces"], one.cents) for one in issued if one] == [
        (receipt.serial, 12_500_00),
        ("", 1_00),
        (of_other.serial, 310_00),
    ] or {one.content["replaces"] for one in issued if one} == {receipt.serial, of_other.serial, ""}
    assert payment_receipts.receipt_of(third)
    again = next(text for text in mails_to(post, funder.email) if receipt.serial in text and "replaced by" in text)
    assert f"Official receipt no. {receipt.serial}, which showed $12,500.00, is cancelled and replaced by no." in again
    assert checker.findings(db.engine) == []
    new = payment_receipts.receipt_of(payment)
    assert new
    receipt_actions.request_void(new, actor=ONE, reason="it was no gift")
    asked = change(funder, **charity).to_void
    assert new not in asked, "somebody asks already"
    assert change(funder, is_registered_charity=False).not_to_void == asked
    assert [request.receipt_id for request in void_requests.list_open()] == [new.id], "what was asked for another reason stays"
    assert [(r.decision, r.decided_by) for r in void_requests.list_closed(asked[0].id)] == [("withdrawn", ONE)]
    action = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "withdrew a request to void a receipt")).first()
    assert action and action.detail["reason"] == "the funder is no registered charity"
    decide_void(new, agrees=True)
    assert change(funder, is_registered_charity=False).receipts_due == 0, "voided because it was no gift"
    send_jobs.send_due()
    assert checker.findings(db.engine) == []


def test_a_payment_that_was_returned_by_its_reversal_stays_as_it_was(fund: Fund, funder: Funder) -> None:
    """As before returns were rows of their own."""
    payment = record(fund, 40_00)
    agreed = {"decision": "'agreed'", "decided_by": f"'{TWO}'", "decided_at": "now()", "returned_on": f"'{payment.received_on}'"}
    run(request_sql(**agreed))
    payments.post_reversal(payment, fund, request_id=1)
    db.session.commit()
    request = payment_requests.reversing_request_of(payment)
    assert request
    assert f"it came, and was returned to the funder on {payment.received_on}" in describe_request(request, payment, "en")
    year = returns.returns_of(db.session.query(Campaign).one().charity, calendar_year(payment.received_on.year))
    assert (year.gifts(GiftGroup.RETURNED), year.returned_cents, year.cents(), year.difference_from_books_cents) == (1, 40_00, 0, 0)
    assert checker.findings(db.engine) == []


def test_a_message_about_a_return_brings_no_receipt(fund: Fund, funder: Funder) -> None:
    """It waits for the mail while the answer about the charity is taken back."""
    payment, _ = receipted(fund)
    returned = send_back(payment, 100_00)
    send_jobs.send_due()
    change(funder, is_registered_charity=True, registration_number="123456782RR0001")
    undo(returned)
    assert change(funder, is_registered_charity=False).receipts_due == 1
    send_jobs.send_due()
    valid = payment_receipts.receipt_of(payment)
    assert valid and valid.cents == payment.cents
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_what_went_back_of_a_corrected_payment_is_reported_by_the_receipt_of_the_earlier_one(fund: Fund, funder: Funder) -> None:
    payment, receipt = receipted(fund)
    change(funder, is_registered_charity=True, registration_number="123456782RR0001")
    decide_void(receipt, agrees=True)
    right = corrected(payment, details(fund, 12_000_00))
    send_back(right, 1_000_00)
    change(funder, is_registered_charity=False)
    send_jobs.send_due()
    send_back(right, 10_00, "back 2")
    found = text("SELECT returned_cents, receipt_id FROM information_return ORDER BY id")
    assert db.session.execute(found).all() == [(1_000_00, receipt.id), (10_00, receipt.id)]
    assert checker.findings(db.engine) == []
    # The control: a return that was not reported.
    run("ALTER TABLE reported_reversal DISABLE TRIGGER USER; DELETE FROM reported_reversal WHERE cents = 1000")
    db.session.commit()
    assert any("was returned, but its information return is missing" in finding for finding in checker.findings(db.engine))


def test_a_return_is_recorded_while_the_receipt_for_what_is_left_would_lack_something(fund: Fund, funder: Funder) -> None:
    payment, receipt = receipted(fund)
    send_jobs.send_due()
    funder.address = []
    db.session.commit()
    send_back(payment, 2_500_00)
    assert (receipts.status_of(receipt), payment_receipts.receipt_of(payment)) == (Status.CANCELLED, None)
    assert db.session.execute(text("SELECT returned_cents FROM information_return")).scalars().all() == [2_500_00]
    send_jobs.send_due()
    assert waiting_receipts.count_for("funder_address") == 1
    assert checker.findings(db.engine) == []
    change(funder, address=ADDRESS)
    send_jobs.send_due()
    valid = payment_receipts.receipt_of(payment)
    assert valid and (valid.cents, valid.content["replaces"]) == (10_000_00, receipt.serial)
    assert checker.findings(db.engine) == []


def test_a_correction_that_meets_a_void_finds_no_receipt_and_issues_none(
    fund: Fund, funder: Funder, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment, receipt = receipted(fund)
    receipt_actions.request_void(receipt, actor=ONE, reason="it was no gift")
    decide_void(receipt, agrees=True)
    monkeypatch.setattr(payment_receipts, "receipt_of", lambda _: receipt)  # As it was when the correction looked.
    right = corrected(payment, details(fund, 12_000_00))
    monkeypatch.undo()
    assert (payment_receipts.receipt_of(right), receipts.status_of(receipt)) == (None, Status.CANCELLED)
    assert checker.findings(db.engine) == []
