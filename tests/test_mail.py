"""Receipts and thanks go out once, to a real SMTP server, and survive what mail servers do."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest
from aiosmtpd.controller import Controller
from flask import Flask
from pypdf import PdfReader
from sqlalchemy import text

from campaign.edges import mail, pdf
from campaign.edges.db import db
from campaign.embedded.house import free_port
from campaign.giving import claims, stripe_events
from campaign.giving.campaigns import Campaign
from campaign.giving.charities import Charity
from campaign.giving.receipts import CannotIssue, Receipt
from campaign.reporting import books, totals
from campaign.work import documents, handling, owed
from tests.conftest import Moody
from tests.factories import begun, body_of, completed, issued, paid, pay

LABELS = {
    "en": [
        "Official donation receipt for income tax purposes",
        "GBS/CIDP Foundation of Canada",
        "Registration number",
        "Unique serial number",
        "Place of issue",
        "Date the gift was received",
        "Date of issue",
        "Donor's full name",
        "Donor's address",
        "Amount of the gift",
        "Description and amount of any advantage",
        "Eligible amount of the gift",
        "Signature of an authorized individual",
        "Canada Revenue Agency, canada.ca/charities-giving",
        "$103.30",
    ],
    "fr": [
        "Reçu officiel de don aux fins de l'impôt sur le revenu",
        "Numéro d'enregistrement",
        "Numéro de série",
        "Lieu de délivrance",
        "Date de réception du don",
        "Date de délivrance",
        "Nom complet du donateur",
        "Adresse du donateur",
        "Montant du don",
        "Description et valeur de tout avantage",
        "Montant admissible du don",
        "Signature d'un particulier autorisé",
        "Agence du revenu du Canada, canada.ca/organismes-bienfaisance-dons",
        "103,30 $",
    ],
}


def words_of(pdf: bytes) -> str:
    extracted = " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    return re.sub(r"\s+", " ", extracted.replace("\u00a0", " "))


def make_due() -> None:
    db.session.execute(text("UPDATE outbox SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_receipt_holds_every_element_and_the_donors_name_as_it_is(app: Flask, campaign: Campaign, post: object, language: str) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=3_30, language=language)
    owed.send_owed()
    _, recipients, message, _ = next(iter(post.box.newest(1)))
    (attached,) = message.iter_attachments()
    words = words_of(attached.get_content())
    assert [label for label in LABELS[language] if label not in words] == []
    assert "Sanâa Œuvré D'Arcy-Lévesque" in words
    assert "100 Example Street" in words
    assert ("TEST" if language == "en" else "ESSAI") in words
    serial = db.session.query(Receipt).one().serial
    assert serial in words
    assert attached.get_filename() == f"{'recu' if language == 'fr' else 'receipt'}-{serial}.pdf"
    assert recipients == [donation.email]


def test_a_mail_is_in_the_donors_language_as_text_and_html_with_a_fixed_message_id(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00, language="fr", tribute_kind="memory", tribute_name="Œnone <b>")
    owed.send_owed()
    _, _, message, _ = next(iter(post.box.newest(1)))
    plain, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for part in (plain, html):
        assert "Bonjour Sanâa Œuvré" in part
        assert "la recherche reçoit 200\u00a0$" in part
    assert "À la mémoire" in plain or "à la mémoire de Œnone <b>" in plain
    assert "Œnone &lt;b&gt;" in html
    assert message["Message-ID"] == f"<receipt.{donation.public_id}@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"].addresses[0].display_name == "Sanâa Œuvré D'Arcy-Lévesque"
    assert donation.last_name not in str(message["Subject"])


def test_i16_the_download_is_byte_for_byte_what_was_mailed(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign)
    owed.send_owed()
    _, _, message, _ = next(iter(post.box.newest(1)))
    (attached,) = message.iter_attachments()
    client = app.test_client()
    first, second = (client.get(f"/en/donations/{donation.token}/receipt.pdf") for _ in range(2))
    assert first.data == second.data == attached.get_content()
    assert db.session.query(Receipt).count() == 1


def test_the_same_content_renders_to_the_same_bytes(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    receipt = issued(donation)
    once, twice = (documents._rendered(receipt, mark="test") for _ in range(2))
    assert once == twice == documents.archived(receipt)


def test_a_receipt_is_issued_and_mailed_once_however_often_it_is_asked_for(app: Flask, campaign: Campaign, post: object) -> None:
    before = len(list(post.box.newest(1000)))
    donation = paid(campaign)
    for _ in range(3):
        pay(donation)
        db.session.commit()
        owed.send_owed()
    assert len(list(post.box.newest(1000))) == before + 1
    assert db.session.query(Receipt).count() == 1
    assert books.findings(db.engine) == []


def test_money_comes_before_mail_and_mail_comes_after(app: Flask, campaign: Campaign, post: object) -> None:
    paid(campaign)
    stripe_events.keep(stripe_events.read_event(body_of(completed(begun(campaign)))), source="webhook")
    db.session.commit()
    db.session.execute(text("UPDATE stripe_event SET not_before = now() - interval '2 seconds'"))
    db.session.commit()
    assert owed.send_owed() == 0
    handling.handle_events()
    assert owed.send_owed() >= 2
    assert db.session.query(Receipt).count() == 2


def test_without_an_address_no_number_is_used_and_staff_are_told(app: Flask, campaign: Campaign, post: object) -> None:
    donation = begun(campaign, address_line1="", city="", province="", postal_code="")
    pay(donation)
    db.session.commit()
    owed.send_owed()
    owed.send_owed()
    _, _, message, _ = next(iter(post.box.newest(1)))
    assert db.session.query(Receipt).count() == 0
    assert db.session.execute(text("SELECT count(*) FROM receipt_series")).scalar_one() == 0
    assert list(message.iter_attachments()) == []
    said = message.get_body(("plain",)).get_content()
    assert "not a receipt" in said
    assert f"/en/donations/{donation.token}/address" in said
    assert totals.receipts_waiting() == [("lacking: donor_address", 1)]


def test_with_real_money_no_receipt_leaves_until_the_charity_is_confirmed(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    donation.livemode = True
    db.session.flush()
    with pytest.raises(CannotIssue, match="confirmation"):
        issued(donation)
    db.session.query(Charity).one().confirmed_at = datetime.now(UTC)
    assert issued(donation).number == 1


def test_an_unpaid_donation_has_no_receipt(app: Flask, campaign: Campaign) -> None:
    assert issued(begun(campaign)) is None


def test_the_days_on_a_receipt_are_those_of_the_charity(app: Flask, campaign: Campaign) -> None:
    donation = begun(campaign)
    pay(donation, paid_at=datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    late = datetime(2027, 1, 1, 4, 30, tzinfo=UTC)  # Still 31 December in Toronto.
    receipt = issued(donation, now=late)
    assert (receipt.content["received_on"], receipt.content["issued_on"], receipt.serial) == ("2026-12-31", "2026-12-31", "2026-000001")


@pytest.mark.parametrize("name", ["李小龍", "Nguyễn Thị Ánh", "Ελένη Παπαδοπούλου", "Ольга Щербакова", "田中 さくら", "김민준"])
def test_a_receipt_keeps_every_genuine_letter_of_a_name(app: Flask, campaign: Campaign, post: object, name: str) -> None:
    donation = paid(campaign, first_name="", last_name=name)
    owed.send_owed()
    pdf = app.test_client().get(f"/en/donations/{donation.token}/receipt.pdf")
    assert pdf.status_code == 200
    assert name in words_of(pdf.data)


class Refusing:
    """An SMTP server that has something against the sender, the recipient or the password."""

    def __init__(self, *, recipient: str = "250 OK") -> None:
        self.recipient = recipient

    async def handle_RCPT(self, server: object, session: object, envelope: object, address: str, options: object) -> str:  # noqa: N802
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient


@pytest.mark.parametrize(("answer", "is_dead"), [("550 Unknown", True), ("450 Later", False)])
def test_a_recipient_that_is_refused_is_final_only_when_the_server_says_so(
    app: Flask, campaign: Campaign, answer: str, is_dead: bool
) -> None:
    port = free_port(33500, taken=set())
    controller = Controller(Refusing(recipient=answer), hostname="127.0.0.1", port=port)
    controller.start()
    there = app.extensions["outside"]
    settings = there.settings.model_copy(update={"mail_url": f"smtp://127.0.0.1:{port}"})
    app.extensions["outside"] = replace(there, settings=settings)
    paid(campaign)
    owed.send_owed()
    controller.stop()
    assert db.session.execute(text("SELECT dead_at IS NOT NULL FROM outbox WHERE kind = 'receipt'")).scalar_one() is is_dead


def test_a_password_that_was_changed_at_the_mail_server_loses_no_mail(app: Flask, campaign: Campaign, post: object) -> None:
    there = app.extensions["outside"]
    wrong = there.settings.model_copy(update={"mail_url": post.url.replace("smtp://", "smtp://user:old@")})
    app.extensions["outside"] = replace(there, settings=wrong)
    paid(campaign)
    owed.send_owed()
    assert db.session.execute(text("SELECT dead_at IS NULL FROM outbox WHERE kind = 'receipt'")).scalar_one()


@pytest.mark.parametrize("answer", ["421 Later", "450 Later", "hang up"])
def test_a_mail_that_was_put_off_goes_out_later_with_the_same_bytes(app: Flask, campaign: Campaign, moody: Moody, answer: str) -> None:
    paid(campaign)
    moody.answer = answer
    owed.send_owed()
    moody.answer = "250 OK"
    make_due()
    owed.send_owed()
    assert db.session.execute(text("SELECT done_at IS NOT NULL, attempts FROM outbox WHERE kind = 'receipt'")).one() == (
        True,
        1 + (answer == "hang up"),
    )
    assert len(moody.taken) >= 1 + (answer != "hang up")
    assert len(set(moody.taken)) == 1
    assert db.session.query(Receipt).count() == 1


def test_a_mail_that_is_refused_for_good_goes_to_staff_and_the_donor_can_still_download(
    app: Flask, campaign: Campaign, moody: Moody
) -> None:
    donation = paid(campaign)
    moody.answer = "550 No such mailbox"
    owed.send_owed()
    assert db.session.execute(text("SELECT dead_at IS NOT NULL, last_error FROM outbox WHERE kind = 'receipt'")).one()[0] is True
    assert app.test_client().get(f"/en/donations/{donation.token}/receipt.pdf").status_code == 200


def test_a_mail_server_that_is_away_costs_nothing_but_time(app: Flask, campaign: Campaign) -> None:
    there = app.extensions["outside"]
    away = there.settings.model_copy(update={"mail_url": "smtp://127.0.0.1:9"})
    app.extensions["outside"] = replace(there, settings=away)
    paid(campaign)
    owed.send_owed()
    app.extensions["outside"] = there
    make_due()
    assert owed.send_owed() >= 1
    assert books.findings(db.engine) == []


def test_a_renderer_that_crashes_leaves_the_number_valid(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    paid(campaign)

    def crash(*args: object, **kw: object) -> bytes:
        raise pdf.NotRendered("crashed")

    with monkeypatch.context() as patched:
        patched.setattr(pdf, "render", crash)
        owed.send_owed()
    assert db.session.query(Receipt).one().number == 1
    make_due()
    owed.send_owed()
    assert db.session.execute(text("SELECT count(*) FROM receipt_document")).scalar_one() == 2
    assert books.findings(db.engine) == []


def test_a_pause_grows_and_is_bounded() -> None:
    pauses = [claims._pause(attempt) for attempt in range(1, 30)]
    assert pauses[:3] == [5, 20, 80]
    assert max(pauses) == claims.LONGEST_PAUSE_SECONDS


def test_a_sender_with_a_name_and_a_recipient_with_accents_are_kept_apart() -> None:
    message = mail.compose(
        mail.Message(
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
