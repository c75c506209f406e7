"""The sandbox controls: event delivery, injected faults, actions of banks and donors; and how the service handles faults."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import clock, faults
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeUnavailable
from campaign.matching.funds import Fund
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from tests.conftest import Stripe
from tests.stripe import charge_of, checkout_request, paid_at_stripe, pay_at_stripe, start_debit, state
from tests.web import send

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def control(stripe: Stripe, endpoint: str, **form: object) -> Any:
    """Post a form to one of the controls."""
    request = Request(f"{stripe.url}/control/{endpoint}", data=urlencode(form).encode(), headers={"Accept": "application/json"})
    with urlopen(request) as answer:
        return json.load(answer)


def refused(stripe: Stripe, endpoint: str, **form: object) -> int:
    with pytest.raises(HTTPError) as error:
        control(stripe, endpoint, **form)
    error.value.close()
    return error.value.code


def types(stripe: Stripe, limit: int) -> list[str]:
    return [sent["type"] for sent in stripe.store.newest("event", limit=limit)]


def test_a_dispute_is_opened_and_decided(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    dispute = control(stripe, "disputes", payment_intent=donation.payment_intent)
    assert dispute["status"] == "needs_response"
    assert types(stripe, 2) == ["charge.dispute.funds_withdrawn", "charge.dispute.created"]
    control(stripe, f"disputes/{dispute['id']}", status="won")
    assert types(stripe, 2) == ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
    assert refused(stripe, f"disputes/{dispute['id']}", status="lost") == 400
    assert refused(stripe, "disputes", payment_intent="pi_nobody") == 404


def test_refunds_debits_and_payouts_can_be_decided(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    refund = services().stripe_payments.create_refund(donation.payment_intent or "", 10_00, key="k")
    assert control(stripe, f"refunds/{refund.id}", status="failed")["status"] == "failed"
    start_debit(app, stripe)
    session = stripe.store.newest("checkout.session", limit=1)[0]
    assert control(stripe, f"debits/{session['id']}", outcome="succeeded")["payment_status"] == "paid"
    payout = control(stripe, "payouts")
    assert control(stripe, f"payouts/{payout['id']}", status="paid")["status"] == "paid"
    assert control(stripe, f"payouts/{payout['id']}", status="failed")["status"] == "failed"
    assert refused(stripe, f"payouts/{payout['id']}", status="paid") == 400


@pytest.mark.parametrize("form", [{"state": "perhaps"}, {"order": "sideways"}, {"copies": "0"}, {"copies": "many"}, {"late": "-1"}])
def test_invalid_delivery_settings_are_refused(stripe: Stripe, form: dict[str, str]) -> None:
    assert refused(stripe, "delivery", **form) == 400


def test_a_forged_event_payload_is_not_trusted(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    refund = services().stripe_payments.create_refund(donation.payment_intent or "", 10_00, key="k")
    control(
        stripe, "events", type="refund.updated", kind="refund", object=refund.id, changes=json.dumps({"amount": 100_00, "status": "failed"})
    )
    schedule_jobs.poll_stripe()
    db.session.refresh(donation)
    assert (state(donation), donation.net_cents) == ("partially_refunded", 90_00)
    assert checker.findings(db.engine) == []


def test_the_clock_only_moves_forward(stripe: Stripe) -> None:
    before = clock.now()
    assert control(stripe, "clock", days=1)["now"] >= before + 86400
    assert refused(stripe, "clock", seconds=-5) == 400


def test_the_control_page_has_every_control(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    with urlopen(f"{stripe.url}/") as answer:
        page = answer.read().decode()
    for shown in ("/control/delivery", "/control/faults", "/control/disputes", "/control/payouts", "/control/clock", "Send again"):
        assert shown in page


@pytest.mark.parametrize("browser", [CHROMIUM, FIREFOX])
@pytest.mark.parametrize(("language", "done", "refused"), [("en-CA", "Done", "Refused"), ("fr-CA,fr;q=0.8", "Fait", "Refusé")])
def test_a_browser_gets_a_page_after_an_action_and_after_a_refusal(
    app: Flask, campaign: Campaign, stripe: Stripe, browser: str, language: str, done: str, refused: str
) -> None:
    paid_at_stripe(campaign, 100_00)
    sent = Request(f"{stripe.url}/control/payouts", data=b"", headers={"Accept": browser, "Accept-Language": language})
    with urlopen(sent) as answer:
        page = answer.read().decode()
    assert f"<h1>{done}</h1>" in page and "in_transit" in page and 'href="/"' in page
    with pytest.raises(HTTPError) as error:
        urlopen(sent)  # Nothing is left to pay out.
    assert error.value.code == 400
    page = error.value.read().decode()
    error.value.close()
    assert f"<h1>{refused}</h1>" in page and "insufficient funds" in page


# How the service handles faults.


def test_an_unknown_fault_is_refused(stripe: Stripe) -> None:
    assert refused(stripe, "faults", kind="gremlins") == 400
    assert refused(stripe, "faults", kind="500", path="(") == 400
    assert control(stripe, "faults", kind="500", times=3)["faults"][0]["times"] == 3
    assert control(stripe, "faults", kind="none")["faults"] == []


@pytest.mark.parametrize("kind", ["500", "dropped"])
def test_a_transient_fault_does_not_affect_the_donor(app: Flask, stripe: Stripe, kind: str) -> None:
    """The library retries under the same idempotency key, so that work done before a lost response is not repeated."""
    faults.inject(stripe.store, kind=kind, path="/checkout/sessions", method="POST")
    assert send(app.test_client(), "en").status_code == 303
    assert len(stripe.store.newest("checkout.session", limit=9)) == 1


@pytest.mark.parametrize(("kind", "times"), [("429", 1), ("500_kept", 1), ("malformed", 3)])
def test_a_lasting_fault_is_explained_and_the_donation_stays_open(app: Flask, stripe: Stripe, kind: str, times: int) -> None:
    client = app.test_client()
    faults.inject(stripe.store, kind=kind, path="/checkout/sessions", method="POST", times=times)
    answer = send(client, "en")
    assert answer.status_code == 503
    assert "cannot be reached right now" in answer.text
    faults.clear(stripe.store)
    assert db.session.query(Donation).one().is_open


def test_a_slow_stripe_response_is_awaited(app: Flask, stripe: Stripe) -> None:
    faults.inject(stripe.store, kind="slow", path="/checkout/sessions", method="POST", seconds=1)
    started = time.monotonic()
    assert send(app.test_client(), "en").status_code == 303
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("kind", faults.KINDS)
def test_a_refund_is_created_at_most_once_under_any_fault(app: Flask, campaign: Campaign, stripe: Stripe, kind: str) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    faults.inject(stripe.store, kind=kind, path="/v1/refunds", method="POST", times=1, seconds=6 if kind == "timeout" else 0)
    _call_twice(lambda: services().stripe_payments.create_refund(donation.payment_intent or "", 40_00, key="one refund"))
    faults.clear(stripe.store)
    refund = services().stripe_payments.find_refund(donation.payment_intent or "", "one refund")
    if kind == "500_kept":
        assert refund is None, "Stripe repeats the error under this key and has created nothing"
    else:
        assert charge_of(stripe, donation)["amount_refunded"] == 40_00


def _call_twice(action: Callable[[], object]) -> None:
    for _ in range(2):
        try:
            action()
        except StripeUnavailable:
            continue


def test_a_donation_is_recorded_by_polling_while_events_are_held_back(app: Flask, stripe: Stripe, fund: Fund) -> None:
    control(stripe, "delivery", state="off", order="random", copies=3, late=1)
    assert send(app.test_client(), "en").status_code == 303
    donation = db.session.query(Donation).one()
    pay_at_stripe(stripe, donation)
    assert state(donation) == "pending"
    schedule_jobs.poll_stripe()
    assert state(donation) == "paid"


def test_a_fault_applies_only_to_its_path(app: Flask, stripe: Stripe) -> None:
    faults.inject(stripe.store, kind="500", path="/v1/payouts", times=9)
    assert services().stripe_payments.open_checkout(checkout_request()).id
