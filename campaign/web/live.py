"""Fan-out of events to the streams of one process: one reader a topic, once a second, only while somebody listens.

Nothing is stored for a listener: it takes the newest event when it is ready for one, and misses those in between.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import structlog

from campaign.web.stream_topics import Topic
from campaign.web.totals_events import StreamEvent

log = structlog.get_logger()

READ_SECONDS = 1.0
READERS = 2
# All listeners at once would keep the loop from other requests for a tenth of a second.
SLICE, SLICES, SLICE_SECONDS = 25, 40, 0.01


class Full(Exception):
    """So many streams are open that this one has to be refused."""


class Unavailable(Exception):
    """The totals could not be read, and were not before."""


class Listener:
    """A client of a feed."""

    def __init__(self, feed: "Feed") -> None:
        self._feed, self._news = feed, asyncio.Event()
        self._taken: StreamEvent | None = None
        self.has_left = False

    @property
    def is_over(self) -> bool:
        """Whether the stream has to end: the client has left, the campaign is not public any longer, or the server stops."""
        return self.has_left or self._feed.is_over

    def take(self) -> StreamEvent:
        """The newest event."""
        self._news.clear()
        self._taken = self._feed.newest
        assert self._taken
        return self._taken

    async def next(self, seconds: float) -> StreamEvent | None:
        """The newest event once it is not the one that was taken. None after so many seconds, and at the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return None
        return None if self.is_over else self.take()

    def leave(self) -> None:
        """End the stream: the client has closed its connection."""
        self.has_left = True
        self.wake()

    def wake(self) -> None:
        """Let `next` return, if it has something to return."""
        if self.is_over or self._taken is not self._feed.newest:
            self._news.set()


class Feed:
    """The newest event of one topic, as long as it is read. `is_over` is set when there will be no other."""

    def __init__(self, read: Callable[[], Awaitable[StreamEvent | None]]) -> None:
        self._read = read
        self._was_read = asyncio.Event()
        self._is_failing = False
        self.newest: StreamEvent | None = None
        self.is_over = False
        self.listeners: set[Listener] = set()
        self.reading = asyncio.create_task(self._read_all())

    async def wait_for_first(self) -> StreamEvent | None:
        """The newest event; None when strangers may not see the campaign. Raises Unavailable."""
        await self._was_read.wait()
        if self.newest is None and not self.is_over:
            raise Unavailable
        return None if self.is_over else self.newest

    def end(self) -> None:
        """Stop reading, and let all streams end."""
        self.is_over = True
        self.reading.cancel()
        self._was_read.set()
        for listener in self.listeners:
            listener.wake()

    async def _read_all(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.is_over:
            due = loop.time() + READ_SECONDS
            await self._read_once()
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _read_once(self) -> None:
        """Read, and wake all listeners if the totals have changed. While they cannot be read, listeners hear nothing."""
        try:
            event = await self._read()
        except Exception as error:
            if not self._is_failing:
                log.warning("streams.unavailable", error=type(error).__name__)
            self._is_failing = True
            self._was_read.set()
            return
        self._is_failing, self.is_over = False, event is None
        has_changed = self.is_over or self.newest is None or (event is not None and event.id != self.newest.id)
        if has_changed:
            self.newest = event or self.newest
            self._was_read.set()
            await self._wake_all()

    async def _wake_all(self) -> None:
        listeners = list(self.listeners)
        size = max(SLICE, -(-len(listeners) // SLICES))
        for first in range(0, len(listeners), size):
            for listener in listeners[first : first + size]:
                listener.wake()
            await asyncio.sleep(SLICE_SECONDS)


class Live:
    """The feeds and the open streams of this process: at most `most`, and `most_of_network` from one network. `read` is called in threads."""

    def __init__(self, read: Callable[[Topic], StreamEvent | None], *, most: int, most_of_network: int) -> None:
        self._read, self._most, self._most_of_network = read, most, most_of_network
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="totals")
        self._feeds: dict[Topic, Feed] = {}
        self._open: Counter[str] = Counter()
        self._is_closed = False

    @property
    def open_streams(self) -> int:
        """How many streams are open now."""
        return self._open.total()

    @contextmanager
    def place(self, network: str) -> Iterator[None]:
        """Count one stream of the network for the duration of the block. Raises Full."""
        if self._is_closed or self.open_streams >= self._most or self._open[network] >= self._most_of_network:
            raise Full
        self._open[network] += 1
        try:
            yield
        finally:
            self._open[network] -= 1
            if not self._open[network]:
                del self._open[network]

    @asynccontextmanager
    async def listen(self, topic: Topic) -> AsyncIterator[Listener | None]:
        """A listener of the topic for the duration of the block; None when strangers may not see the campaign. Raises Unavailable."""
        feed = self._feeds.get(topic)
        if feed is None or feed.is_over:
            feed = self._feeds[topic] = Feed(lambda: self._read_in_thread(topic))
        listener = Listener(feed)
        feed.listeners.add(listener)
        try:
            yield listener if await feed.wait_for_first() else None
        finally:
            feed.listeners.discard(listener)
            if not feed.listeners:
                feed.reading.cancel()
                if self._feeds.get(topic) is feed:
                    del self._feeds[topic]

    async def _read_in_thread(self, topic: Topic) -> StreamEvent | None:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, topic)

    def close(self) -> None:
        """Let all streams end, and open no other."""
        self._is_closed = True
        for feed in self._feeds.values():
            feed.end()
