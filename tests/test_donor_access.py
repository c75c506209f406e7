"""What a donor's link shows and what it lets nobody do: changes need a link that was just mailed, and are confirmed by mail."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.donations.donors import wants_annual_receipt
from campaign.edges.db import db
from campaign.edges.links import without_tokens
from campaign.mail import send_jobs
from campaign.outbox import donor_access
from campaign.outbox.donor_access import DonorAccess, Opens
from campaign.rules.masking import mask_email
from campaign.web.public import donor_access as pages
from tests.conftest import Post, Stripe
from tests.factories import issue_receipt, paid, run_concurrently
from tests.mail import last_email, make_due, text_of
from tests.web import FORM, SLUG, hidden_fields, signed_in

LINK = re.compile(r"http://127\.0\.0\.1:8000(/\w\w/access/[0-9a-f]{64})")


@pytest.fixture
def donation(app: Flask, campaign: Campaign) -> Donation:
    gift = paid(campaign, 100_00, email="owner@example.org")
    db.session.commit()
    send_jobs.send_due()
    return gift


def mailed_link(post: Post, donation: Donation) -> str:
    send_jobs.send_due()
    found = LINK.search(text_of(last_email(post, donation)))
    assert found
    return found[1]


def ask_for_link(client: FlaskClient, donation: Donation) -> None:
    assert client.post(f"/en/donations/{donation.token}/access").status_code == 303


def choose(client: FlaskClient, donation: Donation) -> int:
    client.application.config["WTF_CSRF_ENABLED"] = False
    return client.post(f"/en/donations/{donation.token}/receipt-choice", data={"choice": "annual"}).status_code


def test_a_link_from_an_old_email_shows_the_gift_and_changes_nothing(client: FlaskClient, donation: Donation, post: Post) -> None:
    page = client.get(f"/en/donations/{donation.token}")
    assert "Email me a link" in page.text
    assert "receipt-choice" not in page.text
    assert choose(client, donation) == 403
    assert not wants_annual_receipt(donation.donor_id)
    refused = client.post(f"/en/donations/{donation.token}/receipt-choice", data={"choice": "annual"})
    assert f'href="/en/donations/{donation.token}"' in refused.text, "the way to the page where a link can be asked for"


def test_with_the_mailed_link_the_donor_changes_it_and_gets_an_email_about_it(
    app: Flask, client: FlaskClient, donation: Donation, post: Post
) -> None:
    ask_for_link(client, donation)
    link = mailed_link(post, donation)
    for _ in range(3):
        assert client.get(link).status_code == 200, "a program that scans emails may open it first"
    assert choose(client, donation) == 403
    assert client.post(link).location.partition("#")[0] == f"/en/donations/{donation.token}"
    assert choose(client, donation) == 303
    assert wants_annual_receipt(donation.donor_id)
    make_due()
    send_jobs.send_due()
    assert "\r\n\r\nFrom now on, you will get one official receipt for all your gifts of a year" in text_of(last_email(post, donation))
    assert (client.post(link).status_code, client.get(link).status_code) == (404, 404), "it works once"
    assert choose(app.test_client(), donation) == 403, "only this browser came by the link"


@pytest.mark.parametrize(
    ("language", "subjects", "asked"),
    [
        (
            "en",
            ("Your name and address for the receipt", "A question about your receipt", "Your link to change your gifts"),
            (
                "The official receipt for your gift of $50 to Vision Sanâa and Richard must show your full name and postal address",
                "You named an organization, Cycle Ltd.: did the money come from it, or from you?",
                "You asked to change something about your gifts",
            ),
        ),
        (
            "fr",
            ("Votre nom et votre adresse pour le reçu", "Une question pour votre reçu", "Votre lien pour gérer vos dons"),
            (
                "Le reçu officiel de votre don de 50 $ à la campagne « Vision Sanâa et Richard » doit porter votre nom complet",
                "Vous avez nommé un organisme (Cycle Ltd.) : l’argent vient-il de lui ou de vous?",
                "Vous avez demandé à modifier des renseignements sur vos dons",
            ),
        ),
    ],
)
def test_the_mailed_link_says_what_is_asked_whose_gift_it_is_and_what_happens_then(
    app: Flask, campaign: Campaign, post: Post, language: str, subjects: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    waiting: tuple[dict[str, Any], ...] = (
        {"address_line1": ""},
        {"first_name": "", "last_name": "", "organization": "Cycle Ltd.", "is_declared": False},
        {},
    )
    for number, (details, subject, words) in enumerate(zip(waiting, subjects, asked, strict=True)):
        gift = paid(campaign, 50_00, language=language, email=f"asked{number}@example.org", **details)
        send_jobs.send_due()
        donor_access.request_access(gift, Opens.DONATION)
        db.session.commit()
        send_jobs.send_due()
        message = last_email(post, gift)
        assert subject in message["Subject"]
        assert words in text_of(message)
        then = ("we will make" in text_of(message), "vous l’enverrons par courriel" in text_of(message))
        assert any(then) == bool(details)


def test_a_link_of_one_donor_opens_nothing_of_another(
    app: Flask, client: FlaskClient, campaign: Campaign, donation: Donation, post: Post
) -> None:
    another = paid(campaign, 20_00, email="another@example.org")
    db.session.commit()
    ask_for_link(client, another)
    client.post(mailed_link(post, another))
    assert choose(client, another) == 303
    assert choose(client, donation) == 403


def test_a_link_expires_and_so_does_what_it_allows(client: FlaskClient, donation: Donation, post: Post) -> None:
    ask_for_link(client, donation)
    link = mailed_link(post, donation)
    client.post(link)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=pages.ACCESS_SECONDS + 5)):
        assert choose(client, donation) == 403
    ask_for_link(client, donation)
    unused = mailed_link(post, donation)
    db.session.execute(text("UPDATE donor_access SET created_at = created_at - interval '11 minutes'"))
    db.session.commit()
    assert client.post(unused).status_code == 404


def test_two_browsers_that_use_a_link_at_once_are_one(app: Flask, donation: Donation) -> None:
    donor_access.request_access(donation, Opens.DONATION)
    db.session.commit()
    number = db.session.query(DonorAccess).one().id

    def take() -> bool:
        taken = donor_access.take(db.session.get_one(DonorAccess, number))
        db.session.commit()
        return taken

    assert run_concurrently(app, [take] * 6).count(True) == 1


def test_nobody_can_fill_a_donors_mailbox_with_links(client: FlaskClient, donation: Donation) -> None:
    for _ in range(donor_access.MAX_LINKS_PER_HOUR + 3):
        ask_for_link(client, donation)
    assert db.session.query(DonorAccess).count() == donor_access.MAX_LINKS_PER_HOUR
    assert "several links in the past hour" in client.get(f"/en/donations/{donation.token}").text


def test_the_database_alone_opens_no_link(app: Flask, donation: Donation) -> None:
    donor_access.request_access(donation, Opens.DONATION)
    db.session.commit()
    access = db.session.query(DonorAccess).one()
    token = donor_access.token_of(access)
    assert donor_access.find_access(token) is not None
    row = db.session.execute(text("SELECT donor_access::text FROM donor_access")).scalar_one()
    assert token not in row
    assert donor_access.find_access(access.token_hash.hex()) is None


def test_an_email_address_that_somebody_typed_changes_no_choice_of_its_owner(
    client: FlaskClient, stripe: Stripe, donation: Donation, post: Post
) -> None:
    """$5 under somebody's address: its page is the stranger's, the choice is the owner's."""
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}")), "email": "owner@example.org", "amount": "5", "expected_match": "0"}
    assert client.post(f"/en/{SLUG}/donations", data=fields).status_code == 303
    strangers = db.session.query(Donation).filter_by(amount_cents=5_00).one()
    assert strangers.donor_id == donation.donor_id
    assert choose(client, strangers) == 403
    ask_for_link(client, strangers)
    assert "o•••@example.org" in client.get(f"/en/donations/{strangers.token}").text
    assert mailed_link(post, strangers), "it is the owner who gets it"


def test_by_link_alone_the_email_and_the_address_are_not_shown(app: Flask, client: FlaskClient, donation: Donation) -> None:
    issue_receipt(donation)
    db.session.commit()
    for path in (f"/en/donations/{donation.token}", f"/en/donations/{donation.token}.json", f"/en/{SLUG}?again={donation.token}"):
        page = client.get(path).text
        for hidden in (donation.email, donation.address_line1, donation.postal_code, donation.last_name):
            assert hidden not in page, path
    assert client.get(f"/en/donations/{donation.token}").headers["Cache-Control"] == "private, no-store"
    client.application.config["WTF_CSRF_ENABLED"] = False
    client.post(f"/en/donations/{donation.token}/mails")
    assert "o•••@example.org" in client.get(f"/en/donations/{donation.token}").text


def test_the_browser_that_began_a_gift_gets_its_form_again(client: FlaskClient, stripe: Stripe) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    client.post(f"/en/{SLUG}/donations", data=fields)
    donation = db.session.query(Donation).one()
    again = client.get(f"/en/{SLUG}?again={donation.token}").text
    assert f'value="{FORM["email"]}"' in again
    assert f'value="{FORM["email"]}"' not in client.application.test_client().get(f"/en/{SLUG}?again={donation.token}").text


def test_somebody_elses_attempt_shows_no_link_and_no_address(app: Flask, client: FlaskClient, stripe: Stripe) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    client.post(f"/en/{SLUG}/donations", data=fields)
    donation = db.session.query(Donation).one()
    with app.app_context():
        replayed = app.test_client().post(f"/en/{SLUG}/donations", data={**fields, "email": "thief@example.org"})
    assert replayed.status_code == 409
    assert donation.token not in replayed.text
    own = client.post(f"/en/{SLUG}/donations", data={**fields, "amount": "250"})
    assert donation.token in own.text, "control: the donor's own browser gets the link"


def test_staff_see_no_link_of_a_donor(app: Flask, donation: Donation, post: Post) -> None:
    client = signed_in(app, "viewer")
    pages_of_staff = [client.get(f"/staff/donations/{donation.public_id}").text, client.get("/staff/").text]
    ids = list(db.session.execute(text("SELECT id FROM outbox")).scalars())
    pages_of_staff += [client.get(f"/staff/mail/{number}").text for number in ids]
    assert any("/en/donations/…" in page for page in pages_of_staff), "control: a stored email with a link was read"
    assert [page for page in pages_of_staff if donation.token in page] == []


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("https://a.org/fr/donations/abcdefghijklmnop-_12", "https://a.org/fr/donations/…"),
        ("https://a.org/en/donations/abcdefghijklmnop/address", "https://a.org/en/donations/…/address"),
        ("https://a.org/fr/c?again=abcdefghijklmnopq#give", "https://a.org/fr/c?again=…#give"),
        ("https://a.org/en/access/0123456789abcdef", "https://a.org/en/access/…"),
        ("https://a.org/funder/links/abcdefghijklmnopq", "https://a.org/funder/links/…"),
        ("https://a.org/en/receipts/check/abcdefghijklmnopq", "https://a.org/en/receipts/check/abcdefghijklmnopq"),
    ],
)
def test_tokens_are_hidden_in_stored_emails(stored: str, shown: str) -> None:
    assert without_tokens(stored) == shown


def test_a_masked_address_is_known_to_its_owner_alone() -> None:
    assert (mask_email("jane@example.org"), mask_email("")) == ("j•••@example.org", "•••@")
