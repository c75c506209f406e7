"""Commands about receipts, the charity's details and money from funders: what they do, and why not in one sentence."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from campaign import cli
from campaign.edges.db import db
from campaign.edges.sealing import KeyFile
from campaign.giving import funder_payments
from campaign.giving.audit import AuditEntry
from campaign.giving.campaigns import Campaign
from campaign.giving.charities import Charity
from campaign.giving.funds import Fund, Funder
from campaign.giving.receipts import CannotIssue, Receipt
from campaign.work import owed
from tests.factories import issued, paid
from tests.test_receipt_documents import a_picture
from tests.test_yearly_receipts import months

DETAILS = [
    "--registration-number",
    "123456789RR0001",
    "--address",
    "1 Real Street",
    "--address",
    "Ottawa ON  K1P 1A1",
    "--place-of-issue",
    "Ottawa",
]


def run(app: Flask, *arguments: str) -> Result:
    done = app.test_cli_runner().invoke(cli.campaign, list(arguments), standalone_mode=False)
    db.session.expire_all()
    return done


def said(done: Result) -> str:
    assert done.exception is None, done.exception
    return done.output


def refused(done: Result) -> str:
    assert done.exception is not None
    return str(done.exception)


def test_with_real_money_receipts_are_issued_once_the_real_details_are_set_and_confirmed(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    donation.livemode = True
    db.session.commit()
    assert "confirmed: no" in said(run(app, "charity", "show"))
    assert "still the examples" in refused(run(app, "charity", "confirm", "--by", "Anne Roy"))
    assert "nine digits" in refused(run(app, "charity", "set", "--registration-number", "12345"))
    assert "Confirm with" in said(run(app, "charity", "set", *DETAILS))
    with pytest.raises(CannotIssue, match="confirmation"):
        issued(donation)
    said(run(app, "charity", "confirm", "--by", "Anne Roy"))
    receipt = issued(donation)
    assert receipt.content["charity_address"] == ["1 Real Street", "Ottawa ON  K1P 1A1"]
    assert not receipt.content["is_test"]
    said(run(app, "charity", "set", "--series", "continuous", "--bilingual-receipts"))
    assert db.session.query(Charity).one().confirmed_at is not None, "how receipts are numbered and printed is no legal detail"
    said(run(app, "charity", "set", "--signatory-name", "B. New"))
    assert db.session.query(Charity).one().confirmed_at is None, "what is changed is confirmed anew"
    assert db.session.query(AuditEntry).filter_by(actor="Anne Roy").count() == 1


def test_the_receipts_of_a_year_are_issued_once_it_is_over(app: Flask, campaign: Campaign) -> None:
    months(campaign, datetime(2025, 5, 5, tzinfo=UTC))
    months(campaign, datetime(2025, 6, 5, tzinfo=UTC), email="nowhere@example.org", address_line1="", city="", province="", postal_code="")
    this_year = str(datetime.now(UTC).year)
    assert "is not over" in refused(run(app, "receipts", "yearly", this_year))
    assert "1 receipts for 2025 were issued. 1 wait" in said(run(app, "receipts", "yearly", "2025"))
    assert "0 receipts for 2025" in said(run(app, "receipts", "yearly", "2025"))
    assert db.session.query(Receipt).count() == 1


def test_the_key_is_rotated_and_the_act_written_down(app: Flask, campaign: Campaign, tmp_path: object) -> None:
    there = app.extensions["outside"]
    key = KeyFile(path=tmp_path / "receipts.pem")
    app.extensions["outside"] = type(there)(**{**vars(there), "key": key})
    assert "cannot be read" in refused(run(app, "receipts", "rotate-key"))
    key.make(name="Charity", now=datetime.now(UTC))
    before = key.certificates()
    said(run(app, "receipts", "rotate-key"))
    assert key.certificates().endswith(before)
    assert db.session.query(AuditEntry).filter_by(act="rotated the key for receipts").count() == 1


def test_money_from_a_funder_is_written_down_with_its_receipt(app: Flask, campaign: Campaign, fund: Fund) -> None:
    details = [
        "--legal-name",
        "Fonds inc.",
        "--address",
        "1, rue X",
        "--address",
        "Montréal",
        "--email",
        "f@example.org",
        "--language",
        "fr",
    ]
    assert "Fonds inc.; 1, rue X, Montréal; f@example.org; fr; no registered charity." in said(
        run(app, "fund", "funder", fund.slug, *details)
    )
    assert "is not an e-mail" in refused(run(app, "fund", "funder", fund.slug, "--email", "nobody"))
    payment = ["fund", "received", fund.slug, "12,500.00", "--on", "2026-11-20", "--reference", "cheque 17", "--by", "anne@example.org"]
    assert "$12,500.00 received of $50,000.00" in said(run(app, *payment))
    assert "written down already" in refused(run(app, *payment))
    assert "raise the pledge" in refused(run(app, "fund", "received", fund.slug, "40000", "--on", "2026-11-20", "--reference", "18"))
    owed.send_owed()
    (recorded,) = funder_payments.payments_of(fund)
    assert funder_payments.receipt_of(recorded).content["donor_name"] == "Fonds inc."
    assert db.session.query(Funder).filter_by(legal_name="Fonds inc.").one().language == "fr"
    assert "a registered charity" in said(run(app, "fund", "funder", fund.slug, "--registered-charity"))


def test_a_signature_is_a_picture_that_a_receipt_can_be_printed_with(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    picture = tmp_path / "signature.png"
    for wrong in (b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"x" * 300_000):
        picture.write_bytes(wrong)
        assert "PNG of at most 200 KB" in refused(run(app, "charity", "set", "--signature", str(picture)))
    picture.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert "cannot be printed" in refused(run(app, "charity", "set", "--signature", str(picture)))
    assert db.session.query(Charity).one().signature is None
    picture.write_bytes(a_picture())
    assert "Changed: signature." in said(run(app, "charity", "set", "--signature", str(picture)))
    assert "signature: a picture" in said(run(app, "charity", "show"))
    assert issued(paid(campaign)).content["signature"] == db.session.query(Charity).one().signature
