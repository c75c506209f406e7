"""Whether a funder is a registered charity, and what else its receipts need: who gets a receipt, which waits, and which is voided."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.config import resource
from campaign.edges.db import db
from campaign.funders import payment_actions, payment_receipts, payments
from campaign.funders.funders import Funder
from campaign.funders.payment_descriptions import describe_request
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.receipts import (
    receipt_actions,
    receipts,
    void_requests,
)
from campaign.receipts.receipts import Receipt, ReceiptIncomplete, Status
from campaign.receipts.render_jobs import issue_context
from campaign.reporting import returns, staff_todo, totals
from campaign.reporting.integrity import checker
from campaign.rules import business_numbers
from campaign.rules.fiscal_years import calendar_year
from campaign.rules.return_lines import GiftGroup
from campaign.staff.audit import AuditEntry
from campaign.texts.action_errors import ActionError
from tests.conftest import Post
from tests.funder_payments import (
    ADDRESS,
    ONE,
    TWO,
    change,
    corrected,
    create_funder,
    decide_void,
    details,
    mails_to,
    receipted,
    record,
    refusal_of,
    reverse,
    run,
    send_back,
    undo,
)
from tests.mail import attached


@pytest.fixture
def funder(fund: Fund) -> Funder:
    return create_funder(fund)


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
