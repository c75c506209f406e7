"""Row 2: donations settled end to end, from the stored event to the match in the books and the enqueued receipt.

First a backlog, as fast as one worker drains it; then a steady stream of signed webhooks at the highest published peak we know, for the lag.
"""

import gc
import json
import time
from datetime import UTC, datetime

from sqlalchemy import text

from benchmarks.load import PostRequest, post_all
from benchmarks.place import SECRET, Servers
from benchmarks.row import Row
from campaign.campaigns.campaigns import current_campaign
from campaign.devstack.sandbox.deliveries import signature_header
from campaign.devstack.sandbox.shapes import event
from campaign.donations.donations import Donation, DonationDetails
from campaign.edges.db import db
from campaign.payments import checkouts
from campaign.payments.checkouts import CheckoutContext
from campaign.reporting.integrity import checker
from campaign.stripe_sync import event_jobs, inbox

PEAK = 350


def measure(servers: Servers, count: int) -> Row:
    """Measure the rate of the backlog and the lag of the stream, and assert that the integrity checks pass after both."""
    with servers.app.app_context():
        drained = drain(count, name="backlog")
    sent, lag, settled = _stream(servers, count)
    with servers.app.app_context():
        assert checker.findings(db.engine) == []
    return Row(
        name="donations settled",
        target=f">= {PEAK}/s sustained, lag p99 < 2 s",
        figure=f"{drained:.0f}/s from a backlog; at {sent:.0f}/s lag p99 {lag:.2f} s, {settled} of {count} settled",
        floor=f"{PEAK}/s",
        ratio=drained / PEAK,
        reached=drained >= PEAK and sent >= 0.97 * PEAK and lag < 2 and settled == count,
    )


def drain(count: int, *, name: str) -> float:
    """Settle a backlog of `count` donations with one worker and return the donations per second."""
    event_jobs.handle_events()  # Events that the previous row left pending.
    for body in [json.dumps(completed_event(d)).encode() for d in start_donations(count, name)]:
        inbox.store_events(inbox.parse_event(body), source="webhook")
    db.session.commit()
    gc.collect()  # What making the donations left behind: a full collection in the middle of the work cost it a fifth of its rate.
    started = time.monotonic()
    assert event_jobs.handle_events() == count
    return count / (time.monotonic() - started)


def _stream(servers: Servers, count: int) -> tuple[float, float, int]:
    with servers.app.app_context():
        bodies = [json.dumps(completed_event(d)).encode() for d in start_donations(count, "stream")]
        first = db.session.scalar(text("SELECT coalesce(max(id), 0) FROM stripe_event"))
    with servers.web() as address, servers.running("worker", "-m", "campaign", "worker", ready=f"{address}/readyz"):
        requests = [
            PostRequest(path="/stripe/webhook", body=b, headers={"Stripe-Signature": signature_header(b, SECRET, at=int(time.time()))})
            for b in bodies
        ]
        sent = post_all(address, requests, connections=16, per_second=PEAK)
        time.sleep(4)
        with servers.app.app_context():
            row = db.session.execute(
                text(
                    "SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM done_at - received_at)), count(done_at) "
                    "FROM stripe_event WHERE id > :first"
                ),
                {"first": first},
            ).one()
    return sent.rate, float(row[0] or 999), int(row[1])


def start_donations(count: int, name: str) -> list[Donation]:
    """Create donations whose checkout has started, each with its match held."""
    campaign, now = current_campaign(), datetime.now(UTC)
    assert campaign
    donations = []
    for number in range(count):
        details = _details(number)
        donations.append(
            checkouts.start_checkout(
                campaign, details, CheckoutContext(attempt=f"{name}-{number}", expected_match_cents=0, livemode=False, now=now)
            )
        )
        if number % 200 == 199:
            db.session.commit()
    db.session.commit()
    return donations


def _details(number: int) -> DonationDetails:
    texts = dict.fromkeys(("organization", "address_line2", "public_name", "tribute_name", "message"), "")
    return DonationDetails(
        frequency="once",
        **texts,
        language="en",
        amount_cents=5_00,
        covered_fee_cents=0,
        in_own_name=False,
        first_name="Zoë",
        last_name="Roy",
        email=f"donor{number}@example.org",
        address_line1="1 Main Street",
        city="Ottawa",
        province="ON",
        postal_code="K1A 0B1",
        country="CA",
        anonymous=False,
        tribute_kind=None,
        news_consent=False,
    )


def completed_event(donation: Donation) -> dict[str, object]:
    """The event that Stripe sends when the donation is paid."""
    session = {
        "id": f"cs_{donation.public_id}",
        "object": "checkout.session",
        "metadata": {"donation": donation.public_id},
        "payment_intent": f"pi_{donation.public_id}",
        "payment_status": "paid",
        "amount_total": donation.charged_cents,
        "currency": "cad",
        "livemode": False,
    }
    return event(kind="checkout.session.completed", subject=session, previous=None, key=None)
