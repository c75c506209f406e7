"""A funder's statement: its periods, sums and files agree with the books, and one of a past moment is the same for ever."""

import importlib.util
import io
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pyhanko.pdf_utils.reader import PdfFileReader

from campaign.campaigns.campaigns import Campaign
from campaign.cli.setup import create_funder_link
from campaign.config import ROOT
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.pdf_signing import KeyFile
from campaign.edges.services import services
from campaign.ledger.entries import Entry, post_entries
from campaign.ledger.moves import LedgerMove, Move
from campaign.matching.funds import Fund
from campaign.reporting import ledger_days, proofs, statement_actions
from campaign.reporting.integrity import checker
from campaign.reporting.statements import lines as statement_lines
from campaign.reporting.statements import printed, stored
from campaign.reporting.statements.statement import FutureMoment, NothingBefore, Statement
from campaign.rules import statement_periods
from campaign.rules.statement_lines import LineRule
from campaign.rules.statement_periods import InvalidPeriod, StatementPeriod, parse_period, periods_back
from campaign.texts.statement_words import describe_period, line_words
from tests.factories import create_refund, paid, pay, run_concurrently, start_donation, today
from tests.mail import pdf_text
from tests.sheets import Cell, read_csv, read_workbook
from tests.statements import let_pass, live, run
from tests.web import signed_in

ACCOUNTS = ("pledged", "held", "matched", "left", "called", "received")
VERIFIER = ROOT / "tools" / "verify_statement.py"


# Periods.


def test_a_period_has_a_name_that_is_read_back() -> None:
    day = date(2026, 11, 28)
    moment = datetime(2026, 11, 28, 20, 2, 11, tzinfo=UTC)
    periods = [
        statement_periods.month(day),
        statement_periods.quarter(day),
        statement_periods.to_day(day),
        statement_periods.to_moment(moment),
    ]
    assert [period.name for period in periods] == ["2026-11", "2026-q4", "2026-11-28", "2026-11-28T200211Z"]
    assert [parse_period(period.name) for period in periods] == periods
    assert (periods[1].first_on, periods[1].last_on) == (date(2026, 10, 1), date(2026, 12, 31))
    for wrong in (
        "2026-13",
        "2026-q5",
        "2026-q0",
        "26-11",
        "2026-11-31",
        "2026-11-28T256161Z",
        "0001-q1",
        "",
        "now",
        "2026-11-28T20:02:11Z",
    ):
        with pytest.raises(InvalidPeriod):
            parse_period(wrong)
    names = [period.name for period in periods_back(date(2026, 5, 2), date(2025, 12, 31))]
    assert names == ["2026-q2", "2026-05", "2026-04", "2026-q1", "2026-03", "2026-02", "2026-01", "2025-q4", "2025-12"]
    words = [describe_period(period, "fr") for period in periods]
    assert words[:3] == ["Novembre 2026", "Trimestre 4 de 2026", "Du début à la fin du 28 novembre 2026"]


def test_each_kind_of_entry_of_a_fund_has_its_rule_and_each_rule_its_words(app: Flask) -> None:
    """A move that is added has words on statements, or this fails."""
    kinds = set(db.session.scalars(db.select(LedgerMove.kind).where(LedgerMove.of_fund)))
    assert {kind.value for kind in statement_lines.RULES} == kinds
    said = {language: [line_words(rule, language) for rule in LineRule] for language in ("en", "fr")}
    assert all(what and why for words in said.values() for what, why in words)
    assert len(set(said["en"])) == len(set(said["fr"])) == len(LineRule)


def test_lines_say_why(campaign: Campaign, fund: Fund) -> None:
    gift = paid(campaign, 100_00)
    start_donation(campaign, 20_00)
    create_refund(gift, 25_00)
    create_refund(gift, 75_00, kind="dispute", name="dp_1")
    db.session.commit()
    create_refund(gift, 75_00, kind="dispute", name="dp_1", status="won")
    db.session.commit()
    end = statement_actions.take_end(fund)
    lines = list(statement_lines.lines_of(fund, statement_actions.take_statement(fund).opening, after=0, last=end.position))
    rules = [LineRule.PLEDGED, LineRule.HELD, LineRule.MATCHED, LineRule.HELD, LineRule.REFUNDED, LineRule.DISPUTED, LineRule.MATCHED_AGAIN]
    assert [(line.rule, line.cents) for line in lines] == list(
        zip(rules, [50_000_00, 100_00, 100_00, 20_00, 25_00, 75_00, 75_00], strict=True)
    )
    assert {line.reference for line in lines if line.rule is LineRule.MATCHED} == {gift.public_id}


# What a statement says is what the books say.


def bound(day: date) -> datetime:
    """The first moment of the day in the charity's zone."""
    return datetime.combine(day, datetime.min.time(), ZoneInfo("America/Toronto"))


def balances_before(moment: datetime) -> dict[str, int]:
    """The balances before the moment by the ledger alone."""
    sums = run(
        """SELECT coalesce(sum(CASE 'available' WHEN to_account THEN cents WHEN from_account THEN -cents END), 0),
                  coalesce(sum(CASE 'held' WHEN to_account THEN cents WHEN from_account THEN -cents END), 0),
                  coalesce(sum(CASE 'matched' WHEN to_account THEN cents WHEN from_account THEN -cents END), 0),
                  coalesce(sum(CASE 'called' WHEN to_account THEN cents WHEN from_account THEN -cents END), 0),
                  coalesce(sum(CASE 'received' WHEN to_account THEN cents WHEN from_account THEN -cents END), 0)
           FROM ledger_entry WHERE fund_id = 1 AND at < :moment""",
        moment=moment,
    ).one()
    left, held, matched, called, received = map(int, sums)
    return {"pledged": left + held + matched, "held": held, "matched": matched, "left": left, "called": called, "received": received}


def matched_gifts_before(moment: datetime) -> int:
    return int(
        run(
            """SELECT count(*) FROM (SELECT donation_id FROM ledger_entry WHERE fund_id = 1 AND at < :moment GROUP BY 1
               HAVING sum(CASE 'matched' WHEN to_account THEN cents WHEN from_account THEN -cents ELSE 0 END) > 0) d""",
            moment=moment,
        ).scalar_one()
    )


def files_of(fund: Fund, period: StatementPeriod, language: str = "en", *, has_workbook: bool = True) -> dict[str, bytes]:
    """The CSV, JSON and XLSX of the period, each as it is sent. A workbook takes most of the time."""
    end = statement_actions.take_end(fund, period)
    files = {"csv": statement_actions.write_csv(fund, end, language), "json": statement_actions.write_json(fund, end)}
    if has_workbook:
        files["xlsx"] = statement_actions.write_xlsx(fund, end, language, is_test=True)
    return {form: b"".join(pieces) for form, pieces in files.items()}


def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_statement", VERIFIER)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verified(content: bytes, path: Path) -> str:
    """What the verifier says of the statement. Raises what it raises."""
    verifier = program()
    path.write_bytes(content)
    document = verifier.read_signed(str(path), verifier.public_keys(services().signing_key.certificates().decode()))
    return str(verifier.VERIFIERS[document["format"]](document))


def test_the_verifier_reads_the_days_of_a_period_from_its_name_as_we_do() -> None:
    verifier = program()
    for day in (date(2026, 12, 31), date(2027, 1, 3), date(2028, 2, 29)):
        for period in (make(day) for make in (statement_periods.week, statement_periods.month, statement_periods.quarter)):
            assert verifier.days_of(period.name) == (period.first_on, period.last_on)
        assert verifier.days_of(statement_periods.to_day(day).name) == (None, day)


def dollars(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def check_workbook(book: dict[str, list[list[Cell]]], statement: Statement, rows: list[list[str]]) -> None:
    """The sheets of the workbook have the sums of the statement, and the lines of its CSV."""
    before, after = statement.opening, statement.closing
    for name, row in zip(ACCOUNTS, book["Summary"][1:7], strict=True):
        opening, closing = (getattr(balances, f"{name}_cents") for balances in (before, after))
        assert row[1:] == [dollars(opening), dollars(closing - opening), dollars(closing)], name
    assert book["Days"][-1][2:] == [dollars(getattr(after - before, f"{name}_cents")) for name in ACCOUNTS]
    assert sum(Decimal(str(row[2])) for row in book["Rules"][1:-1]) == len(rows)
    assert [str(row[0]) for row in book["Lines"][1:]] == [row[0] for row in rows]


@pytest.mark.owner
@pytest.mark.parametrize("seed", [1, 2])
def test_sums_of_a_random_life_agree_in_every_file_of_every_period(campaign: Campaign, fund: Fund, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    gifts: list[Donation] = []
    for _ in range(2):
        live(campaign, random, acts=14, gifts=gifts)
        let_pass(fund, days=random.randrange(20, 50))
    live(campaign, random, acts=14, gifts=gifts)
    if seed == 2:
        ledger_days.store_ended_days(campaign, now=datetime.now(UTC))
        db.session.commit()
    first_on = campaign.charity.local(run("SELECT min(at) FROM ledger_entry WHERE fund_id = 1").scalar_one()).date()
    closings: dict[date, dict[str, int]] = {}
    now = statement_actions.wait_for_period_to_now(fund)
    workbooks = [now, statement_periods.month(today())]
    for period in [*reversed(periods_back(today(), first_on)), now]:
        statement = statement_actions.take_statement(fund, period=period)
        until = bound(period.last_on + timedelta(days=1)) if period.last_on else datetime.max.replace(tzinfo=UTC)
        opening = balances_before(bound(period.first_on)) if period.first_on else dict.fromkeys(ACCOUNTS, 0)
        closing = balances_before(until)
        assert [getattr(statement.opening, f"{name}_cents") for name in ACCOUNTS] == list(opening.values())
        assert [getattr(statement.closing, f"{name}_cents") for name in ACCOUNTS] == list(closing.values())
        assert statement.donations == matched_gifts_before(until)
        if period.first_on and period.last_on:
            assert closings.get(period.first_on, opening) == opening, "one period begins as the one before it ended"
            closings[period.last_on + timedelta(days=1)] = closing
        files = files_of(fund, period, has_workbook=period in workbooks)
        rows = read_csv(files["csv"], separator=",")[1:]
        assert len(rows) == statement.end.position - statement.end.after
        if rows:
            assert [Decimal(cell) for cell in rows[-1][7:]] == [dollars(cents) for cents in closing.values()]
        if "xlsx" in files:
            check_workbook(read_workbook(files["xlsx"]), statement, rows)
        document = json.loads(files["json"])
        assert [document[f"{'available' if name == 'left' else name}_cents"] for name in ACCOUNTS] == list(closing.values())
        assert verified(files["json"], tmp_path / "document.json").startswith("right: ")
    shown = pdf_text(statement_actions.get_or_render_pdf(fund, statement_actions.take_end(fund, now), "en", is_test=True)).replace(
        "\u00a0", " "
    )
    for label, cents in zip(("Pledged", "Held", "Matched", "Left", "Called", "Received"), closing.values(), strict=True):
        assert f"{label} $0.00 ${dollars(cents):,} ${dollars(cents):,}" in shown


# For ever the same.


def rename_everything(campaign: Campaign) -> None:
    """Rename charity, campaign, fund and funder, move the charity to another time zone, and rotate its key. Commits."""
    for statement in (
        "UPDATE charity SET legal_name = 'New name', name_en = 'New', name_fr = 'Nouveau', address = '{Elsewhere}', time_zone = 'Asia/Tokyo'",
        "UPDATE campaign SET title_en = 'New title', title_fr = 'Nouveau titre'",
        "UPDATE fund SET name_en = 'New fund', name_fr = 'Nouveau fonds'",
        "UPDATE funder SET name_en = 'New funder', name_fr = 'Nouveau bailleur'",
    ):
        run(statement)
    db.session.commit()
    db.session.expire_all()
    services().signing_key.rotate(name="New name", now=datetime.now(UTC))
    ledger_days.store_ended_days(campaign, now=datetime.now(UTC) + timedelta(days=2))
    db.session.commit()


def add_facts(campaign: Campaign, fund: Fund, *, count: int) -> None:
    """Post so many later entries of the fund, by turns a release and a hold of a cent. Commits."""
    gift = start_donation(campaign, 100_00)
    moves = [(Move.RELEASE, "held", "available"), (Move.HOLD, "available", "held")]
    of_gift: dict[str, Any] = {"cents": 1, "campaign_id": campaign.id, "fund_id": fund.id, "donation_id": gift.id, "cause": "later"}
    kinds = [moves[number % 2] for number in range(count)]
    post_entries(
        *(
            Entry(kind=kind, source=source, target=target, reference=f"{kind}:{gift.public_id}:{fund.id}:{number}", **of_gift)
            for number, (kind, source, target) in enumerate(kinds, 2)
        )
    )
    pay(gift)
    db.session.commit()


@pytest.mark.owner
def test_a_statement_of_a_past_moment_is_the_same_bytes_for_ever(app: Flask, campaign: Campaign, fund: Fund, tmp_path: Path) -> None:
    key = KeyFile(path=tmp_path / "key.pem")
    key.make(name="The charity", now=datetime.now(UTC))
    app.extensions["services"] = replace(services(), signing_key=key)
    live(campaign, Random(3), acts=12, gifts=[])
    let_pass(fund, days=40)
    live(campaign, Random(4), acts=6, gifts=[])
    ledger_days.store_ended_days(campaign, now=datetime.now(UTC))
    db.session.commit()
    to_now = statement_actions.wait_for_period_to_now(fund)
    last_month = statement_periods.month(today() - timedelta(days=today().day))
    periods = [to_now, last_month, statement_periods.to_day(today() - timedelta(days=1))]

    def everything() -> list[bytes]:
        files = [file for period in periods for file in files_of(fund, period, "fr", has_workbook=period == last_month).values()]
        return [*files, statement_actions.get_or_render_pdf(fund, statement_actions.take_end(fund, to_now), "en", is_test=True)]

    before = everything()
    assert everything() == before
    until_today = statement_periods.to_day(today())
    unfinished = files_of(fund, until_today, has_workbook=False)["csv"]
    add_facts(campaign, fund, count=1000)
    rename_everything(campaign)
    assert everything() == before
    assert verified(before[1], tmp_path / "document.json").startswith("right: "), "with the certificate of the earlier key"
    assert files_of(fund, until_today, has_workbook=False)["csv"] != unfinished, "the control: an unfinished period grows"
    later = statement_actions.take_statement(fund)
    assert (later.names.charity["legal_name"], later.end.zone.key) == ("New name", "Asia/Tokyo"), (
        "the control: a later one has the new names"
    )
    assert checker.findings(db.engine) == []


def test_who_asks_first_at_the_same_time_decides_for_all(app: Flask, campaign: Campaign, fund: Fund) -> None:
    paid(campaign, 100_00)
    period = statement_actions.wait_for_period_to_now(fund)
    fund_id = fund.id

    def ask() -> tuple[bytes, bytes]:
        own = db.session.get_one(Fund, fund_id)
        end = statement_actions.take_end(own, period)
        return statement_actions.get_or_render_pdf(own, end, "en", is_test=True), b"".join(statement_actions.write_json(own, end))

    assert len(set(run_concurrently(app, [ask] * 3))) == 1


def test_what_is_not_what_was_signed_is_not_sent(campaign: Campaign, fund: Fund) -> None:
    end = statement_actions.take_end(fund, statement_actions.wait_for_period_to_now(fund))
    sent = b"".join(statement_actions.write_json(fund, end))
    assert b"".join(statement_actions.write_json(fund, end)) == sent
    other = replace(end, position=0)
    with pytest.raises(stored.StatementChanged):
        b"".join(statement_actions.write_json(fund, other))


@pytest.mark.owner
@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("UPDATE statement_document SET pdf = pdf || 'x'::bytea", "(en) does not have the stored hash"),
        ("UPDATE statement_signature SET sha256 = sha256('x')", "is not of what was signed"),
        ("UPDATE stated_name SET facts = facts || '{\"name_en\": \"x\"}' WHERE subject = 'funder'", "state of funder 1 are not"),
        ("UPDATE fund SET name_fr = 'x'", "state of fund 1 are not"),
    ],
)
def test_the_check_of_the_books_finds_what_was_changed(campaign: Campaign, fund: Fund, change: str, finding: str) -> None:
    end = statement_actions.take_end(fund, statement_actions.wait_for_period_to_now(fund))
    stored.store_document(fund, end.period.name, "en", None, b"a document")
    db.session.commit()
    b"".join(statement_actions.write_json(fund, end))
    assert checker.findings(db.engine) == []
    run("SET session_replication_role = replica")
    run(change)
    run("SET session_replication_role = origin")
    db.session.commit()
    assert [finding in found for found in checker.findings(db.engine)] == [True]


# The verifier.


Alteration = Callable[[Any], object]


def random_alteration(document: Any, random: Random) -> None:
    """Flip, drop, duplicate, reorder or change one thing of the document."""
    lists = [document["entries"], document["changes"]]
    name = random.choice(["flip", "drop", "duplicate", "reorder", "number", "name", "opening", "truncate", "period"])
    rows = random.choice(lists)
    at = random.randrange(len(rows))
    match name:
        case "flip":
            line, place = rows[at]["text"], random.randrange(len(rows[at]["text"]))
            rows[at]["text"] = line[:place] + chr(ord(line[place]) ^ 1) + line[place + 1 :]
        case "drop":
            rows.pop(at)
        case "duplicate":
            rows.insert(at, deepcopy(rows[at]))
        case "reorder":
            rows[at], rows[at - 1] = rows[at - 1], rows[at]
        case "truncate":
            del rows[at:]
        case "number":
            key = random.choice([key for key in document if key.endswith("_cents") or key == "donations"])
            document[key] += random.choice([-1, 1, 100])
        case "name":
            document[random.choice(["fund", "campaign", "chain", "currency"])] = "fund:9"
        case "opening":
            key = random.choice(list(document["opening"]))
            document["opening"][key] = "0" * 64 if key == "hash" else document["opening"][key] + 1
        case _:
            document["period"].update(
                random.choice([{"name": "2026-q9"}, {"name": "2020-01"}, {"opens_at": None}, {"is_finished": 1}, {"time_zone": ""}])
            )


@pytest.mark.owner
def test_the_verifier_refuses_every_alteration_even_if_it_is_signed(campaign: Campaign, fund: Fund, tmp_path: Path) -> None:
    live(campaign, Random(5), acts=10, gifts=[])
    let_pass(fund, days=40)
    live(campaign, Random(6), acts=10, gifts=[])
    path, key = tmp_path / "document.json", services().signing_key
    original = json.loads(files_of(fund, statement_periods.month(today()), has_workbook=False)["json"])
    del original["signed"]

    def signed(document: dict[str, Any]) -> bytes:
        return "".join(proofs.signed([json.dumps(document, ensure_ascii=False, indent=1)[:-2]], key.sign_bytes)).encode()

    assert verified(signed(original), path).startswith("right: ")
    assert original["opening"]["position"] > 0
    verifier, random, tried = program(), Random(7), 0
    while tried < 300:
        random_alteration(document := deepcopy(original), random)
        if document == original:
            continue
        tried += 1
        with pytest.raises((verifier.Wrong, ValueError, KeyError, TypeError, IndexError)):
            verifier.verify_statement(document)
    # A statement of the format before, which had no period.
    for name in ("names", "period", "opening", "called_cents", "received_cents"):
        del original[name]
    original["format"] = "campaign-statement/2"
    assert verified(signed(original), path).startswith("right: ")


# What funders and staff see.


@pytest.fixture
def funder(client: FlaskClient, fund: Fund) -> FlaskClient:
    """The funder, by link."""
    link = create_funder_link(fund)
    db.session.commit()
    client.get(f"/funder/links/{link.rpartition('/')[2]}")
    return client


CANARY = {
    "first_name": "Kanarie", "last_name": "Vogelsang", "email": "kanarie@vogelsang.example", "address_line1": "77 Voliere Lane", "city": "Voliereville",
    "public_name": "Tweety Publique", "tribute_kind": "memory", "tribute_name": "Oma Piepmatz", "message": "Zwitscher zwitscher",
}  # fmt: skip


def test_no_file_and_no_page_names_a_donor(campaign: Campaign, fund: Fund, funder: FlaskClient) -> None:
    gift = paid(campaign, 100_00, **CANARY)
    create_refund(gift, 10_00)
    db.session.commit()
    period = statement_periods.to_day(today())
    files = files_of(fund, period)
    shown = [files["csv"].decode(), files["json"].decode(), str(read_workbook(files["xlsx"]))]
    shown.append(pdf_text(funder.get(f"/funder/statements/{period.name}.pdf?lang=en").data))
    shown += [funder.get("/funder/statements/?lang=en").text, funder.get(f"/funder/statements/?lang=fr&until={today()}").text]
    assert all(gift.public_id in content for content in shown[:3]), "the control: the gift is in them"
    assert [value for value in CANARY.values() for content in shown if value in content] == []


def test_a_funder_finds_each_period_and_is_led_back_from_one_that_there_is_not(campaign: Campaign, fund: Fund, funder: FlaskClient) -> None:
    paid(campaign, 100_00)
    page = funder.get("/funder/statements/?lang=en")
    assert page.status_code == 200
    month, quarter = (of(today()).name for of in (statement_periods.month, statement_periods.quarter))
    for name in (month, quarter):
        for form in ("pdf", "xlsx", "csv", "json"):
            assert f"/funder/statements/{name}.{form}?lang=en" in page.text
    assert page.text.count("unfinished") >= 2
    for day, error in (
        (today() + timedelta(days=1), "has not come yet"),
        (date(2020, 1, 1), "The fund began on"),
        ("soon", "Please choose a day"),
    ):
        answer = funder.get(f"/funder/statements/?lang=en&until={day}")
        assert (answer.status_code, error in answer.text, f'value="{day}"' in answer.text) == (422, True, True)
    assert f"/funder/statements/{today()}.pdf" in funder.get(f"/funder/statements/?lang=en&until={today()}").text
    for missing in ("2020-01.csv", "2999-01.pdf", "soon.json", f"{month}.docx", "2999-01-01.xlsx", "2999-01-01T000000Z.csv"):
        answer = funder.get(f"/funder/statements/{missing}")
        assert (answer.status_code, "/funder/statements/" in answer.text or missing.endswith("json")) == (404, True), missing
    moved = funder.get("/funder/report.csv")
    assert funder.get(moved.headers["Location"]).headers["Content-Disposition"].endswith('Z.csv"')


def test_staff_get_the_files_of_a_fund_which_the_audit_trail_shows(app: Flask, campaign: Campaign, fund: Fund) -> None:
    staff = signed_in(app, "viewer")
    assert "/staff/funds/sanaa-richard/statements/" in staff.get("/staff/funds/sanaa-richard").text
    month = statement_periods.month(today()).name
    page = staff.get("/staff/funds/sanaa-richard/statements/")
    assert f"/staff/funds/sanaa-richard/statements/{month}.csv" in page.text
    sent = staff.get(f"/staff/funds/sanaa-richard/statements/{month}.csv")
    assert sent.data.startswith("\ufeff".encode())
    assert staff.get("/staff/funds/sanaa-richard/statements/2999-01.csv").status_code == 404
    found = run("SELECT subject, detail ->> 'document' FROM audit_entry WHERE action = 'exported'").all()
    assert found == [(f"sanaa-richard {month}", "statement (CSV)")]


def test_a_printed_statement_is_signed_and_a_long_one_says_where_its_entries_are(
    campaign: Campaign, fund: Fund, monkeypatch: pytest.MonkeyPatch
) -> None:
    donation = paid(campaign, 100_00)
    create_refund(donation, 40_00)
    db.session.commit()
    monkeypatch.setattr(printed, "MOST_ENTRIES", 2)
    document = statement_actions.get_or_render_pdf(fund, statement_actions.take_end(fund), "fr", is_test=True)
    text = pdf_text(document).replace("\n", " ")
    assert "La période compte 4 écritures, trop pour être imprimées." in text and "ce qui n’est plus jumelé" in text
    assert text.count(donation.public_id) == 1, "the refund, and neither the hold nor the match"
    monkeypatch.setattr(printed, "MOST_ENTRIES", 1)
    of_account = pdf_text(statement_actions.get_or_render_pdf(fund, statement_actions.take_end(fund), "en", is_test=True))
    assert "calls for funds, payments and changes of the pledge." in of_account and donation.public_id not in of_account
    reader = PdfFileReader(io.BytesIO(document))
    reader.decrypt("")
    assert reader.root["/Lang"].startswith("fr")
    assert reader.root["/MarkInfo"]["/Marked"]
    (signature,) = reader.embedded_signatures
    assert signature.signer_cert.subject.native["organization_name"]


def test_what_has_no_statement_is_refused(campaign: Campaign, fund: Fund) -> None:
    for name in ("2999-01", f"{today() + timedelta(days=1)}"):
        with pytest.raises(FutureMoment):
            statement_actions.take_end(fund, parse_period(name))
    with pytest.raises(NothingBefore):
        statement_actions.take_end(fund, parse_period("2020-q1"))
