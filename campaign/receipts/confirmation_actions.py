"""Confirming a charity's details, which sends the receipts that wait. It commits once, together with its audit row."""

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import waiting_receipts
from campaign.receipts import charity_confirmations
from campaign.receipts.charity_confirmations import DetailsNotReal
from campaign.receipts.completeness import CONFIRMATION
from campaign.staff import audit


class SampleNotOpened(Exception):
    """Nobody opened the sample that is confirmed, in these languages."""

    def __init__(self, languages: list[str]) -> None:
        super().__init__(", ".join(languages))
        self.languages = languages


class SampleIsStale(Exception):
    """The sample that was opened has other details than the charity has now."""


class AlreadyConfirmed(Exception):
    """Somebody has confirmed these details already."""


def confirm(charity: Charity, *, sample: str, actor: str, opened_by: str) -> int:
    """Confirm the details of which `opened_by` has opened samples with this fingerprint. Returns how many receipts that waited are sent now.

    Raises DetailsNotReal, AlreadyConfirmed, SampleIsStale and SampleNotOpened.
    """
    db.session.refresh(charity, with_for_update={"key_share": True})
    try:
        _check_confirmable(charity, sample=sample, opened_by=opened_by)
    except Exception:
        db.session.rollback()
        raise
    confirmation = charity_confirmations.confirm(charity, actor=actor, opened_by=opened_by)
    audit.record(actor, "confirmed the charity's details", charity.legal_name, fingerprint=confirmation.fingerprint)
    woken = waiting_receipts.wake_for(CONFIRMATION, charity)
    db.session.commit()
    services().waker.wake("mail")
    return woken


def _check_confirmable(charity: Charity, *, sample: str, opened_by: str) -> None:
    if findings := charity_confirmations.findings_of(charity):
        raise DetailsNotReal(findings)
    if charity.confirmed_at is not None:
        raise AlreadyConfirmed
    unopened = charity_confirmations.unopened_languages(charity, opened_by=opened_by)
    is_current = sample == charity_confirmations.fingerprint_of(charity)
    if not is_current or charity_confirmations.has_opened_any(charity, unopened, opened_by=opened_by):
        raise SampleIsStale
    if unopened:
        raise SampleNotOpened(unopened)
