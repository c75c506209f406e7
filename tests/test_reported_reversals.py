"""What is returned of a receipted gift is reported by one information return, in every order of refunds, disputes and endings of receipts."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.donations import donors
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.receipts import annual_jobs, awaited, donor_merge_actions, information_return_actions, lifecycle, receipts
from campaign.receipts.information_returns import Filing, FilingMethod, InformationReturn
from campaign.receipts.receipts import SYSTEM_ACTOR, ReceiptIncomplete
from campaign.receipts.render_jobs import issue_context
from campaign.receipts.reported_reversals import returned_cents
from campaign.reporting.integrity import checker
from campaign.rules import returned_gifts
from campaign.rules.returned_gifts import ReversalState
from campaign.texts.action_errors import ActionError, ActionRefused
from tests.conftest import Post
from tests.factories import create_refund, issue_receipt, paid, pay, start_donation
from tests.scale import examples

MID_JANUARY = datetime(2026, 1, 15, 12, tzinfo=UTC)


def tasks(donation: Donation) -> list[InformationReturn]:
    return list(db.session.query(InformationReturn).filter_by(donation_id=donation.id).order_by(InformationReturn.id))


def reported(donation: Donation) -> list[int]:
    """What the returns on the donation report that are not withdrawn."""
    db.session.expire_all()
    return [returned_cents(task) for task in tasks(donation) if task.closed_by != SYSTEM_ACTOR]


def refund(donation: Donation, cents: int, **changed: str) -> None:
    create_refund(donation, cents, **changed)
    db.session.commit()
    send_jobs.send_due()


def receipted(campaign: Campaign, cents: int = 200_00, **changed: object) -> Donation:
    donation = paid(campaign, cents, **changed)
    send_jobs.send_due()
    return donation


def lose_name(donation: Donation) -> None:
    donation.first_name = donation.last_name = ""


def lose_address(donation: Donation) -> None:
    donation.address_line1 = donation.city = donation.province = donation.postal_code = ""


def take_declaration(donation: Donation) -> None:
    donation.organization = "ACME Inc."  # Without the actions that ask why.


@pytest.mark.parametrize("lose", [lose_name, lose_address, take_declaration])
def test_what_is_returned_while_a_receipt_waits_is_reported(
    app: Flask, campaign: Campaign, post: Post, lose: Callable[[Donation], None]
) -> None:
    donation = receipted(campaign)
    lose(donation)
    refund(donation, 60_00)
    assert awaited.awaiting_receipt_of(donation.id) is not None
    refund(donation, 40_00)
    assert reported(donation) == [60_00, 40_00]
    assert checker.findings(db.engine) == []
    refund(donation, 100_00, kind="dispute")
    assert reported(donation) == [60_00, 40_00, 100_00], "a full return needs no receipt, and is reported all the same"
    assert {task.receipt_id for task in tasks(donation)} == {receipts.receipts_of(donation.id)[0].id}
    assert checker.findings(db.engine) == []


def test_smaller_refunds_are_added_up_while_a_receipt_waits(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = receipted(campaign)
    lose_name(donation)
    refund(donation, 30_00)
    assert reported(donation) == []
    refund(donation, 30_00)
    assert reported(donation) == [60_00]
    assert checker.findings(db.engine) == []


def test_a_dispute_of_what_a_refund_left_is_reported_beside_it(app: Flask, campaign: Campaign, post: Post) -> None:
    for first, second in (("refund", "dispute"), ("dispute", "refund")):
        donation = receipted(campaign)
        refund(donation, 60_00, kind=first)
        refund(donation, 140_00, kind=second)
        assert reported(donation) == [60_00, 140_00]
        numbers = [receipt.id for receipt in receipts.receipts_of(donation.id)]
        assert [task.receipt_id for task in tasks(donation)] == numbers[:1] * 2, "both are about the first receipt"
        assert [task.receipted_cents for task in tasks(donation)] == [200_00, 200_00]
    assert checker.findings(db.engine) == []


def test_a_dispute_that_is_reinstated_and_lost_again_is_reported_once_unless_it_was_filed(
    app: Flask, campaign: Campaign, post: Post
) -> None:
    donation, filed = receipted(campaign), receipted(campaign)
    for one in (donation, filed):
        refund(one, 200_00, kind="dispute", name=f"dp_{one.id}")
        assert reported(one) == [200_00]
    file(filed)
    for one in (donation, filed):
        refund(one, 200_00, kind="dispute", name=f"dp_{one.id}", status="won")
    assert (reported(donation), reported(filed)) == ([], [0]), "an open return is withdrawn; of one that was filed, the money has come back"
    for one in (donation, filed):
        refund(one, 200_00, kind="dispute", name=f"dp_{one.id}")
    assert (reported(donation), reported(filed)) == ([200_00], [0, 200_00])
    with pytest.raises(ActionRefused, match=ActionError.RETURN_CAME_BACK):
        information_return_actions.reopen(tasks(filed)[0].id, actor="clerk@example.org")
    assert checker.findings(db.engine) == []


def test_a_return_of_which_too_little_is_left_is_not_reopened(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = receipted(campaign)
    refund(donation, 30_00)
    refund(donation, 100_00, kind="dispute", name="dp_1")
    assert reported(donation) == [130_00]
    file(donation)
    refund(donation, 100_00, kind="dispute", name="dp_1", status="won")
    assert reported(donation) == [30_00]
    with pytest.raises(ActionRefused, match=ActionError.RETURN_TOO_SMALL):
        information_return_actions.reopen(tasks(donation)[0].id, actor="clerk@example.org")
    assert checker.findings(db.engine) == []


def test_a_reinstated_gift_that_is_refunded_is_reported_again(app: Flask, campaign: Campaign, post: Post) -> None:
    """The control as well: by sums alone, all had been reported before."""
    donation = receipted(campaign)
    refund(donation, 150_00, kind="dispute", name="dp_1")
    file(donation)
    refund(donation, 150_00, kind="dispute", name="dp_1", status="won")
    refund(donation, 200_00)
    assert reported(donation) == [0, 200_00]
    assert checker.findings(db.engine) == []


def test_a_refund_that_fails_takes_its_part_from_the_return(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = receipted(campaign)
    refund(donation, 40_00, name="re_1")
    refund(donation, 20_00, name="re_2")
    assert reported(donation) == [60_00]
    refund(donation, 20_00, name="re_2", status="failed")
    assert reported(donation) == [], "what is left is $50 or less"
    refund(donation, 15_00, name="re_3")
    assert reported(donation) == [55_00], "and is reported with what exceeds it"
    file(donation)
    refund(donation, 40_00, name="re_1", status="failed")
    assert reported(donation) == [15_00]
    assert checker.findings(db.engine) == []


def test_what_the_first_receipt_left_out_is_reported_only_when_it_goes_out_again(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 200_00)
    create_refund(donation, 100_00, name="re_1")
    db.session.commit()
    send_jobs.send_due()
    refund(donation, 60_00, name="re_2")
    assert (reported(donation), tasks(donation)[0].receipted_cents) == ([60_00], 100_00)
    refund(donation, 100_00, name="re_1", status="failed")
    refund(donation, 80_00, name="re_3")
    assert reported(donation) == [60_00, 80_00]
    assert checker.findings(db.engine) == []


def test_more_than_was_charged_is_not_reported_until_the_rest_has_come_back(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = receipted(campaign)
    refund(donation, 120_00, name="re_1")
    refund(donation, 200_00, kind="dispute", name="dp_1")
    assert reported(donation) == [120_00, 80_00]
    refund(donation, 120_00, name="re_1", status="failed")
    issue_receipt(donation)  # Nothing is posted, so no message comes.
    assert reported(donation) == [80_00, 120_00], "the refund's return is withdrawn"
    assert checker.findings(db.engine) == []


def test_a_return_after_a_receipt_was_voided_is_reported(app: Flask, campaign: Campaign, post: Post) -> None:
    """The donor may have used it. Staff close the return if it need not be filed."""
    donation = receipted(campaign)
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    lifecycle.void(receipt, actor="manager@example.org", note="a duplicate")
    refund(donation, 200_00)
    assert (reported(donation), receipts.receipt_of(donation.id)) == ([200_00], None)
    assert checker.findings(db.engine) == []


def test_donors_who_are_merged_or_separated_keep_what_is_reported(app: Flask, campaign: Campaign, post: Post) -> None:
    primary, donation = receipted(campaign), receipted(campaign)
    refund(donation, 60_00)
    merge = donor_merge_actions.merge(primary.donor_id, donation.donor_id, actor="clerk@example.org", reason="one person")
    refund(donation, 70_00)
    donor_merge_actions.undo(merge.id, actor="clerk@example.org")
    refund(donation, 70_00)
    assert (reported(donation), reported(primary)) == ([60_00, 70_00, 70_00], [])
    assert checker.findings(db.engine) == []


def test_each_returned_gift_of_an_annual_receipt_is_reported_by_itself(app: Flask, campaign: Campaign, post: Post) -> None:
    with time_machine.travel(MID_JANUARY, tick=True):
        months = [start_donation(campaign, 80_00, email="monthly@example.org") for _ in range(3)]
        for number, month in enumerate(months, 1):
            pay(month, at=datetime(2025, number, 14, tzinfo=UTC))
        donors.set_receipt_preference(months[0].donor_id, "annual")
        db.session.commit()
        annual_jobs.issue_due()
        send_jobs.send_due()
        refund(months[1], 80_00)
        lose_name(months[0])
        lose_name(months[2])
        refund(months[0], 60_00)
        refund(months[2], 20_00)
    assert [reported(month) for month in months] == [[60_00], [80_00], []]
    first = receipts.receipts_of(months[1].id)[0]
    assert {(task.receipt_id, task.receipted_cents) for month in months for task in tasks(month)} == {(first.id, 80_00)}
    assert checker.findings(db.engine) == []


def file(donation: Donation) -> None:
    """Close the open returns on the donation as filed."""
    for task in tasks(donation):
        if task.closed_at is None:
            today = donation.campaign.charity.local(datetime.now(UTC)).date()
            assert information_return_actions.close(task.id, Filing(on=today, method=FilingMethod.FAX), actor="clerk@example.org", note="")


def test_a_return_that_is_reopened_reports_what_it_did(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = receipted(campaign)
    refund(donation, 60_00)
    file(donation)
    information_return_actions.reopen(tasks(donation)[0].id, actor="clerk@example.org")
    with pytest.raises(ActionRefused, match=ActionError.RETURN_IS_OPEN):
        information_return_actions.reopen(tasks(donation)[0].id, actor="clerk@example.org")
    (task,) = tasks(donation)
    assert (task.closed_at, task.filed_on, task.filed_how) == (None, None, None)
    refund(donation, 70_00)
    file(donation)
    assert reported(donation) == [60_00, 70_00]
    assert checker.findings(db.engine) == []


@settings(max_examples=examples(8), phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["change", "lose", "restore", "file"]), st.booleans()), max_size=10))
def test_i17_in_any_order_each_cent_is_reported_once(app: Flask, campaign: Campaign, events: list[tuple[int, str, bool]]) -> None:
    """Refunds and disputes of one donation go out and come back; its receipt waits at times; returns are filed."""
    donation = paid(campaign, 200_00)
    issue_receipt(donation)
    out: set[int] = set()
    for number, what, is_handled in events:
        if what == "change":
            out ^= {number}
            kind = "dispute" if number % 2 else "refund"
            status = {"refund": ("failed", "succeeded"), "dispute": ("won", "lost")}[kind][number in out]
            create_refund(donation, (number + 1) * 15_00, kind=kind, name=f"{kind}_{donation.id}_{number}", status=status)
        elif what == "file":
            file(donation)
        else:
            donation.first_name, donation.last_name = ("", "") if what == "lose" else ("Anne", "Roy")
            db.session.commit()
        if is_handled:
            bring_up_to_date(donation)
    donation.first_name, donation.last_name = "Anne", "Roy"
    bring_up_to_date(donation)
    db.session.execute(text("UPDATE outbox SET done_at = now() WHERE done_at IS NULL"))
    db.session.commit()
    returned = min(200_00, sum((number + 1) * 15_00 for number in out))
    assert sum(reported(donation)) == returned or (returned <= 50_00 and sum(reported(donation)) <= returned)


def bring_up_to_date(donation: Donation) -> None:
    """As a message about a reversal does."""
    with contextlib.suppress(ReceiptIncomplete), db.session.begin_nested():
        issue_receipt(donation)
    lifecycle.report_returned([donation], issue_context())
    db.session.commit()


@given(
    st.integers(1, 300),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100), st.integers(0, 100)), max_size=5),
)
def test_what_is_named_after_a_change_is_what_is_in_effect(charged: int, numbers: list[tuple[int, int, int]]) -> None:
    states, named = [], 0
    for reversal_id, (posted, left_out, reported_now) in enumerate(numbers):
        if named + left_out + reported_now <= charged:
            named += left_out + reported_now
            amounts = {"posted_cents": posted, "left_out_cents": left_out, "reported_cents": reported_now}
            states.append(ReversalState(reversal_id=reversal_id, returned_at=None, **amounts))
    changes = returned_gifts.unnamed_changes(states, charged_cents=charged)
    in_effect = {state.reversal_id: state.named_cents + changes[state.reversal_id] for state in states}
    assert sum(in_effect.values()) == min(charged, sum(state.posted_cents for state in states))
    for state in states:
        assert 0 <= in_effect[state.reversal_id] <= state.posted_cents
        if state.named_cents <= state.posted_cents:
            assert changes[state.reversal_id] >= 0, "what is named stays so while it is in effect"


@pytest.mark.owner
def test_the_database_and_the_checker_refuse_what_is_reported_twice_or_not_at_all(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = receipted(campaign)
    refund(donation, 60_00)
    (task,) = tasks(donation)
    again = "INSERT INTO reported_reversal (reversal_id, information_return_id, cents) SELECT reversal_id, {}, {} FROM reported_reversal"
    for row, name in (
        ((task.id, 60_00), "reported_once"),
        (("NULL", 1), "reported_once"),
        ((task.id, -60_01), "reported_before_taken_back"),
    ):
        with pytest.raises(IntegrityError, match=name), db.session.begin_nested():
            db.session.execute(text(again.format(*row)))
    assert checker.findings(db.engine) == []
    # The controls: what the guards would refuse is found.
    db.session.execute(text("ALTER TABLE reported_reversal DISABLE TRIGGER USER"))
    for tampered, finding in (
        (again.format(task.id, 60_00), "information returns report 12000"),
        ("DELETE FROM reported_reversal WHERE id > 1", None),
        ("UPDATE information_return SET due_on = due_on + 1", "is not due 90 days after"),
        ("UPDATE information_return SET due_on = due_on - 1", None),
        ("UPDATE reported_reversal SET cents = 1", "information returns report 1."),
        ("DELETE FROM reported_reversal", "is open although its money came back"),
    ):
        db.session.execute(text(tampered))
        db.session.commit()
        found = [sentence for sentence in checker.findings(db.engine) if sentence.startswith("I17") and finding and finding in sentence]
        assert bool(found) == bool(finding), tampered
    db.session.execute(text("ALTER TABLE reported_reversal ENABLE TRIGGER USER"))
    db.session.commit()
