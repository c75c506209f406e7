"""What donors download by themselves: what they gave us and what we sent them, of one person alone, as JSON in pieces.

A link by mail is enough for that. What staff noted and what Stripe reported comes from the privacy officer, who first makes sure who asks and that
nobody else is named in it.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from campaign.donations.donors import Donor
from campaign.edges.db import db
from campaign.privacy import erasure, person_data

FORMAT = "campaign-own-data/1"
# Tables that the privacy officer goes through before anybody gets them.
FROM_OFFICER = {
    "donor_merge": "staff say there why two donors are one person",
    "donor_move": "as above",
    "gift_import_row": "a row of a file of the charity",
    "privacy_act": "staff note there what they did",
    "privacy_request": "somebody else may have asked",
    "staff_note": "staff may have named somebody else",
    "stripe_event": "it may name whoever paid",
}
STAFF = "staff"
# Columns that may have the address of a member of staff.
_NAMES_STAFF = {
    ("donation", "closed_by"),
    ("news_withdrawal", "recorded_by"),
    ("receipt_declaration", "recorded_by"),
    ("shared_message", "decided_by"),
}


def pieces(donor_id: int) -> Iterator[str]:
    """Yield the file of the person who is this donor.

    A gift may have another address than its donor: what that address has elsewhere is somebody else's.
    """
    person, _ = erasure.get_person(donor_id)
    own = [email for email in db.session.scalars(select(Donor.email).where(Donor.id.in_(person.donor_ids)).order_by(Donor.id)) if email]
    person = replace(person, emails=own)
    yield f'{{"format": "{FORMAT}", "emails": {_json(own)}, "tables": {{'
    is_first = True
    for table, condition in person_data.conditions_of(person):
        if table.name in FROM_OFFICER:
            continue
        yield f"{'' if is_first else ','}\n{_json(table.name)}: ["
        is_first = False
        for number, row in enumerate(person_data.rows_of(table, condition)):
            yield f"{',' if number else ''}\n{_json(_without_staff(table.name, row))}"
        yield "]"
    yield "}}\n"


def _without_staff(table: str, row: dict[str, Any]) -> dict[str, Any]:
    return {name: STAFF if (table, name) in _NAMES_STAFF and "@" in str(value) else value for name, value in row.items()}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
