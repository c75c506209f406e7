"""The match: the part of a fund that goes with a donation. Held while the donor pays, matched when paid, never above what is due.

A desk is a piece of work on locked funds: it decides donation after donation in memory, by the rule, and answers with entries to post.
The rows here are moved by the ledger's trigger alone, which refuses what the desk should never have decided.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Row, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.ledger import Entry, Move
from campaign.rules.matching import Allocation, Limit, Offer, Wish, allocate, excess, in_full, is_whole, limit_of, total


class DonationMatch(Base):
    """What a fund holds and has matched for a donation. `moves` counts the entries that made it so, and numbers the next."""

    __tablename__ = "donation_match"

    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), primary_key=True)
    held_cents: Mapped[int] = mapped_column(server_default="0")
    matched_cents: Mapped[int] = mapped_column(server_default="0")
    moves: Mapped[int] = mapped_column(server_default="0")


class DonorMatch(Base):
    """What a fund with a cap per donor holds and has matched for all gifts of a donor."""

    __tablename__ = "donor_match"

    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), primary_key=True)
    donor_id: Mapped[int] = mapped_column(ForeignKey("donor.id"), primary_key=True)
    cents: Mapped[int] = mapped_column(server_default="0")


class Freed(StrEnum):
    """What brought money back to a fund, or made it give again."""

    REFUND = "refund"
    DISPUTE = "dispute"
    RELEASE = "release"
    QUARANTINE = "quarantine"
    PLEDGE = "pledge"
    RESUMED = "resumed"
    ACTIVATED = "activated"


@dataclass(frozen=True, kw_only=True)
class MatchOfDonation:
    """What funds hold for a donation, and what they have matched; by fund."""

    held: tuple[Allocation, ...]
    matched: tuple[Allocation, ...]

    @property
    def held_cents(self) -> int:
        """Match money kept while the donor pays."""
        return total(self.held)

    @property
    def matched_cents(self) -> int:
        """Match money that goes with the donation."""
        return total(self.matched)


NO_MATCH = MatchOfDonation(held=(), matched=())


def match_of(donation_id: int) -> MatchOfDonation:
    """What funds hold and have matched for a donation, in the order in which they are drawn on."""
    return matches_of([donation_id]).get(donation_id, NO_MATCH)


def matches_of(donation_ids: Iterable[int]) -> dict[int, MatchOfDonation]:
    """As `match_of`, for many donations in one query; donations that no fund ever stood beside are absent."""
    rows: dict[int, list[Row[int, int, int, int, int]]] = {}
    for row in _rows_of(donation_ids):
        rows.setdefault(row.donation_id, []).append(row)
    return {
        donation_id: MatchOfDonation(
            held=tuple(Allocation(fund_id=r.fund_id, cents=r.held_cents) for r in of_donation if r.held_cents),
            matched=tuple(Allocation(fund_id=r.fund_id, cents=r.matched_cents) for r in of_donation if r.matched_cents),
        )
        for donation_id, of_donation in rows.items()
    }


def _rows_of(donation_ids: Iterable[int]) -> Iterable[Row[int, int, int, int, int]]:
    m = DonationMatch
    query = select(m.donation_id, m.fund_id, m.held_cents, m.matched_cents, m.moves).join(Fund, Fund.id == m.fund_id)
    return db.session.execute(query.where(m.donation_id.in_(list(donation_ids))).order_by(Fund.position))


@dataclass
class _Share:
    """What one fund gives to one donation, as it stands on the desk."""

    held: int = 0
    matched: int = 0
    moves: int = 0

    @property
    def given(self) -> int:
        return self.held + self.matched


@dataclass
class _Line:
    """A donation as it stands on the desk: the gift net of what was returned, and its shares by fund."""

    net: int
    shares: dict[int, _Share] = field(default_factory=dict)

    @property
    def given(self) -> dict[int, int]:
        return {fund_id: share.given for fund_id, share in self.shares.items() if share.given}


class Desk:
    """Funds that are locked, and the donations decided on beside each other. Nothing is written here; `entries` say what is to be."""

    def __init__(self, funds: Sequence[Fund], *, now: datetime, healing: Collection[int] = ()) -> None:
        self.now = now
        self.healing = set(healing)
        self._funds = list(funds)
        self._offers = {fund.id: fund.offer() for fund in funds}
        self._ratios = {fund.id: fund.ratio for fund in funds}
        self._left = {fund.id: fund.available_cents for fund in funds}
        self.donations: dict[int, Donation] = {}
        self._lines: dict[int, _Line] = {}
        self._donors: dict[tuple[int, int], int] = {}
        self._capped = [fund.id for fund in funds if fund.per_donor_cents is not None]

    def take_up(self, donations: Sequence[Donation]) -> None:
        """Read what the books say of these donations, unless they lie on the desk already."""
        new = [donation for donation in donations if donation.id not in self._lines]
        for donation in new:
            self.donations[donation.id] = donation
            self._lines[donation.id] = _Line(net=donation.net_cents)
        if new and self._funds:
            for row in _rows_of([d.id for d in new]):
                self._lines[row.donation_id].shares[row.fund_id] = _Share(row.held_cents, row.matched_cents, row.moves)
        self._take_up_donors({d.donor_id for d in new})

    def _take_up_donors(self, donor_ids: set[int]) -> None:
        pairs = [(fund_id, donor_id) for fund_id in self._capped for donor_id in donor_ids if (fund_id, donor_id) not in self._donors]
        if not pairs:
            return
        self._donors |= dict.fromkeys(pairs, 0)
        query = select(DonorMatch.fund_id, DonorMatch.donor_id, DonorMatch.cents)
        for fund_id, donor_id, cents in db.session.execute(query.where(tuple_(DonorMatch.fund_id, DonorMatch.donor_id).in_(pairs))):
            self._donors[fund_id, donor_id] = cents

    def take_up_new(self, donations: Sequence[Donation]) -> None:
        """Donations that were made just now: the books cannot know of them."""
        self.donations |= {donation.id: donation for donation in donations}
        self._lines |= {donation.id: _Line(net=0) for donation in donations}
        self._take_up_donors({donation.donor_id for donation in donations})

    def offers(self, campaign_id: int) -> list[Offer]:
        """What the campaign's funds can still give, in the order they are drawn on; nothing while earlier gifts are being healed."""
        if campaign_id in self.healing:
            return []
        return self._offers_of(campaign_id)

    def _offers_of(self, campaign_id: int) -> list[Offer]:
        return [replace(self._offers[f.id], available_cents=self._left[f.id]) for f in self._funds if f.campaign_id == campaign_id]

    @property
    def has_donor_caps(self) -> bool:
        """Whether a fund on the desk has a cap per donor."""
        return bool(self._capped)

    def giving(self, campaign_id: int) -> list[Offer]:
        """Those of the campaign's funds that have anything to give now."""
        return [offer for offer in self._offers_of(campaign_id) if offer.available_cents > 0 and not offer.is_paused]

    def net_of(self, donation: Donation) -> int:
        """The gift net of what was returned, as far as decided."""
        return self._lines[donation.id].net

    def now_nets(self, donation: Donation, net_cents: int) -> None:
        """The gift was received, or part of it returned or reinstated."""
        self._lines[donation.id].net = net_cents

    def hold(self, donation: Donation) -> list[Entry]:
        """Keep the match for a donor who goes to pay."""
        parts = allocate(self._wish(donation), self.offers(donation.campaign_id))
        return [self._move(donation, Move.HOLD, "available", "held", part, "begun") for part in parts]

    def most_to_hold(self, donation: Donation) -> tuple[int, int, Limit | None]:
        """What can be held for it, what would be in full, and why it is less."""
        wish, every = self._wish(donation), self._offers_of(donation.campaign_id)
        limit = Limit.EARLIER_GIFTS if donation.campaign_id in self.healing else limit_of(wish, every)
        return total(allocate(wish, self.offers(donation.campaign_id))), in_full(wish, every), limit

    def settle(self, donation: Donation, *, cause: str) -> list[Entry]:
        """What was held goes with the gift; what the hold did not cover is asked of the funds again."""
        shares = self._in_order(donation)
        entries = [
            self._move(donation, Move.MATCH, "held", "matched", Allocation(fund_id=fund_id, cents=share.held), cause)
            for fund_id, share in shares
            if share.held
        ]
        donation.match_limit = None
        if not self._is_whole(donation):
            entries += self.match_more(donation, self.offers(donation.campaign_id), cause=cause)
            donation.match_limit = self._limit(donation)
        return entries

    def match_more(self, donation: Donation, offers: Sequence[Offer], *, cause: str) -> list[Entry]:
        """Match the part of a paid gift that is not matched yet, as far as these offers go."""
        parts = allocate(self._wish(donation), offers)
        return [self._move(donation, Move.MATCH, "available", "matched", part, cause) for part in parts]

    def heal(self, donation: Donation, *, cause: str) -> list[Entry]:
        """As `match_more`, with money that came free and is spoken for by those who wait."""
        return self.match_more(donation, self._offers_of(donation.campaign_id), cause=cause)

    def release(self, donation: Donation, *, cause: str) -> list[Entry]:
        """What was held is free again."""
        return [
            self._move(donation, Move.RELEASE, "held", "available", Allocation(fund_id=fund_id, cents=share.held), cause)
            for fund_id, share in self._in_order(donation)
            if share.held
        ]

    def fall(self, donation: Donation, *, cause: str) -> list[Entry]:
        """The match goes down to what remains of the gift."""
        line = self._lines[donation.id]
        matched = [Allocation(fund_id=fund_id, cents=share.matched) for fund_id, share in self._in_order(donation) if share.matched]
        back = excess(line.net, matched, self._ratios)
        return [self._move(donation, Move.UNMATCH, "matched", "available", part, cause) for part in back]

    def wants_more(self, donation: Donation, *, within_donor_cap: bool = False) -> bool:
        """Whether money of these funds, if there were any, could still match a part of this paid gift; its donor's cap aside, or not."""
        if self._is_whole(donation):
            return False
        wish = self._wish(donation)
        asked = wish if within_donor_cap else replace(wish, donor_given={})
        return in_full(asked, self._offers_of(donation.campaign_id)) > sum(wish.given.values())

    def _is_whole(self, donation: Donation) -> bool:
        """Most gifts are, and then nothing more need be asked."""
        ratios = {fund.id: self._ratios[fund.id] for fund in self._funds if fund.campaign_id == donation.campaign_id}
        return is_whole(self._wish(donation), ratios)

    def _limit(self, donation: Donation) -> str | None:
        is_healing = donation.campaign_id in self.healing
        every = self._offers_of(donation.campaign_id)
        limit = limit_of(self._wish(donation), [replace(o, available_cents=0) for o in every] if is_healing else every)
        if limit is None:
            return None
        return Limit.EARLIER_GIFTS.value if is_healing else limit.value

    def _wish(self, donation: Donation) -> Wish:
        line = self._lines[donation.id]
        return Wish(
            gift_cents=line.net if donation.paid_at else donation.amount_cents,
            amount_cents=donation.amount_cents,
            at=donation.paid_at or self.now,
            given=line.given,
            donor_given={fund_id: self._donors[fund_id, donation.donor_id] for fund_id in self._capped},
        )

    def _in_order(self, donation: Donation) -> list[tuple[int, _Share]]:
        shares = self._lines[donation.id].shares
        return [(fund.id, shares[fund.id]) for fund in self._funds if fund.id in shares]

    def _move(self, donation: Donation, kind: Move, source: str, target: str, part: Allocation, cause: str) -> Entry:
        share = self._lines[donation.id].shares.setdefault(part.fund_id, _Share())
        before = share.given
        share.held += part.cents * ((target == "held") - (source == "held"))
        share.matched += part.cents * ((target == "matched") - (source == "matched"))
        share.moves += 1
        self._left[part.fund_id] -= share.given - before
        if (part.fund_id, donation.donor_id) in self._donors:
            self._donors[part.fund_id, donation.donor_id] += share.given - before
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
