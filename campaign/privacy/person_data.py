"""All that is stored about one person, table by table, as plain values: what they get when they ask for access or want to take it along.

Left out are secrets that would let whoever has the file act for them: tokens of links and their hashes, and sealed copies of texts that are there
in the clear.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, or_, select

from campaign.donations.declarations import ReceiptDeclaration
from campaign.donations.donations import Donation
from campaign.donations.donor_merges import DonorMove
from campaign.donations.donors import Donor, DonorMerge
from campaign.donations.news_agreements import NewsAgreement
from campaign.donations.news_withdrawals import NewsWithdrawal
from campaign.donations.shared_messages import SharedMessage
from campaign.donations.staff_notes import StaffNote
from campaign.donations.wall_entries import WallEntry
from campaign.edges.db import Base, db
from campaign.edges.links import without_tokens
from campaign.edges.sealed_text import UnknownKey
from campaign.outbox.checkout_codes import CheckoutCode
from campaign.outbox.deliveries import Bounce, DeliveryAttempt, FrozenEmail
from campaign.outbox.delivery_delays import DeliveryDelay
from campaign.outbox.donor_access import DonorAccess
from campaign.outbox.messages import OutboxMessage
from campaign.outbox.tribute_cards import TributeCard
from campaign.privacy import erasure
from campaign.privacy.erased_columns import Person
from campaign.privacy.privacy_requests import PrivacyAct, PrivacyRequest
from campaign.receipts.gift_imports import GiftImportRow
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.recurring.contact_changes import ContactChange
from campaign.recurring.contacts import EmailChange
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.stripe_sync.inbox import StripeEvent

FORMAT = "campaign-person/1"
ROWS_AT_ONCE = 200
# Secrets, and bytes that are in the file in another form: the texts of emails in the clear, events parsed, receipts as PDF, documents with staff.
LEFT_OUT = {
    ("checkout_code", "attempt"): "the secret of a form",
    ("donation", "attempt"): "the secret of a form",
    ("donation", "checkout_url"): "a page on which somebody could pay for them",
    ("donation", "former_token_hash"): "of a link",
    ("donor_access", "token_hash"): "of a link",
    ("email_change", "token_hash"): "of a link",
    ("recurring_gift", "former_token_hash"): "of a link",
    ("frozen_email", "sealed_plain"): "the text is there in the clear",
    ("frozen_email", "sealed_html"): "the text is there in the clear",
    ("stripe_event", "body"): "it is there parsed",
    ("receipt", "check_code"): "it is on the receipt, which is in the file",
    ("receipt_document", "pdf"): "the receipts are in the file",
    ("declaration_document", "content"): "staff add it by hand: it may name somebody else",
    ("filed_return", "register"): "it is about all donors; the gift in it is in the file",
}


def all_about(donor_id: int) -> dict[str, Any]:
    """Everything about the person who is this donor, with one list of rows for each table that has any."""
    person, _ = erasure.get_person(donor_id)
    tables = {table.name: rows for table, condition in conditions_of(person) if (rows := list(rows_of(table, condition)))}
    return {"format": FORMAT, "donors": list(person.donor_ids), "emails": list(person.emails), "tables": tables}


def exported_tables() -> list[str]:
    """The names of the tables that are searched."""
    nobody = Person(donor_ids=[], donation_ids=[], gift_ids=[], emails=[], stripe_ids=[])
    return [table.name for table, _ in conditions_of(nobody)]


def receipts_of(donor_id: int) -> list[Receipt]:
    """The official receipts of the person, the earliest first."""
    person, _ = erasure.get_person(donor_id)
    own = select(ReceiptLine.receipt_id).where(ReceiptLine.donation_id.in_(person.donation_ids))
    return list(db.session.scalars(select(Receipt).where(Receipt.id.in_(own)).order_by(Receipt.id)))


def conditions_of(person: Person) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Each table with something about a person, and which of its rows are theirs."""
    donations, donors, gifts = person.donation_ids, person.donor_ids, person.gift_ids
    codes = select(CheckoutCode.id).where(CheckoutCode.email.in_(person.emails))
    messages = select(OutboxMessage.id).where(or_(OutboxMessage.donation_id.in_(donations), OutboxMessage.checkout_code_id.in_(codes)))
    receipts = select(ReceiptLine.receipt_id).where(ReceiptLine.donation_id.in_(donations))
    requests = select(PrivacyRequest.id).where(PrivacyRequest.donor_id.in_(donors))
    conditions: Sequence[tuple[type[Base], ColumnElement[bool]]] = (
        (Donor, Donor.id.in_(donors)),
        (Donation, Donation.id.in_(donations)),
        (RecurringGift, RecurringGift.id.in_(gifts)),
        (Receipt, Receipt.id.in_(receipts)),
        (ReceiptDeclaration, ReceiptDeclaration.donation_id.in_(donations)),
        (NewsAgreement, NewsAgreement.donation_id.in_(donations)),
        (NewsWithdrawal, NewsWithdrawal.donor_id.in_(donors)),
        (ContactChange, or_(ContactChange.donation_id.in_(donations), ContactChange.recurring_gift_id.in_(gifts))),
        (DonorMerge, or_(DonorMerge.primary_donor_id.in_(donors), DonorMerge.merged_donor_id.in_(donors))),
        (StaffNote, or_(StaffNote.donor_id.in_(donors), StaffNote.donation_id.in_(donations))),
        (SharedMessage, SharedMessage.donation_id.in_(donations)),
        (WallEntry, WallEntry.donation_id.in_(donations)),
        (TributeCard, TributeCard.donation_id.in_(donations)),
        (GiftImportRow, GiftImportRow.donation_id.in_(donations)),
        (DonorMove, DonorMove.donation_id.in_(donations)),
        (DonorAccess, DonorAccess.donor_id.in_(donors)),
        (EmailChange, EmailChange.donor_id.in_(donors)),
        (CheckoutCode, CheckoutCode.email.in_(person.emails)),
        (OutboxMessage, OutboxMessage.id.in_(messages)),
        (FrozenEmail, FrozenEmail.outbox_id.in_(messages)),
        (DeliveryAttempt, DeliveryAttempt.outbox_id.in_(messages)),
        (DeliveryDelay, DeliveryDelay.outbox_id.in_(messages)),
        (Bounce, Bounce.outbox_id.in_(messages)),
        (StripeEvent, StripeEvent.subject.in_(person.stripe_ids)),
        (PrivacyRequest, PrivacyRequest.donor_id.in_(donors)),
        (PrivacyAct, PrivacyAct.request_id.in_(requests)),
    )
    for model, condition in conditions:
        yield Base.metadata.tables[model.__tablename__], condition


def rows_of(table: Table, condition: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    """The rows as JSON can hold them, some at a time in memory."""
    found = select(table).where(condition).order_by(*table.primary_key.columns)
    for row in db.session.execute(found, execution_options={"yield_per": ROWS_AT_ONCE}).mappings():
        plain = {name: _plain(value) for name, value in row.items() if (table.name, name) not in LEFT_OUT and not isinstance(value, bytes)}
        yield {**plain, **_extra(table.name, row)}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, date | datetime) else value


def _extra(table: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    """What a row has in bytes that cannot be read as they are."""
    if table == FrozenEmail.__tablename__:
        return {"text": text_of(row["outbox_id"])}
    if table == StripeEvent.__tablename__:
        return {"event": json.loads(row["body"].decode())}
    return {}


def text_of(outbox_id: int) -> str:
    """The text of an email, without the tokens of its links; empty when it is erased or its key has gone."""
    email = db.session.get_one(FrozenEmail, outbox_id)
    try:
        return "" if email.is_erased else without_tokens(email.plain)
    except UnknownKey:
        return ""
