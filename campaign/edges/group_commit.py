"""Group commit: work that several threads submit at the same time is processed by one of them in one transaction."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.exc import OperationalError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False)
class _Request(Generic[Item, Result]):
    """An item and its result. `wake` is set when the result is ready, or when this thread must lead the next batch."""

    item: Item
    wake: threading.Event = field(default_factory=threading.Event)
    result: list[Result] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return bool(self.result) or self.error is not None


class GroupCommit(Generic[Item, Result]):
    """Calls `process` with all items submitted meanwhile, in order, in the thread of one of them.

    `process` begins and ends its own transaction and returns one result for each item. When it raises, each item is processed alone, so
    that a bad item fails alone; an OperationalError fails the whole batch, because the database is unavailable for all.
    """

    def __init__(self, process: Callable[[Sequence[Item]], Sequence[Result]], *, max_batch: int) -> None:
        self._process = process
        self._max_batch = max_batch
        self._lock = threading.Lock()
        self._waiting: list[_Request[Item, Result]] = []
        self._has_leader = False

    def submit(self, item: Item) -> Result:
        """Process the item, perhaps together with others, and return its result. Raises what `process` raised for it."""
        request: _Request[Item, Result] = _Request(item)
        with self._lock:
            leads = not self._has_leader
            self._has_leader = True
            if not leads:
                self._waiting.append(request)
        if not leads:
            request.wake.wait()
        if not request.is_done:
            self._lead(request)
        if request.error is not None:
            raise request.error
        return request.result[0]

    def submit_all(self, items: Sequence[Item]) -> list[Result | BaseException]:
        """Process items that came together, in this thread, and return for each its result or what `process` raised for it."""
        requests: list[_Request[Item, Result]] = [_Request(item) for item in items]
        for start in range(0, len(requests), self._max_batch):
            self._process_batch(requests[start : start + self._max_batch])
        return [request.error if request.error is not None else request.result[0] for request in requests]

    def _lead(self, request: _Request[Item, Result]) -> None:
        """Process a batch, then pass the lead to the first request that is waiting."""
        with self._lock:
            others = self._waiting[: self._max_batch - 1]
            del self._waiting[: self._max_batch - 1]
        try:
            self._process_batch([request, *others])
        finally:
            with self._lock:
                next_leader = self._waiting.pop(0) if self._waiting else None
                self._has_leader = next_leader is not None
            for other in (*others, *([next_leader] if next_leader else [])):
                other.wake.set()

    def _process_batch(self, requests: Sequence[_Request[Item, Result]]) -> None:
        try:
            results = self._process([request.item for request in requests])
        except BaseException as error:
            if len(requests) == 1 or isinstance(error, OperationalError):
                for request in requests:
                    request.error = error
                return
            for request in requests:
                self._process_batch([request])
            return
        for request, result in zip(requests, results, strict=True):
            request.result.append(result)
