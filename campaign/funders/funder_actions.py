"""Changes of a funder's details by staff and operators. Each commits once, with its audit row, and sends what waited for them."""

from collections.abc import Mapping

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.funders import payment_receipts
from campaign.funders.funders import Funder
from campaign.rules import business_numbers
from campaign.staff import audit, two_people
from campaign.texts.action_errors import ActionError, ActionRefused

DETAILS = ("legal_name", "address", "email", "language", "province", "is_registered_charity", "registration_number")


@two_people.roll_back_if_refused()
def change_details(funder: Funder, details: Mapping[str, object], *, actor: str) -> list[str]:
    """Set these of DETAILS, and return the names of those that changed. Receipts that were issued do not change.

    A funder that is no registered charity has no number. Raises ActionRefused when a registered charity would have none.
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
    if changed:
        # The audit trail holds no personal data; the answer is no such.
        answer = {name: value for name, value in changed.items() if name in {"is_registered_charity", "registration_number"}}
        audit.record(actor, "changed a funder's details", funder.name_en, fields=sorted(changed), **answer)
        payment_receipts.retry_waiting(funder)
    db.session.commit()
    services().waker.wake("mail")
    return sorted(changed)


def _check_number(number: str) -> None:
    if not business_numbers.is_registration_number(number):
        raise ActionRefused(ActionError.REGISTRATION_NUMBER)
