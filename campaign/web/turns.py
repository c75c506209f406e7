"""What requests to give have in common: those that wait for the campaign's lock are taken along by the next, with one commit for all.

Each function is asked by one request and answered by whichever of them leads (edges/together.py).
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import current_app
from flask.sansio.app import App

from campaign.edges.db import db
from campaign.edges.together import Together
from campaign.giving import checkouts
from campaign.giving.campaigns import Campaign, campaign_named
from campaign.giving.checkouts import Beginning, LessMatch, Opened
from campaign.giving.donations import Donation, Gift

AT_A_TIME = 32
KNOWN_SECONDS = 1.0

Begun = Donation | LessMatch | None
Asked = tuple[int, Gift, Beginning]


@dataclass
class _Shared:
    """Of one app. `campaigns` are those of the last second, by slug, with the moment at which they were read."""

    beginnings: Together[Asked, Begun]
    openings: Together[Opened, None]
    campaigns: dict[str, tuple[float, Campaign]] = field(default_factory=dict)


def share(app: App) -> None:
    """Let the requests of this app take turns."""
    app.extensions["turns"] = _Shared(Together(_begin_all, most=AT_A_TIME), Together(_note_all, most=AT_A_TIME))


def _shared() -> _Shared:
    found = current_app.extensions["turns"]
    assert isinstance(found, _Shared)
    return found


def campaign_known(slug: str) -> Campaign | None:
    """The campaign as it was within the last second, which is new enough for checking a form; the match is decided on what is read then."""
    known, now = _shared().campaigns, time.monotonic()
    read_at, campaign = known.get(slug, (-math.inf, None))
    if campaign is None or now - read_at > KNOWN_SECONDS:
        campaign = campaign_named(slug)
        if campaign is None:
            return None
        db.session.commit()  # Whoever waits for their turn keeps no transaction open.
        db.session.expunge(campaign.charity)
        db.session.expunge(campaign)
        known[slug] = now, campaign
    return campaign


def begin(campaign: Campaign, gift: Gift, how: Beginning) -> Begun:
    """The gift begun and in the books; LessMatch, with nothing written; or None where this attempt had begun before."""
    begun = _shared().beginnings.ask((campaign.id, gift, how))
    if isinstance(begun, Donation):
        db.session.add(begun)
    return begun


def note_opened(opened: Opened) -> None:
    """Write down what Stripe opened."""
    _shared().openings.ask(opened)


def _begin_all(asked: Sequence[Asked]) -> list[Begun]:
    """Each together with the others of its campaign."""
    answers: dict[int, Begun] = {}
    for campaign_id in {campaign_id for campaign_id, _, _ in asked}:
        numbers = [number for number, one in enumerate(asked) if one[0] == campaign_id]
        answers |= zip(numbers, _begin_in(campaign_id, [asked[number][1:] for number in numbers]), strict=True)
    return [answers[number] for number in range(len(asked))]


def _begin_in(campaign_id: int, asked: Sequence[tuple[Gift, Beginning]]) -> list[Begun]:
    """One transaction, in which those who would get less than they were shown have no part: it is begun again without them."""
    answers: dict[int, Begun] = {}
    while left := [number for number in range(len(asked)) if number not in answers]:
        with _undone_when_it_fails():
            found = checkouts.begin_all(db.session.get_one(Campaign, campaign_id), [asked[number] for number in left])
            less: dict[int, Begun] = {number: one for number, one in zip(left, found, strict=True) if isinstance(one, LessMatch)}
            if less:
                db.session.rollback()
            else:
                db.session.commit()
        answers |= less or dict(zip(left, found, strict=True))
    for begun in answers.values():
        if isinstance(begun, Donation):
            db.session.expunge(begun)  # It goes on in the thread that asked.
    return [answers[number] for number in range(len(asked))]


def _note_all(opened: Sequence[Opened]) -> list[None]:
    with _undone_when_it_fails():
        checkouts.checkouts_opened(opened)
        db.session.commit()
    return [None] * len(opened)


@contextmanager
def _undone_when_it_fails() -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.session.rollback()
        raise
