"""One receipt for all gifts of a year: for whom, for what, once, and though the run is broken off in the middle."""

from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.edges.db import db
from campaign.giving import donors, receipts, yearly_receipts
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation
from campaign.giving.receipts import Receipt
from campaign.reporting import books, registers
from campaign.work import owed, receipt_desk, sweeps, yearly
from tests.factories import begun, give_back, issued, pay
from tests.test_mail import words_of
from tests.test_receipts import attached, last_mail, said

MID_JANUARY = datetime(2027, 1, 15, 12, tzinfo=UTC)


def months(campaign: Campaign, *paid_at: datetime, email: str = "monthly@example.org", **changed: object) -> list[Donation]:
    made = []
    for at in paid_at:
        donation = begun(campaign, 25_00, email=email, **changed)
        pay(donation, paid_at=at)
        made.append(donation)
    donors.choose_receipts(made[0].donor_id, "yearly")
    db.session.commit()
    return made


def of_2026(month: int) -> datetime:
    return datetime(2026, month, 14, 15, tzinfo=UTC)


def test_a_year_of_months_is_one_receipt_that_lists_them(app: Flask, campaign: Campaign, post: object) -> None:
    gifts = months(campaign, *map(of_2026, range(1, 13)), language="fr")
    owed.send_owed()
    assert db.session.query(Receipt).count() == 0
    assert "un seul reçu officiel" in said(last_mail(post, gifts[0]))
    with time_machine.travel(MID_JANUARY, tick=True):
        run = yearly.issue_for(campaign.charity, 2026)
        assert (run.issued, run.lacking) == (1, 0)
        owed.send_owed()
    receipt = db.session.query(Receipt).one()
    assert (receipt.cents, receipt.content["received_in"], receipt.content["issued_on"]) == (300_00, 2026, "2027-01-15")
    message = last_mail(post, gifts[0])
    assert attached(message) == [receipt.file_name]
    (document,) = message.iter_attachments()
    words = words_of(document.get_content())
    assert "Année de réception des dons 2026" in words
    assert all(f"2026-{month:02d}-14" in words for month in range(1, 13))
    assert "300,00 $" in words
    with time_machine.travel(MID_JANUARY, tick=True):
        assert yearly.issue_for(campaign.charity, 2026).issued == 0
    assert books.findings(db.engine) == []
    assert registers.totals_of(campaign.charity, 2026).unreceipted_cents == 0


def test_other_names_other_years_and_other_donors_are_kept_apart(app: Flask, campaign: Campaign) -> None:
    months(campaign, of_2026(3), of_2026(4))
    months(campaign, of_2026(5), first_name="Another", last_name="Name")
    months(campaign, datetime(2027, 1, 2, tzinfo=UTC))
    other = begun(campaign, 10_00, email="each@example.org")
    pay(other, paid_at=of_2026(6))
    db.session.commit()
    with time_machine.travel(MID_JANUARY, tick=True):
        assert yearly.issue_for(campaign.charity, 2026).issued == 2
    assert sorted(r.cents for r in db.session.query(Receipt)) == [25_00, 50_00]
    assert receipts.receipt_of(other.id) is None


def test_a_run_that_is_killed_in_the_middle_goes_on_where_it_was(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        months(campaign, of_2026(1), of_2026(2), email=f"donor{number}@yearly.example.org")
    before = yearly_receipts.issue
    calls = iter(range(100))

    def dies(*args: object) -> object:
        if next(calls) == 7:
            raise SystemExit
        return before(*args)

    with time_machine.travel(MID_JANUARY, tick=True):
        with monkeypatch.context() as patched, pytest.raises(SystemExit):
            patched.setattr(yearly_receipts, "issue", dies)
            yearly.issue_for(campaign.charity, 2026)
        db.session.rollback()
        assert db.session.query(Receipt).count() == 7
        assert yearly.issue_for(campaign.charity, 2026).issued == 13
    assert sorted(r.number for r in db.session.query(Receipt)) == list(range(1, 21))
    assert db.session.execute(text("SELECT count(*) FROM outbox WHERE kind = 'yearly_receipt'")).scalar_one() == 20


def test_a_refund_of_one_month_replaces_the_receipt_of_the_year(app: Flask, campaign: Campaign, post: object) -> None:
    gifts = months(campaign, *map(of_2026, range(1, 5)))
    with time_machine.travel(MID_JANUARY, tick=True):
        yearly.issue_for(campaign.charity, 2026)
        owed.send_owed()
        give_back(gifts[1], 25_00)
        db.session.commit()
        owed.send_owed()
    first, second = db.session.query(Receipt).order_by(Receipt.id)
    assert (second.cents, second.replaces_id, len(second.content["gifts"])) == (75_00, first.id, 3)
    assert receipts.receipt_of(gifts[0].id).id == second.id
    assert receipts.receipt_of(gifts[1].id) is None
    assert attached(last_mail(post, gifts[0])) == [second.file_name]
    assert books.findings(db.engine) == []


def test_the_schedule_issues_them_from_the_eighth_of_january_on(app: Flask, campaign: Campaign) -> None:
    months(campaign, of_2026(12))
    for day, count in ((datetime(2027, 1, 7, 23, tzinfo=UTC), 0), (datetime(2027, 1, 8, 12, tzinfo=UTC), 1)):
        with time_machine.travel(day, tick=True):
            assert sweeps.sweep_seldom()
        assert db.session.query(Receipt).count() == count


def test_a_donor_chooses_and_changes_their_mind(app: Flask, client: FlaskClient, campaign: Campaign, post: object) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    donation = begun(campaign, 25_00)
    pay(donation, paid_at=of_2026(2))
    db.session.commit()
    address = f"/en/donations/{donation.token}"
    assert client.post(f"{address}/receipt-choice", data={"choice": "yearly"}).status_code == 303
    owed.send_owed()
    assert issued(donation) is None
    assert "on the official receipt for the whole year" in client.get(address).text
    assert client.post(f"{address}/receipt-choice", data={"choice": "never"}).status_code == 400
    client.post(f"{address}/receipt-choice", data={"choice": "each"})
    owed.send_owed()
    assert attached(last_mail(post, donation)) == [receipts.receipt_of(donation.id).file_name]
    assert "once more" not in said(last_mail(post, donation))
    assert books.findings(db.engine) == []


def test_a_correction_counts_for_all_gifts_on_the_receipt(app: Flask, campaign: Campaign) -> None:
    gifts = months(campaign, of_2026(1), of_2026(2), of_2026(3))
    with time_machine.travel(MID_JANUARY, tick=True):
        yearly.issue_for(campaign.charity, 2026)
        receipt = receipt_desk.correct(gifts[2], {"last_name": "Corrected"}, actor="clerk@example.org", reason="typo")
    assert receipt.content["donor_name"].endswith("Corrected")
    assert receipt.cents == 75_00


def test_the_checker_waits_for_the_receipt_of_the_year_until_the_end_of_february(app: Flask, campaign: Campaign) -> None:
    months(campaign, datetime.now(UTC))
    owed.send_owed()
    assert books.findings(db.engine) == []
    db.session.execute(text("UPDATE donation SET paid_at = paid_at - interval '3 years'"))
    db.session.commit()
    assert any(sentence.startswith("I14") for sentence in books.findings(db.engine))


def test_a_receipt_of_the_year_that_lacks_the_address_asks_the_donor_once(app: Flask, campaign: Campaign, post: object) -> None:
    (gift,) = months(
        campaign,
        datetime(2025, 3, 3, tzinfo=UTC),
        email="lacking@yearly.example.org",
        address_line1="",
        city="",
        province="",
        postal_code="",
    )
    owed.send_owed()
    assert f"/en/donations/{gift.token}/address" in said(last_mail(post, gift))
    for _ in range(2):
        assert yearly.issue_for(campaign.charity, 2025).lacking == 1
        owed.send_owed()
    assert len([1 for _, to, _, _ in post.box.newest(50) if to == [gift.email]]) == 2
    person = {"address_line1": "1, rue Neuve", "city": "Laval", "province": "QC", "postal_code": "H7A 1A1"}
    receipt_desk.complete(gift, person)
    assert yearly.issue_for(campaign.charity, 2025).issued == 1
    assert books.findings(db.engine) == []
