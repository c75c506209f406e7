"""Notes of staff about donors and donations: added, replaced and removed. Nobody but staff sees them."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations import note_actions, staff_notes
from campaign.donations.donations import Donation
from campaign.donations.staff_notes import LONGEST_NOTE, NoteHasChanged, StaffNote
from campaign.edges.db import db
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff import donors as donor_page
from campaign.web.staff.donation_lookup import donation_or_404
from campaign.web.staff.donations import page as donation_page
from campaign.web.staff.donors import donor_or_404
from campaign.web.staff.typed_fields import TypedLine, read_text, refuse_line, refused

bp = Blueprint("staff_notes", __name__, url_prefix="/staff")


def _read_note() -> TypedLine:
    """The posted note, which may have lines."""
    return read_text("note", longest=LONGEST_NOTE, empty=gettext("The note is empty. Please write it, or leave the page."))


@bp.post("/donors/<int:donor_id>/notes")
@access("clerk")
def add_to_donor(donor_id: int) -> ResponseReturnValue:
    """Add a note about the donor."""
    donor, note = donor_or_404(donor_id), _read_note()
    if note.error:
        refuse_line("note", note)
        return refused(donor_page.page(donor_id))
    note_actions.add(donor, note.text, actor=current_user.email)
    flash(gettext("The note is added. Staff alone see it."))
    return redirect(url_for("staff_donors.page", donor_id=donor_id, _anchor="notes"), 303)


@bp.post("/donations/<public_id>/notes")
@access("clerk")
def add_to_donation(public_id: str) -> ResponseReturnValue:
    """Add a note about the donation."""
    donation, note = donation_or_404(public_id), _read_note()
    if note.error:
        refuse_line("note", note)
        return refused(donation_page(public_id))
    note_actions.add(donation, note.text, actor=current_user.email)
    flash(gettext("The note is added. Staff alone see it."))
    return redirect(url_for("staff_donations.page", public_id=public_id, _anchor="notes"), 303)


@bp.get("/notes/<int:note_id>")
@access("clerk")
def page(note_id: int) -> ResponseReturnValue:
    """The form in which a note is changed or removed."""
    note = _note_or_404(note_id)
    return _page(note, note.text)


def _page(note: StaffNote, text: str, *, error: str = "", stored: str = "") -> str:
    campaign = campaign_or_404()
    return render_template(
        "staff/note.html",
        title=campaign.title(current_language()),
        note=note,
        text=text,
        error=error,
        stored=stored,
        longest_note=LONGEST_NOTE,
        back_url=_url_of(note),
        at=f"{campaign.charity.local(note.added_at):%Y-%m-%d %H:%M}",
    )


@bp.post("/notes/<int:note_id>")
@access("clerk")
def replace(note_id: int) -> ResponseReturnValue:
    """Put another note in the place of this one, which stays as an earlier version."""
    note, typed = _note_or_404(note_id), _read_note()
    if typed.error:
        return _page(note, typed.text, error=typed.error), 422
    try:
        if typed.text != note.text:
            note_actions.replace(note, typed.text, actor=current_user.email)
            flash(gettext("The note is changed. What it said before is under it."))
    except NoteHasChanged as changed:
        return _changed_meanwhile(changed.note, typed.text)
    return redirect(_url_of(note), 303)


@bp.post("/notes/<int:note_id>/removal")
@access("clerk")
def remove(note_id: int) -> ResponseReturnValue:
    """Remove the note from the pages. It is marked as removed, not deleted."""
    note = _note_or_404(note_id)
    try:
        note_actions.remove(note, actor=current_user.email)
        flash(gettext("The note is removed."))
    except NoteHasChanged as changed:
        return _changed_meanwhile(changed.note, changed.note.text)
    return redirect(_url_of(note), 303)


def _changed_meanwhile(now: StaffNote, typed: str) -> ResponseReturnValue:
    """The form again with what was typed, to be saved in the place of the note as it is now; a note that is gone is added anew elsewhere."""
    at = f"{campaign_or_404().charity.local(now.removed_at or now.added_at):%H:%M}"
    if now.removed_at:
        error = gettext("Nothing was saved: %(who)s removed this note at %(time)s while you typed.", who=now.removed_by, time=at)
        return _page(now, typed, error=error), 422
    error = gettext(
        "Nothing was saved: %(who)s changed this at %(time)s while you typed. Press Save again to replace it.", who=now.author, time=at
    )
    return _page(now, typed, error=error, stored=now.text), 422


def _url_of(note: StaffNote) -> str:
    """The page that has the note."""
    if note.donor_id:
        return url_for("staff_donors.page", donor_id=note.donor_id, _anchor="notes")
    donation = db.session.get_one(Donation, note.donation_id)
    return url_for("staff_donations.page", public_id=donation.public_id, _anchor="notes")


def _note_or_404(note_id: int) -> StaffNote:
    note = staff_notes.find_note(note_id)
    if note is None:
        abort(404)
    return note
