"""The rule of the match told a second time, as plainly as can be, for tests: no code shared with the service, fractions in place of
integer tricks, everybody looked at after every change.
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
class OracleGift:
    donor: str
    amount: int
    fee: int = 0
    net: int = 0
    paid_at: Fraction | None = None
    over: bool = False
    held: dict[int, int] = field(default_factory=dict)
    matched: dict[int, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)

    def of(self, fund: int) -> int:
        return self.held.get(fund, 0) + self.matched.get(fund, 0)


class Oracle:
    """Moments are hours from the first; a gift is begun at BEGUN, an early end comes at ENDED. Cents are whole."""

    ENDED, BEGUN = Fraction(1, 4), Fraction(1, 2)

    def __init__(self, funds: list[OracleFund]) -> None:
        self.funds = funds
        self.gifts: list[OracleGift] = []
        self.queue: list[OracleGift] = []

    def available(self, fund: int) -> int:
        return self.funds[fund].pledged - sum(gift.of(fund) for gift in self.gifts)

    def room(self, gift: OracleGift, number: int, base: int, moment: Fraction, *, with_donor: bool = True) -> int:
        """How much more the fund's terms let it add to this gift, money aside."""
        fund = self.funds[number]
        if (fund.opens is not None and moment < fund.opens) or (fund.closes is not None and moment >= fund.closes):
            return 0
        if gift.amount < fund.minimum:
            return 0
        behind_others = sum(ceil(gift.of(i) / other.ratio) for i, other in enumerate(self.funds) if i != number)
        room = floor((base - behind_others) * fund.ratio) - gift.of(number)
        if fund.per_donation is not None:
            room = min(room, fund.per_donation - gift.of(number))
        if fund.per_donor is not None and with_donor:
            room = min(room, fund.per_donor - sum(other.of(number) for other in self.gifts if other.donor == gift.donor))
        return max(room, 0)

    def draw(self, gift: OracleGift, into: dict[int, int], base: int, moment: Fraction) -> int:
        drawn = 0
        for number, fund in enumerate(self.funds):
            part = 0 if fund.paused else min(self.room(gift, number, base, moment), self.available(number))
            if part > 0:
                into[number] = into.get(number, 0) + part
                drawn += part
        return drawn

    def begin(self, donor: str, amount: int, fee: int) -> OracleGift:
        gift = OracleGift(donor=donor, amount=amount, fee=fee)
        self.gifts.append(gift)
        self.draw(gift, gift.held, amount, self.BEGUN)
        return gift

    def pay(self, gift: OracleGift, moment: Fraction) -> None:
        if gift.paid_at is not None:
            return
        gift.paid_at, gift.over, gift.net = moment, True, gift.amount
        gift.matched, gift.held = gift.held, {}
        self.draw(gift, gift.matched, gift.net, moment)
        self.queue.append(gift)

    def end(self, gift: OracleGift) -> None:
        if not gift.over:
            gift.over, gift.held = True, {}
            self.heal()

    def quarantine(self, gift: OracleGift) -> None:
        gift.over, gift.held = True, {}
        self.heal()

    def return_money(self, gift: OracleGift, gone: dict[str, int]) -> None:
        """These refunds and lost disputes, in cents of what was charged, are what is gone now."""
        gift.gone = dict(gone)
        charged = gift.amount + gift.fee
        cents = min(charged, sum(gone.values()))
        before, gift.net = gift.net, gift.amount - (cents - floor(Fraction(cents * gift.fee, charged)))
        if gift.net > before:
            self.draw(gift, gift.matched, gift.net, gift.paid_at or Fraction(0))
            self.queue.remove(gift)
            self.queue.append(gift)
            return
        for number in reversed(range(len(self.funds))):
            others = sum(ceil(gift.of(i) / fund.ratio) for i, fund in enumerate(self.funds) if i != number)
            most = max(0, floor((gift.net - others) * self.funds[number].ratio))
            gift.matched[number] = min(gift.matched.get(number, 0), most)
        self.heal()

    def heal(self) -> None:
        for gift in self.queue:
            self.draw(gift, gift.matched, gift.net, gift.paid_at or Fraction(0))
