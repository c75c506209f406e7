"""Links of funders: they and the sessions that they begin end by themselves, and staff make new ones."""

import re

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.edges.db import db
from campaign.funders import access_links
from campaign.matching.funds import Fund
from campaign.staff import audit
from tests.web import signed_in

REPORT = "/funder/?lang=en"


@pytest.fixture
def path(fund: Fund) -> str:
    url = access_links.create_link(fund, actor="test")
    db.session.commit()
    return "/" + url.split("/", 3)[3]


def age(column: str, days: int) -> None:
    db.session.execute(text(f"UPDATE access_link SET {column} = {column} - make_interval(days => :days)"), {"days": days})
    db.session.commit()


def test_a_link_ends_without_use_and_lives_on_with_it(client: FlaskClient, path: str) -> None:
    age("created_at", 44)
    assert client.get(path).status_code == 302
    age("last_used_at", 44)
    assert client.get(path).status_code == 302, "used within 45 days"
    age("last_used_at", 46)
    assert client.get(path).status_code == 404


def test_a_link_ends_after_ninety_days_however_often_it_is_used(client: FlaskClient, path: str) -> None:
    age("expires_at", 89)
    assert client.get(path).status_code == 302
    age("expires_at", 2)
    assert client.get(path).status_code == 404


def test_a_session_ends_without_use_and_says_how_to_go_on(client: FlaskClient, path: str) -> None:
    with time_machine.travel(0, tick=False) as clock:
        client.get(path)
        for _ in range(3):
            clock.shift(29 * 60)
            assert client.get(REPORT).status_code == 200, "it is used"
        clock.shift(31 * 60)
        ended = client.get(REPORT)
        assert (ended.status_code, "open the link to your report again" in ended.text) == (403, True)
        client.get(path)
        for _ in range(26):
            clock.shift(28 * 60)
            last = client.get(REPORT).status_code
        assert last == 403, "twelve hours in all"


def test_a_revoked_link_ends_its_sessions_too(client: FlaskClient, path: str, fund: Fund) -> None:
    client.get(path)
    assert client.get(REPORT).status_code == 200
    access_links.revoke_links(fund, actor="test")
    db.session.commit()
    assert (client.get(REPORT).status_code, client.get(path).status_code) == (403, 404)


@pytest.mark.parametrize("forged", ["x", [], [1], [1, "a", 2], {"id": 1}, [True, 0, 0], [10**30, 1, 1]])
def test_a_session_of_another_shape_is_none(client: FlaskClient, path: str, forged: object) -> None:
    with client.session_transaction() as session:
        session["funder_link"] = forged
    assert client.get(REPORT).status_code == 403


def test_managers_make_links_that_are_shown_once_and_end_all(app: Flask, client: FlaskClient, fund: Fund) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        clerk = signed_in(app, "clerk", address="clerk@example.org")
        assert clerk.post(f"/staff/funders/{fund.id}/links").status_code == 403
    manager = signed_in(app, "manager", address="manager@example.org")
    with app.app_context():
        shown = re.search(r"http://127\.0\.0\.1:8000(/funder/links/[\w-]+)", manager.post(f"/staff/funders/{fund.id}/links").text)
    assert shown
    assert client.get(shown[1]).status_code == 302
    with app.app_context():
        assert "/funder/links/" not in manager.get("/staff/funders").text
    with app.app_context():
        assert manager.post(f"/staff/funders/{fund.id}/links/end").status_code == 303
    assert client.get(shown[1]).status_code == 404
    for unknown in (0, fund.id + 1):
        with app.app_context():
            assert manager.post(f"/staff/funders/{unknown}/links").status_code == 404
    actions = [entry.action for entry in db.session.query(audit.AuditEntry).filter_by(actor="manager@example.org")]
    assert actions == ["made a funder link", "revoked funder links"]
