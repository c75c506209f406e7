"""The register of confidentiality incidents (Québec's regulation A-2.1, r. 3.1): recorded, amended with its history, reported, closed, exported."""

import re
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.privacy import incident_actions, incidents
from campaign.privacy.incidents import IncidentFacts, IncidentHasChanged
from campaign.reporting import staff_todo
from campaign.staff.audit import AuditEntry
from tests.factories import today
from tests.sheets import read_csv
from tests.web import open_page, signed_in, submit

PAGE = "/staff/privacy/incidents"


def _fields(**changed: str) -> dict[str, str]:
    day = str(today() - timedelta(days=2))
    return {
        "circumstances": "A list was mailed to the wrong person.\r\nTheir name is the next one in the address book.",
        "began_on": day,
        "learned_on": str(today()),
        "information": "Names and addresses",
        "concerned": "Donors of the spring campaign",
        "people": "1 240",
        "is_serious": "yes",
        "risk": "Amounts of gifts show who has means",
        **changed,
    }


def _facts(**changed: object) -> IncidentFacts:
    known: dict[str, object] = {
        "circumstances": "A laptop is lost",
        "began_on": today(),
        "ended_on": None,
        "learned_on": today(),
        "information": "Names",
        "concerned": "Donors",
        "people": 3,
        "in_quebec": None,
        "is_serious": True,
        "risk": "It was not encrypted",
        "commission_on": None,
        "commissioner_on": None,
        "people_on": None,
        "unnotified_reason": "",
        "measures": "",
    }
    return IncidentFacts(**(known | changed))  # type: ignore[arg-type]


def test_an_incident_from_its_day_until_everybody_is_notified_and_it_is_closed(app: Flask, campaign: Campaign) -> None:
    client = signed_in(app, "manager")
    empty = open_page(client, PAGE)
    assert "No incident is recorded." in empty.text and "(CSV)" not in empty.text
    wrong = submit(client, empty, PAGE, **_fields(people="many", is_serious="", learned_on=str(today() - timedelta(days=3)), risk=" "))
    assert wrong.status_code == 422 and "the next one in the address book." in wrong.text
    assert all(f'id="{name}-error"' in wrong.text for name in ("people", "is_serious", "learned_on", "risk"))
    one = submit(client, empty, PAGE, **_fields()).location
    assert staff_todo.todo_of(campaign).counted["incidents"] == 1
    home = open_page(client, "/staff/")
    assert (
        "1 confidentiality incident with a risk of serious injury is still to be reported." in home.text and f'href="{PAGE}"' in home.text
    )
    page = open_page(client, one)
    assert "1,240" in page.text and "Do it without delay" in page.text and f'action="{one}/closing"' not in page.text
    submit(client, page, f"{one}/closing", version="1", reason="over")
    assert "Somebody must still be notified." in open_page(client, one).text
    notified = {"commission_on": str(today()), "commissioner_on": str(today()), "people_on": str(today()), "measures": "Asked to delete it"}
    form = open_page(client, f"{one}/amendment")
    assert 'value="1240"' in form.text and "A list was mailed to the wrong person." in form.text
    assert submit(client, form, f"{one}/amendment", version="1", **_fields(**notified)).status_code == 422, "an amendment has a reason"
    submit(client, form, f"{one}/amendment", version="1", reason="All are notified", **_fields(**notified))
    late = submit(client, form, f"{one}/amendment", version="1", reason="late", **_fields(people="7"))
    assert late.status_code == 422 and 'value="7"' in late.text and "Asked to delete it" in late.text, "what somebody else amended is shown"
    after = open_page(client, one)
    assert "All are notified" in after.text and "incidents" not in staff_todo.todo_of(campaign).counted
    assert submit(client, after, f"{one}/closing", version="2", reason=" ").status_code == 422
    submit(client, after, f"{one}/closing", version="2", reason="The list is deleted")
    closed = open_page(client, one)
    assert "Closed on" in closed.text and f"{one}/amendment" not in closed.text
    submit(client, closed, f"{one}/reopening", version="3", reason="It was sent on")
    assert re.findall(r"<strong>(Recorded|Amended|Closed|Opened again)</strong>", open_page(client, one).text) == [
        *("Opened again", "Closed", "Amended", "Recorded")
    ]
    entries = list(db.session.scalars(select(AuditEntry).where(AuditEntry.subject.like("incident %")).order_by(AuditEntry.id)))
    assert [entry.action.partition(" ")[0] for entry in entries] == ["recorded", "amended", "closed", "reopened"]
    assert "address book" not in str([entry.detail for entry in entries])
    assert f'href="{one}"' in open_page(signed_in(app, "admin", address="admin@example.org"), "/staff/audit").text
    with app.app_context():
        rows = read_csv(client.get(f"{PAGE}.csv", buffered=True).data, separator=",")
    assert rows[1][1].endswith("address book.") and rows[1][rows[0].index("How many people")] == "1240"


def test_nothing_in_the_register_is_changed_and_others_do_not_see_it(app: Flask, campaign: Campaign) -> None:
    first = incident_actions.record(campaign.charity_id, _facts(), actor="a@example.org")
    assert not incidents.versions_of(campaign.charity_id + 1, first.incident_id)
    incident_actions.amend(first, _facts(people=4), reason="counted", actor="a@example.org")
    with pytest.raises(IncidentHasChanged):
        incident_actions.amend(first, _facts(people=5), reason="at the same time", actor="b@example.org")
    (latest,) = incidents.list_latest(campaign.charity_id)
    assert latest.people == 4
    db.session.commit()
    for statement in ("UPDATE incident_version SET people = 0", "DELETE FROM incident_version", "DELETE FROM confidentiality_incident"):
        with pytest.raises(DBAPIError, match=r"permission denied|append-only"), db.session.begin_nested():
            db.session.execute(text(statement))
    with pytest.raises(IntegrityError, match="reported_incidents_alone_are_closed"), db.session.begin_nested():
        incidents.amend(latest, latest.facts, is_closed=True, reason="over", actor="a@example.org")
    viewer = signed_in(app, "viewer")
    page = open_page(viewer, f"{PAGE}/{first.incident_id}")
    assert "A laptop is lost" in page.text and "reason-closing" not in page.text and open_page(viewer, f"{PAGE}/new").status_code == 403
    assert open_page(viewer, f"{PAGE}/{first.incident_id + 1}").status_code == 404


@pytest.mark.parametrize(
    ("changed", "is_unreported"),
    [
        ({}, True),
        ({"is_serious": False}, False),
        ({"commission_on": date(2026, 1, 1), "people_on": date(2026, 1, 1)}, True),
        ({"commission_on": date(2026, 1, 1), "people_on": date(2026, 1, 1), "unnotified_reason": "PIPEDA does not apply"}, False),
    ],
)
def test_somebody_is_to_be_notified_of_a_serious_incident_unless_there_is_a_reason(
    changed: dict[str, object], *, is_unreported: bool
) -> None:
    assert _facts(**changed).is_unreported is is_unreported
