"""The stream of a campaign's totals: every page is current within two seconds, no client holds up another, and none takes a thread."""

import asyncio
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import close_connections, db
from campaign.web import event_stream, live
from campaign.web.event_stream import EventStreams
from campaign.web.front import Front
from campaign.web.stream_topics import Topic
from campaign.web.totals_events import StreamEvent
from tests.browser import chromium_path, open_browser
from tests.conftest import Stripe
from tests.factories import another_campaign, paid
from tests.streams import StreamClient
from tests.web import SLUG
from tests.web_server import WebServer, web_server

PATH = f"/api/campaigns/{SLUG}/stream"
HOSTS = ["127.0.0.1"]


@pytest.fixture
def server(database: str, stripe: Stripe, app: Flask) -> Iterator[WebServer]:
    with web_server(database, stripe_api_base=stripe.url, proxy_hops=1) as running:
        yield running


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """Closes the streams of a test."""
    with ExitStack() as stack:
        yield stack


def open_stream(clients: ExitStack, server: WebServer, **named: Any) -> StreamClient:
    return clients.enter_context(closing(StreamClient(server.port, **named)))


def without_moment(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "as_of"}


def test_an_open_page_hears_of_a_gift_within_two_seconds_and_what_it_hears_is_what_the_api_says(
    server: WebServer, clients: ExitStack, campaign: Campaign, client: FlaskClient
) -> None:
    page = open_stream(clients, server)
    page.wait_for('"donations":0')
    for name, value in {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
    }.items():
        assert f"\r\n{name}: {value}\r\n" in page.text
    assert re.search(r"retry: \d{4}\n\nevent: totals\nid: [0-9a-f]{32}\ndata: \{", page.text)
    for number in range(1, 4):
        paid(campaign, 50_00)
        committed = time.time()
        assert page.wait_for(f'"donations":{number},') - committed < 2
    api = client.get(f"/api/campaigns/{SLUG}").get_json()
    assert [without_moment(event) for event in page.events()][-1] == without_moment(api)
    assert [event["donations"] for event in page.events()] == [0, 1, 2, 3]
    time.sleep(1.5)
    page.read()
    assert len(page.events()) == 4, "nothing is sent while nothing changes"


def test_a_client_that_connects_again_hears_only_of_what_changed(server: WebServer, clients: ExitStack, campaign: Campaign) -> None:
    first = open_stream(clients, server)
    first.wait_for("\ndata: {")
    found = re.search(r"id: (\w+)", first.text)
    assert found
    again = open_stream(clients, server, last_id=found[1])
    again.wait_for("\n:\n\n")
    paid(campaign)
    again.wait_for('"donations":1,')
    assert [event["donations"] for event in again.events()] == [1]
    assert [event["donations"] for event in open_and_wait(clients, server, last_id="another").events()] == [1]


LISTEN = """name => new Promise(resolve => {
  const source = new EventSource(`/api/campaigns/${name}/stream`)
  window.heard = []
  source.addEventListener('totals', event => { window.heard.push([event.lastEventId.length, JSON.parse(event.data).donations]); resolve(true) })
})"""


@pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")
def test_a_browser_hears_the_events_on_the_page_of_the_campaign(server: WebServer, campaign: Campaign) -> None:
    with open_browser() as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/en/{SLUG}")
        assert page.evaluate(LISTEN, SLUG)
        paid(campaign)
        while page.evaluate("window.heard.length") < 2:
            page.wait_for_timeout(50)
        assert page.evaluate("window.heard") == [[32, 0], [32, 1]]


def open_and_wait(clients: ExitStack, server: WebServer, **named: Any) -> StreamClient:
    stream = open_stream(clients, server, **named)
    stream.wait_for("\ndata: {")
    return stream


def test_two_hundred_pages_take_no_thread_and_all_hear_of_a_gift(server: WebServer, clients: ExitStack, campaign: Campaign) -> None:
    open_and_wait(clients, server)
    before = server.threads()
    pages = [open_stream(clients, server) for _ in range(200)]
    for page in pages:
        page.wait_for('"donations":0')
    assert server.threads() <= before + live.READERS
    paid(campaign)
    committed = time.time()
    assert max(page.wait_for('"donations":1,') for page in pages) - committed < 2
    assert server.threads() <= before + live.READERS


def test_one_network_may_open_so_many_streams_and_what_it_closes_is_free_again(
    server: WebServer, clients: ExitStack, client: FlaskClient
) -> None:
    with ExitStack() as household:
        pages = [open_stream(household, server) for _ in range(event_stream.STREAMS_OF_A_NETWORK)]
        assert {page.status for page in pages} == {200}
        refused = open_stream(clients, server)
        assert refused.status == 503
        text = refused.wait_for_end()
        assert re.search(r"\r\nretry-after: [2-6]\d\r\n", text)
        assert "\r\naccess-control-allow-origin: *\r\n" in text
        assert '{"error": "too many streams"}' in text
        assert open_stream(clients, server, source="127.0.1.1").status == 200, "another network is not refused"
    deadline = time.monotonic() + 10
    while open_stream(clients, server).status != 200:
        assert time.monotonic() < deadline, "what was closed still counts"
        time.sleep(0.1)


def test_the_server_stops_at_once_and_ends_the_streams_properly(server: WebServer, clients: ExitStack, campaign: Campaign) -> None:
    pages = [open_and_wait(clients, server) for _ in range(20)]
    started = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(60)
    assert time.monotonic() - started < 5
    assert {page.wait_for_end(seconds=5)[-5:] for page in pages} == {"0\r\n\r\n"}


def test_streams_survive_that_the_database_is_unavailable(
    server: WebServer, clients: ExitStack, campaign: Campaign, administrator: psycopg.Connection[Any]
) -> None:
    page = open_and_wait(clients, server)
    name = db.engine.url.database
    paid(campaign)
    page.wait_for('"donations":1,')
    close_connections()
    administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    time.sleep(2.5)
    assert open_and_wait(clients, server).events()[-1]["donations"] == 1, "what was read last, for who comes meanwhile"
    administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    paid(campaign)
    page.wait_for('"donations":2,')
    assert [event["donations"] for event in page.events()] == [0, 1, 2]


def test_what_opens_no_stream_is_answered_as_by_the_api_and_a_campaign_that_is_hidden_ends_its_streams(
    server: WebServer, clients: ExitStack, campaign: Campaign
) -> None:
    draft = another_campaign(10_00, like=campaign)
    draft.hidden_at = datetime.now(UTC)
    db.session.commit()
    for slug in (draft.slug, "nothing", "a%00b", "UPPER", "%C3%A9", "x" * 3000):
        page = open_stream(clients, server, slug=slug)
        assert page.status == 404, slug
        page.wait_for('{"error":')
        assert "\r\naccess-control-allow-origin: *\r\n" in page.text.lower()
    stranger = open_stream(clients, server, host="evil.example")
    assert stranger.status == 400
    stranger.wait_for("This host is not served here.")
    assert open_stream(clients, server, host="localhost:80").status == 200
    for host in ("", "127.0.0.1@evil.example", "[::1"):
        assert open_stream(clients, server, host=host).status == 400, host
    page = open_and_wait(clients, server)
    campaign.hidden_at = datetime.now(UTC)
    db.session.commit()
    assert page.wait_for_end(seconds=5).endswith("0\r\n\r\n")
    assert open_stream(clients, server).status == 404


def test_the_stream_is_read_only(client: FlaskClient, campaign: Campaign) -> None:
    head = client.head(PATH)
    assert (head.status_code, head.content_type, head.data) == (200, "text/event-stream; charset=utf-8", b"")
    for answer in (client.post(PATH), client.put(PATH), client.delete(PATH)):
        assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS"}), answer.text


def test_under_any_wsgi_server_the_stream_is_one_event_after_which_the_client_connects_again(
    client: FlaskClient, campaign: Campaign
) -> None:
    answer = client.get(PATH)
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert (answer.headers["Cache-Control"], answer.headers["Access-Control-Allow-Origin"]) == ("no-store", "*")
    match = re.fullmatch(r"retry: (\d+)\n\nevent: totals\nid: (\w+)\ndata: (.*)\n\n", answer.text)
    assert match
    assert 4000 <= int(match[1]) <= 6000
    api = client.get(f"/api/campaigns/{SLUG}")
    assert without_moment(api.json or {}) == without_moment(Flask.json_provider_class(client.application).loads(match[3]))
    assert api.headers["ETag"] == f'"{match[2]}"'
    silent = client.get(PATH, headers={"Last-Event-ID": match[2]})
    assert re.fullmatch(r"retry: \d+\n\n:\n\n", silent.text)
    assert client.get("/api/campaigns/nothing/stream").get_json() == {"error": "not found"}


@pytest.mark.parametrize(("language", "sums"), [("en", ("$100", "$50,000")), ("fr", ("100\u00a0$", "50\u00a0000\u00a0$"))])
def test_a_page_hears_the_words_in_its_language(
    server: WebServer, clients: ExitStack, campaign: Campaign, client: FlaskClient, language: str, sums: tuple[str, str]
) -> None:
    page = open_stream(clients, server, page=language)
    page.wait_for("event: page")
    paid(campaign, 100_00)
    committed = time.time()
    assert page.wait_for(f"<dd>{sums[0]}".encode("ascii", "backslashreplace").decode().replace("\\xa0", "\\u00a0")) - committed < 2
    shown = client.get(f"/{language}/{SLUG}/quote?amount=").get_json()
    newest = page.events()[-1]
    assert newest == {name: shown[name] for name in newest}
    assert sums[1] in newest["sums"]


def test_an_unknown_language_hears_the_totals(client: FlaskClient, campaign: Campaign) -> None:
    assert client.get(f"{PATH}?page=de").text.split("\n")[2] == "event: totals"
    assert client.get(f"{PATH}?page=fr").text.split("\n")[2] == "event: page"


class Source:
    """Totals that a test sets, as the database would return them."""

    def __init__(self) -> None:
        self.number, self.reads, self.is_unavailable = 0, 0, False

    def read(self, topic: Topic) -> StreamEvent | None:
        self.reads += 1
        if self.is_unavailable:
            raise OperationalError("", {}, Exception("unavailable"))
        event = StreamEvent(name="totals", id=str(self.number), data=f'{{"donations":{self.number}}}')
        return event if topic.slug == SLUG else None


class Reader:
    """A client in this process. Each piece of the response takes it `pause` seconds."""

    def __init__(self, pause: float = 0.0) -> None:
        self.pause, self.status, self.body, self.left = pause, 0, b"", asyncio.Event()
        self.is_complete = False

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await asyncio.sleep(self.pause)
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")
        self.is_complete = message["type"] == "http.response.body" and not message["more_body"]

    def numbers(self) -> list[int]:
        return [int(number) for number in re.findall(rb'"donations":(\d+)', self.body)]


def scope_of(path: str = PATH, *, client: str = "203.0.113.7", **headers: str) -> dict[str, Any]:
    lines = [(b"host", b"127.0.0.1"), *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())]
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": (client, 1),
        "headers": lines,
    }


def not_found(_: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    start("404 NOT FOUND", [])
    return [b"no"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "READ_SECONDS", 0.02)
    monkeypatch.setattr(live, "SLICE_SECONDS", 0.0)


class Streaming:
    """A front with a source, and the clients that are connected to it."""

    def __init__(self, **named: Any) -> None:
        self.source = Source()
        self.streams = EventStreams(self.source.read, hosts=HOSTS, **named)
        self.front = Front(not_found, streams=self.streams)
        self.running: list[asyncio.Task[None]] = []

    def connect(self, reader: Reader, **headers: str) -> Reader:
        self.running.append(asyncio.create_task(self.front(scope_of(**headers), reader.receive, reader.send)))
        return reader

    async def end(self) -> None:
        self.streams.close()
        await asyncio.wait_for(asyncio.gather(*self.running), 10)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # a test of the books or of what was received has no event
            await asyncio.sleep(0.005)


@pytest.mark.usefixtures("quick")
def test_a_slow_reader_gets_the_newest_totals_and_holds_up_no_other() -> None:
    async def run() -> tuple[list[int], list[int]]:
        streaming = Streaming()
        slow, fast = streaming.connect(Reader(pause=0.4)), streaming.connect(Reader())
        await until(fast.numbers)
        for number in range(1, 11):
            streaming.source.number = number
            await until(lambda number=number: number in fast.numbers())  # type: ignore[misc]  # bound here
        await until(lambda: 10 in slow.numbers())
        await streaming.end()
        return slow.numbers(), fast.numbers()

    slow, fast = asyncio.run(run())
    assert fast == list(range(11))
    assert slow[-1] == 10
    assert len(slow) < 6, "what was out of date before it could be sent is left out"


@pytest.mark.usefixtures("quick")
def test_a_reader_that_takes_nothing_is_dropped_and_counts_until_its_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "STUCK_SECONDS", 0.1)

    async def run() -> None:
        streaming = Streaming()
        stuck, fast = Reader(), streaming.connect(Reader())
        streaming.connect(stuck)
        await until(lambda: stuck.numbers() and fast.numbers())
        stuck.pause = 3600
        streaming.source.number = 1
        await until(streaming.running[1].done)
        assert fast.numbers() == [0, 1]
        streaming.source.number = 2
        await until(lambda: 2 in fast.numbers())
        assert stuck.numbers() == [0]
        assert streaming.streams.live.open_streams == 2, "the server still has its connection"
        stuck.left.set()
        await until(lambda: streaming.streams.live.open_streams == 1)
        await streaming.end()
        assert streaming.streams.live.open_streams == 0

    asyncio.run(run())


@pytest.mark.usefixtures("quick")
def test_the_totals_are_read_only_while_somebody_listens_and_once_for_all() -> None:
    async def run() -> None:
        streaming = Streaming()
        readers = [streaming.connect(Reader()) for _ in range(50)]
        await until(lambda: all(reader.numbers() for reader in readers))
        assert streaming.source.reads <= 3
        for reader in readers:
            reader.left.set()
        await asyncio.gather(*streaming.running)
        assert streaming.streams.live.open_streams == 0
        await asyncio.sleep(0.1)
        reads = streaming.source.reads
        await asyncio.sleep(0.2)
        assert streaming.source.reads == reads
        again = streaming.connect(Reader())
        await until(again.numbers)
        await streaming.end()

    asyncio.run(run())


@pytest.mark.usefixtures("quick")
def test_a_stream_sends_heartbeats_and_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", (0.05, 0.1))
    monkeypatch.setattr(event_stream, "STREAM_SECONDS", (0.5, 0.6))

    async def run() -> Reader:
        streaming = Streaming()
        reader = streaming.connect(Reader())
        await asyncio.wait_for(asyncio.gather(*streaming.running), 10)
        assert streaming.streams.live.open_streams == 0
        return reader

    reader = asyncio.run(run())
    assert reader.is_complete
    assert reader.body.count(b":\n\n") >= 3
    assert reader.numbers() == [0]


@pytest.mark.usefixtures("quick")
def test_an_outage_is_silent_and_a_stream_that_would_open_meanwhile_is_refused_only_if_nothing_was_read() -> None:
    async def run() -> None:
        streaming = Streaming()
        streaming.source.is_unavailable = True
        refused = streaming.connect(Reader())
        await until(lambda: refused.is_complete)
        assert refused.status == 503
        streaming.source.is_unavailable = False
        reader = streaming.connect(Reader())
        await until(reader.numbers)
        streaming.source.is_unavailable = True
        await asyncio.sleep(0.1)
        late = streaming.connect(Reader())
        await until(late.numbers)
        streaming.source.number, streaming.source.is_unavailable = 1, False
        await until(lambda: 1 in reader.numbers())
        assert (reader.numbers(), late.numbers()) == ([0, 1], [0, 1])
        await streaming.end()

    asyncio.run(run())


@pytest.mark.usefixtures("quick")
def test_streams_are_counted_by_the_network_that_our_own_proxies_saw_and_overall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "STREAMS", 3)
    monkeypatch.setattr(event_stream, "STREAMS_OF_A_NETWORK", 2)

    async def run() -> list[int]:
        streaming = Streaming(proxy_hops=1)
        statuses = []
        for forwarded in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "9.9.9.9, 192.0.2.1", "192.0.2.2"):
            reader = streaming.connect(Reader(), x_forwarded_for=forwarded)
            await until(lambda reader=reader: reader.status)  # type: ignore[misc]  # bound here
            statuses.append(reader.status)
        await streaming.end()
        return statuses

    assert asyncio.run(run()) == [200, 200, 503, 200, 503]


@pytest.mark.usefixtures("quick")
def test_a_host_that_is_not_ours_is_left_to_the_app_and_when_the_server_stops_no_stream_opens() -> None:
    async def run() -> list[int]:
        streaming = Streaming(proxy_hops=1)
        stranger, ours = Reader(), Reader()
        streaming.connect(stranger, x_forwarded_host="evil.example")
        streaming.connect(ours, x_forwarded_host="127.0.0.1")
        await until(lambda: stranger.status and ours.numbers())
        await streaming.end()
        late = streaming.connect(Reader())
        await until(lambda: late.status)
        return [stranger.status, ours.status, late.status]

    assert asyncio.run(run()) == [404, 200, 503]
