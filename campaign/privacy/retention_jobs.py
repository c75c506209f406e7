"""Erases what is stored about people once its period is over: in batches, each committed by itself, so that a run may stop anywhere and go on later.

The books are gone through last: donors whose last gift tax law asks about no longer (rules/retention.py).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import and_, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.declarations import DeclarationDocument, ReceiptDeclaration
from campaign.donations.donations import Donation
from campaign.donations.donors import Donor
from campaign.donations.news_withdrawals import is_consent_in_force
from campaign.donations.wall_entries import WallEntry
from campaign.edges.db import db
from campaign.outbox import tribute_cards
from campaign.outbox.checkout_codes import CheckoutCode
from campaign.outbox.deliveries import FrozenEmail
from campaign.outbox.donor_access import DonorAccess
from campaign.outbox.messages import OutboxMessage
from campaign.outbox.tribute_cards import TributeCard
from campaign.privacy import erased_columns, erasure, retention_rules
from campaign.privacy.erased_columns import Erasure, has_names, is_unpaid
from campaign.privacy.privacy_requests import PrivacyAct, PrivacyRequest
from campaign.receipts.documents import ReceiptDocument
from campaign.receipts.filed_returns import FiledReturn
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.recurring.contacts import EmailChange
from campaign.rules.fiscal_years import fiscal_year, fiscal_year_of
from campaign.rules.retention import YEARS_OF_BOOKS, Retained
from campaign.staff import sessions
from campaign.staff.sessions import StaffSession
from campaign.stripe_sync.inbox import StripeEvent

BATCH = 500
INTERVAL = timedelta(hours=20)
NOT_DUE = -1
# Triggers refuse to erase younger ones.
AGE_OF_BOOKS = timedelta(days=366 * YEARS_OF_BOOKS)


def erase_what_is_over() -> int:
    """Erase what is due, once a day. Returns how many rows were erased, or NOT_DUE."""
    rules = retention_rules.list_rules()
    if all(rule.run_at and datetime.now(UTC) - rule.run_at < INTERVAL for rule in rules):
        return NOT_DUE
    return erase_now()


def erase_now() -> int:
    """Erase what is due now. Returns how many rows were erased."""
    total = 0
    for kind in Retained:
        erased = _erase_kind(kind)
        retention_rules.record_run(kind, erased)
        db.session.commit()
        total += erased
    return total


def _erase_kind(kind: Retained) -> int:
    if kind is Retained.BOOKS:
        return sum(_erase_books_of(charity) for charity in db.session.scalars(select(Charity).order_by(Charity.id)).all())
    before = datetime.now(UTC) - timedelta(days=retention_rules.days_of(kind))
    total = 0
    while erased := _STEPS[kind](before):
        db.session.commit()
        total += erased
    db.session.commit()
    return total


def _run_all(erasures: Iterator[Erasure]) -> int:
    """Run these, and return how many rows the first of them erased."""
    counts = []
    for one in erasures:
        rows = update(one.table).where(one.rows).values(one.values)
        counts.append(db.session.execute(rows, execution_options={"synchronize_session": False}).rowcount)  # type: ignore[attr-defined]  # of an UPDATE
    return int(counts[0])


def _erase_emails(before: datetime) -> int:
    m, o = FrozenEmail, OutboxMessage
    over = select(m.outbox_id).join(o, o.id == m.outbox_id).where(m.frozen_at < before, m.recipient != "")
    ids = db.session.scalars(over.where(or_(o.done_at.is_not(None), o.dead_at.is_not(None))).order_by(m.frozen_at).limit(BATCH)).all()
    return _run_all(erased_columns.erasures_of_mail(select(o.id).where(o.id.in_(ids)))) if ids else 0


def _erase_events(before: datetime) -> int:
    e = StripeEvent
    over = select(e.id).where(e.body_sha256.is_(None), e.received_at < before, e.done_at.is_not(None)).order_by(e.id).limit(BATCH)
    return _update(e.id.in_(db.session.scalars(over).all()), StripeEvent, erased_columns.without_body())


def _erase_checkouts(before: datetime) -> int:
    """Names, addresses and all that was typed of gifts that were not paid. Who agreed to news has asked to be written to, and stays."""
    d = Donation
    over = select(d.id).where(is_unpaid(), d.ended_at < before, or_(has_names(), d.email != ""), ~is_consent_in_force())
    ids = db.session.scalars(over.order_by(d.ended_at).limit(BATCH)).all()
    details = {**erased_columns.without_names(), **erased_columns.without_details()}
    erased = _update(d.id.in_(ids), Donation, details)
    _update(and_(WallEntry.donation_id.in_(ids), erased_columns.is_on_wall()), WallEntry, erased_columns.without_wall())
    other = aliased(Donation)
    is_needed = exists().where(
        other.donor_id == Donor.id, or_(~and_(other.received_at.is_(None), other.quarantined_at.is_(None)), other.email != "")
    )
    _update(and_(Donor.id.in_(select(d.donor_id).where(d.id.in_(ids))), Donor.email.is_not(None), ~is_needed), Donor, {"email": None})
    return erased


def _erase_links(before: datetime) -> int:
    a, c, code = DonorAccess, EmailChange, CheckoutCode
    return (
        _update(and_(a.created_at < before, a.email != ""), a, erased_columns.without_access())
        + _update(and_(c.created_at < before, c.old_email != ""), c, erased_columns.without_change())
        + _update(and_(code.created_at < before, code.email != ""), code, erased_columns.without_code())
    )


def _erase_cards(before: datetime) -> int:
    """To whom cards went and what they said, with the emails that carried them. Those that were cancelled are erased already."""
    c, o = TributeCard, OutboxMessage
    over = select(c.id).join(o, o.tribute_card_id == c.id).where(c.recipient_email != "", or_(o.done_at < before, o.dead_at < before))
    ids = db.session.scalars(over.order_by(c.id).limit(BATCH)).all()
    if not ids:
        return 0
    _run_all(erased_columns.erasures_of_mail(select(o.id).where(o.tribute_card_id.in_(ids))))
    return _update(c.id.in_(ids), c, dict(tribute_cards.without_texts()))


def _erase_sign_ins(before: datetime) -> int:
    s = StaffSession
    is_over = or_(s.ended_at < before, s.seen_at < before - sessions.MAX_SESSION)
    return _update(and_(is_over, or_(s.client != "", s.network != "")), s, {"client": "", "network": ""})


def _erase_register(before: datetime) -> int:
    r, a = PrivacyRequest, PrivacyAct
    over = and_(r.closed_at < before, or_(r.person != "", r.contact != ""))
    ids = db.session.scalars(select(r.id).where(over).order_by(r.id).limit(BATCH)).all()
    _update(and_(a.request_id.in_(ids), a.note != "", a.at < before), a, {"note": ""})
    return _update(r.id.in_(ids), r, {"person": "", "contact": ""})


def _update(rows: object, model: type, values: dict[str, object]) -> int:
    changed = update(model).where(rows).values(values)  # type: ignore[arg-type]  # a condition
    return int(db.session.execute(changed, execution_options={"synchronize_session": False}).rowcount)  # type: ignore[attr-defined]  # of an UPDATE


_STEPS: dict[Retained, Callable[[datetime], int]] = {
    Retained.EMAILS: _erase_emails,
    Retained.EVENTS: _erase_events,
    Retained.CHECKOUTS: _erase_checkouts,
    Retained.LINKS: _erase_links,
    Retained.CARDS: _erase_cards,
    Retained.SIGN_INS: _erase_sign_ins,
    Retained.REGISTER: _erase_register,
}


def last_day_of_books(charity: Charity, today: date) -> date:
    """The last day whose gifts tax law asks about no longer."""
    end = charity.fiscal_year_end
    return fiscal_year(end, fiscal_year_of(end, today) - YEARS_OF_BOOKS - 1).last_on


def _erase_books_of(charity: Charity) -> int:
    """Erase donors whose last gift is older than the books, each in a transaction; returns how many."""
    now = datetime.now(UTC)
    after = datetime.combine(last_day_of_books(charity, charity.local(now).date()), datetime.max.time(), charity.local(now).tzinfo)
    _erase_registers(charity, last_day_of_books(charity, charity.local(now).date()), before=now - AGE_OF_BOOKS)
    erased, last = 0, 0
    while donor_ids := _donors_before(charity, after, oldest_receipt=now - AGE_OF_BOOKS, beyond=last):
        for last in donor_ids:
            erased += _erase_donor(last)
            db.session.commit()
    return erased


def _erase_registers(charity: Charity, last_on: date, *, before: datetime) -> None:
    """The registers with the names of donors in returns that were filed for years that are over; their figures stay."""
    f = FiledReturn
    is_over = and_(f.charity_id == charity.id, f.last_on <= last_on, f.recorded_at < before, f.register != b"")
    _update(is_over, f, {"register": b""})


def _donors_before(charity: Charity, after: datetime, *, oldest_receipt: datetime, beyond: int) -> Sequence[int]:
    d, later, line = Donation, aliased(Donation), ReceiptLine
    at = func.coalesce(later.received_at, later.quarantined_at, later.started_at)
    has_later = exists().where(later.donor_id == d.donor_id, at > after)
    of_donor = and_(later.donor_id == d.donor_id, line.donation_id == later.id, Receipt.id == line.receipt_id)
    has_receipt = exists().where(of_donor, Receipt.issued_at >= oldest_receipt)
    has_declaration = exists().where(
        later.donor_id == d.donor_id, ReceiptDeclaration.donation_id == later.id, ReceiptDeclaration.recorded_at >= oldest_receipt
    )
    of_charity = d.campaign_id.in_(select(Campaign.id).where(Campaign.charity_id == charity.id))
    over = select(d.donor_id).where(of_charity, d.donor_id > beyond, d.received_at <= after, has_names())
    return db.session.scalars(over.where(~has_later, ~has_receipt, ~has_declaration).distinct().order_by(d.donor_id).limit(BATCH)).all()


def _erase_donor(donor_id: int) -> int:
    """Erase what the books had of a donor. Returns 1, or 0 when something is still open, such as a dispute."""
    if not erasure.erase(donor_id).is_possible:
        return 0
    person, _ = erasure.get_person(donor_id)
    d, line, v = Donation, ReceiptLine, ReceiptDeclaration
    receipts = select(line.receipt_id).where(line.donation_id.in_(person.donation_ids))
    nobody = Receipt.content.op("||")(literal({"donor_name": "", "donor_address": []}, JSONB))
    documents = db.session.scalars(select(v.document).where(v.donation_id.in_(person.donation_ids), v.document.is_not(None))).all()
    _update(and_(v.donation_id.in_(person.donation_ids), or_(v.name != "", v.words != "")), v, {"name": "", "words": ""})
    _update(and_(DeclarationDocument.sha256.in_(documents), DeclarationDocument.content != b""), DeclarationDocument, {"content": b""})
    _update(and_(ReceiptDocument.receipt_id.in_(receipts), ReceiptDocument.pdf != b""), ReceiptDocument, {"pdf": b""})
    _update(and_(Receipt.id.in_(receipts), Receipt.content["donor_name"].astext != ""), Receipt, {"content": nobody})
    return min(1, _update(and_(d.id.in_(person.donation_ids), has_names()), Donation, erased_columns.without_names()))
