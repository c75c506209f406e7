"""Stripe in tests: events as Stripe sends them, payments and reversals in the sandbox, and handling of received events."""

import hashlib
import hmac
import itertools
import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import clock, subscriptions
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.payments import CheckoutLine, CheckoutRequest
from campaign.edges.stripe.subscriptions import Part
from campaign.payments.status import status_of
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import event_jobs, inbox
from tests.conftest import Stripe
from tests.factories import pay, start_donation
from tests.web import send

_count = itertools.count(1)
WEBHOOK_SECRET = "whsec_tests"


DAY = 24 * 3600


def handle(*events: dict[str, Any]) -> None:
    receive(*events)
    event_jobs.handle_events()


def outcomes() -> list[str]:
    return list(db.session.execute(text("SELECT outcome FROM stripe_event ORDER BY id")).scalars())


def receive(*events: dict[str, Any]) -> None:
    for sent in events:
        inbox.store_events(inbox.parse_event(body_of(sent)), source="webhook")
    db.session.commit()


def state(donation: Donation) -> str:
    db.session.expire_all()
    return status_of(donation).state.value


def stored_object(stripe: Stripe, object_id: str | None) -> dict[str, Any]:
    """The object of this id in the sandbox, which must exist."""
    assert object_id
    stored = stripe.store.get(object_id)
    assert stored
    return stored


def charge_of(stripe: Stripe, donation: Donation) -> dict[str, Any]:
    return stored_object(stripe, stored_object(stripe, donation.payment_intent)["latest_charge"])


def paid_at_stripe(campaign: Campaign, cents: int, **changed: Any) -> Donation:
    """A donation that is paid in the sandbox, with Stripe's fee."""
    donation = start_donation(campaign, cents, **changed)
    intent = services().stripe_payments._client.v1.payment_intents.create(
        {
            "amount": donation.charged_cents,
            "currency": "cad",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": {"donation": donation.public_id},
        }
    )
    pay(donation, payment_intent=intent.id)
    db.session.commit()
    return donation


def checkout_request(**changed: Any) -> CheckoutRequest:
    values: dict[str, Any] = {
        "donation": "d_1",
        "attempt_key": "key-1",
        "currency": "CAD",
        "lines": [
            CheckoutLine(name="Gift", cents=100_00, part=Part.GIFT),
            CheckoutLine(name="Fee", cents=3_30, part=Part.COVERED_FEE),
        ],
        "email": "donor@example.org",
        "language": "fr",
        "return_url": "https://example.org/x",
        "cancel_url": "https://example.org/x?return=cancel",
        "description": "Gift",
        "expires_at": datetime.now(UTC) + timedelta(minutes=32),
        "takes_bank_debits": True,
    }
    return CheckoutRequest(**{**values, **changed})


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


def donate(app: Flask, stripe: Stripe, **changed: Any) -> Donation:
    """Give by the form, pay in the sandbox and settle it by polling; returns the donation."""
    assert send(app.test_client(), "en", **changed).status_code == 303
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert donation
    pay_at_stripe(stripe, donation)
    schedule_jobs.poll_stripe()
    db.session.refresh(donation)
    assert donation.received_at
    return donation


def pay_at_stripe(stripe: Stripe, donation: Donation) -> None:
    assert donation.checkout_url
    data = b"card=4242424242424242&expiry=12/34&cvc=123"
    opener = urllib.request.build_opener(NoRedirect)
    try:
        opener.open(urllib.request.Request(donation.checkout_url, data=data)).close()
    except urllib.error.HTTPError as response:
        assert response.code == 303
        response.close()


def start_debit(app: Flask, stripe: Stripe, language: str = "en") -> Donation:
    """A donation of $100 whose bank debit the donor has authorized on Stripe's page."""
    assert send(app.test_client(), language).status_code == 303
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert donation
    assert donation.checkout_url
    with pytest.raises(urllib.error.HTTPError) as response:
        urllib.request.build_opener(NoRedirect).open(urllib.request.Request(donation.checkout_url, data=b"method=debit"))
    assert response.value.code == 303
    response.value.close()
    return donation


def start_recurring(app: Flask, stripe: Stripe, language: str = "en", **changed: Any) -> Donation:
    """Start a monthly donation by the form and pay its checkout; no event of it is handled yet."""
    answer = send(app.test_client(), language, frequency="monthly", **changed)
    assert answer.status_code == 303, answer.text
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert donation
    pay_at_stripe(stripe, donation)
    return donation


def advance_months(stripe: Stripe, months: int = 1) -> None:
    """Advance the clock of the sandbox, charge what is due, and handle the events."""
    for _ in range(months):
        clock.set_ahead(clock.now() - real_now() + 31 * DAY)
        subscriptions.renew_due(stripe.account)
    schedule_jobs.poll_stripe()
    db.session.execute(text("UPDATE stripe_event SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()
    event_jobs.handle_events()


def real_now() -> int:
    return clock.now() - clock._ahead


def sessions(stripe: Stripe) -> list[dict[str, Any]]:
    return stripe.store.newest("checkout.session", limit=1000)


def event(kind: str, subject: dict[str, Any], *, livemode: bool = False, **changed: Any) -> dict[str, Any]:
    values = {
        "id": f"evt_{next(_count)}_{time.time_ns()}",
        "object": "event",
        "type": kind,
        "livemode": livemode,
        "created": int(time.time()),
        "api_version": "2026-10-28.endive",
        "data": {"object": subject},
    }
    return {**values, **changed}


def completed(donation: Donation, **changed: Any) -> dict[str, Any]:
    session = {
        "id": f"cs_{donation.public_id}",
        "object": "checkout.session",
        "client_reference_id": donation.public_id,
        "metadata": {"donation": donation.public_id},
        "payment_intent": f"pi_{donation.public_id}",
        "payment_status": "paid",
        "status": "complete",
        "amount_total": donation.charged_cents,
        "currency": "cad",
        "livemode": False,
    }
    return event("checkout.session.completed", {**session, **changed})


def succeeded(donation: Donation, **changed: Any) -> dict[str, Any]:
    intent = {
        "id": f"pi_{donation.public_id}",
        "object": "payment_intent",
        "metadata": {"donation": donation.public_id},
        "amount_received": donation.charged_cents,
        "currency": "cad",
        "livemode": False,
    }
    return event("payment_intent.succeeded", {**intent, **changed})


def declined(donation: Donation, number: int = 1, *, ago: float = 0, **changed: Any) -> dict[str, Any]:
    """The report of a declined card: the charge of this number for the donation, so many seconds ago."""
    intent = {
        "id": f"pi_{donation.public_id}",
        "object": "payment_intent",
        "metadata": {"donation": donation.public_id},
        "customer": None,
        "latest_charge": f"ch_{donation.public_id}_{number}",
        "last_payment_error": {
            "charge": f"ch_{donation.public_id}_{number}",
            "code": "card_declined",
            "decline_code": "generic_decline",
            "payment_method": {"object": "payment_method", "type": "card"},
            "type": "card_error",
        },
        "status": "requires_payment_method",
        "livemode": False,
    }
    return event("payment_intent.payment_failed", {**intent, **changed}, created=int(time.time() - ago))


def expired(donation: Donation) -> dict[str, Any]:
    event = completed(donation, payment_status="unpaid", status="expired", payment_intent=None)
    return {**event, "type": "checkout.session.expired"}


def reversal_event(stripe: Stripe, donation: Donation, cents: int, *, kind: str, of: str = "refund", **changed: Any) -> dict[str, Any]:
    """Store a refund or dispute in the sandbox and return an event about it."""
    reversal = {
        "id": f"{of}_{donation.public_id}",
        "object": of,
        "amount": cents,
        "created": int(time.time()),
        "currency": "cad",
        "status": {"refund": "succeeded", "dispute": "lost"}[of],
        "payment_intent": f"pi_{donation.public_id}",
        "charge": f"ch_{donation.public_id}",
        "metadata": {},
    }
    return event(kind, dict(stripe.store.put({**reversal, **changed})))


def signed(body: bytes, *, secret: str = WEBHOOK_SECRET, at: int | None = None) -> dict[str, str]:
    moment = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={moment},v1={mac}"}


def body_of(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def control(stripe: Stripe, endpoint: str, /, **form: object) -> dict[str, Any]:
    """Use a control of the sandbox: POST /control/<endpoint>."""
    return call(stripe, "POST", f"/control/{endpoint}", **form)


def call(stripe: Stripe, method: str, path: str, /, **form: object) -> dict[str, Any]:
    """Send a request to the sandbox and return its answer."""
    headers = {"Accept": "application/json", "Authorization": "Bearer sk_test_of_the_tests"}
    query, data = (f"?{urlencode(form)}", None) if method == "GET" else ("", urlencode(form).encode())
    with urllib.request.urlopen(urllib.request.Request(f"{stripe.url}{path}{query}", data=data, headers=headers, method=method)) as answer:
        answered: dict[str, Any] = json.load(answer)
    return answered
