"""Actions of staff on imports of offline gifts: upload, columns, corrections, decisions, confirming and undoing. Each commits once, with its audit row.

Whoever acts on what somebody else has changed meanwhile is refused, so that nothing is confirmed unseen.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.receipts import gift_imports, imported_gifts
from campaign.receipts.gift_imports import EXPIRES_AFTER, OPEN, GiftImport, GiftImportRow, RowCount, RowState
from campaign.receipts.imported_gifts import RowQuestion
from campaign.receipts.offline_gift_actions import TypedGift
from campaign.rules.import_columns import ImportField, recognized_columns
from campaign.rules.imported_files import ImportedFile
from campaign.rules.imported_values import DayOrder
from campaign.rules.offline_gifts import OfflineMethod
from campaign.staff import audit
from campaign.texts.action_errors import ActionError, ActionRefused


@dataclass(frozen=True, kw_only=True)
class CheckedRow:
    """A row as the form has read it. `fields` are the texts of the form, `flaws` why a cell cannot be read; `gift` is None while something is wrong.

    `answered` are the questions that somebody has answered with yes.
    """

    fields: Mapping[str, str]
    flaws: Mapping[str, str] = field(default_factory=dict)
    gift: TypedGift | None = None
    answered: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """How a file is read: the place of each field's column, the order of days, and what rows that say nothing of it are."""

    columns: Mapping[ImportField, int]
    day_order: DayOrder | None
    method: OfflineMethod
    donor_language: str
    is_matchable: bool
    details_unknown: bool


def store_upload(campaign: Campaign, file: ImportedFile, *, name: str, donor_language: str, actor: str) -> GiftImport:
    """Store the file, with the columns that its headings name. Nothing of it is recorded yet."""
    imported = GiftImport(
        campaign_id=campaign.id,
        file_name=name,
        headings=file.headings,
        columns={field.value: place for field, place in recognized_columns(file.headings).items()},
        method=OfflineMethod.CHEQUE.value,
        donor_language=donor_language,
        is_matchable=True,
        details_unknown=False,
        is_mapped=False,
        version=0,
        undo_reason="",
        uploaded_by=actor,
        expires_at=datetime.now(UTC) + EXPIRES_AFTER,
    )
    db.session.add(imported)
    db.session.flush()
    db.session.add_all(
        GiftImportRow(
            import_id=imported.id,
            number=row.number,
            cells=row.cells,
            state=RowState.WRONG.value,
            fields={},
            flaws={},
            questions=[],
            answered=[],
            is_corrected=False,
            version=0,
            refusal="",
            decided_by="",
        )
        for row in file.rows
    )
    audit.record(actor, "uploaded a file of gifts", _subject(imported), rows=len(file.rows))
    db.session.commit()
    return imported


def set_options(imported: GiftImport, options: ImportOptions, checked: Mapping[int, CheckedRow], *, version: int, actor: str) -> None:
    """Store how the file is read, and the rows as they were read so, by number. Rows that somebody corrected or decided stay as they are.

    Raises ActionRefused. Reading takes seconds, so that it comes before this, outside of a transaction.
    """
    locked = _lock(imported, version=version)
    locked.columns = {field.value: place for field, place in options.columns.items()}
    locked.day_order = options.day_order and options.day_order.value
    locked.method, locked.donor_language = options.method.value, options.donor_language
    locked.is_matchable, locked.details_unknown, locked.is_mapped = options.is_matchable, options.details_unknown, True
    locked.version += 1
    for row in gift_imports.rows_of(locked.id, OPEN):
        if not row.is_corrected and row.state != RowState.LEFT_OUT and row.number in checked:
            _store(row, checked[row.number])
    db.session.flush()
    imported_gifts.check_questions(locked)
    audit.record(actor, "chose the columns of an import", _subject(locked))
    db.session.commit()


def _store(row: GiftImportRow, checked: CheckedRow) -> None:
    row.fields, row.flaws, row.refusal = dict(checked.fields), dict(checked.flaws), ""
    row.gift = imported_gifts.stored(checked.gift) if checked.gift else None
    row.state = RowState.READY.value if checked.gift else RowState.WRONG.value
    if not checked.gift:
        row.questions, row.like_row = [], None


def correct_row(imported: GiftImport, number: int, checked: CheckedRow, *, version: int, actor: str) -> GiftImportRow:
    """Store a row as somebody corrected it. Raises ActionRefused when somebody else changed it meanwhile, or it is recorded."""
    locked = gift_imports.lock(imported.id)
    row = gift_imports.find_row(locked.id, number)
    if row is None or RowState(row.state) not in OPEN or row.version != version:
        _refuse(ActionError.ROW_HAS_CHANGED)
    assert row is not None
    _store(row, checked)
    row.questions = row.answered = [*checked.answered]
    row.is_corrected, row.version, row.decided_by = True, row.version + 1, actor
    db.session.flush()
    imported_gifts.check_questions(locked)
    audit.record(actor, "corrected a row of an import", _subject(locked), row=number)
    db.session.commit()
    return row


def decide(imported: GiftImport, *, source: RowState, target: RowState, numbers: Collection[int] | None, actor: str) -> int:
    """Leave rows of this state out, or take rows that were left out in again: those of these numbers, or all. Returns how many."""
    locked = gift_imports.lock(imported.id)
    moved = 0
    for row in gift_imports.rows_of(locked.id, (source,)):
        if numbers is None or row.number in numbers:
            is_back = source is RowState.LEFT_OUT
            row.state = (RowState.READY if row.gift else RowState.WRONG).value if is_back else target.value
            row.version, row.decided_by, moved = row.version + 1, actor, moved + 1
    db.session.flush()
    imported_gifts.check_questions(locked)
    audit.record(
        actor, "took rows into an import" if source is RowState.LEFT_OUT else "left rows out of an import", _subject(locked), rows=moved
    )
    db.session.commit()
    return moved


def accept(imported: GiftImport, questions: Collection[str], *, numbers: Collection[int] | None, actor: str) -> int:
    """Answer these questions with yes, for the rows of these numbers or for all. Who the donor is takes a choice, not a yes. Returns how many rows."""
    locked = gift_imports.lock(imported.id)
    accepted = set(questions) - {RowQuestion.WHICH_DONOR.value}
    count = 0
    for row in gift_imports.rows_of(locked.id, (RowState.DOUBTFUL,)):
        new = [question for question in row.unanswered if question in accepted]
        if new and (numbers is None or row.number in numbers):
            row.answered, row.version, row.decided_by, count = [*row.answered, *new], row.version + 1, actor, count + 1
    db.session.flush()
    imported_gifts.check_questions(locked)
    audit.record(actor, "answered questions about an import", _subject(locked), rows=count, questions=sorted(accepted))
    db.session.commit()
    return count


def confirm(imported: GiftImport, *, seen: RowCount, actor: str) -> int:
    """Queue the rows that are ready to be recorded; `seen` is what whoever confirms has seen of them. Twice, it queues nothing more.

    Returns how many. Raises ActionRefused when others are ready now.
    """
    locked = gift_imports.lock(imported.id)
    imported_gifts.check_questions(locked)  # Somebody may have recorded the same gift meanwhile.
    db.session.flush()
    ready = gift_imports.counts_of([locked.id])[locked.id].get(RowState.READY, RowCount())
    if not ready.rows:
        db.session.commit()
        return 0
    if ready != seen:
        db.session.commit()
        raise ActionRefused(ActionError.IMPORT_HAS_CHANGED)
    queued = gift_imports.move_rows(locked.id, RowState.READY, RowState.QUEUED, actor=actor)
    locked.expires_at = datetime.now(UTC) + EXPIRES_AFTER
    audit.record(actor, "confirmed an import of gifts", _subject(locked), rows=queued, cents=ready.cents)
    db.session.commit()
    return queued


def undo(imported: GiftImport, *, seen: int, reason: str, actor: str) -> int:
    """Queue all recorded rows to be undone; `seen` is how many there were on the page. Returns how many. Raises ActionRefused when there are others now."""
    locked = gift_imports.lock(imported.id)
    counts = gift_imports.counts_of([locked.id])[locked.id]
    recorded = counts.get(RowState.RECORDED, RowCount()).rows
    if counts.get(RowState.QUEUED):
        _refuse(ActionError.IMPORT_IS_UNDER_WAY)
    if not recorded and RowState.UNDOING in counts:
        db.session.rollback()
        return 0
    if recorded != seen:
        _refuse(ActionError.IMPORT_HAS_CHANGED)
    queued = gift_imports.move_rows(locked.id, RowState.RECORDED, RowState.UNDOING, actor=actor)
    locked.undo_reason = reason
    audit.record(actor, "undid an import of gifts", _subject(locked), rows=queued, reason=reason)
    db.session.commit()
    return queued


def discard(imported: GiftImport, *, actor: str) -> None:
    """Delete what was not recorded of an import. Raises ActionRefused while rows are being recorded."""
    locked = gift_imports.lock(imported.id)
    if gift_imports.counts_of([locked.id])[locked.id].keys() & {RowState.QUEUED, RowState.UNDOING}:
        _refuse(ActionError.IMPORT_IS_UNDER_WAY)
    audit.record(actor, "discarded a file of gifts", _subject(locked))
    gift_imports.delete_open(locked)
    db.session.commit()


def _lock(imported: GiftImport, *, version: int) -> GiftImport:
    locked = gift_imports.lock(imported.id)
    if locked.version != version:
        _refuse(ActionError.IMPORT_HAS_CHANGED)
    return locked


def _refuse(error: ActionError) -> None:
    db.session.rollback()
    raise ActionRefused(error)


def _subject(imported: GiftImport) -> str:
    return f"import {imported.id}"
