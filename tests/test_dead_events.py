"""Events that could not be handled: staff see them with what went wrong, and have them handled again when the cause is mended."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from campaign.edges.db import db
from campaign.giving import happenings, stripe_events
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation
from campaign.reporting import books
from campaign.work import handling
from tests.factories import begun, completed
from tests.test_events import handle, receive, state
from tests.test_web import signed_in

PAGE = "/staff/events"
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def csrf_of(page: TestResponse) -> str:
    found = TOKEN.search(page.text)
    assert found
    return found.group(1)


def fail(*_: object) -> None:
    raise ZeroDivisionError("a mistake of ours")


@pytest.fixture
def dead(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> Donation:
    """A gift whose payment we failed to understand eight times."""
    donation = begun(campaign, 100_00)
    with monkeypatch.context() as broken:
        broken.setattr(happenings, "_decide", fail)
        handle(completed(donation))
        for _ in range(7):
            db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
            db.session.commit()
            handling.handle_events()
    assert stripe_events.dead_events() == 1
    return donation


def again(client: FlaskClient) -> str:
    row = db.session.execute(text("SELECT id FROM stripe_event")).scalar_one()
    answer = client.post(f"{PAGE}/{row}/again", data={"csrf_token": csrf_of(client.get(PAGE))})
    assert (answer.status_code, answer.location) == (303, PAGE)
    return client.get(PAGE).text


def test_a_dead_event_shows_with_its_error_and_its_donation(app: Flask, dead: Donation) -> None:
    client = signed_in(app, "clerk")
    page = client.get(PAGE).text
    for shown in ("checkout.session.completed", "a mistake of ours", f"/staff/donations/{dead.public_id}", "Handle again"):
        assert shown in page
    assert f'href="{PAGE}"' in client.get("/staff/").text


def test_handled_again_once_the_cause_is_mended_it_ends_as_if_it_had_come_now(app: Flask, dead: Donation) -> None:
    said = again(signed_in(app, "clerk"))
    assert "is being handled again" in said
    handling.handle_events()
    assert state(dead) == "paid"
    assert stripe_events.dead_events() == 0
    acts = db.session.execute(text("SELECT act, detail FROM audit_entry WHERE act LIKE 'event%'")).all()
    assert [(act, detail["type"]) for act, detail in acts] == [("event handled again", "checkout.session.completed")]
    assert "ZeroDivisionError" in acts[0][1]["error"]
    assert books.findings(db.engine) == []


def test_that_fails_again_it_comes_back(app: Flask, dead: Donation, monkeypatch: pytest.MonkeyPatch) -> None:
    again(signed_in(app, "manager"))
    monkeypatch.setattr(happenings, "_decide", fail)
    for _ in range(8):
        handling.handle_events()
        db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
        db.session.commit()
    assert stripe_events.dead_events() == 1


def test_what_was_handled_meanwhile_is_not_handled_again(app: Flask, campaign: Campaign) -> None:
    handle(completed(begun(campaign)))
    assert "waits no more" in again(signed_in(app, "clerk"))
    assert db.session.execute(text("SELECT count(*) FROM audit_entry WHERE act LIKE 'event%'")).scalar_one() == 0


def test_a_viewer_sees_but_does_not_act(app: Flask, dead: Donation) -> None:
    client = signed_in(app, "viewer")
    page = client.get(PAGE)
    assert "Handle again" not in page.text
    row = db.session.execute(text("SELECT id FROM stripe_event")).scalar_one()
    assert client.post(f"{PAGE}/{row}/again", data={"csrf_token": csrf_of(client.get("/staff/"))}).status_code == 403
    assert stripe_events.dead_events() == 1


@pytest.mark.parametrize(("language", "said"), [("en", "Every event was handled"), ("fr", "Tous les événements ont été traités")])
def test_with_none_the_page_says_so(app: Flask, campaign: Campaign, language: str, said: str) -> None:
    receive(completed(begun(campaign)))
    assert said in signed_in(app, "viewer").get(f"{PAGE}?lang={language}").text
