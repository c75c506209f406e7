"""Holds as donors see them: the form shows what is held, a cancel releases it at Stripe, and concurrent donors get no cent too much."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.payments import StripePayments
from campaign.mail import send_jobs
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import match_of
from campaign.payments.checkouts import LessMatchAvailable
from campaign.payments.status import status_of
from campaign.reporting.integrity import checker
from campaign.stripe_sync import event_jobs
from tests.conftest import Post, Stripe
from tests.factories import another_campaign, create_refund, end, paid, pay, start_donation
from tests.mail import make_due
from tests.scale import SCALE
from tests.stripe import pay_at_stripe, sessions
from tests.web import FORM, SLUG, hidden_fields, send

DONORS = 200 if SCALE > 1 else 80


def held(donation: Donation) -> int:
    return match_of(donation.id).held_cents


def state(donation: Donation) -> str:
    db.session.expire_all()
    return status_of(donation).state.value


def test_a_donor_who_returns_without_paying_ends_the_checkout_and_releases_the_hold(
    client: FlaskClient, stripe: Stripe, fund: Fund
) -> None:
    send(client, "en")
    donation, session = db.session.query(Donation).one(), sessions(stripe)[0]
    assert client.get(f"/en/donations/{donation.token}").status_code == 200
    assert (state(donation), held(donation)) == ("pending", 100_00), "opening the page cancels nothing"
    back = client.get(session["cancel_url"].removeprefix("http://127.0.0.1:8000"))
    assert (back.status_code, back.location) == (303, f"/en/donations/{donation.token}")
    ended = stripe.store.get(session["id"], "checkout.session")
    assert ended and ended["status"] == "expired"
    assert (state(donation), held(donation)) == ("expired", 0)
    page = client.get(back.location).text
    assert "You came back without paying" in page
    assert f"/en/{SLUG}?again={donation.token}#give" in page
    again = client.get(f"/en/{SLUG}?again={donation.token}").text
    for value in ('value="100"', "D&#39;Arcy-Lévesque", "123, rue de l’Église", 'value="H2X 1Y4"', 'value="sanaa@example.org"'):
        assert value in again, "everything that was entered is still there"
    assert client.get(f"/en/{SLUG}?again=nobody").status_code == 200
    assert client.get(session["cancel_url"].removeprefix("http://127.0.0.1:8000")).status_code == 303
    assert checker.findings(db.engine) == []


def test_a_cancel_after_the_payment_cancels_nothing(client: FlaskClient, stripe: Stripe) -> None:
    send(client, "en")
    donation, session = db.session.query(Donation).one(), sessions(stripe)[0]
    pay_at_stripe(stripe, donation)
    db.session.execute(text("UPDATE donation SET polled_at = now()"))  # So that the page itself does not poll first.
    db.session.commit()
    assert client.get(session["cancel_url"].removeprefix("http://127.0.0.1:8000")).status_code == 303
    assert state(donation) == "paid"
    assert donation.cancelled_at is None


def test_a_cancel_while_the_payment_is_processing_keeps_the_hold(client: FlaskClient, stripe: Stripe) -> None:
    send(client, "en")
    donation = db.session.query(Donation).one()
    db.session.execute(text("UPDATE donation SET processing_at = now(), polled_at = now()"))
    db.session.commit()
    db.session.expire_all()
    client.get(f"/en/donations/{donation.token}?return=cancel")
    assert (state(donation), held(donation)) == ("processing", 100_00)
    assert sessions(stripe)[0]["status"] == "open"


def test_a_cancel_while_stripe_is_unavailable_keeps_the_hold(app: Flask, client: FlaskClient, stripe: Stripe) -> None:
    send(client, "en")
    donation, reachable = db.session.query(Donation).one(), app.extensions["services"]
    unavailable = StripePayments(secret_key="sk_test_of_the_tests", api_base="http://127.0.0.1:9")
    app.extensions["services"] = replace(reachable, stripe_payments=unavailable)
    assert client.get(f"/en/donations/{donation.token}?return=cancel").status_code == 303
    app.extensions["services"] = reachable
    assert (state(donation), held(donation)) == ("pending", 100_00)
    assert donation.cancelled_at is None


def test_an_open_page_gets_the_current_quote_and_remaining_match(client: FlaskClient, campaign: Campaign) -> None:
    own = another_campaign(150_00, like=campaign)
    db.session.commit()
    first = json.loads(client.get(f"/en/{own.slug}/quote?amount=100").text)
    assert (first["match_cents"], first["quote"]) == (100_00, "Your gift of $100 + $100 matched = $200.")
    assert "Only $150 of matching (Fund 1) is left: your gift can finish it." in first["claim"]
    paid(own, 120_00)
    later = json.loads(client.get(f"/en/{own.slug}/quote?amount=100").text)
    assert later["quote"] == "Your gift of $100 is matched in part: $30, all that is left of the fund. Together: $130."
    assert "Only $30 of matching" in later["claim"]
    assert "$120" in later["sums"]
    assert 'data-amount="30"' in later["presets"], "a donation of $30 finishes the match"
    paid(own, 30_00)
    last = json.loads(client.get(f"/fr/{own.slug}/quote?amount=100").text)
    assert (last["match_cents"], last["held_while_paying"]) == (0, "")
    assert "tout le jumelage a été utilisé" in last["claim"]


@pytest.mark.parametrize(
    ("left", "shown"), [(374_20, "374.20"), (4_99, None), (500_01, None), (500_00, None), (0, None), (5_00, "5"), (250_00, None)]
)
def test_the_preset_that_finishes_the_match_is_offered_when_its_size_is_sensible(
    client: FlaskClient, campaign: Campaign, left: int, shown: str | None
) -> None:
    own = another_campaign(left, like=campaign)
    db.session.commit()
    page = client.get(f"/en/{own.slug}").text
    assert ("Finish the match" in page) == (shown is not None)
    if shown:
        assert f'data-amount="{shown}"' in page
        expected = str(left)
        assert hidden_fields(client.get(f"/en/{own.slug}?amount={shown}"))["expected_match"] == expected
        assert send(client, "en", own.slug, amount=shown, expected_match=expected).status_code == 303
        assert "Finish the match" not in client.get(f"/en/{own.slug}").text


def test_a_cap_reached_by_this_donor_is_explained_and_one_click_continues(client: FlaskClient, campaign: Campaign) -> None:
    own = another_campaign(500_00, like=campaign, per_donor_cents=120_00)
    paid(own, 100_00, email="sanaa@example.org")
    answer = send(client, "en", own.slug, expected_match="10000")
    assert answer.status_code == 409
    assert "$20, the most for one donor" in answer.text
    fields = hidden_fields(answer)
    assert fields["expected_match"] == "2000"
    assert 'data-own="yes"' in answer.text
    assert client.post(f"/en/{own.slug}/donations", data={**FORM, **fields}).status_code == 303


def test_too_many_open_holds_from_one_address_are_explained_and_the_donation_can_continue(client: FlaskClient, campaign: Campaign) -> None:
    campaign.holds_per_address = 1
    db.session.commit()
    assert send(client, "fr").status_code == 303
    answer = send(client, "fr", email="another@example.org")
    assert answer.status_code == 409
    assert "Votre jumelage s’ajoutera une fois le don payé" in answer.text
    assert "un jumelage de 100\u00a0$ s’ajoute quand vous payez, tant qu’il en reste" in answer.text
    assert client.post(f"/fr/{SLUG}/donations", data={**FORM, **hidden_fields(answer), "email": "another@example.org"}).status_code == 303


@pytest.mark.parametrize(("language", "words"), [("en", "paused for now"), ("fr", "suspendu pour le moment")])
def test_the_page_says_that_a_fund_is_paused_and_donations_go_on(
    client: FlaskClient, campaign: Campaign, fund: Fund, language: str, words: str
) -> None:
    fund_lifecycle.pause(fund, actor="test", reason="test")
    db.session.commit()
    page = client.get(f"/{language}/{SLUG}")
    assert words in page.text
    assert send(client, language, expected_match="0").status_code == 303


def test_a_campaign_without_holds_says_so_and_holds_nothing(client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    campaign.holds_match = False
    db.session.commit()
    page = client.get(f"/en/{SLUG}?amount=100").text
    assert "matched when it is paid" in page
    assert "held for you" not in page
    assert send(client, "en").status_code == 303
    db.session.refresh(fund)
    assert fund.held_cents == 0


def test_the_donation_page_explains_how_the_match_came_about(client: FlaskClient, campaign: Campaign) -> None:
    own = another_campaign(137_42, like=campaign)
    first = paid(own, 100_00)
    mine = start_donation(own, 100_00)
    pay(mine)
    db.session.commit()
    before = client.get(f"/en/donations/{mine.token}").text
    for sentence in (
        "$37.42 of matching was held",
        "The gift of $100 was paid.",
        "because the fund was used up",
        "your gift is in line for it",
    ):
        assert sentence in before
    create_refund(first, 100_00)
    db.session.commit()
    after = client.get(f"/en/donations/{mine.token}").text
    assert "$62.58 more was matched (Fund 1), because another gift was refunded." in after
    assert "is in line for it" not in after
    assert first.public_id not in after


def test_the_page_of_a_refunded_donation_says_where_donation_and_match_went(client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    create_refund(donation, 100_00)
    db.session.commit()
    french = client.get(f"/fr/donations/{donation.token}").text.replace("\u00a0", " ")
    assert "Un jumelage de 100 $ est retourné au fonds" in french
    assert "Ce don a été remboursé" in french


def emails_to(address: str, post: Any) -> list[Any]:
    return [message for _, recipients, message, _ in post.box.newest(1000) if recipients == [address]]


def test_a_donor_whose_match_increased_gets_one_email_in_their_language(app: Flask, campaign: Campaign, post: Post) -> None:
    own = another_campaign(100_00, like=campaign)
    first, mine = paid(own, 100_00), paid(own, 100_00, language="fr", email="mine@example.org")
    send_jobs.send_due()
    thanks = emails_to("mine@example.org", post)
    create_refund(first, 30_00)
    create_refund(first, 20_00)
    db.session.commit()
    send_jobs.send_due()
    assert len(emails_to("mine@example.org", post)) == len(thanks), "several increases are reported in one email"
    db.session.execute(text("UPDATE outbox SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()
    send_jobs.send_due()
    message, *others = emails_to("mine@example.org", post)
    assert len(others) == len(thanks)
    assert message["Subject"].startswith("[ESSAI] Du jumelage s’ajoute à votre don")
    body = message.get_body(("plain",)).get_content().replace("\u00a0", " ")
    assert "Un jumelage de 50 $ (Fonds 1) s’est ajouté à votre don de 100 $" in body
    assert match_of(mine.id).matched_cents == 50_00


def test_increases_within_minutes_of_the_last_email_wait_for_one_more(app: Flask, campaign: Campaign, post: Post) -> None:
    own = another_campaign(100_00, like=campaign)
    first, mine = paid(own, 100_00), paid(own, 100_00, email="minutes@example.org")
    create_refund(first, 30_00)
    make_due()
    send_jobs.send_due()
    sent = len(emails_to("minutes@example.org", post))
    for cents in (10_00, 20_00):
        create_refund(first, cents)
        db.session.commit()
    (waits,) = db.session.execute(
        text("SELECT not_before - now() FROM outbox WHERE kind = 'match_increased' AND done_at IS NULL")
    ).scalars()
    assert timedelta(minutes=9) < waits < timedelta(minutes=11)
    make_due()
    send_jobs.send_due()
    message, *others = emails_to("minutes@example.org", post)
    assert len(others) == sent
    assert "$60 of matching" in message.get_body(("plain",)).get_content()
    assert match_of(mine.id).matched_cents == 60_00


def test_a_donation_refunded_before_its_receipt_was_issued_gets_none(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, 100_00)
    create_refund(donation, 100_00)
    db.session.commit()
    send_jobs.send_due()
    (email,) = [m for _, to, m, _ in post.box.newest(1000) if to == [donation.email]]
    assert "returned" in str(email["Subject"])
    assert list(email.iter_attachments()) == []
    assert db.session.execute(text("SELECT count(*) FROM receipt")).scalar_one() == 0
    assert checker.findings(db.engine) == []


@pytest.fixture
def crowd(app: Flask) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(DONORS) as pool:
        yield pool


@pytest.mark.parametrize(("left", "donors"), [(1, 40), (1_00, 40), (37_42, DONORS)])
def test_concurrent_donors_with_refunds_among_them_get_exactly_what_is_left(
    app: Flask, campaign: Campaign, crowd: ThreadPoolExecutor, left: int, donors: int
) -> None:
    """Each submits the form that showed all that is left, while earlier donations are refunded; then everybody pays or expires."""
    own = another_campaign(left + 60_00, like=campaign)
    earlier = [paid(own, 20_00).id for _ in range(3)]
    db.session.commit()
    campaign_id, gate = own.id, threading.Barrier(donors)
    deadlocks = deadlocks_so_far()

    def act(number: int) -> tuple[int | None, int]:
        """What this donor was promised (None: that less is available), and what the books hold for them."""
        with app.app_context():
            gate.wait()
            try:
                if number % 20 == 0 and number // 20 < len(earlier):
                    create_refund(db.session.get_one(Donation, earlier[number // 20]), 10_00)
                    db.session.commit()
                    return None, 0
                donation = start_donation(db.session.get_one(Campaign, campaign_id), 50_00, expected=left if number % 2 else 0)
                db.session.commit()
                return (left if number % 2 else 0), held(donation)
            except LessMatchAvailable:
                db.session.rollback()
                return None, 0
            finally:
                db.session.remove()

    results = list(crowd.map(act, range(donors)))
    assert all(promised is None or held_cents >= promised for promised, held_cents in results), "nobody was promised more than they got"
    db.session.expire_all()
    fund = funds_of(campaign_id)[0]
    assert fund.held_cents == sum(held_cents for _, held_cents in results)
    assert fund.held_cents + fund.matched_cents == fund.pledged_cents or fund.available_cents > 0
    donation_ids = list(
        db.session.scalars(text("SELECT id FROM donation WHERE campaign_id = :c AND received_at IS NULL"), {"c": campaign_id})
    )

    def finish(donation_id: int) -> None:
        with app.app_context():
            donation = db.session.get_one(Donation, donation_id)
            if donation_id % 5:
                pay(donation)
            else:
                end(donation, "expired")
            db.session.commit()
            db.session.remove()

    list(crowd.map(finish, donation_ids))
    event_jobs.rematch()
    db.session.expire_all()
    fund = funds_of(campaign_id)[0]
    assert (fund.matched_cents, fund.held_cents) == (left + 60_00, 0), "more was donated than is left, so every cent is matched"
    print(f"{len(donation_ids)} of {donors} started a checkout with {left} cents left; deadlocks: {deadlocks_so_far() - deadlocks}")
    assert deadlocks_so_far() == deadlocks
    assert checker.findings(db.engine) == []


def deadlocks_so_far() -> int:
    db.session.execute(text("SELECT pg_stat_clear_snapshot()"))
    return int(db.session.scalars(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")).one())


def test_a_proof_is_downloaded_as_json(client: FlaskClient, campaign: Campaign) -> None:
    donation = paid(campaign, 10_00)
    answer = client.get(f"/en/donations/{donation.token}/proof.json")
    assert json.loads(answer.text)["format"] == "campaign-proof/2"
    assert "attachment" in answer.headers["Content-Disposition"]
