"""What staff type to find donations, as conditions: words of a name, an email address, an amount, an id of ours or of Stripe, a receipt's number.

Words are found without accents and case and from their beginning, as the function search_words (ledger/triggers) writes them. Every condition
has an index, so that a search costs as much as it finds.
"""

import re
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, func, or_, select

from campaign.campaigns.charities import list_charities
from campaign.donations.donations import Donation, is_public_id
from campaign.donations.search_words import is_of_words, words_query
from campaign.edges.db import db
from campaign.payments.reversals import Reversal
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.rules.money import InvalidMoney, parse
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.inbox import StripeEvent

LONGEST_QUERY = 200
# The largest amount of a gift that can be asked for, in cents: with a covered fee, it still fits a column.
LARGEST_CENTS = 10**17
_STRIPE_ID = re.compile(r"(pi|cs|ch|py|re|pyr|dp|du|txn|po|sub|in|evt)_[0-9A-Za-z_]{1,250}")


def is_id(typed: str) -> bool:
    """Whether the text is an id of a donation or one of Stripe."""
    return is_public_id(typed) or bool(_STRIPE_ID.fullmatch(typed))


def is_found(typed: str, language: str) -> ColumnElement[bool] | None:
    """The condition that a donation is what was typed; None for a text that can find none."""
    if is_public_id(typed):
        return Donation.public_id == typed
    if _STRIPE_ID.fullmatch(typed):
        return _is_at_stripe(typed)
    cents = amount_of(typed, language)
    return _any_of(is_of_words(typed), _has_receipt(typed), *((is_gift_of(cents), is_charge_of(cents)) if cents else ()))


def is_of_person(typed: str, language: str) -> ColumnElement[bool] | None:
    """The condition that a donation is by whom was typed: as `is_found`, but an amount names nobody. None for a text that can find none."""
    return is_found(typed, language) if is_id(typed) else _any_of(is_of_words(typed), _has_receipt(typed))


def _any_of(*conditions: ColumnElement[bool] | None) -> ColumnElement[bool] | None:
    found = [condition for condition in conditions if condition is not None]
    return or_(*found) if found else None


def amount_of(typed: str, language: str) -> int:
    """The amount that was typed, in cents; 0 for a text that is none."""
    with suppress(InvalidMoney):
        cents = parse(typed, language)
        return cents if cents < LARGEST_CENTS else 0
    return 0


def is_gift_of(cents: int) -> ColumnElement[bool]:
    """The condition that a received gift is of this amount."""
    return and_(Donation.received_at.is_not(None), Donation.amount_cents == cents)


def is_charge_of(cents: int) -> ColumnElement[bool]:
    """The condition that this is what a received gift was charged as, with its covered fee."""
    d = Donation
    return and_(d.received_at.is_not(None), d.covered_fee_cents > 0, d.amount_cents + d.covered_fee_cents == cents)


def stripe_id_of(typed: str) -> str:
    """The id at Stripe that was typed, of what the event is about if it is an event's; empty for another text."""
    if not _STRIPE_ID.fullmatch(typed):
        return ""
    if typed.startswith("evt_"):
        return db.session.scalar(select(StripeEvent.subject).where(StripeEvent.event_id == typed)) or typed
    return typed


def _is_at_stripe(typed: str) -> ColumnElement[bool]:
    d, stripe_id = Donation, stripe_id_of(typed)
    transactions, gift = select(BalanceTransaction.payment_intent), select(RecurringGift.id).where(RecurringGift.subscription == stripe_id)
    match stripe_id.partition("_")[0]:
        case "cs":
            return d.checkout_id == stripe_id
        case "ch" | "py":
            return d.payment_intent.in_(transactions.where(BalanceTransaction.source == stripe_id))
        case "txn":
            return d.payment_intent.in_(transactions.where(BalanceTransaction.stripe_id == stripe_id))
        case "po":
            return d.payment_intent.in_(transactions.where(BalanceTransaction.payout == stripe_id))
        case "re" | "pyr" | "dp" | "du":
            return d.payment_intent.in_(select(Reversal.payment_intent).where(Reversal.stripe_id == stripe_id))
        case "sub":
            return d.recurring_gift_id == gift.scalar_subquery()
        case "in":
            return d.attempt == f"invoice:{stripe_id}"
        case "d":
            return d.public_id == stripe_id
        case _:
            return d.payment_intent == stripe_id


def has_serial(typed: str) -> ColumnElement[bool]:
    """The condition that a receipt of any charity has this serial number. Their ids are named because the index begins with them."""
    return and_(Receipt.charity_id.in_([charity.id for charity in list_charities()]), Receipt.serial == typed.upper())


def _has_receipt(typed: str) -> ColumnElement[bool] | None:
    found = select(ReceiptLine.donation_id).join(Receipt, Receipt.id == ReceiptLine.receipt_id)
    ids = db.session.scalars(found.where(has_serial(typed), ReceiptLine.donation_id.is_not(None))).all()
    return Donation.id.in_(ids) if ids else None


def has_words(columns: Sequence[SQLColumnExpression[str]], typed: str) -> ColumnElement[bool] | None:
    """The condition that one of the columns has the typed words, for small tables; None for a text without any."""
    query = words_query(typed)
    return None if query is None else or_(*(func.search_words(column, "").bool_op("@@")(query) for column in columns))
