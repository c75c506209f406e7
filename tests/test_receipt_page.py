"""The donor's receipt pages: verification, cancelled receipts, completing an address, and requesting another copy."""

from unittest.mock import patch

from flask import Flask
from flask.testing import FlaskClient

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.outbox import deliveries
from campaign.receipts import completeness, receipt_actions, receipts
from campaign.receipts.receipts import Receipt, Status
from campaign.reporting import totals
from campaign.reporting.integrity import checker
from tests.conftest import Post
from tests.factories import create_refund, issue_receipt, paid, pay, start_donation
from tests.mail import attached, last_email, make_due, pdf_text, text_of
from tests.web import CORRECTED, grant_access, hidden_fields, signed_in


def test_the_verification_page_shows_the_status_of_a_receipt_and_no_donor_data(
    app: Flask, client: FlaskClient, campaign: Campaign, post: Post
) -> None:
    donation = paid(campaign, 100_00)
    send_jobs.send_due()
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    path = receipt.content["check_url"].removeprefix("http://127.0.0.1:8000")
    valid = client.get(path)
    assert valid.status_code == 200
    for shown in ("This is a trial receipt, without any value", receipt.serial, receipt.content["issued_on"], "$100.00"):
        assert shown in valid.text
    for hidden in (donation.last_name, donation.email, donation.city):
        assert hidden not in valid.text
    create_refund(donation, 10_00)
    db.session.commit()
    send_jobs.send_due()
    assert "This receipt was replaced" in client.get(path).text
    create_refund(donation, 90_00)
    db.session.commit()
    send_jobs.send_due()
    last = receipts.last_receipt_of(donation.id)
    assert last
    assert "This receipt is cancelled" in client.get(f"/en/receipts/check/{last.check_code}").text
    assert client.get("/en/receipts/check/nothing").status_code == 404


def test_a_cancelled_receipt_is_served_as_a_marked_copy(app: Flask, client: FlaskClient, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00, language="fr")
    send_jobs.send_due()
    before = client.get(f"/fr/donations/{donation.token}/receipt.pdf").data
    create_refund(donation, 100_00)
    db.session.commit()
    send_jobs.send_due()
    first, second = (client.get(f"/fr/donations/{donation.token}/receipt.pdf").data for _ in range(2))
    assert first == second != before
    assert "ANNULÉ – ce reçu n’est plus valide" in pdf_text(first)
    assert "ESSAI – reçu sans valeur" in pdf_text(first)
    view = client.get(f"/fr/donations/{donation.token}.json").get_json()
    assert view["receipt"]["status"] == "cancelled"


def test_a_donor_without_an_address_completes_it_and_gets_the_receipt(
    app: Flask, client: FlaskClient, campaign: Campaign, post: Post
) -> None:
    donation = start_donation(campaign, address_line1="", city="", province="", postal_code="", language="fr")
    pay(donation)
    db.session.commit()
    send_jobs.send_due()
    make_due()
    send_jobs.send_due()
    address = f"/fr/donations/{donation.token}/address"
    assert f"http://127.0.0.1:8000{address}" in text_of(last_email(post, donation))
    page = client.get(f"/fr/donations/{donation.token}")
    assert ("Ajouter mon adresse" in page.text, "M’envoyer un lien" in page.text) == (False, True), "the link of a page changes nothing"
    assert client.get(address).status_code == client.post(address, data=CORRECTED).status_code == 303
    grant_access(client, donation)
    assert "Ajouter mon adresse" in client.get(f"/fr/donations/{donation.token}").text
    page = client.get(address)
    token = page.text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
    details = {**CORRECTED, "province": "QC", "postal_code": "h7a 1a1", "csrf_token": token}
    wrong = client.post(address, data={**details, "postal_code": "12345"})
    assert wrong.status_code == 422
    assert "1, rue Neuve" in wrong.text, "the form retains what was entered"
    assert client.post(address, data=details).status_code == 303
    send_jobs.send_due()
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    assert receipt.content["donor_address"] == ["1, rue Neuve", "Laval QC  H7A 1A1"]
    assert attached(last_email(post, donation)) == [receipt.file_name]
    assert client.get(address).status_code == 303, "a complete address is not requested again"


def test_a_name_that_an_earlier_form_accepted_and_no_receipt_can_print_uses_no_number_and_is_corrected_by_the_donor(
    app: Flask, client: FlaskClient, campaign: Campaign, post: Post
) -> None:
    donation = start_donation(campaign, first_name="Jane ❤", language="fr")
    pay(donation)
    db.session.commit()
    send_jobs.send_due()
    make_due()
    send_jobs.send_due()
    assert db.session.query(Receipt).count() == 0
    assert [(waiting.missing, waiting.count) for waiting in totals.receipts_waiting()] == [(["donor_name ❤"], 1)]
    with app.app_context():
        assert "the donor’s full name (“❤” cannot be printed)" in signed_in(app, "clerk").get("/staff/?lang=en").text
    address = f"/fr/donations/{donation.token}/address"
    assert address in text_of(last_email(post, donation))
    grant_access(client, donation)
    page = client.get(address)
    assert "(U+2764) ne peut pas être imprimé" in page.text
    corrected = {**CORRECTED, "province": "QC", "postal_code": "h7a 1a1", "csrf_token": hidden_fields(page)["csrf_token"]}
    assert client.post(address, data={**corrected, "first_name": "Jane ❤"}).status_code == 422
    assert client.post(address, data={**corrected, "first_name": "Jane"}).status_code == 303
    send_jobs.send_due()
    assert len(attached(last_email(post, donation))) == 1


def test_a_receipt_that_was_numbered_and_cannot_be_printed_says_so(app: Flask, client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(campaign)
    with patch.object(completeness, "_unprintable_elements", return_value=[]):
        donation.first_name = "Jane ❤"
        receipt = issue_receipt(donation)
    db.session.commit()
    assert receipt
    answer = client.get(f"/fr/donations/{donation.token}/receipt.pdf")
    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert "Ce reçu ne peut pas encore être imprimé" in answer.text
    with app.app_context():
        assert signed_in(app, "clerk").get(f"/staff/receipts/{receipt.serial}/receipt.pdf").status_code == 409


def test_a_donor_may_request_a_limited_number_of_copies_a_day(app: Flask, client: FlaskClient, campaign: Campaign, post: Post) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    donation = paid(campaign)
    send_jobs.send_due()
    first = last_email(post, donation)
    for _ in range(receipt_actions.MAX_COPIES_PER_DAY + 2):
        assert client.post(f"/en/donations/{donation.token}/mails").status_code == 303
    send_jobs.send_due()
    sent = [m for _, to, m, _ in post.box.newest(100) if to == [donation.email]]
    assert len(sent) == 1 + receipt_actions.MAX_COPIES_PER_DAY
    assert len({m["Message-ID"] for m in sent}) == len(sent)
    assert len({a.get_content() for m in sent for a in m.iter_attachments()}) == 1
    assert db.session.query(Receipt).count() == 1
    assert first["Message-ID"] == f"<receipt.{donation.public_id}@example.org>"
    assert checker.findings(db.engine) == []


def test_opening_a_page_issues_nothing(app: Flask, client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(campaign)
    for path in ("", ".json", "/receipt.pdf", "/address"):
        client.get(f"/en/donations/{donation.token}{path}")
    assert db.session.query(Receipt).count() == 0
    assert deliveries.count_open_bounces() == 0
    assert Status.VALID.value == "valid"
