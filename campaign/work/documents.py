"""The PDFs of receipts, made when they are first wanted and kept: with nothing locked while they are rendered and sealed."""

from dataclasses import replace
from datetime import UTC, datetime

from campaign.config import ROOT
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import receipting, receipts, signatures
from campaign.giving.donations import Donation
from campaign.giving.receipt_documents import Copy, document_of, keep_document, printed
from campaign.giving.receipts import Issuing, Receipt, Status
from campaign.rules.receipt_rules import ReceiptContent, content_from_json

RECEIPT_TEMPLATE = ROOT / "templates" / "receipts" / "receipt.typ"
TEST = "test"
PREVIEW = "preview"


def receipt_pdf(receipt: Receipt) -> bytes:
    """What the donor gets: the sealed receipt while it stands, then the copy that is marked as cancelled. Raises NotRendered, NoKey."""
    if receipts.status_of(receipt) is Status.VALID:
        return sealed(receipt)
    return _made(receipt, Copy.MARKED)


def sealed(receipt: Receipt) -> bytes:
    """The receipt as it is sent, byte for byte the same each time."""
    return _made(receipt, Copy.SEALED)


def archived(receipt: Receipt) -> bytes:
    """The receipt as it is filed: plain, for archives do not take what is encrypted."""
    return _made(receipt, Copy.ARCHIVED)


def _made(receipt: Receipt, copy: Copy) -> bytes:
    kept = document_of(receipt, copy)
    if kept is not None:
        return kept
    if copy is Copy.ARCHIVED:
        made = _rendered(receipt, mark=TEST if content_from_json(receipt.content).is_test else "")
    elif copy is Copy.SEALED:
        made = _sealed(archived(receipt))
    else:
        made = _sealed(_rendered(receipt, mark=receipts.status_of(receipt).value))
    kept = keep_document(receipt, copy, made)
    db.session.commit()
    return kept


def preview(donation: Donation) -> bytes:
    """What the donation's receipt would look like: marked, without a number, kept nowhere. Raises NotRendered."""
    how = issuing()
    content = receipts.preview([receipting.kept(donation)], how)
    signature = _signature_on(content)
    db.session.commit()
    return page(replace(content, check_url=""), signature, serial="–", mark=PREVIEW, at=how.now)


def _rendered(receipt: Receipt, *, mark: str) -> bytes:
    content, serial, at = content_from_json(receipt.content), receipt.serial, receipt.issued_at
    signature = _signature_on(content)
    db.session.commit()
    return page(content, signature, serial=serial, mark=mark, at=at)


def _signature_on(content: ReceiptContent) -> bytes:
    return signatures.picture(content.signature) if content.signature else b""


def page(content: ReceiptContent, signature: bytes, *, serial: str, mark: str, at: datetime) -> bytes:
    """The page that says this; the same content, picture, mark and moment make the same bytes. Raises NotRendered."""
    code = pdf.qr_code(content.check_url) if content.check_url else ""
    data = {**printed(content, serial=serial, mark=mark), "qr": code, "signature": list(signature)}
    return pdf.render(RECEIPT_TEMPLATE, data, at=at)


def _sealed(plain: bytes) -> bytes:
    db.session.commit()
    return outside().key.seal(plain)


def issuing() -> Issuing:
    """How a receipt is issued now."""
    return Issuing(now=datetime.now(UTC), base_url=outside().settings.base_url)
