"""The page of funds for staff: balances, and two members who raise a pledge; nobody agrees alone, and nothing typed is lost."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.matching import fund_lifecycle, pledge_requests
from campaign.matching.funds import Fund
from campaign.staff.members import Staff
from campaign.web.security import CONFIRMED_AT
from tests.factories import create_fund, start_donation
from tests.web import csrf_of, signed_in

PAGE, FORM = "/staff/funds", "/staff/funds/sanaa-richard/pledge-requests"


def get(client: FlaskClient, path: str = PAGE) -> TestResponse:
    # All clients of a test share one app context: forget the state of the last request.
    for name in ("csrf_token", "_login_user", "_flashes", "fs_authn_via", "_flask_babel"):
        g.pop(name, None)
    return client.get(path)


def post(client: FlaskClient, path: str, page: str = PAGE, **fields: str) -> TestResponse:
    token = csrf_of(get(client, page))
    return client.post(path, data={"csrf_token": token, **fields})


def pledged_cents() -> int:
    db.session.expire_all()
    return db.session.get_one(Fund, 1).pledged_cents


@pytest.fixture
def asker(app: Flask) -> FlaskClient:
    return signed_in(app, "manager", address="one@example.org")


def test_the_page_lists_each_fund_with_its_balances_and_state(app: Flask, campaign: Campaign, fund: Fund) -> None:
    start_donation(campaign, 100_00)
    create_fund(campaign, 700_00, position=2, active=False)
    fund_lifecycle.pause(fund, actor="a", reason="r")
    db.session.commit()
    page = get(signed_in(app, "viewer")).text
    for shown in ("$50,000.00", "$100.00", "$49,900.00", "paused", "Fund 2", "$700.00", "draft"):
        assert shown in page
    assert "pledge-requests" not in page, "a viewer has nothing to press"


def test_two_members_raise_a_pledge_on_the_page(app: Flask, fund: Fund, asker: FlaskClient) -> None:
    asked = post(asker, FORM, FORM, amount="$1,000", reason="a  second promise")
    assert (asked.status_code, asked.location) == (303, PAGE)
    request = pledge_requests.open_for(fund)
    assert request
    own, decision = get(asker).text, f"{PAGE}/pledge-requests/{request.id}"
    assert "Raise the pledge of Fonds Sanâa and Richard by $1,000.00?" in own
    assert "one@example.org asks for it: a second promise" in own
    assert "You asked for it yourself, so you cannot agree" in own
    assert 'value="agree"' not in own
    assert FORM not in own, "one request at a time"
    post(asker, decision, decision="agree")
    assert "You cannot approve your own request" in asker.get(PAGE).text
    assert pledged_cents() == 50_000_00
    for role in ("viewer", "clerk"):
        other = signed_in(app, role, address=f"{role}@example.org")
        assert "A manager decides." in get(other).text
        assert other.post(decision, data={"csrf_token": csrf_of(other.get("/staff/")), "decision": "agree"}).status_code == 403
    second = signed_in(app, "admin", address="two@example.org")
    assert "1 request to raise a pledge waits for a second person." in get(second, "/staff/").text
    assert 'value="agree"' in get(second).text
    assert post(second, decision, decision="agree").location == PAGE
    assert pledged_cents() == 51_000_00
    assert "The pledge is raised" in second.get(PAGE).text


@pytest.mark.parametrize(
    ("language", "amount", "reason", "errors"),
    [
        ("en", "", "r", ["Please write an amount, for example $1,234.56."]),
        ("en", "1.234,5", "r", ["Please write an amount, for example"]),
        ("en", "0", "", ["more than zero", "invisible character"]),
        ("en", "9" * 24, "r", ["$1,000,000,000 at most"]),
        ("fr", "1,234", "", ["par exemple 1\u00a0234,56\u00a0$.", "caractère invisible"]),
    ],
)
def test_errors_are_beside_their_fields_and_nothing_typed_is_lost(
    fund: Fund, asker: FlaskClient, language: str, amount: str, reason: str, errors: list[str]
) -> None:
    answer = post(asker, f"{FORM}?lang={language}", f"{FORM}?lang={language}", amount=amount, reason=reason or "\x00")
    assert answer.status_code == 422
    for error in errors:
        assert error in answer.text
    assert f'value="{amount}"' in answer.text
    assert pledge_requests.open_for(fund) is None


def test_asking_and_deciding_need_a_password_of_the_last_ten_minutes(fund: Fund, asker: FlaskClient) -> None:
    token = csrf_of(get(asker, FORM))
    with asker.session_transaction() as session:
        session[CONFIRMED_AT] = time.time() - 11 * 60
    fields = {"csrf_token": token, "amount": "100", "reason": "r", "decision": "refuse"}
    assert get(asker, FORM).location.partition("?")[0] == "/staff/verify"
    for answer in (asker.post(FORM, data=fields), asker.post(f"{PAGE}/pledge-requests/1", data=fields)):
        assert (answer.status_code, "confirm_password" in answer.text) == (403, True)
    assert pledge_requests.open_for(fund) is None


def test_whoever_has_had_their_role_for_less_than_a_day_reads_from_when_on_they_may(app: Flask, fund: Fund, asker: FlaskClient) -> None:
    post(asker, FORM, FORM, amount="1", reason="r")
    new = signed_in(app, "manager", address="new@example.org")
    assert "role-wait" not in get(new).text + get(new, FORM).text, "the control"
    since = datetime.now(UTC).replace(second=30) - timedelta(hours=20)
    db.session.query(Staff).filter_by(email="new@example.org").one().role_since = since
    db.session.commit()
    until = (since + timedelta(days=1, seconds=30)).astimezone(ZoneInfo("America/Toronto"))
    for path, disabled in ((PAGE, 'value="agree" aria-describedby="request-1 role-wait" disabled'), (FORM, "<fieldset disabled")):
        page = get(new, path).text
        assert f"From {until:%Y-%m-%d %H:%M} on you can ask" in page and disabled in page
    assert 'value="refuse" class="secondary outline" aria-describedby="request-1">' in get(new).text, "refusing is for everybody"
    assert "role-wait" not in get(signed_in(app, "viewer", address="v@example.org")).text
    db.session.query(Staff).filter_by(email="new@example.org").one().role_since = since - timedelta(hours=4, seconds=30)
    db.session.commit()
    assert "role-wait" not in get(new).text + get(new, FORM).text


def test_funds_whose_pledge_cannot_be_raised_and_other_decisions_are_not_found(campaign: Campaign, fund: Fund, asker: FlaskClient) -> None:
    draft = create_fund(campaign, 100, position=2, active=False)
    fund_lifecycle.end(fund, actor="a", reason="over")
    db.session.commit()
    for slug in (draft.slug, fund.slug, "nobody"):
        assert get(asker, f"/staff/funds/{slug}/pledge-requests").status_code == 404
    assert post(asker, f"{PAGE}/pledge-requests/9", "/staff/", decision="agree").status_code == 404
