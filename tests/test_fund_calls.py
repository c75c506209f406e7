"""Calls for funds: what is called is matched, payments are applied to the oldest first, and the books know each number."""

from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import access_links, call_actions, call_render_jobs, calls, payments
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.mail import send_jobs
from campaign.matching import fund_actions, fund_lifecycle
from campaign.matching.funds import Fund
from campaign.reporting import ledger_days, staff_todo
from campaign.reporting.integrity import call_checks, checker
from campaign.rules.call_balances import applied_in_order
from campaign.rules.call_reminders import Reminder, due_reminder
from campaign.texts.action_errors import ActionError, ActionRefused
from tests.conftest import Post
from tests.factories import another_campaign, create_fund, create_refund, paid, run_concurrently, today
from tests.fund_calls import credit, issue_call, open_sums, set_bank_details
from tests.funder_payments import ONE, corrected, create_funder, details, mails_to, record, refusal_of, reverse, run, send_back, undo


def end_fund(fund: Fund) -> None:
    fund_actions.apply(fund_lifecycle.end, fund, actor=ONE, reason="over")


@given(st.lists(st.integers(1, 50), max_size=6), st.lists(st.integers(0, 50), max_size=6))
def test_what_came_in_is_applied_to_the_oldest_calls_first(calls_: list[int], sums: list[int]) -> None:
    shares = applied_in_order(calls_, sums)
    applied = [sum(s.cents for s in shares if s.call == i) for i in range(len(calls_))]
    assert sum(applied) == min(sum(calls_), sum(sums))
    assert all(share.cents > 0 for share in shares)
    assert all(sum(s.cents for s in shares if s.source == i) <= cents for i, cents in enumerate(sums))
    assert all(applied[i] == calls_[i] for i in range(len(calls_)) if any(applied[i + 1 :])), "an earlier call is paid before a later one"


def test_a_reminder_is_due_from_its_day_on_and_only_the_latest() -> None:
    issued, due = date(2026, 3, 1), date(2026, 3, 31)
    by_day = {day: due_reminder(issued_on=issued, due_on=due, today=due + timedelta(days=day)) for day in range(-30, 60)}
    assert {day for day, one in by_day.items() if one is Reminder.BEFORE} == set(range(-7, 1))
    assert {day for day, one in by_day.items() if one is Reminder.FIRST} == set(range(1, 15))
    assert {day for day, one in by_day.items() if one is Reminder.SECOND} == set(range(15, 46))
    assert due_reminder(issued_on=due - timedelta(days=7), due_on=due, today=due) is None, "its own letter has just said so"


def test_calls_are_numbered_posted_and_settled_by_what_is_received(app: Flask, campaign: Campaign, fund: Fund) -> None:
    funder = create_funder(fund)
    assert funder
    set_bank_details(fund)
    gift = paid(campaign, 300_00)
    paid(campaign, 200_00)
    first = issue_call(fund, 400_00)
    assert (first.name, first.cents, first.content["lines"]) == ("C-00001", 400_00, [["matched", 500_00], ["later", -100_00]])
    assert refusal_of(lambda: issue_call(fund, 100_01)) is ActionError.CALL_TOO_MUCH
    create_refund(gift, 50_00)
    second = issue_call(fund)
    assert second.content["lines"] == [["matched", 0], ["released", -50_00], ["before", 100_00]]
    assert (second.number, second.cents, calls.called_cents(fund), calls.open_cents(fund)) == (2, 50_00, 450_00, 450_00)
    assert refusal_of(lambda: issue_call(fund, 1)) is ActionError.NOTHING_TO_CALL

    payment = record(fund, 420_00)
    assert open_sums(fund) == [0, 30_00]
    right = corrected(payment, details(fund, 390_00))
    assert open_sums(fund) == [10_00, 50_00]
    returned = send_back(right, 100_00)
    assert open_sums(fund) == [110_00, 50_00]
    undo(returned)
    assert open_sums(fund) == [10_00, 50_00]
    assert [(part.id, cents) for part, cents in calls.balances_of(fund)[0].parts] == [(right.id, 390_00)]
    assert refusal_of(lambda: call_actions.cancel(first, reason="r", actor=ONE)) is ActionError.CALL_IS_PAID
    call_actions.cancel(second, reason="a mistake", actor=ONE)
    assert refusal_of(lambda: call_actions.cancel(second, reason="r", actor=ONE)) is ActionError.CALL_IS_CANCELLED
    third = issue_call(fund)
    assert (third.name, third.cents, open_sums(fund)) == ("C-00003", 50_00, [10_00, 50_00]), "the number of a cancelled call stays used"
    reverse(right)
    assert open_sums(fund) == [400_00, 50_00]
    by_day = ledger_days.sums_by_day(campaign, [Move.CALL, Move.CALL_REVERSAL], since=today(), fund_id=fund.id)
    assert {kind: one.cents for kind, one in by_day[today()].items()} == {Move.CALL: 500_00, Move.CALL_REVERSAL: 50_00}
    moves = db.session.query(LedgerEntry.kind, LedgerEntry.cents).filter(LedgerEntry.kind.like("call%")).order_by(LedgerEntry.id).all()
    assert [tuple(move) for move in moves] == [("call", 400_00), ("call", 50_00), ("call_reversal", 50_00), ("call", 50_00)]
    assert checker.findings(db.engine) == []


def test_money_before_a_call_is_applied_to_it_and_a_credit_note_takes_back_what_is_matched_no_longer(
    app: Flask, campaign: Campaign, fund: Fund
) -> None:
    create_funder(fund)
    gift = paid(campaign, 300_00)
    record(fund, 100_00)
    call = issue_call(fund)
    assert (call.content["received_cents"], call.content["to_pay_cents"], open_sums(fund)) == (100_00, 200_00, [200_00])
    create_refund(gift, 250_00)
    db.session.commit()
    assert refusal_of(lambda: credit(fund)) is ActionError.CREDIT_BEFORE_END
    end_fund(fund)
    note = credit(fund)
    assert (note.name, note.cents, note.content["less_open_cents"], note.content["to_return_cents"]) == ("C-00002", 250_00, 200_00, 50_00)
    assert note.content["lines"] == [["called", 300_00], ["earned", -50_00]]
    assert (open_sums(fund), calls.surplus_cents(fund), calls.called_cents(fund)) == ([0], 50_00, 50_00)
    assert refusal_of(lambda: credit(fund)) is ActionError.NOTHING_TO_CREDIT
    document = call_render_jobs.get_or_render_pdf(note)
    assert document.startswith(b"%PDF") and call_render_jobs.get_or_render_pdf(note) == document
    assert checker.findings(db.engine) == []


def test_what_is_left_is_called_after_the_end_where_it_is_given_all_the_same(app: Flask, campaign: Campaign, fund: Fund) -> None:
    create_funder(fund)
    paid(campaign, 100_00)
    assert refusal_of(lambda: issue_call(fund, 100_01)) is ActionError.CALL_TOO_MUCH
    with pytest.raises(IntegrityError, match="frozen"):
        run("UPDATE fund SET leftover = 'given'")
    db.session.rollback()


def test_staff_are_reminded_of_what_is_not_called_when_a_fund_has_ended(campaign: Campaign, fund: Fund) -> None:
    create_funder(fund)
    paid(campaign, 100_00)
    issue_call(fund, 60_00)
    assert "uncalled" not in staff_todo.todo_of(campaign).counted, "while the fund matches, staff call when they like"
    end_fund(fund)
    assert staff_todo.todo_of(campaign).counted["uncalled"] == 1
    issue_call(fund)
    assert "uncalled" not in staff_todo.todo_of(campaign).counted


def test_nothing_is_called_of_a_draft_whose_last_day_is_over(campaign: Campaign) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    draft = create_fund(campaign, 500_00, position=2, active=False, closes_at=past, leftover="given")
    create_funder(draft)
    assert calls.callable_cents(draft, now=datetime.now(UTC)) == 0
    assert db.session.scalar(text("SELECT callable_of_fund(:fund)"), {"fund": draft.id}) == 0
    assert "uncalled" not in staff_todo.todo_of(campaign).counted


def test_a_cancelled_call_leaves_what_is_open_of_all_funds_of_the_funder(campaign: Campaign, fund: Fund, post: Post) -> None:
    funder = create_funder(fund)
    second = another_campaign(like=campaign)
    other = create_fund(second, 400_00, position=1, funder_id=funder.id)
    paid(campaign, 100_00)
    paid(second, 70_00)
    call = issue_call(fund)
    issue_call(other)
    call_actions.cancel(call, reason="too early", actor=ONE)
    send_jobs.send_due()
    assert "Of our other calls, $70.00 is still to be paid." in "".join(mails_to(post, funder.email))


@pytest.mark.owner
def test_i17_the_checker_and_the_database_hold_what_is_called(app: Flask, campaign: Campaign, fund: Fund) -> None:
    create_funder(fund)
    paid(campaign, 100_00)
    call = issue_call(fund, 60_00)
    record(fund, 10_00)
    row = (
        "INSERT INTO fund_call (charity_id, number, fund_id, kind, cents, issued_on, due_on, content, reason, issued_by) "
        "SELECT charity_id, 2, fund_id, '{}', {}, issued_on, {}, content, {}, 'x' FROM fund_call WHERE number = 1"
    )
    entry = "INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, reference, cause) VALUES "
    for statement, rule in (
        (row.format("call", 40_01, "due_on", "''"), "called_is_earned"),
        (row.format("credit_note", 1, "NULL", "'r'"), "credited_is_not_earned"),
        (f"INSERT INTO call_cancellation VALUES ({call.id}, 'r', 'x')", "cancelled_is_unpaid"),
        (entry + "('call', 'earned', 'called', 1, 1, 1, 'call:9', 'x')", "called_is_a_call"),
        (entry + "('call_reversal', 'called', 'earned', 6000, 1, 1, 'call_reversal:1', 'x')", "called_is_a_call"),
        (f"UPDATE fund_call SET cents = 1 WHERE id = {call.id}", "append-only"),
    ):
        with pytest.raises(IntegrityError, match=rule):
            run(statement)
        db.session.rollback()
    assert checker.findings(db.engine) == []
    tampered = (
        ("UPDATE fund_call SET cents = 6001", "are called, but 6000 are posted"),
        ("UPDATE call_series SET last_number = 3", "are numbered up to 3"),
        ('UPDATE fund_call SET content = content || \'{"lines": [["matched", 1]]}\'', "lines that do not add up"),
        ("INSERT INTO call_cancellation VALUES (1, 'r', 'x')", "call_reversal:1 of fund"),
        ("UPDATE ledger_entry SET cents = 10001 WHERE kind = 'call'", "10001 cents of fund sanaa-richard are called"),
        ("UPDATE ledger_entry SET reference = 'call:9' WHERE kind = 'call'", "call:9 of fund"),
    )
    for statement, found in tampered:
        for table in ("fund_call", "call_cancellation", "ledger_entry"):
            run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        run(statement)
        with db.session.begin_nested():
            sentences = [sentence for check in call_checks.CHECKS_OF_ALL for sentence in check(db.session.connection())]
        db.session.execute(
            text(
                "CREATE TEMPORARY TABLE move_sum ON COMMIT DROP AS SELECT fund_id, kind, sum(cents) AS cents FROM ledger_entry GROUP BY 1, 2"
            )
        )
        sentences += [sentence for check in call_checks.CHECKS for sentence in check(db.session.connection())]
        assert any(found in sentence for sentence in sentences), (statement, sentences)
        db.session.rollback()


def test_two_calls_at_once_are_one_call(app: Flask, campaign: Campaign, fund: Fund) -> None:
    create_funder(fund)
    set_bank_details(fund)
    paid(campaign, 100_00)
    version, fund_id = call_actions.version_of(fund), fund.id
    db.session.commit()

    def attempt() -> str:
        mine = db.session.get_one(Fund, fund_id)
        due = today() + timedelta(days=30)
        try:
            return call_actions.issue(mine, cents=50_00, due_on=due, version=version, livemode=False, actor=ONE).name
        except ActionRefused as error:
            return error.refusal.value

    assert sorted(run_concurrently(app, [attempt, attempt])) == ["C-00001", "calls have changed"]
    assert payments.received_cents(fund) == 0


def test_a_funder_sees_what_is_to_be_paid_and_each_call_with_its_document(client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    create_funder(fund)
    paid(campaign, 300_00)
    client.get("/" + access_links.create_link(fund, actor="test").split("/", 3)[3])
    db.session.commit()
    assert 'id="to-pay"' not in client.get("/funder/?lang=en").text, "before the first call there is nothing to say"
    call = issue_call(fund, 200_00)
    page = client.get("/funder/?lang=en").text
    assert "To be paid now: $200.00, by " in page and f"/funder/calls/{call.number}.pdf" in page
    record(fund, 50_00, "w1")
    assert "To be paid now: $150.00" in client.get("/funder/?lang=en").text
    record(fund, 150_00, "w2")
    assert "Nothing is to be paid now" in client.get("/funder/?lang=en").text
    assert client.get(f"/funder/calls/{call.number}.pdf").data.startswith(b"%PDF")
    assert client.get("/funder/calls/99.pdf").status_code == 404
