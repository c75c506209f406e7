"""Factories: valid objects in one call, with every deviation named."""

import itertools
import struct
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import func, select, text

from campaign.campaigns import campaigns
from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.campaigns.signing_keys import make_signing_key
from campaign.donations import donors
from campaign.donations.donations import Donation, DonationDetails
from campaign.edges.db import db
from campaign.edges.links import Links
from campaign.edges.stripe.balance import StripeBalanceTransaction
from campaign.edges.stripe.reversals import ReversalKind
from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.ledger.entries import LedgerEntry
from campaign.matching import effects, fund_lifecycle, pledge_actions
from campaign.matching.effects import Effects
from campaign.matching.funds import Fund
from campaign.matching.rematching import RematchingSession, lock_match_session
from campaign.payments import checkouts, reversals, settlement, snapshot_numbers
from campaign.payments.checkouts import CheckoutContext
from campaign.payments.quarantine import SucceededPayment
from campaign.payments.reversals import ReversalSnapshot
from campaign.receipts import charity_confirmations, confirmation_actions, lifecycle, printed_pictures
from campaign.receipts.contents import IssueContext
from campaign.receipts.printed_pictures import Signature
from campaign.receipts.receipts import Receipt
from campaign.rules.payment_moments import moments_of_charge
from campaign.staff import members
from campaign.stripe_sync import balance_transactions
from tests.patience import PATIENCE_SECONDS

_count = itertools.count(1)

T = TypeVar("T")
Decision = Callable[[RematchingSession], Effects]

NAME = ("Sanâa Œuvré", "D'Arcy-Lévesque")
TORONTO = ZoneInfo("America/Toronto")
DECLARED = "The money is the organization’s."


def today(charity: Charity | None = None) -> date:
    """The day in the zone of the charity, by default the first one, which is not always that in UTC."""
    return charity.local(datetime.now(UTC)).date() if charity else datetime.now(TORONTO).date()


def donation_details(cents: int = 100_00, **changed: Any) -> DonationDetails:
    details = DonationDetails(
        language="en",
        frequency="once",
        amount_cents=cents,
        covered_fee_cents=0,
        first_name=NAME[0],
        last_name=NAME[1],
        organization="",
        email=f"donor{next(_count)}@example.org",
        address_line1="123, rue de l’Église",
        address_line2="",
        city="Montréal",
        province="QC",
        postal_code="H2X 1Y4",
        country="CA",
        public_name="",
        anonymous=False,
        tribute_kind=None,
        tribute_name="",
        message="",
        news_consent=False,
    )
    return replace(details, **changed)


def start_donation(
    campaign: Campaign, cents: int = 100_00, *, expected: int | None = 0, attempt: str | None = None, client_key: str = "", **changed: Any
) -> Donation:
    """A donation that is begun. One under the name of an organization is declared to be of its money, unless it is not `is_declared`."""
    is_declared = changed.pop("is_declared", True) and not changed.get("in_own_name")
    words = DECLARED if is_declared and changed.get("organization") else ""
    named = {"attempt": attempt} if attempt else {}
    context = checkout_context(expected_match_cents=expected, client_key=client_key, declaration=words, **named)
    return checkouts.start_checkout(campaign, donation_details(cents, **changed), context)


def checkout_context(**changed: Any) -> CheckoutContext:
    """The context of a new attempt whose donor was promised no match."""
    context = CheckoutContext(
        attempt=f"attempt-{next(_count)}-{time.time_ns()}", expected_match_cents=0, livemode=False, now=datetime.now(UTC), client_key=""
    )
    return replace(context, **changed)


def payment_of(donation: Donation, *, at: datetime | None = None, **changed: Any) -> SucceededPayment:
    """A payment by card of the donation, made and received `at` that moment."""
    moment = at or datetime.now(UTC)
    payment = SucceededPayment(
        payment_intent=f"pi_{donation.public_id}",
        amount_cents=donation.charged_cents,
        currency="CAD",
        livemode=False,
        moments=moments_of_charge(moment),
    )
    return replace(payment, **changed)


def payment_decision(donation: Donation, **changed: Any) -> Decision:
    payment = payment_of(donation, **changed)
    return lambda session: settlement.record_payment(donation, payment, session, cause=f"test-{next(_count)}")


def pay(donation: Donation, **changed: Any) -> str:
    return effects.decide_and_apply(donation, payment_decision(donation, **changed))


def balance_transaction_of(donation: Donation, **changed: Any) -> StripeBalanceTransaction:
    """Stripe's balance transaction of the donation's charge, without a fee unless `fee_cents` is passed."""
    cents = changed.pop("cents", donation.charged_cents)
    fee = changed.pop("fee_cents", 0)
    transaction = StripeBalanceTransaction(
        stripe_id=f"txn_{next(_count)}_{donation.public_id}",
        type="charge",
        category="charge",
        source=f"ch_{donation.public_id}",
        payment_intent=f"pi_{donation.public_id}",
        customer=None,
        cents=cents,
        fee_cents=fee,
        net_cents=cents - fee,
        currency="CAD",
        created_at=datetime.now(UTC),
    )
    return replace(transaction, **changed)


def post_stripe_fee(donation: Donation, fee_cents: int, **changed: Any) -> int:
    """Store the charge's balance transaction with this fee and post it. Returns the number of fees posted."""
    balance_transactions.store_transactions([balance_transaction_of(donation, fee_cents=fee_cents, **changed)])
    return balance_transactions.post_fees(limit=10)


def end(donation: Donation, ended_as: str) -> str:
    return effects.decide_and_apply(
        donation, lambda session: settlement.record_end(donation, session, ended_as=ended_as, cause=f"test-{next(_count)}")
    )


def reversal_decision(
    donation: Donation,
    cents: int,
    *,
    kind: str = "refund",
    name: str | None = None,
    status: str = "",
    snapshot_number: int | None = None,
    returned_at: datetime | None = None,
    cause: str | None = None,
) -> Decision:
    """A snapshot of a refund or dispute as Stripe reports it; pass the `name` of an earlier one to update it."""
    snapshot = ReversalSnapshot(
        stripe_id=name or f"{kind}_{next(_count)}",
        kind=ReversalKind(kind),
        payment_intent=donation.payment_intent or f"pi_{donation.public_id}",
        cents=cents,
        status=status or {"refund": "succeeded", "dispute": "lost"}[kind],
        snapshot_number=snapshot_number or snapshot_numbers.take_snapshot_number(),
        returned_at=returned_at,
    )
    return lambda session: reversals.record(snapshot, donation, session, cause=cause or f"test-{next(_count)}")


def create_refund(donation: Donation, cents: int, **changed: Any) -> str:
    return effects.decide_and_apply(donation, reversal_decision(donation, cents, **changed))


def decide_together(*decisions: tuple[Donation, Decision]) -> None:
    """Make all decisions in one match session and apply them in one transaction, as for a batch of events."""
    donations = [donation for donation, _ in decisions]
    session = lock_match_session(list({d.campaign_id for d in donations}), list({d.id for d in donations}))
    effects.apply_effects(session, [decide(session) for _, decide in decisions])
    db.session.commit()
    db.session.expire_all()


def paid(campaign: Campaign, cents: int = 100_00, **changed: Any) -> Donation:
    donation = start_donation(campaign, cents, **changed)
    pay(donation)
    db.session.commit()
    return donation


def issue_receipt(donation: Donation, *, now: datetime | None = None) -> Receipt | None:
    """Bring the donation's receipt up to date with the books and return it."""
    return lifecycle.bring_up_to_date(donation, IssueContext(now=now or datetime.now(UTC), links=Links("http://127.0.0.1:8000"))).receipt


REAL_DETAILS: dict[str, Any] = {
    "legal_name": "Nerve Research Foundation",
    "name_en": "Nerve Research Foundation",
    "name_fr": "Fondation de recherche sur les nerfs",
    "address": ["1 Real Street", "Ottawa ON  K1P 1A1"],
    "registration_number": "123456782RR0001",
    "place_of_issue": "Ottawa",
    "signatory_name": "Anne Roy",
    "signatory_title_en": "Treasurer",
    "signatory_title_fr": "Trésorière",
    "email": "info@nerve-research.ca",
    "website": "https://nerve-research.ca",
    "privacy_officer": "privacy@nerve-research.ca",
}


def another_charity(**changed: Any) -> Charity:
    """A second charity, whose details look real except for those that are passed."""
    names = {"legal_name": "Second Charity", "name_en": "Second Charity", "name_fr": "Deuxième organisme"}
    details = {**REAL_DETAILS, **names, "registration_number": "987654324RR0001", "time_zone": "America/Vancouver", **changed}
    charity = Charity(**details)
    db.session.add(charity)
    db.session.flush()
    make_signing_key(charity)
    return charity


def set_real_details(**changed: Any) -> Charity:
    """Give the first charity, or the one passed as `charity`, details that look real, signature included, except for those that are passed. Commits."""
    charity: Charity = changed.pop("charity", None) or db.session.query(Charity).order_by(Charity.id).limit(1).one()
    for name, value in {**REAL_DETAILS, "signature": printed_pictures.store(Signature, png_picture()), **changed}.items():
        setattr(charity, name, value)
    db.session.commit()
    return charity


def confirm_charity(**changed: Any) -> Charity:
    """Give the charity details that look real, except for those that are passed, and confirm them."""
    charity = set_real_details(**changed)
    if charity.confirmed_at is None:
        sample = record_samples(charity, opened_by="anne@example.org")
        confirmation_actions.confirm(charity, sample=sample, actor="anne@example.org", opened_by="anne@example.org")
    return charity


def record_samples(charity: Charity, *, opened_by: str) -> str:
    """Record that somebody opened the samples of the details as they are, without rendering them; returns their fingerprint."""
    fingerprint = charity_confirmations.fingerprint_of(charity)
    for language in ("en", "fr"):
        charity_confirmations.record_opened(charity, fingerprint=fingerprint, language=language, opened_by=opened_by)
    db.session.commit()
    return fingerprint


def another_campaign(
    *pledges: int,
    like: Campaign,
    charity: Charity | None = None,
    ratio: tuple[int, int] = (1, 1),
    bounds: dict[str, Any] | None = None,
    **terms: Any,
) -> Campaign:
    """Create another campaign with a fund for each pledge, in this order and all with the same terms.

    All of a pledge may be held for people who have not paid, unless `bounds` says otherwise.
    """
    number = next(_count)
    copied = {c.name: getattr(like, c.name) for c in Campaign.__table__.columns if c.name not in {"id", "slug", "created_at"}}
    copied |= {"hold_share_percent": 100, "hold_checkout_percent": 100} | (bounds or {})
    copied |= {"charity_id": charity.id} if charity else {}
    campaign = campaigns.create_campaign(Campaign(**copied, slug=f"another-{number}-{time.time_ns()}"))
    for position, cents in enumerate(pledges, 1):
        create_fund(campaign, cents, position=position, ratio_numerator=ratio[0], ratio_denominator=ratio[1], **terms)
    return campaign


def create_fund(
    campaign: Campaign, pledge_cents: int, *, position: int, active: bool = True, funder_id: int | None = None, **terms: Any
) -> Fund:
    """A fund of this funder, or of a new one."""
    if funder_id is None:
        funder = Funder(name_en="Funder", name_fr="Bailleur")
        db.session.add(funder)
        db.session.flush()
        funder_id = funder.id
    fund = Fund(
        campaign_id=campaign.id,
        funder_id=funder_id,
        slug=f"fund-{campaign.id}-{position}",
        name_en=f"Fund {position}",
        name_fr=f"Fonds {position}",
        position=position,
        **terms,
    )
    db.session.add(fund)
    db.session.flush()
    if pledge_cents:
        fund_lifecycle.raise_draft_pledge(fund, pledge_cents, actor="test", reason="test")
    if active:
        fund_lifecycle.activate(fund, actor="test", reason="test")
    return fund


def contribute(fund: Fund, cents: int, name: str = "Contributor", **of_funder: Any) -> FundContributor:
    """A contributor to a draft, who is a new funder with this name in both languages."""
    funder = Funder(name_en=name, name_fr=name, **of_funder)
    db.session.add(funder)
    db.session.flush()
    contributor = FundContributor(fund_id=fund.id, funder_id=funder.id, pledged_cents=cents)
    db.session.add(contributor)
    db.session.flush()
    return contributor


PLEDGERS = ("asks@pledges.example.org", "agrees@pledges.example.org")


def create_pledgers() -> tuple[str, str]:
    """Two managers who can sign in, by their addresses."""
    create_managers(*PLEDGERS)
    return PLEDGERS


def create_managers(*addresses: str) -> None:
    """Managers who can sign in and have had their role for a day. Commits."""
    for address in addresses:
        if members.find_member(address) is None:
            member = members.add_staff(address, "manager")
            member.password, member.role_since = "a hash", func.now() - members.APPOINTED_FOR
    db.session.commit()


def raise_pledge(fund: Fund, cents: int) -> None:
    """Raise the pledge of an active fund by two members of staff. Commits."""
    asks, agrees = create_pledgers()
    request = pledge_actions.request_raise(fund, cents, actor=asks, reason="test")
    pledge_actions.decide_raise(request, agrees=True, actor=agrees)


THREADS = 16


def run_concurrently(app: Flask, tasks: Sequence[Callable[[], T]]) -> list[T]:
    """Run all tasks in threads that start at the same time, each with an app context, and return their results."""
    start = threading.Barrier(min(THREADS, len(tasks)))

    def run(index: int) -> T:
        if index < start.parties:
            start.wait()
        with app.app_context():
            try:
                return tasks[index]()
            finally:
                db.session.remove()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(len(tasks))))


def waits_for_this_transaction(thread: threading.Thread, *, waiting: int = 1) -> bool:
    """Whether the thread waits for a lock that the session's transaction has; False once it ends without waiting.

    `waiting` is how many wait for the transaction with it.
    """
    blocked = text("SELECT count(*) >= :waiting FROM pg_stat_activity WHERE :own = ANY(pg_blocking_pids(pid))").bindparams(waiting=waiting)
    own = db.session.scalar(text("SELECT pg_backend_pid()"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as another:
        while thread.is_alive():
            if another.scalar(blocked, {"own": own}):
                return True
            assert time.monotonic() < deadline, "the thread neither ends nor waits for this transaction"
            thread.join(0.02)
    return False


def png_picture(side: int = 60) -> bytes:
    """A PNG with a diagonal stroke."""
    rows = b"".join(b"\0" + bytes(0 if abs(x - y) < 3 else 255 for x in range(3 * side)) for y in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 3 * side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pay_with_annual_receipt(
    campaign: Campaign, *received_at: datetime, email: str = "monthly@example.org", **changed: Any
) -> list[Donation]:
    """Pay a donation at each of these times, by one donor who chose annual receipts."""
    donations = []
    for at in received_at:
        donation = start_donation(campaign, 25_00, email=email, **changed)
        pay(donation, at=at)
        donations.append(donation)
    donors.set_receipt_preference(donations[0].donor_id, "annual")
    db.session.commit()
    return donations


def account_balance(campaign: Campaign, account: str = "stripe") -> int:
    """The balance in cents of one of the charity's own accounts in the books of a campaign."""
    e = LedgerEntry
    rows = db.session.execute(select(e.from_account, e.to_account, e.cents).where(e.campaign_id == campaign.id, e.fund_id.is_(None)))
    return sum(cents * ((target == account) - (source == account)) for source, target, cents in rows)
