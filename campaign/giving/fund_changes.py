"""The life of a fund as facts: activated, paused, resumed, ended, its pledge raised; each with who did it and why.

A trigger moves the fund's own moments and refuses what cannot be: terms are frozen from activation, a pledge is raised and never lowered,
what was ended does not begin again. Whatever lets a fund give again heals those who wait.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving import audit, consequences, healing, ledger
from campaign.giving.funds import Fund, lock_funds
from campaign.giving.ledger import Entry, Move
from campaign.giving.matches import Freed


class CannotChange(Exception):
    """The fund is not in a state in which this can be done."""


class FundChange(Base):
    """One change. `cents` is what a pledge was raised by."""

    __tablename__ = "fund_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), index=True)
    kind: Mapped[str]
    cents: Mapped[int | None]
    actor: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


def activate(fund: Fund, *, actor: str, reason: str) -> None:
    """The terms are frozen and the fund begins to give; gifts that were paid within its window before take their place in the queue."""
    if fund.activated_at:
        raise CannotChange(f"The fund {fund.slug} is active already.")
    _change(fund, "activated", actor=actor, reason=reason)
    _queue_for(fund)
    _heal(fund, Freed.ACTIVATED)


def _queue_for(fund: Fund) -> None:
    """Paid gifts that the new fund could match by its terms take their places among those who wait."""
    db.session.execute(
        text(
            """
            INSERT INTO under_matched (donation_id, campaign_id, place)
            SELECT d.id, d.campaign_id, max(e.id) FROM fund f JOIN donation d ON d.campaign_id = f.campaign_id
            JOIN ledger_entry e ON e.donation_id = d.id AND e.kind IN ('donation', 'offline', 'reinstatement')
            LEFT JOIN (SELECT m.donation_id, sum(ceil(m.matched_cents * o.ratio_denominator::numeric / o.ratio_numerator)) AS cents
                       FROM donation_match m JOIN fund o ON o.id = m.fund_id WHERE o.campaign_id = :campaign GROUP BY 1) c
                   ON c.donation_id = d.id
            WHERE f.id = :fund AND d.net_cents > 0 AND d.amount_cents >= f.minimum_cents AND fund_is_open(f, d.paid_at)
              AND (d.net_cents - coalesce(c.cents, 0)) * f.ratio_numerator >= f.ratio_denominator
            GROUP BY d.id, d.campaign_id
            ON CONFLICT (donation_id) DO UPDATE SET capped_donor_id = NULL
            """
        ),
        {"fund": fund.id, "campaign": fund.campaign_id},
    )


def pledge(fund: Fund, cents: int, *, actor: str, reason: str) -> None:
    """The funder's promise, or more of it. Never less: there is no move that lowers it."""
    if fund.ended_at:
        raise CannotChange(f"The fund {fund.slug} has ended.")
    change_id = _change(fund, "pledged", actor=actor, reason=reason, cents=cents)
    ledger.post(
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
    _heal(fund, Freed.PLEDGE)


def pause(fund: Fund, *, actor: str, reason: str) -> None:
    """Nothing new is held or matched until the fund is resumed. Holds that were given are honoured."""
    if fund.paused_at or not fund.activated_at:
        raise CannotChange(f"The fund {fund.slug} is not giving now.")
    _change(fund, "paused", actor=actor, reason=reason)


def resume(fund: Fund, *, actor: str, reason: str) -> None:
    """The fund gives again, first to those who waited."""
    if not fund.paused_at:
        raise CannotChange(f"The fund {fund.slug} is not paused.")
    _change(fund, "resumed", actor=actor, reason=reason)
    _heal(fund, Freed.RESUMED)


def end(fund: Fund, *, actor: str, reason: str) -> None:
    """The window closes now, before its time. Holds are honoured, and payments made before now count however late we hear of them."""
    if fund.ended_at or not fund.activated_at:
        raise CannotChange(f"The fund {fund.slug} has ended or never began.")
    _change(fund, "ended", actor=actor, reason=reason)


def pause_all(*, actor: str, reason: str) -> int:
    """Pause every fund that gives; how many were paused."""
    giving = list(db.session.scalars(select(Fund).where(Fund.activated_at.is_not(None), Fund.paused_at.is_(None)).order_by(Fund.id)))
    for fund in giving:
        pause(fund, actor=actor, reason=reason)
    return len(giving)


def paused(campaign_id: int) -> list[tuple[Fund, datetime, str]]:
    """The campaign's funds that are paused, since when, and why."""
    pause_of = (FundChange.fund_id == Fund.id) & (FundChange.kind == "paused") & (FundChange.at == Fund.paused_at)
    query = select(Fund, FundChange.at, FundChange.reason).join(FundChange, pause_of)
    rows = db.session.execute(query.where(Fund.campaign_id == campaign_id).order_by(Fund.position))
    return [(fund, at, reason) for fund, at, reason in rows]


def changes_of(fund: Fund) -> list[FundChange]:
    """What happened to the fund, in order."""
    return list(db.session.scalars(select(FundChange).where(FundChange.fund_id == fund.id).order_by(FundChange.id)))


def _change(fund: Fund, kind: str, *, actor: str, reason: str, cents: int | None = None) -> int:
    db.session.flush()
    lock_funds([fund.campaign_id])  # Before the fund's own row, as everybody does.
    change = FundChange(fund_id=fund.id, kind=kind, cents=cents, actor=actor, reason=reason)
    db.session.add(change)
    detail = {"cents": cents} if cents else {}
    audit.record(actor, f"{kind} fund", fund.slug, reason=reason, **detail)
    db.session.flush()
    db.session.refresh(fund)
    return change.id


def _heal(fund: Fund, freed: Freed) -> None:
    """What the fund can give now goes to those who wait, the first step of it at once."""
    desk = healing.open_desk([fund.campaign_id])
    healed = desk.heal_waiting(fund.campaign_id, freed)
    consequences.carry_out(desk, [consequences.NOTHING.with_healed(healed)])
    db.session.refresh(fund)
