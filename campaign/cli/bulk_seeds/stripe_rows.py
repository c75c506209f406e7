"""What Stripe would have reported of a seeded history: events, balance transactions and payouts."""

from collections import defaultdict
from typing import NamedTuple

from campaign.cli.bulk_seeds.entries import Ledger, OfGift
from campaign.cli.bulk_seeds.plan import DAY, HOUR
from campaign.cli.bulk_seeds.tables import Rows, escape, moment, optional_moment

PAYOUT_DAYS = 3
DISPUTE_FEE_CENTS = 15_00
# One of so many events could not be handled.
DEAD_EACH = 50_000


class Change(NamedTuple):
    """A change of Stripe's balance: the object that it is of, its kind, cents before the fee, and the moment of its charge, if it is one."""

    id: str
    type: str
    category: str
    source: str
    cents: int
    fee_cents: int
    charged_at: int | None = None
    is_debit: bool = False


class StripeRows:
    """Adds the rows, posts fees, and pays out every three days what came in until two days before."""

    def __init__(self, rows: Rows, ledger: Ledger, *, currency: str, seed: int, end: int) -> None:
        self._rows = rows
        self._ledger = ledger
        self._currency = currency
        self._seed = seed
        self._end = end
        self._events = 0
        self._nets: dict[int, list[int]] = defaultdict(lambda: [0, 0])

    def record_event(self, kind: str, gift: OfGift, *, object_id: str, created: int, outcome: str) -> str:
        """Add a handled event about a donation, and return its id."""
        self._events += 1
        event_id = f"evt_seed_{self._seed}_{self._events}"
        about = f'{{"id":"{object_id}","client_reference_id":"{gift.public_id}","metadata":{{"donation":"{gift.public_id}"}}}}'
        body = f'{{"id":"{event_id}","object":"event","type":"{kind}","created":{created},"livemode":false,"data":{{"object":{about}}}}}'
        received, handled = moment(created + 2), moment(created + 3)
        is_dead = self._events % DEAD_EACH == DEAD_EACH // 2
        row = (
            event_id,
            kind,
            gift.public_id,
            False,
            body,
            "webhook",
            received,
            outcome,
            1,
            received,
            handled,
            None,
            None,
        )
        self._rows.add("stripe_event", *row)
        if is_dead:
            dead = (f"{event_id}_d", "charge.refund.updated", gift.public_id, False, "{}", "webhook", received, None, 12, received, None)
            self._rows.add("stripe_event", *dead, handled, "the event has no object")
        return event_id

    def record_change(self, change: Change, *, payment_intent: str, at: int, gift: OfGift | None) -> None:
        """Add a balance transaction, and post its fee. Without a donation it is of a payment that is in no books."""
        net, number = change.cents - change.fee_cents, self._payout_number(at)
        self._nets[number][0] += net
        self._nets[number][1] += net if gift else 0
        payout = self._payout_id(number) if self._paid_out_at(number) < self._end else None
        row = (change.id, change.type, change.category, change.source, payment_intent, change.cents, change.fee_cents, net, self._currency)
        stored = moment(at + 60)
        moments = (moment(at), optional_moment(change.charged_at), change.is_debit, stored, payout, stored if gift else None)
        self._rows.add("balance_transaction", *row, *moments)
        if gift and change.fee_cents:
            reference = f"fee:{gift.public_id if change.charged_at else change.id}"
            self._ledger.post("fee", ("stripe", "fees"), change.fee_cents, at=at, reference=reference, cause=change.id, gift=gift)

    def post_payouts(self, *, before: int) -> None:
        """Add and post the payouts of this time and earlier that are not there yet. Called in the order of time."""
        for number in sorted(number for number in self._nets if self._paid_out_at(number) < before):
            net, share = self._nets.pop(number)
            payout_id, at = self._payout_id(number), self._paid_out_at(number)
            row = (payout_id, net, self._currency, "paid", "completed", moment(at), moment(at + 2 * DAY), 1, moment(at + HOUR))
            self._rows.add("payout", *row)
            own = (f"txn_{payout_id}", "payout", "payout", payout_id, None, -net, 0, -net, self._currency)
            moments = (moment(at), None, False, moment(at), payout_id, moment(at + HOUR))
            self._rows.add("balance_transaction", *own, *moments)
            if share:
                kind, accounts = ("payout", ("stripe", "bank")) if share > 0 else ("payout_reversal", ("bank", "stripe"))
                reference = f"payout:{payout_id}:{self._ledger.campaign_id}:1"
                self._ledger.post(kind, accounts, abs(share), at=at, reference=reference, cause=payout_id)

    def _payout_number(self, at: int) -> int:
        return at // (PAYOUT_DAYS * DAY) + 1

    def _paid_out_at(self, number: int) -> int:
        return number * PAYOUT_DAYS * DAY + 2 * DAY + 6 * HOUR

    def _payout_id(self, number: int) -> str:
        return f"po_seed_{self._seed}_{number}"


def quarantine_row(gift: OfGift, *, payment_intent: str, cents: int, currency: str, at: int) -> tuple[str | int | bool, ...]:
    """A payment of another amount than was asked for."""
    return (payment_intent, gift.id, "amount", cents, escape(currency), False, moment(at), moment(at), moment(at + 3))
