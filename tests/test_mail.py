"""Receipts and thank-you emails are delivered once, to a real SMTP server, and survive its failures."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.stack import free_port
from campaign.edges import pdf, smtp
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.outbox import leases, messages
from campaign.outbox.message_kinds import MessageKind
from campaign.receipts import render_jobs
from campaign.receipts.receipts import Receipt, ReceiptIncomplete
from campaign.reporting import totals
from campaign.reporting.integrity import checker
from campaign.stripe_sync import event_jobs, inbox
from tests.conftest import Post, ScriptedSmtp
from tests.factories import confirm_charity, issue_receipt, paid, pay, start_donation
from tests.mail import LABELS, make_due, pdf_text
from tests.mail import body_of as email_body
from tests.stripe import body_of, completed


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_receipt_has_every_element_and_the_donors_exact_name(app: Flask, campaign: Campaign, post: Post, language: str) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=3_30, language=language)
    send_jobs.send_due()
    _, recipients, message, _ = next(iter(post.box.newest(1)))
    (attached,) = message.iter_attachments()
    words = pdf_text(attached.get_content())
    assert [label for label in LABELS[language] if label not in words] == []
    assert "Sanâa Œuvré D'Arcy-Lévesque" in words
    assert "100 Example Street" in words
    assert ("TEST" if language == "en" else "ESSAI") in words
    serial = db.session.query(Receipt).one().serial
    assert serial in words
    assert attached.get_filename() == f"{'recu' if language == 'fr' else 'receipt'}-{serial}.pdf"
    assert recipients == [donation.email]


def test_an_email_is_in_the_donors_language_as_text_and_html_with_a_fixed_message_id(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00, language="fr", tribute_kind="memory", tribute_name="Œnone <b>")
    send_jobs.send_due()
    _, _, message, _ = next(iter(post.box.newest(1)))
    plain, html = (email_body(message, kind) for kind in ("plain", "html"))
    for part in (plain, html):
        assert "Bonjour Sanâa Œuvré" in part
        assert "la recherche reçoit 200\u00a0$" in part
    assert "À la mémoire" in plain or "à la mémoire de Œnone <b>" in plain
    assert "Œnone &lt;b&gt;" in html
    assert message["Message-ID"] == f"<receipt.{donation.public_id}@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"].addresses[0].display_name == "Sanâa Œuvré D'Arcy-Lévesque"
    assert donation.last_name not in str(message["Subject"])


def test_i16_the_download_is_byte_for_byte_what_was_mailed(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign)
    send_jobs.send_due()
    _, _, message, _ = next(iter(post.box.newest(1)))
    (attached,) = message.iter_attachments()
    client = app.test_client()
    first, second = (client.get(f"/en/donations/{donation.token}/receipt.pdf") for _ in range(2))
    assert first.data == second.data == attached.get_content()
    assert db.session.query(Receipt).count() == 1


def test_the_same_content_renders_to_the_same_bytes(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    receipt = issue_receipt(donation)
    assert receipt
    first, second = (render_jobs._render(receipt, mark="test") for _ in range(2))
    assert first == second == render_jobs.get_or_archive(receipt)


def test_a_receipt_is_issued_and_emailed_once_however_often_its_payment_is_recorded(app: Flask, campaign: Campaign, post: Post) -> None:
    before = len(list(post.box.newest(1000)))
    donation = paid(campaign)
    for _ in range(3):
        pay(donation)
        db.session.commit()
        send_jobs.send_due()
    assert len(list(post.box.newest(1000))) == before + 1
    assert db.session.query(Receipt).count() == 1
    assert checker.findings(db.engine) == []


def test_pending_events_are_handled_before_emails_are_sent(app: Flask, campaign: Campaign, post: Post) -> None:
    paid(campaign)
    inbox.store_events(inbox.parse_event(body_of(completed(start_donation(campaign)))), source="webhook")
    db.session.commit()
    db.session.execute(text("UPDATE stripe_event SET not_before = now() - interval '2 seconds'"))
    db.session.commit()
    assert send_jobs.send_due() == 0
    event_jobs.handle_events()
    assert send_jobs.send_due() >= 2
    assert db.session.query(Receipt).count() == 2


def test_without_an_address_no_number_is_used_and_the_receipt_is_listed_as_waiting(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = start_donation(campaign, address_line1="", city="", province="", postal_code="")
    pay(donation)
    db.session.commit()
    send_jobs.send_due()
    make_due()
    send_jobs.send_due()
    _, _, message, _ = next(iter(post.box.newest(1)))
    assert db.session.query(Receipt).count() == 0
    assert db.session.execute(text("SELECT count(*) FROM receipt_series")).scalar_one() == 0
    assert list(message.iter_attachments()) == []
    body = email_body(message, "plain")
    assert "not a receipt" in body
    assert f"/en/donations/{donation.token}/address" in body
    assert [(waiting.missing, waiting.count) for waiting in totals.receipts_waiting()] == [(["donor_address"], 1)]


def test_the_reason_of_a_waiting_receipt_stays_while_it_is_retried_and_goes_with_the_next_error(app: Flask, campaign: Campaign) -> None:
    paid(campaign, address_line1="", city="", province="", postal_code="")
    send_jobs.send_due()
    (waiting,) = totals.receipts_waiting()
    assert waiting.missing == ["donor_address"]
    make_due()
    (lease, *_) = [leased for leased in messages.lease_due(limit=10) if messages.message_of(leased).kind == MessageKind.RECEIPT]
    db.session.commit()
    assert totals.receipts_waiting() == [waiting]
    messages.fail(lease, error="the mail server broke off", for_good=False)
    db.session.commit()
    assert [(other.missing, other.error) for other in totals.receipts_waiting()] == [([], "the mail server broke off")]


def test_in_live_mode_no_receipt_is_issued_until_the_charity_is_confirmed(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    donation.livemode = True
    db.session.flush()
    with pytest.raises(ReceiptIncomplete, match="confirmation"):
        issue_receipt(donation)
    confirm_charity()
    receipt = issue_receipt(donation)
    assert receipt and receipt.number == 1


def test_an_unpaid_donation_has_no_receipt(app: Flask, campaign: Campaign) -> None:
    assert issue_receipt(start_donation(campaign)) is None


def test_the_dates_on_a_receipt_are_in_the_charitys_time_zone(app: Flask, campaign: Campaign) -> None:
    donation = start_donation(campaign)
    pay(donation, at=datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    late = datetime(2027, 1, 1, 4, 30, tzinfo=UTC)  # Still 31 December in Toronto.
    receipt = issue_receipt(donation, now=late)
    assert receipt
    assert (receipt.content["received_on"], receipt.content["issued_on"], receipt.serial) == ("2026-12-31", "2026-12-31", "2026-000001")


@pytest.mark.parametrize("name", ["李小龍", "Nguyễn Thị Ánh", "Ελένη Παπαδοπούλου", "Ольга Щербакова", "田中 さくら", "김민준"])
def test_a_receipt_prints_names_in_other_scripts(app: Flask, campaign: Campaign, post: Post, name: str) -> None:
    donation = paid(campaign, first_name="", last_name=name)
    send_jobs.send_due()
    pdf = app.test_client().get(f"/en/donations/{donation.token}/receipt.pdf")
    assert pdf.status_code == 200
    assert name in pdf_text(pdf.data)


class Refusing:
    """An SMTP server with a fixed response to the recipient."""

    def __init__(self, *, recipient: str = "250 OK") -> None:
        self.recipient = recipient

    async def handle_RCPT(self, server: object, session: object, envelope: Envelope, address: str, options: object) -> str:  # noqa: N802
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient


@pytest.mark.parametrize(("answer", "is_dead"), [("550 Unknown", True), ("450 Later", False)])
def test_a_refused_recipient_is_final_only_for_a_permanent_error(app: Flask, campaign: Campaign, answer: str, is_dead: bool) -> None:
    port = free_port(33500, taken=set())
    controller = Controller(Refusing(recipient=answer), hostname="127.0.0.1", port=port)
    controller.start()
    services = app.extensions["services"]
    settings = services.settings.model_copy(update={"mail_url": f"smtp://127.0.0.1:{port}"})
    app.extensions["services"] = replace(services, settings=settings)
    paid(campaign)
    send_jobs.send_due()
    controller.stop()
    assert db.session.execute(text("SELECT dead_at IS NOT NULL FROM outbox WHERE kind = 'receipt'")).scalar_one() is is_dead


def test_a_failed_smtp_login_loses_no_email(app: Flask, campaign: Campaign, post: Post) -> None:
    services = app.extensions["services"]
    wrong = services.settings.model_copy(update={"mail_url": post.url.replace("smtp://", "smtp://user:old@")})
    app.extensions["services"] = replace(services, settings=wrong)
    paid(campaign)
    send_jobs.send_due()
    assert db.session.execute(text("SELECT dead_at IS NULL FROM outbox WHERE kind = 'receipt'")).scalar_one()


@pytest.mark.parametrize("answer", ["421 Later", "450 Later", "disconnect"])
def test_a_deferred_email_goes_out_later_with_the_same_bytes(
    app: Flask, campaign: Campaign, scripted_smtp: ScriptedSmtp, answer: str
) -> None:
    paid(campaign)
    scripted_smtp.response = answer
    send_jobs.send_due()
    scripted_smtp.response = "250 OK"
    make_due()
    send_jobs.send_due()
    assert db.session.execute(text("SELECT done_at IS NOT NULL, attempts FROM outbox WHERE kind = 'receipt'")).one() == (
        True,
        1 + (answer == "disconnect"),
    )
    assert len(scripted_smtp.received) >= 1 + (answer != "disconnect")
    assert len(set(scripted_smtp.received)) == 1
    assert db.session.query(Receipt).count() == 1


def test_a_permanently_refused_email_becomes_a_dead_letter_and_the_receipt_can_still_be_downloaded(
    app: Flask, campaign: Campaign, scripted_smtp: ScriptedSmtp
) -> None:
    donation = paid(campaign)
    scripted_smtp.response = "550 No such mailbox"
    send_jobs.send_due()
    assert db.session.execute(text("SELECT dead_at IS NOT NULL, last_error FROM outbox WHERE kind = 'receipt'")).one()[0] is True
    assert app.test_client().get(f"/en/donations/{donation.token}/receipt.pdf").status_code == 200


def test_an_unavailable_mail_server_only_delays_emails(app: Flask, campaign: Campaign) -> None:
    services = app.extensions["services"]
    unavailable = services.settings.model_copy(update={"mail_url": "smtp://127.0.0.1:9"})
    app.extensions["services"] = replace(services, settings=unavailable)
    paid(campaign)
    send_jobs.send_due()
    app.extensions["services"] = services
    make_due()
    assert send_jobs.send_due() >= 1
    assert checker.findings(db.engine) == []


def test_a_renderer_that_crashes_leaves_the_number_valid(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    paid(campaign)

    def crash(*args: object, **kw: object) -> bytes:
        raise pdf.RenderingFailed("crashed")

    with monkeypatch.context() as patched:
        patched.setattr(pdf, "render", crash)
        send_jobs.send_due()
    assert db.session.query(Receipt).one().number == 1
    make_due()
    send_jobs.send_due()
    assert db.session.execute(text("SELECT count(*) FROM receipt_document")).scalar_one() == 2
    assert checker.findings(db.engine) == []


def test_the_backoff_grows_and_is_bounded() -> None:
    delays = [leases._backoff_seconds(attempt) for attempt in range(1, 30)]
    assert delays[:3] == [5, 20, 80]
    assert max(delays) == leases.MAX_DELAY_SECONDS


def test_names_in_headers_do_not_change_the_addresses() -> None:
    message = smtp.build_message(
        smtp.OutgoingEmail(
            message_id="<x@example.org>",
            at=datetime(2026, 1, 1, tzinfo=UTC),
            sender="Gifts <gifts@example.org>",
            sender_name="Fondation, « SGB »",
            recipient="a@example.org",
            recipient_name="Évil\tName <x@y>",
            language="fr",
            subject="Merci",
            text="t",
            html="<p>t</p>",
        )
    )
    assert str(message["From"].addresses[0].addr_spec) == "gifts@example.org"
    assert [a.addr_spec for a in message["To"].addresses] == ["a@example.org"]
