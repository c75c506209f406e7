"""Fixtures: one PostgreSQL cluster for a run, a new database for each test, Valkey, an SMTP server and the Stripe sandbox."""

import asyncio
import gc
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType  # noqa: TC003
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from aiosmtpd.controller import Controller
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from jinja2 import BytecodeCache, StrictUndefined
from jinja2.bccache import Bucket
from sqlalchemy import Engine, QueuePool, text
from werkzeug.routing import Rule
from werkzeug.serving import BaseWSGIServer, make_server

from campaign import create_app
from campaign.campaigns.campaigns import Campaign
from campaign.cli.setup import set_up
from campaign.config import Settings
from campaign.devstack.sandbox import clock
from campaign.devstack.sandbox.__main__ import Quiet, stripe_app
from campaign.devstack.sandbox.mailbox import Mailbox, Receiver
from campaign.devstack.sandbox.store import Store
from campaign.devstack.sandbox.stripe_account import Account
from campaign.devstack.servers import OWNER_LOGIN, SERVICE_LOGIN, Postgres, ensure_database, prepare_postgres, start_postgres, start_valkey
from campaign.devstack.stack import free_port
from campaign.edges.db import close_connections, db
from campaign.matching.funds import Fund, funds_of
from campaign.reporting.integrity import checker, guard_checks, scope
from tests.browser import PICTURES, chromium_path
from tests.patience import PATIENCE_SECONDS
from tests.scale import SCALE

HOME = pytest.StashKey[Path]()
SERVER = pytest.StashKey[subprocess.Popen[bytes]]()
TEMPLATE = "template_of_tests"
WEBHOOK_SECRET = "whsec_tests"
SLOWEST = {"test_end_to_end.py", "test_donation_histories.py", "test_devstack.py", "test_books_stateful.py", "test_receipt_storm.py"}
MIN_FREE_BYTES = 4 * 1024**3
SIGNING_KEY = Path(tempfile.gettempdir()) / f"campaign-tests-key-{os.getuid()}" / "receipts.pem"

hypothesis_settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True)
# A mutant needs only to be detected: the example is not minimized.
hypothesis_settings.register_profile("mutants", hypothesis_settings.get_profile("here"), phases=[Phase.explicit, Phase.generate])
hypothesis_settings.load_profile("here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--receipts", type=int, default=40, help="the number of receipts that the storm issues")
    parser.addoption("--workers", type=int, default=2, help="the number of workers that the storm kills")
    parser.addoption("--cluster", type=Path, help="the directory of a cluster that is already prepared (tools/mutants.py)")
    parser.addoption("--pictures", type=Path, help="the directory for pictures of the pages that donors see (make screenshots)")


def _compile_urls_once() -> None:
    """Let all apps share what werkzeug compiles of a URL: each test creates an app with the same URLs, and compiling them takes most of that."""
    compile_rule = Rule.compile
    compiled: dict[Any, Any] = {}

    def compile_once(rule: Rule) -> None:
        assert rule.map
        key = (rule.rule, rule.subdomain, str(rule.defaults), rule.map.converters["int"])
        if key not in compiled:
            compile_rule(rule)
            shared = {name: vars(rule)[name] for name in ("_parts", "_trace", "_converters", "arguments")}
            compiled[key] = (shared, *(vars(rule)[builder].__func__ for builder in ("_build", "_build_unknown")))
        shared, build, build_unknown = compiled[key]
        vars(rule).update(shared, _build=build.__get__(rule), _build_unknown=build_unknown.__get__(rule))

    Rule.compile = compile_once  # type: ignore[assignment, method-assign]


class CompiledTemplates(BytecodeCache):
    """The compiled templates of all apps, by their names and sources."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._code[bucket.key, bucket.checksum] = bucket.code


def pytest_configure(config: pytest.Config) -> None:
    _compile_urls_once()
    PICTURES.extend(filter(None, [config.getoption("--pictures")]))
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": CompiledTemplates()}
    worker_input: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[HOME] = Path(worker_input["home"])
    elif prepared := config.getoption("--cluster"):
        config.stash[HOME] = prepared
        hypothesis_settings.load_profile("mutants")
    else:
        config.stash[HOME] = Path(tempfile.mkdtemp(prefix="campaign-tests-", dir=_memory_directory()))
        config.stash[SERVER] = start_cluster(config.stash[HOME])


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what is loaded now and stays: it takes a tenth of the run otherwise."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the slowest files first, so that none runs alone at the end, and Sentry last, as it watches the whole process from then on."""
    items.sort(key=lambda item: (item.path.name == "test_error_reports.py") - (item.path.name in SLOWEST))


def _memory_directory() -> str | None:
    """A directory in memory, if there is one with enough space: creating a database for each test is mostly copying."""
    directory = Path("/dev/shm")
    return str(directory) if directory.is_dir() and shutil.disk_usage(directory).free > MIN_FREE_BYTES else None


def start_cluster(home: Path) -> subprocess.Popen[bytes]:
    """Start a cluster under `home`, with a template database that each test copies, migrated by its owner."""
    home.chmod(0o755)
    cluster = prepare_postgres(home / "postgres")
    (home / "sockets").write_text(str(cluster.sockets))
    server = start_postgres(cluster, home / "postgres.log")
    with cluster.connect() as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):  # No test survives a crash of the machine.
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    ensure_database(cluster, TEMPLATE)
    app = create_app(make_settings(cluster.url(TEMPLATE, login=OWNER_LOGIN)))
    with app.app_context():
        set_up()
        (home / "guards.json").write_text(json.dumps(guard_checks.guards_in_force(db.session.connection())))
        close_connections()
    return server


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["home"] = str(node.config.stash[HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(SERVER, None)
    if server is not None:
        server.send_signal(signal.SIGINT)
        server.wait(PATIENCE_SECONDS)
        shutil.rmtree(config.stash[HOME], ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if chromium_path() is None:
        terminalreporter.section("NO BROWSER", sep="!", red=True, bold=True)
        terminalreporter.line("The browser tests did not run: install Chromium, or the Node package @sparticuz/chromium.")


def make_settings(database_url: str, **changed: Any) -> Settings:
    """Settings of a test; servers that are not passed in `changed` do not exist."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "redis_url": "redis+socket:///nowhere/at-all.sock",
        "secret_key": "a secret of the tests, with more than 32 letters",
        "base_url": "http://127.0.0.1:8000",
        "stripe_secret_key": "sk_test_of_the_tests",
        "stripe_webhook_secrets": WEBHOOK_SECRET,
        "stripe_api_base": "http://127.0.0.1:9",
        "mail_url": "smtp://127.0.0.1:9",
        "mail_from": "gifts@example.org",
        "log_level": "ERROR",
        "receipt_key_file": str(SIGNING_KEY),
    }
    return Settings(**{**values, **changed})


def cluster_at(home: Path) -> Postgres:
    """The cluster that start_cluster has started under `home`."""
    return Postgres(data=home / "postgres" / "data", sockets=Path((home / "sockets").read_text()), binaries=Path("/unused"), user=None)


@pytest.fixture(scope="session")
def home(request: pytest.FixtureRequest) -> Path:
    return request.config.stash[HOME]


@pytest.fixture(scope="session")
def cluster(home: Path) -> Postgres:
    return cluster_at(home)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("valkey")
    server, url = start_valkey(home, home / "log")
    yield url
    server.terminate()
    server.wait(PATIENCE_SECONDS)


@dataclass
class Stripe:
    """The Stripe sandbox: the app reaches it over HTTP, the test through its store and account."""

    url: str
    store: Store
    account: Account
    server: BaseWSGIServer


@pytest.fixture
def stripe(stripe_server: Stripe) -> Stripe:
    """An empty account."""
    stripe_server.store.clear()
    clock.set_ahead(0)
    return stripe_server


@pytest.fixture(scope="session")
def stripe_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stripe]:
    state = tmp_path_factory.mktemp("stripe") / "state.db"
    port = free_port(21000 + hash(str(state)) % 9000, taken=set())
    url = f"http://127.0.0.1:{port}"
    app = stripe_app(state, address=url, webhook="", secret=WEBHOOK_SECRET)
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    account = app.extensions["account"]
    yield Stripe(url=url, store=account.store, account=account, server=server)
    server.shutdown()
    server.server_close()


@dataclass
class Post:
    """A real SMTP server and the mailbox of what it received."""

    url: str
    box: Mailbox


@pytest.fixture
def post(post_server: Post) -> Post:
    """An empty mailbox: reading it takes as long as there are emails in it."""
    post_server.box.clear()
    return post_server


@pytest.fixture(scope="session")
def post_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    box = Mailbox(tmp_path_factory.mktemp("post") / "mail.db")
    port = free_port(31000 + hash(str(box)) % 900, taken=set())
    controller = Controller(Receiver(box), hostname="127.0.0.1", port=port)
    controller.start()
    yield Post(url=f"smtp://127.0.0.1:{port}", box=box)
    controller.stop()


@pytest.fixture(scope="session")
def administrator(cluster: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """The connection that creates and drops databases."""
    with cluster.connect() as connection:
        yield connection


@pytest.fixture
def database(cluster: Postgres, administrator: psycopg.Connection[Any], request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a new database for the service; for its owner, where the test is marked so because it tampers with what the service cannot change."""
    name = f"test_{uuid4().hex[:12]}"
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    yield cluster.url(name, login=OWNER_LOGIN if request.node.get_closest_marker("owner") else SERVICE_LOGIN)
    for left in (name, f"{name}_original"):  # The second where a test failed in a copy.
        administrator.execute(f"DROP DATABASE IF EXISTS {left} WITH (FORCE)")


Copied = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def copied(app: Flask, administrator: psycopg.Connection[Any]) -> Copied:
    """`with copied():` what happens in the block happens in a copy of the database, which is dropped: many cases begin with one set-up."""
    name = db.engine.url.database

    @contextmanager
    def copy() -> Iterator[None]:
        close_connections()
        administrator.execute(f"ALTER DATABASE {name} RENAME TO {name}_original")
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {name}_original STRATEGY file_copy")
        yield
        close_connections()
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
        administrator.execute(f"ALTER DATABASE {name}_original RENAME TO {name}")

    return copy


@pytest.fixture
def settings(database: str, valkey: str, stripe: Stripe, post: Post) -> Settings:
    return make_settings(database, redis_url=valkey, stripe_api_base=stripe.url, mail_url=post.url)


COMPILED: dict[Any, Any] = {}


def _prepare_engines() -> None:
    """Let the engines of all apps share the statements that SQLAlchemy has compiled: each would compile the same ones again."""
    for name, engine in db.engines.items():
        if name not in COMPILED:
            engine.connect().close()  # A dialect knows its server after the first connection.
            COMPILED[name] = (engine.dialect, engine._compiled_cache)
        engine.dialect, engine._compiled_cache = COMPILED[name]
        if isinstance(engine.pool, QueuePool):
            engine.pool._timeout = PATIENCE_SECONDS  # A crowd of threads waits on a busy machine too.


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    # Passwords, and those in links, are hashed with the least work: tests check them often, and one test holds the cost (test_security_standard.py).
    app.extensions["security"].pwd_context.update(argon2__time_cost=1, argon2__memory_cost=8, argon2__parallelism=1)
    app.extensions["security"].hashing_context.update(sha256_crypt__default_rounds=1000)
    app.jinja_env.undefined = StrictUndefined  # A name that a template misspells is an error, not an empty text.
    with app.app_context():
        _prepare_engines()
        app.extensions["services"].waker._client.flushall()
        yield app
        close_connections()
        app.extensions["services"].waker.close()


@pytest.fixture(scope="session")
def guards(home: Path) -> dict[str, str]:
    """The guards of the template."""
    found: dict[str, str] = json.loads((home / "guards.json").read_text())
    return found


@pytest.fixture(autouse=True)
def guards_are_read_where_they_can_change(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, guards: dict[str, str]) -> None:
    """Where a test is not the owner of the tables, it cannot change a guard: a check then compares those that were read once, a third of its work.

    Of a mutant (tools/mutants.py) a test must notice what it does, not that the text of a function has changed.
    """
    read = guard_checks.guards_in_force
    if not request.node.get_closest_marker("owner"):
        monkeypatch.setattr(guard_checks, "guards_in_force", lambda _: guards)
    elif request.config.getoption("--cluster"):
        functions = {name: digest for name, digest in guards.items() if name.startswith("function")}
        monkeypatch.setattr(guard_checks, "guards_in_force", lambda connection: read(connection) | functions)


# What only a check of all books finds: see CHECKS_OF_ALL.
OF_ALL_BOOKS = (
    "I2: the day",
    "I11: the journal",
    "I20: the closed month",
    "I3",
    "I15: series",
    "I11: Stripe paid out",
    "I11: Stripe has not listed",
    "I25: the charge of donation",
    "I20: records of the log",
    "I16: the statement",
    "I16: the signature",
    "I16: the names",
    "I14: the payment",
    "I17: the payment",
)


def is_verified_still(engine: Engine, point: scope.VerifiedPoint) -> bool:
    """Whether the entries up to the point are where they were when it was verified."""
    with engine.connect() as connection:
        entries = text(
            "SELECT count(*), (array_agg(encode(hash, 'hex') ORDER BY position DESC))[1] FROM ledger_entry WHERE chain = :chain AND position <= :last"
        )
        return all(tuple(connection.execute(entries, {"chain": c, "last": n}).one()) == (n, h) for c, n, h in point["chain"] if n)


def has_moved_donors(engine: Engine) -> bool:
    """Whether donors were merged: then the schedule checks all books (operations/integrity_checks.py)."""
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT EXISTS (SELECT FROM donor_merge)")))


@pytest.fixture(autouse=True)
def parts_of_books_are_checked_too(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test checks all books, what is new since it did so before is checked too, and what is wrong is found as if all were new.

    In every tenth test, chosen by its name, as each check takes as long as many tests; in all that `make long` runs.
    """
    if zlib.crc32(request.node.nodeid.encode()) % (10 // min(SCALE, 10)):
        return
    for margin in ("MARGIN", "MARGIN_OF_CHECKOUTS"):
        monkeypatch.setattr(scope, margin, "0 seconds")  # Otherwise all that a test does would be new.
    monkeypatch.setattr(scope, "SNAPSHOTS_AT_ONCE", 0)
    monkeypatch.setattr(scope, "QUEUE_LENGTH", 1)
    verified = scope.START

    def findings(engine: Engine) -> list[str]:
        nonlocal verified
        verified = scope.START if has_moved_donors(engine) else verified
        whole, new = (checker.check(engine, since=since) for since in (None, verified))
        if is_verified_still(engine, verified):  # Otherwise a check of what is new finds more than one of all books, which begin elsewhere.
            assert set(new.findings) <= set(whole.findings), "a check of what is new reports what is not so"
        if whole.point and new.point:
            assert all(new.point[name] == whole.point[name] for name in scope.SUMS_OF_A_POINT)
        if whole.findings:
            everything = checker.check(engine, since=scope.START)
            assert {sentence for sentence in whole.findings if not sentence.startswith(OF_ALL_BOOKS)} <= set(everything.findings)
        verified = new.point or verified
        return whole.findings

    monkeypatch.setattr(checker, "findings", findings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def campaign(app: Flask) -> Campaign:
    return db.session.query(Campaign).one()


@pytest.fixture
def fund(campaign: Campaign) -> Fund:
    return funds_of(campaign.id)[0]


class ScriptedSmtp:
    """An SMTP server whose response the test sets, and which records the messages that it received."""

    def __init__(self) -> None:
        self.response = "250 OK"
        self.received: list[bytes] = []

    async def handle_DATA(self, server: Any, session: object, envelope: Any) -> str:  # noqa: N802  # aiosmtpd names it
        if self.response == "disconnect":
            server.transport.close()
            await asyncio.sleep(0)
        self.received.append(envelope.content)
        return self.response


@pytest.fixture
def scripted_smtp(app: Flask) -> Iterator[ScriptedSmtp]:
    port = free_port(33000, taken=set())
    server = ScriptedSmtp()
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    services = app.extensions["services"]
    settings = services.settings.model_copy(update={"mail_url": f"smtp://127.0.0.1:{port}"})
    app.extensions["services"] = replace(services, settings=settings)
    yield server
    controller.stop()
