"""What the service has of one donor, for the page of staff: sums of their gifts by year, gifts, receipts, emails, names and addresses, consents.

Each reader asks a number of queries that does not depend on the number of gifts. `donor_ids` are those of one person (donor_merges.ids_of_person):
gifts that came in while the two were merged may still be under the merged one for some seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import contains_eager

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.donations import RECEIPT_FIELDS, Donation, donations_by_id
from campaign.donations.wall_entries import WallEntry
from campaign.edges.db import db
from campaign.matching.holds import DonationMatch
from campaign.outbox.deliveries import FrozenEmail
from campaign.outbox.messages import OutboxMessage
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.reporting import keyset_pages
from campaign.reporting.keyset_pages import KeysetPage, Position

PAGE_SIZE = 20
CONTACTS_SHOWN = 20
CONSENTS_SHOWN = 20
WORDS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class YearSums:
    """The gifts that a charity received in a year of its zone, in cents: before and after what was returned, and what funds matched.

    `covered_fee_cents` is beside the gifts, as it was paid.
    """

    charity_id: int
    year: int
    gifts: int
    gross_cents: int
    covered_fee_cents: int
    net_cents: int
    matched_cents: int

    @property
    def returned_cents(self) -> int:
        """What was returned of the gifts."""
        return self.gross_cents - self.net_cents


@dataclass(frozen=True, kw_only=True)
class NameAndAddress:
    """A name and address that gifts have, how many, the first and the last moment of them, and the latest of them."""

    latest: Donation
    gifts: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class Consent:
    """That the donor agreed to news at this moment, with a gift; later months of a monthly gift repeat the consent of the first."""

    at: datetime
    donation: Donation


def sums_by_year(donor_ids: Sequence[int]) -> list[YearSums]:
    """The sums of each charity and year with a received gift, the latest first."""
    d, year = Donation, func.extract("year", func.timezone(Charity.time_zone, Donation.received_at))
    of_donor = (d.donor_id.in_(donor_ids), d.received_at.is_not(None))
    matched = select(func.sum(DonationMatch.matched_cents)).where(DonationMatch.donation_id == d.id).correlate(d).scalar_subquery()
    sums = [func.coalesce(func.sum(column), 0) for column in (d.amount_cents, d.covered_fee_cents, d.net_cents, matched)]
    by_charity = select(Charity.id, year, func.count(), *sums).join(Campaign, Campaign.id == d.campaign_id).join(Charity)
    rows = db.session.execute(by_charity.where(*of_donor).group_by(Charity.id, year).order_by(year.desc(), Charity.id))
    return [
        YearSums(
            charity_id=charity_id,
            year=int(of),
            gifts=count,
            gross_cents=int(gross),
            covered_fee_cents=int(fees),
            net_cents=int(net),
            matched_cents=int(match),
        )
        for charity_id, of, count, gross, fees, net, match in rows
    ]


def gifts_page(donor_ids: Sequence[int], at: Position) -> KeysetPage[Donation]:
    """The donor's gifts, paid or not, the latest begun first."""
    query = select(Donation).where(Donation.donor_id.in_(donor_ids))
    return keyset_pages.page_of(query, Donation.id, lambda gift: gift.id, at, size=PAGE_SIZE)


def receipts_page(donor_ids: Sequence[int], at: Position) -> KeysetPage[Receipt]:
    """The receipts of the donor's gifts, the latest first."""
    lines = select(ReceiptLine.receipt_id).join(Donation, Donation.id == ReceiptLine.donation_id).where(Donation.donor_id.in_(donor_ids))
    return keyset_pages.page_of(select(Receipt).where(Receipt.id.in_(lines)), Receipt.id, lambda one: one.id, at, size=PAGE_SIZE)


def mails_page(donor_ids: Sequence[int], at: Position) -> KeysetPage[OutboxMessage]:
    """The emails about the donor's gifts, the latest first."""
    own = select(Donation.id).where(Donation.donor_id.in_(donor_ids))
    query = select(OutboxMessage).where(OutboxMessage.donation_id.in_(own))
    return keyset_pages.page_of(query, OutboxMessage.id, lambda message: message.id, at, size=PAGE_SIZE)


def subjects_of(outbox_ids: Sequence[int]) -> dict[int, str]:
    """The subjects of these emails, as far as they are composed."""
    return dict(iter(db.session.execute(select(FrozenEmail.outbox_id, FrozenEmail.subject).where(FrozenEmail.outbox_id.in_(outbox_ids)))))


def valid_serials(donation_ids: Sequence[int]) -> dict[int, str]:
    """The serial number of the valid receipt of each of these donations that has one."""
    valid = (
        select(Receipt.serial, ReceiptLine.donation_id).join(Receipt, Receipt.id == ReceiptLine.receipt_id).where(ReceiptLine.is_current)
    )
    rows = db.session.execute(valid.where(ReceiptLine.donation_id.in_(donation_ids)))
    return {donation_id: serial for serial, donation_id in rows if donation_id}


def names_and_addresses(donor_ids: Sequence[int]) -> list[NameAndAddress]:
    """The names and addresses that the donor's gifts have, the latest first; those of unpaid ones only while nothing was paid."""
    d = Donation
    is_received = d.received_at.is_not(None)
    has_paid = db.session.scalar(select(exists().where(d.donor_id.in_(donor_ids), is_received)))
    moment = func.coalesce(d.received_at, d.started_at)
    last = func.max(d.id)
    grouped = select(last, func.count(), func.min(moment), func.max(moment)).where(d.donor_id.in_(donor_ids))
    grouped = grouped.where(is_received) if has_paid else grouped
    rows = db.session.execute(
        grouped.group_by(*(getattr(d, field) for field in RECEIPT_FIELDS)).order_by(last.desc()).limit(CONTACTS_SHOWN)
    ).all()
    latest = donations_by_id([row[0] for row in rows])
    return [NameAndAddress(latest=latest[of], gifts=count, first_at=first, last_at=at) for of, count, first, at in rows]


def emails_of_gifts(donor_ids: Sequence[int]) -> list[str]:
    """The email addresses that the donor's gifts have."""
    own = select(Donation.email).distinct().where(Donation.donor_id.in_(donor_ids), Donation.email != "")
    return list(db.session.scalars(own.order_by(Donation.email).limit(CONTACTS_SHOWN)))


def monthly_gifts(donor_ids: Sequence[int]) -> list[RecurringGift]:
    """The donor's monthly gifts with their first months, those that go on first."""
    gifts = select(RecurringGift).join(Donation, Donation.id == RecurringGift.donation_id).where(Donation.donor_id.in_(donor_ids))
    latest = gifts.order_by(RecurringGift.ended_at.is_not(None), RecurringGift.id.desc()).limit(CONTACTS_SHOWN)
    return list(db.session.scalars(latest.options(contains_eager(RecurringGift.donation))))


def consents(donor_ids: Sequence[int]) -> list[Consent]:
    """The donor's consents to news, each once, the latest first."""
    d = Donation
    first = select(func.min(d.id)).where(d.donor_id.in_(donor_ids), d.news_consent_at.is_not(None)).group_by(d.news_consent_at)
    found = db.session.scalars(select(d).where(d.id.in_(first)).order_by(d.news_consent_at.desc()).limit(CONSENTS_SHOWN))
    return [Consent(at=gift.news_consent_at, donation=gift) for gift in found if gift.news_consent_at]


def gifts_with_words(donor_ids: Sequence[int]) -> list[Donation]:
    """The latest gifts in honour or memory of somebody, with a message, or that everybody may see."""
    d = Donation
    is_on_wall = exists().where(WallEntry.donation_id == d.id, WallEntry.withdrawn_at.is_(None))
    own = select(d).where(d.donor_id.in_(donor_ids), or_(d.tribute_kind.is_not(None), d.message != "", is_on_wall))
    return list(db.session.scalars(own.order_by(d.id.desc()).limit(WORDS_SHOWN)))
