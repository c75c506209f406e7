"""Valid things in one line, each change named."""

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from campaign.edges.db import db
from campaign.edges.stripe_api import Back
from campaign.edges.stripe_books import BalanceMove
from campaign.giving import balance_lines, campaigns, checkouts, consequences, fund_changes, looks, money_back, payments, receipting
from campaign.giving.campaigns import Campaign
from campaign.giving.checkouts import Beginning
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation, Gift
from campaign.giving.funds import Fund, Funder
from campaign.giving.healing import HealingDesk, open_desk
from campaign.giving.money_back import Told
from campaign.giving.quarantine import PaymentMade
from campaign.giving.receipts import Issuing, Receipt

WEBHOOK_SECRET = "whsec_tests"
_count = itertools.count(1)

Decision = Callable[[HealingDesk], Consequence]

NAME = ("Sanâa Œuvré", "D'Arcy-Lévesque")


def a_gift(cents: int = 100_00, **changed: Any) -> Gift:
    gift = Gift(
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
    return replace(gift, **changed)


def begun(
    campaign: Campaign, cents: int = 100_00, *, expected: int | None = 0, attempt: str | None = None, client_key: str = "", **changed: Any
) -> Donation:
    how = a_beginning(expected_match_cents=expected, client_key=client_key, **({"attempt": attempt} if attempt else {}))
    return checkouts.begin(campaign, a_gift(cents, **changed), how)


def a_beginning(**changed: Any) -> Beginning:
    """How a gift begins whose attempt is new, and whose donor was shown that nothing is matched."""
    how = Beginning(
        attempt=f"attempt-{next(_count)}-{time.time_ns()}", expected_match_cents=0, livemode=False, now=datetime.now(UTC), client_key=""
    )
    return replace(how, **changed)


def payment_of(donation: Donation, **changed: Any) -> PaymentMade:
    made = PaymentMade(
        payment_intent=f"pi_{donation.public_id}",
        amount_cents=donation.charged_cents,
        currency="CAD",
        livemode=False,
        paid_at=datetime.now(UTC),
    )
    return replace(made, **changed)


def payment(donation: Donation, **changed: Any) -> Decision:
    made = payment_of(donation, **changed)
    return lambda desk: payments.record_payment(donation, made, desk, cause=f"test-{next(_count)}")


def pay(donation: Donation, **changed: Any) -> str:
    return consequences.apply(donation, payment(donation, **changed))


def move_of(donation: Donation, **changed: Any) -> BalanceMove:
    """What Stripe books of the charge of a gift, without a fee."""
    cents = changed.pop("cents", donation.charged_cents)
    fee = changed.pop("fee_cents", 0)
    move = BalanceMove(
        stripe_id=f"txn_{next(_count)}_{donation.public_id}",
        type="charge",
        category="charge",
        source=f"ch_{donation.public_id}",
        payment_intent=f"pi_{donation.public_id}",
        cents=cents,
        fee_cents=fee,
        net_cents=cents - fee,
        currency="CAD",
        made_at=datetime.now(UTC),
    )
    return replace(move, **changed)


def keep_fee(donation: Donation, fee_cents: int, **changed: Any) -> int:
    """Stripe has booked the charge and kept this much of it; how many lines were posted."""
    balance_lines.keep([move_of(donation, fee_cents=fee_cents, **changed)])
    return balance_lines.post_fees(limit=10)


def end(donation: Donation, ended_as: str) -> str:
    return consequences.apply(donation, lambda desk: payments.record_end(donation, desk, ended_as=ended_as, cause=f"test-{next(_count)}"))


def money_gone(
    donation: Donation, cents: int, *, kind: str = "refund", name: str | None = None, status: str = "", look: int | None = None
) -> Decision:
    """What Stripe says of a refund or a dispute; the name of an earlier one says it anew."""
    told = Told(
        stripe_id=name or f"{kind}_{next(_count)}",
        kind=Back(kind),
        payment_intent=donation.payment_intent or f"pi_{donation.public_id}",
        cents=cents,
        status=status or {"refund": "succeeded", "dispute": "lost"}[kind],
        look=look or looks.next_look(),
    )
    return lambda desk: money_back.record(told, donation, desk, cause=f"test-{next(_count)}")


def give_back(donation: Donation, cents: int, **changed: Any) -> str:
    return consequences.apply(donation, money_gone(donation, cents, **changed))


def together(*decisions: tuple[Donation, Decision]) -> None:
    """Everything decided on one desk, written in one transaction, as a batch of events is."""
    donations = [donation for donation, _ in decisions]
    desk = open_desk(list({d.campaign_id for d in donations}), list({d.id for d in donations}))
    consequences.carry_out(desk, [decide(desk) for _, decide in decisions])
    db.session.commit()
    db.session.expire_all()


def paid(campaign: Campaign, cents: int = 100_00, **changed: Any) -> Donation:
    donation = begun(campaign, cents, **changed)
    pay(donation)
    db.session.commit()
    return donation


def issued(donation: Donation, *, now: datetime | None = None) -> Receipt | None:
    """The donation's receipt, in line with the books."""
    return receipting.settle(donation, Issuing(now=now or datetime.now(UTC), base_url="http://127.0.0.1:8000")).receipt


def another_campaign(*pledges: int, like: Campaign, ratio: tuple[int, int] = (1, 1), **terms: Any) -> Campaign:
    """A campaign of its own with a fund for each pledge, in the order given, all of the same terms."""
    number = next(_count)
    kept = {c.name: getattr(like, c.name) for c in Campaign.__table__.columns if c.name not in {"id", "slug", "created_at"}}
    made = campaigns.open_campaign(Campaign(**kept, slug=f"another-{number}-{time.time_ns()}"))
    for position, cents in enumerate(pledges, 1):
        a_fund(made, cents, position=position, ratio_numerator=ratio[0], ratio_denominator=ratio[1], **terms)
    return made


def a_fund(campaign: Campaign, pledge_cents: int, *, position: int, active: bool = True, **terms: Any) -> Fund:
    funder = Funder(name_en="Funder", name_fr="Bailleur")
    db.session.add(funder)
    db.session.flush()
    fund = Fund(
        campaign_id=campaign.id,
        funder_id=funder.id,
        slug=f"fund-{campaign.id}-{position}",
        name_en=f"Fund {position}",
        name_fr=f"Fonds {position}",
        position=position,
        **terms,
    )
    db.session.add(fund)
    db.session.flush()
    if pledge_cents:
        fund_changes.pledge(fund, pledge_cents, actor="test", reason="test")
    if active:
        fund_changes.activate(fund, actor="test", reason="test")
    return fund


def event(kind: str, about: dict[str, Any], *, livemode: bool = False, **changed: Any) -> dict[str, Any]:
    made = {
        "id": f"evt_{next(_count)}_{time.time_ns()}",
        "object": "event",
        "type": kind,
        "livemode": livemode,
        "created": int(time.time()),
        "api_version": "2026-10-28.endive",
        "data": {"object": about},
    }
    return {**made, **changed}


def completed(donation: Donation, **changed: Any) -> dict[str, Any]:
    about = {
        "id": f"cs_{donation.public_id}",
        "object": "checkout.session",
        "client_reference_id": donation.public_id,
        "metadata": {"donation": donation.public_id},
        "payment_intent": f"pi_{donation.public_id}",
        "payment_status": "paid",
        "status": "complete",
        "amount_total": donation.charged_cents,
        "currency": "cad",
        "livemode": False,
    }
    return event("checkout.session.completed", {**about, **changed})


def succeeded(donation: Donation, **changed: Any) -> dict[str, Any]:
    about = {
        "id": f"pi_{donation.public_id}",
        "object": "payment_intent",
        "metadata": {"donation": donation.public_id},
        "amount_received": donation.charged_cents,
        "currency": "cad",
        "livemode": False,
    }
    return event("payment_intent.succeeded", {**about, **changed})


def expired(donation: Donation) -> dict[str, Any]:
    made = completed(donation, payment_status="unpaid", status="expired", payment_intent=None)
    return {**made, "type": "checkout.session.expired"}


def gone_at(stripe: Any, donation: Donation, cents: int, *, kind: str, of: str = "refund", **changed: Any) -> dict[str, Any]:
    """An event of a refund or dispute that the account has, as it has it now."""
    about = {
        "id": f"{of}_{donation.public_id}",
        "object": of,
        "amount": cents,
        "created": int(time.time()),
        "currency": "cad",
        "status": {"refund": "succeeded", "dispute": "lost"}[of],
        "payment_intent": f"pi_{donation.public_id}",
        "charge": f"ch_{donation.public_id}",
        "metadata": {},
    }
    return event(kind, dict(stripe.store.put({**about, **changed})))


def signed(body: bytes, *, secret: str = WEBHOOK_SECRET, at: int | None = None) -> dict[str, str]:
    moment = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={moment},v1={mac}"}


def body_of(made: dict[str, Any]) -> bytes:
    return json.dumps(made, ensure_ascii=False).encode()


FORM = {
    "amount": "100",
    "frequency": "once",
    "first_name": NAME[0],
    "last_name": NAME[1],
    "email": "sanaa@example.org",
    "address_line1": "123, rue de l’Église",
    "city": "Montréal",
    "province": "Québec",
    "postal_code": "h2x1y4",
    "country": "CA",
}
