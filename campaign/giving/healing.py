"""Healing: match money that comes free goes at once to the earliest paid donations that were not matched in full, in order.

Those who wait have a row each, in the order in which they were settled; reinstated gifts join at the end. A step looks at a bounded
number of them in the transaction that freed the money. Where that is not enough the rest is due, and meanwhile nobody else is offered it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.donations import Donation, lock_donations
from campaign.giving.funds import Fund, lock_funds
from campaign.giving.ledger import Entry
from campaign.giving.matches import Desk, Freed

LOOKED_AT_A_STEP = 200


class UnderMatched(Base):
    """A paid donation that money of its campaign's funds could still match. `place` is its place in the queue."""

    __tablename__ = "under_matched"

    place: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), unique=True)


Index("ix_under_matched_campaign_id_place", UnderMatched.campaign_id, UnderMatched.place)


class Healing(Base):
    """A campaign whose queue was looked at as far as `after_place`, with money left and others waiting after it."""

    __tablename__ = "healing"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True, autoincrement=False)
    after_place: Mapped[int] = mapped_column(server_default="0")
    cause: Mapped[str]
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, kw_only=True)
class Healed:
    """What a step came to: entries to post, and the donations whose donors are to be told."""

    entries: Sequence[Entry] = ()
    donations: Sequence[Donation] = ()


@dataclass(kw_only=True)
class _Queue:
    waiting: list[Donation]
    is_whole: bool
    last_place: int


class HealingDesk(Desk):
    """A desk that knows who waits, those too who joined on it and are not in the books yet."""

    def __init__(self, funds: Sequence[Fund], *, now: datetime, healing: Collection[int]) -> None:
        super().__init__(funds, now=now, healing=healing)
        self._queues: dict[int, _Queue] = {}
        self._joined: list[Donation] = []
        self._gone: set[int] = set()
        self._due: dict[int, tuple[int, str] | None] = {}

    def wait_if_wanting(self, donation: Donation) -> None:
        """A paid donation that more money could still match joins the queue, at its end."""
        if not self.wants_more(donation):
            return
        self._joined.append(donation)
        queue = self._queues.get(donation.campaign_id)
        if queue is not None and queue.is_whole:
            queue.waiting.append(donation)

    def wait_no_more(self, donation: Donation) -> None:
        """The donation leaves the queue, if it stands there."""
        self._gone.add(donation.id)
        self._joined = [d for d in self._joined if d is not donation]
        if queue := self._queues.get(donation.campaign_id):
            queue.waiting = [d for d in queue.waiting if d is not donation]

    def heal_waiting(self, campaign_id: int, freed: Freed, *, cause: str) -> Healed:
        """Give what is free to those who wait, as far as one step goes."""
        if not self.has_money(campaign_id):
            return Healed()
        cause = f"healed/{freed}/{cause}"
        if campaign_id in self.healing:  # From the beginning: what came free may be for somebody who was passed over before.
            self._due[campaign_id] = (0, cause)
            return Healed()
        if campaign_id not in self._queues:
            self._queues[campaign_id] = self._read(campaign_id, after_place=0)
        return self.step(campaign_id, cause=cause)

    def step(self, campaign_id: int, *, cause: str, after_place: int = 0) -> Healed:
        """Look at those who are next, in order, while there is money."""
        if campaign_id not in self._queues:
            self._queues[campaign_id] = self._read(campaign_id, after_place=after_place)
        queue = self._queues[campaign_id]
        entries: list[Entry] = []
        healed = []
        for donation in list(queue.waiting):
            if not self.has_money(campaign_id):
                break
            if more := self.heal(donation, cause=cause):
                entries += more
                healed.append(donation)
            if not self.wants_more(donation):
                self.wait_no_more(donation)
        goes_on = not queue.is_whole and self.has_money(campaign_id)
        if goes_on:
            self.healing.add(campaign_id)
        self._due[campaign_id] = (queue.last_place, cause) if goes_on else None
        return Healed(entries=entries, donations=healed)

    def _read(self, campaign_id: int, *, after_place: int) -> _Queue:
        rows = db.session.execute(
            select(UnderMatched.place, Donation)
            .join(Donation, Donation.id == UnderMatched.donation_id)
            .where(UnderMatched.campaign_id == campaign_id, UnderMatched.place > after_place)
            .order_by(UnderMatched.place)
            .limit(LOOKED_AT_A_STEP),
            execution_options={"populate_existing": True},
        ).all()
        waiting = [donation for _, donation in rows if donation.id not in self._gone]
        self.take_up(waiting)
        is_whole = len(rows) < LOOKED_AT_A_STEP
        if is_whole:
            waiting += [d for d in self._joined if d.campaign_id == campaign_id]
        return _Queue(waiting=waiting, is_whole=is_whole, last_place=rows[-1][0] if rows else after_place)

    def write_queue(self) -> None:
        """Write who left, who joined, and what is due."""
        if self._gone:
            db.session.execute(delete(UnderMatched).where(UnderMatched.donation_id.in_(self._gone)))
        if self._joined:
            rows = [{"campaign_id": d.campaign_id, "donation_id": d.id} for d in self._joined]
            db.session.execute(_join, rows)
        for campaign_id, due in self._due.items():
            if due is None:
                db.session.execute(delete(Healing).where(Healing.campaign_id == campaign_id))
            else:
                make_due(campaign_id, after_place=due[0], cause=due[1])


_join = insert(UnderMatched.__table__).inline().on_conflict_do_nothing(index_elements=["donation_id"])  # type: ignore[arg-type]  # a table


def open_desk(campaign_ids: Sequence[int], donation_ids: Sequence[int] = ()) -> HealingDesk:
    """Lock the funds of these campaigns, then the donations, each in its fixed order, and take them up."""
    locked = lock_funds(list(campaign_ids))
    due = func.array_agg(Healing.campaign_id).filter(Healing.campaign_id.in_(list(campaign_ids)))
    now, healing = db.session.execute(select(func.now(), due)).one()
    desk = HealingDesk(locked, now=now, healing=healing or [])
    if donation_ids:
        desk.take_up(lock_donations(list(donation_ids)))
    return desk


def due_of(campaign_id: int) -> Healing | None:
    """Where the campaign's healing stands; None when none is due."""
    return db.session.get(Healing, campaign_id, populate_existing=True)


def make_due(campaign_id: int, *, cause: str, after_place: int = 0) -> None:
    """The campaign's queue is to be looked at from this place on."""
    db.session.execute(
        insert(Healing)
        .values(campaign_id=campaign_id, cause=cause, after_place=after_place)
        .on_conflict_do_update(index_elements=[Healing.campaign_id], set_={"after_place": after_place, "cause": cause})
    )


def campaigns_due() -> list[int]:
    """Campaigns whose healing is to go on."""
    return list(db.session.scalars(select(Healing.campaign_id).order_by(Healing.began_at)))
