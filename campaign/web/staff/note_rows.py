"""Notes of staff, formatted for the pages of donors and donations."""

from collections.abc import Sequence
from typing import Any

from campaign.campaigns.charities import Charity
from campaign.donations import staff_notes
from campaign.donations.donations import donations_by_id
from campaign.donations.staff_notes import StaffNote

NOTES_SHOWN = 50


def note_rows(notes: Sequence[StaffNote], charity: Charity, *, about_donation: bool) -> list[dict[str, Any]]:
    """The notes with their earlier versions; on the page of a donor, each with the gift that it is about, if it is about one."""
    earlier = staff_notes.earlier_notes(notes)
    gifts = {} if about_donation else donations_by_id({note.donation_id for note in notes if note.donation_id})
    return [
        {
            **_row(note, charity),
            "public_id": gifts[note.donation_id].public_id if note.donation_id in gifts else "",
            "earlier": [_row(one, charity) for one in earlier[note.id]],
        }
        for note in notes
    ]


def _row(note: StaffNote, charity: Charity) -> dict[str, Any]:
    return {
        "id": note.id,
        "text": note.text,
        "author": note.author,
        "at": f"{charity.local(note.added_at):%Y-%m-%d %H:%M}",
        "iso": note.added_at.isoformat(),
    }
