"""Months: what staff see of one, closing it with its figures and the ends of the chains, and what comes later as a difference."""

import re
from datetime import UTC, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.operations import integrity_checks
from campaign.reporting import closed_months, month_actions, month_checks, months
from campaign.reporting.integrity import checker
from campaign.reporting.month_checks import MonthCheck
from campaign.rules.fiscal_years import Period
from campaign.rules.months import InvalidMonth, month_before, months_back, parse_month
from campaign.rules.offline_gifts import OfflineMethod, OfflineQuestion
from campaign.staff import audit
from campaign.staff.audit import AuditEntry
from campaign.stripe_sync import cursors, reconciliations
from campaign.stripe_sync.cursors import StripeList
from campaign.texts.action_errors import ActionError, ActionRefused
from tests.factories import TORONTO, create_refund, pay, post_stripe_fee, start_donation, today
from tests.offline_gifts import cheque
from tests.web import csrf_of, open_page, signed_in

MONTH = month_before(today())
NAME = f"{MONTH.first_on:%Y-%m}"
LAST_NOON = datetime.combine(MONTH.last_on, time(12), TORONTO).astimezone(UTC)
MANAGER = "manager@example.org"


def give(campaign: Campaign, cents: int, *, fee: int = 0, at: datetime = LAST_NOON) -> None:
    donation = start_donation(campaign, cents)
    pay(donation, at=at)
    if fee:
        post_stripe_fee(donation, fee, created_at=at)
    db.session.commit()


def make_clean(campaign: Campaign) -> None:
    """All that is checked before a month is closed is done."""
    cursors.advance_cursor(StripeList.BALANCE, livemode=False, read_until=datetime.now(UTC))
    reconciliations.finish(reconciliations.start(since=LAST_NOON, actor="test"), [], compared={})
    integrity_checks.record([], milliseconds=1, is_whole=True, point=None)
    db.session.commit()


def close(campaign: Campaign, *, reason: str = "", seen: str = "") -> closed_months.ClosedMonth:
    seen = seen or months.figures_of(campaign.charity, MONTH).digest
    return month_actions.close_month(campaign.charity, MONTH.first_on, reason=reason, seen=seen, actor=MANAGER)


def refusal(campaign: Campaign, **how: str) -> ActionError:
    with pytest.raises(ActionRefused) as error:
        close(campaign, **how)
    return error.value.refusal


def test_a_month_is_closed_once_with_its_figures_and_reopened_with_a_reason(app: Flask, campaign: Campaign, fund: Fund) -> None:
    give(campaign, 100_00, fee=3_20)
    give(campaign, 40_00, at=LAST_NOON + timedelta(days=1))
    assert refusal(campaign) is ActionError.MONTH_NEEDS_REASON
    make_clean(campaign)
    open_checks = {
        c.check for c in month_checks.check_month(campaign.charity, MONTH, months.figures_of(campaign.charity, MONTH)) if c.stops
    }
    assert open_checks == set()
    with pytest.raises(month_actions.FiguresChanged):
        close(campaign, seen="of another moment")
    closed = close(campaign)
    assert closed.figures["donation"] == [1, 100_00]
    assert (closed.figures["opening"], closed.figures["closing"]) == ([0, 0], [0, 96_80])
    assert closed.positions[f"campaign:{campaign.id}"] == 3, "what came later is beyond the ends of the chains"
    assert refusal(campaign) is ActionError.MONTH_IS_CLOSED
    with pytest.raises(ActionRefused, match="not over"):
        month_actions.close_month(campaign.charity, today().replace(day=1), reason="early", seen="", actor=MANAGER)
    month_actions.reopen_month(campaign.charity, MONTH.first_on, reason="a cheque was found", actor="other@example.org")
    with pytest.raises(ActionRefused, match="open"):
        month_actions.reopen_month(campaign.charity, MONTH.first_on, reason="again", actor=MANAGER)
    close(campaign, reason="second time")
    trail = [(entry.actor, entry.action, entry.subject) for entry in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
    assert trail[-3:] == [
        (MANAGER, "closed a month", NAME),
        ("other@example.org", "reopened a month", NAME),
        (MANAGER, "closed a month", NAME),
    ]
    for change in (
        "UPDATE closed_month SET figures = '{}'",
        "UPDATE closed_month SET reopened_by = 'x', reopened_at = now(), reopening_reason = 'x' WHERE reopened_at IS NOT NULL",
        "DELETE FROM closed_month",
        "DELETE FROM journal_account",
    ):
        with pytest.raises(DatabaseError):
            db.session.execute(text(change))
        db.session.rollback()
    assert checker.findings(db.engine) == []


def test_without_its_audit_row_a_month_is_not_closed(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(RuntimeError):
        close(campaign, reason="test")
    db.session.rollback()
    assert closed_months.closing_of(campaign.charity, MONTH.first_on) is None


def test_what_comes_after_the_closing_shows_as_a_difference_with_a_journal_of_its_own(app: Flask, campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    pay(donation, at=LAST_NOON)
    make_clean(campaign)
    manager, viewer = signed_in(app, "manager", address=MANAGER), signed_in(app, "viewer", address="viewer@example.org")
    path = f"/staff/money/months/{NAME}"
    page = open_page(manager, path)
    assert "To do:" not in page.text
    seen = re.search(r'name="seen" value="(\w+)"', page.text)
    assert seen
    form = {"csrf_token": csrf_of(page), "seen": seen[1], "reason": ""}
    assert manager.post(f"{path}/closings", data={**form, "seen": "other"}).status_code == 422
    assert manager.post(f"{path}/closings", data=form).status_code == 303
    assert "Nothing has changed since then" in open_page(viewer, path).text
    assert 'action="' + path not in open_page(viewer, path).text, "a viewer has no form"
    late = LAST_NOON + timedelta(hours=1)
    create_refund(donation, 30_00, returned_at=late)
    give(campaign, 20_00, at=late)
    answered = frozenset(OfflineQuestion)
    cheque(campaign, 15_00, received_on=MONTH.last_on, answered=answered, method=OfflineMethod.ETRANSFER)
    cheque(campaign, 16_00, received_on=MONTH.last_on, answered=answered)
    page = open_page(viewer, path)
    assert "Something came later" in page.text
    assert "$15.00" in page.text and "$16.00" in page.text, "a gift without Stripe that is dated in a closed month came later too"
    assert "$20.00" in page.text and "-$30.00" in page.text.replace("\u2212", "-")
    closed = closed_months.closing_of(campaign.charity, MONTH.first_on)
    assert closed
    journal = open_page(manager, f"/staff/money/journal/csv?closing={closed.id}")
    numbers = [line.split(",")[1].strip('"') for line in journal.text.split("\r\n")[1:-1]]
    assert len(numbers) == 8 and all(re.fullmatch(rf"{MONTH.last_on:%Y%m%d}-E\d+", number) for number in numbers)
    assert set(numbers) == set(re.findall(r"\d{8}-E\d+", open_page(manager, f"/staff/money/journal/quickbooks?closing={closed.id}").text))
    response = manager.post(f"{path}/reopenings", data={"csrf_token": csrf_of(open_page(manager, path)), "reason": ""})
    assert response.status_code == 422 and "The reason is missing" in response.text
    assert '<details class="panel" open>' in response.text, "what is wrong can be seen"
    overview = open_page(viewer, "/staff/money/months" + f"?year={MONTH.year}")
    assert "closed" in overview.text


def test_the_figures_of_a_month_have_funds_and_receipts_and_stripes_own_lines(app: Flask, campaign: Campaign, fund: Fund) -> None:
    give(campaign, 100_00, fee=3_20)
    figures = months.figures_of(campaign.charity, MONTH)
    stripe = months.at_stripe(campaign.charity, campaign.currency, MONTH)
    assert (stripe.gifts_cents, stripe.fees_cents, stripe.other_cents, stripe.closing_cents) == (100_00, 3_20, 0, 96_80)
    assert figures.stripe.closing_cents == 96_80
    assert Move.MATCH not in figures.sums, "it was matched today, whatever the day of the gift"
    this_month = months.figures_of(campaign.charity, Period(first_on=today().replace(day=1), last_on=today()))
    assert this_month.sums[Move.MATCH].cents == 100_00
    assert months.not_received_cents(campaign.charity) == 100_00


def test_what_is_open_of_a_month_is_named_with_its_page(app: Flask, campaign: Campaign) -> None:
    reconciliations.start(since=LAST_NOON, actor="test")
    integrity_checks.record(["I2: the books are wrong."], milliseconds=1, is_whole=True, point=None)
    db.session.commit()
    checks = {c.check: c for c in month_checks.check_month(campaign.charity, MONTH, months.figures_of(campaign.charity, MONTH))}
    assert {check for check, checked in checks.items() if checked.stops} == {
        MonthCheck.STRIPE_READ,
        MonthCheck.RECONCILED,
        MonthCheck.BOOKS,
    }
    page = signed_in(app, "viewer").get(f"/staff/money/months/{NAME}?lang=fr")
    assert page.status_code == 200


def test_a_month_is_written_as_year_and_month(app: Flask, campaign: Campaign) -> None:
    assert parse_month("2026-02").isoformat() == "2026-02-01"
    for wrong in ("2026-13", "2026-2", "26-02", "2026-02-01", "1899-12"):
        with pytest.raises(InvalidMonth):
            parse_month(wrong)
    assert [f"{day:%Y-%m}" for day in months_back(parse_month("2026-02"), parse_month("2025-12"))] == ["2026-02", "2026-01", "2025-12"]
    client = signed_in(app, "viewer")
    assert [client.get(f"/staff/money/months/{name}").status_code for name in ("x", "2999-01", NAME)] == [404, 404, 200]


@pytest.mark.owner
def test_a_closed_month_that_was_changed_and_a_movement_without_a_day_are_found(app: Flask, campaign: Campaign) -> None:
    give(campaign, 100_00, fee=3_20)
    close(campaign, reason="test")
    assert checker.findings(db.engine) == [], "control: nothing is wrong yet"
    for tampering, found in (
        ("""UPDATE closed_month SET figures = jsonb_set(figures, '{closing,1}', '1')""", "ends with 1 cents at Stripe"),
        ("""UPDATE closed_month SET figures = jsonb_set(figures, '{deposit}', '[1, 5]')""", "cents not deposited, but"),
        (f"""UPDATE closed_month SET heads = jsonb_set(heads, '{{campaign:{campaign.id},1}}', '"00"')""", "another hash of chain"),
        ("UPDATE ledger_entry SET cause = 'txn_unknown' WHERE kind = 'fee'", "has no day for the fee"),
    ):
        db.session.execute(text("SET LOCAL session_replication_role = replica"))
        db.session.execute(text(tampering))
        db.session.commit()
        assert any(found in sentence for sentence in checker.findings(db.engine)), found
