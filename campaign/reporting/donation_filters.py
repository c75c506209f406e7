"""What the list of donations can be filtered by, as conditions that the database finds by its indexes.

Gifts that were received are listed apart from those that were begun and not received: each list has an order of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, any_, exists, false, func, or_, select
from sqlalchemy.orm import aliased

from campaign.campaigns.campaigns import Campaign
from campaign.donations import search_words
from campaign.donations.donations import Donation
from campaign.ledger.entries import LedgerEntry
from campaign.matching.funds import Fund
from campaign.matching.holds import DonationMatch
from campaign.matching.queue_places import REVERSAL_MOVES
from campaign.matching.rematching import QueuedDonation
from campaign.payments import disputes
from campaign.payments.offline_gifts import OfflineGift
from campaign.payments.status import REFUNDED, Status
from campaign.reporting import search_terms
from campaign.rules.fiscal_years import Period
from campaign.rules.offline_gifts import OfflineMethod

# The states of gifts that the charity has not received; UNPAID is all of them. The other states are of received gifts.
UNPAID = "unpaid"
UNPAID_STATES = (Status.PENDING, Status.PROCESSING, Status.FAILED, Status.EXPIRED, Status.QUARANTINED)


class MatchLevel(StrEnum):
    """How much of a gift is matched, by the ratio of its funds: all, a part or nothing; or whether it waits for more."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"
    WAITING = "waiting"


class Method(StrEnum):
    """How a gift was paid: what it is in the books is in METHODS, its words are in web/labels.py."""

    CARD = "card"
    DEBIT = "debit"
    CHEQUE = "cheque"
    CASH = "cash"
    ETRANSFER = "etransfer"
    BANK_TRANSFER = "bank_transfer"


class TributeFilter(StrEnum):
    """Gifts with a tribute of any kind, or of one."""

    ANY = "any"
    HONOUR = "honour"
    MEMORY = "memory"


def method_of(donation: Donation, offline_method: OfflineMethod | None) -> Method:
    """How the donation was paid; `offline_method` if that was without Stripe."""
    if offline_method is not None:
        return Method(offline_method.value)
    return Method.DEBIT if donation.is_debit else Method.CARD


_is_offline = exists().where(OfflineGift.donation_id == Donation.id)
METHODS: dict[Method, SQLColumnExpression[bool]] = {
    Method.CARD: and_(~Donation.is_debit, ~_is_offline),
    Method.DEBIT: Donation.is_debit,
    **{Method(method.value): _is_offline.where(OfflineGift.method == method.value) for method in OfflineMethod},
}


@dataclass(frozen=True, kw_only=True)
class DonationFilters:
    """What is listed; an empty value filters nothing. `state` is a Status or UNPAID; the days are in the charity’s zone and inclusive."""

    q: str = ""
    language: str = "en"
    state: str = ""
    first_on: date | None = None
    last_on: date | None = None
    charity_id: int = 0
    campaign_id: int = 0
    fund_id: int = 0
    method: Method | None = None
    match: MatchLevel | None = None
    tribute: TributeFilter | None = None
    tribute_name: str = ""

    @property
    def is_of_unpaid(self) -> bool:
        """Whether the list has gifts that were begun and not received."""
        return self.state == UNPAID or self.state in UNPAID_STATES

    @property
    def is_of_campaign(self) -> bool:
        """Whether nothing filters but the campaign, so that its totals have the sums."""
        return not any(getattr(self, field.name) for field in fields(self) if field.name not in {"campaign_id", "language"})

    @property
    def moment(self) -> SQLColumnExpression[Any]:
        """The moment by which the list is ordered."""
        return Donation.started_at if self.is_of_unpaid else Donation.received_at


def conditions_of(filters: DonationFilters, zone: ZoneInfo) -> Iterator[SQLColumnExpression[bool]]:
    """What a gift of the list fulfils."""
    moment = filters.moment
    yield Donation.received_at.is_(None) if filters.is_of_unpaid else Donation.received_at.is_not(None)
    if filters.state and filters.state != UNPAID:
        yield _is_in_state(Status(filters.state))
    if filters.first_on:
        yield moment >= Period(first_on=filters.first_on, last_on=filters.first_on).moments(zone)[0]
    if filters.last_on:
        yield moment < Period(first_on=filters.last_on, last_on=filters.last_on).moments(zone)[1]
    if filters.charity_id:
        yield Donation.campaign_id.in_(select(Campaign.id).where(Campaign.charity_id == filters.charity_id))
    if filters.campaign_id:
        yield Donation.campaign_id == filters.campaign_id
    if filters.fund_id:
        of_fund = (DonationMatch.donation_id == Donation.id, DonationMatch.fund_id == filters.fund_id)
        yield exists().where(*of_fund, DonationMatch.matched_cents + DonationMatch.held_cents > 0)
    if filters.method:
        yield METHODS[filters.method]
    if filters.match:
        yield _is_matched(filters.match)
    if filters.tribute:
        yield Donation.tribute_kind.is_not(None)
        if filters.tribute is not TributeFilter.ANY:
            yield Donation.tribute_kind == filters.tribute.value
    if filters.tribute_name:
        in_tribute = search_words.is_in_tribute(filters.tribute_name)
        yield false() if in_tribute is None else in_tribute
    if filters.q:
        found = search_terms.is_found(filters.q, filters.language)
        yield false() if found is None else found


def _is_in_state(state: Status) -> ColumnElement[bool]:
    """What payments/status.py says of one gift, for queries. Gifts of which money went back are few, and found by their entries."""
    d, opened, disputed = Donation, aliased(Donation), disputes.payments_in_dispute()
    reversed_ids = select(LedgerEntry.donation_id).where(LedgerEntry.kind.in_(REVERSAL_MOVES))
    # As an array: the planner would read all gifts instead, as it does not know how few have one.
    is_returned = and_(
        d.id == any_(func.array(reversed_ids.scalar_subquery())), or_(d.payment_intent.is_(None), d.payment_intent.not_in(disputed))
    )
    is_paid = and_(d.net_cents == d.amount_cents, or_(d.payment_intent.is_(None), d.payment_intent.not_in(disputed)))
    is_quarantined = and_(d.quarantined_at.is_not(None), func.coalesce(d.ended_as, "") != REFUNDED)
    is_under_way = or_(d.is_debit, d.unverified_at.is_not(None))
    is_open = d.id == any_(
        func.array(
            select(opened.id)
            .where(opened.received_at.is_(None), opened.ended_at.is_(None), opened.quarantined_at.is_(None))
            .scalar_subquery()
        )
    )
    conditions = {
        Status.PAID: is_paid,
        Status.DISPUTED: d.payment_intent.in_(disputed),
        Status.REFUNDED: and_(is_returned, d.net_cents == 0),
        Status.PARTIALLY_REFUNDED: and_(is_returned, d.net_cents > 0, d.net_cents < d.amount_cents),
        Status.QUARANTINED: is_quarantined,
        Status.EXPIRED: and_(d.quarantined_at.is_(None), d.ended_as == "expired"),
        Status.FAILED: and_(d.quarantined_at.is_(None), d.ended_as.is_not(None), d.ended_as != "expired"),
        Status.PROCESSING: and_(is_open, is_under_way),
        Status.PENDING: and_(is_open, ~is_under_way),
    }
    return conditions[state]


def _is_matched(level: MatchLevel) -> ColumnElement[bool]:
    m = DonationMatch
    matched = exists().where(m.donation_id == Donation.id, m.matched_cents > 0)
    # The largest gift that the matches are the whole match of, each by the ratio of its fund, rounded down to a cent (rules/allocation.py).
    covered = select(func.sum(func.div((m.matched_cents + 1) * Fund.ratio_denominator - 1, Fund.ratio_numerator)))
    covered = covered.select_from(m).join(Fund, Fund.id == m.fund_id).where(m.donation_id == Donation.id, m.matched_cents > 0)
    # No later gift is matched: without this bound, the newest gifts would be asked one by one, after a match that ended long ago.
    last_id = select(func.max(m.donation_id)).where(m.matched_cents > 0).scalar_subquery()
    is_covered = func.coalesce(covered.scalar_subquery(), 0) >= Donation.net_cents
    match level:
        case MatchLevel.NONE:
            return ~matched
        case MatchLevel.FULL:
            return and_(Donation.id <= last_id, matched, is_covered)
        case MatchLevel.PARTIAL:
            return and_(Donation.id <= last_id, matched, ~is_covered)
        case MatchLevel.WAITING:
            return Donation.id.in_(select(QueuedDonation.donation_id).where(QueuedDonation.capped_donor_id.is_(None)))
