"""Contributors of a fund beside its lead funder, and the share of each in its sums.

Each promises a part of the pledge, and the lead funder the rest; the lead alone is called and pays. The parts are frozen with the terms when the fund
is activated. When its pledge is raised later, the shares stay the proportions of the pledge as it was activated.
"""

from collections.abc import Sequence

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, aliased, mapped_column

from campaign.edges.db import Base, db
from campaign.funders.funders import Funder
from campaign.matching.fund_lifecycle import FundChange
from campaign.matching.funds import Fund
from campaign.rules.shares import ShareSums, shares_of


class FundContributor(Base):
    """A funder who promises `pledged_cents` of the pledge of a fund that another funder leads."""

    __tablename__ = "fund_contributor"
    __table_args__ = (UniqueConstraint("fund_id", "funder_id", name="funder_contributes_once"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"))
    funder_id: Mapped[int] = mapped_column(ForeignKey("funder.id"), index=True)
    pledged_cents: Mapped[int]


def contributors_of(fund: Fund) -> list[FundContributor]:
    """The contributors in the order in which they were added, without the lead funder."""
    return list(db.session.scalars(select(FundContributor).where(FundContributor.fund_id == fund.id).order_by(FundContributor.id)))


def find_contributor(fund: Fund, contributor_id: int) -> FundContributor | None:
    """The contributor with this id, if it is the fund's."""
    found = db.session.get(FundContributor, contributor_id)
    return found if found is not None and found.fund_id == fund.id else None


def contributor_of_funder(fund: Fund, funder_id: int) -> FundContributor | None:
    """The contributor that this funder is in the fund, or None."""
    c = FundContributor
    return db.session.scalar(select(c).where(c.fund_id == fund.id, c.funder_id == funder_id))


def funder_ids_of(fund: Fund) -> list[int]:
    """Who pledged the fund, by their ids: the lead funder, and then the contributors."""
    return [fund.funder_id, *(one.funder_id for one in contributors_of(fund))]


def funder_of(contributor: FundContributor) -> Funder:
    """The funder who contributes."""
    return db.session.get_one(Funder, contributor.funder_id)


def activated_cents(fund: Fund) -> int:
    """The pledge as the fund was activated, in cents; of a draft, the pledge as it is."""
    change, activation = FundChange, aliased(FundChange)
    until = select(activation.position).where(activation.fund_id == fund.id, activation.kind == "activated").scalar_subquery()
    if fund.activated_at is None:
        return fund.pledged_cents
    before = (change.fund_id == fund.id, change.kind == "pledged", change.position < until)
    return db.session.scalars(select(func.coalesce(func.sum(change.cents), 0).cast(BigInteger)).where(*before)).one()


def weights_of(fund: Fund, contributors: Sequence[FundContributor]) -> list[int]:
    """What each promised of the pledge as it was activated, in cents, the lead funder first."""
    parts = [one.pledged_cents for one in contributors]
    return [activated_cents(fund) - sum(parts), *parts]


def shares_in(fund: Fund, sums: ShareSums, contributors: Sequence[FundContributor]) -> tuple[ShareSums, ...]:
    """The share of each in these sums of the fund, the lead funder first."""
    return shares_of(sums, weights_of(fund, contributors))


def funds_contributed_to(funder_id: int) -> list[Fund]:
    """The funds to which this funder contributes, drafts included."""
    c = FundContributor
    return list(db.session.scalars(select(Fund).join(c, c.fund_id == Fund.id).where(c.funder_id == funder_id).order_by(Fund.id)))
