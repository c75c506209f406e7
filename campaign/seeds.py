"""A realistic history for trials and benchmarks, through the real verbs: gifts begun, paid, matched, receipted; a few left unpaid.

No mail goes out for it and Stripe is not asked: what is owed is marked as done.
"""

import random
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, update

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_books import BalanceMove
from campaign.giving import balance_lines, checkouts, consequences, payments, receipting
from campaign.giving.campaigns import Campaign, default_campaign
from campaign.giving.checkouts import Beginning
from campaign.giving.donations import Donation, Gift
from campaign.giving.outbox import OutboxItem
from campaign.giving.quarantine import PaymentMade
from campaign.giving.receipts import Issuing
from campaign.rules.money import fee_to_cover

A_TRANSACTION = 100
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
SUMS = [(20_00, 12), (25_00, 14), (50_00, 30), (100_00, 24), (150_00, 6), (250_00, 8), (500_00, 4), (1_000_00, 1)]


def make_history(count: int, *, seed: int) -> int:
    """So many donations to the default campaign; the same seed makes the same gifts. Commits as it goes."""
    chance = random.Random(seed)
    campaign = default_campaign()
    if campaign is None:
        return 0
    now = datetime.now(UTC)
    for number in range(count):
        _give(campaign, chance, f"seed:{seed}:{number}", now)
        if number % A_TRANSACTION == A_TRANSACTION - 1:
            db.session.commit()
            db.session.expunge_all()
            campaign = db.session.merge(campaign)
    db.session.commit()
    return count


def _give(campaign: Campaign, chance: random.Random, attempt: str, now: datetime) -> None:
    how = Beginning(attempt=attempt, expected_match_cents=0, livemode=False, now=now)
    donation = checkouts.begin(campaign, _gift(campaign, chance), how)
    if donation.paid_at or donation.ended_at:
        return
    if chance.random() < 0.08:
        consequences.apply(donation, lambda desk: payments.record_end(donation, desk, ended_as="expired", cause="seed"))
        return
    paid_at = now - timedelta(seconds=int(chance.triangular(0, DAYS * 86400, 3 * 86400)))
    paid = PaymentMade(
        payment_intent=f"pi_seed_{donation.public_id}",
        amount_cents=donation.charged_cents,
        currency=campaign.currency,
        livemode=False,
        paid_at=paid_at,
    )
    consequences.apply(donation, lambda desk: payments.record_payment(donation, paid, desk, cause="seed"))
    balance_lines.keep([_charge(donation, paid_at)])
    balance_lines.post_fees(limit=1)
    receipting.settle(donation, Issuing(now=now, base_url=outside().settings.base_url))
    db.session.execute(update(OutboxItem).where(OutboxItem.donation_id == donation.id).values(done_at=func.now()))


def _charge(donation: Donation, paid_at: datetime) -> BalanceMove:
    """What Stripe would have booked."""
    fee = donation.charged_cents * 29 // 1000 + 30
    return BalanceMove(
        stripe_id=f"txn_seed_{donation.public_id}",
        type="charge",
        category="charge",
        source=f"ch_seed_{donation.public_id}",
        payment_intent=donation.payment_intent,
        cents=donation.charged_cents,
        fee_cents=fee,
        net_cents=donation.charged_cents - fee,
        currency=donation.currency,
        made_at=paid_at,
    )


def _gift(campaign: Campaign, chance: random.Random) -> Gift:
    cents = chance.choices([c for c, _ in SUMS], [w for _, w in SUMS])[0]
    city, province, postal_code = chance.choice(PLACES)
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    covers = chance.random() < 0.35
    fee = fee_to_cover(cents, percent_hundredths=campaign.fee_percent_hundredths, fixed_cents=campaign.fee_fixed_cents)
    return Gift(
        frequency="once",
        language=chance.choice(["en", "fr"]),
        amount_cents=cents,
        covered_fee_cents=fee if covers else 0,
        first_name=first,
        last_name=last,
        organization="",
        email=f"donor{chance.randrange(10**6)}@example.org",
        address_line1=f"{chance.randrange(1, 9999)}, rue Principale",
        address_line2="",
        city=city,
        province=province,
        postal_code=postal_code,
        country="CA",
        public_name="",
        anonymous=chance.random() < 0.2,
        tribute_kind=None,
        tribute_name="",
        message="",
        news_consent=chance.random() < 0.3,
    )
