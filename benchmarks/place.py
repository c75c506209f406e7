"""The servers of a benchmark run: PostgreSQL with its default durability, Valkey, granian and Celery, started and stopped here."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from campaign.cli.first_campaign import create_first_campaign
from campaign.cli.setup import migrate
from campaign.config import ROOT, settings_from
from campaign.devstack.servers import OWNER_LOGIN, ensure_database, prepare_postgres, start_postgres, start_valkey
from campaign.devstack.stack import free_port
from campaign.edges.db import close_connections, db

from campaign import create_app  # isort: skip

SECRET = "whsec_of_the_benchmarks"


class Servers:
    """The ports, environment and app of one run."""

    def __init__(self, home: Path, database_url: str, redis_url: str) -> None:
        self.home = home
        self.web_port = free_port(28000, taken=set())
        self.stub_port = free_port(28100, taken=set())
        self.environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": "a secret of the benchmarks with more than 32 letters",
            "BASE_URL": f"http://127.0.0.1:{self.web_port}",
            "STRIPE_SECRET_KEY": "sk_test_of_the_benchmarks",
            "STRIPE_API_BASE": f"http://127.0.0.1:{self.stub_port}",
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "MAIL_URL": "smtp://127.0.0.1:9",
            "MAIL_FROM": "gifts@example.org",
            "PROXY_HOPS": "1",
            "LOG_LEVEL": "ERROR",
        }
        self.app = create_app(settings_from(self.environment))

    @contextmanager
    def running(self, name: str, *arguments: str, ready: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Run a program with the environment of this run for the duration of the block. Waits until the URL `ready` responds."""
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env={**os.environ, **self.environment},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _wait(process, ready)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)

    @contextmanager
    def web(self) -> Iterator[str]:
        """Run `campaign web` for the duration of the block and yield its address."""
        address = self.environment["BASE_URL"]
        with self.running("web", "-m", "campaign", "web", "--port", str(self.web_port), ready=f"{address}/healthz"):
            yield address


def _wait(process: subprocess.Popen[bytes], ready: str) -> None:
    deadline = time.monotonic() + 30
    while ready and time.monotonic() < deadline:
        try:
            with urlopen(ready, timeout=1):
                return
        except (URLError, OSError):
            if process.poll() is not None:
                raise RuntimeError(f"a server exited during startup: exit {process.returncode}") from None
            time.sleep(0.1)


@contextmanager
def start_servers() -> Iterator[Servers]:
    """Start the servers, migrate the database and create the first campaign, whose fund covers a run."""
    home = Path(tempfile.mkdtemp(prefix="campaign-bench-"))
    home.chmod(0o755)
    cluster = prepare_postgres(home / "postgres")
    postgres = start_postgres(cluster, home / "postgres.log")
    ensure_database(cluster)
    valkey, redis_url = start_valkey(home / "valkey", home / "valkey.log")
    try:
        servers = Servers(home, cluster.url(login=OWNER_LOGIN), redis_url)  # Some benchmarks create tables of their own.
        with servers.app.app_context():
            migrate()
            create_first_campaign()
            db.session.commit()
        yield servers
        with servers.app.app_context():
            close_connections()
    finally:
        valkey.terminate()
        postgres.send_signal(2)
        postgres.wait(60)
        shutil.rmtree(home, ignore_errors=True)
