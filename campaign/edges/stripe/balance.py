"""Reads Stripe's balance, balance transactions, payouts and lists of payments and reversals, as plain values.

Each call raises StripeUnavailable or StripeRefused (client.py).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

from campaign.edges.stripe.client import Urllib3Client, make_client, translated_errors
from campaign.edges.stripe.payments import charge_in
from campaign.edges.stripe.reversals import StripeReversal, reversal_from

TIMEOUTS = (2.0, 20.0)
PAGE_SIZE = 100
# The types of balance transactions of charges: of cards, and of other methods.
CHARGES = ("charge", "payment")


@dataclass(frozen=True, kw_only=True)
class StripeBalanceTransaction:
    """A balance transaction. `cents` is negative when money leaves the balance; `net_cents` is `cents` less `fee_cents`, Stripe's fee.

    `source` is the id of the charge, refund, dispute or payout that caused it, `payment_intent` that of the payment it belongs to, `customer`
    that of the customer of a charge. `charged_at` is when that charge was created, `is_debit` whether it is a bank debit.
    """

    stripe_id: str
    type: str
    category: str
    source: str | None
    payment_intent: str | None
    customer: str | None
    cents: int
    fee_cents: int
    net_cents: int
    currency: str
    created_at: datetime
    charged_at: datetime | None = None
    is_debit: bool = False


@dataclass(frozen=True, kw_only=True)
class StripePayment:
    """A payment as fetched; `object` is Stripe’s payment intent.

    `charged_at` is when its latest charge was created, None without a charge; `is_debit` is whether that is a bank debit.
    """

    stripe_id: str
    status: str
    cents: int
    currency: str
    charged_at: datetime | None
    is_debit: bool
    object: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StripePayout:
    """A payout as fetched. `status` is pending, in_transit, paid, failed or canceled; `arrives_at` is the expected arrival at the bank.

    `reconciliation_status` is completed once Stripe lists all transactions of the payout, in_progress before, and not_applicable for a
    manual payout. `failure` is Stripe's message or code when it failed.
    """

    stripe_id: str
    cents: int
    currency: str
    status: str
    reconciliation_status: str
    created_at: datetime
    arrives_at: datetime
    failure: str | None


class StripeBalance:
    """A client for the balance of one Stripe account."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._http = Urllib3Client(TIMEOUTS)
        self._client = make_client(secret_key, api_base, http=self._http, retries=2)

    @property
    def clock_skew_seconds(self) -> float:
        """By how many seconds our clock was ahead of Stripe's at the last response; negative when it was behind."""
        return self._http.clock_skew_seconds

    def list_transactions(self, moment: datetime | None) -> Iterator[StripeBalanceTransaction]:
        """Balance transactions created at or after the moment, or all when it is None, newest first."""
        with translated_errors():
            since = _seconds(moment) if moment else 0
            listed = self._client.v1.balance_transactions.list({"created": {"gte": since}, "limit": PAGE_SIZE, "expand": ["data.source"]})
            for transaction in listed.auto_paging_iter():
                yield _transaction(transaction.to_dict())

    def list_payout_transaction_ids(self, payout_id: str) -> list[str]:
        """Ids of the balance transactions that an automatic payout paid out, its own included; empty for a manual payout."""
        with translated_errors():
            listed = self._client.v1.balance_transactions.list({"payout": payout_id, "limit": PAGE_SIZE})
            return [transaction.id for transaction in listed.auto_paging_iter()]

    def list_payments(self, moment: datetime) -> Iterator[StripePayment]:
        """Payments created at or after the moment, newest first."""
        with translated_errors():
            listed = self._client.v1.payment_intents.list(
                {"created": {"gte": _seconds(moment)}, "limit": PAGE_SIZE, "expand": ["data.latest_charge"]}
            )
            for payment in listed.auto_paging_iter():
                yield _payment(payment.to_dict())

    def get_payment(self, payment_intent_id: str) -> StripePayment:
        """Fetch a payment. Raises StripeRefused when it does not exist."""
        with translated_errors():
            return _payment(self._client.v1.payment_intents.retrieve(payment_intent_id, {"expand": ["latest_charge"]}).to_dict())

    def list_refunds(self, moment: datetime) -> Iterator[StripeReversal]:
        """Refunds created at or after the moment, newest first."""
        with translated_errors():
            for refund in self._client.v1.refunds.list({"created": {"gte": _seconds(moment)}, "limit": PAGE_SIZE}).auto_paging_iter():
                yield reversal_from(refund)

    def list_disputes(self, moment: datetime) -> Iterator[StripeReversal]:
        """Disputes created at or after the moment, newest first."""
        with translated_errors():
            for dispute in self._client.v1.disputes.list({"created": {"gte": _seconds(moment)}, "limit": PAGE_SIZE}).auto_paging_iter():
                yield reversal_from(dispute)

    def get_payout(self, payout_id: str) -> StripePayout:
        """Fetch a payout."""
        with translated_errors():
            return _payout(self._client.v1.payouts.retrieve(payout_id))

    def list_payouts(self, moment: datetime) -> Iterator[StripePayout]:
        """Payouts created at or after the moment, newest first."""
        with translated_errors():
            for payout in self._client.v1.payouts.list({"created": {"gte": _seconds(moment)}, "limit": PAGE_SIZE}).auto_paging_iter():
                yield _payout(payout)

    def get_balance(self) -> dict[str, int]:
        """The account's balance, available and pending together, in cents by currency."""
        with translated_errors():
            data = self._client.v1.balance.retrieve().to_dict()
        cents: Counter[str] = Counter()
        for part in [*data.get("available", []), *data.get("pending", [])]:
            cents[str(part["currency"]).upper()] += part["amount"]
        return dict(cents)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _payment(data: dict[str, Any]) -> StripePayment:
    charged_at, is_debit = charge_in(data)
    return StripePayment(
        stripe_id=data["id"],
        status=str(data["status"]),
        cents=data.get("amount_received") or 0,
        currency=str(data["currency"]).upper(),
        charged_at=charged_at,
        is_debit=is_debit,
        object=data,
    )


def _transaction(data: dict[str, Any]) -> StripeBalanceTransaction:
    source = data.get("source")
    source_data = source if isinstance(source, dict) else {}
    intent, customer = source_data.get("payment_intent"), source_data.get("customer")
    is_charge = data["type"] in CHARGES and source_data.get("object") == "charge"
    charged_at, is_debit = charge_in({"latest_charge": source_data}) if is_charge else (None, False)
    return StripeBalanceTransaction(
        stripe_id=data["id"],
        type=data["type"],
        category=str(data.get("reporting_category") or data["type"]),
        source=source_data.get("id") or source,
        payment_intent=intent["id"] if isinstance(intent, dict) else intent,
        customer=customer["id"] if isinstance(customer, dict) else customer,
        cents=data["amount"],
        fee_cents=data["fee"],
        net_cents=data["net"],
        currency=str(data["currency"]).upper(),
        created_at=datetime.fromtimestamp(data["created"], UTC),
        charged_at=charged_at,
        is_debit=is_debit,
    )


def _payout(payout: stripe.Payout) -> StripePayout:
    data = payout.to_dict()
    return StripePayout(
        stripe_id=data["id"],
        cents=data["amount"],
        currency=str(data["currency"]).upper(),
        status=str(data["status"]),
        reconciliation_status=str(data.get("reconciliation_status") or ("completed" if data.get("automatic") else "not_applicable")),
        created_at=datetime.fromtimestamp(data["created"], UTC),
        arrives_at=datetime.fromtimestamp(data["arrival_date"], UTC),
        failure=data.get("failure_message") or data.get("failure_code"),
    )
