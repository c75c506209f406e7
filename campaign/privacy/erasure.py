"""Erasing a person: what would be erased, what stays, why and until when, and what prevents it; then the same, done.

Tax law wants names and addresses of gifts that were received, and their receipts (rules/retention.py). All else about the person is erased. The ledger
and its hash chains name nobody and are not changed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import and_, func, or_, select, update

from campaign.donations import donor_merges
from campaign.donations.declarations import ReceiptDeclaration
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.rematching import lock_match_session
from campaign.outbox import leases
from campaign.outbox.messages import OutboxMessage
from campaign.payments import disputes, reversals
from campaign.payments.quarantine import QuarantinedPayment
from campaign.payments.refunds import RefundRequest
from campaign.privacy import people
from campaign.privacy.erased_columns import Erased, Person, erasures_of
from campaign.receipts import awaited
from campaign.receipts.information_returns import InformationReturn
from campaign.receipts.receipts import ReceiptLine
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.rules import retention
from campaign.stripe_sync.balance_transactions import BalanceTransaction


class Prevents(StrEnum):
    """Why a person cannot be erased yet: something is still to be paid, decided, receipted, reported or mailed."""

    OPEN_PAYMENT = "open_payment"
    MONTHLY_GIFT = "monthly_gift"
    QUARANTINE = "quarantine"
    REFUND = "refund"
    DISPUTE = "dispute"
    RECEIPT = "receipt"
    RETURN = "return"
    EMAIL = "email"


class Stays(StrEnum):
    """What is not erased."""

    GIFTS = "gifts"
    RECEIPTS = "receipts"
    DECLARATIONS = "declarations"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an erasure would do: how many rows of each kind it erases, how many of each stay until which day, and the gifts that prevent it, by why."""

    erased: Mapping[Erased, int]
    stays: Mapping[Stays, int]
    until: date | None
    prevented: Mapping[Prevents, Sequence[Donation]]

    @property
    def is_possible(self) -> bool:
        """Whether the person can be erased now."""
        return not self.prevented

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to erase."""
        return not any(self.erased.values())


def preview(donor_id: int) -> Preview:
    """What erasing this person would do now."""
    person, donations = get_person(donor_id)
    return Preview(erased=_counts(person), stays=_stays(person), until=books_until(donations), prevented=_prevented(donations))


def get_person(donor_id: int) -> tuple[Person, list[Donation]]:
    """Whose data is meant by this donor, and their donations."""
    ids = people.donor_ids_of(donor_id)
    donations = people.donations_of_person(ids)
    donation_ids = [donation.id for donation in donations]
    own_gifts = or_(RecurringGift.donation_id.in_(donation_ids), RecurringGift.id.in_([d.recurring_gift_id for d in donations]))
    gifts = db.session.scalars(select(RecurringGift).where(own_gifts).order_by(RecurringGift.id)).all()
    payments = [donation.payment_intent for donation in donations if donation.payment_intent]
    charges = db.session.scalars(select(BalanceTransaction.source).where(BalanceTransaction.payment_intent.in_(payments)))
    numbers = [value for d in donations for value in (d.public_id, d.payment_intent, d.checkout_id, d.attempt.removeprefix("invoice:"))]
    of_gifts = [value for gift in gifts for value in (gift.subscription, gift.customer)]
    person = Person(
        donor_ids=ids,
        donation_ids=donation_ids,
        gift_ids=[gift.id for gift in gifts],
        emails=people.get_person(donor_id).emails,
        stripe_ids=sorted({value for value in (*numbers, *of_gifts, *charges) if value}),
    )
    return person, donations


def _counts(person: Person) -> dict[Erased, int]:
    counts: Counter[Erased] = Counter()
    for erasure in erasures_of(person):
        counts[erasure.what] += db.session.scalar(select(func.count()).select_from(erasure.table).where(erasure.rows)) or 0
    return {what: counts[what] for what in Erased if counts[what]}


def _stays(person: Person) -> dict[Stays, int]:
    received = and_(Donation.id.in_(person.donation_ids), or_(Donation.received_at.is_not(None), Donation.quarantined_at.is_not(None)))
    counts = {
        Stays.GIFTS: select(func.count()).select_from(Donation).where(received),
        Stays.RECEIPTS: select(func.count(ReceiptLine.receipt_id.distinct())).where(ReceiptLine.donation_id.in_(person.donation_ids)),
        Stays.DECLARATIONS: select(func.count()).where(ReceiptDeclaration.donation_id.in_(person.donation_ids)),
    }
    found = {what: db.session.scalar(query) or 0 for what, query in counts.items()}
    return {what: count for what, count in found.items() if count}


def books_until(donations: Sequence[Donation]) -> date | None:
    """The last day on which tax law wants the books about these donations; None when none of them was received."""
    days = [
        retention.books_until(charity.local(at).date(), charity.fiscal_year_end)
        for donation in donations
        if (at := donation.received_at or donation.quarantined_at) and (charity := donation.campaign.charity)
    ]
    return max(days, default=None)


def _prevented(donations: Sequence[Donation]) -> dict[Prevents, Sequence[Donation]]:
    by_id = {donation.id: donation for donation in donations}
    ids, payments = list(by_id), [donation.payment_intent for donation in donations if donation.payment_intent]
    received = [donation for donation in donations if donation.received_at]
    disputed = disputes.disputed_among(payments)
    running = select(RecurringGift.donation_id).where(RecurringGift.donation_id.in_(ids), RecurringGift.ended_at.is_(None))
    undecided = select(QuarantinedPayment.donation_id).where(QuarantinedPayment.decision.is_(None))
    refunds = select(RefundRequest.donation_id).where(RefundRequest.ended_at.is_(None))
    returns = select(InformationReturn.donation_id).where(InformationReturn.closed_at.is_(None))
    mails = select(OutboxMessage.donation_id).where(OutboxMessage.donation_id.in_(ids), leases.is_pending(OutboxMessage))
    found = {
        Prevents.OPEN_PAYMENT: [donation for donation in donations if donation.is_open],
        Prevents.MONTHLY_GIFT: [by_id[number] for number in db.session.scalars(running)],
        Prevents.QUARANTINE: _those_of(by_id, undecided.where(QuarantinedPayment.donation_id.in_(ids))),
        Prevents.REFUND: _those_of(by_id, refunds.where(RefundRequest.donation_id.in_(ids))),
        Prevents.DISPUTE: [donation for donation in received if donation.payment_intent in disputed],
        Prevents.RECEIPT: [d for d in received if reversals.retained_cents(d) > 0 and awaited.is_due(d)],
        Prevents.RETURN: _those_of(by_id, returns.where(InformationReturn.donation_id.in_(ids))),
        Prevents.EMAIL: _those_of(by_id, mails.distinct()),
    }
    return {why: gifts for why, gifts in found.items() if gifts}


def _those_of(by_id: Mapping[int, Donation], query: object) -> list[Donation]:
    return [by_id[number] for number in db.session.scalars(query)]  # type: ignore[call-overload]  # a query of nullable ids, all of which are known


def erase(donor_id: int) -> Preview:
    """Erase the person, unless something prevents it; returns what was erased and stays. The caller commits.

    Campaigns, donations and donors are locked, in the order of all transactions, so that no payment or receipt comes in between.
    """
    ids = people.donor_ids_of(donor_id)
    campaigns = select(Donation.campaign_id).where(Donation.donor_id.in_(ids)).distinct()
    lock_match_session(sorted(db.session.scalars(campaigns)))
    for number in sorted(ids):
        donor_merges.lock_donations_of(number)
    donor_merges.lock_donors(*ids)
    person, donations = get_person(donor_id)
    stays, until, prevented = _stays(person), books_until(donations), _prevented(donations)
    if prevented:
        return Preview(erased={}, stays=stays, until=until, prevented=prevented)
    return Preview(erased=erase_columns(person), stays=stays, until=until, prevented={})


def erase_columns(person: Person) -> dict[Erased, int]:
    """Erase what is to be erased of the person; returns how many rows of each kind had any."""
    counts: Counter[Erased] = Counter()
    for erasure in erasures_of(person):
        rows = update(erasure.table).where(erasure.rows).values(erasure.values)
        counts[erasure.what] += db.session.execute(rows, execution_options={"synchronize_session": False}).rowcount  # type: ignore[attr-defined]  # of an UPDATE
    db.session.expire_all()
    return {what: counts[what] for what in Erased if counts[what]}
