"""Closes and reopens months, each with its row in the audit trail. Closing refuses no later fact: what comes late shows as a difference."""

from datetime import UTC, date, datetime

from sqlalchemy.exc import IntegrityError

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.reporting import closed_months, month_checks, months
from campaign.reporting.closed_months import ClosedMonth
from campaign.rules.fiscal_years import Period
from campaign.rules.months import month_of
from campaign.staff import audit
from campaign.texts.action_errors import ActionError, ActionRefused


class FiguresChanged(Exception):
    """The month has other figures than those that the member has seen."""


def close_month(charity: Charity, first_on: date, *, reason: str, seen: str, actor: str) -> ClosedMonth:
    """Close the month with its figures, as the books are in one moment; `seen` is the digest of those that the member saw.

    Raises ActionRefused for a month that is not over or is closed, and for one with an open check when there is no reason; FiguresChanged.
    """
    month = month_of(first_on)
    if month.last_on >= charity.local(datetime.now(UTC)).date():
        raise ActionRefused(ActionError.MONTH_IS_NOT_OVER)
    db.session.commit()
    # Figures and the ends of the chains are read from one snapshot, whatever is posted meanwhile.
    db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    try:
        closed = _close(charity, month, reason=reason, seen=seen, actor=actor)
    except IntegrityError:
        db.session.rollback()
        raise ActionRefused(ActionError.MONTH_IS_CLOSED) from None
    except (ActionRefused, FiguresChanged):
        db.session.rollback()
        raise
    db.session.commit()
    return closed


def _close(charity: Charity, month: Period, *, reason: str, seen: str, actor: str) -> ClosedMonth:
    figures = months.figures_of(charity, month)
    checks = month_checks.check_month(charity, month, figures)
    if figures.digest != seen:
        raise FiguresChanged
    if not reason and any(checked.stops for checked in checks):
        raise ActionRefused(ActionError.MONTH_NEEDS_REASON)
    closed = closed_months.store(charity, month.first_on, figures.as_json(), reason=reason, actor=actor)
    open_checks = {checked.check.value: checked.count for checked in checks if checked.count}
    audit.record(
        actor,
        "closed a month",
        f"{month.first_on:%Y-%m}",
        of_charity=charity.id,
        reason=reason,
        figures=figures.as_json(),
        open=open_checks,
    )
    return closed


def reopen_month(charity: Charity, first_on: date, *, reason: str, actor: str) -> None:
    """Reopen the month. Raises ActionRefused when it is not closed."""
    closed = closed_months.lock_closing(charity, first_on)
    if closed is None:
        db.session.rollback()
        raise ActionRefused(ActionError.MONTH_IS_OPEN)
    closed_months.reopen(closed, reason=reason, actor=actor)
    audit.record(actor, "reopened a month", f"{first_on:%Y-%m}", of_charity=charity.id, reason=reason, closed_by=closed.closed_by)
    db.session.commit()
