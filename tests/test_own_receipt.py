"""The donor and their receipt: checking it, opening a cancelled one, giving the address that it lacked, having it mailed again."""

from flask import Flask
from flask.testing import FlaskClient

from campaign.edges.db import db
from campaign.giving import mails, receipts
from campaign.giving.campaigns import Campaign
from campaign.giving.receipts import Receipt, Status
from campaign.reporting import books
from campaign.work import owed, receipt_desk
from tests.factories import begun, give_back, paid, pay
from tests.test_mail import words_of
from tests.test_receipts import CORRECTED, attached, last_mail, said


def test_the_page_behind_the_code_says_whether_it_stands_and_nothing_of_whose_it_is(
    app: Flask, client: FlaskClient, campaign: Campaign, post: object
) -> None:
    donation = paid(campaign, 100_00)
    owed.send_owed()
    receipt = receipts.receipt_of(donation.id)
    path = receipt.content["check_url"].removeprefix("http://127.0.0.1:8000")
    valid = client.get(path)
    assert valid.status_code == 200
    for shown in ("This receipt is valid", receipt.serial, receipt.content["issued_on"], "$100.00"):
        assert shown in valid.text
    for hidden in (donation.last_name, donation.email, donation.city):
        assert hidden not in valid.text
    give_back(donation, 10_00)
    db.session.commit()
    owed.send_owed()
    assert "This receipt was replaced" in client.get(path).text
    give_back(donation, 90_00)
    db.session.commit()
    owed.send_owed()
    last = receipts.last_receipt_of(donation.id)
    assert "This receipt is cancelled" in client.get(f"/en/receipts/check/{last.check_code}").text
    assert client.get("/en/receipts/check/nothing").status_code == 404


def test_a_cancelled_receipt_opens_as_a_copy_that_is_marked(app: Flask, client: FlaskClient, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00, language="fr")
    owed.send_owed()
    before = client.get(f"/fr/donations/{donation.token}/receipt.pdf").data
    give_back(donation, 100_00)
    db.session.commit()
    owed.send_owed()
    first, second = (client.get(f"/fr/donations/{donation.token}/receipt.pdf").data for _ in range(2))
    assert first == second != before
    assert "ANNULÉ – ce reçu n'est plus valide" in words_of(first)
    assert "ESSAI – reçu sans valeur" in words_of(first)
    found = client.get(f"/fr/donations/{donation.token}.json").json
    assert found["receipt"]["status"] == "cancelled"


def test_a_donor_without_an_address_completes_it_and_gets_the_receipt(
    app: Flask, client: FlaskClient, campaign: Campaign, post: object
) -> None:
    donation = begun(campaign, address_line1="", city="", province="", postal_code="", language="fr")
    pay(donation)
    db.session.commit()
    owed.send_owed()
    owed.send_owed()
    address = f"/fr/donations/{donation.token}/address"
    assert f"http://127.0.0.1:8000{address}" in said(last_mail(post, donation))
    assert "Donner mon adresse" in client.get(f"/fr/donations/{donation.token}").text
    page = client.get(address)
    token = page.text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
    person = {**CORRECTED, "province": "QC", "postal_code": "h7a 1a1", "csrf_token": token}
    wrong = client.post(address, data={**person, "postal_code": "12345"})
    assert wrong.status_code == 422
    assert "1, rue Neuve" in wrong.text, "nothing that was typed is lost"
    assert client.post(address, data=person).status_code == 303
    owed.send_owed()
    receipt = receipts.receipt_of(donation.id)
    assert receipt.content["donor_address"] == ["1, rue Neuve", "Laval QC  H7A 1A1"]
    assert attached(last_mail(post, donation)) == [receipt.file_name]
    assert client.get(address).status_code == 303, "it is asked for once"


def test_a_donor_may_have_the_receipt_mailed_again_a_few_times_a_day(
    app: Flask, client: FlaskClient, campaign: Campaign, post: object
) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    donation = paid(campaign)
    owed.send_owed()
    first = last_mail(post, donation)
    for _ in range(receipt_desk.COPIES_A_DAY + 2):
        assert client.post(f"/en/donations/{donation.token}/mails").status_code == 303
    owed.send_owed()
    sent = [m for _, to, m, _ in post.box.newest(100) if to == [donation.email]]
    assert len(sent) == 1 + receipt_desk.COPIES_A_DAY
    assert len({m["Message-ID"] for m in sent}) == len(sent)
    assert len({a.get_content() for m in sent for a in m.iter_attachments()}) == 1
    assert db.session.query(Receipt).count() == 1
    assert first["Message-ID"] == f"<receipt.{donation.public_id}@example.org>"
    assert books.findings(db.engine) == []


def test_nothing_is_issued_by_looking(app: Flask, client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(campaign)
    for path in ("", ".json", "/receipt.pdf", "/address"):
        client.get(f"/en/donations/{donation.token}{path}")
    assert db.session.query(Receipt).count() == 0
    assert mails.count_open_bounces() == 0
    assert Status.VALID.value == "valid"
