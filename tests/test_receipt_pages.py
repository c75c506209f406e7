"""Staff and their receipts, returned gifts and mail: who may do what, what is written down, and registers that tie to the books."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import select, text

from campaign.edges.db import db
from campaign.giving import mails, receipts, returned_gifts
from campaign.giving.audit import AuditEntry
from campaign.giving.campaigns import Campaign
from campaign.giving.outbox import OutboxItem
from campaign.reporting import books, registers
from campaign.work import owed
from tests.factories import begun, give_back, issued, paid, pay
from tests.test_receipts import CORRECTED, attached, last_mail
from tests.test_web import signed_in


def staff_of(app: Flask, role: str) -> FlaskClient:
    leave()
    return signed_in(app, role, address=f"{role}-{uuid4().hex[:6]}@example.org")


def leave() -> None:
    """Forget who spoke last: all browsers of a test share one context."""
    for name in ("csrf_token", "_login_user", "_flashes"):
        g.pop(name, None)


def post_form(client: FlaskClient, page: str, action: str, **fields: str) -> object:
    leave()
    token = client.get(page).text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
    return client.post(action, data={**fields, "csrf_token": token})


def test_the_register_of_a_year_ties_to_the_books(app: Flask, campaign: Campaign) -> None:
    kept, returned, part, without = (paid(campaign, 100_00, province=p) for p in ("QC", "QC", "ON", "ON"))
    earlier = begun(campaign, 50_00)
    pay(earlier, paid_at=datetime(2025, 12, 31, 20, tzinfo=UTC))
    for donation in (kept, returned, part, earlier):
        issued(donation)
    give_back(returned, 100_00)
    give_back(part, 30_00)
    for donation in (returned, part):
        issued(donation)
    charity, year = campaign.charity, datetime.now(UTC).year
    totals = registers.totals_of(charity, year)
    assert (totals.kept_cents, totals.receipted_cents, totals.unreceipted_cents) == (270_00, 170_00, 100_00)
    assert (totals.receipted_in_quebec_cents, totals.standing, totals.ended) == (100_00, 2, 2)
    assert registers.totals_of(charity, 2025).receipted_cents == 50_00
    lines = list(registers.all_of(charity, year))
    assert [(line.serial[-1], line.status) for line in lines] == [("1", "valid"), ("2", "cancelled"), ("3", "replaced"), ("5", "valid")]
    assert sum(line.eligible_cents for line in lines if line.status == "valid") == totals.receipted_cents
    assert without.net_cents == 100_00


def test_the_register_is_a_file_that_spreadsheets_open_and_nothing_in_it_is_a_formula(app: Flask, campaign: Campaign) -> None:
    issued(paid(campaign, 1_234_56, first_name="", last_name='=HYPERLINK("http://evil.example")'))
    db.session.commit()
    client = staff_of(app, "manager")
    found = client.get("/staff/receipts/register.csv")
    assert found.data.startswith("\ufeff".encode())
    rows = list(csv.reader(io.StringIO(found.data.decode("utf-8-sig"))))
    assert rows[1][3].startswith("'=HYPERLINK")
    assert rows[1][5:8] == ["1234.56", "0.00", "1234.56"]
    book = zipfile.ZipFile(io.BytesIO(client.get("/staff/receipts/register.xlsx").data))
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "<v>1234.56</v>" in sheet
    assert staff_of(app, "clerk").get("/staff/receipts/register.csv").status_code == 403


def test_each_line_of_the_register_leads_to_its_receipt_and_the_receipt_to_its_gift(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    receipt = issued(donation)
    db.session.commit()
    client = staff_of(app, "viewer")
    assert f'href="/staff/receipts/{receipt.serial}"' in client.get("/staff/receipts").text
    assert receipt.serial in client.get(f"/staff/receipts?serial={receipt.serial}").text
    page = client.get(f"/staff/receipts/{receipt.serial}").text
    assert f"/staff/donations/{donation.public_id}" in page
    assert donation.full_name in page.replace("&#39;", "'")
    assert client.get(f"/staff/receipts/{receipt.serial}/receipt.pdf").data.startswith(b"%PDF")
    assert client.get(f"/staff/receipts/{receipt.serial}/archived.pdf").data.startswith(b"%PDF")
    assert client.get("/staff/receipts/2026-999999").status_code == 404


def test_a_clerk_corrects_a_name_with_a_reason_and_the_act_is_written_down(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00)
    owed.send_owed()
    client, path = staff_of(app, "clerk"), f"/staff/donations/{donation.public_id}/person"
    person = {**CORRECTED, "province": "QC", "postal_code": "H7A 1A1"}
    assert post_form(client, path, path, **person, reason="").status_code == 422
    assert post_form(client, path, path, **{**person, "postal_code": "X"}, reason="typo").status_code == 422
    assert db.session.query(receipts.Receipt).count() == 1
    assert post_form(client, path, path, **person, reason="typo").status_code == 303
    assert db.session.query(receipts.Receipt).count() == 2
    act = db.session.scalars(select(AuditEntry).where(AuditEntry.act == "corrected name or address")).one()
    assert act.detail["reason"] == "typo"
    assert "Laval" not in str(act.detail), "what changed is on the receipts; the audit trail names the fields"
    owed.send_owed()
    assert len(attached(last_mail(post, donation))) == 1
    assert books.findings(db.engine) == []


def test_a_lost_receipt_is_replaced_and_voiding_takes_a_second_person(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00)
    owed.send_owed()
    page = f"/staff/donations/{donation.public_id}"
    assert post_form(staff_of(app, "clerk"), page, f"{page}/receipts", reason="lost in the post").status_code == 303
    second = receipts.receipt_of(donation.id)
    assert second.content["replaces"]
    at = f"/staff/receipts/{second.serial}"
    manager = staff_of(app, "manager")
    assert post_form(manager, at, f"{at}/voids", reason="not a gift").status_code == 303
    (row,) = db.session.execute(text("SELECT id FROM void_request")).scalars()
    post_form(manager, "/staff/receipts", f"/staff/receipts/voids/{row}", decision="agree")
    assert receipts.receipt_of(donation.id) is not None, "whoever asks cannot agree too"
    assert post_form(staff_of(app, "clerk"), page, f"/staff/receipts/voids/{row}", decision="agree").status_code == 403
    post_form(staff_of(app, "admin"), "/staff/receipts", f"/staff/receipts/voids/{row}", decision="agree")
    assert receipts.receipt_of(donation.id) is None
    assert {a.act for a in db.session.query(AuditEntry)} >= {
        "replaced a lost receipt",
        "asked to void a receipt",
        "agreed to void a receipt",
    }


def test_an_information_return_is_filed_with_a_note_and_can_be_opened_again(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 200_00)
    issued(donation)
    give_back(donation, 200_00)
    issued(donation)
    db.session.commit()
    client = staff_of(app, "clerk")
    page = client.get("/staff/returned-gifts").text
    assert donation.full_name in page.replace("&#39;", "'")
    assert "$200.00" in page
    (task,) = returned_gifts.open_tasks()
    post_form(client, "/staff/returned-gifts", f"/staff/returned-gifts/{task.id}/filings", reason="sent 2026-12-01")
    assert returned_gifts.count_open() == 0
    post_form(client, "/staff/returned-gifts", f"/staff/returned-gifts/{task.id}/reopenings")
    assert returned_gifts.count_open() == 1
    assert staff_of(app, "viewer").post(f"/staff/returned-gifts/{task.id}/filings").status_code in {400, 403}


def test_mail_that_came_back_goes_to_the_corrected_address(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00)
    owed.send_owed()
    item = db.session.scalars(select(OutboxItem)).one()
    client = staff_of(app, "clerk")
    page = client.get(f"/staff/mail/{item.id}").text
    assert "The mail server took it." in page
    assert "Thank you for your gift" in page
    post_form(client, f"/staff/mail/{item.id}", f"/staff/mail/{item.id}/bounces", reason="550 no such user")
    assert mails.count_open_bounces() == 1
    assert "550 no such user" in client.get("/staff/mail").text
    donation_page = f"/staff/donations/{donation.public_id}"
    post_form(client, donation_page, f"{donation_page}/email", email="not an address")
    assert mails.count_open_bounces() == 1
    post_form(client, donation_page, f"{donation_page}/email", email="new@example.org")
    assert mails.count_open_bounces() == 0
    owed.send_owed()
    message = next(m for _, to, m, _ in post.box.newest(5) if to == ["new@example.org"])
    assert len(attached(message)) == 1
    assert books.findings(db.engine) == []


@pytest.mark.parametrize("path", ["", "/register.csv", "/register.xlsx"])
def test_a_register_of_an_empty_year_says_so(app: Flask, campaign: Campaign, path: str) -> None:
    found = staff_of(app, "manager").get(f"/staff/receipts{path}?year=2031")
    assert found.status_code == 200
    if not path:
        assert "No receipt was issued for gifts of 2031." in found.text
