"""A match session: the match of several donations decided together on locked funds.

The session decides donation after donation in memory, by the pure rule, and returns ledger entries to post. Nothing is written here; the
triggers on ledger entries refuse whatever a session should not have decided.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, tuple_

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import Entry
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.matching.holds import DonorMatch, rows_of
from campaign.rules.allocation import (
    Allocation,
    Limit,
    MatchRequest,
    Offer,
    allocate,
    full_match,
    is_fully_matched,
    limit_of,
    match_to_release,
    total,
)
from campaign.rules.hold_bounds import FundBalance, HoldBounds, UnpaidHolds, holdable


@dataclass(frozen=True, kw_only=True)
class HoldQuote:
    """What can be held for a donation before it is paid, by fund, and what it would be matched with if it were paid now. Sums in cents.

    `full_cents` is its full match, `limit` why it would be matched with less.
    """

    parts: tuple[Allocation, ...]
    matched_if_paid_cents: int
    full_cents: int
    limit: Limit | None

    @property
    def held_cents(self) -> int:
        """What can be held."""
        return total(self.parts)

    @property
    def later_cents(self) -> int:
        """What is added when the payment arrives, as long as matching is left."""
        return self.matched_if_paid_cents - self.held_cents


class HoldChange(NamedTuple):
    """What a fund held before in cents, by how many cents that changed, and how many were held anew."""

    fund_id: int
    before: int
    change: int
    placed: int


@dataclass
class _Share:
    """What one fund holds and has matched for one donation, in cents, as decided so far; `held_before` by the books, `placed` anew."""

    held: int = 0
    matched: int = 0
    moves: int = 0
    held_before: int = 0
    placed: int = 0

    @property
    def cents(self) -> int:
        return self.held + self.matched


@dataclass
class _Line:
    """A donation as decided so far: its net amount and its shares by fund."""

    net: int
    shares: dict[int, _Share] = field(default_factory=dict)

    @property
    def allocated(self) -> dict[int, int]:
        return {fund_id: share.cents for fund_id, share in self.shares.items() if share.cents}


class MatchSession:
    """Locked funds and the donations decided on them. `now` is the database’s; `rematching` holds the campaigns with a rematch pending."""

    def __init__(self, funds: Sequence[Fund], *, now: datetime, rematching: Collection[int] = ()) -> None:
        self.now = now
        self.rematching = set(rematching)
        self.donations: dict[int, Donation] = {}
        self._funds = list(funds)
        self._offers = {fund.id: fund.offer() for fund in funds}
        self._ratios = {fund.id: fund.ratio for fund in funds}
        self._left = {fund.id: fund.available_cents for fund in funds}
        self._pledged = {fund.id: fund.pledged_cents for fund in funds}
        self._held = {fund.id: fund.held_cents for fund in funds}
        self._lines: dict[int, _Line] = {}
        self._donor_totals: dict[tuple[int, int], int] = {}
        self._capped = [fund.id for fund in funds if fund.per_donor_cents is not None]

    def load(self, donations: Sequence[Donation]) -> None:
        """Read what the books say of these donations, unless they are loaded already."""
        new = [donation for donation in donations if donation.id not in self._lines]
        for donation in new:
            self.donations[donation.id] = donation
            self._lines[donation.id] = _Line(net=donation.net_cents)
        if new and self._funds:
            for row in rows_of([d.id for d in new]):
                self._lines[row.donation_id].shares[row.fund_id] = _Share(
                    row.held_cents, row.matched_cents, row.moves, held_before=row.held_cents
                )
        self._load_donor_totals({d.donor_id for d in new})

    def load_new(self, donations: Sequence[Donation]) -> None:
        """Add donations that were inserted in this transaction: the books hold nothing about them yet."""
        self.donations |= {donation.id: donation for donation in donations}
        self._lines |= {donation.id: _Line(net=0) for donation in donations}
        self._load_donor_totals({donation.donor_id for donation in donations})

    def _load_donor_totals(self, donor_ids: set[int]) -> None:
        pairs = [(fund_id, donor_id) for fund_id in self._capped for donor_id in donor_ids]
        pairs = [pair for pair in pairs if pair not in self._donor_totals]
        if not pairs:
            return
        self._donor_totals |= dict.fromkeys(pairs, 0)
        query = select(DonorMatch.fund_id, DonorMatch.donor_id, DonorMatch.cents)
        for fund_id, donor_id, cents in db.session.execute(query.where(tuple_(DonorMatch.fund_id, DonorMatch.donor_id).in_(pairs))):
            self._donor_totals[fund_id, donor_id] = cents

    def offers(self, campaign_id: int) -> list[Offer]:
        """What the campaign’s funds can still allocate, in the order in which they are drawn on; nothing while a rematch is pending."""
        return [] if campaign_id in self.rematching else self._all_offers(campaign_id)

    def _all_offers(self, campaign_id: int) -> list[Offer]:
        return [replace(self._offers[f.id], available_cents=self._left[f.id]) for f in self._funds if f.campaign_id == campaign_id]

    @property
    def has_per_donor_caps(self) -> bool:
        """Whether a fund of this session has a cap per donor."""
        return bool(self._capped)

    def window_edges(self, campaign_id: int) -> list[datetime]:
        """Every start and end of the windows of the campaign's funds."""
        windows = [(f.opens_at, f.closes_at, f.ended_at) for f in self._funds if f.campaign_id == campaign_id]
        return [moment for window in windows for moment in window if moment is not None]

    def open_offers(self, campaign_id: int) -> list[Offer]:
        """The offers of those of the campaign’s funds that have money left and are not paused."""
        return [offer for offer in self._all_offers(campaign_id) if offer.available_cents > 0 and not offer.is_paused]

    def net_of(self, donation: Donation) -> int:
        """The donation net of reversals, as decided so far, in cents."""
        return self._lines[donation.id].net

    def set_net(self, donation: Donation, net_cents: int) -> None:
        """Set the net amount after a payment, a reversal or a reinstatement."""
        self._lines[donation.id].net = net_cents

    def hold(self, donation: Donation, quote: HoldQuote, *, cause: str) -> list[Entry]:
        """Hold what was quoted for a donation that is not paid."""
        return [self._move(donation, Move.HOLD, "available", "held", part, cause) for part in quote.parts]

    def hold_quote(self, donation: Donation, bounds: HoldBounds, holders: Sequence[UnpaidHolds]) -> HoldQuote:
        """What may be held for the donation, whose e-mail and network are these holders.

        Of what each fund would match now, as much as the bounds allow. What they keep back from one fund is not drawn from the next.
        """
        request, every = self._request(donation), self._all_offers(donation.campaign_id)
        if_paid = allocate(request, self.offers(donation.campaign_id))
        parts = [Allocation(fund_id=part.fund_id, cents=holdable(bounds, part, self._balance(part.fund_id), holders)) for part in if_paid]
        return HoldQuote(
            parts=tuple(part for part in parts if part.cents),
            matched_if_paid_cents=total(if_paid),
            full_cents=full_match(request, every),
            limit=Limit.EARLIER_GIFTS if donation.campaign_id in self.rematching else limit_of(request, every),
        )

    def holds(self, donation: Donation) -> bool:
        """Whether anything is held for the donation."""
        return any(share.held for share in self._lines[donation.id].shares.values())

    def hold_changes(self, donation: Donation) -> list[HoldChange]:
        """What this session changed of the holds of the donation, beside what the books say."""
        return [HoldChange(n, s.held_before, s.held - s.held_before, s.placed) for n, s in self._lines[donation.id].shares.items()]

    def _balance(self, fund_id: int) -> FundBalance:
        pledged, held = self._pledged[fund_id], self._held[fund_id]
        return FundBalance(pledged_cents=pledged, held_cents=held, matched_cents=pledged - held - self._left[fund_id])

    def match_paid(self, donation: Donation, *, cause: str) -> list[Entry]:
        """Turn the hold into match, and match what the hold did not cover as far as funds allow now.

        A hold that the payment came too late for is released.
        """
        entries = []
        for fund_id, share in self._shares_in_order(donation):
            if share.held:
                is_honoured = self._offers[fund_id].terms.honours_hold(donation.authorized_at or self.now, donation.checkout_expires_at)
                kind, target = (Move.MATCH, "matched") if is_honoured else (Move.RELEASE, "available")
                entries.append(self._move(donation, kind, "held", target, Allocation(fund_id=fund_id, cents=share.held), cause))
        donation.match_limit = None
        if not self._is_fully_matched(donation):
            entries += self.match_more(donation, self.offers(donation.campaign_id), cause=cause)
            donation.match_limit = self._limit(donation)
        return entries

    def match_more(self, donation: Donation, offers: Sequence[Offer], *, cause: str, up_to_cents: int | None = None) -> list[Entry]:
        """Match the unmatched part of a paid donation, or of its first `up_to_cents`, as far as these offers go."""
        parts = allocate(self._request(donation, up_to_cents), offers)
        return [self._move(donation, Move.MATCH, "available", "matched", part, cause) for part in parts]

    def rematch(self, donation: Donation, *, cause: str, up_to_cents: int | None = None) -> list[Entry]:
        """As `match_more`, with freed money that is reserved for the queue."""
        return self.match_more(donation, self._all_offers(donation.campaign_id), cause=cause, up_to_cents=up_to_cents)

    def release(self, donation: Donation, *, cause: str) -> list[Entry]:
        """Make what was held available again."""
        return [
            self._move(donation, Move.RELEASE, "held", "available", Allocation(fund_id=fund_id, cents=share.held), cause)
            for fund_id, share in self._shares_in_order(donation)
            if share.held
        ]

    def reduce(self, donation: Donation, *, cause: str) -> list[Entry]:
        """Lower the match to the ratio of what remains of the donation."""
        matched = [Allocation(fund_id=fund_id, cents=share.matched) for fund_id, share in self._shares_in_order(donation) if share.matched]
        released = match_to_release(self.net_of(donation), matched, self._ratios)
        return [self._move(donation, Move.UNMATCH, "matched", "available", part, cause) for part in released]

    def is_under_matched(self, donation: Donation, *, up_to_cents: int | None = None, within_donor_cap: bool = False) -> bool:
        """Whether more money in these funds could match part of this paid donation, or of its first `up_to_cents`.

        The cap per donor counts only if `within_donor_cap`.
        """
        if self._is_fully_matched(donation):
            return False
        request = self._request(donation, up_to_cents)
        considered = request if within_donor_cap else replace(request, donor_allocated={})
        return full_match(considered, self._all_offers(donation.campaign_id)) > sum(request.allocated.values())

    def _is_fully_matched(self, donation: Donation) -> bool:
        """Most donations are, and then nothing more needs to be computed."""
        ratios = {fund.id: self._ratios[fund.id] for fund in self._funds if fund.campaign_id == donation.campaign_id}
        return is_fully_matched(self._request(donation), ratios)

    def _limit(self, donation: Donation) -> str | None:
        is_rematching = donation.campaign_id in self.rematching
        every = self._all_offers(donation.campaign_id)
        limit = limit_of(self._request(donation), [replace(o, available_cents=0) for o in every] if is_rematching else every)
        if limit is None:
            return None
        return Limit.EARLIER_GIFTS.value if is_rematching else limit.value

    def _request(self, donation: Donation, up_to_cents: int | None = None) -> MatchRequest:
        line = self._lines[donation.id]
        matchable_cents = 0 if not donation.is_matchable else line.net if donation.received_at else donation.amount_cents
        return MatchRequest(
            matchable_cents=matchable_cents if up_to_cents is None else min(matchable_cents, up_to_cents),
            amount_cents=donation.amount_cents,
            at=donation.authorized_at or self.now,
            allocated=line.allocated,
            donor_allocated={fund_id: self._donor_totals[fund_id, donation.donor_id] for fund_id in self._capped},
        )

    def _shares_in_order(self, donation: Donation) -> list[tuple[int, _Share]]:
        shares = self._lines[donation.id].shares
        return [(fund.id, shares[fund.id]) for fund in self._funds if fund.id in shares]

    def _move(self, donation: Donation, kind: Move, source: str, target: str, part: Allocation, cause: str) -> Entry:
        share = self._lines[donation.id].shares.setdefault(part.fund_id, _Share())
        before = share.cents
        share.held += part.cents * ((target == "held") - (source == "held"))
        share.matched += part.cents * ((target == "matched") - (source == "matched"))
        share.moves += 1
        share.placed += part.cents * (kind == Move.HOLD)
        self._left[part.fund_id] -= share.cents - before
        self._held[part.fund_id] += part.cents * ((target == "held") - (source == "held"))
        if (part.fund_id, donation.donor_id) in self._donor_totals:
            self._donor_totals[part.fund_id, donation.donor_id] += share.cents - before
        return Entry(
            kind=kind,
            source=source,
            target=target,
            cents=part.cents,
            campaign_id=donation.campaign_id,
            fund_id=part.fund_id,
            donation_id=donation.id,
            reference=f"{kind}:{donation.public_id}:{part.fund_id}:{share.moves}",
            cause=cause,
        )
