"""The sandbox's controls: how events are sent, what goes wrong on demand, what banks and donors do; and how we bear what goes wrong."""

import json
import time
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from flask import Flask

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_wire import StripeAway
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.reporting import books
from campaign.sandbox import clock, faults
from campaign.work import sweeps
from tests.conftest import Stripe
from tests.test_debits import allowed
from tests.test_donate import send
from tests.test_events import state
from tests.test_payouts import charge_of, paid_at_stripe
from tests.test_stripe_requests import order
from tests.test_sweep import pay_at_stripe


def control(stripe: Stripe, where: str, **form: object) -> dict:
    """Turn one of the controls, by HTTP."""
    sent = Request(f"{stripe.url}/control/{where}", data=urlencode(form).encode(), headers={"Accept": "application/json"})
    with urlopen(sent) as answer:
        return json.load(answer)


def refused(stripe: Stripe, where: str, **form: object) -> int:
    with pytest.raises(HTTPError) as error:
        control(stripe, where, **form)
    error.value.close()
    return error.value.code


def types(stripe: Stripe, limit: int) -> list[str]:
    return [one["type"] for one in stripe.store.newest("event", limit=limit)]


def test_a_dispute_is_opened_and_decided(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    made = control(stripe, "disputes", payment_intent=donation.payment_intent)
    assert made["status"] == "needs_response"
    assert types(stripe, 2) == ["charge.dispute.funds_withdrawn", "charge.dispute.created"]
    control(stripe, f"disputes/{made['id']}", status="won")
    assert types(stripe, 2) == ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
    assert refused(stripe, f"disputes/{made['id']}", status="lost") == 400
    assert refused(stripe, "disputes", payment_intent="pi_nobody") == 404


def test_a_refund_fails_a_debit_ends_a_payout_comes_back(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    made = outside().stripe.give_back(donation.payment_intent or "", 10_00, key="k")
    assert control(stripe, f"refunds/{made.id}", status="failed")["status"] == "failed"
    allowed(app, stripe)
    session = stripe.store.newest("checkout.session", limit=1)[0]
    assert control(stripe, f"debits/{session['id']}", outcome="succeeded")["payment_status"] == "paid"
    payout = control(stripe, "payouts")
    assert control(stripe, f"payouts/{payout['id']}", status="paid")["status"] == "paid"
    assert control(stripe, f"payouts/{payout['id']}", status="failed")["status"] == "failed"
    assert refused(stripe, f"payouts/{payout['id']}", status="paid") == 400


@pytest.mark.parametrize("form", [{"state": "perhaps"}, {"order": "sideways"}, {"copies": "0"}, {"copies": "many"}, {"late": "-1"}])
def test_a_delivery_that_makes_no_sense_is_refused(stripe: Stripe, form: dict) -> None:
    assert refused(stripe, "delivery", **form) == 400


def test_an_event_can_be_a_lie_and_we_do_not_believe_it(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    made = outside().stripe.give_back(donation.payment_intent or "", 10_00, key="k")
    control(
        stripe, "events", type="refund.updated", kind="refund", object=made.id, changes=json.dumps({"amount": 100_00, "status": "failed"})
    )
    sweeps.sweep_outside()
    db.session.refresh(donation)
    assert (state(donation), donation.net_cents) == ("partially_refunded", 90_00)
    assert books.findings(db.engine) == []


def test_the_clock_only_goes_ahead(stripe: Stripe) -> None:
    before = clock.now()
    assert control(stripe, "clock", days=1)["now"] >= before + 86400
    assert refused(stripe, "clock", seconds=-5) == 400


def test_the_control_page_has_all_of_it(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    with urlopen(f"{stripe.url}/") as answer:
        page = answer.read().decode()
    for shown in ("/control/delivery", "/control/faults", "/control/disputes", "/control/payouts", "/control/clock", "Send again"):
        assert shown in page
    sent = Request(f"{stripe.url}/control/payouts", data=b"", headers={"Accept": "text/html"})
    with urlopen(sent) as answer:
        assert answer.url == f"{stripe.url}/"


# How we bear what goes wrong.


def test_an_unknown_fault_is_refused(stripe: Stripe) -> None:
    assert refused(stripe, "faults", kind="gremlins") == 400
    assert refused(stripe, "faults", kind="500", path="(") == 400
    assert control(stripe, "faults", kind="500", times=3)["faults"][0]["times"] == 3
    assert control(stripe, "faults", kind="none")["faults"] == []


@pytest.mark.parametrize("kind", ["500", "dropped"])
def test_a_fault_that_passes_costs_the_donor_nothing(app: Flask, stripe: Stripe, kind: str) -> None:
    """The library asks again under the same key; what was done before the answer was lost is not done twice."""
    faults.ask_for(stripe.store, kind=kind, path="/checkout/sessions", method="POST")
    assert send(app.test_client(), "en").status_code == 303
    assert len(stripe.store.newest("checkout.session", limit=9)) == 1


@pytest.mark.parametrize(("kind", "times"), [("429", 1), ("500_kept", 1), ("malformed", 3)])
def test_a_fault_that_stays_is_said_and_the_next_press_opens_another_checkout(app: Flask, stripe: Stripe, kind: str, times: int) -> None:
    client = app.test_client()
    faults.ask_for(stripe.store, kind=kind, path="/checkout/sessions", method="POST", times=times)
    answer = send(client, "en")
    assert answer.status_code == 503
    assert "cannot be reached right now" in answer.text
    faults.forget(stripe.store)
    assert db.session.query(Donation).one().is_open


def test_a_slow_stripe_is_waited_for(app: Flask, stripe: Stripe) -> None:
    faults.ask_for(stripe.store, kind="slow", path="/checkout/sessions", method="POST", seconds=1)
    began = time.monotonic()
    assert send(app.test_client(), "en").status_code == 303
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("kind", faults.KINDS)
def test_whatever_goes_wrong_with_a_refund_it_is_made_once(app: Flask, campaign: Campaign, stripe: Stripe, kind: str) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    faults.ask_for(stripe.store, kind=kind, path="/v1/refunds", method="POST", times=1, seconds=6 if kind == "timeout" else 0)
    _twice(lambda: outside().stripe.give_back(donation.payment_intent or "", 40_00, key="one refund"))
    faults.forget(stripe.store)
    made = outside().stripe.refund_made_for(donation.payment_intent or "", "one refund")
    if kind == "500_kept":
        assert made is None, "Stripe keeps saying no under this key, and has made nothing"
    else:
        assert charge_of(stripe, donation)["amount_refunded"] == 40_00


def _twice(act: Callable[[], object]) -> None:
    for _ in range(2):
        try:
            act()
        except StripeAway:
            continue


def test_a_life_through_the_page_with_events_kept_back(app: Flask, stripe: Stripe, fund: Fund) -> None:
    control(stripe, "delivery", state="off", order="random", copies=3, late=1)
    assert send(app.test_client(), "en").status_code == 303
    donation = db.session.query(Donation).one()
    pay_at_stripe(stripe, donation)
    assert state(donation) == "pending"
    sweeps.sweep_outside()
    assert state(donation) == "paid"


def test_the_fault_is_for_the_path_that_was_named(app: Flask, stripe: Stripe) -> None:
    faults.ask_for(stripe.store, kind="500", path="/v1/payouts", times=9)
    assert outside().stripe.open_checkout(order()).id
