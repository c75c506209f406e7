"""Reports to funders by email: each due one once, right as of its period, to those who chose it, until they pause or stop it."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import access_links, report_recipients
from campaign.funders.funders import Funder
from campaign.funders.report_recipients import ReportRecipient, Sending
from campaign.mail import send_jobs
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.outbox.messages import OutboxMessage
from campaign.reporting import funder_reports
from campaign.reporting.funder_report_jobs import enqueue_funder_reports
from campaign.reporting.funder_reports import FunderReport
from campaign.reporting.integrity import checker
from campaign.rules.report_schedule import Milestone, ReportKind, due_periods
from campaign.rules.statement_periods import parse_period
from tests.conftest import Post
from tests.factories import create_refund, paid, run_concurrently
from tests.mail import attached, pdf_text, text_of
from tests.statements import let_pass, run
from tests.web import csrf_of, open_page, signed_in, submit

WEEKLY, MONTHLY, MILESTONE, END = ReportKind.WEEKLY, ReportKind.MONTHLY, ReportKind.MILESTONE, ReportKind.END
EMAIL, SECOND = "officer@example.org", "treasurer@example.org"
CANARY = "Zzyzx"


@pytest.fixture
def funder(fund: Fund) -> Funder:
    return db.session.get_one(Funder, fund.funder_id)


def add(funder: Funder, *kinds: ReportKind, email: str = EMAIL, language: str = "en", days_ago: int = 0) -> ReportRecipient:
    recipient = report_recipients.add_recipient(funder, email=email, language=language, kinds=kinds, actor="test")
    db.session.commit()
    if days_ago:
        choices_pass(days=days_ago)
    return recipient


def choices_pass(*, days: int) -> None:
    """Let everything that was chosen and reached so far lie further back."""
    run("SET session_replication_role = replica")
    run(f"UPDATE report_choice SET chosen_at = chosen_at - interval '{days} days'")
    run(f"UPDATE fund_milestone SET reached_at = reached_at - interval '{days} days'")
    run("SET session_replication_role = origin")
    db.session.commit()
    db.session.expire_all()


def reports() -> list[tuple[str, str]]:
    found = db.session.query(FunderReport).order_by(FunderReport.id)
    return [(one.kind, one.milestone or one.period) for one in found]


def emails_to(post: Post, address: str = EMAIL) -> list[EmailMessage]:
    return [message for _, to, message, _ in post.box.newest(100) if to == [address]]


@pytest.mark.owner
def test_each_period_is_reported_once_with_its_statement_after_any_outage_and_by_two_workers(
    app: Flask, campaign: Campaign, fund: Fund, funder: Funder, post: Post
) -> None:
    donation = paid(
        campaign, 100_00, first_name=CANARY, last_name=CANARY, email=f"{CANARY}@example.org", message=CANARY, public_name=CANARY
    )
    let_pass(fund, days=70)
    add(funder, WEEKLY, MONTHLY, days_ago=70)
    add(funder, MONTHLY, email=SECOND, language="fr", days_ago=70)
    paid(campaign, 40_00)
    run_concurrently(app, [enqueue_funder_reports] * 3)
    now, activated_on = campaign.charity.local(datetime.now(UTC)), campaign.charity.local(fund.activated_at or datetime.now(UTC)).date()
    choices = report_recipients.as_rule(report_recipients.choices_of(report_recipients.recipients_of(funder.id))[1])
    due = [
        (kind, one.name) for kind in (WEEKLY, MONTHLY) for one in due_periods(kind, choices, first_on=activated_on, last_on=None, now=now)
    ]
    assert len(due) > 9
    assert sorted(reports()) == sorted([*due, *(one for one in due if one[0] == MONTHLY)])
    assert enqueue_funder_reports() == 0
    send_jobs.send_due()
    assert len(emails_to(post)) + len(emails_to(post, SECOND)) == len(reports())
    first = next(mail for mail in emails_to(post, SECOND)[::-1] if "1 don" in text_of(mail))
    assert "100,00 $" in text_of(first) and "140,00" not in text_of(first), "as of its month, whatever came later"
    assert "List-Unsubscribe=One-Click" in str(first["List-Unsubscribe-Post"])
    assert str(first["List-Unsubscribe"]).strip("<>") in text_of(first)
    (document,) = first.iter_attachments()
    assert str(attached(first)[0]).startswith("releve-") and "100,00 $" in pdf_text(document.get_content())
    for mail in (*emails_to(post), first):
        assert CANARY.lower() not in (text_of(mail) + str(mail["Subject"])).lower() and donation.public_id not in text_of(mail)
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_a_clock_that_was_fast_makes_a_report_wait_until_its_period_is_over(
    campaign: Campaign, fund: Fund, funder: Funder, post: Post
) -> None:
    let_pass(fund, days=3)
    add(funder, WEEKLY, days_ago=3)
    with time_machine.travel(datetime.now(UTC) + timedelta(days=7), tick=True):
        assert enqueue_funder_reports() >= 1
    send_jobs.send_due()
    message = db.session.query(OutboxMessage).filter(OutboxMessage.kind == "funder_report").order_by(OutboxMessage.id.desc()).limit(1).one()
    assert (message.done_at, message.dead_at) == (None, None) and "is not over" in (message.last_error or "")
    assert (enqueue_funder_reports(), len(reports())) == (0, len(set(reports())))


@pytest.mark.owner
def test_a_milestone_is_news_once_and_true_as_of_its_moment(campaign: Campaign, fund: Fund, funder: Funder, post: Post) -> None:
    add(funder, MILESTONE, days_ago=9)
    half = paid(campaign, fund.pledged_cents // 2)
    assert [enqueue_funder_reports(), len(reports())] == [0, 0] or reports() == [(MILESTONE, "50")], "not before the second is over"
    let_pass(fund, days=1)
    enqueue_funder_reports()
    assert (enqueue_funder_reports(), reports()) == (0, [(MILESTONE, "50")])
    create_refund(half, 100_00)
    db.session.commit()
    send_jobs.send_due()
    (mail,) = emails_to(post)
    assert str(mail["Subject"]).startswith("[TEST] 50% of your pledge is matched") and "1 gift: 50% is reached" in text_of(mail)
    db.session.refresh(fund)
    paid(campaign, fund.available_cents - 1_00)
    let_pass(fund, days=1)
    enqueue_funder_reports()
    assert reports() == [(MILESTONE, "50"), (MILESTONE, "90")], "after a jump, the largest part alone"
    paid(campaign, 100_00)
    let_pass(fund, days=1)
    enqueue_funder_reports()
    assert reports()[2:] == [(MILESTONE, "100")]
    add(funder, MILESTONE, email=SECOND)
    assert enqueue_funder_reports() == 0, "what was reached before is no news for another recipient"
    send_jobs.send_due()
    assert "Your whole pledge of $50,000.00 now goes with 3 gifts" in text_of(emails_to(post)[0])


@pytest.mark.owner
def test_the_end_is_reported_once_nothing_is_under_way(campaign: Campaign, fund: Fund, funder: Funder, post: Post) -> None:
    paid(campaign, 100_00)
    let_pass(fund, days=5)
    add(funder, MONTHLY, END, language="fr", days_ago=5)
    fund_lifecycle.end(fund, actor="test", reason="over")
    db.session.commit()
    assert END not in {kind for kind, _ in reports()}
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2), tick=True):
        enqueue_funder_reports()
    assert reports()[-1] == (END, Milestone.END)
    assert [kind for kind, _ in reports()].count(END) == 1


def test_a_link_in_the_report_pauses_stops_and_resumes_and_opening_it_changes_nothing(
    app: Flask, client: FlaskClient, campaign: Campaign, fund: Fund, funder: Funder, post: Post
) -> None:
    """As the role of the service, which may not change a recipient."""
    recipient = add(funder, MONTHLY)
    url = f"/funder/reports/by-mail/{report_recipients.choices_token(recipient)}"
    page = client.get(f"{url}?lang=en").text
    assert EMAIL in page and report_recipients.choice_of(recipient).sending == Sending.ACTIVE
    assert client.get(f"{url[:-1]}x").status_code == 404
    funder_reports.enqueue(recipient.id, fund, MONTHLY, parse_period("2026-10"))
    db.session.commit()
    stopped = client.post(f"{url}?lang=en", data={"List-Unsubscribe": "One-Click"})
    assert (stopped.status_code, "Stopped: nothing is sent." in stopped.text) == (200, True), "RFC 8058 permits no redirect"
    assert report_recipients.choice_of(recipient).sending == Sending.STOPPED
    send_jobs.send_due()
    assert emails_to(post) == [], "what was enqueued before is not sent either"
    assert client.post(url, data={"act": "resume"}).status_code == 303
    client.post(url, data={"act": "pause"})
    client.post(url, data={"act": "choose", "kinds": ["weekly", "nonsense"]})
    choice = report_recipients.choice_of(recipient)
    assert (choice.sending, choice.kinds, choice.chosen_by) == (Sending.PAUSED, ["weekly"], "a recipient")
    client.post(url, data={"act": "resume"})
    actions = db.session.scalars(
        text("SELECT detail ->> 'sending' FROM audit_entry WHERE action = 'chose reports of a funder' ORDER BY id")
    )
    assert list(actions) == ["stopped", "active", "paused", "paused", "active"]


def test_a_funder_adds_and_changes_recipients_behind_the_link(
    app: Flask, client: FlaskClient, campaign: Campaign, fund: Fund, funder: Funder
) -> None:
    assert client.get("/funder/reports?lang=en").status_code == 403
    client.get("/" + access_links.create_link(fund, actor="test").split("/", 3)[3])
    db.session.commit()
    page = open_page(client, "/funder/reports?lang=fr")
    assert "Personne ne reçoit encore de rapports" in page.text and "noindex" in page.text
    token = csrf_of(page)

    def post(path: str = "/funder/reports", **form: object) -> TestResponse:
        return client.post(f"{path}?lang=en", data={"csrf_token": token, **form})

    refused = post(email="officer@", language="fr", kinds=["weekly"])
    assert (refused.status_code, "This is not an email address" in refused.text) == (422, True)
    assert 'value="officer@"' in refused.text and 'value="weekly" checked' in refused.text, "nothing typed is lost"
    assert post(email=EMAIL, language="fr", kinds=["weekly", "nonsense"]).status_code == 303
    again = post(email=EMAIL.upper(), language="en", kinds=[])
    assert (again.status_code, "in the list already" in again.text) == (422, True)
    (recipient,) = report_recipients.recipients_of(funder.id)
    assert (recipient.language, report_recipients.choice_of(recipient).kinds) == ("fr", ["weekly"])
    post(f"/funder/reports/{recipient.id}", act="pause")
    assert "are paused" in client.get("/funder/reports?lang=en").text
    assert report_recipients.choice_of(recipient).sending == Sending.PAUSED
    other = Funder(name_en="Other", name_fr="Autre", is_registered_charity=False)
    db.session.add(other)
    db.session.flush()
    stranger = add(other, MONTHLY, email=SECOND)
    assert post(f"/funder/reports/{stranger.id}", act="stop").status_code == 404
    assert SECOND not in client.get("/funder/reports?lang=en").text
    for number in range(report_recipients.MOST_RECIPIENTS - 1):
        post(email=f"r{number}@example.org", language="en", kinds=["end"])
    assert "The list is full" in post(email="more@example.org", language="en", kinds=["end"]).text


@pytest.mark.owner
def test_staff_see_who_gets_reports_what_was_sent_and_what_came_back(
    app: Flask, campaign: Campaign, fund: Fund, funder: Funder, post: Post
) -> None:
    let_pass(fund, days=40)
    add(funder, MONTHLY, days_ago=40)
    enqueue_funder_reports()
    send_jobs.send_due()
    manager, path = signed_in(app, "manager"), f"/staff/funds/{fund.slug}/reports"
    (message,) = db.session.query(OutboxMessage).filter(OutboxMessage.kind == "funder_report").order_by(OutboxMessage.id).limit(1)
    submit(manager, open_page(manager, f"/staff/mail/{message.id}"), f"/staff/mail/{message.id}/bounces", reason="no such mailbox")
    page = open_page(manager, path)
    assert EMAIL in page.text and "came back" in page.text and "no such mailbox" in page.text
    submit(manager, page, f"{path}/1", act="stop")
    entry = db.session.scalars(text("SELECT actor FROM audit_entry WHERE action = 'chose reports of a funder'")).one()
    assert "@" in entry and "Stopped" in open_page(manager, path).text
    assert "link" not in message.key and "/funder/links/" not in open_page(manager, f"/staff/mail/{message.id}").text.replace(
        "/funder/links/…", ""
    )
    assert open_page(signed_in(app, "viewer", address="v@example.org"), path).status_code == 200
