"""Settings for one command at a terminal, when the environment names no database: those of the service that runs from this checkout,
else the kept database alone, for as long as the command takes.
"""

import fcntl
import json
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from campaign.config import ROOT, settings_of_running_service
from campaign.embedded.servers import NotStarted, ensure_database, prepare_postgres, start_postgres


@contextmanager
def settings_for_a_command(*, alone: bool) -> Iterator[None]:
    """Put into the environment what the command needs and the environment lacks; take the database down again after."""
    if os.environ.get("DATABASE_URL"):
        yield
        return
    running = settings_of_running_service()
    if running and _answers(running.get("DATABASE_URL", "")):
        for name, value in running.items():
            os.environ.setdefault(name, value)
        yield
        return
    if not alone:
        yield
        return
    with _database_alone() as found:
        for name, value in found.items():
            os.environ.setdefault(name, value)
        yield


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def _database_alone() -> Iterator[dict[str, str]]:
    var = ROOT / "var"
    for directory in ("log", "run"):
        (var / directory).mkdir(parents=True, exist_ok=True)
    with (var / "run" / "lock").open("a+") as lock:
        # Whoever holds this runs the database: two at once would each end the other's.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise NotStarted("The service is starting, or another command has the database; try again in a moment.") from None
        yield from _started(var)


def _started(var: Path) -> Iterator[dict[str, str]]:
    cluster = prepare_postgres(var / "postgres")
    server = start_postgres(cluster, var / "log" / "postgres.log")
    try:
        ensure_database(cluster)
        yield {
            **kept_secrets(var),
            "DATABASE_URL": cluster.url(),
            "REDIS_URL": f"redis+socket://{var / 'valkey' / 'not-running.sock'}",
            "BASE_URL": f"http://127.0.0.1:{os.environ.get('PORT', '8000')}",
            "STRIPE_API_BASE": "http://127.0.0.1:8001",
            "MAIL_URL": "smtp://127.0.0.1:8003",
            "MAIL_FROM": "gifts@example.org",
        }
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def kept_secrets(var: Path) -> dict[str, str]:
    """Secrets of this checkout, made once by chance and kept, and where its key for receipts is."""
    path = var / "secrets.json"
    if not path.exists():
        made = {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(16)}",
            "STRIPE_WEBHOOK_SECRETS": f"whsec_{secrets.token_hex(24)}",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(made, indent=1))
    kept = json.loads(path.read_text())
    return {"RECEIPT_KEY_FILE": str(var / "keys" / "receipts.pem"), **{str(k): str(v) for k, v in kept.items()}}
