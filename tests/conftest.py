"""One PostgreSQL for a whole run, a fresh database for each test that asks for one, and real neighbours beside it."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from werkzeug.serving import BaseWSGIServer, make_server

from campaign import create_app
from campaign.config import Settings
from campaign.edges.db import db, hang_up
from campaign.embedded.house import free_port
from campaign.embedded.servers import Postgres, prepare_postgres, start_postgres, start_valkey
from campaign.first_steps import migrate
from campaign.giving.campaigns import Campaign
from campaign.giving.first_campaign import create_first_campaign
from campaign.giving.funds import Fund, funds_of
from campaign.sandbox import clock
from campaign.sandbox.__main__ import Quiet, stripe_app
from campaign.sandbox.mailbox import Mailbox, Receiver
from campaign.sandbox.store import Store
from campaign.sandbox.stripe_account import Account
from tests.story import chromium_path

HOME = pytest.StashKey[Path]()
SERVER = pytest.StashKey[subprocess.Popen[bytes]]()
TEMPLATE = "template_of_tests"
WEBHOOK_SECRET = "whsec_tests"
LONGEST = {"test_story.py", "test_lives.py", "test_house.py", "test_books_stateful.py", "test_receipt_storm.py"}
ROOM_BYTES = 4 * 1024**3
KEY_OF_TESTS = Path(tempfile.gettempdir()) / f"campaign-tests-key-{os.getuid()}" / "receipts.pem"

hypothesis_settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True)
# That a mutant is noticed is enough: the smallest example of it is not looked for.
hypothesis_settings.register_profile("mutants", hypothesis_settings.get_profile("here"), phases=[Phase.explicit, Phase.generate])
hypothesis_settings.load_profile("here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--steps", type=int, default=2000, help="how many steps the random lives of donations take")
    parser.addoption("--receipts", type=int, default=60, help="how many receipts the storm issues")
    parser.addoption("--workers", type=int, default=2, help="how many workers the storm kills")
    parser.addoption("--cluster", type=Path, help="where a database runs that was made ready before (tests/mutants.py)")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        config.stash[HOME] = Path(config.workerinput["home"])
    elif ready := config.getoption("--cluster"):
        config.stash[HOME] = ready
        hypothesis_settings.load_profile("mutants")
    else:
        config.stash[HOME] = Path(tempfile.mkdtemp(prefix="campaign-tests-", dir=_in_memory()))
        config.stash[SERVER] = make_ready(config.stash[HOME])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest begin first, so that none runs alone at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def _in_memory() -> str | None:
    """Where files never reach a disk, if the machine has such a place with room: a database for each test is mostly copying."""
    place = Path("/dev/shm")
    return str(place) if place.is_dir() and shutil.disk_usage(place).free > ROOM_BYTES else None


def make_ready(home: Path) -> subprocess.Popen[bytes]:
    """A running cluster under this folder, with a migrated template that each test copies."""
    home.chmod(0o755)
    cluster = prepare_postgres(home / "postgres")
    (home / "sockets").write_text(str(cluster.sockets))
    server = start_postgres(cluster, home / "postgres.log")
    with cluster.connect() as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    app = create_app(test_settings(cluster.url(TEMPLATE)))
    with app.app_context():
        migrate()
        create_first_campaign()
        db.session.commit()
        app.extensions["outside"].key.make(name="GBS/CIDP Foundation of Canada", now=datetime.now(UTC))
        hang_up()
    return server


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    node.workerinput["home"] = str(node.config.stash[HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(SERVER, None)
    if server is not None:
        server.send_signal(signal.SIGINT)
        server.wait(120)
        shutil.rmtree(config.stash[HOME], ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if chromium_path() is None:
        terminalreporter.section("NO BROWSER", sep="!", red=True, bold=True)
        terminalreporter.line("The tests in a real browser did not run: install Chromium, or Node's package @sparticuz/chromium.")


def test_settings(database_url: str, **changed: object) -> Settings:
    given = {
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
        "receipt_key_file": str(KEY_OF_TESTS),
    }
    return Settings(_env_file=None, **{**given, **changed})


test_settings.__test__ = False


def cluster_at(home: Path) -> Postgres:
    """The cluster that the run has started, without touching it."""
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
    server.wait(10)


@dataclass
class Stripe:
    """The stand-in, reached by the app over HTTP, and by the test through its memory."""

    url: str
    store: Store
    account: Account
    server: BaseWSGIServer


@pytest.fixture
def stripe(stripe_server: Stripe) -> Stripe:
    """An account at which nothing has happened yet."""
    stripe_server.store.forget_all()
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
    """A real SMTP server and what it has taken."""

    url: str
    box: Mailbox


@pytest.fixture(scope="session")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    box = Mailbox(tmp_path_factory.mktemp("post") / "mail.db")
    port = free_port(31000 + hash(str(box)) % 900, taken=set())
    controller = Controller(Receiver(box), hostname="127.0.0.1", port=port)
    controller.start()
    yield Post(url=f"smtp://127.0.0.1:{port}", box=box)
    controller.stop()


@pytest.fixture
def database(cluster: Postgres) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    with cluster.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    yield cluster.url(name)
    with cluster.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(database: str, valkey: str, stripe: Stripe, post: Post) -> Settings:
    return test_settings(database, redis_url=valkey, stripe_api_base=stripe.url, mail_url=post.url)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    made = create_app(settings)
    with made.app_context():
        made.extensions["outside"].waker._client.flushall()
        yield made
        hang_up()
        made.extensions["outside"].waker.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def campaign(app: Flask) -> Campaign:
    return db.session.query(Campaign).one()


@pytest.fixture
def fund(campaign: Campaign) -> Fund:
    return funds_of(campaign.id)[0]


class Moody:
    """An SMTP server that answers as told, and counts what it took."""

    def __init__(self) -> None:
        self.answer = "250 OK"
        self.taken: list[bytes] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802  # aiosmtpd names it
        if self.answer == "hang up":
            server.transport.close()
            await asyncio.sleep(0)
        self.taken.append(envelope.content)
        return self.answer


@pytest.fixture
def moody(app: Flask) -> Iterator[Moody]:
    port = free_port(33000, taken=set())
    server = Moody()
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    there = app.extensions["outside"]
    settings = there.settings.model_copy(update={"mail_url": f"smtp://127.0.0.1:{port}"})
    app.extensions["outside"] = replace(there, settings=settings)
    yield server
    controller.stop()
