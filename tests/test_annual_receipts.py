"""Annual receipts: grouping, contents, corrections, and resuming an interrupted run."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations import donors
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.receipts import annual, annual_jobs, receipt_actions, receipts
from campaign.receipts.receipts import Receipt
from campaign.reporting import receipt_register, totals
from campaign.reporting.integrity import checker
from campaign.rules.fiscal_years import calendar_year
from campaign.schedule import schedule_jobs
from tests.conftest import Post
from tests.factories import create_refund, issue_receipt, paid, pay, pay_with_annual_receipt, start_donation
from tests.mail import attached, last_email, pdf_text, text_of
from tests.web import grant_access

MID_JANUARY = datetime(2027, 1, 15, 12, tzinfo=UTC)


def in_2026(month: int) -> datetime:
    return datetime(2026, month, 14, 15, tzinfo=UTC)


def test_a_year_of_monthly_donations_is_one_receipt_that_lists_them(app: Flask, campaign: Campaign, post: Post) -> None:
    donations = pay_with_annual_receipt(campaign, *map(in_2026, range(1, 13)), language="fr")
    send_jobs.send_due()
    assert db.session.query(Receipt).count() == 0
    assert "un seul reçu officiel" in text_of(last_email(post, donations[0]))
    with time_machine.travel(MID_JANUARY, tick=True):
        run = annual_jobs.issue_for(campaign.charity, 2026)
        assert (run.issued, run.incomplete) == (1, 0)
        send_jobs.send_due()
    receipt = db.session.query(Receipt).one()
    assert (receipt.cents, receipt.content["received_in"], receipt.content["issued_on"]) == (300_00, 2026, "2027-01-15")
    message = last_email(post, donations[0])
    assert attached(message) == [receipt.file_name]
    (document,) = message.iter_attachments()
    printed = pdf_text(document.get_content())
    assert "Année de réception des dons 2026" in printed
    assert all(f"2026-{month:02d}-14" in printed for month in range(1, 13))
    assert "300,00 $" in printed
    with time_machine.travel(MID_JANUARY, tick=True):
        assert annual_jobs.issue_for(campaign.charity, 2026).issued == 0
    assert checker.findings(db.engine) == []
    assert receipt_register.totals_of(campaign.charity, calendar_year(2026)).unreceipted_cents == 0


def test_names_years_and_donors_have_separate_receipts(app: Flask, campaign: Campaign) -> None:
    pay_with_annual_receipt(campaign, in_2026(3), in_2026(4))
    pay_with_annual_receipt(campaign, in_2026(5), first_name="Another", last_name="Name")
    pay_with_annual_receipt(campaign, datetime(2027, 1, 2, tzinfo=UTC))
    other = start_donation(campaign, 10_00, email="each@example.org")
    pay(other, at=in_2026(6))
    db.session.commit()
    with time_machine.travel(MID_JANUARY, tick=True):
        assert annual_jobs.issue_for(campaign.charity, 2026).issued == 2
    assert sorted(r.cents for r in db.session.query(Receipt)) == [25_00, 50_00]
    assert receipts.receipt_of(other.id) is None


def test_an_interrupted_run_resumes_where_it_stopped(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        pay_with_annual_receipt(campaign, in_2026(1), in_2026(2), email=f"donor{number}@yearly.example.org")
    issue = annual.issue
    calls = iter(range(100))

    def exit_at_eighth(*args: Any) -> object:
        if next(calls) == 7:
            raise SystemExit
        return issue(*args)

    with time_machine.travel(MID_JANUARY, tick=True):
        with monkeypatch.context() as patched, pytest.raises(SystemExit):
            patched.setattr(annual, "issue", exit_at_eighth)
            annual_jobs.issue_for(campaign.charity, 2026)
        db.session.rollback()
        assert db.session.query(Receipt).count() == 7
        assert annual_jobs.issue_for(campaign.charity, 2026).issued == 13
    assert sorted(r.number for r in db.session.query(Receipt)) == list(range(1, 21))
    assert db.session.execute(text("SELECT count(*) FROM outbox WHERE kind = 'annual_receipt'")).scalar_one() == 20


def test_a_refund_of_one_instalment_replaces_the_annual_receipt(app: Flask, campaign: Campaign, post: Post) -> None:
    donations = pay_with_annual_receipt(campaign, *map(in_2026, range(1, 5)))
    with time_machine.travel(MID_JANUARY, tick=True):
        annual_jobs.issue_for(campaign.charity, 2026)
        send_jobs.send_due()
        create_refund(donations[1], 25_00)
        db.session.commit()
        send_jobs.send_due()
    first, second = db.session.query(Receipt).order_by(Receipt.id)
    assert (second.cents, second.replaces_id, len(second.content["gifts"])) == (75_00, first.id, 3)
    assert receipts.receipt_of(donations[0].id) == second
    assert receipts.receipt_of(donations[1].id) is None
    assert attached(last_email(post, donations[0])) == [second.file_name]
    assert checker.findings(db.engine) == []


def test_the_schedule_issues_annual_receipts_from_january_8(app: Flask, campaign: Campaign) -> None:
    pay_with_annual_receipt(campaign, in_2026(12))
    for day, count in ((datetime(2027, 1, 7, 23, tzinfo=UTC), 0), (datetime(2027, 1, 8, 12, tzinfo=UTC), 1)):
        with time_machine.travel(day, tick=True):
            assert schedule_jobs.run_infrequent_work()
        assert db.session.query(Receipt).count() == count


def test_a_donor_can_change_the_receipt_preference(app: Flask, client: FlaskClient, campaign: Campaign, post: Post) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    donation = start_donation(campaign, 25_00)
    pay(donation, at=in_2026(2))
    db.session.commit()
    address = f"/en/donations/{donation.token}"
    assert client.post(f"{address}/receipt-choice", data={"choice": "annual"}).status_code == 403, "a link in an old email is not enough"
    grant_access(client, donation)
    assert client.post(f"{address}/receipt-choice", data={"choice": "annual"}).status_code == 303
    send_jobs.send_due()
    assert issue_receipt(donation) is None
    assert "on one official receipt for the whole year" in client.get(address).text
    assert client.post(f"{address}/receipt-choice", data={"choice": "never"}).status_code == 400
    client.post(f"{address}/receipt-choice", data={"choice": "per_donation"})
    send_jobs.send_due()
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    assert attached(last_email(post, donation)) == [receipt.file_name]
    assert "once more" not in text_of(last_email(post, donation))
    assert checker.findings(db.engine) == []


def test_a_correction_applies_to_all_donations_on_the_receipt(app: Flask, campaign: Campaign) -> None:
    donations = pay_with_annual_receipt(campaign, in_2026(1), in_2026(2), in_2026(3))
    with time_machine.travel(MID_JANUARY, tick=True):
        annual_jobs.issue_for(campaign.charity, 2026)
        receipt = receipt_actions.correct_details(
            donations[2], {"last_name": "Corrected"}, actor="clerk@example.org", reason="typo", is_same_donor=True
        )
    assert receipt
    assert receipt.content["donor_name"].endswith("Corrected")
    assert receipt.cents == 75_00


def test_the_checker_expects_annual_receipts_only_after_february(app: Flask, campaign: Campaign) -> None:
    pay_with_annual_receipt(campaign, datetime.now(UTC))
    send_jobs.send_due()
    assert checker.findings(db.engine) == []
    db.session.execute(
        text("UPDATE donation SET authorized_at = authorized_at - interval '3 years', received_at = received_at - interval '3 years'")
    )
    db.session.commit()
    assert any(sentence.startswith("I14") for sentence in checker.findings(db.engine))


def test_an_annual_receipt_without_an_address_asks_the_donor_once(app: Flask, campaign: Campaign, post: Post) -> None:
    (donation,) = pay_with_annual_receipt(
        campaign,
        datetime(2025, 3, 3, tzinfo=UTC),
        email="lacking@yearly.example.org",
        address_line1="",
        city="",
        province="",
        postal_code="",
    )
    send_jobs.send_due()
    assert f"/en/donations/{donation.token}/address" in text_of(last_email(post, donation))
    for _ in range(2):
        assert annual_jobs.issue_for(campaign.charity, 2025).incomplete == 1
        send_jobs.send_due()
    assert len([1 for _, to, _, _ in post.box.newest(50) if to == [donation.email]]) == 2
    details = {"address_line1": "1, rue Neuve", "city": "Laval", "province": "QC", "postal_code": "H7A 1A1"}
    receipt_actions.complete_details(donation, details)
    assert annual_jobs.issue_for(campaign.charity, 2025).issued == 1
    assert checker.findings(db.engine) == []


def test_a_gift_that_is_receiptable_again_after_its_year_went_out_is_issued(app: Flask, campaign: Campaign, post: Post) -> None:
    """A refund that failed and a dispute that was won: of last year, and of two years back, for which the schedule has nothing else to do."""
    donations = pay_with_annual_receipt(campaign, *map(in_2026, range(1, 4)))
    with time_machine.travel(MID_JANUARY, tick=True):
        annual_jobs.issue_due()
        send_jobs.send_due()
        create_refund(donations[1], 25_00, name="re_1")
        create_refund(donations[2], 25_00, kind="dispute", name="dp_1")
        db.session.commit()
        send_jobs.send_due()
        assert receipts.receipt_of(donations[1].id) is None
        create_refund(donations[1], 25_00, name="re_1", status="failed")
        db.session.commit()
        send_jobs.send_due()
    again = receipts.receipt_of(donations[1].id)
    assert again
    assert (again.cents, again.content["received_in"], attached(last_email(post, donations[1]))) == (25_00, 2026, [again.file_name])
    with time_machine.travel(datetime(2028, 5, 1, 12, tzinfo=UTC), tick=True):
        donations[2].first_name = donations[2].last_name = ""
        create_refund(donations[2], 25_00, kind="dispute", name="dp_1", status="won")
        db.session.commit()
        send_jobs.send_due()
        assert receipts.receipt_of(donations[2].id) is None
        assert [waiting.missing for waiting in totals.receipts_waiting()] == [["donor_name"]], "it waits where staff see it"
        receipt_actions.complete_details(donations[2], {"first_name": "Anne", "last_name": "Roy"})
        send_jobs.send_due()
    last = receipts.receipt_of(donations[2].id)
    assert last
    assert (last.cents, last.content["donor_name"], attached(last_email(post, donations[2]))) == (25_00, "Anne Roy", [last.file_name])
    assert checker.findings(db.engine) == []


def test_the_schedule_issues_what_is_due_of_each_year_that_went_out(app: Flask, campaign: Campaign) -> None:
    for year in (2024, 2025, 2026, 2027):
        pay_with_annual_receipt(campaign, datetime(year, 12, 31, 23, tzinfo=UTC), email="years@yearly.example.org")
    with time_machine.travel(datetime(2027, 1, 7, 12, tzinfo=UTC), tick=True):
        assert annual.years_due(campaign.charity, datetime.now(UTC)) == [2024, 2025]
        assert (annual_jobs.issue_due(), annual_jobs.issue_due()) == (2, 0)
    assert [receipt.content["received_in"] for receipt in db.session.query(Receipt).order_by(Receipt.id)] == [2024, 2025]


def test_a_reinstated_gift_gets_a_receipt_of_its_own_when_the_donor_chooses_that(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 25_00)
    send_jobs.send_due()
    create_refund(donation, 25_00, kind="dispute", name="dp_1")
    db.session.commit()
    send_jobs.send_due()
    receipt_actions.choose_preference(donation, donors.ANNUAL)
    create_refund(donation, 25_00, kind="dispute", name="dp_1", status="won")
    db.session.commit()
    send_jobs.send_due()
    assert receipts.receipt_of(donation.id) is None, "it waits for the receipt of the year"
    receipt_actions.choose_preference(donation, donors.PER_DONATION)
    send_jobs.send_due()
    assert receipts.receipt_of(donation.id) is not None
    assert checker.findings(db.engine) == []
