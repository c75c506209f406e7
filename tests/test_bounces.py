"""What mail servers report about our email: a failure is a bounce, as one that staff note; nothing else in a mailbox changes anything."""

import imaplib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select, text

from campaign.campaigns.campaigns import Campaign
from campaign.cli.mail import mail_group
from campaign.config import SettingsError, settings_from
from campaign.devstack.stack import free_port
from campaign.donations.donations import Donation
from campaign.edges import delivery_reports, imap
from campaign.edges.db import db
from campaign.edges.delivery_reports import DeliveryAction
from campaign.edges.imap import MailboxUnavailable
from campaign.mail import bounce_jobs, mail_actions, send_jobs
from campaign.mail.bounce_jobs import ReportOutcome, handle_message
from campaign.operations import heartbeats
from campaign.outbox import deliveries
from campaign.outbox.deliveries import Bounce
from campaign.outbox.messages import OutboxMessage
from campaign.schedule import schedule_jobs
from campaign.staff.audit import AuditEntry
from tests.conftest import Post, ScriptedSmtp, make_settings
from tests.factories import paid
from tests.mail import DELIVERY_REPORTS, make_due, report_of
from tests.patience import PATIENCE_SECONDS
from tests.web import environment_of, signed_in

SERVERS = sorted(path.stem for path in DELIVERY_REPORTS.glob("*.eml"))
PASSWORD = 'p@ss "word'


@dataclass
class Sent:
    """A donation whose receipt a mail server has accepted."""

    donation: Donation
    message: OutboxMessage

    def report(self, server: str = "postfix", recipient: str = "", **replaced: str) -> bytes:
        return report_of(server, self.message.message_id or "", recipient or self.donation.email, **replaced)


@pytest.fixture
def sent(app: Flask, campaign: Campaign, post: Post) -> Sent:
    donation = paid(campaign)
    send_jobs.send_due()
    return Sent(donation, db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "receipt")).one())


def bounces() -> list[Bounce]:
    return list(db.session.scalars(select(Bounce).order_by(Bounce.outbox_id), execution_options={"populate_existing": True}))


@pytest.mark.parametrize("server", SERVERS)
def test_a_failure_is_read_in_the_form_of_each_kind_of_server(server: str) -> None:
    report = delivery_reports.parse_report(report_of(server, "<receipt.d_1@example.org>", "Donor@example.net"))
    assert report
    assert "<receipt.d_1@example.org>" in report.message_ids
    (found,) = report.recipients
    assert (found.addresses, found.action) == (frozenset({"donor@example.net"}), DeliveryAction.FAILED)
    assert found.status.startswith("5.")
    assert found.diagnostic.startswith("550")
    assert "donor" not in found.diagnostic.lower(), "the diagnostic repeats the address"


def test_a_failure_is_a_bounce_as_one_that_staff_note_and_once(sent: Sent) -> None:
    outcomes = [handle_message(sent.report(server)) for server in ("postfix", "postfix", "exim")]
    assert outcomes == [ReportOutcome.BOUNCED, ReportOutcome.NOTHING_NEW, ReportOutcome.NOTHING_NEW]
    (bounce,) = bounces()
    assert (bounce.outbox_id, bounce.reported_by, bounce.resolved_at) == (sent.message.id, "mail server", None)
    assert bounce.reason == "5.1.1 550 5.1.1 <…>: Recipient address rejected: User unknown in virtual mailbox table"
    entries = list(db.session.scalars(select(AuditEntry).where(AuditEntry.action == "reported a bounce")))
    expected = ("mail server", sent.message.key, {"reason": bounce.reason})
    assert [(entry.actor, entry.subject, entry.detail) for entry in entries] == [expected]


def test_a_report_that_names_thousands_of_ids_costs_as_much_as_one(sent: Sent) -> None:
    group = b"\r\nOriginal-Envelope-Id: %d@example.net\r\nFinal-Recipient: rfc822; x@example.net\r\nAction: failed\r\n"
    many = b"".join(group % number for number in range(2000))
    report = sent.report().replace(b"\r\nFinal-Recipient: rfc822;", many + b"\r\nFinal-Recipient: rfc822;", 1)
    parsed = delivery_reports.parse_report(report)
    assert parsed
    assert (len(parsed.message_ids), parsed.message_ids[0]) == (delivery_reports.MAX_MESSAGE_IDS, sent.message.message_id)
    with counted_queries() as queries:
        assert handle_message(report) is ReportOutcome.NOT_OURS, "whom the email went to is not among the first recipients"
    assert len(queries) < 10


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    queries: list[str] = []

    def count(*event: Any) -> None:
        queries.append(event[2])

    sqlalchemy_event.listen(db.engine, "before_cursor_execute", count)
    try:
        yield queries
    finally:
        sqlalchemy_event.remove(db.engine, "before_cursor_execute", count)


def test_a_delay_is_noted_for_staff_and_nothing_else(app: Flask, sent: Sent) -> None:
    delayed = sent.report(Action="delayed", Status="4.4.1", Diagnostic_Code="smtp; connect to <mx@example.net> timed out")
    assert [handle_message(delayed) for _ in range(2)] == [ReportOutcome.DELAYED, ReportOutcome.NOTHING_NEW]
    assert bounces() == []
    page = signed_in(app, "viewer").get(f"/staff/mail/{sent.message.id}").text
    assert "A mail server says that it is delayed, and tries again: 4.4.1 connect to" in page
    assert "mx@example.net" not in page
    expired = sent.report(Action="failed", Status="4.4.1")
    assert handle_message(expired) is ReportOutcome.BOUNCED, "who reports a failure tries no more, whatever the class of its status"


def test_a_report_of_success_that_names_no_message_of_ours_or_another_recipient_changes_nothing(sent: Sent) -> None:
    ours = sent.message.message_id
    assert ours
    forged = sent.report().replace(ours.strip("<>").encode(), b"receipt.d_00000000000000000000@example.org")
    assert handle_message(forged) is ReportOutcome.NOT_OURS
    assert handle_message(sent.report(recipient="somebody.else@example.net")) is ReportOutcome.NOT_OURS
    others = [sent.report(Action=action, Status="2.0.0") for action in ("delivered", "relayed", "expanded", "failed?", "")]
    assert {handle_message(raw) for raw in others} == {ReportOutcome.NOTHING_NEW}
    assert bounces() == []
    assert handle_message(sent.report(recipient=sent.donation.email.upper())) is ReportOutcome.BOUNCED, "the control"


def test_a_report_about_an_email_that_was_never_sent_changes_nothing(app: Flask, campaign: Campaign, scripted_smtp: ScriptedSmtp) -> None:
    donation = paid(campaign)
    scripted_smtp.response = "450 Later"
    send_jobs.send_due()
    message = db.session.query(OutboxMessage).filter_by(kind="receipt").one()
    for action in ("failed", "delayed"):
        assert handle_message(report_of("postfix", message.message_id or "", donation.email, Action=action)) is ReportOutcome.NOTHING_NEW
    assert bounces() == []


def test_a_late_report_does_not_mark_what_was_sent_to_the_corrected_address(sent: Sent) -> None:
    old = sent.report()
    assert handle_message(old) is ReportOutcome.BOUNCED
    mail_actions.correct_email(sent.donation, "right@example.org", actor="clerk@example.org")
    send_jobs.send_due()
    copy = db.session.query(OutboxMessage).filter_by(kind="receipt_copy").one()
    assert handle_message(old) is ReportOutcome.NOTHING_NEW
    assert handle_message(report_of("postfix", copy.message_id or "", "sanaa@example.org")) is ReportOutcome.NOT_OURS
    assert [bounce.resolved_at is None for bounce in bounces()] == [False]
    assert handle_message(report_of("postfix", copy.message_id or "", "right@example.org")) is ReportOutcome.BOUNCED, "the control"


def test_a_report_about_the_address_before_a_correction_does_not_mark_the_same_message_to_the_new_one(
    app: Flask, campaign: Campaign, scripted_smtp: ScriptedSmtp
) -> None:
    donation = paid(campaign)
    before = donation.email
    scripted_smtp.response = "550 No such mailbox"
    send_jobs.send_due()
    scripted_smtp.response = "250 OK"
    mail_actions.correct_email(donation, "right@example.org", actor="clerk@example.org")
    make_due()
    send_jobs.send_due()
    message = db.session.query(OutboxMessage).filter_by(kind="receipt").one()
    assert handle_message(report_of("postfix", message.message_id or "", before)) is ReportOutcome.NOT_OURS
    assert bounces() == []


VACATION = b"From: donor@example.org\r\nAuto-Submitted: auto-replied\r\nIn-Reply-To: %s\r\n\r\nI am away. Status: 5.1.1 Action: failed\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        VACATION,
        b"",
        b"Subject: hello\r\n\r\n" + b"x" * 10,
        b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nno boundary",
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nno status\r\n--b--\r\n",
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\nx: y\r\n--b--\r\n",
    ],
)
def test_other_mail_is_no_report(raw: bytes) -> None:
    assert delivery_reports.parse_report(raw) is None


def hostile(sent: Sent) -> Iterator[bytes]:
    whole = sent.report()
    yield from (whole[:length] for length in range(0, len(whole) - 400, 307))
    yield whole.replace(b"Status: 5.1.1", b"Status: \x00\xff\xfe5.1.1\x1b[2J")
    yield whole.replace(b"Diagnostic-Code: smtp; ", b"Diagnostic-Code: smtp; =?utf-8?b?4pyT?= \xc3\x28\xf0\x9f\x92\xa9" + b"A" * 300_000)
    yield b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 500
    nested = b"".join(b"--%d\r\nContent-Type: multipart/report; boundary=%d\r\n\r\n" % (n, n + 1) for n in range(1100))
    yield b"Content-Type: multipart/report; boundary=0\r\n\r\n" + nested
    yield (
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" + b"a: b\r\n\r\n" * 2000
    )
    yield b"Content-Type: " + b"multipart/report; boundary*0=" * 500
    yield b"\xff" * 100_000


def test_hostile_and_malformed_messages_neither_stop_the_next_nor_change_anything(sent: Sent) -> None:
    began = time.process_time()
    outcomes = [handle_message(raw) for raw in hostile(sent)]
    assert time.process_time() - began < 15
    assert set(outcomes) <= {*ReportOutcome} - {ReportOutcome.DELAYED}
    assert ReportOutcome.BROKEN in outcomes, "a message that the library cannot read is among them"
    handle_message(sent.report())
    assert [bounce.outbox_id for bounce in bounces()] == [sent.message.id]


def test_an_error_of_one_message_is_logged_without_its_text_and_undone(
    sent: Sent, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        db.session.execute(text("UPDATE outbox SET last_error = 'half done'"))
        raise ValueError(sent.donation.email)

    with monkeypatch.context() as patched:
        patched.setattr(bounce_jobs, "_handle_report", fail)
        assert handle_message(sent.report()) is ReportOutcome.BROKEN
    assert db.session.scalar(text("SELECT count(*) FROM outbox WHERE last_error IS NOT NULL")) == 0
    assert sent.donation.email not in "".join(capsys.readouterr())


@dataclass
class ImapServer:
    """A real IMAP server with STARTTLS and one user, whose mailbox is empty."""

    port: int

    def url(self, *, password: str = PASSWORD, folder: str = "INBOX") -> str:
        return f"imap://bounces:{quote(password, safe='')}@localhost:{self.port}/{folder}?tls=starttls"

    def connect(self) -> imaplib.IMAP4:
        server = imaplib.IMAP4("localhost", self.port)
        server.starttls(ssl.create_default_context())
        server.login("bounces", PASSWORD)
        server.select("INBOX")
        return server

    def deliver(self, *messages: bytes) -> None:
        with self.connect() as server:
            for raw in messages:
                server.append("INBOX", "", "", raw)

    def count(self, criterion: str) -> int:
        with self.connect() as server:
            return len(server.uid("SEARCH", criterion)[1][0].split())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    file = tmp_path_factory.mktemp("imap") / "server.pem"
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + signed.public_bytes(encoding))
    return file


@pytest.fixture(scope="module")
def imap_server(certificate: Path) -> Iterator[ImapServer]:
    port = free_port(34000, taken=set())
    program = Path(sys.executable).with_name("pymap")
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--cert", str(certificate), "--key", str(certificate)]
    user = ["dict", "--demo-user", "bounces", "--demo-password", PASSWORD]
    process = subprocess.Popen([program, *arguments, *user], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(20 * PATIENCE_SECONDS):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.05)
    yield ImapServer(port)
    process.terminate()
    process.wait(PATIENCE_SECONDS)


@pytest.fixture
def mailbox(imap_server: ImapServer, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ImapServer:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with imap_server.connect() as server:
        server.store("1:*", "+FLAGS", r"(\Deleted)")
        server.expunge()
    return imap_server


def use_mailbox(app: Flask, url: str) -> None:
    services = app.extensions["services"]
    app.extensions["services"] = replace(services, settings=services.settings.model_copy(update={"bounce_mailbox_url": url}))


def test_the_schedule_reads_the_mailbox_and_marks_all_in_it_as_read(app: Flask, sent: Sent, mailbox: ImapServer) -> None:
    padding = b"x" * 1000 + b"\r\n"
    large = sent.report() + padding * (delivery_reports.MAX_BYTES // 500)
    mailbox.deliver(VACATION, b"Content-Type: multipart/report; boundary=" + b"b" * 9000, large)
    use_mailbox(app, mailbox.url())
    schedule_jobs.run_infrequent_work()
    assert [bounce.outbox_id for bounce in bounces()] == [sent.message.id]
    assert (mailbox.count("ALL"), mailbox.count("UNSEEN")) == (3, 0)
    assert bounce_jobs.handle_bounces() == 0
    for url in (mailbox.url(folder="Nowhere"), mailbox.url(password="wrong")):
        with pytest.raises(MailboxUnavailable, match=r"^(folder|login): "), imap.open_mailbox(url):
            pass


def test_a_server_whose_certificate_is_not_trusted_gets_no_password(mailbox: ImapServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(MailboxUnavailable, match=r"^connection: SSLCertVerificationError$"), imap.open_mailbox(mailbox.url()):
        pass


def test_without_a_database_a_message_stays_unread(app: Flask, sent: Sent, mailbox: ImapServer, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox.deliver(sent.report())
    use_mailbox(app, mailbox.url())
    with monkeypatch.context() as patched:
        patched.setattr(bounce_jobs, "_handle_report", lambda _: db.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())")))
        schedule_jobs.run_infrequent_work()
    assert mailbox.count("UNSEEN") == 1
    schedule_jobs.run_infrequent_work()
    assert (mailbox.count("UNSEEN"), len(bounces())) == (0, 1)


def test_a_mailbox_that_cannot_be_read_is_reported_to_staff_and_tried_again(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    use_mailbox(app, f"imap://bounces:{quote(PASSWORD)}@127.0.0.1:9/INBOX")
    heartbeats.beat("worker")
    db.session.commit()
    for _ in range(2):
        schedule_jobs.run_infrequent_work()
    found = db.session.execute(text("SELECT failures, reason, error FROM job_result WHERE name = 'handle_bounces'")).one()
    assert tuple(found) == (2, "mailbox", "MailboxUnavailable: connection: ConnectionRefusedError")
    assert "The mailbox for email that came back cannot be read" in signed_in(app, "viewer").get("/staff/").text
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, "mailbox" in json.loads(answer.data)["degraded"]) == (200, True)
    use_mailbox(app, "")
    schedule_jobs.run_infrequent_work()
    assert "mailbox" not in json.loads(app.test_client().get("/readyz").data)["degraded"], "without a mailbox all is by hand"
    assert PASSWORD not in "".join(capsys.readouterr())


def test_the_command_reads_reports_from_files_and_standard_input(app: Flask, sent: Sent, tmp_path: Path) -> None:
    vacation, report = tmp_path / "vacation.eml", tmp_path / "report.eml"
    vacation.write_bytes(VACATION)
    report.write_bytes(sent.report())
    runner = app.test_cli_runner()
    assert runner.invoke(mail_group, ["bounces", str(vacation), str(report)]).output == "1 no report, 1 bounced\n"
    assert runner.invoke(mail_group, ["bounces", "-"], input=sent.report()).output == "1 nothing new\n"
    assert len(bounces()) == 1
    assert deliveries.count_open_bounces() == 1


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("BOUNCE_MAILBOX_URL", "https://user:hidden@example.org", "must be the URL of an IMAP mailbox"),
        ("BOUNCE_MAILBOX_URL", "imaps://example.org/INBOX?hidden", "must be the URL of an IMAP mailbox"),
        ("BOUNCE_MAILBOX_URL", "imap://user:hidden@mail.example.org/INBOX", "must begin with imaps://"),
        ("BOUNCE_ADDRESS", "Returned mail <hidden@example.org>", "must be one address without a name"),
    ],
)
def test_unsafe_settings_of_the_mailbox_are_refused(name: str, value: str, sentence: str) -> None:
    live = {"STRIPE_LIVEMODE": "true", "STRIPE_SECRET_KEY": "rk_live_x", "STRIPE_API_BASE": "https://api.stripe.com"}
    values = {**environment_of(make_settings("postgresql://localhost/x")), **live, "BASE_URL": "https://give.example.org"}
    assert settings_from({**values, "BOUNCE_MAILBOX_URL": "imap://user:x@mail.example.org/INBOX?tls=starttls"}).is_https, "the control"
    with pytest.raises(SettingsError, match=sentence) as refused:
        settings_from({**values, name: value})
    assert "hidden" not in str(refused.value)
