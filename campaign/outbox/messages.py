"""Messages to donors, funders and staff: each is a row, inserted in the transaction of its cause, at most once for its key.

Wake-ups through Redis carry no data; the schedule finds a message whose wake-up was lost.
"""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Text, bindparam, exists, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.outbox import leases
from campaign.outbox.leases import Leasable, Lease
from campaign.outbox.message_kinds import QUIET_SECONDS, MessageKind
from campaign.staff.factor_changes import FactorChange

REMATCH_NEWS_DELAY_SECONDS = 20
REMATCH_NEWS_INTERVAL_SECONDS = 600


class NewMessage(NamedTuple):
    """A message about a donation, to be enqueued once for its donation, or once for each `about`.

    The payload is what its e-mail needs beside the donation: a reversal, whether it was reinstated, and by how many cents; a receipt; a
    Stripe invoice; a link with which the donor may change something; a change of their email address, and who is to know of it.
    """

    kind: MessageKind
    donation: Donation
    about: str = ""
    reversal_id: int | None = None
    is_reinstatement: bool | None = None
    cents: int | None = None
    receipt_id: int | None = None
    invoice: str | None = None
    donor_access_id: int | None = None
    email_change_id: int | None = None
    recipient: str | None = None
    offline_reversal_id: int | None = None

    @property
    def key(self) -> str:
        """The unique key of the message."""
        return f"{self.kind}:{self.about or self.donation.public_id}"

    @property
    def quiet_seconds(self) -> int:
        """How long the message waits at first."""
        return QUIET_SECONDS.get(self.kind, 0)


class OutboxMessage(Leasable, Base):
    """One message. `donation_id` is None for messages to funders and staff, and before a gift; the other ids are the payload of its kind.

    `message_id` is fixed before the first delivery attempt, so that a second one is recognized as the same e-mail. `missing_elements` names
    what a receipt lacks while its message waits for it.
    """

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    reversal_id: Mapped[int | None] = mapped_column(ForeignKey("reversal.id"))
    is_reinstatement: Mapped[bool | None]
    cents: Mapped[int | None]
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("receipt.id"))
    invoice: Mapped[str | None]
    donor_access_id: Mapped[int | None] = mapped_column(ForeignKey("donor_access.id"))
    email_change_id: Mapped[int | None] = mapped_column(ForeignKey("email_change.id"))
    recipient: Mapped[str | None]
    offline_reversal_id: Mapped[int | None] = mapped_column(ForeignKey("offline_reversal.id"))
    funder_payment_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment.id"))
    funder_report_id: Mapped[int | None] = mapped_column(ForeignKey("funder_report.id"))
    fund_id: Mapped[int | None] = mapped_column(ForeignKey("fund.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    factor_change: Mapped[str | None]
    pledge_request_id: Mapped[int | None] = mapped_column(ForeignKey("pledge_request.id"))
    seal_request_id: Mapped[int | None] = mapped_column(ForeignKey("seal_request.id"))
    funder_payment_request_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment_request.id"))
    card_testing_guard_id: Mapped[int | None] = mapped_column(ForeignKey("card_testing_guard.id"))
    checkout_code_id: Mapped[int | None] = mapped_column(ForeignKey("checkout_code.id"))
    fund_call_id: Mapped[int | None] = mapped_column(ForeignKey("fund_call.id"))
    reminder: Mapped[str | None]
    tribute_card_id: Mapped[int | None] = mapped_column(ForeignKey("tribute_card.id"))
    bank_details_id: Mapped[int | None] = mapped_column(ForeignKey("bank_details.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    message_id: Mapped[str | None] = mapped_column(unique=True)
    missing_elements: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


Index("ix_outbox_waiting", OutboxMessage.not_before, postgresql_where=leases.is_pending(OutboxMessage))
Index("ix_outbox_funder_report_id", OutboxMessage.funder_report_id, postgresql_where=OutboxMessage.funder_report_id.is_not(None))
Index("ix_outbox_fund_call_id", OutboxMessage.fund_call_id, postgresql_where=OutboxMessage.fund_call_id.is_not(None))
Index("card_is_sent_once", OutboxMessage.tribute_card_id, unique=True, postgresql_where=OutboxMessage.tribute_card_id.is_not(None))
Index("ix_outbox_dead", OutboxMessage.dead_at, postgresql_where=OutboxMessage.dead_at.is_not(None))


def enqueue(*messages: NewMessage) -> None:
    """Enqueue each message once; enqueueing it again changes nothing. News of an increased match may come again, each time it increases."""
    once = [message for message in messages if message.kind is not MessageKind.MATCH_INCREASED]
    if once:
        db.session.execute(_insert, {name: [getattr(message, name) for message in once] for name in _READ} | _donations(once))
    if increased := {m.donation.id: m.donation for m in messages if m.kind is MessageKind.MATCH_INCREASED}:
        _enqueue_match_increased(list(increased.values()))


def _donations(messages: list[NewMessage]) -> dict[str, list[int]]:
    return {"donation_id": [message.donation.id for message in messages]}


def _enqueue_match_increased(rematched: list[Donation]) -> None:
    """Enqueue news of the match, delayed so that one message reports several increases: one every ten minutes for a donation at most.

    A donation whose message was not leased yet gets no second one.
    """
    m = OutboxMessage
    of_donation = (m.donation_id.in_([d.id for d in rematched]), m.kind == MessageKind.MATCH_INCREASED)
    is_waiting = func.bool_or((m.attempts == 0) & leases.is_pending(m))
    found = select(m.donation_id, func.count(), func.max(m.created_at), is_waiting).where(*of_donation).group_by(m.donation_id)
    earlier = {donation_id: (count, last, waits) for donation_id, count, last, waits in db.session.execute(found)}
    soon = db.session.scalars(select(func.now() + timedelta(seconds=REMATCH_NEWS_DELAY_SECONDS))).one()
    rows = []
    for donation in rematched:
        count, last, waits = earlier.get(donation.id, (0, None, False))
        if not waits:
            not_before = max(soon, last + timedelta(seconds=REMATCH_NEWS_INTERVAL_SECONDS)) if last else soon
            key = f"{MessageKind.MATCH_INCREASED}:{donation.public_id}:{count + 1}"
            rows.append({"key": key, "kind": MessageKind.MATCH_INCREASED, "donation_id": donation.id, "not_before": not_before})
    if rows:
        db.session.execute(insert(m).on_conflict_do_nothing(index_elements=["key"]), rows)


_TYPES: dict[str, Any] = {
    "key": Text,
    "kind": Text,
    "reversal_id": BigInteger,
    "is_reinstatement": Boolean,
    "cents": BigInteger,
    "receipt_id": BigInteger,
    "invoice": Text,
    "donor_access_id": BigInteger,
    "email_change_id": BigInteger,
    "recipient": Text,
    "offline_reversal_id": BigInteger,
    "quiet_seconds": BigInteger,
    "donation_id": BigInteger,
}
_new_rows = func.unnest(*(bindparam(name, type_=ARRAY(kind)) for name, kind in _TYPES.items())).table_valued(*_TYPES).render_derived()
_READ = [name for name in _TYPES if name != "donation_id"]
_STORED = [name for name in _TYPES if name != "quiet_seconds"]
_not_before = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, _new_rows.c.quiet_seconds)
_insert = (
    insert(OutboxMessage.__table__)  # type: ignore[arg-type]  # a declarative class's table is a Table
    .from_select(["not_before", *_STORED], select(_not_before, *(_new_rows.c[name] for name in _STORED)), include_defaults=False)
    .on_conflict_do_nothing(index_elements=["key"])
)


def lease_due(*, limit: int) -> list[Lease]:
    """Lease messages that are due. Commit before the work."""
    return leases.acquire(OutboxMessage, limit=limit, first=OutboxMessage.not_before)


def defer(lease: Lease, *, error: str) -> bool:
    """Retry because the mail server is unavailable. Returns True when the message has waited for days and is dead-lettered."""
    return leases.defer(OutboxMessage, lease, since=OutboxMessage.created_at, reason=error, missing_elements=None)


def fail(lease: Lease, *, error: str, for_good: bool) -> bool:
    """Retry, or dead-letter the message when it cannot be sent or has failed too often. Returns True when it is dead-lettered."""
    return leases.fail(OutboxMessage, lease, error=error, for_good=for_good, missing_elements=None)


def wait_for_elements(lease: Lease, missing: list[str], *, reason: str, seconds: int) -> None:
    """Retry after `seconds`, because the receipt misses these elements. They are the reason until another error replaces it."""
    leases.postpone(OutboxMessage, lease, seconds=seconds, reason=reason, missing_elements=missing)


def message_of(lease: Lease) -> OutboxMessage:
    """The message of the lease."""
    return db.session.get_one(OutboxMessage, lease.id)


def has_address(message: OutboxMessage) -> bool:
    """Whether there is an address for the message. A donor may have none: what is due, such as a receipt, is made all the same, and staff post it."""
    donation = db.session.get(Donation, message.donation_id) if message.donation_id else None
    return donation is None or message.tribute_card_id is not None or bool(message.recipient or donation.email)


def messages_by_message_id(message_ids: Collection[str]) -> list[OutboxMessage]:
    """The messages with these Message-IDs, the latest first."""
    return list(
        db.session.scalars(select(OutboxMessage).where(OutboxMessage.message_id.in_(message_ids)).order_by(OutboxMessage.id.desc()))
    )


def assign_message_id(message: OutboxMessage, domain: str) -> str:
    """Assign the Message-ID, which stays the same for every delivery attempt."""
    if message.message_id is None:
        message.message_id = f"<{message.key.replace(':', '.')}@{domain}>"
    return message.message_id


def enqueue_now(*messages: NewMessage) -> None:
    """Enqueue the messages, and make those that are pending already due now."""
    enqueue(*messages)
    db.session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.key.in_([message.key for message in messages]), leases.is_pending(OutboxMessage))
        .values(not_before=func.now()),
        execution_options={"synchronize_session": False},
    )


def postpone_first(kind: MessageKind, donation: Donation, *, seconds: int) -> None:
    """Let the message that was just enqueued about the donation wait for so long."""
    of_donation = update(OutboxMessage).where(OutboxMessage.key == NewMessage(kind, donation).key, OutboxMessage.attempts == 0)
    later = of_donation.values(not_before=func.now() + timedelta(seconds=seconds))
    db.session.execute(later, execution_options={"synchronize_session": False})


def enqueue_notice(kind: MessageKind, about: str, **payload: int | str) -> None:
    """Enqueue a message that is about no gift, once for what it is about: to a funder, a member of staff, or whoever is about to give.

    `payload` is what its kind needs, mostly ids, by their columns.
    """
    row = insert(OutboxMessage).values(key=f"{kind}:{about}", kind=kind, **payload)
    db.session.execute(row.on_conflict_do_nothing(index_elements=["key"]))


def enqueue_payment_news(funder_payment_id: int) -> None:
    """Enqueue what is new about a funder's payment, however often the funder had mail about it: a receipt that is due now, or was voided."""
    of_payment = OutboxMessage.funder_payment_id == funder_payment_id
    number = db.session.scalars(select(func.count()).where(of_payment)).one() + 1
    enqueue_notice(MessageKind.FUNDER_PAYMENT, f"{funder_payment_id}:{number}", funder_payment_id=funder_payment_id)


def enqueue_staff_password(staff_id: int, *, most_an_hour: int) -> bool:
    """Enqueue the link with which a member chooses a password. Returns False when they have had that many within the hour."""
    m = OutboxMessage
    of_member = (m.staff_id == staff_id, m.kind == MessageKind.STAFF_ACCESS)
    recent = m.created_at > func.now() - timedelta(hours=1)
    total, within_hour = db.session.execute(select(func.count(), func.count().filter(recent)).where(*of_member)).one()
    if within_hour < most_an_hour:
        enqueue_notice(MessageKind.STAFF_ACCESS, f"{staff_id}:{total + 1}", staff_id=staff_id)
    return bool(within_hour < most_an_hour)


def enqueue_factor_change(staff_id: int, change: FactorChange) -> None:
    """Enqueue the news that a member's way to sign in has changed."""
    kind = MessageKind.STAFF_FACTOR
    row = insert(OutboxMessage).values(key=f"{kind}:{secrets.token_hex(8)}", kind=kind, staff_id=staff_id, factor_change=change)
    db.session.execute(row)


def enqueue_receipt_copy(donation: Donation) -> None:
    """Enqueue the valid receipt in an e-mail of its own, however often it was sent before."""
    number = count_all(donation, MessageKind.RECEIPT_COPY) + 1
    enqueue(NewMessage(MessageKind.RECEIPT_COPY, donation, f"{donation.public_id}:{number}"))


def count_recent(donation: Donation, kind: MessageKind, *, hours: int) -> int:
    """How many messages of this kind were enqueued for the donation within so many hours."""
    recent = OutboxMessage.created_at > func.now() - timedelta(hours=hours)
    return db.session.scalar(select(func.count()).where(OutboxMessage.donation_id == donation.id, OutboxMessage.kind == kind, recent)) or 0


def count_all(donation: Donation, kind: MessageKind) -> int:
    """How many messages of this kind were ever enqueued for the donation."""
    return db.session.scalar(select(func.count()).where(OutboxMessage.donation_id == donation.id, OutboxMessage.kind == kind)) or 0


def has_annual_message(receipt_id: int) -> bool:
    """Whether this is an annual receipt that has a message of its own."""
    return db.session.scalar(select(exists().where(OutboxMessage.receipt_id == receipt_id))) is True


def messages_of(donation_id: int) -> list[OutboxMessage]:
    """All messages about the donation, the latest first."""
    of_donation = select(OutboxMessage).where(OutboxMessage.donation_id == donation_id).order_by(OutboxMessage.id.desc())
    return list(db.session.scalars(of_donation, execution_options={"populate_existing": True}))
