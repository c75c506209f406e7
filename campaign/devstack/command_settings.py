"""Settings for one command when the environment names no database: those of the service that runs from this checkout, otherwise the
checkout's own database, started for the duration of the command.
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
from campaign.devstack.copies import refuse_copied_environment, separate_copy
from campaign.devstack.servers import OWNER_LOGIN, SERVICE_LOGIN, StartFailed, ensure_database, prepare_postgres, start_postgres


@contextmanager
def settings_for_a_command(*, alone: bool, as_owner: bool) -> Iterator[None]:
    """Add to the environment the settings that it lacks. With `alone`, start the database if the service is not running, and stop it afterwards.

    The command uses the database as the service does, or as its owner. Raises StartFailed in an environment that was copied.
    """
    refuse_copied_environment()
    if os.environ.get("DATABASE_URL"):
        yield
        return
    running = settings_of_running_service(as_owner=as_owner)
    if running and _is_reachable(running.get("DATABASE_URL", "")):
        for name, value in running.items():
            os.environ.setdefault(name, value)
        yield
        return
    if not alone:
        yield
        return
    with _run_database(login=OWNER_LOGIN if as_owner else SERVICE_LOGIN) as settings:
        for name, value in settings.items():
            os.environ.setdefault(name, value)
        yield


def _is_reachable(url: str) -> bool:
    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def _run_database(*, login: str) -> Iterator[dict[str, str]]:
    var = ROOT / "var"
    for directory in ("log", "run"):
        (var / directory).mkdir(parents=True, exist_ok=True)
    with (var / "run" / "lock").open("a+") as lock:
        # The holder of this lock runs the database: two runs would each end the other's server.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartFailed("The service is starting, or another command is using the database; try again in a moment.") from None
        separate_copy(var)
        yield from _run_postgres(var, login)


def _run_postgres(var: Path, login: str) -> Iterator[dict[str, str]]:
    cluster = prepare_postgres(var / "postgres")
    server = start_postgres(cluster, var / "log" / "postgres.log")
    try:
        ensure_database(cluster)
        yield {
            **stored_secrets(var),
            "DATABASE_URL": cluster.url(login=login),
            "REDIS_URL": f"redis+socket://{var / 'valkey' / 'not-running.sock'}",
            "BASE_URL": f"http://127.0.0.1:{os.environ.get('PORT', '8000')}",
            "STRIPE_API_BASE": "http://127.0.0.1:8001",
            "MAIL_URL": "smtp://127.0.0.1:8003",
            "MAIL_FROM": "gifts@example.org",
        }
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def stored_secrets(var: Path) -> dict[str, str]:
    """The secrets of this checkout, random and created on first use, and the path of its receipt signing key."""
    path = var / "secrets.json"
    if not path.exists():
        new = {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(16)}",
            "STRIPE_WEBHOOK_SECRETS": f"whsec_{secrets.token_hex(24)}",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(new, indent=1))
    stored = json.loads(path.read_text())
    return {"RECEIPT_KEY_FILE": str(var / "keys" / "receipts.pem"), **{str(k): str(v) for k, v in stored.items()}}
