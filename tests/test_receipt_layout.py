"""The page of the receipt and its signed copy: what each claims, reads aloud and repeats. Without a database."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from pypdf import PdfReader

from campaign.edges import pdf
from campaign.edges.pdf_signing import KeyFile
from campaign.receipts.render_jobs import Pictures, render_page
from campaign.rules.receipt_requirements import ReceiptContent, content_from_json
from campaign.texts.document_labels import receipt_labels, signature_name
from tests.factories import png_picture
from tests.mail import pdf_text
from tools.receipt_gallery import LANGUAGES, documents, in_languages, of_a_year
from tools.sample_receipt import CONTENT

AT = datetime(2027, 1, 9, 15, tzinfo=UTC)
BOTH = in_languages(CONTENT, ("fr", True))
PDF_A = {"pdfaid", "http://www.aiim.org/pdfa/"}


@cache
def rendered(content: ReceiptContent, mark: str = "", pictures: Pictures = Pictures()) -> bytes:  # noqa: B008  # frozen
    return render_page(content, pictures, serial="2026-000042", mark=mark, at=AT)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    file = KeyFile(path=Path(tmp_path_factory.mktemp("key")) / "key.pem")
    file.make(name="Charity", now=AT)
    return file


def signed(key: KeyFile, content: ReceiptContent, mark: str = "") -> bytes:
    return key.sign(rendered(content, mark), name=signature_name(content.languages, content.charity_name))


def tags(node: Any, role: str) -> list[Any]:
    """The structure elements of this role under the node, in reading order."""
    kids = node.get("/K", [])
    found = [node] if node.get("/S") == role else []
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            found += tags(kid, role)
    return found


@pytest.mark.parametrize("mark", ["", "cancelled"])
def test_the_signed_copy_claims_pdf_ua_and_no_longer_pdf_a(key: KeyFile, mark: str) -> None:
    plain, copy = rendered(CONTENT, mark), signed(key, CONTENT, mark)
    with pikepdf.open(BytesIO(plain)) as document:
        metadata = document.Root.Metadata.read_bytes().decode()
        assert all(claim in metadata for claim in PDF_A), "control: the archived copy claims it"
    with pikepdf.open(BytesIO(copy)) as document:
        metadata, root = document.Root.Metadata.read_bytes().decode(), document.Root
        assert not any(claim in metadata for claim in PDF_A)
        with document.open_metadata() as xmp:
            assert xmp["pdfuaid:part"] == "1"
            info = {str(key): str(value) for key, value in document.docinfo.items()}
            assert (xmp["dc:title"], xmp["dc:creator"]) == (info["/Title"], [info["/Author"]])
            assert (xmp["pdf:Producer"], xmp["xmp:CreatorTool"]) == (info["/Producer"], info["/Creator"])
            assert "".join(c for c in str(xmp["xmp:CreateDate"])[:19] if c.isdigit()) == info["/CreationDate"][2:16]
        assert root.MarkInfo.Marked
        assert root.ViewerPreferences.DisplayDocTitle
        assert str(root.Lang) == "en-CA"
        assert document.allow.accessibility, "ISO 14289-1, 7.16"
        assert root.Extensions.ADBE.ExtensionLevel == 8
    assert copy.startswith(b"%PDF-1.7"), "ISO 14289-1 rests on PDF 1.7"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (CONTENT, "Electronic signature of GBS/CIDP Foundation of Canada"),
        (BOTH, " / Electronic signature of GBS/CIDP Foundation of Canada"),
        (of_a_year(CONTENT, 60), "Electronic signature of GBS/CIDP Foundation of Canada"),
    ],
)
def test_the_field_of_the_signature_is_named_and_tagged_last(key: KeyFile, content: ReceiptContent, name: str) -> None:
    with pikepdf.open(BytesIO(signed(key, content))) as document:
        (field,) = document.Root.AcroForm.Fields
        assert str(field.TU).endswith(name)
        assert "Signature électronique" in str(field.TU) or content is not BOTH
        tree, page = document.Root.StructTreeRoot, document.pages[-1]
        (form,) = tags(tree.K[0], "/Form")
        assert form.objgen == tree.K[0].K[-1].objgen, "last in the reading order"
        assert str(form.Alt) == str(field.TU)
        assert form.K.Obj.objgen == field.objgen == page.Annots[-1].objgen
        numbers = dict(zip(list(tree.ParentTree.Nums)[::2], list(tree.ParentTree.Nums)[1::2], strict=True))
        assert numbers[field.StructParent].objgen == form.objgen
        assert all(a < b for a, b in pairwise(numbers))
        assert tree.ParentTreeNextKey == max(numbers) + 1
        assert str(page.Tabs) == "/S"
        assert [int(edge) for edge in field.Rect] == [0, 0, 0, 0], "invisible"


def status_of(copy: bytes) -> PdfSignatureStatus:
    document = PdfFileReader(BytesIO(copy))
    document.decrypt("")
    (signature,) = document.embedded_signatures
    return validate_pdf_signature(signature, signer_validation_context=ValidationContext(trust_roots=[signature.signer_cert]))


@pytest.mark.parametrize("mark", ["", "replaced"])
def test_the_signature_is_valid_permits_no_change_and_covers_the_whole_file(key: KeyFile, mark: str) -> None:
    copy = signed(key, CONTENT, mark)
    status = status_of(copy)
    assert (status.bottom_line, status.docmdp_ok, status.coverage) == (True, True, SignatureCoverageLevel.ENTIRE_FILE)
    at = len(copy) // 3
    assert not status_of(copy[:at] + bytes([copy[at] ^ 1]) + copy[at + 1 :]).bottom_line, "control"


@pytest.mark.parametrize("mark", ["test", "sample", "cancelled", "replaced"])
def test_the_letters_of_a_watermark_are_not_among_the_words_of_the_page(mark: str) -> None:
    for content in (CONTENT, BOTH):
        text = "\n".join(page.extract_text() for page in PdfReader(BytesIO(rendered(content, mark))).pages)
        words = [receipt_labels(language)[mark] for language in content.languages]
        banners = [receipt_labels(language)[f"{mark}_banner"] for language in content.languages]
        assert re.findall(r"^\s*[A-ZÉÇ]\s*$", text, re.MULTILINE) == []
        assert all(banner in pdf_text(rendered(content, mark)) for banner in banners)
        assert text.count(words[0]) == sum(banner.count(words[0]) for banner in banners), "only the banner says it in text"


def test_a_watermark_is_drawn_as_outlines() -> None:
    svg = pdf.outlines("TEST")
    assert "<path" in svg
    assert "<text" not in svg
    assert len(rendered(CONTENT, "test")) > len(rendered(CONTENT)) + 500


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("count", [1, 12, 19, 69])
def test_no_page_of_a_year_has_the_signature_alone_and_each_has_its_header(count: int, language: tuple[str, bool]) -> None:
    content = of_a_year(in_languages(CONTENT, language), count)
    labels = receipt_labels(content.language)
    pages = [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(BytesIO(rendered(content))).pages]
    assert labels["signature"] in pages[0]
    assert labels["eligible"] in pages[0]
    assert [labels["day"] in page for page in pages] == [len(pages) == 1, *[True] * (len(pages) - 1)]
    listed = re.findall(r"2026-\d\d-\d\d", " ".join(pages).replace(content.issued_on.isoformat(), ""))
    assert listed == [gift.received_on.isoformat() for gift in content.gifts], "each once, in order"
    assert len(pages) == 1 if count <= 12 else len(pages) <= 4
    with pikepdf.open(BytesIO(rendered(content))) as document:
        root = document.Root.StructTreeRoot.K[0]
        assert all(tags(table, "/TH") for table in tags(root, "/Table"))
        scopes = {str(attributes.Scope) for header in tags(root, "/TH") for attributes in header.A if "/Scope" in attributes}
        assert scopes == {"/Column"}


def test_a_bilingual_receipt_is_in_both_languages_throughout() -> None:
    content = of_a_year(BOTH, 2)
    text, labels = pdf_text(rendered(content, "sample")), [receipt_labels(language) for language in ("fr", "en")]
    left_out = {"colon", "qr", "fingerprint", "logo", "received_on", "replaces", "listed", "test", "sample", "cancelled", "replaced"}
    printed = [key for key in labels[0] if key not in left_out and not key.endswith("_banner")]
    assert [(key, each[key]) for key in [*printed, "sample_banner"] for each in labels if each[key] not in text] == []
    for words in ("Aucun / None", "0,00 $ / $0.00", "25,00 $ / $25.00", "25,01 $ / $25.01", "50,01 $ / $50.01", "Trésorière / Treasurer"):
        assert words in text
    pictures = Pictures(signature=png_picture(), logo=png_picture(30))
    with pikepdf.open(BytesIO(rendered(content, "", pictures))) as document:
        assert "Reçu officiel" in str(document.docinfo.Title)
        assert "Official donation receipt" in str(document.docinfo.Title)
        figures = [str(figure.Alt).replace("\u00a0", " ") for figure in tags(document.Root.StructTreeRoot.K[0], "/Figure")]
    assert figures[:2] == [
        "Logo : GBS/CIDP Foundation of Canada",
        "Signature d’un particulier autorisé / Signature of an authorized individual : A. Example",
    ]
    assert all(each["qr"] in figures[2] for each in labels)
    marked = [page_streams(rendered(each)).count(b"Lang(en-CA)") for each in (content, in_languages(content, ("fr", False)))]
    assert marked[0] > 15, "the second language is marked as such, for screen readers"
    assert marked[1] == 0, "control"


def page_streams(document: bytes) -> bytes:
    with pikepdf.open(BytesIO(document)) as opened:
        return b"".join(page.Contents.read_bytes() for page in opened.pages)


def test_content_that_was_frozen_before_there_were_logos_is_read_and_rendered() -> None:
    frozen = {name: value for name, value in CONTENT.as_json().items() if name != "logo"}
    content = content_from_json({**frozen, "is_test": False})
    assert content == CONTENT
    assert rendered(content) == rendered(CONTENT)
    assert rendered(replace(content, is_test=True), "test") != rendered(content)


def test_each_document_that_other_programs_read_has_a_mark_and_words_that_receipts_have() -> None:
    """`make readers` renders them, which the suite does not."""
    for document in documents():
        assert document.expected(), document.name
        assert not document.mark or all(receipt_labels(language)[document.mark] for language in document.content.languages), document.name
