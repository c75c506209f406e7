"""Money at Stripe: what the books of the campaigns say lies there, what Stripe's own lines come to, and what each payout has paid out."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, case, func, select

from campaign.edges.db import db
from campaign.giving.balance_lines import PAYOUT, BalanceLine
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.donations import Donation
from campaign.giving.ledger import LedgerEntry, Move
from campaign.giving.money_back import MoneyBack
from campaign.giving.payouts import Payout

PAYOUTS_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Clearing:
    """Sums in cents of the campaign's currency. `balance` is what Stripe's lines come to: the sum of the others.

    `of_this` and `of_others` are what the campaigns' books say lies at Stripe; `in_dispute` left Stripe for disputes that are not decided,
    and is negative; `of_nobody` is what is in no campaign's books, such as payments in quarantine and what Stripe takes by itself.
    """

    of_this: int
    of_others: int
    in_dispute: int
    of_nobody: int

    @property
    def balance(self) -> int:
        """What Stripe should hold."""
        return self.of_this + self.of_others + self.in_dispute + self.of_nobody


def clearing_of(campaign: Campaign) -> Clearing:
    """What lies at Stripe, and whose it is."""
    left = {campaign_id: int(cents) for campaign_id, cents in db.session.execute(_at_stripe(campaign.currency))}
    line = BalanceLine
    of_lines = select(func.coalesce(func.sum(line.net_cents), 0)).where(line.currency == campaign.currency)
    undecided = (
        select(func.coalesce(func.sum(line.cents), 0))
        .join(MoneyBack, MoneyBack.stripe_id == line.source)
        .where(line.currency == campaign.currency, MoneyBack.kind == "dispute", MoneyBack.turns % 2 == 0)
    )
    balance, in_dispute = int(db.session.scalars(of_lines).one()), int(db.session.scalars(undecided).one())
    this = left.pop(campaign.id, 0)
    others = sum(left.values())
    return Clearing(of_this=this, of_others=others, in_dispute=in_dispute, of_nobody=balance - this - others - in_dispute)


def _at_stripe(currency: str) -> Select[int, int]:
    e, t = LedgerEntry, CampaignTotals
    paid_out = (
        select(func.coalesce(func.sum(case((e.kind == Move.PAYOUT, e.cents), else_=-e.cents)), 0))
        .where(e.kind.in_([Move.PAYOUT, Move.PAYOUT_REVERSAL]), e.campaign_id == t.campaign_id)
        .correlate(t)
        .scalar_subquery()
    )
    return (
        select(t.campaign_id, t.donated_cents + t.covered_fee_cents - t.fee_cents - paid_out)
        .join(Campaign, Campaign.id == t.campaign_id)
        .where(Campaign.currency == currency)
    )


@dataclass(frozen=True, kw_only=True)
class PayoutLine:
    """What a payout paid out: a charge, refund, dispute or fee; of a donation, if it is one of ours."""

    type: str
    category: str
    stripe_id: str
    made_at: datetime
    cents: int
    fee_cents: int
    net_cents: int
    public_id: str | None
    donor: str | None


def latest_payouts() -> list[Payout]:
    """The newest first."""
    return list(db.session.scalars(select(Payout).order_by(Payout.made_at.desc(), Payout.id.desc()).limit(PAYOUTS_SHOWN)))


def share_of(campaign: Campaign, payout_ids: list[str]) -> dict[str, int]:
    """What of each payout is in the books of the campaign, in cents."""
    e = LedgerEntry
    sums = (
        select(e.cause, func.sum(case((e.kind == Move.PAYOUT, e.cents), else_=-e.cents)))
        .where(e.kind.in_([Move.PAYOUT, Move.PAYOUT_REVERSAL]), e.campaign_id == campaign.id, e.cause.in_(payout_ids))
        .group_by(e.cause)
    )
    return {name: int(cents) for name, cents in db.session.execute(sums)}


def payout_named(stripe_id: str) -> Payout | None:
    """The payout of this name at Stripe."""
    return db.session.scalar(select(Payout).where(Payout.stripe_id == stripe_id))


def lines_of(payout: Payout, *, limit: int) -> list[PayoutLine]:
    """What it paid out, in the order of Stripe's books."""
    line = BalanceLine
    query = (
        select(line, Donation)
        .outerjoin(Donation, Donation.payment_intent == line.payment_intent)
        .where(line.payout == payout.stripe_id, line.type != PAYOUT)
        .order_by(line.made_at, line.id)
        .limit(limit)
    )
    return [
        PayoutLine(
            type=one.type,
            category=one.category,
            stripe_id=one.stripe_id,
            made_at=one.made_at,
            cents=one.cents,
            fee_cents=one.fee_cents,
            net_cents=one.net_cents,
            public_id=donation.public_id if donation else None,
            donor=donation.full_name if donation else None,
        )
        for one, donation in db.session.execute(query)
    ]
