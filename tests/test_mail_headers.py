"""The fields of an email as two independent readers find them, the envelope, and what stays as it was for emails from before a field existed."""

import email
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from flask import Flask
from pymap.mime import MessageContent
from sqlalchemy import select, text

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.stack import free_port
from campaign.edges import smtp
from campaign.edges.db import db
from campaign.edges.smtp import Attachment, OutgoingEmail
from campaign.mail import send_jobs
from campaign.outbox import deliveries
from campaign.outbox.deliveries import DeliveryAttempt
from campaign.reporting.integrity import checker
from tests.conftest import ScriptedSmtp
from tests.factories import paid
from tests.mail import make_due

EMAIL = OutgoingEmail(
    message_id="<receipt.d_00000000000000000001@example.org>",
    at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    sender="gifts@example.org",
    sender_name="Fondation « SGB »",
    recipient="sanaa@example.org",
    recipient_name="Sanâa Œuvré",
    language="fr",
    subject="Votre reçu officiel de don 2026-000037 – Vision Sanâa et Richard",
    text="Bonjour,\n",
    html="<p>Bonjour,</p>\n",
    reply_to="info@example.org",
    attachments=(Attachment(name="recu-2026-000037.pdf", mime_type="application/pdf", content=b"%PDF"),),
)
FIELDS = {
    "Message-ID": EMAIL.message_id,
    "Date": "Thu, 01 Jan 2026 12:00:00 +0000",
    "From": "Fondation « SGB » <gifts@example.org>",
    "To": "Sanâa Œuvré <sanaa@example.org>",
    "Reply-To": "info@example.org",
    "Subject": EMAIL.subject,
    "Content-Language": "fr",
    "Auto-Submitted": "auto-generated",
    "MIME-Version": "1.0",
    smtp.OUR_ID: EMAIL.message_id,
}
STRUCTURE = [
    ("multipart/mixed", None),
    ("multipart/alternative", None),
    ("text/plain", None),
    ("text/html", None),
    ("application/pdf", "recu-2026-000037.pdf"),
]


def fields_of(message: EmailMessage) -> dict[str, str]:
    return {name: str(value) for name, value in message.items() if name != "Content-Type"}


def test_two_readers_find_every_field_and_part() -> None:
    raw = smtp.build_message(EMAIL).as_bytes()
    message = email.message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert fields_of(message) == FIELDS
    assert [(part.get_content_type(), part.get_filename()) for part in message.walk()] == STRUCTURE
    assert [part["Content-Language"] for part in message.walk()] == ["fr", None, None, None, None]
    parsed = MessageContent.parse(raw.replace(b"\n", b"\r\n"))
    found = {name.decode(): str(values[0]) for name, values in parsed.header.parsed.items()}
    assert {name: found.get(name.lower()) for name in FIELDS} == FIELDS
    assert [str(part.header.parsed.content_type).partition(";")[0] for part in parsed.walk()] == [kind for kind, _ in STRUCTURE]
    assert str(parsed.header.parsed.content_language) == "fr"


@pytest.mark.parametrize("attachments", [(), EMAIL.attachments])
@pytest.mark.parametrize("subject", ["Thank you", EMAIL.subject])
def test_every_field_that_is_set_is_in_the_message(
    monkeypatch: pytest.MonkeyPatch, attachments: tuple[Attachment, ...], subject: str
) -> None:
    built = smtp.build_message(replace(EMAIL, attachments=attachments, subject=subject)).as_bytes()
    was_set = record_fields(monkeypatch, replace(EMAIL, attachments=attachments, subject=subject))
    headers = email.message_from_bytes(built, policy=policy.default)
    assert set(FIELDS) - {"Subject"} <= was_set
    assert [name for name in was_set if headers[name] is None] == []


def test_control_content_language_is_lost_where_it_is_set_before_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    def set_early(message: EmailMessage, *args: Any, **kw: Any) -> None:
        message["Content-Language"] = "fr"
        set_content(message, *args, **kw)

    set_content = EmailMessage.set_content
    with monkeypatch.context() as patched:
        patched.setattr(EmailMessage, "set_content", set_early)
        patched.setattr(smtp, "_add_later_fields", lambda *_: None)
        assert smtp.build_message(EMAIL)["Content-Language"] is None


def record_fields(monkeypatch: pytest.MonkeyPatch, mail: OutgoingEmail) -> set[str]:
    """The fields of the message that building it sets, but for those that belong to its parts."""
    names, set_field = set(), EmailMessage.__setitem__

    def record(message: EmailMessage, name: str, value: Any) -> None:
        names.add(name)
        set_field(message, name, value)

    with monkeypatch.context() as patched:
        patched.setattr(EmailMessage, "__setitem__", record)
        smtp.build_message(mail)
    return names - {"Content-Transfer-Encoding", "Content-Disposition"}


def test_the_same_email_has_the_same_bytes_and_one_from_before_reply_to_those_it_had() -> None:
    assert smtp.build_message(EMAIL).as_bytes() == smtp.build_message(EMAIL).as_bytes()
    earlier = smtp.build_message(replace(EMAIL, reply_to=None))
    assert set(fields_of(earlier)) == set(FIELDS) - {"Reply-To", "Content-Language", smtp.OUR_ID}
    # The digest by the code before Reply-To.
    assert smtp.digest(earlier).hex() == "e3aa27baf05a364d2205d1e7e825c934d8b727b93ef9de91135e1be41c0b560f"
    assert set(FIELDS) - set(fields_of(smtp.build_message(replace(EMAIL, reply_to="")))) == {"Reply-To"}


@pytest.mark.owner
def test_an_email_that_was_frozen_before_reply_to_is_sent_again_with_the_same_bytes(
    app: Flask, campaign: Campaign, scripted_smtp: ScriptedSmtp
) -> None:
    paid(campaign)
    scripted_smtp.response = "450 Later"
    send_jobs.send_due()
    db.session.execute(text("UPDATE frozen_email SET reply_to = NULL"))
    for response in ("disconnect", "250 OK"):
        scripted_smtp.response = response
        make_due()
        send_jobs.send_due()
    first, unknown, accepted = db.session.scalars(select(DeliveryAttempt.sha256).order_by(DeliveryAttempt.id))
    assert (first != unknown, unknown == accepted) == (True, True)
    assert [b"Reply-To: " in raw for raw in scripted_smtp.received] == [True, *[False] * (len(scripted_smtp.received) - 1)]
    assert checker.findings(db.engine) == []


def test_the_charity_is_answered_and_the_bounce_address_is_reported_to(app: Flask, campaign: Campaign, scripted_smtp: ScriptedSmtp) -> None:
    envelopes: list[str] = []

    async def receive(server: SMTP, session: object, envelope: Envelope, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        envelopes.append(address)
        return "250 OK"

    scripted_smtp.handle_MAIL = receive  # type: ignore[attr-defined]  # aiosmtpd calls it if it is there
    paid(campaign)
    campaign.charity.email = "answers@example.org"
    db.session.commit()
    send_jobs.send_due()
    services = app.extensions["services"]
    settings = services.settings.model_copy(update={"bounce_address": "bounces@example.org"})
    app.extensions["services"] = replace(services, settings=settings)
    paid(campaign)
    send_jobs.send_due()
    assert envelopes == ["gifts@example.org", "bounces@example.org"]
    received = [email.message_from_bytes(raw) for raw in scripted_smtp.received]
    assert [message["Reply-To"] for message in received] == ["answers@example.org"] * 2
    assert [message["From"].endswith("<gifts@example.org>") for message in received] == [True, True]
    assert deliveries.count_unsent() == 0


class ReportingSmtp(SMTP):
    """A server that offers reports (RFC 3461), and records what it was asked for."""

    asked: list[str]

    async def smtp_MAIL(self, argument: str) -> None:  # noqa: N802  # aiosmtpd names it
        self.asked.append(argument)
        await super().smtp_MAIL(argument.split(" RET=", maxsplit=1)[0])


class OffersReports:
    async def handle_EHLO(self, server: SMTP, session: Any, envelope: Envelope, hostname: str, responses: list[str]) -> list[str]:  # noqa: N802
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: object, envelope: Envelope) -> str:  # noqa: N802
        return "250 OK"


def test_a_server_that_can_is_asked_for_reports_that_name_the_email_and_leave_out_the_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port(33200, taken=set())
    controller = Controller(OffersReports(), hostname="127.0.0.1", port=port)
    ReportingSmtp.asked = []
    monkeypatch.setattr(controller, "factory", lambda: ReportingSmtp(OffersReports()))
    controller.start()
    for message_id in (EMAIL.message_id, "<a+b=c@example.org>", f"<{'x' * 100}@example.org>"):
        message = smtp.build_message(replace(EMAIL, message_id=message_id))
        smtp.send(f"smtp://127.0.0.1:{port}", message, bounce_address="bounces@example.org")
    controller.stop()
    options = [asked.partition("RET=HDRS")[2].strip() for asked in ReportingSmtp.asked]
    assert options == ["ENVID=receipt.d_00000000000000000001@example.org", "ENVID=a+2Bb+3Dc@example.org", ""]
