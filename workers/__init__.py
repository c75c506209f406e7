"""Celery's workers and the schedule.

The schedule is threads of each worker that look at the database itself: it goes on when Redis is away, and an advisory lock lets one
worker at a time do the work. So there is no beat process to lose.
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
from campaign.edges.queue import celery
from campaign.giving import heartbeats
from campaign.work import sweeps

log = structlog.get_logger()
service = create_app()
gc.freeze()  # What is loaded by now stays, and is not looked through for garbage again and again.

BEAT_EVERY_SECONDS = 8
DUE_EVERY_SECONDS = 8
OUTSIDE_EVERY_SECONDS = 50
BOOKS_EVERY_SECONDS = 60
RECONCILIATION_EVERY_SECONDS = 900
SELDOM_EVERY_SECONDS = 600

_stopping = threading.Event()


class InService(Task):
    """A job runs inside the service: with its settings and its database."""

    def __call__(self, *args: Any, **kw: Any) -> Any:
        with service.app_context():
            return super().__call__(*args, **kw)  # type: ignore[no-untyped-call]  # Celery has no types


celery.Task = InService
celery.conf.imports = ("workers.money", "workers.mail")


def _every(seconds: int, act: Callable[[], object]) -> None:
    """Do it now and then again and again, whatever comes of it, until the worker ends."""
    while not _stopping.is_set():
        try:
            with service.app_context():
                act()
        except Exception as error:
            log.error("schedule.failed", act=act.__name__, error=type(error).__name__)
        _stopping.wait(seconds)


def _beat() -> None:
    heartbeats.beat("worker")
    db.session.commit()


@worker_init.connect
def _begin_schedule(**_: object) -> None:
    """A thread each, so that a slow mail server, a silent Stripe or a long check of the books holds up neither the others nor the sign of life."""
    for seconds, act in (
        (BEAT_EVERY_SECONDS, _beat),
        (DUE_EVERY_SECONDS, sweeps.sweep_due),
        (OUTSIDE_EVERY_SECONDS, sweeps.sweep_outside),
        (BOOKS_EVERY_SECONDS, sweeps.sweep_books),
        (RECONCILIATION_EVERY_SECONDS, sweeps.sweep_reconciliation),
        (SELDOM_EVERY_SECONDS, sweeps.sweep_seldom),
    ):
        threading.Thread(target=_every, args=(seconds, act), name=act.__name__, daemon=True).start()


@worker_shutdown.connect
def _end_schedule(**_: object) -> None:
    _stopping.set()
