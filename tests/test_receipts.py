"""The lifecycle of an official receipt: issued once, brought up to date after reversals, replaced or cancelled but never changed."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.receipts import information_returns, receipt_actions, receipts, void_requests
from campaign.receipts.receipts import Receipt
from campaign.receipts.void_requests import VoidDecision
from campaign.reporting.integrity import checker
from campaign.staff import members
from campaign.texts.action_errors import ActionError, ActionRefused
from tests.conftest import Copied, Post
from tests.factories import create_managers, create_refund, issue_receipt, paid
from tests.mail import attached, last_email, pdf_text, text_of
from tests.scale import examples
from tests.web import CORRECTED


def serials() -> list[tuple[str, str]]:
    return [(r.serial[-1], receipts.status_of(r).value) for r in db.session.query(Receipt).order_by(Receipt.id)]


def valid_receipt(donation: Donation) -> Receipt:
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    return receipt


def issue(donation: Donation, *, now: datetime | None = None) -> Receipt:
    receipt = issue_receipt(donation, now=now)
    assert receipt
    return receipt


def test_a_full_refund_cancels_the_receipt_and_says_so(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00)
    send_jobs.send_due()
    receipt = valid_receipt(donation)
    create_refund(donation, 100_00)
    db.session.commit()
    send_jobs.send_due()
    assert serials() == [("1", "cancelled")]
    message = last_email(post, donation)
    assert f"Official receipt no. {receipt.serial}, which showed $100.00, is cancelled." in text_of(message)
    assert attached(message) == []
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(("language", "words"), [("en", "is cancelled and replaced by"), ("fr", "est annulé et remplacé par")])
def test_a_partial_refund_replaces_the_receipt_for_what_is_left(
    app: Flask, campaign: Campaign, post: Post, language: str, words: str
) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=3_30, language=language)
    send_jobs.send_due()
    first = valid_receipt(donation)
    create_refund(donation, 40_00)
    db.session.commit()
    send_jobs.send_due()
    second = valid_receipt(donation)
    assert serials() == [("1", "replaced"), ("2", "valid")]
    assert (second.cents, second.replaces_id, second.content["replaces"]) == (63_30, first.id, first.serial)
    message = last_email(post, donation)
    assert words in text_of(message)
    assert attached(message) == [second.file_name]
    (document,) = message.iter_attachments()
    assert f"{'Cancels and replaces receipt no.' if language == 'en' else 'Annule et remplace le reçu nº'} {first.serial}" in pdf_text(
        document.get_content()
    )
    assert checker.findings(db.engine) == []


def test_a_refund_before_the_receipt_reduces_its_amount(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00)
    create_refund(donation, 30_00)
    db.session.commit()
    send_jobs.send_due()
    assert (valid_receipt(donation).cents, serials()) == (70_00, [("1", "valid")])
    names = [name for _, to, m, _ in post.box.newest(100) if to == [donation.email] for name in attached(m)]
    assert len(names) == 1, "the receipt is sent in one email"
    assert checker.findings(db.engine) == []


def test_a_won_dispute_gets_a_new_receipt(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00)
    send_jobs.send_due()
    create_refund(donation, 100_00, kind="dispute", name="dp_1")
    db.session.commit()
    send_jobs.send_due()
    assert "Your bank has decided" in text_of(last_email(post, donation))
    create_refund(donation, 100_00, kind="dispute", name="dp_1", status="won")
    db.session.commit()
    send_jobs.send_due()
    assert serials() == [("1", "cancelled"), ("2", "valid")]
    message = last_email(post, donation)
    assert "has come back to us" in text_of(message)
    assert len(attached(message)) == 1
    assert checker.findings(db.engine) == []


def test_two_refunds_together_create_one_replacement(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00)
    send_jobs.send_due()
    create_refund(donation, 10_00)
    create_refund(donation, 15_00)
    db.session.commit()
    send_jobs.send_due()
    assert serials() == [("1", "replaced"), ("2", "valid")]
    assert valid_receipt(donation).cents == 75_00
    assert checker.findings(db.engine) == []


@settings(max_examples=examples(12), phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), max_size=12))
def test_i14_i17_receipts_state_what_the_charity_retains_whenever_they_are_brought_up_to_date(
    app: Flask, campaign: Campaign, changes: list[tuple[int, int, bool]]
) -> None:
    """Refunds and disputes of three donations are recorded and undone; receipts are brought up to date at random, and at the end."""
    donations = [paid(campaign, 60_00, covered_fee_cents=2_00) for _ in range(3)]
    reversed_now: set[tuple[int, int]] = set()
    for number, reversal, issue_now in changes:
        key = (number, reversal)
        is_dispute = reversal % 2 == 1
        status = ("won" if is_dispute else "failed") if key in reversed_now else ("lost" if is_dispute else "succeeded")
        kind = "dispute" if is_dispute else "refund"
        create_refund(
            donations[number], (reversal + 1) * 5_00, kind=kind, name=f"{kind}_{donations[number].public_id}_{reversal}", status=status
        )
        reversed_now ^= {key}
        if issue_now:
            issue_receipt(donations[number])
        db.session.commit()
    for donation in donations:
        issue_receipt(donation)
    db.session.execute(text("UPDATE outbox SET done_at = now() WHERE done_at IS NULL"))
    db.session.commit()
    assert checker.findings(db.engine) == []
    retained = {
        d.id: 62_00 - sum((reversal + 1) * 5_00 for number, reversal in reversed_now if donations[number].id == d.id) for d in donations
    }
    receipted = {d.id: receipt.cents if (receipt := receipts.receipt_of(d.id)) else 0 for d in donations}
    assert receipted == {donation: max(0, cents) for donation, cents in retained.items()}


def test_a_returned_donation_over_50_dollars_opens_an_information_return_with_its_due_date(app: Flask, campaign: Campaign) -> None:
    small, big = paid(campaign, 200_00), paid(campaign, 200_00)
    for donation in (small, big):
        issue_receipt(donation)
    for donation, cents in ((small, 50_00), (big, 50_01)):
        create_refund(donation, cents)
        issue_receipt(donation)
    (task,) = information_returns.list_open()
    assert (task.donation_id, task.receipted_cents, task.returned_cents) == (big.id, 200_00, 50_01)
    assert task.due_on - task.returned_on == timedelta(days=90)
    create_refund(small, 10_00)
    issue_receipt(small)
    (_, second_task) = information_returns.list_open()
    assert (second_task.donation_id, second_task.returned_cents) == (small.id, 60_00), "smaller refunds are added up"


def test_a_returned_donation_without_a_receipt_opens_no_information_return(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 200_00)
    create_refund(donation, 150_00)
    issue_receipt(donation)
    assert information_returns.list_open() == []


def test_a_correction_replaces_the_receipt_and_applies_to_later_ones(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00)
    send_jobs.send_due()
    receipt = receipt_actions.correct_details(donation, CORRECTED, actor="clerk@example.org", reason="misspelled", is_same_donor=True)
    assert receipt
    assert receipt.content["donor_name"] == "Sanâa Richard"
    send_jobs.send_due()
    assert attached(last_email(post, donation)) == [receipt.file_name]
    create_refund(donation, 10_00)
    db.session.commit()
    send_jobs.send_due()
    third = valid_receipt(donation)
    assert (third.content["donor_name"], third.content["replaces"]) == ("Sanâa Richard", receipt.serial)
    assert "misspelled" in str(db.session.execute(text("SELECT detail FROM audit_entry ORDER BY id DESC LIMIT 1")).scalar_one())
    assert checker.findings(db.engine) == []


def test_a_correction_that_changes_nothing_is_refused(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    issue_receipt(donation)
    same = {field: getattr(donation, field) for field in CORRECTED}
    with pytest.raises(ActionRefused) as error:
        receipt_actions.correct_details(donation, same, actor="clerk@example.org", reason="x")
    assert error.value.refusal is ActionError.NOTHING_CHANGED


def set_appointed_now(address: str, *, since: timedelta = timedelta()) -> None:
    member = members.find_member(address)
    assert member
    member.role_since = func.now() - since
    db.session.commit()


def test_a_void_takes_two_people_and_nothing_is_issued_in_its_place(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign)
    send_jobs.send_due()
    receipt = valid_receipt(donation)
    receipt_actions.request_void(receipt, actor="one@example.org", reason="not a gift")
    create_managers("one@example.org", "two@example.org", "three@example.org")
    set_appointed_now("three@example.org")
    (request,) = void_requests.list_open()
    for actor, refusal in (
        ("ONE@example.org", ActionError.ANOTHER_PERSON),
        ("three@example.org", ActionError.NEW_MANAGER),
        ("nobody@example.org", ActionError.NOT_A_MANAGER),
    ):
        with pytest.raises(ActionRefused) as error:
            receipt_actions.decide_void(request, agrees=True, actor=actor)
        assert error.value.refusal is refusal
    set_appointed_now("one@example.org")
    with pytest.raises(ActionRefused, match="new manager"):
        receipt_actions.decide_void(request, agrees=True, actor="two@example.org")
    set_appointed_now("one@example.org", since=members.APPOINTED_FOR)
    receipt_actions.decide_void(request, agrees=True, actor="two@example.org")
    send_jobs.send_due()
    assert "is cancelled" in text_of(last_email(post, donation))
    assert issue_receipt(donation) is None
    assert serials() == [("1", "cancelled")]
    assert checker.findings(db.engine) == []


def test_a_second_request_of_the_same_moment_is_refused(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = issue_receipt(paid(campaign))
    assert receipt
    receipt_actions.request_void(receipt, actor="one@example.org", reason="a trial")
    monkeypatch.setattr(void_requests, "open_for", lambda _: None)  # As it was when both looked.
    with pytest.raises(ActionRefused) as refused:
        receipt_actions.request_void(receipt, actor="two@example.org", reason="a trial too")
    assert refused.value.refusal is ActionError.VOID_IS_REQUESTED


def test_a_request_to_void_ends_when_no_receipt_takes_it_over(app: Flask, campaign: Campaign) -> None:
    """The receipt has ended, and its replacement is awaited until the rest is refunded too."""
    donation = paid(campaign, 300_00)
    receipt = issue_receipt(donation)
    assert receipt
    receipt_actions.request_void(receipt, actor="one@example.org", reason="a trial")
    donation.first_name = donation.last_name = ""
    create_refund(donation, 100_00)
    issue_receipt(donation)
    assert [request.receipt_id for request in void_requests.list_open()] == [receipt.id]
    create_refund(donation, 200_00)
    issue_receipt(donation)
    (request,) = void_requests.list_closed(receipt.id)
    assert (request.decision, request.decided_by, void_requests.list_open()) == ("ended", receipts.SYSTEM_ACTOR, [])


def test_a_receipt_that_a_refund_ends_at_the_same_moment_is_not_voided(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    donation = paid(campaign)
    receipt = issue_receipt(donation)
    assert receipt
    receipt_actions.request_void(receipt, actor="one@example.org", reason="a trial")
    create_refund(donation, donation.charged_cents)
    issue_receipt(donation)
    (request,) = void_requests.list_closed(receipt.id)
    assert (request.decision, request.decided_by, void_requests.list_open()) == ("ended", receipts.SYSTEM_ACTOR, [])
    create_managers("two@example.org")
    with pytest.raises(ActionRefused) as refused:
        receipt_actions.decide_void(request, agrees=True, actor="two@example.org")
    assert refused.value.refusal is ActionError.VOID_IS_DECIDED
    db.session.execute(text("UPDATE void_request SET decision = NULL, decided_by = NULL, decided_at = NULL"))
    db.session.commit()
    with pytest.raises(ActionRefused, match="no receipt"):
        receipt_actions.decide_void(request, agrees=True, actor="two@example.org")
    monkeypatch.setattr(receipts, "end_of", lambda _: None)  # As it was before the refund.
    with pytest.raises(ActionRefused, match="no receipt"):
        receipt_actions.decide_void(request, agrees=True, actor="two@example.org")


def test_the_database_refuses_a_void_by_one_person(app: Flask, campaign: Campaign) -> None:
    receipt = issue(paid(campaign))
    request = void_requests.create(receipt.id, actor="one@example.org", reason="x")
    with pytest.raises(IntegrityError, match="two_people_void"):
        void_requests.close(request, VoidDecision.AGREED, actor="ONE@example.org")


def test_a_request_to_void_goes_on_to_the_receipt_that_replaces_its_own(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    receipt = issue(donation)
    receipt_actions.request_void(receipt, actor="one@example.org", reason="not a gift")
    receipt_actions.replace_lost(donation, actor="clerk@example.org", reason="lost")
    new = valid_receipt(donation)
    (request,) = void_requests.list_open()
    assert (request.receipt_id, request.requested_by, request.reason) == (new.id, "one@example.org", "not a gift")
    (closed,) = void_requests.list_closed(receipt.id)
    assert (closed.decision, closed.requested_at) == ("moved", request.requested_at)
    create_managers("two@example.org")
    receipt_actions.decide_void(request, agrees=True, actor="two@example.org")
    assert (serials(), void_requests.list_open()) == ([("1", "replaced"), ("2", "cancelled")], [])


@pytest.mark.owner
def test_i14_the_database_refuses_a_second_valid_receipt(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    receipt = issue(donation)
    duplicate = "INSERT INTO receipt_line (receipt_id, donation_id, cents) SELECT :r, donation_id, cents FROM receipt_line"
    other = issue(paid(campaign))
    with pytest.raises(IntegrityError, match="one_current_receipt"), db.session.begin_nested():
        db.session.execute(text(duplicate + " WHERE receipt_id = :of"), {"r": other.id, "of": receipt.id})
    # Control: without the index, the checker finds the duplicate.
    db.session.execute(text("DROP INDEX one_current_receipt"))
    db.session.execute(text(duplicate + " WHERE receipt_id = :of"), {"r": other.id, "of": receipt.id})
    db.session.commit()
    assert any(sentence.startswith("I14") for sentence in checker.findings(db.engine))


CHANGES = [
    "UPDATE receipt_line SET is_current = false",
    "UPDATE receipt_line SET cents = 1",
    "DELETE FROM receipt_line",
    "TRUNCATE receipt_line",
    "UPDATE receipt SET content = '{}'",
    "UPDATE receipt_document SET pdf = 'x'",
    "UPDATE receipt_end SET reason = 'lost'",
    "DELETE FROM receipt_end",
]


@pytest.mark.owner
def test_i16_nothing_of_a_receipt_changes_after_issue(campaign: Campaign, post: Post) -> None:
    donation = paid(campaign)
    send_jobs.send_due()
    create_refund(donation, 20_00)
    db.session.commit()
    send_jobs.send_due()
    for sql in CHANGES:
        with pytest.raises(DatabaseError, match="append-only"), db.session.begin_nested():
            db.session.execute(text(sql))


REFUSED = [
    ("UPDATE receipt_line SET cents = cents + 1", "I17"),
    ("UPDATE receipt SET content = jsonb_set(content, '{eligible_cents}', '1')", "I17"),
    ("UPDATE receipt SET number = number + 1", "I15"),
    ("UPDATE receipt_document SET pdf = 'x', sha256 = sha256('x') WHERE kind = 'none'; DELETE FROM receipt_line", "I14"),
    ("INSERT INTO receipt_end (receipt_id, ended_as, reason, actor, note) SELECT id, 'replaced', 'lost', 'x', '' FROM receipt", "I16"),
    ("UPDATE outbox SET message_id = NULL", "I18"),
    ("UPDATE delivery_attempt SET outcome = 'unknown'", "I18"),
    ("INSERT INTO delivery_attempt (outbox_id, sha256) SELECT outbox_id, 'x' FROM delivery_attempt", "I18"),
]


@pytest.mark.owner
def test_control_the_checker_finds_what_the_guards_would_refuse(campaign: Campaign, post: Post, copied: Copied) -> None:
    paid(campaign)
    send_jobs.send_due()
    assert checker.findings(db.engine) == []
    tables = ("receipt", "receipt_line", "receipt_document", "delivery_attempt")
    for sql, finding in REFUSED:
        with copied():
            for table in tables:
                db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            for statement in sql.split(";"):
                db.session.execute(text(statement))
            for table in tables:
                db.session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
            db.session.commit()
            assert finding in {sentence[:3] for sentence in checker.findings(db.engine)}, sql


def test_a_continuous_series_continues_across_years(app: Flask, campaign: Campaign) -> None:
    db.session.query(Charity).one().series = "continuous"
    first = issue(paid(campaign), now=datetime(2026, 12, 31, 12, tzinfo=UTC) + timedelta(days=1))
    second = issue(paid(campaign), now=datetime(2028, 1, 2, 12, tzinfo=UTC))
    assert (first.serial, second.serial) == ("000001", "000002")
    db.session.execute(text("UPDATE outbox SET done_at = now()"))
    db.session.commit()
    assert checker.findings(db.engine) == []
