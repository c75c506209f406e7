"""Gifts that were paid by cheque, in cash or by transfer: matched and receipted like any other, and never looked for at Stripe."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.donations.declarations import How, Statement
from campaign.donations.donations import Donation
from campaign.donations.donor_merges import EmailWouldBeLost
from campaign.donations.donors import ANNUAL
from campaign.edges.db import db
from campaign.mail import mail_actions, send_jobs
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.outbox.messages import OutboxMessage
from campaign.payments import deposits
from campaign.payments.deposits import DepositSlip
from campaign.payments.offline_gifts import GiftState
from campaign.payments.refunds import RefundRefused, request_refund
from campaign.payments.status import Status, status_of
from campaign.receipts import (
    annual,
    donor_merge_actions,
    offline_gift_actions,
    posted_receipt_actions,
    posted_receipts,
    receipt_actions,
    receipts,
    unreported_returns,
)
from campaign.receipts.information_returns import InformationReturn
from campaign.receipts.offline_gift_actions import DonorUnclear, GiftDoubtful, TypedGift
from campaign.reporting import campaign_days, donation_history, receipt_register, return_gifts, returns, staff_todo, stripe_clearing
from campaign.reporting.integrity import checker, funder_checks, match_checks, receipt_checks, scope
from campaign.reporting.totals import totals_of
from campaign.rules.fiscal_years import calendar_year
from campaign.rules.offline_gifts import OfflineMethod, OfflineQuestion, OfflineReversalKind, SameGifts, moment_of_day, questions_about
from campaign.rules.return_lines import GiftGroup
from campaign.staff.audit import AuditEntry
from campaign.texts.action_errors import ActionError, ActionRefused
from campaign.texts.donation_timeline import TimelineKind
from tests.conftest import Post
from tests.factories import TORONTO, another_campaign, issue_receipt, paid, pay, run_concurrently, start_donation, today
from tests.mail import last_email, make_due, text_of
from tests.offline_gifts import CLERK, cheque, reversed_gift, typed_gift


def test_a_cheque_is_matched_like_a_card_payment_of_the_same_sum_and_moment(campaign: Campaign) -> None:
    """The same sums in the same order, by one way in one campaign and at random in the other: each gift has the same match."""
    terms: dict[str, Any] = {"per_donation_cents": 150_00, "per_donor_cents": 400_00, "minimum_cents": 20_00, "ratio": (2, 3)}
    one, other = (another_campaign(500_00, 900_00, like=campaign, **terms) for _ in range(2))
    draw = random.Random(7)
    for number in range(10):
        cents, moment = draw.randrange(10_00, 900_00), datetime.now(UTC) - timedelta(days=draw.randrange(3, 40))
        moment = moment_of_day(moment.astimezone(TORONTO).date(), TORONTO, now=datetime.now(UTC))
        email = f"donor{number % 3}@example.org"
        stripe = start_donation(one, cents, email=email)
        pay(stripe, at=moment)
        if draw.random() < 0.5:
            twin = cheque(other, cents, email=email, received_on=moment.astimezone(TORONTO).date())
        else:
            twin = start_donation(other, cents, email=email)
            pay(twin, at=moment)
        assert (twin.authorized_at, twin.received_at) == (stripe.authorized_at, stripe.received_at) == (moment, moment)
        assert match_of(twin.id).matched_cents == match_of(stripe.id).matched_cents
        assert twin.match_limit == stripe.match_limit
    by_card, mixed = (db.session.get_one(CampaignTotals, of.id, populate_existing=True) for of in (one, other))
    assert (by_card.donated_cents, by_card.donations, by_card.donors) == (mixed.donated_cents, mixed.donations, mixed.donors)
    assert 0 < mixed.offline_cents < mixed.donated_cents and by_card.offline_cents == 0
    assert checker.findings(db.engine) == []


def test_a_cheque_that_bounces_was_no_gift_and_its_match_goes_to_the_gift_that_waits(campaign: Campaign, fund: Fund, post: Post) -> None:
    bounced = cheque(campaign, 40_000_00, reference="2026-77")
    waiting = paid(campaign, 20_000_00)
    make_due()
    send_jobs.send_due()
    receipt = receipts.receipt_of(bounced.id)
    assert receipt and receipt.content["received_on"] == today().isoformat()
    assert "card statement" not in text_of(last_email(post, bounced))
    assert (match_of(bounced.id).matched_cents, match_of(waiting.id).matched_cents) == (40_000_00, 10_000_00)
    assert stripe_clearing.clearing_of(campaign).this_campaign_cents == 20_000_00
    reversed_gift(bounced, OfflineReversalKind.RETURNED)
    assert checker.findings(db.engine) == []
    assert (match_of(bounced.id).matched_cents, match_of(waiting.id).matched_cents) == (0, 20_000_00)
    send_jobs.send_due()
    assert receipts.status_of(receipt) is receipts.Status.CANCELLED
    sent = text_of(last_email(post, bounced))
    assert "did not honour" in sent and receipt.serial in sent and "card or account" not in sent
    # Nothing went back to the donor, so there is nothing to report, and nothing was received.
    assert db.session.query(InformationReturn).count() == 0 and unreported_returns.list_unreported(limit=9) == []
    year = calendar_year(today().year)
    assert [gift.donation for gift in return_gifts.gifts_of(campaign.charity, year)] == [waiting.public_id]
    found = returns.returns_of(campaign.charity, year)
    assert (found.cents(), found.returned_cents, found.difference_from_books_cents) == (20_000_00, 0, 0)
    (line,) = [line for line in receipt_register.whole_register(campaign.charity, year) if line.serial == receipt.serial]
    assert (line.offline_method, line.payment, line.valid_cents, line.end_reason) == (
        OfflineMethod.CHEQUE,
        "1",
        0,
        "returned",
    ) or line.payment
    totals = totals_of(campaign.slug)
    assert totals and (totals.donated_cents, totals.donations, totals.donors) == (20_000_00, 1, 1)
    assert stripe_clearing.clearing_of(campaign).this_campaign_cents == 20_000_00
    kinds = [entry.event.kind for entry in donation_history.history_of(bounced, "en")]
    assert kinds[:2] == [TimelineKind.ENTERED, TimelineKind.PAID] and TimelineKind.BOUNCED in kinds
    assert status_of(bounced).state is Status.REFUNDED
    with pytest.raises(ActionRefused) as refused:
        reversed_gift(bounced, OfflineReversalKind.RETURNED, 1)
    assert refused.value.refusal is ActionError.GIFT_IS_REVERSED


def test_what_is_given_back_of_a_cheque_is_a_refund_that_is_reported(campaign: Campaign, fund: Fund, post: Post) -> None:
    donation = cheque(campaign, 300_00, received_on=today() - timedelta(days=3))
    make_due()
    send_jobs.send_due()
    first = receipts.receipt_of(donation.id)
    assert first
    for cents, day, error in (
        (300_01, today(), ActionError.REVERSAL_TOO_MUCH),
        (10_00, today() - timedelta(days=4), ActionError.REVERSAL_DAY),
        (10_00, today() + timedelta(days=1), ActionError.REVERSAL_DAY),
    ):
        with pytest.raises(ActionRefused) as refused:
            reversed_gift(donation, OfflineReversalKind.REFUNDED, cents, on=day)
        assert refused.value.refusal is error
    with pytest.raises(RefundRefused):
        request_refund(donation, None, actor=CLERK, reason="through Stripe")
    db.session.rollback()
    reversed_gift(donation, OfflineReversalKind.REFUNDED, 30_00, on=today() - timedelta(days=2))
    reversed_gift(donation, OfflineReversalKind.REFUNDED, 70_00, on=today() - timedelta(days=1))
    send_jobs.send_due()
    assert status_of(donation).state is Status.PARTIALLY_REFUNDED and match_of(donation.id).matched_cents == 200_00
    receipt = receipts.receipt_of(donation.id)
    assert receipt and receipt.cents == 200_00 and receipt.replaces_id == first.id
    sent = text_of(last_email(post, donation))
    assert "refunded $70" in sent and "card or account" not in sent
    (task,) = db.session.query(InformationReturn)
    assert (task.returned_cents, task.returned_on, task.receipted_cents) == (100_00, today() - timedelta(days=1), 300_00)
    assert unreported_returns.list_unreported(limit=9) == []
    (gift,) = return_gifts.gifts_of(campaign.charity, calendar_year(donation_day(donation).year))
    assert (gift.received_cents, gift.returned_cents, gift.cents, gift.group) == (300_00, 100_00, 200_00, GiftGroup.RECEIPTED)
    with pytest.raises(ActionRefused) as refused:
        reversed_gift(donation, OfflineReversalKind.MISTAKE)
    assert refused.value.refusal is ActionError.GIFT_WAS_REFUNDED
    db.session.rollback()
    assert checker.findings(db.engine) == []
    # Then the bank returns the cheque: the rest never was a gift, and what was given back before stays reported.
    reversed_gift(donation, OfflineReversalKind.RETURNED)
    send_jobs.send_due()
    assert donation.net_cents == match_of(donation.id).matched_cents == 0 and receipts.status_of(receipt) is receipts.Status.CANCELLED
    sent = text_of(last_email(post, donation))
    assert "payment of $300" in sent and "we refunded $100 of it" in sent
    assert [(one.id, one.returned_cents, one.closed_at) for one in db.session.query(InformationReturn)] == [(task.id, 100_00, None)]
    assert unreported_returns.list_unreported(limit=9) == []
    (gift,) = return_gifts.gifts_of(campaign.charity, calendar_year(donation_day(donation).year))
    assert (gift.received_cents, gift.returned_cents, gift.cents, gift.group) == (100_00, 100_00, 0, GiftGroup.RETURNED)
    totals = totals_of(campaign.slug)
    assert totals and (totals.donated_cents, totals.donations, totals.donors) == (0, 0, 0)
    assert checker.findings(db.engine) == []


def donation_day(donation: Donation) -> date:
    assert donation.received_at
    return donation.received_at.astimezone(TORONTO).date()


def test_a_gift_that_staff_exclude_is_never_matched(campaign: Campaign, fund: Fund) -> None:
    excluded = cheque(campaign, 100_00, is_matchable=False)
    assert match_of(excluded.id).matched_cents == 0 and not donation_history.is_queued(excluded)
    reversed_gift(excluded, OfflineReversalKind.REFUNDED, 10_00)
    assert match_of(excluded.id).matched_cents == 0 and not donation_history.is_queued(excluded)
    assert TimelineKind.NOT_MATCHABLE in [entry.event.kind for entry in donation_history.history_of(excluded, "en")]
    assert checker.findings(db.engine) == []
    match = "INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, donation_id, reference, cause) VALUES"
    with pytest.raises(IntegrityError, match="donation_is_matchable"):
        db.session.execute(text(f"{match} ('match', 'available', 'matched', 1, {campaign.id}, {fund.id}, {excluded.id}, 'x', 'x')"))
    db.session.rollback()


def test_donors_without_an_email_address_count_once_each_and_get_their_receipts_by_post(campaign: Campaign, fund: Fund) -> None:
    place: dict[str, Any] = {"last_name": "Gagné", "postal_code": "G1R 4P5", "email": ""}
    first = cheque(campaign, first_name="Luc", **place)
    with pytest.raises(DonorUnclear) as unclear:
        cheque(campaign, first_name="Anne", **{**place, "last_name": "gagne"}, donor_id=None)
    assert [gift.id for gift in unclear.value.latest] == [first.id]
    db.session.rollback()
    same = cheque(campaign, 120_00, first_name="Luc", **place, donor_id=first.donor_id)
    other = cheque(campaign, first_name="Anne", **place, donor_id=0)
    assert same.donor_id == first.donor_id != other.donor_id
    totals = totals_of(campaign.slug)
    assert totals and (totals.donations, totals.donors) == (3, 2)
    make_due()
    send_jobs.send_due()
    issued = [receipts.receipt_of(gift.id) for gift in (first, same, other)]
    assert all(issued) and db.session.query(OutboxMessage).filter(OutboxMessage.done_at.is_(None)).count() == 0
    assert db.session.scalar(text("SELECT count(*) FROM frozen_email")) == 0
    assert posted_receipts.list_to_post(campaign.charity, limit=9) == issued and posted_receipts.count_to_post(campaign.charity) == 3
    assert issued[0]
    for _ in range(2):
        posted_receipt_actions.mark_posted(issued[0], actor=CLERK)
    assert posted_receipts.list_to_post(campaign.charity, limit=9) == issued[1:]
    posted_receipt_actions.undo_posted(issued[0], actor=CLERK)
    posted = [entry.action for entry in db.session.query(AuditEntry).filter(AuditEntry.subject == issued[0].serial)]
    assert posted_receipts.count_to_post(campaign.charity) == 3 and posted == ["posted a receipt", "took back that a receipt was posted"]
    # With an address the person is the same donor; merged with one who has an address, the gifts come there, and back again.
    mailed = cheque(campaign, 130_00, first_name="Luc", **{**place, "email": "luc@example.org"}, donor_id=first.donor_id)
    assert mailed.donor_id == first.donor_id
    merge = donor_merge_actions.merge(mailed.donor_id, other.donor_id, actor="m@example.org", reason="one household")
    assert db.session.get_one(Donation, other.id, populate_existing=True).email == "luc@example.org"
    assert donor_merge_actions.undo(merge.id, actor="m@example.org")
    assert db.session.get_one(Donation, other.id, populate_existing=True).email == ""
    assert checker.findings(db.engine) == []


def test_a_receipt_that_waits_to_be_posted_is_counted_and_mailed_once_its_donor_has_an_address(
    campaign: Campaign, fund: Fund, post: Post
) -> None:
    first, second = (cheque(campaign, email="", first_name=name) for name in ("Luc", "Anne"))
    make_due()
    send_jobs.send_due()
    assert staff_todo.todo_of(campaign).counted["to_post"] == 2 and not list(post.box.newest(9))
    mail_actions.correct_email(first, "luc@example.org", actor=CLERK)
    send_jobs.send_due()
    receipt = receipts.receipt_of(first.id)
    assert receipt and receipt.serial in text_of(last_email(post, first)) and staff_todo.todo_of(campaign).counted["to_post"] == 1
    donor_merge_actions.merge(paid(campaign, email="anne@example.org").donor_id, second.donor_id, actor=CLERK, reason="one person")
    send_jobs.send_due()
    receipt = receipts.receipt_of(second.id)
    assert receipt and receipt.serial in text_of(last_email(post, db.session.get_one(Donation, second.id, populate_existing=True)))
    assert "to_post" not in staff_todo.todo_of(campaign).counted


def test_a_gift_that_was_recorded_by_mistake_leaves_the_open_deposit_and_stays_on_the_slip_of_a_closed_one(
    campaign: Campaign, fund: Fund
) -> None:
    open_one, taken = cheque(campaign, 10_00), cheque(campaign, 20_00)
    make_due()
    send_jobs.send_due()
    deposit = deposits.deposit_of(open_one.id)
    assert deposit
    reversed_gift(open_one, OfflineReversalKind.MISTAKE)
    assert deposits.donation_ids_of(deposit.id) == [taken.id], "it has a receipt, and is not taken to the bank"
    offline_gift_actions.close_deposit(
        deposit, DepositSlip(deposited_on=today(), bank_account="x"), taken={taken.id}, shown={taken.id}, actor=CLERK
    )
    reversed_gift(taken, OfflineReversalKind.MISTAKE)
    assert deposits.donation_ids_of(deposit.id) == [taken.id] and checker.findings(db.engine) == []


def test_the_cheque_of_an_organization_is_its_declaration_and_cash_is_none(campaign: Campaign, fund: Fund) -> None:
    drawn = Statement(how=How.PAYMENT, words="From its account.", language="en", recorded_by=CLERK)
    named: dict[str, Any] = {"organization": "Club Rotary", "first_name": "", "last_name": ""}
    by_cheque = cheque(campaign, **named, statement=drawn)
    in_cash = cheque(campaign, **named, method=OfflineMethod.CASH, reference="")
    in_own_name = cheque(campaign, organization="Club Rotary", in_own_name=True)
    make_due()
    send_jobs.send_due()
    names = [
        receipt.content["donor_name"] if (receipt := receipts.receipt_of(gift.id)) else "" for gift in (by_cheque, in_cash, in_own_name)
    ]
    assert names == ["Club Rotary", "", in_own_name.full_name]
    assert checker.findings(db.engine) == []


def test_a_gift_can_be_undone_until_it_has_a_receipt_or_is_at_the_bank(campaign: Campaign, fund: Fund, post: Post) -> None:
    mistaken, banked, receipted = (cheque(campaign, cents) for cents in (10_00, 20_00, 30_00))
    opened = deposits.open_deposit(campaign.charity_id)
    assert opened and deposits.totals_of(opened.id) == (3, 60_00)
    assert [offline_gift_actions.state_of(gift) for gift in (mistaken, banked)] == [GiftState.UNDOABLE] * 2
    send_jobs.send_due()
    assert receipts.last_receipt_of(mistaken.id) is None, "its receipt waits half an hour"
    offline_gift_actions.undo(mistaken, actor=CLERK)
    assert deposits.totals_of(opened.id) == (2, 50_00)
    make_due()
    send_jobs.send_due()
    assert receipts.last_receipt_of(mistaken.id) is None and not [m for m in post.box.newest(9) if m[1] == [mistaken.email]]
    (totals,) = db.session.query(CampaignTotals)
    assert (totals.donations, totals.donors, totals.offline_cents) == (2, 2, 50_00)
    days = campaign_days.list_days(campaign, first=today(), last=today())
    assert [day.donations for day in days] == [2], "the chart counts as the totals do"
    undone = (mistaken, ActionError.GIFT_IS_REVERSED), (receipted, ActionError.GIFT_IS_FINAL)
    for gift, error in undone:
        db.session.refresh(gift)
        with pytest.raises(ActionRefused) as refused:
            offline_gift_actions.undo(gift, actor=CLERK)
        assert refused.value.refusal is error
    reversed_gift(receipted, OfflineReversalKind.MISTAKE)
    send_jobs.send_due()
    assert "in your name by mistake" in text_of(last_email(post, receipted))
    assert [entry.action for entry in db.session.query(AuditEntry).order_by(AuditEntry.id)][-2:] == [
        "undid an offline gift",
        "reversed an offline gift",
    ]
    assert checker.findings(db.engine) == []


def test_a_closed_deposit_stays_what_was_taken_to_the_bank(campaign: Campaign, fund: Fund) -> None:
    taken, late = cheque(campaign, 10_00), cheque(campaign, 20_00, method=OfflineMethod.CASH, reference="")
    transfer = cheque(campaign, 40_00, method=OfflineMethod.ETRANSFER)
    deposit = deposits.deposit_of(taken.id)
    assert deposit and deposits.deposit_of(late.id) == deposit and deposits.deposit_of(transfer.id) is None
    slip = DepositSlip(deposited_on=today(), bank_account="…4321")
    refusals = [
        (set(), {taken.id, late.id}, slip, ActionError.DEPOSIT_IS_EMPTY),
        ({taken.id}, {taken.id}, slip, ActionError.DEPOSIT_HAS_CHANGED),
        (
            {taken.id},
            {taken.id, late.id},
            DepositSlip(deposited_on=today() + timedelta(days=1), bank_account="x"),
            ActionError.GIFT_IN_FUTURE,
        ),
    ]
    for ticked, shown, its_slip, error in refusals:
        with pytest.raises(ActionRefused) as refused:
            offline_gift_actions.close_deposit(deposit, its_slip, taken=ticked, shown=shown, actor=CLERK)
        assert refused.value.refusal is error
    with pytest.raises(ActionRefused) as refused:
        before = replace(slip, deposited_on=today() - timedelta(days=1))
        offline_gift_actions.close_deposit(deposit, before, taken={taken.id}, shown={taken.id, late.id}, actor=CLERK)
    assert refused.value.refusal is ActionError.DEPOSIT_BEFORE_GIFT
    following = offline_gift_actions.close_deposit(deposit, slip, taken={taken.id}, shown={taken.id, late.id}, actor=CLERK)
    assert following and following.number == deposit.number + 1 and deposits.donation_ids_of(following.id) == [late.id]
    assert (deposit.gifts, deposit.cents) == (1, 10_00) and offline_gift_actions.state_of(taken) is GiftState.COUNTS
    with pytest.raises(ActionRefused) as refused:
        offline_gift_actions.close_deposit(deposit, slip, taken={taken.id}, shown={taken.id}, actor=CLERK)
    assert refused.value.refusal is ActionError.DEPOSIT_IS_CLOSED
    with pytest.raises(IntegrityError, match="deposit_is_open"):
        db.session.execute(text(f"UPDATE offline_gift SET deposit_id = NULL WHERE donation_id = {taken.id}"))
    db.session.rollback()
    assert cheque(campaign, 5_00).id in deposits.donation_ids_of(following.id)
    assert checker.findings(db.engine) == []


def test_what_may_be_a_mistake_is_asked_first(campaign: Campaign, fund: Fund) -> None:
    day, donor = today(), {"email": "asked@example.org"}
    cheque(campaign, 100_00, reference="101", email="asked@example.org")
    cases: list[tuple[dict[str, Any], OfflineQuestion]] = [
        ({"cents": 200_00, "reference": "101"}, OfflineQuestion.SAME_REFERENCE),
        ({"cents": 100_00, "reference": "101", "received_on": day - timedelta(days=1)}, OfflineQuestion.SAME_REFERENCE),
        ({"cents": 100_00, "reference": "102", **donor}, OfflineQuestion.SAME_DONOR),
    ]
    for changed, question in cases:
        with pytest.raises(GiftDoubtful) as doubtful:
            cheque(campaign, **changed)
        assert doubtful.value.questions == [question]
        cheque(campaign, **changed, answered=[question])
    cheque(campaign, 99_00, reference="101", received_on=day - timedelta(days=2))
    with pytest.raises(ActionRefused) as refused:
        cheque(campaign, received_on=day + timedelta(days=1))
    assert refused.value.refusal is ActionError.GIFT_IN_FUTURE
    asked = {
        date(2026, 11, 28): [],
        date(2026, 8, 30): [],
        date(2026, 8, 29): [OfflineQuestion.OLD_DAY],
        date(2025, 12, 31): [OfflineQuestion.EARLIER_YEAR],
    }
    for received_on, questions in asked.items():
        assert questions_about(received_on, today=date(2026, 11, 28), is_filed=False, same=SameGifts()) == questions
    noon = datetime(2026, 11, 28, 12, tzinfo=TORONTO)
    assert moment_of_day(noon.date(), TORONTO, now=noon + timedelta(hours=11)) == noon
    assert moment_of_day(noon.date(), TORONTO, now=noon - timedelta(hours=11)) == noon - timedelta(hours=11)


def test_a_form_that_is_sent_twice_and_two_people_with_one_cheque_record_one_gift(app: Flask, campaign: Campaign, fund: Fund) -> None:
    typed, again = typed_gift(reference="700"), typed_gift(reference="700")

    def record(gift: TypedGift) -> str:
        try:
            return offline_gift_actions.record(db.session.query(Campaign).one(), gift, livemode=False, actor=CLERK).public_id
        except GiftDoubtful:
            return "asked"

    assert len(set(run_concurrently(app, [lambda: record(typed)] * 4))) == 1
    assert run_concurrently(app, [lambda: record(again), lambda: record(again)]) == ["asked", "asked"]
    both = typed_gift(reference="701"), typed_gift(reference="701")
    assert min(run_concurrently(app, [lambda: record(both[0]), lambda: record(both[1])])) == "asked"
    assert db.session.query(Donation).count() == 2
    assert checker.findings(db.engine) == []


TAMPERED = {
    "UPDATE ledger_entry SET to_account = 'stripe' WHERE kind = 'donation'": "was paid without Stripe, but has money there",
    "DELETE FROM offline_gift WHERE donation_id = {other}": "was paid through Stripe, but its money is at the bank",
    "UPDATE donation SET payment_intent = 'pi_x' WHERE id = {other}": "has a payment, a checkout or a covered fee",
    "UPDATE donation SET authorized_at = authorized_at - interval '1 day' WHERE id = {other}": "or at two moments",
    "UPDATE offline_reversal SET cents = cents + 1 WHERE kind = 'refunded'": "were reversed by staff, but the books say",
    "DELETE FROM offline_reversal WHERE kind = 'returned'": "were reversed by staff, but the books say",
    "UPDATE donation SET is_matchable = false WHERE id = {other}": "the match of donation",
    "UPDATE deposit SET cents = cents + 1 WHERE closed_at IS NOT NULL": "deposit 1 says",
    "UPDATE deposit SET deposited_on = deposited_on - 1": "was taken to the bank before donation",
    "UPDATE offline_gift SET deposit_id = NULL WHERE donation_id = {other}": "in no deposit, although it was not reversed as a whole",
    "UPDATE deposit SET closed_at = NULL, closed_by = NULL, deposited_on = NULL, gifts = NULL, cents = NULL": "in an open deposit, although nothing of it is left",
    "UPDATE campaign_totals SET offline_cents = offline_cents + 1": "cents that never lay at Stripe",
    "UPDATE campaign_totals SET donors = donors + 1": "donors, but its entries say",
    "DELETE FROM offline_reversal WHERE kind = 'refunded'": "or only a part of what was not given back was reversed",
    "UPDATE offline_reversal SET kind = 'mistake' WHERE kind = 'returned' AND donation_id = {partly}": "or only a part of what was not given back was reversed",
    "UPDATE outbox SET done_at = now() WHERE kind = 'reversal'": "6000 cents were returned after its receipt and 20000 in all",
}


@pytest.mark.owner
def test_the_checker_finds_an_offline_gift_that_was_tampered_with(campaign: Campaign, fund: Fund) -> None:
    other, refunded, bounced = (cheque(campaign, cents) for cents in (10_00, 20_00, 30_00))
    deposit = deposits.deposit_of(other.id)
    assert deposit
    ids = {other.id, refunded.id, bounced.id}
    offline_gift_actions.close_deposit(deposit, DepositSlip(deposited_on=today(), bank_account="x"), taken=ids, shown=ids, actor=CLERK)
    reversed_gift(refunded, OfflineReversalKind.REFUNDED, 5_00)
    reversed_gift(bounced, OfflineReversalKind.RETURNED)
    partly = cheque(campaign, 200_00, method=OfflineMethod.ETRANSFER)
    assert issue_receipt(partly)
    reversed_gift(partly, OfflineReversalKind.REFUNDED, 60_00)
    reversed_gift(partly, OfflineReversalKind.RETURNED)
    assert checker.findings(db.engine) == [], "control"
    for tampering, finding in TAMPERED.items():
        with db.engine.connect() as connection:  # Each is rolled back.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(tampering.format(other=other.id, partly=partly.id)))
            scope.open_all_books(connection, night=None)
            for module in (match_checks, receipt_checks, funder_checks):
                module.sum_up(connection)
            found = [sentence for check in (*checker.CHECKS, *checker.CHECKS_OF_ALL) for sentence in check(connection)]
            connection.rollback()
        assert any(finding in sentence for sentence in found), (tampering, found)


def test_a_form_that_was_sent_before_records_no_other_gift(campaign: Campaign) -> None:
    """Sent twice as it was, it is one gift; changed, or after an undo, it is refused."""
    first = cheque(campaign, 500_00, attempt="one form", reference="17")
    assert cheque(campaign, 500_00, attempt="one form", reference="17").id == first.id
    with pytest.raises(ActionRefused) as changed:
        cheque(campaign, 50_00, attempt="one form", reference="17")
    assert changed.value.refusal is ActionError.FORM_IS_USED
    db.session.rollback()
    offline_gift_actions.undo(first, actor=CLERK)
    with pytest.raises(ActionRefused):
        cheque(campaign, 500_00, attempt="one form", reference="17")


def test_money_that_was_given_back_is_recorded_once(campaign: Campaign) -> None:
    donation = cheque(campaign, 100_00)
    reversed_gift(donation, OfflineReversalKind.REFUNDED, 20_00)
    with pytest.raises(ActionRefused) as refused:
        reversed_gift(donation, OfflineReversalKind.REFUNDED, 20_00)
    assert refused.value.refusal is ActionError.OFFLINE_REFUND_IS_RECORDED
    db.session.rollback()
    reversed_gift(donation, OfflineReversalKind.REFUNDED, 30_00)
    assert donation.net_cents == 50_00


def test_a_merge_keeps_the_donor_who_has_an_address(campaign: Campaign) -> None:
    online, offline = paid(campaign, email="kept@example.org"), cheque(campaign, email="", donor_id=0)
    with pytest.raises(EmailWouldBeLost):
        donor_merge_actions.merge(offline.donor_id, online.donor_id, actor=CLERK, reason="one person")
    donor_merge_actions.merge(online.donor_id, offline.donor_id, actor=CLERK, reason="one person")
    db.session.refresh(offline)
    assert (offline.donor_id, offline.email) == (online.donor_id, "kept@example.org")


def test_a_donor_with_annual_receipts_hears_of_an_undone_gift_and_the_year_waits_for_one_that_can_be_undone(
    campaign: Campaign, fund: Fund, post: Post
) -> None:
    last_year = date(today().year - 1, 12, 30)
    donation = cheque(campaign, received_on=last_year, answered=list(OfflineQuestion))
    receipt_actions.choose_preference(donation, ANNUAL)
    make_due()
    send_jobs.send_due()
    assert annual.groups_due(campaign.charity, last_year.year, limit=9) == [], "it was recorded a moment ago"
    db.session.execute(text("UPDATE donation SET started_at = started_at - interval '31 minutes'"))
    assert len(annual.groups_due(campaign.charity, last_year.year, limit=9)) == 1
    db.session.rollback()
    offline_gift_actions.undo(donation, actor=CLERK)
    send_jobs.send_due()
    assert "in your name by mistake" in text_of(last_email(post, donation))
