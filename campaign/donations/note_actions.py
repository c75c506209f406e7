"""Notes of staff: added, replaced and removed. Each action commits once, with its audit row, which says nothing of what the note says."""

from campaign.donations import staff_notes
from campaign.donations.donations import Donation
from campaign.donations.donors import Donor
from campaign.donations.staff_notes import NoteHasChanged, StaffNote
from campaign.edges.db import db
from campaign.staff import audit


def add(about: Donor | Donation, note: str, *, actor: str) -> StaffNote:
    """Add a note about a donor or a donation."""
    added = staff_notes.add_note(about, note, author=actor)
    audit.record(actor, "added a note", subject_of(added))
    db.session.commit()
    return added


def replace(note: StaffNote, by: str, *, actor: str) -> StaffNote:
    """Put another note in its place. Raises NoteHasChanged."""
    try:
        added = staff_notes.replace_note(note, by, author=actor)
    except NoteHasChanged:
        db.session.rollback()
        raise
    audit.record(actor, "changed a note", subject_of(added))
    db.session.commit()
    return added


def remove(note: StaffNote, *, actor: str) -> None:
    """Mark the note as removed. Raises NoteHasChanged."""
    try:
        staff_notes.remove_note(note, author=actor)
    except NoteHasChanged:
        db.session.rollback()
        raise
    audit.record(actor, "removed a note", subject_of(note))
    db.session.commit()


def subject_of(note: StaffNote) -> str:
    """What the audit trail calls whatever the note is about."""
    return f"donor {note.donor_id}" if note.donor_id else db.session.get_one(Donation, note.donation_id).public_id
