"""Wakes workers through Redis and Celery. Work is stored as rows in PostgreSQL; a lost wake-up only delays it until the schedule runs.

Wake-ups are coalesced: the first of a burst sets a key and sends a message, the others find the key and send none. The job deletes the key
when it starts, so that what is committed after that wakes a worker again.
"""

import time
from typing import Any

import redis
import structlog
from celery import Celery
from kombu.entity import Queue

log = structlog.get_logger()

KEY_SECONDS = 2
RETRY_AFTER_SECONDS = 5.0
JOBS = {"money": "events.handle", "mail": "outbox.send"}

celery = Celery("campaign")


class Waker:
    """Sends wake-ups through one Redis. After a failure it pauses for seconds, so that requests do not wait for an unavailable Redis."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(
            redis_url.replace("redis+socket://", "unix://", 1),
            socket_timeout=0.5,
            socket_connect_timeout=0.5,
            retry=None,
        )
        self._paused_until = 0.0

    def wake(self, queue: str) -> bool:
        """Wake a worker of the queue. Returns False when Redis is unavailable; never raises."""
        if time.monotonic() < self._paused_until:
            return False
        try:
            if self._client.set(f"wake:{queue}", "1", nx=True, ex=KEY_SECONDS):
                celery.send_task(JOBS[queue], queue=queue, retry=False, ignore_result=True)
            return True
        except Exception as error:
            self._paused_until = time.monotonic() + RETRY_AFTER_SECONDS
            log.warning("queue.unavailable", queue=queue, error=type(error).__name__)
            return False

    def started(self, queue: str) -> None:
        """Record that a job of this queue has started: the next wake-up sends a message again."""
        try:
            self._client.delete(f"wake:{queue}")
        except redis.RedisError as error:
            log.warning("queue.unavailable", queue=queue, error=type(error).__name__)

    def is_up(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(self._client.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def configure(redis_url: str) -> None:
    """Configure Celery. An unavailable Redis delays a caller by a second at most, and a killed worker loses only wake-ups."""
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
        worker_pool="threads",  # The schedule's threads and the pool share one process, and so one set of connections.
        worker_concurrency=4,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
