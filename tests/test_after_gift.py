"""What the page of a gift offers once it is paid, in each state and both languages; and links that say nothing about the gift."""

import re
from html import unescape
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.donations.donors import Donor
from campaign.edges.db import db
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.rules.monthly_amounts import suggested_monthly_cents
from campaign.schedule import schedule_jobs
from tests.conftest import Stripe
from tests.factories import create_refund, end, issue_receipt, paid, pay, start_donation
from tests.offline_gifts import cheque
from tests.stripe import start_recurring
from tests.web import SLUG, open_page

SHARE, CARD, EMPLOYER, MONTHLY = 'id="share"', 'id="card"', 'id="employer"', "frequency=monthly"
TRIBUTE: dict[str, Any] = {"tribute_kind": "honour", "tribute_name": "Ana Roy"}


def page_of(client: FlaskClient, donation: Donation, language: str = "en") -> str:
    response = open_page(client, f"/{language}/donations/{donation.token}")
    assert response.status_code == 200
    return unescape(response.text)


def shown(page: str) -> list[str]:
    return [part for part in (SHARE, CARD, EMPLOYER, MONTHLY) if part in page]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "With your gift, research receives $200"), ("fr", "Grâce à votre don, la recherche reçoit 200\u00a0$")]
)
def test_thanks_come_first_with_the_doubled_sum_and_then_the_steps_in_their_order(
    client: FlaskClient, campaign: Campaign, fund: Fund, language: str, words: str
) -> None:
    donation = paid(campaign, 100_00, expected=100_00, **TRIBUTE)
    issue_receipt(donation)
    db.session.commit()
    page = page_of(client, donation, language)
    places = [page.index(part) for part in ("<h1>", words, "receipt.pdf", SHARE, CARD, EMPLOYER, MONTHLY)]
    assert places == sorted(places)


def test_without_a_match_research_receives_the_gift(client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    fund_lifecycle.pause(fund, actor="test", reason="test")
    db.session.commit()
    page = page_of(client, paid(campaign, 40_50))
    assert "With your gift, research receives $40.50" in page
    assert CARD not in page, "it is in honour of nobody"


def test_each_state_shows_what_makes_sense_in_it(client: FlaskClient, campaign: Campaign) -> None:
    pending, failed = start_donation(campaign, **TRIBUTE), start_donation(campaign, **TRIBUTE)
    processing, quarantined = start_donation(campaign, **TRIBUTE), start_donation(campaign, **TRIBUTE)
    end(failed, "failed")
    processing.processing_at = processing.started_at
    pay(quarantined, amount_cents=1_00)
    refunded, disputed, partly = (paid(campaign, **TRIBUTE) for _ in range(3))
    create_refund(refunded, 100_00)
    create_refund(partly, 40_00)
    create_refund(disputed, 100_00, kind="dispute", status="needs_response")
    db.session.commit()
    for donation in (pending, failed, processing, quarantined, refunded, disputed):
        page = page_of(client, donation)
        assert (shown(page), "With your gift, research receives" in page) == ([], False), donation.public_id
        assert client.get(f"/en/donations/{donation.token}/card.pdf").status_code == 404
    page = page_of(client, partly)
    assert shown(page) == [SHARE, CARD, EMPLOYER, MONTHLY]
    assert "With your gift, research receives $120" in page and "Amount: $60.00" in page


def test_who_gives_monthly_or_in_the_name_of_an_organization_gets_no_hint_that_does_not_fit(
    app: Flask, client: FlaskClient, campaign: Campaign, stripe: Stripe
) -> None:
    start_recurring(app, stripe, "en")
    schedule_jobs.poll_stripe()
    instalment = db.session.query(Donation).filter(Donation.received_at.is_not(None)).one()
    assert shown(page_of(client, instalment)) == [SHARE, EMPLOYER]
    other = paid(campaign, 30_00, email=instalment.email)
    assert MONTHLY not in page_of(client, other), "the same donor gives monthly already"
    organization = paid(campaign, 30_00, first_name="", last_name="", organization="Cycle Ltd.")
    assert EMPLOYER not in page_of(client, organization)


def test_an_offline_gift_offers_the_same_and_a_closed_campaign_neither_sharing_nor_a_monthly_gift(
    client: FlaskClient, campaign: Campaign
) -> None:
    offline = cheque(campaign)
    donation = paid(campaign)
    assert shown(page_of(client, offline)) == [SHARE, EMPLOYER, MONTHLY]
    campaign_actions.close_to_gifts(campaign, actor="test")
    for one in (offline, donation):
        assert shown(page_of(client, one)) == [EMPLOYER]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_share_links_have_the_public_address_and_nothing_of_the_gift(client: FlaskClient, campaign: Campaign, language: str) -> None:
    donation = paid(campaign, 123_45, message="Xylograph", tribute_kind="honour", tribute_name="Quibblestone")
    page = page_of(client, donation, language)
    part = page.partition(SHARE)[2].partition("</section>")[0]
    links = re.findall(r'<a href="([^"]+)" rel="noopener noreferrer"', part)
    assert len(links) == 6
    public = f"http://127.0.0.1:8000/{language}/{SLUG}"
    assert all(public in unquote(link) for link in links), links
    assert f'readonly value="{public}"' in part
    for secret in (donation.token, donation.public_id, "123", "Xylograph", "Quibblestone", donation.first_name, donation.email):
        assert secret not in unquote(" ".join(links)), secret
    assert not re.search(r"<(?:script|img|iframe|link)[^>]*(?:src|href)=\"https?:", page), "nothing is loaded from elsewhere"


def test_the_note_to_an_employer_has_the_facts(client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=3_30)
    before = page_of(client, donation)
    assert "Official receipt: " not in before.partition("employer-note")[2].partition("</textarea>")[0]
    receipt = issue_receipt(donation)
    assert receipt
    db.session.commit()
    note = page_of(client, donation).partition('id="employer-note"')[2].partition("</textarea>")[0]
    charity = campaign.charity
    for fact in (charity.legal_name, charity.registration_number, *charity.address, receipt.serial, "Amount: $103.30"):
        assert fact in note
    french = page_of(client, donation, "fr")
    assert f"Reçu officiel\u00a0: {receipt.serial}" in french
    link = re.search(r'href="(mailto:\?subject=[^"]+)"[^>]*>Ouvrir', french)
    assert link and charity.registration_number in unquote(link[1])


@pytest.mark.parametrize(
    ("gift", "monthly"), [(5_00, 5_00), (60_00, 5_00), (61_00, 10_00), (100_00, 10_00), (500_00, 50_00), (50_000_00, 1_000_00)]
)
def test_the_suggested_month_is_round_and_comes_to_the_gift_in_a_year(gift: int, monthly: int) -> None:
    assert suggested_monthly_cents(gift, minimum_cents=5_00, maximum_cents=5_000_00) == monthly
    assert suggested_monthly_cents(gift, minimum_cents=2_000_00, maximum_cents=5_000_00) == 0


def test_the_link_to_a_monthly_gift_fills_in_the_form(client: FlaskClient, campaign: Campaign) -> None:
    for language, amount in (("en", "10"), ("fr", "10")):
        link = re.search(r'href="([^"]*frequency=monthly#give)"', page_of(client, paid(campaign, 100_00), language))
        assert link and f"amount={amount}&" in link[1]
        form = open_page(client, link[1].partition("#")[0]).text
        assert re.search(r'id="monthly" value="monthly"[^>]* checked', form)
        assert not re.search(r'id="once" value="once"[^>]* checked', form)
        assert 'value="10"' in form
    for frequency in ("once", "weekly", "monthly%20"):
        assert re.search(r'id="once" value="once"[^>]* checked', client.get(f"/en/{SLUG}?frequency={frequency}").text)


def test_the_proof_is_explained_beside_its_download(client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    page = page_of(client, paid(campaign, 100_00, expected=100_00))
    part = page.partition("Each step of it is an entry")[2].partition("</p>")[0]
    for link in re.findall(r'href="([^"]+)"', part):
        assert client.get(link).status_code == 200, link
    assert part.count("href=") == 4
    assert "Chaque étape est une écriture" in page_of(client, paid(campaign, 100_00, expected=100_00), "fr")


def test_who_has_no_email_address_is_offered_the_printed_card_alone(client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(campaign, 50_00, **TRIBUTE)
    assert "have us email it" in page_of(client, donation)
    donor = db.session.get_one(Donor, donation.donor_id)
    donor.email, donation.email = None, ""
    db.session.commit()
    page = page_of(client, donation).partition(CARD)[2].partition("</section>")[0]
    assert "Print it and fold it." in page and "email" not in page
    cards = open_page(client, f"/en/donations/{donation.token}/cards").text
    assert "Open the card (PDF)" in cards and "Email me a link" not in cards
