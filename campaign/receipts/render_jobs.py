"""The PDF documents of receipts: rendered and signed on first use, then stored. No lock is held while a document is rendered or signed."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from campaign.campaigns.charities import Charity
from campaign.config import resource
from campaign.donations.donations import Donation
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.receipts import lifecycle, receipts, signatures
from campaign.receipts.documents import DocumentKind, document_of, store_document
from campaign.receipts.receipts import IssueContext, Receipt, Status
from campaign.rules.money import format_money
from campaign.rules.receipt_requirements import ReceiptContent, content_from_json
from campaign.texts.charity_details import sample_donor
from campaign.texts.document_labels import receipt_labels

RECEIPT_TEMPLATE = resource("templates") / "receipts" / "receipt.typ"
TEST_MARK = "test"
PREVIEW_MARK = "preview"
SAMPLE_CENTS = 100_00


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
        document = _sign(get_or_archive(receipt))
    else:
        document = _sign(_render(receipt, mark=receipts.status_of(receipt).value))
    stored = store_document(receipt, kind, document)
    db.session.commit()
    return stored


def render_preview(donation: Donation) -> bytes:
    """A preview of the donation's receipt: marked, without a number, not stored. Raises RenderingFailed."""
    context = issue_context()
    content = receipts.preview([lifecycle.receiptable(donation)], context)
    signature = _signature_picture(content)
    db.session.commit()
    return render_page(replace(content, check_url=""), signature, serial="–", mark=PREVIEW_MARK, at=context.now)


def render_sample(charity: Charity, language: str) -> bytes:
    """A sample receipt with the charity's details as they are and an invented donor: marked, without a number. Raises RenderingFailed."""
    context = issue_context()
    content = _sample_content(charity, language, context)
    signature = _signature_picture(content)
    db.session.commit()
    return render_page(content, signature, serial="–", mark=PREVIEW_MARK, at=context.now)


def check_signature(charity: Charity, png: bytes) -> None:
    """Render a sample receipt with the picture. Raises RenderingFailed when it cannot be printed."""
    context = issue_context()
    render_page(_sample_content(charity, "en", context), png, serial="–", mark=PREVIEW_MARK, at=context.now)


def _sample_content(charity: Charity, language: str, context: IssueContext) -> ReceiptContent:
    donor_name, donor_address = sample_donor(language)
    content = ReceiptContent(
        **receipts.charity_fields(charity, context, language=language, code=""),
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
    signature = _signature_picture(content)
    db.session.commit()
    return render_page(content, signature, serial=serial, mark=mark, at=at)


def _signature_picture(content: ReceiptContent) -> bytes:
    return signatures.get_picture(content.signature) if content.signature else b""


def render_page(content: ReceiptContent, signature: bytes, *, serial: str, mark: str, at: datetime) -> bytes:
    """Render the receipt as PDF. `signature` is a PNG, or empty. The same arguments give the same bytes. Raises RenderingFailed."""
    qr = pdf.qr_code(content.check_url) if content.check_url else ""
    data = {**_template_data(content, serial=serial, mark=mark), "qr": qr, "signature": list(signature)}
    return pdf.render(RECEIPT_TEMPLATE, data, at=at)


def _template_data(content: ReceiptContent, *, serial: str, mark: str) -> dict[str, Any]:
    """The data of the receipt template, formatted for display. `mark` is a key of the labels (texts/document_labels.py), or empty."""
    languages = [content.language]
    if content.is_bilingual:
        languages += [other for other in ("en", "fr") if other != content.language]

    def sums(cents: int) -> str:
        return " / ".join(format_money(cents, language) for language in languages)

    plain = content.as_json()
    return {
        **plain,
        "labels": [receipt_labels(language) for language in languages],
        "serial": serial,
        "mark": mark,
        "amount": sums(content.amount_cents),
        "advantage": sums(content.advantage_cents),
        "eligible": sums(content.eligible_cents),
        "gifts": [{**gift, "amount": format_money(gift["cents"], content.language)} for gift in plain["gifts"]],
    }


def _sign(plain: bytes) -> bytes:
    db.session.commit()
    return services().signing_key.sign(plain)


def issue_context() -> IssueContext:
    """The context for a receipt issued now."""
    return IssueContext(now=datetime.now(UTC), links=services().links)
