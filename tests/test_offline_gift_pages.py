"""The pages for gifts without Stripe: a stack of cheques by keyboard, what is asked, deposits, reversals and receipts to post."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.payments import deposits, offline_gifts
from campaign.payments.status import Status, status_of
from campaign.receipts import receipts
from campaign.reporting import offline_gift_list
from campaign.reporting.integrity import checker
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.staff.audit import AuditEntry
from campaign.web.staff import offline_gifts as staff_pages
from tests.factories import today
from tests.mail import make_due
from tests.offline_gifts import CLERK, cheque, reversed_gift
from tests.web import csrf_of, open_page, signed_in

PATH = "/staff/offline-gifts"
FIELDS = {
    "method": "cheque",
    "donor_language": "fr",
    "amount": "100",
    "reference": "0045",
    "first_name": "Élise",
    "last_name": "Gagné",
    "address_line1": "8, rue Principale",
    "city": "Québec",
    "province": "Québec",
    "postal_code": "g1r4p5",
    "country": "CA",
}


def enter(client: FlaskClient, page: TestResponse | None = None, **changed: object) -> TestResponse:
    """Post the form of the page, a new one by default."""
    page = page or open_page(client, PATH)
    attempt = re.search(r'name="attempt" value="([^"]+)"', page.text)
    assert attempt
    fields = {**FIELDS, "received_on": today().isoformat(), "csrf_token": csrf_of(page), "attempt": attempt[1], **changed}
    with client.application.app_context():
        return client.post(PATH, data=fields)


def post(client: FlaskClient, page: TestResponse, path: str, **fields: object) -> TestResponse:
    with client.application.app_context():
        return client.post(path, data={"csrf_token": csrf_of(page), **fields}, follow_redirects=True)


def test_a_stack_of_cheques_from_the_first_to_the_bank(app: Flask, campaign: Campaign, fund: Fund) -> None:
    client, yesterday = signed_in(app, "clerk"), (today() - timedelta(days=1)).isoformat()
    saved = enter(client, received_on=yesterday)
    assert saved.status_code == 303
    following = open_page(client, saved.location)
    assert re.search(r'id="amount"[^>]*autofocus', following.text), "the next amount can be typed at once"
    assert (
        f'value="{yesterday}"' in following.text
        and '<option value="fr" selected>' in following.text
        and 'name="reference" type="text" value=""' in following.text
    )
    assert "matched with $100.00" in following.text and "Élise Gagné" in following.text
    (first,) = db.session.query(Donation)
    assert (first.email, first.language, first.postal_code, first.province) == ("", "fr", "G1R 4P5", "QC")
    # Who has the same name and postal code may be the same person: that is asked, and what was typed stays.
    asked = enter(client, amount="60", reference="0046")
    assert asked.status_code == 422 and "Is this the same person?" in asked.text and 'value="0046"' in asked.text
    assert enter(client, asked, amount="60", reference="0046", donor=str(first.donor_id)).status_code == 303
    # The number of a cheque that is recorded already is asked about.
    again = enter(client, amount="60", reference="0046", donor="0")
    assert again.status_code == 422 and "recorded already" in again.text
    assert enter(client, again, amount="60", reference="0046", donor="0", answered="same_reference").status_code == 303
    gifts = db.session.query(Donation).order_by(Donation.id).all()
    assert [gift.donor_id == first.donor_id for gift in gifts] == [True, True, False]
    page = post(client, open_page(client, PATH), f"{PATH}/{gifts[2].public_id}/undo")
    assert "Undone: $60.00" in page.text and "It was recorded by mistake" in page.text
    # The bank: the second one stays for the next deposit.
    slip = open_page(client, f"{PATH}/deposits/1")
    ids = [gift.id for gift in gifts[:2]]
    refused = post(client, slip, f"{PATH}/deposits/1/closings", shown=ids, taken=ids[:1], day=yesterday, account="")
    assert refused.status_code == 422 and "Please write the bank account" in refused.text
    closed = post(client, slip, f"{PATH}/deposits/1/closings", shown=ids, taken=ids[:1], day=yesterday, account="…4321")
    assert "The rest is in no. 2" in closed.text and '<strong id="total">$100.00</strong>' in closed.text and "…4321" in closed.text
    assert "no. 1" in open_page(client, f"{PATH}/deposits").text
    slip = open_page(client, f"{PATH}/deposits/1.csv")
    assert "100.00" in slip.text and '"Élise Gagné"' in slip.text and "deposit-1-" in slip.headers["Content-Disposition"]
    assert open_page(client, f"{PATH}/deposits/1.xlsx").data.startswith(b"PK")
    # The receipts are posted, and the first cheque bounces.
    make_due()
    send_jobs.send_due()
    receipt = receipts.receipt_of(first.id)
    assert receipt
    to_post = open_page(client, f"{PATH}/receipts")
    assert receipt.serial in to_post.text and "8, rue Principale" in to_post.text
    posted = post(client, to_post, f"{PATH}/receipts/{receipt.serial}/postings")
    assert "is marked as posted" in posted.text
    assert "to be posted again" in post(client, posted, f"{PATH}/receipts/{receipt.serial}/postings/undo").text
    gift_page, path = open_page(client, f"{PATH}/{first.public_id}"), f"{PATH}/{first.public_id}/reversals"
    missing = post(client, gift_page, path, day=today().isoformat(), reason="NSF")
    assert missing.status_code == 422 and "Please choose what happened." in missing.text and 'value="NSF"' in missing.text
    assert "Reversed" in post(client, gift_page, path, day=today().isoformat(), reason="NSF", kind="returned").text
    assert offline_gifts.fell_through(first.id) and not db.session.get_one(Donation, first.id, populate_existing=True).net_cents
    actions = {entry.action for entry in db.session.query(AuditEntry).filter(AuditEntry.actor == "member@example.org")}
    assert actions >= {
        "recorded an offline gift",
        "undid an offline gift",
        "closed a deposit",
        "posted a receipt",
        "reversed an offline gift",
    }
    assert checker.findings(db.engine) == []


def test_what_is_wrong_with_a_gift_is_at_its_field(app: Flask, campaign: Campaign, fund: Fund) -> None:
    client = signed_in(app, "clerk")
    cases: dict[str, dict[str, Any]] = {
        "Please write the number of the cheque": {"reference": ""},
        "This day has not come yet": {"received_on": (today() + timedelta(days=1)).isoformat()},
        "Please write an amount": {"amount": "1e4"},
        "Please write the first name": {"first_name": ""},
        "Please choose: a receipt must name": {"organization": "Club Rotary"},
        "their first and last name": {"organization": "Club Rotary", "payer": "person", "first_name": "", "last_name": ""},
        "does not look like an email address": {"email": "elise@"},
        "like the name of an organization": {"last_name": "Gagné Inc."},
        "This page was open for a long time": {"attempt": "stale"},
        "in an earlier year": {"received_on": f"{today().year - 1}-12-31"},
    }
    for sentence, changed in cases.items():
        refused = enter(client, **changed)
        assert refused.status_code == 422 and sentence in refused.text, sentence
        assert 'value="8, rue Principale"' in refused.text
    assert db.session.query(Donation).count() == 0
    unknown: dict[str, Any] = dict.fromkeys(
        ("first_name", "last_name", "address_line1", "city", "province", "postal_code", "reference"), ""
    )
    assert enter(client, **unknown, method="cash", details_unknown="y", not_matchable="y").status_code == 303
    assert (
        enter(client, organization="Club Rotary", payer="organization", first_name="", last_name="", email="club@example.org").status_code
        == 303
    )
    cash, cheque = db.session.query(Donation).order_by(Donation.id)
    make_due()
    send_jobs.send_due()
    receipt = receipts.receipt_of(cheque.id)
    assert receipt and receipt.content["donor_name"] == "Club Rotary" and receipts.receipt_of(cash.id) is None and not cash.is_matchable
    assert checker.findings(db.engine) == []
    found = post(client, open_page(client, PATH), f"{PATH}/donor-searches", email="CLUB@example.org").json
    assert found and [(donor["id"], donor["organization"], donor["email"]) for donor in found] == [
        (cheque.donor_id, "Club Rotary", "club@example.org")
    ]
    by_name = {"last_name": "", "organization": "club rotary", "postal_code": "g1r 4p5"}
    assert post(client, open_page(client, PATH), f"{PATH}/donor-searches", **by_name).json == found
    viewer = signed_in(app, "viewer", address="viewer@example.org")
    assert 'id="amount"' not in open_page(viewer, PATH).text and enter(viewer, open_page(client, PATH)).status_code == 403
    open_deposit = deposits.open_deposit(campaign.charity_id)
    assert open_deposit and "Close the deposit" not in open_page(viewer, f"{PATH}/deposits/{open_deposit.number}").text


def test_the_list_is_exported_whole(app: Flask, campaign: Campaign, fund: Fund, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline_gift_list, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(staff_pages, "GIFTS_SHOWN", 2)
    bounced, refunded = cheque(campaign, 10_00), cheque(campaign, 20_00)
    cheque(campaign, 30_00, is_matchable=False)
    reversed_gift(bounced, OfflineReversalKind.RETURNED)
    reversed_gift(refunded, OfflineReversalKind.REFUNDED, 5_00)
    client = signed_in(app, "manager")
    assert f'href="{PATH}.csv"' in open_page(client, PATH).text
    sent = open_page(client, f"{PATH}.csv")
    heading, *rows = csv.reader(io.StringIO(sent.get_data(as_text=True).removeprefix("\ufeff")))
    assert "offline-gifts-" in sent.headers["Content-Disposition"]
    by = [dict(zip(heading, row, strict=True)) for row in rows]
    assert [(row["Gift"], row["Matched"], row["To be matched"], row["Reversed"]) for row in by] == [
        ("30.00", "0.00", "no", ""),
        ("20.00", "15.00", "", "Given back in part"),
        ("10.00", "0.00", "", "The bank returned the payment"),
    ]
    assert {row["Deposit"] for row in by} <= {"", "1"} and {row["Recorded by"] for row in by} == {CLERK}
    assert open_page(client, f"{PATH}.xlsx").data.startswith(b"PK")
    exported = [entry.detail["document"] for entry in db.session.query(AuditEntry).filter_by(action="exported").order_by(AuditEntry.id)]
    assert exported == ["list of offline gifts (CSV)", "list of offline gifts (XLSX)"]
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    assert f"{PATH}.csv" not in open_page(clerk, PATH).text and open_page(clerk, f"{PATH}.csv").status_code == 403


def test_what_the_bank_returned_is_called_so_wherever_its_state_is_in_words(app: Flask, campaign: Campaign, fund: Fund) -> None:
    """The status stays `refunded`, as the contract has it: nobody refunded it, and no page says so."""
    place: dict[str, Any] = {"email": "zoe@example.org", "first_name": "Zoé", "last_name": "Boulanger"}
    bounced, refunded, partly, mistaken = (cheque(campaign, cents, **place) for cents in (101_00, 102_00, 103_00, 104_00))
    make_due()
    send_jobs.send_due()
    reversed_gift(bounced, OfflineReversalKind.RETURNED)
    reversed_gift(refunded, OfflineReversalKind.REFUNDED)
    reversed_gift(partly, OfflineReversalKind.REFUNDED, 3_00)
    reversed_gift(partly, OfflineReversalKind.RETURNED)
    reversed_gift(mistaken, OfflineReversalKind.MISTAKE)
    words = {
        bounced: ("returned by the bank", "retourné par la banque"),
        refunded: ("refunded", "remboursé"),
        partly: ("refunded in part, then returned by the bank", "remboursé en partie, puis retourné par la banque"),
        mistaken: ("recorded by mistake", "inscrit par erreur"),
    }
    assert {status_of(gift).state for gift in words} == {Status.REFUNDED}
    client = signed_in(app, "manager")
    for number, language in enumerate(("en", "fr")):
        longest, *others = sorted((pair[number] for pair in words.values()), key=len, reverse=True)
        for path in (
            "?",
            f"donors/{bounced.donor_id}?",
            "donations?state=refunded&",
            "donations.csv?state=refunded&",
            "search?q=Boulanger&",
        ):
            before, *after = open_page(client, f"/staff/{path}lang={language}").text.split(longest)
            assert after and all(said in "".join((before, *after)) for said in others), path
        for gift, pair in words.items():
            assert f"<small>{pair[number]}</small>" in open_page(client, f"/staff/donations/{gift.public_id}?lang={language}").text
