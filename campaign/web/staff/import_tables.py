"""Rows of an import as staff see them: the gift, what is wrong or asked, and sums of those that are ready."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext, ngettext

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching import match_estimates
from campaign.matching.holds import match_of
from campaign.matching.match_estimates import PlannedGift
from campaign.receipts import gift_imports
from campaign.receipts.gift_imports import OPEN, GiftImport, GiftImportRow, RowState
from campaign.receipts.imported_gifts import RowQuestion
from campaign.rules import local_time
from campaign.rules.money import format_money
from campaign.rules.offline_gifts import OfflineMethod, OfflineQuestion, moment_of_day
from campaign.texts import action_errors, import_words
from campaign.texts.action_errors import ActionError
from campaign.texts.dates import format_day
from campaign.texts.offline_questions import describe_question
from campaign.web.labels import offline_method_labels
from campaign.web.languages import current_language
from campaign.web.staff.import_check import errors_of, form_of, label_of


def state_labels() -> dict[RowState, str]:
    """What rows of each state are called."""
    return {
        RowState.WRONG: gettext("To correct"),
        RowState.DOUBTFUL: gettext("To answer"),
        RowState.READY: gettext("Ready"),
        RowState.LEFT_OUT: gettext("Left out"),
        RowState.QUEUED: gettext("Being recorded"),
        RowState.RECORDED: gettext("Recorded"),
        RowState.UNDOING: gettext("Being undone"),
        RowState.UNDONE: gettext("Undone"),
    }


def row_of(imported: GiftImport, row: GiftImportRow) -> dict[str, Any]:
    """A row, formatted for display."""
    language, state = current_language(), RowState(row.state)
    donation = db.session.get(Donation, row.donation_id) if row.donation_id else None
    shown = {
        "number": row.number,
        "name": _name(row, donation) or gettext("no name"),
        "day": row.fields.get("received_on", ""),
        "paid_by": " ".join(filter(None, [_method(row.fields.get("method", "")), row.fields.get("reference", "")])),
        "amount": format_money(row.gift["details"]["amount_cents"], language) if row.gift else row.fields.get("amount", ""),
        "reasons": reasons_of(imported, row),
        "needs_choice": RowQuestion.WHICH_DONOR in row.unanswered,
        "may_correct": state in OPEN and bool(row.cells),
        "public_id": donation.public_id if donation else "",
        "decided_by": row.decided_by,
    }
    if donation and donation.received_at:
        shown |= {
            "day": imported.campaign.charity.local(donation.received_at).date().isoformat(),
            "amount": format_money(donation.amount_cents, language),
            "match": format_money(match_of(donation.id).matched_cents, language),
        }
    return shown


def _name(row: GiftImportRow, donation: Donation | None) -> str:
    if donation:
        return donation.full_name
    person = " ".join(filter(None, [row.fields.get("first_name"), row.fields.get("last_name")]))
    return ", ".join(filter(None, [row.fields.get("organization"), person]))


def _method(value: str) -> str:
    return offline_method_labels()[OfflineMethod(value)] if value in set(OfflineMethod) else value


def reasons_of(imported: GiftImport, row: GiftImportRow) -> list[str]:
    """What is wrong with the row, or asked about it, and why acting on it was refused."""
    language, state = current_language(), RowState(row.state)
    found = [action_errors.describe_error(ActionError(row.refusal), language)] if row.refusal else []
    if state is RowState.WRONG or (state is RowState.LEFT_OUT and not row.gift):
        form = form_of(imported, row.fields)
        found += [gettext("%(field)s: %(error)s", field=label_of(form, name), error=error) for name, error in errors_of(imported, row)]
    if state is RowState.DOUBTFUL:
        found += [describe_row_question(question, row) for question in row.unanswered]
    if state is RowState.LEFT_OUT:
        found.append(gettext("Left out by %(who)s.", who=row.decided_by))
    return found


def describe_row_question(question: str, row: GiftImportRow) -> str:
    """What is asked about the row."""
    language = current_language()
    if question == RowQuestion.LIKE_ROW:
        return import_words.describe_like_row(row.like_row or 0, language)
    if question == RowQuestion.WHICH_DONOR:
        return import_words.describe_unclear_donor(language)
    return describe_question(OfflineQuestion(question), format_day(_day_of(row), language), language)


def _day_of(row: GiftImportRow) -> date:
    assert row.gift is not None
    return local_time.parse_day(row.gift["received_on"])


def list_questions(imported: GiftImport) -> list[dict[str, Any]]:
    """The questions about rows of the import that one answer can answer for all of them, with their number and that of the first one."""
    rows = gift_imports.rows_of(imported.id, (RowState.DOUBTFUL,))
    kinds = [*(question.value for question in OfflineQuestion), RowQuestion.LIKE_ROW.value]
    found = []
    for kind in kinds:
        asked = [row for row in rows if kind in row.unanswered]
        if asked:
            words = gettext("Row %(row)s: %(question)s", row=asked[0].number, question=describe_row_question(kind, asked[0]))
            count = ngettext("%(num)s row", "%(num)s rows", len(asked))
            found.append({"kind": kind, "words": words, "count": count})
    return found


def sums_of(rows: Sequence[GiftImportRow], *, by_method: bool) -> list[tuple[str, int, str]]:
    """Number and sum of the rows' gifts, by method or by day."""
    sums: dict[str, list[int]] = {}
    for row in rows:
        gift = row.gift or {}
        sums.setdefault(gift["method"] if by_method else gift["received_on"], []).append(gift["details"]["amount_cents"])
    order = [method.value for method in OfflineMethod] if by_method else sorted(sums)
    return [
        (_method(key) if by_method else key, len(sums[key]), format_money(sum(sums[key]), current_language()))
        for key in order
        if key in sums
    ]


def match_estimate(imported: GiftImport, rows: Sequence[GiftImportRow]) -> int:
    """About what the rows would be matched with, in cents."""
    zone, now = ZoneInfo(imported.campaign.charity.time_zone), datetime.now(UTC)
    planned = [
        PlannedGift(
            cents=row.gift["details"]["amount_cents"],
            at=moment_of_day(_day_of(row), zone, now=now),
            donor=row.gift["details"]["email"] or str(row.gift["donor_id"] or row.number),
        )
        for row in rows
        if row.gift and row.gift["is_matchable"]
    ]
    return match_estimates.estimate(imported.campaign_id, planned)
