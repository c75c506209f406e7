"""The page of all gifts of a donor: who gets the link, what is on it, and that nobody sees another's gifts."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.donations import message_actions
from campaign.donations.donations import Donation
from campaign.donations.donors import wants_annual_receipt
from campaign.donations.news_agreements import NewsAgreement
from campaign.donations.news_withdrawals import wants_news
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.outbox import checkout_codes, donor_access
from campaign.outbox.donor_access import DonorAccess
from campaign.privacy import own_copy, person_data, privacy_request_actions
from campaign.privacy.privacy_requests import NewRequest, RequestKind
from campaign.receipts import annual_jobs, donor_merge_actions, receipt_actions
from campaign.receipts.receipts import Receipt
from campaign.recurring import contacts
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.reporting.integrity import checker
from campaign.reporting.my_gifts import PAGE_SIZE
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.schedule import schedule_jobs
from campaign.staff.audit import AuditEntry
from campaign.web.public import donor_access as grants
from campaign.web.public import my_gifts
from tests.conftest import Post, Stripe
from tests.factories import (
    another_campaign,
    another_charity,
    create_refund,
    end,
    issue_receipt,
    paid,
    pay,
    payment_of,
    start_donation,
    today,
)
from tests.mail import last_email, make_due, text_of
from tests.offline_gifts import CLERK, cheque, reversed_gift
from tests.sheets import read_csv
from tests.stripe import start_debit, start_recurring
from tests.test_retention import age
from tests.test_shared_messages import shared
from tests.web import FORM, SLUG, grant_access, open_page, signed_in, submit

OWNER, STRANGER = "owner@example.org", "stranger@example.org"
LINK = re.compile(r"http://127\.0\.0\.1:8000(/\w\w/access/[0-9a-f]{64})")
PAGE = "/en/my-gifts"
SAME_ANSWER = "If there are gifts under this address"


@pytest.fixture(autouse=True)
def answers_take_no_longer(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "timing" not in request.node.name:
        monkeypatch.setattr(my_gifts, "ANSWER_SECONDS", 0.0)


def ask(client: FlaskClient, email: str, language: str = "en") -> TestResponse:
    path = f"/{language}/my-gifts"
    return submit(client, open_page(client, path), path, email=email)


def mailed_link(post: Post, donation: Donation) -> str:
    make_due()
    send_jobs.send_due()
    found = LINK.search(text_of(last_email(post, donation)))
    assert found
    return found[1]


def opened(app: Flask, donation: Donation, path: str = PAGE) -> tuple[FlaskClient, TestResponse]:
    """A client that came by a link of the donor, and the page."""
    client = app.test_client()
    grant_access(client, donation)
    return client, open_page(client, path)


def paid_at(campaign: Campaign, at: datetime, cents: int = 10_00, **changed: Any) -> Donation:
    donation = start_donation(campaign, cents, **{"email": OWNER, **changed})
    pay(donation, at=at)
    db.session.commit()
    return donation


def words_of(page: TestResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("language", "heading", "sums", "mail"),
    [
        (
            "en",
            "Your gifts",
            "Your gifts: $100.00. Their match: $100.00. Together: $200.00.",
            "The link to all your gifts",
        ),
        ("fr", "Vos dons", "Vos dons : 100,00 $. Leur jumelage : 100,00 $. En tout : 200,00 $.", "Le lien vers tous vos dons"),
    ],
)
def test_a_donor_asks_for_the_link_and_sees_all_their_gifts(
    app: Flask, campaign: Campaign, post: Post, language: str, heading: str, sums: str, mail: str
) -> None:
    gift = paid(campaign, 100_00, email=OWNER, language=language)
    issue_receipt(gift)
    db.session.commit()
    client, path = app.test_client(), f"/{language}/my-gifts"
    assert ask(client, f" {OWNER.upper()} ", language).location.startswith(path)
    link = mailed_link(post, gift)
    assert mail in last_email(post, gift)["Subject"]
    opening = open_page(client, link)
    assert opening.status_code == 200, "programs that scan emails open it first"
    assert ("You can see all your gifts in this browser" if language == "en" else "Vous pourrez consulter tous vos dons") in opening.text
    assert OWNER not in open_page(client, path).text, "only its button opens the page"
    assert client.post(link).location == path
    page = open_page(client, path)
    assert f"<h1>{heading}</h1>" in page.text and sums in words_of(page)
    assert (page.headers["Cache-Control"], 'name="robots" content="noindex"' in page.text) == ("private, no-store", True)
    assert '<meta name="referrer" content="same-origin">' in page.text
    assert OWNER in page.text
    assert f"/{language}/donations/{gift.token}" in page.text
    code = db.session.query(Receipt).one().check_code
    pdf = open_page(client, f"{path}/receipts/{code}.pdf")
    assert (pdf.mimetype, pdf.headers["Cache-Control"]) == ("application/pdf", "private, no-store")
    assert client.post(link).status_code == 404, "a link works once"


def test_the_answer_is_the_same_whether_an_address_is_known_or_not(app: Flask, campaign: Campaign, post: Post) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    send_jobs.send_due()
    answers = []
    for email in (OWNER, "nobody@example.org"):
        client = app.test_client()
        answer = ask(client, email)
        shown = re.sub(r'value="[^"]*"', "", open_page(client, answer.location).text)
        answers.append((answer.status_code, answer.location, re.sub(r"nonce-\w+", "", shown)))
    assert answers[0] == answers[1]
    assert SAME_ANSWER in answers[0][2] and OWNER not in answers[0][1] + answers[0][2]
    assert [access.email for access in db.session.query(DonorAccess)] == [gift.email], "control: one of them was known"


def test_the_timing_tells_nothing_either(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00, email=OWNER)
    took = {}
    for email in (OWNER, "nobody@example.org"):
        client = app.test_client()
        form, begun_at = open_page(client, PAGE), time.monotonic()
        submit(client, form, PAGE, email=email)
        took[email] = time.monotonic() - begun_at
    assert min(took.values()) >= my_gifts.ANSWER_SECONDS


@pytest.mark.parametrize(
    "typed", ["", "no address", "a@b", "x" * 400, "a@example.org\r\nBcc: b@example.org", "a@example.org, b@example.org"]
)
def test_what_is_no_address_is_asked_for_again(app: Flask, campaign: Campaign, typed: str) -> None:
    answer = ask(app.test_client(), typed)
    assert answer.status_code == 422
    assert "does not look like an email address" in answer.text and 'aria-invalid="true"' in answer.text


def test_one_network_and_one_address_get_only_so_many_links(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00, email=OWNER)
    client, most = app.test_client(), int(my_gifts.LINKS_PER_NETWORK.split()[0])
    statuses = [ask(client, OWNER).status_code for _ in range(most + 1)]
    assert statuses == [303] * most + [429]
    assert db.session.query(DonorAccess).count() == donor_access.MAX_LINKS_PER_HOUR


def test_a_link_of_one_donor_shows_and_changes_nothing_of_another(app: Flask, campaign: Campaign) -> None:
    own, other = shared(campaign, 100_00, email=OWNER), shared(campaign, 70_00, email=STRANGER, last_name="Quibblestone")
    for gift in (own, other):
        issue_receipt(gift)
    db.session.commit()
    client, page = opened(app, own)
    assert own.token in page.text and OWNER in page.text
    for hidden in (other.token, other.public_id, "Quibblestone", STRANGER, "$70.00"):
        assert hidden not in page.text
    codes = {receipt.cents: receipt.check_code for receipt in db.session.query(Receipt)}
    assert open_page(client, f"{PAGE}/receipts/{codes[100_00]}.pdf").status_code == 200
    assert open_page(client, f"{PAGE}/receipts/{codes[70_00]}.pdf").status_code == 404
    assert submit(client, page, f"{PAGE}/message-withdrawals", gift=other.public_id).status_code == 404
    assert message_actions.withdraw(other), "control: it was still in force"
    for position in (
        f"before={other.public_id}",
        f"after={other.public_id}",
        "before=x",
        "receipts_before=99999999999999999999",
    ):
        assert own.token in open_page(client, f"{PAGE}?{position}").text, position
    downloaded = submit(client, page, f"{PAGE}/data").text
    assert own.public_id in downloaded
    for hidden in (other.public_id, "Quibblestone", STRANGER):
        assert hidden not in downloaded


def test_without_a_link_nothing_is_shown_or_changed(app: Flask, campaign: Campaign) -> None:
    gift = shared(campaign, 100_00, email=OWNER)
    receipt = issue_receipt(gift)
    db.session.commit()
    assert receipt
    client = app.test_client()
    page = open_page(client, PAGE)
    assert OWNER not in page.text and gift.token not in page.text
    assert open_page(client, f"{PAGE}/receipts/{receipt.check_code}.pdf").location == PAGE
    for path, fields in (
        ("data", {}),
        ("receipt-choice", {"choice": "annual"}),
        ("news", {"choice": "agree"}),
        ("email", {"email": STRANGER}),
        ("message-withdrawals", {"gift": gift.public_id}),
        ("closed", {}),
    ):
        assert submit(client, page, f"{PAGE}/{path}", **fields).location == PAGE, path
    assert (wants_annual_receipt(gift.donor_id), wants_news(gift.donor_id)) == (False, False)
    assert db.session.query(contacts.EmailChange).count() == 0
    assert message_actions.withdraw(gift), "it was still in force"


def test_a_change_needs_the_token_of_the_page(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    client, _ = opened(app, gift)
    with app.app_context():
        assert client.post(f"{PAGE}/receipt-choice", data={"choice": "annual"}).status_code == 400
        assert client.post(f"{PAGE}/data").status_code == 400
    assert not wants_annual_receipt(gift.donor_id)


def test_the_page_closes_after_half_an_hour_and_says_so_once(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    client, page = opened(app, gift)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=grants.ACCESS_SECONDS - 10), tick=False):
        assert gift.token in open_page(client, PAGE).text
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=grants.ACCESS_SECONDS + 5), tick=False):
        assert submit(client, page, f"{PAGE}/receipt-choice", choice="annual").location == PAGE
        closed = open_page(client, PAGE).text
        assert "half an hour has passed" in closed and gift.token not in closed
        assert "half an hour has passed" not in open_page(client, PAGE).text
    assert not wants_annual_receipt(gift.donor_id)


def test_the_page_closes_when_the_donor_has_another_address(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    client, page = opened(app, gift)
    contacts.change_email(gift.donor_id, "new@example.org")
    db.session.commit()
    assert "your address has changed" in open_page(client, PAGE).text
    assert submit(client, page, f"{PAGE}/data").location == PAGE


def test_the_donor_closes_the_page_in_this_browser(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    client, page = opened(app, gift)
    assert submit(client, page, f"{PAGE}/closed").location == f"{PAGE}#done"
    closed = open_page(client, PAGE).text
    assert "closed in this browser" in closed and gift.token not in closed


def test_of_merged_donors_each_address_leads_to_the_one_they_are_now(app: Flask, campaign: Campaign, post: Post) -> None:
    first, second = paid(campaign, 100_00, email=OWNER), paid(campaign, 40_00, email="earlier@example.org")
    client_of_second, _ = opened(app, second)
    donor_merge_actions.merge(first.donor_id, second.donor_id, actor=CLERK, reason="one person")
    closed = open_page(client_of_second, PAGE).text
    assert "closed in this browser" in closed and first.token not in closed, "what was open for the merged one is closed"
    ask(app.test_client(), "earlier@example.org")
    assert [access.email for access in db.session.query(DonorAccess)] == [OWNER], "not to the address that was typed"
    _, page = opened(app, first)
    assert first.token in page.text and second.token in page.text


def erase(gift: Donation) -> None:
    make_due()
    send_jobs.send_due()
    new = NewRequest(kind=RequestKind.ERASURE, received_on=today(), person="Owner", contact=OWNER)
    request = privacy_request_actions.record(gift.campaign.charity_id, new, actor=CLERK)
    privacy_request_actions.choose_person(request.id, gift.donor_id, actor=CLERK)
    privacy_request_actions.record_identity(request.id, how="by phone", actor=CLERK)
    assert privacy_request_actions.erase(request.id, actor=CLERK).is_possible


def test_an_erased_donor_gets_no_link_and_what_was_open_is_closed(app: Flask, campaign: Campaign, post: Post) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    client, _ = opened(app, gift)
    erase(gift)
    assert gift.token not in open_page(client, PAGE).text
    assert SAME_ANSWER in open_page(client, ask(client, OWNER).location).text
    assert db.session.query(DonorAccess).count() == 0


def test_each_state_is_shown_in_words(app: Flask, campaign: Campaign, stripe: Stripe, post: Post) -> None:
    gifts = {name: paid(campaign, 100_00, email=OWNER) for name in ("paid", "refunded", "in part", "disputed")}
    create_refund(gifts["refunded"], 100_00)
    create_refund(gifts["in part"], 40_00)
    create_refund(gifts["disputed"], 100_00, kind="dispute", status="needs_response")
    quarantined = start_donation(campaign, 100_00, email=OWNER)
    pay(quarantined, amount_cents=payment_of(quarantined).amount_cents - 1)
    for status in ("expired", "failed"):
        end(start_donation(campaign, 31_00, email=OWNER), status)
    start_donation(campaign, 32_00, email=OWNER)
    by_cheque = cheque(campaign, 55_00, email=OWNER)
    bounced = cheque(campaign, 56_00, email=OWNER)
    reversed_gift(bounced, OfflineReversalKind.RETURNED)
    db.session.commit()
    client, page = opened(app, by_cheque)
    main, unpaid = page.text.split("Started, but not paid</summary>")
    words = re.sub(r"<[^>]+>", " ", main)
    for state in (
        "paid",
        "refunded",
        "refunded in part",
        "$60.00 remains",
        "your bank is reviewing it",
        "we are reviewing it",
        "returned by the bank",
    ):
        assert state in words, state
    for amount in ("$55.00", "$56.00"):
        assert amount in words
    assert "$31.00" not in words and "$32.00" not in words, "what was not paid is apart"
    for state in ("not completed", "payment failed", "not paid yet"):
        assert state in unpaid
    assert "in quarantine" not in page.text
    french = words_of(open_page(client, "/fr/my-gifts"))
    for state in ("payé", "votre banque l’examine", "nous l’examinons", "reste 60,00 $", "Commencés, mais pas payés"):
        assert state in french, state


def test_a_debit_under_way_is_listed_with_the_gifts(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = start_debit(app, stripe)
    schedule_jobs.poll_stripe()
    _, page = opened(app, donation)
    assert "payment under way" in page.text and "Started, but not paid" not in page.text
    assert "No gift counts under this address" in page.text


def test_a_donor_whose_gift_was_never_paid_sees_that_nothing_was_charged(app: Flask, campaign: Campaign) -> None:
    gift = start_donation(campaign, 31_00, email=OWNER)
    end(gift, "expired")
    db.session.commit()
    _, page = opened(app, gift)
    assert "No gift counts under this address" in page.text and "Nothing was charged for these." in page.text


def test_monthly_gifts_are_listed_with_their_next_day_and_their_end(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    gift = db.session.query(RecurringGift).one()
    client, page = opened(app, donation)
    assert "next on" in page.text and "change or stop it" in page.text
    assert f"/en/monthly/{gift.token}/address" in page.text
    gift.ended_at, gift.status = datetime.now(UTC), "canceled"
    db.session.commit()
    ended = open_page(client, PAGE).text
    assert "ended on" in ended and f"/en/monthly/{gift.token}/address" not in ended


def test_receipts_are_listed_by_year_single_and_yearly_and_those_that_ended(app: Flask, campaign: Campaign) -> None:
    single, replaced = (
        paid_at(campaign, datetime(2026, 3, 1, tzinfo=UTC), 10_00),
        paid_at(campaign, datetime(2026, 4, 1, tzinfo=UTC), 20_00),
    )
    for gift in (single, replaced):
        issue_receipt(gift)
    create_refund(replaced, 5_00)
    issue_receipt(replaced)
    db.session.commit()
    receipt_actions.choose_preference(single, "annual")
    for month in (5, 6):
        paid_at(campaign, datetime(2026, month, 1, tzinfo=UTC), 7_00)
    with time_machine.travel(datetime(2027, 1, 15, tzinfo=UTC), tick=True):
        assert annual_jobs.issue_for(campaign.charity, 2026).issued == 1
        _, page = opened(app, single)
    words = words_of(page)
    assert "all gifts of the year $14.00" in words and "one gift $10.00" in words and "one gift $15.00" in words
    assert "replaced" in words
    for receipt in db.session.query(Receipt):
        assert f"/receipts/{receipt.check_code}.pdf" in page.text


@pytest.mark.owner
def test_a_receipt_whose_name_is_erased_has_no_link(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    receipt = issue_receipt(gift)
    db.session.commit()
    assert receipt
    client, page = opened(app, gift)
    path = f"{PAGE}/receipts/{receipt.check_code}.pdf"
    assert page.text.count(f'href="{path}"') == 2
    age("""UPDATE receipt SET content = content || '{"donor_name": "", "donor_address": []}'""")
    db.session.expire_all()
    erased = open_page(client, PAGE).text
    assert path not in erased and erased.count(receipt.serial) == 2
    assert open_page(client, path).status_code == 404


def test_the_choice_of_receipts_is_changed_and_mailed(app: Flask, campaign: Campaign, post: Post) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    send_jobs.send_due()
    client, page = opened(app, gift)
    assert submit(client, page, f"{PAGE}/receipt-choice", choice="annual").location == f"{PAGE}#done"
    assert wants_annual_receipt(gift.donor_id)
    assert "You get one receipt for all gifts of a year" in open_page(client, PAGE).text
    make_due()
    send_jobs.send_due()
    assert "one official receipt for all your gifts" in text_of(last_email(post, gift))
    assert submit(client, page, f"{PAGE}/receipt-choice", choice="none").status_code == 400


def test_another_email_address_is_confirmed_by_mail(app: Flask, campaign: Campaign, post: Post) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    send_jobs.send_due()
    client, page = opened(app, gift)
    assert submit(client, page, f"{PAGE}/email", email="not one").location == f"{PAGE}#email"
    wrong = open_page(client, PAGE).text
    assert 'value="not one" aria-invalid="true" aria-describedby="email-error email-help"' in wrong
    assert "does not look like an email address" in wrong and '<details class="no-print" open>' in wrong
    assert "not one" not in open_page(client, PAGE).text
    submit(client, page, f"{PAGE}/email", email="new@example.org")
    assert "on its way to new@example.org" in open_page(client, PAGE).text
    make_due()
    send_jobs.send_due()
    (message,) = [m for _, to, m, _ in post.box.newest(10) if to == ["new@example.org"]]
    link = re.search(r"/en/email/[0-9a-f]{64}", text_of(message))
    assert link and client.post(link[0]).status_code == 200
    db.session.refresh(gift)
    assert gift.email == "new@example.org"
    assert "your address has changed" in open_page(client, PAGE).text


def test_news_are_agreed_to_and_stopped_with_the_proof_of_each(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 100_00, email=OWNER, news_consent=True)
    first_at = gift.news_consent_at
    client, page = opened(app, gift)
    assert "Stop the news" in page.text
    submit(client, page, f"{PAGE}/news", choice="withdraw")
    assert not wants_news(gift.donor_id)
    again = open_page(client, "/fr/my-gifts")
    assert "Envoyez-moi des nouvelles de ce que les dons rendent possible" in again.text
    for _ in range(2):
        submit(client, again, "/fr/my-gifts/news", choice="agree")
    assert wants_news(gift.donor_id)
    agreement = db.session.query(NewsAgreement).one()
    assert (agreement.donation_id, agreement.language, agreement.earlier_at) == (gift.id, "fr", first_at)
    assert agreement.words.startswith("Envoyez-moi des nouvelles") and agreement.words in words_of(again)
    assert agreement.at == db.session.get_one(Donation, gift.id, populate_existing=True).news_consent_at
    assert db.session.query(AuditEntry).filter_by(action="agreed to news on their page").count() == 1
    submit(client, page, f"{PAGE}/news", choice="withdraw")
    assert not wants_news(gift.donor_id)
    assert submit(client, page, f"{PAGE}/news", choice="").status_code == 400
    assert checker.findings(db.engine) == []


def test_a_new_consent_is_recorded_with_a_gift_that_has_none_so_that_no_proof_is_replaced(app: Flask, campaign: Campaign) -> None:
    bare = paid(campaign, 10_00, email=OWNER)
    agreed = paid(campaign, 20_00, email=OWNER, news_consent=True)
    start_donation(campaign, 30_00, email=OWNER)
    db.session.commit()
    client, page = opened(app, agreed)
    submit(client, page, f"{PAGE}/news", choice="withdraw")
    submit(client, page, f"{PAGE}/news", choice="agree")
    agreement = db.session.query(NewsAgreement).one()
    assert (agreement.donation_id, agreement.earlier_at) == (bare.id, None)


def test_the_export_of_consents_proves_one_from_the_page_by_the_words_that_were_there(app: Flask, campaign: Campaign) -> None:
    by_form, by_page = paid(campaign, email=STRANGER, news_consent=True), paid(campaign, email=OWNER)
    client, _ = opened(app, by_page)
    submit(client, open_page(client, "/fr/my-gifts"), "/fr/my-gifts/news", choice="agree")
    manager = signed_in(app, "manager")
    days = {"what": "consents", "from": str(today()), "to": str(today()), "headings": "en", "format": "csv"}
    with app.app_context():
        exported = manager.get("/staff/exports/file", query_string=days, buffered=True)
    (_, *rows) = read_csv(exported.data, separator=",")
    by_email = {row[0]: row for row in rows}
    assert {"English", "Send me news about what gifts make possible. A few emails a year. You can stop them at any time."} <= set(
        by_email[STRANGER]
    )
    assert "the donation form, by a box that the donor ticked" in by_email[STRANGER]
    assert "the page of the donor’s gifts, by a button under these words" in by_email[OWNER]
    assert "French" in by_email[OWNER] and any(cell.startswith("Envoyez-moi des nouvelles") for cell in by_email[OWNER])
    assert by_form.news_consent_at
    page_of_donor = open_page(manager, f"/staff/donors/{by_page.donor_id}").text
    assert "Envoyez-moi des nouvelles de ce que les dons rendent possible" in page_of_donor


def test_a_message_that_a_funder_may_read_is_withdrawn(app: Flask, campaign: Campaign) -> None:
    gift = shared(campaign, 100_00, email=OWNER)
    client, page = opened(app, gift)
    assert "Merci à vous deux!" in page.text and "<b>Courage</b>" not in page.text
    submit(client, page, f"{PAGE}/message-withdrawals", gift=gift.public_id)
    assert "Merci à vous deux!" not in open_page(client, PAGE).text
    assert not message_actions.withdraw(gift)


def test_gifts_to_several_charities_are_on_one_page_with_whom_to_write_to(app: Flask, campaign: Campaign) -> None:
    first = paid(campaign, 100_00, email=OWNER)
    charity = another_charity(email="second@charity.example", privacy_officer="officer@charity.example")
    second = paid(another_campaign(500_00, like=campaign, charity=charity), 40_00, email=OWNER)
    _, page = opened(app, first)
    for shown in (first.token, second.token, campaign.charity.email, "second@charity.example", "officer@charity.example", "Second Charity"):
        assert shown in page.text
    assert "Your gifts: $140.00. Their match: $140.00." in words_of(page)


def data_of(client: FlaskClient, page: TestResponse) -> dict[str, Any]:
    answer = submit(client, page, f"{PAGE}/data")
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "application/json", "private, no-store")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    found: dict[str, Any] = json.loads(answer.text)
    return found


def test_the_data_of_the_donor_is_a_file_without_secrets_notes_and_names_of_staff(app: Flask, campaign: Campaign, post: Post) -> None:
    gift = paid(campaign, 100_00, email=OWNER, message="For my aunt")
    send_jobs.send_due()
    message_actions.withdraw(gift)
    client, page = opened(app, gift)
    data = data_of(client, page)
    assert (data["format"], data["emails"]) == (own_copy.FORMAT, [OWNER])
    assert [row["message"] for row in data["tables"]["donation"]] == ["For my aunt"]
    assert "…" in data["tables"]["frozen_email"][0]["text"], "the text of the email, without the token of its link"
    assert not set(data["tables"]) & set(own_copy.FROM_OFFICER)
    assert set(data["tables"]) == set(person_data.exported_tables()) - set(own_copy.FROM_OFFICER)
    assert gift.token not in json.dumps(data) and gift.attempt not in json.dumps(data)
    assert db.session.query(AuditEntry).filter_by(action="downloaded their data").one().subject == gift.public_id


def test_what_another_has_under_an_address_that_only_a_gift_has_is_not_in_the_file(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    gift.email = STRANGER
    for email in (STRANGER, OWNER):
        code = {"attempt": f"an attempt of {email}", "email": email, "language": "en", "client_key": ""}
        assert checkout_codes.send_code(campaign_id=campaign.id, **code)
    db.session.commit()
    assert len(person_data.all_about(gift.donor_id)["tables"]["checkout_code"]) == 2, "control: staff who know both get both"
    data = json.loads("".join(own_copy.pieces(gift.donor_id)))
    assert [code["email"] for code in data["tables"]["checkout_code"]] == [OWNER]


def test_addresses_of_staff_are_not_in_the_file(app: Flask, campaign: Campaign) -> None:
    gift = start_donation(campaign, 31_00, email=OWNER)
    end(gift, "expired")
    gift.closed_by = "clerk@charity.example"
    db.session.commit()
    data = json.loads("".join(own_copy.pieces(gift.donor_id)))
    assert data["tables"]["donation"][0]["closed_by"] == "staff"


def test_pages_continue_from_a_gift_and_show_each_once_by_the_day_of_the_payment(app: Flask, campaign: Campaign) -> None:
    days = [datetime(2026, 1, 1, 17, tzinfo=UTC) + timedelta(days=n) for n in range(2 * PAGE_SIZE + 3)]
    for day in (*days[::2], *days[1::2]):
        paid_at(campaign, day)
    ordered = [d.token for d in db.session.query(Donation).order_by(Donation.received_at.desc())]
    client, page = opened(app, db.session.query(Donation).limit(1).one())
    pages: list[list[str]] = []
    while True:
        pages.append(re.findall(r'href="/en/donations/([\w-]{36})">', page.text.partition('id="years"')[0]))
        older = re.search(r'href="([^"]+)" rel="next"', page.text.partition('id="years"')[0])
        if older is None:
            break
        page = open_page(client, older[1].partition("#")[0])
    assert [len(one) for one in pages] == [PAGE_SIZE, PAGE_SIZE, 3]
    assert [token for one in pages for token in one] == ordered
    newer = re.search(r'href="([^"]+)" rel="prev"', page.text)
    assert newer
    back = open_page(client, newer[1].partition("#")[0])
    assert re.findall(r'href="/en/donations/([\w-]{36})">', back.text.partition('id="years"')[0]) == pages[1]


def statements_of(client: FlaskClient, path: str) -> int:
    count = 0

    def listen(*_: object) -> None:
        nonlocal count
        count += 1

    event.listen(db.engine, "before_cursor_execute", listen)
    assert open_page(client, path).status_code == 200
    event.remove(db.engine, "before_cursor_execute", listen)
    return count


def test_the_page_of_many_gifts_asks_as_many_queries_as_that_of_few(app: Flask, campaign: Campaign) -> None:
    counts, first = [], None
    for number in (3, 60):
        for _ in range(number):
            gift = paid(campaign, 10_00, email=OWNER)
            issue_receipt(gift)
        db.session.commit()
        first = first or gift
        client, _ = opened(app, first)
        db.session.expire_all()
        counts.append(statements_of(client, PAGE))
    assert counts[0] == counts[1] <= 30


def test_links_to_the_page_are_where_donors_are_and_never_with_an_address(
    app: Flask, client: FlaskClient, campaign: Campaign, post: Post
) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    send_jobs.send_due()
    to_page = f"/en/my-gifts?campaign={SLUG}"
    for path in (f"/en/{SLUG}", f"/en/donations/{gift.token}", f"/en/{SLUG}/privacy"):
        assert f'href="{to_page}"' in open_page(client, path).text, path
    assert f"http://127.0.0.1:8000{to_page}" in text_of(last_email(post, gift))
    form = open_page(client, to_page)
    assert re.search(r'<form action="/en/my-gifts#email" method="post">', form.text)
    answer = submit(client, form, PAGE, email=FORM["email"], campaign=SLUG)
    assert answer.location == f"{to_page}#done"
    unknown = open_page(client, "/en/access/" + "0" * 64)
    assert (unknown.status_code, 'href="/en/my-gifts"' in unknown.text) == (404, True)


def test_without_campaign_there_is_no_page_and_no_error(app: Flask, campaign: Campaign) -> None:
    assert open_page(app.test_client(), f"{PAGE}?campaign=unknown").status_code == 200


def test_i20_a_consent_is_never_changed(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 100_00, email=OWNER)
    client, page = opened(app, gift)
    submit(client, page, f"{PAGE}/news", choice="agree")
    for change in ("UPDATE news_agreement SET words = 'x'", "DELETE FROM news_agreement", "TRUNCATE news_agreement"):
        with pytest.raises(Exception, match=r"permission denied|append-only|may not"), db.engine.begin() as connection:
            connection.execute(text(change))
