"""Imports of gifts that were paid without Stripe: previewed, corrected, confirmed once, and undone as a whole."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.payments import deposits
from campaign.payments.deposits import DepositSlip
from campaign.receipts import gift_import_jobs, gift_imports, offline_gift_actions, receipts
from campaign.receipts.gift_imports import GiftImport, GiftImportRow, RowState
from campaign.reporting.integrity import checker
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.staff.audit import AuditEntry
from campaign.web.staff.offline_gift_form import OfflineGiftForm
from tests.factories import issue_receipt, today
from tests.imported_files import PATH, chosen_columns, confirm, line, previewed, upload
from tests.mail import make_due
from tests.offline_gifts import CLERK, cheque, reversed_gift
from tests.web import hidden_fields, open_page, signed_in, submit


def states() -> dict[str, int]:
    db.session.expire_all()
    found: dict[str, int] = {}
    for row in db.session.query(GiftImportRow):
        found[row.state] = found.get(row.state, 0) + 1
    return found


def test_two_hundred_rows_with_five_errors(app: Flask, campaign: Campaign, fund: Fund) -> None:
    client = signed_in(app, "clerk")
    wrong = [
        line(196, amount="1,234"),
        line(197, date="31/31/2026"),
        line(198, last=""),
        line(199, method="Visa"),
        line(200, postal="M5V 3L9"),
    ]
    path, page = previewed(client, *(line(number) for number in range(1, 196)), *wrong)
    assert "195 rows are ready: $21,060.00" in page.text and "Matched with about $21,060.00, as an estimate" in page.text
    for reason in (
        "“1,234” may be thousands or decimals",
        "“31/31/2026” is not a day",
        "Last name: Please write the last name.",
        "“Visa” is none of the ways to pay",
        "This postal code does not go with the province",
    ):
        assert reason in page.text, reason
    assert db.session.query(Donation).count() == 0, "nothing is recorded before it is confirmed"
    # One is corrected in the form, the others are downloaded with their reasons.
    row_page = open_page(client, f"{path}/rows/199")
    assert "Please write the last name." in row_page.text and 'value="donor198@example.org"' in row_page.text
    typed = {**hidden_fields(row_page), **FORM, "version": "0"}
    refused = submit(client, row_page, f"{path}/rows/199", **{**typed, "last_name": ""})
    assert refused.status_code == 422 and 'value="Montréal"' in refused.text
    saved = submit(client, row_page, f"{path}/rows/199", **typed)
    assert saved.location == f"{path}/rows/200", "the next one that needs somebody"
    assert submit(client, row_page, f"{path}/rows/199", **typed).location == path, "somebody else has changed it"
    csv = open_page(client, f"{path}/refused.csv").text
    assert csv.count("\r\n") == 5 and '"1,234"' in csv and "may be thousands or decimals" in csv and '"Why it was not recorded"' in csv
    # Confirmed twice, it is recorded once.
    page = open_page(client, path)
    assert "196 rows are ready" in page.text
    confirmed = confirm(client, path, page)
    assert "0 of 196 rows" not in confirmed.text and "4 of 200 rows are done" in confirmed.text
    assert "No row was ready" in confirm(client, path, page).text
    assert gift_import_jobs.handle_imports() == 196 and gift_import_jobs.handle_imports() == 0
    assert states() == {"recorded": 196, "wrong": 4}
    gifts = db.session.query(Donation).all()
    assert len(gifts) == 196 == len({gift.donor_id for gift in gifts}) and {gift.net_cents for gift in gifts} >= {11_00, 55_00}
    assert "196 gifts are recorded" in open_page(client, path).text and checker.findings(db.engine) == []
    deposit = deposits.open_deposit(campaign.charity_id)
    assert deposit and deposits.totals_of(deposit.id)[0] == 196
    entries = [entry.action for entry in db.session.query(AuditEntry).order_by(AuditEntry.id)]
    assert entries.count("recorded an offline gift") == 196 and entries.count("confirmed an import of gifts") == 1
    # The same file again is questioned, row by row.
    _, again = previewed(client, *(line(number) for number in range(1, 6)))
    assert "To answer (5)" in again.text and "recorded already. Is it another one?" in again.text


FORM = {
    "method": "cheque",
    "received_on": today().isoformat(),
    "donor_language": "fr",
    "amount": "55",
    "reference": "198",
    "first_name": "Élise",
    "last_name": "Gagné",
    "address_line1": "8, rue Principale",
    "city": "Montréal",
    "province": "Québec",
    "postal_code": "H2X 1Y4",
    "country": "CA",
}


def test_columns_and_the_order_of_days_are_asked_when_the_file_does_not_say(app: Flask, campaign: Campaign) -> None:
    client, headings = signed_in(app, "clerk"), "Jour;Valeur;Prénom;Nom;Courriel;Adresse;Ville;Province;Code postal;Langue"
    rows = [f"05/06/2026;1\u00a0234,5{n} $;Luc;Côté;luc{n}@example.org;8, rue\nA;Québec;Qué.;g1r4p5;français" for n in range(2)]
    quoted = [re.sub(r"(8, rue\nA)", r'"\1"', row) for row in rows]
    page = open_page(client, upload(client, *quoted, headings=headings, encoding="cp1252").location)
    path = page.request.path
    assert "Not used: Valeur" in page.text and "Jour (05/06/2026)" in page.text
    chosen = {**chosen_columns(page), "default_method": "etransfer", "not_matchable": "y"}
    refused = submit(client, page, path, **chosen)
    assert refused.status_code == 422 and "Please choose the column." in refused.text and "can be read in two ways" in refused.text
    twice = submit(client, page, path, **{**chosen, "amount": "0", "day_order": "day_first"})
    assert "This column is chosen twice." in twice.text
    preview = open_page(client, submit(client, page, path, **{**chosen, "amount": "1", "day_order": "day_first"}).location)
    assert "more than three months ago" in preview.text
    submit(client, preview, f"{PATH}/1/decisions", act="accept", show="doubtful", question="old_day")
    preview = open_page(client, f"{PATH}/1")
    assert "2 rows are ready: $2,469.01" in preview.text and "2026-06-05" in preview.text
    first = gift_imports.rows_of(1)[0]
    assert first.gift and (first.gift["details"]["address_line1"], first.gift["details"]["language"]) == ("8, rue, A", "fr")
    assert (first.gift["method"], first.gift["is_matchable"], first.gift["details"]["province"]) == ("etransfer", False, "QC")
    # Whoever has the older page of columns learns so, and changes nothing.
    old = submit(client, page, path, **{**chosen, "amount": "1", "day_order": "month_first"})
    assert old.location == path and "Somebody has changed this import" in open_page(client, old.location).text
    assert db.session.get_one(GiftImport, 1, populate_existing=True).day_order == "day_first"


def test_what_may_be_a_gift_twice_is_asked_and_answered_for_a_row_or_for_all(app: Flask, campaign: Campaign, fund: Fund) -> None:
    client = signed_in(app, "clerk")
    cheque(campaign, 12_00, reference="2", email="else@example.org")
    known = cheque(campaign, 50_00, reference="K", email="", first_name="Luc", last_name="Côté", postal_code="G1R 4P5")
    last_year = f"{today().year - 1}-12-31"
    rows = [
        *(line(1), line(2), line(3), line(3), line(4, date=last_year), line(5, date=last_year)),
        *(
            line(6, first="Luc", last="cote", email=""),
            line(7, first="Luce", last="Côté", email=""),
            line(8, first="Zoé", last="Roi", email=""),
        ),
        line(9, first="Zoé", last="Roi", email=""),
    ]
    path, page = previewed(client, *rows)
    assert states() == {"ready": 5, "doubtful": 5}
    assert "Row 4 of this file has the same number" in page.text and "recorded already" in page.text
    assert "in an earlier year" in page.text and "Please open the row and choose" in page.text
    ids = {row.number: row for row in gift_imports.rows_of(1)}
    assert ids[8].gift and ids[8].gift["donor_id"] == known.donor_id, "the same name and postal code"
    # All of one question at once, the others one by one.
    submit(client, page, f"{path}/decisions", act="accept", show="doubtful", question="earlier_year")
    submit(client, page, f"{path}/decisions", act="leave_out", show="doubtful", row="3")
    submit(client, page, f"{path}/decisions", act="accept", show="doubtful", row="5")
    assert states() == {"ready": 8, "left_out": 1, "doubtful": 1}
    submit(client, page, f"{path}/decisions", act="accept", show="doubtful", row="9")
    assert states()["doubtful"] == 1, "who the donor is takes a choice"
    row_page = open_page(client, f"{path}/rows/9")
    assert f'name="donor" value="{known.donor_id}"' in row_page.text
    form = {
        **FORM,
        **hidden_fields(row_page),
        "reference": "7",
        "first_name": "Luce",
        "last_name": "Côté",
        "city": "Québec",
        "version": "0",
    }
    submit(client, row_page, f"{path}/rows/9", **{**form, "postal_code": "G1R 4P5", "donor": "0"})
    assert states() == {"ready": 9, "left_out": 1}
    page = open_page(client, path)
    assert "Left out by" in open_page(client, f"{path}?show=left_out").text
    confirm(client, path, page)
    gift_import_jobs.handle_imports()
    assert states() == {"recorded": 9, "left_out": 1}
    by_number = {row.number: db.session.get_one(Donation, row.donation_id) for row in gift_imports.rows_of(1, (RowState.RECORDED,))}
    assert by_number[8].donor_id == known.donor_id != by_number[9].donor_id
    assert by_number[10].donor_id == by_number[11].donor_id, "two rows of one new donor without an address"
    assert checker.findings(db.engine) == []


def test_what_has_changed_since_the_preview_is_not_confirmed_unseen(app: Flask, campaign: Campaign, fund: Fund) -> None:
    client, other = signed_in(app, "clerk"), signed_in(app, "clerk", address="other@example.org")
    path, page = previewed(client, line(1), line(2), line(3))
    submit(other, open_page(other, path), f"{path}/decisions", act="leave_out", show="ready", row="2")
    assert "Somebody has changed this import" in confirm(client, path, page).text and states() == {"ready": 2, "left_out": 1}
    # A gift that was recorded meanwhile is asked about again; one that is recorded between confirming and the job, too.
    cheque(campaign, 12_00, reference="2")
    page = open_page(client, path)
    assert "Somebody has changed this import" in confirm(client, path, page).text and states() == {"ready": 1, "doubtful": 1, "left_out": 1}
    confirm(client, path, open_page(client, path))
    cheque(campaign, 13_00, reference="3")
    gift_import_jobs.handle_imports()
    assert states() == {"doubtful": 2, "left_out": 1} and "To answer (2)" in open_page(client, path).text
    assert db.session.query(Donation).count() == 2


def test_a_job_that_is_ended_anywhere_goes_on_and_records_each_row_once(
    app: Flask, campaign: Campaign, fund: Fund, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(app, "clerk")
    path, page = previewed(client, *(line(number) for number in range(1, 7)))
    confirm(client, path, page)
    finish, ended = gift_import_jobs._finish, 0

    def end_at_first(*args: object, **named: object) -> None:
        nonlocal ended
        ended += 1
        if ended % 2:
            raise SystemExit  # As a killed worker: between the gift and its row.
        finish(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(gift_import_jobs, "_finish", end_at_first)
    for _ in range(7):
        try:
            gift_import_jobs.handle_imports()
        except SystemExit:
            db.session.rollback()
    assert states() == {"recorded": 6} and db.session.query(Donation).count() == 6
    # Undoing goes on in the same way.
    undo_page = open_page(client, f"{path}/undo")
    submit(client, undo_page, f"{path}/undo", seen="6", reason="the wrong file")
    for _ in range(7):
        try:
            gift_import_jobs.handle_imports()
        except SystemExit:
            db.session.rollback()
    assert states() == {"undone": 6} and {gift.net_cents for gift in db.session.query(Donation)} == {0}
    assert checker.findings(db.engine) == []


def test_an_import_is_undone_as_its_gifts_are_and_says_what_it_does_first(app: Flask, campaign: Campaign, fund: Fund) -> None:
    client = signed_in(app, "clerk")
    path, page = previewed(client, *(line(number) for number in range(1, 6)))
    confirm(client, path, page)
    gift_import_jobs.handle_imports()
    _new, receipted, banked, refunded, bounced = (
        db.session.get_one(Donation, row.donation_id) for row in gift_imports.rows_of(1, (RowState.RECORDED,))
    )
    make_due()
    issued = receipts_for(receipted)
    reversed_gift(refunded, OfflineReversalKind.REFUNDED, 1_00)
    reversed_gift(bounced, OfflineReversalKind.RETURNED)
    deposit = deposits.open_deposit(campaign.charity_id)
    assert deposit
    shown = set(deposits.donation_ids_of(deposit.id))
    offline_gift_actions.close_deposit(
        deposit, DepositSlip(deposited_on=today(), bank_account="x"), taken={banked.id}, shown=shown, actor=CLERK
    )
    undo_page = open_page(client, f"{path}/undo")
    for words in (
        "No receipt yet",
        "the receipt is cancelled",
        "It was taken to the bank",
        "part of it was given back",
        "Nothing is left of it",
    ):
        assert words in undo_page.text, words
    assert submit(client, undo_page, f"{path}/undo", seen="4", reason="wrong file").status_code == 422
    assert submit(client, undo_page, f"{path}/undo", seen="5", reason="").status_code == 422
    assert submit(client, undo_page, f"{path}/undo", seen="5", reason="wrong file").status_code == 303
    gift_import_jobs.handle_imports()
    send_jobs.send_due()
    assert states() == {"undone": 4, "recorded": 1}
    assert "Part of this gift was given back to the donor" in open_page(client, path).text, "the one that is not undone says why"
    assert receipts.status_of(issued) is receipts.Status.CANCELLED
    assert db.session.get_one(Donation, refunded.id, populate_existing=True).net_cents == refunded.amount_cents - 1_00
    assert checker.findings(db.engine) == []


def receipts_for(donation: Donation) -> receipts.Receipt:
    """Issue the receipt of this donation alone."""
    receipt = issue_receipt(donation)
    db.session.commit()
    assert receipt
    return receipt


def test_files_expire_and_are_the_charitys_alone(app: Flask, campaign: Campaign, fund: Fund) -> None:
    client = signed_in(app, "clerk")
    assert "Please choose a file." in submit(client, open_page(client, PATH), PATH).text
    assert "This is a workbook." in upload(client, headings="PK\x03\x04").text
    path, page = previewed(client, line(1), line(2, amount=""))
    confirm(client, path, page)
    gift_import_jobs.handle_imports()
    assert gift_import_jobs.delete_expired() == 0
    db.session.execute(update(GiftImport).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    db.session.commit()
    assert (gift_import_jobs.delete_expired(), gift_import_jobs.delete_expired()) == (1, 0)
    (row,) = gift_imports.rows_of(1)
    assert (row.cells, row.fields, row.gift, row.state) == ([], {}, None, RowState.RECORDED)
    shown = open_page(client, path)
    assert "1 gift is recorded" in shown.text and "Roy1" in shown.text and "Undo the import" in shown.text
    viewer = signed_in(app, "viewer", address="viewer@example.org")
    assert "gifts.csv" in open_page(viewer, PATH).text and open_page(viewer, path).status_code == 200
    assert open_page(viewer, f"{path}/columns").status_code == 403 and 'id="file"' not in open_page(viewer, PATH).text
    for language, heading in (("en", '"Received on",'), ("fr", '"Reçu le";')):
        template = open_page(client, f"{PATH}/template.{language}.csv")
        assert template.text.startswith("\ufeff" + heading), template.text[:40]
        assert upload(client, *template.text.splitlines()[1:], headings=template.text.splitlines()[0].lstrip("\ufeff")).status_code == 303


def test_a_file_is_read_with_one_form_that_holds_nothing_of_the_row_before(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms: list[OfflineGiftForm] = []
    init = OfflineGiftForm.__init__

    def count(form: OfflineGiftForm, *args: Any, **kw: Any) -> None:
        forms.append(form)
        init(form, *args, **kw)

    monkeypatch.setattr(OfflineGiftForm, "__init__", count)
    client = signed_in(app, "clerk")
    lines = [line(1, postal="K1A"), line(2, email=""), line(3, amount="x"), line(4)]
    columns = open_page(client, upload(client, *lines).location)
    forms.clear()
    submit(client, columns, columns.request.path, **chosen_columns(columns))
    assert len(forms) == 1
    rows = db.session.scalars(select(GiftImportRow).order_by(GiftImportRow.number)).all()
    assert [row.state for row in rows] == ["wrong", "ready", "wrong", "ready"]
    assert [(row.gift["details"]["email"], row.gift["details"]["postal_code"]) for row in rows if row.gift] == [
        ("", "G1R 4P5"),
        ("donor4@example.org", "G1R 4P5"),
    ]
