"""Notes of staff about a donor or a donation, for staff alone: no page, email or document of a donor shows them.

A note is not changed: another one takes its place, and both stay. One that is taken back is marked, and shown no longer.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, any_, exists, func, literal_column, or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, aliased, mapped_column

from campaign.donations.donations import Donation
from campaign.donations.donors import Donor
from campaign.edges.db import Base, db

LONGEST_NOTE = 4000


class StaffNote(Base):
    """One note, about a donor or about a donation, by the member with the address `author`. `replaces_id` is the note whose place it takes.

    It is personal data of the donor: an export for the donor includes all notes about them and their donations, replaced and removed ones too, and
    an erasure deletes them.
    """

    __tablename__ = "staff_note"
    __table_args__ = (
        CheckConstraint("num_nonnulls(donor_id, donation_id) = 1", name="note_is_about_one"),
        CheckConstraint("num_nonnulls(removed_at, removed_by) <> 1", name="removed_note_names_who"),
        Index("ix_staff_note_words", text("search_words(text, ''::text)"), postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    donor_id: Mapped[int | None] = mapped_column(ForeignKey("donor.id"), index=True)
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    text: Mapped[str]
    author: Mapped[str]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("staff_note.id"), unique=True)
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[str | None]

    @property
    def subject(self) -> int:
        """The id of the donor or the donation that it is about."""
        return self.donor_id or self.donation_id or 0


class NoteHasChanged(Exception):
    """Somebody has replaced or removed the note; `note` is the one in its place, or itself if it was removed."""

    def __init__(self, note: StaffNote) -> None:
        super().__init__(f"note {note.id}")
        self.note = note


def add_note(about: Donor | Donation, note: str, *, author: str) -> StaffNote:
    """Add a note about a donor or a donation."""
    of = {"donor_id": about.id} if isinstance(about, Donor) else {"donation_id": about.id}
    added = StaffNote(text=note, author=author, **of)
    db.session.add(added)
    db.session.flush()
    return added


def replace_note(note: StaffNote, by: str, *, author: str) -> StaffNote:
    """Put another note in the place of this one. Raises NoteHasChanged when somebody else was first."""
    locked = _lock_current(note)
    added = StaffNote(text=by, author=author, replaces_id=locked.id, donor_id=locked.donor_id, donation_id=locked.donation_id)
    try:
        with db.session.begin_nested():
            db.session.add(added)
            db.session.flush()
    except IntegrityError:  # Replaced between the two statements.
        raise NoteHasChanged(_last_of(locked)) from None
    return added


def remove_note(note: StaffNote, *, author: str) -> None:
    """Mark the note as removed. Raises NoteHasChanged when somebody else has replaced or removed it."""
    locked = _lock_current(note)
    locked.removed_at, locked.removed_by = func.now(), author
    db.session.flush()


def _lock_current(note: StaffNote) -> StaffNote:
    locked = db.session.get_one(StaffNote, note.id, with_for_update=True, populate_existing=True)
    last = _last_of(locked)
    if last.id != locked.id or locked.removed_at is not None:
        raise NoteHasChanged(last)
    return locked


def _last_of(note: StaffNote) -> StaffNote:
    while later := db.session.scalar(select(StaffNote).where(StaffNote.replaces_id == note.id)):
        note = later
    return note


def notes_about_donor(donor_ids: Collection[int], *, limit: int) -> list[StaffNote]:
    """The current notes about these donors, who are one person, and about their donations, the latest first."""
    # As an array, which an index finds: as a subquery beside the other condition, all notes would be read.
    own = func.array(select(Donation.id).where(Donation.donor_id.in_(donor_ids)).scalar_subquery())
    return _list(_current().where(or_(StaffNote.donor_id.in_(donor_ids), StaffNote.donation_id == any_(own))), limit)


def notes_about_donation(donation_id: int, *, limit: int) -> list[StaffNote]:
    """The current notes about the donation, the latest first."""
    return _list(_current().where(StaffNote.donation_id == donation_id), limit)


def earlier_notes(notes: Sequence[StaffNote]) -> dict[int, list[StaffNote]]:
    """The notes that each of these has replaced, directly or through others, by its id, the latest first."""
    found: dict[int, list[StaffNote]] = {note.id: [] for note in notes}
    of = {note.replaces_id: note.id for note in notes if note.replaces_id}
    while of:
        rows = list(db.session.scalars(select(StaffNote).where(StaffNote.id.in_(of))))
        for row in rows:
            found[of[row.id]].append(row)
        of = {row.replaces_id: of[row.id] for row in rows if row.replaces_id}
    return found


def find_notes(query: object, *, limit: int) -> list[StaffNote]:
    """The current notes whose words match this text search query, the latest first."""
    return _list(_current().where(func.search_words(StaffNote.text, literal_column("''")).bool_op("@@")(query)), limit)


def find_note(note_id: int) -> StaffNote | None:
    """The note with this id."""
    return db.session.get(StaffNote, note_id)


def _current() -> Select[StaffNote]:
    later = aliased(StaffNote)
    return select(StaffNote).where(StaffNote.removed_at.is_(None), StaffNote.text != "", ~exists().where(later.replaces_id == StaffNote.id))


def _list(query: Select[StaffNote], limit: int) -> list[StaffNote]:
    return list(db.session.scalars(query.order_by(StaffNote.id.desc()).limit(limit)))
