"""Refunds that staff request: one at a time for each payment, and never more than is left of it.

A request is stored before it is sent and ends when Stripe has created or refused the refund. The effect on the donation and its match comes
from the refund itself (reversals.py), whoever requested it.
"""

import re
import secrets
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns import seals
from campaign.donations.donations import Donation, lock_donations
from campaign.edges.db import Base, db
from campaign.payments import disputes, offline_gifts, quarantine, reversals
from campaign.payments.quarantine import QuarantinedPayment
from campaign.staff import audit
from campaign.texts.action_errors import ActionError, describe_error

_KEY = re.compile(r"refund_[0-9a-f]{20}")


class RefundRefused(Exception):
    """A refund was refused. The message is one sentence for staff, in English."""

    def __init__(self, error: ActionError, *, cents: int = 0, stripe_reason: str = "") -> None:
        super().__init__(describe_error(error, "en", cents=cents, stripe_reason=stripe_reason))
        self._error, self._cents, self._stripe_reason = error, cents, stripe_reason

    def describe(self, language: str) -> str:
        """The message in the language."""
        return describe_error(self._error, language, cents=self._cents, stripe_reason=self._stripe_reason)


class RefundRequest(Base):
    """A refund requested by staff. `cents` is of the charge, covered fee included; `donation_id` is None for a payment of no donation.

    `stripe_id` is the refund that Stripe created, `refusal` the reason why it did not. `key` is the idempotency key at Stripe: sent twice,
    the refund is created once. It is random, because ids restart in another database.
    """

    __tablename__ = "refund_request"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    payment_intent: Mapped[str]
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"))
    cents: Mapped[int]
    reason: Mapped[str]
    actor: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    stripe_id: Mapped[str | None] = mapped_column(unique=True)
    refusal: Mapped[str | None]


Index("one_refund_request_at_a_time", RefundRequest.payment_intent, unique=True, postgresql_where=RefundRequest.ended_at.is_(None))


def new_key() -> str:
    """A new key of a request, for the form that makes it: sent twice, the form makes one request."""
    return f"refund_{secrets.token_hex(10)}"


def is_key(value: str) -> bool:
    """Whether this could be the key of a request."""
    return _KEY.fullmatch(value) is not None


def request_refund(donation: Donation, cents: int | None, *, actor: str, reason: str, key: str = "") -> RefundRequest:
    """Create a request to refund `cents` of the charge, all that is left when None; or return the request with this key, or the open one for the
    same amount.

    Raises RefundRefused. The donation stays locked until the commit, so that two requests never refund the same money.
    """
    (locked,) = lock_donations([donation.id])
    if key and (
        earlier := db.session.scalar(select(RefundRequest).where(RefundRequest.key == key, RefundRequest.donation_id == donation.id))
    ):
        if cents not in {None, earlier.cents}:  # The form was sent before, with another amount.
            raise RefundRefused(ActionError.UNDER_WAY if earlier.ended_at is None else ActionError.REQUEST_IS_USED, cents=earlier.cents)
        return earlier
    if locked.received_at is None:
        raise RefundRefused(ActionError.NOT_PAID)
    if seals.lock_against(locked.campaign_id):
        raise RefundRefused(ActionError.CAMPAIGN_IS_SEALED)
    if offline_gifts.find(locked.id) is not None:
        raise RefundRefused(ActionError.PAID_OFFLINE)
    assert locked.payment_intent
    request = _open_request(locked.payment_intent, cents)
    left = reversals.refundable_cents(locked)
    return request or _create_request(locked.payment_intent, locked, cents, left=left, actor=actor, reason=reason, key=key)


def request_quarantine_refund(payment: QuarantinedPayment, *, actor: str, reason: str) -> RefundRequest:
    """Create a request to refund all that is left of a payment in quarantine, which the caller has locked. Raises RefundRefused."""
    if not payment.may_be_refunded:
        raise RefundRefused(ActionError.NOT_OURS)
    donation = db.session.get(Donation, payment.donation_id) if payment.donation_id else None
    request = _open_request(payment.payment_intent, None)
    return request or _create_request(
        payment.payment_intent, donation, None, left=quarantine.refundable_cents(payment), actor=actor, reason=reason
    )


def _open_request(payment_intent: str, cents: int | None) -> RefundRequest | None:
    query = select(RefundRequest).where(RefundRequest.payment_intent == payment_intent, RefundRequest.ended_at.is_(None))
    request = db.session.scalar(query)
    if request is not None and cents not in {None, request.cents}:
        raise RefundRefused(ActionError.UNDER_WAY, cents=request.cents)
    return request


def _create_request(
    payment_intent: str, donation: Donation | None, cents: int | None, *, left: int, actor: str, reason: str, key: str = ""
) -> RefundRequest:
    if disputes.disputed_among([payment_intent]):
        raise RefundRefused(ActionError.DISPUTED)
    if left == 0:
        raise RefundRefused(ActionError.NOTHING_LEFT)
    if cents is not None and cents > left:
        raise RefundRefused(ActionError.TOO_MUCH, cents=left)
    request = RefundRequest(
        key=key or new_key(),
        payment_intent=payment_intent,
        donation_id=donation.id if donation else None,
        cents=left if cents is None else cents,
        actor=actor,
        reason=reason,
    )
    db.session.add(request)
    audit.record(actor, "requested a refund", donation.public_id if donation else payment_intent, cents=request.cents, reason=reason)
    db.session.flush()
    return request


def mark_created(request: RefundRequest, stripe_id: str) -> None:
    """Record the refund that Stripe created."""
    request.stripe_id, request.ended_at = stripe_id, func.now()


def mark_refused(request: RefundRequest, reason: str) -> None:
    """Record why Stripe refused the refund."""
    request.refusal, request.ended_at = reason[:500], func.now()


def list_requests(donation: Donation) -> list[RefundRequest]:
    """All requests for refunds of the donation, the latest first."""
    return list(db.session.scalars(select(RefundRequest).where(RefundRequest.donation_id == donation.id).order_by(RefundRequest.id.desc())))


def list_unfinished(*, older_than: timedelta) -> list[RefundRequest]:
    """Requests of that age without a result, oldest first: the process was killed, or Stripe did not answer."""
    query = select(RefundRequest).where(RefundRequest.ended_at.is_(None), RefundRequest.requested_at < func.now() - older_than)
    return list(db.session.scalars(query.order_by(RefundRequest.id)))
