"""Rematching: match that is freed goes at once to the earliest paid donations that are not fully matched, in order (policy.md, section 2).

Each of them has a row in `match_queue` for each of its places (queue_places.py): a sum that was reinstated is at the end. One step takes a bounded number of donations that the freed money could match, in the transaction that freed it. What remains is
pending, and until it is done the money is offered to nobody else.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations import donor_merges
from campaign.donations.donations import Donation, lock_donations
from campaign.edges.db import Base, db
from campaign.ledger.entries import Entry
from campaign.matching import queue_places
from campaign.matching.funds import Fund, lock_funds
from campaign.matching.holds import DonationMatch, FreedBy
from campaign.matching.queue_places import Place
from campaign.matching.session import MatchSession
from campaign.rules.allocation import Offer

STEP_SIZE = 200


class QueuedDonation(Base):
    """A place of a paid donation that the campaign’s funds could still match, in the order of `position`.

    `net_cents` is the donation up to and including this place, which bounds the match that is due here. `capped_donor_id` is set while only the cap per donor prevents a match, which only a change to other donations of that donor can lift.
    """

    __tablename__ = "match_queue"

    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    net_cents: Mapped[int]
    capped_donor_id: Mapped[int | None] = mapped_column(ForeignKey("donor.id"))


Index(
    "ix_match_queue_campaign_id_position",
    QueuedDonation.campaign_id,
    QueuedDonation.position,
    postgresql_where=QueuedDonation.capped_donor_id.is_(None),
)
Index("ix_match_queue_capped_donor_id", QueuedDonation.capped_donor_id, postgresql_where=QueuedDonation.capped_donor_id.is_not(None))


class PendingRematch(Base):
    """A campaign whose queue was processed up to `after_position`, with money left and donations after it.

    `cause` is what freed the money. With a `next_cause`, more was freed meanwhile: the queue is then processed once more from its beginning.
    """

    __tablename__ = "pending_rematch"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True, autoincrement=False)
    after_position: Mapped[int] = mapped_column(server_default="0")
    cause: Mapped[str]
    next_cause: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, kw_only=True)
class Rematched:
    """What one step decided: entries to post, and the donations whose donors are notified."""

    entries: Sequence[Entry] = ()
    donations: Sequence[Donation] = ()


@dataclass
class _QueueState:
    """A donation’s place in the queue as this session leaves it.

    `joins`: a part of it was paid in this session and is not in the database’s queue yet. `is_changed`: its places must be recomputed.
    `is_satisfied`: it was matched here as far as possible and is not offered money again.
    """

    donation: Donation
    joins: bool = False
    is_changed: bool = False
    is_satisfied: bool = False


class _Queue:
    """The donations that a session has touched, each with its state, in the order in which they were touched."""

    def __init__(self) -> None:
        self._states: dict[int, _QueueState] = {}

    def __iter__(self) -> Iterator[_QueueState]:
        return iter(list(self._states.values()))

    def state_of(self, donation: Donation) -> _QueueState:
        """The donation’s state, new if it was not touched before."""
        return self._states.setdefault(donation.id, _QueueState(donation))

    def joining(self) -> list[Donation]:
        """Donations of which a part was paid in this session, in the order of payment."""
        return [state.donation for state in self if state.joins]

    def changed(self) -> list[Donation]:
        """Donations whose places in the queue must be recomputed."""
        return [state.donation for state in self if state.is_changed]

    def excluded_ids(self) -> list[int]:
        """Ids of donations that a step must not read from the database’s queue."""
        return [state.donation.id for state in self if state.is_satisfied]


@dataclass(frozen=True, kw_only=True)
class _Pending:
    """Where the rematch of a campaign continues, as it will be stored."""

    after_position: int
    cause: str
    next_cause: str | None


class RematchingSession(MatchSession):
    """A match session that also knows the queue, including donations that join it in this session."""

    def __init__(self, funds: Sequence[Fund], *, now: datetime, rematching: Collection[int]) -> None:
        super().__init__(funds, now=now, rematching=rematching)
        self._queue = _Queue()
        self._pending: dict[int, _Pending | None] = {}

    def join_queue(self, donation: Donation) -> None:
        """A part of the donation was paid in this session: it joins the end of the queue if more money could match it."""
        if self.is_under_matched(donation):
            self._queue.state_of(donation).joins = True

    def mark_changed(self, donation: Donation) -> None:
        """Part of the donation was reversed or reinstated: its places in the queue are recomputed."""
        self._queue.state_of(donation).is_changed = True

    def rematch_freed(self, campaign_id: int, freed_by: FreedBy, *, of_donor: int | None = None) -> Rematched:
        """Match what is free with donations in the queue, as far as one step goes. `of_donor` is the donor whose total went down."""
        if of_donor is not None and self.has_per_donor_caps:
            q = QueuedDonation
            capped = (
                select(Donation).join(q, q.donation_id == Donation.id).where(q.capped_donor_id == of_donor, q.campaign_id == campaign_id)
            )
            of_same_donor = list(db.session.scalars(capped, execution_options={"populate_existing": True}))
            self.load(of_same_donor)
            for donation in of_same_donor:
                self.mark_changed(donation)
        if campaign_id in self.rematching:
            pending = self._pending_of(campaign_id)
            self._pending[campaign_id] = replace(pending, next_cause=pending.next_cause or freed_by.cause)
            return Rematched()
        return self.rematch_step(campaign_id, cause=freed_by.cause)

    def _pending_of(self, campaign_id: int) -> _Pending:
        """The pending rematch of the campaign as this session leaves it so far."""
        if pending := self._pending.get(campaign_id):
            return pending
        stored = pending_rematch_of(campaign_id)
        assert stored, campaign_id
        return _Pending(after_position=stored.after_position, cause=stored.cause, next_cause=stored.next_cause)

    def rematch_step(self, campaign_id: int, *, cause: str, after_position: int = 0, next_cause: str | None = None) -> Rematched:
        """Match the next donations in the queue, in order, while there is money for them."""
        open_offers = self.open_offers(campaign_id)
        rows = self._next_in_queue(campaign_id, open_offers, after_position) if open_offers else []
        self.load([donation for _, donation in rows])
        reaches_end = len(rows) < STEP_SIZE
        waiting: list[tuple[int | None, Donation]] = [
            (place.net_cents, donation)
            for place, donation in sorted([*rows, *self._outside_queue(campaign_id, rows)], key=lambda pair: pair[0].position)
        ]
        if reaches_end:
            waiting += [(None, d) for d in self._queue.joining() if d.campaign_id == campaign_id]
        entries: list[Entry] = []
        rematched: dict[int, Donation] = {}
        for net_cents, donation in waiting:
            if not self.open_offers(campaign_id):
                break
            state = self._queue.state_of(donation)
            state.is_changed = True
            if more := self.rematch(donation, cause=cause, up_to_cents=net_cents):
                entries += more
                rematched[donation.id] = donation
            state.is_satisfied = state.is_satisfied or not self.is_under_matched(donation)
        is_over = reaches_end or not self.open_offers(campaign_id)
        self._schedule_rest(campaign_id, cause, is_over=is_over, last=rows[-1][0].position if rows else 0, next_cause=next_cause)
        return Rematched(entries=entries, donations=list(rematched.values()))

    def _schedule_rest(self, campaign_id: int, cause: str, *, is_over: bool, last: int, next_cause: str | None) -> None:
        if not is_over:
            self.rematching.add(campaign_id)
            self._pending[campaign_id] = _Pending(after_position=last, cause=cause, next_cause=next_cause)
        elif next_cause and self.open_offers(campaign_id):
            self._pending[campaign_id] = _Pending(after_position=0, cause=next_cause, next_cause=None)
        elif campaign_id in self.rematching:
            self.rematching.discard(campaign_id)
            self._pending[campaign_id] = None

    def _next_in_queue(self, campaign_id: int, offers: Sequence[Offer], after_position: int) -> list[tuple[Place, Donation]]:
        """The next places in the queue, with their donations, that one of these funds could match by its terms."""
        q = QueuedDonation
        query = (
            select(q.position, q.net_cents, Donation)
            .join(Donation, Donation.id == q.donation_id)
            .where(q.campaign_id == campaign_id, q.position > after_position, or_(*(is_eligible(offer) for offer in offers)))
            .where(q.capped_donor_id.is_(None), q.donation_id.not_in(self._queue.excluded_ids()))
            .order_by(q.position)
            .limit(STEP_SIZE)
        )
        found = db.session.execute(query, execution_options={"populate_existing": True})
        return [(Place(position=position, net_cents=net_cents), donation) for position, net_cents, donation in found]

    def _outside_queue(self, campaign_id: int, rows: Sequence[tuple[Place, Donation]]) -> list[tuple[Place, Donation]]:
        """Places of changed donations of this session that more money could match and that were not read from the queue."""
        known = {donation.id for _, donation in rows}
        changed = [d for d in self._queue.changed() if d.campaign_id == campaign_id and d.id not in known and self.is_under_matched(d)]
        if not changed:
            return []
        by_ledger = queue_places.places_of([donation.id for donation in changed])
        return [(place, d) for d in changed for place in queue_places.within(by_ledger[d.id], self.net_of(d))]

    def write_queue(self) -> None:
        """Update the match queue and the pending rematches in the database."""
        if changed := self._queue.changed():
            db.session.execute(delete(QueuedDonation).where(QueuedDonation.donation_id.in_([donation.id for donation in changed])))
        staying = [s.donation for s in self._queue if (s.joins or s.is_changed) and self.is_under_matched(s.donation)]
        if staying:
            self._enqueue(staying)
        for campaign_id, pending in self._pending.items():
            if pending is None:
                db.session.execute(delete(PendingRematch).where(PendingRematch.campaign_id == campaign_id))
            else:
                _store_pending(campaign_id, pending)

    def _enqueue(self, donations: Sequence[Donation]) -> None:
        """Put those places of these donations in the queue whose part more money could match."""
        by_ledger = queue_places.places_of([donation.id for donation in donations])
        rows = [
            {
                "donation_id": donation.id,
                "campaign_id": donation.campaign_id,
                "position": place.position,
                "net_cents": place.net_cents,
                "capped_donor_id": None if self.is_under_matched(donation, within_donor_cap=True) else donation.donor_id,
            }
            for donation in donations
            for place in by_ledger[donation.id]
            if self.is_under_matched(donation, up_to_cents=place.net_cents)
        ]
        if rows:
            db.session.execute(insert(QueuedDonation), rows)


def is_eligible(offer: Offer) -> ColumnElement[bool]:
    """The condition that the terms of a fund permit a match of a paid donation, for queries. `allocate` decides how much it is."""
    terms = offer.terms
    conditions = [Donation.amount_cents >= terms.minimum_cents]
    if terms.opens_at is not None:
        conditions.append(Donation.authorized_at >= terms.opens_at)
    if terms.closes_at is not None:
        conditions.append(Donation.authorized_at < terms.closes_at)
    if terms.per_donation_cents is not None:
        m = DonationMatch
        full = select(m.fund_id).where(
            m.donation_id == Donation.id, m.fund_id == offer.fund_id, m.matched_cents >= terms.per_donation_cents
        )
        conditions.append(~full.exists())
    return and_(*conditions)


def _store_pending(campaign_id: int, pending: _Pending) -> None:
    row = insert(PendingRematch).values(campaign_id=campaign_id, **vars(pending))
    db.session.execute(row.on_conflict_do_update(index_elements=[PendingRematch.campaign_id], set_=vars(pending)))


def lock_match_session(campaign_ids: Sequence[int], donation_ids: Sequence[int] = ()) -> RematchingSession:
    """Lock these campaigns, then the donations, each in its fixed order, and load them."""
    locked = lock_funds(campaign_ids)
    session = RematchingSession(locked.funds, now=locked.now, rematching=locked.rematching)
    if donation_ids:
        donations = lock_donations(list(donation_ids))
        if session.has_per_donor_caps:
            donor_merges.move_strays(donations)
        session.load(donations)
    return session


def pending_rematch_of(campaign_id: int) -> PendingRematch | None:
    """Where the campaign’s rematch continues; None when none is pending."""
    return db.session.get(PendingRematch, campaign_id, populate_existing=True)


def campaigns_to_rematch() -> list[int]:
    """Ids of campaigns with a pending rematch, the oldest first."""
    return list(db.session.scalars(select(PendingRematch.campaign_id).order_by(PendingRematch.started_at)))
