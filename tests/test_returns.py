"""The charity's returns T3010 and TP-985.22: a fiscal year whose lines were computed by hand from policy.md, exports, and copies as filed."""

import io
import re
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.cli import main
from campaign.donations import declarations, donors
from campaign.donations.declarations import How, Statement
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.links import Links
from campaign.funders import payment_actions, payment_receipts, payments
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.matching.funds import Fund
from campaign.receipts import annual_jobs, filed_returns, lifecycle
from campaign.receipts.contents import IssueContext
from campaign.receipts.filed_returns import FiledReturn
from campaign.reporting import return_gifts, returns
from campaign.reporting.gifts_received import gifts_in
from campaign.reporting.integrity import checker
from campaign.rules import fiscal_years, return_lines
from campaign.rules.fiscal_years import InvalidYearEnd, Period, fiscal_year, fiscal_year_of
from campaign.rules.funder_payments import ReturnDetails
from campaign.rules.return_lines import AwaitedAs, Form, GiftGroup
from campaign.staff.audit import AuditEntry
from campaign.texts.return_labels import line_label
from campaign.web.staff import return_gift_list
from tests.factories import (
    PLEDGERS,
    confirm_charity,
    create_fund,
    create_pledgers,
    create_refund,
    issue_receipt,
    paid,
    pay,
    pay_with_annual_receipt,
    start_donation,
    today,
)
from tests.return_oracle import read_year
from tests.sheets import read_csv, read_workbook
from tests.web import open_page, signed_in, submit

TORONTO = ZoneInfo("America/Toronto")
END = "03-31"
# The last fiscal year that is over: what a test does now comes after it.
YEAR = fiscal_year_of(END, today()) - 1
PERIOD = fiscal_year(END, YEAR)
NO_ADDRESS: dict[str, Any] = {"address_line1": "", "city": "", "province": "", "postal_code": ""}

# By hand, from policy.md: what the charity retains now of the gifts of the year.
LINES = {"4500": 6_504_50, "4510": 1_000_00, "4530": 135_00, "4571": 500_00, "4575": 30_00}
TP_LINES = {"12": 6_504_50, "13": 1_000_00, "14": 135_00, "16": 30_00}
RETAINED = 7_669_50
QUEBEC = 5_154_50
NUMBER = "123456782RR0001"


class SeededYear:
    """Gifts of the fiscal year PERIOD: those of LINES before $130 went back after its end."""

    def __init__(self, campaign: Campaign, fund: Fund) -> None:
        self.campaign = campaign
        campaign.charity.fiscal_year_end = END
        self.receipted(100_00, covered_fee_cents=3_50)
        self.partly = self.receipted(200_00, province="ON")
        self.returned = self.receipted(80_00)
        december, february = (datetime(year, month, 14, 15, tzinfo=UTC) for year, month in ((YEAR - 1, 12), (YEAR, 2)))
        pay_with_annual_receipt(campaign, december, february)
        annual_jobs.issue_for(campaign.charity, YEAR - 1)
        self.paid(40_00, **NO_ADDRESS)
        self.undeclared = self.paid(35_00, first_name="", last_name="", organization="Acme Inc.", is_declared=False)
        self.void(self.receipted(60_00, province="ON"))
        self.receipted(500_00, country="US", province="NY", city="Albany", postal_code="12207")
        self.paid(30_00, country="US", **NO_ADDRESS)
        self.receipted(1_00, at=datetime(YEAR, 3, 31, 23, 59, 59, tzinfo=TORONTO))
        self.receipted(9_999_00, at=datetime(YEAR, 4, 1, tzinfo=TORONTO))
        self.quebec = self.paid_by(fund, 5_000_00, province="QC", is_registered_charity=False)
        self.paid_by(create_fund(campaign, 2_000_00, position=8), 1_000_00, is_registered_charity=True, registration_number=NUMBER)
        payment_receipts.issue_receipt(self.quebec, self.context)
        self.paid_by(create_fund(campaign, 1_000_00, position=9), 700_00)
        db.session.commit()

    @property
    def context(self) -> IssueContext:
        return IssueContext(now=datetime.now(UTC), links=Links("http://127.0.0.1:8000"))

    def paid(self, cents: int, *, at: datetime | None = None, **details: Any) -> Donation:
        donation = start_donation(self.campaign, cents, **details)
        pay(donation, at=at or datetime(YEAR - 1, 10, 5, 15, tzinfo=UTC))
        return donation

    def receipted(self, cents: int, **details: Any) -> Donation:
        donation = self.paid(cents, **details)
        assert issue_receipt(donation)
        return donation

    def void(self, donation: Donation) -> None:
        receipt = issue_receipt(donation)
        assert receipt
        lifecycle.void(receipt, actor="manager@example.org", note="not a gift")

    def paid_by(self, fund: Fund, cents: int, **details: Any) -> FunderPayment:
        funder = db.session.get_one(Funder, fund.funder_id)
        for name, value in {"legal_name": f"Funder {fund.slug}", "address": ["1, rue Neuve", "Laval"], **details}.items():
            setattr(funder, name, value)
        paid_on = date(YEAR - 1, 11, 20)
        return payments.record_payment(fund, cents, received_on=paid_on, reference="cheque 17", livemode=False, actor="manager@example.org")

    def return_after_the_year(self) -> None:
        create_refund(self.partly, 50_00)
        create_refund(self.returned, 80_00)
        for donation in (self.partly, self.returned):
            issue_receipt(donation)
        db.session.commit()


@pytest.fixture
def year(campaign: Campaign, fund: Fund) -> SeededYear:
    return SeededYear(campaign, fund)


@pytest.fixture
def manager(app: Flask, year: SeededYear) -> FlaskClient:
    return signed_in(app, "manager")


def download(client: FlaskClient, path: str) -> bytes:
    answer = open_page(client, path)
    assert answer.status_code == 200, path
    return bytes(answer.data)


def dollars(cents: int) -> Decimal:
    return Decimal(cents) / 100


def test_the_lines_of_a_fiscal_year_are_those_of_policy_and_add_up_to_the_books(year: SeededYear) -> None:
    year.return_after_the_year()
    found, oracle = returns.returns_of(year.campaign.charity, PERIOD), read_year(db.session.connection(), PERIOD.first_on, PERIOD.last_on)
    assert {line: oracle.lines[line] for line in [*LINES, *TP_LINES]} == LINES | TP_LINES
    for form in Form:
        lines = [line.number for line in found.version(form).lines if line.number != "4490"]
        assert {line: found.lines(form)[line] for line in lines} == {line: oracle.lines[line] for line in lines}
        assert {line: found.in_quebec(form)[line] for line in lines} == {line: oracle.in_quebec[line] for line in lines}
    assert (found.totals.retained_cents, found.received_cents) == (oracle.retained_cents, oracle.received_cents)
    assert found.late_cents == oracle.late_cents
    assert found.totals.receipted_cents == found.cents(GiftGroup.RECEIPTED) == oracle.receipted_cents
    assert {line: found.lines(Form.T3010)[line] for line in LINES} == LINES
    assert found.lines(Form.TP_985_22) == TP_LINES
    assert (found.cents(), found.totals.retained_cents, found.difference_from_books_cents) == (RETAINED, RETAINED, 0)
    assert (found.received_cents, found.returned_cents, found.late_cents) == (RETAINED + 130_00, 130_00, 130_00)
    assert found.in_quebec(Form.T3010)["4500"] == found.in_quebec(Form.TP_985_22)["12"] == QUEBEC
    assert found.of_unknown_place(Form.T3010)["4500"] == 700_00, "the funder whose province nobody has set"
    assert found.difference_from_receipts_cents == 0
    assert (found.totals.cancelled, found.totals.replaced) == (2, 1)
    assert found.cents(GiftGroup.ANNUAL) == 25_00, "of the two gifts of the annual donor, that of the calendar year without a receipt"
    assert checker.findings(db.engine) == []
    year.campaign.charity.awaited_gifts_as = AwaitedAs.UNRECEIPTED
    found, awaited = returns.returns_of(year.campaign.charity, PERIOD), 25_00 + 700_00
    assert found.lines(Form.TP_985_22) == TP_LINES | {"12": TP_LINES["12"] - awaited, "14": TP_LINES["14"] + awaited}, (
        "as the accountant says"
    )
    assert found.lines(Form.T3010)["4500"] == LINES["4500"], "T3010 counts receipts that will be issued"


def test_a_gift_waits_for_its_declaration_in_a_group_of_its_own(year: SeededYear) -> None:
    """Without a receipt until the donor declares; then its receipt is due, or awaited with those of the year."""
    charity, gift = year.campaign.charity, year.undeclared

    def group_of(donation: Donation) -> list[GiftGroup]:
        return [found.group for found in return_gifts.gifts_of(charity, PERIOD) if found.donation == donation.public_id]

    donors.set_receipt_preference(gift.donor_id, donors.ANNUAL)
    assert group_of(gift) == [GiftGroup.UNDECLARED], "a yearly receipt takes a declaration too"
    donors.set_receipt_preference(gift.donor_id, donors.PER_DONATION)
    assert group_of(gift) == [GiftGroup.UNDECLARED]
    declarations.record(Statement(how=How.PAGE, words="It is.", language="en"), [gift.id], "Acme Inc.")
    assert group_of(gift) == [GiftGroup.DUE]
    own = year.paid(10_00, organization="Acme Inc.", in_own_name=True)
    assert group_of(own) == [GiftGroup.DUE], "it is in the person’s own name"


def test_both_returns_are_prepared_from_the_exports_alone_in_both_languages(year: SeededYear, manager: FlaskClient) -> None:
    year.return_after_the_year()
    for language in ("en", "fr"):
        check_workbook(download(manager, f"/staff/receipts/returns/returns.xlsx?year={YEAR}&lang={language}"), language)
        page = open_page(manager, f"/staff/receipts/returns?year={YEAR}&lang={language}").text
        assert amounts_on_page(page) == LINES | TP_LINES
    for language, separator, decimal in (("en", ",", "."), ("fr", ";", ",")):
        rows = read_csv(download(manager, f"/staff/receipts/returns/gifts.csv?year={YEAR}&lang={language}"), separator=separator)
        check_gifts(rows, decimal)
        rows = read_csv(download(manager, f"/staff/receipts/register.csv?year={YEAR}&period=fiscal&lang={language}"), separator=separator)
        assert ({len(row) for row in rows}, f"103{decimal}50" in {row[5] for row in rows}) == ({19}, True)
    check_register(year, download(manager, f"/staff/receipts/register.xlsx?year={YEAR}&period=fiscal&lang=en"))
    (about, *_) = read_workbook(download(manager, f"/staff/receipts/register.xlsx?year={YEAR + 1}&period=fiscal&lang=en")).values()
    assert about[-1] == ["Unfinished", "This period is not over: the figures still grow."]
    exported = open_page(manager, f"/staff/receipts/returns/gifts.csv?year={YEAR}").headers["Content-Disposition"]
    assert "TEST-gifts-" in exported, "a CSV says it in its name"


def amounts_on_page(page: str) -> dict[str, int]:
    """The cents of each line, from the digits that the page shows."""
    rows = re.findall(r"<strong>([0-9.]+)</strong></td><td>.*?<strong>([^<]+)</strong>", page)
    return {line: int("".join(filter(str.isdecimal, shown))) for line, shown in rows if line != "4490"}


ABOUT = {
    "en": ["Charity", "Registration number", "First day", "Last day", "As the books were on", "Exported by"],
    "fr": ["Organisme", "Numéro d’enregistrement", "Premier jour", "Dernier jour", "État des livres au", "Exporté par"],
}


def check_workbook(workbook: bytes, language: str) -> None:
    """Lines, kinds of gifts, receipts and gifts without one have the figures of policy, and add up to the books."""
    about, lines, groups, register, without, by_issue, nonresidents = read_workbook(workbook).values()
    charity = db.session.query(Charity).one()
    assert [row[0] for row in about] == [*ABOUT[language], {"en": "Trial", "fr": "Essai"}[language]]
    assert [row[1] for row in about[:4]] == [charity.legal_name, charity.registration_number, PERIOD.first_on, PERIOD.last_on]
    assert (str(about[4][1])[:10], str(about[4][1])[16:]) == (today().isoformat(), " (America/Toronto)")
    assert about[5][1] == "member@example.org"
    printed = zipfile.ZipFile(io.BytesIO(workbook)).read("xl/worksheets/sheet4.xml").decode()
    assert all(fact in printed for fact in (charity.registration_number, "member@example.org")), "on each printed page"
    amounts = {row[2]: row[5] for row in lines if len(row) > 5 and row[2]}
    for expected in (LINES, TP_LINES):
        assert {number: amounts[number] for number in expected} == {number: dollars(cents) for number, cents in expected.items()}
    assert [row[5] for row in lines[1:] if len(row) > 5 and row[1] and not row[2]] == [dollars(RETAINED), dollars(RETAINED), 0] * 2
    notes = " ".join(str(row[0]) for row in lines if row and not any(row[1:]))
    assert {"en": "($725.00) count as receipted on both forms", "fr": "(725,00\u00a0$) comptent comme"}[language] in notes
    total = next(row for row in groups if row[0] == "Total")
    assert (total[4], total[7]) == (dollars(RETAINED + 130_00), dollars(RETAINED))
    assert sum(row[7] for row in groups[1:] if isinstance(row[7], Decimal)) == dollars(RETAINED) * 2
    receipted = dollars(LINES["4500"] - 25_00 - 700_00)
    assert register[-1][10] == sum(row[10] for row in register[1:-1] if isinstance(row[10], Decimal)) == receipted
    assert {type(cell) for row in register[1:-1] for cell in row[1:3]} == {date}
    assert all(PERIOD.first_on <= row[2] <= PERIOD.last_on for row in register[1:-1] if isinstance(row[2], date))
    assert without[-1][11] == dollars(RETAINED) - receipted
    assert ["4500 (4571)", "12"] in [row[1:3] for row in groups[1:-1]], "a part, which is not added"
    assert {row[6] for row in without[1:-1]} == {"4500", "4510", "4530", "4575"}
    assert {row[17] for row in without[1:-1] if row[6] == "4510"} == {NUMBER}
    assert {row[4] for row in without[1:-1]} == {"Canada", "", {"en": "United States", "fr": "États-Unis"}[language]}
    assert {row[2]: row[8] for row in lines[1:] if len(row) > 8 and row[2]} == {"4500": 0, "4571": 0, "12": 0}, (
        "receipts were issued after it"
    )
    assert (by_issue[-2][7], len(by_issue)) == (dollars(-LINES["4500"]), 11), "eight gifts, and a note"
    assert len(nonresidents[1:]) == 2, "that there are none, and what is not known"


def check_gifts(rows: list[list[str]], decimal: str) -> None:
    """Each gift has its line; their sums are the lines of both forms."""
    counted: Counter[str] = Counter()
    for row in rows[1:]:
        assert (len(row), row[11][-3], date.fromisoformat(row[0]) <= PERIOD.last_on) == (18, decimal, True)
        assert (row[16] >= row[0]) if row[12] else not row[16] or row[5].startswith(("Without", "Returned", "Sans", "Retourné")), (
            "the first receipt"
        )
        assert row[2] == "" or row[4] in ("Canada", "") or row[2].endswith(f", {row[4]}"), "a country alone is no address"
        cents = int(row[11].replace(decimal, ""))
        counted.update({row[6]: cents, row[8]: cents, **({row[7]: cents} if row[7] else {})} if row[6] else {"": cents})
    assert counted == LINES | TP_LINES | {"": 0}


def check_register(year: SeededYear, workbook: bytes) -> None:
    """The register has what an accountant traces a gift by."""
    _, register = read_workbook(workbook).values()
    headings = register[0]
    rows = [dict(zip(headings, row, strict=False)) for row in register[1:-1]]
    replaced, replacement = (row for row in rows if row["Reference of the donation"] == year.partly.public_id)
    assert replaced["Ended on"] == year.campaign.charity.local(datetime.now(UTC)).date()
    assert (replaced["State"], replaced["Reason of the end"]) == ("replaced", "money of the gift was returned")
    assert (replaced["Replaced by"], replaced["Serial number"]) == (replacement["Serial number"], replacement["Replaces"])
    assert [row["Eligible amount, valid receipts"] for row in (replaced, replacement)] == [0, 150]
    assert (replacement["Reference of the payment"], replacement["Method"]) == (year.partly.payment_intent, "card or wallet")
    assert "rue de l’Église" in str(replacement["Address"])
    assert (replacement["Province"], replacement["Country"]) == ("ON", "Canada")
    (funder,) = (row for row in rows if row["Method"] == "cheque or transfer of a funder")
    assert (funder["Reference of the payment"], funder["Province"], funder["Gift received"]) == ("cheque 17", "QC", date(YEAR - 1, 11, 20))


def test_the_page_shows_both_returns_and_what_they_differ_by_from_the_books(
    year: SeededYear, manager: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    year.return_after_the_year()
    english, french = (
        open_page(manager, f"/staff/receipts/returns?year={YEAR}&lang={language}").text.replace("\u00a0", " ") for language in ("en", "fr")
    )
    assert (english.count("The lines add up to $7,669.50"), french.count("Les lignes totalisent 7 669,50 $")) == (2, 2)
    assert (english.count("Not applicable here"), french.count("Sans objet ici")) == (1, 1)
    assert ("province unknown: $700.00" in english, "province inconnue : 700,00 $" in french) == (True, True)
    sums = returns._sums  # Control: a group that no line counts.
    monkeypatch.setattr(returns, "_sums", lambda *args: [s for s in sums(*args) if s.group is not GiftGroup.VOIDED])
    page = open_page(manager, f"/staff/receipts/returns?year={YEAR}&lang=en").text
    assert (page.count("a difference of -$60.00"), page.count("differs from the total above by -$60.00")) == (2, 1)


def test_each_line_leads_to_the_gifts_that_make_it_up(year: SeededYear, manager: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    year.return_after_the_year()
    charity, page = year.campaign.charity, open_page(manager, f"/staff/receipts/returns?year={YEAR}").text.replace("&amp;", "&")
    found = returns.returns_of(charity, PERIOD)
    for form in Form:
        for line in found.version(form).lines:
            assert f"/staff/receipts/returns/gifts?year={YEAR}&form={form.value}&line={line.number}" in page
            gifts = return_gifts.gifts_on_line(charity, PERIOD, form, line.figure, skip=0, limit=99)
            counted = found.lines(form)[line.number]
            assert counted == (len(gifts) if line.number == "4490" else sum(gift.cents for gift in gifts)), line
            assert len(return_gifts.gifts_on_line(charity, PERIOD, form, line.figure, skip=1, limit=99)) == len(gifts) - 1
    path = f"/staff/receipts/returns/gifts?year={YEAR}"
    listed = open_page(manager, f"{path}&form=t3010&line=4510&lang=fr").text.replace("\u00a0", " ")
    assert ("T3010, ligne 4510 : " in listed, "1 000,00 $" in listed, "cheque 17" in listed) == (True, True, True)
    listed = open_page(manager, f"{path}&group=undeclared&lang=en").text
    assert (f"/staff/donations/{year.undeclared.public_id}" in listed, "Retained: $35.00 · 1 gift" in listed) == (True, True)
    assert [open_page(manager, f"{path}&{query}").status_code for query in ("form=t3010&line=12", "form=x", "group=x")] == [404] * 3
    assert "No gift of the year is counted here." in open_page(manager, f"{path}&group=returned&page=2").text
    assert "No gift was received in this fiscal year" in open_page(manager, f"/staff/receipts/returns?year={YEAR - 5}").text
    monkeypatch.setattr(return_gift_list, "SHOWN", 1)
    following = re.search(r'href="([^"]+)">The next ones', open_page(manager, f"{path}&form=t3010&line=4530").text)
    assert following
    assert "The next ones" in open_page(manager, following[1].replace("&amp;", "&")).text, "three gifts, one a page"


def test_the_year_of_a_payment_before_all_donations_can_be_chosen(campaign: Campaign, fund: Fund) -> None:
    paid(campaign)
    now = datetime.now(UTC)
    payments.record_payment(fund, 1_00, received_on=date(now.year - 2, 5, 1), reference="x", livemode=False, actor="x")
    assert [period.year for period in returns.fiscal_years(campaign.charity, now)] == [now.year, now.year - 1, now.year - 2]


def file(client: FlaskClient, form: Form, filed_on: date) -> str:
    page = open_page(client, f"/staff/receipts/returns?year={YEAR}&lang=en")
    fields: dict[str, Any] = {
        "form": form.value,
        "year": YEAR,
        "filed_on": filed_on.isoformat(),
        "reason": "sent by mail",
        "answered": "may_differ",
    }
    return submit(client, page, "/staff/receipts/returns/filings", **fields).location


def test_a_return_is_kept_as_filed_and_later_differences_name_their_gifts(year: SeededYear, manager: FlaskClient) -> None:
    copy = file(manager, Form.T3010, PERIOD.last_on + timedelta(days=1))
    filed = db.session.query(FiledReturn).one()
    assert {line: filed.lines[line] for line in LINES} == LINES | {"4500": LINES["4500"] + 130_00}
    stored = download(manager, f"{copy}/register.xlsx")
    assert sha256(stored).hexdigest() == filed.sha256
    assert "Nothing: each gift counts as in the copy." in open_page(manager, copy).text
    year.return_after_the_year()
    charity = year.campaign.charity
    changed = return_gifts.changed_gifts(charity, filed, limit=10)
    assert [(gift.donation, gift.cents_then, gift.cents_now, gift.line_now) for gift in changed] == [
        (year.partly.public_id, 200_00, 150_00, "4500"),
        (year.returned.public_id, 80_00, 0, ""),
    ]
    assert return_gifts.change_of_line("4500", changed) == -130_00
    page = open_page(manager, f"/staff/receipts/returns?year={YEAR}").text
    assert "<strong>-$130.00</strong>" in page
    page = open_page(manager, copy).text
    assert f"/staff/donations/{year.partly.public_id}" in page
    assert download(manager, f"{copy}/register.xlsx") == stored
    amended = file(manager, Form.T3010, today())
    assert amended != copy
    assert "Nothing: each gift counts as in the copy." in open_page(manager, amended).text
    assert f"/staff/donations/{year.partly.public_id}" in open_page(manager, copy).text, "the first copy is compared as before"
    entries = db.session.query(AuditEntry).filter_by(action="recorded a filed return").all()
    assert [entry.subject for entry in entries] == [f"t3010 {PERIOD.last_on}"] * 2


IN_YEAR = datetime(YEAR, 3, 31, 23, 59, 59, tzinfo=TORONTO)
AFTER_YEAR = datetime(YEAR, 4, 1, tzinfo=TORONTO)
# What Stripe says of a gift of $100, in the order of its reports, all of them now: (kind, cents, status, when the money went back), with
# what is returned of the gift, and what of that after the fiscal year.
WENT_BACK: tuple[tuple[tuple[tuple[str, int, str, datetime | None], ...], int, int], ...] = (
    ((("refund", 60_00, "succeeded", IN_YEAR),), 60_00, 0),
    ((("refund", 61_00, "succeeded", AFTER_YEAR),), 61_00, 61_00),
    ((("refund", 62_00, "succeeded", None),), 62_00, 62_00),
    ((("refund", 10_00, "succeeded", AFTER_YEAR), ("refund", 20_00, "succeeded", IN_YEAR)), 30_00, 10_00),
    ((("refund", 63_00, "failed", AFTER_YEAR), ("refund", 64_00, "succeeded", IN_YEAR)), 64_00, 0),
    ((("dispute", 100_00, "lost", IN_YEAR), ("dispute", 100_00, "won", IN_YEAR)), 0, 0),
    ((("dispute", 100_00, "lost", AFTER_YEAR), ("dispute", 100_00, "won", AFTER_YEAR)), 0, 0),
    ((("dispute", 100_00, "lost", IN_YEAR), ("dispute", 100_00, "won", IN_YEAR), ("dispute", 100_00, "lost", AFTER_YEAR)), 100_00, 100_00),
    ((("refund", 40_00, "succeeded", AFTER_YEAR), ("dispute", 100_00, "lost", IN_YEAR)), 100_00, 0),
    ((("refund", 40_00, "succeeded", IN_YEAR), ("dispute", 100_00, "lost", AFTER_YEAR)), 100_00, 60_00),
)


def test_what_went_back_after_the_year_goes_by_when_stripe_says_it_did(campaign: Campaign) -> None:
    """Whenever we hear of it. What went back in the year that was filed, and is reported later, is a difference from the copy."""
    charity = campaign.charity
    charity.fiscal_year_end = END
    gifts = [start_donation(campaign) for _ in WENT_BACK]
    for gift in gifts:
        pay(gift, at=datetime(YEAR, 2, 1, 15, tzinfo=UTC))
    filed = filed_returns.record(
        charity, Form.T3010, PERIOD, version="24", lines=returns.returns_of(charity, PERIOD).lines(Form.T3010), register=b"x",
        gifts=gifts_in(charity, PERIOD), filed_on=today(), actor="test", note="",
    )  # fmt: skip
    for gift, (reported, _, _) in zip(gifts, WENT_BACK, strict=True):
        for kind, cents, status, at in reported:
            name = f"{kind}_{gift.id}" + (f"_{cents}" if kind == "refund" else "")
            create_refund(gift, cents, kind=kind, name=name, status=status, returned_at=at)
    found, oracle = returns.returns_of(charity, PERIOD), read_year(db.session.connection(), PERIOD.first_on, PERIOD.last_on)
    returned, late = sum(row[1] for row in WENT_BACK), sum(row[2] for row in WENT_BACK)
    assert (found.returned_cents, found.late_cents) == (returned, late)
    assert (oracle.received_cents - oracle.retained_cents, oracle.late_cents) == (returned, late)
    changed = return_gifts.changed_gifts(charity, filed, limit=99)
    expected = [(gift.public_id, 100_00 - row[1]) for gift, row in zip(gifts, WENT_BACK, strict=True) if row[1]]
    assert [(gift.donation, gift.cents_now) for gift in changed] == expected
    assert -return_gifts.change_of_line("4500", changed) == returned


def test_only_what_another_line_counts_is_a_difference(app: Flask, year: SeededYear, manager: FlaskClient) -> None:
    page, errors = (
        open_page(manager, f"/staff/receipts/returns?year={YEAR}&lang=en"),
        ("after the fiscal year, and today", "Please write a day"),
    )
    days = (str(PERIOD.last_on), str(today() + timedelta(days=1)), f"{today():%Y%m%d}", "")
    for typed, error in zip(days, (errors[0], errors[0], errors[1], errors[1]), strict=True):
        fields: dict[str, Any] = {"form": "tp-985.22", "year": YEAR, "filed_on": typed, "reason": "by mail"}
        refused = submit(manager, page, "/staff/receipts/returns/filings", **fields)
        shown = refused.text.split('<select id="form"')[1]
        assert (refused.status_code, shown.count('aria-invalid="true"'), error in shown) == (422, 1, True), (
            "not a day on which it was filed"
        )
        assert all(part in shown for part in ('value="tp-985.22" selected', f'value="{typed or today()}"', 'value="by mail"')), (
            "all that was typed"
        )
    assert "The note is missing" in submit(manager, page, "/staff/receipts/returns/filings", **{**fields, "reason": ""}).text, (
        "both errors at once"
    )
    assert db.session.query(FiledReturn).count() == 0
    file(manager, Form.TP_985_22, PERIOD.last_on + timedelta(days=1))
    filed = db.session.query(FiledReturn).one()
    assert annual_jobs.issue_for(year.campaign.charity, YEAR).issued == 1
    assert return_gifts.changed_gifts(year.campaign.charity, filed, limit=10) == [], "an annual receipt counted before it was issued"
    funder = db.session.get_one(Funder, db.session.get_one(Fund, year.quebec.fund_id).funder_id)
    funder.is_registered_charity = True
    db.session.commit()
    (gift,) = return_gifts.changed_gifts(year.campaign.charity, filed, limit=10)
    assert (gift.payment, gift.line_then, gift.line_now, gift.cents_now) == ("cheque 17", "12", "13", 5_000_00)


# Payments of funders, each with the line that counts it on both forms, by hand from policy.md, section 4, and docs/receipts.md. `gone` is the day of the
# return as days after the fiscal year, or None for money that never came; `line` is the lines' figure in cents.
FUNDED: tuple[dict[str, Any], ...] = (
    {"charity": True, "province": "QC", "cents": 1_000_01, "lines": ("4510", "13")},
    {"charity": True, "province": "ON", "cents": 2_000_02, "lines": ("4510", "13")},
    {"charity": True, "province": "abroad", "cents": 3_000_04, "lines": ("4510", "13")},
    {"charity": True, "province": "", "cents": 4_000_08, "lines": ("4510", "13")},
    {"charity": True, "province": "QC", "cents": 5_000_16, "lines": None, "gone": -30},
    {"charity": True, "province": "QC", "cents": 6_000_32, "lines": None, "gone": 1, "late": True},
    {"charity": False, "province": "QC", "cents": 7_000_64, "lines": None, "gone": 1, "late": True, "has_receipt": True},
    {"charity": False, "province": "QC", "cents": 100_00, "lines": None, "gone": 0, "has_receipt": True},
    {"charity": False, "province": "QC", "cents": 8_001_28, "lines": ("4500", "12"), "has_receipt": True},
    {"charity": False, "province": "abroad", "cents": 9_002_56, "lines": ("4500", "12"), "has_receipt": True},
    {"charity": False, "province": "QC", "cents": 10_005_12, "lines": ("4530", "14"), "legal_name": ""},
    {"charity": None, "province": "ON", "cents": 11_010_24, "lines": ("4500", "12")},
    {"charity": True, "province": "QC", "cents": 200_00, "lines": None, "never": True},
    {"charity": True, "province": "QC", "cents": 400_00, "lines": None, "outside": -1},
    {"charity": True, "province": "QC", "cents": 800_00, "lines": None, "outside": 1},
)


def funded(campaign: Campaign, position: int, row: dict[str, Any]) -> None:
    """A fund whose funder paid as the row says, on the last day of the fiscal year unless it is `outside`."""
    fund = create_fund(campaign, row["cents"], position=position)
    funder = db.session.get_one(Funder, fund.funder_id)
    funder.legal_name, funder.address, funder.province = (
        row.get("legal_name", f"Funder {position}"),
        ["1, rue Neuve", "Laval"],
        row["province"],
    )
    funder.is_registered_charity = row["charity"]
    day = {-1: PERIOD.first_on - timedelta(days=1), 0: PERIOD.first_on, 1: PERIOD.last_on + timedelta(days=1)}[row.get("outside", 0)]
    payment = payments.record_payment(fund, row["cents"], received_on=day, reference="17", livemode=False, actor="manager@example.org")
    if row.get("has_receipt"):
        assert payment_receipts.issue_receipt(payment, IssueContext(now=datetime.now(UTC), links=Links("http://127.0.0.1:8000")))
    db.session.commit()
    if "gone" in row or "never" in row:
        about: dict[str, Any] = {"actor": PLEDGERS[0], "reason": "r"}
        if "never" in row:
            request = payment_actions.request_reversal(payment, **about)
        else:
            returned_on = PERIOD.last_on + timedelta(days=row["gone"])
            back = ReturnDetails(cents=row["cents"], returned_on=returned_on, reference="back")
            request = payment_actions.request_return(payment, back, **about)
        payment_actions.decide(request, agrees=True, actor=PLEDGERS[1])


def test_payments_of_funders_are_on_the_lines_of_policy_whoever_paid_wherever_and_whatever_went_back(campaign: Campaign) -> None:
    campaign.charity.fiscal_year_end = END
    create_pledgers()
    for position, row in enumerate(FUNDED, 10):
        funded(campaign, position, row)
    found = returns.returns_of(campaign.charity, PERIOD)
    for form, index in ((Form.T3010, 0), (Form.TP_985_22, 1)):
        counted, in_quebec, unknown = ({line.number: 0 for line in found.version(form).lines} for _ in range(3))
        for row in FUNDED:
            if row["lines"]:
                counted[row["lines"][index]] += row["cents"]
                in_quebec[row["lines"][index]] += row["cents"] if row["province"] == "QC" else 0
                unknown[row["lines"][index]] += row["cents"] if not row["province"] else 0
        if form is Form.T3010:
            counted |= {"4571": 9_002_56, "4490": 2}  # Of line 4500, what is from abroad; and how many gifts have a receipt.
            in_quebec["4490"] = 1
        assert (found.lines(form), found.in_quebec(form), found.of_unknown_place(form)) == (counted, in_quebec, unknown)
    gone = sum(row["cents"] for row in FUNDED if "gone" in row)
    retained = sum(row["cents"] for row in FUNDED if row["lines"])
    late = sum(row["cents"] for row in FUNDED if row.get("late"))
    assert (found.received_cents, found.returned_cents, found.late_cents) == (retained + gone, gone, late)
    assert (found.cents(), found.totals.retained_cents, found.difference_from_receipts_cents) == (retained, retained, 0)
    assert checker.findings(db.engine) == []


def test_viewers_see_returns_and_neither_file_nor_export_them(app: Flask, campaign: Campaign) -> None:
    viewer = signed_in(app, "viewer")
    page = open_page(viewer, f"/staff/receipts/returns?year={YEAR}")
    assert (page.status_code, "/returns/filings" in page.text) == (200, False)
    fields: dict[str, Any] = {"form": "t3010", "year": YEAR, "filed_on": today().isoformat(), "reason": "x"}
    assert submit(viewer, page, "/staff/receipts/returns/filings", **fields).status_code == 403
    assert open_page(viewer, "/staff/receipts/returns/returns.xlsx").status_code == 403


@pytest.mark.owner
def test_what_was_filed_never_changes(campaign: Campaign) -> None:
    paid(campaign)
    period = fiscal_years.calendar_year(today().year)
    filed_returns.record(
        campaign.charity, Form.T3010, period, version="24", lines={}, register=b"x", gifts=gifts_in(campaign.charity, period),
        filed_on=today(), actor="test", note="",
    )  # fmt: skip
    db.session.commit()
    assert any("has lines of 0 cents, but its gifts sum to 10000" in finding for finding in checker.findings(db.engine))
    for table, column in (("filed_return", "note"), ("filed_gift", "serial")):
        with pytest.raises(DatabaseError, match="append-only"):
            db.session.execute(text(f"UPDATE {table} SET {column} = 'x'"))
        db.session.rollback()
        db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER append_only"))
        assert db.session.execute(text(f"UPDATE {table} SET {column} = 'x' RETURNING 1")).scalar_one() == 1  # Control.
        db.session.rollback()


def test_the_year_and_the_province_of_a_funder_are_set_by_command(app: Flask, campaign: Campaign, fund: Fund) -> None:
    confirm_charity()

    def run(*arguments: str) -> str:
        return app.test_cli_runner().invoke(main.campaign, list(arguments)).output

    assert "fiscal_year_end" in run("charity", "set", "--fiscal-year-end", END, "--awaited-gifts-as", "unreceipted")
    assert f"fiscal-year-end: {END}" in run("charity", "show")
    db.session.refresh(campaign.charity)
    assert campaign.charity.confirmed_at is not None, "no receipt says it"
    assert "03-32 is not a month and a day" in run("charity", "set", "--fiscal-year-end", "03-32")
    assert "province unknown" in run("fund", "funder", fund.slug)
    assert "; QC; " in run("fund", "funder", fund.slug, "--province", "QC")


def test_a_fiscal_year_ends_on_the_last_day_of_february_when_that_is_its_end() -> None:
    assert fiscal_year("02-29", 2027) == Period(first_on=date(2026, 3, 1), last_on=date(2027, 2, 28))
    assert fiscal_year("02-29", 2028) == Period(first_on=date(2027, 3, 1), last_on=date(2028, 2, 29))
    assert fiscal_year("02-28", 2028).last_on == date(2028, 2, 28)
    assert [fiscal_year_of("02-29", day) for day in (date(2028, 2, 29), date(2028, 3, 1), date(2027, 2, 28))] == [2028, 2029, 2027]
    assert fiscal_years.calendar_year(2026) == Period(first_on=date(2026, 1, 1), last_on=date(2026, 12, 31))
    for wrong in ("02-30", "13-01", "3-31", "00-10", "31-03", ""):
        with pytest.raises(InvalidYearEnd):
            fiscal_years.parse_year_end(wrong)


def test_each_kind_of_gift_has_one_line_on_each_form_and_a_later_version_adds_to_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for form in Form:
        version = return_lines.version_for(form, date(2026, 3, 31))
        assert len({line.number for line in version.lines}) == len({line.figure for line in version.lines}) == len(version.lines)
        for group in set(GiftGroup) - {GiftGroup.RETURNED}:
            for is_abroad in (False, True):
                assert version.line_of(return_lines.figure_of(form, group, is_abroad=is_abroad, awaited_as=AwaitedAs.RECEIPTED))
    assert all(line_label(version, line, "fr") for version in return_lines.VERSIONS for line in version.lines)
    later = replace(return_lines.version_for(Form.T3010, date(2026, 3, 31)), version="30", since=date(2030, 6, 30))
    monkeypatch.setattr(return_lines, "VERSIONS", (later, *return_lines.VERSIONS))
    ends = {"23": date(2023, 12, 30), "24": date(2023, 12, 31), "30": date(2030, 6, 30)}
    assert {version: return_lines.version_for(Form.T3010, last_on).version for version, last_on in ends.items()} == {v: v for v in ends}
    assert return_lines.version_for(Form.T3010, date(2030, 6, 29)).version == "24"
    assert return_lines.version_for(Form.TP_985_22, date(2022, 12, 31)).version == "2023-10", "the first that is known"
