"""What follows when a member's way to sign in changes: their other sessions end, and the audit trail, the log and the member are notified."""

import structlog
from flask import session

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import messages
from campaign.staff import audit, sessions
from campaign.staff.factor_changes import FactorChange
from campaign.staff.members import Staff

log = structlog.get_logger()

ACTIONS = {
    FactorChange.PASSWORD: "chose a password",
    FactorChange.ONE_TIME_CODES: "set up an authenticator app",
    FactorChange.PASSKEY_ADDED: "added a passkey",
    FactorChange.PASSKEY_REMOVED: "removed a passkey",
    FactorChange.RECOVERY_CODES: "made new recovery codes",
    FactorChange.RECOVERY_CODE_USED: "used a recovery code",
}


def report_change(member: Staff, change: FactorChange) -> None:
    """Commit a change of password or factor, which ends the member's sessions, but for the one in which it was made."""
    sessions.end_all(member.id, except_token=session.get(sessions.COOKIE_KEY, ""))
    _report(member, change)


def report_recovery(member: Staff, *, codes_left: int) -> None:
    """Commit the use of a recovery code."""
    _report(member, FactorChange.RECOVERY_CODE_USED, codes_left=codes_left)


def _report(member: Staff, change: FactorChange, **detail: object) -> None:
    audit.record(member.email, ACTIONS[change], member.email, **detail)
    messages.enqueue_factor_change(member.id, change)
    db.session.commit()
    log.info("security.factor_changed", staff=member.id, change=change)
    services().waker.wake("mail")
