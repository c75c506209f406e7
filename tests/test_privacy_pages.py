"""Privacy requests of staff, the privacy page for the public, and news that a donor stops."""

import io
import json
import re
import zipfile
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from campaign.campaigns.campaigns import Campaign
from campaign.donations import news_withdrawals
from campaign.donations.news_withdrawals import NewsWithdrawal, WithdrawnBy, news_token, wants_news
from campaign.edges.db import Base, db
from campaign.mail import send_jobs
from campaign.privacy import person_data, privacy_requests
from campaign.privacy.privacy_requests import ActKind, PrivacyRequest
from campaign.receipts import donor_merge_actions
from campaign.reporting import staff_todo
from campaign.rules.personal_data import Treatment, columns_with
from campaign.staff.audit import AuditEntry
from tests.conftest import Post
from tests.factories import confirm_charity, paid, pay, start_donation, today
from tests.mail import last_email, make_due, text_of
from tests.sheets import read_csv
from tests.web import grant_access, open_page, signed_in, submit

PAGE = "/staff/privacy-requests"
EMAIL = "zoe@markersson.example"


def test_a_request_from_its_day_to_the_erasure_and_its_proof(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    gift = start_donation(campaign, email=EMAIL, last_name="Markersson", message="My <b>Xylograph</b>", language="fr")
    pay(gift)
    make_due()
    send_jobs.send_due()
    client = signed_in(app, "manager")
    empty = open_page(client, PAGE)
    assert "No request is open." in empty.text
    fields = {"kind": "erasure", "received_on": str(today() - timedelta(days=25)), "person": "Zoé Markersson", "contact": EMAIL}
    wrong = submit(client, empty, PAGE, **{**fields, "kind": "", "received_on": str(today() + timedelta(days=1)), "person": " "})
    assert wrong.status_code == 422 and EMAIL in wrong.text
    assert all(f'id="{name}-error"' in wrong.text for name in ("kind", "received_on", "person"))
    one = submit(client, empty, PAGE, **fields).location
    assert "5 days left" in open_page(client, PAGE).text
    assert staff_todo.todo_of(campaign).counted["privacy_due_soon"] == 1
    home = open_page(client, "/staff/")
    assert "1 privacy request is due within seven days." in home.text and f'href="{PAGE}"' in home.text
    page = open_page(client, one)
    assert open_page(client, f"{one}/person.zip").status_code == 404, "nobody is found yet"
    found = open_page(client, f"{one}?q=zoe+MARKERSSON")
    donor = re.search(r'name="donor" value="(\d+)"', found.text)
    assert donor and "Nobody is found" in open_page(client, f"{one}?q=nobody@example.org").text
    submit(client, page, f"{one}/person", donor=donor[1])
    assert open_page(client, f"{one}/person.zip").status_code == 303, "who asks is not verified yet"
    assert submit(client, page, f"{one}/erasure").status_code == 303 and gift.email == EMAIL
    assert submit(client, page, f"{one}/identity", reason="").status_code == 422
    submit(client, page, f"{one}/identity", reason="She answered from the address of her gift")
    _assert_all_is_in_the_file(open_page(client, f"{one}/person.zip").data, gift.public_id)
    shown = open_page(client, f"{one}/erasure")
    assert "Erase this person for good" in shown.text and "s. 230" in shown.text
    assert submit(client, page, f"{one}/erasure").status_code == 303
    db.session.refresh(gift)
    assert gift.email == "" and gift.message == "" and gift.last_name == "Markersson"
    after = open_page(client, one)
    assert "Person erased" in after.text and "Names, addresses and receipts of gifts stay until" in after.text
    assert "Nothing is left to erase." in open_page(client, f"{one}/erasure").text
    submit(client, page, f"{one}/closing", reason="Erased, and told her what stays")
    assert submit(client, page, f"{one}/notes", reason="late").status_code == 303
    closed = open_page(client, one)
    assert "Somebody else has closed this request" in closed.text and "Closed on" in closed.text
    request = db.session.scalars(select(PrivacyRequest)).one()
    acts = [act.kind for act in privacy_requests.acts_of(request.id)]
    assert acts == [ActKind.RECORDED, ActKind.FOUND, ActKind.IDENTIFIED, ActKind.EXPORTED, ActKind.ERASED, ActKind.CLOSED]
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.subject == f"privacy request {request.id}")).all()
    assert len(entries) == 6 and not any(EMAIL in str(entry.detail) for entry in entries)
    _assert_it_is_on_the_page_of_the_donor_and_exported(client, one, gift.donor_id)


def _assert_it_is_on_the_page_of_the_donor_and_exported(client: FlaskClient, one: str, donor_id: int) -> None:
    donor_page = f"/staff/donors/{donor_id}"
    assert f'href="{one}"' in open_page(client, donor_page).text and "days left" not in open_page(client, donor_page).text
    submit(client, open_page(client, one), f"{one}/reopening", reason="She asks again")
    assert "days left" in open_page(client, one).text and "days left" in open_page(client, donor_page).text
    headings, row = read_csv(open_page(client, f"{PAGE}.csv").data, separator=",")
    assert dict(zip(headings, row, strict=True))["Who asks"] == "Zoé Markersson"


def _assert_all_is_in_the_file(content: bytes, public_id: str) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None and "data.json" in names and "lisez-moi.html" in names and names[-1].startswith("recu-")
        assert archive.read(names[-1]).startswith(b"%PDF")
        data, page = json.loads(archive.read("data.json")), archive.read("lisez-moi.html").decode()
    assert data["tables"]["donation"][0]["public_id"] == public_id and data["emails"] == [EMAIL]
    assert data["tables"]["frozen_email"][0]["text"] and "…" in data["tables"]["frozen_email"][0]["text"], "links are without their tokens"
    assert 'lang="fr"' in page and "My &lt;b&gt;Xylograph" in page and EMAIL in page


def test_each_personal_column_is_in_the_file_of_a_person_or_left_out_for_a_reason(app: Flask) -> None:
    personal = columns_with(Treatment.AT_ONCE) | columns_with(Treatment.BOOKS) | columns_with(Treatment.REGISTER)
    everything = {(table.name, one.name) for table in Base.metadata.tables.values() for one in table.columns}
    exported = {(table, name) for table, name in everything if table in person_data.exported_tables()}
    assert personal - exported - set(person_data.LEFT_OUT) == set()
    assert set(person_data.LEFT_OUT) <= everything


def test_what_is_open_is_shown_instead_of_a_button_and_a_clerk_does_not_erase(app: Flask, campaign: Campaign) -> None:
    gift = start_donation(campaign, email=EMAIL)
    db.session.commit()
    clerk = signed_in(app, "clerk")
    page = open_page(clerk, PAGE)
    fields = {"kind": "erasure", "received_on": str(today() - timedelta(days=40)), "person": "Zoé", "contact": EMAIL}
    one = submit(clerk, page, PAGE, **fields).location
    submit(clerk, page, f"{one}/person", donor=str(gift.donor_id))
    submit(clerk, page, f"{one}/identity", reason="by phone")
    assert staff_todo.todo_of(campaign).counted["privacy_overdue"] == 1
    assert submit(clerk, page, f"{one}/erasure").status_code == 403 and open_page(clerk, f"{one}/person.zip").status_code == 403
    assert "A manager erases a person." in open_page(clerk, f"{one}/erasure").text
    manager = signed_in(app, "manager", address="manager@example.org")
    shown = open_page(manager, f"{one}/erasure")
    assert "Not yet: something is still open" in shown.text and gift.public_id in shown.text and "for good" not in shown.text
    assert submit(manager, open_page(manager, PAGE), f"{one}/erasure").status_code == 409 and gift.email == EMAIL


@pytest.mark.parametrize("how", ["link", "one_click", "page"])
def test_a_donor_stops_news_and_the_proof_of_both_is_exported(app: Flask, campaign: Campaign, post: Post, how: str) -> None:
    confirm_charity()
    gift = start_donation(campaign, email=EMAIL, news_consent=True)
    other = paid(campaign, email="other@example.org")
    pay(gift)
    make_due()
    send_jobs.send_due()
    link = f"/en/news/{news_token(gift)}"
    assert link in text_of(last_email(post, gift)) and "/news/" not in text_of(last_email(post, other))
    client = app.test_client()
    page = open_page(client, link)
    assert "Stop the news" in page.text and wants_news(gift.donor_id), "opening the link changes nothing"
    if how == "page":
        path = f"/en/donations/{gift.token}"
        assert "Stop the news" not in open_page(client, path).text
        assert submit(client, open_page(client, "/en/vision-sanaa-richard"), f"{path}/news").status_code == 403
        grant_access(client, gift)
        donor_page = open_page(client, path)
        assert "Stop the news" in donor_page.text and submit(client, donor_page, f"{path}/news").status_code == 303
    else:
        for _ in range(2):  # A second click changes nothing.
            with app.app_context():
                answer = client.post(link, data={"List-Unsubscribe": "One-Click"} if how == "one_click" else {})
            assert answer.status_code == 200 and "no more news" in answer.text
    assert not wants_news(gift.donor_id)
    (proof,) = db.session.scalars(select(NewsWithdrawal))
    assert (proof.how, proof.donor_id, proof.recorded_by) == (how, gift.donor_id, "the donor")
    assert db.session.scalars(select(AuditEntry).where(AuditEntry.action == "withdrew consent to news")).one().subject == gift.public_id
    manager = signed_in(app, "manager")
    days = {"what": "consents", "from": str(today()), "to": str(today()), "headings": "en", "format": "csv"}
    with app.app_context():
        exported = manager.get("/staff/exports/file", query_string=days, buffered=True).text
    assert f"{today()}" in exported.splitlines()[1] and link in exported
    headings, row, *_ = read_csv(open_page(manager, f"/staff/donations.csv?q={EMAIL}").data, separator=",")
    assert dict(zip(headings, row, strict=True))["News withdrawn on"] == str(today())
    again = start_donation(campaign, email=EMAIL, news_consent=True)
    assert wants_news(again.donor_id), "a later consent counts again"
    assert open_page(client, f"/en/news/{gift.token}").status_code == 404


def test_donors_who_are_merged_withdraw_consent_for_each_other(app: Flask, campaign: Campaign) -> None:
    gifts = [paid(campaign, email=email, news_consent=consent) for email, consent in (("a@x.ca", True), ("b@x.ca", True), ("c@x.ca", True))]
    donor_merge_actions.merge(gifts[0].donor_id, gifts[1].donor_id, actor="manager@example.org", reason="the same person")
    news_withdrawals.record(gifts[1], how=WithdrawnBy.STAFF, recorded_by="clerk@example.org")
    again = paid(campaign, email="a@x.ca", news_consent=True)
    found = news_withdrawals.first_withdrawals([*gifts, again])
    assert {gift.id: row.id for gift in (*gifts, again) if (row := news_withdrawals.withdrawal_of(gift))} == {
        donation_id: row.id for donation_id, row in found.items()
    }
    assert set(found) == {gifts[0].id, gifts[1].id}


def test_the_privacy_page_is_linked_from_the_form_and_says_the_same_in_both_languages(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    client = app.test_client()
    for language, said in (("en", "Privacy Commissioner of Canada"), ("fr", "Commissariat à la protection de la vie privée du Canada")):
        form = open_page(client, f"/{language}/{campaign.slug}")
        link = f"/{language}/{campaign.slug}/privacy"
        assert form.text.count(f'href="{link}"') == 2
        page = open_page(client, link)
        assert (
            said in page.text
            and "privacy@nerve-research.ca" in page.text
            and "Stripe" in page.text
            and ("2 years" in page.text or "2 ans" in page.text)
        )
        assert said in open_page(client, f"/{language}/privacy").text
    assert open_page(client, "/en/no-such-campaign/privacy").status_code == 404
