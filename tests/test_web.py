"""Response headers, access control, and what programs read."""

import re
import time
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import QueuePool, event, text

from campaign import create_app
from campaign.campaigns.campaigns import Campaign
from campaign.config import Settings
from campaign.devstack.servers import Postgres
from campaign.edges.db import close_connections, db, discard_dead_connection
from campaign.mail import send_jobs
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.operations import heartbeats
from campaign.schedule import schedule_jobs
from campaign.staff import members
from tests.conftest import Post
from tests.factories import paid, start_donation
from tests.mail import text_of
from tests.web import FORM, TRIES, hidden_fields, signed_in

SLUG = "vision-sanaa-richard"


@pytest.mark.parametrize("path", [f"/en/{SLUG}", "/nothing", "/api/campaigns/x", "/healthz", "/staff/sign-in", "/funder/"])
def test_every_response_has_the_security_headers(client: FlaskClient, path: str) -> None:
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
        close_connections()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_an_unknown_host_is_refused(client: FlaskClient, host: str) -> None:
    assert client.get(f"/en/{SLUG}", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(("accepted", "language"), [("fr-CA,fr;q=0.9", "fr"), ("en", "en"), ("de", "en"), ("", "en")])
def test_home_redirects_to_the_campaign_in_the_visitors_language(client: FlaskClient, accepted: str, language: str) -> None:
    answer = client.get("/", headers={"Accept-Language": accepted})
    assert (answer.status_code, answer.location) == (302, f"/{language}/{SLUG}")


@pytest.mark.parametrize("path", ["/staff/", "/funder/", "/funder/report", "/funder/report.csv", "/funder/report.pdf"])
def test_i30_protected_pages_refuse_anonymous_visitors(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    if path.startswith("/staff"):
        assert (answer.status_code, answer.location.startswith("/staff/sign-in")) == (302, True)
    else:
        assert (answer.status_code, "Write to info@example.org for a new link." in answer.text) == (403, True)


def test_the_totals_api_follows_the_contract(client: FlaskClient, campaign: Campaign) -> None:
    paid(campaign, 100_00, covered_fee_cents=3_30)
    start_donation(campaign, 50_00)
    db.session.commit()
    answer = client.get(f"/api/campaigns/{SLUG}")
    totals = answer.get_json()
    as_of = totals.pop("as_of")
    assert totals == {
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


def test_readiness_requires_a_worker_and_names_what_is_degraded(app: Flask, client: FlaskClient) -> None:
    assert (client.get("/readyz").status_code, client.get("/readyz").get_json()["because"]) == (503, ["worker"])
    heartbeats.beat("worker")
    db.session.commit()
    assert (client.get("/readyz").status_code, client.get("/readyz").get_json()["degraded"]) == (200, [])


def statuses_of(app: Flask, count: int) -> list[int]:
    """The statuses of `count` submissions of one form, each with another forwarded address."""
    client = app.test_client()
    fields = {**FORM, **hidden_fields(client.get(f"/fr/{SLUG}"))}
    return [
        client.post(f"/fr/{SLUG}/donations", data=fields, headers={"X-Forwarded-For": f"1.2.3.4, 10.0.{n >> 8}.{n & 255}"}).status_code
        for n in range(count)
    ]


def test_rate_limits_are_per_client_behind_the_configured_proxies(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"proxy_hops": 1}))
    with app.app_context():
        app.extensions["services"].waker._client.flushall()
        assert set(statuses_of(app, TRIES + 5)) == {303}
        close_connections()


def test_a_forged_forwarded_address_is_ignored_without_a_proxy(app: Flask) -> None:
    assert statuses_of(app, TRIES + 1)[-1] == 429


def test_an_unsupported_method_is_405(client: FlaskClient) -> None:
    assert client.get("/stripe/webhook").status_code == 405
    assert client.post("/healthz").status_code == 405


def test_an_unexpected_error_shows_a_page_without_a_traceback(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.web.public.campaigns.totals_of", lambda _: 1 / 0)
    answer = client.get(f"/fr/{SLUG}")
    assert answer.status_code == 500
    assert "Quelque chose s’est mal passé" in answer.text
    assert "ZeroDivision" not in answer.text


@pytest.mark.parametrize("role", members.ROLES)
def test_every_role_sees_the_totals(app: Flask, role: str) -> None:
    assert signed_in(app, role).get("/staff/").status_code == 200


def test_a_member_without_a_role_sees_nothing(app: Flask) -> None:
    assert signed_in(app, None).get("/staff/").status_code == 403


@pytest.mark.parametrize(
    ("seen_ago", "started_ago", "status"), [(29 * 60, 0, 200), (31 * 60, 0, 302), (0, 11 * 3600, 200), (0, 13 * 3600, 302)]
)
def test_staff_are_signed_out_after_half_an_hour_idle_or_twelve_hours_in_total(
    app: Flask, seen_ago: int, started_ago: int, status: int
) -> None:
    client = signed_in(app, "viewer", seen_ago=seen_ago, started_ago=started_ago)
    assert client.get("/staff/").status_code == status
    assert client.get("/staff/").status_code == status


def test_a_reset_ends_all_sessions_of_a_member(app: Flask) -> None:
    client = signed_in(app, "admin")
    members.reset_staff("member@example.org")
    db.session.commit()
    assert client.get("/staff/").status_code == 302


def test_a_session_without_sign_in_lasts_twelve_hours(app: Flask) -> None:
    assert app.permanent_session_lifetime.total_seconds() == 12 * 3600


def test_email_cannot_replace_the_second_factor(app: Flask) -> None:
    assert app.config["SECURITY_TWO_FACTOR_RESCUE_EMAIL"] is False


def test_a_password_reset_responds_alike_for_everybody_and_links_to_our_own_address(app: Flask, client: FlaskClient, post: Post) -> None:
    signed_in(app, "viewer")
    member = db.session.query(members.Staff).one()
    member.password = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$q0Uo1G6hYkC4zqfJm3YyTn5yq1a0Zt7l0q2Xr3YkX3s"
    db.session.commit()
    responses = []
    for address in ("member@example.org", "nobody@example.org"):
        page = client.get("/staff/password", base_url="http://localhost:1337")
        token = re.search(r'name="csrf_token"[^>]*value="([^"]*)"', page.text)
        assert token
        sent = client.post(
            "/staff/password", data={"email": address, "csrf_token": token[1]}, base_url="http://localhost:1337", follow_redirects=True
        )
        responses.append((sent.status_code, re.sub(r'value="[^"]*"', "", sent.text).replace(address, "")))
    assert responses[0] == responses[1]
    send_jobs.send_due()
    _, recipients, message, _ = next(iter(post.box.newest(1)))
    assert recipients == ["member@example.org"]
    assert "http://127.0.0.1:8000/staff/password/" in text_of(message)
    assert "1337" not in text_of(message)


def test_staff_posts_require_a_csrf_token(app: Flask, client: FlaskClient) -> None:
    assert client.post("/staff/sign-out").status_code == 400


@pytest.mark.owner
@pytest.mark.parametrize(
    ("language", "broken", "paused"),
    [("en", "The books are not right:", "is paused since"), ("fr", "Les livres ne sont pas justes", "est suspendu")],
)
def test_staff_see_what_the_integrity_check_found_and_that_matching_is_paused(
    app: Flask, campaign: Campaign, language: str, broken: str, paused: str
) -> None:
    paid(campaign)
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET matched_cents = matched_cents - 1"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    schedule_jobs.check_integrity_now()
    page = signed_in(app, "viewer").get(f"/staff/?lang={language}").text
    assert broken in page
    assert "I2: fund sanaa-richard" in page
    assert paused in page


@pytest.mark.parametrize(("language", "expected"), [("en", "$100 was matched"), ("fr", "Un jumelage de 100\u00a0$ s’est ajouté")])
def test_staff_see_the_history_of_a_donation(app: Flask, campaign: Campaign, language: str, expected: str) -> None:
    donation = paid(campaign)
    page = signed_in(app, "viewer").get(f"/staff/donations/{donation.public_id}?lang={language}")
    assert expected in page.text
    assert (
        donation.public_id in page.text and f"Lévesque, {'$100.00' if language == 'en' else '100,00'}" in page.text.partition("</title>")[0]
    )


def test_the_staff_page_of_a_donation_requires_sign_in(client: FlaskClient, campaign: Campaign) -> None:
    assert client.get(f"/staff/donations/{paid(campaign).public_id}").status_code == 302


def test_an_unknown_donation_has_no_staff_page(app: Flask) -> None:
    assert signed_in(app, "viewer").get("/staff/donations/d_nobody").status_code == 404


@pytest.mark.parametrize("change", [fund_lifecycle.pause, fund_lifecycle.end])
def test_pages_and_totals_agree_on_what_is_left_of_a_fund_that_matches_nothing_now(
    app: Flask, campaign: Campaign, fund: Fund, change: Callable[..., None]
) -> None:
    paid(campaign, 100_00)
    change(fund, actor="test", reason="test")
    db.session.commit()
    with app.app_context():
        answer = app.test_client().get(f"/api/campaigns/{campaign.slug}").json
    assert answer
    assert answer["match"]["available_cents"] == 0
    staff = signed_in(app, "viewer").get("/staff/").text
    assert '<span id="left">$0.00</span>' in staff
    assert "$49,900.00 in funds that are paused, have ended or are outside their dates" in staff
    with app.app_context():
        page = app.test_client().get("/en/vision-sanaa-richard").text
    assert "49,900" not in page


def status_after_a_restart(app: Flask, cluster: Postgres) -> int:
    """The status of a request whose process had open connections when the database closed all of them."""
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


def test_control_without_the_connection_check_they_are_not(app: Flask, cluster: Postgres) -> None:
    event.remove(QueuePool, "checkout", discard_dead_connection)
    try:
        assert status_after_a_restart(app, cluster) == 503
    finally:
        event.listen(QueuePool, "checkout", discard_dead_connection)
