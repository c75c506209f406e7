"""Changes of a funder's details by staff and operators. Each commits once, with its audit row, and sends what waited for them.

Whether a funder is a registered charity decides about receipts of earlier payments too. With "yes", a second person is asked to void those that
are valid, as voiding takes two people. With "no", such requests are withdrawn, and receipts that are due are issued: also in place of those that were
voided for the "yes", which they name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.funders import payment_receipts, report_recipients
from campaign.funders.funders import Funder
from campaign.receipts import void_requests
from campaign.receipts.receipts import Receipt
from campaign.rules import business_numbers
from campaign.staff import audit, two_people
from campaign.texts.action_errors import ActionError, ActionRefused

DETAILS = ("legal_name", "address", "email", "language", "province", "is_registered_charity", "registration_number", "is_anonymous")


# The action in the audit trail; its detail has the answer about the charity.
CHANGED_DETAILS = "changed a funder's details"


@dataclass(frozen=True, kw_only=True)
class ChangedDetails:
    """The names of the details that changed, and what the answer about the charity caused.

    `to_void` are the receipts that another person is now asked to void, `not_to_void` those of which that is asked no longer, and `receipts_due` is
    how many earlier payments get one.
    """

    fields: list[str]
    to_void: list[Receipt]
    not_to_void: list[Receipt]
    receipts_due: int


@two_people.roll_back_if_refused()
def change_details(funder: Funder, details: Mapping[str, object], *, actor: str, void_reason: str) -> ChangedDetails:
    """Set these of DETAILS. Receipts that were issued do not change.

    A funder that is no registered charity has no number. The same answer again asks and issues what is still missing. `void_reason` is for the person who is asked to void the receipts of one that is.
    Raises ActionRefused when a registered charity would have no number.
    """
    db.session.refresh(funder, with_for_update={"key_share": True})
    changed = {name: value for name, value in details.items() if value != getattr(funder, name)}
    for name, value in changed.items():
        assert name in DETAILS, name
        setattr(funder, name, value)
    if not funder.is_registered_charity:
        funder.registration_number = ""
    elif {"is_registered_charity", "registration_number"} & details.keys():
        _check_number(funder.registration_number)
    db.session.flush()
    if changed:
        # The audit trail holds no personal data; the answer is no such.
        answer = {
            name: value for name, value in changed.items() if name in {"is_registered_charity", "registration_number", "is_anonymous"}
        }
        audit.record(actor, CHANGED_DETAILS, funder.name_en, fields=sorted(changed), **answer)
        payment_receipts.retry_waiting(funder)
        report_recipients.add_own_address(funder, actor=actor)
    answered = funder.is_registered_charity if "is_registered_charity" in details else None
    to_void = _request_voids(funder, actor=actor, reason=void_reason) if answered is True else []
    not_to_void = _close_void_requests(funder, actor=actor) if answered is False else []
    due = payment_receipts.enqueue_due(funder) if answered is False else 0
    db.session.commit()
    services().waker.wake("mail")
    return ChangedDetails(fields=sorted(changed), to_void=to_void, not_to_void=not_to_void, receipts_due=due)


def _request_voids(funder: Funder, *, actor: str, reason: str) -> list[Receipt]:
    """Ask that the funder's valid receipts be voided, unless somebody asks already."""
    asked = [receipt for receipt in payment_receipts.list_valid_receipts(funder) if void_requests.open_for(receipt.id) is None]
    for receipt in asked:
        void_requests.create(receipt.id, actor=actor, reason=reason, of_charity_answer=True)
        audit.record(actor, "asked to void a receipt", receipt.serial, of_charity=receipt.charity_id, reason=reason)
    return asked


def _close_void_requests(funder: Funder, *, actor: str) -> list[Receipt]:
    """Withdraw the open requests to void that the earlier answer made."""
    withdrawn = void_requests.close_of_answer(payment_receipts.list_receipt_ids(funder), actor=actor)
    still_valid = [db.session.get_one(Receipt, request.receipt_id) for request in withdrawn]
    for receipt in still_valid:
        reason = "the funder is no registered charity"
        audit.record(actor, "withdrew a request to void a receipt", receipt.serial, of_charity=receipt.charity_id, reason=reason)
    return still_valid


def _check_number(number: str) -> None:
    if not business_numbers.is_registration_number(number):
        raise ActionRefused(ActionError.REGISTRATION_NUMBER)
