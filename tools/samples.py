"""Writes the text of every email and every kind of receipt in both languages to docs/samples: `make samples`. Not part of the test suite.

The emails as HTML go to build/mail, to be looked at in a browser.

The service itself sends the emails and renders the receipts. The same code writes the same files, so that a review shows each change.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from pypdf import PdfReader

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations import donors
from campaign.donations.donations import PERSON_FIELDS, Donation
from campaign.edges.db import db
from campaign.edges.links import Links
from campaign.funders import payment_actions, payment_receipts, payments
from campaign.funders.funders import Funder
from campaign.mail import notice_jobs, send_jobs, tribute_card_actions, tribute_card_jobs
from campaign.mail.letters.tribute_cards import Card
from campaign.matching import pledge_actions
from campaign.matching.funds import Fund
from campaign.outbox import donor_access, messages
from campaign.outbox.donor_access import Opens
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.receipts import annual_jobs, lifecycle, receipt_actions, receipts, render_jobs
from campaign.receipts.receipts import Receipt
from campaign.receipts.void_requests import VoidRequest
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion, ReturnDetails
from campaign.staff import members
from tests.conftest import Post
from tests.factories import another_campaign, create_managers, create_pledgers, create_refund, paid, pay, start_donation
from tests.mail import body_of, make_due

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "docs" / "samples"
PAGES = ROOT / "build" / "mail"
NOW = datetime(2026, 11, 26, 15, tzinfo=UTC)
ADDRESS = "donor@example.org"
BASE_URL = "https://give.example.org"


@pytest.fixture(autouse=True)
def public_address_in_november(app: Flask) -> Iterator[None]:
    services = app.extensions["services"]
    settings = services.settings.model_copy(update={"base_url": BASE_URL})
    app.extensions["services"] = replace(services, settings=settings, links=Links(BASE_URL))
    with time_machine.travel(NOW, tick=True):
        yield


def write(name: str, language: str, text: str) -> None:
    """Write a sample without the random tokens of its addresses, hashes and signatures, so that only a change of the words changes the file."""
    SAMPLES.mkdir(parents=True, exist_ok=True)
    without_tokens = re.sub(r"((?:donations|monthly|access|check)/|again=)[\w~-]+", r"\1TOKEN", text.replace("\u00a0", " "))
    lines = re.sub(r"\b[0-9a-f]{64,}\b", "HEXADECIMAL", without_tokens).splitlines()
    (SAMPLES / f"{name}.{language}.txt").write_text("\n".join(line.rstrip() for line in lines).strip() + "\n")


def write_email(post: Post, name: str, language: str, *, to: str = ADDRESS) -> None:
    send_jobs.send_due()
    make_due()
    send_jobs.send_due()
    message = next(m for _, recipients, m, _ in post.box.newest(50) if recipients == [to])
    write(name, language, f"{message['Subject']}\n\n{body_of(message, 'plain')}")
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / f"{name}.{language}.html").write_text(body_of(message, "html"))


def write_receipt(receipt: Receipt | None, name: str, language: str) -> None:
    assert receipt
    pages = PdfReader(BytesIO(render_jobs.get_or_render_pdf(receipt))).pages
    write(name, language, "\n\n".join(page.extract_text() for page in pages))


def donate(campaign: Campaign, language: str, cents: int = 100_00, **changed: Any) -> Donation:
    return paid(campaign, cents, language=language, email=ADDRESS, **changed)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_thanks_and_receipt(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    donation = donate(campaign, language, covered_fee_cents=3_30, tribute_kind="memory", tribute_name="Œnone Tremblay")
    write_email(post, "thanks-with-receipt", language)
    write_receipt(receipts.receipt_of(donation.id), "receipt", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_card(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    donation = donate(campaign, language, tribute_kind="honour", tribute_name="Œnone Tremblay")
    to = {"recipient_name": "Léa Roy", "recipient_email": "reader@example.org", "from_name": "Zoé", "message": "We think of you."}
    tribute_card_actions.send_later(donation, Card(language=language, **to), send_on=NOW.date())
    tribute_card_jobs.enqueue_cards()
    write_email(post, "card", language, to="reader@example.org")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_thanks_without_an_address(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    donate(campaign, language, address_line1="", city="", province="", postal_code="")
    send_jobs.send_due()
    write_email(post, "thanks-without-address", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_thanks_to_an_organization_that_is_not_declared(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    donate(campaign, language, organization="Cycle Ltd.", in_own_name=True, is_declared=False)
    write_email(post, "thanks-in-own-name", language)
    donate(campaign, language, first_name="", last_name="", organization="Cycle Ltd.", is_declared=False)
    send_jobs.send_due()
    write_email(post, "thanks-without-declaration", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_reversals(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    donation = donate(campaign, language, 250_00, covered_fee_cents=7_80)
    send_jobs.send_due()
    first = receipts.receipt_of(donation.id)
    create_refund(donation, 60_00)
    db.session.commit()
    write_email(post, "refund-in-part", language)
    write_receipt(receipts.receipt_of(donation.id), "receipt-that-replaces", language)
    write_receipt(first, "receipt-replaced", language)
    create_refund(donation, 197_80, kind="dispute", name="dp_1")
    db.session.commit()
    write_email(post, "dispute-lost", language)
    write_receipt(receipts.last_receipt_of(donation.id), "receipt-cancelled", language)
    create_refund(donation, 197_80, kind="dispute", name="dp_1", status="won")
    db.session.commit()
    write_email(post, "reversal-reinstated", language)
    create_refund(donation, 197_80)
    db.session.commit()
    write_email(post, "refund-in-full", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_receipt_resent_and_corrected(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    donation = donate(campaign, language)
    send_jobs.send_due()
    receipt_actions.request_copy(donation)
    write_email(post, "receipt-copy", language)
    receipt_actions.correct_details(donation, {"last_name": "Richard"}, actor="clerk@example.org", reason="misspelt", is_same_donor=True)
    write_email(post, "receipt-corrected", language)
    receipt_actions.replace_lost(donation, actor="clerk@example.org", reason="the email was deleted")
    write_email(post, "receipt-lost", language)
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    receipt_actions.request_void(receipt, actor="one@example.org", reason="not a gift")
    create_managers("two@example.org")
    receipt_actions.decide_void(db.session.query(VoidRequest).one(), agrees=True, actor="two@example.org")
    write_email(post, "receipt-voided", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_annual_receipt(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    donations = []
    for month in range(1, 13):
        donation = start_donation(campaign, 25_00, language=language, email=ADDRESS)
        pay(donation, at=datetime(2025, month, 14, 15, tzinfo=UTC))
        donations.append(donation)
    donors.set_receipt_preference(donations[0].donor_id, "annual")
    db.session.commit()
    write_email(post, "thanks-receipt-in-january", language)
    annual_jobs.issue_for(campaign.charity, 2025)
    write_email(post, "annual-receipt", language)
    write_receipt(receipts.receipt_of(donations[0].id), "receipt-of-a-year", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_match_and_payment(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    own = another_campaign(100_00, like=campaign)
    first = paid(own, 100_00, email="first@example.org")
    donate(own, language)
    send_jobs.send_due()
    create_refund(first, 60_00)
    db.session.execute(db.text("UPDATE outbox SET not_before = now() - interval '1 minute' WHERE done_at IS NULL"))
    db.session.commit()
    write_email(post, "match-increased", language)
    failed = start_donation(campaign, 40_00, language=language, email=ADDRESS)
    messages.enqueue(NewMessage(MessageKind.PAYMENT_FAILED, failed))
    db.session.commit()
    write_email(post, "payment-failed", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_recurring_gift(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    donation = start_donation(campaign, 25_00, language=language, email=ADDRESS, frequency="monthly")
    contact = {name: getattr(donation, name) for name in ("email", *PERSON_FIELDS)}
    agreement = {"amount_cents": 25_00, "covered_fee_cents": 0, "status": "active", "snapshot_number": 0}
    recurring = RecurringGift(donation_id=donation.id, **agreement, **contact)
    db.session.add(recurring)
    db.session.flush()
    donation.recurring_gift_id = recurring.id
    pay(donation)
    db.session.commit()
    write_email(post, "thanks-monthly", language)
    for kind, name in (
        (MessageKind.INSTALMENT_FAILED, "instalment-failed"),
        (MessageKind.RECURRING_GIFT_ENDED, "recurring-gift-ended"),
    ):
        if kind == MessageKind.RECURRING_GIFT_ENDED:
            recurring.cancellation_reason = "payment_failed"
        invoice = "in_1" if kind == MessageKind.INSTALMENT_FAILED else None
        messages.enqueue(NewMessage(kind, donation, kind, invoice=invoice))
        db.session.commit()
        write_email(post, name, language)
    donor_access.request_access(donation, Opens.RECURRING_GIFT, kind=MessageKind.RECURRING_GIFT_LINK)
    db.session.commit()
    write_email(post, "recurring-gift-link", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_funder_and_staff(app: Flask, campaign: Campaign, fund: Fund, post: Post, language: str) -> None:
    funder = db.session.get_one(Funder, fund.funder_id)
    funder.legal_name, funder.email, funder.language = "Fonds Sanâa et Richard inc.", "fonds@example.org", language
    funder.address, funder.is_registered_charity = ["1, rue Sherbrooke", "Montréal QC  H2X 1Y4"], False
    db.session.commit()
    payment = payments.record_payment(fund, 12_500_00, received_on=date(2026, 11, 20), reference="17", livemode=False, actor="x")
    db.session.commit()
    write_email(post, "funder-money-received", language, to="fonds@example.org")
    receipt = payment_receipts.receipt_of(payment)
    write_receipt(receipt, "receipt-of-a-funder", language)
    funder.is_registered_charity = True
    payments.record_payment(fund, 10_00, received_on=date(2026, 11, 21), reference="18", livemode=False, actor="x")
    db.session.commit()
    write_email(post, "funder-money-received-from-a-charity", language, to="fonds@example.org")
    assert receipt
    lifecycle.void(receipt, actor="x", note="a charity")
    messages.enqueue_payment_news(payment.id)
    db.session.commit()
    write_email(post, "funder-receipt-voided", language, to="fonds@example.org")
    donate(campaign, language, 60_00)
    members.add_staff("manager@example.org", "manager").password = "a hash"
    db.session.execute(db.text("UPDATE outbox SET dead_at = now() WHERE done_at IS NULL"))
    db.session.commit()
    notice_jobs.enqueue_notices()
    if language == "en":
        write_email(post, "staff-todo", "both", to="manager@example.org")
        asks, agrees = create_pledgers()
        request = pledge_actions.request_raise(fund, 10_000_00, actor=asks, reason="a second promise after the concert")
        write_email(post, "staff-pledge-requested", "both", to=asks)
        pledge_actions.decide_raise(request, agrees=True, actor=agrees)
        write_email(post, "staff-pledge-decided", "both", to=asks)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_payment_changes(app: Flask, fund: Fund, post: Post, language: str) -> None:
    funder = db.session.get_one(Funder, fund.funder_id)
    funder.legal_name, funder.email, funder.language = "Fonds Sanâa et Richard inc.", "fonds@example.org", language
    funder.address, funder.is_registered_charity = ["1, rue Sherbrooke", "Montréal QC  H2X 1Y4"], False
    asks, agrees = create_pledgers()
    payment = payments.record_payment(fund, 12_500_00, received_on=date(2026, 11, 20), reference="17", livemode=False, actor="x")
    payment_receipts.issue_receipt(payment, render_jobs.issue_context())
    right = PaymentDetails(cents=1_250_00, received_on=date(2026, 11, 20), reference="17")
    request = payment_actions.request_correction(payment, right, actor=asks, reason="a digit too many", answered=list(PaymentQuestion))
    if language == "en":
        write_email(post, "staff-payment-change-requested", "both", to=asks)
    corrected = payment_actions.decide(request, agrees=True, actor=agrees)
    assert corrected
    write_email(post, "funder-payment-corrected", language, to="fonds@example.org")
    if language == "en":
        write_email(post, "staff-payment-change-decided", "both", to=asks)
    back = ReturnDetails(cents=250_00, returned_on=date(2026, 11, 21), reference="wire 4")
    request = payment_actions.request_return(corrected, back, actor=asks, reason="more than they meant to pay")
    payment_actions.decide(request, agrees=True, actor=agrees)
    write_email(post, "funder-payment-returned", language, to="fonds@example.org")
    (returned,) = payments.returns_of(corrected)
    request = payment_actions.request_undo(returned, actor=asks, reason="it was another funder's")
    payment_actions.decide(request, agrees=True, actor=agrees)
    write_email(post, "funder-payment-return-undone", language, to="fonds@example.org")
    request = payment_actions.request_reversal(corrected, actor=asks, reason="the cheque bounced")
    payment_actions.decide(request, agrees=True, actor=agrees)
    write_email(post, "funder-payment-reversed", language, to="fonds@example.org")


def test_receipt_in_both_languages(app: Flask, campaign: Campaign) -> None:
    db.session.query(Charity).one().bilingual_receipts = True
    names = {"first_name": "李", "last_name": "小龍 (Wolfeschlegelsteinhausenbergerdorff-Saint-Jean-Baptiste)"}
    receipt = lifecycle.bring_up_to_date(donate(campaign, "fr", 25_000_00, **names), render_jobs.issue_context()).receipt
    assert receipt is not None
    write_receipt(receipt, "receipt-bilingual", "fr")
