"""What the details of audit entries are called, in both languages. A test holds that none is missing."""

from collections.abc import Mapping
from typing import Any

from campaign.texts.catalogue import gettext_noop, translator

# The details that are the reason.
REASONS = ("reason", "note")
# Digests, numbers of rows, and codes of Stripe and of programs, which say nothing to a reader.
HIDDEN = frozenset(
    {*REASONS, "recipient", "before", "after", "figures", "seed", "sha256", "fingerprint", "session", "type", "error", "of_charity"}
)
DETAILS = {
    "account_after": gettext_noop("Account now ends in"),
    "account_before": gettext_noop("Account ended in"),
    "call": gettext_noop("Number"),
    "cents": gettext_noop("Amount"),
    "change": gettext_noop("Change asked for"),
    "charity": gettext_noop("Charity"),
    "choice": gettext_noop("Choice"),
    "closed_by": gettext_noop("Closed by"),
    "contributor": gettext_noop("Contributor"),
    "declines": gettext_noop("Declined cards"),
    "document": gettext_noop("Document"),
    "donations": gettext_noop("Donations"),
    "donor": gettext_noop("Donor"),
    "due_on": gettext_noop("Due on"),
    "factor": gettext_noop("Factor"),
    "fields": gettext_noop("Fields"),
    "filed_as": gettext_noop("Filed"),
    "filed_on": gettext_noop("Filed on"),
    "filters": gettext_noop("Filtered by"),
    "gifts": gettext_noop("Gifts"),
    "goal_cents": gettext_noop("Goal"),
    "has_document": gettext_noop("With a document"),
    "how": gettext_noop("How"),
    "is_complete": gettext_noop("Complete"),
    "is_matchable": gettext_noop("Matched"),
    "is_anonymous": gettext_noop("Anonymous"),
    "is_registered_charity": gettext_noop("Registered charity"),
    "is_shared": gettext_noop("For all members"),
    "kind": gettext_noop("Kind"),
    "kinds": gettext_noop("Reports"),
    "links": gettext_noop("Links"),
    "merged": gettext_noop("Merged donor"),
    "method": gettext_noop("Paid by"),
    "name": gettext_noop("Name"),
    "on": gettext_noop("Day"),
    "open": gettext_noop("Checks not done"),
    "page": gettext_noop("Page"),
    "payment": gettext_noop("Payment"),
    "payments": gettext_noop("Payments"),
    "pledge_cents": gettext_noop("Pledge"),
    "questions": gettext_noop("Questions answered"),
    "received_on": gettext_noop("Received on"),
    "reference": gettext_noop("Reference"),
    "registration_number": gettext_noop("Registration number"),
    "receipts": gettext_noop("Receipts"),
    "request_kind": gettext_noop("What is asked for"),
    "requested_by": gettext_noop("Requested by"),
    "role": gettext_noop("Role"),
    "row": gettext_noop("Row"),
    "rows": gettext_noop("Rows"),
    "scope": gettext_noop("For"),
    "sending": gettext_noop("Sent"),
    "serial": gettext_noop("Receipt"),
    "sessions": gettext_noop("Sessions"),
}
# What was exported, by the name under which it is recorded, without its format.
DOCUMENTS = {
    "audit trail": gettext_noop("Audit trail"),
    "consents": gettext_noop("Consents to news"),
    "deposit slip": gettext_noop("Deposit slip"),
    "document of a declaration": gettext_noop("Document of a declaration"),
    "donations": gettext_noop("Donations"),
    "donors": gettext_noop("Donors"),
    "draft of an information return": gettext_noop("Draft of an information return"),
    "gifts by line": gettext_noop("Gifts by line of the returns"),
    "journal by day": gettext_noop("Journal by day"),
    "journal by entry": gettext_noop("Journal by gift, fee and refund"),
    "journal for QuickBooks Online": gettext_noop("Journal for QuickBooks Online"),
    "journal for Xero": gettext_noop("Journal for Xero"),
    "ledger": gettext_noop("Ledger"),
    "list of donors": gettext_noop("List of donors"),
    "list of gifts": gettext_noop("List of donations"),
    "list of offline gifts": gettext_noop("List of offline gifts"),
    "payouts": gettext_noop("Payouts"),
    "preview of a receipt": gettext_noop("Preview of a receipt"),
    "receipt": gettext_noop("Receipt"),
    "receipts": gettext_noop("Receipts"),
    "register as filed": gettext_noop("Register as filed"),
    "register of incidents": gettext_noop("Register of confidentiality incidents"),
    "register of privacy requests": gettext_noop("Register of privacy requests"),
    "register of receipts": gettext_noop("Register of receipts"),
    "returns": gettext_noop("Returns"),
    "statement": gettext_noop("Statement of a funder"),
}


def reason_of(detail: Mapping[str, Any]) -> str:
    """Why, as the member wrote it; empty when nobody asked."""
    return next((str(detail[name]) for name in REASONS if detail.get(name)), "")


def describe_detail(name: str, language: str) -> str:
    """What the detail with this name is."""
    return translator(language).gettext(DETAILS[name]) if name in DETAILS else name.replace("_", " ")


def describe_document(document: str, language: str) -> str:
    """What was exported, with its format."""
    name, _, rest = document.partition(" (")
    words = translator(language).gettext(DOCUMENTS[name]) if name in DOCUMENTS else name
    return f"{words} ({rest.rstrip(')').partition(',')[0]})" if rest else words
