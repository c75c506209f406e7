"""Confirming a charity's details, and changing its logo. Each action commits once, together with its audit row; confirming sends what waits."""

from campaign.campaigns.charities import Charity
from campaign.edges import pictures
from campaign.edges.db import db
from campaign.edges.pdf import RenderingFailed
from campaign.edges.services import services
from campaign.outbox import waiting_receipts
from campaign.receipts import charity_confirmations, printed_pictures, render_jobs
from campaign.receipts.completeness import CONFIRMATION
from campaign.receipts.printed_pictures import Logo
from campaign.receipts.render_jobs import Pictures
from campaign.rules.charity_details import Finding
from campaign.rules.pictures import PictureFlaw
from campaign.staff import audit


class DetailsNotReal(Exception):
    """Details are not real; `findings` says which, and why."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(", ".join(f"{finding.detail}: {finding.problem}" for finding in findings))
        self.findings = findings


class SampleNotOpened(Exception):
    """Nobody opened the sample that is confirmed, in these languages."""

    def __init__(self, languages: list[str]) -> None:
        super().__init__(", ".join(languages))
        self.languages = languages


class SampleIsStale(Exception):
    """The sample that was opened has other details than the charity has now."""


class AlreadyConfirmed(Exception):
    """Somebody has confirmed these details already."""


class PictureRefused(Exception):
    """The picture cannot be printed on receipts, because of `flaw`."""

    def __init__(self, flaw: PictureFlaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


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
    woken = waiting_receipts.wake_for(CONFIRMATION)
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


def change_logo(charity: Charity, png: bytes | None, *, actor: str) -> None:
    """Print this logo on receipts from now on, or none: the details are then to be confirmed again. Raises PictureRefused."""
    if png is not None:
        check_picture(charity, Pictures(logo=png))
    charity.logo = printed_pictures.store(Logo, png) if png is not None else None
    audit.record(actor, "changed the charity's details", charity.legal_name, fields=["logo"])
    db.session.commit()


def check_picture(charity: Charity, printed: Pictures) -> None:
    """Render a receipt with the picture, so that one that cannot be printed is refused now. Raises PictureRefused."""
    if flaw := pictures.flaw_of(printed.logo or printed.signature):
        raise PictureRefused(flaw)
    try:
        render_jobs.check_pictures(charity, printed)
    except RenderingFailed:
        raise PictureRefused(PictureFlaw.UNREADABLE) from None
