"""Recipients of reports and what they choose, by themselves, their funder or staff. Each commits once, with its audit row."""

from collections.abc import Collection

from campaign.edges.db import db
from campaign.funders import report_recipients
from campaign.funders.funders import Funder
from campaign.funders.report_recipients import MOST_RECIPIENTS, ReportRecipient, Sending
from campaign.rules.report_schedule import ReportKind
from campaign.staff import audit, two_people
from campaign.texts.action_errors import ActionError, ActionRefused


@two_people.roll_back_if_refused()
def add(funder: Funder, *, email: str, language: str, kinds: Collection[ReportKind], actor: str) -> ReportRecipient:
    """Add a recipient. Raises ActionRefused for an address that is there already, and beyond MOST_RECIPIENTS."""
    db.session.refresh(funder, with_for_update={"key_share": True})
    if len(report_recipients.recipients_of(funder.id)) >= MOST_RECIPIENTS:
        raise ActionRefused(ActionError.TOO_MANY_RECIPIENTS)
    if report_recipients.find_recipient(funder.id, email):
        raise ActionRefused(ActionError.RECIPIENT_IS_KNOWN)
    recipient = report_recipients.add_recipient(funder, email=email, language=language, kinds=kinds, actor=actor)
    # The audit trail holds no personal data: the address is in the row.
    audit.record(actor, "added a recipient of reports", funder.name_en, recipient=recipient.id, kinds=sorted(kinds))
    db.session.commit()
    return recipient


def choose(recipient: ReportRecipient, *, kinds: Collection[ReportKind], sending: Sending, actor: str) -> bool:
    """Change what the recipient gets. Returns False when that is so already."""
    funder = db.session.get_one(Funder, recipient.funder_id)
    db.session.refresh(funder, with_for_update={"key_share": True})  # The service changes no recipient, so it cannot lock one.
    before = report_recipients.choice_of(recipient)
    if (set(before.kinds), before.sending) == (set(kinds), sending):
        db.session.rollback()
        return False
    report_recipients.add_choice(recipient, kinds=kinds, sending=sending, actor=actor)
    audit.record(actor, "chose reports of a funder", funder.name_en, recipient=recipient.id, kinds=sorted(kinds), sending=sending)
    db.session.commit()
    return True
