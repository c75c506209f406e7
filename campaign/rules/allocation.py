"""The allocation rule: how much of each matching fund goes with a donation, in whole cents.

Funds are drawn on in the order passed, each within its terms. The share of a fund is computed from everything that it has allocated to the
donation, so that a match made in ten steps equals, to the cent, a match made in one (policy.md, section 2).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

UNLIMITED_CENTS = 10**15
# A hold is placed by our clock, and paid by Stripe's.
CLOCK_DIFFERENCE = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Cents of match for each donated cent: 1:1 is `Ratio(numerator=1, denominator=1)`."""

    numerator: int
    denominator: int

    def match_of(self, donation_cents: int) -> int:
        """The most that this ratio allows for a donation; fractions of a cent round down."""
        return donation_cents * self.numerator // self.denominator

    def donation_required_for(self, match_cents: int) -> int:
        """The smallest donation that earns this match, in cents."""
        return -(-match_cents * self.denominator // self.numerator)


ONE_TO_ONE = Ratio(numerator=1, denominator=1)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The terms of a fund. Caps limit the match in cents, the minimum is on the donation.

    The window includes `opens_at` and excludes `closes_at`; None leaves that side unlimited.
    """

    ratio: Ratio = ONE_TO_ONE
    minimum_cents: int = 0
    per_donation_cents: int | None = None
    per_donor_cents: int | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None

    def is_open(self, moment: datetime) -> bool:
        """Whether a payment made at this moment may be matched."""
        return (self.opens_at is None or self.opens_at <= moment) and (self.closes_at is None or moment < self.closes_at)

    def honours_hold(self, moment: datetime, held_until: datetime | None) -> bool:
        """Whether a hold that lives until `held_until` becomes match for a payment made at this moment.

        A checkout that was begun within the window may be finished while its hold lives.
        """
        if self.opens_at is not None and moment < self.opens_at - CLOCK_DIFFERENCE:
            return False
        return self.closes_at is None or moment < self.closes_at or held_until is None or moment <= held_until + CLOCK_DIFFERENCE


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a fund can still allocate, and its terms. A paused fund allocates nothing."""

    fund_id: int
    available_cents: int
    terms: Terms = field(default_factory=Terms)
    is_paused: bool = False


@dataclass(frozen=True, kw_only=True)
class MatchRequest:
    """A donation to be matched.

    `matchable_cents` is the donation net of reversals, `amount_cents` the donation before any reversal, `at` the moment of its payment.
    `allocated` is what each fund has already matched with it or holds for it, in cents by fund id; `donor_allocated` is the same over all
    donations of its donor.
    """

    matchable_cents: int
    amount_cents: int
    at: datetime
    allocated: Mapping[int, int] = field(default_factory=dict)
    donor_allocated: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """Cents of one fund for a donation, held or matched."""

    fund_id: int
    cents: int


class Limit(StrEnum):
    """Why a donation is not matched in full."""

    USED_UP = "used_up"
    PAUSED = "paused"
    NOT_OPEN_YET = "not_open_yet"
    CLOSED = "closed"
    MINIMUM = "minimum"
    PER_DONATION = "per_donation"
    PER_DONOR = "per_donor"
    EARLIER_GIFTS = "earlier_gifts"


def allocate(request: MatchRequest, offers: Sequence[Offer]) -> list[Allocation]:
    """The match for the unmatched part of a donation, from the first fund on.

    Each open fund allocates the smallest of what it has available, what its ratio gives for that part and what its caps leave.
    """
    ratios = {offer.fund_id: offer.terms.ratio for offer in offers}
    allocated = dict(request.allocated)
    allocations = []
    for offer in offers:
        others = {fund_id: cents for fund_id, cents in allocated.items() if fund_id != offer.fund_id}
        cents = min(_capacity(request, offer, request.matchable_cents - donation_covered_by(others, ratios)), offer.available_cents)
        if cents > 0 and not offer.is_paused:
            allocations.append(Allocation(fund_id=offer.fund_id, cents=cents))
            allocated[offer.fund_id] = allocated.get(offer.fund_id, 0) + cents
    return allocations


def _capacity(request: MatchRequest, offer: Offer, uncovered_cents: int) -> int:
    """What the fund's terms let it add for this part of the donation, whatever it has available."""
    terms, allocated = offer.terms, request.allocated.get(offer.fund_id, 0)
    if not terms.is_open(request.at) or request.amount_cents < terms.minimum_cents:
        return 0
    capacity = terms.ratio.match_of(max(uncovered_cents, 0)) - allocated
    if terms.per_donation_cents is not None:
        capacity = min(capacity, terms.per_donation_cents - allocated)
    if terms.per_donor_cents is not None:
        capacity = min(capacity, terms.per_donor_cents - request.donor_allocated.get(offer.fund_id, allocated))
    return max(capacity, 0)


def donation_covered_by(allocated: Mapping[int, int], ratios: Mapping[int, Ratio]) -> int:
    """The part of a donation, in cents, that these allocations already match. A fund without a ratio here counts as one to one."""
    return sum(ratios.get(fund_id, ONE_TO_ONE).donation_required_for(cents) for fund_id, cents in allocated.items())


def is_fully_matched(request: MatchRequest, ratios: Mapping[int, Ratio]) -> bool:
    """Whether the ratios of these funds leave nothing of the donation to match, whatever their balances and other terms."""
    for fund_id, ratio in ratios.items():
        others = {other: cents for other, cents in request.allocated.items() if other != fund_id}
        if ratio.match_of(max(request.matchable_cents - donation_covered_by(others, ratios), 0)) > request.allocated.get(fund_id, 0):
            return False
    return True


def full_match(request: MatchRequest, offers: Sequence[Offer]) -> int:
    """The whole match of a donation, in cents, if no fund were used up or paused: what "in full" means."""
    unlimited = [replace(offer, available_cents=UNLIMITED_CENTS, is_paused=False) for offer in offers]
    return sum(request.allocated.values()) + total(allocate(request, unlimited))


def limit_of(request: MatchRequest, offers: Sequence[Offer]) -> Limit | None:
    """Why `allocate` does not match this donation in full; None when it does, or when there is no fund.

    With several funds, a minimum or cap of a fund with money left comes first, then the temporary reasons (used up, then paused), then any
    other reason, in the order of the funds.
    """
    allocated = {a.fund_id: a.cents for a in allocate(request, offers)}
    after = {fund_id: request.allocated.get(fund_id, 0) + allocated.get(fund_id, 0) for fund_id in {*request.allocated, *allocated}}
    donor = {
        o.fund_id: request.donor_allocated.get(o.fund_id, request.allocated.get(o.fund_id, 0)) + allocated.get(o.fund_id, 0) for o in offers
    }
    rest = replace(request, allocated=after, donor_allocated=donor)
    reasons = [(_reason(rest, offer, offers), offer.available_cents > allocated.get(offer.fund_id, 0)) for offer in offers]
    of_terms = {Limit.MINIMUM, Limit.PER_DONATION, Limit.PER_DONOR}
    ranked = [reason for reason, has_money in reasons if has_money and reason in of_terms]
    ranked += [reason for temporary in (Limit.USED_UP, Limit.PAUSED) for reason, _ in reasons if reason is temporary]
    return next((reason for reason in [*ranked, *(reason for reason, _ in reasons)] if reason is not None), None)


def _reason(request: MatchRequest, offer: Offer, offers: Sequence[Offer]) -> Limit | None:
    terms, own = offer.terms, request.allocated.get(offer.fund_id, 0)
    others = {fund_id: cents for fund_id, cents in request.allocated.items() if fund_id != offer.fund_id}
    left = request.matchable_cents - donation_covered_by(others, {o.fund_id: o.terms.ratio for o in offers})
    if terms.ratio.match_of(max(left, 0)) <= own:
        return None
    if terms.opens_at is not None and request.at < terms.opens_at:
        return Limit.NOT_OPEN_YET
    if terms.closes_at is not None and request.at >= terms.closes_at:
        return Limit.CLOSED
    if request.amount_cents < terms.minimum_cents:
        return Limit.MINIMUM
    if terms.per_donation_cents is not None and own >= terms.per_donation_cents:
        return Limit.PER_DONATION
    if terms.per_donor_cents is not None and request.donor_allocated.get(offer.fund_id, own) >= terms.per_donor_cents:
        return Limit.PER_DONOR
    return Limit.PAUSED if offer.is_paused else Limit.USED_UP


def match_to_release(net_cents: int, allocated: Sequence[Allocation], ratios: Mapping[int, Ratio]) -> list[Allocation]:
    """The match to return to the funds when `net_cents` of a donation is left. `allocated` is in the order in which funds are drawn on.

    The fund drawn on last is reduced first, so that what remains is what a donation of that size would have drawn: the same after one
    refund as after ten of the same total.
    """
    remaining = {a.fund_id: a.cents for a in allocated}
    released = []
    for part in reversed(allocated):
        others = {fund_id: cents for fund_id, cents in remaining.items() if fund_id != part.fund_id}
        retained_cents = min(part.cents, ratios[part.fund_id].match_of(max(net_cents - donation_covered_by(others, ratios), 0)))
        if retained_cents < part.cents:
            released.append(Allocation(fund_id=part.fund_id, cents=part.cents - retained_cents))
            remaining[part.fund_id] = retained_cents
    return released


def finishing_donation(offers: Sequence[Offer], *, at: datetime) -> int | None:
    """The donation, in cents, whose match is exactly what is left in all open funds; None when no single donation has that match."""
    open_offers = [o for o in offers if not o.is_paused and o.terms.is_open(at) and o.available_cents > 0]
    cents = sum(o.terms.ratio.donation_required_for(o.available_cents) for o in open_offers)
    match_cents = total(allocate(MatchRequest(matchable_cents=cents, amount_cents=cents, at=at), open_offers))
    return cents if cents and match_cents == sum(o.available_cents for o in open_offers) else None


def total(allocations: Iterable[Allocation]) -> int:
    """The sum of these allocations, in cents."""
    return sum(a.cents for a in allocations)
