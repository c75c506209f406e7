"""A second, simple implementation of the matching rules for tests. It shares no code with the service, computes with fractions, and
reconsiders every donation after every change.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor


@dataclass
class OracleFund:
    ratio: Fraction
    pledged: int
    minimum: int = 0
    per_donation: int | None = None
    per_donor: int | None = None
    opens: Fraction | None = None
    closes: Fraction | None = None
    paused: bool = False


@dataclass
class OracleDonation:
    donor: str
    amount: int
    fee: int = 0
    net: int = 0
    paid_at: Fraction | None = None
    has_ended: bool = False
    held: dict[int, int] = field(default_factory=dict)
    matched: dict[int, int] = field(default_factory=dict)
    reversed_cents: dict[str, int] = field(default_factory=dict)

    def of(self, fund: int) -> int:
        return self.held.get(fund, 0) + self.matched.get(fund, 0)


@dataclass
class OraclePart:
    donation: OracleDonation
    cents: int


class Oracle:
    """Times are hours from the start of the run. Donations start at STARTED, and funds end early at ENDED. Cents are whole."""

    ENDED, STARTED = Fraction(1, 4), Fraction(1, 2)

    def __init__(self, funds: list[OracleFund]) -> None:
        self.funds = funds
        self.donations: list[OracleDonation] = []
        # Parts of donations in the order in which they came: a sum that was reinstated comes anew, and what was paid last is returned first.
        self.queue: list[OraclePart] = []

    def available(self, fund: int) -> int:
        return self.funds[fund].pledged - sum(donation.of(fund) for donation in self.donations)

    def capacity(self, donation: OracleDonation, number: int, base: int, moment: Fraction, *, with_donor: bool = True) -> int:
        """How much more the fund's terms let it add to this donation, regardless of the money available."""
        fund = self.funds[number]
        if (fund.opens is not None and moment < fund.opens) or (fund.closes is not None and moment >= fund.closes):
            return 0
        if donation.amount < fund.minimum:
            return 0
        covered_by_others = sum(ceil(donation.of(i) / other.ratio) for i, other in enumerate(self.funds) if i != number)
        capacity = floor((base - covered_by_others) * fund.ratio) - donation.of(number)
        if fund.per_donation is not None:
            capacity = min(capacity, fund.per_donation - donation.of(number))
        if fund.per_donor is not None and with_donor:
            capacity = min(capacity, fund.per_donor - sum(other.of(number) for other in self.donations if other.donor == donation.donor))
        return max(capacity, 0)

    def draw(self, donation: OracleDonation, into: dict[int, int], base: int, moment: Fraction) -> int:
        drawn = 0
        for number, fund in enumerate(self.funds):
            part = 0 if fund.paused else min(self.capacity(donation, number, base, moment), self.available(number))
            if part > 0:
                into[number] = into.get(number, 0) + part
                drawn += part
        return drawn

    def start(self, donor: str, amount: int, fee: int) -> OracleDonation:
        donation = OracleDonation(donor=donor, amount=amount, fee=fee)
        self.donations.append(donation)
        self.draw(donation, donation.held, amount, self.STARTED)
        return donation

    def pay(self, donation: OracleDonation, moment: Fraction) -> None:
        if donation.paid_at is not None:
            return
        donation.paid_at, donation.has_ended, donation.net = moment, True, donation.amount
        donation.matched, donation.held = donation.held, {}
        self.draw(donation, donation.matched, donation.net, moment)
        self.queue.append(OraclePart(donation, donation.net))

    def end(self, donation: OracleDonation) -> None:
        if not donation.has_ended:
            donation.has_ended, donation.held = True, {}
            self.rematch()

    def quarantine(self, donation: OracleDonation) -> None:
        donation.has_ended, donation.held = True, {}
        self.rematch()

    def set_reversals(self, donation: OracleDonation, reversed_cents: dict[str, int]) -> None:
        """Set the refunds and lost disputes of a donation, in cents of the charge, by their names."""
        donation.reversed_cents = dict(reversed_cents)
        charged = donation.amount + donation.fee
        cents = min(charged, sum(reversed_cents.values()))
        before, donation.net = donation.net, donation.amount - (cents - floor(Fraction(cents * donation.fee, charged)))
        if donation.net > before:
            self.draw(donation, donation.matched, donation.net, donation.paid_at or Fraction(0))
            self.queue.append(OraclePart(donation, donation.net - before))
            return
        gone = before - donation.net
        for part in reversed([part for part in self.queue if part.donation is donation]):
            part.cents, gone = part.cents - min(part.cents, gone), gone - min(part.cents, gone)
        for number in reversed(range(len(self.funds))):
            others = sum(ceil(donation.of(i) / fund.ratio) for i, fund in enumerate(self.funds) if i != number)
            most = max(0, floor((donation.net - others) * self.funds[number].ratio))
            donation.matched[number] = min(donation.matched.get(number, 0), most)
        self.rematch()

    def rematch(self) -> None:
        so_far: dict[int, int] = {}
        for part in self.queue:
            donation = part.donation
            so_far[id(donation)] = so_far.get(id(donation), 0) + part.cents
            self.draw(donation, donation.matched, so_far[id(donation)], donation.paid_at or Fraction(0))
