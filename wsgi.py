"""The entry points for web servers: `wsgi:app` for any WSGI server, and `wsgi:front`, which slow clients cannot occupy, for ASGI servers."""

import gc

from campaign import create_app
from campaign.web.event_stream import EventStreams
from campaign.web.front import Front
from campaign.web.stream_topics import Topic, current_event
from campaign.web.totals_events import StreamEvent

app = create_app()
settings = app.extensions["services"].settings


def read_event(topic: Topic) -> StreamEvent | None:
    """What a stream says now."""
    with app.app_context():
        return current_event(topic)


streams = EventStreams(read_event, hosts=settings.hosts, proxy_hops=settings.proxy_hops, is_https=settings.is_https)
front = Front(app, webhook=app.extensions["stripe_webhook"], streams=streams, proxy_hops=settings.proxy_hops, is_https=settings.is_https)
gc.freeze()  # Excludes loaded modules from garbage collection: traversing them would pause every request in the process.
