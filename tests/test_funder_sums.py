"""One sum everywhere: in a random life of two funds, every place that a funder or staff read says what the ledger says."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from urllib.parse import urlsplit

import pytest
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders import access_links, call_actions, calls, payments
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.funders.report_recipients import ReportRecipient
from campaign.mail.letters.funder_reports import ReportNews
from campaign.matching import fund_lifecycle, pledge_actions
from campaign.matching.funds import Fund, funds_of
from campaign.reporting import statement_actions
from campaign.reporting.funder_reports import FunderReport
from campaign.reporting.statements.statement import Statement
from campaign.rules.report_schedule import ReportKind
from campaign.rules.statement_periods import StatementPeriod
from campaign.texts.action_errors import ActionRefused
from tests.factories import another_campaign, contribute, create_fund, create_pledgers
from tests.fund_calls import callable_now, issue_call
from tests.funder_payments import ONE, corrected, create_funder, details, record, reverse, send_back, undo
from tests.mail import pdf_text
from tests.sheets import read_csv, read_workbook
from tests.statements import live, run
from tests.web import open_page, signed_in

NAMES = ("pledged", "held", "matched", "left", "called", "received")
# By the ledger alone: each account is what went to it less what left it, and the pledge is what is left, held and matched.
LEDGER = """
    SELECT account, sum(cents) FROM (
        SELECT to_account AS account, cents FROM ledger_entry WHERE fund_id = :fund
        UNION ALL SELECT from_account, -cents FROM ledger_entry WHERE fund_id = :fund) moved GROUP BY account
"""


@dataclass
class Life:
    """The two funds of a campaign, and chance."""

    funds: list[Fund]
    random: Random
    count: int = 0

    def act(self) -> None:
        """Do one act of staff with one of the funds, which may be refused."""
        fund = self.random.choice(self.funds)
        db.session.refresh(fund)
        act = self.random.choice([self.raise_pledge, self.call, self.call, self.cancel, self.pay, self.pay, self.correct, self.send_back])
        try:
            act(fund)
        except ActionRefused:
            db.session.rollback()
        db.session.commit()

    def raise_pledge(self, fund: Fund) -> None:
        asks, agrees = create_pledgers()
        request = pledge_actions.request_raise(fund, self.random.randrange(1_00, 300_00), actor=asks, reason="more")
        pledge_actions.decide_raise(request, agrees=True, actor=agrees)

    def call(self, fund: Fund) -> None:
        if (most := callable_now(fund)) > 0:
            issue_call(fund, self.random.randrange(1, most + 1))

    def cancel(self, fund: Fund) -> None:
        if issued := calls.calls_of(fund):
            call_actions.cancel(self.random.choice(issued), reason="too early", actor=ONE)

    def pay(self, fund: Fund) -> None:
        left = fund.pledged_cents - payments.received_cents(fund)
        self.count += 1
        if left > 0:
            record(fund, self.random.randrange(1, min(left, 400_00) + 1), f"cheque {self.count}")

    def correct(self, fund: Fund) -> None:
        if paid := self.counted(fund):
            payment, cents = self.random.choice(paid), self.random.randrange(1, 50_00)
            if self.random.random() < 0.5:
                reverse(payment)
            else:
                self.count += 1
                corrected(payment, details(fund, cents, f"cheque {self.count}"))

    def send_back(self, fund: Fund) -> None:
        if paid := self.counted(fund):
            payment = self.random.choice(paid)
            self.count += 1
            returned = send_back(payment, self.random.randrange(1, payments.retained_cents(payment) + 1), f"back {self.count}")
            if self.random.random() < 0.4:
                undo(returned)

    def counted(self, fund: Fund) -> list[FunderPayment]:
        found = db.session.query(FunderPayment).filter(FunderPayment.fund_id == fund.id, payments.is_counted()).all()
        return [payment for payment in found if payments.retained_cents(payment) > 0]


def by_ledger(fund: Fund) -> dict[str, int]:
    sums = {account: int(cents) for account, cents in run(LEDGER, fund=fund.id)}
    left, held, matched = (sums.get(account, 0) for account in ("available", "held", "matched"))
    return {
        "pledged": left + held + matched,
        "held": held,
        "matched": matched,
        "left": left,
        **{name: sums.get(name, 0) for name in ("called", "received")},
    }


def dollars(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def shown(cents: int) -> str:
    """A sum as pages of English show it."""
    return f"${dollars(cents):,}"


def in_tiles(page: str) -> dict[str, str]:
    """The sums of the funder's page by the id of each."""
    return {name: text.strip() for name, text in re.findall(r'<dd><span id="(\w+)">([^<]*)</span>', page)}


def by_mail(fund: Fund, statement: Statement, period: StatementPeriod) -> str:
    """The text of the report by mail whose statement this is."""
    report = FunderReport(id=1, recipient_id=1, fund_id=fund.id, kind=ReportKind.MONTHLY, period=period.name)
    return (
        ReportNews(
            report=report,
            recipient=ReportRecipient(email="officer@example.org", language="en"),
            funder=db.session.get_one(Funder, fund.funder_id),
            statement=statement,
            contributor=None,
            page_url="https://example.org/funder",
            choices_url="https://example.org/choices",
            is_test=True,
        )
        .compose()
        .plain
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_page_files_mail_and_staffs_page_say_what_the_ledger_says(app: Flask, campaign: Campaign, seed: int) -> None:
    campaign = another_campaign(2_500_00, like=campaign)
    shared = create_fund(campaign, 900_00, position=2, active=False)
    for number in range(3):
        contribute(shared, 100_01 + number, f"Contributor {number}")
    fund_lifecycle.activate(shared, actor=ONE, reason="it begins")
    life = Life(funds=list(funds_of(campaign.id)), random=Random(seed))
    for fund in life.funds:
        create_funder(fund)
    db.session.commit()
    gifts: list[Donation] = []
    for _ in range(14):
        live(campaign, life.random, acts=3, gifts=gifts)
        life.act()
    assert len({row.kind for row in run("SELECT DISTINCT kind FROM ledger_entry WHERE fund_id IS NOT NULL")}) >= 8, (
        "a life with little in it"
    )
    staff = signed_in(app, "viewer")
    for fund in life.funds:
        db.session.refresh(fund)
        expected, readers = by_ledger(fund), readers_of(app, fund)
        assert expected["matched"], "nothing to compare"
        for place, read in readers.items():
            assert read() == expected, f"{place} of {fund.slug}"
        shares = shares_in(app, fund) if fund.id == shared.id else {}
        for place, rows in shares.items():
            assert {name: sum(row[name] for row in rows) for name in rows[0]} == {name: expected[name] for name in rows[0]}, place
            assert rows == [{name: row[name] for name in rows[0]} for row in shares["JSON"]], f"{place} is as the JSON"
        page = open_page(staff, f"/staff/funds/{fund.slug}").text.replace("\u00a0", " ")
        for name in NAMES:
            if name != "left":
                assert shown(expected[name]) in page, f"{name} on the page of staff"
    public = app.test_client().get(f"/api/campaigns/{campaign.slug}").get_json()
    assert public["matched_cents"] == sum(by_ledger(fund)["matched"] for fund in life.funds)


def in_cents(amount: object) -> int:
    return int(Decimal(re.sub(r"[$,\u00a0\s]", "", str(amount))).scaleb(2))


def shares_in(app: Flask, fund: Fund) -> dict[str, list[dict[str, int]]]:
    """The shares of the funders in each place where they are read, by its name, the lead funder first."""
    end = statement_actions.take_end(fund, statement_actions.wait_for_period_to_now(fund))
    document = json.loads(b"".join(statement_actions.write_json(fund, end)))
    found = {"JSON": [{name: row[f"{'available' if name == 'left' else name}_cents"] for name in NAMES} for row in document["shares"]]}
    sheet = read_workbook(b"".join(statement_actions.write_xlsx(fund, end, "en", is_test=True)))["Shares of the funders"]
    found["workbook"] = [dict(zip(NAMES, map(in_cents, row[2:]), strict=True)) for row in sheet[1:-1]]
    printed = pdf_text(statement_actions.get_or_render_pdf(fund, end, "en", is_test=True)).replace("\u00a0", " ")
    rows = re.findall(r"(?:Funder|Contributor \d)\s+\$\S+" + r"\s+(\$\S+)" * 6, printed)
    found["PDF"] = [dict(zip(NAMES, map(in_cents, row), strict=True)) for row in rows]
    client = app.test_client()
    link = access_links.create_link(fund, actor=ONE)
    db.session.commit()
    client.get(urlsplit(link).path, follow_redirects=True)
    page = client.get(f"/funder/?fund={fund.slug}&lang=en").text
    cells = [
        re.findall(r'<td class="sum" data-label="[^"]*">([^<]*)</td>', row) for row in re.findall(r'<tr><th scope="row">.*?</tr>', page)
    ]
    shown_names = ("pledged", "matched", "held", "left", "called", "received")
    found["page"] = [dict(zip(shown_names, map(in_cents, row), strict=True)) for row in cells if len(row) == len(shown_names)]
    staff = open_page(signed_in(app, "viewer", address="other@example.org"), f"/staff/funds/{fund.slug}").text
    cells = [re.findall(r'<td class="sum" data-label="[^"]*">([^<]*)</td>', row) for row in re.findall(r"<tr><td .*?</tr>", staff)]
    names_of_staff = ("pledged", "matched", "held", "left")
    found["staff"] = [dict(zip(names_of_staff, map(in_cents, row), strict=True)) for row in cells if len(row) == len(names_of_staff)]
    assert {place: len(rows) for place, rows in found.items()} == dict.fromkeys(found, 4)
    return found


def readers_of(app: Flask, fund: Fund) -> dict[str, Callable[[], dict[str, int]]]:
    """Each place where the funder reads the balances of the fund, by its name."""
    period = statement_actions.wait_for_period_to_now(fund)
    end = statement_actions.take_end(fund, period)
    statement = statement_actions.take_statement(fund, period=period)

    def page() -> dict[str, int]:
        client = app.test_client()
        link = access_links.create_link(fund, actor=ONE)
        db.session.commit()
        client.get(urlsplit(link).path, follow_redirects=True)
        tiles = in_tiles(client.get(f"/funder/?fund={fund.slug}&lang=en").text)
        return {name: in_cents(tiles.get(name, 0)) for name in NAMES}  # What is nothing yet has no tile.

    def csv() -> dict[str, int]:
        last = read_csv(b"".join(statement_actions.write_csv(fund, end, "en")), separator=",")[-1]
        return dict(zip(NAMES, map(in_cents, last[7:]), strict=True))

    def workbook() -> dict[str, int]:
        book = read_workbook(b"".join(statement_actions.write_xlsx(fund, end, "en", is_test=True)))
        return {name: in_cents(row[3]) for name, row in zip(NAMES, book["Summary"][1:7], strict=True)}

    def data() -> dict[str, int]:
        document = json.loads(b"".join(statement_actions.write_json(fund, end)))
        return {name: document[f"{'available' if name == 'left' else name}_cents"] for name in NAMES}

    def printed() -> dict[str, int]:
        text = pdf_text(statement_actions.get_or_render_pdf(fund, end, "en", is_test=True)).replace("\u00a0", " ")
        return {name: in_cents(re.search(rf"{name.title()}\s+[−-]?\$\S+\s+\S+\s+(\$\S+)", text)[1]) for name in NAMES}  # type: ignore[index]

    def mail() -> dict[str, int]:
        text = by_mail(fund, statement, period).replace("\u00a0", " ")
        labels = {"held": "On hold, for gifts that are not paid yet", "received": "Received from you"}
        found = {name: re.search(rf"{labels.get(name, name.title())}: (\S+)", text) for name in NAMES}
        return {name: in_cents(match[1]) if match else 0 for name, match in found.items()}

    return {"page": page, "CSV": csv, "workbook": workbook, "JSON": data, "PDF": printed, "mail": mail}
