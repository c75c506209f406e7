"""What donors do with their recurring donations: changed at Stripe, then stored as Stripe returns them."""

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.subscriptions import StripeSubscription
from campaign.outbox import donor_access, messages
from campaign.outbox.donor_access import Opens
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.payments import snapshot_numbers
from campaign.recurring import recurring_gifts
from campaign.recurring.recurring_gifts import RecurringGift, SubscriptionSnapshot
from campaign.staff import audit


def change_amount(recurring_gift: RecurringGift, cents: int) -> None:
    """Change the amount from the next instalment on, and the covered fee in proportion. Raises StripeUnavailable or StripeRefused."""
    subscription, fee = _subscription_of(recurring_gift), cents * recurring_gift.covered_fee_cents // recurring_gift.amount_cents
    snapshot_number = _take_number()
    changed = services().stripe_subscriptions.change_amounts(subscription, gift_cents=cents, covered_fee_cents=fee)
    first = db.session.get_one(Donation, recurring_gift.donation_id)
    messages.enqueue(NewMessage(MessageKind.RECURRING_GIFT_CHANGED, first, f"{recurring_gift.id}:{snapshot_number}"))
    _record(changed, snapshot_number)


def cancel(recurring_gift: RecurringGift) -> None:
    """Cancel the subscription now; does nothing if it has ended. Raises StripeUnavailable or StripeRefused."""
    if not recurring_gift.is_over:
        subscription, snapshot_number = _subscription_of(recurring_gift), _take_number()
        _record(services().stripe_subscriptions.cancel(subscription), snapshot_number)


def end_for_donor(recurring_gift: RecurringGift, *, actor: str, reason: str) -> bool:
    """Cancel the subscription now, as the donor has asked staff. Returns False if it has ended. Raises StripeUnavailable or StripeRefused."""
    if recurring_gift.is_over:
        return False
    subscription, snapshot_number = _subscription_of(recurring_gift), _take_number()
    cancelled = services().stripe_subscriptions.cancel(subscription)
    audit.record(actor, "ended a monthly gift", db.session.get_one(Donation, recurring_gift.donation_id).public_id, reason=reason)
    _record(cancelled, snapshot_number)
    return True


def update_from_stripe(recurring_gift: RecurringGift) -> None:
    """Store the subscription as Stripe has it now. Raises StripeUnavailable or StripeRefused."""
    subscription, snapshot_number = _subscription_of(recurring_gift), _take_number()
    _record(services().stripe_subscriptions.get_subscription(subscription), snapshot_number)


def create_portal_session(recurring_gift: RecurringGift, return_url: str) -> str:
    """The URL of Stripe's page where the donor changes their card. Raises StripeUnavailable or StripeRefused."""
    customer = recurring_gift.customer
    assert customer
    db.session.commit()
    return services().stripe_subscriptions.create_portal_session(customer, return_url=return_url)


def send_links(email: str) -> None:
    """E-mail the donor a link to each of their recurring donations that have not ended, so many an hour at most."""
    for recurring_gift in recurring_gifts.recurring_gifts_of(email):
        first = db.session.get_one(Donation, recurring_gift.donation_id)
        donor_access.request_access(first, Opens.RECURRING_GIFT, kind=MessageKind.RECURRING_GIFT_LINK)
    db.session.commit()
    services().waker.wake("mail")


def _subscription_of(recurring_gift: RecurringGift) -> str:
    assert recurring_gift.subscription
    return recurring_gift.subscription


def _take_number() -> int:
    number = snapshot_numbers.take_snapshot_number()
    db.session.commit()
    return number


def _record(subscription: StripeSubscription, snapshot_number: int) -> None:
    _, ended = recurring_gifts.record_subscription(SubscriptionSnapshot(subscription=subscription, snapshot_number=snapshot_number))
    if ended is not None:
        messages.enqueue(NewMessage(MessageKind.RECURRING_GIFT_ENDED, ended))
    db.session.commit()
    services().waker.wake("mail")
