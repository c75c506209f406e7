"""How much of which fund goes with a gift: the decision itself, as arithmetic on whole cents.

Funds are drawn on in the order given, each within its terms. What a fund covers of a gift is counted from all that it gives to it, so that
a match made in ten pieces comes to the same cent as one made at once (policy.md, section 2).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

WITHOUT_END = 10**15


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Cents of match for each cent given: 1:1 is `Ratio(numerator=1, denominator=1)`."""

    numerator: int
    denominator: int

    def match_of(self, gift_cents: int) -> int:
        """The most that this ratio gives for a gift; odd cents round down."""
        return gift_cents * self.numerator // self.denominator

    def gift_behind(self, match_cents: int) -> int:
        """The least part of a gift that earns this match."""
        return -(-match_cents * self.denominator // self.numerator)


ONE_TO_ONE = Ratio(numerator=1, denominator=1)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a fund has agreed to. Caps are on the match in cents, the minimum on the gift; the window is closed-open and None has no edge."""

    ratio: Ratio = ONE_TO_ONE
    minimum_cents: int = 0
    per_donation_cents: int | None = None
    per_donor_cents: int | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None

    def is_open(self, moment: datetime) -> bool:
        """Whether a payment of this moment may be matched."""
        return (self.opens_at is None or self.opens_at <= moment) and (self.closes_at is None or moment < self.closes_at)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a fund can still give, and under which terms. A fund that is paused gives nothing for now."""

    fund_id: int
    available_cents: int
    terms: Terms = field(default_factory=Terms)
    is_paused: bool = False


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A gift that asks to be matched.

    `gift_cents` is what may be matched (net of what was returned), `amount_cents` the gift as it was first given, `at` the moment of its
    payment. `given` is what each fund has given it or holds for it already, `donor_given` the same for all gifts of its donor.
    """

    gift_cents: int
    amount_cents: int
    at: datetime
    given: Mapping[int, int] = field(default_factory=dict)
    donor_given: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """A part of a fund that goes with a gift, held or matched."""

    fund_id: int
    cents: int


class Limit(StrEnum):
    """Why a gift is matched less than in full."""

    USED_UP = "used_up"
    PAUSED = "paused"
    NOT_OPEN_YET = "not_open_yet"
    CLOSED = "closed"
    MINIMUM = "minimum"
    PER_DONATION = "per_donation"
    PER_DONOR = "per_donor"
    EARLIER_GIFTS = "earlier_gifts"
    HELD_ELSEWHERE = "held_elsewhere"


def allocate(wish: Wish, offers: Sequence[Offer]) -> list[Allocation]:
    """Match for the unmatched part of a gift, from the first fund on.

    Never more than a fund has, than its ratio of the gift, or than its caps; nothing is left in a fund that could still have matched.
    """
    ratios = {offer.fund_id: offer.terms.ratio for offer in offers}
    given = dict(wish.given)
    allocations = []
    for offer in offers:
        others = {fund_id: cents for fund_id, cents in given.items() if fund_id != offer.fund_id}
        cents = min(_room(wish, offer, wish.gift_cents - covered(others, ratios)), offer.available_cents)
        if cents > 0 and not offer.is_paused:
            allocations.append(Allocation(fund_id=offer.fund_id, cents=cents))
            given[offer.fund_id] = given.get(offer.fund_id, 0) + cents
    return allocations


def _room(wish: Wish, offer: Offer, gift_cents: int) -> int:
    """What the fund's terms let it add for this much of the gift, if its money had no end."""
    terms, given = offer.terms, wish.given.get(offer.fund_id, 0)
    if not terms.is_open(wish.at) or wish.amount_cents < terms.minimum_cents:
        return 0
    room = terms.ratio.match_of(max(gift_cents, 0)) - given
    if terms.per_donation_cents is not None:
        room = min(room, terms.per_donation_cents - given)
    if terms.per_donor_cents is not None:
        room = min(room, terms.per_donor_cents - wish.donor_given.get(offer.fund_id, given))
    return max(room, 0)


def covered(given: Mapping[int, int], ratios: Mapping[int, Ratio]) -> int:
    """The part of a gift that stands behind what funds give it. A fund that is not among the ratios counts one to one."""
    return sum(ratios.get(fund_id, ONE_TO_ONE).gift_behind(cents) for fund_id, cents in given.items())


def is_whole(wish: Wish, ratios: Mapping[int, Ratio]) -> bool:
    """Whether these funds' ratios leave nothing of the gift to match, whatever their money and their other terms."""
    for fund_id, ratio in ratios.items():
        others = {other: cents for other, cents in wish.given.items() if other != fund_id}
        if ratio.match_of(max(wish.gift_cents - covered(others, ratios), 0)) > wish.given.get(fund_id, 0):
            return False
    return True


def in_full(wish: Wish, offers: Sequence[Offer]) -> int:
    """What a gift would get in all if no fund were ever used up or paused: the measure of "in full"."""
    without_end = [replace(offer, available_cents=WITHOUT_END, is_paused=False) for offer in offers]
    return sum(wish.given.values()) + total(allocate(wish, without_end))


def limit_of(wish: Wish, offers: Sequence[Offer]) -> Limit | None:
    """Why this gift gets no more than `allocate` gives it; None when all of it is matched, or when there is no fund.

    Where several funds have each their reason, that of a fund with money left comes first when it is a limit of its terms on this gift, then
    what may pass: used up, then paused.
    """
    taken = allocate(wish, offers)
    given = {a.fund_id: a.cents for a in taken}
    after = {fund_id: wish.given.get(fund_id, 0) + given.get(fund_id, 0) for fund_id in {*wish.given, *given}}
    donor = {o.fund_id: wish.donor_given.get(o.fund_id, wish.given.get(o.fund_id, 0)) + given.get(o.fund_id, 0) for o in offers}
    rest = replace(wish, given=after, donor_given=donor)
    reasons = [(_reason(rest, offer, offers), offer.available_cents > given.get(offer.fund_id, 0)) for offer in offers]
    of_terms = {Limit.MINIMUM, Limit.PER_DONATION, Limit.PER_DONOR}
    found = [reason for reason, has_money in reasons if has_money and reason in of_terms]
    found += [reason for passing in (Limit.USED_UP, Limit.PAUSED) for reason, _ in reasons if reason is passing]
    return next((reason for reason in [*found, *(reason for reason, _ in reasons)] if reason is not None), None)


def _reason(wish: Wish, offer: Offer, offers: Sequence[Offer]) -> Limit | None:
    terms, own = offer.terms, wish.given.get(offer.fund_id, 0)
    others = {fund_id: cents for fund_id, cents in wish.given.items() if fund_id != offer.fund_id}
    left = wish.gift_cents - covered(others, {o.fund_id: o.terms.ratio for o in offers})
    if terms.ratio.match_of(max(left, 0)) <= own:
        return None
    if terms.opens_at is not None and wish.at < terms.opens_at:
        return Limit.NOT_OPEN_YET
    if terms.closes_at is not None and wish.at >= terms.closes_at:
        return Limit.CLOSED
    if wish.amount_cents < terms.minimum_cents:
        return Limit.MINIMUM
    if terms.per_donation_cents is not None and own >= terms.per_donation_cents:
        return Limit.PER_DONATION
    if terms.per_donor_cents is not None and wish.donor_given.get(offer.fund_id, own) >= terms.per_donor_cents:
        return Limit.PER_DONOR
    return Limit.PAUSED if offer.is_paused else Limit.USED_UP


def excess(net_cents: int, given: Sequence[Allocation], ratios: Mapping[int, Ratio]) -> list[Allocation]:
    """What must go back to the funds when only this much of a gift is left; `given` is in the order in which funds are drawn on.

    The fund drawn on last gives way first, so that what stays is what so small a gift would have drawn: the same after one refund as
    after ten that come to as much.
    """
    kept = {a.fund_id: a.cents for a in given}
    back = []
    for part in reversed(given):
        others = {fund_id: cents for fund_id, cents in kept.items() if fund_id != part.fund_id}
        keeps = min(part.cents, ratios[part.fund_id].match_of(max(net_cents - covered(others, ratios), 0)))
        if keeps < part.cents:
            back.append(Allocation(fund_id=part.fund_id, cents=part.cents - keeps))
            kept[part.fund_id] = keeps
    return back


def finishing_gift(offers: Sequence[Offer], *, at: datetime) -> int | None:
    """The gift that takes exactly what is left in all open funds; None when no one gift can."""
    opened = [o for o in offers if not o.is_paused and o.terms.is_open(at) and o.available_cents > 0]
    cents = sum(o.terms.ratio.gift_behind(o.available_cents) for o in opened)
    takes = total(allocate(Wish(gift_cents=cents, amount_cents=cents, at=at), opened))
    return cents if cents and takes == sum(o.available_cents for o in opened) else None


def total(allocations: Iterable[Allocation]) -> int:
    """Cents of match in all."""
    return sum(a.cents for a in allocations)
