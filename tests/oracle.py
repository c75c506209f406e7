"""A slow, plain model of the donation match: funds in order, bounded holds, a queue of paid parts for freed money.

Written from policy.md alone, by somebody who had read neither rules/ nor matching/. It shares no code with the service.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

MINUTE = Fraction(1, 60)
HOLD_LIFE = 32 * MINUTE
CLOCK_DIFFERENCE = 10 * MINUTE


@dataclass
class OracleFund:
    """A matching fund with its terms; its position in the oracle's list is its order."""

    pledged: int
    ratio: Fraction = Fraction(1)
    minimum: int = 0
    per_donation: int | None = None
    per_donor: int | None = None
    opens: Fraction | None = None
    closes: Fraction | None = None
    paused: bool = False
    ended: Fraction | None = None

    def includes(self, moment: Fraction) -> bool:
        """Say whether the window, closed-open, includes the moment."""
        if self.opens is not None and moment < self.opens:
            return False
        if self.closes is not None and moment >= self.closes:
            return False
        return self.ended is None or moment < self.ended

    def match_of(self, gift: int) -> int:
        """Return the ratio of a gift, odd cents rounded down."""
        return floor(self.ratio * max(gift, 0))

    def gift_for(self, match: int) -> int:
        """Return the whole cents of gift that a match is for."""
        return ceil(match / self.ratio)


@dataclass
class OracleBounds:
    """The bounds of holds, per fund, and the two counts."""

    share: Fraction = Fraction(1, 2)
    checkout_share: Fraction = Fraction(1, 10)
    checkout_floor: int = 1000_00
    times: int = 2
    period: Fraction = Fraction(2)
    email_count: int = 10
    network_count: int = 50

    def of_checkout(self, fund: OracleFund) -> int:
        """Return the most that one unpaid checkout may hold in the fund."""
        return max(floor(self.checkout_share * fund.pledged), self.checkout_floor)


@dataclass(eq=False)
class OracleDonation:
    """A donation from its checkout on; it is paid when it has an `authorized_at`."""

    donor: str
    network: str
    amount: int
    fee: int
    started_at: Fraction
    hold_ends: Fraction
    net: int = 0
    authorized_at: Fraction | None = None
    has_ended: bool = False
    is_quarantined: bool = False
    held: dict[int, int] = field(default_factory=dict)
    matched: dict[int, int] = field(default_factory=dict)
    placed: list[tuple[Fraction, int, int]] = field(default_factory=list)
    reversed_cents: dict[str, int] = field(default_factory=dict)

    @property
    def is_paid(self) -> bool:
        """Say whether the donation was settled."""
        return self.authorized_at is not None

    @property
    def is_open(self) -> bool:
        """Say whether the donation may still be paid in the ordinary way."""
        return not (self.is_paid or self.has_ended or self.is_quarantined)

    def remaining_gift(self) -> int:
        """Return the gift less its part of what was reversed; the fee's part of it rounds down."""
        charge = self.amount + self.fee
        reversed_total = min(sum(self.reversed_cents.values()), charge)
        fee_part = reversed_total * self.fee // charge if charge else 0
        return self.amount - (reversed_total - fee_part)


@dataclass
class Part:
    """A sum of a paid donation at its place in the queue."""

    donation: OracleDonation
    cents: int


@dataclass
class Placement:
    """What stood in one fund just after a hold was placed there."""

    fund: int
    cents: int
    checkout_bound: int
    share_bound: int
    held: int
    open_by_key: list[int]
    placed_by_key: list[int]


@dataclass
class Counted:
    """How many open holds an e-mail or network had just after a hold was placed."""

    email: int
    network: int


class Oracle:
    """The state of one campaign's match."""

    def __init__(self, funds: Iterable[OracleFund], bounds: OracleBounds | None = None, now: Fraction = Fraction(0)) -> None:
        self.funds: list[OracleFund] = list(funds)
        self.bounds: OracleBounds = bounds if bounds is not None else OracleBounds()
        self.donations: list[OracleDonation] = []
        self.now: Fraction = now
        self.queue: list[Part] = []
        self.placements: list[Placement] = []
        self.counted: list[Counted] = []

    def held(self, i: int) -> int:
        """Return what is held in a fund."""
        return sum(d.held.get(i, 0) for d in self.donations)

    def matched(self, i: int) -> int:
        """Return what is matched in a fund."""
        return sum(d.matched.get(i, 0) for d in self.donations)

    def available(self, i: int) -> int:
        """Return what is neither held nor matched in a fund."""
        return self.funds[i].pledged - self.held(i) - self.matched(i)

    def _donor_has(self, donor: str, i: int, but: OracleDonation | None) -> int:
        """Return what the donor's other donations hold and have matched in a fund."""
        return sum(d.held.get(i, 0) + d.matched.get(i, 0) for d in self.donations if d.donor == donor and d is not but)

    def _draw(
        self,
        donor: str,
        amount: int,
        size: int,
        moment: Fraction,
        has: dict[int, int],
        but: OracleDonation | None,
        money: Callable[[int], int | None],
        ignore_pause: bool = False,
    ) -> dict[int, int]:
        """Return what a part of this size of a donation of this amount draws beyond what it has, fund by fund in order."""
        total = dict(has)
        extra: dict[int, int] = {}
        for i, fund in enumerate(self.funds):
            if (fund.paused and not ignore_pause) or not fund.includes(moment) or amount < fund.minimum:
                continue
            mine = total.get(i, 0)
            elsewhere = sum(self.funds[j].gift_for(cents) for j, cents in total.items() if j != i)
            limits = [fund.match_of(size - elsewhere) - mine]
            if fund.per_donation is not None:
                limits.append(fund.per_donation - mine)
            if fund.per_donor is not None:
                limits.append(fund.per_donor - self._donor_has(donor, i, but) - mine)
            left = money(i)
            if left is not None:
                limits.append(left)
            if min(limits) > 0:
                extra[i] = min(limits)
                total[i] = mine + extra[i]
        return extra

    def _plan(self, donor: str, amount: int) -> dict[int, int]:
        """Return the match of a new gift as if it were paid now."""
        return self._draw(donor, amount, amount, self.now, {}, None, self.available)

    def _keys(self, donor: str, network: str) -> list[list[OracleDonation]]:
        """Return the unpaid donations of the e-mail and, if it is known, of the network."""
        unpaid = [d for d in self.donations if not d.is_paid]
        keys = [[d for d in unpaid if d.donor == donor]]
        if network:
            keys.append([d for d in unpaid if d.network == network])
        return keys

    def _placed_lately(self, donations: list[OracleDonation], i: int) -> int:
        """Return what was placed in a fund for these donations within the period."""
        since = self.now - self.bounds.period
        return sum(cents for d in donations for hour, j, cents in d.placed if j == i and hour > since)

    def _hold(self, donor: str, network: str, amount: int) -> dict[int, int]:
        """Return the hold of a gift: its plan, cut in each fund to the bounds."""
        keys = self._keys(donor, network)
        for donations, most in zip(keys, [self.bounds.email_count, self.bounds.network_count], strict=False):
            if sum(1 for d in donations if d.held) >= most:
                return {}
        hold: dict[int, int] = {}
        for i, planned in self._plan(donor, amount).items():
            fund = self.funds[i]
            bound = self.bounds.of_checkout(fund)
            limits = [planned, floor(self.bounds.share * (fund.pledged - self.matched(i))) - self.held(i), bound]
            for donations in keys:
                limits.append(bound - sum(d.held.get(i, 0) for d in donations))
                limits.append(self.bounds.times * bound - self._placed_lately(donations, i))
            if min(limits) > 0:
                hold[i] = min(limits)
        return hold

    def _place(self, donation: OracleDonation) -> None:
        """Place the hold of an open donation and note what stood then."""
        donation.held = self._hold(donation.donor, donation.network, donation.amount)
        for i, cents in donation.held.items():
            donation.placed.append((self.now, i, cents))
        keys = self._keys(donation.donor, donation.network)
        for i, cents in donation.held.items():
            fund = self.funds[i]
            self.placements.append(
                Placement(
                    fund=i,
                    cents=cents,
                    checkout_bound=self.bounds.of_checkout(fund),
                    share_bound=floor(self.bounds.share * (fund.pledged - self.matched(i))),
                    held=self.held(i),
                    open_by_key=[sum(d.held.get(i, 0) for d in donations) for donations in keys],
                    placed_by_key=[self._placed_lately(donations, i) for donations in keys],
                )
            )
        if donation.held:
            counts = [sum(1 for d in donations if d.held) for donations in keys]
            self.counted.append(Counted(email=counts[0], network=counts[1] if len(counts) > 1 else 0))

    def quote(self, donor: str, network: str, amount: int) -> tuple[int, int, int]:
        """Return what a new checkout would hold, what it would have matched if paid now, and its full match."""
        full = self._draw(donor, amount, amount, self.now, {}, None, lambda _: None, ignore_pause=True)
        return (
            sum(self._hold(donor, network, amount).values()),
            sum(self._plan(donor, amount).values()),
            sum(full.values()),
        )

    def _new(self, donor: str, network: str, amount: int, fee: int, life: Fraction) -> OracleDonation:
        """Add a donation that holds nothing."""
        donation = OracleDonation(donor, network, amount, fee, started_at=self.now, hold_ends=self.now + life)
        self.donations.append(donation)
        return donation

    def start(self, donor: str, network: str, amount: int, fee: int = 0) -> OracleDonation:
        """Begin a checkout with the hold of its quote."""
        donation = self._new(donor, network, amount, fee, HOLD_LIFE)
        self._place(donation)
        return donation

    def verify_debit(self, donation: OracleDonation) -> None:
        """Release the hold of a bank debit that waits for verification; the donation stays open."""
        if donation.is_open:
            self._release(donation)

    def begin_debit(self, donation: OracleDonation) -> None:
        """Place a hold for a verified bank debit that holds nothing; a hold that it has is retained."""
        if donation.is_open and not donation.held:
            self._place(donation)
            if donation.held:
                donation.hold_ends = max(donation.hold_ends, self.now)

    def _release(self, donation: OracleDonation) -> None:
        """Release a hold and rematch."""
        donation.held = {}
        self.rematch()

    def _is_honoured(self, donation: OracleDonation, i: int, authorized: Fraction) -> bool:
        """Say whether a hold in a fund becomes match at this moment of payment."""
        fund = self.funds[i]
        if fund.opens is not None and authorized < fund.opens - CLOCK_DIFFERENCE:
            return False
        return fund.includes(authorized) or authorized <= donation.hold_ends + CLOCK_DIFFERENCE

    def _settle(self, donation: OracleDonation, authorized: Fraction) -> None:
        """Turn the honoured hold into match, queue the net gift and match the rest."""
        donation.matched = {i: cents for i, cents in donation.held.items() if self._is_honoured(donation, i, authorized)}
        donation.held = {}
        donation.authorized_at = authorized
        donation.has_ended = False
        donation.is_quarantined = False
        donation.net = donation.remaining_gift()
        self._cut_match(donation)
        if donation.net:
            self.queue.append(Part(donation, donation.net))
        self.rematch()

    def pay(self, donation: OracleDonation, authorized: Fraction) -> None:
        """Settle a payment, once."""
        if not donation.is_paid and not donation.is_quarantined:
            self._settle(donation, authorized)

    def instalment(self, donor: str, amount: int, fee: int, authorized: Fraction) -> OracleDonation:
        """Settle an instalment of a monthly gift as a donation of its own."""
        donation = self._new(donor, "", amount, fee, Fraction(0))
        self._settle(donation, authorized)
        return donation

    def second_payment(self, first: OracleDonation, amount: int, fee: int, authorized: Fraction) -> OracleDonation:
        """Settle an accepted second payment of a donation as a donation of its own."""
        donation = self._new(first.donor, first.network, amount, fee, Fraction(0))
        self._settle(donation, authorized)
        return donation

    def end(self, donation: OracleDonation) -> None:
        """End a donation that can no longer be paid."""
        if not donation.is_paid and not donation.has_ended:
            donation.has_ended = True
            self._release(donation)

    def quarantine(self, donation: OracleDonation) -> None:
        """Set a suspicious payment aside until staff accept it."""
        if not donation.is_paid and not donation.is_quarantined:
            donation.is_quarantined = True
            self._release(donation)

    def accept(self, donation: OracleDonation, amount: int, fee: int, authorized: Fraction) -> None:
        """Settle a quarantined payment as this donation, with the amount that was paid."""
        if donation.is_quarantined:
            donation.amount = amount
            donation.fee = fee
            self._settle(donation, authorized)

    def _cut_match(self, donation: OracleDonation) -> None:
        """Lower the match to what a donation of the net size would have drawn, last fund first."""
        left = donation.net
        retained: dict[int, int] = {}
        for i, fund in enumerate(self.funds):
            cents = min(donation.matched.get(i, 0), fund.match_of(left))
            if cents > 0:
                retained[i] = cents
                left -= fund.gift_for(cents)
        donation.matched = retained

    def set_reversals(self, donation: OracleDonation, reversed_cents: dict[str, int]) -> None:
        """Set what was refunded and lost; the last queued part goes first, and what comes back queues at the tail."""
        donation.reversed_cents = dict(reversed_cents)
        if not donation.is_paid:
            return
        before = donation.net
        donation.net = donation.remaining_gift()
        if donation.net > before:
            self.queue.append(Part(donation, donation.net - before))
        to_cut = before - donation.net
        for part in reversed(self.queue):
            if part.donation is donation and to_cut > 0:
                cut = min(part.cents, to_cut)
                part.cents -= cut
                to_cut -= cut
        self.queue = [part for part in self.queue if part.cents]
        if donation.net < before:
            self._cut_match(donation)
        self.rematch()

    def pause(self, i: int) -> None:
        """Pause a fund."""
        self.funds[i].paused = True

    def resume(self, i: int) -> None:
        """Resume a fund and rematch."""
        self.funds[i].paused = False
        self.rematch()

    def end_early(self, i: int) -> None:
        """Close a fund's window now, unless it was ended before."""
        if self.funds[i].ended is None:
            self.funds[i].ended = self.now

    def raise_pledge(self, i: int, cents: int) -> None:
        """Raise a pledge by a sum and rematch."""
        if cents < 0:
            raise ValueError("a pledge is never lowered")
        self.funds[i].pledged += cents
        self.rematch()

    def missing(self) -> list[tuple[OracleDonation, dict[int, int]]]:
        """Return the first paid part in the queue that could still draw, with what it would draw, or nothing."""
        so_far: dict[int, int] = {}
        for part in self.queue:
            donation = part.donation
            so_far[id(donation)] = so_far.get(id(donation), 0) + part.cents
            assert donation.authorized_at is not None
            size = so_far[id(donation)]
            extra = self._draw(donation.donor, donation.amount, size, donation.authorized_at, donation.matched, donation, self.available)
            if extra:
                return [(donation, extra)]
        return []

    def rematch(self) -> None:
        """Give free money to the earliest paid parts until none can draw."""
        while found := self.missing():
            for donation, extra in found:
                for i, cents in extra.items():
                    donation.matched[i] = donation.matched.get(i, 0) + cents


def check(oracle: Oracle) -> None:
    """Assert what must always be true."""
    for i in range(len(oracle.funds)):
        _check_fund(oracle, i)
    for donation in oracle.donations:
        _check_donation(oracle, donation)
    assert not oracle.missing(), "a paid donation is under-matched while money is left"
    _check_total(oracle)
    for placement in oracle.placements:
        bound = placement.checkout_bound
        assert 0 < placement.cents <= bound
        assert placement.held <= placement.share_bound
        assert all(cents <= bound for cents in placement.open_by_key)
        assert all(cents <= oracle.bounds.times * bound for cents in placement.placed_by_key)
    for counted in oracle.counted:
        assert counted.email <= oracle.bounds.email_count
        assert counted.network <= oracle.bounds.network_count


def _check_fund(oracle: Oracle, i: int) -> None:
    """Assert the caps of one fund."""
    fund = oracle.funds[i]
    held, matched = oracle.held(i), oracle.matched(i)
    assert held >= 0 and matched >= 0
    assert held + matched <= fund.pledged
    assert oracle.available(i) == fund.pledged - held - matched
    if fund.per_donor is not None:
        by_donor: dict[str, int] = {}
        for d in oracle.donations:
            by_donor[d.donor] = by_donor.get(d.donor, 0) + d.held.get(i, 0) + d.matched.get(i, 0)
        assert all(cents <= fund.per_donor for cents in by_donor.values())


def _check_donation(oracle: Oracle, donation: OracleDonation) -> None:
    """Assert the limits of one donation."""
    assert all(cents > 0 for cents in donation.held.values())
    assert all(cents > 0 for cents in donation.matched.values())
    assert not (donation.held and not donation.is_open), "only an open donation holds"
    assert not (donation.matched and not donation.is_paid), "only a paid donation is matched"
    assert donation.net == (donation.remaining_gift() if donation.is_paid else 0)
    assert 0 <= donation.net <= donation.amount
    assert sum(part.cents for part in oracle.queue if part.donation is donation) == donation.net
    for drawn, size in ((donation.matched, donation.net), (donation.held, donation.amount)):
        assert sum((cents / oracle.funds[i].ratio for i, cents in drawn.items()), Fraction(0)) <= size
        for i, cents in drawn.items():
            fund = oracle.funds[i]
            assert donation.amount >= fund.minimum
            assert fund.per_donation is None or cents <= fund.per_donation


def _check_total(oracle: Oracle) -> None:
    """Assert the total of a single fund without per-donor limit when nothing is in flight."""
    if len(oracle.funds) != 1:
        return
    fund = oracle.funds[0]
    if fund.paused or fund.per_donor is not None or any(d.held for d in oracle.donations):
        return
    wanted = 0
    for d in oracle.donations:
        if d.authorized_at is None or d.amount < fund.minimum:
            continue
        if fund.includes(d.authorized_at):
            full = floor(fund.ratio * d.net)
            wanted += full if fund.per_donation is None else min(full, fund.per_donation)
        else:
            wanted += d.matched.get(0, 0)
    assert oracle.matched(0) == min(fund.pledged, wanted)
