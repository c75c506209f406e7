"""The chain verified from outside: the programs of docs/verify.md run as they stand there, and find each thing that was changed."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.config import ROOT
from campaign.edges.db import db
from campaign.giving.campaigns import Campaign
from campaign.giving.funds import Fund
from campaign.reporting import statements
from tests.factories import a_fund, another_campaign, begun, end, give_back, paid

FUNDERS, DONORS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "verify.md").read_text(), re.DOTALL)


def run(program: str, document: dict, at: Path) -> subprocess.CompletedProcess[str]:
    (at / "document.json").write_text(json.dumps(document))
    return subprocess.run([sys.executable, "-I", "-c", program, str(at / "document.json")], capture_output=True, text=True, check=False)


def statement(fund: Fund, **how: object) -> dict:
    return json.loads("".join(statements.as_json(statements.statement_of(fund, **how))))


@pytest.fixture
def lived(campaign: Campaign, fund: Fund) -> Fund:
    """A fund with a life: holds, matches, a release, a refund."""
    first = paid(campaign, 100_00)
    end(begun(campaign, 30_00), "expired")
    paid(campaign, 50_01)
    give_back(first, 25_00)
    begun(campaign, 20_00)
    db.session.commit()
    return fund


def test_a_funder_verifies_the_statement_with_a_few_lines(lived: Fund, tmp_path: Path) -> None:
    found = statement(lived)
    done = run(FUNDERS, found, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("right: 9 entries")
    assert (found["matched_cents"], found["held_cents"], found["pledged_cents"]) == (125_01, 20_00, 50_000_00)


@pytest.mark.parametrize(
    "tamper",
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
def test_whatever_is_changed_is_found(lived: Fund, tmp_path: Path, tamper: Callable[[dict], object]) -> None:
    found = statement(lived)
    tamper(found)
    assert "AssertionError" in run(FUNDERS, found, tmp_path).stderr


def test_a_donor_verifies_their_own_lines_and_sees_nobody_elses(
    client: FlaskClient, campaign: Campaign, lived: Fund, tmp_path: Path
) -> None:
    mine, other = paid(campaign, 12_34), paid(campaign, 98_76)
    proof = client.get(f"/en/donations/{mine.token}/proof.json").json
    done = run(DONORS, proof, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(mine.public_id) == 2
    assert other.public_id not in json.dumps(proof)
    assert "9876" not in json.dumps([e for e in proof["funds"][0]["entries"] if "text" in e])
    assert proof["funds"][0]["head"] == statement(lived)["head"]
    own = next(e for e in proof["funds"][0]["entries"] if "text" in e)
    own["text"] = own["text"].replace("1234", "1235")
    assert "not in this chain" in run(DONORS, proof, tmp_path).stderr


def test_a_gift_that_no_fund_stood_beside_has_an_empty_proof(client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(another_campaign(like=campaign), 10_00)
    assert client.get(f"/fr/donations/{donation.token}/proof.json").json["funds"] == []
    assert client.get("/fr/donations/nobody/proof.json").status_code == 404


def test_a_statement_as_of_a_moment_is_the_same_bytes_for_ever(campaign: Campaign, lived: Fund) -> None:
    moment = db.session.scalars(text("SELECT now()")).one()
    db.session.commit()

    def made() -> list[str]:
        found = statements.statement_of(lived, before=moment)
        return [
            "".join(statements.as_json(found)),
            "".join(statements.as_csv(found, ["a", "b", "c"])),
            str(statements.printed(found, "fr", is_test=True)),
        ]

    before = made()
    paid(campaign, 77_00)
    assert made() == before
    assert json.loads(before[0])["head"]["position"] == 9
    assert statement(lived)["head"]["position"] == 11


def test_a_statement_never_leaves_a_hole_in_the_chain(campaign: Campaign, lived: Fund, tmp_path: Path) -> None:
    """A transaction that began before midnight may be chained after one that began later: the statement ends before both."""
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE ledger_entry SET at = now() + interval '1 hour' WHERE chain = 'fund:1' AND position = 5"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    found = statement(lived)
    assert [entry["position"] for entry in found["entries"]] == [1, 2, 3, 4]


def test_a_day_that_has_not_come_has_no_statement(lived: Fund) -> None:
    with pytest.raises(statements.NotYet):
        statements.statement_of(lived, before=datetime.now(UTC) + timedelta(days=3))


def test_an_empty_fund_has_a_statement_too(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    empty = a_fund(campaign, 0, position=2)
    assert run(FUNDERS, statement(empty), tmp_path).stdout.startswith("right: 0 entries")
