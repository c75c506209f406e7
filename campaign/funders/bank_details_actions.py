"""Changing a charity's bank details: one action, which commits with its audit row, and after which all administrators are notified by mail.

Changed bank details are how money is stolen. docs/security.md says what holds that.
"""

from campaign.campaigns import bank_details
from campaign.campaigns.bank_details import BankDetails
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import enqueue_notice
from campaign.rules.bank_details import FIELDS, BankAccount, flaws_of
from campaign.staff import audit
from campaign.staff.members import list_admins


class BankDetailsHaveChanged(Exception):
    """Somebody has changed the details since they were read."""


def change(charity: Charity, account: BankAccount, *, seen_id: int, actor: str) -> bool:
    """Set the details; returns whether anything changed. `seen_id` is the id of those that the form showed, 0 for none. Raises BankDetailsHaveChanged.

    The audit trail names the fields and the last digits: whole numbers are only on calls.
    """
    assert not flaws_of(account), account
    db.session.refresh(charity, with_for_update={"key_share": True})
    before = bank_details.details_of(charity)
    if (before.id if before else 0) != seen_id:
        db.session.rollback()
        raise BankDetailsHaveChanged
    if before is not None and before.account == account:
        db.session.rollback()
        return False
    changed = [name for name in FIELDS if getattr(account, name) != (getattr(before, name) if before else "")]
    details = BankDetails(charity_id=charity.id, changed_by=actor, **vars(account))
    db.session.add(details)
    db.session.flush()
    ends = {"account_before": before.account.last_digits if before else "", "account_after": account.last_digits}
    audit.record(actor, "changed the bank details", charity.legal_name, fields=changed, **ends)
    for member in list_admins():
        enqueue_notice(MessageKind.BANK_DETAILS_CHANGED, f"{details.id}:{member.id}", staff_id=member.id, bank_details_id=details.id)
    db.session.commit()
    services().waker.wake("mail")
    return True
