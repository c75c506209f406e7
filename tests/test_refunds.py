"""Refunds from our side: never of more than is left, never twice, whoever is killed and whatever answer is lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import stripe as library
from flask import Flask
from sqlalchemy import text

from campaign.cli import refund as refund_command
from campaign.edges.db import db
from campaign.edges.stripe_api import StripeApi
from campaign.edges.stripe_wire import StripeAway, plainly
from campaign.giving import matches, money_back, standing
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.refund_requests import CannotRefund, RefundRequest
from campaign.reporting import books
from campaign.sandbox import aftermath
from campaign.work import refunding, sweeps
from tests.factories import begun, give_back, paid
from tests.test_donate import send
from tests.test_sweep import pay_at_stripe


@pytest.fixture
def gift(app: Flask, stripe: object, fund: Fund) -> Donation:
    """$100 given and paid through the sandbox, and matched."""
    return given(app, stripe)


def given(app: Flask, stripe: object, **changed: object) -> Donation:
    assert send(app.test_client(), "en", **changed).status_code == 303
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    pay_at_stripe(stripe, donation)
    sweeps.sweep_outside()
    db.session.refresh(donation)
    assert donation.paid_at
    return donation


def give(donation: Donation, cents: int | None = None) -> RefundRequest:
    return refunding.refund(donation, cents, actor="test", reason="asked by the donor")


def at_stripe(stripe: object, donation: Donation) -> list[int]:
    """What was given back there, oldest first."""
    made = stripe.store.newest("refund", limit=100)
    return [one["amount"] for one in reversed(made) if one["payment_intent"] == donation.payment_intent]


def stands(donation: Donation) -> tuple[str, int, int]:
    db.session.expire_all()
    return standing.standing(donation).state.value, donation.net_cents, matches.match_of(donation.id).matched_cents


def forget_keys(stripe: object) -> None:
    """As Stripe does after a day."""
    stripe.store._db.execute("DELETE FROM answer")


def lose_the_answer(monkeypatch: pytest.MonkeyPatch, donation: Donation, cents: int) -> None:
    """Stripe makes the refund, and we are killed before we can write it down; two minutes pass."""
    with monkeypatch.context() as killed:
        killed.setattr(refunding, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            give(donation, cents)
    db.session.rollback()
    db.session.execute(text("UPDATE refund_request SET begun_at = begun_at - interval '2 minutes'"))
    db.session.commit()


def test_a_part_and_then_the_rest_go_back_and_the_match_with_them(gift: Donation, stripe: object) -> None:
    request = give(gift, 40_00)
    assert request.stripe_id
    assert stands(gift) == ("partially_refunded", 60_00, 60_00)
    give(gift)
    assert stands(gift) == ("refunded", 0, 0)
    assert at_stripe(stripe, gift) == [40_00, 60_00]
    sweeps.sweep_outside()  # Stripe's own events of both.
    assert stands(gift) == ("refunded", 0, 0)
    assert books.findings(db.engine) == []


def test_what_was_asked_for_is_written_down_with_who_and_why(gift: Donation) -> None:
    give(gift, 40_00)
    said = db.session.execute(text("SELECT actor, act, subject, detail FROM audit_entry WHERE subject LIKE 'd_%'")).one()
    assert said == ("test", "refund asked for", gift.public_id, {"cents": 40_00, "reason": "asked by the donor"})


def test_a_covered_fee_goes_back_in_proportion(app: Flask, stripe: object, fund: Fund) -> None:
    donation = given(app, stripe, cover_fee="y")
    fee = donation.covered_fee_cents
    assert fee
    give(donation, (100_00 + fee) // 2)
    state, net, matched = stands(donation)
    assert (state, matched) == ("partially_refunded", net)
    assert 49_99 <= net <= 50_01
    assert books.findings(db.engine) == []


@pytest.mark.parametrize(("cents", "sentence"), [(100_01, "Only $100.00 is left"), (900_00, "Only $100.00 is left")])
def test_more_than_is_left_is_refused_before_stripe_is_asked(gift: Donation, stripe: object, cents: int, sentence: str) -> None:
    with pytest.raises(CannotRefund, match=sentence.replace("$", r"\$")):
        give(gift, cents)
    assert at_stripe(stripe, gift) == []
    assert db.session.query(RefundRequest).count() == 0


def test_nothing_goes_back_of_what_is_unpaid_gone_or_disputed(gift: Donation, campaign: object, stripe: object) -> None:
    with pytest.raises(CannotRefund, match="was not paid"):
        give(begun(campaign))
    disputed = paid(campaign)
    give_back(disputed, 100_00, kind="dispute", status="needs_response")
    db.session.commit()
    with pytest.raises(CannotRefund, match="disputes this payment"):
        give(disputed)
    lost = paid(campaign)
    give_back(lost, 100_00, kind="dispute")
    db.session.commit()
    with pytest.raises(CannotRefund, match="Nothing is left"):
        give(lost)
    give(gift)
    with pytest.raises(CannotRefund, match="Nothing is left"):
        give(gift, 1)
    assert at_stripe(stripe, gift) == [100_00]


def test_killed_after_stripes_answer_it_is_made_once_and_ends(gift: Donation, stripe: object, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_the_answer(monkeypatch, gift, 40_00)
    with pytest.raises(CannotRefund, match=r"\$40.00 of this gift is under way"):
        give(gift, 30_00)
    forget_keys(stripe)
    sweeps.sweep_outside()
    assert stands(gift) == ("partially_refunded", 60_00, 60_00)
    assert at_stripe(stripe, gift) == [40_00]
    (request,) = db.session.query(RefundRequest)
    assert request.ended_at
    assert request.stripe_id
    assert books.findings(db.engine) == []


def test_asked_for_again_after_a_kill_it_is_the_same_refund(gift: Donation, stripe: object, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_the_answer(monkeypatch, gift, 40_00)
    assert give(gift, 40_00).stripe_id
    assert at_stripe(stripe, gift) == [40_00]
    assert stands(gift) == ("partially_refunded", 60_00, 60_00)


def test_control_without_looking_first_a_forgotten_key_gives_the_money_back_twice(
    gift: Donation, stripe: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_answer(monkeypatch, gift, 40_00)
    forget_keys(stripe)
    monkeypatch.setattr(StripeApi, "refund_made_for", lambda *_: None)
    sweeps.sweep_outside()
    assert at_stripe(stripe, gift) == [40_00, 40_00]


def test_with_stripe_away_it_is_remembered_and_made_by_the_sweep(app: Flask, gift: Donation, stripe: object) -> None:
    there = app.extensions["outside"]
    away = StripeApi(secret_key="sk_test_of_the_tests", api_base="http://127.0.0.1:9")
    app.extensions["outside"] = replace(there, stripe=away)
    with pytest.raises(StripeAway):
        give(gift, 40_00)
    db.session.rollback()
    app.extensions["outside"] = there
    sweeps.sweep_outside()
    assert at_stripe(stripe, gift) == [], "not yet: whoever asked may still be at it"
    db.session.execute(text("UPDATE refund_request SET begun_at = begun_at - interval '2 minutes'"))
    db.session.commit()
    sweeps.sweep_outside()
    assert at_stripe(stripe, gift) == [40_00]
    assert stands(gift) == ("partially_refunded", 60_00, 60_00)


def test_an_answer_that_cannot_be_read_leaves_the_request_open(gift: Donation, stripe: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe has made it, and something on the way put a page in place of the answer: it is found, not made once more."""
    really = StripeApi.give_back
    with monkeypatch.context() as garbled:
        garbled.setattr(StripeApi, "give_back", lambda *a, **k: _unreadable(really(*a, **k)))
        with pytest.raises(StripeAway):
            give(gift, 40_00)
    db.session.rollback()
    assert give(gift, 40_00).stripe_id
    assert at_stripe(stripe, gift) == [40_00]


def _unreadable(_: object) -> None:
    raise plainly(library.APIError("Invalid response body from API", http_status=200))


def test_what_stripe_refuses_is_said_and_leaves_the_books_as_they_are(gift: Donation, stripe: object) -> None:
    outside = refunding.outside().stripe
    outside.give_back(gift.payment_intent, 100_00, key="somebody at Stripe's own pages")
    with pytest.raises(CannotRefund, match=r"Stripe refused the refund: .*already been refunded"):
        give(gift, 40_00)
    assert stands(gift) == ("paid", 100_00, 100_00)
    (request,) = db.session.query(RefundRequest)
    assert request.refused
    sweeps.sweep_outside()
    assert stands(gift) == ("refunded", 0, 0), "what was given back there is heard of by its event"
    assert books.findings(db.engine) == []


def test_two_at_once_never_give_back_more_than_was_paid(app: Flask, gift: Donation, stripe: object) -> None:
    gate, name = threading.Barrier(2), gift.id

    def one(cents: int) -> bool:
        with app.app_context():
            gate.wait()
            try:
                return bool(give(db.session.get_one(Donation, name), cents).stripe_id)
            except CannotRefund:
                return False
            finally:
                db.session.remove()

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(one, [60_00, 70_00]))
    assert made.count(True) == 1
    assert len(at_stripe(stripe, gift)) == 1
    assert books.findings(db.engine) == []


def test_a_refund_that_fails_later_can_be_given_again(gift: Donation, stripe: object) -> None:
    request = give(gift)
    aftermath.change_refund(stripe.account, stripe.store.get(request.stripe_id), "failed")
    sweeps.sweep_outside()
    assert stands(gift) == ("paid", 100_00, 100_00)
    assert money_back.left_of(gift) == 100_00
    assert books.findings(db.engine) == []


def test_the_command_gives_back_and_says_what_is_left(app: Flask, gift: Donation) -> None:
    done = app.test_cli_runner().invoke(refund_command, [gift.public_id, "--amount", "40", "--reason", "asked by the donor"])
    assert done.exit_code == 0, done.output
    assert "$40.00 of" in done.output
    assert "$60.00 of the payment is left." in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["d_nobody", "--reason", "x"], "There is no gift d_nobody"),
        (["GIFT", "--amount", "a lot", "--reason", "x"], "is no sum of money"),
        (["GIFT", "--amount", "100.01", "--reason", "x"], "Only $100.00 is left"),
        (["GIFT", "--reason", " "], "Please say why"),
    ],
)
def test_what_the_command_cannot_do_it_says(app: Flask, gift: Donation, arguments: list[str], sentence: str) -> None:
    done = app.test_cli_runner().invoke(refund_command, [gift.public_id if one == "GIFT" else one for one in arguments])
    assert done.exit_code == 2
    assert sentence in done.output
