"""The pages of funders' payments for staff: recording one, two members who change one, and the funder's details; nothing typed is lost."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import payment_receipts, payment_requests, payments
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.receipts.render_jobs import issue_context
from campaign.staff.audit import AuditEntry
from campaign.staff.members import Staff
from tests.web import open_page, signed_in, submit

FUNDS = "/staff/funds"
PAGE, DETAILS = f"{FUNDS}/sanaa-richard/payments", f"{FUNDS}/sanaa-richard/funder"
NEW = f"{PAGE}/new"
FUNDER = {
    "legal_name": "Fonds Sanâa inc.",
    "address": " 1, rue  X \r\n\r\nMontréal",
    "email": "f@example.org",
    "language": "fr",
    "charity": "no",
}


@pytest.fixture
def one(app: Flask) -> FlaskClient:
    return signed_in(app, "manager", address="one@example.org")


@pytest.fixture
def two(app: Flask, one: FlaskClient) -> FlaskClient:
    return signed_in(app, "admin", address="two@example.org")


def today() -> date:
    return db.session.query(Campaign).one().charity.local(datetime.now(UTC)).date()


def post(client: FlaskClient, path: str, *, page: str, **fields: Any) -> TestResponse:
    answer = submit(client, open_page(client, page), path, **fields)
    db.session.rollback()
    return answer


def record(client: FlaskClient, **changed: object) -> TestResponse:
    return post(client, PAGE, page=NEW, **{"amount": "12,500", "day": today().isoformat(), "reference": "cheque 17", **changed})


def recorded(fund: Fund, client: FlaskClient) -> FunderPayment:
    assert post(client, DETAILS, page=DETAILS, **FUNDER).status_code == 303
    assert record(client).status_code == 303
    (payment,) = payments.payments_of(fund)
    assert payment_receipts.issue_receipt(payment, issue_context())
    db.session.commit()
    return payment


def test_a_manager_records_a_payment_and_the_page_says_what_its_receipt_waits_for(fund: Fund, one: FlaskClient) -> None:
    assert "No payment is recorded yet" in open_page(one, PAGE).text
    assert "0.00" in open_page(one, FUNDS).text
    answer = record(one)
    assert (answer.status_code, answer.location) == (303, PAGE)
    page = open_page(one, PAGE).text
    waits = "the answer whether the funder is a registered charity, the funder’s legal name, the funder’s address"
    for shown in ("The payment is recorded.", f"Its receipt waits for {waits}.", "$12,500.00", "cheque 17", "one@example.org", PAGE):
        assert shown in page
    assert post(one, DETAILS, page=DETAILS, **FUNDER).status_code == 303
    send_jobs.send_due()
    page = open_page(one, PAGE).text
    assert "-000001</a> valid" in page
    assert "wait for" not in page
    assert db.session.query(AuditEntry).filter_by(action="changed a funder's details", actor="one@example.org").count() == 1
    viewer = signed_in(one.application, "viewer", address="viewer@example.org")
    assert "$12,500.00" in open_page(viewer, PAGE).text
    assert (open_page(viewer, NEW).status_code, open_page(viewer, DETAILS).status_code) == (403, 403)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"amount": "1.234,5"}, "Please write an amount, for example"),
        ({"amount": "0"}, "more than zero"),
        ({"day": "yesterday"}, "Please write a day, for example"),
        ({"reference": "  "}, "Please write the reference"),
        ({"reference": "a\u202eb"}, "invisible character"),
        ({"day": "2999-01-01"}, "has not come yet"),
        ({"amount": "60,000"}, "raise the pledge first"),
    ],
)
def test_a_payment_with_an_error_is_not_recorded_and_nothing_typed_is_lost(
    fund: Fund, one: FlaskClient, changed: dict[str, str], error: str
) -> None:
    answer = record(one, **changed)
    assert answer.status_code == 422
    assert error in answer.text
    for value in ({"amount": "12,500", "reference": "cheque 17"} | changed).values():
        assert f'value="{value.strip()}"' in answer.text or not value.strip()
    assert payments.payments_of(fund) == []


def test_an_old_day_comes_back_with_a_question_and_a_box_for_each(fund: Fund, one: FlaskClient) -> None:
    old = (today() - timedelta(days=400)).isoformat()
    answer = record(one, day=old)
    assert (answer.status_code, answer.text.count('name="answered"')) == (422, 2)
    assert "is in an earlier year" in answer.text
    assert "is before the campaign began" in answer.text
    assert record(one, day=old, answered="earlier_year").status_code == 422
    assert payments.payments_of(fund) == []
    assert record(one, day=old, answered=["earlier_year", "before_campaign"]).status_code == 303


def test_two_members_correct_a_payment_on_the_page(app: Flask, fund: Fund, one: FlaskClient, two: FlaskClient) -> None:
    payment = recorded(fund, one)
    form = f"{PAGE}/{payment.id}/requests"
    assert 'value="12500"' in open_page(one, form).text
    typed = {"change": "correct", "amount": "1250", "day": today().isoformat(), "reference": "cheque 17"}
    assert "The reason is missing" in post(one, form, page=form, **typed).text
    assert post(one, form, page=form, **typed, reason="a digit").location == PAGE
    request = payment_requests.open_for(payment)
    assert request
    decision = f"{PAGE}/requests/{request.id}"
    assert "request to change a payment of a funder waits" in open_page(two, FUNDS).text
    new = signed_in(app, "manager", address="new@example.org")
    db.session.query(Staff).filter_by(email="new@example.org").one().role_since = datetime.now(UTC)
    db.session.commit()
    assert 'role-wait" disabled' in open_page(new, PAGE).text and open_page(new, form).text.count("<fieldset disabled") == 3
    own = open_page(one, PAGE).text
    assert "You asked for it yourself, so you cannot agree" in own
    assert 'value="agree"' not in own
    post(one, decision, page=PAGE, decision="agree")
    assert "You cannot approve your own request" in open_page(one, PAGE).text
    assert 'value="agree"' in open_page(two, PAGE).text
    post(two, decision, page=PAGE, decision="agree")
    page = open_page(two, PAGE).text
    for shown in ("Done.", "<s>$12,500.00</s>", "reversed", "replaced", "$1,250.00 of $50,000.00 pledged"):
        assert shown in page
    assert f"corrected: see cheque 17 of {today()}" in page
    assert "Reversed: one@example.org asked, two@example.org agreed: a digit" in page
    assert open_page(one, form).status_code == 200
    assert "was reversed already" in post(one, form, page=form, **typed, reason="again").text


def test_two_members_record_that_a_part_went_back_and_undo_it(fund: Fund, one: FlaskClient, two: FlaskClient) -> None:
    payment = recorded(fund, one)
    form, day = f"{PAGE}/{payment.id}/requests", payment.received_on.isoformat()
    page = open_page(one, form).text
    assert 'id="return-amount" name="amount"' in page
    for heading in ("It came, and something of it is written down wrongly", "a part of it went back to the funder", "It never came"):
        assert heading in page
    typed = {"change": "return", "amount": "2,500", "day": day, "reference": "wire 9"}
    refused = post(one, form, page=form, **{**typed, "day": "soon"}).text
    for shown in ('aria-describedby="return-day-error"', 'value="wire 9"', 'value="2,500"', "The reason is missing"):
        assert shown in refused
    assert "More cannot have gone back" in post(one, form, page=form, **{**typed, "amount": "12,501"}, reason="by their wish").text
    assert post(one, form, page=form, **typed, reason="by their wish").location == PAGE
    agree(two, payment)
    page = open_page(two, PAGE).text
    for shown in (
        "Information return to the Canada Revenue Agency due by",
        f"<strong>$2,500.00 went back on {day} (wire 9)</strong>",
        "Return: one@example.org asked, two@example.org agreed: by their wish",
        "$10,000.00 of $50,000.00 pledged",
    ):
        assert shown in page
    page = open_page(one, form).text
    assert "It never came" not in page, "first the return is undone"
    assert (
        'id="return-amount" name="amount" type="text" autocomplete="off" required inputmode="decimal" maxlength="30" value="10000"' in page
    )
    (returned,) = payments.returns_of(payment)
    undo = {"change": "undo_return", "return_id": str(returned.id)}
    assert "The reason is missing" in post(one, form, page=form, **undo).text
    assert post(one, form, page=form, **undo, reason="another funder").status_code == 303
    agree(two, payment)
    page = open_page(two, PAGE).text
    assert f"it was recorded wrongly that $2,500.00 went back on {day} (wire 9)" in page
    assert "Return undone: one@example.org asked, two@example.org agreed: another funder" in page
    assert "Information return to the Canada Revenue Agency due by" not in page
    assert post(one, form, page=form, change="undo_return", return_id="99", reason="r").status_code == 404
    assert post(one, form, page=form, change="reverse", reason="it bounced").status_code == 303
    agree(two, payment)
    assert "it never came, or was recorded twice" in open_page(two, PAGE).text
    assert post(one, form, page=PAGE, change="erase").status_code == 404
    assert post(one, f"{PAGE}/requests/99", page=PAGE, decision="agree").status_code == 404
    assert open_page(one, f"{FUNDS}/nobody/payments").status_code == 404


def agree(client: FlaskClient, payment: FunderPayment) -> None:
    request = payment_requests.open_for(payment)
    assert request
    assert post(client, f"{PAGE}/requests/{request.id}", page=PAGE, decision="agree").status_code == 303


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"legal_name": "Fonds ❤"}, "cannot be"),
        ({"email": "nobody"}, "Please write an email address"),
        ({"address": "1\n" * 7}, "in 6 lines at most"),
        ({"language": "de"}, "Please choose a language"),
        ({"charity": "yes"}, "A registered charity has a number"),
        ({"charity": "yes", "registration_number": "123456789 RR0001"}, "A registered charity has a number"),
    ],
)
def test_details_with_an_error_change_nothing_and_nothing_typed_is_lost(
    fund: Fund, one: FlaskClient, changed: dict[str, str], error: str
) -> None:
    answer = post(one, DETAILS, page=DETAILS, **{**FUNDER, **changed})
    assert answer.status_code == 422
    assert error in answer.text
    assert "Montréal" in answer.text or "address" in changed
    assert db.session.get_one(Funder, fund.funder_id).legal_name == ""


def test_the_answer_that_the_funder_is_a_charity_asks_to_void_its_receipts_and_no_charity_gets_them(fund: Fund, one: FlaskClient) -> None:
    payment = recorded(fund, one)
    receipt = payment_receipts.receipt_of(payment)
    assert receipt
    assert db.session.get_one(Funder, fund.funder_id).address == ["1, rue X", "Montréal"]
    charity = {**FUNDER, "charity": "yes", "registration_number": "12345 6782 rr 0001"}
    post(one, DETAILS, page=DETAILS, **charity)
    page = open_page(one, DETAILS).text
    for shown in (
        'value="123456782RR0001"',
        "As a registered charity it gets no official receipt",
        f"Another manager is asked to void the receipts that are valid: {receipt.serial}.",
        "A registered charity gets no official receipt, and these are valid",
    ):
        assert shown in page
    assert "Receipts from now on show it" not in page
    assert (
        "one@example.org asks to void it: The funder is a registered charity." in open_page(one, f"/staff/receipts/{receipt.serial}").text
    )
    year = today().year
    returns = open_page(one, f"/staff/receipts/returns?year={year}").text
    assert "Fonds Sanâa inc. is a registered charity and gets no receipt. Have this one voided before filing:" in returns
    assert f'/staff/receipts/{receipt.serial}">' in returns
    assert record(one, reference="cheque 18", amount="1").status_code == 303
    send_jobs.send_due()
    post(one, DETAILS, page=DETAILS, **FUNDER)
    page = open_page(one, DETAILS).text
    for shown in (
        "Receipts from now on show it.",
        "The receipt of 1 earlier payment is issued and sent.",
        f"These receipts stay valid, and nobody is asked to void them any more: {receipt.serial}.",
    ):
        assert shown in page
