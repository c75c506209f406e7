"""The final account of a fund that has ended: what was pledged, matched, called and received, and what is still to be paid, credited or returned.

It is computed from the books whenever somebody opens it: a refund of a gift may still change it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from campaign.edges.db import db
from campaign.funders import calls, contributors, payments
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.matching.funds import Fund, Leftover
from campaign.rules.shares import ShareSums, shares_of


@dataclass(frozen=True, kw_only=True)
class FinalAccount:
    """The figures in cents. `received_cents` less `returned_cents` is what the charity retains; `called_cents` is less credit notes."""

    pledged_cents: int
    matched_cents: int
    called_cents: int
    received_cents: int
    returned_cents: int
    callable_cents: int
    donates_leftover: bool

    @property
    def leftover_cents(self) -> int:
        """What was not matched: released to the funder, or given all the same."""
        return self.pledged_cents - self.matched_cents

    @property
    def retained_cents(self) -> int:
        """What was received and did not go back."""
        return self.received_cents - self.returned_cents

    @property
    def not_called_cents(self) -> int:
        """What is still to be called."""
        return max(self.callable_cents - self.called_cents, 0)

    @property
    def to_credit_cents(self) -> int:
        """What is called and earned no longer."""
        return max(self.called_cents - self.callable_cents, 0)

    @property
    def open_cents(self) -> int:
        """What is called and still to be paid."""
        return max(self.called_cents - self.retained_cents, 0)

    @property
    def surplus_cents(self) -> int:
        """What was received beyond what is called: it is applied to the next call, or is to be returned."""
        return max(self.retained_cents - self.called_cents, 0)

    @property
    def is_even(self) -> bool:
        """Whether nothing is to be called, paid, credited or returned."""
        return not (self.not_called_cents or self.to_credit_cents or self.open_cents or self.surplus_cents)


def account_of(fund: Fund, *, now: datetime) -> FinalAccount:
    """The account of the fund as the books are now."""
    received = select(func.coalesce(func.sum(FunderPayment.cents), 0)).where(FunderPayment.fund_id == fund.id, payments.is_counted())
    gross = int(db.session.scalars(received).one())
    return FinalAccount(
        pledged_cents=fund.pledged_cents,
        matched_cents=fund.matched_cents,
        called_cents=calls.called_cents(fund),
        received_cents=gross,
        returned_cents=gross - payments.received_cents(fund),
        callable_cents=calls.callable_cents(fund, now=now),
        donates_leftover=fund.leftover == Leftover.DONATED,
    )


@dataclass(frozen=True, kw_only=True)
class AccountShare:
    """One funder's share of the account, in cents; `part_cents` is what they promised of the pledge as it was activated."""

    funder: Funder
    part_cents: int
    sums: ShareSums


def account_shares(fund: Fund, account: FinalAccount) -> list[AccountShare]:
    """The share of each funder in the account, the lead funder first; empty for a fund without contributors, and for a draft."""
    others = contributors.contributors_of(fund)
    if not others or fund.activated_at is None:
        return []
    sums = ShareSums(
        pledged_cents=account.pledged_cents,
        held_cents=fund.held_cents,
        matched_cents=account.matched_cents,
        called_cents=account.called_cents,
        received_cents=account.retained_cents,
    )
    weights = contributors.weights_of(fund, others)
    funders = [db.session.get_one(Funder, fund.funder_id), *(contributors.funder_of(one) for one in others)]
    rows = zip(funders, weights, shares_of(sums, weights), strict=True)
    return [AccountShare(funder=funder, part_cents=part, sums=share) for funder, part, share in rows]
