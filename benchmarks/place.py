"""Real servers for a run: PostgreSQL with its stock durability, Valkey, granian, Celery; each started and ended here."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from campaign.config import ROOT, settings_from
from campaign.edges.db import db, hang_up
from campaign.embedded.house import free_port
from campaign.embedded.servers import ensure_database, prepare_postgres, start_postgres, start_valkey
from campaign.first_steps import migrate
from campaign.giving.first_campaign import create_first_campaign

from campaign import create_app  # isort: skip

SECRET = "whsec_of_the_benchmarks"


class Place:
    """Where the figures are taken."""

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
    def running(self, name: str, *arguments: str, ready: str = "") -> Iterator[None]:
        """A process of this place for as long as the block takes."""
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
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)

    @contextmanager
    def web(self) -> Iterator[str]:
        """The web server as `campaign web` runs it."""
        address = self.environment["BASE_URL"]
        with self.running("web", "-m", "campaign", "web", "--port", str(self.web_port), ready=f"{address}/healthz"):
            yield address


def _wait(process: subprocess.Popen[bytes], ready: str) -> None:
    until = time.monotonic() + 30
    while ready and time.monotonic() < until:
        try:
            with urlopen(ready, timeout=1):
                return
        except (URLError, OSError):
            if process.poll() is not None:
                raise RuntimeError(f"a server ended at once: exit {process.returncode}") from None
            time.sleep(0.1)


@contextmanager
def a_place() -> Iterator[Place]:
    """Servers up, tables made, the first campaign with a fund that is not used up."""
    home = Path(tempfile.mkdtemp(prefix="campaign-bench-"))
    home.chmod(0o755)
    cluster = prepare_postgres(home / "postgres")
    postgres = start_postgres(cluster, home / "postgres.log")
    ensure_database(cluster)
    valkey, redis_url = start_valkey(home / "valkey", home / "valkey.log")
    try:
        place = Place(home, cluster.url(), redis_url)
        with place.app.app_context():
            migrate()
            create_first_campaign()
            db.session.commit()
        yield place
        with place.app.app_context():
            hang_up()
    finally:
        valkey.terminate()
        postgres.send_signal(2)
        postgres.wait(20)
