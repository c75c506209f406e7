"""The command line: what it does, and one clear sentence with exit 2 for what it cannot."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import click
import pytest
from flask import Flask
from sqlalchemy import text

from campaign import cli, seeds
from campaign.config import ROOT, Settings, names_and_meanings
from campaign.edges.db import db
from campaign.giving.campaigns import CampaignTotals
from campaign.giving.donations import Donation
from campaign.giving.receipts import Receipt
from campaign.reporting import books
from tests.factories import paid
from tests.test_donate import SLUG

Command = Callable[..., CompletedProcess]


@pytest.fixture
def command(settings: Settings) -> Command:
    def run(*arguments: str, **changed: str | None) -> CompletedProcess:
        ours = {name: str(getattr(settings, name.lower())) for name in names_and_meanings()}
        machine = {k: v for k, v in os.environ.items() if k not in ours}
        environment = {k: v for k, v in {**machine, **ours, **changed}.items() if v is not None}
        return subprocess.run(
            [sys.executable, "-m", "campaign", *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_setup_does_all_once(command: Command) -> None:
    assert "already" in command("setup").stdout


def test_check_books_is_silent_when_they_are_right_and_says_what_is_wrong(app: Flask, campaign: object, command: Command) -> None:
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
        (["check-books"], {"DATABASE_URL": "mysql://x"}, "PostgreSQL address"),
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
        (["check-books"], {"STRIPE_WEBHOOK_SECRETS": ","}, "STRIPE_WEBHOOK_SECRETS holds no secret"),
        (["check-books"], {"DATABASE_URL": "postgresql://a:b@host:port/x"}, "DATABASE_URL must be"),
        (["web", "--port", "0"], {}, "--port"),
        (["funder", "link", "nothing"], {}, "There is no fund nothing; known funds: sanaa-richard."),
        (["staff", "add", "nobody", "--role", "admin"], {}, "not an e-mail address"),
        (["staff", "add", "a@example.org", "--role", "king"], {}, "--role"),
        (["staff", "add"], {}, "EMAIL"),
        (["seed"], {}, "--donations"),
        (["seed", "--donations", "0"], {}, "--donations"),
        (["dance"], {}, "dance"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_2(command: Command, arguments: list[str], changed: dict, sentence: str) -> None:
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


def test_a_funders_link_is_found_by_slug_or_number(command: Command) -> None:
    for name in ("sanaa-richard", "1"):
        assert command("funder", "link", name).stdout.startswith("http://127.0.0.1:8000/funder/links/")


def test_each_act_has_its_audit_row(app: Flask, command: Command) -> None:
    command("staff", "add", "a@example.org", "--role", "clerk")
    command("funder", "link", "sanaa-richard", "--revoke")
    acts = db.session.execute(text("SELECT act FROM audit_entry ORDER BY id")).scalars().all()
    assert acts == [
        "pledged fund",
        "activated fund",
        "set up the first campaign",
        "added staff",
        "revoked funder links",
        "made a funder link",
    ]


def test_a_fund_is_made_pledged_activated_paused_resumed_and_ended(app: Flask) -> None:
    def fund(*arguments: str) -> str:
        done = app.test_cli_runner().invoke(cli.campaign, ["fund", *arguments], standalone_mode=False)
        assert done.exception is None
        return done.output

    names = ("--name-en", "Friends", "--name-fr", "Amis", "--per-donor", "500", "--minimum", "25", "--ratio", "1:2")
    assert fund("add", SLUG, "friends", *names, "--opens", "2026-01-01", "--closes", "2099-12-31") == "The fund friends is a draft.\n"
    fund("pledge", "friends", "1,000", "--reason", "agreed")
    why = ("--by", "chair@example.org", "--reason", "agreed")
    assert fund("activate", "friends", *why) == "friends: active, $1,000.00 left of $1,000.00.\n"
    assert "friends: paused" in fund("pause", "friends", *why)
    assert "friends: active" in fund("resume", "friends", *why)
    assert "friends: ended" in fund("end", "friends", *why)
    listed = fund("list")
    assert "1:2, for gifts from $25.00, at most a donor $500.00, from 2026-01-01T05:00:00+00:00, before 2100-01-01T05:00:00+00:00" in listed
    assert "pledged $1,000.00 by command line: agreed" in listed
    assert "ended by chair@example.org: agreed" in listed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fund", "pause", "nobody", "--reason", "x"], "There is no fund nobody; known funds: sanaa-richard."),
        (["fund", "resume", "sanaa-richard", "--reason", "x"], "The fund sanaa-richard is not paused."),
        (["fund", "pledge", "sanaa-richard", "a lot", "--reason", "x"], "a lot is no sum of money"),
        (["fund", "pledge", "sanaa-richard", "0", "--reason", "x"], "more than nothing"),
        (["fund", "pause", "sanaa-richard"], "--reason"),
        (["fund", "add", "nowhere", "x", "--name-en", "x", "--name-fr", "x"], "There is no campaign nowhere."),
        (["fund", "add", SLUG, "sanaa-richard", "--name-en", "x", "--name-fr", "x"], "the name is taken"),
        (["fund", "add", SLUG, "x", "--name-en", "x", "--name-fr", "x", "--ratio", "0:1"], "is no ratio"),
        (["fund", "add", SLUG, "x", "--name-en", "x", "--name-fr", "x", "--opens", "2026-03-08 02:30"], "The clocks skip"),
        (["statement", "sanaa-richard", "--format", "json", "--as-of", "soon"], "soon is no moment"),
        (["statement", "sanaa-richard", "--format", "json", "--as-of", "2099-01-01"], "has not come yet"),
        (["statement", "nobody", "--format", "csv"], "There is no fund nobody"),
    ],
)
def test_what_a_fund_cannot_do_is_refused_with_its_reason(app: Flask, arguments: list[str], said: str) -> None:
    """In this process: that a refusal is one sentence and exit 2 is shown for the whole command line elsewhere."""
    done = app.test_cli_runner().invoke(cli.campaign, arguments, standalone_mode=False)
    assert isinstance(done.exception, click.ClickException | ValueError)
    sentence = done.exception.format_message() if isinstance(done.exception, click.ClickException) else str(done.exception)
    assert said in sentence
    assert len(sentence.splitlines()) == 1


def test_a_refusal_is_one_sentence_and_exit_2(command: Command) -> None:
    for arguments in (["fund", "pause", "nobody", "--reason", "x"], ["statement", "sanaa-richard", "--format", "json", "--as-of", "soon"]):
        done = command(*arguments)
        assert (done.returncode, done.stdout, len(done.stderr.strip().splitlines())) == (2, "", 1)


@pytest.mark.parametrize(("form", "begins"), [("json", "{"), ("csv", "\ufeffDay,"), ("pdf", "%PDF-")])
def test_a_statement_of_a_moment_is_the_same_bytes_each_time(app: Flask, campaign: object, form: str, begins: str, tmp_path: Path) -> None:
    paid(campaign)
    moment = db.session.scalars(text("SELECT clock_timestamp()")).one().isoformat()
    db.session.commit()
    files = [tmp_path / name for name in ("first", "second")]
    for file in files:
        done = app.test_cli_runner().invoke(
            cli.campaign, ["statement", "sanaa-richard", "--format", form, "--as-of", moment, "--output", str(file)], standalone_mode=False
        )
        assert done.exception is None
        paid(campaign)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(begins.encode())


def test_a_statement_goes_to_standard_output(app: Flask, campaign: object, command: Command) -> None:
    paid(campaign)
    assert '"matched_cents": 10000' in command("statement", "sanaa-richard", "--format", "json").stdout


def test_while_the_books_are_not_right_a_fund_is_resumed_only_in_spite_of_it(app: Flask) -> None:
    def fund(*arguments: str) -> Exception | None:
        return app.test_cli_runner().invoke(cli.campaign, ["fund", *arguments], standalone_mode=False).exception

    assert fund("pause", "sanaa-richard", "--reason", "x") is None
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET pledged_cents = pledged_cents + 1"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    refused = fund("resume", "sanaa-richard", "--reason", "x")
    assert isinstance(refused, click.ClickException)
    assert "The books are not right" in refused.format_message()
    assert fund("resume", "sanaa-richard", "--reason", "the cent is known", "--in-spite-of-findings") is None


def test_a_seeded_history_is_right_and_the_same_for_the_same_seed(app: Flask) -> None:
    assert seeds.make_history(150, seed=7) == 150
    totals = db.session.get_one(CampaignTotals, 1)
    assert 120 <= totals.donations < 150
    assert totals.donations == db.session.query(Receipt).count()
    before = totals.donated_cents
    seeds.make_history(150, seed=7)
    db.session.expire_all()
    assert db.session.get_one(CampaignTotals, 1).donated_cents == before
    assert db.session.query(Donation).count() == 150
    assert books.findings(db.engine) == []


def test_help_needs_nothing(command: Command) -> None:
    done = command("--help", **dict.fromkeys(names_and_meanings()))
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("setup", "web", "worker", "check-books", "staff", "funder", "fund", "statement", "seed", "routes", "shell"):
        assert name in done.stdout
