"""Donors' declarations whose money their gifts are, for staff: on the page of a gift, and the documents that came with them."""

from typing import Any

from flask import Blueprint, Response, abort
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime

from campaign.donations import declarations
from campaign.donations.declarations import DONOR, How, ReceiptDeclaration
from campaign.donations.donations import Donation
from campaign.rules.document_types import EXTENSIONS
from campaign.web.labels import declaration_labels
from campaign.web.security import access
from campaign.web.staff.exports import record_export

bp = Blueprint("staff_declarations", __name__, url_prefix="/staff/declarations")


def declaration_rows(donation: Donation) -> list[dict[str, Any]]:
    """The declarations about the gift, the latest first, formatted for display."""
    return [_row(declaration, donation) for declaration in declarations.declarations_of(donation)]


def _row(declaration: ReceiptDeclaration, donation: Donation) -> dict[str, Any]:
    at = donation.campaign.charity.local(declaration.recorded_at)
    return {
        "id": declaration.id,
        "name": declaration.name,
        "words": declaration.words,
        "how": declaration_labels()[How(declaration.how)],
        "declared_on": declaration.declared_on.isoformat() if declaration.declared_on else "",
        "recorded_by": "" if declaration.recorded_by == DONOR else declaration.recorded_by,
        "at": format_datetime(at, "yyyy-MM-dd HH:mm:ss", rebase=False),
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
    response = Response(found.content, mimetype=found.media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="declaration-{declaration_id}.{EXTENSIONS[found.media_type]}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
