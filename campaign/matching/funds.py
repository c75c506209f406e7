"""Matching funds and their terms. The balances of a fund are columns of its row, and only the triggers on ledger entries change them.

Its terms are frozen once it is active; it is activated, paused, resumed and ended by rows of fund_change (fund_lifecycle.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    LargeBinary,
    UniqueConstraint,
    bindparam,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, column_property, mapped_column

from campaign.edges.db import Base, db
from campaign.rules.allocation import Offer, Ratio, Terms
from campaign.rules.hold_bounds import FundBalance
from campaign.texts.match_copy import anonymous_fund


class FundStatus(StrEnum):
    """Where a fund is in its life. A draft was never activated; a fund that was paused and then ended has ended."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class Leftover(StrEnum):
    """What becomes of the part of a pledge that is not matched by the end: it stays with the funder, or is given all the same."""

    RELEASED = "released"
    DONATED = "given"


class Fund(Base):
    """A pledge to match donations to one campaign. The funds of a campaign are drawn on in the order of `position`.

    Caps limit the match, the minimum is on the donation. The window includes `opens_at` and excludes `closes_at`; when the donor made
    the payment decides. A fund that was never activated is a draft: it is not public and matches nothing.
    """

    __tablename__ = "fund"
    __table_args__ = (UniqueConstraint("campaign_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    funder_id: Mapped[int] = mapped_column(ForeignKey("funder.id"), index=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name_en: Mapped[str]
    name_fr: Mapped[str]
    position: Mapped[int]
    ratio_numerator: Mapped[int] = mapped_column(server_default="1", default=1)
    ratio_denominator: Mapped[int] = mapped_column(server_default="1", default=1)
    minimum_cents: Mapped[int] = mapped_column(server_default="0", default=0)
    per_donation_cents: Mapped[int | None]
    per_donor_cents: Mapped[int | None]
    opens_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    leftover: Mapped[str] = mapped_column(server_default="released", default="released")
    activated_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    pledged_cents: Mapped[int] = mapped_column(server_default="0", default=0)
    held_cents: Mapped[int] = mapped_column(server_default="0", default=0)
    matched_cents: Mapped[int] = mapped_column(server_default="0", default=0)
    chain_entries: Mapped[int] = mapped_column(server_default="0", default=0)
    chain_hash: Mapped[bytes] = mapped_column(LargeBinary, server_default="", default=b"")
    sealed_at: Mapped[datetime | None]
    is_anonymous: Mapped[bool] = column_property(func.is_anonymous_funder(funder_id, type_=Boolean))

    def name(self, language: str) -> str:
        """The fund's name, for staff and the funder."""
        return self.name_fr if language == "fr" else self.name_en

    def public_name(self, language: str) -> str:
        """What donors and the public read in its place: its name, unless the funder is anonymous."""
        return anonymous_fund(language) if self.is_anonymous else self.name(language)

    @property
    def status(self) -> FundStatus:
        """Its status, derived from its timestamps."""
        if self.activated_at is None:
            return FundStatus.DRAFT
        if self.ended_at is not None or self.sealed_at is not None:
            return FundStatus.ENDED
        return FundStatus.ACTIVE if self.paused_at is None else FundStatus.PAUSED

    @property
    def available_cents(self) -> int:
        """What is neither held nor matched."""
        return self.pledged_cents - self.held_cents - self.matched_cents

    @property
    def balance(self) -> FundBalance:
        """Its balance, for the bounds of holds."""
        return FundBalance(pledged_cents=self.pledged_cents, matched_cents=self.matched_cents, held_cents=self.held_cents)

    @property
    def ratio(self) -> Ratio:
        """Cents of match for each donated cent."""
        return Ratio(numerator=self.ratio_numerator, denominator=self.ratio_denominator)

    @property
    def terms(self) -> Terms:
        """The terms of the fund. An early end closes its window."""
        ends = [moment for moment in (self.closes_at, self.ended_at) if moment is not None]
        return Terms(
            ratio=self.ratio,
            minimum_cents=self.minimum_cents,
            per_donation_cents=self.per_donation_cents,
            per_donor_cents=self.per_donor_cents,
            opens_at=self.opens_at,
            closes_at=min(ends, default=None),
        )

    def has_ended(self, now: datetime) -> bool:
        """Whether it was ended, or its last day is over: no gift that is made now is matched by it any more."""
        return self.ended_at is not None or (self.closes_at is not None and self.closes_at <= now)

    def offer(self) -> Offer:
        """What the fund can still allocate, for the allocation rule."""
        return Offer(fund_id=self.id, terms=self.terms, available_cents=self.available_cents, is_paused=self.paused_at is not None)


def funds_of(campaign_id: int) -> list[Fund]:
    """The campaign's activated funds, ended ones included, in the order in which they are drawn on."""
    active = select(Fund).where(Fund.campaign_id == campaign_id, Fund.activated_at.is_not(None))
    return list(db.session.scalars(active.order_by(Fund.position)))


def list_funds(campaign_id: int) -> list[Fund]:
    """All funds of the campaign, drafts and ended ones included, in the order in which they are drawn on."""
    return list(db.session.scalars(select(Fund).where(Fund.campaign_id == campaign_id).order_by(Fund.position)))


@dataclass(frozen=True, kw_only=True)
class LockedFunds:
    """Activated funds in the order in which they are drawn on, locked until the transaction ends.

    `rematching` are the ids of those campaigns with a pending rematch; `now` is the start of the transaction by the database's clock.
    """

    funds: list[Fund]
    rematching: set[int]
    now: datetime


def lock_funds(campaign_ids: Sequence[int]) -> LockedFunds:
    """Lock these campaigns and return their activated funds with current balances; no other transaction changes them until this one ends.

    The rows of the campaigns are locked, in the order of their ids: a fund that is activated meanwhile is seen by those who waited, and a
    campaign without funds is locked too. Other transactions may still insert rows that refer to the campaign. It is one query, because the
    next transaction waits for the lock.
    """
    rows = db.session.execute(_lock_funds, {"ids": list(campaign_ids)}, execution_options={"populate_existing": True}).all()
    funds = [fund for fund, _, _ in rows if fund is not None]
    return LockedFunds(funds=funds, rematching={fund.campaign_id for fund, is_rematching, _ in rows if is_rematching}, now=rows[0].now)


# Built once, because building the statement takes longer than running it. The left join returns a row, for the time, even without funds.
_lock_columns = (column("is_rematching", Boolean), column("now", DateTime(timezone=True)))
_columns = ", ".join(f"(l.f).{c.name}" for c in Fund.__table__.columns)
_lock_funds = select(Fund, *_lock_columns).from_statement(
    text(f"SELECT {_columns}, l.is_rematching, t.now FROM (SELECT now()) t LEFT JOIN locked_funds(:ids) l ON true")  # noqa: S608  # our own column names
    .bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
    .columns(*Fund.__table__.columns, *_lock_columns)
)


def window_edges() -> list[datetime]:
    """Every start and end of a window, drafts and early ends included."""
    rows = db.session.execute(select(Fund.opens_at, Fund.closes_at, Fund.ended_at))
    return [moment for row in rows for moment in row if moment is not None]


def find_fund(name: str) -> Fund | None:
    """The fund with this slug or id."""
    by_id = db.session.get(Fund, int(name)) if name.isascii() and name.isdigit() and len(name) < 19 else None
    return by_id or db.session.scalar(select(Fund).where(Fund.slug == name))


def fund_by_slug(slug: str) -> Fund | None:
    """The fund with this slug."""
    return db.session.scalar(select(Fund).where(Fund.slug == slug))


def fund_slugs() -> list[str]:
    """The slugs of all funds, sorted."""
    return list(db.session.scalars(select(Fund.slug).order_by(Fund.slug)))
