"""Every mail and every kind of receipt, in both languages, for docs/samples: `make samples`. Not part of the suite.

The mails are those that the service sends; the receipts are those that donors get. Look at them as pictures after each change.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import time_machine
from flask import Flask

from campaign.edges.db import db
from campaign.giving import donors, funder_payments, monthly, outbox, receipting, receipts, staff
from campaign.giving.campaigns import Campaign
from campaign.giving.charities import Charity
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund, Funder
from campaign.giving.monthly import MonthlyGift
from campaign.giving.outbox import Owed
from campaign.work import documents, notices, owed, receipt_desk, yearly
from tests.factories import another_campaign, begun, give_back, paid, pay

HERE = Path(__file__).resolve().parent.parent / "docs" / "samples"
NOW = datetime(2026, 11, 26, 15, tzinfo=UTC)
ADDRESS = "donor@example.org"


@pytest.fixture(autouse=True)
def november(app: Flask) -> Iterator[None]:
    there = app.extensions["outside"]
    settings = there.settings.model_copy(update={"base_url": "https://give.example.org"})
    app.extensions["outside"] = replace(there, settings=settings)
    with time_machine.travel(NOW, tick=True):
        yield


def keep_mail(post: object, name: str, language: str, *, to: str = ADDRESS) -> None:
    owed.send_owed()
    message = next(m for _, recipients, m, _ in post.box.newest(50) if recipients == [to])
    head = f"{message['Subject']}\n\n"
    (HERE / f"{name}.{language}.txt").write_text(head + message.get_body(("plain",)).get_content())
    (HERE / f"{name}.{language}.html").write_text(message.get_body(("html",)).get_content())


def keep_receipt(receipt: receipts.Receipt, name: str, language: str) -> None:
    (HERE / f"{name}.{language}.pdf").write_bytes(documents.receipt_pdf(receipt))


def gift(campaign: Campaign, language: str, cents: int = 100_00, **changed: object) -> Donation:
    return paid(campaign, cents, language=language, email=ADDRESS, **changed)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_thanks_and_receipt(app: Flask, campaign: Campaign, post: object, language: str) -> None:
    HERE.mkdir(parents=True, exist_ok=True)
    donation = gift(campaign, language, covered_fee_cents=3_30, tribute_kind="memory", tribute_name="Œnone Tremblay")
    keep_mail(post, "thanks-with-receipt", language)
    keep_receipt(receipts.receipt_of(donation.id), "receipt", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_thanks_without_an_address(app: Flask, campaign: Campaign, post: object, language: str) -> None:
    gift(campaign, language, address_line1="", city="", province="", postal_code="")
    owed.send_owed()
    keep_mail(post, "thanks-address-wanted", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_money_back(app: Flask, campaign: Campaign, post: object, language: str) -> None:
    donation = gift(campaign, language, 250_00)
    owed.send_owed()
    first = receipts.receipt_of(donation.id)
    give_back(donation, 60_00)
    db.session.commit()
    keep_mail(post, "refund-in-part", language)
    keep_receipt(receipts.receipt_of(donation.id), "receipt-that-replaces", language)
    keep_receipt(first, "receipt-replaced", language)
    give_back(donation, 190_00, kind="dispute", name="dp_1")
    db.session.commit()
    keep_mail(post, "dispute-lost", language)
    keep_receipt(receipts.last_receipt_of(donation.id), "receipt-cancelled", language)
    give_back(donation, 190_00, kind="dispute", name="dp_1", status="won")
    db.session.commit()
    keep_mail(post, "money-came-back", language)
    give_back(donation, 190_00)
    db.session.commit()
    keep_mail(post, "refund-in-full", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_receipt_again_and_corrected(app: Flask, campaign: Campaign, post: object, language: str) -> None:
    donation = gift(campaign, language)
    owed.send_owed()
    receipt_desk.ask_again(donation)
    keep_mail(post, "receipt-again", language)
    receipt_desk.correct(donation, {"last_name": "Richard"}, actor="clerk@example.org", reason="misspelt")
    keep_mail(post, "receipt-corrected", language)
    receipt_desk.ask_to_void(receipts.receipt_of(donation.id), actor="one@example.org", reason="not a gift")
    receipt_desk.decide_void(db.session.query(receipt_desk.VoidRequest).one(), agrees=True, actor="two@example.org")
    keep_mail(post, "receipt-voided", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_receipt_of_the_year(app: Flask, campaign: Campaign, post: object, language: str) -> None:
    gifts = []
    for month in range(1, 13):
        donation = begun(campaign, 25_00, language=language, email=ADDRESS)
        pay(donation, paid_at=datetime(2025, month, 14, 15, tzinfo=UTC))
        gifts.append(donation)
    donors.choose_receipts(gifts[0].donor_id, "yearly")
    db.session.commit()
    keep_mail(post, "thanks-receipt-in-january", language)
    yearly.issue_for(campaign.charity, 2025)
    keep_mail(post, "receipt-of-the-year", language)
    keep_receipt(receipts.receipt_of(gifts[0].id), "receipt-of-the-year", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_match_and_payment(app: Flask, campaign: Campaign, post: object, language: str) -> None:
    own = another_campaign(100_00, like=campaign)
    first = paid(own, 100_00, email="first@example.org")
    gift(own, language)
    owed.send_owed()
    give_back(first, 60_00)
    db.session.execute(db.text("UPDATE outbox SET not_before = now() - interval '1 minute' WHERE done_at IS NULL"))
    db.session.commit()
    keep_mail(post, "match-healed", language)
    failed = begun(campaign, 40_00, language=language, email=ADDRESS)
    outbox.owe(Owed("payment_failed", failed))
    db.session.commit()
    keep_mail(post, "payment-failed", language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_months(app: Flask, campaign: Campaign, post: object, language: str) -> None:
    donation = begun(campaign, 25_00, language=language, email=ADDRESS, frequency="monthly")
    given = MonthlyGift(token="token", donation_id=donation.id, amount_cents=25_00, covered_fee_cents=0, status="active", look=0)
    db.session.add(given)
    db.session.flush()
    donation.monthly_gift_id = given.id
    pay(donation)
    db.session.commit()
    keep_mail(post, "thanks-monthly", language)
    for kind, name in (("monthly_failed", "month-failed"), ("monthly_link", "monthly-link"), ("monthly_stopped", "monthly-stopped")):
        if kind == "monthly_stopped":
            given.ended_because = "payment_failed"
        outbox.owe(Owed(kind, donation, f"in_{kind}"))
        db.session.commit()
        keep_mail(post, name, language)
    assert monthly.MONTHLY


@pytest.mark.parametrize("language", ["en", "fr"])
def test_funder_and_staff(app: Flask, campaign: Campaign, fund: Fund, post: object, language: str) -> None:
    funder = db.session.get_one(Funder, fund.funder_id)
    funder.legal_name, funder.email, funder.language = "Fonds Sanâa et Richard inc.", "fonds@example.org", language
    funder.address = ["1, rue Sherbrooke", "Montréal QC  H2X 1Y4"]
    db.session.commit()
    payment = funder_payments.record(fund, 12_500_00, received_on=date(2026, 11, 20), reference="17", livemode=False, actor="x")
    db.session.commit()
    keep_mail(post, "funder-money-received", language, to="fonds@example.org")
    keep_receipt(funder_payments.receipt_of(payment), "receipt-of-a-funder", language)
    funder.is_registered_charity = True
    funder_payments.record(fund, 10_00, received_on=date(2026, 11, 21), reference="18", livemode=False, actor="x")
    db.session.commit()
    keep_mail(post, "funder-money-received-from-a-charity", language, to="fonds@example.org")
    own = another_campaign(50_00, like=campaign)
    backer = db.session.get_one(Funder, db.session.query(Fund).filter_by(campaign_id=own.id).one().funder_id)
    backer.email, backer.language, backer.name_en, backer.name_fr = "full@example.org", language, "Fonds Exemple", "Fonds Exemple"
    paid(own, 60_00)
    staff.add_staff("manager@example.org", "manager").password = "a hash"
    db.session.execute(db.text("UPDATE outbox SET dead_at = now() WHERE done_at IS NULL"))
    db.session.commit()
    notices.owe_notices()
    keep_mail(post, "funder-pledge-matched", language, to="full@example.org")
    if language == "en":
        keep_mail(post, "staff-needs-a-person", "both", to="manager@example.org")


def test_receipt_in_both_languages(app: Flask, campaign: Campaign) -> None:
    db.session.query(Charity).one().bilingual_receipts = True
    names = {"first_name": "李", "last_name": "小龍 (Wolfeschlegelsteinhausenbergerdorff-Saint-Jean-Baptiste)"}
    receipt = receipting.settle(gift(campaign, "fr", 25_000_00, **names), documents.issuing()).receipt
    assert receipt is not None
    keep_receipt(receipt, "receipt-bilingual", "fr")
