"""The journal for bookkeepers: tied to the books to the cent, whatever happens, and read by QuickBooks and Xero."""

import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.payments import FunderPayment
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import LedgerMove, Move
from campaign.matching.funds import Fund
from campaign.payments import deposits
from campaign.payments.deposits import Deposit, DepositSlip
from campaign.receipts import offline_gift_actions
from campaign.reporting import account_balances, closed_months, journal
from campaign.reporting.integrity import checker
from campaign.reporting.journal_days import ALWAYS
from campaign.reporting.journal_postings import MONEY, POSTINGS, OfflineMove
from campaign.reporting.month_checks import MonthCheck
from campaign.reporting.months import PROMISES
from campaign.rules.fiscal_years import Period
from campaign.rules.journal import LONGEST_NUMBER, Grain, Purpose, Subject, lines_of, number_of_day, number_of_entry, sums_by_purpose
from campaign.rules.offline_gifts import OfflineMethod, OfflineQuestion, OfflineReversalKind
from campaign.stripe_sync import payouts
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.payouts import Payout
from campaign.texts import journal_words, month_words
from campaign.texts.reconciliation_messages import describe_compared
from tests.factories import TORONTO, another_campaign, create_refund, paid, pay, post_stripe_fee, start_donation, today
from tests.funder_payments import create_funder, record, reverse, send_back, undo
from tests.offline_gifts import CLERK, cheque, reversed_gift

TODAY, DAY = today(), timedelta(days=1)
NOON = datetime.combine(TODAY, time(12), TORONTO).astimezone(UTC)

# Which accounts of the ledger an account of the journal is.
OF_LEDGER = {
    "stripe": {Purpose.STRIPE},
    "bank": {Purpose.BANK, Purpose.UNDEPOSITED},
    "received": {Purpose.BANK},
    "donations": {Purpose.DONATIONS, Purpose.DONATIONS_RETURNED},
    "covered_fees": {Purpose.COVERED_FEES},
    "fees": {Purpose.FEES},
    "funder": {Purpose.FUNDERS},
}

# Subjects with a journal entry for each payout, deposit or payment.
OF_ROWS = {Subject.PAYOUTS, Subject.DEPOSITS, Subject.FUNDERS}
OF_ACCOUNTS = {Purpose.STRIPE: account_balances.stripe_balances, Purpose.UNDEPOSITED: account_balances.undeposited_balances}


def deposit_all(campaign: Campaign, gifts: set[Donation], *, on: date) -> Deposit | None:
    """Close the open deposit with these gifts; returns the next one if others are left."""
    opened = deposits.open_deposit(campaign.charity_id)
    assert opened
    shown, slip = set(deposits.donation_ids_of(opened.id)), DepositSlip(deposited_on=on, bank_account="1")
    return offline_gift_actions.close_deposit(opened, slip, taken={gift.id for gift in gifts}, shown=shown, actor=CLERK)


def test_each_move_has_a_posting_whose_accounts_are_those_of_the_ledger(app: Flask) -> None:
    assert set(POSTINGS) == {*Move, *OfflineMove}, "each move is in the table, or it would be missing in the journal"
    for move in db.session.scalars(select(LedgerMove)):
        is_offline = "bank" in (move.to_account, move.from_account) and move.kind in {"donation", "refund"}
        posting = POSTINGS[OfflineMove(f"offline_{move.kind}") if is_offline else Move(move.kind)]
        accounts = OF_LEDGER.get(move.to_account), OF_LEDGER.get(move.from_account)
        if posting is None:
            assert accounts == (None, None), f"{move.kind} moves money and has no lines"
        else:
            assert accounts[0] and posting.debit in accounts[0], move.kind
            assert accounts[1] and posting.credit in accounts[1], move.kind


@given(
    on=st.dates(date(1900, 1, 1), date(2999, 12, 31)),
    subject=st.sampled_from(Subject),
    row=st.integers(1, 10**7 - 1),
    entry=st.integers(1, 10**11 - 1),
)
def test_numbers_are_short_and_no_two_entries_have_one(on: date, subject: Subject, row: int, entry: int) -> None:
    numbers = [
        *(number_of_day(on, each, row if each in OF_ROWS else None) for each in Subject),
        *(number_of_entry(on, each, entry) for each in (subject, Subject.DEPOSITS)),
    ]
    assert all(len(number) <= LONGEST_NUMBER for number in numbers)
    assert len(set(numbers)) == len(Subject) + (1 if subject is Subject.DEPOSITS else 2)
    assert number_of_entry(on, subject, entry + 1) not in numbers


def test_cheques_are_undeposited_until_their_deposit_and_transfers_are_not(app: Flask, campaign: Campaign) -> None:
    """Each account on each day, typed by hand: a cheque that the bank returned, one that went back to its donor before, and a transfer.

    The bank returned the transfer after a part of it was given back, which had left the account before.
    """
    first, second = TODAY - 4 * DAY, TODAY - 2 * DAY
    taken, bounced, sent_home, left = (cheque(campaign, cents, received_on=first) for cents in (10_00, 20_00, 30_00, 40_00))
    transfer = cheque(campaign, 50_00, received_on=first, method=OfflineMethod.ETRANSFER)
    reversed_gift(transfer, OfflineReversalKind.REFUNDED, 15_00, on=first + DAY)
    reversed_gift(transfer, OfflineReversalKind.RETURNED, on=TODAY)
    reversed_gift(sent_home, OfflineReversalKind.REFUNDED, on=first + DAY)
    reversed_gift(left, OfflineReversalKind.REFUNDED, 5_00, on=first + DAY)
    undone = cheque(campaign, 60_00, received_on=first)
    offline_gift_actions.undo(undone, actor=CLERK)
    assert deposit_all(campaign, {taken, bounced}, on=second)
    reversed_gift(bounced, OfflineReversalKind.RETURNED, on=TODAY)
    changes = Counter[tuple[date, Purpose]]()
    for line in lines_of(journal.movements(campaign.charity, ALWAYS)):
        if line.purpose in {Purpose.BANK, Purpose.UNDEPOSITED}:
            changes[line.movement.on, line.purpose] += line.debit_cents - line.credit_cents
    assert changes == {
        (first, Purpose.UNDEPOSITED): 160_00,
        (first, Purpose.BANK): 50_00,
        (first + DAY, Purpose.UNDEPOSITED): -30_00,
        (first + DAY, Purpose.BANK): -20_00,
        (second, Purpose.UNDEPOSITED): -30_00,
        (second, Purpose.BANK): 30_00,
        (TODAY, Purpose.UNDEPOSITED): -60_00,
        (TODAY, Purpose.BANK): -55_00,
    }
    for day, closing in ((first, 160_00), (first + DAY, 130_00), (second, 100_00), (TODAY, 40_00)):
        until = Period(first_on=first, last_on=day)
        balances = account_balances.undeposited_balances(campaign.charity, until, journal.sums_of(campaign.charity, until))
        assert (balances.opening_cents, balances.closing_cents, balances.difference_cents) == (0, closing, 0)
    assert checker.findings(db.engine) == []


def test_what_came_later_has_the_same_numbers_whatever_comes_after_it(app: Flask, campaign: Campaign) -> None:
    """A journal of what came after a closing is exported twice: the second has the lines of the first, and more."""
    cheque(campaign, 10_00)
    heads = {chain: position for chain, (position, _) in closed_months.heads_of(campaign.charity).items()}

    def late() -> list[tuple[str, str, int]]:
        found = journal.movements(campaign.charity, ALWAYS, grain=Grain.ENTRY, after=heads)
        return [(movement.number, movement.kind, movement.cents) for movement in found]

    assert late() == []
    paid(campaign, 20_00)
    first = late()
    gifts = cheque(campaign, 30_00), cheque(campaign, 40_00)
    assert deposit_all(campaign, {gifts[0]}, on=TODAY)
    second = late()
    deposit_all(campaign, {gifts[1]}, on=TODAY)
    assert set(first) < set(second) < set(late())
    assert sorted((kind, cents) for _, kind, cents in late()) == [
        *(("deposit", cents) for cents in (30_00, 40_00)),
        ("donation", 20_00),
        *(("undeposited_donation", cents) for cents in (30_00, 40_00)),
    ]
    assert len({number for number, *_ in late()}) == len(late())


def random_history(rng: random.Random, campaign: Campaign, other: Campaign, fund: Fund) -> None:
    """Gifts of two campaigns on random days, with fees, refunds, disputes, money that comes back, payouts that fail, and payments of a funder."""
    create_funder(fund)
    gifts, payments = list[Donation](), list[FunderPayment]()

    def give() -> None:
        donation = start_donation(rng.choice([campaign, other]), rng.randrange(5_00, 900_00), covered_fee_cents=rng.choice([0, 1_83]))
        at = NOON - timedelta(days=rng.randrange(70), hours=rng.randrange(24))
        pay(donation, at=at)
        post_stripe_fee(donation, rng.randrange(30, 20_00), created_at=at)
        gifts.append(donation)

    def return_some() -> None:
        kind, name, donation = rng.choice(["refund", "dispute"]), f"back_{rng.random()}", rng.choice(gifts)
        create_refund(donation, rng.randrange(1, 300_00), kind=kind, name=name, returned_at=NOON - timedelta(days=rng.randrange(40)))
        if rng.random() < 0.3:
            create_refund(donation, 1_00, kind=kind, name=name, status={"refund": "failed", "dispute": "won"}[kind])
        post_stripe_fee(donation, rng.choice([15_00, -15_00]), type="adjustment", category="dispute", cents=0)

    def give_offline() -> None:
        received_on = (NOON - timedelta(days=rng.randrange(70))).date()
        how = {"received_on": received_on, "answered": frozenset(OfflineQuestion), "method": rng.choice(list(OfflineMethod))}
        donation = cheque(rng.choice([campaign, other]), rng.randrange(5_00, 900_00), **how)
        if rng.random() < 0.5:
            kind = rng.choice(list(OfflineReversalKind))
            cents = rng.randrange(1, donation.amount_cents) if kind is OfflineReversalKind.REFUNDED else donation.amount_cents
            reversed_gift(donation, kind, cents, on=NOON.date())

    def deposit() -> None:
        if (opened := deposits.open_deposit(campaign.charity_id)) and (ids := set(deposits.donation_ids_of(opened.id))):
            taken = {donation_id for donation_id in ids if rng.random() < 0.6} or ids
            offline_gift_actions.close_deposit(
                opened, DepositSlip(deposited_on=TODAY, bank_account="1"), taken=taken, shown=ids, actor=CLERK
            )

    def be_paid_by_funder() -> None:
        payments.append(record(fund, rng.randrange(1_00, 900_00), reference=f"cheque {len(payments)}"))
        match rng.randrange(4):
            case 0:
                reverse(payments[-1])
            case 1:
                returned = send_back(payments[-1], 1_00)
                if rng.random() < 0.5:
                    undo(returned)

    def pay_out() -> None:
        pay_out_all(fails=rng.random() < 0.4)

    give()
    for _ in range(14):
        rng.choice([give, give, give_offline, deposit, return_some, be_paid_by_funder, pay_out])()
    db.session.commit()


def pay_out_all(*, fails: bool = False) -> None:
    """Pay out all that Stripe has, yesterday; a payout that `fails` comes back today."""
    t = BalanceTransaction
    untied = list(db.session.scalars(select(t).where(t.payout.is_(None), t.type.not_in(["payout", "payout_failure"]))))
    if (cents := sum(transaction.net_cents for transaction in untied)) <= 0:
        return
    name = f"po_{uuid4().hex}"
    row = {"cents": cents, "currency": "CAD", "status": "paid", "reconciliation_status": "completed", "failure": None, "snapshot_number": 1}
    db.session.add(Payout(stripe_id=name, created_at=NOON - DAY, arrives_at=NOON + DAY, **row))
    db.session.flush()
    for sign, kind, at in ((-1, "payout", NOON - DAY), (1, "payout_failure", NOON))[: 2 if fails else 1]:
        moved = {"cents": sign * cents, "fee_cents": 0, "net_cents": sign * cents, "currency": "CAD", "created_at": at}
        db.session.add(t(stripe_id=f"txn_{kind}_{name}", type=kind, category=kind, source=name, **moved))
    payouts.tie_transactions(name, [transaction.stripe_id for transaction in untied])
    while payouts.post_shares():
        pass


def in_ledger(charity: Charity) -> dict[str, int]:
    """What entries add to each account of the ledger, by its own columns alone."""
    changes = dict.fromkeys(OF_LEDGER, 0)
    of_charity = select(LedgerEntry).join(Campaign, Campaign.id == LedgerEntry.campaign_id).where(Campaign.charity_id == charity.id)
    for entry in db.session.scalars(of_charity):
        for account, sign in ((entry.to_account, 1), (entry.from_account, -1)):
            if account in changes:
                changes[account] += sign * entry.cents
    return changes


@pytest.mark.parametrize("seed", range(3))
def test_the_lines_of_every_period_are_the_changes_of_the_ledgers_accounts(app: Flask, campaign: Campaign, fund: Fund, seed: int) -> None:
    rng = random.Random(seed)
    random_history(rng, campaign, another_campaign(like=campaign), fund)
    charity, cut = campaign.charity, TODAY - timedelta(days=rng.randrange(1, 60))
    before, after = Period(first_on=date(2000, 1, 1), last_on=cut - DAY), Period(first_on=cut, last_on=TODAY + DAY)
    found = {grain: [list(lines_of(journal.movements(charity, p, grain=grain))) for p in (before, after)] for grain in Grain}
    for first, second in found.values():
        sums = sums_by_purpose([*first, *second])
        for accounts in ({"stripe"}, {"bank", "received"}, {"donations"}, {"covered_fees"}, {"fees"}, {"funder"}):
            purposes = set[Purpose]().union(*(OF_LEDGER[account] for account in accounts))
            of_journal = sum(found.net_cents for purpose, found in sums.items() if purpose in purposes)
            assert of_journal == sum(in_ledger(charity)[account] for account in accounts), accounts
        for lines, period in ((first, before), (second, after)):
            assert all(period.first_on <= line.movement.on <= period.last_on for line in lines)
            by_number = [list(group) for _, group in groupby(lines, key=lambda line: line.movement.number)]
            assert len({group[0].movement.number for group in by_number}) == len(by_number), "the lines of one entry are together"
            assert all(sum(line.debit_cents - line.credit_cents for line in group) == 0 for group in by_number)
            assert all(len({(line.movement.on, line.movement.posting.subject) for line in group}) == 1 for group in by_number)
    for period in (before, after):
        of_period, earlier = journal.sums_of(charity, period), journal.sums_of(charity, period.before)
        for purpose, balances_of in OF_ACCOUNTS.items():
            balances = balances_of(charity, period, of_period)
            assert balances.difference_cents == 0, purpose
            assert balances.opening_cents == journal.change_of(purpose, earlier), purpose
    assert account_balances.stripe_balance(charity) == in_ledger(charity)["stripe"]
    assert checker.findings(db.engine) == []


def test_control_a_move_that_the_journal_leaves_out_does_not_tie(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    donation = paid(campaign, 100_00)
    post_stripe_fee(donation, 3_20)
    always = Period(first_on=TODAY - DAY, last_on=TODAY + DAY)
    assert account_balances.stripe_balances(campaign.charity, always, journal.sums_of(campaign.charity, always)).difference_cents == 0
    monkeypatch.setattr(journal, "MONEY", {move: posting for move, posting in MONEY.items() if move is not Move.FEE})
    assert account_balances.stripe_balances(campaign.charity, always, journal.sums_of(campaign.charity, always)).difference_cents == -3_20


def test_every_movement_check_and_comparison_has_words() -> None:
    assert set(journal_words.MOVES) == {move.value for move in MONEY}
    for language in ("en", "fr"):
        assert all(
            month_words.figure_label(name, language) for name in (*journal_words.MOVES, *PROMISES, "opening", "closing", "issued", "ended")
        )
        assert all(month_words.check_sentence(check, count, language) for check in MonthCheck for count in (0, 2))
    assert describe_compared({"payments": 2, "payouts": 1}, "en") == "payments: 2, payouts: 1"
