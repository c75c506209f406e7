"""What a stream may be about: the totals of a campaign or, for its own page, the words about them in one language."""

from typing import NamedTuple

from campaign.web.languages import LANGUAGES
from campaign.web.public.page_events import page_event
from campaign.web.totals_events import StreamEvent, totals_event


class Topic(NamedTuple):
    """A campaign by its slug. `page` is the language of the words for its page; empty, the topic is the totals (contract.md, section 4)."""

    slug: str
    page: str = ""


def topic_of(slug: str, page: str | None) -> Topic:
    """The topic for the address of a stream and its query `page`."""
    return Topic(slug, page if page in LANGUAGES else "")


def current_event(topic: Topic) -> StreamEvent | None:
    """What the stream says now; None when strangers may not see the campaign."""
    return page_event(topic.slug, topic.page) if topic.page else totals_event(topic.slug)
