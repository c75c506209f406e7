"""Celery's workers and the schedule.

The schedule is a thread of each worker that looks at the database itself: it goes on when Redis is away, and an advisory lock lets one
worker at a time do the work. So there is no beat process to lose.
"""

import threading
from typing import Any

import structlog
from celery import Task
from celery.signals import worker_init, worker_shutdown

from campaign import create_app, jobs
from campaign.edges.db import db
from campaign.edges.queue import celery
from campaign.giving import heartbeats

log = structlog.get_logger()
service = create_app()

DUE_EVERY_SECONDS = 8
OUTSIDE_EVERY_ROUNDS = 6

_stopping = threading.Event()


class InService(Task):
    """A job runs inside the service: with its settings and its database."""

    def __call__(self, *args: Any, **kw: Any) -> Any:
        with service.app_context():
            return super().__call__(*args, **kw)  # type: ignore[no-untyped-call]  # Celery has no types


celery.Task = InService
celery.conf.imports = ("workers.money", "workers.mail")


def keep_schedule() -> None:
    """Every few seconds what is due; every minute what Stripe knows and we may not."""
    rounds = 0
    while not _stopping.is_set():
        try:
            with service.app_context():
                heartbeats.beat("worker")
                db.session.commit()
                if rounds % OUTSIDE_EVERY_ROUNDS == 0:
                    jobs.sweep_outside()
                else:
                    jobs.sweep_due()
        except Exception as error:
            log.error("schedule.failed", error=type(error).__name__)
        rounds += 1
        _stopping.wait(DUE_EVERY_SECONDS)


@worker_init.connect
def _begin_schedule(**_: object) -> None:
    threading.Thread(target=keep_schedule, name="schedule", daemon=True).start()


@worker_shutdown.connect
def _end_schedule(**_: object) -> None:
    _stopping.set()
