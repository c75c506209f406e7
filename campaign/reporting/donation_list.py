"""The list of donations for staff: what its filters find, newest first, in pages, with sums, and whole for exports.

A page continues after the moment and id of a row, so that it costs the same wherever it is in the list, and gifts that arrive meanwhile move
nothing.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, cast, func, select, text, tuple_
from sqlalchemy.exc import OperationalError

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.donations.donations import Donation
from campaign.donations.news_withdrawals import first_withdrawals
from campaign.edges.db import db
from campaign.matching.funds import Fund
from campaign.matching.holds import NO_MATCH, DonationMatch, DonationMatchSums, matches_of
from campaign.matching.rematching import QueuedDonation
from campaign.outbox.deliveries import DeliveryAttempt, DeliveryOutcome
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.payments import offline_gifts
from campaign.payments.status import ShownState, shown_states_of
from campaign.receipts.posted_receipts import PostedReceipt
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.reporting.donation_filters import DonationFilters, MatchLevel, Method, conditions_of, method_of
from campaign.rules.allocation import Ratio

PAGE_SIZE = 50
ROWS_AT_ONCE = 500
# What is more, or takes longer to find, is added up when a member asks for it: that takes seconds.
SUMMED_AT_ONCE = 5_000
QUERY_CANCELED = "57014"  # as PostgreSQL names it
SUMMED_WITHIN = text("SET LOCAL statement_timeout = '50ms'")
# Until the end of the transaction, plans of streamed queries are those that give their first rows soonest.
FIRST_ROWS_AT_ONCE = text("SET LOCAL cursor_tuple_fraction = 0.0001")

# What thanks a donor, with a receipt or without.
THANKS = (MessageKind.RECEIPT, MessageKind.ACKNOWLEDGEMENT)

Position = tuple[datetime, int]


@dataclass(frozen=True, kw_only=True)
class ListedDonation:
    """A row of the list; `at` is the moment by which it is ordered, `level` how much of the gift is matched.

    In the whole list alone, `serial` is of the valid receipt, `thanked_at` is when the thanks were sent or posted, and `news_withdrawn_at` the
    moment from which its consent to news is withdrawn.
    """

    donation: Donation
    at: datetime
    state: ShownState
    match: DonationMatchSums
    level: MatchLevel
    waits: bool
    method: Method
    serial: str = ""
    thanked_at: datetime | None = None
    news_withdrawn_at: datetime | None = None

    @property
    def position(self) -> Position:
        """Where the row is in the list."""
        return self.at, self.donation.id


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """Rows, newest first, and whether there are newer and older ones."""

    rows: list[ListedDonation]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, kw_only=True)
class ListSums:
    """Sums in cents: `gross_cents` is before refunds, None where only a campaign’s totals are read; `net_cents` is after them."""

    count: int
    gross_cents: int | None
    covered_fee_cents: int
    net_cents: int
    matched_cents: int


def campaigns_and_funds() -> tuple[list[Campaign], list[Fund]]:
    """All campaigns, and all funds that may have matched something, to choose from."""
    funds = select(Fund).where(Fund.activated_at.is_not(None)).order_by(Fund.campaign_id, Fund.position)
    return list(db.session.scalars(select(Campaign).order_by(Campaign.id))), list(db.session.scalars(funds))


def list_page(filters: DonationFilters, zone: ZoneInfo, *, before: Position | None = None, after: Position | None = None) -> ListPage:
    """The newest rows, or those that are older than a position (`before` it), or those that are newer (`after` it)."""
    moment = filters.moment
    query, key = select(Donation).where(*conditions_of(filters, zone)).limit(PAGE_SIZE + 1), tuple_(moment, Donation.id)
    if after:
        query = query.where(key > tuple_(*after)).order_by(moment, Donation.id)
    else:
        query = (query.where(key < tuple_(*before)) if before else query).order_by(moment.desc(), Donation.id.desc())
    found = list(db.session.scalars(query))
    has_more, shown = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    rows = list(_listed(list(reversed(shown)) if after else shown, filters))
    return ListPage(rows=rows, has_newer=has_more if after else before is not None, has_older=bool(after) or has_more)


def whole_list(filters: DonationFilters, zone: ZoneInfo) -> Iterator[ListedDonation]:
    """Yield every row, newest first, streamed from the database in one snapshot."""
    db.session.execute(FIRST_ROWS_AT_ONCE)
    query = select(Donation).where(*conditions_of(filters, zone)).order_by(filters.moment.desc(), Donation.id.desc())
    for rows in db.session.scalars(query, execution_options={"yield_per": ROWS_AT_ONCE}).partitions():
        ids = [row.id for row in rows]
        serials, thanked, withdrawals = _serials(ids), _thanked(ids), first_withdrawals(rows)
        for listed in _listed(rows, filters):
            donation_id = listed.donation.id
            withdrawn = withdrawals.get(donation_id)
            yield replace(
                listed,
                serial=serials.get(donation_id, ""),
                thanked_at=thanked.get(donation_id),
                news_withdrawn_at=withdrawn.at if withdrawn else None,
            )


def _thanked(donation_ids: Sequence[int]) -> dict[int, datetime]:
    """When the email with the thanks was first accepted by a mail server, or the receipt that they come with was posted."""
    message, attempt, line, posted = OutboxMessage, DeliveryAttempt, ReceiptLine, PostedReceipt
    mailed = (
        select(message.donation_id, func.min(attempt.ended_at))
        .join(attempt, attempt.outbox_id == message.id)
        .where(message.donation_id.in_(donation_ids), message.kind.in_(THANKS), attempt.outcome == DeliveryOutcome.ACCEPTED)
        .group_by(message.donation_id)
    )
    by_post = (
        select(line.donation_id, func.min(posted.posted_at))
        .join(posted, posted.receipt_id == line.receipt_id)
        .where(line.donation_id.in_(donation_ids))
        .group_by(line.donation_id)
    )
    found: dict[int, datetime] = {}
    for donation_id, at in [*db.session.execute(mailed), *db.session.execute(by_post)]:
        found[donation_id] = min(at, found.get(donation_id, at))
    return found


def _serials(donation_ids: Sequence[int]) -> dict[int, str]:
    line = ReceiptLine
    valid = select(line.donation_id, Receipt.serial).join(Receipt, Receipt.id == line.receipt_id).where(line.is_current)
    return {
        donation_id: serial for donation_id, serial in db.session.execute(valid.where(line.donation_id.in_(donation_ids))) if donation_id
    }


def _listed(donations: Sequence[Donation], filters: DonationFilters) -> Iterator[ListedDonation]:
    ids = [donation.id for donation in donations]
    matches, waiting, states, ratios = matches_of(ids), _waiting_among(ids), shown_states_of(donations), _ratios()
    offline = offline_gifts.methods_of(ids)
    for donation in donations:
        at, match = donation.started_at if filters.is_of_unpaid else donation.received_at, matches.get(donation.id, NO_MATCH)
        assert at is not None
        level = _level(match, donation.net_cents, ratios)
        yield ListedDonation(
            donation=donation,
            at=at,
            state=states[donation.id],
            match=match,
            level=level,
            waits=donation.id in waiting,
            method=method_of(donation, offline.get(donation.id)),
        )


def _waiting_among(donation_ids: Collection[int]) -> set[int]:
    waiting = select(QueuedDonation.donation_id).where(QueuedDonation.donation_id.in_(donation_ids))
    return set(db.session.scalars(waiting.where(QueuedDonation.capped_donor_id.is_(None))))


def _ratios() -> dict[int, Ratio]:
    rows = db.session.execute(select(Fund.id, Fund.ratio_numerator, Fund.ratio_denominator))
    return {fund_id: Ratio(numerator=numerator, denominator=denominator) for fund_id, numerator, denominator in rows}


def _level(match: DonationMatchSums, net_cents: int, ratios: dict[int, Ratio]) -> MatchLevel:
    """As `donation_filters` has it in SQL."""
    if not match.matched_cents:
        return MatchLevel.NONE
    covered = sum(ratios[part.fund_id].donation_required_for(part.cents + 1) - 1 for part in match.matched)
    return MatchLevel.FULL if covered >= net_cents else MatchLevel.PARTIAL


def sums_of(filters: DonationFilters, zone: ZoneInfo) -> ListSums | None:
    """The sums of the whole list, from totals if it is that of a campaign; None when adding them up would keep the page waiting."""
    if filters.is_of_campaign:
        return _totals(filters.campaign_id)
    try:
        with db.session.begin_nested() as part:
            db.session.execute(SUMMED_WITHIN)
            sums = _sums(filters, zone, limit=SUMMED_AT_ONCE + 1)
            part.rollback()  # With the timeout.
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", "") == QUERY_CANCELED:
            return None
        raise
    return sums if sums.count <= SUMMED_AT_ONCE else None


def whole_sums_of(filters: DonationFilters, zone: ZoneInfo) -> ListSums:
    """The sums of the whole list, added up however long it takes."""
    return _sums(filters, zone, limit=None)


def _sums(filters: DonationFilters, zone: ZoneInfo, *, limit: int | None) -> ListSums:
    d = Donation
    listed = select(d.id, d.amount_cents, d.covered_fee_cents, d.net_cents).where(*conditions_of(filters, zone)).limit(limit)
    rows = listed.cte("listed").prefix_with("MATERIALIZED", dialect="postgresql")
    matched = select(func.sum(DonationMatch.matched_cents)).join(rows, rows.c.id == DonationMatch.donation_id).scalar_subquery()
    sums = (rows.c.amount_cents, rows.c.covered_fee_cents, rows.c.net_cents)
    count, *totals = db.session.execute(select(func.count(), *map(func.sum, sums), matched).select_from(rows)).one()
    gross, covered_fees, net, matched_cents = (int(total or 0) for total in totals)
    return ListSums(count=count, gross_cents=gross, covered_fee_cents=covered_fees, net_cents=net, matched_cents=matched_cents)


def _totals(campaign_id: int) -> ListSums:
    """Of a campaign, or of all when it is 0, from the rows that triggers move."""
    t = CampaignTotals
    sums = select(*(func.coalesce(func.sum(column), 0) for column in (t.donations, t.covered_fee_cents, t.donated_cents)))
    matched = select(cast(func.coalesce(func.sum(Fund.matched_cents), 0), BigInteger))
    if campaign_id:
        sums, matched = sums.where(t.campaign_id == campaign_id), matched.where(Fund.campaign_id == campaign_id)
    count, covered_fees, donated = map(int, db.session.execute(sums).one())
    matched_cents = db.session.scalars(matched).one()
    return ListSums(count=count, gross_cents=None, covered_fee_cents=covered_fees, net_cents=donated, matched_cents=matched_cents)
