"""The confirmation of the charity's details: by whom, of what, what clears it, and what happens to receipts without it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.cli import main
from campaign.config import Settings
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.outbox import waiting_receipts
from campaign.receipts import (
    annual_jobs,
    charity_confirmations,
    confirmation_actions,
    information_returns,
    printed_pictures,
    receipt_actions,
    receipts,
)
from campaign.receipts.charity_confirmations import CharityConfirmation
from campaign.receipts.completeness import CONFIRMATION
from campaign.receipts.confirmation_actions import AlreadyConfirmed
from campaign.receipts.printed_pictures import Logo
from campaign.receipts.receipts import Receipt, ReceiptIncomplete
from campaign.reporting import staff_todo, totals
from campaign.reporting.integrity import checker
from campaign.rules.charity_details import CONFIRMED, CONTACTS, EXAMPLES, PICTURES, Detail
from campaign.staff import members
from campaign.staff.audit import AuditEntry
from campaign.staff.members import Staff
from tests.commands import run_command
from tests.conftest import Post
from tests.factories import (
    REAL_DETAILS,
    confirm_charity,
    create_refund,
    issue_receipt,
    paid,
    pay,
    pay_with_annual_receipt,
    png_picture,
    record_samples,
    set_real_details,
    start_donation,
)
from tests.mail import attached, last_email, make_due, pdf_text, text_of
from tests.web import CORRECTED, environment_of, open_page, signed_in, submit

PAGE = "/staff/charity"
NOT_REAL = {
    Detail.LEGAL_NAME: "",
    Detail.NAME_EN: " ",
    Detail.NAME_FR: "",
    **{Detail(name): list(value) if isinstance(value, tuple) else value for name, value in vars(EXAMPLES).items()},
    Detail.SIGNATURE: None,
    Detail.EMAIL: "info@example.org",
    Detail.WEBSITE: "https://www.example.com",
    Detail.PRIVACY_OFFICER: "privacy@charity.invalid",
}


def run(app: Flask, *arguments: str) -> Result:
    result = app.test_cli_runner().invoke(main.campaign, list(arguments), standalone_mode=False)
    db.session.expire_all()
    return result


def fingerprint() -> str:
    return charity_confirmations.fingerprint_of(db.session.query(Charity).one())


def is_confirmed() -> bool:
    db.session.expire_all()
    return db.session.query(Charity).one().confirmed_at is not None


def with_real_money(donation: Donation) -> Donation:
    donation.livemode = True
    db.session.commit()
    return donation


def states() -> list[tuple[int, str]]:
    return [(receipt.cents, receipts.status_of(receipt).value) for receipt in db.session.query(Receipt).order_by(Receipt.id)]


def unconfirm() -> None:
    db.session.execute(text("UPDATE charity SET signatory_title_en = signatory_title_en || ','"))
    db.session.commit()
    assert not is_confirmed()


def confirm_again() -> None:
    db.session.execute(text("UPDATE charity SET signatory_title_en = rtrim(signatory_title_en, ',')"))
    db.session.commit()
    confirm_charity()


@contextmanager
def altered(receipt: Receipt, change: str) -> Iterator[None]:
    """The receipt as an owner without scruples leaves it, until the end of the block."""
    before = {"id": receipt.id, "content": json.dumps(receipt.content), "confirmation": receipt.confirmation_id}
    db.session.commit()

    def update(statement: str) -> None:
        db.session.execute(text("ALTER TABLE receipt DISABLE TRIGGER append_only"))
        db.session.execute(text(f"UPDATE receipt SET {statement} WHERE id = :id"), before)
        db.session.execute(text("ALTER TABLE receipt ENABLE TRIGGER append_only"))
        db.session.commit()

    update(change)
    yield
    update("content = CAST(:content AS jsonb), confirmation_id = :confirmation")


def send_all() -> None:
    make_due()
    send_jobs.send_due()


@pytest.mark.parametrize("way", ["command", "page"])
def test_a_charity_with_one_detail_that_is_not_real_cannot_be_confirmed(app: Flask, campaign: Campaign, way: str) -> None:
    client, opened_by = signed_in(app, "admin"), "command line" if way == "command" else "member@example.org"
    for detail, value in NOT_REAL.items():
        record_samples(set_real_details(**{detail.value: value}), opened_by=opened_by)
        if way == "command":
            result = run(app, "charity", "confirm", "--by", "Anne", "--sample", fingerprint())
            assert f"not everything is real: {detail.value.replace('_', '-')};" in str(result.exception)
        else:
            page = open_page(client, PAGE)
            assert page.text.count('<span class="to-do wrong">') == 1, detail
            assert submit(client, page, f"{PAGE}/confirmations", looked="yes", fingerprint=fingerprint()).status_code == 303
        assert not is_confirmed(), detail
    record_samples(set_real_details(), opened_by=opened_by)  # The control: with real details both ways confirm.
    if way == "command":
        assert run(app, "charity", "confirm", "--by", "Anne", "--sample", fingerprint()).exception is None
    else:
        submit(client, open_page(client, PAGE), f"{PAGE}/confirmations", looked="yes", fingerprint=fingerprint())
    assert is_confirmed()
    assert db.session.query(AuditEntry).filter_by(action="confirmed the charity's details").one().detail == {"fingerprint": fingerprint()}


def test_a_command_without_a_terminal_takes_the_fingerprint_of_a_sample_of_the_details_as_they_are(
    app: Flask, campaign: Campaign, tmp_path: Path
) -> None:
    set_real_details()
    assert "campaign charity sample FILE" in str(run(app, "charity", "confirm", "--by", "Anne").exception)
    assert "make samples" in str(run(app, "charity", "confirm", "--by", "Anne", "--sample", "0123456789ab").exception)
    assert "--language en" in str(run(app, "charity", "confirm", "--by", "Anne", "--sample", fingerprint()).exception), "none was made"
    sample = tmp_path / "sample.pdf"
    assert fingerprint() not in run(app, "charity", "sample", str(sample), "--language", "fr").output, "it is on the sample alone"
    words = pdf_text(sample.read_bytes())
    assert [
        word for word in ("SPÉCIMEN", "Nerve Research Foundation", "123456782RR0001", "Trésorière", fingerprint()) if word not in words
    ] == []
    printed = fingerprint()
    in_english = str(run(app, "charity", "confirm", "--by", "Anne", "--sample", printed).exception)
    assert "--language en" in in_english and "--language fr" not in in_english
    assert db.session.query(Receipt).count() == 0
    set_real_details(signatory_name="Another Person")
    assert "make samples" in str(run(app, "charity", "confirm", "--by", "Anne", "--sample", printed).exception)
    assert "cannot be written" in str(run(app, "charity", "sample", str(tmp_path / "no" / "file.pdf")).exception)
    assert "who confirms" in str(run(app, "charity", "confirm", "--by", " ", "--sample", fingerprint()).exception)
    assert not is_confirmed()
    record_samples(db.session.query(Charity).one(), opened_by="command line")
    assert "Confirmed by Anne" in run(app, "charity", "confirm", "--by", " Anne ", "--sample", fingerprint()).output
    assert "by Anne" in run(app, "charity", "show").output
    assert "confirmed already" in str(run(app, "charity", "confirm", "--by", "Bea", "--sample", fingerprint()).exception)
    (row,) = db.session.query(CharityConfirmation)
    assert (row.actor, row.opened_by, row.fingerprint) == ("Anne", "command line", fingerprint())
    assert row.at == db.session.query(Charity).one().confirmed_at


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 2)])
def test_at_a_terminal_a_person_sees_the_details_and_a_sample_and_says_yes(settings: Settings, app: Flask, typed: str, code: int) -> None:
    set_real_details()
    done = run_command("charity", "confirm", "--by", "Anne", environment=environment_of(settings), typed=typed)
    assert (done.returncode, is_confirmed()) == (code, code == 0), done.stderr
    assert "registration-number: 123456782RR0001" in done.stdout
    paths = [Path(line.split(": ")[1]) for line in done.stdout.splitlines() if line.startswith("sample receipt: ")]
    assert ["Official donation receipt" in pdf_text(path.read_bytes()) for path in paths] == [True, False]
    assert done.stderr.count("\n") == (0 if code == 0 else 1)


@pytest.mark.owner
def test_a_changed_detail_clears_the_confirmation_whoever_changes_it(app: Flask, campaign: Campaign) -> None:
    changes = {detail.value: f"{detail.value} || 'x'" for detail in CONFIRMED if detail not in {Detail.ADDRESS, *PICTURES}}
    logo = f"'{printed_pictures.store(Logo, png_picture(90))}'"
    for column, value in {**changes, "address": "address || 'Canada'::text", "signature": "NULL", "logo": logo}.items():
        confirm_charity()
        db.session.execute(text(f"UPDATE charity SET {column} = {value}, confirmed_at = confirmed_at"))
        db.session.commit()
        assert not is_confirmed(), column
    confirm_charity()
    new = ", ".join(f"{detail.value} = {detail.value} || 'x'" for detail in CONTACTS)
    db.session.execute(text(f"UPDATE charity SET {new}, address = address, series = 'continuous'"))
    db.session.commit()
    assert is_confirmed()
    assert checker.findings(db.engine) == []
    db.session.execute(text("ALTER TABLE charity DISABLE TRIGGER changed_detail_is_unconfirmed"))  # The control.
    db.session.execute(text("UPDATE charity SET signatory_name = 'Nobody'"))
    db.session.commit()
    assert is_confirmed()
    assert [finding for finding in checker.findings(db.engine) if finding.startswith("I16: nobody has confirmed")]


@pytest.mark.owner
def test_a_moment_that_nobody_confirmed_at_is_refused_and_confirmations_never_change(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    for refused in (
        "UPDATE charity SET confirmed_at = now() + interval '1 second'",
        "INSERT INTO charity SELECT (jsonb_populate_record(c, '{\"id\": 77}')).* FROM charity c",
        "UPDATE charity_confirmation SET actor = 'somebody else'",
        "DELETE FROM charity_confirmation",
    ):
        with pytest.raises(DatabaseError, match=r"nobody confirmed|append-only"):
            db.session.execute(text(refused))
        db.session.rollback()
    db.session.execute(text("ALTER TABLE charity DISABLE TRIGGER confirmed_later"))  # The control.
    db.session.execute(text("UPDATE charity SET confirmed_at = now() + interval '1 second'"))
    db.session.commit()
    assert [finding for finding in checker.findings(db.engine) if finding.startswith("I16: nobody has confirmed")]


def test_a_partial_refund_without_a_confirmation_cancels_the_receipt_and_confirming_replaces_it(
    app: Flask, campaign: Campaign, post: Post
) -> None:
    confirm_charity()
    donation = with_real_money(paid(campaign, 200_00))
    send_jobs.send_due()
    (first,) = db.session.query(Receipt)
    unconfirm()
    create_refund(donation, 80_00)
    db.session.commit()
    send_jobs.send_due()
    assert states() == [(200_00, "cancelled")]
    ended = receipts.end_of(first)
    assert ended and (ended.reason, ended.awaits_replacement) == ("returned", True)
    assert [task.returned_cents for task in information_returns.list_open()] == [80_00]
    assert [(waiting.missing, waiting.count) for waiting in totals.receipts_waiting()] == [([CONFIRMATION], 1)]
    assert "confirmation of the charity" in open_page(signed_in(app, "viewer"), "/staff/receipts").text
    words = text_of(last_email(post, donation))
    assert "is cancelled" in words and "A new receipt, for the rest of your gift, will follow" in words
    assert checker.findings(db.engine) == []
    send_all()
    create_refund(donation, 20_00)
    db.session.commit()
    send_all()
    assert states() == [(200_00, "cancelled")]
    confirm_again()
    send_jobs.send_due()
    assert states() == [(200_00, "cancelled"), (100_00, "valid")]
    second = receipts.receipt_of(donation.id)
    assert second and (second.replaces_id, second.content["replaces"]) == (first.id, first.serial)
    message = last_email(post, donation)
    assert f"no. {first.serial}, which showed $200.00, is cancelled and replaced by no. {second.serial}" in text_of(message)
    assert attached(message) == [second.file_name]
    assert (totals.receipts_waiting(), checker.findings(db.engine)) == ([], [])


@pytest.mark.owner
def test_control_a_receipt_for_more_than_is_retained_is_found_when_nothing_ends_it(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 200_00)
    send_jobs.send_due()
    create_refund(donation, 80_00)
    db.session.execute(text("UPDATE outbox SET done_at = now() WHERE kind = 'reversal'"))
    db.session.commit()
    assert [finding[:4] for finding in checker.findings(db.engine)] == ["I17:", "I17:"], "nor is it reported"
    donation.first_name = donation.last_name = ""
    db.session.execute(text("UPDATE outbox SET done_at = NULL WHERE kind = 'reversal'"))
    db.session.commit()
    send_all()
    assert states() == [(200_00, "cancelled")]
    db.session.execute(text("UPDATE outbox SET done_at = now() WHERE kind = 'receipt_copy'"))
    db.session.commit()
    assert [finding[:4] for finding in checker.findings(db.engine)] == ["I14:"], "a wait that is lost is found"


def test_an_annual_receipt_is_replaced_for_the_gifts_that_are_left(app: Flask, campaign: Campaign, post: Post) -> None:
    confirm_charity()
    returned, left = pay_with_annual_receipt(campaign, datetime(2025, 5, 5, tzinfo=UTC), datetime(2025, 6, 5, tzinfo=UTC))
    for donation in (returned, left):
        with_real_money(donation)
    charity = db.session.query(Charity).one()
    assert annual_jobs.issue_for(charity, 2025).issued == 1
    send_jobs.send_due()
    unconfirm()
    create_refund(returned, 10_00)
    db.session.commit()
    send_jobs.send_due()
    create_refund(returned, 15_00)
    db.session.commit()
    send_all()
    assert (states(), checker.findings(db.engine)) == ([(50_00, "cancelled")], [])
    confirm_again()
    assert annual_jobs.issue_for(charity, 2025).issued == 0, "the receipt that names the cancelled one is issued instead"
    send_jobs.send_due()
    assert states() == [(50_00, "cancelled"), (25_00, "valid")]
    first, second = db.session.query(Receipt).order_by(Receipt.id)
    assert (second.content["received_in"], second.content["replaces"], receipts.receipt_of(left.id)) == (2025, first.serial, second)
    assert attached(last_email(post, left)) == [second.file_name]
    assert checker.findings(db.engine) == []


def test_annual_receipts_that_cannot_be_issued_wait_where_staff_see_them(app: Flask, campaign: Campaign, post: Post) -> None:
    (donation,) = pay_with_annual_receipt(campaign, datetime(2025, 5, 5, tzinfo=UTC))
    with_real_money(donation)
    charity = db.session.query(Charity).one()
    send_jobs.send_due()
    for _ in range(2):
        assert annual_jobs.issue_for(charity, 2025).incomplete == 1
        send_all()
        assert [(waiting.missing, waiting.count) for waiting in totals.receipts_waiting()] == [([CONFIRMATION], 1)]
    confirm_charity()
    send_jobs.send_due()
    send_jobs.send_due()
    assert states() == [(25_00, "valid")]
    assert "Thank you for your gifts to" in text_of(last_email(post, donation))
    assert waiting_receipts.list_oldest(campaign.charity, limit=9) == []


def test_money_that_is_reinstated_without_a_confirmation_gets_its_receipt_afterwards(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    donation = with_real_money(paid(campaign, 100_00))
    send_jobs.send_due()
    create_refund(donation, 100_00, kind="dispute", name="dp_1")
    db.session.commit()
    send_jobs.send_due()
    unconfirm()
    create_refund(donation, 100_00, kind="dispute", name="dp_1", status="won")
    db.session.commit()
    send_jobs.send_due()
    assert (states(), checker.findings(db.engine)) == ([(100_00, "cancelled")], [])
    assert sum(waiting.count for waiting in totals.receipts_waiting()) == 1
    confirm_again()
    send_jobs.send_due()
    assert states() == [(100_00, "cancelled"), (100_00, "valid")]


def test_a_correction_is_stored_while_its_receipt_waits_and_is_refused_while_another_is_valid(app: Flask, campaign: Campaign) -> None:
    donation = start_donation(campaign, 100_00, address_line1="", city="", province="", postal_code="")
    pay(donation)
    with_real_money(donation)
    send_jobs.send_due()
    person = {**CORRECTED, "province": "QC", "postal_code": "H7A 1A1"}
    assert receipt_actions.correct_details(donation, person, actor="clerk@example.org", reason="by phone", is_same_donor=True) is None
    assert donation.city == "Laval"
    send_jobs.send_due()
    assert [waiting.missing for waiting in totals.receipts_waiting()] == [[CONFIRMATION]]
    confirm_charity()
    send_jobs.send_due()
    assert states() == [(100_00, "valid")]
    unconfirm()
    with pytest.raises(ReceiptIncomplete, match="confirmation"):
        receipt_actions.correct_details(donation, {**person, "city": "Gatineau"}, actor="clerk@example.org", reason="moved")
    db.session.expire_all()
    assert (donation.city, states()) == ("Laval", [(100_00, "valid")])


def test_a_session_that_read_the_details_before_they_changed_issues_nothing(app: Flask, campaign: Campaign) -> None:
    charity = confirm_charity()
    donation = with_real_money(paid(campaign, 100_00))
    assert donation.campaign.charity is charity
    with db.engine.begin() as another:
        another.execute(text("UPDATE charity SET legal_name = 'Another Foundation'"))
    assert charity.confirmed_at is not None, "the session does not know yet"
    with pytest.raises(ReceiptIncomplete, match="confirmation"):
        issue_receipt(donation)


def test_staff_confirm_on_the_page_the_samples_that_they_opened(app: Flask, campaign: Campaign) -> None:
    set_real_details()
    viewer, manager, admin = (signed_in(app, role, address=f"{role}@example.org") for role in ("viewer", "manager", "admin"))
    assert "An administrator confirms them" in open_page(viewer, PAGE).text
    for language, label in (("en", "Official donation receipt"), ("fr", "Reçu officiel de don")):
        pdf = open_page(viewer, f"{PAGE}/sample-{language}.pdf")
        assert label in pdf_text(pdf.data)
        assert pdf.headers["Content-Disposition"].startswith("inline")
    with app.app_context():
        assert manager.post(f"{PAGE}/confirmations", data={"csrf_token": "x"}).status_code in {400, 403}
    page = open_page(admin, PAGE)

    def refusal(**fields: str) -> str:
        refused = submit(admin, page, f"{PAGE}/confirmations", **{"looked": "yes", "fingerprint": fingerprint(), **fields})
        assert (refused.status_code, is_confirmed()) == (422, False)
        assert 'aria-describedby="looked-error"' in refused.text
        return refused.text

    assert "tick the box" in refusal(looked="")
    assert "you have not opened the sample receipts" in refusal(), "what a viewer opened is not what the administrator opened"
    record_samples(db.session.query(Charity).one(), opened_by="viewer@example.org")
    opened = open_page(admin, f"{PAGE}/sample-en.pdf")
    assert fingerprint() in pdf_text(opened.data)
    assert "sample receipt in French" in refusal()
    before = record_samples(db.session.query(Charity).one(), opened_by="admin@example.org")
    assert open_page(admin, PAGE).text.count("opened by you") == 2
    set_real_details(name_fr="Fondation des nerfs")
    assert "have changed since you opened" in refusal(fingerprint=before)
    assert "have changed since you opened" in refusal(), "the page is new, but the samples are not"
    assert "opened by you" not in open_page(admin, PAGE).text
    record_samples(db.session.query(Charity).one(), opened_by="admin@example.org")
    submit(admin, page, f"{PAGE}/confirmations", looked="yes", fingerprint=fingerprint())
    confirmed = open_page(viewer, PAGE).text
    assert "admin@example.org confirmed these details" in confirmed
    assert "Confirm the details" not in open_page(admin, PAGE).text
    again = submit(admin, page, f"{PAGE}/confirmations", looked="yes", fingerprint=fingerprint())
    assert (again.status_code, db.session.query(CharityConfirmation).count()) == (303, 1)


def test_of_two_people_who_confirm_at_once_one_confirms(app: Flask, campaign: Campaign) -> None:
    charity = set_real_details()
    people = ["a@example.org", "b@example.org"]
    for person in people:
        sample = record_samples(charity, opened_by=person)
    db.session.remove()
    start = Barrier(2)

    def confirm(person: str) -> str:
        with app.app_context():
            found = db.session.query(Charity).one()
            start.wait()
            try:
                confirmation_actions.confirm(found, sample=sample, actor=person, opened_by=person)
            except AlreadyConfirmed:
                return "late"
            finally:
                db.session.remove()
            return "confirmed"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(confirm, people)) == ["confirmed", "late"]
    assert (db.session.query(CharityConfirmation).count(), checker.findings(db.engine)) == (1, [])


def test_an_administrator_who_is_one_no_longer_confirms_nothing_and_a_new_one_opens_the_samples_first(
    app: Flask, campaign: Campaign
) -> None:
    charity = set_real_details()
    added = {
        name: signed_in(app, role, address=f"{name}@example.org") for name, role in (("was", "admin"), ("new", "viewer"), ("x", "admin"))
    }
    pages = {name: open_page(client, PAGE) for name, client in added.items()}
    sample = record_samples(charity, opened_by="was@example.org")
    for name, role in (("was", "viewer"), ("new", "admin")):
        members.change_role(db.session.query(Staff).filter_by(email=f"{name}@example.org").one(), role)
    db.session.commit()
    for name in ("was", "new"):
        refused = submit(added[name], pages[name], f"{PAGE}/confirmations", looked="yes", fingerprint=sample)
        assert refused.status_code in {302, 403}, "their sessions ended"
    again = signed_in(app, "admin", address="new@example.org")
    refused = submit(again, open_page(again, PAGE), f"{PAGE}/confirmations", looked="yes", fingerprint=sample)
    assert (refused.status_code, "you have not opened" in refused.text, is_confirmed()) == (422, True, False)


def test_the_page_shows_all_that_is_printed_or_decides_about_receipts(app: Flask, campaign: Campaign) -> None:
    charity = set_real_details(registration_number="123456789RR0001", series="continuous", bilingual_receipts=True, fiscal_year_end="03-01")
    charity.logo = printed_pictures.store(Logo, png_picture(90))
    db.session.commit()
    client = signed_in(app, "viewer")
    shown = {
        "en": (
            "Nerve Research Foundation",
            "Its check digit is wrong",
            "000001",
            "both on one page",
            "March 1",
            "on line 12",
            "America/Toronto",
        ),
        "fr": (
            "Trésorière",
            "Le chiffre de contrôle est faux",
            "000001",
            "les deux sur une page",
            "1er mars",
            "à la ligne 12",
            "America/Toronto",
        ),
    }
    for language, words in shown.items():
        page = open_page(client, f"{PAGE}?lang={language}").text
        assert [word for word in words if word not in page] == []
        assert page.count("data:image/png;base64,") == 2
    assert "/staff/charity/pictures" not in page, "a viewer changes nothing"


def test_a_sample_that_was_asked_for_without_its_pages_was_not_opened(app: Flask, campaign: Campaign) -> None:
    client = signed_in(app, "admin")
    for language in ("en", "fr"):
        assert client.head(f"{PAGE}/sample-{language}.pdf").status_code == 200
    assert db.session.execute(text("SELECT count(*) FROM opened_sample")).scalar_one() == 0


def test_the_service_cannot_put_an_earlier_confirmation_in_force_nor_one_of_nothing(app: Flask, campaign: Campaign) -> None:
    charity = confirm_charity()
    charity_id, earlier = charity.id, charity.confirmed_at
    set_real_details(legal_name="Another Foundation")
    current = record_samples(charity, opened_by="x@example.org")
    confirmation = (
        "INSERT INTO charity_confirmation (charity_id, actor, opened_by, fingerprint) VALUES ({id}, 'x', '{by}', '{fingerprint}');"
        " UPDATE charity SET confirmed_at = now() WHERE id = {id}"
    )
    for refused in (
        f"UPDATE charity SET confirmed_at = '{earlier}'",
        f"UPDATE charity SET confirmed_at = '{earlier}', legal_name = '{REAL_DETAILS['legal_name']}'; UPDATE charity SET confirmed_at = '{earlier}'",
        "INSERT INTO charity_confirmation (charity_id, at, actor, opened_by, fingerprint) SELECT id, now(), 'x', 'x', '' FROM charity",
        confirmation.format(id=charity_id, by="x@example.org", fingerprint=""),
        confirmation.format(id=charity_id, by="x@example.org", fingerprint="0123456789ab"),
        confirmation.format(id=charity_id, by="nobody@example.org", fingerprint=current),
        confirmation.format(id=charity_id, by="x@example.org", fingerprint=current).replace(
            "; UPDATE", "; UPDATE charity SET place_of_issue = 'Laval'; UPDATE"
        ),
    ):
        with pytest.raises(DatabaseError, match=r"nobody confirmed|is_of_details|were_opened|permission denied"):
            db.session.execute(text(refused))
        db.session.rollback()
    assert not is_confirmed()
    db.session.execute(text(confirmation.format(id=charity_id, by="x@example.org", fingerprint=current)))
    db.session.commit()
    (finding,) = checker.findings(db.engine)
    assert finding.startswith("I16: x confirmed the details of the charity at"), "what is done by SQL is not in the audit trail"


@pytest.mark.owner
def test_a_receipt_for_real_money_states_what_was_confirmed_when_it_was_issued(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    donation, another = with_real_money(paid(campaign, 200_00)), paid(campaign, 50_00)
    send_jobs.send_due()
    first, test = db.session.query(Receipt).order_by(Receipt.id)
    (confirmation,) = db.session.query(CharityConfirmation)
    assert (first.confirmation_id, test.confirmation_id) == (confirmation.id, None)
    set_real_details(signatory_title_fr="Présidente", logo=printed_pictures.store(Logo, png_picture(90)))
    copied = "INSERT INTO receipt SELECT (jsonb_populate_record(r, jsonb_build_object('id', 99, 'number', 9, 'check_code', 'x', 'serial', 'y'))).* FROM receipt r WHERE r.id = 1"
    with pytest.raises(DatabaseError, match="receipt_is_confirmed"):
        db.session.execute(text(copied))
    db.session.rollback()
    db.session.query(Charity).one().bilingual_receipts = True
    confirm_charity(signatory_title_fr="Présidente")
    with pytest.raises(DatabaseError, match="states_confirmed_details"):
        db.session.execute(text(copied))
    db.session.rollback()
    later = issue_receipt(with_real_money(paid(campaign, 30_00)))
    assert later and later.content["signatory_title"] == "Treasurer / Présidente"
    db.session.commit()
    serial, first_confirmation = later.serial, confirmation.id
    assert (later.confirmation_id != first_confirmation, checker.findings(db.engine)) == (True, [])
    # The controls.
    for change, finding in (
        ("content = jsonb_set(content, '{place_of_issue}', '\"Laval\"')", "nobody had confirmed"),
        ("content = jsonb_set(content, '{logo}', '\"\"')", "nobody had confirmed"),
        ("content = jsonb_set(content, '{signatory_title}', '\"Treasurer\"')", "nobody had confirmed"),
        (f"confirmation_id = {first_confirmation}", "nobody had confirmed"),
        ("confirmation_id = NULL", "nobody had confirmed"),
        ("content = content || '{\"is_test\": true}'", "is marked as a test, but is for real money"),
    ):
        with altered(later, change):
            assert [one for one in checker.findings(db.engine) if one.startswith(f"I16: receipt {serial} ") and finding in one], change
    assert checker.findings(db.engine) == []
    another.livemode = donation.livemode
    db.session.commit()
    assert [one for one in checker.findings(db.engine) if "is marked as a test, but is for real money" in one]


@pytest.mark.parametrize("is_live", [True, False])
def test_with_real_money_unconfirmed_details_are_a_task_on_the_dashboard(app: Flask, campaign: Campaign, is_live: bool) -> None:
    services = app.extensions["services"]
    app.extensions["services"] = replace(services, settings=services.settings.model_copy(update={"stripe_livemode": is_live}))
    assert (staff_todo.todo_of(campaign).unconfirmed, staff_todo.todo_of(campaign).unreachable) == ((1, 2) if is_live else (0, 0))
    page = open_page(signed_in(app, "viewer"), "/staff/").text
    assert {words in page for words in ("details are not confirmed", "2 addresses at which donors reach the charity")} == {is_live}
    confirm_charity()
    db.session.expire_all()
    assert (staff_todo.todo_of(campaign).unconfirmed, staff_todo.todo_of(campaign).unreachable) == (0, 0)
