"""Stripe's own books, read: what moved the balance, payouts, the balance itself. Plain values out; failures are those of stripe_wire.py."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

from campaign.edges.stripe_api import GoneBack, gone_back
from campaign.edges.stripe_wire import client_of, plain_errors

PATIENCE_SECONDS = (2.0, 20.0)
A_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class BalanceMove:
    """A balance transaction. `cents` is what moved, out of the balance when negative; `fee_cents` what Stripe kept of it, `net_cents` the rest.

    `source` is the charge, refund, dispute or payout that moved it, `payment_intent` the payment that this is of.
    """

    stripe_id: str
    type: str
    category: str
    source: str | None
    payment_intent: str | None
    cents: int
    fee_cents: int
    net_cents: int
    currency: str
    made_at: datetime


@dataclass(frozen=True, kw_only=True)
class PaymentNow:
    """A payment as Stripe has it now; `about` is the object itself. `paid_at` is when its charge was made, None when it has none."""

    stripe_id: str
    status: str
    cents: int
    currency: str
    paid_at: datetime | None
    about: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PayoutNow:
    """A payout as Stripe has it now: `status` is pending, in_transit, paid, failed or canceled. `arrives_at` is when the bank should have it.

    `lines` is completed once Stripe tells all that it paid out, in_progress before, and not_applicable for one that was made by hand.
    """

    stripe_id: str
    cents: int
    currency: str
    status: str
    lines: str
    made_at: datetime
    arrives_at: datetime
    failure: str | None


class StripeBooks:
    """The books of one Stripe account."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._client = client_of(secret_key, api_base, seconds=PATIENCE_SECONDS, retries=2)

    def moves_since(self, moment: datetime | None) -> Iterator[BalanceMove]:
        """What moved the balance at or after the moment, all of it when None; newest first."""
        with plain_errors():
            since = _seconds(moment) if moment else 0
            listed = self._client.v1.balance_transactions.list({"created": {"gte": since}, "limit": A_PAGE, "expand": ["data.source"]})
            for one in listed.auto_paging_iter():
                yield _move(one.to_dict())

    def moves_in_payout(self, payout_id: str) -> list[str]:
        """The names of what an automatic payout has paid out, its own move among them; empty for one that was made by hand."""
        with plain_errors():
            listed = self._client.v1.balance_transactions.list({"payout": payout_id, "limit": A_PAGE})
            return [one.id for one in listed.auto_paging_iter()]

    def payments_since(self, moment: datetime) -> Iterator[PaymentNow]:
        """Payments begun at or after the moment, newest first."""
        with plain_errors():
            listed = self._client.v1.payment_intents.list(
                {"created": {"gte": _seconds(moment)}, "limit": A_PAGE, "expand": ["data.latest_charge"]}
            )
            for one in listed.auto_paging_iter():
                yield _payment(one.to_dict())

    def payment(self, payment_intent_id: str) -> PaymentNow:
        """The payment as it is now; StripeRefused when there is none."""
        with plain_errors():
            return _payment(self._client.v1.payment_intents.retrieve(payment_intent_id, {"expand": ["latest_charge"]}).to_dict())

    def refunds_since(self, moment: datetime) -> Iterator[GoneBack]:
        """Refunds made at or after the moment, newest first."""
        with plain_errors():
            for one in self._client.v1.refunds.list({"created": {"gte": _seconds(moment)}, "limit": A_PAGE}).auto_paging_iter():
                yield gone_back(one)

    def disputes_since(self, moment: datetime) -> Iterator[GoneBack]:
        """Disputes opened at or after the moment, newest first."""
        with plain_errors():
            for one in self._client.v1.disputes.list({"created": {"gte": _seconds(moment)}, "limit": A_PAGE}).auto_paging_iter():
                yield gone_back(one)

    def payout(self, payout_id: str) -> PayoutNow:
        """The payout as it is now."""
        with plain_errors():
            return _payout(self._client.v1.payouts.retrieve(payout_id))

    def payouts_since(self, moment: datetime) -> Iterator[PayoutNow]:
        """Payouts made at or after the moment, newest first."""
        with plain_errors():
            for one in self._client.v1.payouts.list({"created": {"gte": _seconds(moment)}, "limit": A_PAGE}).auto_paging_iter():
                yield _payout(one)

    def balance(self) -> dict[str, int]:
        """What the account holds by currency, available or still pending, in cents."""
        with plain_errors():
            found = self._client.v1.balance.retrieve().to_dict()
        held: Counter[str] = Counter()
        for part in [*found.get("available", []), *found.get("pending", [])]:
            held[str(part["currency"]).upper()] += part["amount"]
        return dict(held)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _payment(found: dict[str, Any]) -> PaymentNow:
    charge = found.get("latest_charge")
    made = charge.get("created") if isinstance(charge, dict) else None
    return PaymentNow(
        stripe_id=found["id"],
        status=str(found["status"]),
        cents=found.get("amount_received") or 0,
        currency=str(found["currency"]).upper(),
        paid_at=datetime.fromtimestamp(made, UTC) if made else None,
        about=found,
    )


def _move(found: dict[str, Any]) -> BalanceMove:
    source = found.get("source")
    about = source if isinstance(source, dict) else {}
    intent = about.get("payment_intent")
    return BalanceMove(
        stripe_id=found["id"],
        type=found["type"],
        category=str(found.get("reporting_category") or found["type"]),
        source=about.get("id") or source,
        payment_intent=intent["id"] if isinstance(intent, dict) else intent,
        cents=found["amount"],
        fee_cents=found["fee"],
        net_cents=found["net"],
        currency=str(found["currency"]).upper(),
        made_at=datetime.fromtimestamp(found["created"], UTC),
    )


def _payout(found: stripe.Payout) -> PayoutNow:
    about = found.to_dict()
    return PayoutNow(
        stripe_id=about["id"],
        cents=about["amount"],
        currency=str(about["currency"]).upper(),
        status=str(about["status"]),
        lines=str(about.get("reconciliation_status") or ("completed" if about.get("automatic") else "not_applicable")),
        made_at=datetime.fromtimestamp(about["created"], UTC),
        arrives_at=datetime.fromtimestamp(about["arrival_date"], UTC),
        failure=about.get("failure_message") or about.get("failure_code"),
    )
