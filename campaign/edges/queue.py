"""Waking workers through Redis and Celery. Work itself is rows in PostgreSQL; losing all of this only makes it later.

A wake is coalesced: the first of a burst sends a message, the rest find the mark and send none. The job takes the mark away as it
begins, so what is committed after that wakes it anew.
"""

import time
from typing import Any

import redis
import structlog
from celery import Celery
from kombu.entity import Queue

log = structlog.get_logger()

MARK_SECONDS = 2
PAUSE_AFTER_FAILURE_SECONDS = 5.0
JOBS = {"money": "events.handle", "mail": "outbox.send"}

celery = Celery("campaign")


class Waker:
    """Sends wakes for one Redis; after a failure it stays quiet for a while, so that no donor waits for a dead Redis twice."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(
            redis_url.replace("redis+socket://", "unix://", 1),
            socket_timeout=0.5,
            socket_connect_timeout=0.5,
            retry=None,
        )
        self._quiet_until = 0.0

    def wake(self, queue: str) -> bool:
        """Whether a worker has been or will be woken; never raises."""
        if time.monotonic() < self._quiet_until:
            return False
        try:
            if self._client.set(f"wake:{queue}", "1", nx=True, ex=MARK_SECONDS):
                celery.send_task(JOBS[queue], queue=queue, retry=False, ignore_result=True)
            return True
        except Exception as error:
            self._quiet_until = time.monotonic() + PAUSE_AFTER_FAILURE_SECONDS
            log.warning("queue.away", queue=queue, error=type(error).__name__)
            return False

    def begun(self, queue: str) -> None:
        """A job of this queue begins: the next wake is to send a message again."""
        try:
            self._client.delete(f"wake:{queue}")
        except redis.RedisError as error:
            log.warning("queue.away", queue=queue, error=type(error).__name__)

    def is_up(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(self._client.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


def configure(redis_url: str) -> None:
    """Celery over Redis, so that a lost or frozen Redis costs a second at most and a killed worker loses nothing that matters."""
    seconds: dict[str, Any] = {"socket_timeout": 1, "socket_connect_timeout": 1, "max_retries": 0}
    celery.conf.update(
        broker_url=redis_url,
        broker_transport_options={**seconds, "visibility_timeout": 600, "retry_on_timeout": False},
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=1,
        broker_pool_limit=4,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue="money",
        task_queues=[Queue("money"), Queue("mail")],
        broker_connection_max_retries=None,
        worker_pool="threads",  # The schedule's thread and the pool share one process, and so one set of connections.
        worker_concurrency=4,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
