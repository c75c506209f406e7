"""Commands for receipts, charity details and payments from funders: their effects and their refusals."""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from pypdf import PdfReader

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.cli import main
from campaign.edges.db import db
from campaign.edges.pdf_signing import KeyFile
from campaign.funders import payment_receipts, payments
from campaign.funders.funders import Funder
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.receipts import render_jobs
from campaign.receipts.receipts import Receipt, ReceiptIncomplete
from campaign.staff.audit import AuditEntry
from tests.factories import confirm_charity, issue_receipt, paid, pay_with_annual_receipt, png_picture, record_samples, today

DETAILS = [
    *("--registration-number", "12345 6782 rr 0001", "--address", "1 Real Street", "--address", "Ottawa ON  K1P 1A1"),
    *("--place-of-issue", "Ottawa", "--signatory-name", "Anne Roy", "--signatory-title-en", "Treasurer"),
    *("--signatory-title-fr", "Trésorière", "--email", "info@nerves.ca", "--privacy-officer", "privacy@nerves.ca"),
]


def run(app: Flask, *arguments: str) -> Result:
    result = app.test_cli_runner().invoke(main.campaign, list(arguments), standalone_mode=False)
    db.session.expire_all()
    return result


def output_of(result: Result) -> str:
    assert result.exception is None, result.exception
    return result.output


def error_of(result: Result) -> str:
    assert result.exception is not None
    return str(result.exception)


def test_in_live_mode_receipts_are_issued_once_the_real_details_are_set_and_confirmed(
    app: Flask, campaign: Campaign, tmp_path: Path
) -> None:
    (picture := tmp_path / "signature.png").write_bytes(png_picture())
    donation = paid(campaign)
    donation.livemode = True
    db.session.commit()
    assert "confirmed: no" in output_of(run(app, "charity", "show"))
    assert "not everything is real: address, registration-number" in error_of(run(app, "charity", "confirm", "--by", "Anne Roy"))
    assert "nine digits" in error_of(run(app, "charity", "set", "--registration-number", "12345"))
    assert "check digit is wrong" in error_of(run(app, "charity", "set", "--registration-number", "12345 6789 RR 0001"))
    assert db.session.query(Charity).one().registration_number == "000000000RR0001"
    assert "Confirm with" in output_of(run(app, "charity", "set", *DETAILS, "--signature", str(picture)))
    with pytest.raises(ReceiptIncomplete, match="confirmation"):
        issue_receipt(donation)
    assert db.session.query(Charity).one().registration_number == "123456782RR0001", "typed as people write it"
    sample = record_samples(db.session.query(Charity).one(), opened_by="command line")
    output_of(run(app, "charity", "confirm", "--by", "Anne Roy", "--sample", sample))
    receipt = issue_receipt(donation)
    assert receipt
    assert receipt.content["charity_address"] == ["1 Real Street", "Ottawa ON  K1P 1A1"]
    assert not receipt.content["is_test"]
    output_of(run(app, "charity", "set", "--series", "continuous", "--bilingual-receipts"))
    assert db.session.query(Charity).one().confirmed_at is not None, "the numbering and the languages of receipts are no legal details"
    assert "no official receipt is issued for real money" in output_of(run(app, "charity", "set", "--signatory-name", "B. New"))
    assert db.session.query(Charity).one().confirmed_at is None, "a changed detail must be confirmed again"
    assert db.session.query(AuditEntry).filter_by(actor="Anne Roy").count() == 1


def test_annual_receipts_are_issued_once_the_year_is_over(app: Flask, campaign: Campaign) -> None:
    pay_with_annual_receipt(campaign, datetime(2025, 5, 5, tzinfo=UTC))
    pay_with_annual_receipt(
        campaign, datetime(2025, 6, 5, tzinfo=UTC), email="nowhere@example.org", address_line1="", city="", province="", postal_code=""
    )
    this_year = str(today().year)
    assert "is not over" in error_of(run(app, "receipts", "yearly", this_year))
    assert "1 receipts for 2025 were issued. 1 wait" in output_of(run(app, "receipts", "yearly", "2025"))
    assert "0 receipts for 2025" in output_of(run(app, "receipts", "yearly", "2025"))
    assert db.session.query(Receipt).count() == 1


def test_a_rotation_of_the_key_is_audited(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    services = app.extensions["services"]
    key = KeyFile(path=tmp_path / "receipts.pem")
    app.extensions["services"] = type(services)(**{**vars(services), "signing_key": key})
    assert "cannot be read" in error_of(run(app, "receipts", "rotate-key"))
    key.make(name="Charity", now=datetime.now(UTC))
    before = key.certificates()
    output_of(run(app, "receipts", "rotate-key"))
    assert key.certificates().endswith(before)
    assert db.session.query(AuditEntry).filter_by(action="rotated the key for receipts").count() == 1


def test_a_payment_from_a_funder_is_recorded_with_its_receipt(app: Flask, campaign: Campaign, fund: Fund) -> None:
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
        "--not-registered-charity",
    ]
    assert "Fonds inc.; 1, rue X, Montréal; f@example.org; fr; province unknown; not a registered charity." in output_of(
        run(app, "fund", "funder", fund.slug, *details)
    )
    assert "is not an email" in error_of(run(app, "fund", "funder", fund.slug, "--email", "nobody"))
    payment = [
        "fund",
        "received",
        fund.slug,
        "12,500.00",
        "--on",
        "2026-11-20",
        "--reference",
        "cheque 17",
        "--by",
        "anne@example.org",
        "--yes",
    ]
    assert "$12,500.00 received of $50,000.00" in output_of(run(app, *payment))
    assert "recorded already" in error_of(run(app, *payment))
    assert "raise the pledge" in error_of(
        run(app, "fund", "received", fund.slug, "40000", "--on", "2026-11-20", "--reference", "18", "--yes")
    )
    send_jobs.send_due()
    (recorded,) = payments.payments_of(fund)
    receipt = payment_receipts.receipt_of(recorded)
    assert receipt and receipt.content["donor_name"] == "Fonds inc."
    assert db.session.query(Funder).filter_by(legal_name="Fonds inc.").one().language == "fr"
    assert "as 123456782RR0001" in error_of(run(app, "fund", "funder", fund.slug, "--registered-charity"))
    as_charity = output_of(run(app, "fund", "funder", fund.slug, "--registered-charity", "--registration-number", "123456782 RR 0001"))
    assert "; a registered charity, 123456782RR0001." in as_charity
    assert f"still valid: {receipt.serial}" in as_charity


def test_a_signature_must_be_a_png_that_can_be_printed(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    picture = tmp_path / "signature.png"
    for wrong in (b"GIF89a", b"\x89PNG\r\n\x1a\nbroken", png_picture()[:-30]):
        picture.write_bytes(wrong)
        assert "no complete PNG" in error_of(run(app, "charity", "set", "--signature", str(picture)))
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 300_000)
    assert "PNG of at most 200 KB" in error_of(run(app, "charity", "set", "--signature", str(picture)))
    assert db.session.query(Charity).one().signature is None
    picture.write_bytes(png_picture())
    assert "Changed: signature." in output_of(run(app, "charity", "set", "--signature", str(picture)))
    assert "signature: a picture" in output_of(run(app, "charity", "show"))
    receipt = issue_receipt(paid(campaign))
    assert receipt and receipt.content["signature"] == db.session.query(Charity).one().signature


def test_a_logo_is_printed_on_receipts_issued_from_then_on(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    picture, charity = tmp_path / "logo.png", db.session.query(Charity).one()
    picture.write_bytes(b"GIF89a")
    assert "no complete PNG" in error_of(run(app, "charity", "set", "--logo", str(picture)))
    picture.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert "no complete PNG" in error_of(run(app, "charity", "set", "--logo", str(picture)))
    before = issue_receipt(paid(campaign))
    confirm_charity()
    picture.write_bytes(png_picture())
    output = output_of(run(app, "charity", "set", "--logo", str(picture)))
    assert "Changed: logo." in output
    assert "Confirm with" in output, "whoever confirms has seen the logo"
    assert "logo: a picture" in output_of(run(app, "charity", "show"))
    after = issue_receipt(paid(campaign))
    assert before and after
    db.session.refresh(charity)
    assert (before.content["logo"], after.content["logo"]) == ("", charity.logo)
    pages = [PdfReader(BytesIO(render_jobs.get_or_archive(receipt))).pages[0] for receipt in (before, after)]
    assert [len(page.images) for page in pages] == [0, 1]
    assert "either --logo or --no-logo" in error_of(run(app, "charity", "set", "--no-logo", "--logo", str(picture)))
    assert "Changed: logo." in output_of(run(app, "charity", "set", "--no-logo"))
    assert "logo: no picture" in output_of(run(app, "charity", "show"))
    assert "Changed: nothing." in output_of(run(app, "charity", "set", "--no-logo"))
