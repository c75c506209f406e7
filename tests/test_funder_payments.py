"""Payments of funders: what is asked first, and that correcting or reversing one takes two people and erases nothing."""

import re
from datetime import date, timedelta

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.cli import main
from campaign.edges.db import db
from campaign.funders import payment_actions, payment_receipts, payment_requests, payments
from campaign.funders.funders import Funder
from campaign.funders.payment_actions import PaymentDoubtful
from campaign.funders.payment_descriptions import describe_request
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment
from campaign.ledger.entries import LedgerEntry
from campaign.mail import send_jobs
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.receipts import (
    filed_returns,
    information_returns,
    receipt_actions,
    receipts,
)
from campaign.receipts.receipts import EndReason, Receipt, ReceiptIncomplete, Status
from campaign.receipts.render_jobs import issue_context
from campaign.reporting import published_heads, receipt_register, return_gifts, staff_todo
from campaign.reporting.gifts_received import gifts_in
from campaign.reporting.integrity import checker
from campaign.reporting.statement_actions import take_statement
from campaign.rules.fiscal_years import calendar_year
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion, questions_about
from campaign.rules.return_lines import Form
from campaign.staff import members
from campaign.texts.action_errors import ActionError, ActionRefused
from tests.conftest import Copied, Post
from tests.factories import create_fund, run_concurrently
from tests.funder_payments import (
    ADDRESS,
    ONE,
    TWO,
    change,
    corrected,
    create_funder,
    decide_void,
    details,
    payment_sql,
    receipted,
    record,
    refusal_of,
    request_sql,
    reverse,
    run,
    send_back,
    today,
)
from tests.mail import attached, text_of
from tests.web import signed_in


@pytest.fixture
def funder(fund: Fund) -> Funder:
    return create_funder(fund)


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
    for statement in (
        "UPDATE funder_payment_request SET returned_on = '2026-01-02'",
        f"UPDATE funder_payment_request SET requested_by = '{TWO}'",
        "UPDATE funder_payment_request SET decision = NULL, decided_by = NULL, decided_at = NULL WHERE decision IS NOT NULL",
        "DELETE FROM funder_payment_request",
        "UPDATE funder_payment_reversal SET request_id = 2",
        "DELETE FROM funder_payment_reversal",
        "TRUNCATE funder_payment_reversal",
    ):
        with pytest.raises(DatabaseError, match="append-only"), db.session.begin_nested():
            run(statement)


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
def test_the_checker_finds_a_payment_that_was_tampered_with(fund: Fund, funder: Funder, copied: Copied) -> None:
    payment, _ = receipted(fund)
    corrected(payment, details(fund, 1_250_00))
    assert checker.findings(db.engine) == [], "control"
    for tampering, finding in TAMPERED.items():
        with copied():
            run("SET session_replication_role = replica")
            run("ALTER TABLE funder_payment_request DROP CONSTRAINT two_people_change_payment")
            run(tampering)
            run("SET session_replication_role = origin")
            db.session.commit()
            found = checker.findings(db.engine)
            assert any(sentence.startswith(("I14", "I17")) and finding in sentence for sentence in found), (tampering, found)


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
