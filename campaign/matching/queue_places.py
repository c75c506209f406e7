"""The places of a donation in the order of settlement: one for what was paid, and one at the end for each sum that was reinstated.

What was paid last is returned first, so that a part that never moved keeps its place (policy.md, section 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Select, Subquery, case, func, select

from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move

PAYMENT_MOVES = (Move.DONATION, Move.REINSTATEMENT)
REVERSAL_MOVES = (Move.REFUND, Move.DISPUTE, Move.OFFLINE_REVERSAL)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A part of a donation in the order of settlement. `net_cents` is the donation up to and including this part."""

    position: int
    net_cents: int


def places(donations: ColumnElement[bool]) -> Subquery:
    """`donation_id`, `position` and `net_cents` of each place of the donations whose entries fulfil the condition on LedgerEntry.

    A part is there as far as the net amount never fell below what was there before it.
    """
    e = LedgerEntry
    change = case((e.kind.in_(PAYMENT_MOVES), e.cents), else_=-e.cents)
    after = func.sum(change).over(partition_by=e.donation_id, order_by=e.id)
    moved = (
        select(e.donation_id, e.id, change.label("change"), after.label("after"))
        .where(donations, e.kind.in_([*PAYMENT_MOVES, *REVERSAL_MOVES]))
        .subquery()
    )
    later = func.min(moved.c.after).over(partition_by=moved.c.donation_id, order_by=moved.c.id, rows=(1, None))
    remaining = select(
        moved.c.donation_id,
        moved.c.id.label("position"),
        moved.c.change,
        (moved.c.after - moved.c.change).label("before"),
        func.least(moved.c.after, later).label("net_cents"),
    ).subquery()
    remains = (remaining.c.change > 0) & (remaining.c.net_cents > remaining.c.before)
    return select(remaining.c.donation_id, remaining.c.position, remaining.c.net_cents).where(remains).subquery()


def places_of(donation_ids: Sequence[int]) -> dict[int, list[Place]]:
    """The places of these donations by the ledger, in order."""
    found: dict[int, list[Place]] = {donation_id: [] for donation_id in donation_ids}
    p = places(LedgerEntry.donation_id.in_(donation_ids))
    query: Select[int, int, int] = select(p.c.donation_id, p.c.position, p.c.net_cents).order_by(p.c.position)
    for donation_id, position, net_cents in db.session.execute(query):
        found[donation_id].append(Place(position=position, net_cents=int(net_cents)))
    return found


def within(places_in_order: Sequence[Place], net_cents: int) -> list[Place]:
    """These places of a donation of which `net_cents` are left. What was paid last is returned first."""
    left, before = [], 0
    for place in places_in_order:
        if before < net_cents:
            left.append(replace(place, net_cents=min(place.net_cents, net_cents)))
        before = place.net_cents
    return left
