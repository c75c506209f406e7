"""Actions of staff on information returns: close one as filed or not needed, and reopen it. Each commits once, together with its audit row."""

from datetime import UTC, date, datetime

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.receipts import information_returns, reported_reversals
from campaign.receipts.information_returns import Filing, InformationReturn
from campaign.receipts.receipts import Receipt
from campaign.staff import audit
from campaign.texts.action_errors import ActionError, ActionRefused


def close(task_id: int, filing: Filing | None, *, actor: str, note: str) -> bool:
    """Close an information return as filed, or as not needed for the reason in `note`. Returns False when it is closed already.

    Raises ActionRefused when it cannot have been filed on that day.
    """
    task = information_returns.get(task_id)
    if task is not None and filing is not None and not task.returned_on <= filing.on <= _today(task):
        raise ActionRefused(ActionError.FILING_DAY)
    closed = information_returns.close(task_id, filing, actor=actor, note=note)
    if closed is not None:
        filed = {"filed_on": filing.on.isoformat(), "how": filing.method.value} if filing else {}
        action = "filed an information return" if filing else "closed an information return as not needed"
        audit.record(actor, action, _subject(task_id), of_charity=_charity_of(closed).id, **filed, note=note)
    db.session.commit()
    return closed is not None


def _today(task: InformationReturn) -> date:
    return _charity_of(task).local(datetime.now(UTC)).date()


def _charity_of(task: InformationReturn) -> Charity:
    return db.session.get_one(Charity, db.session.get_one(Receipt, task.receipt_id).charity_id)


def reopen(task_id: int, *, actor: str) -> None:
    """Reopen an information return that was closed.

    Raises ActionRefused when it is not closed, or $50 or less of its gift is still returned.
    """
    task = information_returns.reopen(task_id)
    refusal = None
    if task is None:
        refusal = ActionError.RETURN_IS_OPEN
    elif not reported_reversals.is_to_be_filed(task):
        refusal = ActionError.RETURN_CAME_BACK if reported_reversals.returned_cents(task) <= 0 else ActionError.RETURN_TOO_SMALL
    if refusal:
        db.session.rollback()
        raise ActionRefused(refusal)
    assert task is not None
    audit.record(actor, "reopened an information return", _subject(task_id), of_charity=_charity_of(task).id)
    db.session.commit()


def _subject(task_id: int) -> str:
    return f"information return {task_id}"
