"""Confirming a charity's details. The action commits once, together with its audit row, and sends the receipts that wait for it."""

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import waiting_receipts
from campaign.receipts import charity_confirmations
from campaign.receipts.completeness import CONFIRMATION
from campaign.rules.charity_details import Finding
from campaign.staff import audit


class DetailsNotReal(Exception):
    """Details are not real; `findings` says which, and why."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(", ".join(f"{finding.detail}: {finding.problem}" for finding in findings))
        self.findings = findings


class SampleIsStale(Exception):
    """The sample that was confirmed has other details than the charity has now."""


def confirm(charity: Charity, *, sample: str, actor: str) -> int:
    """Confirm the details for which the sample with this fingerprint was made. Returns how many receipts that waited are sent now.

    Raises DetailsNotReal and SampleIsStale.
    """
    db.session.refresh(charity, with_for_update={"key_share": True})
    findings, current = charity_confirmations.findings_of(charity), charity_confirmations.fingerprint_of(charity)
    if findings or sample != current:
        db.session.rollback()
        raise DetailsNotReal(findings) if findings else SampleIsStale
    charity_confirmations.confirm(charity, actor=actor)
    audit.record(actor, "confirmed the charity's details", charity.legal_name, fingerprint=current)
    woken = waiting_receipts.wake_for(CONFIRMATION)
    db.session.commit()
    services().waker.wake("mail")
    return woken
