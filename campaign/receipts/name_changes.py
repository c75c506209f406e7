"""Corrections of names and addresses by staff: of the same donor, or because the money is somebody else's, which takes the donor's declaration.

A person and an organization are never the same donor. A correction for the same donor keeps what they have declared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from campaign.donations import declarations
from campaign.donations.declarations import How, Statement
from campaign.donations.donations import RECEIPT_FIELDS, Donation
from campaign.edges.db import db
from campaign.receipts import receipts
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.rules.receipt_names import ReceiptNames
from campaign.texts.action_errors import ActionError

Person = Mapping[str, str | bool]


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """What has a name for receipts, a donation or the later months of a monthly gift, with the names before they are corrected.

    `donation` is the one that its declarations are recorded for. `is_declared` says that the organization's name was declared, or is on a receipt.
    """

    row: Donation | RecurringGift
    donation: Donation
    names: ReceiptNames
    is_declared: bool

    @property
    def is_renamed(self) -> bool:
        """Whether the name on its receipts has changed since."""
        return self.row.names.on_receipt != self.names.on_receipt

    @property
    def is_another_kind(self) -> bool:
        """Whether a person has taken the place of an organization, or the reverse."""
        return self.row.names.bears_organization != self.names.bears_organization


def bearers_of(donations: Sequence[Donation], gifts: Sequence[RecurringGift]) -> list[Bearer]:
    """The donations and the later months of the gifts, before they are corrected."""
    later = [_bearer(gift, db.session.get_one(Donation, gift.donation_id)) for gift in gifts]
    return [*(_bearer(donation, donation) for donation in donations), *later]


def _bearer(row: Donation | RecurringGift, donation: Donation) -> Bearer:
    names, receipt = row.names, receipts.receipt_of(donation.id)
    is_on_receipt = receipt is not None and receipt.content["donor_name"] == names.organization
    is_declared = names.bears_organization and (is_on_receipt or declarations.is_declared_for(donation, names.organization))
    return Bearer(row=row, donation=donation, names=names, is_declared=is_declared)


def why_refused(bearers: Sequence[Bearer], *, is_same_donor: bool, statement: Statement | None) -> ActionError | None:
    """Why the names may not be as they are now, after they were corrected: nothing says why they changed, or it cannot be so."""
    renamed = [bearer for bearer in bearers if bearer.is_renamed]
    if not renamed or statement is not None:
        return None
    if not is_same_donor:
        return ActionError.NAME_IS_UNEXPLAINED
    return ActionError.NOT_SAME_DONOR if any(bearer.is_another_kind for bearer in renamed) else None


def record_statement(bearers: Iterable[Bearer], statement: Statement) -> None:
    """Record the donor's declaration for all of them, under the name that their receipts bear now."""
    for donation_id, name in sorted({(bearer.donation.id, bearer.row.names.on_receipt) for bearer in bearers}):
        declarations.record(statement, [donation_id], name)


def extend_declarations(bearers: Iterable[Bearer], *, actor: str, reason: str) -> None:
    """Let what was declared under a name hold under the corrected one."""
    for bearer in bearers:
        if bearer.is_renamed and bearer.is_declared and bearer.row.names.bears_organization:
            carried = Statement(how=How.SAME_DONOR, words=reason, language=bearer.donation.language, recorded_by=actor)
            record_statement([bearer], carried)


def update_person(donation: Donation, person: Person) -> list[str]:
    """Update the name and address. Returns the names of the fields that changed: the audit trail holds no personal data."""
    changed = [field for field in RECEIPT_FIELDS if field in person and getattr(donation, field) != person[field]]
    for field in changed:
        setattr(donation, field, person[field])
    db.session.flush()
    return changed
