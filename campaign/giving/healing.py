"""Healing: match money that comes free goes at once to the earliest paid donations that were not matched in full, in order.

Those who wait have a row each; their place is that of their last payment in the books, so that reinstated gifts stand at the end. A step
looks at a bounded number of those whom the free money could match, in the transaction that freed it. Where that is not enough the rest is
due, and meanwhile nobody else is offered the money.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, and_, case, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.donations import Donation, lock_donations
from campaign.giving.funds import Fund, lock_funds
from campaign.giving.ledger import Entry, LedgerEntry, Move
from campaign.giving.matches import Desk, DonationMatch, Freed
from campaign.rules.matching import Offer

LOOKED_AT_A_STEP = 200
SETTLED_BY = (Move.DONATION, Move.OFFLINE, Move.REINSTATEMENT)


class UnderMatched(Base):
    """A paid donation that money of its campaign's funds could still match, in the order of `place`.

    `capped_donor_id` is set while nothing but the cap per donor is in the way: it then waits for its own donor's other gifts alone.
    """

    __tablename__ = "under_matched"

    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    place: Mapped[int]
    capped_donor_id: Mapped[int | None] = mapped_column(ForeignKey("donor.id"))


Index(
    "ix_under_matched_campaign_id_place",
    UnderMatched.campaign_id,
    UnderMatched.place,
    postgresql_where=UnderMatched.capped_donor_id.is_(None),
)
Index("ix_under_matched_capped_donor_id", UnderMatched.capped_donor_id, postgresql_where=UnderMatched.capped_donor_id.is_not(None))


class Healing(Base):
    """A campaign whose queue was looked at as far as `after_place`, with money left and others waiting after it.

    `again` says that money came free meanwhile: then it is walked once more.
    """

    __tablename__ = "healing"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True, autoincrement=False)
    after_place: Mapped[int] = mapped_column(server_default="0")
    again: Mapped[bool] = mapped_column(server_default="false")
    cause: Mapped[str]
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, kw_only=True)
class Healed:
    """What a step came to: entries to post, and the donations whose donors are to be told."""

    entries: Sequence[Entry] = ()
    donations: Sequence[Donation] = ()


class HealingDesk(Desk):
    """A desk that knows who waits, those too who joined on it and are not in the books yet."""

    def __init__(self, funds: Sequence[Fund], *, now: datetime, healing: Collection[int]) -> None:
        super().__init__(funds, now=now, healing=healing)
        self._settled: dict[int, Donation] = {}
        self._touched: dict[int, Donation] = {}
        self._satisfied: set[int] = set()
        self._due: dict[int, dict[str, Any] | None] = {}

    def settled(self, donation: Donation) -> None:
        """The gift was paid here: it joins the queue, at its end, if more money could still match it."""
        if self.wants_more(donation):
            self._settled[donation.id] = donation

    def changed(self, donation: Donation) -> None:
        """The gift fell or came back: whether it waits is to be looked at anew."""
        self._touched[donation.id] = donation

    def heal_waiting(self, campaign_id: int, freed: Freed, *, of_donor: int | None = None) -> Healed:
        """Give what is free to those who wait, as far as one step goes; `of_donor` says whose share went down."""
        if of_donor is not None and self.has_donor_caps:
            u = UnderMatched
            capped = (
                select(Donation).join(u, u.donation_id == Donation.id).where(u.capped_donor_id == of_donor, u.campaign_id == campaign_id)
            )
            own = list(db.session.scalars(capped, execution_options={"populate_existing": True}))
            self.take_up(own)
            self._touched |= {d.id: d for d in own}
        if campaign_id in self.healing:
            self._due[campaign_id] = {"again": True}
            return Healed()
        return self.step(campaign_id, cause=f"healed/{freed}")

    def step(self, campaign_id: int, *, cause: str, after_place: int = 0, again: bool = False) -> Healed:
        """Look at those who are next, in order, while there is money for them."""
        giving = self.giving(campaign_id)
        rows = self._next(campaign_id, giving, after_place) if giving else []
        self.take_up([donation for _, donation in rows])
        is_whole = len(rows) < LOOKED_AT_A_STEP
        waiting = [d for _, d in sorted([*rows, *self._not_in_line(campaign_id, rows)], key=lambda pair: pair[0])]
        if is_whole:
            waiting += [d for d in self._settled.values() if d.campaign_id == campaign_id]
        entries: list[Entry] = []
        healed = []
        for donation in waiting:
            if not self.giving(campaign_id):
                break
            self._touched[donation.id] = donation
            if more := self.heal(donation, cause=cause):
                entries += more
                healed.append(donation)
            if not self.wants_more(donation):
                self._satisfied.add(donation.id)
        self._remember_due(
            campaign_id, cause, is_over=is_whole or not self.giving(campaign_id), last=rows[-1][0] if rows else 0, again=again
        )
        return Healed(entries=entries, donations=healed)

    def _remember_due(self, campaign_id: int, cause: str, *, is_over: bool, last: int, again: bool) -> None:
        if not is_over or (again and self.giving(campaign_id)):
            self.healing.add(campaign_id)
            self._due[campaign_id] = {"after_place": 0 if is_over else last, "again": again and not is_over, "cause": cause}
        elif campaign_id in self.healing:
            self.healing.discard(campaign_id)
            self._due[campaign_id] = None

    def _next(self, campaign_id: int, giving: Sequence[Offer], after_place: int) -> list[tuple[int, Donation]]:
        """Those next in the queue whom one of these funds could match by its terms."""
        u = UnderMatched
        query = (
            select(u.place, Donation)
            .join(Donation, Donation.id == u.donation_id)
            .where(u.campaign_id == campaign_id, u.place > after_place, or_(*(_could_match(offer) for offer in giving)))
            .where(u.capped_donor_id.is_(None), u.donation_id.not_in([*self._settled, *self._satisfied]))
            .order_by(u.place)
            .limit(LOOKED_AT_A_STEP)
        )
        return [(place, donation) for place, donation in db.session.execute(query, execution_options={"populate_existing": True})]

    def _not_in_line(self, campaign_id: int, rows: Sequence[tuple[int, Donation]]) -> list[tuple[int, Donation]]:
        """Those on the desk who want more and were not read from the queue: they fell, or their donor's cap has come free."""
        known = {donation.id for _, donation in rows} | self._settled.keys()
        wanting = [d for d in self._touched.values() if d.campaign_id == campaign_id and d.id not in known and self.wants_more(d)]
        if not wanting:
            return []
        e = LedgerEntry
        query = select(e.donation_id, func.max(e.id)).where(e.donation_id.in_([d.id for d in wanting]), e.kind.in_(SETTLED_BY))
        place: dict[int | None, int] = dict(iter(db.session.execute(query.group_by(e.donation_id))))
        return [(place.get(d.id, 0), d) for d in wanting]

    def write_queue(self) -> None:
        """Write who waits now, who waits no more, and what is due."""
        left = [d.id for d in self._touched.values() if not self.wants_more(d)]
        if left:
            db.session.execute(delete(UnderMatched).where(UnderMatched.donation_id.in_(left)))
        staying = [d for d in {**self._settled, **self._touched}.values() if d.id not in left and self.wants_more(d)]
        if staying:
            capped = [d.id for d in staying if not self.wants_more(d, within_donor_cap=True)]
            _stand([d.id for d in staying], capped)
        for campaign_id, due in self._due.items():
            if due is None:
                db.session.execute(delete(Healing).where(Healing.campaign_id == campaign_id))
            else:
                make_due(campaign_id, **due)


def _could_match(offer: Offer) -> ColumnElement[bool]:
    terms = offer.terms
    conditions = [Donation.amount_cents >= terms.minimum_cents]
    if terms.opens_at is not None:
        conditions.append(Donation.paid_at >= terms.opens_at)
    if terms.closes_at is not None:
        conditions.append(Donation.paid_at < terms.closes_at)
    if terms.per_donation_cents is not None:
        m = DonationMatch
        full = select(m.fund_id).where(
            m.donation_id == Donation.id, m.fund_id == offer.fund_id, m.matched_cents >= terms.per_donation_cents
        )
        conditions.append(~full.exists())
    return and_(*conditions)


def _stand(donation_ids: Sequence[int], capped: Sequence[int]) -> None:
    """Put these in the queue, each at the place of its last payment in the books."""
    e = LedgerEntry
    place = select(func.max(e.id)).where(e.donation_id == Donation.id, e.kind.in_(SETTLED_BY)).scalar_subquery()
    rows = select(Donation.id, Donation.campaign_id, place, _donor_if(capped)).where(Donation.id.in_(donation_ids))
    standing = insert(UnderMatched).from_select(["donation_id", "campaign_id", "place", "capped_donor_id"], rows)
    newer = {"place": standing.excluded.place, "capped_donor_id": standing.excluded.capped_donor_id}
    db.session.execute(standing.on_conflict_do_update(index_elements=["donation_id"], set_=newer))


def _donor_if(capped: Sequence[int]) -> ColumnElement[int | None]:
    return case((Donation.id.in_(capped), Donation.donor_id), else_=None)


def open_desk(campaign_ids: Sequence[int], donation_ids: Sequence[int] = ()) -> HealingDesk:
    """Lock these campaigns, then the donations, each in its fixed order, and take them up."""
    locked = lock_funds(campaign_ids)
    desk = HealingDesk(locked.funds, now=locked.now, healing=locked.healing)
    if donation_ids:
        desk.take_up(lock_donations(list(donation_ids)))
    return desk


def due_of(campaign_id: int) -> Healing | None:
    """Where the campaign's healing stands; None when none is due."""
    return db.session.get(Healing, campaign_id, populate_existing=True)


def make_due(campaign_id: int, **how: Any) -> None:
    """The campaign's queue is to be walked on: from `after_place` on, or `again` when it has been."""
    first = {"cause": "healed/release", **how}
    made = insert(Healing).values(campaign_id=campaign_id, **first)
    db.session.execute(made.on_conflict_do_update(index_elements=[Healing.campaign_id], set_=how))


def campaigns_due() -> list[int]:
    """Campaigns whose healing is to go on."""
    return list(db.session.scalars(select(Healing.campaign_id).order_by(Healing.began_at)))
