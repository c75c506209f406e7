"""Email in tests: the messages that the SMTP server received, their text and their attachments; reports about those that came back."""

import re
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

from pypdf import PdfReader
from sqlalchemy import text

from campaign.donations.donations import Donation
from campaign.edges.db import db
from tests.conftest import Post

# Reports about undeliverable email as servers of several kinds write them, with placeholders for the message that they are about.
DELIVERY_REPORTS = Path(__file__).parent / "data" / "delivery_reports"

LABELS = {
    "en": [
        "Official donation receipt for income tax purposes",
        "GBS/CIDP Foundation of Canada",
        "Registration number",
        "Unique serial number",
        "Place of issue",
        "Date the gift was received",
        "Date of issue",
        "Donor’s full name",
        "Donor’s address",
        "Amount of the gift",
        "Description and amount of any advantage",
        "Eligible amount of the gift",
        "Signature of an authorized individual",
        "Canada Revenue Agency, canada.ca/charities-giving",
        "$103.30",
    ],
    "fr": [
        "Reçu officiel de don aux fins de l’impôt sur le revenu",
        "Numéro d’enregistrement",
        "Numéro de série",
        "Lieu de délivrance",
        "Date de réception du don",
        "Date de délivrance",
        "Nom complet du donateur",
        "Adresse du donateur",
        "Montant du don",
        "Description et valeur de tout avantage",
        "Montant admissible du don",
        "Signature d’un particulier autorisé",
        "Agence du revenu du Canada, canada.ca/organismes-bienfaisance-dons",
        "103,30 $",
    ],
}


def make_due() -> None:
    """Make every pending message due now."""
    db.session.execute(text("UPDATE outbox SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()


def pdf_text(pdf: bytes) -> str:
    extracted = " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    return re.sub(r"\s+", " ", extracted.replace("\u00a0", " "))


def attached(message: EmailMessage) -> list[str | None]:
    return [a.get_filename() for a in message.iter_attachments()]


def last_email(post: Post, donation: Donation) -> EmailMessage:
    return next(m for _, to, m, _ in post.box.newest(100) if to == [donation.email])


def body_of(message: EmailMessage, kind: str) -> str:
    """The `plain` or `html` body."""
    part = message.get_body((kind,))
    assert part
    return str(part.get_content())


def text_of(message: EmailMessage) -> str:
    return body_of(message, "plain").replace("\u00a0", " ")


def report_of(server: str, message_id: str, recipient: str, **replaced: str) -> bytes:
    """What a server of this kind reports about the message; `replaced` are texts of the report by the field that has them."""
    report = (DELIVERY_REPORTS / f"{server}.eml").read_text()
    for field, value in replaced.items():
        report = re.sub(rf"^{field.replace('_', '-')}: .*$", f"{field.replace('_', '-')}: {value}", report, flags=re.MULTILINE)
    known = {"ENVELOPE_ID": message_id.strip("<>"), "MESSAGE_ID": message_id, "RECIPIENT": recipient}
    for name, value in known.items():
        report = report.replace(name, value)
    return report.replace("\n", "\r\n").encode()
