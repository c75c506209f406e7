"""Information returns: their 90 days run from when Stripe says the money went back, and their letters have all that the return must contain."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import stripe as stripe_library
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.donations import donors
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.reversals import reversal_from
from campaign.payments.reversals import Reversal
from campaign.receipts import annual_jobs, information_returns, receipts
from campaign.receipts.information_returns import InformationReturn
from campaign.reporting import staff_todo
from campaign.staff.audit import AuditEntry
from campaign.stripe_sync import event_jobs, reconciliations
from campaign.stripe_sync.poll_event_jobs import poll_events
from campaign.stripe_sync.reconcile_jobs import reconcile
from campaign.texts.reconciliation_messages import DifferenceKind
from tests.conftest import Stripe
from tests.factories import create_refund, issue_receipt, pay, start_donation
from tests.mail import pdf_text
from tests.stripe import call, charge_of, event, handle, paid_at_stripe, stored_object
from tests.web import signed_in

TORONTO = ZoneInfo("America/Toronto")
# The last second of the day in Toronto, which is the next day in UTC.
EVENING = datetime(2026, 3, 7, 23, 59, 59, tzinfo=TORONTO)
DAY = timedelta(days=1)


def receipted(campaign: Campaign, cents: int = 200_00, **changed: Any) -> Donation:
    donation = start_donation(campaign, cents, **changed)
    pay(donation, at=datetime(2026, 1, 2, 12, tzinfo=UTC))
    issue_receipt(donation)
    return donation


def returned(donation: Donation, cents: int, at: datetime | None, **changed: Any) -> None:
    create_refund(donation, cents, returned_at=at, **changed)


def days_ago(campaign: Campaign, days: int) -> datetime:
    """Noon of the day so many days ago where the charity is: the same hours ago may be another day, when the clocks changed between."""
    today = campaign.charity.local(datetime.now(UTC)).date()
    return datetime.combine(today - days * DAY, time(12), ZoneInfo(campaign.charity.time_zone))


def tasks() -> list[InformationReturn]:
    return list(db.session.query(InformationReturn).order_by(InformationReturn.id))


def days() -> list[tuple[date, int]]:
    return [(task.returned_on, task.returned_cents) for task in tasks()]


# The moment at which the money went back.


def by_webhook(stripe: Stripe, refund: dict[str, Any]) -> None:
    handle(event("refund.created", refund))


def by_webhook_of_the_charge(stripe: Stripe, refund: dict[str, Any]) -> None:
    handle(event("charge.refunded", stored_object(stripe, refund["charge"])))


def by_both_webhooks_in_the_other_order(stripe: Stripe, refund: dict[str, Any]) -> None:
    handle(event("refund.updated", refund), event("refund.created", refund))


def by_polling_events(stripe: Stripe, refund: dict[str, Any]) -> None:
    db.session.execute(
        text(
            "INSERT INTO stripe_cursor (list, livemode, read_until) VALUES ('events', false, '2020-01-01') ON CONFLICT (list, livemode) DO UPDATE SET read_until = '2020-01-01'"
        )
    )
    db.session.commit()
    poll_events()
    event_jobs.handle_events()


def by_reconciliation(stripe: Stripe, refund: dict[str, Any]) -> None:
    reconcile(since=datetime(2020, 1, 1, tzinfo=UTC), actor="test")


ROUTES = (by_webhook, by_webhook_of_the_charge, by_both_webhooks_in_the_other_order, by_polling_events, by_reconciliation)


def test_a_refund_is_dated_by_stripe_by_every_route(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    for route in ROUTES:
        donation = paid_at_stripe(campaign, 200_00)
        issue_receipt(donation)
        created = call(stripe, "POST", "/v1/refunds", charge=charge_of(stripe, donation)["id"], amount=200_00)
        refund = dict(stripe.store.put({**stored_object(stripe, created["id"]), "created": int(EVENING.timestamp())}))
        route(stripe, refund)
        issue_receipt(donation)
        task = tasks()[-1]
        assert (task.donation_id, task.returned_on, task.due_on) == (donation.id, EVENING.date(), date(2026, 6, 5)), route.__name__


def withdrawal(cents: int, at: datetime) -> dict[str, Any]:
    return {"object": "balance_transaction", "amount": cents, "created": int(at.timestamp())}


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ([], EVENING - 5 * DAY),
        ([(-100_00, 0)], EVENING),
        ([(40_00, 3), (-100_00, 0)], EVENING),
        ([(-60_00, 0), (-40_00, 1)], EVENING),
        ([(-100_00, 0), (100_00, 3), (-100_00, 9)], EVENING + 9 * DAY),
    ],
)
def test_a_dispute_is_dated_by_its_withdrawal_from_the_balance(moved: list[tuple[int, int]], expected: datetime) -> None:
    lines = [withdrawal(cents, EVENING + days * DAY) for cents, days in moved]
    data = {"id": "dp_1", "object": "dispute", "amount": 100_00, "payment_intent": "pi_1", "balance_transactions": lines}
    dispute = stripe_library.Dispute.construct_from({**data, "created": int((EVENING - 5 * DAY).timestamp())}, None)
    assert reversal_from(dispute).returned_at == expected


def test_a_lost_dispute_is_reported_from_its_withdrawal_and_may_be_overdue_at_once(app: Flask, campaign: Campaign) -> None:
    donation, long_ago = receipted(campaign), days_ago(campaign, 91)
    returned(donation, 200_00, long_ago, kind="dispute", name="dp_1", status="needs_response")
    issue_receipt(donation)
    assert tasks() == [], "it counts as given until it is lost"
    returned(donation, 200_00, long_ago, kind="dispute", name="dp_1", status="lost")
    issue_receipt(donation)
    (task,) = information_returns.list_open()
    assert task.returned_on == campaign.charity.local(long_ago).date()
    assert staff_todo.todo_of(campaign).counted["returns_overdue"] == 1


def test_a_refund_that_failed_dates_nothing(app: Flask, campaign: Campaign) -> None:
    donation = receipted(campaign)
    returned(donation, 200_00, EVENING - 30 * DAY, name="re_1", status="pending")
    returned(donation, 200_00, EVENING - 30 * DAY, name="re_1", status="failed")
    returned(donation, 200_00, EVENING)
    issue_receipt(donation)
    assert days() == [(EVENING.date(), 200_00)]


def test_a_later_snapshot_without_a_moment_keeps_the_one_that_is_known(app: Flask, campaign: Campaign) -> None:
    donation = receipted(campaign)
    returned(donation, 20_00, EVENING, name="re_1")
    returned(donation, 20_00, None, name="re_1")
    assert db.session.query(Reversal).one().returned_at == EVENING


def test_without_a_moment_from_stripe_the_return_is_dated_when_we_hear_of_it(app: Flask, campaign: Campaign) -> None:
    """The control as well: this is how every return was dated before."""
    donation = receipted(campaign)
    returned(donation, 200_00, None)
    issue_receipt(donation, now=EVENING + 20 * DAY)
    assert days() == [((EVENING + 20 * DAY).date(), 200_00)]


def test_the_day_is_that_of_the_charity(app: Flask, campaign: Campaign) -> None:
    """In the night in which daylight saving time begins: the 90 days are days of the calendar."""
    for zone, day in (("America/Toronto", 7), ("America/Vancouver", 7), ("America/St_Johns", 8)):
        campaign.charity.time_zone = zone
        donation = receipted(campaign)
        returned(donation, 200_00, EVENING)
        issue_receipt(donation)
        task = tasks()[-1]
        assert (task.returned_on, task.due_on) == (date(2026, 3, day), date(2026, 3, day) + 90 * DAY), zone


# Several reversals.

FIRST, SECOND = EVENING - 40 * DAY, EVENING


def test_of_reversals_reported_together_the_return_has_the_day_from_which_more_than_50_dollars_had_been_returned(
    app: Flask, campaign: Campaign
) -> None:
    for early, late, expected in ((40_00, 20_00, SECOND), (60_00, 60_00, FIRST), (10_00, 60_00, SECOND)):
        for order in itertools.permutations([(early, FIRST), (late, SECOND)]):
            donation = receipted(campaign)
            for cents, at in order:
                returned(donation, cents, at)
            issue_receipt(donation)
            task = tasks()[-1]
            assert (task.returned_on, task.returned_cents) == (expected.date(), early + late), order


def test_a_reversal_reported_late_has_its_own_day(app: Flask, campaign: Campaign) -> None:
    donation = receipted(campaign)
    for cents, at in ((60_00, SECOND), (60_00, FIRST), (10_00, FIRST - DAY)):
        returned(donation, cents, at)
        issue_receipt(donation)
    assert days() == [(SECOND.date(), 60_00), (FIRST.date(), 60_00), (FIRST.date(), 10_00)], "what alone needed no return, from the next"


def test_what_went_back_before_the_receipt_does_not_count(app: Flask, campaign: Campaign) -> None:
    donation = start_donation(campaign, 200_00)
    pay(donation, at=FIRST - 10 * DAY)
    returned(donation, 100_00, FIRST)
    issue_receipt(donation)
    returned(donation, 60_00, SECOND)
    issue_receipt(donation)
    assert days() == [(SECOND.date(), 60_00)]


def test_a_reconciliation_dates_a_reversal_as_stripe_does(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 200_00)
    created = call(stripe, "POST", "/v1/refunds", charge=charge_of(stripe, donation)["id"], amount=30_00)
    by_webhook(stripe, stored_object(stripe, created["id"]))
    reversal = db.session.query(Reversal).one()
    known = reversal.returned_at
    db.session.execute(text("UPDATE reversal SET returned_at = returned_at + interval '2 days'"))
    db.session.commit()
    run = reconcile(since=datetime(2020, 1, 1, tzinfo=UTC), actor="test")
    found = [finding.kind for finding in reconciliations.findings_of(run)]
    assert DifferenceKind.REVERSAL_DATED_DIFFERENTLY in found
    db.session.expire_all()
    assert reversal.returned_at == known


def test_the_database_refuses_a_return_of_none_or_of_two_gifts(app: Flask, campaign: Campaign) -> None:
    donation = receipted(campaign)
    returned(donation, 200_00, EVENING)
    issue_receipt(donation)
    for columns in ("funder_payment_id = NULL, donation_id = NULL", "funder_payment_id = 1"):
        with pytest.raises(IntegrityError, match="return_is_of_one_gift"), db.session.begin_nested():
            db.session.execute(text(f"UPDATE information_return SET {columns}"))


# What staff see.


def due_in(campaign: Campaign, days: int) -> InformationReturn:
    donation = receipted(campaign)
    returned(donation, 200_00, days_ago(campaign, 90 - days))
    issue_receipt(donation)
    db.session.commit()
    return tasks()[-1]


def test_staff_see_overdue_returns_first_and_are_warned_two_weeks_before(app: Flask, campaign: Campaign) -> None:
    for days in (15, 14, 0, -1, -3):
        due_in(campaign, days)
    counted = staff_todo.todo_of(campaign).counted
    assert {name: counted[name] for name in counted if name.startswith("returns")} == {
        "returns_overdue": 2,
        "returns_due_soon": 2,
        "returns_due": 1,
    }
    client = signed_in(app, "viewer")
    page = client.get("/staff/returned-gifts").text
    words = ["Overdue by 3 days", "Overdue by 1 day<", "Due today", "14 days left", "15 days left"]
    places = [page.index(word) for word in words]
    assert places == sorted(places)
    assert "drafts/" not in page, "a viewer sees what is due, and no letters"
    dashboard = client.get("/staff/").text
    assert "2 information returns about returned gifts are overdue." in dashboard
    assert "2 information returns about returned gifts are due within two weeks." in dashboard


def draft_text(client: FlaskClient, task: InformationReturn, reader: str, language: str) -> str:
    answer = client.get(f"/staff/returned-gifts/{task.id}/drafts/{reader}-{language}.pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.data.startswith(b"%PDF")
    return pdf_text(answer.data)


def test_both_letters_have_all_that_the_return_must_contain_in_both_languages(app: Flask, campaign: Campaign) -> None:
    """Income Tax Regulations, s. 3501.1: the property, its value, the day, the name and address of the donor, and what the receipt said."""
    donation = receipted(campaign)
    first = receipts.receipt_of(donation.id)
    returned(donation, 150_00, EVENING)
    issue_receipt(donation)
    db.session.commit()
    (task,), second = tasks(), receipts.receipt_of(donation.id)
    assert first and second
    client = signed_in(app, "clerk")
    charity, content = campaign.charity, first.content
    required = [
        *("2026-03-07", donation.full_name, *content["donor_address"], content["issued_on"], content["received_on"], first.serial),
        *(content["place_of_issue"], content["registration_number"], charity.legal_name, *charity.address, charity.signatory_name),
        *(second.serial, "2026-06-05"),
    ]
    for reader, (language, *words) in itertools.product(
        ("agency", "donor"), (("en", "Money (CAD)", "$150.00", "DRAFT UNTIL SIGNED"), ("fr", "Argent (CAD)", "150,00 $", "ÉBAUCHE"))
    ):
        said = draft_text(client, task, reader, language)
        assert [fact for fact in (*required, *words) if " ".join(fact.split()) not in said] == [], (reader, language)
    both = "please amend both: the federal one, with the Canada Revenue Agency, and the one of Québec, with Revenu Québec"
    assert donation.province == "QC"
    assert [both in draft_text(client, task, reader, "en") for reader in ("donor", "agency")] == [True, False]
    donation.province = "ON"
    db.session.commit()
    said = draft_text(client, task, "donor", "en")
    assert ("Revenu Québec" in said, "the agency may reassess that return" in said) == (False, True)
    exported = {entry.detail["document"] for entry in db.session.query(AuditEntry) if entry.action == "exported"}
    assert len(exported) == 4
    assert "draft of an information return (PDF, agency, fr)" in exported


def test_the_letter_about_an_annual_receipt_names_the_one_gift_and_its_parts(app: Flask, campaign: Campaign) -> None:
    for at in (datetime(2025, 12, 31, 23, tzinfo=TORONTO), datetime(2025, 6, 1, 12, tzinfo=UTC)):
        gift = start_donation(campaign, 80_00, email="monthly@example.org")
        pay(gift, at=at)
    donors.set_receipt_preference(gift.donor_id, "annual")
    db.session.commit()
    annual_jobs.issue_for(campaign.charity, 2025)
    for cents, at in ((30_00, FIRST), (40_00, SECOND)):
        returned(gift, cents, at)
    issue_receipt(gift)
    db.session.commit()
    (task,) = tasks()
    said = draft_text(signed_in(app, "clerk"), task, "agency", "en")
    facts = (
        "This gift on it, received on 2025-06-01 $80.00",
        "Amount of the gift $160.00",
        "returned on 2026-01-26 $30.00",
        "2026-03-07 $40.00",
    )
    assert [fact for fact in facts if fact not in said] == []
    assert "Fair market value when it was returned $70.00" in said


def test_a_letter_after_two_refunds_is_about_the_first_receipt_and_lists_those_that_replaced_it(app: Flask, campaign: Campaign) -> None:
    donation = receipted(campaign)
    for cents, at in ((150_00, FIRST), (50_00, SECOND)):
        returned(donation, cents, at)
        issue_receipt(donation)
    db.session.commit()
    first, second = receipts.receipts_of(donation.id)
    task, client = tasks()[-1], signed_in(app, "clerk")
    facts = (
        f"serial number {first.serial}",
        "Amount of the gift $200.00",
        f"No. {first.serial} today Cancelled and replaced by no. {second.serial} of {second.content['issued_on']} for $50.00",
        f"No. {second.serial} today Cancelled; no receipt is in its place",
        "Fair market value when it was returned $50.00",
    )
    said = draft_text(client, task, "agency", "en")
    assert [fact for fact in facts if fact not in said] == []
    ended = f"Official receipts no. {first.serial}, {second.serial} are cancelled. Please do not use them for your taxes."
    assert ended in draft_text(client, task, "donor", "en")


def test_letters_are_for_clerks_and_of_returns_that_exist(app: Flask, campaign: Campaign) -> None:
    task = due_in(campaign, 5)
    path = f"/staff/returned-gifts/{task.id}/drafts"
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    assert clerk.get("/staff/returned-gifts/999999/drafts/agency-en.pdf").status_code == 404
    assert [clerk.get(f"{path}/{name}.pdf").status_code for name in ("agency-de", "funder-en")] == [404, 404]
    for name in ("csrf_token", "_login_user"):
        g.pop(name, None)
    assert signed_in(app, "viewer").get(f"{path}/agency-en.pdf").status_code == 403
