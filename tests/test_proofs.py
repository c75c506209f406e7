"""The chain is verified from outside: the programs in docs/verify.md run unchanged and detect every alteration."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.cli.setup import create_funder_link
from campaign.config import ROOT
from campaign.edges.db import db
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import match_of
from campaign.reporting import funder_statement, statement_actions
from campaign.reporting import totals as reporting
from tests.factories import another_campaign, create_fund, create_refund, end, paid, start_donation

FUNDERS, DONORS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "verify.md").read_text(), re.DOTALL)


def run(program: str, document: Any, at: Path) -> subprocess.CompletedProcess[str]:
    (at / "document.json").write_text(json.dumps(document))
    return subprocess.run([sys.executable, "-I", "-c", program, str(at / "document.json")], capture_output=True, text=True, check=False)


def statement(fund: Fund, **options: Any) -> Any:
    return json.loads("".join(funder_statement.as_json(statement_actions.take_statement(fund, **options))))


@pytest.fixture
def used_fund(campaign: Campaign, fund: Fund) -> Fund:
    """A fund with holds, matches, a release and an unmatch."""
    first = paid(campaign, 100_00)
    end(start_donation(campaign, 30_00), "expired")
    paid(campaign, 50_01)
    create_refund(first, 25_00)
    start_donation(campaign, 20_00)
    db.session.commit()
    return fund


def test_a_funder_verifies_the_statement_with_the_documented_program(used_fund: Fund, tmp_path: Path) -> None:
    found = statement(used_fund)
    done = run(FUNDERS, found, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("right: 9 entries")
    assert (found["matched_cents"], found["held_cents"], found["pledged_cents"]) == (125_01, 20_00, 50_000_00)


@pytest.mark.parametrize(
    "alter",
    [
        lambda s: s["entries"].pop(2),
        lambda s: s["entries"].pop(),
        lambda s: s["entries"][1].update(text=s["entries"][1]["text"].replace("|10000|", "|10001|")),
        lambda s: s["entries"][1].update(text=s["entries"][1]["text"].replace("|hold|", "|match|")),
        lambda s: s.update(matched_cents=s["matched_cents"] + 1),
        lambda s: s["head"].update(hash="00"),
        lambda s: s["entries"].insert(3, s["entries"][3]),
    ],
)
def test_every_alteration_is_detected(used_fund: Fund, tmp_path: Path, alter: Callable[[Any], object]) -> None:
    found = statement(used_fund)
    alter(found)
    assert "AssertionError" in run(FUNDERS, found, tmp_path).stderr


def test_a_donor_verifies_their_own_entries_and_sees_nobody_elses(
    client: FlaskClient, campaign: Campaign, used_fund: Fund, tmp_path: Path
) -> None:
    mine, other = paid(campaign, 12_34), paid(campaign, 98_76)
    proof = json.loads(client.get(f"/en/donations/{mine.token}/proof.json").text)
    done = run(DONORS, proof, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(mine.public_id) == 2
    assert other.public_id not in json.dumps(proof)
    assert "9876" not in json.dumps([e for e in proof["funds"][0]["entries"] if "text" in e])
    assert proof["funds"][0]["head"] == statement(used_fund)["head"]
    own = next(e for e in proof["funds"][0]["entries"] if "text" in e)
    own["text"] = own["text"].replace("1234", "1235")
    assert "not in this chain" in run(DONORS, proof, tmp_path).stderr


def test_a_donation_without_a_fund_has_an_empty_proof(client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(another_campaign(like=campaign), 10_00)
    assert json.loads(client.get(f"/fr/donations/{donation.token}/proof.json").text)["funds"] == []
    assert client.get("/fr/donations/nobody/proof.json").status_code == 404


def test_a_statement_as_of_a_moment_is_always_the_same_bytes(campaign: Campaign, used_fund: Fund) -> None:
    moment = db.session.scalars(text("SELECT now()")).one()
    db.session.commit()

    def rendered() -> list[str]:
        found = statement_actions.take_statement(used_fund, before=moment)
        return [
            "".join(funder_statement.as_json(found)),
            "".join(funder_statement.as_csv(found, ["a", "b", "c"])),
            str(funder_statement.template_data(found, "fr", is_test=True)),
        ]

    before = rendered()
    paid(campaign, 77_00)
    assert rendered() == before
    assert json.loads(before[0])["head"]["position"] == 9
    assert statement(used_fund)["head"]["position"] == 11


def test_a_statement_never_leaves_a_gap_in_the_chain(campaign: Campaign, used_fund: Fund, tmp_path: Path) -> None:
    """An entry dated after the moment of the statement ends it, although later entries of the chain are dated before that moment."""
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE ledger_entry SET at = now() + interval '1 hour' WHERE chain = 'fund:1' AND position = 5"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    found = statement(used_fund)
    assert [entry["position"] for entry in found["entries"]] == [1, 2, 3, 4]


def test_a_clock_that_is_set_back_does_not_date_an_entry_before_the_last(campaign: Campaign, used_fund: Fund) -> None:
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE ledger_entry SET at = now() + interval '1 hour' WHERE chain = 'fund:1' AND position = 9"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    paid(campaign, 77_00)
    decreasing = "SELECT count(*) FROM (SELECT at, lag(at) OVER (ORDER BY position) AS before FROM ledger_entry WHERE chain = 'fund:1') e"
    assert db.session.execute(text(f"{decreasing} WHERE at < before")).scalar_one() == 0


def test_the_counts_of_a_statement_are_those_of_gifts_that_are_matched(app: Flask, campaign: Campaign) -> None:
    """Page, printed statement, CSV and JSON agree, and so do their days, with covered fees and partial refunds."""
    own = another_campaign(200_00, like=campaign)
    fund = funds_of(own.id)[0]
    refunded, partly, whole, late = (paid(own, 60_00, covered_fee_cents=2_00) for _ in range(4))
    create_refund(refunded, 62_00)
    create_refund(partly, 31_00)
    db.session.commit()
    found = statement_actions.take_statement(fund)
    assert [match_of(d.id).matched_cents for d in (refunded, partly, whole, late)] == [0, 30_00, 60_00, 60_00]
    assert (found.donations, found.matched_cents) == (3, 150_00)
    assert (sum(day.donations for day in found.days), sum(day.matched_cents for day in found.days)) == (3, 150_00)
    assert list(funder_statement.as_csv(found, ["a", "b", "c"]))[1].endswith(",3,150.00\r\n")
    assert json.loads("".join(funder_statement.as_json(found)))["donations"] == 3
    printed = funder_statement.template_data(found, "en", is_test=True)
    assert (printed["donations"], printed["days"][0][1:]) == ("3", ["3", "$150.00"])
    create_refund(whole, 62_00)
    create_refund(late, 1)
    db.session.commit()
    assert statement_actions.take_statement(fund).donations == 2
    client = app.test_client()
    token = create_funder_link(fund).rpartition("/")[2]
    db.session.commit()
    with app.app_context():
        client.get(f"/funder/links/{token}")
        assert "2 gifts matched" in client.get("/funder/report?lang=en").text
    totals = reporting.totals_of(own.slug)
    assert totals
    assert totals.matched_cents == statement_actions.take_statement(fund).matched_cents


def test_a_future_moment_has_no_statement(used_fund: Fund) -> None:
    with pytest.raises(funder_statement.FutureMoment):
        statement_actions.take_statement(used_fund, before=datetime.now(UTC) + timedelta(days=3))


def test_an_empty_fund_has_a_statement_too(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    empty = create_fund(campaign, 0, position=2)
    assert run(FUNDERS, statement(empty), tmp_path).stdout.startswith("right: 0 entries")
