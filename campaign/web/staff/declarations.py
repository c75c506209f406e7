"""Whose name receipts bear and why, for staff: what donors have declared, who corrected the name, and the documents that came with it."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext

from campaign.campaigns.charities import Charity
from campaign.donations import declarations
from campaign.donations.declarations import DONOR, How, ReceiptDeclaration
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.receipts import completeness, receipts
from campaign.receipts.receipts import EndReason, Receipt
from campaign.recurring import contact_changes
from campaign.recurring.contact_changes import ContactChange
from campaign.rules.document_types import EXTENSIONS
from campaign.rules.money import format_money
from campaign.staff import audit
from campaign.staff.audit import AuditEntry
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.labels import contact_labels, declaration_labels
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.exports import record_export

bp = Blueprint("staff_declarations", __name__, url_prefix="/staff/declarations")


EMAILS = ("corrected the e-mail address", "confirmed another e-mail address")
CORRECTIONS = ("corrected name or address", "completed their address", "changed the name or address of later months", *EMAILS)
NAME_FIELDS = {"first_name", "last_name", "organization", "in_own_name"}


def whose_money(donation: Donation, *, has_receipt: bool) -> dict[str, Any]:
    """For the page of a gift: its declarations and corrections, whether its receipt waits for one, and whether a named organization has none."""
    found = declarations.declarations_of(donation)
    declared_at = {declaration.recorded_at: declaration.id for declaration in found}
    return {
        "declarations": [_row(declaration, donation) for declaration in found],
        "corrections": _corrections(donation, declared_at),
        "lacks_declaration": not has_receipt and completeness.lacks_declaration(donation),
        "is_undeclared": bool(donation.organization) and not donation.names.bears_organization,
    }


def _corrections(donation: Donation, declared_at: dict[datetime, int]) -> list[dict[str, Any]]:
    """The latest first. One that was made on the page of another gift may have changed this one too."""
    changes: dict[int, list[ContactChange]] = {}
    entries = {entry.id: entry for entry in audit.entries_about(donation.public_id, CORRECTIONS)}
    for change, entry in contact_changes.list_changes(donation):
        entries[entry.id] = entry
        changes.setdefault(entry.id, []).append(change)
    latest = sorted(entries.values(), key=lambda entry: entry.id, reverse=True)
    return [_correction_row(entry, donation, declared_at, changes.get(entry.id, [])) for entry in latest]


def _correction_row(
    entry: AuditEntry, donation: Donation, declared_at: dict[datetime, int], changes: list[ContactChange]
) -> dict[str, Any]:
    """A declaration that was recorded with a correction has its moment: both are rows of one transaction."""
    return {
        "what": gettext("Email address") if entry.action in EMAILS else _corrected(set(entry.detail.get("fields", ()))),
        "changes": [row for change in changes for row in change_rows(change)],
        "actor": "" if entry.actor == DONOR else entry.actor,
        "reason": entry.detail.get("reason", ""),
        "at": _moment(entry.at, donation),
        "iso": entry.at.isoformat(),
        "declaration_id": declared_at.get(entry.at),
    }


def change_rows(change: ContactChange) -> list[dict[str, str]]:
    """Each field that was changed, in the order of the form, with what it was and what it is since."""
    labels = contact_labels()
    rows = [
        {"field": labels[field], "old": _shown(change.old[field]), "new": _shown(change.new[field])}
        for field in labels
        if field in change.old
    ]
    later = gettext("later months")
    return [{**row, "field": f"{row['field']} ({later})"} for row in rows] if change.recurring_gift_id else rows


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return str(value) or "–"


def _corrected(fields: set[str]) -> str:
    if not fields:
        return gettext("Whose money it is")
    if fields <= NAME_FIELDS:
        return gettext("Name")
    return gettext("Name and address") if fields & NAME_FIELDS else gettext("Address")


def name_of_receipt(receipt: Receipt) -> dict[str, Any]:
    """For the page of a receipt: the declarations under which it bears its name, and the correction after which it replaces another."""
    lines = [line for line in receipts.lines_of(receipt) if line.donation_id]
    donations = [db.session.get_one(Donation, line.donation_id) for line in lines]
    found = {
        declaration.id: {**_row(declaration, donation), "public_id": donation.public_id}
        for donation in donations
        for declaration in declarations.declarations_of(donation)
        if declaration.name == receipt.content["donor_name"]
    }
    return {"declarations": list(found.values()), "correction": _correction_before(receipt)}


def _correction_before(receipt: Receipt) -> dict[str, Any] | None:
    """What a corrected receipt, a donor's or a funder's, says otherwise than the one that it replaces."""
    replaced = db.session.get(Receipt, receipt.replaces_id) if receipt.replaces_id else None
    end = receipts.end_of(replaced) if replaced else None
    if replaced is None or end is None or end.reason not in {EndReason.CORRECTED, EndReason.WRONG_PAYMENT}:
        return None
    said = [_printed(one) for one in (replaced, receipt)]
    changes = [{"field": field, "old": old, "new": said[1][field]} for field, old in said[0].items() if old != said[1][field]]
    charity = db.session.get_one(Charity, receipt.charity_id)
    return {"at": _format(charity.local(end.at)), "actor": end.actor, "reason": end.note, "changes": changes}


def _printed(receipt: Receipt) -> dict[str, str]:
    """What a receipt says of what can be corrected."""
    content = receipt.content
    return {
        gettext("Name"): content["donor_name"],
        gettext("Address"): ", ".join(content["donor_address"]),
        gettext("Gift received"): str(content["received_on"] or content["received_in"]),
        gettext("Amount of the gift"): format_money(content["amount_cents"], current_language()),
    }


def _moment(moment: datetime, donation: Donation) -> str:
    return _format(donation.campaign.charity.local(moment))


def _format(local: datetime) -> str:
    return str(format_datetime(local, "yyyy-MM-dd HH:mm:ss", rebase=False))


def _row(declaration: ReceiptDeclaration, donation: Donation) -> dict[str, Any]:
    return {
        "id": declaration.id,
        "name": declaration.name,
        "words": declaration.words,
        "language": declaration.language,
        "how": declaration_labels()[How(declaration.how)],
        "declared_on": declaration.declared_on.isoformat() if declaration.declared_on else "",
        "recorded_by": "" if declaration.recorded_by == DONOR else declaration.recorded_by,
        "at": _moment(declaration.recorded_at, donation),
        "iso": declaration.recorded_at.isoformat(),
        "has_document": declaration.document is not None,
    }


@bp.get("/<int:declaration_id>/document")
@access("clerk")
def document(declaration_id: int) -> ResponseReturnValue:
    """The document of a declaration, as a download that no browser opens by itself."""
    found = declarations.document_of(declaration_id)
    if found is None:
        abort(404)
    record_export("document of a declaration", f"declaration {declaration_id}")
    name = file_name(Document.DECLARATION, declaration_id, language=current_language(), extension=EXTENSIONS[found.media_type])
    response = name_file(Response(found.content, mimetype=found.media_type), name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
