"""The list of donations of staff: what its filters find, its pages, sums, saved views and exports."""

import re
import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import NullPool, create_engine, select, text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.effects import decide_and_apply
from campaign.matching.funds import funds_of
from campaign.outbox.deliveries import DeliveryAttempt
from campaign.outbox.messages import OutboxMessage
from campaign.payments.status import Status, statuses_of
from campaign.reporting import donation_list
from campaign.reporting.donation_filters import UNPAID, DonationFilters, MatchLevel, Method, TributeFilter
from campaign.reporting.donation_list import ListPage
from campaign.rules.relative_days import RelativeDays, days_of
from campaign.staff.audit import AuditEntry
from campaign.staff.saved_views import SavedView
from tests.factories import (
    TORONTO,
    another_campaign,
    create_refund,
    decide_together,
    end,
    issue_receipt,
    paid,
    pay,
    payment_decision,
    reversal_decision,
    start_donation,
    today,
)
from tests.patience import PATIENCE_SECONDS
from tests.sheets import read_workbook
from tests.web import open_page, signed_in, submit

ZONE = ZoneInfo("America/Toronto")
LIST = "/staff/donations"


def listed(**filters: object) -> set[str]:
    """The names of the gifts that the filters find."""
    found = donation_list.list_page(DonationFilters(**filters), ZONE)  # type: ignore[arg-type]  # of several types
    return {row.donation.last_name for row in found.rows}


@pytest.fixture
def gifts(campaign: Campaign) -> dict[str, Donation]:
    """A gift of each state, by its name, which is that of the state."""
    by_state = {name: paid(campaign, 100_00, last_name=name) for name in ("paid", "refunded", "partially_refunded", "disputed")}
    create_refund(by_state["refunded"], 100_00)
    create_refund(by_state["partially_refunded"], 40_00)
    decide_and_apply(by_state["disputed"], reversal_decision(by_state["disputed"], 100_00, kind="dispute", status="needs_response"))
    by_state |= {name: start_donation(campaign, 100_00, last_name=name) for name in ("pending", "processing", "failed", "expired")}
    by_state["processing"].processing_at = datetime.now(UTC)
    by_state["quarantined"] = start_donation(campaign, 100_00, last_name="quarantined")
    pay(by_state["quarantined"], amount_cents=1_00)
    for name in ("failed", "expired"):
        end(by_state[name], name)
    db.session.commit()
    return by_state


def test_each_state_finds_the_gifts_that_are_shown_with_it(gifts: dict[str, Donation]) -> None:
    shown = statuses_of(list(db.session.scalars(select(Donation))))
    assert {gifts[name].id: Status(name) for name in gifts} == shown
    assert {state: listed(state=state.value) for state in Status} == {state: {state.value} for state in Status}
    unpaid = {"pending", "processing", "failed", "expired", "quarantined"}
    assert (listed(state=UNPAID), listed()) == (unpaid, set(gifts) - unpaid)


def test_the_match_is_in_full_in_part_or_none_and_waits_as_the_rows_say(campaign: Campaign) -> None:
    other = another_campaign(250_00, like=campaign)
    (fund,) = funds_of(other.id)
    for name in ("first", "second", "third", "fourth"):
        paid(other, 100_00, last_name=name)
    assert {level: listed(match=level) for level in MatchLevel} == {
        MatchLevel.FULL: {"first", "second"},
        MatchLevel.PARTIAL: {"third"},
        MatchLevel.NONE: {"fourth"},
        MatchLevel.WAITING: {"third", "fourth"},
    }
    rows = donation_list.list_page(DonationFilters(fund_id=fund.id), ZONE).rows
    assert [(row.donation.last_name, row.level, row.waits) for row in rows] == [
        ("third", MatchLevel.PARTIAL, True),
        ("second", MatchLevel.FULL, False),
        ("first", MatchLevel.FULL, False),
    ]
    assert listed(fund_id=fund.id + 1) == set()


def test_days_are_those_of_the_charity_and_inclusive(campaign: Campaign) -> None:
    midnight = datetime(2026, 3, 8, tzinfo=TORONTO)  # The day has 23 hours.
    moments = {"before": midnight - timedelta(seconds=1), "first": midnight, "last": datetime(2026, 3, 8, 23, 59, 59, tzinfo=TORONTO)}
    moments["after"] = moments["last"] + timedelta(seconds=1)
    for name, moment in moments.items():
        pay(start_donation(campaign, last_name=name), at=moment)
    db.session.commit()
    assert listed(first_on=midnight.date(), last_on=midnight.date()) == {"first", "last"}
    assert listed(first_on=midnight.date()) == {"first", "last", "after"}


def test_pages_continue_from_a_row_whatever_arrives_meanwhile(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(donation_list, "PAGE_SIZE", 2)
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    donations = [start_donation(campaign, last_name=f"{number}") for number in range(5)]
    decide_together(
        *((donation, payment_decision(donation, at=moment)) for donation in donations)
    )  # All at one moment: the ids tell them apart.

    def names(page: ListPage) -> list[str]:
        return [row.donation.last_name for row in page.rows]

    first = donation_list.list_page(DonationFilters(), ZONE)
    paid(campaign, last_name="new")
    second = donation_list.list_page(DonationFilters(), ZONE, before=first.rows[-1].position)
    third = donation_list.list_page(DonationFilters(), ZONE, before=second.rows[-1].position)
    assert [names(first), names(second), names(third)] == [["4", "3"], ["2", "1"], ["0"]]
    assert [(page.has_newer, page.has_older) for page in (first, second, third)] == [(False, True), (True, True), (True, False)]
    back = donation_list.list_page(DonationFilters(), ZONE, after=second.rows[0].position)
    assert (names(back), back.has_newer, back.has_older) == (["4", "3"], True, True)


def test_sums_are_those_of_all_that_is_listed_or_are_said_to_be_missing(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = paid(campaign, 100_00, covered_fee_cents=3_00), paid(campaign, 50_00)
    create_refund(first, 51_50)
    filters = DonationFilters(method=Method.CARD)
    sums = donation_list.sums_of(filters, ZONE)
    assert sums == donation_list.whole_sums_of(filters, ZONE)
    assert sums is not None
    assert (sums.count, sums.gross_cents, sums.net_cents, sums.matched_cents) == (2, 150_00, 100_00, 100_00)
    totals = donation_list.sums_of(DonationFilters(), ZONE)
    assert totals is not None
    assert (totals.count, totals.gross_cents, totals.net_cents, totals.matched_cents) == (2, None, 100_00, 100_00)
    monkeypatch.setattr(donation_list, "SUMMED_AT_ONCE", 1)
    assert donation_list.sums_of(filters, ZONE) is None
    monkeypatch.setattr(donation_list, "SUMMED_AT_ONCE", 5)
    monkeypatch.setattr(donation_list, "SUMMED_WITHIN", db.text("SELECT set_config('statement_timeout', '1ms', true), pg_sleep(0)"))
    monkeypatch.setattr(donation_list, "_sums", lambda *_, **__: db.session.execute(db.text("SELECT pg_sleep(1)")))
    assert donation_list.sums_of(filters, ZONE) is None
    assert db.session.scalar(db.text("SHOW statement_timeout")) == "1min", "the timeout is that of the sums alone"


def test_the_page_links_each_gift_says_what_is_filtered_and_shows_wrong_filters_at_their_fields(app: Flask, campaign: Campaign) -> None:
    client = signed_in(app, "viewer")
    assert "No gift has been paid yet" in open_page(client, LIST).text
    donation = paid(campaign, 1_234_56, first_name="Hélène", last_name="Tremblay", email="helene@example.org")
    paid(campaign, 10_00, last_name="Roy")
    page = open_page(client, f"{LIST}?q=helene+tremb&state=paid&method=card&match=full&from=2020-01-01&to=2999-01-01").text
    assert f'href="/staff/donations/{donation.public_id}">Hélène Tremblay' in page
    assert "Roy" not in page
    assert [said in page for said in ("from January 1, 2020", "matched in full", "$1,234.56")] == [True] * 3
    assert "donations.csv" not in page, "a viewer exports nothing"
    assert "No gift is like this." in open_page(client, f"{LIST}?q=nobody").text
    wrong = (
        "state=begun&from=31/12/2026&to=x&campaign=none&fund=none&method=gold&match=9&q=%E2%80%AEx&before=1-2-3&after=9999999999999999-1"
    )
    answer = open_page(client, f"{LIST}?{wrong}")
    marked = re.findall(r'id="(\w+)" name="\w+"[^>]* aria-invalid="true"', answer.text)
    assert (answer.status_code, set(marked)) == (200, {"q", "state", "from", "to", "fund", "method", "match"})
    assert answer.text.count("Tremblay") == 1, "the list without these filters"
    assert "This day is before the first one." in open_page(client, f"{LIST}?from=2026-02-02&to=2026-02-01").text
    french = open_page(client, f"{LIST}?lang=fr&q=1+234,56+$").text
    assert "Hélène Tremblay" in french
    assert "1\u00a0234,56\u00a0$" in french


def export(client: FlaskClient, path: str) -> bytes:
    with client.application.app_context():
        return bytes(client.get(path, buffered=True).data)


def test_the_list_as_csv_and_xlsx_is_the_list_with_its_receipts_and_is_audited(app: Flask, campaign: Campaign) -> None:
    named = paid(campaign, 1_234_56, first_name="=1+1", last_name="Tremblay", news_consent=True)
    receipt = issue_receipt(named)
    paid(campaign, 10_00, last_name="Roy")
    client = signed_in(app, "manager")
    lines = export(client, f"{LIST}.csv?q=tremblay").decode("utf-8-sig").splitlines()
    assert (len(lines), "'=1+1 Tremblay" in lines[1], "1234.56" in lines[1], receipt is None or receipt.serial in lines[1]) == (
        2,
        True,
        True,
        True,
    )
    french = export(client, f"{LIST}.csv?lang=fr").decode("utf-8-sig").splitlines()
    assert (len(french), ";1234,56;" in french[2]) == (3, True)
    assert export(client, f"{LIST}.xlsx").startswith(b"PK")
    entries = list(db.session.scalars(select(AuditEntry).where(AuditEntry.subject == "donations").order_by(AuditEntry.id)))
    assert [
        (entry.action, entry.detail.get("filters"), entry.detail.get("rows"), entry.detail.get("is_complete")) for entry in entries
    ] == [
        ("exported", {"q": True}, None, None),
        ("sent an export", None, 1, True),
        ("exported", None, None, None),
        ("sent an export", None, 2, True),
        ("exported", None, None, None),
        ("sent an export", None, 2, True),
    ]
    assert export(signed_in(app, "clerk", address="clerk@example.org"), f"{LIST}.csv")[:9] == b"<!doctype"


def test_gifts_with_a_tribute_are_listed_and_their_file_has_what_thanks_need(app: Flask, campaign: Campaign) -> None:
    thanked = paid(campaign, 50_00, last_name="Roy", tribute_kind="memory", tribute_name="Hélène Côté", message="With love")
    paid(campaign, 60_00, last_name="Caron", tribute_kind="honour", tribute_name="Zoë Roy")
    paid(campaign, 70_00, last_name="Plain")
    message = db.session.scalars(select(OutboxMessage).where(OutboxMessage.donation_id == thanked.id)).one()
    sent_at = datetime(2026, 3, 1, 3, tzinfo=UTC)
    db.session.add(DeliveryAttempt(outbox_id=message.id, sha256=b"", ended_at=sent_at, outcome="accepted"))
    db.session.commit()
    assert (listed(tribute=TributeFilter.ANY), listed(tribute=TributeFilter.MEMORY)) == ({"Roy", "Caron"}, {"Roy"})
    assert (listed(tribute_name="helene cot"), listed(tribute_name="roy"), listed(tribute_name="'")) == ({"Roy"}, {"Caron"}, set())
    client = signed_in(app, "manager")
    page = open_page(client, f"{LIST}?tribute=any&tribute_name=helene").text
    assert [said in page for said in ("<small>In memory of Hélène Côté</small>", "with a tribute", "tribute to helene")] == [True] * 3
    assert "Caron" not in page
    rows = read_workbook(export(client, f"{LIST}.xlsx?tribute=any&tribute_name=helene"))["Gifts"]
    named = dict(zip(rows[0], rows[1], strict=True))
    assert {name: named[name] for name in ("Donor", "Language", "Gift", "Tribute", "In honour or memory of", "Message")} == {
        "Donor": thanked.full_name,
        "Language": "English",
        "Gift": 50,
        "Tribute": "In memory of",
        "In honour or memory of": "Hélène Côté",
        "Message": "With love",
    }
    assert str(named["Thanked on"])[:10] == "2026-02-28", "in the charity's zone"
    exported = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "exported")).one()
    assert exported.detail["filters"] == {"tribute": "any", "tribute_name": True}


def test_days_relative_to_today_stay_so_in_links_and_saved_views(app: Flask, campaign: Campaign) -> None:
    now, first = datetime.now(UTC), today().replace(day=1)
    gifts = {
        "This": now,
        "Last": datetime.combine(first - timedelta(days=1), datetime.min.time(), TORONTO),
        "Old": now - timedelta(days=800),
    }
    for name, at in gifts.items():
        pay(start_donation(campaign, 50_00, last_name=name), at=at)
    client = signed_in(app, "clerk")

    def shown(query: str) -> set[str]:
        page = open_page(client, f"{LIST}?{query}").text
        return {name for name in gifts if f" {name}</a>" in page}

    assert (shown("days=this_month"), shown("days=last_month"), "This" in shown("days=last_30_days")) == ({"This"}, {"Last"}, True)
    assert "Old" not in shown("days=this_fiscal_year")
    page = open_page(client, LIST)
    saved = submit(client, page, f"{LIST}/views?days=this_month", name="Of the month")
    assert saved.headers["Location"] == f"{LIST}?days=this_month"
    assert db.session.scalars(select(SavedView)).one().filters == {"days": "this_month"}
    both = open_page(client, f"{LIST}?days=this_month&from={first}").text
    assert "Please choose either these days or those from and until." in both
    assert both.index("Save this view") < both.index("<table"), "beside the filters"
    assert 'id="days-error"' in open_page(client, f"{LIST}?days=some").text
    donors = open_page(client, "/staff/donors?days=last_month").text
    assert (" Last</a>" in donors, " This</a>" in donors, "last month: " in donors) == (True, False, True)


def test_relative_days_are_those_of_the_calendar_and_the_fiscal_year() -> None:
    day = date(2028, 3, 31)
    of = {one: days_of(one, day, fiscal_year_end="03-31") for one in RelativeDays}
    assert {one.value: (str(period.first_on), str(period.last_on)) for one, period in of.items()} == {
        "this_month": ("2028-03-01", "2028-03-31"),
        "last_month": ("2028-02-01", "2028-02-29"),
        "last_30_days": ("2028-03-02", "2028-03-31"),
        "this_fiscal_year": ("2027-04-01", "2028-03-31"),
    }
    assert days_of(RelativeDays.LAST_MONTH, date(2028, 1, 1), fiscal_year_end="12-31").first_on == date(2027, 12, 1)


def test_a_slow_client_holds_no_transaction_and_an_export_that_is_cut_says_so(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaign.reporting.donation_list.ROWS_AT_ONCE", 1)
    gifts = [paid(campaign).public_id for _ in range(3)]
    db.session.commit()
    client = signed_in(app, "manager")
    with app.app_context():
        answer = client.get(f"{LIST}.csv")
        sent = answer.iter_encoded()
        part = next(sent)
        while gifts[0].encode() not in part:
            part += next(sent)
        assert _open_transactions(app) == 0
        assert b"".join([part, *sent]).startswith(b"\xef\xbb\xbf")
        cut = client.get(f"{LIST}.csv")
        next(iter(cut.iter_encoded()))
        cut.close()
    whole, half = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "sent an export").order_by(AuditEntry.id))
    assert [(whole.detail["is_complete"], whole.detail["rows"]), half.detail["is_complete"]] == [(True, 3), False]


def _open_transactions(app: Flask) -> int:
    """How many sessions of the service are in a transaction, once those that are reading have ended it."""
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE '%in transaction' AND pid <> pg_backend_pid()"
    ends_at = time.monotonic() + PATIENCE_SECONDS
    with create_engine(app.config["SQLALCHEMY_DATABASE_URI"], isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as other:
        while (found := other.execute(text(open_ones)).scalar_one()) and time.monotonic() < ends_at:
            pass
    return int(found)


def test_a_member_saves_views_for_oneself_or_for_all_and_changes_only_ones_own(app: Flask, campaign: Campaign) -> None:
    paid(campaign)
    clerk, viewer = signed_in(app, "clerk", address="clerk@example.org"), signed_in(app, "viewer", address="viewer@example.org")
    page = open_page(clerk, LIST)
    assert "Choose a filter first" in submit(clerk, page, f"{LIST}/views", name="Everything").text
    shared = submit(clerk, page, f"{LIST}/views?state=paid&q=%20%20roy&nothing=1", name="Paid by Roy", is_shared="on")
    assert shared.headers["Location"] == f"{LIST}?q=roy&state=paid"
    view = db.session.scalars(select(SavedView)).one()
    assert "another view of this name" in submit(clerk, page, f"{LIST}/views?q=x", name="Paid by Roy").text
    own = open_page(viewer, LIST)
    assert 'href="/staff/donations?q=roy&amp;state=paid">Paid by Roy</a>' in own.text
    submit(viewer, own, f"{LIST}/views?match=none", name="Mine", is_shared="on")
    assert "Mine" not in open_page(clerk, LIST).text, "a viewer shares nothing"
    for path in (f"{LIST}/views/{view.id}", f"{LIST}/views/{view.id}/deletion"):
        assert submit(viewer, own, path, name="Taken").status_code == 404
    empty = submit(clerk, page, f"{LIST}/views/{view.id}?q=roy", name=" ")
    assert (empty.status_code, "Please write a name" in empty.text) == (422, True)
    submit(clerk, page, f"{LIST}/views/{view.id}", name="Roy, paid")
    assert "Roy, paid" not in open_page(viewer, LIST).text, "it is not shared any longer"
    submit(clerk, page, f"{LIST}/views/{view.id}/deletion")
    assert [left.name for left in db.session.scalars(select(SavedView))] == ["Mine"]
    submit(clerk, page, f"{LIST}/views?q=left", name="Of somebody who left", is_shared="on")
    theirs = db.session.scalars(select(SavedView).where(SavedView.name == "Of somebody who left")).one()
    manager, path = signed_in(app, "manager", address="manager@example.org"), f"{LIST}/views/{theirs.id}"
    assert "A view of clerk@example.org" in open_page(viewer, f"{LIST}?q=left").text
    submit(manager, open_page(manager, f"{LIST}?q=left"), path, name=theirs.name)
    assert theirs.name not in open_page(viewer, LIST).text, "it is not shared any longer, nor is it the manager's"
    assert submit(manager, open_page(manager, LIST), f"{path}/deletion").status_code == 404
    actions = select(AuditEntry.action).where(AuditEntry.subject == f"view {view.id}").order_by(AuditEntry.id)
    assert list(db.session.scalars(actions)) == ["saved a view", "changed a view", "deleted a view"]
    assert [before < after for before, after in pairwise(db.session.scalars(select(AuditEntry.id)))].count(False) == 0
