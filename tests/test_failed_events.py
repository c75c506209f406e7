"""Dead-letter events: staff see each with its error and have it handled again once the cause is fixed."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.reporting.integrity import checker
from campaign.stripe_sync import event_jobs, inbox
from campaign.stripe_sync.dispatch import EventBatch
from tests.factories import start_donation
from tests.stripe import completed, handle, receive, state
from tests.web import csrf_of, signed_in

PAGE = "/staff/events"


def fail(*_: object) -> None:
    raise ZeroDivisionError("a bug of ours")


@pytest.fixture
def dead(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> Donation:
    """A donation whose payment event failed eight times."""
    donation = start_donation(campaign, 100_00)
    with monkeypatch.context() as broken:
        broken.setattr(EventBatch, "_handle_event", fail)
        handle(completed(donation))
        for _ in range(7):
            db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
            db.session.commit()
            event_jobs.handle_events()
    assert inbox.count_dead() == 1
    return donation


def handle_again(client: FlaskClient) -> str:
    row = db.session.execute(text("SELECT id FROM stripe_event")).scalar_one()
    answer = client.post(f"{PAGE}/{row}/again", data={"csrf_token": csrf_of(client.get(PAGE))})
    assert (answer.status_code, answer.location) == (303, PAGE)
    return client.get(PAGE).text


def test_a_dead_letter_event_is_shown_with_its_error_and_its_donation(app: Flask, dead: Donation) -> None:
    client = signed_in(app, "clerk")
    page = client.get(PAGE).text
    for shown in ("checkout.session.completed", "a bug of ours", f"/staff/donations/{dead.public_id}", "Handle again"):
        assert shown in page
    assert f'href="{PAGE}"' in client.get("/staff/").text


def test_an_event_handled_again_after_the_cause_is_fixed_has_its_normal_effects(app: Flask, dead: Donation) -> None:
    said = handle_again(signed_in(app, "clerk"))
    assert "is being handled again" in said
    event_jobs.handle_events()
    assert state(dead) == "paid"
    assert inbox.count_dead() == 0
    entries = db.session.execute(text("SELECT action, detail FROM audit_entry WHERE action LIKE 'event%'")).all()
    assert [(action, detail["type"]) for action, detail in entries] == [("event handled again", "checkout.session.completed")]
    assert "ZeroDivisionError" in entries[0][1]["error"]
    assert checker.findings(db.engine) == []


def test_an_event_that_fails_again_becomes_a_dead_letter_again(app: Flask, dead: Donation, monkeypatch: pytest.MonkeyPatch) -> None:
    handle_again(signed_in(app, "manager"))
    monkeypatch.setattr(EventBatch, "_handle_event", fail)
    for _ in range(8):
        event_jobs.handle_events()
        db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
        db.session.commit()
    assert inbox.count_dead() == 1


def test_an_event_that_was_handled_meanwhile_is_not_handled_again(app: Flask, campaign: Campaign) -> None:
    handle(completed(start_donation(campaign)))
    assert "already been handled" in handle_again(signed_in(app, "clerk"))
    assert db.session.execute(text("SELECT count(*) FROM audit_entry WHERE action LIKE 'event%'")).scalar_one() == 0


def test_a_viewer_sees_events_and_cannot_requeue_them(app: Flask, dead: Donation) -> None:
    client = signed_in(app, "viewer")
    page = client.get(PAGE)
    assert "Handle again" not in page.text
    row = db.session.execute(text("SELECT id FROM stripe_event")).scalar_one()
    assert client.post(f"{PAGE}/{row}/again", data={"csrf_token": csrf_of(client.get("/staff/"))}).status_code == 403
    assert inbox.count_dead() == 1


@pytest.mark.parametrize(("language", "said"), [("en", "Every event was handled"), ("fr", "Tous les événements ont été traités")])
def test_the_page_says_when_every_event_was_handled(app: Flask, campaign: Campaign, language: str, said: str) -> None:
    receive(completed(start_donation(campaign)))
    assert said in signed_in(app, "viewer").get(f"{PAGE}?lang={language}").text
