"""The pages of a seal: what is open, the request and the decision, and what donors, funders and staff see afterwards."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from campaign.campaigns import seals
from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import access_links
from campaign.matching.funds import Fund
from campaign.reporting import seal_actions
from tests import seals as sealed
from tests.factories import create_managers, create_pledgers, paid, start_donation
from tests.fund_calls import issue_call
from tests.funder_payments import create_funder, record
from tests.web import open_page, signed_in, submit

ONE, TWO = "asks@pledges.example.org", "agrees@pledges.example.org"
PATH = "/staff/campaigns/vision-sanaa-richard/seal"


@pytest.fixture(autouse=True)
def pledgers(app: Flask) -> None:
    create_pledgers()


@pytest.fixture
def over(campaign: Campaign, fund: Fund) -> Campaign:
    """A campaign of which nothing is open any more."""
    paid(campaign, 300_00)
    create_funder(fund)
    issue_call(fund)
    record(fund, 300_00)
    sealed.make_ready(campaign)
    return campaign


def manager(app: Flask, address: str) -> FlaskClient:
    return signed_in(app, "manager", address=address)


def test_two_managers_seal_a_campaign_on_its_page(app: Flask, over: Campaign) -> None:
    asks, agrees = manager(app, ONE), manager(app, TWO)
    page = open_page(asks, PATH)
    assert "Nothing is open: the campaign can be sealed." in page.text and "may still dispute" in page.text
    assert submit(asks, page, f"{PATH}/requests", reason="").status_code == 422
    assert submit(asks, page, f"{PATH}/requests", reason="all is paid").status_code == 303
    mine = open_page(asks, f"{PATH}?lang=fr")
    assert "all is paid" in mine.text and 'value="agree"' not in mine.text and 'value="refuse"' in mine.text
    request = seals.open_for(over)
    assert request is not None
    theirs = open_page(agrees, PATH)
    assert "Agree: seal it for ever" in theirs.text
    done = submit(agrees, theirs, f"{PATH}/requests/{request.id}", decision="agree")
    assert done.status_code == 303
    shown = open_page(agrees, PATH)
    assert "The campaign is sealed. Its result is final." in shown.text and ONE in shown.text and TWO in shown.text
    assert f"fund:{over.id}" in shown.text and "/staff/funds/sanaa-richard/statements/" in shown.text
    assert open_page(agrees, "/staff/campaigns/vision-sanaa-richard").text.count("sealed") >= 2


def test_a_page_that_was_open_meanwhile_says_why_nothing_was_done(app: Flask, over: Campaign) -> None:
    client = manager(app, ONE)
    page = open_page(client, PATH)
    sealed.seal(over)
    again = submit(client, page, f"{PATH}/requests", reason="all is paid")
    assert again.status_code == 422 and "The campaign is sealed: nothing of its books changes any more." in again.text
    refused = submit(client, page, "/staff/campaigns/vision-sanaa-richard/acts", act="reopen")
    assert refused.status_code == 303
    assert "Nothing was done: the campaign has changed" in open_page(client, "/staff/campaigns/vision-sanaa-richard").text


def test_what_is_open_is_listed_with_where_to_end_it(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 300_00)
    start_donation(campaign, 20_00)
    db.session.commit()
    viewer = signed_in(app, "viewer")
    for language, sentences in {
        "en": ("The campaign is open to gifts.", "1 gift is under way.", "$300.00 lies at Stripe and is not paid out."),
        "fr": ("La campagne est ouverte aux dons.", "1 don est en cours.", "300,00\u00a0$"),
    }.items():
        page = open_page(viewer, f"{PATH}?lang={language}")
        assert all(sentence in page.text for sentence in sentences), language
        assert '<form class="panel"' not in page.text
    client = manager(app, ONE)
    refused = submit(client, open_page(client, PATH), f"{PATH}/requests", reason="now")
    assert refused.status_code == 422 and "Something of this campaign is still open" in refused.text


def test_who_may_not_decides_nothing(app: Flask, over: Campaign) -> None:
    request = seal_actions.request_seal(over, actor=ONE, reason="all is paid")
    for role in ("viewer", "clerk"):
        client = signed_in(app, role, address=f"{role}@example.org")
        page = open_page(client, PATH)
        assert "A manager decides." in page.text
        assert submit(client, page, f"{PATH}/requests/{request.id}", decision="agree").status_code == 403
    create_managers("third@example.org")
    other = manager(app, "third@example.org")
    page = open_page(other, PATH)
    assert submit(other, page, f"/staff/campaigns/other/seal/requests/{request.id}", decision="agree").status_code == 404
    assert submit(other, page, f"{PATH}/requests/{request.id + 1}", decision="agree").status_code == 404
    assert submit(other, page, f"{PATH}/requests/{request.id}", decision="perhaps").status_code == 404
    db.session.refresh(over)
    assert over.sealed_at is None


def test_a_draft_has_nothing_to_seal(app: Flask, campaign: Campaign) -> None:
    campaign.hidden_at = campaign.opened_at
    db.session.commit()
    assert open_page(signed_in(app, "viewer"), PATH).status_code == 404


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "The result is final: the books were checked and sealed on"), ("fr", "Le résultat est définitif")],
)
def test_donors_read_that_the_result_is_final(app: Flask, over: Campaign, language: str, sentence: str) -> None:
    address = f"/{language}/vision-sanaa-richard"
    before = app.test_client().get(address)
    assert sentence not in before.text and "/api/" not in before.text and 'class="claim"' not in before.text
    sealed.seal(over)
    after = app.test_client().get(address)
    assert sentence in after.text and "/api/campaigns/vision-sanaa-richard/proof" in after.text
    proof = app.test_client().get("/api/campaigns/vision-sanaa-richard/proof").get_json()
    seal = seals.seal_of(over)
    assert seal is not None
    heads = {(head["chain"], head["position"], head["hash"]) for head in proof["heads"]}
    assert {(chain, head["position"], head["hash"]) for chain, head in seal.heads.items()} <= heads


def test_a_funder_has_the_final_statement_which_stays_the_same(app: Flask, over: Campaign, fund: Fund) -> None:
    sealed.seal(over)
    link = access_links.create_link(fund, actor="test")
    db.session.commit()
    client = app.test_client()
    client.get(link.removeprefix("http://127.0.0.1:8000"))
    page = client.get("/funder/")
    assert "these figures are final" in page.text
    db.session.refresh(fund)
    assert fund.sealed_at is not None
    while datetime.now(UTC) < fund.sealed_at + timedelta(seconds=1):  # A statement to the end of a second is there when the second is over.
        time.sleep(0.05)
    name = next(part for part in page.text.split('"') if part.endswith(".csv?fund=sanaa-richard&amp;lang=en"))
    address = name.replace("&amp;", "&")
    first = client.get(address).data
    assert b"300.00" in first and client.get(address).data == first


def test_staff_are_offered_nothing_that_a_seal_refuses(app: Flask, over: Campaign, fund: Fund) -> None:
    client = manager(app, ONE)
    assert "Record a payment" in open_page(client, "/staff/funds/sanaa-richard/payments").text
    page = open_page(client, "/staff/funds/sanaa-richard/payments/new")
    sealed.seal(over)
    assert "Record a payment" not in open_page(client, "/staff/funds/sanaa-richard/payments").text
    fields = {"amount": "10", "day": "2026-01-01", "reference": "late", "lang": "fr"}
    refused = submit(client, page, "/staff/funds/sanaa-richard/payments", **fields)
    assert refused.status_code in {409, 422}
    assert "Record an offline gift" not in open_page(client, "/staff/funds/sanaa-richard").text
