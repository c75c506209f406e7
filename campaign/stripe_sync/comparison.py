"""A comparison of the books with Stripe: what was compared, the differences found, and reading Stripe’s lists a chunk at a time."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

from campaign.edges.services import services
from campaign.edges.stripe.balance import StripeBalance
from campaign.stripe_sync.reconciliations import Difference, EventToStore
from campaign.texts.reconciliation_messages import DifferenceKind

T = TypeVar("T")

# A payment may be created at Stripe this long before it is paid.
CREATED_BEFORE = timedelta(days=10)
# For how long Stripe lists an event.
EVENTS_LISTED_FOR = timedelta(days=30)
CHUNK_SIZE = 500


@dataclass
class Comparison:
    """Counts of compared objects by kind, and the differences found."""

    since: datetime
    stripe: StripeBalance
    compared: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    _successes: dict[str, datetime] | None = None

    def add(self, kind: DifferenceKind, object_id: str, event: EventToStore | None = None, **detail: object) -> None:
        """Add a difference; `event` is the event that would have reported it."""
        self.differences.append(Difference(kind=kind, object_id=object_id, detail=detail, event=event))

    def success_of(self, payment_intent: str) -> datetime | None:
        """When the payment succeeded, if Stripe still lists that. The list is read once, as only bank debits need it."""
        if self._successes is None:
            self._successes = dict(
                services().stripe_payments.list_successes(max(self.since - CREATED_BEFORE, datetime.now(UTC) - EVENTS_LISTED_FOR))
            )
        return self._successes.get(payment_intent)


def in_chunks(listed: Iterable[T]) -> Iterator[list[T]]:
    """The items, up to 500 at a time."""
    iterator = iter(listed)
    while chunk := list(islice(iterator, CHUNK_SIZE)):
        yield chunk
