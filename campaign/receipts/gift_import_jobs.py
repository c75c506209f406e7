"""Jobs that record the rows of confirmed imports, and undo them: each row in a transaction of its own, through the operation of the form for one gift.

A job that is ended in the middle goes on where it was: the row that was recorded last is found by its attempt.
"""

from datetime import UTC, datetime

import structlog

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.payments import checkouts
from campaign.payments.offline_gifts import GiftState, ReversalDetails
from campaign.receipts import gift_imports, imported_gifts, offline_gift_actions
from campaign.receipts.gift_imports import GiftImport, GiftImportRow, RowState
from campaign.receipts.imported_gifts import RowQuestion
from campaign.receipts.offline_gift_actions import DonorUnclear, GiftDoubtful
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.texts.action_errors import ActionRefused

log = structlog.get_logger()


def handle_imports() -> int:
    """Record and undo the rows that wait for it, of all imports. Returns how many."""
    count, after = 0, (0, 0)
    while row := gift_imports.next_under_way(after=after):
        after, count = (row.import_id, row.number), count + 1
        if row.state == RowState.QUEUED:
            _record(row)
        else:
            _undo(row)
    db.session.rollback()
    if count:
        log.info("imports.handled", rows=count)
    return count


def _record(row: GiftImportRow) -> None:
    """Record the row. What is to be asked or corrected after all returns to the page, with its reason."""
    attempt, imported = f"offline:{row.attempt}", db.session.get_one(GiftImport, row.import_id)
    if checkouts.has_begun(attempt):  # The job was ended between the gift and its row.
        _finish(row, RowState.RECORDED, donation=checkouts.donation_by_attempt(attempt))
        return
    gift = imported_gifts.typed_gift_of(row)
    try:
        try:
            donation = offline_gift_actions.record(imported.campaign, gift, livemode=_is_live(), actor=row.decided_by)
        except DonorUnclear as unclear:
            donor_id = _donor_of_file(row, unclear)
            if donor_id is None:
                raise
            db.session.rollback()
            gift = imported_gifts.typed_gift_of(row, donor_id=donor_id)
            donation = offline_gift_actions.record(imported.campaign, gift, livemode=_is_live(), actor=row.decided_by)
    except GiftDoubtful as doubtful:
        _reopen(row, [*row.questions, *(question.value for question in doubtful.questions)])
    except DonorUnclear:
        _reopen(row, [*row.questions, RowQuestion.WHICH_DONOR.value])
    except ActionRefused as refused:
        _finish(row, RowState.WRONG, refusal=refused.refusal.value)
    else:
        _finish(row, RowState.RECORDED, donation=donation)


def _donor_of_file(row: GiftImportRow, unclear: DonorUnclear) -> int | None:
    """The donor of a row that resembles donors who are new since the preview: the one with the same whole name, or a new one.

    None when one of them is not of this file, so that somebody has to say which it is.
    """
    assert row.gift is not None
    if donor_id := imported_gifts.same_person(unclear.latest, row.gift["details"]):
        return donor_id
    sources = [gift_imports.import_of(gift.id) for gift in unclear.latest]
    return 0 if all(source is not None and source.import_id == row.import_id for source in sources) else None


def _reopen(row: GiftImportRow, questions: list[str]) -> None:
    db.session.rollback()
    row.questions, row.state, row.version = list(dict.fromkeys(questions)), RowState.DOUBTFUL.value, row.version + 1
    row.answered = [question for question in row.answered if question not in questions]
    db.session.commit()


def _undo(row: GiftImportRow) -> None:
    """Undo the gift as staff undo one: without a trace while it has no receipt and was not taken to the bank, else as recorded by mistake."""
    assert row.donation_id is not None
    donation = db.session.get_one(Donation, row.donation_id, populate_existing=True)
    reason = db.session.get_one(GiftImport, row.import_id, populate_existing=True).undo_reason
    try:
        match offline_gift_actions.state_of(donation):
            case GiftState.REVERSED:
                pass
            case GiftState.UNDOABLE:
                offline_gift_actions.undo(donation, actor=row.decided_by)
            case GiftState.COUNTS:
                details = ReversalDetails(
                    kind=OfflineReversalKind.MISTAKE,
                    cents=donation.net_cents,
                    reversed_on=donation.campaign.charity.local(datetime.now(UTC)).date(),
                    reference="",
                    reason=reason,
                )
                offline_gift_actions.record_reversal(donation, details, actor=row.decided_by)
    except ActionRefused as refused:
        _finish(row, RowState.RECORDED, donation=donation, refusal=refused.refusal.value)
    else:
        _finish(row, RowState.UNDONE, donation=donation)


def _finish(row: GiftImportRow, state: RowState, *, donation: Donation | None = None, refusal: str = "") -> None:
    row.state, row.refusal, row.version = state.value, refusal, row.version + 1
    row.donation_id = donation.id if donation else None
    db.session.commit()


def _is_live() -> bool:
    return not services().settings.is_sandbox


def delete_expired() -> int:
    """Delete what was not recorded of imports whose time is over, and the personal data of what was. Returns of how many."""
    expired = gift_imports.list_expired(datetime.now(UTC))
    for import_id in expired:
        gift_imports.delete_open(gift_imports.lock(import_id))
        db.session.commit()
    db.session.rollback()
    return len(expired)
