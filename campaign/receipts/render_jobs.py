"""The PDF documents of receipts: rendered and signed on first use, then stored. No lock is held while a document is rendered or signed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from typing import Any

from campaign.campaigns.charities import Charity
from campaign.campaigns.signing_keys import signing_key_of
from campaign.config import resource
from campaign.donations.donations import Donation
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.receipts import charity_confirmations, contents, lifecycle, printed_pictures, receipts
from campaign.receipts.contents import IssueContext
from campaign.receipts.documents import DocumentKind, document_of, store_document
from campaign.receipts.printed_pictures import Logo, Signature
from campaign.receipts.receipts import Receipt, Status
from campaign.rules.money import format_money
from campaign.rules.receipt_requirements import ReceiptContent, content_from_json
from campaign.texts.charity_details import sample_donor
from campaign.texts.document_labels import receipt_labels, signature_name

RECEIPT_TEMPLATE = resource("templates") / "receipts" / "receipt.typ"
TEST_MARK = "test"
SAMPLE_MARK = "sample"
SAMPLE_CENTS = 100_00
# How many gifts of a year fit below the signature, in each column. More are listed on pages of their own, so that no page has the
# signature alone.
ROWS_BELOW = 6
ROWS_OF_A_PAGE = 34


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The pictures of a receipt, each a PNG, or empty."""

    signature: bytes = b""
    logo: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample receipt as PDF, and the fingerprint of the details on it, which it states."""

    pdf: bytes
    fingerprint: str


def get_or_render_pdf(receipt: Receipt) -> bytes:
    """The donor's document: the signed receipt while it is valid, afterwards the one marked as replaced or cancelled.

    Raises RenderingFailed and SigningKeyMissing, as `get_or_sign` does.
    """
    if receipts.status_of(receipt) is Status.VALID:
        return get_or_sign(receipt)
    return _get_or_render(receipt, DocumentKind.MARKED)


def get_or_sign(receipt: Receipt) -> bytes:
    """The signed receipt as it is sent, with the same bytes every time."""
    return _get_or_render(receipt, DocumentKind.SIGNED)


def get_or_archive(receipt: Receipt) -> bytes:
    """The unsigned receipt for the archive. Signed documents are encrypted, which PDF/A does not allow. Raises RenderingFailed."""
    return _get_or_render(receipt, DocumentKind.ARCHIVED)


def _get_or_render(receipt: Receipt, kind: DocumentKind) -> bytes:
    stored = document_of(receipt, kind)
    if stored is not None:
        return stored
    if kind is DocumentKind.ARCHIVED:
        document = _render(receipt, mark=TEST_MARK if content_from_json(receipt.content).is_test else "")
    elif kind is DocumentKind.SIGNED:
        document = _sign(receipt, get_or_archive(receipt))
    else:
        document = _sign(receipt, _render(receipt, mark=receipts.status_of(receipt).value))
    stored = store_document(receipt, kind, document)
    db.session.commit()
    return stored


def render_preview(*donations: Donation, received_in: int | None = None) -> bytes:
    """A preview of the receipt of a donation, or of the receipt for a year of several: marked, without a number, not stored.

    Raises RenderingFailed.
    """
    context = issue_context()
    content = contents.content_of([lifecycle.receiptable(donation) for donation in donations], context, received_in=received_in)
    pictures = pictures_of(content)
    db.session.commit()
    return render_page(replace(content, check_url=""), pictures, serial="–", mark=SAMPLE_MARK, at=context.now)


def render_sample(charity: Charity, language: str, *, opened_by: str) -> Sample:
    """A sample receipt with the charity's details as they are and an invented donor: marked, without a number. Raises RenderingFailed.

    That it was opened is recorded once it is rendered.
    """
    context = issue_context()
    content = _sample_content(charity, language, context)
    fingerprint, pictures = charity_confirmations.fingerprint_of(charity), pictures_of(content)
    db.session.commit()
    sample = render_page(content, pictures, serial="–", mark=SAMPLE_MARK, at=context.now, fingerprint=fingerprint)
    charity_confirmations.record_opened(charity, fingerprint=fingerprint, language=language, opened_by=opened_by)
    db.session.commit()
    return Sample(pdf=sample, fingerprint=fingerprint)


def check_pictures(charity: Charity, pictures: Pictures) -> None:
    """Render a sample receipt with the pictures. Raises RenderingFailed when one cannot be printed."""
    context = issue_context()
    render_page(_sample_content(charity, "en", context), pictures, serial="–", mark=SAMPLE_MARK, at=context.now)


def _sample_content(charity: Charity, language: str, context: IssueContext) -> ReceiptContent:
    donor_name, donor_address = sample_donor(language)
    content = ReceiptContent(
        **contents.charity_fields(charity, context, language=language, code=""),
        received_on=charity.local(context.now).date(),
        donor_name=donor_name,
        donor_address=donor_address,
        amount_cents=SAMPLE_CENTS,
        advantage_cents=0,
        eligible_cents=SAMPLE_CENTS,
        currency="CAD",
    )
    return replace(content, check_url="")


def _render(receipt: Receipt, *, mark: str) -> bytes:
    content, serial, at = content_from_json(receipt.content), receipt.serial, receipt.issued_at
    pictures = pictures_of(content)
    db.session.commit()
    return render_page(content, pictures, serial=serial, mark=mark, at=at)


def pictures_of(content: ReceiptContent) -> Pictures:
    """The pictures that the content names by their SHA-256."""
    return Pictures(
        signature=printed_pictures.get_picture(Signature, content.signature) if content.signature else b"",
        logo=printed_pictures.get_picture(Logo, content.logo) if content.logo else b"",
    )


def render_page(content: ReceiptContent, pictures: Pictures, *, serial: str, mark: str, at: datetime, fingerprint: str = "") -> bytes:
    """Render the receipt as PDF, a sample with its fingerprint. The same arguments give the same bytes. Raises RenderingFailed."""
    qr = pdf.qr_code(content.check_url) if content.check_url else ""
    printed = {"qr": qr, "signature": list(pictures.signature), "logo": list(pictures.logo), "fingerprint": fingerprint}
    return pdf.render(RECEIPT_TEMPLATE, {**_template_data(content, serial=serial, mark=mark), **printed}, at=at)


def _template_data(content: ReceiptContent, *, serial: str, mark: str) -> dict[str, Any]:
    """The data of the receipt template, formatted for display. `mark` is a key of the labels (texts/document_labels.py), or empty."""
    languages = content.languages
    labels = [receipt_labels(language) for language in languages]

    def sums(cents: int) -> str:
        return " / ".join(format_money(cents, language) for language in languages)

    gifts = [{"received_on": gift.received_on.isoformat(), "amount": sums(gift.cents)} for gift in content.gifts]
    columns = 2 if content.is_bilingual else 3
    fits_below = len(gifts) <= columns * ROWS_BELOW
    return {
        **content.as_json(),
        "received": str(content.received_in or content.received_on),
        "languages": languages,
        "labels": labels,
        "serial": serial,
        "banners": [banner for banner in dict.fromkeys((mark, TEST_MARK if content.is_test and mark else "")) if banner],
        "has_thanks": mark not in (Status.CANCELLED, Status.REPLACED),
        "amount": sums(content.amount_cents),
        "advantage": sums(content.advantage_cents),
        "eligible": sums(content.eligible_cents),
        "gift_columns": _in_columns(gifts, columns) if fits_below else [],
        "gift_pages": [] if fits_below else [_in_columns(page, 2) for page in _batches(gifts, 2 * ROWS_OF_A_PAGE)],
        "watermark": pdf.outlines(" / ".join(dict.fromkeys(each[mark] for each in labels))) if mark else "",
    }


def _in_columns(gifts: Sequence[dict[str, str]], columns: int) -> list[Sequence[dict[str, str]]]:
    """The gifts in columns of about the same height."""
    return _batches(gifts, ceil(len(gifts) / columns)) if gifts else []


def _batches(gifts: Sequence[dict[str, str]], size: int) -> list[Sequence[dict[str, str]]]:
    return [gifts[start : start + size] for start in range(0, len(gifts), size)]


def _sign(receipt: Receipt, plain: bytes) -> bytes:
    content = content_from_json(receipt.content)
    db.session.commit()
    return signing_key_of(receipt.charity_id).sign(plain, name=signature_name(content.languages, content.charity_name))


def issue_context() -> IssueContext:
    """The context for a receipt issued now."""
    return IssueContext(now=datetime.now(UTC), links=services().links)
