"""The receipt PDF as independent readers see it: every element in place, no permitted changes, and a signature that can be verified."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from flask import Flask
from sqlalchemy.exc import DatabaseError

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.config import ROOT
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.pdf_signing import KeyFile, SigningKeyMissing
from campaign.mail import send_jobs
from campaign.receipts import printed_pictures, receipts, render_jobs
from campaign.receipts.documents import DocumentKind, store_document
from campaign.receipts.printed_pictures import Logo, Signature
from campaign.receipts.receipts import Receipt
from tests.conftest import Post
from tests.factories import issue_receipt, paid, png_picture
from tests.mail import LABELS

LONG = "Wolfeschlegelsteinhausenbergerdorff-Saint-Jean-Baptiste de la Très-Longue-Rivière"
ADDRESS = {
    "address_line1": "a/s Mme Œnone D’Arcy-Lévesque, 12345, chemin de la Très-Longue-Montée-de-la-Rivière-Rouge",
    "address_line2": "bureau 1200, case postale 98765",
    "city": "Saint-Louis-du-Ha! Ha!",
    "province": "QC",
    "postal_code": "G0L 3S0",
}


def issue(donation: Donation) -> Receipt:
    receipt = issue_receipt(donation)
    assert receipt
    return receipt


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def text_of(path: Path) -> str:
    return re.sub(r"\s+", " ", run(tool("pdftotext"), "-layout", str(path), "-").replace("\u00a0", " "))


@pytest.fixture
def signed_pdf(app: Flask, campaign: Campaign, tmp_path: Path) -> Path:
    path = tmp_path / "signed.pdf"
    path.write_bytes(render_jobs.get_or_sign(issue(paid(campaign, 100_00, covered_fee_cents=3_30))))
    return path


@pytest.mark.parametrize("language", ["en", "fr"])
def test_pdftotext_finds_every_element(app: Flask, campaign: Campaign, tmp_path: Path, language: str) -> None:
    receipt = issue(paid(campaign, 100_00, covered_fee_cents=3_30, language=language))
    path = tmp_path / "receipt.pdf"
    path.write_bytes(render_jobs.get_or_sign(receipt))
    words = text_of(path)
    assert [label for label in LABELS[language] if label not in words] == []
    for shown in (receipt.serial, receipt.content["donor_name"], receipt.content["place_of_issue"], receipt.content["issued_on"]):
        assert shown in words
    assert receipt.content["check_url"] in words.replace(" ", "")
    assert receipt.content["registration_number"] in words


def test_a_qr_code_reader_finds_the_verification_url(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    receipt, path = issue(paid(campaign)), tmp_path / "receipt.pdf"
    path.write_bytes(render_jobs.get_or_sign(receipt))
    run(tool("pdftoppm"), "-r", "150", "-png", "-singlefile", str(path), str(tmp_path / "page"))
    assert run(tool("zbarimg"), "-q", "--raw", str(tmp_path / "page.png")).strip() == receipt.content["check_url"]


def test_a_bilingual_receipt_has_every_element_in_both_languages(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    db.session.query(Charity).one().bilingual_receipts = True
    path = tmp_path / "both.pdf"
    path.write_bytes(render_jobs.get_or_archive(issue(paid(campaign, 25_000_00, language="fr"))))
    words = re.sub(r"\s+", " ", run(tool("pdftotext"), str(path), "-").replace("\u00a0", " "))
    for language in ("en", "fr"):
        missing = [label for label in LABELS[language] if label not in words and not label.startswith(("$", "103"))]
        assert missing == []
    assert "25 000,00 $ / $25,000.00" in words


def test_pdfsig_accepts_the_signature_and_detects_a_flipped_bit(signed_pdf: Path, tmp_path: Path) -> None:
    pdfsig = tool("pdfsig")
    output = run(pdfsig, str(signed_pdf))
    assert "Signature is Valid" in output
    assert "Total document signed" in output
    assert "GBS/CIDP Foundation of Canada" in output
    whole = signed_pdf.read_bytes()
    for position in (200, len(whole) // 3, len(whole) // 2):
        forged = tmp_path / "forged.pdf"
        forged.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert "Signature is Valid" not in run(pdfsig, str(forged)), position


def test_control_an_unsigned_receipt_has_no_signature(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    path = tmp_path / "plain.pdf"
    path.write_bytes(render_jobs.get_or_archive(issue(paid(campaign))))
    assert "Signature is Valid" not in run(tool("pdfsig"), str(path))


def test_qpdf_and_pikepdf_report_that_nothing_may_be_changed(signed_pdf: Path) -> None:
    output = run(tool("qpdf"), "--show-encryption", str(signed_pdf))
    for change in ("document assembly", "forms", "annotations", "other", "anything"):
        assert f"modify {change}: not allowed" in output
    assert "print high resolution: allowed" in output
    assert "extract for accessibility: allowed" in output
    assert "AESv3" in output
    with pikepdf.open(signed_pdf) as document:
        assert not document.allow.modify_other
        assert not document.allow.modify_annotation
        assert document.encryption.bits == 256


def test_the_archived_copy_is_pdf_a_and_pdf_ua(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    path = tmp_path / "archived.pdf"
    path.write_bytes(render_jobs.get_or_archive(issue(paid(campaign, language="fr", last_name="محمد 李小龍"))))
    assert "No syntax or stream encoding errors found" in run(tool("qpdf"), "--check", str(path))
    with pikepdf.open(path) as document:
        assert not document.is_encrypted
        root, meta = document.Root, document.open_metadata()
        assert (meta["pdfaid:part"], meta["pdfaid:conformance"], meta["pdfuaid:part"]) == ("2", "A", "1")
        assert meta["dc:title"].startswith("Reçu officiel de don aux fins de l’impôt sur le revenu")
        assert str(root.Lang).lower().startswith("fr")
        assert root.MarkInfo.Marked
        assert root.ViewerPreferences.DisplayDocTitle
        assert "/OutputIntents" in root
        assert "/AcroForm" not in root
        assert "/OpenAction" not in root
        tags = elements(root.StructTreeRoot)
        assert {"/H1", "/Table", "/TH", "/TD", "/Figure"} <= {str(tag.S) for tag in tags}
        assert all("/Alt" in tag for tag in tags if tag.S == "/Figure")
        fonts = [o for o in document.objects if isinstance(o, pikepdf.Dictionary) and o.get("/Type") == "/FontDescriptor"]
        assert fonts
        assert all("/FontFile2" in font or "/FontFile3" in font for font in fonts)


def elements(node: pikepdf.Object) -> list[pikepdf.Object]:
    """The structure elements of a tagged PDF under this node, itself included."""
    found = [node] if "/S" in node else []
    children: Any = node.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and child.get("/Type") != "/MCR":
            found += elements(child)
    return found


RENDER = """
import json, sys
from datetime import datetime
from pathlib import Path
from campaign.rules.receipt_requirements import content_from_json
from campaign.receipts import render_jobs
frozen = json.loads(Path(sys.argv[1]).read_text())
content, at = content_from_json(frozen["content"]), datetime.fromisoformat(frozen["at"])
Path(sys.argv[2]).write_bytes(render_jobs.render_page(content, render_jobs.Pictures(), serial=frozen["serial"], mark="test", at=at))
"""


def test_another_process_with_another_directory_and_time_zone_renders_the_same_bytes(
    app: Flask, campaign: Campaign, tmp_path: Path
) -> None:
    receipt = issue(paid(campaign, last_name=LONG))
    frozen, rendered = tmp_path / "frozen.json", tmp_path / "rendered.pdf"
    frozen.write_text(json.dumps({"content": receipt.content, "serial": receipt.serial, "at": receipt.issued_at.isoformat()}))
    env = {"PYTHONPATH": str(ROOT), "TZ": "Asia/Tokyo", "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", RENDER, str(frozen), str(rendered)], cwd=tmp_path, env=env, check=True)
    assert rendered.read_bytes() == render_jobs.get_or_archive(receipt)


def words_with_boxes(path: Path) -> list[tuple[float, float, float, float, str]]:
    found = run(tool("pdftotext"), "-bbox", str(path), "-")
    pattern = r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>'
    return [(float(a), float(b), float(c), float(d), word) for a, b, c, d, word in re.findall(pattern, found)]


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("is_bilingual", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        {"last_name": LONG},
        {"first_name": "", "last_name": "李小龍"},
        {"first_name": "محمد", "last_name": "بن عبد الله"},
        {"first_name": "יעל", "last_name": "כהן"},
    ],
)
def test_long_names_and_large_amounts_fit_the_layout(
    app: Flask, campaign: Campaign, tmp_path: Path, language: str, is_bilingual: bool, name: dict[str, str]
) -> None:
    db.session.query(Charity).one().bilingual_receipts = is_bilingual
    path = tmp_path / "receipt.pdf"
    path.write_bytes(render_jobs.get_or_archive(issue(paid(campaign, 25_000_00, language=language, **ADDRESS, **name))))
    words = [w for w in words_with_boxes(path) if w[4] not in {"TEST", "ESSAI", "/"}]
    assert ("25" if language == "fr" else "$25,000.00") in {w[4] for w in words}
    with pikepdf.open(path) as document:
        assert len(document.pages) == 1
    for left, top, right, bottom, word in words:
        assert 40 < left < right < 572, word
        assert 30 < top < bottom < 762, word
    rows = [w for w in words if w[3] - w[1] < 30]
    overlapping = [
        (a[4], b[4])
        for i, a in enumerate(rows)
        for b in rows[i + 1 :]
        if min(a[2], b[2]) - max(a[0], b[0]) > 1.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.55 * min(a[3] - a[1], b[3] - b[1])
    ]
    assert overlapping == []


@pytest.mark.parametrize("name", ["ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ", "ᐃᓄᒃᑎᑐᑦ", "தமிழ் செல்வி", "สมชาย ใจดี", "Արամ Խաչատրյան", "ኃይለ ገብረ", "ខ្មែរ សុខ"])
def test_names_in_scripts_used_in_canada_are_rendered(app: Flask, campaign: Campaign, name: str) -> None:
    assert render_jobs.get_or_archive(issue(paid(campaign, first_name="", last_name=name))).startswith(b"%PDF")


def test_a_preview_uses_no_number_and_is_marked_as_a_preview(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    path = tmp_path / "preview.pdf"
    path.write_bytes(render_jobs.render_preview(paid(campaign, 100_00)))
    assert "SAMPLE – not a receipt, no number was used" in text_of(path)
    assert db.session.query(Receipt).count() == 0


def test_a_key_is_created_once_a_rotation_retains_the_certificate_and_a_missing_key_is_reported(tmp_path: Path) -> None:
    key, now = KeyFile(path=tmp_path / "keys" / "receipts.pem"), datetime.now(UTC)
    with pytest.raises(SigningKeyMissing, match="campaign setup"):
        key.sign(b"%PDF", name="Signature")
    assert key.make(name="Charity", now=now)
    first = key.certificates()
    assert not key.make(name="Charity", now=now)
    assert oct(key.path.stat().st_mode & 0o777) == "0o600"
    key.rotate(name="Charity", now=now)
    assert key.certificates().count(b"BEGIN CERTIFICATE") == 2
    assert key.certificates().endswith(first)
    (tmp_path / "keys" / "receipts.pem").write_text("nothing")
    with pytest.raises(SigningKeyMissing, match="contains no key"):
        key.sign(b"%PDF", name="Signature")


def test_signatures_of_the_old_key_stay_valid(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    key = KeyFile(path=tmp_path / "receipts.pem")
    key.make(name="Old", now=datetime.now(UTC))
    plain = render_jobs.get_or_archive(issue(paid(campaign)))
    old = tmp_path / "old.pdf"
    old.write_bytes(key.sign(plain, name="Signature"))
    key.rotate(name="New", now=datetime.now(UTC))
    new = tmp_path / "new.pdf"
    new.write_bytes(key.sign(plain, name="Signature"))
    for path, name in ((old, "Old"), (new, "New")):
        output = run(tool("pdfsig"), str(path))
        assert "Signature is Valid" in output
        assert name in output


def test_without_a_key_the_email_waits_until_there_is_one(app: Flask, campaign: Campaign, post: Post, tmp_path: Path) -> None:
    services = app.extensions["services"]
    missing_key = KeyFile(path=tmp_path / "lost.pem")
    app.extensions["services"] = replace(services, signing_key=missing_key)
    donation = paid(campaign)
    send_jobs.send_due()
    assert receipts.receipt_of(donation.id) is not None, "the number stays valid"
    missing_key.make(name="Charity", now=datetime.now(UTC))
    db.session.execute(db.text("UPDATE outbox SET not_before = now()"))
    db.session.commit()
    send_jobs.send_due()
    assert any(to == [donation.email] for _, to, _, _ in post.box.newest(5))


def test_the_certificates_can_be_downloaded(app: Flask) -> None:
    found = app.test_client().get("/receipts/certificates.pem")
    assert found.status_code == 200
    assert found.data == app.extensions["services"].signing_key.certificates()
    assert b"PRIVATE" not in found.data
    assert BytesIO(found.data).readline().startswith(b"-----BEGIN CERTIFICATE")


@pytest.mark.owner
def test_the_logo_of_a_receipt_is_never_changed(app: Flask, campaign: Campaign) -> None:
    db.session.query(Charity).one().logo = printed_pictures.store(Logo, png_picture())
    receipt = issue(paid(campaign))
    assert printed_pictures.get_picture(Logo, receipt.content["logo"]) == png_picture()
    db.session.commit()
    with pytest.raises(DatabaseError, match="append-only"):
        db.session.execute(db.text("UPDATE logo SET png = ''"))


@pytest.mark.owner
def test_the_signature_is_printed_as_it_was_when_the_receipt_was_issued(app: Flask, campaign: Campaign, tmp_path: Path) -> None:
    charity, plain = db.session.query(Charity).one(), issue(paid(campaign))
    charity.signature = printed_pictures.store(Signature, png_picture())
    signed = issue(paid(campaign))
    charity.signature = printed_pictures.store(Signature, png_picture(30))
    db.session.commit()
    pictures = []
    for receipt in (plain, signed):
        path = tmp_path / f"{receipt.serial}.pdf"
        path.write_bytes(render_jobs.get_or_archive(receipt))
        with pikepdf.open(path) as document:
            pictures.append(
                [(int(i.Width), int(i.Height)) for i in document.objects if isinstance(i, pikepdf.Stream) and i.get("/Subtype") == "/Image"]
            )
            figures = [str(tag.Alt) for tag in elements(document.Root.StructTreeRoot) if tag.S == "/Figure"]
    assert pictures == [[], [(180, 60)]]
    assert "Signature of an authorized individual: A. Example" in figures
    with pytest.raises(DatabaseError, match="append-only"):
        db.session.execute(db.text("DELETE FROM signature"))


def test_a_stored_document_is_not_rendered_again(app: Flask, campaign: Campaign) -> None:
    before, after = issue(paid(campaign)), issue(paid(campaign))
    store_document(before, DocumentKind.ARCHIVED, b"%PDF of an earlier layout")
    assert render_jobs.get_or_archive(before) == b"%PDF of an earlier layout"
    assert len(render_jobs.get_or_archive(after)) > 10_000, "control: what was not stored yet gets the present layout"
