"""Rows of a bulk load, as COPY takes them, and their way to the database, which stores them while the next ones are computed."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

# Rows are sent when there are so many of them.
CHUNK = 100_000
MAX_WAITING = 2

COLUMNS = {
    "donor": "id email created_at receipt_preference",
    "donation": (
        "id public_id attempt campaign_id donor_id language livemode currency amount_cents covered_fee_cents first_name last_name organization "
        "in_own_name email address_line1 address_line2 city province postal_code country public_name anonymous tribute_kind tribute_name message "
        "news_consent_at started_at checkout_tries checkout_expires_at checkout_id payment_intent processing_at authorized_at received_at ended_at "
        "ended_as quarantined_at quarantine_reason net_cents match_limit frequency recurring_gift_id"
    ),
    "recurring_gift": (
        "id donation_id subscription customer amount_cents covered_fee_cents email first_name last_name organization in_own_name address_line1 "
        "address_line2 city province postal_code country status next_payment_at snapshot_number started_at ended_at cancellation_reason"
    ),
    "receipt_declaration": "donation_id name words language how recorded_by recorded_at",
    "ledger_entry": "id kind from_account to_account cents campaign_id fund_id donation_id reference cause at chain position digest hash",
    "donation_match": "donation_id fund_id held_cents matched_cents moves",
    "match_queue": "donation_id campaign_id position net_cents",
    "campaign_donor": "campaign_id donor_id",
    "stripe_event": "event_id type subject livemode body source received_at outcome attempts not_before done_at dead_at last_error",
    "balance_transaction": (
        "stripe_id type category source payment_intent cents fee_cents net_cents currency created_at charged_at is_debit stored_at payout posted_at"
    ),
    "payout": "stripe_id cents currency status reconciliation_status created_at arrives_at snapshot_number transactions_read_at",
    "quarantined_payment": "payment_intent donation_id anomaly amount_cents currency livemode authorized_at received_at quarantined_at",
    "reversal": "id stripe_id kind payment_intent cents status reason respond_by returned_at snapshot_number reversed_cents posted_cents postings",
    "receipt": "id charity_id year number serial content issued_at check_code replaces_id",
    "receipt_line": "receipt_id donation_id cents is_current",
    "receipt_end": "receipt_id ended_as reason actor note at",
    "information_return": (
        "id receipt_id donation_id receipted_cents returned_cents returned_on due_on opened_at closed_at closed_by filed_on filed_how"
    ),
    "reported_reversal": "reversal_id information_return_id cents recorded_at",
    "outbox": (
        "id key kind donation_id reversal_id is_reinstatement cents receipt_id created_at not_before message_id attempts done_at dead_at "
        "last_error missing_elements"
    ),
    "frozen_email": "outbox_id frozen_at recipient recipient_name sender_name language subject receipt_id sealed_plain sealed_html",
    "delivery_attempt": "outbox_id started_at sha256 ended_at outcome answer",
}
Value = str | int | bool | None
# Python writes the values of a row fastest like this. NULL is what it writes for None.
_FORMATS = {table: "\t".join(["%s"] * len(columns.split())) for table, columns in COLUMNS.items()}


@lru_cache(maxsize=4096)  # The rows of an event share a few moments.
def moment(seconds: int) -> str:
    """The moment, in seconds since 1970, as PostgreSQL reads it and as the text of a ledger entry has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19] + ".000000Z"


def optional_moment(seconds: int | None) -> str | None:
    """The same, or NULL."""
    return None if seconds is None else moment(seconds)


def binary(value: bytes) -> str:
    """The bytes as COPY takes them."""
    return rf"\\x{value.hex()}"


def escape(value: str) -> str:
    """The text as COPY takes it. Texts of this package have nothing to escape; what is configured or JSON may have."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


class Rows:
    """Collects rows, and sends them in chunks to a thread that copies them in the transaction of the driver's connection."""

    def __init__(self, connection: Any, copier: Executor) -> None:
        self._connection = connection
        self._copier = copier
        self._copies: deque[Future[None]] = deque()
        self._lines: dict[str, list[str]] = {table: [] for table in COLUMNS}
        self._count = 0

    def add(self, table: str, *values: Value) -> None:
        """Add a row whose values are in the order of COLUMNS."""
        self._lines[table].append(_FORMATS[table] % values)
        self._count += 1

    def send(self, *, at_least: int = CHUNK) -> None:
        """Send the rows if there are so many. Raises what a copy of earlier rows has raised."""
        if self._count >= at_least:
            self.wait(for_all_but=MAX_WAITING)
            self._copies.append(self._copier.submit(_copy, self._connection, self._lines))
            self._lines, self._count = {table: [] for table in COLUMNS}, 0

    def wait(self, *, for_all_but: int) -> None:
        """Wait until at most so many chunks are on their way."""
        while len(self._copies) > for_all_but:
            self._copies.popleft().result()


@contextmanager
def loading(connection: Any) -> Iterator[Rows]:
    """Rows that are all there after the block, in the transaction of the driver's connection, which nothing else uses meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="bulk-load") as copier:
        rows = Rows(connection, copier)
        yield rows
        rows.send(at_least=1)
        rows.wait(for_all_but=0)


def _copy(connection: Any, lines_of: Mapping[str, Sequence[str]]) -> None:
    with connection.cursor() as cursor:
        for table, lines in lines_of.items():
            if lines:
                columns = ", ".join(COLUMNS[table].split())
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN (NULL 'None')") as copy:
                    copy.write("\n".join(lines) + "\n")
