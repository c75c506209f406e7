"""Names of the files that people download or get by email: in their language, and in ASCII, which every browser and mail program shows as it is."""

import re
import unicodedata
from enum import StrEnum

from campaign.texts.catalogue import pgettext_noop, translator

_CONTEXT = "name of a file"


class Document(StrEnum):
    """What a file is, as the first word of its name."""

    RECEIPT = pgettext_noop("name of a file", "receipt")
    RECEIPT_NOTICE = pgettext_noop("name of a file", "letter about receipt")
    ARCHIVED_RECEIPT = pgettext_noop("name of a file", "archived receipt")
    INFORMATION_RETURN = pgettext_noop("name of a file", "information return")
    FILED_RETURN = pgettext_noop("name of a file", "filed return")
    DECLARATION = pgettext_noop("name of a file", "declaration")
    CALL = pgettext_noop("name of a file", "call for funds")
    CREDIT_NOTE = pgettext_noop("name of a file", "credit note")
    FINAL_ACCOUNT = pgettext_noop("name of a file", "final account")
    STATEMENT = pgettext_noop("name of a file", "statement")
    SAMPLE = pgettext_noop("name of a file", "sample")
    PROOF = pgettext_noop("name of a file", "proof")
    RECEIPTS = pgettext_noop("name of a file", "receipts")
    RETURNS = pgettext_noop("name of a file", "returns")
    GIFTS = pgettext_noop("name of a file", "gifts")
    OFFLINE_GIFTS = pgettext_noop("name of a file", "offline gifts")
    DONORS = pgettext_noop("name of a file", "donors")
    LEDGER = pgettext_noop("name of a file", "ledger")
    PAYOUTS = pgettext_noop("name of a file", "payouts")
    CONSENTS = pgettext_noop("name of a file", "consents")
    AUDIT = pgettext_noop("name of a file", "audit trail")
    JOURNAL = pgettext_noop("name of a file", "journal")
    DEPOSIT = pgettext_noop("name of a file", "deposit")
    TEMPLATE = pgettext_noop("name of a file", "template for gifts")
    PERSON = pgettext_noop("name of a file", "person")
    CARD = pgettext_noop("name of a file", "card")
    OWN_DATA = pgettext_noop("name of a file", "my data")
    INCIDENTS = pgettext_noop("name of a file", "confidentiality incidents")
    PRIVACY_REQUESTS = pgettext_noop("name of a file", "privacy requests")
    READ_ME = pgettext_noop("name of a file", "read me")


AS_OF = pgettext_noop("name of a file", "as of")
TRIAL = pgettext_noop("name of a file", "TEST")


def file_name(document: Document, *parts: object, language: str, extension: str, is_trial: bool = False) -> str:
    """Return the name of a file, such as `recu-2026-000037.pdf`; of a trial, `ESSAI-dons-....csv`. Of the parts, `AS_OF` is translated."""
    to, all_parts = translator(language), (*([TRIAL] if is_trial else []), document, *parts)
    words = [to.pgettext(_CONTEXT, str(part)) if part in (document, AS_OF, TRIAL) else str(part) for part in all_parts]
    ascii_only = unicodedata.normalize("NFKD", "-".join(words)).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w]+", "-", ascii_only).strip("-") + f".{extension}"
