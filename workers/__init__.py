"""The Celery workers and their schedule.

The schedule runs in threads of each worker and reads due work from the database, so it needs neither Redis nor a beat process. Advisory
locks let only one worker at a time run each part.
"""

import gc
import threading
from collections.abc import Callable
from typing import Any

import structlog
from celery import Task
from celery.signals import worker_init, worker_shutdown

from campaign import create_app
from campaign.edges.db import db
from campaign.edges.wakeups import celery
from campaign.operations import heartbeats
from campaign.schedule import schedule_jobs

log = structlog.get_logger()
service = create_app()
gc.freeze()  # The modules loaded so far stay in memory: exclude them from garbage collection.

HEARTBEAT_SECONDS = 8
DUE_WORK_SECONDS = 8
IMPORT_SECONDS = 3
INTEGRITY_SECONDS = 60
RECONCILIATION_SECONDS = 900
INFREQUENT_WORK_SECONDS = 600

_stopping = threading.Event()


class AppContextTask(Task):
    """A task that runs in the application context, with the settings and the database of the service."""

    def __call__(self, *args: Any, **kw: Any) -> Any:
        with service.app_context():
            return super().__call__(*args, **kw)  # type: ignore[no-untyped-call]  # Celery has no types


celery.Task = AppContextTask
celery.conf.imports = ("workers.money", "workers.mail")


def _run_every(seconds: int, job: Callable[[], object]) -> None:
    """Run the job now and then at every interval, also after an error, until the worker stops."""
    while not _stopping.is_set():
        try:
            with service.app_context():
                job()
        except Exception as error:
            log.error("schedule.failed", job=job.__name__, error=type(error).__name__)
        _stopping.wait(seconds)


def _beat() -> None:
    heartbeats.beat("worker")
    db.session.commit()


@worker_init.connect
def _start_schedule(**_: object) -> None:
    """Start one thread for each job, so that a slow mail server, Stripe or integrity check delays neither the others nor the heartbeat."""
    for seconds, job in (
        (HEARTBEAT_SECONDS, _beat),
        (DUE_WORK_SECONDS, schedule_jobs.run_due_work),
        (IMPORT_SECONDS, schedule_jobs.run_imports),
        (schedule_jobs.POLL_STRIPE_SECONDS, schedule_jobs.poll_stripe),
        (INTEGRITY_SECONDS, schedule_jobs.check_integrity),
        (RECONCILIATION_SECONDS, schedule_jobs.reconcile_daily),
        (INFREQUENT_WORK_SECONDS, schedule_jobs.run_infrequent_work),
    ):
        threading.Thread(target=_run_every, args=(seconds, job), name=job.__name__, daemon=True).start()


@worker_shutdown.connect
def _stop_schedule(**_: object) -> None:
    _stopping.set()
