"""The lifecycle of a fund: activated, paused, resumed, ended, its pledge raised. Each change is a row with who made it and why.

Triggers set the timestamps of the fund and refuse impossible changes: terms are frozen from activation, a pledge is never
lowered, an ended fund never reopens. The pledge of an active fund is raised by two people (pledge_actions.py). A change that lets a fund match again starts a rematch of queued donations.
"""

from datetime import datetime

from sqlalchemy import FetchedValue, ForeignKey, LargeBinary, Select, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.ledger.entries import Entry, LedgerEntry, post_entries
from campaign.ledger.moves import Move
from campaign.matching import effects, queue_places, rematching
from campaign.matching.funds import Fund, lock_funds
from campaign.matching.holds import DonationMatch, FreedBy
from campaign.matching.pledge_requests import PledgeRequest
from campaign.matching.rematching import QueuedDonation
from campaign.staff import audit


class FundChangeRefused(Exception):
    """The status of the fund does not permit this change. The message is one sentence, in English."""


class FundChange(Base):
    """One change. `cents` is the amount by which a pledge was raised; `pledge_request_id` the request, if the fund was active.

    `predates_requests` is of raises from before they took two people.

    A trigger sets its moment, its `position` among the fund's changes, its `text` with the terms in force, and the `hash` of the chain so far.
    """

    __tablename__ = "fund_change"
    __table_args__ = (
        UniqueConstraint("fund_id", "position", name="change_has_its_place"),
        UniqueConstraint("pledge_request_id", name="request_raises_once"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), index=True)
    kind: Mapped[str]
    cents: Mapped[int | None]
    pledge_request_id: Mapped[int | None] = mapped_column(ForeignKey("pledge_request.id"))
    predates_requests: Mapped[bool] = mapped_column(server_default=FetchedValue())
    actor: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    text: Mapped[str] = mapped_column(server_default=FetchedValue())
    hash: Mapped[bytes] = mapped_column(LargeBinary, server_default=FetchedValue())


def activate(fund: Fund, *, actor: str, reason: str) -> None:
    """Freeze the terms and start matching. Donations paid earlier within its window join the match queue. Raises FundChangeRefused."""
    if fund.activated_at:
        raise FundChangeRefused(f"The fund {fund.slug} is already active.")
    _record_change(fund, "activated", actor=actor, reason=reason)
    _enqueue_eligible(fund)
    _rematch(fund, FreedBy.ACTIVATED)


def _enqueue_eligible(fund: Fund) -> None:
    """Add the places of paid donations that the new fund could match by its terms to the match queue."""
    queue = insert(QueuedDonation).from_select(["donation_id", "campaign_id", "position", "net_cents"], eligible_places(fund))
    db.session.execute(queue.on_conflict_do_update(index_elements=["donation_id", "position"], set_={"capped_donor_id": None}))


def eligible_places(fund: Fund) -> Select[int, int, int, int]:
    """The donation, campaign, position and net cents of each place of a paid donation that the fund could match by its terms."""
    offer, ratio, m = fund.offer(), fund.ratio, DonationMatch
    place = queue_places.places(LedgerEntry.campaign_id == fund.campaign_id)
    # The donated cents that need this much match, rounded up.
    covered = func.div(m.matched_cents * Fund.ratio_denominator + Fund.ratio_numerator - 1, Fund.ratio_numerator)
    covered_cents = (
        select(m.donation_id, func.sum(covered).label("cents"))
        .join(Fund, Fund.id == m.fund_id)
        .where(Fund.campaign_id == fund.campaign_id)
        .group_by(m.donation_id)
        .subquery()
    )
    uncovered_cents = place.c.net_cents - func.coalesce(covered_cents.c.cents, 0)
    return (
        select(Donation.id, Donation.campaign_id, place.c.position, place.c.net_cents)
        .join(place, place.c.donation_id == Donation.id)
        .outerjoin(covered_cents, covered_cents.c.donation_id == Donation.id)
        .where(Donation.campaign_id == fund.campaign_id)
        .where(rematching.is_eligible(offer), uncovered_cents * ratio.numerator >= ratio.denominator)
    )


def raise_draft_pledge(fund: Fund, cents: int, *, actor: str, reason: str) -> None:
    """Add to the pledge of a draft, which nobody relies on yet; no move lowers it. Raises FundChangeRefused for any other fund."""
    if fund.activated_at:
        raise FundChangeRefused(f"The fund {fund.slug} is not a draft, so raising its pledge takes two people.")
    _raise_pledge(fund, cents, _record_change(fund, "pledged", actor=actor, reason=reason, cents=cents))


def raise_agreed_pledge(fund: Fund, request: PledgeRequest) -> None:
    """Add to the pledge of an active fund what two people agreed on, and match queued donations. The database refuses anything else."""
    assert request.decided_by, request.id
    actor, reason, cents = request.decided_by, request.reason, request.cents
    _raise_pledge(fund, cents, _record_change(fund, "pledged", actor=actor, reason=reason, cents=cents, pledge_request_id=request.id))
    _rematch(fund, FreedBy.PLEDGE)


def _raise_pledge(fund: Fund, cents: int, change_id: int) -> None:
    post_entries(
        Entry(
            kind=Move.PLEDGE,
            source="outside",
            target="available",
            cents=cents,
            campaign_id=fund.campaign_id,
            fund_id=fund.id,
            reference=f"pledge:{fund.slug}:{change_id}",
            cause=f"change:{change_id}",
        )
    )
    db.session.refresh(fund)


def pause(fund: Fund, *, actor: str, reason: str) -> None:
    """Hold and match nothing new until the fund is resumed. Existing holds are honoured. Raises FundChangeRefused."""
    if fund.paused_at or not fund.activated_at:
        raise FundChangeRefused(f"The fund {fund.slug} is not active, or is already paused.")
    _record_change(fund, "paused", actor=actor, reason=reason)


def resume(fund: Fund, *, actor: str, reason: str) -> None:
    """Match again, queued donations first. Raises FundChangeRefused."""
    if not fund.paused_at:
        raise FundChangeRefused(f"The fund {fund.slug} is not paused.")
    _record_change(fund, "resumed", actor=actor, reason=reason)
    _rematch(fund, FreedBy.RESUMED)


def end(fund: Fund, *, actor: str, reason: str) -> None:
    """Close the window now, before its end. Holds are honoured, and payments made before now are matched whenever their events arrive.

    Raises FundChangeRefused.
    """
    if fund.ended_at or not fund.activated_at:
        raise FundChangeRefused(f"The fund {fund.slug} has ended or was never activated.")
    _record_change(fund, "ended", actor=actor, reason=reason)


def pause_all(*, actor: str, reason: str) -> int:
    """Pause every active fund; returns how many were paused. Nothing of a sealed campaign changes, and nothing of it is matched."""
    is_active = (Fund.activated_at.is_not(None), Fund.paused_at.is_(None), Fund.sealed_at.is_(None))
    active = list(db.session.scalars(select(Fund).where(*is_active).order_by(Fund.id)))
    for fund in active:
        pause(fund, actor=actor, reason=reason)
    return len(active)


def list_paused(campaign_id: int) -> list[tuple[Fund, datetime, str]]:
    """The campaign's paused funds that have not ended, each with the time and the reason of the pause."""
    pause_of = (FundChange.fund_id == Fund.id) & (FundChange.kind == "paused") & (FundChange.at == Fund.paused_at)
    query = select(Fund, FundChange.at, FundChange.reason).join(FundChange, pause_of)
    rows = db.session.execute(query.where(Fund.campaign_id == campaign_id, Fund.ended_at.is_(None)).order_by(Fund.position))
    return [(fund, at, reason) for fund, at, reason in rows]


def changes_of(fund: Fund) -> list[FundChange]:
    """The changes of the fund, oldest first."""
    return list(db.session.scalars(select(FundChange).where(FundChange.fund_id == fund.id).order_by(FundChange.id)))


def _record_change(
    fund: Fund, kind: str, *, actor: str, reason: str, cents: int | None = None, pledge_request_id: int | None = None
) -> int:
    db.session.flush()
    lock_funds([fund.campaign_id])  # Before the row of the fund, the lock order of all transactions.
    change = FundChange(fund_id=fund.id, kind=kind, cents=cents, actor=actor, reason=reason, pledge_request_id=pledge_request_id)
    db.session.add(change)
    detail = {"cents": cents} if cents else {}
    audit.record(actor, f"{kind} fund", fund.slug, reason=reason, **detail)
    db.session.flush()
    db.session.refresh(fund)
    return change.id


def _rematch(fund: Fund, freed: FreedBy) -> None:
    """Match what is available with the queued donations; the first step now, the rest as a pending rematch."""
    session = rematching.lock_match_session([fund.campaign_id])
    rematched = session.rematch_freed(fund.campaign_id, freed)
    effects.apply_effects(session, [effects.NO_EFFECTS.with_rematched(rematched)])
    db.session.refresh(fund)
