"""The journal for bookkeepers: tied to the books to the cent, whatever happens, and read by QuickBooks and Xero."""

import csv
import io
import random
import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from campaign.campaigns import journal_account_actions
from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.payments import FunderPayment
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import LedgerMove, Move
from campaign.matching.funds import Fund
from campaign.reporting import journal
from campaign.reporting.integrity import checker
from campaign.reporting.journal_postings import MONEY, POSTINGS, OfflineMove
from campaign.reporting.month_checks import MonthCheck
from campaign.reporting.months import PROMISES
from campaign.rules.fiscal_years import Period
from campaign.rules.journal import Grain, Movement, Purpose, lines_of, parts_of, sums_by_purpose
from campaign.rules.offline_gifts import OfflineQuestion, OfflineReversalKind
from campaign.staff import audit
from campaign.stripe_sync import payouts
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.payouts import Payout
from campaign.texts import journal_words, month_words
from campaign.texts.reconciliation_messages import describe_compared
from tests.factories import TORONTO, another_campaign, create_refund, paid, pay, post_stripe_fee, start_donation, today
from tests.funder_payments import create_funder, record, reverse, send_back, undo
from tests.offline_gifts import cheque, reversed_gift
from tests.sheets import read_workbook
from tests.web import csrf_of, open_page, signed_in

TODAY, DAY = today(), timedelta(days=1)
NOON = datetime.combine(TODAY, time(12), TORONTO).astimezone(UTC)

# Which accounts of the ledger an account of the journal is.
OF_LEDGER = {
    "stripe": {Purpose.STRIPE},
    "bank": {Purpose.BANK},
    "received": {Purpose.BANK},
    "donations": {Purpose.DONATIONS, Purpose.DONATIONS_RETURNED},
    "covered_fees": {Purpose.COVERED_FEES},
    "fees": {Purpose.FEES},
    "funder": {Purpose.FUNDERS},
}


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
        of_campaign = rng.choice([campaign, other])
        donation = cheque(of_campaign, rng.randrange(5_00, 900_00), received_on=received_on, answered=frozenset(OfflineQuestion))
        if rng.random() < 0.5:
            kind = rng.choice(list(OfflineReversalKind))
            cents = rng.randrange(1, donation.amount_cents) if kind is OfflineReversalKind.REFUNDED else donation.amount_cents
            reversed_gift(donation, kind, cents, on=NOON.date())

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
        rng.choice([give, give, give_offline, return_some, be_paid_by_funder, pay_out])()
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
        balances = journal.stripe_balances(charity, period, journal.sums_of(charity, period))
        assert balances.difference_cents == 0
        assert balances.opening_cents == journal.change_of(Purpose.STRIPE, journal.sums_of(charity, period.before))
    assert journal.stripe_balance(charity) == in_ledger(charity)["stripe"]
    assert checker.findings(db.engine) == []


def test_control_a_move_that_the_journal_leaves_out_does_not_tie(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    donation = paid(campaign, 100_00)
    post_stripe_fee(donation, 3_20)
    always = Period(first_on=TODAY - DAY, last_on=TODAY + DAY)
    assert journal.stripe_balances(campaign.charity, always, journal.sums_of(campaign.charity, always)).difference_cents == 0
    monkeypatch.setattr(journal, "MONEY", {move: posting for move, posting in MONEY.items() if move is not Move.FEE})
    assert journal.stripe_balances(campaign.charity, always, journal.sums_of(campaign.charity, always)).difference_cents == -3_20


def test_files_have_the_columns_dates_and_signs_of_their_software(app: Flask, campaign: Campaign) -> None:
    donation = start_donation(campaign, 100_00, covered_fee_cents=3_50)
    pay(donation, at=NOON)
    post_stripe_fee(donation, 3_30, created_at=NOON)
    db.session.commit()
    client, days = signed_in(app, "manager"), f"first={TODAY}&last={TODAY}"
    number, name = f"{TODAY:%Y%m%d}", campaign.title("fr")

    def rows_of(path: str) -> list[list[str]]:
        found = open_page(client, f"/staff/money/journal/{path}&{days}&lang=fr")
        assert found.headers["Content-Type"] == "text/csv; charset=utf-8"
        return list(csv.reader(io.StringIO(found.text), delimiter=";" if path.startswith("csv") else ","))

    quickbooks = rows_of("quickbooks?tracking=1")
    assert quickbooks[0] == [
        "*JournalNo",
        "*JournalDate",
        "*AccountName",
        "*Debits",
        "*Credits",
        "Description",
        "Name",
        "Currency",
        "Location",
        "Class",
    ]
    fees = [row for row in quickbooks if row[0] == f"{number}-FEES"]
    assert fees[0] == [
        f"{number}-FEES",
        f"{TODAY:%m/%d/%Y}",
        "Frais bancaires et de cartes",
        "3.30",
        "",
        "Frais de Stripe",
        "",
        "CAD",
        "",
        name,
    ]
    assert fees[1][2:5] == ["Stripe – compte de passage", "", "3.30"]
    xero = rows_of("xero?part=1")
    assert xero[0] == [
        "*Narration",
        "*Date",
        "Description",
        "*AccountCode",
        "*TaxRate",
        "*Amount",
        *(f"Tracking{of}{n}" for n in "12" for of in ("Name", "Option")),
    ]
    gifts = [row for row in xero if row[0].startswith(f"{number}-GIFTS ")]
    assert {row[1] for row in gifts} == {f"{TODAY:%d %b %Y}"} and {row[0] for row in gifts} == {f"{number}-GIFTS Dons"}
    assert sorted((row[3], row[5]) for row in gifts) == [("1050", "100.00"), ("1050", "3.50"), ("4010", "-100.00"), ("4020", "-3.50")]
    people = rows_of("csv?grain=entry")
    assert [row[4] for row in people[1:]] == ["100,00", "", "3,50", "", "3,30", ""], "as Excel in French reads amounts"
    assert {row[7] for row in people[1:]} == {donation.public_id} and donation.full_name not in str(people), "nobody's name is in it"
    assert {row[8] for row in people[1:]} == {"Hors champ", "Exonéré"}
    sheet = read_workbook(open_page(client, f"/staff/money/journal/xlsx?{days}&lang=en").data)["Journal"]
    assert sheet[1][:4] == [TODAY, f"{number}-GIFTS", "1050", "Stripe clearing"]
    exported = [entry.detail["document"] for entry in audit.entries_about(f"{TODAY} {TODAY}", ["exported"])]
    assert exported == ["journal by day (XLSX)", "journal by entry (CSV)"]
    assert open_page(client, f"/staff/money/journal/xero?part=2&{days}").status_code == 404
    assert open_page(signed_in(app, "viewer", address="v@example.org"), f"/staff/money/journal/csv?{days}").status_code == 403


def test_a_file_never_divides_a_journal_entry() -> None:
    posting = MONEY[Move.DONATION]

    def movement(number: int, cents: int) -> Movement:
        return Movement(
            on=TODAY,
            number=f"{number}",
            posting=posting,
            kind="donation",
            entries=1,
            cents=cents,
            reference="",
            campaign_id=1,
            fund_id=None,
        )

    lines = list(lines_of(movement(number, 1) for number in (1, 1, 2, 3, 3, 3, 4)))
    parts = [[line.movement.number for line in part] for part in parts_of(lines, most=5)]
    assert parts == [["1"] * 4, ["2"] * 2, ["3"] * 6, ["4"] * 2]


def test_managers_name_the_accounts_and_nothing_typed_is_lost(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00)
    client, path = signed_in(app, "manager", address="books@example.org"), "/staff/money/accounts"
    page = open_page(client, path)
    stored = dict(re.findall(r'name="(\w+-\w+)"[^>]*? value="([^"]*)"', page.text))
    form = {"csrf_token": csrf_of(page), "version": "0", **stored}
    wrong = {**form, "bank-code": "10 10", "fees-name_fr": "", "donations_returned-code": "4010"}
    refused = client.post(path, data=wrong)
    assert refused.status_code == 422
    for shown in ('value="10 10"', "Please write the code of the account", "Please write the name", "One account has one name"):
        assert shown in refused.text
    named = {**form, "donations-name_en": "Income:Donations", "donations-code": "4-100", "fees-tax_code": "Exempt purchases"}
    assert client.post(path, data=named).status_code == 303
    late = client.post(path, data={**form, "bank-code": "1020"})
    assert late.status_code == 422 and "somebody has changed the accounts" in late.text and "Income:Donations" in late.text
    page = open_page(client, path)
    assert "books@example.org" in page.text and "4-100 Income:Donations" in page.text
    (entry,) = audit.entries_about(campaign.charity.legal_name, [journal_account_actions.CHANGED_ACCOUNTS])
    assert entry.detail["donations"]["before"]["code"] == "4010" and entry.detail["donations"]["after"]["code"] == "4-100"
    export = open_page(client, f"/staff/money/journal/quickbooks?first={TODAY}&last={TODAY}")
    assert "Income:Donations" in export.text


def test_the_page_of_the_journal_ties_and_says_what_is_wrong_with_a_day(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00)
    client = signed_in(app, "viewer")
    page = open_page(client, f"/staff/money/journal?first={TODAY}&last={TODAY}")
    assert "Ties to the books: Stripe balance of $0.00 at the beginning, $100.00 by these lines, $100.00 at the end." in page.text
    assert "File for Xero" not in page.text, "a viewer exports nothing"
    page = open_page(client, f"/staff/money/journal?first={TODAY}&last=2026-02-30")
    assert 'value="2026-02-30"' in page.text and "Please write a day" in page.text
    assert "The last day is before" in open_page(client, f"/staff/money/journal?first={TODAY}&last={TODAY - DAY}").text
    assert open_page(client, "/staff/money/journal?closing=9").status_code == 404


def test_every_movement_check_and_comparison_has_words() -> None:
    assert set(journal_words.MOVES) == {move.value for move in MONEY}
    for language in ("en", "fr"):
        assert all(
            month_words.figure_label(name, language) for name in (*journal_words.MOVES, *PROMISES, "opening", "closing", "issued", "ended")
        )
        assert all(month_words.check_sentence(check, count, language) for check in MonthCheck for count in (0, 2))
    assert describe_compared({"payments": 2, "payouts": 1}, "en") == "payments: 2, payouts: 1"
