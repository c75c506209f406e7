"""The page of one donor and the list of donors: what they show ties to the books, and staff find, choose, correct and note there what they need."""

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from campaign.campaigns.campaigns import Campaign
from campaign.donations import news_withdrawals
from campaign.donations.donations import Donation
from campaign.donations.donors import ANNUAL, PER_DONATION, Donor
from campaign.donations.news_withdrawals import WithdrawnBy
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import receipt_actions
from campaign.receipts.numbering import ReceiptSeries
from campaign.receipts.receipts import Receipt
from campaign.reporting import donor_list, donor_record
from campaign.reporting.donor_list import DonorFilters, Trait
from campaign.reporting.integrity import checker
from campaign.reporting.keyset_pages import FIRST_PAGE, Position
from campaign.schedule import schedule_jobs
from campaign.staff.audit import AuditEntry
from tests.conftest import Stripe
from tests.factories import TORONTO, confirm_charity, create_refund, issue_receipt, paid, pay, pay_with_annual_receipt, start_donation
from tests.offline_gifts import cheque
from tests.sheets import read_workbook
from tests.stripe import start_recurring
from tests.web import open_page, signed_in, submit

ZONE = ZoneInfo("America/Toronto")
EMAIL = "helene@example.org"


def page_of(donor_id: int) -> str:
    return f"/staff/donors/{donor_id}"


def give_monthly(app: Flask, stripe: Stripe, **changed: Any) -> Donation:
    """The first month of a monthly gift, paid."""
    begun = start_recurring(app, stripe, **changed)
    schedule_jobs.poll_stripe()
    db.session.refresh(begun)
    assert begun.received_at
    return begun


def listed(**filters: object) -> list[str]:
    """The names of the donors whom the filters find."""
    found = donor_list.list_page(DonorFilters(**filters), ZONE)  # type: ignore[arg-type]  # of several types
    return [row.latest.last_name for row in found.rows]


def in_ledger(donor_id: int) -> dict[str, int]:
    """What the ledger says of the donor's gifts, by kind of entry, in cents."""
    e = LedgerEntry
    rows = db.session.execute(
        select(e.kind, func.sum(e.cents)).join(Donation, Donation.id == e.donation_id).where(Donation.donor_id == donor_id).group_by(e.kind)
    )
    return {kind: int(cents) for kind, cents in rows}


def test_the_sums_of_a_donor_tie_to_the_ledger_by_year_in_the_list_and_on_the_page(app: Flask, campaign: Campaign) -> None:
    new_year = datetime(2026, 1, 1, tzinfo=TORONTO)
    first, second = (start_donation(campaign, cents, email=EMAIL) for cents in (100_00, 70_00))
    pay(first, at=new_year - timedelta(seconds=1))
    pay(second, at=new_year)
    third = paid(campaign, 30_00, email=EMAIL, covered_fee_cents=1_00)
    start_donation(campaign, 500_00, email=EMAIL)
    create_refund(second, 20_00)
    create_refund(third, 31_00)
    paid(campaign, 9_00, email="another@example.org")
    years = donor_record.sums_by_year([first.donor_id])
    assert [(one.year, one.gifts, one.gross_cents, one.net_cents) for one in years] == [
        (2026, 2, 100_00, 50_00),
        (2025, 1, 100_00, 100_00),
    ]
    (row,) = [row for row in donor_list.list_page(DonorFilters(), ZONE).rows if row.donor.id == first.donor_id]
    ledger = in_ledger(first.donor_id)
    gross, net = ledger["donation"], ledger["donation"] - ledger["refund"]
    matched = ledger["match"] - ledger.get("unmatch", 0)
    assert (sum(one.gross_cents for one in years), sum(one.net_cents for one in years)) == (gross, net) == (row.gross_cents, row.net_cents)
    assert sum(one.matched_cents for one in years) == matched == row.matched_cents == 150_00
    text = open_page(signed_in(app, "viewer"), page_of(first.donor_id)).text
    for sum_shown in ("$200.00", "$150.00", "$50.00", "All years", "refunded in part", "not paid yet"):
        assert sum_shown in text, sum_shown
    assert listed(first_on=date(2026, 1, 1)) == listed()
    (of_2025,) = donor_list.list_page(DonorFilters(last_on=date(2025, 12, 31)), ZONE).rows
    assert (of_2025.gifts, of_2025.gross_cents, of_2025.matched_cents) == (1, 100_00, 100_00), "the sums of these days alone"


def test_the_list_is_filtered_paged_and_exported_without_donors_who_were_merged(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Roy", "Tremblay", "Côté"):
        paid(campaign, 50_00, last_name=name, first_name="Hélène", email=f"{name.encode('ascii', 'ignore').decode()}@example.org")
    posted = cheque(campaign, 25_00, first_name="", last_name="", organization="", email="")
    start_donation(campaign, 10_00, last_name="Unpaid")
    annual = db.session.scalars(select(Donation).where(Donation.last_name == "Roy")).one()
    receipt_actions.choose_preference(annual, ANNUAL)
    give_monthly(app, stripe, last_name="Monthly", news_consent="y")
    assert listed() == ["Monthly", "", "Côté", "Tremblay", "Roy"]
    assert (listed(trait=Trait.ANNUAL), listed(trait=Trait.WITHOUT_EMAIL), listed(trait=Trait.MONTHLY)) == (["Roy"], [""], ["Monthly"])
    assert listed(trait=Trait.NEWS) == ["Monthly"]
    assert listed(q="helene cot") == ["Côté"]
    assert listed(q="50") == [], "an amount names nobody"
    assert (listed(q=annual.public_id), listed(q="ct@example.org"), listed(q="nobody@example.org")) == (["Roy"], ["Côté"], [])
    monkeypatch.setattr(donor_list, "PAGE_SIZE", 2)
    first = donor_list.list_page(DonorFilters(), ZONE)
    assert first.older
    second = donor_list.list_page(DonorFilters(), ZONE, first.older)
    assert [row.latest.last_name for row in second.rows] == ["Côté", "Tremblay"]
    assert second.newer
    assert donor_list.list_page(DonorFilters(), ZONE, second.newer) == first
    assert donor_list.list_page(DonorFilters(), ZONE, Position(before=1)) == first, "nothing is there: the first page"
    manager = signed_in(app, "manager")
    page = open_page(manager, "/staff/donors?is=without_email&from=2020-01-01").text
    assert "no name</a>" in page
    assert "no email address" in page
    assert "None" not in page
    assert page_of(posted.donor_id) in page
    names = [row[2] for row in list(read_workbook(open_page(manager, "/staff/donors.xlsx").data).values())[-1]]
    assert {"Côté", "Tremblay", "Roy", "Monthly"} <= set(names)
    csv = open_page(manager, "/staff/donors.csv?q=roy").text
    assert csv.splitlines()[1].startswith('"Hélène Roy","Hélène","Roy","","roy@example.org"')
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "exported").order_by(AuditEntry.id.desc())).first()
    assert entry
    of = {"of_charity": campaign.charity_id}
    assert entry.detail == {"document": "list of donors (CSV)", "filters": {"q": True}, **of}, "not whom they looked for"
    assert open_page(manager, "/staff/donors.csv?from=x").status_code == 422
    assert "There is no such choice" in open_page(manager, "/staff/donors?is=x").text
    assert open_page(signed_in(app, "clerk", address="clerk@example.org"), "/staff/donors.csv").status_code == 403


def test_everything_about_a_donor_is_on_one_page_in_plain_words(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    begun = give_monthly(
        app, stripe, email=EMAIL, news_consent="y", message="For my <b>mother</b>", tribute_kind="memory", tribute_name="Ana"
    )
    issue_receipt(begun)
    receipt = db.session.scalars(select(Receipt)).one()
    db.session.commit()
    client = signed_in(app, "manager")
    for path in (page_of(begun.donor_id), f"{page_of(begun.donor_id)}?gifts_before=1&mails_after=99999&receipts_before=x"):
        text = open_page(client, path).text
        for words in (
            "For my &lt;b&gt;mother&lt;/b&gt;",
            "In memory of Ana",
            "Send me news about what gifts make possible. A few emails a year.",
            "the next month is charged on",
            f"Receipt {receipt.serial} for",
            f"/staff/receipts/{receipt.serial}/receipt.pdf",
            "The donor agreed to news by email.",
            "Thanks and receipt",
            "The gift of $",
        ):
            assert words in text, words
        assert not re.search(r">\s*(None|per_donation|annual|active)\s*<", text)


def statements_of(client: FlaskClient, path: str) -> list[str]:
    """The SQL statements that the page sends, without the lengths of their lists."""
    statements: list[str] = []

    def listen(*args: Any) -> None:
        statements.append(re.sub(r"\?(, \?)+", "?", re.sub(r"%\(\w+\)s(::\w+)?", "?", args[2])))

    event.listen(db.engine, "before_cursor_execute", listen)
    assert open_page(client, path).status_code == 200
    event.remove(db.engine, "before_cursor_execute", listen)
    return statements


def test_the_page_of_many_gifts_asks_as_many_queries_as_that_of_few(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    client = signed_in(app, "manager")
    gift = paid(campaign, 10_00, email=EMAIL)
    for more in (3, 9):
        for number in range(more):
            another = paid(campaign, 10_00, email=EMAIL, message=f"{number}", city=f"City {number}")
            issue_receipt(another)
            receipt_actions.correct_details(another, {"city": f"Town {number}"}, actor="clerk@example.org", reason="moved")
        db.session.commit()
        counts.append(Counter(statements_of(client, page_of(gift.donor_id))))
    assert counts[1] - counts[0] == Counter(), "no query is asked for each gift"


def test_staff_choose_receipts_for_a_donor_who_asked_and_preview_that_of_the_year(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    gifts = pay_with_annual_receipt(campaign, *(datetime(2026, month, 3, 12, tzinfo=UTC) for month in (1, 2, 3)), email=EMAIL)
    donor_id, path = gifts[0].donor_id, page_of(gifts[0].donor_id)
    numbers = db.session.scalar(select(func.count()).select_from(ReceiptSeries))
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    page = open_page(clerk, path)
    (preview,) = re.findall(rf'"({path}/annual-receipts/[^"]+)"', page.text)
    document = open_page(clerk, preview)
    assert (document.mimetype, document.data[:5]) == ("application/pdf", b"%PDF-")
    assert "3 gifts" in page.text
    assert (
        db.session.scalar(select(func.count()).select_from(Receipt)),
        db.session.scalar(select(func.count()).select_from(ReceiptSeries)),
    ) == (
        0,
        numbers,
    ), "no number is used"
    assert open_page(clerk, preview.replace(gifts[0].public_id, gifts[1].public_id)).status_code == 404
    refused = submit(clerk, page, f"{path}/receipt-choices", choice=PER_DONATION, how="")
    assert (refused.status_code, "Please choose how the donor asked for it." in refused.text) == (422, True)
    assert submit(clerk, page, f"{path}/receipt-choices", choice="x", how="phone").status_code == 404
    assert submit(clerk, page, f"{path}/receipt-choices", choice=PER_DONATION, how="phone").status_code == 303
    db.session.expire_all()
    assert db.session.get_one(Donor, donor_id).receipt_preference == PER_DONATION
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "chose receipts for a donor")).one()
    assert (entry.actor, entry.subject, entry.detail) == (
        "clerk@example.org",
        f"donor {donor_id}",
        {"choice": PER_DONATION, "how": "phone"},
    )
    kinds = [message.kind for message in db.session.query(OutboxMessage)]
    assert (kinds.count(MessageKind.RECEIPT_COPY), kinds.count(MessageKind.RECEIPT_CHOICE_CHANGED)) == (3, 1)
    assert "chose how a donor gets receipts" in open_page(clerk, path).text
    again = submit(clerk, page, f"{path}/receipt-choices", choice=PER_DONATION, how="phone")
    assert "chosen this already" in open_page(clerk, again.location).text


def test_without_an_email_address_nothing_is_said_to_be_sent_and_pages_say_what_to_do(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    gift = cheque(campaign, 80_00, email="")
    issue_receipt(gift)
    db.session.commit()
    clerk, path = signed_in(app, "clerk", address="clerk@example.org"), f"/staff/donations/{gift.public_id}"
    page = open_page(clerk, path)
    assert "Open the receipt (PDF), to print and post it" in page.text
    assert "Send the receipt again" not in page.text
    before = db.session.query(OutboxMessage).count()

    def said(answer: str) -> str:
        return open_page(clerk, answer).text

    assert "so nothing was sent. Print the receipt" in said(submit(clerk, page, f"{path}/mails").location)
    assert "no email address, so no new one was sent" in said(submit(clerk, page, f"{path}/links").location)
    assert db.session.query(OutboxMessage).count() == before
    replaced = submit(clerk, page, f"{path}/receipts", reason="lost in the post")
    assert "is to be printed and posted" in said(replaced.location)
    for shown in (page_of(gift.donor_id), f"{path}/person", "/staff/donations", f"/staff/search?q={gift.last_name}", "/staff/donors"):
        text = open_page(clerk, shown).text
        assert not re.search(r"\bNone\b", text), shown
        assert "on its way to the donor" not in text, shown
    assert "to be printed and posted: there is no email address" in open_page(clerk, f"{path}/person").text
    corrected = submit(
        clerk, open_page(clerk, page_of(gift.donor_id)), f"{path}/email", email="now@example.org", scope="both", back="donor"
    )
    assert corrected.location.endswith(page_of(gift.donor_id))
    db.session.expire_all()
    assert db.session.get_one(Donor, gift.donor_id).email == "now@example.org"
    assert checker.findings(db.engine) == []


def test_two_people_who_correct_at_once_see_it_and_nothing_typed_is_lost(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 10_00, email=EMAIL, city="Laval")
    path = f"/staff/donations/{gift.public_id}"
    clerk, other = (signed_in(app, "clerk", address=f"{name}@example.org") for name in ("anne", "boris"))
    forms = [open_page(client, f"{path}/person?back=donor") for client in (clerk, other)]

    def typed(page: object, city: str) -> dict[str, str]:
        fields = {name: getattr(gift, name) for name in ("first_name", "last_name", "address_line1", "postal_code")}
        version = re.search(r'name="version" value="(\w+)"', page.text)  # type: ignore[attr-defined]  # a response
        assert version
        return {**fields, "city": city, "province": "QC", "country": "CA", "reason": "moved", "version": version[1], "back": "donor"}

    first = submit(clerk, forms[0], f"{path}/person", **typed(forms[0], "Gatineau"))
    assert first.location.endswith(page_of(gift.donor_id))
    second = submit(other, forms[1], f"{path}/person", **typed(forms[1], "Ottawa"))
    assert second.status_code == 422
    assert re.search(r"Nothing was saved: anne@example.org changed this at \d\d:\d\d while you typed", second.text)
    assert "Gatineau is stored, you typed Ottawa" in second.text
    assert 'value="Ottawa"' in second.text
    assert submit(other, second, f"{path}/person", **typed(second, "Ottawa")).status_code == 303
    db.session.expire_all()
    assert gift.city == "Ottawa"

    page = open_page(clerk, page_of(gift.donor_id))
    (version,) = set(re.findall(r'name="version" value="(\w+)"', page.text))
    fields = {"scope": "from_now_on", "version": version, "back": "donor"}
    assert submit(clerk, page, f"{path}/email", email="anne.new@example.org", **fields).status_code == 303
    late = submit(other, open_page(other, path), f"{path}/email", email="boris.new@example.org", **fields)
    assert (late.status_code, 'value="boris.new@example.org"' in late.text) == (422, True)
    assert "anne@example.org changed this at" in late.text
    assert "It is anne.new@example.org now." in late.text
    wrong = submit(other, late, f"{path}/email", email="not an address", **fields)
    assert (wrong.status_code, 'value="not an address"' in wrong.text) == (422, True)
    changes = open_page(clerk, page_of(gift.donor_id)).text
    assert all(words in changes for words in ("Gatineau", "anne.new@example.org", "boris@example.org: moved"))


def test_a_manager_ends_a_monthly_gift_for_its_donor_and_says_why(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    begun = give_monthly(app, stripe, email=EMAIL)
    path = page_of(begun.donor_id)
    manager = signed_in(app, "manager")
    page = open_page(manager, path)
    action = f"{path}/monthly-gifts/{begun.recurring_gift_id}/end"
    assert submit(manager, page, action, reason="").status_code == 422
    assert submit(manager, page, f"{path}/monthly-gifts/9999/end", reason="x").status_code == 404
    assert "has ended, and nothing more is charged" in open_page(manager, submit(manager, page, action, reason="by phone").location).text
    assert "ended before" in open_page(manager, submit(manager, page, action, reason="by phone").location).text
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "ended a monthly gift")).one()
    assert (entry.subject, entry.detail) == (begun.public_id, {"reason": "by phone"})
    assert db.session.query(OutboxMessage).filter_by(kind=MessageKind.RECURRING_GIFT_ENDED).count() == 1
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    assert submit(clerk, open_page(clerk, path), action, reason="x").status_code == 403


def test_pages_of_gifts_continue_from_a_row(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(donor_record, "PAGE_SIZE", 2)
    gifts = [start_donation(campaign, email=EMAIL) for _ in range(5)]
    donor_ids = [gifts[0].donor_id]
    first = donor_record.gifts_page(donor_ids, FIRST_PAGE)
    assert first.older
    second = donor_record.gifts_page(donor_ids, first.older)
    assert ([gift.id for gift in first.rows], [gift.id for gift in second.rows]) == (
        [gifts[4].id, gifts[3].id],
        [gifts[2].id, gifts[1].id],
    )
    assert second.newer
    assert donor_record.gifts_page(donor_ids, second.newer) == first


def test_consent_to_news_that_was_withdrawn_is_shown_as_such_and_lists_nobody(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 50_00, email="news@example.org", news_consent=True)
    db.session.commit()
    client, pages = signed_in(app, "clerk"), (f"/staff/donors/{gift.donor_id}", f"/staff/donations/{gift.public_id}")
    assert not any("withdrawn on" in open_page(client, path).text for path in pages), "control: it is in force"
    assert "news@example.org" in open_page(client, "/staff/donors?is=news").text, "control"
    news_withdrawals.record(gift, how=WithdrawnBy.STAFF, recorded_by="clerk@example.org")
    db.session.commit()
    assert all("withdrawn on" in open_page(client, path).text for path in pages)
    assert "news@example.org" not in open_page(client, "/staff/donors?is=news").text
