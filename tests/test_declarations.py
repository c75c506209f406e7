"""A receipt in a name that is not the payer's takes the donor's declaration: in the form, on their page, or recorded by staff."""

import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from campaign.campaigns.campaigns import Campaign
from campaign.donations import declarations
from campaign.donations.declarations import How, ReceiptDeclaration, Statement
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import mail_actions, send_jobs
from campaign.outbox import waiting_receipts
from campaign.receipts import annual_jobs, completeness, lifecycle, receipt_actions, receipts
from campaign.receipts.receipts import EndReason, ReceiptIncomplete
from campaign.receipts.render_jobs import issue_context
from campaign.recurring import recurring_gifts
from campaign.recurring.contacts import Scope
from campaign.reporting import totals
from campaign.reporting.integrity import checker
from campaign.rules.document_types import JPEG, PDF, PNG, media_type_of
from campaign.rules.receipt_names import ReceiptNames, legal_form_in
from campaign.schedule import schedule_jobs
from campaign.staff.audit import AuditEntry
from campaign.texts.action_errors import ActionError, ActionRefused
from campaign.web.security import CONFIRMED_AT
from campaign.web.staff.person_form import LARGEST_DOCUMENT
from tests.conftest import Post, Stripe
from tests.factories import (
    create_refund,
    issue_receipt,
    paid,
    pay,
    pay_with_annual_receipt,
    png_picture,
    start_donation,
    today,
)
from tests.mail import attached, last_email, make_due, text_of
from tests.stripe import advance_months, start_recurring
from tests.web import CORRECTED, grant_access, hidden_fields, open_page, send, signed_in

ALONE: dict[str, Any] = {"first_name": "", "last_name": "", "organization": "ACME Inc."}
TICKED = {"organization_declaration": "y"}
ADDRESS = {**CORRECTED, "province": "QC", "postal_code": "H7A 1A1"}
REPORTED: dict[str, Any] = {
    "name_change": "other_donor",
    "declared_how": "phone",
    "declared_on": "2026-01-02",
    "declared_words": "It was the money of Paul.",
    "reason": "they called",
}
SAID = Statement(how=How.PHONE, words="It is ours.", language="en", recorded_by="clerk@example.org", declared_on=date(2026, 1, 2))
DOCUMENT = b"%PDF-1.7\n...\n%%EOF\n"


def receipt_name(donation: Donation) -> str | None:
    receipt = receipts.receipt_of(donation.id)
    return receipt.content["donor_name"] if receipt else None


def donated(client: FlaskClient, **fields: str) -> Donation:
    """A donation by the form, in English, that is paid and whose messages were sent."""
    assert send(client, "en", **fields).status_code == 303
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert donation
    pay(donation)
    db.session.commit()
    send_jobs.send_due()
    make_due()
    send_jobs.send_due()
    return donation


def of_staff(app: Flask, donation: Donation, **fields: Any) -> TestResponse:
    """The answer to the form in which a clerk corrects the name."""
    return all_of_staff(app, donation, fields)[0]


def all_of_staff(app: Flask, donation: Donation, *posts: dict[str, Any], is_fresh: bool = True) -> list[TestResponse]:
    """The answers to several posts of the form; without `is_fresh`, of a clerk who confirmed long ago that it is them."""
    client, path = signed_in(app, "clerk"), f"/staff/donations/{donation.public_id}/person"
    token, answers = hidden_fields(open_page(client, path))["csrf_token"], []
    if not is_fresh:
        with client.session_transaction() as session:
            session[CONFIRMED_AT] = 0
    for fields in posts:
        files = {name: FileStorage(*value) for name, value in fields.items() if isinstance(value, tuple)}
        boundary, body = encode_multipart({"csrf_token": token, **fields, **files})
        with app.app_context():
            answers.append(client.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}"))
    return answers


def names_of(donation: Donation, **changed: str) -> dict[str, str]:
    address = ("address_line1", "city", "province", "postal_code", "country")
    return {**{name: getattr(donation, name) for name in ("first_name", "last_name", "organization", *address)}, **changed}


@pytest.mark.parametrize(
    ("person", "organization", "in_own_name", "expected"),
    [
        (("Zoë", "Roy"), "", False, "Zoë Roy"),
        (("Zoë", "Roy"), "ACME", False, "ACME"),
        (("Zoë", "Roy"), "ACME", True, "Zoë Roy"),
        (("", ""), "ACME", True, "ACME"),
        (("", ""), "", False, ""),
    ],
)
def test_a_receipt_bears_the_name_of_the_organization_unless_the_person_gives(
    person: tuple[str, str], organization: str, in_own_name: bool, expected: str
) -> None:
    first, last = person
    names = ReceiptNames(first_name=first, last_name=last, organization=organization, in_own_name=in_own_name)
    assert names.on_receipt == expected
    assert names.bears_organization is (bool(organization) and expected == organization)


def test_with_a_name_of_ones_own_the_box_decides_whose_name_the_receipt_bears(client: FlaskClient, stripe: Stripe, post: Post) -> None:
    declared = donated(client, organization="ACME Inc.", **TICKED)
    (said,) = declarations.declarations_of(declared)
    assert (receipt_name(declared), said.name, said.how, said.recorded_by) == ("ACME Inc.", "ACME Inc.", "form", "the donor")
    assert f"{said.words}</label>" in client.get("/en/vision-sanaa-richard").text, "the words are those that were shown"
    own = donated(client, organization="ACME Inc.", email="own@example.org")
    assert (receipt_name(own), own.organization) == ("Sanâa Œuvré D'Arcy-Lévesque", "ACME Inc.")
    assert declarations.declarations_of(own) == []
    for donation, explained in (
        (declared, "It is in the name of ACME Inc., because the money is the organization’s."),
        (own, "It is in your own name: you named ACME Inc. but did not say that the money is the organization’s."),
    ):
        assert explained in text_of(last_email(post, donation))
    assert checker.findings(db.engine) == []


def test_an_organization_alone_waits_for_the_declaration_which_the_donor_makes_on_their_page(
    app: Flask, client: FlaskClient, stripe: Stripe, post: Post
) -> None:
    donation = donated(client, **ALONE)
    assert receipt_name(donation) is None
    assert [(waiting.missing, waiting.count) for waiting in totals.receipts_waiting()] == [(["declaration"], 1)]
    asked = text_of(last_email(post, donation))
    assert "You named an organization, ACME Inc.: did the money come from it, or from you?" in asked
    path = f"/en/donations/{donation.token}"
    assert path in asked
    declared = {"organization": "ACME Inc."}
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    assert client.post(f"{path}/declaration", data=declared).status_code == 403, "the link of a page changes nothing"
    assert (
        "I declare that" in client.get(path).text,
        "You named an organization, ACME Inc.: did the money come from it, or from you?" in client.get(path).text,
    ) == (False, True)
    grant_access(client, donation)
    words = "I declare that the money of this gift is that of ACME Inc., and that the official receipt is to be in its name."
    assert words in client.get(path).text
    client.post(f"{path}/declaration", data={"organization": "another"})
    assert receipt_name(donation) is None, "a name that is not the organization's any more declares nothing"
    assert client.post(f"{path}/declaration", data=declared).status_code == 303
    send_jobs.send_due()
    assert receipt_name(donation) == "ACME Inc."
    assert [(one.how, one.words) for one in declarations.declarations_of(donation)] == [("page", words)]
    assert len(attached(last_email(post, donation))) == 1
    assert "has already been issued" in client.post(f"{path}/declaration", data=declared, follow_redirects=True).text


def test_a_donor_who_gave_themself_puts_their_own_name_on_the_receipt(client: FlaskClient, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, is_declared=False, **ALONE)
    grant_access(client, donation)
    path = f"/en/donations/{donation.token}/address"
    assert "put my own name on the receipt" in client.get(f"/en/donations/{donation.token}").text
    token = hidden_fields(client.get(path))["csrf_token"]
    details = {**ADDRESS, "organization": "ACME Inc.", "csrf_token": token}
    refused = client.post(path, data={**details, "first_name": "", "last_name": ""})
    assert (refused.status_code, "Please tick this if it is true" in refused.text) == (422, True)
    assert client.post(path, data=details).status_code == 303
    send_jobs.send_due()
    assert (receipt_name(donation), donation.in_own_name) == ("Sanâa Richard", True)


def test_the_same_form_sent_again_with_another_declaration_begins_nothing(app: Flask, client: FlaskClient, stripe: Stripe) -> None:
    fields = hidden_fields(client.get("/en/vision-sanaa-richard"))
    assert send(client, "en", **ALONE, **fields).status_code == 303
    assert send(client, "en", **ALONE, **fields).status_code == 303
    assert send(client, "en", **ALONE, **TICKED, **fields).status_code == 409
    assert (db.session.query(Donation).count(), db.session.query(ReceiptDeclaration).count()) == (1, 0)


def test_months_are_declared_once_and_wait_together(app: Flask, client: FlaskClient, stripe: Stripe, post: Post) -> None:
    first = start_recurring(app, stripe, **ALONE)
    schedule_jobs.poll_stripe()
    advance_months(stripe)
    send_jobs.send_due()
    months = recurring_gifts.instalments_of(_gift_of(first))
    assert [completeness.lacks_declaration(month) for month in months] == [True, True]
    receipt_actions.record_declaration(months[0], "ACME Inc.", Statement(how=How.PAGE, words="ours", language="en"))
    send_jobs.send_due()
    advance_months(stripe)
    send_jobs.send_due()
    months = recurring_gifts.instalments_of(_gift_of(first))
    assert [completeness.lacks_declaration(month) for month in months] == [False] * 3
    assert receipt_name(first) == "ACME Inc.", "the other months are ahead of the clock of receipts"
    client = app.test_client()
    grant_access(client, first)
    path = f"/en/monthly/{_gift_of(first).token}/address"
    with app.app_context():
        page = client.get(path)
    assert 'type="checkbox" value="y" checked' in page.text, "what is declared is shown as such"
    data = {**ADDRESS, **ALONE, "organization": "Widgets", "csrf_token": hidden_fields(page)["csrf_token"]}
    with app.app_context():
        assert client.post(path, data=data).status_code == 422, "another name of an organization takes another declaration"
    with app.app_context():
        assert client.post(path, data={**data, **TICKED}).status_code == 303
    assert (_gift_of(first).names.on_receipt, declarations.is_declared_for(first, "Widgets")) == ("Widgets", True)
    assert checker.findings(db.engine) == []


def _gift_of(donation: Donation) -> recurring_gifts.RecurringGift:
    db.session.expire_all()
    gift = recurring_gifts.recurring_gift_of(donation)
    assert gift
    return gift


def test_of_a_year_only_what_is_declared_is_on_the_receipt_of_the_organization(app: Flask, campaign: Campaign, post: Post) -> None:
    days = [datetime(2025, month, 3, tzinfo=UTC) for month in (1, 2)]
    declared = pay_with_annual_receipt(campaign, *days, email="yearly@acme.example.org", organization="ACME Inc.")
    (waiting,) = pay_with_annual_receipt(campaign, days[1], email="yearly@acme.example.org", organization="ACME Inc.", is_declared=False)
    with time_machine.travel(datetime(2026, 1, 15, 12, tzinfo=UTC), tick=True):
        run = annual_jobs.issue_for(campaign.charity, 2025)
        assert (run.issued, run.incomplete) == (1, 1)
        receipt = receipts.receipt_of(declared[0].id)
        assert receipt
        assert (receipt.content["donor_name"], receipt.cents) == ("ACME Inc.", 50_00)
        send_jobs.send_due()
        declarations.record(SAID, [waiting.id], "ACME Inc.")
        assert annual_jobs.issue_for(campaign.charity, 2025).issued == 1
    assert receipt_name(waiting) == "ACME Inc."
    bodies = [text_of(message) for _, to, message, _ in post.box.newest(50) if to == [waiting.email]]
    assert any("You named an organization, ACME Inc.: did the money come from it, or from you?" in body for body in bodies), (
        "the donor was asked"
    )


def test_staff_say_why_a_name_changes(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign)
    send_jobs.send_due()
    person = names_of(donation, last_name="Roy")
    unexplained = of_staff(app, donation, **person, reason="typo")
    assert (unexplained.status_code, "Please choose why" in unexplained.text, 'value="Roy"' in unexplained.text) == (422, True, True)
    moved = names_of(donation, address_line1="2, rue Neuve")
    assert of_staff(app, donation, **moved, reason="moved").status_code == 303, "an address alone asks nothing"
    renamed = {**moved, "last_name": "Roy"}
    assert of_staff(app, donation, **renamed, name_change="same_donor", reason="married").status_code == 303
    organization = {**renamed, "organization": "ACME Inc."}
    not_same = of_staff(app, donation, **organization, name_change="same_donor", reason="x")
    assert (not_same.status_code, "are not the same donor" in not_same.text) == (422, True)
    db.session.expire_all()
    assert (receipt_name(donation), db.session.query(ReceiptDeclaration).count()) == (f"{donation.first_name} Roy", 0)
    assert of_staff(app, donation, **organization, **REPORTED).status_code == 303
    db.session.expire_all()
    (said,) = declarations.declarations_of(donation)
    assert (said.name, said.words, said.how, said.recorded_by) == ("ACME Inc.", REPORTED["declared_words"], "phone", "member@example.org")
    assert (receipt_name(donation), said.declared_on) == ("ACME Inc.", date(2026, 1, 2))
    spelled = {**organization, "organization": "ACME Incorporated"}
    assert of_staff(app, donation, **spelled, name_change="same_donor", reason="in full").status_code == 303
    assert receipt_name(donation) == "ACME Incorporated", "what was declared holds under the corrected name"
    page = open_page(signed_in(app, "viewer"), f"/staff/donations/{donation.public_id}").text
    assert all(shown in page for shown in (REPORTED["declared_words"], "by phone", "2026-01-02", "recorded by member@example.org"))
    history = re.sub(r"\s+", " ", page[page.index('id="corrections"') : page.index('id="receipts"')])
    for change in (
        "Organization</span> ACME Inc. → <strong>ACME Incorporated</strong>",
        "Organization</span> – → <strong>ACME Inc.</strong>",
        "Last name</span> D&#39;Arcy-Lévesque → <strong>Roy</strong>",
        "Address</span> 123, rue de l’Église → <strong>2, rue Neuve</strong>",
    ):
        assert change in history, change
    assert all("ACME" not in str(entry.detail) for entry in db.session.query(AuditEntry))
    old = donation.email
    mail_actions.correct_email(donation, "<b>new</b>@example.org", actor="clerk@example.org", scope=Scope.BOTH)
    page = open_page(signed_in(app, "viewer"), f"/staff/donations/{donation.public_id}").text
    assert f"Email</span> {old} → <strong>&lt;b&gt;new&lt;/b&gt;@example.org</strong>" in page
    assert checker.findings(db.engine) == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "declared_how": ({"declared_how": "telepathy"}, "Please choose how"),
    "declared_on": ({"declared_on": "2999-01-01"}, "has not come yet"),
    "day": ({"declared_on": "soon"}, "Please write the day"),
    "words": ({"declared_words": ""}, "write the donor’s words"),
    "control": ({"declared_words": "a\0b"}, "U+0000"),
    "type": ({"document": (io.BytesIO(DOCUMENT.rjust(LARGEST_DOCUMENT)), "letter.pdf")}, "no PDF, PNG or JPEG"),
    "size": ({"document": (io.BytesIO(DOCUMENT.ljust(LARGEST_DOCUMENT + 1)), "letter.pdf")}, "up to 5 MB"),
    "lost": ({"document_lost": "y"}, "choose the document again"),
}


def test_a_declaration_that_is_not_complete_is_refused_at_its_field_and_nothing_typed_is_lost(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    complete = {**names_of(donation, first_name="Paul"), **REPORTED}
    answers = all_of_staff(app, donation, *({**complete, **fields} for fields, _ in WRONG.values()))
    for answer, (wrong, (_, error)) in zip(answers, WRONG.items(), strict=True):
        assert (answer.status_code, error in answer.text, 'value="Paul"' in answer.text) == (422, True, True), wrong
        assert ("they called" in answer.text, 'value="other_donor" checked' in answer.text) == (True, True), wrong
    (asked,) = all_of_staff(app, donation, {**complete, "document": (io.BytesIO(DOCUMENT), "letter.pdf")}, is_fresh=False)
    assert (asked.status_code, 'name="document_lost" value="y"' in asked.text) == (403, True), "no page carries a file on"
    assert REPORTED["declared_words"] in asked.text, "what was typed waits"
    assert (db.session.query(ReceiptDeclaration).count(), donation.first_name) == (0, "Sanâa Œuvré")


def test_staff_record_what_a_waiting_donor_has_declared_with_a_document_that_only_they_can_download(
    app: Flask, client: FlaskClient, campaign: Campaign, post: Post
) -> None:
    donation = paid(campaign, is_declared=False, **ALONE)
    assert "has not declared that the money is its" in open_page(signed_in(app, "clerk"), f"/staff/donations/{donation.public_id}").text
    report = {**REPORTED, "declared_how": "post", "declared_words": "", "document": (io.BytesIO(DOCUMENT), "x.html")}
    assert of_staff(app, donation, **names_of(donation), **report).status_code == 303
    send_jobs.send_due()
    assert receipt_name(donation) == "ACME Inc."
    (said,) = declarations.declarations_of(donation)
    path = f"/staff/declarations/{said.id}/document"
    assert client.get(path).status_code == 302
    assert open_page(signed_in(app, "viewer", address="viewer@example.org"), path).status_code == 403
    answer = open_page(signed_in(app, "clerk"), path)
    assert (answer.data, answer.mimetype, answer.headers["X-Content-Type-Options"]) == (DOCUMENT, "application/pdf", "nosniff")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="declaration-{said.id}.pdf"'
    assert db.session.query(AuditEntry).filter_by(action="exported", subject=f"declaration {said.id}").count() == 1
    assert open_page(signed_in(app, "clerk"), "/staff/declarations/999/document").status_code == 404


def test_a_later_month_is_corrected_with_its_declaration(app: Flask, stripe: Stripe, post: Post) -> None:
    first = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    with pytest.raises(ActionRefused) as error:
        receipt_actions.correct_details(first, {"organization": "ACME"}, actor="clerk@example.org", reason="x", scope=Scope.FROM_NOW_ON)
    assert error.value.refusal is ActionError.NAME_IS_UNEXPLAINED
    receipt_actions.correct_details(
        first, {"organization": "ACME"}, actor="clerk@example.org", reason="x", scope=Scope.FROM_NOW_ON, statement=SAID
    )
    send_jobs.send_due()
    assert (_gift_of(first).names.on_receipt, declarations.is_declared_for(first, "ACME")) == ("ACME", True)
    assert receipt_name(first) == first.full_name == "Sanâa Œuvré D'Arcy-Lévesque"


def test_a_receipt_from_before_declarations_is_replaced_in_its_name_and_what_is_new_waits(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, organization="ACME Inc.", is_declared=False)
    with pytest.raises(ReceiptIncomplete):
        issue_receipt(donation)
    db.session.rollback()
    first = _issue_without_the_rule(donation)
    create_refund(donation, 10_00)
    second = issue_receipt(donation)
    assert second
    assert (second.content["donor_name"], second.content["replaces"]) == ("ACME Inc.", first.serial)
    third = lifecycle.replace(donation, issue_context(), EndReason.LOST, actor="clerk@example.org", note="lost").receipt
    assert third
    assert third.content["donor_name"] == "ACME Inc."


def _issue_without_the_rule(donation: Donation) -> receipts.Receipt:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(completeness, "lacks_declaration", lambda _: False)
        receipt = issue_receipt(donation)
    db.session.commit()
    assert receipt
    return receipt


@pytest.mark.owner
def test_the_checker_finds_a_receipt_of_an_organization_that_nobody_declared(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, organization="ACME Inc.", is_declared=False)
    receipt = _issue_without_the_rule(donation)
    assert [sentence for sentence in checker.findings(db.engine) if receipt.serial in sentence and "has not declared" in sentence]
    db.session.execute(text("ALTER TABLE receipt DISABLE TRIGGER append_only; UPDATE receipt SET predates_declarations = true"))
    db.session.execute(text("ALTER TABLE receipt ENABLE TRIGGER append_only"))
    db.session.commit()
    assert checker.findings(db.engine) == [], "control: one from before declarations were asked for"


def test_a_receipt_that_states_too_much_ends_although_its_replacement_takes_a_declaration(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 200_00)
    receipt = issue_receipt(donation)
    assert receipt
    donation.organization = "ACME Inc."  # Without the actions that ask why.
    create_refund(donation, 80_00)
    db.session.commit()
    send_jobs.send_due()
    assert receipts.receipt_of(donation.id) is None
    assert [(waiting.missing, waiting.count) for waiting in totals.receipts_waiting()] == [(["declaration"], 1)]
    declarations.record(SAID, [donation.id], "ACME Inc.")
    waiting_receipts.wake_of(donation)
    db.session.commit()
    send_jobs.send_due()
    assert receipt_name(donation) == "ACME Inc."
    assert checker.findings(db.engine) == []


def test_a_declaration_about_one_gift_names_nobody_else_on_the_receipt_that_they_share(app: Flask, campaign: Campaign) -> None:
    first, second = pay_with_annual_receipt(campaign, datetime(2025, 3, 1, 12, tzinfo=UTC), datetime(2025, 4, 1, 12, tzinfo=UTC))
    annual_jobs.issue_for(campaign.charity, 2025)
    assert receipts.receipt_of(first.id) == receipts.receipt_of(second.id) is not None
    first.organization = "ACME Inc."  # Without the actions that ask why.
    declarations.record(SAID, [first.id], "ACME Inc.")
    create_refund(first, 1_00)
    db.session.commit()
    send_jobs.send_due()
    assert receipts.receipt_of(second.id) is None
    assert [waiting.missing for waiting in totals.receipts_waiting()] == [["one_name"]]
    page = open_page(signed_in(app, "clerk"), "/staff/receipts").text
    assert "one name for all its gifts" in page and f"/staff/donations/{first.public_id}" in page, "staff see the way out"
    receipt_actions.correct_details(first, {"organization": ""}, actor="clerk@example.org", reason="a misunderstanding", statement=SAID)
    send_jobs.send_due()
    assert receipts.receipt_of(first.id) == receipts.receipt_of(second.id) is not None
    assert checker.findings(db.engine) == []


def test_what_a_donor_completes_goes_to_all_gifts_that_await_one_receipt(app: Flask, campaign: Campaign, post: Post) -> None:
    first, second = pay_with_annual_receipt(campaign, datetime(2025, 3, 1, 12, tzinfo=UTC), datetime(2025, 4, 1, 12, tzinfo=UTC))
    annual_jobs.issue_for(campaign.charity, 2025)
    for donation in (first, second):
        donation.first_name = donation.last_name = ""
    create_refund(first, 1_00)
    db.session.commit()
    send_jobs.send_due()
    receipt_actions.complete_details(second, {"first_name": "Anne", "last_name": "Roy"})
    send_jobs.send_due()
    assert receipts.receipt_of(first.id) == receipts.receipt_of(second.id) is not None
    assert (receipt_name(first), totals.receipts_waiting()) == ("Anne Roy", [])
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_the_checker_finds_a_receipt_in_a_name_that_is_not_that_of_each_of_its_gifts(app: Flask, campaign: Campaign) -> None:
    months = pay_with_annual_receipt(campaign, *(datetime(2025, month, 1, 12, tzinfo=UTC) for month in (3, 4)), organization="ACME Inc.")
    annual_jobs.issue_for(campaign.charity, 2025)
    assert checker.findings(db.engine) == []
    for changed in ({"organization": "Widgets"}, {"in_own_name": True}):
        for field, value in changed.items():
            setattr(months[1], field, value)
        db.session.commit()
        assert [sentence for sentence in checker.findings(db.engine) if "is in the name of 'ACME Inc.'" in sentence], changed
        months[1].organization = "ACME Inc."


def test_declarations_are_never_changed_and_say_when_and_how(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, organization="ACME Inc.")
    for change in ("UPDATE receipt_declaration SET name = 'x'", "DELETE FROM receipt_declaration", "TRUNCATE receipt_declaration"):
        with pytest.raises(DBAPIError):
            db.session.execute(text(change))
        db.session.rollback()
    with pytest.raises(DBAPIError):
        db.session.execute(text("INSERT INTO receipt_declaration (recorded_at) VALUES (now())"))
    db.session.rollback()
    ahead = today() + timedelta(days=3)
    for wrong in ({"declared_on": ahead}, {"declared_on": None}, {"words": ""}, {"how": How.FORM}):
        with pytest.raises(IntegrityError):
            declarations.record(Statement(**{**vars(SAID), **wrong}), [donation.id], "ACME Inc.")
        db.session.rollback()


def test_a_document_is_known_by_its_content() -> None:
    assert media_type_of(DOCUMENT) == PDF
    assert media_type_of(png_picture()) == PNG
    assert media_type_of(b"\xff\xd8\xff\xe0JFIF\xff\xd9trailer") == JPEG
    for cut in (DOCUMENT[:8], png_picture()[:-12], b"\xff\xd8\xff\xe0JFIF", b"<script>", b"", b"GIF89a"):
        assert media_type_of(cut) is None


def test_a_fresh_form_never_has_a_declaration_that_was_made_for_another_gift(client: FlaskClient, campaign: Campaign, app: Flask) -> None:
    earlier = start_donation(campaign, organization="ACME Inc.")
    db.session.commit()
    grant_access(client, earlier)
    page = client.get(f"/en/vision-sanaa-richard?again={earlier.token}").text
    box = page.split('id="organization_declaration"')[1].split(">")[0]
    assert ('value="ACME Inc."' in page, "checked" in box) == (True, False)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Acme Inc.", "Inc."),
        ("Les Fleurs Ltée", "Ltée"),
        ("Roy, LLP", "LLP"),
        ("Tremblay et fils S.E.N.C.", "S.E.N.C."),
        ("Incarnación Co", ""),
        ("Zoë Lim-Corpuz", ""),
    ],
)
def test_a_legal_form_in_a_persons_name_is_found(name: str, word: str) -> None:
    assert legal_form_in(name) == word


def test_a_persons_name_with_a_legal_form_is_asked_about_once_and_never_refused(client: FlaskClient) -> None:
    typed = {"first_name": "Acme", "last_name": "Inc."}
    asked = send(client, "en", **typed)
    assert (asked.status_code, "“Inc.” looks like part of an organization’s name" in asked.text) == (422, True)
    assert 'name="name_checked" value="Acme Inc."' in asked.text
    assert send(client, "en", **typed, name_checked="Other Inc.").status_code == 422, "another name was asked about"
    assert send(client, "en", **typed, organization_declaration="y").status_code == 422, "there is no organization to declare for"
    as_organization = send(client, "en", **ALONE, organization_declaration="y")
    assert as_organization.status_code == 303, "an organization has its own field"
    assert receipt_name(donated(client, **typed, name_checked="Acme Inc.")) == "Acme Inc."


def test_pages_show_whose_name_the_receipt_bears_who_corrected_it_and_why(app: Flask, client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(campaign, first_name="Ada", last_name="Roy", organization="Cycle Ltd.", in_own_name=True)
    issue_receipt(donation)
    db.session.commit()
    page = client.get(f"/en/donations/{donation.token}").text
    assert "<dt>Name on the receipt</dt><dd>Ada Roy</dd>" in page
    assert "You named Cycle Ltd. but did not say that the money is the organization’s, so the receipt is in your own name." in page
    assert "please write to info@example.org" in page
    with app.app_context():
        staff = signed_in(app, "clerk")
        undeclared = staff.get(f"/staff/donations/{donation.public_id}").text
        assert "<dt>Organization named, not declared</dt><dd>Cycle Ltd.</dd>" in undeclared
        assert ("If they say that it is, record the declaration" in undeclared, "Record the declaration" in undeclared) == (True, True)
        said = replace(SAID, how=How.EMAIL, document=DOCUMENT)
        person: dict[str, str | bool] = {"organization": "Cycle Ltd.", "in_own_name": False}
        receipt_actions.correct_details(donation, person, actor="clerk@example.org", reason="she wrote to us", statement=said)
        corrected = staff.get(f"/staff/donations/{donation.public_id}").text
        declaration = db.session.query(ReceiptDeclaration).one()
        assert "<strong>Name</strong> – clerk@example.org: she wrote to us" in corrected
        assert f'href="#declaration-{declaration.id}"' in corrected and f'id="declaration-{declaration.id}"' in corrected
        assert "<dt>Person who gave</dt><dd>Ada Roy</dd>" in corrected
        receipt = receipts.receipt_of(donation.id)
        assert receipt
        named = staff.get(f"/staff/receipts/{receipt.serial}").text
        assert "by clerk@example.org: she wrote to us" in named and "Name</span> Ada Roy → <strong>Cycle Ltd.</strong>" in named
        assert f"/staff/donations/{donation.public_id}#declaration-{declaration.id}" in named
        assert f"/staff/declarations/{declaration.id}/document" in named
    assert "<dt>Name on the receipt</dt><dd>Cycle Ltd.</dd>" in client.get(f"/en/donations/{donation.token}").text
