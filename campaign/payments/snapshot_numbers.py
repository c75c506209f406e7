"""Snapshot numbers: a number is taken before each fetch from Stripe, so that a late worker never overwrites a later snapshot."""

from sqlalchemy import Sequence, select

from campaign.edges.db import Base, db

_numbers = Sequence("stripe_snapshot_number", metadata=Base.metadata)


def take_snapshot_number() -> int:
    """Take the number of a fetch from Stripe that is about to start.

    Of two snapshots of an object, the one with the greater number prevails: its fetch started later, whichever ended first.
    """
    return db.session.scalars(select(_numbers.next_value())).one()
