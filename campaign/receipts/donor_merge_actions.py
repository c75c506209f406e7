"""Merging two donors who are one person, and separating them again. Each action commits once, together with its audit row."""

from collections.abc import Iterable

from sqlalchemy import func, update

from campaign.donations import donor_merges
from campaign.donations.donations import Donation, latest_with_email
from campaign.donations.donor_merges import NotMergeable
from campaign.donations.donors import ANNUAL, PER_DONATION, Donor, DonorMerge
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching import effects
from campaign.matching.holds import FreedBy
from campaign.matching.rematching import QueuedDonation, RematchingSession, lock_match_session
from campaign.outbox import messages
from campaign.receipts import lifecycle, posted_receipts
from campaign.recurring import contact_actions, contacts, page_links
from campaign.staff import audit


def merge(primary_id: int, merged_id: int, *, actor: str, reason: str) -> DonorMerge:
    """Merge a donor into the one who is kept, with their donations, monthly gifts, counts and caps. Raises NotMergeable.

    Matches stay as they are, also where both together have more than the cap of one donor: nobody loses a match. Running monthly gifts and mail go
    to the address that is kept.
    """
    _lock_campaigns_of(primary_id, merged_id)
    primary, merged = donor_merges.lock_donors(primary_id, merged_id)
    try:
        created = donor_merges.create(primary, merged, actor=actor, reason=reason)
    except NotMergeable:
        db.session.rollback()
        raise
    waiting = posted_receipts.list_waiting_gifts([primary_id, merged_id])
    _move(created, primary, merged)
    db.session.flush()
    for gift in waiting:
        if gift.email:  # Its receipt waited to be posted, and is no longer on the list.
            messages.enqueue_receipt_copy(gift)
    audit.record(actor, "merged two donors", _name(primary_id), merged=_name(merged_id), reason=reason)
    if merged.receipt_preference == ANNUAL and primary.receipt_preference == PER_DONATION:
        _enqueue_receipts(primary.id)
    db.session.commit()
    services().waker.wake("mail")
    return created


def _move(created: DonorMerge, primary: Donor, merged: Donor) -> None:
    gifts = contacts.running_gifts_of(merged.id)
    donor_merges.move_donations(created, primary, merged)
    for gift in gifts:
        if primary.email and gift.email.casefold() == merged.email:
            gift.email = primary.email
    capped = update(QueuedDonation).where(QueuedDonation.capped_donor_id == merged.id).values(capped_donor_id=primary.id)
    db.session.execute(capped, execution_options={"synchronize_session": False})


def undo(merge_id: int, *, actor: str) -> bool:
    """Separate two donors again; what a cap for one donor had kept from the two is matched. Returns False when that was done before."""
    found = db.session.get_one(DonorMerge, merge_id)
    session = _lock_campaigns_of(found.primary_donor_id, found.merged_donor_id)
    primary, merged = donor_merges.lock_donors(found.primary_donor_id, found.merged_donor_id)
    db.session.refresh(found)
    if found.undone_at is not None:
        db.session.rollback()
        return False
    found.undone_by, found.undone_at = actor, func.now()
    db.session.flush()
    moved = donor_merges.move_back(found, primary, merged)
    for gift in contacts.running_gifts_of(merged.id):
        if merged.email and gift.email.casefold() == primary.email:
            gift.email = merged.email
    _rematch(session, primary.id, moved)
    audit.record(actor, "separated two donors", _name(primary.id), merged=_name(merged.id))
    for donor in (primary, merged):  # Each has had links to gifts of the other by mail.
        _renew_links(donor)
    if primary.receipt_preference == ANNUAL and merged.receipt_preference == PER_DONATION:
        _enqueue_receipts(merged.id)
    db.session.commit()
    services().waker.wake("mail")
    return True


def move_strays() -> int:
    """Move the donations that came to merged donors while these were being merged. Returns the number of merges that had any."""
    count = 0
    while found := donor_merges.find_stray():
        _lock_campaigns_of(found.primary_donor_id, found.merged_donor_id)
        primary, merged = donor_merges.lock_donors(found.primary_donor_id, found.merged_donor_id)
        db.session.refresh(found)
        if found.undone_at is None:
            _move(found, primary, merged)
        db.session.commit()
        count += 1
    return count


def _lock_campaigns_of(*donor_ids: int) -> RematchingSession:
    """Lock what the match of these donors depends on, in the order of all transactions: campaigns, then donations, then donors."""
    campaigns = db.session.query(Donation.campaign_id).where(Donation.donor_id.in_(donor_ids)).distinct()
    session = lock_match_session(sorted(campaign_id for (campaign_id,) in campaigns))
    for donor_id in sorted(donor_ids):
        donor_merges.lock_donations_of(donor_id)
    return session


def _rematch(session: RematchingSession, primary_id: int, moved: Iterable[Donation]) -> None:
    campaigns = sorted({donation.campaign_id for donation in moved})
    rematched = [session.rematch_freed(campaign_id, FreedBy.SEPARATED, of_donor=primary_id) for campaign_id in campaigns]
    effects.apply_effects(session, [effects.NO_EFFECTS.with_rematched(each) for each in rematched])


def _renew_links(donor: Donor) -> None:
    page_links.renew_links(donor.id)
    contact_actions.enqueue_new_links(latest_with_email(donor.id))


def _enqueue_receipts(donor_id: int) -> None:
    """Donations that waited for an annual receipt get their own now."""
    for waiting in lifecycle.donations_without_receipt(donor_id):
        messages.enqueue_receipt_copy(waiting)


def _name(donor_id: int) -> str:
    return f"donor {donor_id}"
