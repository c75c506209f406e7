"""The command line: what each command does, and one sentence with exit status 2 for what it cannot do."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import click
import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.cli import main, seeds
from campaign.config import Settings, setting_descriptions
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.receipts.receipts import Receipt
from campaign.reporting.integrity import checker
from tests.commands import run_command
from tests.factories import paid
from tests.web import SLUG

Command = Callable[..., CompletedProcess[str]]


@pytest.fixture
def command(settings: Settings) -> Command:
    def run(*arguments: str, **changed: str | None) -> CompletedProcess[str]:
        values = {name: str(getattr(settings, name.lower())) for name in setting_descriptions()}
        machine = {k: v for k, v in os.environ.items() if k not in values}
        environment = {k: v for k, v in {**machine, **values, **changed}.items() if v is not None}
        return run_command(*arguments, environment=environment)

    return run


def test_setup_can_be_repeated(command: Command) -> None:
    assert "already" in command("setup").stdout


@pytest.mark.owner
def test_two_set_ups_at_once_are_one(settings: Settings, command: Command, tmp_path: Path) -> None:
    name = f"setup_{os.getpid()}"
    url = settings.database_url.rpartition("?")
    with psycopg.connect(settings.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    fresh = f"{url[0].rpartition('/')[0]}/{name}?{url[2]}"
    changed = {"DATABASE_URL": fresh, "RECEIPT_KEY_FILE": str(tmp_path / "receipts.pem")}
    try:
        with ThreadPoolExecutor(3) as pool:
            done = list(pool.map(lambda _: command("setup", **changed), range(3)))
        assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
        assert sum("Created the campaign" in one.stdout for one in done) == 1
        assert sum("Created the key" in one.stdout for one in done) == 1
        with psycopg.connect(fresh.replace("+psycopg", "")) as connection:
            counts = "SELECT (SELECT count(*) FROM campaign), (SELECT count(*) FROM charity), (SELECT count(*) FROM fund)"
            assert connection.execute(counts).fetchone() == (1, 1, 1)
    finally:
        with psycopg.connect(settings.database_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.owner
def test_check_books_prints_nothing_or_the_findings(app: Flask, campaign: Campaign, command: Command) -> None:
    paid(campaign)
    done = command("check-books")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET matched_cents = 1"))
    db.session.commit()
    done = command("check-books")
    assert done.returncode == 1
    assert "I2: fund sanaa-richard says 1 cents matched, but its entries sum to 10000." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "changed", "sentence"),
    [
        (["check-books"], {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, "database cannot be reached"),
        (["check-books"], {"DATABASE_URL": "mysql://x"}, "PostgreSQL URL"),
        (["check-books"], {"SECRET_KEY": None}, "SECRET_KEY is not set"),
        (["check-books"], {"SECRET_KEY": "changeme"}, "SECRET_KEY must be a secret"),
        (["check-books"], {"STRIPE_LIVEMODE": "true"}, "test key"),
        (["check-books"], {"STRIPE_SECRET_KEY": "sk_live_x"}, "live key"),
        (["check-books"], {"STRIPE_SECRET_KEY": "sk_live_x", "STRIPE_LIVEMODE": "true"}, "sandbox"),
        (["check-books"], {"STRIPE_LIVEMODE": "perhaps"}, "STRIPE_LIVEMODE"),
        (["check-books"], {"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        (["check-books"], {"BASE_URL": "give.example.org"}, "BASE_URL"),
        (["check-books"], {"REDIS_URL": "memcached://x"}, "REDIS_URL"),
        (["web"], {"SECRET_KEY": None, "MAIL_URL": None}, "SECRET_KEY, MAIL_URL are not set"),
        (["worker"], {"REDIS_URL": None}, "REDIS_URL is not set"),
        (["check-books"], {"MAIL_URL": "mail.example.org:587"}, "MAIL_URL must be"),
        (["check-books"], {"STRIPE_WEBHOOK_SECRETS": ","}, "STRIPE_WEBHOOK_SECRETS contains no secret"),
        (["check-books"], {"DATABASE_URL": "postgresql://a:b@host:port/x"}, "DATABASE_URL must be"),
        (["web", "--port", "0"], {}, "--port"),
        (["funder", "link", "nothing"], {}, "There is no fund nothing; known funds: sanaa-richard."),
        (["staff", "add", "nobody", "--role", "admin"], {}, "not an email address"),
        (["staff", "add", "a@example.org", "--role", "king"], {}, "--role"),
        (["staff", "add"], {}, "EMAIL"),
        (["seed"], {}, "--donations"),
        (["seed", "--donations", "0"], {}, "--donations"),
        (["dance"], {}, "dance"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_2(
    command: Command, arguments: list[str], changed: dict[str, str | None], sentence: str
) -> None:
    done = command(*arguments, **changed)
    assert done.returncode == 2, done.stdout + done.stderr
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_a_member_of_staff_gets_a_new_link_until_the_first_is_used(command: Command) -> None:
    first, second = (command("staff", "add", "a@example.org", "--role", "clerk") for _ in range(2))
    assert first.stdout.startswith("http://127.0.0.1:8000/staff/password/")
    assert first.stdout != second.stdout


def test_a_member_who_lost_a_phone_gets_a_new_link(command: Command) -> None:
    command("staff", "add", "a@example.org", "--role", "clerk")
    assert command("staff", "reset", "a@example.org").stdout.startswith("http://127.0.0.1:8000/staff/password/")
    refused = command("staff", "reset", "b@example.org")
    assert (refused.returncode, refused.stderr) == (2, "campaign: b@example.org is not a member of staff.\n")


def test_a_funders_link_is_created_for_a_slug_or_number(command: Command) -> None:
    for name in ("sanaa-richard", "1"):
        assert command("funder", "link", name).stdout.startswith("http://127.0.0.1:8000/funder/links/")


def test_each_command_is_audited(app: Flask, command: Command) -> None:
    command("staff", "add", "a@example.org", "--role", "clerk")
    command("funder", "link", "sanaa-richard", "--revoke")
    actions = db.session.execute(text("SELECT action FROM audit_entry ORDER BY id")).scalars().all()
    assert actions == [
        "pledged fund",
        "activated fund",
        "set up the first campaign",
        "added staff",
        "revoked funder links",
        "made a funder link",
    ]


def test_a_fund_is_added_pledged_activated_paused_resumed_and_ended(app: Flask) -> None:
    def fund(*arguments: str) -> str:
        done = app.test_cli_runner().invoke(main.campaign, ["fund", *arguments], standalone_mode=False)
        assert done.exception is None
        return done.output

    names = ("--name-en", "Friends", "--name-fr", "Amis", "--per-donor", "500", "--minimum", "25", "--ratio", "1:2")
    assert fund("add", SLUG, "friends", *names, "--opens", "2026-01-01", "--closes", "2099-12-31") == "The fund friends is a draft.\n"
    fund("pledge", "friends", "1,000", "--reason", "agreed")
    reason = ("--by", "chair@example.org", "--reason", "agreed")
    assert fund("activate", "friends", *reason) == "friends: active, $1,000.00 left of $1,000.00.\n"
    assert "friends: paused" in fund("pause", "friends", *reason)
    assert "friends: active" in fund("resume", "friends", *reason)
    assert "friends: ended" in fund("end", "friends", *reason)
    listed = fund("list")
    assert (
        "1:2, donations of at least $25.00, at most $500.00 per donor, from 2026-01-01T05:00:00+00:00, before 2100-01-01T05:00:00+00:00"
        in listed
    )
    assert "pledged $1,000.00 by command line: agreed" in listed
    assert "ended by chair@example.org: agreed" in listed


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["fund", "pause", "nobody", "--reason", "x"], "There is no fund nobody; known funds: sanaa-richard."),
        (["fund", "resume", "sanaa-richard", "--reason", "x"], "The fund sanaa-richard is not paused."),
        (["fund", "pledge", "sanaa-richard", "a lot", "--reason", "x"], "a lot is not an amount of money"),
        (["fund", "pledge", "sanaa-richard", "0", "--reason", "x"], "more than zero"),
        (["fund", "pause", "sanaa-richard"], "--reason"),
        (["fund", "add", "nowhere", "x", "--name-en", "x", "--name-fr", "x"], "There is no campaign nowhere."),
        (["fund", "add", SLUG, "sanaa-richard", "--name-en", "x", "--name-fr", "x"], "the name is taken"),
        (["fund", "add", SLUG, "x", "--name-en", "x", "--name-fr", "x", "--ratio", "0:1"], "is not a ratio"),
        (["fund", "add", SLUG, "x", "--name-en", "x", "--name-fr", "x", "--opens", "2026-03-08 02:30"], "The clocks skip"),
        (["statement", "sanaa-richard", "--format", "json", "--as-of", "soon"], "soon is not a date or time"),
        (["statement", "sanaa-richard", "--format", "json", "--as-of", "2099-01-01"], "has not come yet"),
        (["statement", "nobody", "--format", "csv"], "There is no fund nobody"),
    ],
)
def test_what_a_fund_cannot_do_is_refused_with_its_reason(app: Flask, arguments: list[str], part: str) -> None:
    """Runs in this process. test_a_refusal_is_one_sentence_and_exit_2 covers the whole command line."""
    done = app.test_cli_runner().invoke(main.campaign, arguments, standalone_mode=False)
    assert isinstance(done.exception, click.ClickException | ValueError)
    sentence = done.exception.format_message() if isinstance(done.exception, click.ClickException) else str(done.exception)
    assert part in sentence
    assert len(sentence.splitlines()) == 1


def test_a_refusal_is_one_sentence_and_exit_2(command: Command) -> None:
    for arguments in (["fund", "pause", "nobody", "--reason", "x"], ["statement", "sanaa-richard", "--format", "json", "--as-of", "soon"]):
        done = command(*arguments)
        assert (done.returncode, done.stdout, len(done.stderr.strip().splitlines())) == (2, "", 1)


@pytest.mark.parametrize(("form", "start"), [("json", "{"), ("csv", '\ufeff"Number",'), ("pdf", "%PDF-")])
def test_a_statement_as_of_a_time_has_the_same_bytes_each_time(
    app: Flask, campaign: Campaign, form: str, start: str, tmp_path: Path
) -> None:
    paid(campaign)
    moment = db.session.scalars(text("SELECT clock_timestamp()")).one().isoformat()
    db.session.commit()
    files = [tmp_path / name for name in ("first", "second")]
    for file in files:
        done = app.test_cli_runner().invoke(
            main.campaign, ["statement", "sanaa-richard", "--format", form, "--as-of", moment, "--output", str(file)], standalone_mode=False
        )
        assert done.exception is None
        paid(campaign)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(start.encode())


def test_a_statement_is_written_to_standard_output(app: Flask, campaign: Campaign, command: Command) -> None:
    paid(campaign)
    assert '"matched_cents": 10000' in command("statement", "sanaa-richard", "--format", "json").stdout


@pytest.mark.owner
def test_with_integrity_findings_a_fund_is_resumed_only_with_the_override(app: Flask) -> None:
    def fund(*arguments: str) -> BaseException | None:
        return app.test_cli_runner().invoke(main.campaign, ["fund", *arguments], standalone_mode=False).exception

    assert fund("pause", "sanaa-richard", "--reason", "x") is None
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET pledged_cents = pledged_cents + 1"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    refused = fund("resume", "sanaa-richard", "--reason", "x")
    assert isinstance(refused, click.ClickException)
    assert "The integrity check has findings" in refused.format_message()
    assert fund("resume", "sanaa-richard", "--reason", "the cent is known", "--in-spite-of-findings") is None


def test_a_seeded_history_is_consistent_and_repeatable(app: Flask) -> None:
    assert seeds.create_history(150, seed=7) == 150
    totals = db.session.get_one(CampaignTotals, 1)
    assert 120 <= totals.donations < 150
    assert totals.donations == db.session.query(Receipt).count()
    before = totals.donated_cents
    seeds.create_history(150, seed=7)
    db.session.expire_all()
    assert db.session.get_one(CampaignTotals, 1).donated_cents == before
    assert db.session.query(Donation).count() == 150
    assert checker.findings(db.engine) == []


def test_help_needs_no_settings(command: Command) -> None:
    done = command("--help", **dict.fromkeys(setting_descriptions()))
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("setup", "web", "worker", "check-books", "staff", "funder", "fund", "statement", "seed", "routes", "shell"):
        assert name in done.stdout
