"""Creates a realistic history for trials and benchmarks, with the operations that the service itself uses. A few donations stay unpaid.

No email is sent and Stripe is not called: pending messages are marked as done.
"""

import random
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, update

from campaign.campaigns.campaigns import Campaign, current_campaign
from campaign.donations.donations import Donation, DonationDetails
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.balance import StripeBalanceTransaction
from campaign.matching import effects
from campaign.outbox.messages import OutboxMessage
from campaign.payments import checkouts, settlement
from campaign.payments.checkouts import CheckoutContext
from campaign.payments.quarantine import SucceededPayment
from campaign.receipts import lifecycle
from campaign.receipts.contents import IssueContext
from campaign.rules.money import fee_to_cover
from campaign.rules.payment_moments import moments_of_charge
from campaign.stripe_sync import balance_transactions

BATCH_SIZE = 100
DAYS = 45

FIRST_NAMES = [
    "Amélie",
    "Benoît",
    "Chloé",
    "D’Arcy",
    "Émile",
    "Fatima",
    "Grace",
    "Harpreet",
    "Inès",
    "James",
    "Léa",
    "Mei",
    "Noah",
    "Olivia",
    "Sanâa",
    "Thị",
    "Zoë",
]
LAST_NAMES = [
    "Tremblay",
    "Nguyễn",
    "Smith",
    "D'Arcy-Lévesque",
    "Singh",
    "Œuvré",
    "MacDonald",
    "Gagnon",
    "Roy",
    "Côté",
    "Chen",
    "O’Brien",
    "Bouchard",
]
PLACES = [
    ("Montréal", "QC", "H2X 1Y4"),
    ("Québec", "QC", "G1R 4P5"),
    ("Ottawa", "ON", "K1A 0B1"),
    ("Toronto", "ON", "M5V 2T6"),
    ("Vancouver", "BC", "V6B 1A1"),
    ("Calgary", "AB", "T2P 1J9"),
    ("Halifax", "NS", "B3H 4R2"),
    ("St. John’s", "NL", "A1C 5S7"),
]
AMOUNTS = [(20_00, 12), (25_00, 14), (50_00, 30), (100_00, 24), (150_00, 6), (250_00, 8), (500_00, 4), (1_000_00, 1)]


def create_history(count: int, *, seed: int) -> int:
    """Create donations to the current campaign; the same seed creates the same donations. Returns how many. Commits after each batch."""
    rng = random.Random(seed)
    campaign = current_campaign()
    if campaign is None:
        return 0
    now = datetime.now(UTC)
    for number in range(count):
        _donate(campaign, rng, f"seed:{seed}:{number}", now)
        if number % BATCH_SIZE == BATCH_SIZE - 1:
            db.session.commit()
            db.session.expunge_all()
            campaign = db.session.merge(campaign)
    db.session.commit()
    return count


def _donate(campaign: Campaign, rng: random.Random, attempt: str, now: datetime) -> None:
    context = CheckoutContext(attempt=attempt, expected_match_cents=0, livemode=False, now=now)
    donation = checkouts.start_checkout(campaign, _donation_details(campaign, rng), context)
    if donation.received_at or donation.ended_at:
        return
    if rng.random() < 0.08:
        effects.decide_and_apply(donation, lambda session: settlement.record_end(donation, session, ended_as="expired", cause="seed"))
        return
    received_at = now - timedelta(seconds=int(rng.triangular(0, DAYS * 86400, 3 * 86400)))
    payment = SucceededPayment(
        payment_intent=f"pi_seed_{donation.public_id}",
        amount_cents=donation.charged_cents,
        currency=campaign.currency,
        livemode=False,
        moments=moments_of_charge(received_at),
    )
    effects.decide_and_apply(donation, lambda session: settlement.record_payment(donation, payment, session, cause="seed"))
    balance_transactions.store_transactions([_charge(donation, received_at)])
    balance_transactions.post_fees(limit=1)
    lifecycle.bring_up_to_date(donation, IssueContext(now=now, links=services().links))
    db.session.execute(update(OutboxMessage).where(OutboxMessage.donation_id == donation.id).values(done_at=func.now()))


def _charge(donation: Donation, received_at: datetime) -> StripeBalanceTransaction:
    """The balance transaction that Stripe would create for the payment."""
    fee = donation.charged_cents * 29 // 1000 + 30
    return StripeBalanceTransaction(
        stripe_id=f"txn_seed_{donation.public_id}",
        type="charge",
        category="charge",
        source=f"ch_seed_{donation.public_id}",
        payment_intent=donation.payment_intent,
        customer=None,
        cents=donation.charged_cents,
        fee_cents=fee,
        net_cents=donation.charged_cents - fee,
        currency=donation.currency,
        created_at=received_at,
        charged_at=received_at,
    )


def _donation_details(campaign: Campaign, rng: random.Random) -> DonationDetails:
    cents = rng.choices([c for c, _ in AMOUNTS], [w for _, w in AMOUNTS])[0]
    city, province, postal_code = rng.choice(PLACES)
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    covers = rng.random() < 0.35
    fee = fee_to_cover(cents, percent_hundredths=campaign.fee_percent_hundredths, fixed_cents=campaign.fee_fixed_cents)
    return DonationDetails(
        frequency="once",
        language=rng.choice(["en", "fr"]),
        amount_cents=cents,
        covered_fee_cents=fee if covers else 0,
        first_name=first,
        last_name=last,
        organization="",
        email=f"donor{rng.randrange(10**6)}@example.org",
        address_line1=f"{rng.randrange(1, 9999)}, rue Principale",
        address_line2="",
        city=city,
        province=province,
        postal_code=postal_code,
        country="CA",
        public_name="",
        anonymous=rng.random() < 0.2,
        tribute_kind=None,
        tribute_name="",
        message="",
        news_consent=rng.random() < 0.3,
    )
