"""Undoing an import for staff: what happens to each of its gifts, and then doing it as a whole."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_security import current_user

from campaign.receipts import gift_import_actions
from campaign.receipts.gift_imports import GiftImport
from campaign.reporting import imported_gift_list
from campaign.reporting.imported_gift_list import Undoing
from campaign.rules.money import format_money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.imports import import_or_404
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedLine, read_reason_line

bp = Blueprint("staff_import_undo", __name__, url_prefix="/staff/imports/<int:import_id>/undo")

GIFTS_SHOWN = 200


def _what_happens() -> dict[Undoing, str]:
    return {
        Undoing.WITHOUT_TRACE: gettext("No receipt yet: the gift is undone, and the donor hears nothing of it."),
        Undoing.RECEIPT_CANCELLED: gettext(
            "It has a receipt: the receipt is cancelled, and the donor gets an email that the gift was recorded by mistake. Without an address, "
            "a letter to post is prepared if they have the receipt on paper."
        ),
        Undoing.IN_DEPOSIT: gettext("It was taken to the bank: it is reversed as a mistake, and its deposit says so."),
        Undoing.PARTLY_REFUNDED: gettext("Not undone: part of it was given back to the donor, so it did arrive."),
        Undoing.REVERSED: gettext("Nothing is left of it: it was reversed already."),
    }


@bp.get("")
@access("clerk")
def page(import_id: int) -> ResponseReturnValue:
    """What undoing the import does, before it is done."""
    return _page(import_or_404(import_id), TypedLine())


def _page(imported: GiftImport, reason: TypedLine) -> str:
    language, gifts = current_language(), imported_gift_list.gifts_to_undo(imported.id)
    return render_template(
        "staff/import_undo.html",
        title=imported.campaign.title(language),
        imported=imported,
        seen=len(gifts),
        groups=[_group(words, [gift.cents for gift in gifts if gift.undoing is kind]) for kind, words in _what_happens().items()],
        gifts=[
            {
                "public_id": gift.public_id,
                "name": gift.name or gettext("no name"),
                "amount": format_money(gift.cents, language),
                "serial": gift.serial,
                "what": _what_happens()[gift.undoing],
            }
            for gift in gifts[:GIFTS_SHOWN]
        ],
        more=max(len(gifts) - GIFTS_SHOWN, 0),
        reason=reason,
        longest_reason=LONGEST_REASON,
    )


def _group(words: str, cents: list[int]) -> dict[str, Any]:
    return {"words": words, "gifts": len(cents), "amount": format_money(sum(cents), current_language())}


@bp.post("")
@access("clerk", fresh=True)
def undo(import_id: int) -> ResponseReturnValue:
    """Undo all gifts of the import, in the background."""
    imported, reason = import_or_404(import_id), read_reason_line()
    if reason.error:
        return _page(imported, reason), 422
    try:
        seen = request.form.get("seen", -1, type=int)
        count = gift_import_actions.undo(imported, seen=seen, reason=reason.text, actor=current_user.email)
        flash(ngettext("%(num)s gift is being undone.", "%(num)s gifts are being undone.", count))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return _page(imported, reason), 422
    return redirect(url_for("staff_import_preview.page", import_id=import_id), 303)
