"""Funds that managers create, change, activate, pause, resume and end on pages, each act saying before it what it does, and their burn-down."""

from datetime import UTC, datetime, timedelta

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.matching import fund_forecast, fund_lifecycle
from campaign.matching.fund_forecast import Forecast
from campaign.matching.funds import Fund, FundStatus, fund_by_slug
from campaign.operations import integrity_checks
from campaign.reporting import fund_days
from campaign.reporting.integrity import checker
from campaign.rules import step_chart
from campaign.staff.audit import AuditEntry
from tests.factories import another_campaign, create_fund, create_refund, paid, start_donation
from tests.web import open_page, signed_in, submit

PAGE = "/staff/funds"
VALID = {
    "name_en": "Club of Friends",
    "name_fr": "Club des amis",
    "funder": "new",
    "funder_en": "The Club",
    "funder_fr": "Le Club",
    "pledge": "5,000",
    "ratio_match": "1",
    "ratio_gift": "2",
    "per_donation": "100",
    "per_donor": "",
    "minimum": "",
    "position": "2",
    "opens": "2026-01-01",
    "closes": "2027-12-31",
}


def post(client: FlaskClient, path: str, at: str = "", **fields: str) -> TestResponse:
    """Send the form of the page at `path`, to `at` when that is another address."""
    page = open_page(client, path)
    version = page.text.partition('name="version" value="')[2].partition('"')[0]
    return submit(client, page, at or path, **({"version": version} | fields))


def stored(slug: str) -> Fund:
    db.session.expire_all()
    found = fund_by_slug(slug)
    assert found
    return found


def test_a_fund_is_drafted_changed_activated_paused_resumed_and_ended_on_pages(app: Flask, campaign: Campaign, fund: Fund) -> None:
    client = signed_in(app, "manager")
    fund_lifecycle.pause(fund, actor="test", reason="test")
    for cents in (100_00, 60_00):
        paid(campaign, cents)
    created = post(client, f"{PAGE}/new", **VALID)
    assert (created.status_code, created.location) == (303, f"{PAGE}/club-of-friends")
    draft = stored("club-of-friends")
    assert (draft.status, draft.pledged_cents, draft.ratio_denominator, draft.per_donation_cents) == (FundStatus.DRAFT, 5_000_00, 2, 100_00)
    assert draft.opens_at == datetime(2026, 1, 1, 5, tzinfo=UTC)
    assert draft.closes_at == datetime(2028, 1, 1, 5, tzinfo=UTC)
    assert (
        post(
            client,
            f"{PAGE}/club-of-friends/edit",
            **VALID | {"pledge": "6000", "name_en": "Friends", "funder": str(draft.funder_id)},
        ).status_code
        == 303
    )
    page = open_page(client, f"{PAGE}/club-of-friends").text
    assert "2 earlier gifts of $160.00 are matched at once, with $80.00." in page
    nothing = post(client, f"{PAGE}/club-of-friends", f"{PAGE}/club-of-friends/activations", reason=" ")
    assert (nothing.status_code, 'id="reason-activations-error"' in nothing.text) == (422, True)
    assert post(client, f"{PAGE}/club-of-friends", f"{PAGE}/club-of-friends/activations", reason="It begins").status_code == 303
    assert (stored("club-of-friends").matched_cents, stored("club-of-friends").pledged_cents) == (80_00, 6_000_00)
    frozen = post(client, f"{PAGE}/club-of-friends", f"{PAGE}/club-of-friends/edit", **VALID)
    assert frozen.status_code == 303
    assert stored("club-of-friends").name_en == "Friends"
    start_donation(campaign, 40_00)
    db.session.commit()
    assert "$20.00 on hold stays promised" in open_page(client, f"{PAGE}/club-of-friends").text
    post(client, f"{PAGE}/club-of-friends", f"{PAGE}/club-of-friends/pauses", reason="A question")
    paid(campaign, 10_00)
    paused = open_page(client, f"{PAGE}/club-of-friends").text
    assert "1 earlier gift of $10.00 is matched at once, with $5.00." in paused
    again = post(client, f"{PAGE}/club-of-friends", f"{PAGE}/club-of-friends/pauses", reason="Again")
    assert "the fund has changed since you opened this page" in open_page(client, again.location).text
    post(client, f"{PAGE}/club-of-friends", f"{PAGE}/club-of-friends/resumptions", reason="Answered")
    page = open_page(client, f"{PAGE}/club-of-friends").text
    assert stored("club-of-friends").matched_cents == 85_00
    assert "$5,895.00 of its pledge is not matched any more" in page
    assert "This cannot be undone" in page
    post(client, f"{PAGE}/club-of-friends", f"{PAGE}/club-of-friends/ends", reason="Over")
    ended = open_page(client, f"{PAGE}/club-of-friends").text
    assert stored("club-of-friends").status is FundStatus.ENDED
    assert "act-" not in ended
    actions = [entry.action for entry in db.session.query(AuditEntry).filter_by(subject="club-of-friends").order_by(AuditEntry.id)]
    assert actions == [
        *(
            "created a fund",
            "pledged fund",
            "changed a fund",
            "pledged fund",
            "activated fund",
            "paused fund",
            "resumed fund",
            "ended fund",
        ),
    ]
    assert checker.findings(db.engine) == []


def test_what_is_wrong_is_said_at_its_field_and_another_change_is_shown(app: Flask, campaign: Campaign) -> None:
    client = signed_in(app, "manager")
    wrong = {"name_fr": "", "funder": "99", "pledge": "0", "ratio_match": "0", "per_donor": "x", "closes": "2025-01-01", "position": "-1"}
    refused = post(client, f"{PAGE}/new", **VALID | wrong)
    assert refused.status_code == 422
    for name in wrong:
        assert f'id="{name}-error"' in refused.text, name
    assert "Another fund of this campaign has this place" in post(client, f"{PAGE}/new", **VALID | {"position": "1"}).text
    post(client, f"{PAGE}/new", **VALID)
    path = f"{PAGE}/club-of-friends/edit"
    page = open_page(client, path)
    version = page.text.partition('name="version" value="')[2].partition('"')[0]
    funder = str(stored("club-of-friends").funder_id)
    post(client, path, **VALID | {"minimum": "10", "funder": funder})
    second = submit(client, page, path, **VALID | {"version": version, "funder": funder})
    assert (second.status_code, "Stored now: 10" in second.text) == (422, True)
    assert "never lowered" in post(client, path, **VALID | {"pledge": "100", "funder": funder}).text
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    assert (open_page(clerk, f"{PAGE}/new").status_code, open_page(clerk, f"{PAGE}/club-of-friends").status_code) == (403, 200)


def test_a_fund_is_not_resumed_while_the_books_are_not_right(app: Flask, fund: Fund) -> None:
    client = signed_in(app, "manager")
    fund_lifecycle.pause(fund, actor="test", reason="test")
    db.session.add(integrity_checks.IntegrityCheck(findings=["I1: something"], is_whole=True, milliseconds=1))
    db.session.commit()
    assert "reason-resumptions" not in open_page(client, f"{PAGE}/{fund.slug}").text
    post(client, f"{PAGE}/{fund.slug}", f"{PAGE}/{fund.slug}/resumptions", reason="Now")
    assert stored(fund.slug).status is FundStatus.PAUSED


def test_the_forecast_is_what_activating_then_does(app: Flask, campaign: Campaign) -> None:
    """With partly matched gifts, refunds, a cap per donor and per gift, a minimum and a window, and less money than gifts."""
    for pledge, terms in ((70_00, {"per_donor_cents": 90_00}), (500_00, {"per_donation_cents": 30_00, "minimum_cents": 25_00})):
        other = another_campaign(50_00, like=campaign)
        gifts = [
            paid(other, cents, email=email)
            for cents, email in ((80_00, "a@x.org"), (40_00, "a@x.org"), (20_00, "b@x.org"), (60_00, "b@x.org"))
        ]
        create_refund(gifts[3], 10_00)
        db.session.commit()
        fund = create_fund(
            other, pledge, position=2, active=False, ratio_numerator=2, opens_at=datetime.now(UTC) - timedelta(days=1), **terms
        )
        db.session.commit()
        expected = fund_forecast.forecast(fund)
        assert expected.donations > 1
        fund_lifecycle.activate(fund, actor="test", reason="test")
        db.session.commit()
        assert fund.matched_cents == expected.matched_cents
    late = create_fund(other, 10_00, position=3, active=False, opens_at=datetime.now(UTC) + timedelta(days=1))
    db.session.commit()
    assert fund_forecast.forecast(late) == Forecast()


def test_the_burn_down_is_the_same_as_bands_and_as_a_table_and_ends_at_the_balances(app: Flask, campaign: Campaign, fund: Fund) -> None:
    paid(campaign, 1_000_00)
    start_donation(campaign, 500_00)
    db.session.commit()
    db.session.refresh(fund)
    last = fund_days.days_of(fund, campaign)[-1]
    assert (last.pledged_cents, last.matched_cents) == (fund.pledged_cents, fund.matched_cents)
    assert last.left_cents == fund.available_cents + fund.held_cents
    page = open_page(signed_in(app, "viewer"), f"{PAGE}/{fund.slug}").text
    assert page.count("<polygon") == 2
    assert 'data-label="Matched">$1,000.00</td>' in page
    assert "prefers-color-scheme" not in page


def test_steps_fill_the_chart_from_the_first_day_to_the_last_without_gap_or_overlap() -> None:
    low, high = step_chart.stacked_steps([0, 5], [[0, 50], [100, 50]], last=10, top=100)
    assert low == "0,280 500,280 500,140 1000,140 1000,280 500,280 500,280 0,280"
    assert high == "0,0 500,0 500,0 1000,0 1000,140 500,140 500,280 0,280"
    assert step_chart.stacked_steps([], [[]], last=0, top=100) == []


def test_a_draft_may_change_its_terms_and_its_campaign_its_address_after_the_pledge_without_breaking_the_chain(
    app: Flask, campaign: Campaign
) -> None:
    client = signed_in(app, "manager")
    draft = another_campaign(like=campaign, bounds={"opened_at": None})
    fund = create_fund(draft, 100_00, position=1, active=False)
    db.session.commit()
    fund.ratio_denominator = 2
    db.session.commit()
    draft.slug = "renamed"
    db.session.commit()
    assert open_page(client, f"{PAGE}/{fund.slug}").status_code == 200
    assert checker.findings(db.engine) == []
