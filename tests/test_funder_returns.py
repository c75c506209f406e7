"""Money that went back to a funder: two people record it, its receipt shows what is left, and each cent is reported once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.funders import payment_actions, payment_receipts, payment_requests, payments
from campaign.funders.funders import Funder
from campaign.funders.payment_actions import PaymentDoubtful
from campaign.funders.payment_descriptions import describe_request
from campaign.ledger.entries import LedgerEntry
from campaign.mail import send_jobs
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
)
from campaign.receipts.receipts import EndReason, Status
from campaign.receipts.render_jobs import issue_context
from campaign.reporting import return_gifts, returns
from campaign.reporting.gifts_received import gifts_in
from campaign.reporting.integrity import checker
from campaign.reporting.statement_actions import take_statement
from campaign.rules.fiscal_years import calendar_year
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion, ReturnDetails
from campaign.rules.return_lines import Form, GiftGroup
from campaign.texts.action_errors import ActionError
from tests.conftest import Copied, Post
from tests.funder_payments import (
    ADDRESS,
    ONE,
    TWO,
    attached_to,
    change,
    corrected,
    create_funder,
    decide_void,
    details,
    mails_to,
    receipted,
    record,
    refusal_of,
    request_sql,
    reverse,
    run,
    send_back,
    today,
    undo,
)
from tests.return_oracle import read_year


@pytest.fixture
def funder(fund: Fund) -> Funder:
    return create_funder(fund)


def test_a_payment_that_is_returned_after_its_receipt_was_voided_is_reported(fund: Fund, funder: Funder) -> None:
    payment, receipt = receipted(fund)
    receipt_actions.request_void(receipt, actor=ONE, reason="it was no gift")
    decide_void(receipt, agrees=True)
    send_back(payment)
    (task,) = information_returns.list_of_payment(payment.id)
    assert (task.receipt_id, task.returned_cents) == (receipt.id, payment.cents)
    assert checker.findings(db.engine) == []


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
    assert "we returned $60.00 to you (reference back 2), of your payment of $12,500.00" in latest
    assert "Of this payment, $12,400.00 counts as received towards your pledge." in latest
    third = payment_receipts.receipt_of(payment)
    assert third
    assert "we returned $40.00 to you" in earlier
    assert f"Official receipt no. {first.serial}, which showed $12,500.00, is cancelled and replaced by no. {third.serial}" in earlier
    assert "a receipt shows only what remains of the gift" in earlier
    assert attached_to(post, funder.email, third) == 1
    send_back(payment, reference="the rest")
    assert [one.returned_cents for one in information_returns.list_of_payment(payment.id)] == [100_00, 12_400_00]
    assert receipts.status_of(third) is Status.CANCELLED
    assert (payment_receipts.receipt_of(payment), payments.received_cents(fund)) == (None, 0)
    send_jobs.send_due()
    assert f"Official receipt no. {third.serial}, which showed $12,400.00, is cancelled." in mails_to(post, funder.email)[0]
    assert checker.findings(db.engine) == []


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


TAMPERED = {
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
def test_the_checker_finds_a_return_that_was_tampered_with(fund: Fund, funder: Funder, copied: Copied) -> None:
    payment, _ = receipted(fund)
    undo(send_back(payment, 50_00))
    send_back(payment, 55_00, "back 2")
    undo(send_back(payment, 5_00, "back 3"))
    assert checker.findings(db.engine) == [], "control"
    for tampering, finding in TAMPERED.items():
        with copied():
            run("SET session_replication_role = replica")
            run("ALTER TABLE funder_payment_request DROP CONSTRAINT two_people_change_payment")
            run(tampering)
            run("SET session_replication_role = origin")
            db.session.commit()
            found = checker.findings(db.engine)
            assert any(finding in sentence for sentence in found), (tampering, found)


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
    assert waiting_receipts.count_for("funder_address", payments.charity_of(payment)) == 1
    assert checker.findings(db.engine) == []
    change(funder, address=ADDRESS)
    send_jobs.send_due()
    valid = payment_receipts.receipt_of(payment)
    assert valid and (valid.cents, valid.content["replaces"]) == (10_000_00, receipt.serial)
    assert checker.findings(db.engine) == []
