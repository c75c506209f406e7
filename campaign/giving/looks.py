"""Looks at Stripe are numbered before they are taken, so that a late worker never overwrites what a later look has seen."""

from sqlalchemy import Sequence, select

from campaign.edges.db import Base, db

_looks = Sequence("stripe_look", metadata=Base.metadata)


def next_look() -> int:
    """The number of a look at Stripe that is about to be taken.

    Of two looks the one with the greater number began after every event that the other was to answer, whichever ends first: its word counts.
    """
    return db.session.scalars(select(_looks.next_value())).one()
