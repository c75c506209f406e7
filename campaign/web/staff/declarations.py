"""Whose name receipts bear and why, for staff: what donors have declared, who corrected the name, and the documents that came with it."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext

from campaign.donations import declarations
from campaign.donations.declarations import DONOR, How, ReceiptDeclaration
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.receipts import completeness, receipts
from campaign.receipts.receipts import EndReason, Receipt
from campaign.rules.document_types import EXTENSIONS
from campaign.staff import audit
from campaign.staff.audit import AuditEntry
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.labels import declaration_labels
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.exports import record_export

bp = Blueprint("staff_declarations", __name__, url_prefix="/staff/declarations")


CORRECTIONS = ("corrected name or address", "completed their address", "changed the name or address of later months")
NAME_FIELDS = {"first_name", "last_name", "organization", "in_own_name"}


def whose_money(donation: Donation) -> dict[str, Any]:
    """For the page of a gift: its declarations and corrections, whether its receipt waits for one, and whether a named organization has none."""
    found = declarations.declarations_of(donation)
    declared_at = {declaration.recorded_at: declaration.id for declaration in found}
    return {
        "declarations": [_row(declaration, donation) for declaration in found],
        "corrections": [_correction_row(entry, donation, declared_at) for entry in audit.entries_about(donation.public_id, CORRECTIONS)],
        "lacks_declaration": receipts.receipt_of(donation.id) is None and completeness.lacks_declaration(donation),
        "is_undeclared": bool(donation.organization) and not donation.names.bears_organization,
    }


def _correction_row(entry: AuditEntry, donation: Donation, declared_at: dict[datetime, int]) -> dict[str, Any]:
    """A declaration that was recorded with a correction has its moment: both are rows of one transaction."""
    return {
        "what": _corrected(set(entry.detail.get("fields", ()))),
        "actor": "" if entry.actor == DONOR else entry.actor,
        "reason": entry.detail.get("reason", ""),
        "at": _moment(entry.at, donation),
        "iso": entry.at.isoformat(),
        "declaration_id": declared_at.get(entry.at),
    }


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
    return {"declarations": list(found.values()), "correction": _correction_before(receipt, donations)}


def _correction_before(receipt: Receipt, donations: list[Donation]) -> dict[str, Any] | None:
    replaced = db.session.get(Receipt, receipt.replaces_id) if receipt.replaces_id else None
    end = receipts.end_of(replaced) if replaced else None
    if replaced is None or end is None or end.reason != EndReason.CORRECTED or not donations:
        return None
    old_name = replaced.content["donor_name"]
    return {
        "at": _moment(end.at, donations[0]),
        "actor": end.actor,
        "reason": end.note,
        "old_name": old_name if old_name != receipt.content["donor_name"] else "",
    }


def _moment(moment: datetime, donation: Donation) -> str:
    return str(format_datetime(donation.campaign.charity.local(moment), "yyyy-MM-dd HH:mm:ss", rebase=False))


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
