"""What is erased of a person, as statements: for each kind of data the rows that have any, and what replaces it.

A statement whose rows are erased already finds none, so erasing twice is harmless. Each is counted before it is run: the preview and the erasure
are the same statements.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from campaign.donations.donations import PERSON_FIELDS, Donation
from campaign.donations.donor_merges import DonorMove
from campaign.donations.donors import PER_DONATION, Donor, DonorMerge
from campaign.donations.staff_notes import StaffNote
from campaign.donations.wall_entries import WallEntry
from campaign.edges.db import Base
from campaign.outbox.checkout_codes import CheckoutCode
from campaign.outbox.deliveries import Bounce, DeliveryAttempt, FrozenEmail
from campaign.outbox.delivery_delays import DeliveryDelay
from campaign.outbox.donor_access import DonorAccess
from campaign.outbox.messages import OutboxMessage
from campaign.outbox.tribute_cards import TributeCard, without_texts
from campaign.receipts.gift_imports import GiftImportRow
from campaign.recurring.contact_changes import ContactChange
from campaign.recurring.contacts import EmailChange
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.stripe_sync.inbox import StripeEvent


class Erased(StrEnum):
    """What is erased, as the preview and the proof name it."""

    ADDRESSES = "addresses"
    GIFTS = "gifts"
    UNPAID = "unpaid"
    MONTHLY = "monthly"
    EMAILS = "emails"
    DELIVERIES = "deliveries"
    LINKS = "links"
    CARDS = "cards"
    CORRECTIONS = "corrections"
    EVENTS = "events"
    NOTES = "notes"
    IMPORTS = "imports"
    NAMES = "names"
    WALL = "wall"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Whose data is meant: their donors, donations and monthly gifts, addresses, and numbers of them at Stripe."""

    donor_ids: Sequence[int]
    donation_ids: Sequence[int]
    gift_ids: Sequence[int]
    emails: Sequence[str]
    stripe_ids: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """Rows of a table, and the values that replace what is personal in them."""

    what: Erased
    model: type[Base]
    rows: ColumnElement[bool]
    values: dict[str, Any]

    @property
    def table(self) -> Table:
        """The table."""
        return Base.metadata.tables[self.model.__tablename__]


_NOTHING = dict.fromkeys(PERSON_FIELDS, "")
_NO_NAME = and_(*(getattr(Donation, field) == "" for field in PERSON_FIELDS))
# Nobody knows a token with this hash, which is unique by the number of its row.
_UNKNOWN = "no link "


def erasures_of(person: Person) -> Iterator[Erasure]:
    """All that is erased when a person asks, in the order in which it can be."""
    messages = select(OutboxMessage.id).where(_is_message_of(person))
    yield from erasures_of_mail(messages)
    d, g = Donation, RecurringGift
    yield Erasure(what=Erased.UNPAID, model=d, rows=and_(d.id.in_(person.donation_ids), is_unpaid(), ~_NO_NAME), values={**_NOTHING})
    yield Erasure(what=Erased.GIFTS, model=d, rows=and_(d.id.in_(person.donation_ids), _has_details()), values=without_details())
    w = WallEntry
    yield Erasure(what=Erased.WALL, model=w, rows=and_(w.donation_id.in_(person.donation_ids), is_on_wall()), values=without_wall())
    later = {**_NOTHING, "email": "", "former_token_hash": None, "link_version": g.link_version + 1}
    has_contact = or_(g.email != "", *(getattr(g, field) != "" for field in PERSON_FIELDS))
    yield Erasure(what=Erased.MONTHLY, model=g, rows=and_(g.id.in_(person.gift_ids), g.ended_at.is_not(None), has_contact), values=later)
    yield from _erasures_of_links(person)
    yield from _erasures_of_corrections(person)
    e = StripeEvent
    of_person = and_(e.subject.in_(person.stripe_ids), e.done_at.is_not(None), e.body_sha256.is_(None))
    yield Erasure(what=Erased.EVENTS, model=e, rows=of_person, values=without_body())
    card = TributeCard
    of_cards = and_(card.donation_id.in_(person.donation_ids), card.recipient_email != "")
    yield Erasure(what=Erased.CARDS, model=card, rows=of_cards, values=without_card())
    n, r = StaffNote, GiftImportRow
    of_notes = or_(n.donor_id.in_(person.donor_ids), n.donation_id.in_(person.donation_ids))
    yield Erasure(what=Erased.NOTES, model=n, rows=and_(of_notes, n.text != ""), values={"text": ""})
    recorded = and_(r.donation_id.in_(person.donation_ids), or_(r.cells != _no_cells(), r.gift.is_not(None)))
    yield Erasure(what=Erased.IMPORTS, model=r, rows=recorded, values={"cells": [], "fields": {}, "flaws": {}, "gift": None})
    has_choices = or_(Donor.email.is_not(None), Donor.receipt_preference != PER_DONATION)
    choices = {"email": None, "receipt_preference": PER_DONATION}
    yield Erasure(what=Erased.ADDRESSES, model=Donor, rows=and_(Donor.id.in_(person.donor_ids), has_choices), values=choices)


def _no_cells() -> ColumnElement[Any]:
    return literal([], JSONB)


def erasures_of_mail(messages: Select[int]) -> Iterator[Erasure]:
    """Who these messages were to, what they said, and what mail servers answered. None of them is still to be sent."""
    m, o, b, a, delay = FrozenEmail, OutboxMessage, Bounce, DeliveryAttempt, DeliveryDelay
    is_over = or_(o.done_at.is_not(None), o.dead_at.is_not(None))
    over = messages.where(is_over)
    text = {"recipient": "", "recipient_name": "", "subject": "", "sealed_plain": b"", "sealed_html": b""}
    yield Erasure(what=Erased.EMAILS, model=m, rows=and_(m.outbox_id.in_(over), m.recipient != ""), values=text)
    has_answer = and_(a.answer.is_not(None), a.answer != "", a.outcome.is_not(None))
    yield Erasure(what=Erased.DELIVERIES, model=a, rows=and_(a.outbox_id.in_(over), has_answer), values={"answer": ""})
    resolved = {"reason": "", "resolved_at": func.coalesce(b.resolved_at, func.now())}
    yield Erasure(what=Erased.DELIVERIES, model=b, rows=and_(b.outbox_id.in_(over), b.reason != ""), values=resolved)
    yield Erasure(
        what=Erased.DELIVERIES, model=delay, rows=and_(delay.outbox_id.in_(over), delay.diagnostic != ""), values={"diagnostic": ""}
    )
    # A message that could not be delivered is not tried again: there is nobody to send it to.
    closed = {"recipient": None, "last_error": None, "done_at": func.coalesce(o.done_at, func.now()), "dead_at": None}
    has_rest = or_(o.recipient.is_not(None), o.last_error.is_not(None), o.dead_at.is_not(None))
    yield Erasure(what=Erased.DELIVERIES, model=o, rows=and_(o.id.in_(over), has_rest), values=closed)


def _is_message_of(person: Person) -> ColumnElement[bool]:
    codes = select(CheckoutCode.id).where(CheckoutCode.email.in_(person.emails))
    return or_(OutboxMessage.donation_id.in_(person.donation_ids), OutboxMessage.checkout_code_id.in_(codes))


def is_unpaid() -> ColumnElement[bool]:
    """The condition that nothing was paid for a donation, so that the books have no use for its name and address."""
    return and_(Donation.received_at.is_(None), Donation.quarantined_at.is_(None))


def _has_details() -> ColumnElement[bool]:
    d = Donation
    texts = (d.email, d.public_name, d.tribute_name, d.message, d.client_key)
    has_text = or_(*(text != "" for text in texts))
    return or_(has_text, *(c.is_not(None) for c in (d.tribute_kind, d.news_consent_at, d.checkout_url, d.former_token_hash)))


def without_details() -> dict[str, Any]:
    """What replaces all that was typed beside the name and address. The links to the donor's page end."""
    texts = dict.fromkeys(("email", "public_name", "tribute_name", "message", "client_key"), "")
    nothing = dict.fromkeys(("tribute_kind", "news_consent_at", "checkout_url", "former_token_hash"), None)
    return {**texts, **nothing, "anonymous": True, "link_version": Donation.link_version + 1}


def is_on_wall() -> ColumnElement[bool]:
    """The condition that something of a gift is shown to everybody, or may come to be."""
    return or_(WallEntry.name != "", WallEntry.withdrawn_at.is_(None))


def without_wall() -> dict[str, Any]:
    """What replaces what is shown of a gift: from now on it is not shown."""
    return {"name": "", "withdrawn_at": func.coalesce(WallEntry.withdrawn_at, func.now())}


def _erasures_of_links(person: Person) -> Iterator[Erasure]:
    a, c, code = DonorAccess, EmailChange, CheckoutCode
    yield Erasure(what=Erased.LINKS, model=a, rows=and_(a.donor_id.in_(person.donor_ids), a.email != ""), values=without_access())
    yield Erasure(what=Erased.LINKS, model=c, rows=and_(c.donor_id.in_(person.donor_ids), c.old_email != ""), values=without_change())
    yield Erasure(what=Erased.LINKS, model=code, rows=code.email.in_(person.emails), values=without_code())


def without_access() -> dict[str, Any]:
    """What replaces a mailed link."""
    return {"email": "", "token_hash": _no_token(DonorAccess.id)}


def without_change() -> dict[str, Any]:
    """What replaces a change of an email address."""
    return {"old_email": "", "new_email": "", "token_hash": _no_token(EmailChange.id)}


def without_code() -> dict[str, Any]:
    """What replaces a mailed code."""
    return {"email": "", "client_key": "", "attempt": ""}


def without_card() -> dict[str, Any]:
    """What replaces a card: it is not sent any more."""
    return {**without_texts(), "cancelled_at": func.coalesce(TributeCard.cancelled_at, func.now())}


def _no_token(number: Any) -> ColumnElement[bytes]:
    return func.sha256(func.convert_to(literal(_UNKNOWN) + cast(number, Donation.public_id.type), "UTF8"))


def _erasures_of_corrections(person: Person) -> Iterator[Erasure]:
    c, m, moved = ContactChange, DonorMerge, DonorMove
    of_person = or_(c.donation_id.in_(person.donation_ids), c.recurring_gift_id.in_(person.gift_ids))
    nothing = literal({}, JSONB)
    yield Erasure(what=Erased.CORRECTIONS, model=c, rows=and_(of_person, c.old != nothing), values={"old": nothing, "new": nothing})
    of_donors = or_(m.primary_donor_id.in_(person.donor_ids), m.merged_donor_id.in_(person.donor_ids))
    yield Erasure(what=Erased.CORRECTIONS, model=m, rows=and_(of_donors, m.reason != ""), values={"reason": ""})
    yield Erasure(
        what=Erased.CORRECTIONS, model=moved, rows=and_(moved.donation_id.in_(person.donation_ids), moved.email != ""), values={"email": ""}
    )


def without_body() -> dict[str, Any]:
    """What replaces an event's body: its hash, and what names nobody."""
    e = StripeEvent
    return {"body_sha256": func.sha256(e.body), "body": func.erased_event_body(e.body)}


def without_names() -> dict[str, Any]:
    """What replaces a name and an address."""
    return {**_NOTHING}


def has_names() -> ColumnElement[bool]:
    """The condition that a donation has a name or an address."""
    return ~_NO_NAME
