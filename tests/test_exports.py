"""Whole exports of staff: what is in each, of which days, in which language, and the audit row that each leaves."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.ledger.moves import Move
from campaign.staff.audit import AuditEntry
from campaign.stripe_sync import balance_transactions
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.payouts import Payout
from campaign.web.staff.export_page import EXPORTS
from campaign.web.staff.export_tables import move_labels
from tests.factories import TORONTO, balance_transaction_of, confirm_charity, create_refund, issue_receipt, paid, pay, start_donation
from tests.sheets import read_workbook
from tests.web import open_page, signed_in

PAGE = "/staff/exports"
DAYS = {"from": "2026-03-01", "to": "2026-03-31"}


def download(client: FlaskClient, **query: str) -> bytes:
    with client.application.app_context():
        answer = client.get(f"{PAGE}/file", query_string={**DAYS, "headings": "en", "format": "csv", **query}, buffered=True)
    assert answer.status_code == 200, answer.text
    return bytes(answer.data)


def rows_of(client: FlaskClient, **query: str) -> list[dict[str, str]]:
    separator = ";" if query.get("headings") == "fr" else ","
    return list(csv.DictReader(io.StringIO(download(client, **query).decode("utf-8-sig")), delimiter=separator))


def test_each_export_has_what_is_of_its_days_and_leaves_an_audit_row_with_range_and_rows(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    first, last = datetime(2026, 3, 1, tzinfo=TORONTO), datetime(2026, 3, 31, 23, 59, tzinfo=TORONTO)
    begun = [
        start_donation(campaign, 100_00, email="helene@example.org", last_name=f"=Roy{number}", news_consent=True) for number in range(3)
    ]
    for gift, at in zip(begun, (first, last, datetime(2026, 4, 1, tzinfo=TORONTO)), strict=True):
        gift.news_consent_at = at
        pay(gift, at=at)
    create_refund(begun[1], 40_00)
    paid(campaign)  # On another day.
    balance_transactions.store_transactions([balance_transaction_of(begun[0], fee_cents=3_20)])
    db.session.query(BalanceTransaction).update({"payout": "po_1"})
    moments = {"created_at": first.astimezone(UTC), "arrives_at": last.astimezone(UTC)}
    db.session.add(
        Payout(
            stripe_id="po_1", cents=96_80, currency="CAD", status="paid", reconciliation_status="completed", snapshot_number=1, **moments
        )
    )
    db.session.commit()
    receipt = issue_receipt(begun[0])
    db.session.commit()
    client = signed_in(app, "manager")
    donors = rows_of(client, what="donors")
    assert [(row["Email"], row["Gifts"], row["Given"], row["Without what was returned"], row["Last gift"]) for row in donors] == [
        ("helene@example.org", "2", "200.00", "160.00", "2026-03-31")
    ]
    assert donors[0]["Last name"] == "'=Roy2", "the name of the latest gift, which is no formula"
    consents = rows_of(client, what="consents", headings="fr")
    assert [(row["Consentement du"], row["Langue"]) for row in consents] == [("2026-03-01", "anglais"), ("2026-03-31", "anglais")]
    assert "Send me news about what gifts make possible" in consents[0]["Texte du formulaire, tel qu’il est maintenant"]
    assert [(row["Before fees"], row["Stripe’s fees"], row["Paid out"], row["State"]) for row in rows_of(client, what="payouts")] == [
        ("100.00", "3.20", "96.80", "arrived")
    ]
    assert [row["Gift"] for row in rows_of(client, what="donations")] == ["100.00", "100.00"]
    assert receipt
    assert [row["Serial number"] for row in rows_of(client, what="receipts")] == [receipt.serial]
    today = datetime.now(TORONTO).date().isoformat()  # Entries are posted when they are recorded.
    entries = rows_of(client, what="ledger", **{"from": today, "to": today})
    assert {(row["Entry"], row["From account"], row["To account"], row["Amount"]) for row in entries} >= {
        ("gift", "gifts", "balance at Stripe", "100.00"),
        ("refund of a gift", "balance at Stripe", "gifts", "40.00"),
    }
    sent = select(AuditEntry).where(AuditEntry.action == "sent an export").order_by(AuditEntry.id)
    recorded = [(entry.subject, entry.detail["document"], entry.detail["rows"]) for entry in db.session.scalars(sent)]
    march = "2026-03-01 – 2026-03-31"
    assert recorded[:5] == [
        (march, f"{what} (CSV)", count)
        for what, count in (("donors", 1), ("consents", 2), ("payouts", 1), ("donations", 2), ("receipts", 1))
    ]
    assert recorded[5] == (f"{today} – {today}", "ledger (CSV)", len(entries))


def test_an_xlsx_has_dates_and_numbers_and_says_what_it_is_of(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    pay(start_donation(campaign, 1_234_56, last_name="Œuvré"), at=datetime(2026, 3, 5, 12, tzinfo=UTC))
    db.session.commit()
    book = read_workbook(download(signed_in(app, "manager"), what="donations", headings="fr", format="xlsx"))
    about, gifts = book.values()
    assert about[0] == ["Organisme", "Nerve Research Foundation"]
    row = dict(zip(gifts[0], gifts[1], strict=True))
    assert [row["Reçu le"], row["Don"], row["Nom"]] == [date(2026, 3, 5), Decimal("1234.56"), "Œuvré"]
    assert set(EXPORTS) == {"donations", "donors", "receipts", "ledger", "payouts", "consents"}


def test_wrong_days_are_errors_at_their_fields_and_less_than_a_manager_exports_nothing(app: Flask, campaign: Campaign) -> None:
    client = signed_in(app, "manager")
    assert 'value="consents"' in open_page(client, PAGE).text
    wrong = open_page(client, f"{PAGE}/file?what=gold&from=31/12&to=2026-01-01")
    assert (wrong.status_code, "Please choose what to export." in wrong.text, 'value="31/12"' in wrong.text) == (422, True, True)
    assert "This day is before the first one." in open_page(client, f"{PAGE}/file?what=donors&from=2026-02-01&to=2026-01-01").text
    for role in ("viewer", "clerk"):
        member = signed_in(app, role, address=f"{role}@example.org")
        assert {
            open_page(member, path).status_code for path in (PAGE, f"{PAGE}/file?what=donors", "/staff/donations.csv", "/staff/audit.csv")
        } == {403}


def test_each_kind_of_entry_has_words_in_the_export_of_the_ledger(app: Flask) -> None:
    with app.test_request_context():
        assert set(move_labels()) == set(Move)


def test_what_was_searched_for_is_not_in_the_audit_trail_and_a_wrong_filter_exports_nothing(app: Flask, campaign: Campaign) -> None:
    paid(campaign, email="helene@example.org")
    db.session.commit()
    manager = signed_in(app, "manager")
    assert "helene@example.org" in open_page(manager, "/staff/donations.csv?q=helene@example.org&state=paid").text
    trail = db.session.scalars(select(AuditEntry).where(AuditEntry.action.in_(["exported", "sent an export"]))).all()
    assert {"q": True, "state": "paid"} in [entry.detail.get("filters") for entry in trail]
    assert not any("helene" in str(entry.detail) for entry in trail)
    for wrong in ("/staff/donations.csv?state=refundd", "/staff/audit.csv?from=2026-13-01"):
        refused = open_page(manager, wrong)
        assert (refused.status_code, refused.mimetype) == (422, "text/html")


def test_another_language_keeps_all_that_is_asked_for(app: Flask, campaign: Campaign) -> None:
    page = open_page(signed_in(app, "viewer"), "/staff/audit?subject=d_1&subject=pi_1&lang=en").text
    assert 'href="/staff/audit?subject=d_1&amp;subject=pi_1&amp;lang=fr"' in page
