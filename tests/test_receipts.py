"""The life of an official receipt: issued once, in line with the books whatever goes back, replaced and cancelled but never changed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.config import ROOT
from campaign.edges.db import db
from campaign.giving import receipts, returned_gifts, void_requests
from campaign.giving.campaigns import Campaign
from campaign.giving.charities import Charity
from campaign.giving.donations import Donation
from campaign.giving.receipts import Receipt
from campaign.reporting import books
from campaign.rules.refusals import Refusal
from campaign.work import owed, receipt_desk
from campaign.work.receipt_desk import CannotDo
from tests.factories import give_back, issued, paid
from tests.test_mail import words_of

CORRECTED = {
    "first_name": "Sanâa",
    "last_name": "Richard",
    "organization": "",
    "address_line1": "1, rue Neuve",
    "city": "Laval",
    "country": "CA",
}


def serials() -> list[tuple[str, str]]:
    return [(r.serial[-1], receipts.status_of(r).value) for r in db.session.query(Receipt).order_by(Receipt.id)]


def last_mail(post: Any, donation: Donation) -> Any:
    return next(m for _, to, m, _ in post.box.newest(100) if to == [donation.email])


def said(message: Any) -> str:
    return message.get_body(("plain",)).get_content().replace("\u00a0", " ")


def attached(message: Any) -> list[str]:
    return [a.get_filename() for a in message.iter_attachments()]


def test_a_full_refund_cancels_the_receipt_and_says_so(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00)
    owed.send_owed()
    receipt = receipts.receipt_of(donation.id)
    give_back(donation, 100_00)
    db.session.commit()
    owed.send_owed()
    assert serials() == [("1", "cancelled")]
    message = last_mail(post, donation)
    assert f"Official receipt no. {receipt.serial} is cancelled." in said(message)
    assert attached(message) == []
    assert books.findings(db.engine) == []


@pytest.mark.parametrize(("language", "words"), [("en", "is cancelled and replaced by"), ("fr", "est annulé et remplacé par")])
def test_a_partial_refund_replaces_the_receipt_for_what_is_left(
    app: Flask, campaign: Campaign, post: object, language: str, words: str
) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=3_30, language=language)
    owed.send_owed()
    first = receipts.receipt_of(donation.id)
    give_back(donation, 40_00)
    db.session.commit()
    owed.send_owed()
    second = receipts.receipt_of(donation.id)
    assert serials() == [("1", "replaced"), ("2", "valid")]
    assert (second.cents, second.replaces_id, second.content["replaces"]) == (63_30, first.id, first.serial)
    message = last_mail(post, donation)
    assert words in said(message)
    assert attached(message) == [second.file_name]
    (document,) = message.iter_attachments()
    assert f"{'Cancels and replaces receipt no.' if language == 'en' else 'Annule et remplace le reçu nº'} {first.serial}" in words_of(
        document.get_content()
    )
    assert books.findings(db.engine) == []


def test_what_goes_back_before_the_receipt_is_left_out_of_it(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00)
    give_back(donation, 30_00)
    db.session.commit()
    owed.send_owed()
    assert (receipts.receipt_of(donation.id).cents, serials()) == (70_00, [("1", "valid")])
    names = [name for _, to, m, _ in post.box.newest(100) if to == [donation.email] for name in attached(m)]
    assert len(names) == 1, "one receipt goes out in one mail"
    assert books.findings(db.engine) == []


def test_money_that_comes_back_gets_a_receipt_of_its_own(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00)
    owed.send_owed()
    give_back(donation, 100_00, kind="dispute", name="dp_1")
    db.session.commit()
    owed.send_owed()
    assert "Your bank has decided" in said(last_mail(post, donation))
    give_back(donation, 100_00, kind="dispute", name="dp_1", status="won")
    db.session.commit()
    owed.send_owed()
    assert serials() == [("1", "cancelled"), ("2", "valid")]
    message = last_mail(post, donation)
    assert "is with us again" in said(message)
    assert len(attached(message)) == 1
    assert books.findings(db.engine) == []


def test_two_refunds_at_once_make_one_replacement(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00)
    owed.send_owed()
    give_back(donation, 10_00)
    give_back(donation, 15_00)
    db.session.commit()
    owed.send_owed()
    assert serials() == [("1", "replaced"), ("2", "valid")]
    assert receipts.receipt_of(donation.id).cents == 75_00
    assert books.findings(db.engine) == []


@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), max_size=12))
def test_i14_i17_receipts_say_what_the_charity_keeps_whenever_they_are_brought_in_line(
    app: Flask, campaign: Campaign, happened: list[tuple[int, int, bool]]
) -> None:
    """Refunds and disputes of three gifts come and go; receipts are settled now and then, and at the end."""
    donations = [paid(campaign, 60_00, covered_fee_cents=2_00) for _ in range(3)]
    gone: set[tuple[int, int]] = set()
    for which, what, settle_now in happened:
        back = (which, what)
        is_dispute = what % 2 == 1
        status = ("won" if is_dispute else "failed") if back in gone else ("lost" if is_dispute else "succeeded")
        kind = "dispute" if is_dispute else "refund"
        give_back(donations[which], (what + 1) * 5_00, kind=kind, name=f"{kind}_{donations[which].public_id}_{what}", status=status)
        gone ^= {back}
        if settle_now:
            issued(donations[which])
        db.session.commit()
    for donation in donations:
        issued(donation)
    db.session.execute(text("UPDATE outbox SET done_at = now() WHERE done_at IS NULL"))
    db.session.commit()
    assert books.findings(db.engine) == []
    kept = {d.id: 62_00 - sum((what + 1) * 5_00 for which, what in gone if donations[which].id == d.id) for d in donations}
    stands = {d.id: receipt.cents if (receipt := receipts.receipt_of(d.id)) else 0 for d in donations}
    assert stands == {donation: max(0, cents) for donation, cents in kept.items()}


def test_a_returned_gift_over_50_dollars_is_a_task_with_its_date(app: Flask, campaign: Campaign) -> None:
    small, big = paid(campaign, 200_00), paid(campaign, 200_00)
    for donation in (small, big):
        issued(donation)
    for donation, cents in ((small, 50_00), (big, 50_01)):
        give_back(donation, cents)
        issued(donation)
    (task,) = returned_gifts.open_tasks()
    assert (task.donation_id, task.receipted_cents, task.returned_cents) == (big.id, 200_00, 50_01)
    assert task.due_on - task.returned_on == timedelta(days=90)
    give_back(small, 10_00)
    issued(small)
    (_, parts) = returned_gifts.open_tasks()
    assert (parts.donation_id, parts.returned_cents) == (small.id, 60_00), "smaller parts count together"


def test_what_was_never_receipted_is_no_task(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 200_00)
    give_back(donation, 150_00)
    issued(donation)
    assert returned_gifts.open_tasks() == []


def test_a_correction_replaces_the_receipt_and_keeps_the_name_for_later_ones(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign, 100_00)
    owed.send_owed()
    receipt = receipt_desk.correct(donation, CORRECTED, actor="clerk@example.org", reason="misspelt")
    assert receipt.content["donor_name"] == "Sanâa Richard"
    owed.send_owed()
    assert attached(last_mail(post, donation)) == [receipt.file_name]
    give_back(donation, 10_00)
    db.session.commit()
    owed.send_owed()
    third = receipts.receipt_of(donation.id)
    assert (third.content["donor_name"], third.content["replaces"]) == ("Sanâa Richard", receipt.serial)
    assert "misspelt" in str(db.session.execute(text("SELECT detail FROM audit_entry ORDER BY id DESC LIMIT 1")).scalar_one())
    assert books.findings(db.engine) == []


def test_a_correction_of_nothing_is_refused(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    issued(donation)
    same = {field: getattr(donation, field) for field in CORRECTED}
    with pytest.raises(CannotDo) as refused:
        receipt_desk.correct(donation, same, actor="clerk@example.org", reason="x")
    assert refused.value.refusal is Refusal.NOTHING_CHANGED


def test_voiding_takes_two_people_and_nothing_is_issued_in_its_place(app: Flask, campaign: Campaign, post: object) -> None:
    donation = paid(campaign)
    owed.send_owed()
    receipt = receipts.receipt_of(donation.id)
    receipt_desk.ask_to_void(receipt, actor="one@example.org", reason="not a gift")
    (request,) = void_requests.open_requests()
    with pytest.raises(CannotDo) as refused:
        receipt_desk.decide_void(request, agrees=True, actor="ONE@example.org")
    assert refused.value.refusal is Refusal.ANOTHER_PERSON
    receipt_desk.decide_void(request, agrees=True, actor="two@example.org")
    owed.send_owed()
    assert "is cancelled" in said(last_mail(post, donation))
    assert issued(donation) is None
    assert serials() == [("1", "cancelled")]
    assert books.findings(db.engine) == []


def test_the_database_refuses_that_one_person_voids(app: Flask, campaign: Campaign) -> None:
    receipt = issued(paid(campaign))
    void_requests.ask(receipt, actor="one@example.org", reason="x")
    with pytest.raises(IntegrityError, match="two_people_void"):
        void_requests.decide(void_requests.open_for(receipt), agrees=True, actor="ONE@example.org")


def test_i14_the_database_refuses_a_second_receipt_that_stands(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    receipt = issued(donation)
    again = "INSERT INTO receipt_gift (receipt_id, donation_id, cents) SELECT :r, donation_id, cents FROM receipt_gift"
    other = issued(paid(campaign))
    with pytest.raises(IntegrityError, match="one_current_receipt"), db.session.begin_nested():
        db.session.execute(text(again + " WHERE receipt_id = :of"), {"r": other.id, "of": receipt.id})
    # Control: without the index the checker sees it.
    db.session.execute(text("DROP INDEX one_current_receipt"))
    db.session.execute(text(again + " WHERE receipt_id = :of"), {"r": other.id, "of": receipt.id})
    db.session.commit()
    assert any(sentence.startswith("I14") for sentence in books.findings(db.engine))


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE receipt_gift SET is_current = false",
        "UPDATE receipt_gift SET cents = 1",
        "DELETE FROM receipt_gift",
        "TRUNCATE receipt_gift",
        "UPDATE receipt SET content = '{}'",
        "UPDATE receipt_document SET pdf = 'x'",
        "UPDATE receipt_end SET because = 'lost'",
        "DELETE FROM receipt_end",
    ],
)
def test_i16_nothing_of_a_receipt_changes_after_issue(app: Flask, campaign: Campaign, post: object, sql: str) -> None:
    donation = paid(campaign)
    owed.send_owed()
    give_back(donation, 20_00)
    db.session.commit()
    owed.send_owed()
    with pytest.raises(DatabaseError, match="append-only"):
        db.session.execute(text(sql))


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("UPDATE receipt_gift SET cents = cents + 1", "I17"),
        ("UPDATE receipt SET content = jsonb_set(content, '{eligible_cents}', '1')", "I17"),
        ("UPDATE receipt SET number = number + 1", "I15"),
        ("UPDATE receipt_document SET pdf = 'x', sha256 = sha256('x') WHERE kind = 'none'; DELETE FROM receipt_gift", "I14"),
        ("INSERT INTO receipt_end (receipt_id, ended_as, because, actor, note) SELECT id, 'replaced', 'lost', 'x', '' FROM receipt", "I16"),
        ("UPDATE outbox SET message_id = NULL", "I18"),
        ("UPDATE hand_off SET outcome = 'unknown'", "I18"),
        ("INSERT INTO hand_off (outbox_id, sha256) SELECT outbox_id, 'x' FROM hand_off", "I18"),
    ],
)
def test_control_the_checker_sees_what_the_guards_would_refuse(
    app: Flask, campaign: Campaign, post: object, sql: str, finding: str
) -> None:
    paid(campaign)
    owed.send_owed()
    assert books.findings(db.engine) == []
    for table in ("receipt", "receipt_gift", "receipt_document", "hand_off"):
        db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    for statement in sql.split(";"):
        db.session.execute(text(statement))
    for table in ("receipt", "receipt_gift", "receipt_document", "hand_off"):
        db.session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    db.session.commit()
    assert finding in {sentence[:3] for sentence in books.findings(db.engine)}


def test_a_continuous_series_goes_on_over_the_years(app: Flask, campaign: Campaign) -> None:
    db.session.query(Charity).one().series = "continuous"
    first = issued(paid(campaign), now=datetime(2026, 12, 31, 12, tzinfo=UTC) + timedelta(days=1))
    second = issued(paid(campaign), now=datetime(2028, 1, 2, 12, tzinfo=UTC))
    assert (first.serial, second.serial) == ("000001", "000002")
    db.session.execute(text("UPDATE outbox SET done_at = now()"))
    db.session.commit()
    assert books.findings(db.engine) == []


def test_receipts_from_before_they_had_a_life_are_taken_over_and_given_back(app: Flask, client: FlaskClient, campaign: Campaign) -> None:
    """The migration keeps what was issued and mailed, byte for byte, and its way back does too."""
    donation = paid(campaign, 100_00)
    donation_id, token = donation.id, donation.token
    content = dict(issued(donation).content)
    db.session.rollback()
    for newer in ("is_bilingual", "received_in", "gifts", "replaces", "check_url", "is_test"):
        del content[newer]
    migrated("0017", command.downgrade)
    run = db.session.execute
    run(text("INSERT INTO receipt_series VALUES (1, 2026, 1)"))
    old = "INSERT INTO receipt (donation_id, charity_id, year, number, serial, content) VALUES (:d, 1, 2026, 1, '2026-000001', :c)"
    run(text(old), {"d": donation_id, "c": json.dumps(content)})
    run(text("INSERT INTO receipt_document (receipt_id, pdf, sha256) SELECT id, '%PDF old', sha256('%PDF old') FROM receipt"))
    run(text("UPDATE outbox SET done_at = now()"))
    db.session.commit()
    migrated("head", command.upgrade)
    donation = db.session.get_one(Donation, donation_id)
    assert client.get(f"/en/donations/{token}/receipt.pdf").data == b"%PDF old"
    assert issued(donation).serial == "2026-000001"
    give_back(donation, 40_00)
    assert issued(donation).content["replaces"] == "2026-000001"
    db.session.rollback()
    assert books.findings(db.engine) == []
    migrated("0017", command.downgrade)
    kept = run(text("SELECT r.donation_id, d.pdf FROM receipt r JOIN receipt_document d ON d.receipt_id = r.id")).one()
    assert (kept.donation_id, bytes(kept.pdf)) == (donation_id, b"%PDF old")
    migrated("head", command.upgrade)


def migrated(revision: str, how: Any) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    db.session.remove()
    with db.engine.connect() as connection:
        config.attributes["connection"] = connection
        how(config, revision)
        connection.commit()
