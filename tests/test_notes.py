"""Notes of staff: added, replaced and removed with an audit row each, found by the search, and never on anything that donors see."""

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.donations import note_actions, staff_notes
from campaign.donations.donors import Donor
from campaign.donations.staff_notes import LONGEST_NOTE, NoteHasChanged, StaffNote
from campaign.edges.db import db
from campaign.receipts import donor_merge_actions
from campaign.staff import audit
from campaign.staff.audit import AuditEntry
from tests.factories import paid
from tests.web import open_page, signed_in, submit

ANNE, BORIS = "anne@example.org", "boris@example.org"


def actions() -> list[tuple[str, str, str]]:
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action.contains(" a note")).order_by(AuditEntry.id))
    return [(entry.actor, entry.action, entry.subject) for entry in entries]


def test_notes_are_added_changed_and_removed_and_their_earlier_words_stay(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 10_00)
    donor_path, gift_path = f"/staff/donors/{gift.donor_id}", f"/staff/donations/{gift.public_id}"
    clerk, other = (signed_in(app, "clerk", address=address) for address in (ANNE, BORIS))
    page = open_page(clerk, donor_path)
    for wrong in ("", " \n ", "x" * (LONGEST_NOTE + 1), "a\x07b"):
        refused = submit(clerk, page, f"{donor_path}/notes", note=wrong)
        assert refused.status_code == 422, wrong[:5]
        assert refused.text.count('id="note-error"') == 1
    submit(clerk, page, f"{donor_path}/notes", note="Calls on <Mondays>\nafter five")
    submit(clerk, open_page(clerk, gift_path), f"{gift_path}/notes", note="Cheque came late")
    text_shown = open_page(clerk, donor_path).text
    assert all(words in text_shown for words in ("Calls on &lt;Mondays&gt;\nafter five", "Cheque came late", "about this gift", ANNE))
    assert "Calls on" not in open_page(clerk, gift_path).text
    note = db.session.scalars(select(StaffNote).where(StaffNote.donor_id.is_not(None))).one()
    opened = [open_page(client, f"/staff/notes/{note.id}") for client in (clerk, other)]
    assert submit(clerk, opened[0], f"/staff/notes/{note.id}", note="Calls on Tuesdays").status_code == 303
    late = submit(other, opened[1], f"/staff/notes/{note.id}", note="Calls on Fridays")
    assert late.status_code == 422
    assert all(words in late.text for words in (f"{ANNE} changed this at", "Calls on Fridays</textarea>", "Stored now: Calls on Tuesdays"))
    current = db.session.scalars(select(StaffNote).where(StaffNote.replaces_id == note.id)).one()
    assert f'action="/staff/notes/{current.id}"' in late.text
    shown = open_page(clerk, donor_path).text
    assert "Calls on Tuesdays" in shown
    assert "Earlier versions" in shown
    assert submit(other, late, f"/staff/notes/{current.id}/removal").status_code == 303
    gone = submit(clerk, opened[0], f"/staff/notes/{current.id}", note="Calls on Sundays")
    assert (gone.status_code, f"{BORIS} removed this note at" in gone.text, "Calls on Sundays</textarea>" in gone.text) == (422, True, True)
    assert "Calls on" not in open_page(clerk, donor_path).text
    subject = f"donor {gift.donor_id}"
    assert actions() == [
        (ANNE, "added a note", subject),
        (ANNE, "added a note", gift.public_id),
        (ANNE, "changed a note", subject),
        (BORIS, "removed a note", subject),
    ]
    viewer = signed_in(app, "viewer", address="viewer@example.org")
    assert "Cheque came late" in open_page(viewer, gift_path).text
    assert "Add a note" not in open_page(viewer, gift_path).text
    assert open_page(viewer, f"/staff/notes/{note.id}").status_code == 403


def test_notes_are_found_by_their_words_go_with_a_merge_and_are_nowhere_for_donors(app: Flask, campaign: Campaign) -> None:
    gift, another = paid(campaign, 10_00, email="one@example.org"), paid(campaign, 10_00, email="two@example.org")
    note = note_actions.add(db.session.get_one(Donor, another.donor_id), "Préfère être appelée Éloïse", actor=ANNE)
    clerk = signed_in(app, "clerk")
    assert "Préfère être appelée" in open_page(clerk, "/staff/search?q=eloise").text
    with pytest.raises(RuntimeError, match="no row"), pytest.MonkeyPatch.context() as failing:
        failing.setattr(audit, "record", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no row")))
        note_actions.add(gift, "never stored", actor=ANNE)
    db.session.rollback()
    assert db.session.query(StaffNote).count() == 1, "a note and its audit row are one transaction"
    donor_merge_actions.merge(gift.donor_id, another.donor_id, actor=ANNE, reason="one person")
    assert "Éloïse" in open_page(clerk, f"/staff/donors/{gift.donor_id}").text
    for path in (f"/en/donations/{another.token}", f"/en/donations/{another.token}.json"):
        assert "Éloïse" not in open_page(app.test_client(), path).text
    note_actions.remove(note, actor=ANNE)
    assert "Éloïse" not in open_page(clerk, "/staff/search?q=eloise").text
    with pytest.raises(NoteHasChanged):
        note_actions.replace(note, "again", actor=ANNE)
    with pytest.raises(IntegrityError, match="note_is_about_one"):
        db.session.add(StaffNote(text="about nobody", author=ANNE))
        db.session.flush()
    db.session.rollback()


@pytest.mark.owner
def test_the_notes_of_a_person_and_the_search_use_their_indexes(campaign: Campaign) -> None:
    gift = paid(campaign, 10_00)
    db.session.execute(text("SET LOCAL enable_seqscan = off"))
    queries = {
        "SELECT * FROM staff_note WHERE search_words(text, '') @@ 'x':::tsquery".replace(":::", "::"): "ix_staff_note_words",
        f"SELECT * FROM staff_note WHERE donor_id = {gift.donor_id}": "ix_staff_note_donor_id",
    }
    for query, index in queries.items():
        plan = "\n".join(db.session.execute(text(f"EXPLAIN {query}".replace("::", "\\:\\:"))).scalars())
        assert index in plan, plan
    assert staff_notes.notes_about_donor([gift.donor_id], limit=1) == []
