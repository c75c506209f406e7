"""Work that several threads want at the same time, done in one go by one of them, so that a crowd shares a transaction."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.exc import OperationalError

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(eq=False)
class _Place(Generic[Asked, Answer]):
    """One who wants something: called when it was done for them, or when it is their turn to do it for all who wait."""

    asked: Asked
    called: threading.Event = field(default_factory=threading.Event)
    answer: list[Answer] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def is_served(self) -> bool:
        return bool(self.answer) or self.error is not None


class Together(Generic[Asked, Answer]):
    """Calls `do` with all that was asked for meanwhile, in order, in a thread that asked; nobody waits longer than for two calls.

    `do` begins and ends its own transaction, and gives one answer for each. When it raises, each is tried alone, so that what is wrong with
    one harms no other; a database that is away is away for all.
    """

    def __init__(self, do: Callable[[Sequence[Asked]], Sequence[Answer]], *, most: int) -> None:
        self._do = do
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Place[Asked, Answer]] = []
        self._is_led = False

    def ask(self, asked: Asked) -> Answer:
        """The answer for this one; raises what `do` raised for it."""
        place: _Place[Asked, Answer] = _Place(asked)
        with self._lock:
            leads = not self._is_led
            self._is_led = True
            if not leads:
                self._waiting.append(place)
        if not leads:
            place.called.wait()
        if not place.is_served:
            self._lead(place)
        if place.error is not None:
            raise place.error
        return place.answer[0]

    def _lead(self, place: _Place[Asked, Answer]) -> None:
        with self._lock:
            others = self._waiting[: self._most - 1]
            del self._waiting[: self._most - 1]
        try:
            self._serve([place, *others])
        finally:
            with self._lock:
                following = self._waiting.pop(0) if self._waiting else None
                self._is_led = following is not None
            for other in (*others, *([following] if following else [])):
                other.called.set()

    def _serve(self, places: Sequence[_Place[Asked, Answer]]) -> None:
        try:
            answers = self._do([place.asked for place in places])
        except BaseException as error:
            if len(places) == 1 or isinstance(error, OperationalError):
                for place in places:
                    place.error = error
                return
            for place in places:
                self._serve([place])
            return
        for place, answer in zip(places, answers, strict=True):
            place.answer.append(answer)
