"""What every answer carries, who may go where, and what machines read."""

import re
import time

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import QueuePool, event, text

from campaign import create_app
from campaign.config import Settings
from campaign.edges.db import db, hang_up, refuse_dead
from campaign.embedded.servers import Postgres
from campaign.giving import heartbeats, staff
from campaign.giving.campaigns import Campaign
from campaign.web.staff import sign_in
from campaign.work import sweeps
from tests.factories import FORM, begun, paid
from tests.test_donate import TRIES, hidden_fields

SLUG = "vision-sanaa-richard"


@pytest.mark.parametrize("path", [f"/en/{SLUG}", "/nothing", "/api/campaigns/x", "/healthz", "/staff/sign-in", "/funder/report"])
def test_every_answer_carries_the_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Referrer-Policy" in headers
    assert "Strict-Transport-Security" not in headers


def test_behind_https_cookies_are_host_cookies_and_hsts_is_sent(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"base_url": "https://give.example.org"}))
    answer = app.test_client().get(f"/en/{SLUG}", base_url="https://give.example.org")
    assert answer.headers["Strict-Transport-Security"]
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    with app.app_context():
        hang_up()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_another_host_is_refused(client: FlaskClient, host: str) -> None:
    assert client.get(f"/en/{SLUG}", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(("accepted", "language"), [("fr-CA,fr;q=0.9", "fr"), ("en", "en"), ("de", "en"), ("", "en")])
def test_home_leads_to_the_campaign_in_the_visitors_language(client: FlaskClient, accepted: str, language: str) -> None:
    answer = client.get("/", headers={"Accept-Language": accepted})
    assert (answer.status_code, answer.location) == (302, f"/{language}/{SLUG}")


@pytest.mark.parametrize("path", ["/staff/", "/funder/report", "/funder/report.csv", "/funder/report.pdf"])
def test_i30_nobody_comes_in_without_being_let_in(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {302, 404}
    if answer.status_code == 302:
        assert answer.location.startswith("/staff/sign-in")


def test_totals_are_as_the_contract_says(client: FlaskClient, campaign: Campaign) -> None:
    paid(campaign, 100_00, covered_fee_cents=3_30)
    begun(campaign, 50_00)
    db.session.commit()
    answer = client.get(f"/api/campaigns/{SLUG}")
    found = answer.json
    as_of = found.pop("as_of")
    assert found == {
        "campaign": SLUG,
        "currency": "CAD",
        "goal_cents": 200_000_00,
        "donated_cents": 100_00,
        "matched_cents": 100_00,
        "raised_cents": 200_00,
        "donations": 1,
        "donors": 1,
        "match": {"pledged_cents": 50_000_00, "matched_cents": 100_00, "held_cents": 50_00, "available_cents": 49_850_00},
    }
    assert as_of.endswith("+00:00")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    etag = answer.headers["ETag"]
    assert client.get(f"/api/campaigns/{SLUG}", headers={"If-None-Match": etag}).status_code == 304
    paid(campaign, 5_00)
    assert client.get(f"/api/campaigns/{SLUG}", headers={"If-None-Match": etag}).status_code == 200


def test_an_unknown_campaign_has_no_totals(client: FlaskClient) -> None:
    assert client.get("/api/campaigns/nothing").status_code == 404


def test_ready_needs_a_worker_and_names_what_is_degraded(app: Flask, client: FlaskClient) -> None:
    assert (client.get("/readyz").status_code, client.get("/readyz").json["because"]) == (503, ["worker"])
    heartbeats.beat("worker")
    db.session.commit()
    assert (client.get("/readyz").status_code, client.get("/readyz").json["degraded"]) == (200, [])


def presses(app: Flask, count: int) -> list[int]:
    """Statuses of so many presses of one form, each said to come from another address."""
    client = app.test_client()
    fields = {**FORM, **hidden_fields(client.get(f"/fr/{SLUG}"))}
    return [
        client.post(f"/fr/{SLUG}/donations", data=fields, headers={"X-Forwarded-For": f"1.2.3.4, 10.0.{n >> 8}.{n & 255}"}).status_code
        for n in range(count)
    ]


def test_limits_are_per_client_behind_the_proxies_that_are_there(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"proxy_hops": 1}))
    with app.app_context():
        app.extensions["outside"].waker._client.flushall()
        assert set(presses(app, TRIES + 5)) == {303}
        hang_up()


def test_a_forged_forwarded_address_is_not_believed_without_a_proxy(app: Flask) -> None:
    assert presses(app, TRIES + 1)[-1] == 429


def test_a_method_that_is_not_there_is_405(client: FlaskClient) -> None:
    assert client.get("/stripe/webhook").status_code == 405
    assert client.post(f"/en/{SLUG}").status_code == 405


def test_what_nobody_foresaw_is_a_page_and_not_a_trace(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.web.campaigns.totals_of", lambda _: 1 / 0)
    answer = client.get(f"/fr/{SLUG}")
    assert answer.status_code == 500
    assert "Quelque chose s’est mal passé" in answer.text
    assert "ZeroDivision" not in answer.text


def signed_in(app: Flask, role: str | None, *, seen_ago: int = 0, begun_ago: int = 0, address: str = "member@example.org") -> FlaskClient:
    """A browser whose session says that this member of staff came in then and was last seen then."""
    member = staff.add_staff(address, role or "viewer")
    if role is None:
        member.roles = []
    member.password = "a hash"
    db.session.commit()
    client, now = app.test_client(), int(time.time())
    with client.session_transaction() as session:
        session.update(
            {"_user_id": member.fs_uniquifier, "_fresh": True, "fs_cc": "set", "fs_paa": now, "identity.id": member.fs_uniquifier}
        )
        session.update({sign_in.SEEN: now - seen_ago, sign_in.BEGUN: now - begun_ago})
    return client


@pytest.mark.parametrize("role", staff.ROLES)
def test_every_role_sees_the_totals(app: Flask, role: str) -> None:
    assert signed_in(app, role).get("/staff/").status_code == 200


def test_a_member_without_a_role_sees_nothing(app: Flask) -> None:
    assert signed_in(app, None).get("/staff/").status_code == 403


@pytest.mark.parametrize(
    ("seen_ago", "begun_ago", "status"), [(29 * 60, 0, 200), (31 * 60, 0, 302), (0, 11 * 3600, 200), (0, 13 * 3600, 302)]
)
def test_staff_are_signed_out_after_half_an_hour_away_or_twelve_hours_in(app: Flask, seen_ago: int, begun_ago: int, status: int) -> None:
    client = signed_in(app, "viewer", seen_ago=seen_ago, begun_ago=begun_ago)
    assert client.get("/staff/").status_code == status
    assert client.get("/staff/").status_code == status


def test_a_reset_ends_all_sessions_of_a_member(app: Flask) -> None:
    client = signed_in(app, "admin")
    staff.reset_staff("member@example.org")
    db.session.commit()
    assert client.get("/staff/").status_code == 302


def test_a_donors_form_outlives_half_an_hour(app: Flask) -> None:
    assert app.permanent_session_lifetime.total_seconds() == 12 * 3600


def test_a_mailbox_alone_opens_nothing(app: Flask) -> None:
    assert app.config["SECURITY_TWO_FACTOR_RESCUE_EMAIL"] is False


def test_a_forgotten_password_is_answered_alike_for_everybody_and_links_to_our_own_address(
    app: Flask, client: FlaskClient, post: object
) -> None:
    signed_in(app, "viewer")
    member = db.session.query(staff.Staff).one()
    member.password = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$q0Uo1G6hYkC4zqfJm3YyTn5yq1a0Zt7l0q2Xr3YkX3s"
    db.session.commit()
    answers = []
    for address in ("member@example.org", "nobody@example.org"):
        page = client.get("/staff/password", base_url="http://localhost:1337")
        token = re.search(r'name="csrf_token"[^>]*value="([^"]*)"', page.text).group(1)
        sent = client.post(
            "/staff/password", data={"email": address, "csrf_token": token}, base_url="http://localhost:1337", follow_redirects=True
        )
        answers.append((sent.status_code, re.sub(r'value="[^"]*"', "", sent.text).replace(address, "")))
    assert answers[0] == answers[1]
    _, recipients, message, _ = next(iter(post.box.newest(1)))
    assert recipients == ["member@example.org"]
    assert "http://127.0.0.1:8000/staff/password/" in message.get_body(("plain",)).get_content()
    assert "1337" not in message.get_body(("plain",)).get_content()


def test_staff_posts_need_a_token(app: Flask, client: FlaskClient) -> None:
    assert client.post("/staff/sign-out").status_code == 400


@pytest.mark.parametrize(
    ("language", "broken", "paused"),
    [("en", "The books are not right:", "is paused since"), ("fr", "Les livres ne sont pas justes", "est suspendu")],
)
def test_staff_see_what_the_check_of_the_books_found_and_that_the_matching_is_paused(
    app: Flask, campaign: Campaign, language: str, broken: str, paused: str
) -> None:
    paid(campaign)
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET matched_cents = matched_cents - 1"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    sweeps.check_books()
    page = signed_in(app, "viewer").get(f"/staff/?lang={language}").text
    assert broken in page
    assert "I2: fund sanaa-richard" in page
    assert paused in page


@pytest.mark.parametrize(("language", "told"), [("en", "$100 was matched"), ("fr", "100\u00a0$ ont été jumelés")])
def test_staff_read_the_life_of_a_donation_and_nobody_else_does(app: Flask, campaign: Campaign, language: str, told: str) -> None:
    donation = paid(campaign)
    page = signed_in(app, "viewer").get(f"/staff/donations/{donation.public_id}?lang={language}")
    assert told in page.text
    assert donation.public_id in page.text


def test_a_donations_staff_page_is_closed_to_strangers(client: FlaskClient, campaign: Campaign) -> None:
    assert client.get(f"/staff/donations/{paid(campaign).public_id}").status_code == 302


def test_a_donation_that_is_not_there_has_no_staff_page(app: Flask) -> None:
    assert signed_in(app, "viewer").get("/staff/donations/d_nobody").status_code == 404


def status_after_a_restart(app: Flask, cluster: Postgres) -> int:
    """What a visitor gets whose process had connections when the database ended all of them."""
    page, client = f"/en/{SLUG}", app.test_client()
    db.session.remove()
    assert client.get(page).status_code == 200
    db.session.remove()
    with cluster.connect() as admin:
        admin.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{db.engine.url.database}'")
    time.sleep(0.1)
    return client.get(page).status_code


def test_the_first_visitors_after_a_restart_of_the_database_are_served(app: Flask, cluster: Postgres) -> None:
    assert status_after_a_restart(app, cluster) == 200


def test_control_without_a_look_at_the_connection_they_are_not(app: Flask, cluster: Postgres) -> None:
    event.remove(QueuePool, "checkout", refuse_dead)
    try:
        assert status_after_a_restart(app, cluster) == 503
    finally:
        event.listen(QueuePool, "checkout", refuse_dead)
