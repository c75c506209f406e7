"""Statements of a fund with contributors: shares that add up in every form, a contributor's own file, and a verifier that makes them anew."""

import io
import json
import zipfile
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from campaign.campaigns.campaigns import Campaign
from campaign.cli import main
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders import contributors
from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.reporting import statement_actions
from campaign.reporting.statements.statement import StatementEnd
from campaign.rules import statement_periods
from campaign.rules.shares import share_out
from tests.factories import another_campaign, contribute, create_fund, paid, raise_pledge, today
from tests.fund_calls import issue_call
from tests.funder_payments import create_funder, record
from tests.mail import pdf_text
from tests.sheets import read_csv, read_workbook
from tests.statements import let_pass, live
from tests.test_contributor_pages import client_of
from tests.test_statements import program, verified

CANARY = "Quagga"
FORMS = ("pdf", "xlsx", "csv", "json")


@pytest.fixture
def fund(campaign: Campaign) -> Fund:
    """A fund with three funders in the middle of its life, with calls, payments and a pledge that was raised."""
    own = another_campaign(like=campaign)
    found = create_fund(own, 900_00, position=1, active=False)
    create_funder(found)
    lead = db.session.get_one(Funder, found.funder_id)
    lead.name_en = lead.name_fr = "Lamprey Lead"
    contribute(found, 270_01, "Contributor One")
    contribute(found, 180_00, f"{CANARY} Foundation")
    fund_lifecycle.activate(found, actor="test", reason="test")
    db.session.commit()
    gifts: list[Donation] = []
    live(own, Random(3), acts=14, gifts=gifts)
    for _ in range(3):
        paid(own, 33_35)
    db.session.commit()
    call = issue_call(found, 50_07)
    assert call
    record(found, 20_03, "cheque 4711")
    raise_pledge(found, 100_00)
    db.session.refresh(found)
    return found


def file_of(fund: Fund, end: StatementEnd, form: str, contributor: FundContributor | None, language: str = "en") -> bytes:
    match form:
        case "pdf":
            return statement_actions.get_or_render_pdf(fund, end, language, is_test=True, contributor=contributor)
        case "xlsx":
            return b"".join(statement_actions.write_xlsx(fund, end, language, is_test=True, contributor=contributor))
        case "csv":
            return b"".join(statement_actions.write_csv(fund, end, language, contributor=contributor))
        case _:
            return b"".join(statement_actions.write_json(fund, end, contributor=contributor))


def end_now(fund: Fund) -> StatementEnd:
    return statement_actions.take_end(fund, statement_actions.wait_for_period_to_now(fund))


def readers_of(fund: Fund) -> list[FundContributor | None]:
    return [None, contributors.contributors_of(fund)[0]]


def test_the_shares_of_every_form_add_up_to_the_whole(fund: Fund) -> None:
    end = end_now(fund)
    for reader in readers_of(fund):
        document = json.loads(file_of(fund, end, "json", reader))
        shares = document["shares"] if reader is None else [document["own"], document["others"]]
        names = [name for name in shares[0] if name.endswith("_cents") and name != "part_cents"]
        assert len(names) == (6 if reader is None else 4)
        for name in names:
            assert sum(share[name] for share in shares) == document[name], name
        assert sum(share["part_cents"] for share in shares) == 900_00, "the pledge as it was activated"
        sheet = read_workbook(file_of(fund, end, "xlsx", reader))["Shares of the funders"]
        assert len(sheet) == 2 + len(shares)
        for column in range(1, len(names) + 2):
            *parts, total = (float(str(row[column])) for row in sheet[1:])
            assert round(sum(parts), 2) == round(total, 2)
        printed = pdf_text(file_of(fund, end, "pdf", reader))
        for share in shares:
            assert f"${share['matched_cents'] / 100:,.2f}" in printed
        assert "Shares of the funders" in printed


def test_a_contributors_files_have_nothing_of_others_calls_and_payments(fund: Fund) -> None:
    """The control is the lead funder's file, which has each of these."""
    end, lead = end_now(fund), db.session.get_one(Funder, fund.funder_id)
    one, canary = contributors.contributors_of(fund)
    call = issue_call(fund, 1_01).name
    seen: dict[str, Any] = {"pdf": pdf_text, "xlsx": _unzipped, "csv": bytes.decode, "json": bytes.decode}
    end = end_now(fund)
    for language in ("en", "fr"):
        for form in FORMS:
            own, whole = (seen[form](file_of(fund, end, form, reader, language)) for reader in (one, None))
            hidden = (
                [call, "cheque 4711", "50.07" if language == "en" else "50,07"]
                if form != "json"
                else ["called_cents", "|call|", "|receive|"]
            )
            if form != "csv":
                hidden += [CANARY]
            for text in hidden:
                assert text not in own, (form, text)
            if form in {"pdf", "json"}:
                assert CANARY in whole
                assert "Contributor One" in own
                assert lead.name_en not in own
            assert any(text in whole for text in hidden), form
    columns = read_csv(file_of(fund, end, "csv", one), separator=",")[0]
    assert columns == read_csv(file_of(fund, end, "csv", None), separator=",")[0][:-2]
    assert canary


def _unzipped(workbook: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist())


@pytest.mark.owner
def test_files_of_each_reader_are_the_same_bytes_for_ever(fund: Fund) -> None:
    let_pass(fund, days=40)
    live_on(fund)
    month = statement_periods.parse_period((statement_periods.month(today())).name)
    day = statement_periods.to_day(statement_day(fund))
    first = {
        (form, reader and reader.id): file_of(fund, statement_actions.take_end(fund, day), form, reader)
        for form in FORMS
        for reader in readers_of(fund)
    }
    assert len(set(first.values())) == len(first), "each reader has files of their own"
    for one in contributors.contributors_of(fund):
        contributors.funder_of(one).name_en = "Renamed"
    db.session.commit()
    live_on(fund)
    again = {
        (form, reader and reader.id): file_of(fund, statement_actions.take_end(fund, day), form, reader)
        for form in FORMS
        for reader in readers_of(fund)
    }
    assert again == first
    assert "Renamed" in file_of(fund, statement_actions.take_end(fund, month), "json", None).decode(), "from now on"


def statement_day(fund: Fund) -> Any:
    last = db.session.scalar(
        db.text("SELECT max(at) FROM ledger_entry WHERE fund_id = :fund AND at < now() - interval '30 days'").bindparams(fund=fund.id)
    )
    assert isinstance(last, datetime)
    return last.date()


def live_on(fund: Fund) -> None:
    paid(db.session.get_one(Campaign, fund.campaign_id), 12_34)
    db.session.commit()


@pytest.mark.owner
def test_before_the_activation_the_lead_has_a_statement_without_shares_and_a_contributor_none(app: Flask, campaign: Campaign) -> None:
    fund = create_fund(another_campaign(like=campaign), 100_00, position=1, active=False)
    contributor = contribute(fund, 10_00)
    db.session.commit()
    let_pass(fund, days=40)
    before = statement_periods.to_day(statement_day(fund))
    fund_lifecycle.activate(fund, actor="test", reason="test")
    db.session.commit()
    document = json.loads(file_of(fund, statement_actions.take_end(fund, before), "json", None))
    assert (document["format"], "shares" in document) == ("campaign-statement/3", False)
    client = client_of(app, fund, contributor)
    assert client.get(f"/funder/statements/{before.name}.json").status_code == 404
    now = client.get(f"/funder/statements/{statement_periods.to_day(today()).name}.json")
    assert (now.status_code, json.loads(now.data)["format"]) == (200, "campaign-contributor/1")
    assert client.get(f"/funder/?as_of={before.name}&lang=en").status_code == 200


def test_a_contributor_gets_their_files_by_their_link(app: Flask, fund: Fund) -> None:
    one = contributors.contributors_of(fund)[0]
    client, lead = client_of(app, fund, one), client_of(app, fund, None)
    page = client.get("/funder/statements/?lang=en")
    assert page.status_code == 200
    name = statement_periods.month(today()).name
    for form in FORMS:
        sent = []
        for reader in (client, lead):
            answer = reader.get(f"/funder/statements/{name}.{form}?lang=en")
            sent.append(answer.data)  # Before the next request: it is streamed.
            assert answer.status_code == 200
        assert sent[0] != sent[1], form
    document = json.loads(client.get(f"/funder/statements/{name}.json").data)
    assert (document["format"], document["names"]["funder_en"]) == ("campaign-contributor/1", "Contributor One")
    assert client.get("/funder/report.json").status_code == 302


# The verifier.


@given(st.integers(0, 10**12), st.lists(st.integers(1, 10**9), min_size=2, max_size=12))
def test_the_verifier_shares_as_the_service_does(total: int, parts: list[int]) -> None:
    assert tuple(program().share_out(total, parts)) == share_out(total, parts)


def altered(document: dict[str, Any], random: Random) -> None:
    rows = document.get("shares") or [document["own"], document["others"]]
    row = random.choice(rows)
    what = random.choice(["number", "number", "move", "move", "part", "drop", "name"])
    names = [name for name in row if name.endswith("_cents")]
    other = random.choice([one for one in rows if one is not row])
    match what:
        case "number":
            row[random.choice(names)] += random.choice([-1, 1, 50])
        case "move":
            name = random.choice([name for name in names if name != "part_cents"])
            cents = random.choice([3_00, 50_00])
            row[name] += cents
            other[name] -= cents
        case "part":
            row["part_cents"] += 1
            other["part_cents"] -= 2
        case "drop":
            del row[random.choice(list(row))]
        case _:
            document[random.choice(["matched_cents", "held_cents", "available_cents"])] += 1


@pytest.mark.owner
@pytest.mark.parametrize("is_contributor", [False, True])
def test_the_verifier_makes_the_shares_anew_and_refuses_a_change_of_them(fund: Fund, tmp_path: Path, is_contributor: bool) -> None:
    let_pass(fund, days=40)
    live_on(fund)
    live_on(fund)
    reader = contributors.contributors_of(fund)[0] if is_contributor else None
    end = statement_actions.take_end(fund, statement_periods.month(today()))
    sent = file_of(fund, end, "json", reader)
    path = tmp_path / "document.json"
    said = verified(sent, path)
    assert said.startswith("right: ")
    assert ("own share of 3 funders" if is_contributor else "shares of 3 funders") in said
    original = json.loads(sent)
    del original["signed"]
    assert original["opening"]["position"] > 0
    verifier, random = program(), Random(11)
    for _ in range(150):
        altered(document := deepcopy(original), random)
        with pytest.raises((verifier.Wrong, KeyError)):
            verifier.verify_statement(document)
    texts = [at for at, entry in enumerate(original["entries"]) if "text" in entry]
    for at in texts[:4]:
        document = deepcopy(original)
        document["entries"][at]["text"] += " "
        with pytest.raises(verifier.Wrong):
            verifier.verify_statement(document)
    if is_contributor:
        document = deepcopy(original)
        hidden = next(at for at, entry in enumerate(original["entries"]) if "digest" in entry)
        document["entries"][hidden]["digest"] = "0" * 64
        with pytest.raises(verifier.Wrong):
            verifier.verify_statement(document)
        document = deepcopy(original)
        document["opening"]["position"] -= 1
        with pytest.raises(verifier.Wrong):
            verifier.verify_statement(document)


def test_a_cent_that_is_moved_from_one_to_another_is_found(fund: Fund) -> None:
    verifier, document = program(), json.loads(file_of(fund, end_now(fund), "json", None))
    del document["signed"]
    assert verifier.verify_statement(document).startswith("right: ")
    for name in ("called_cents", "received_cents"):
        changed = deepcopy(document)
        for share, cents in zip(changed["shares"][:2], (-1, 1), strict=True):
            share[name] += cents
        with pytest.raises(verifier.Wrong, match=f"shares of {name} are others"):
            verifier.verify_statement(changed)
    for name in ("matched_cents", "pledged_cents"):
        changed = deepcopy(document)
        for share, cents in zip(changed["shares"][:2], (-1, 1), strict=True):
            share[name] += cents
            share["available_cents"] += cents if name == "pledged_cents" else -cents
        with pytest.raises(verifier.Wrong):
            verifier.verify_statement(changed)


def test_operators_write_the_statement_of_a_contributor(app: Flask, fund: Fund, tmp_path: Path) -> None:
    target = tmp_path / "statement.json"
    runner = app.test_cli_runner()
    arguments = ["statement", fund.slug, "--format", "json", "--output", str(target), "--contributor"]
    result = runner.invoke(main.campaign, [*arguments, "Contributor One"])
    assert (result.exit_code, json.loads(target.read_bytes())["format"]) == (0, "campaign-contributor/1"), result.output
    assert "has no contributor Nobody" in runner.invoke(main.campaign, [*arguments, "Nobody"]).output
