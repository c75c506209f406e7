"""Matching funds and their funders. A fund's balances sit on its row and only the ledger's trigger moves them.

Its terms are frozen once it is active; it is paused, resumed and ended by facts of their own (fund_changes.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    ForeignKey,
    LargeBinary,
    Text,
    UniqueConstraint,
    bindparam,
    column,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from campaign.edges.db import Base, db
from campaign.rules.matching import Offer, Ratio, Terms


class Funder(Base):
    """Who stands behind a fund. Name, address and language are for receipts of what they pay, the address of mail for notices."""

    __tablename__ = "funder"

    id: Mapped[int] = mapped_column(primary_key=True)
    name_en: Mapped[str]
    name_fr: Mapped[str]
    is_registered_charity: Mapped[bool] = mapped_column(server_default="false")
    legal_name: Mapped[str] = mapped_column(server_default="", default="")
    address: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    email: Mapped[str] = mapped_column(server_default="", default="")
    language: Mapped[str] = mapped_column(server_default="en", default="en")

    def name(self, language: str) -> str:
        """The funder's public name; receipts print `legal_name`, when there is one."""
        return self.name_fr if language == "fr" else self.name_en


class Fund(Base):
    """A pledge to match gifts to one campaign. Drawn on in the order of `position`.

    Caps are on the match, the minimum is on the gift. The window is closed-open, decided by Stripe's time of payment. A fund that was
    never activated is a draft, which nobody sees and nothing draws on.
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
    activated_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    pledged_cents: Mapped[int] = mapped_column(server_default="0", default=0)
    held_cents: Mapped[int] = mapped_column(server_default="0", default=0)
    matched_cents: Mapped[int] = mapped_column(server_default="0", default=0)
    chain_entries: Mapped[int] = mapped_column(server_default="0", default=0)
    chain_hash: Mapped[bytes] = mapped_column(LargeBinary, server_default="", default=b"")
    funder: Mapped[Funder] = relationship(lazy="raise")

    def name(self, language: str) -> str:
        """The fund's public name."""
        return self.name_fr if language == "fr" else self.name_en

    @property
    def available_cents(self) -> int:
        """What is neither held nor matched."""
        return self.pledged_cents - self.held_cents - self.matched_cents

    @property
    def ratio(self) -> Ratio:
        """Cents of match for each cent given."""
        return Ratio(numerator=self.ratio_numerator, denominator=self.ratio_denominator)

    @property
    def terms(self) -> Terms:
        """What the fund has agreed to. An early end closes the window."""
        ends = [moment for moment in (self.closes_at, self.ended_at) if moment is not None]
        return Terms(
            ratio=self.ratio,
            minimum_cents=self.minimum_cents,
            per_donation_cents=self.per_donation_cents,
            per_donor_cents=self.per_donor_cents,
            opens_at=self.opens_at,
            closes_at=min(ends, default=None),
        )

    def offer(self) -> Offer:
        """What the fund can still give, for the rule that decides."""
        return Offer(fund_id=self.id, terms=self.terms, available_cents=self.available_cents, is_paused=self.paused_at is not None)


class FunderLink(Base):
    """A private way to a fund's report: kept as a hash, it expires and can be revoked."""

    __tablename__ = "funder_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


def funds_of(campaign_id: int) -> list[Fund]:
    """The campaign's active funds, past ones too, in the order they are drawn on."""
    active = select(Fund).where(Fund.campaign_id == campaign_id, Fund.activated_at.is_not(None))
    return list(db.session.scalars(active.order_by(Fund.position)))


@dataclass(frozen=True, kw_only=True)
class LockedFunds:
    """Active funds in the order they are drawn on, which nobody else moves; `now` is the database's, `healing` the campaigns whose earlier
    gifts are being healed.
    """

    funds: list[Fund]
    healing: set[int]
    now: datetime


def lock_funds(campaign_ids: Sequence[int]) -> LockedFunds:
    """The active funds of these campaigns with their balances as of now; nobody else moves them until the transaction ends.

    The campaigns' rows are what is locked, in one fixed order: so a fund that begins is seen by all who waited, and a campaign without any
    is locked too. The lock lets others refer to the campaign. All is one question to the database, since the next in line waits for it.
    """
    rows = db.session.execute(_lock_funds, {"ids": list(campaign_ids)}, execution_options={"populate_existing": True}).all()
    funds = [fund for fund, _, _ in rows if fund is not None]
    return LockedFunds(funds=funds, healing={fund.campaign_id for fund, is_healing, _ in rows if is_healing}, now=rows[0].now)


# Made once: building a statement costs more than a small one takes to run. There is always a row, for the time.
_seen = (column("is_healing", Boolean), column("now", DateTime(timezone=True)))
_columns = ", ".join(f"(l.f).{c.name}" for c in Fund.__table__.columns)
_lock_funds = select(Fund, *_seen).from_statement(
    text(f"SELECT {_columns}, l.is_healing, t.now FROM (SELECT now()) t LEFT JOIN locked_funds(:ids) l ON true")  # noqa: S608  # names of ours
    .bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
    .columns(*Fund.__table__.columns, *_seen)
)


def fund_named(name: str) -> Fund | None:
    """The fund with this slug or number."""
    by_number = db.session.get(Fund, int(name)) if name.isascii() and name.isdigit() and len(name) < 19 else None
    return by_number or db.session.scalar(select(Fund).where(Fund.slug == name))


def fund_slugs() -> list[str]:
    """All funds, by slug."""
    return list(db.session.scalars(select(Fund.slug).order_by(Fund.slug)))


def add_link(fund: Fund, *, token_hash: bytes, expires_at: datetime) -> FunderLink:
    """A new link to the fund's report; the token itself is never kept."""
    link = FunderLink(fund_id=fund.id, token_hash=token_hash, expires_at=expires_at)
    db.session.add(link)
    db.session.flush()
    return link


def revoke_links(fund: Fund) -> int:
    """End all links of the fund; how many were ended."""
    ended = db.session.execute(
        update(FunderLink)
        .where(FunderLink.fund_id == fund.id, FunderLink.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(FunderLink.id)
    )
    return len(ended.all())


def link_by_hash(token_hash: bytes) -> FunderLink | None:
    """The link, if it still opens."""
    return db.session.scalar(select(FunderLink).where(FunderLink.token_hash == token_hash, *_is_valid()))


def link_by_id(link_id: int) -> FunderLink | None:
    """The link that a visitor's session remembers, if it still opens."""
    return db.session.scalar(select(FunderLink).where(FunderLink.id == link_id, *_is_valid()))


def _is_valid() -> tuple[ColumnElement[bool], ...]:
    return FunderLink.revoked_at.is_(None), FunderLink.expires_at > func.now()
