"""Staff pages for receipts, information returns and email: permissions, audit entries, and registers that agree with the books."""

import csv
import html
import io
import re
import zipfile
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donors import Donor
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.outbox import deliveries
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import information_returns, receipts
from campaign.reporting import receipt_register, spreadsheets
from campaign.reporting.integrity import checker
from campaign.reporting.spreadsheets import Column, Kind, Table
from campaign.rules.fiscal_years import calendar_year, fiscal_year_of
from campaign.staff.audit import AuditEntry
from campaign.web.staff import add_up
from campaign.web.staff import information_returns as return_pages
from tests.conftest import Post
from tests.factories import create_refund, issue_receipt, paid, pay, start_donation, today
from tests.mail import attached, last_email
from tests.web import CORRECTED, open_page, signed_in, submit


def staff_of(app: Flask, role: str) -> FlaskClient:
    clear_request_state()
    return signed_in(app, role, address=f"{role}-{uuid4().hex[:6]}@example.org")


def clear_request_state() -> None:
    """All clients of a test share one app context: forget the state of the last request."""
    for name in ("csrf_token", "_login_user", "_flashes"):
        g.pop(name, None)


def post_form(client: FlaskClient, page: str, action: str, **fields: str) -> TestResponse:
    clear_request_state()
    token = client.get(page).text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
    return client.post(action, data={**fields, "csrf_token": token})


def test_the_register_of_a_year_agrees_with_the_books(app: Flask, campaign: Campaign) -> None:
    retained, returned, partly_returned, unreceipted = (paid(campaign, 100_00, province=p) for p in ("QC", "QC", "ON", "ON"))
    earlier = start_donation(campaign, 50_00)
    pay(earlier, at=datetime(2025, 12, 31, 20, tzinfo=UTC))
    for donation in (retained, returned, partly_returned, earlier):
        issue_receipt(donation)
    create_refund(returned, 100_00)
    create_refund(partly_returned, 30_00)
    for donation in (returned, partly_returned):
        issue_receipt(donation)
    charity, year = campaign.charity, today().year
    period = calendar_year(year)
    totals = receipt_register.totals_of(charity, period)
    assert (totals.retained_cents, totals.receipted_cents, totals.unreceipted_cents) == (270_00, 170_00, 100_00)
    assert (totals.receipted_in_quebec_cents, totals.valid, totals.ended) == (100_00, 2, 2)
    assert receipt_register.totals_of(charity, calendar_year(2025)).receipted_cents == 50_00
    lines = list(receipt_register.whole_register(charity, period))
    assert [(line.serial[-1], line.status) for line in lines] == [("1", "valid"), ("2", "cancelled"), ("3", "replaced"), ("5", "valid")]
    assert sum(line.valid_cents for line in lines) == totals.receipted_cents
    assert unreceipted.net_cents == 100_00


def test_pages_ask_before_they_add_up_many_gifts(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        issue_receipt(paid(campaign, 100_00))
    db.session.commit()
    year, asked = today().year, "Add up all of them (it takes some seconds)"
    client, ended = signed_in(app, "manager"), fiscal_year_of(campaign.charity.fiscal_year_end, today())
    pages = {
        f"/staff/receipts?year={year}": "2 valid receipts",
        f"/staff/receipts/returns?year={ended}": "How the lines add up to the books",
        f"/staff/money/months?year={year}": "$200.00",
        f"/staff/money/months/{today():%Y-%m}": "Receipts issued",
        f"/staff/money/journal?first={today()}&last={today()}": "$200.00",
    }
    for most, has_sums in ((2, True), (1, False)):
        monkeypatch.setattr(add_up, "SUMMED_AT_ONCE", most)
        for path, words in pages.items():
            page = open_page(client, path).text
            assert (words in page, asked in page) == (has_sums, not has_sums), path
    for path, words in pages.items():
        (url,) = re.findall(rf'<a href="([^"]+)">{re.escape(asked)}', open_page(client, path).text)
        assert words in open_page(client, path.partition("?")[0] + html.unescape(url)).text, path
    monkeypatch.setattr(receipt_register, "PAGE_SIZE", 1)
    serials = [line.serial for line in receipt_register.whole_register(campaign.charity, calendar_year(year))]
    first = receipt_register.register_page(campaign.charity, calendar_year(year))
    second = receipt_register.register_page(campaign.charity, calendar_year(year), after=first[0].id)
    assert ([line.serial for line in first], [line.serial for line in second]) == (serials, serials[1:])


def test_the_register_is_a_spreadsheet_without_formulas(app: Flask, campaign: Campaign) -> None:
    issue_receipt(paid(campaign, 1_234_56, first_name="", last_name='=HYPERLINK("http://evil.example")'))
    db.session.commit()
    client = staff_of(app, "manager")
    found = client.get("/staff/receipts/register.csv")
    assert found.data.startswith("\ufeff".encode())
    rows = list(csv.reader(io.StringIO(found.data.decode("utf-8-sig"))))
    assert rows[1][3].startswith("'=HYPERLINK")
    assert rows[1][5:8] == ["1234.56", "0.00", "1234.56"]
    book = zipfile.ZipFile(io.BytesIO(client.get("/staff/receipts/register.xlsx").data))
    sheet = book.read("xl/worksheets/sheet2.xml").decode()
    assert "<f>" not in sheet
    assert "<v>1234.56</v>" in sheet
    assert staff_of(app, "clerk").get("/staff/receipts/register.csv").status_code == 403


def test_no_text_of_a_csv_begins_a_formula_whatever_is_put_before_it() -> None:
    """A spreadsheet drops what nobody sees; wide and small signs are taken for plain ones."""
    columns = [Column(heading="Donor"), Column(heading="When", kind=Kind.DATE), Column(heading="Sum", kind=Kind.MONEY)]

    def cells(typed: str, language: str) -> list[str]:
        table = Table(title="", columns=columns, rows=[[typed, date(2026, 1, 2), -5]], total="")
        return list(spreadsheets.csv_lines(table, language))

    for sign in "=+-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff1d\uff0b\uff0d\uff20":
        for before in ("", " ", "\u00a0", "\u202f", "\u3000", "\u200b", "\ufeff", "\u2060", "\t", "\r", "\n", " \u200b "):
            assert cells(f"{before}{sign}A1", "en")[1].startswith(f"\"'{before}{sign}"), (before, sign)
    for typed in ("\tA1", "\rA1"):
        assert cells(typed, "en")[1].startswith(f"\"'{typed}")
    for typed in ("Jean-Marie", "  A1", "1 = 1", "é+", "", "–"):
        assert cells(typed, "en")[1].startswith(f'"{typed}"'), typed
    heading, line = cells('Sana "Œ"; fils', "fr")
    assert (heading, line) == ('\ufeff"Donor";"When";"Sum"\r\n', '"Sana ""Œ""; fils";2026-01-02;-0,05\r\n'), (
        "dates and amounts are no texts"
    )


def test_each_line_of_the_register_links_to_its_receipt_and_the_receipt_to_its_donation(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    receipt = issue_receipt(donation)
    assert receipt
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


def test_a_clerk_corrects_a_name_with_a_reason_and_the_correction_is_audited(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00)
    send_jobs.send_due()
    client, path = staff_of(app, "clerk"), f"/staff/donations/{donation.public_id}/person"
    details = {**CORRECTED, "province": "QC", "postal_code": "H7A 1A1"}
    assert post_form(client, path, path, **details, reason="").status_code == 422
    assert post_form(client, path, path, **{**details, "postal_code": "X"}, reason="typo").status_code == 422
    assert "Please choose why" in post_form(client, path, path, **details, reason="typo").text
    assert db.session.query(receipts.Receipt).count() == 1
    assert post_form(client, path, path, **details, reason="typo", name_change="same_donor").status_code == 303
    assert db.session.query(receipts.Receipt).count() == 2
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "corrected name or address")).one()
    assert entry.detail["reason"] == "typo"
    assert "Laval" not in str(entry.detail), "the values are on the receipts; the audit entry names only the fields"
    send_jobs.send_due()
    assert len(attached(last_email(post, donation))) == 1
    assert checker.findings(db.engine) == []


def test_a_lost_receipt_is_replaced_and_a_void_takes_a_second_person(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00)
    send_jobs.send_due()
    page = f"/staff/donations/{donation.public_id}"
    assert post_form(staff_of(app, "clerk"), page, f"{page}/receipts", reason="lost in the post").status_code == 303
    second = receipts.receipt_of(donation.id)
    assert second
    assert second.content["replaces"]
    receipt_page = f"/staff/receipts/{second.serial}"
    manager = staff_of(app, "manager")
    assert post_form(manager, receipt_page, f"{receipt_page}/voids", reason="not a gift").status_code == 303
    (request_id,) = db.session.execute(text("SELECT id FROM void_request")).scalars()
    post_form(manager, "/staff/receipts", f"/staff/receipts/voids/{request_id}", decision="agree")
    assert receipts.receipt_of(donation.id) is not None, "the person who requests a void cannot agree to it"
    assert post_form(staff_of(app, "clerk"), page, f"/staff/receipts/voids/{request_id}", decision="agree").status_code == 403
    post_form(staff_of(app, "admin"), "/staff/receipts", f"/staff/receipts/voids/{request_id}", decision="agree")
    assert receipts.receipt_of(donation.id) is None
    assert {a.action for a in db.session.query(AuditEntry)} >= {
        "replaced a lost receipt",
        "asked to void a receipt",
        "agreed to void a receipt",
    }


def test_a_reason_that_is_refused_is_shown_at_its_field_as_it_was_typed(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    send_jobs.send_due()
    paid(campaign, 30_00, email="other@example.org")
    db.session.commit()
    receipt, item = (
        receipts.receipt_of(donation.id),
        db.session.scalars(select(OutboxMessage).where(OutboxMessage.donation_id == donation.id)).first(),
    )
    other = db.session.query(Donor).filter_by(email="other@example.org").one()
    assert receipt and item
    page, last_year = f"/staff/donations/{donation.public_id}", str(today().year - 1)
    forms = {
        f"{page}/receipts": (page, {}),
        f"{page}/person": (f"{page}/person", {"first_name": "Zoé"}),
        f"/staff/receipts/{receipt.serial}/voids": (f"/staff/receipts/{receipt.serial}", {}),
        f"/staff/donors/{donation.donor_id}/merges": (
            f"/staff/donors/{donation.donor_id}?other=other@example.org",
            {"other": str(other.id)},
        ),
        f"/staff/mail/{item.id}/bounces": (f"/staff/mail/{item.id}", {}),
        "/staff/receipts/returns/filings": (
            f"/staff/receipts/returns?year={last_year}",
            {"form": "tp-985.22", "year": last_year, "filed_on": "2026-02-03"},
        ),
    }
    client = staff_of(app, "manager")
    for action, (shown_on, fields) in forms.items():
        for reason, error in ((" ", "missing"), (501 * "x", "at most 500 characters")):
            refused = post_form(client, shown_on, action, reason=reason, **fields)
            assert refused.status_code == 422, action
            field = refused.text.split('name="reason"')[1].split("</div>")[0]
            assert 'aria-invalid="true"' in field and error in field, action
            assert f'value="{reason.strip()}"' in field
            assert all(value in refused.text for value in fields.values()), action
    assert (receipts.receipt_of(donation.id), deliveries.count_open_bounces()) == (receipt, 0)


def test_an_information_return_is_filed_on_a_day_in_a_way_and_can_be_reopened(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 200_00)
    issue_receipt(donation)
    today = campaign.charity.local(datetime.now(UTC)).date()
    for cents in (150_00, 50_00):
        create_refund(donation, cents)
        issue_receipt(donation)
    db.session.commit()
    client = staff_of(app, "clerk")
    page = client.get("/staff/returned-gifts").text
    assert donation.full_name in page.replace("&#39;", "'")
    assert "$150.00" in page and page.count("cancelled, none in its place") == 2
    task, other = information_returns.list_open()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(return_pages, "OPEN_SHOWN", 1)
        parts = [client.get(f"/staff/returned-gifts?skip={skip}").text for skip in (0, 1)]
        assert ["2 are due in all." in part and f'id="task-{one.id}"' in part for part, one in zip(parts, (task, other), strict=True)] == [
            True
        ] * 2
        assert ["skip=1" in parts[0], "skip=0" in parts[1], f'id="task-{other.id}"' in parts[0]] == [True, True, False]
    path, yesterday, tomorrow = f"/staff/returned-gifts/{task.id}", today - timedelta(days=1), today + timedelta(days=1)
    wrong: tuple[tuple[dict[str, str], str, str], ...] = (
        ({"how": "", "filed_on": str(today)}, "Please choose how it was filed", "Veuillez choisir comment"),
        ({"how": "fax", "filed_on": ""}, "Please write a day, for example", "Veuillez écrire un jour, par exemple"),
        ({"how": "fax", "filed_on": str(tomorrow)}, "It was filed between the day", "Elle a été produite entre le jour"),
        ({"how": "fax", "filed_on": f"{today:%Y%m%d}"}, "Please write a day, for example", "Veuillez écrire un jour, par exemple"),
        ({"how": "mail", "filed_on": str(yesterday)}, "It was filed between the day", "Elle a été produite entre le jour"),
        ({"how": "other", "filed_on": str(today)}, "Please write the other way", "Veuillez écrire l’autre façon"),
        ({"how": "not_needed", "reason": "x" * 501}, "Please write the other way", "Veuillez écrire l’autre façon"),
        ({"how": "portal", "filed_on": str(today), "reason": "a\u202eb"}, "U+202E", "U+202E"),
    )
    for fields, *errors in wrong:
        for language, error in zip(("en", "fr"), errors, strict=True):
            form = open_page(client, f"/staff/returned-gifts?lang={language}")
            answer = submit(client, form, f"{path}/filings", **fields)
            assert (answer.status_code, error in answer.text) == (422, True), (fields, language)
            assert not fields.get("filed_on") or f'value="{fields["filed_on"]}"' in answer.text, "nothing typed is lost"
    assert information_returns.count_open() == 2
    post_form(client, "/staff/returned-gifts?lang=en", f"{path}/filings", how="fax", filed_on=str(today))
    post_form(client, "/staff/returned-gifts", f"/staff/returned-gifts/{other.id}/filings", how="not_needed", reason="of the same day")
    page = client.get("/staff/returned-gifts").text
    assert f"{today}, by fax" in page and "of the same day" in page and page.count("clerk-") >= 2
    late = post_form(client, "/staff/receipts?lang=en", f"{path}/filings", how="portal", filed_on="2026-1-2", reason="case <7>")
    said = html.unescape(re.sub(r"<[^>]+>", "", late.text))
    assert (late.status_code, said.count("Not recorded: this return was closed before")) == (409, 1)
    assert re.search(rf"clerk-\S+ closed it on .*\n.*What is recorded: filed on {today}, by fax; note: –", said)
    assert "What you typed: online: My Business Account or Represent a Client; filed on: 2026-1-2; note: case <7>" in said
    for action in ("0/filings", f"{task.id + 99}/filings", "0/reopenings"):
        assert post_form(client, "/staff/receipts", f"/staff/returned-gifts/{action}", how="fax").status_code == 404
    assert db.session.query(AuditEntry).filter_by(action="filed an information return").count() == 1
    audited = {entry.action: entry.detail for entry in db.session.query(AuditEntry)}
    assert audited["filed an information return"] == {"filed_on": str(today), "how": "fax", "note": "", "of_charity": 1}
    assert audited["closed an information return as not needed"]["note"] == "of the same day"
    for words in ("It is due again.", "This return is open already"):
        post_form(client, "/staff/returned-gifts", f"{path}/reopenings")
        assert words in client.get("/staff/returned-gifts?lang=en").text
    assert information_returns.count_open() == 1
    assert staff_of(app, "viewer").post(f"{path}/filings").status_code in {400, 403}


def test_a_bounced_email_is_sent_to_the_corrected_address(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00)
    send_jobs.send_due()
    item = db.session.scalars(select(OutboxMessage)).one()
    client = staff_of(app, "clerk")
    page = client.get(f"/staff/mail/{item.id}").text
    assert "The mail server accepted it." in page
    assert "Thank you for your gift" in page
    post_form(client, f"/staff/mail/{item.id}", f"/staff/mail/{item.id}/bounces", reason="550 no such user")
    assert deliveries.count_open_bounces() == 1
    assert "550 no such user" in client.get("/staff/mail").text
    donation_page = f"/staff/donations/{donation.public_id}"
    post_form(client, donation_page, f"{donation_page}/email", email="not an address")
    assert deliveries.count_open_bounces() == 1
    post_form(client, donation_page, f"{donation_page}/email", email="new@example.org")
    assert deliveries.count_open_bounces() == 0
    send_jobs.send_due()
    message = next(m for _, to, m, _ in post.box.newest(5) if to == ["new@example.org"])
    assert len(attached(message)) == 1
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("path", ["", "/register.csv", "/register.xlsx"])
def test_the_register_of_a_year_without_receipts_is_served(app: Flask, campaign: Campaign, path: str) -> None:
    found = staff_of(app, "manager").get(f"/staff/receipts{path}?year=2031")
    assert found.status_code == 200
    if not path:
        assert "No receipt was issued for gifts of 2031." in found.text
