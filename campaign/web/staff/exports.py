"""What staff export, in the audit trail and the log: who, what and when, and nothing of the donors in it."""

import structlog
from flask_security import current_user

from campaign.edges.db import db
from campaign.staff import audit

log = structlog.get_logger()


def record_export(document: str, subject: str) -> None:
    """Commit that the member exports this document. `subject` is a year, a serial number or a public id."""
    audit.record(current_user.email, "exported", subject, document=document)
    db.session.commit()
    log.info("security.export", staff=current_user.id, document=document, subject=subject)
