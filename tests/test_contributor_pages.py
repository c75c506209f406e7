"""What a contributor to a fund sees behind their link: the sums of the fund and their own share, and nothing of others, calls and payments."""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import access_links, contributors, report_recipients
from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.mail import send_jobs
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.reporting import statement_actions
from campaign.reporting.funder_report_jobs import enqueue_funder_reports
from campaign.rules.report_schedule import ReportKind
from tests.conftest import Post
from tests.factories import another_campaign, contribute, create_fund, paid, raise_pledge, today
from tests.fund_calls import issue_call
from tests.funder_payments import create_funder, mails_to, record
from tests.test_funder_page import words_of
from tests.web import open_page, signed_in, submit

CANARY = "Quagga"
PLEDGE = 1_000_00


@dataclass
class Shared:
    """A fund of three funders: the lead with half of it, one contributor with three tenths, and the canary with a fifth, in every field."""

    campaign: Campaign
    fund: Fund
    contributor: FundContributor
    canary: FundContributor


@pytest.fixture
def shared(campaign: Campaign) -> Shared:
    own = another_campaign(like=campaign)
    fund = create_fund(own, PLEDGE, position=1, active=False)
    create_funder(fund)
    contributor = contribute(fund, 300_00, "Contributor One")
    canary = contribute(
        fund,
        200_00,
        f"{CANARY} name",
        legal_name=f"{CANARY} legal",
        address=[f"{CANARY} street"],
        email=f"{CANARY.lower()}@example.org",
        registration_number="123456782RR0001",
        is_registered_charity=True,
    )
    fund_lifecycle.activate(fund, actor="test", reason="test")
    for _ in range(6):
        paid(own, 50_05)
    db.session.commit()
    return Shared(campaign=own, fund=fund, contributor=contributor, canary=canary)


def client_of(app: Flask, fund: Fund, contributor: FundContributor | None) -> FlaskClient:
    url = access_links.create_link(fund, contributor=contributor, actor="test")
    db.session.commit()
    client = app.test_client()
    assert client.get("/" + url.split("/", 3)[3]).status_code == 302
    return client


def tiles(page: str) -> dict[str, str]:
    return dict(re.findall(r'<dd><span id="([\w-]+)">([^<]*)</span>', page))


def test_a_contributor_sees_the_sums_of_the_fund_and_their_share(app: Flask, shared: Shared) -> None:
    page = client_of(app, shared.fund, shared.contributor).get("/funder/?lang=en")
    assert page.status_code == 200
    found = tiles(page.text)
    assert {name: found[name] for name in ("pledged", "matched", "held", "left")} == {
        "pledged": "$1,000.00",
        "matched": "$300.30",
        "held": "$0.00",
        "left": "$699.70",
    }
    assert {name: amount for name, amount in found.items() if name.startswith("share-")} == {
        "share-pledged": "$300.00",
        "share-matched": "$90.09",
        "share-held": "$0.00",
        "share-left": "$209.91",
    }
    words = words_of(page.text)
    assert "Matched of your part of the pledge: $90.09 of $300" in words
    assert "The lead funder pays the charity for all funders, so the charity asks you for nothing." in words
    client = client_of(app, shared.fund, shared.contributor)
    with app.app_context():
        french = client.get("/funder/?lang=fr").text
    assert tiles(french)["share-matched"].replace("\u00a0", " ") == "90,09 $"


def test_the_share_is_a_proportion_of_the_pledge_as_it_was_activated(app: Flask, shared: Shared) -> None:
    raise_pledge(shared.fund, 1_000_00)
    found = tiles(client_of(app, shared.fund, shared.contributor).get("/funder/?lang=en").text)
    assert (found["share-pledged"], found["share-matched"]) == ("$600.00", "$90.09")


def test_on_a_day_before_the_activation_nothing_is_shared(app: Flask, shared: Shared) -> None:
    shares = statement_actions.take_statement(shared.fund, before=shared.fund.activated_at).shares
    assert shares == []


def test_the_lead_sees_all_funders_with_their_shares(app: Flask, shared: Shared) -> None:
    page = client_of(app, shared.fund, None).get("/funder/?lang=en").text
    for name, amount in (("Contributor One", "$90.09"), (f"{CANARY} name", "$60.06")):
        assert name in page
        assert amount in page
    assert "Each contributor sees their own share alone." in page


def test_nothing_of_another_contributor_is_anywhere_on_the_pages_of_one(app: Flask, shared: Shared) -> None:
    """The canary is in every field of the second contributor; the sums of both have other amounts."""
    report_recipients.add_recipient(
        db.session.get_one(Funder, shared.fund.funder_id), email="recipient@example.org", language="en", kinds=[], actor="test"
    )
    call = issue_call(shared.fund, 100_01)
    record(shared.fund, 70_07, "cheque 4711")
    client = client_of(app, shared.fund, shared.contributor)
    for language in ("en", "fr"):
        page = client.get(f"/funder/?lang={language}")
        assert page.status_code == 200
        for hidden in (
            CANARY,
            CANARY.lower(),
            "200.00",
            "200,00",
            "60.06",
            "60,06",
            "100.01",
            "100,01",
            "70.07",
            "70,07",
            call.name,
            "recipient@",
        ):
            assert hidden not in page.text.replace("\u00a0", " "), hidden
        assert "/funder/calls" not in page.text
    assert client.get(f"/funder/calls/{call.number}.pdf").status_code == 404
    assert "recipient@" not in client.get("/funder/reports").text, "they are the lead funder's"
    lead = client_of(app, shared.fund, None)
    assert call.name in lead.get("/funder/?lang=en").text
    assert lead.get(f"/funder/calls/{call.number}.pdf").status_code == 200


def test_a_link_opens_the_funds_of_its_funder_as_lead_and_contributor_and_no_others(app: Flask, shared: Shared, fund: Fund) -> None:
    """Route by role: each address of funders as the lead, a contributor, and a funder of another fund."""
    led = create_fund(another_campaign(like=shared.campaign), 50_00, position=1, funder_id=shared.contributor.funder_id)
    draft = create_fund(shared.campaign, 50_00, position=8, active=False)
    db.session.add(FundContributor(fund_id=draft.id, funder_id=shared.contributor.funder_id, pledged_cents=1_00))
    db.session.commit()
    both = client_of(app, shared.fund, shared.contributor)
    for slug, status in ((shared.fund.slug, 200), (led.slug, 200), (fund.slug, 404), (draft.slug, 404)):
        assert both.get(f"/funder/?fund={slug}").status_code == status, slug
    assert tiles(both.get(f"/funder/?fund={led.slug}&lang=en").text).keys() >= {"received"}, "as its lead"
    assert both.get("/funder/reports").status_code == 200, "of the fund that they lead"
    assert both.get(f"/funder/?fund={shared.fund.slug}&lang=en").status_code == 200
    assert both.get("/funder/reports").status_code == 200, "of the fund that they contribute to, their own recipients"
    own = client_of(app, led, None)
    assert "share-matched" in tiles(own.get(f"/funder/?fund={shared.fund.slug}&lang=en").text), "their link as a lead opens it too"
    lead = client_of(app, shared.fund, None)
    assert lead.get(f"/funder/?fund={led.slug}").status_code == 404, "what a contributor leads is not the lead funder's"
    assert client_of(app, shared.fund, shared.canary).get(f"/funder/?fund={led.slug}").status_code == 404


def test_the_links_of_each_end_apart(app: Flask, shared: Shared) -> None:
    one, other = client_of(app, shared.fund, shared.contributor), client_of(app, shared.fund, shared.canary)
    lead = client_of(app, shared.fund, None)
    assert access_links.revoke_links(shared.fund, contributor=shared.contributor, actor="test") == 1
    db.session.commit()
    assert [client.get("/funder/").status_code for client in (one, other, lead)] == [403, 200, 200]
    assert access_links.revoke_links(shared.fund, actor="test") == 1
    db.session.commit()
    assert [client.get("/funder/").status_code for client in (one, other, lead)] == [403, 200, 403]


def test_managers_make_links_for_contributors_that_are_shown_once_and_end_them(app: Flask, shared: Shared) -> None:
    at = f"/staff/funders/{shared.fund.id}/contributors/{shared.contributor.id}/links"
    slug = shared.campaign.slug
    viewer = signed_in(app, "viewer", address="viewer@example.org")
    assert submit(viewer, open_page(viewer, "/staff/"), at).status_code == 403
    manager = signed_in(app, "manager")
    page = open_page(manager, f"/staff/funders?campaign={slug}")
    assert ("Contributor One" in page.text, page.text.count("Make a new link")) == (True, 3)
    created = re.search(r"http://127\.0\.0\.1:8000(/funder/links/[\w-]+)", submit(manager, page, at).text)
    assert created
    client = app.test_client()
    assert client.get(created[1]).status_code == 302
    assert "share-matched" in tiles(client.get("/funder/?lang=en").text)
    assert "/funder/links/" not in open_page(manager, "/staff/funders").text
    assert submit(manager, page, f"{at}/end").status_code == 303
    assert client.get("/funder/").status_code == 403
    for unknown in (
        f"/staff/funders/{shared.fund.id}/contributors/0/links",
        f"/staff/funders/0/contributors/{shared.contributor.id}/links",
    ):
        assert submit(manager, page, unknown).status_code == 404


def test_a_contributor_gets_reports_of_their_share_alone(app: Flask, shared: Shared, post: Post) -> None:
    client = client_of(app, shared.fund, shared.contributor)
    added = submit(
        client, open_page(client, "/funder/reports"), "/funder/reports", email="officer@one.example.org", language="en", kinds="milestone"
    )
    assert added.status_code == 303
    assert "officer@one" not in client_of(app, shared.fund, None).get("/funder/reports").text, "each has recipients of their own"
    paid(shared.campaign, 250_00)
    until = datetime.now(UTC) + timedelta(seconds=1)
    while datetime.now(UTC) < until:  # What is reached is reported as of a second that is over.
        time.sleep(0.05)
    assert enqueue_funder_reports() == 1
    send_jobs.send_due()
    (report,) = mails_to(post, "officer@one.example.org")
    assert "$165.09 of your pledge of $300.00 goes with 7 gifts: 50% is reached." in report
    assert "Your share as of" in report and "– Matched: $165.09" in report and "– Left: $134.91" in report
    for hidden in (CANARY, "Received from you", "Called", "550.30", "1,000.00"):
        assert hidden not in report, hidden
    link = next(line for line in report.split() if "/funder/links/" in line)
    page = app.test_client()
    assert page.get("/" + link.split("/", 3)[3]).status_code == 302
    assert "share-matched" in tiles(page.get("/funder/?lang=en").text)
    (mail,) = [mail for _, to, mail, _ in post.box.newest(20) if to == ["officer@one.example.org"]]
    unsubscribe = urlsplit(str(mail["List-Unsubscribe"]).strip("<>")).path
    assert "officer@one.example.org" in app.test_client().get(unsubscribe).text
    assert app.test_client().post(unsubscribe, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    staff = signed_in(app, "manager", address="manager@example.org")
    address = f"/staff/funds/{shared.fund.slug}/reports"
    for_staff = open_page(staff, address)
    assert [word in for_staff.text for word in ("officer@one.example.org", "Contributor One", "Stopped: nothing is sent.")] == [True] * 3
    (recipient,) = report_recipients.recipients_of(shared.contributor.funder_id)
    assert submit(staff, for_staff, f"{address}/{recipient.id}", kinds="monthly", sending="active").status_code == 303
    (pdf,) = [part.get_content() for part in mail.iter_attachments()]
    assert CANARY.encode() not in pdf and pdf.startswith(b"%PDF")


def test_the_lead_of_a_shared_fund_reads_of_their_own_part_that_it_is_theirs(shared: Shared, post: Post) -> None:
    lead = db.session.get_one(Funder, shared.fund.funder_id)
    report_recipients.add_recipient(lead, email="lead@example.org", language="en", kinds=[ReportKind.MILESTONE], actor="test")
    db.session.commit()
    paid(shared.campaign, 250_00)
    until = datetime.now(UTC) + timedelta(seconds=1)
    while datetime.now(UTC) < until:
        time.sleep(0.05)
    assert enqueue_funder_reports() == 1
    send_jobs.send_due()
    (report,) = mails_to(post, "lead@example.org")
    assert "$275.15 of your pledge of $500.00 goes with 7 gifts: 50% is reached." in report
    assert "– Matched: $550.30" in report, "the balances are of the fund, which they pay"


def test_the_public_names_no_contributor(app: Flask, shared: Shared) -> None:
    client, slug = app.test_client(), shared.campaign.slug
    for path in (f"/{slug}", f"/en/{slug}", f"/fr/{slug}", f"/api/campaigns/{slug}", f"/en/campaigns/{slug}"):
        text = client.get(path, follow_redirects=True).text
        assert CANARY not in text
        assert "Contributor One" not in text


def test_staff_see_the_shares_of_what_is_matched(app: Flask, shared: Shared) -> None:
    page = open_page(signed_in(app, "viewer"), f"/staff/funds/{shared.fund.slug}").text
    for amount in ("$150.15", "$90.09", "$60.06"):
        assert amount in page
    assert contributors.contributors_of(shared.fund)


# What each address behind a link answers: the lead funder, a contributor, whoever has no link. A route that is added has a row, or the test fails.
MATRIX = {
    "funder_report.report": (200, 200, 403),
    "funder_report.former_address": (301, 301, 403),
    "funder_statements.page": (200, 200, 403),
    "funder_statements.file": (200, 200, 403),
    "funder_statements.report_pdf": (302, 302, 403),
    "funder_statements.report_xlsx": (302, 302, 403),
    "funder_statements.report_csv": (302, 302, 403),
    "funder_statements.report_json": (302, 302, 403),
    "funder_calls.document": (200, 404, 403),
    "funder_reports.page": (200, 200, 403),
    "funder_reports.add": (422, 422, 403),
    "funder_reports.choose": (303, 404, 403),
}


def test_each_route_of_funders_answers_each_role_as_the_matrix_says(app: Flask, shared: Shared) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    lead_id = db.session.get_one(Funder, shared.fund.funder_id)
    recipient = report_recipients.add_recipient(lead_id, email="recipient@example.org", language="en", kinds=[], actor="test")
    call = issue_call(shared.fund, 100_01)
    db.session.commit()
    values: dict[str, Any] = {"number": call.number, "period": today().isoformat(), "form": "json", "recipient_id": recipient.id}
    clients = (client_of(app, shared.fund, None), client_of(app, shared.fund, shared.contributor), app.test_client())
    found, hidden = {}, (CANARY, call.name, "recipient@")
    for rule in app.url_map.iter_rules():
        if getattr(app.view_functions[rule.endpoint], "access", "") != "funder":
            continue
        method = "POST" if "POST" in (rule.methods or ()) else "GET"
        with app.test_request_context():
            path = url_for(rule.endpoint, **{name: values[name] for name in rule.arguments})
        answers = []
        for client in clients:
            answer = client.open(path, method=method)
            text = answer.get_data(as_text=True) if answer.mimetype != "application/pdf" else ""
            answers.append(answer.status_code)
            if client is not clients[0]:
                assert not [word for word in hidden if word in text], rule.endpoint
        found[rule.endpoint] = tuple(answers)
    assert found == MATRIX
