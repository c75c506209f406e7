"""What funds hold for donations and have matched with them, as the triggers on ledger entries record it.

Only inserting ledger entries changes these rows; here they are only read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ForeignKey, Row, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.matching.funds import Fund
from campaign.rules.allocation import Allocation

REMATCH_CAUSE = "rematch/"


class DonationMatch(Base):
    """What one fund holds for a donation and has matched with it. `moves` counts its ledger entries and numbers the next one."""

    __tablename__ = "donation_match"

    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), primary_key=True)
    held_cents: Mapped[int] = mapped_column(server_default="0")
    matched_cents: Mapped[int] = mapped_column(server_default="0")
    moves: Mapped[int] = mapped_column(server_default="0")


class DonorMatch(Base):
    """What a fund with a cap per donor holds and has matched for all donations of one donor."""

    __tablename__ = "donor_match"

    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), primary_key=True)
    donor_id: Mapped[int] = mapped_column(ForeignKey("donor.id"), primary_key=True)
    cents: Mapped[int] = mapped_column(server_default="0")


class FreedBy(StrEnum):
    """What returned money to a fund, or let it match again."""

    REFUND = "refund"
    DISPUTE = "dispute"
    RELEASE = "release"
    QUARANTINE = "quarantine"
    PLEDGE = "pledge"
    RESUMED = "resumed"
    ACTIVATED = "activated"
    SEPARATED = "separated"
    FELL_THROUGH = "fell_through"

    @property
    def cause(self) -> str:
        """The cause of ledger entries that match the money it freed."""
        return f"{REMATCH_CAUSE}{self}"


def freed_by(cause: str) -> FreedBy | None:
    """What freed the money that an entry of this cause matched; None for an entry that is no rematch."""
    return FreedBy(cause.removeprefix(REMATCH_CAUSE)) if cause.startswith(REMATCH_CAUSE) else None


@dataclass(frozen=True, kw_only=True)
class DonationMatchSums:
    """What funds hold for a donation and what they have matched with it, by fund."""

    held: tuple[Allocation, ...]
    matched: tuple[Allocation, ...]

    @property
    def held_cents(self) -> int:
        """Match held while the donor pays, in cents."""
        return sum(allocation.cents for allocation in self.held)

    @property
    def matched_cents(self) -> int:
        """Match that goes with the donation, in cents."""
        return sum(allocation.cents for allocation in self.matched)


NO_MATCH = DonationMatchSums(held=(), matched=())


def match_of(donation_id: int) -> DonationMatchSums:
    """What funds hold for a donation and have matched with it, in the order in which they are drawn on."""
    return matches_of([donation_id]).get(donation_id, NO_MATCH)


def matches_of(donation_ids: Iterable[int]) -> dict[int, DonationMatchSums]:
    """As `match_of`, for many donations in one query. Donations that no fund ever held or matched anything for are absent."""
    rows: dict[int, list[Row[int, int, int, int, int]]] = {}
    for row in rows_of(donation_ids):
        rows.setdefault(row.donation_id, []).append(row)
    return {
        donation_id: DonationMatchSums(
            held=tuple(Allocation(fund_id=r.fund_id, cents=r.held_cents) for r in of_donation if r.held_cents),
            matched=tuple(Allocation(fund_id=r.fund_id, cents=r.matched_cents) for r in of_donation if r.matched_cents),
        )
        for donation_id, of_donation in rows.items()
    }


def rows_of(donation_ids: Iterable[int]) -> Iterable[Row[int, int, int, int, int]]:
    """The rows of these donations, in the order in which their funds are drawn on."""
    m = DonationMatch
    query = select(m.donation_id, m.fund_id, m.held_cents, m.matched_cents, m.moves).join(Fund, Fund.id == m.fund_id)
    return db.session.execute(query.where(m.donation_id.in_(list(donation_ids))).order_by(Fund.position))
