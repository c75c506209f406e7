"""The match of a bulk load: the funds, and the queue of donations that wait, in memory. How much is matched is decided by the pure rule alone."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from campaign.cli.bulk_seeds.entries import Ledger, OfGift
from campaign.rules.allocation import (
    Allocation,
    MatchRequest,
    Offer,
    Ratio,
    allocate,
    full_match,
    is_fully_matched,
    limit_of,
    match_to_release,
)
from campaign.rules.hold_bounds import FundBalance, HoldBounds, holdable

MOVES = {
    "hold": ("available", "held"),
    "release": ("held", "available"),
    "unmatch": ("matched", "available"),
}
FROM_HOLD, FROM_FUND = ("held", "matched"), ("available", "matched")


@dataclass(slots=True)
class Share:
    """What a fund holds and has matched for a donation, in cents, by how many entries."""

    held: int = 0
    matched: int = 0
    moves: int = 0


@dataclass(slots=True, kw_only=True)
class Matchable:
    """What the match of a donation depends on. `net_cents` is zero until it is paid, `place` the entry that posted it."""

    of: OfGift
    amount_cents: int
    begun_at: datetime
    expires_at: datetime | None
    authorized_at: datetime | None = None
    net_cents: int = 0
    place: int = 0
    limit: str | None = None
    shares: dict[int, Share] = field(default_factory=dict)

    def request(self) -> MatchRequest:
        """The donation as the rule sees it."""
        is_paid = self.authorized_at is not None
        return MatchRequest(
            matchable_cents=self.net_cents if is_paid else self.amount_cents,
            amount_cents=self.amount_cents,
            at=self.authorized_at or self.begun_at,
            allocated={fund_id: share.held + share.matched for fund_id, share in self.shares.items() if share.held or share.matched},
        )


class Fund:
    """A fund as entries have left it."""

    def __init__(self, offer: Offer, *, pledged_cents: int) -> None:
        self.id = offer.fund_id
        self.offer = offer
        self.pledged_cents = pledged_cents
        self.held_cents = 0
        self.matched_cents = 0

    @property
    def balance(self) -> FundBalance:
        """Its balance, for the bounds of holds."""
        return FundBalance(pledged_cents=self.pledged_cents, matched_cents=self.matched_cents, held_cents=self.held_cents)

    @property
    def gives(self) -> bool:
        """Whether it has money that it may match with."""
        return self.offer.available_cents > 0 and not self.offer.is_paused

    def move(self, *, held: int, matched: int) -> None:
        """Change the balances by so many cents."""
        self.held_cents += held
        self.matched_cents += matched
        self.offer = replace(self.offer, available_cents=self.pledged_cents - self.held_cents - self.matched_cents)


class Matching:
    """Holds, matches, reduces and rematches, and posts what that takes."""

    def __init__(self, funds: Sequence[Fund], ledger: Ledger, bounds: HoldBounds) -> None:
        self.funds = list(funds)
        self.queue: OrderedDict[int, Matchable] = OrderedDict()
        self._by_id = {fund.id: fund for fund in funds}
        self._ratios: dict[int, Ratio] = {fund.id: fund.offer.terms.ratio for fund in funds}
        self._ledger = ledger
        self._bounds = bounds

    def hold(self, gift: Matchable, *, at: int) -> None:
        """Hold for an unpaid donation what may be held of its match."""
        for part in allocate(gift.request(), self._offers()):
            cents = holdable(self._bounds, part, self._by_id[part.fund_id].balance, ())
            if cents:
                self._move(gift, "hold", MOVES["hold"], Allocation(fund_id=part.fund_id, cents=cents), at=at, cause="begun")

    def end_hold(self, gift: Matchable, *, at: int, cause: str) -> list[Matchable]:
        """Release what is held for a donation that is not paid. Returns the donations that are matched with it."""
        held = [fund_id for fund_id, share in gift.shares.items() if share.held]
        for fund_id in held:
            self._release(gift, fund_id, at=at, cause=cause)
        return self.rematch(at=at, cause="rematch/release") if held else []

    def match_paid(self, gift: Matchable, *, at: int, cause: str) -> list[Matchable]:
        """Match a paid donation, and let it wait if more money could match it. Returns other donations that a late hold is matched with."""
        assert gift.authorized_at is not None
        has_released = False
        for fund_id, share in gift.shares.items():
            if share.held and self._by_id[fund_id].offer.terms.honours_hold(gift.authorized_at, gift.expires_at):
                part = Allocation(fund_id=fund_id, cents=share.held)
                self._move(gift, "match", FROM_HOLD, part, at=at, cause=cause)
            elif share.held:
                self._release(gift, fund_id, at=at, cause=cause)
                has_released = True
        if not self._is_full(gift):
            self._match_more(gift, at=at, cause=cause)
            limit = limit_of(gift.request(), self._offers())
            gift.limit = limit.value if limit else None
            if self._could_be_matched(gift):
                self.queue[gift.place] = gift
        return self.rematch(at=at, cause="rematch/release") if has_released else []

    def reduce(self, gift: Matchable, *, at: int, cause: str, freed_by: str) -> list[Matchable]:
        """Lower the match to what the ratio gives for the present net cents, and match others with what is freed. Returns those."""
        matched = [
            Allocation(fund_id=fund.id, cents=share.matched)
            for fund in self.funds
            if (share := gift.shares.get(fund.id)) is not None and share.matched
        ]
        for part in match_to_release(gift.net_cents, matched, self._ratios):
            self._move(gift, "unmatch", MOVES["unmatch"], part, at=at, cause=cause)
        if gift.net_cents == 0 or not self._could_be_matched(gift):
            self.queue.pop(gift.place, None)
        return self.rematch(at=at, cause=f"rematch/{freed_by}")

    def rematch(self, *, at: int, cause: str) -> list[Matchable]:
        """Match the donations that wait, the earliest first, as far as the money goes. Returns those."""
        rematched, satisfied = [], []
        for gift in self.queue.values():
            if not any(fund.gives for fund in self.funds):
                break
            if self._match_more(gift, at=at, cause=cause):
                rematched.append(gift)
                if not self._could_be_matched(gift):
                    satisfied.append(gift)
        for gift in satisfied:
            del self.queue[gift.place]
        return rematched

    def is_waiting(self, gift: Matchable) -> bool:
        """Whether the donation waits in the queue."""
        return gift.place in self.queue

    def _offers(self) -> list[Offer]:
        return [fund.offer for fund in self.funds]

    def _is_full(self, gift: Matchable) -> bool:
        return is_fully_matched(gift.request(), self._ratios)

    def _could_be_matched(self, gift: Matchable) -> bool:
        request = gift.request()
        return full_match(request, self._offers()) > sum(request.allocated.values())

    def _match_more(self, gift: Matchable, *, at: int, cause: str) -> bool:
        parts = allocate(gift.request(), self._offers())
        for part in parts:
            self._move(gift, "match", FROM_FUND, part, at=at, cause=cause)
        return bool(parts)

    def _release(self, gift: Matchable, fund_id: int, *, at: int, cause: str) -> None:
        part = Allocation(fund_id=fund_id, cents=gift.shares[fund_id].held)
        self._move(gift, "release", MOVES["release"], part, at=at, cause=cause)

    def _move(self, gift: Matchable, kind: str, accounts: tuple[str, str], part: Allocation, *, at: int, cause: str) -> None:
        share = gift.shares.setdefault(part.fund_id, Share())
        held = part.cents * ((accounts[1] == "held") - (accounts[0] == "held"))
        matched = part.cents * ((accounts[1] == "matched") - (accounts[0] == "matched"))
        share.held, share.matched, share.moves = share.held + held, share.matched + matched, share.moves + 1
        self._by_id[part.fund_id].move(held=held, matched=matched)
        reference = f"{kind}:{gift.of.public_id}:{part.fund_id}:{share.moves}"
        self._ledger.post(kind, accounts, part.cents, at=at, reference=reference, cause=cause, gift=gift.of, fund_id=part.fund_id)
