"""Bank debits: complete at the checkout, under way for days, then paid or refused; the hold waits for the verdict and the donor is told."""

import urllib.error
import urllib.request

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.edges.db import db
from campaign.giving import checkouts, matches
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.reporting import books
from campaign.sandbox import debits
from campaign.sandbox.stripe_account import Account, Refused
from campaign.work import asking, owed, sweeps
from tests.conftest import Post, Stripe
from tests.test_donate import send, sessions
from tests.test_events import handle, state
from tests.test_mail import make_due
from tests.test_sweep import _NoRedirect


def allowed(app: Flask, stripe: Stripe, language: str = "en") -> Donation:
    """$100 whose debit the donor has allowed on Stripe's page."""
    assert send(app.test_client(), language).status_code == 303
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.build_opener(_NoRedirect).open(urllib.request.Request(donation.checkout_url, data=b"method=debit"))
    assert answer.value.code == 303
    answer.value.close()
    return donation


def verdict(stripe: Stripe, *, succeeded: bool) -> None:
    debits.end_debit(stripe.account, sessions(stripe)[0], succeeded=succeeded)


def match(donation: Donation) -> tuple[int, int]:
    found = matches.match_of(donation.id)
    return found.held_cents, found.matched_cents


def test_the_hold_waits_for_the_verdict_and_then_becomes_the_match(app: Flask, stripe: Stripe, fund: Fund, post: Post) -> None:
    donation = allowed(app, stripe)
    sweeps.sweep_outside()
    assert (state(donation), match(donation)) == ("processing", (100_00, 0))
    assert owed.send_owed() == 0, "no receipt until the money has cleared"
    db.session.execute(text("UPDATE donation SET checkout_expires_at = now() - interval '4 days', asked_stripe_at = NULL"))
    db.session.commit()
    asking.end_checkouts()
    assert (state(donation), match(donation)) == ("processing", (100_00, 0))
    verdict(stripe, succeeded=True)
    sweeps.sweep_outside()
    assert (state(donation), match(donation)) == ("paid", (0, 100_00))
    assert owed.send_owed() == 1
    assert books.findings(db.engine) == []


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Your bank did not let your gift of $100.00"), ("fr", "Votre banque n’a pas laissé passer votre don de 100,00")],
)
def test_a_debit_that_fails_frees_the_hold_and_the_donor_is_told_kindly(
    app: Flask, stripe: Stripe, fund: Fund, post: Post, language: str, words: str
) -> None:
    donation = allowed(app, stripe, language)
    verdict(stripe, succeeded=False)
    sweeps.sweep_outside()
    db.session.refresh(fund)
    assert (state(donation), match(donation), fund.held_cents) == ("failed", (0, 0), 0)
    assert owed.send_owed() == 1
    _, recipients, message, _ = next(iter(post.box.newest(1)))
    assert recipients == [donation.email]
    for kind in ("plain", "html"):
        part = message.get_body((kind,)).get_content()
        assert words in part
        assert f"/{language}/vision-sanaa-richard?again={donation.token}" in part
    page = app.test_client().get(f"/{language}/donations/{donation.token}").text
    assert ("Your bank did not let it through" if language == "en" else "Votre banque ne l’a pas laissé passer") in page
    for made in stripe.store.newest("event", limit=20):
        handle({**made, "id": f"{made['id']}_again"})
    assert db.session.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 1
    assert books.findings(db.engine) == []


@pytest.mark.parametrize("succeeded", [True, False])
def test_without_any_event_asking_finds_the_verdict(app: Flask, stripe: Stripe, fund: Fund, succeeded: bool) -> None:
    donation = allowed(app, stripe)
    verdict(stripe, succeeded=succeeded)
    asking.ask_stripe(donation)
    assert state(donation) == ("paid" if succeeded else "failed")
    assert books.findings(db.engine) == []


def test_a_gift_that_was_paid_after_all_hears_of_no_failure(app: Flask, stripe: Stripe, post: Post) -> None:
    donation = allowed(app, stripe)
    verdict(stripe, succeeded=False)
    sweeps.sweep_outside()
    db.session.execute(text("UPDATE outbox SET not_before = now() + interval '1 hour'"))
    intent = stripe.store.get(sessions(stripe)[0]["payment_intent"])
    paid = {**intent, "status": "succeeded", "amount_received": intent["amount"]}
    handle({**stripe.store.newest("event", limit=1)[0], "id": "evt_late", "type": "payment_intent.succeeded", "data": {"object": paid}})
    before = len(list(post.box.newest(1000)))
    make_due()
    owed.send_owed()
    subjects = [str(message["Subject"]) for _, _, message, _ in post.box.newest(len(list(post.box.newest(1000))) - before)]
    assert state(donation) == "paid"
    assert ["did not go through" in subject for subject in subjects] == [False]


def test_a_debit_under_way_is_asked_about_once_an_hour(app: Flask, stripe: Stripe) -> None:
    donation = allowed(app, stripe)
    sweeps.sweep_outside()
    db.session.execute(
        text("UPDATE donation SET checkout_expires_at = now() - interval '1 day', asked_stripe_at = now() - interval '10 minutes'")
    )
    db.session.commit()
    assert checkouts.open_past_expiry(limit=9) == []
    db.session.execute(text("UPDATE donation SET asked_stripe_at = now() - interval '2 hours'"))
    assert [d.id for d in checkouts.open_past_expiry(limit=9)] == [donation.id]


def test_an_account_without_bank_debits_is_asked_for_cards_alone(app: Flask, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    really = Account.open_checkout

    def picky(self: Account, asked: dict) -> dict:
        if "acss_debit" in asked["allowed_payment_method_types"]:
            raise Refused("The payment method type `acss_debit` is not activated for your account.")
        return really(self, asked)

    monkeypatch.setattr(Account, "open_checkout", picky)
    assert send(app.test_client(), "en").status_code == 303
    assert sessions(stripe)[0]["payment_method_types"] == ["card"]
