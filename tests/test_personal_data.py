"""The inventory of personal data, and the erasure of a person: what they typed is only where the inventory says, and the books are right."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import JSON, Column, LargeBinary, MetaData, String, Table, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.donations.donors import Donor
from campaign.edges.db import Base, db
from campaign.edges.services import services
from campaign.mail import mail_actions, send_jobs
from campaign.outbox import checkout_codes, deliveries, donor_access, messages
from campaign.outbox.donor_access import Opens
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage, OutboxMessage
from campaign.privacy import erasure, people, privacy_request_actions, privacy_requests
from campaign.privacy.erased_columns import Erased
from campaign.privacy.erasure import Prevents, Stays
from campaign.privacy.privacy_request_actions import RequestClosed
from campaign.privacy.privacy_requests import ActKind, NewRequest, PrivacyRequest, RequestKind
from campaign.receipts import donor_merge_actions, receipt_actions
from campaign.recurring.contacts import Scope
from campaign.reporting import published_heads
from campaign.reporting.integrity import checker
from campaign.rules.personal_data import INVENTORY, Treatment, columns_with
from campaign.staff.audit import AuditEntry
from tests.factories import confirm_charity, create_refund, end, paid, pay, start_donation, today
from tests.mail import make_due
from tests.stripe import expired, handle, succeeded

EMAIL, OTHER = "zoe@markersson.example", "z.markersson@work.example"
MARKERS = ("markersson", "Xylograph", "Quibblestone")
CLERK = "clerk@example.org"


def personal_columns(metadata: MetaData) -> set[tuple[str, str]]:
    """Every column that can hold what a person typed."""
    return {
        (table.name, one.name)
        for table in metadata.tables.values()
        for one in table.columns
        if isinstance(one.type, String | JSON | LargeBinary) or (isinstance(one.type, ARRAY) and isinstance(one.type.item_type, String))
    }


def unclassified(metadata: MetaData) -> set[tuple[str, str]]:
    return personal_columns(metadata) ^ {(table, name) for table, columns in INVENTORY.items() for name in columns}


def test_each_column_with_text_is_in_the_inventory_and_a_new_one_without_is_found(app: Flask) -> None:
    assert unclassified(Base.metadata) == set()
    more = MetaData()
    for table in Base.metadata.tables.values():
        table.to_metadata(more)
    more.tables["donation"].append_column(Column("nickname", String()))
    Table("diary", more, Column("entry", String()))
    assert unclassified(more) == {("donation", "nickname"), ("diary", "entry")}, "the control"


def found_in(*markers: str) -> set[tuple[str, str]]:
    """The columns of the whole database that have one of these texts, in any case."""
    found = set()
    for table, name in personal_columns(Base.metadata):
        one = Base.metadata.tables[table].c[name]
        as_text = func.encode(one, "escape") if isinstance(one.type, LargeBinary) else one.cast(String)
        holds = or_(*(as_text.ilike(f"%{marker}%") for marker in markers))
        if db.session.scalar(select(literal(1)).select_from(one.table).where(holds).limit(1)):
            found.add((table, name))
    return found


@pytest.fixture
def zoe(campaign: Campaign) -> Donation:
    """A gift of somebody who has used everything that stores something about a person."""
    confirm_charity()
    typed: dict[str, Any] = {
        "first_name": "Zoé",
        "last_name": "Markerson",
        "address_line1": "1 Markersson Street",
        "email": EMAIL,
        "language": "fr",
    }
    gift = start_donation(
        campaign,
        message="My Xylograph",
        tribute_kind="memory",
        tribute_name="Ana Quibblestone",
        public_name="Z. Markersson",
        news_consent=True,
        client_key="key-markersson",
        **typed,
    )
    gift.checkout_url = "https://checkout.example/markersson"
    pay(gift)
    handle({**(event := succeeded(gift)), "data": {"object": {**event["data"]["object"], "receipt_email": EMAIL}}})
    unpaid = start_donation(campaign, **typed)
    handle(expired(unpaid))
    end(unpaid, "expired")
    other = paid(campaign, **{**typed, "last_name": "Markersson", "email": OTHER})
    person = {
        name: getattr(gift, name) for name in ("first_name", "organization", "address_line1", "city", "province", "postal_code", "country")
    }
    receipt_actions.correct_details(gift, {**person, "last_name": "Markersson"}, actor=CLERK, reason="a typing error", is_same_donor=True)
    donor_merge_actions.merge(gift.donor_id, other.donor_id, actor=CLERK, reason="Markersson says that they are one")
    mail_actions.correct_email(gift, EMAIL.title(), actor=CLERK, scope=Scope.BOTH)
    donor_access.request_access(gift, Opens.DONATION)
    checkout_codes.send_code(campaign_id=campaign.id, attempt="an attempt", email=EMAIL, language="fr", client_key="a network")
    messages.enqueue(NewMessage(MessageKind.LINKS_RENEWED, gift, "again"))
    db.session.commit()
    make_due()
    send_jobs.send_due()
    sent = db.session.scalars(select(OutboxMessage).where(OutboxMessage.donation_id == gift.id).order_by(OutboxMessage.id)).first()
    assert sent
    mail_actions.report_bounce(sent, actor=CLERK, reason=f"550 unknown user {EMAIL}")
    db.session.execute(
        text("UPDATE outbox SET done_at = NULL, dead_at = now(), last_error = :said WHERE id = :id"), {"said": EMAIL, "id": sent.id}
    )
    db.session.commit()
    return gift


def request_of(donation: Donation, kind: RequestKind = RequestKind.ERASURE) -> PrivacyRequest:
    """A request of the donor, whose identity was verified."""
    new = NewRequest(kind=kind, received_on=today(), person="Zoé Markersson", contact=EMAIL)
    request = privacy_request_actions.record(donation.campaign.charity_id, new, actor=CLERK)
    privacy_request_actions.choose_person(request.id, donation.donor_id, actor=CLERK)
    privacy_request_actions.record_identity(request.id, how="called back at the number of the last gift", actor=CLERK)
    return request


def test_a_person_is_found_by_name_and_by_every_address_that_they_have_had(zoe: Donation) -> None:
    for typed in ("zoe MARKERSSON", EMAIL.upper(), OTHER, "markers"):
        (found,) = people.find_people(typed)
        assert found.donor_id == zoe.donor_id and found.gifts == 2 and found.names[0] == "Zoé Markersson", typed
    assert people.find_people("nobody@example.org") == [] and people.find_people("…") == []


def test_after_an_erasure_nothing_of_the_person_is_left_but_what_tax_law_wants(zoe: Donation) -> None:
    published_heads.publish(services().signing_key)
    db.session.commit()
    of_books, of_register = columns_with(Treatment.BOOKS), columns_with(Treatment.REGISTER)
    before = found_in(*MARKERS)
    at_once = columns_with(Treatment.AT_ONCE)
    # The control: the person is in most columns of which something is erased; the others hold what is encrypted, hashed or rare.
    assert {
        ("donation", "message"),
        ("donor_move", "email"),
        ("contact_change", "old"),
        ("stripe_event", "body"),
        ("bounce", "reason"),
    } <= before
    request = request_of(zoe)
    shown = erasure.preview(zoe.donor_id)
    assert shown.is_possible and shown.until and shown.stays == {Stays.GIFTS: 2, Stays.RECEIPTS: 2}
    done = privacy_request_actions.erase(request.id, actor=CLERK)
    assert done.erased == shown.erased and {Erased.EVENTS, Erased.CORRECTIONS, Erased.LINKS, Erased.UNPAID} <= done.erased.keys()
    left = found_in(*MARKERS)
    assert left <= of_books | of_register | {("audit_entry", "detail")}, left - of_books - of_register
    assert {("donation", "last_name"), ("receipt", "content"), ("privacy_request", "contact")} <= left
    assert not left & at_once
    emails = db.session.scalars(select(deliveries.FrozenEmail)).all()
    of_zoe = [email for email in emails if email.is_erased]
    assert len(of_zoe) >= 4 and all(email.sealed_plain == email.sealed_html == b"" for email in of_zoe)
    assert checker.findings(db.engine) == []
    (proof,) = [act for act in privacy_requests.acts_of(request.id) if act.kind == ActKind.ERASED]
    assert proof.actor == CLERK and proof.detail["until"] == shown.until.isoformat() and proof.detail["erased"]["gifts"] == 3
    assert not any(marker.lower() in str(proof.detail).lower() for marker in MARKERS)


def test_erasing_twice_is_harmless_and_a_later_gift_is_of_a_new_donor(zoe: Donation, campaign: Campaign) -> None:
    request, token = request_of(zoe), zoe.token
    privacy_request_actions.erase(request.id, actor=CLERK)
    again = privacy_request_actions.erase(request.id, actor=CLERK)
    assert again.is_possible and again.is_done
    db.session.refresh(zoe)
    assert zoe.token != token and db.session.get_one(Donor, zoe.donor_id).email is None
    acts = [act.kind for act in privacy_requests.acts_of(request.id)]
    assert acts.count(ActKind.ERASED) == 1
    assert db.session.scalar(select(func.count()).where(AuditEntry.action == "erased a person")) == 1
    later = paid(campaign, email=EMAIL)
    assert later.donor_id != zoe.donor_id
    create_refund(zoe, 40_00)
    make_due()
    send_jobs.send_due()
    assert checker.findings(db.engine) == [], "what comes later about an erased gift is receipted, and mailed to nobody"
    privacy_request_actions.close(request.id, "erased, and as_text to", actor=CLERK)
    with pytest.raises(RequestClosed):
        privacy_request_actions.erase(request.id, actor=CLERK)


def test_what_is_open_prevents_an_erasure_with_its_reason(campaign: Campaign) -> None:
    confirm_charity()
    gift = start_donation(campaign, email=EMAIL)
    request = request_of(gift)
    assert privacy_request_actions.erase(request.id, actor=CLERK).prevented == {Prevents.OPEN_PAYMENT: [gift]}
    pay(gift)
    db.session.commit()
    assert set(erasure.preview(gift.donor_id).prevented) == {Prevents.RECEIPT, Prevents.EMAIL}
    make_due()
    send_jobs.send_due()
    assert erasure.preview(gift.donor_id).is_possible
    db.session.execute(text("UPDATE outbox SET done_at = NULL"))
    assert set(privacy_request_actions.erase(request.id, actor=CLERK).prevented) == {Prevents.EMAIL}
    assert db.session.get_one(Donor, gift.donor_id).email == EMAIL, "nothing is erased"


def test_i20_the_database_lets_nothing_but_erasure_change_what_is_append_only(zoe: Donation) -> None:
    """Controls: each change that an erasure is not is refused, also to the service with SQL of its own."""
    db.session.commit()
    for statement in (
        """UPDATE contact_change SET old = '{"last_name": "Other"}', new = '{}'""",
        "UPDATE contact_change SET old = '{}', new = '{}', donation_id = NULL",
        "UPDATE receipt_document SET pdf = ''",
        """UPDATE receipt SET content = content || '{"donor_name": "", "donor_address": []}'""",
        "UPDATE stripe_event SET body = 'x', body_sha256 = sha256(body)",
        "UPDATE stripe_event SET body = erased_event_body(body), body_sha256 = 'x'",
        "UPDATE stripe_event SET body = erased_event_body(body)",
        "UPDATE frozen_email SET recipient = ''",
        "UPDATE delivery_attempt SET answer = 'other'",
        "UPDATE delivery_attempt SET answer = '', outcome = 'refused'",
    ):
        with pytest.raises(DBAPIError):
            db.session.execute(text(statement))
        db.session.rollback()
