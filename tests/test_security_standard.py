"""The table of OWASP ASVS requirements in docs/security.md, and what the standard asks for and no other test shows."""

import ast
import asyncio
import io
import json
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
import time_machine
from argon2 import extract_parameters
from flask import Flask
from flask.testing import FlaskClient
from flask_security import hash_password, verify_password
from itsdangerous import Signer
from itsdangerous.encoding import base64_decode
from werkzeug.test import TestResponse
from zxcvbn.matching import RANKED_DICTIONARIES

from campaign import create_app, logs
from campaign.campaigns.campaigns import Campaign
from campaign.cli.main import campaign as commands
from campaign.config import ROOT, Settings, SettingsError, read_settings, settings_from
from campaign.edges.db import close_connections, db
from campaign.edges.secret_keys import SealBroken, SecretKeys
from campaign.staff import members
from campaign.staff.audit import AuditEntry
from campaign.staff.members import Staff
from campaign.staff.password_links import one_time_link
from campaign.web import front
from campaign.web.front import Front
from campaign.web.security import limiter
from campaign.web.staff.one_time_codes import OneTimeCodes
from campaign.web.staff.sign_in_rules import GUESSES_PER_ACCOUNT, SHORTEST_PASSWORD, Passwords
from tests.factories import paid
from tests.web import SLUG, csrf_of, environment_of, hidden_fields, signed_in

DOCUMENT = (ROOT / "docs" / "security.md").read_text()
ROW = re.compile(r"(?m)^\| (\d+\.\d+\.\d+) \| ([^|]+) \| (met|does not apply|not yet) \| ([^|]+) \|$")
NAMED_TEST = re.compile(r"`(test_\w+)::(test_\w+)`")
PASSWORD = "three quiet herons at dawn"
LONG_PASSWORD = "quiet herons wade at dawn while élans cross the frozen bay, unhurried, one by one"
GUESSES = int(GUESSES_PER_ACCOUNT.split()[0])
LIVE = {
    "STRIPE_LIVEMODE": "true",
    "STRIPE_SECRET_KEY": "sk_live_of_a_test",
    "STRIPE_API_BASE": "https://api.stripe.com",
    "BASE_URL": "https://give.example.org",
}


def requirements() -> list[str]:
    lines = (ROOT / "tests" / "data" / "asvs_5.0.0_level_2.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def names_in(module: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / f"{module}.py").read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_requirement_is_in_the_table_once_and_each_test_named_there_exists() -> None:
    rows = ROW.findall(DOCUMENT)
    assert [number for number, *_ in rows] == requirements()
    assert len(re.findall(r"(?m)^\| \d+\.\d+\.\d+ ", DOCUMENT)) == len(rows), "each row has a status"
    assert [(module, name) for module, name in NAMED_TEST.findall(DOCUMENT) if name not in names_in(module)] == []


def test_no_requirement_of_sign_in_sessions_rights_and_data_is_open() -> None:
    open_rows = [number for number, _, status, _ in ROW.findall(DOCUMENT) if status == "not yet"]
    assert [number for number in open_rows if number.startswith(("6.", "7.", "8.", "14."))] == []


def test_the_documented_rights_are_those_of_the_routes(app: Flask) -> None:
    documented = dict(re.findall(r"(?m)^\| `(staff_[\w.]+)` \| (\w+(?:, fresh)?) \|", DOCUMENT))
    routes = {
        name: str(getattr(view, "access", "")) + (", fresh" if getattr(view, "needs_fresh", False) else "")
        for name, view in app.view_functions.items()
        if name.startswith("staff_")
    }
    assert documented == routes


@pytest.mark.parametrize("is_https", [True, False])
def test_responses_that_are_no_pages_have_security_headers_too(settings: Settings, is_https: bool) -> None:
    base = "https://give.example.org" if is_https else "http://127.0.0.1:8000"
    app = create_app(settings.model_copy(update={"base_url": base}))
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/", "headers": [(b"content-length", str(front.LARGEST_BODY + 1).encode())]}
    asyncio.run(Front(app.wsgi_app, is_https=is_https)(scope, None, send))  # type: ignore[arg-type]  # nothing is received
    refused = {name.decode().title(): value.decode() for name, value in sent[0]["headers"]}
    for headers in (refused, app.test_client().post("/stripe/webhook", data=b"{}", base_url=base).headers):
        assert {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(headers["Content-Security-Policy"].split("; "))
        assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
        assert ("Strict-Transport-Security" in headers) is is_https
    with app.app_context():
        close_connections()


def test_only_public_totals_are_readable_from_other_origins_and_every_text_has_a_charset(app: Flask, campaign: Campaign) -> None:
    client, readable, without_charset = signed_in(app, "admin"), set(), []
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<any(en,fr):language>", "en").replace("<slug>", SLUG)
        if "GET" in (rule.methods or set()) and "<" not in path:
            with app.app_context():
                answer = client.get(path, headers={"Origin": "https://evil.example"}, buffered=True)
            if "Access-Control-Allow-Origin" in answer.headers:
                readable.add(rule.endpoint)
            if str(answer.mimetype).startswith("text/") and "charset=utf-8" not in answer.content_type:
                without_charset.append(path)
    assert (readable, without_charset) == ({"api.campaign", "api.proof", "api.stream", "openapi.document"}, [])


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "DELETE", "PATCH"])
def test_no_route_has_methods_that_it_does_not_need(client: FlaskClient, method: str) -> None:
    assert {client.open(path, method=method).status_code for path in ("/", f"/en/{SLUG}", "/staff/", "/healthz")} == {405}


@pytest.mark.parametrize("path", ["/static/", "/static/../config.py", "/static/%2e%2e/config.py", "/.git/HEAD", "/.env", "/console"])
def test_no_directory_and_no_source_is_served(app: Flask, client: FlaskClient, path: str) -> None:
    assert (client.get(path).status_code, app.debug, app.testing) == (404, False, False)


def test_all_signatures_are_of_sha256(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def lengths() -> set[int]:
        page = client.get(f"/en/{SLUG}")
        cookie = client.get_cookie("session")
        assert cookie
        signed = [*(hidden_fields(page)[name] for name in ("csrf_token", "attempt")), cookie.value]
        return {len(base64_decode(text.rpartition(".")[2])) for text in signed}

    assert lengths() == {32}
    monkeypatch.undo()
    assert Signer.default_digest_method().digest_size == 32


def test_passwords_are_hashed_with_argon2id_at_its_recommended_cost(settings: Settings) -> None:
    with create_app(settings).app_context():
        found = extract_parameters(hash_password(LONG_PASSWORD))
        close_connections()
    assert found.type.name == "ID"
    assert (found.time_cost >= 2, found.memory_cost >= 19 * 1024) == (True, True)


def reasons_against(app: Flask, password: str) -> list[str]:
    with app.test_request_context("/en/"):
        return Passwords(app).validate(password, is_register=False)[0] or []


def test_a_long_password_of_any_characters_counts_to_its_last_letter(app: Flask) -> None:
    assert len(LONG_PASSWORD) > 72
    assert reasons_against(app, LONG_PASSWORD) == []
    assert reasons_against(app, "onlylowercaseherons") == []
    stored = hash_password(LONG_PASSWORD)
    assert verify_password(LONG_PASSWORD, stored)
    for other in (LONG_PASSWORD[:-1], LONG_PASSWORD.upper(), LONG_PASSWORD + " ", LONG_PASSWORD[:72]):
        assert not verify_password(other, stored)


def test_passwords_that_were_breached_are_refused(app: Flask) -> None:
    """The library's list is of the passwords that were found most often in breaches."""
    breached = [word for word in RANKED_DICTIONARIES["passwords"] if len(word) >= SHORTEST_PASSWORD]
    assert len(RANKED_DICTIONARIES["passwords"]) > 3000
    assert len(breached) > 100
    assert [word for word in breached[::3] if not reasons_against(app, word)] == []


@pytest.mark.parametrize("password", ["sanaarichard2026", "GBS/CIDPFoundation", "administrator2026", "visionsanaa!vision"])
def test_passwords_of_the_words_that_everybody_expects_here_are_refused(app: Flask, password: str) -> None:
    assert "easy to guess" in reasons_against(app, password)[0]


def test_a_new_service_has_no_accounts_and_a_link_to_choose_a_password_ends_after_two_days(app: Flask) -> None:
    assert db.session.query(Staff).count() == 0
    link = urlsplit(one_time_link(members.add_staff("new@example.org", "viewer"))).path
    db.session.commit()
    statuses = []
    for hours in (47, 49):
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)), app.app_context():
            statuses.append(app.test_client().get(link).status_code)
    assert statuses == [200, 302]


@pytest.mark.parametrize(("path", "autocomplete"), [("/staff/sign-in", "current-password"), ("/staff/password/{token}", "new-password")])
def test_passwords_are_masked_and_password_managers_can_fill_them_in(app: Flask, path: str, autocomplete: str) -> None:
    client = signed_in(app, "admin")
    with app.app_context():
        link = client.post(
            "/staff/members", data={"email": "new@example.org", "role": "viewer", "csrf_token": csrf_of(client.get("/staff/members"))}
        )
    token = re.search(r"/staff/password/([^<\s]+)", link.text)
    assert token
    with app.app_context():
        page = app.test_client().get(path.format(token=token[1])).text
    inputs = re.findall(r"<input[^>]*name=\"password[^>]*>", page)
    assert inputs
    assert all('type="password"' in found and f'autocomplete="{autocomplete}"' in found for found in inputs)
    assert not re.search(r"onpaste|oncopy|maxlength", "".join(inputs))


def test_every_page_of_staff_has_a_button_to_sign_out_which_clears_what_the_browser_stored(app: Flask, campaign: Campaign) -> None:
    client, without = signed_in(app, "admin"), []
    paths = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("staff_") and "GET" in (rule.methods or set())}
    for path in sorted(path for path in paths if "<" not in path and not path.endswith((".csv", ".xlsx"))):
        with app.app_context():
            if 'action="/staff/sign-out"' not in client.get(path).text:
                without.append(path)
    assert (without, len(paths) > 8) == ([], True)
    with app.app_context():
        token = csrf_of(client.get("/staff/account"))
    with app.app_context():
        answer = client.post("/staff/sign-out", data={"csrf_token": token})
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'


def change_password(client: FlaskClient, current: str, new: str, again: str = "") -> TestResponse:
    with client.application.app_context():
        token = csrf_of(client.get("/staff/account/password"))
    fields = {"current_password": current, "new_password": new, "new_password_again": again or new, "csrf_token": token}
    with client.application.app_context():
        return client.post("/staff/account/password", data=fields)


def test_a_member_changes_the_password_with_the_current_one_which_renews_the_session_and_ends_the_others(app: Flask) -> None:
    limiter._storage_dead = False
    client, other = signed_in(app, "viewer"), signed_in(app, "viewer")
    member = db.session.query(Staff).one()
    member.password = hash_password(PASSWORD)
    db.session.commit()
    new = "four calm otters by moonlight"
    for current, chosen, again, words in (
        ("wrong", new, "", "This password is not right"),
        (PASSWORD, "passwordpassword", "", "easy to guess"),
        (PASSWORD, new, "another", "The two new passwords differ"),
        (PASSWORD, PASSWORD, "", "This is your password already"),
    ):
        answer = change_password(client, current, chosen, again)
        assert (answer.status_code, words in answer.text) == (422, True)
    with client.session_transaction() as before:
        copied = dict(before)
    assert change_password(client, PASSWORD, new).status_code == 303
    thief = app.test_client()
    with thief.session_transaction() as session:
        session.update(copied)
    statuses = []
    for browser in (client, other, thief):
        with app.app_context():
            statuses.append(browser.get("/staff/").status_code)
    assert statuses == [200, 302, 302]
    db.session.refresh(member)
    assert verify_password(new, member.password)


def test_guesses_of_the_current_password_are_bounded(app: Flask) -> None:
    limiter._storage_dead = False
    client = signed_in(app, "viewer")
    db.session.query(Staff).one().password = hash_password(PASSWORD)
    db.session.commit()
    assert [change_password(client, "wrong", "x").status_code for _ in range(GUESSES + 1)] == [422] * GUESSES + [429]


def test_an_administrator_ends_the_sessions_of_a_member_and_the_command_those_of_all(app: Flask) -> None:
    admin, other = signed_in(app, "admin"), signed_in(app, "clerk", address="other@example.org")
    member = db.session.query(Staff).filter_by(email="other@example.org").one()
    with app.app_context():
        token = csrf_of(admin.get("/staff/members"))
    with app.app_context():
        assert admin.post(f"/staff/members/{member.id}/sessions/end", data={"csrf_token": token}).status_code == 303
    statuses = []
    for client in (other, admin):
        with app.app_context():
            statuses.append(client.get("/staff/").status_code)
    assert statuses == [302, 200]
    assert "Name one member" in str(app.test_cli_runner().invoke(commands, ["staff", "end-sessions"]).output)
    assert app.test_cli_runner().invoke(commands, ["staff", "end-sessions", "--all"]).output == "Sessions ended: 1.\n"
    with app.app_context():
        assert admin.get("/staff/").status_code == 302
    assert [entry.detail["sessions"] for entry in db.session.query(AuditEntry).filter_by(action="ended sessions")] == [1, 1]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"DATABASE_URL": "postgresql://u:p@db.example.org/c"}, "DATABASE_URL must end in ?sslmode=verify-full"),
        ({"DATABASE_URL": "postgresql://u:p@db.example.org/c?sslmode=require"}, "DATABASE_URL"),
        ({"REDIS_URL": "redis://queue.example.org:6379/0"}, "REDIS_URL must begin with rediss://"),
        ({"MAIL_URL": "smtp://mail.example.org:25"}, "MAIL_URL must begin with smtps://"),
        ({"DATABASE_URL": "postgresql://u:p@db.example.org/c?sslmode=verify-full", "MAIL_URL": "smtps://mail.example.org"}, ""),
        ({"REDIS_URL": "rediss://queue.example.org:6379/0", "MAIL_URL": "smtp://mail.example.org?tls=starttls"}, ""),
        ({"MAIL_URL": "smtp://mail.example.org:25", "STRIPE_LIVEMODE": "", "STRIPE_SECRET_KEY": "sk_test_x"}, ""),
    ],
)
def test_with_real_money_no_connection_to_another_machine_is_unencrypted(settings: Settings, changed: dict[str, str], named: str) -> None:
    values = {**environment_of(settings), **LIVE, **changed}
    if not named:
        assert settings_from(values).hosts
        return
    with pytest.raises(SettingsError, match=re.escape(named)):
        settings_from(values)


def test_secrets_may_be_in_files_of_a_credentials_directory(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SECRET_KEY")
    with pytest.raises(SettingsError, match="SECRET_KEY is not set"):
        read_settings()
    (tmp_path / "secret_key").write_text("another secret of the tests, in a file\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_settings().secret_key == "another secret of the tests, in a file"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is logged from now on."""
    lines = io.StringIO()
    monkeypatch.setattr("sys.stderr", lines)
    logs.configure("WARNING")
    return lines


def test_a_refusal_is_logged_with_who_and_where_and_without_an_address(app: Flask, campaign: Campaign, logged: io.StringIO) -> None:
    client = signed_in(app, "viewer")
    paid(campaign)
    with app.app_context():
        client.get("/staff/members", environ_overrides={"REMOTE_ADDR": "203.0.113.77"})
    with app.app_context():
        client.post("/staff/sign-out", environ_overrides={"REMOTE_ADDR": "203.0.113.77"})
    first, second = (json.loads(line) for line in logged.getvalue().splitlines())
    member = db.session.query(Staff).one()
    assert (first["event"], first["endpoint"], first["staff"]) == ("security.forbidden", "staff_members.page", member.id)
    assert (second["event"], second["endpoint"]) == ("security.form_refused", "security.logout")
    assert first["client"] == second["client"] != ""
    assert first["timestamp"].endswith("Z")
    assert not re.search(r"203\.0\.113|member@", logged.getvalue())


def test_nothing_that_is_logged_can_begin_a_line_of_its_own(app: Flask, logged: io.StringIO) -> None:
    hostile = 'x\r\n{"event": "forged"}\u2028\x1b[31m'
    structlog.get_logger().warning("checkout.refused", error=hostile)
    (line,) = logged.getvalue().split("\n")[:-1]
    assert json.loads(line)["error"] == hostile
    assert "\x1b" not in line


def test_the_secret_of_a_second_factor_that_was_changed_in_the_database_is_refused() -> None:
    keys = SecretKeys(secret="a secret of the tests, with more than 32 letters", fallbacks=("the one before, with more than 32 letters",))
    now, before, other = (OneTimeCodes(k, issuer="x") for k in (keys, SecretKeys(secret=keys.fallbacks[0]), SecretKeys(secret="y" * 40)))
    stored = json.loads(before.generate_totp_secret())
    assert now.get_totp_b32_key(json.dumps(stored)) == before.get_totp_b32_key(json.dumps(stored))
    assert json.loads(now.encrypted_again(json.dumps(stored)))["enckey"]["t"] != stored["enckey"]["t"]
    with pytest.raises(KeyError):
        other.get_totp_b32_key(json.dumps(stored))
    sealed = bytearray(b64decode(stored["enckey"]["k"]))
    sealed[-20] ^= 1
    with pytest.raises(SealBroken):
        now.get_totp_b32_key(json.dumps({**stored, "enckey": {**stored["enckey"], "k": b64encode(sealed).decode()}}))
