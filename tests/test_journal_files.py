"""The files of the journal as QuickBooks, Xero and Excel read them, the page that offers them, and the accounts that they name."""

import csv
import io
import re
from datetime import datetime, time, timedelta

from flask import Flask

from campaign.campaigns import journal_account_actions
from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.ledger.moves import Move
from campaign.reporting.journal_postings import MONEY
from campaign.rules.journal import Movement, lines_of, parts_of
from campaign.staff import audit
from tests.factories import TORONTO, paid, pay, post_stripe_fee, start_donation, today
from tests.sheets import read_workbook
from tests.web import csrf_of, open_page, signed_in

TODAY, DAY = today(), timedelta(days=1)
NOON = datetime.combine(TODAY, time(12), TORONTO)


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
