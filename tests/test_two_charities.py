"""Two campaigns of two charities in one installation: nothing of one shows with the other, and nothing is counted twice."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import pytest
from flask import Flask
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.cli import main
from campaign.cli.funds import CommandRefused
from campaign.cli.setup import make_receipt_keys
from campaign.config import Settings
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.pdf_signing import KeyFile
from campaign.edges.services import services
from campaign.mail import send_jobs
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund, list_funds
from campaign.outbox import waiting_receipts
from campaign.payments import deposits
from campaign.payments.deposits import DepositSlip
from campaign.receipts import information_returns, offline_gift_actions, posted_receipt_actions, render_jobs, void_requests
from campaign.receipts.completeness import CONFIRMATION
from campaign.reporting import month_actions, months, receipt_register, returns, staff_todo, totals
from campaign.reporting.integrity import checker
from campaign.reporting.statement_actions import build_json, take_statement
from campaign.reporting.statements.statement import build_statement, lock_end
from campaign.rules.fiscal_years import calendar_year
from campaign.rules.months import month_of
from campaign.staff import audit
from tests.commands import run_command
from tests.factories import another_campaign, another_charity, confirm_charity, create_refund, issue_receipt, paid, today
from tests.funder_payments import create_funder, record
from tests.offline_gifts import cheque
from tests.web import environment_of, open_page, signed_in, submit

# In the choice at the head of each page.
SHOWN = " selected>Second campaign</option>"


@pytest.fixture
def second(campaign: Campaign) -> Campaign:
    """A campaign of another charity, with a fund of its own."""
    other = another_campaign(500_00, like=campaign, charity=another_charity())
    other.title_en, other.title_fr = "Second campaign", "Deuxième campagne"
    db.session.commit()
    db.session.refresh(other)
    return other


def the_fund(campaign: Campaign) -> Fund:
    (fund,) = list_funds(campaign.id)
    return fund


def test_each_charity_signs_by_its_own_name(app: Flask, campaign: Campaign, second: Campaign, tmp_path: Path) -> None:
    app.extensions["services"] = replace(services(), signing_key=KeyFile(path=tmp_path / "receipts.pem"))
    assert make_receipt_keys() is True
    assert make_receipt_keys() is False, "both are there"
    signers = {}
    for of in (campaign, second):
        receipt = issue_receipt(paid(of, 100_00))
        assert receipt
        reader = PdfFileReader(BytesIO(render_jobs.get_or_sign(receipt)))
        reader.decrypt("")
        signers[of.charity.legal_name] = reader.embedded_signatures[0].signer_cert.subject.native["organization_name"]
    assert signers == {name: name for name in signers}
    statements = [json.loads("".join(build_json(take_statement(the_fund(of))))) for of in (campaign, second)]
    assert len({statement["signed"]["key"] for statement in statements}) == 2
    assert len(signers) == 2
    shown = app.test_client().get("/receipts/certificates.pem").data
    assert shown.count(b"BEGIN CERTIFICATE") == 2
    rotation = app.test_cli_runner().invoke(main.campaign, ["receipts", "rotate-key"], standalone_mode=False)
    assert isinstance(rotation.exception, CommandRefused), "which one, is asked"


def test_gifts_receipts_returns_and_statements_are_of_their_own_charity(app: Flask, campaign: Campaign, second: Campaign) -> None:
    gifts = [paid(campaign, 100_00, email="both@example.org"), paid(second, 300_00, email="both@example.org")]
    issued = [issue_receipt(gift) for gift in gifts]
    payments = [record(fund, 200_00) for fund in map(the_fund, (campaign, second)) if create_funder(fund)]
    db.session.commit()
    assert [receipt.number for receipt in issued if receipt] == [1, 1], "each charity numbers its own"
    assert {receipt.content["charity_name"] for receipt in issued if receipt} == {campaign.charity.legal_name, "Second Charity"}
    year = calendar_year(campaign.charity.local(datetime.now(UTC)).year)
    for number, (of, cents) in enumerate(((campaign, 100_00), (second, 300_00))):
        found, register = returns.returns_of(of.charity, year), receipt_register.totals_of(of.charity, year)
        assert sum(one.cents for one in found.sums) == cents + payments[number].cents
        assert register.receipted_cents == cents
        assert [line.donor for line in receipt_register.register_page(of.charity, year)] == [gifts[number].full_name]
        statement = build_statement(the_fund(of), lock_end(the_fund(of)))
        assert (statement.matched_cents, statement.received_cents, statement.charity) == (cents, 200_00, of.charity)
        sums = totals.totals_of(of.slug)
        assert sums is not None
        assert (sums.donated_cents, sums.matched_cents, sums.donations, sums.donors) == (cents, cents, 1, 1)
    assert checker.findings(db.engine) == []


def test_what_needs_a_person_is_counted_by_charity_and_once_in_all(app: Flask, campaign: Campaign, second: Campaign) -> None:
    third = another_campaign(100_00, like=second)
    gift = paid(second, 300_00)
    receipt = issue_receipt(gift)
    assert receipt
    create_refund(gift, 300_00)
    issue_receipt(gift)
    fund_lifecycle.pause(the_fund(third), actor="test", reason="test")
    waits = paid(second, 20_00, first_name="", last_name="")
    db.session.commit()
    send_jobs.send_due()
    void = issue_receipt(paid(campaign, 50_00))
    assert void
    void_requests.create(void.id, actor="test@example.org", reason="wrong")
    db.session.commit()
    of_first, of_second, of_all = staff_todo.todo_of(campaign), staff_todo.todo_of(third), staff_todo.todo_of_all()
    assert (of_first.counted, of_second.counted) == ({"voids": 1}, {"paused_funds": 1, "returns_due": 1, "receipts": 1})
    assert of_all.counted == of_first.counted | of_second.counted
    assert [item.donation_id for item in waiting_receipts.list_oldest(second.charity, limit=9)] == [waits.id]
    assert waiting_receipts.list_oldest(campaign.charity, limit=9) == []
    assert (len(information_returns.list_open(second.charity)), information_returns.list_open(campaign.charity)) == (1, [])
    client = signed_in(app, "manager")
    pages = {of.slug: client.get(f"/staff/?campaign={of.slug}").text for of in (campaign, third)}
    assert "Void receipt" not in pages[third.slug]
    assert "Another charity has something to do: Second Charity" in pages[campaign.slug]
    assert "Another charity has something to do" in pages[third.slug]
    assert checker.findings(db.engine) == []


def test_confirming_one_charity_sends_only_its_receipts(app: Flask, campaign: Campaign, second: Campaign) -> None:
    for of in (campaign, second):
        gift = paid(of)
        db.session.execute(
            text("UPDATE outbox SET missing_elements = :missing WHERE donation_id = :id"), {"missing": [CONFIRMATION], "id": gift.id}
        )
    db.session.commit()
    assert [waiting_receipts.count_for(CONFIRMATION, of.charity) for of in (campaign, second)] == [1, 1]
    assert waiting_receipts.wake_for(CONFIRMATION, second.charity) == 1


def test_staff_choose_a_campaign_that_stays_and_links_lead_to_its_own(app: Flask, campaign: Campaign, second: Campaign) -> None:
    client = signed_in(app, "admin")
    receipt, other = (
        issue_receipt(paid(of, cents, last_name=name)) for of, cents, name in ((campaign, 11_00, "One"), (second, 22_00, "Two"))
    )
    db.session.commit()
    assert receipt
    assert other
    assert receipt.serial == other.serial
    assert SHOWN not in client.get("/staff/").text
    page = client.get(f"/staff/?campaign={second.slug}").text
    assert SHOWN in page
    assert '<select id="campaign-choice"' in page
    assert f"/staff/receipts?campaign={second.slug}" in page, "so that another tab may show another campaign"
    assert SHOWN in client.get("/staff/").text, "it stays with the session"
    assert SHOWN in client.get("/staff/?campaign=unknown").text
    assert "Two" in client.get(f"/staff/receipts/{other.serial}").text
    of_first = db.session.query(Donation).filter_by(campaign_id=campaign.id).one()
    page = client.get(f"/staff/donations/{of_first.public_id}").text
    assert f"/staff/receipts/{receipt.serial}?campaign={campaign.slug}" in page, (
        "the same serial number of the other charity is another receipt"
    )
    assert "One" in client.get(f"/staff/receipts/{receipt.serial}?campaign={campaign.slug}").text
    assert client.get(f"/staff/funds/{the_fund(second).slug}/payments?campaign={campaign.slug}").status_code == 200
    stranger = app.test_client().get(f"/staff/funds?campaign={second.slug}")
    assert stranger.location.endswith(f"?campaign%3D{second.slug}")


def test_with_one_campaign_there_is_no_choice(app: Flask, campaign: Campaign) -> None:
    page = signed_in(app, "viewer").get("/staff/").text
    assert "campaign-choice" not in page
    assert "?campaign=" not in page


def test_a_command_about_a_charity_asks_which_one(app: Flask, settings: Settings, campaign: Campaign, second: Campaign) -> None:
    refused = run_command("charity", "show", environment=environment_of(settings))
    assert (refused.returncode, "987654324RR0001" in refused.stderr) == (2, True)
    shown = run_command("charity", "show", "--charity", "987654324RR0001", environment=environment_of(settings))
    assert "legal-name: Second Charity" in shown.stdout


@pytest.mark.owner
def test_control_a_receipt_of_the_other_charity_is_found(app: Flask, campaign: Campaign, second: Campaign) -> None:
    receipt = issue_receipt(paid(second))
    assert receipt
    db.session.commit()
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE donation SET campaign_id = :first"), {"first": campaign.id})
    db.session.commit()
    db.session.execute(text("SET session_replication_role = DEFAULT"))
    assert [finding for finding in checker.findings(db.engine) if finding.startswith(f"I16: receipt {receipt.serial} is of Second Charity")]


def test_a_manager_creates_a_charity_and_its_first_campaign_and_its_details_are_its_own(app: Flask, campaign: Campaign) -> None:
    client, path = signed_in(app, "manager"), "/staff/charity/new"
    fields = {"legal_name": "River Trust", "name_en": "River Trust", "name_fr": "Fiducie de la rivière", "email": "info@river-trust.ca"}
    page = open_page(client, path)
    refused = submit(client, page, path, **fields, registration_number="123", time_zone="America/Halifax")
    assert (refused.status_code, 'id="registration_number-error"' in refused.text, "River Trust" in refused.text) == (422, True, True)
    created = submit(client, page, path, **fields, registration_number="98765 4324 RR 0001", time_zone="America/Halifax")
    assert created.status_code == 303
    charity = db.session.query(Charity).filter_by(legal_name="River Trust").one()
    assert (charity.time_zone, charity.registration_number, charity.confirmed_at) == ("America/Halifax", "987654324RR0001", None)
    assert f'<option value="{charity.id}" selected>River Trust</option>' in open_page(client, created.location).text
    again = submit(client, page, path, **fields, registration_number="987654324RR0001", time_zone="America/Halifax")
    assert "Another charity here has this registration number." in again.text
    own = another_campaign(like=campaign, charity=charity)
    db.session.commit()
    assert "River Trust" in open_page(client, f"/staff/charity?campaign={own.slug}").text
    assert checker.findings(db.engine) == []


def test_versions_say_what_was_in_force_when_and_how_many_receipts_print_it(app: Flask, campaign: Campaign, second: Campaign) -> None:
    for name in ("First Name", "Second Name"):
        confirm_charity(legal_name=name)
        gift = paid(campaign)
        gift.livemode = True
        db.session.commit()
        assert issue_receipt(gift)
        db.session.commit()
    confirm_charity(charity=second.charity)
    page = open_page(signed_in(app, "viewer"), f"/staff/charity/versions?campaign={campaign.slug}").text
    assert page.count("1 receipt<") == 2
    assert page.count(" until ") == 1
    assert "First Name" in page
    assert "Changed: Legal name" in page
    assert campaign.charity.confirmed_at
    of_second = open_page(signed_in(app, "viewer"), f"/staff/charity/versions?campaign={second.slug}").text
    assert (of_second.count("<details>"), "First Name" in of_second) == (1, False)


def test_the_page_and_the_list_of_a_donor_of_both_lead_to_the_receipts_of_the_right_one(
    app: Flask, campaign: Campaign, second: Campaign
) -> None:
    gifts = [paid(one, cents, email="both@example.org") for one, cents in ((campaign, 100_00), (second, 300_00))]
    for gift in gifts:
        issue_receipt(gift)
    paid(second, 20_00, first_name="", last_name="")
    db.session.commit()
    send_jobs.send_due()
    client = signed_in(app, "manager")
    page = open_page(client, f"/staff/donors/{gifts[0].donor_id}?campaign={second.slug}").text
    for one, amount in ((campaign, "$100.00"), (second, "$300.00")):
        row = next(row for row in page.split("<tr>") if "receipt.pdf" in row and amount in row)
        assert f"-000001?campaign={one.slug}" in row
    listed = open_page(client, f"/staff/donors?campaign={campaign.slug}").text
    assert "$100.00" in listed and "$300.00" not in listed and "$400.00" not in listed


def test_the_audit_trail_leads_to_the_deposit_month_and_receipt_of_the_charity_that_is_meant(
    app: Flask, campaign: Campaign, second: Campaign
) -> None:
    client = signed_in(app, "manager")
    for of in (campaign, second):
        receipt = issue_receipt(paid(of))
        assert receipt
        posted_receipt_actions.mark_posted(receipt, actor="anne@example.org")
        gift, month = cheque(of), month_of(date(2026, 9, 1))
        slip = DepositSlip(deposited_on=today(of.charity), bank_account="")
        deposit = deposits.deposit_of(gift.id)
        assert deposit
        offline_gift_actions.close_deposit(deposit, slip, taken={gift.id}, shown={gift.id}, actor="anne@example.org")
        seen = months.figures_of(of.charity, month).digest
        month_actions.close_month(of.charity, month.first_on, reason="all is well", seen=seen, actor="anne@example.org")
    assert receipt
    serial = receipt.serial
    audit.record("bob@example.org", "closed a deposit", "deposit 1")
    audit.record("bob@example.org", "posted a receipt", serial)
    db.session.commit()

    def about(query: str) -> list[tuple[str, str]]:
        page = open_page(client, f"/staff/audit?campaign={campaign.slug}&{query}").text
        return re.findall(r'data-label="About"><span>(?:<a href="([^"]+)">)?([^<]+)', page)

    paths = ("receipts/" + serial, "offline-gifts/deposits/1", "money/months/2026-09")
    names = (f"receipt {serial}", "Deposit no. 1", "September 2026")
    of_each = [
        (f"/staff/{path}?campaign={of.slug}", f"{name}, {of.charity.name_en}")
        for of in (second, campaign)
        for path, name in reversed(list(zip(paths, names, strict=True)))
    ]
    assert about("actor=anne@example.org") == of_each
    assert about("actor=bob@example.org") == [("", names[0]), ("", names[1])], "an old entry does not say of which of the two"
    assert about(f"subject={serial}") == [("", names[0]), of_each[5]], "of the charity of the page"
    issue_receipt(paid(second))
    audit.record("carl@example.org", "posted a receipt", serial[:-1] + "2")
    db.session.commit()
    assert about("actor=carl@example.org") == [
        (f"/staff/receipts/{serial[:-1]}2?campaign={second.slug}", f"receipt {serial[:-1]}2, Second Charity")
    ], "only one of the two has it"
    assert "Deposit no. 1, Second Charity" in open_page(client, "/staff/audit.csv").text


def test_a_search_finds_what_all_charities_have_and_leads_to_the_right_one(app: Flask, campaign: Campaign, second: Campaign) -> None:
    gifts = [paid(one, cents, last_name="Tremblay") for one, cents in ((campaign, 11_00), (second, 22_00), (second, 33_00))]
    receipt, other, alone = (issue_receipt(gift) for gift in gifts)
    db.session.commit()
    assert receipt and other and alone
    client = signed_in(app, "viewer")

    def found(typed: str) -> str:
        return open_page(client, f"/staff/search?campaign={campaign.slug}&q={typed}").text.partition("<h1>")[2]

    for typed in (receipt.serial, str(receipt.number)):
        lines = re.findall(
            r'<li><a href="([^"]+)">[^<]*</a> <span class="muted">([^<]+)<',
            found(typed).partition(">Receipts<")[2].partition("</section>")[0],
        )
        assert sorted(lines) == sorted(
            (f"/staff/receipts/{receipt.serial}?campaign={one.slug}", f"{gifts[0].full_name}, valid, {one.charity.name_en}")
            for one in (campaign, second)
        ), "a serial number of two names neither"
    with app.app_context():
        only = client.get(f"/staff/search?campaign={campaign.slug}&q={alone.serial}")
    assert only.location == f"/staff/receipts/{alone.serial}?campaign={second.slug}"
    page = found("tremblay")
    assert page.count("paid, Second campaign<") == 2 and f"paid, {campaign.title_en}<" in page
    assert f'href="/staff/funds/{the_fund(second).slug}' in found(the_fund(second).name_en.replace(" ", "+"))


def test_the_sums_of_a_donor_are_of_each_charity_and_funds_to_filter_by_of_the_chosen_one(
    app: Flask, campaign: Campaign, second: Campaign
) -> None:
    gifts = [paid(one, cents, email="both@example.org") for one, cents in ((campaign, 100_00), (second, 300_00))]
    db.session.commit()
    client = signed_in(app, "viewer")
    page = open_page(client, f"/staff/donors/{gifts[0].donor_id}?campaign={campaign.slug}").text
    for one, amount in ((campaign, "$100.00"), (second, "$300.00")):
        tiles = page.partition(f'<h2 id="sums-{one.charity_id}">{one.charity.name_en}</h2>')[2].partition("</dl>")[0]
        assert re.findall(r"<dd>([^<]+)", tiles) == [amount, amount]
        assert f"Received gifts by year, {one.charity.name_en}" in page
        assert f"<small>{one.charity.name_en}</small>" in page
    assert "$400.00" not in page

    def funds(query: str) -> set[str]:
        choice = open_page(client, f"/staff/donations?{query}").text.partition('<select id="fund"')[2].partition("</select>")[0]
        return set(re.findall(r'<option value="([^"]+)"', choice))

    own, others = the_fund(campaign).slug, the_fund(second).slug
    assert (funds(f"campaign={campaign.slug}"), funds(f"campaign={second.slug}"), funds("campaign=all")) == ({own}, {others}, {own, others})


@pytest.mark.parametrize("what", ["donations", "donors"])
def test_an_export_of_one_charity_has_nothing_of_another(app: Flask, campaign: Campaign, second: Campaign, what: str) -> None:
    for one, name in ((campaign, "Own"), (second, "Foreign")):
        paid(one, last_name=name)
    db.session.commit()
    query = f"campaign={campaign.slug}&what={what}&from={today()}&to={today()}&format=csv&headings=en"
    text_of = open_page(signed_in(app, "manager"), f"/staff/exports/file?{query}").text
    assert ("Own" in text_of, "Foreign" in text_of) == (True, False)
