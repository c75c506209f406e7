"""The pages and emails of calls for funds: preview, issue, remind, cancel, credit; bank details, which one administrator alone cannot change unseen."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.campaigns import bank_details
from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import call_documents, calls
from campaign.mail import call_notices, send_jobs
from campaign.matching.funds import Fund
from campaign.outbox.messages import OutboxMessage
from campaign.rules.bank_details import BankFlaw, flaws_of, normalized
from campaign.staff.audit import AuditEntry
from campaign.staff.members import Staff
from tests.conftest import Post
from tests.factories import create_fund, create_refund, paid, today
from tests.fund_calls import ACCOUNT, issue_call, set_bank_details
from tests.funder_payments import create_funder, mails_to, record, run
from tests.mail import attached
from tests.test_fund_calls import end_fund
from tests.web import one_time_code, open_page, signed_in, submit

PAGE = "/staff/funds/sanaa-richard/calls"
ACCOUNT_PAGE, DETAILS = "/staff/funds/sanaa-richard/final-account", "/staff/charity/bank-details"


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return signed_in(app, "manager", address="one@example.org")


def post_form(client: FlaskClient, path: str, *, page: str, **fields: Any) -> TestResponse:
    shown = open_page(client, page)
    versions = shown.text.partition('name="version" value="')[2].partition('"')[0]
    answer = submit(client, shown, path, **{"version": versions, **fields})
    db.session.rollback()
    return answer


def test_a_manager_previews_and_issues_a_call_and_whoever_comes_second_sees_it(
    app: Flask, campaign: Campaign, fund: Fund, client: FlaskClient, post: Post
) -> None:
    funder = create_funder(fund)
    paid(campaign, 500_00)
    db.session.commit()
    assert "no bank details yet" in open_page(client, f"{PAGE}/new").text, "nothing can be issued, and the page says what to do"
    set_bank_details(fund)
    shown = open_page(client, f"{PAGE}/new").text
    assert 'value="500"' in shown
    assert "account ending in 4567" in shown
    due = (today() + timedelta(days=30)).isoformat()
    wrong = post_form(client, PAGE, page=f"{PAGE}/new", amount="500.01", due_on="2020-01-01")
    assert (wrong.status_code, "At most $500.00 can be called" in wrong.text, "from today to a year" in wrong.text) == (422, True, True)
    assert 'value="500.01"' in wrong.text
    sample = post_form(client, f"{PAGE}/previews", page=f"{PAGE}/new", amount="400", due_on=due)
    assert (sample.status_code, sample.mimetype) == (200, "application/pdf")
    assert calls.calls_of(fund) == [], "a preview uses no number"
    stale = open_page(client, f"{PAGE}/new")
    assert post_form(client, PAGE, page=f"{PAGE}/new", amount="400", due_on=due).status_code == 303
    version = stale.text.partition('name="version" value="')[2].partition('"')[0]
    second = submit(client, stale, PAGE, amount="100", due_on=due, version=version)
    assert (second.status_code, "somebody has issued or cancelled a call" in second.text, 'value="100"' in second.text) == (422, True, True)
    db.session.rollback()

    send_jobs.send_due()
    (call,) = calls.calls_of(fund)
    mail = next(mail for _, to, mail, _ in post.box.newest(9) if to == [funder.email])
    assert attached(mail) == ["TEST-call-for-funds-C-00001.pdf"]
    (body,) = mails_to(post, funder.email)
    assert "C-00001" in body and "$400.00" in body and "This call is no official receipt." in body and "For an audit" in body
    document = open_page(client, f"{PAGE}/1.pdf").data
    assert document == call_documents.document_of(call), "staff open what the funder has, byte for byte"
    one = open_page(client, f"{PAGE}/1").text
    assert "Left for a later call" in one and "Cancel the call" in one and "sent" in one
    assert "$400.00" in open_page(client, PAGE).text
    record(fund, 150_00)
    assert "cheque 17" in open_page(client, f"{PAGE}/1").text
    refused = post_form(client, f"{PAGE}/1/cancellations", page=f"{PAGE}/1", reason="a mistake")
    assert "can no longer be cancelled" in open_page(client, refused.location).text
    assert calls.open_cents(fund) == 250_00
    entry = db.session.query(AuditEntry).filter_by(action="issued a call for funds").one()
    assert (entry.actor, entry.detail["call"], entry.detail["cents"]) == ("one@example.org", call.name, 400_00)


def test_a_call_is_reminded_of_once_each_and_not_when_it_is_paid_or_cancelled(
    app: Flask, campaign: Campaign, fund: Fund, client: FlaskClient, post: Post
) -> None:
    funder = create_funder(fund)
    paid(campaign, 500_00)
    first, second = issue_call(fund, 300_00), issue_call(fund, 200_00)
    zone, due_on = ZoneInfo(campaign.charity.time_zone), first.due_on
    assert due_on

    def remind(days: int, hour: int = 9) -> int:
        """Run the schedule so many days after the calls are due."""
        now = datetime.combine(due_on + timedelta(days=days), datetime.min.time(), zone).replace(hour=hour)
        count = call_notices.enqueue_reminders(now=now.astimezone(UTC))
        db.session.commit()
        return count

    assert [remind(day) for day in (-8, -7, -3)] == [0, 2, 2]
    assert remind(1, hour=7) == 0, "nobody is reminded at night"
    assert [remind(day) for day in (1, 20, 20, 46)] == [2, 2, 2, 0]
    kinds = db.session.query(OutboxMessage.fund_call_id, OutboxMessage.reminder).filter(OutboxMessage.reminder.is_not(None)).all()
    assert sorted(map(tuple, kinds)) == sorted((call.id, name) for call in (first, second) for name in ("before", "first", "second"))
    # Today the calls are not due for a month: what waited says nothing any more.
    send_jobs.send_due()
    assert not any("reminder" in mail for mail in mails_to(post, funder.email))
    record(fund, 300_00)
    assert post_form(client, f"{PAGE}/2/cancellations", page=f"{PAGE}/2", reason="").status_code == 422
    assert post_form(client, f"{PAGE}/2/cancellations", page=f"{PAGE}/2", reason="a mistake").status_code == 303
    assert remind(1) == 0
    send_jobs.send_due()
    cancelled = mails_to(post, funder.email)[0]
    assert "We have cancelled our call" in cancelled and "Nothing is to be paid now." in cancelled
    assert "C-00002" in open_page(client, PAGE).text, "the number stays used"


@pytest.mark.owner
def test_an_overdue_call_and_one_to_post_need_attention_and_the_latest_reminder_is_sent(
    app: Flask, campaign: Campaign, fund: Fund, client: FlaskClient, post: Post
) -> None:
    funder = create_funder(fund)
    paid(campaign, 500_00)
    issue_call(fund, 300_00)
    send_jobs.send_due()
    address, funder.email = funder.email, ""
    db.session.commit()
    issue_call(fund, 200_00)
    home = open_page(client, "/staff/").text
    assert "C-00002 for a funder without an email address" in home
    assert "overdue" not in home
    assert post_form(client, f"{PAGE}/2/postings", page=f"{PAGE}/2").status_code == 303
    assert "posted it on" in open_page(client, f"{PAGE}/2").text
    assert "C-00002" not in open_page(client, "/staff/").text
    run("ALTER TABLE fund_call DISABLE TRIGGER append_only")
    run("UPDATE fund_call SET issued_on = issued_on - 40, due_on = due_on - 40")
    funder.email = address
    db.session.commit()
    home = open_page(client, "/staff/").text
    assert "Call for funds C-00001 is overdue: $300.00" in home
    call_notices.enqueue_reminders(now=datetime.now(UTC).replace(hour=17))
    db.session.commit()
    send_jobs.send_due()
    assert "and we have not seen all of it yet" in mails_to(post, address)[0]


def test_the_final_account_credits_what_is_matched_no_longer(
    app: Flask, campaign: Campaign, fund: Fund, client: FlaskClient, post: Post
) -> None:
    funder = create_funder(fund)
    funder.language = "fr"
    gift = paid(campaign, 500_00)
    issue_call(fund)
    assert "has not ended" in open_page(client, ACCOUNT_PAGE).text
    assert open_page(client, f"{ACCOUNT_PAGE}.pdf").status_code == 404
    create_refund(gift, 200_00)
    db.session.commit()
    end_fund(fund)
    shown = open_page(client, ACCOUNT_PAGE).text
    assert "Issue a credit note" in shown and "$200.00" in shown
    answer = post_form(client, f"{ACCOUNT_PAGE}/credit-notes", page=ACCOUNT_PAGE, reason="un don a été retourné")
    assert answer.location.endswith(f"{PAGE}/2")
    assert open_page(client, f"{ACCOUNT_PAGE}.pdf").data.startswith(b"%PDF")
    record(fund, 300_00)
    assert "The account is settled" in open_page(client, ACCOUNT_PAGE).text
    send_jobs.send_due()
    assert any("note de crédit nº C-00002" in mail for mail in mails_to(post, funder.email))


def test_a_leftover_that_is_given_is_called_after_the_end_and_said_to_donors(app: Flask, campaign: Campaign, fund: Fund) -> None:
    create_funder(fund)
    generous = create_fund(campaign, 100_00, position=2, leftover="given")
    create_funder(generous)
    page = app.test_client().get("/en/vision-sanaa-richard").text
    assert "stays with the funder." in page and "will be donated anyway." in page
    end_fund(generous)
    call = issue_call(generous)
    assert (call.cents, call.content["lines"]) == (100_00, [["matched", 0], ["leftover", 100_00]])


def test_bank_details_are_checked_and_all_administrators_are_notified(app: Flask, campaign: Campaign, post: Post) -> None:
    assert flaws_of(ACCOUNT) == {}
    typed = {**vars(ACCOUNT), "institution": "6", "transit": "00-011", "account_number": "12 34", "swift": "BND"}
    assert flaws_of(normalized(typed)) == {
        "institution": BankFlaw.INSTITUTION,
        "account_number": BankFlaw.ACCOUNT_NUMBER,
        "swift": BankFlaw.SWIFT,
    }
    abroad = {**typed, "institution": "", "transit": "", "account_number": "GB29 NWBK 6016", "swift": "bndc camm xxx"}
    assert flaws_of(normalized(abroad)) == {}
    assert flaws_of(normalized(dict.fromkeys(typed, ""))) == {"account_number": BankFlaw.NOTHING}

    admin, other = signed_in(app, "admin", address="a@bank.example.org"), signed_in(app, "admin", address="b@bank.example.org")
    signed_in(app, "manager", address="m@bank.example.org")
    assert open_page(signed_in(app, "manager", address="m@bank.example.org"), DETAILS).status_code == 403
    member = db.session.query(Staff).filter_by(email="a@bank.example.org").one()
    codes = app.extensions["security"].totp_factory
    member.tf_totp_secret = codes.generate_totp_secret()
    db.session.commit()
    key = codes.get_totp_b32_key(member.tf_totp_secret)
    stale = open_page(other, DETAILS)
    without = submit(admin, open_page(admin, DETAILS), DETAILS, seen=0, **vars(ACCOUNT))
    assert (without.status_code, "This code is not right" in without.text, 'value="1234567"' in without.text) == (422, True, True)
    assert bank_details.details_of(campaign.charity) is None
    saved = submit(admin, open_page(admin, DETAILS), DETAILS, seen=0, code=one_time_code(key), **vars(ACCOUNT))
    assert saved.status_code == 303
    db.session.rollback()
    entry = db.session.query(AuditEntry).filter_by(action="changed the bank details").one()
    assert (entry.detail["account_after"], "1234567" in str(entry.detail)) == ("4567", False), "whole numbers are only on calls"
    send_jobs.send_due()
    notified = {to[0] for _, to, _, _ in post.box.newest(9)}
    assert notified == {"a@bank.example.org", "b@bank.example.org"}
    assert "account ending in 4567" in mails_to(post, "b@bank.example.org")[0]
    b = db.session.query(Staff).filter_by(email="b@bank.example.org").one()
    b.tf_totp_secret = codes.generate_totp_secret()
    db.session.commit()
    code = one_time_code(codes.get_totp_b32_key(b.tf_totp_secret))
    late = submit(other, stale, DETAILS, seen=0, code=code, **{**vars(ACCOUNT), "transit": "00012"})
    assert (late.status_code, "somebody has changed this" in late.text) == (422, True)
