"""The chains are verified from outside: the program beside the statement detects every alteration (docs/verify.md)."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.cli.setup import create_funder_link
from campaign.config import ROOT
from campaign.edges.db import db
from campaign.edges.pdf_signing import KeyFile
from campaign.edges.services import services
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import match_of
from campaign.reporting import head_jobs, proofs, published_heads, statement_actions
from campaign.reporting import totals as reporting
from campaign.reporting.integrity import checker
from campaign.reporting.statements.json_document import json_pieces
from campaign.reporting.statements.statement import FutureMoment
from campaign.rules import statement_periods
from tests.factories import another_campaign, create_fund, create_refund, end, issue_receipt, paid, start_donation
from tests.mail import pdf_text
from tests.scale import SCALE
from tests.stripe import handle, succeeded

VERIFIER = ROOT / "tools" / "verify_statement.py"


def statement_text(fund: Fund, **options: Any) -> str:
    return "".join(statement_actions.build_json(statement_actions.take_statement(fund, **options)))


def statement(fund: Fund, **options: Any) -> Any:
    return json.loads(statement_text(fund, **options))


class Verifier:
    """Runs the program as an auditor does: with Python alone, on files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "certificates.pem").write_bytes(services().signing_key.certificates())

    def run(self, document: str | bytes, *, earlier: str | None = None) -> str:
        """What it prints about the document; what it says is wrong, if anything is."""
        names = ["document.json", "certificates.pem"]
        (self.folder / "document.json").write_bytes(document if isinstance(document, bytes) else document.encode())
        if earlier is not None:
            (self.folder / "earlier.json").write_text(earlier)
            names.append("earlier.json")
        done = subprocess.run(
            [sys.executable, "-I", "-S", VERIFIER, *names], capture_output=True, text=True, check=False, cwd=self.folder, env={"PATH": ""}
        )
        assert (done.returncode == 0) == (done.stderr == "")
        return done.stdout if done.returncode == 0 else done.stderr

    def run_signed(self, document: dict[str, Any]) -> str:
        """As `run`, for a document that somebody with the charity's key has changed and signed again."""
        content = {name: value for name, value in document.items() if name != "signed"}
        return self.run("".join(proofs.signed([json.dumps(content, ensure_ascii=False, indent=1)[:-2]], services().signing_key.sign_bytes)))


@pytest.fixture
def verifier(app: Flask, tmp_path: Path) -> Verifier:
    return Verifier(tmp_path)


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


def test_a_funder_verifies_the_statement_with_the_program_beside_it(used_fund: Fund, verifier: Verifier) -> None:
    found = statement(used_fund)
    assert verifier.run(statement_text(used_fund)).startswith("right: 9 entries of ")
    assert (found["matched_cents"], found["held_cents"], found["pledged_cents"]) == (125_01, 20_00, 50_000_00)
    assert [change["text"].split("|")[2] for change in found["changes"]] == ["pledged", "activated"]


def text_with(entry: dict[str, Any], part: int, value: str) -> None:
    parts = entry["text"].split("|")
    parts[part] = value
    entry["text"] = "|".join(parts)


def rechain(entries: list[dict[str, Any]]) -> str:
    """Compute all hashes anew, as somebody would who rewrites a chain. Returns the last one in hex."""
    running = b""
    for entry in entries:
        running = sha256(running + sha256(entry["text"].encode()).digest()).digest()
        entry["hash"] = running.hex()
    return running.hex()


def cut_the_tail(s: Any) -> None:
    """Remove the last entry, a hold, and adjust head and sums."""
    s["entries"].pop()
    s["head"] = {"position": len(s["entries"]), "hash": s["entries"][-1]["hash"]}
    s.update(held_cents=0, available_cents=s["available_cents"] + 20_00)


def omit_the_unmatch(s: Any) -> None:
    """Remove the entry that took match back, number the others anew, and adjust everything."""
    s["entries"] = [entry for entry in s["entries"] if "|unmatch|" not in entry["text"]]
    for number, entry in enumerate(s["entries"], 1):
        entry["position"] = number
        text_with(entry, 1, str(number))
    s["head"] = {"position": len(s["entries"]), "hash": rechain(s["entries"])}
    s.update(matched_cents=s["matched_cents"] + 25_00, available_cents=s["available_cents"] - 25_00)


def move_all_moments(s: Any) -> None:
    for entry in s["entries"]:
        text_with(entry, 9, entry["text"].split("|")[9].replace("T", "T", 1).replace("20", "19", 1))
    s["head"]["hash"] = rechain(s["entries"])


def take_an_entry_of_another_chain(s: Any) -> None:
    text_with(s["entries"][3], 0, "fund:99")
    s["head"]["hash"] = rechain(s["entries"])


ALTERATIONS: list[Callable[[Any], object]] = [
    cut_the_tail,
    omit_the_unmatch,
    move_all_moments,
    take_an_entry_of_another_chain,
    lambda s: s.update(as_of=s["as_of"].replace("202", "203", 1)),
    lambda s: s.update(fund="another-fund"),
    lambda s: s.update(campaign="another-campaign"),
    lambda s: s.update(currency="USD"),
    lambda s: s.update(donations=s["donations"] + 1),
    lambda s: s.update(matched_cents=s["matched_cents"] + 1),
    lambda s: s["entries"].pop(2),
    lambda s: s["entries"].pop(),
    lambda s: s["entries"].insert(3, s["entries"][3]),
    lambda s: s["entries"][1].update(position=7),
    lambda s: text_with(s["entries"][1], 5, "10001"),
    lambda s: text_with(s["entries"][1], 2, "match"),
    lambda s: text_with(s["entries"][1], 6, "d_" + 20 * "0"),
    lambda s: s["head"].update(hash=64 * "0"),
    lambda s: s["changes"].pop(),
    lambda s: text_with(s["changes"][1], 9, "2/1"),
    lambda s: s.update(chain="fund:2"),
]


def test_every_alteration_is_refused(used_fund: Fund, verifier: Verifier) -> None:
    original = statement(used_fund)
    for number, alter in enumerate(ALTERATIONS):
        alter(found := deepcopy(original))
        assert verifier.run(json.dumps(found, ensure_ascii=False, indent=1)).startswith("wrong: "), number


# What shows only against the signature, or against an earlier statement: whoever has the key can write a chain that is right in itself.
CONSISTENT = {cut_the_tail, omit_the_unmatch, move_all_moments}


def test_an_alteration_that_contradicts_itself_is_refused_even_if_it_is_signed(used_fund: Fund, verifier: Verifier) -> None:
    original = statement(used_fund)
    assert verifier.run_signed(original).startswith("right: "), "the control: signing again changes nothing"
    for number, alter in enumerate(ALTERATIONS):
        if alter not in CONSISTENT:
            alter(found := deepcopy(original))
            said = verifier.run_signed(found)
            assert said.startswith("wrong: ") or found["as_of"].startswith("203"), (number, said)


@pytest.mark.parametrize("alter", [cut_the_tail, omit_the_unmatch])
def test_a_chain_that_was_written_anew_does_not_go_on_from_an_earlier_statement(
    campaign: Campaign, used_fund: Fund, verifier: Verifier, alter: Callable[[Any], object]
) -> None:
    earlier = statement_text(used_fund)
    paid(campaign, 10_00)
    assert "it goes on from the earlier statement, 9 entries" in verifier.run(statement_text(used_fund), earlier=earlier)
    found = json.loads(earlier)
    alter(found)
    content = {name: value for name, value in found.items() if name != "signed"}
    rewritten = "".join(proofs.signed([json.dumps(content, ensure_ascii=False, indent=1)[:-2]], services().signing_key.sign_bytes))
    assert "the earlier statement has other entries" in verifier.run(rewritten, earlier=earlier)


def rechained(name: str, alter: Callable[[list[dict[str, Any]]], object]) -> Callable[[Any], object]:
    """An alteration of the entries or changes after which all hashes are computed anew."""

    def apply(s: Any) -> None:
        alter(s[name])
        last = rechain(s[name])
        if name == "entries":
            s["head"]["hash"] = last

    return apply


def give_a_hold_to_another_donation(entries: list[dict[str, Any]]) -> None:
    """The match of the first donation is drawn from what another donation held."""
    text_with(next(entry for entry in entries if "|match|" in entry["text"]), 6, "d_" + 20 * "a")


DISHONEST: list[Callable[[Any], object]] = [
    rechained("entries", give_a_hold_to_another_donation),
    rechained("entries", lambda entries: text_with(entries[3], 7, entries[1]["text"].split("|")[7])),
    rechained("changes", lambda changes: text_with(changes[1], 5, "2031-01-01T00:00:00.000000Z")),
    rechained("changes", lambda changes: text_with(changes[1], 5, "whenever")),
    rechained("changes", lambda changes: text_with(changes[1], 9, "nonsense")),
    lambda s: s.update(matched_cents=float(s["matched_cents"])),
    lambda s: s.update(held_cents=s["held_cents"] + 0.0),
    lambda s: s.update(fund="a\nright: everything"),
]


def test_a_statement_that_a_dishonest_charity_signed_is_refused(used_fund: Fund, verifier: Verifier) -> None:
    original = statement(used_fund)
    for number, alter in enumerate(DISHONEST):
        alter(found := deepcopy(original))
        said = verifier.run_signed(found)
        assert said.startswith("wrong: ") and said.count("\n") == 1, (number, said)


def test_an_entry_that_is_slipped_in_before_an_earlier_statement_is_refused(
    campaign: Campaign, used_fund: Fund, verifier: Verifier
) -> None:
    earlier = statement_text(used_fund)
    paid(campaign, 10_00)
    later = statement(used_fund)
    for entry in later["entries"][9:]:
        text_with(entry, 9, later["entries"][8]["text"].split("|")[9])
    later["head"]["hash"] = rechain(later["entries"])
    content = {name: value for name, value in later.items() if name != "signed"}
    forged = "".join(proofs.signed([json.dumps(content, ensure_ascii=False, indent=1)[:-2]], services().signing_key.sign_bytes))
    assert "lacks entries from before its moment" in verifier.run(forged, earlier=earlier)
    honest = statement_text(used_fund)
    assert "is the later one" in verifier.run(earlier, earlier=honest)


def test_a_statement_is_compared_with_the_published_heads(
    app: Flask, client: FlaskClient, campaign: Campaign, used_fund: Fund, verifier: Verifier
) -> None:
    head_jobs.publish_heads()
    heads = client.get(f"/api/campaigns/{campaign.slug}/proof").text
    content = statement_text(used_fund)
    assert "it has the 2 published heads" in verifier.run(content, earlier=heads)
    cut = json.loads(content)
    cut_the_tail(cut)
    cut.pop("signed")
    forged = "".join(proofs.signed([json.dumps(cut, ensure_ascii=False, indent=1)[:-2]], services().signing_key.sign_bytes))
    assert verifier.run(forged).startswith("right"), "by itself it is"
    assert "ends before a head that was published" in verifier.run(forged, earlier=heads)
    unsigned = json.loads(heads)
    unsigned["heads"][0]["signature"] = 128 * "1"
    assert "not signed by the charity" in verifier.run(content, earlier=json.dumps(unsigned))


def test_a_chain_that_is_in_a_proof_twice_is_refused(client: FlaskClient, campaign: Campaign, used_fund: Fund, verifier: Verifier) -> None:
    mine = paid(campaign, 12_34)
    proof = json.loads(client.get(f"/en/donations/{mine.token}/proof.json").text)
    proof.update(funds=2 * proof["funds"], matched_cents=24_68)
    assert verifier.run_signed(proof) == "wrong: a chain is there twice\n"


def test_a_statement_with_any_byte_changed_is_refused(used_fund: Fund, verifier: Verifier) -> None:
    """Each byte in turn is for `make long`; here those of the end and about every hundredth. The program is read in, as it is the same each time."""
    spec = importlib.util.spec_from_file_location("verify_statement", VERIFIER)
    assert spec and spec.loader
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    content = statement_text(used_fund).encode()
    path = verifier.folder / "document.json"
    keys = program.public_keys((verifier.folder / "certificates.pem").read_text())
    path.write_bytes(content)
    assert program.verify_statement(program.read_signed(str(path), keys)).startswith("right")
    for position in [*range(0, len(content), 97 if SCALE == 1 else 1), *range(len(content) - 230, len(content))]:
        for byte in {content[position] ^ 1, ord(" "), ord("0")} - {content[position]}:
            path.write_bytes(content[:position] + bytes([byte]) + content[position + 1 :])
            with pytest.raises((program.Wrong, ValueError)):
                program.verify_statement(program.read_signed(str(path), keys))
    for changed in (content + b"\n", content[:-1], b"\xef\xbb\xbf" + content, content.replace(b"\n", b"\r\n")):
        path.write_bytes(changed)
        with pytest.raises((program.Wrong, ValueError)):
            program.read_signed(str(path), keys)


def test_a_statement_signed_with_another_key_is_refused(used_fund: Fund, verifier: Verifier, tmp_path: Path) -> None:
    other = KeyFile(path=tmp_path / "other.pem")
    other.make(name="Somebody", now=datetime.now(UTC))
    forged = "".join(proofs.signed(json_pieces(statement_actions.take_statement(used_fund)), other.sign_bytes))
    assert "a key that is not among the charity’s certificates".replace("’", "'") in verifier.run(forged)
    own = services().signing_key.sign_bytes(b"x").key
    assert verifier.run(forged.replace(other.sign_bytes(b"x").key, own)).startswith("wrong: the signature is not of these bytes")


def test_statements_of_an_earlier_key_stay_verifiable(used_fund: Fund, verifier: Verifier) -> None:
    key = KeyFile(path=verifier.folder / "key.pem")
    key.make(name="The charity", now=datetime.now(UTC))
    before = "".join(proofs.signed(json_pieces(statement_actions.take_statement(used_fund)), key.sign_bytes))
    key.rotate(name="The charity", now=datetime.now(UTC))
    (verifier.folder / "certificates.pem").write_bytes(key.certificates())
    assert verifier.run(before).startswith("right")
    assert verifier.run("".join(proofs.signed(json_pieces(statement_actions.take_statement(used_fund)), key.sign_bytes))).startswith(
        "right"
    )


def test_a_donor_verifies_their_own_entries_and_sees_nobody_elses(
    client: FlaskClient, campaign: Campaign, used_fund: Fund, verifier: Verifier
) -> None:
    mine, other = paid(campaign, 12_34), paid(campaign, 98_76)
    sent = client.get(f"/en/donations/{mine.token}/proof.json").text
    proof = json.loads(sent)
    assert verifier.run(sent) == f"right: {mine.public_id} is matched with 1234 cents, 0 are held for it; funds: 1\n"
    assert other.public_id not in sent
    assert "9876" not in json.dumps([e for e in proof["funds"][0]["entries"] if "text" in e])
    assert proof["funds"][0]["head"] == statement(used_fund)["head"]


def replace_own_unmatch_by_its_digest(proof: Any) -> None:
    for entry in proof["funds"][0]["entries"]:
        if "|unmatch|" in entry.get("text", ""):
            entry["digest"] = sha256(entry.pop("text").encode()).hexdigest()


ALTERATIONS_OF_A_PROOF: list[Callable[[Any], object]] = [
    replace_own_unmatch_by_its_digest,
    lambda p: p.update(funds=[]),
    lambda p: p["funds"][0].update(chain="fund:2"),
    lambda p: p["funds"][0]["entries"][0].update(position=1),
    lambda p: p["funds"][0]["entries"].pop(0),
    lambda p: p["funds"][0]["head"].update(position=99),
    lambda p: p.update(matched_cents=p["matched_cents"] + 1),
    lambda p: p.update(donation="d_" + 20 * "0"),
]


def test_every_alteration_of_a_proof_is_refused_even_if_it_is_signed(
    client: FlaskClient, campaign: Campaign, used_fund: Fund, verifier: Verifier
) -> None:
    mine = paid(campaign, 12_34)
    create_refund(mine, 2_00)
    db.session.commit()
    sent = client.get(f"/en/donations/{mine.token}/proof.json").text
    assert verifier.run(sent).startswith("right")
    for number, alter in enumerate(ALTERATIONS_OF_A_PROOF):
        alter(proof := json.loads(sent))
        assert verifier.run(json.dumps(proof)).startswith("wrong: "), number
        assert verifier.run_signed(proof).startswith("wrong: "), number


# Published heads.


@pytest.mark.owner
def test_heads_are_published_once_a_day_and_shown_to_everybody(app: Flask, campaign: Campaign, used_fund: Fund) -> None:
    assert head_jobs.publish_heads() == 3
    paid(campaign, 10_00)
    assert head_jobs.publish_heads() == 0, "once a day"
    db.session.execute(text("ALTER TABLE published_head DISABLE TRIGGER USER"))
    db.session.execute(text("UPDATE published_head SET published_at = now() - interval '25 hours'"))
    db.session.execute(text("ALTER TABLE published_head ENABLE TRIGGER USER"))
    db.session.commit()
    assert head_jobs.publish_heads() == 2, "the changes are the same"
    answer = app.test_client().get(f"/api/campaigns/{campaign.slug}/proof")
    shown = answer.json
    assert shown and (shown["campaign"], len(shown["heads"])) == (campaign.slug, 5)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    head = next(head for head in shown["heads"] if head["chain"] == f"fund:{used_fund.id}")
    assert {"position": head["position"], "hash": head["hash"]} == statement(used_fund)["head"]
    signed = f"campaign-head/2|{head['chain']}|{head['position']}|{head['hash']}".encode()
    certificate = x509.load_pem_x509_certificates(services().signing_key.certificates())[0]
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    r, s = int(head["signature"][:64], 16), int(head["signature"][64:], 16)
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    assert app.test_client().get("/api/campaigns/unknown/proof").status_code == 404


def rewrite_chain(chain: str) -> None:
    """Compute all hashes of a chain of entries anew, and its head, as an owner of the database could."""
    running, digests = b"", []
    rows = db.session.execute(
        text(
            "SELECT e.id, ledger_entry_text(e.chain, e.position, e.kind, e.from_account, e.to_account, e.cents, d.public_id, e.reference, e.cause, e.at)"
            " FROM ledger_entry e LEFT JOIN donation d ON d.id = e.donation_id WHERE chain = :chain ORDER BY position"
        ),
        {"chain": chain},
    ).all()
    for row_id, line in rows:
        digest = sha256(line.encode()).digest()
        running = sha256(running + digest).digest()
        digests.append({"id": row_id, "digest": digest, "hash": running})
    for values in digests:
        db.session.execute(text("UPDATE ledger_entry SET digest = :digest, hash = :hash WHERE id = :id"), values)
    db.session.execute(
        text("UPDATE fund SET chain_hash = :hash, chain_entries = :n WHERE 'fund:' || id = :chain"),
        {"hash": running, "n": len(rows), "chain": chain},
    )


@pytest.mark.owner
@pytest.mark.parametrize("is_published", [True, False])
def test_a_hold_that_is_erased_with_its_chain_is_found_by_the_published_head(
    campaign: Campaign, used_fund: Fund, is_published: bool
) -> None:
    """The last entry, a hold, is erased with all that it left behind; nothing but the published head still knows of it."""
    if is_published:
        head_jobs.publish_heads()
    assert checker.findings(db.engine) == []
    held = db.session.scalars(text("SELECT donation_id FROM ledger_entry WHERE chain = 'fund:1' ORDER BY position DESC LIMIT 1")).one()
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("DELETE FROM ledger_entry WHERE donation_id = :d"), {"d": held})
    db.session.execute(text("DELETE FROM donation_match WHERE donation_id = :d"), {"d": held})
    db.session.execute(text("DELETE FROM donation WHERE id = :d"), {"d": held})
    db.session.execute(text("UPDATE fund SET held_cents = 0"))
    rewrite_chain("fund:1")
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    found = [finding for finding in checker.findings(db.engine) if "published" in finding]
    assert found == (["I20: the hash chain fund:1 is not the one whose head at 9 was published."] if is_published else [])


@pytest.mark.owner
def test_a_match_that_is_moved_to_another_gift_breaks_the_chain(campaign: Campaign, used_fund: Fund) -> None:
    other = start_donation(campaign, 100_00)
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE ledger_entry SET donation_id = :d WHERE chain = 'fund:1' AND position = 3"), {"d": other.id})
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    assert "I20: the hash chain fund:1 breaks at entry 3." in checker.findings(db.engine)


@pytest.mark.owner
@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("UPDATE fund SET per_donation_cents = 1", "was activated with the terms"),
        ("UPDATE fund SET closes_at = now() + interval '9 days'", "was activated with the terms"),
        ("UPDATE fund_change SET reason = 'another' WHERE kind = 'activated'", "the chain of the changes of fund"),
        ("UPDATE fund_change SET at = at - interval '1 day' WHERE kind = 'activated'", "the chain of the changes of fund"),
        ("DELETE FROM fund_change WHERE kind = 'pledged'", "the chain of the changes of fund"),
    ],
)
def test_terms_and_changes_that_were_rewritten_are_found(used_fund: Fund, change: str, finding: str) -> None:
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text(change))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    assert any(finding in found for found in checker.findings(db.engine))


@pytest.mark.owner
@pytest.mark.parametrize(
    ("change", "log"),
    [
        ("UPDATE audit_entry SET actor = 'somebody else' WHERE id = 1", "audit"),
        ("DELETE FROM audit_entry WHERE id = (SELECT min(id) FROM audit_entry)", "audit"),
        ("UPDATE stripe_event SET body = convert_to('{}', 'UTF8')", "events"),
        ("DELETE FROM stripe_event", "events"),
    ],
)
def test_records_that_were_rewritten_or_deleted_after_a_head_was_published_are_found(
    campaign: Campaign, used_fund: Fund, change: str, log: str
) -> None:
    handle(succeeded(start_donation(campaign, 5_00)))
    for statement_ in (
        "SET session_replication_role = replica",
        "UPDATE audit_entry SET at = at - interval '2 hours'",
        "UPDATE stripe_event SET received_at = received_at - interval '2 hours'",
        "SET session_replication_role = origin",
    ):
        db.session.execute(text(statement_))
    db.session.commit()
    assert head_jobs.publish_heads() == 5
    assert checker.findings(db.engine) == []
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text(change))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    assert any(f"records of the log {log} between 0 and" in finding for finding in checker.findings(db.engine))


@pytest.mark.owner
def test_the_heads_of_logs_go_on_from_day_to_day(campaign: Campaign, used_fund: Fund) -> None:
    for _ in range(3):
        paid(campaign, 10_00)
        db.session.execute(text("INSERT INTO audit_entry (actor, action, subject, detail) VALUES ('a', 'b', 'c', '{}')"))
        db.session.execute(text("SET session_replication_role = replica"))
        db.session.execute(
            text("UPDATE audit_entry SET at = date_trunc('day', at) - interval '2 hours' WHERE at > now() - interval '1 hour'")
        )
        db.session.execute(text("SET session_replication_role = origin"))
        published_heads.publish(services().signing_key)
        db.session.commit()
    positions = db.session.scalars(text("SELECT position FROM published_head WHERE chain = 'audit' ORDER BY position")).all()
    assert len(positions) == len(set(positions)) == 3
    assert checker.findings(db.engine) == []


def test_a_receipt_dated_on_another_day_is_found(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 10_00)
    issue_receipt(donation)
    db.session.commit()
    assert checker.findings(db.engine) == []
    db.session.execute(
        text("UPDATE donation SET authorized_at = authorized_at - interval '40 days', received_at = received_at - interval '40 days'")
    )
    db.session.commit()
    assert any("I25: receipt" in finding for finding in checker.findings(db.engine))


def test_the_verifier_is_served_beside_the_statement(client: FlaskClient) -> None:
    answer = client.get("/funder/verify_statement.py")
    assert (answer.status_code, answer.data) == (200, VERIFIER.read_bytes())


# Pages, and moments.


def test_a_donation_without_a_fund_has_an_empty_proof(client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(another_campaign(like=campaign), 10_00)
    assert json.loads(client.get(f"/fr/donations/{donation.token}/proof.json").text)["funds"] == []
    assert client.get("/fr/donations/nobody/proof.json").status_code == 404


def test_a_statement_as_of_a_moment_is_always_the_same_bytes(campaign: Campaign, used_fund: Fund) -> None:
    moment = db.session.scalars(text("SELECT clock_timestamp()")).one()
    db.session.commit()

    def rendered() -> list[bytes]:
        end = statement_actions.take_end(used_fund, statement_periods.to_moment(moment))
        return [
            b"".join(stream) for stream in (statement_actions.write_json(used_fund, end), statement_actions.write_csv(used_fund, end, "fr"))
        ]

    before = rendered()
    paid(campaign, 77_00)
    assert rendered() == before
    assert json.loads(before[0])["head"]["position"] == 9
    assert statement(used_fund)["head"]["position"] == 11


def test_the_printed_statement_has_the_signed_head_of_its_chain(used_fund: Fund) -> None:
    key, found = services().signing_key, statement_actions.take_statement(used_fund)
    printed = pdf_text(statement_actions.get_or_render_pdf(used_fund, found.end, "en", is_test=False))
    signed, signature = (re.sub(r"\s", "", printed.partition(label)[2]) for label in ("any later statement:", "signature of these words:"))
    signed, signature = signed.partition("The")[0], signature[:128]
    assert signed == f"campaign-head/2|fund:{used_fund.id}|{found.entries}|{found.head.hex()}"
    certificate = x509.load_pem_x509_certificate(key.certificates())
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    r, s = int(signature[:64], 16), int(signature[64:], 16)
    public.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))


@pytest.mark.owner
def test_a_statement_never_leaves_a_gap_in_the_chain(campaign: Campaign, used_fund: Fund) -> None:
    """An entry dated after the moment of the statement ends it, although later entries of the chain are dated before that moment."""
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE ledger_entry SET at = now() + interval '1 hour' WHERE chain = 'fund:1' AND position = 5"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    found = statement(used_fund)
    assert [entry["position"] for entry in found["entries"]] == [1, 2, 3, 4]


@pytest.mark.owner
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
    assert json.loads("".join(statement_actions.build_json(found)))["donations"] == 3
    create_refund(whole, 62_00)
    create_refund(late, 1)
    db.session.commit()
    assert statement_actions.take_statement(fund).donations == 2
    client = app.test_client()
    token = create_funder_link(fund).rpartition("/")[2]
    db.session.commit()
    with app.app_context():
        client.get(f"/funder/links/{token}")
        assert "2 gifts matched" in client.get("/funder/?lang=en").text
    totals = reporting.totals_of(own.slug)
    assert totals
    assert totals.matched_cents == statement_actions.take_statement(fund).matched_cents


def test_a_future_moment_has_no_statement(used_fund: Fund) -> None:
    with pytest.raises(FutureMoment):
        statement_actions.take_statement(used_fund, before=datetime.now(UTC) + timedelta(days=3))


def test_an_empty_fund_has_a_statement_too(app: Flask, campaign: Campaign, verifier: Verifier) -> None:
    empty = create_fund(campaign, 0, position=2)
    assert verifier.run(statement_text(empty)).startswith("right: 0 entries")
