"""Row 2: donations settled end to end, from the stored event to the match in the books with the receipt owed.

First a backlog, as fast as one worker drains it; then a steady stream of signed webhooks at the highest public peak we know, for the lag.
"""

import json
import time
from datetime import UTC, datetime

from sqlalchemy import text

from benchmarks.load import Ask, post_all
from benchmarks.place import SECRET, Place
from benchmarks.row import Row
from campaign.edges.db import db
from campaign.giving import checkouts, stripe_events
from campaign.giving.campaigns import default_campaign
from campaign.giving.checkouts import Beginning
from campaign.giving.donations import Donation, Gift
from campaign.reporting import books
from campaign.sandbox.deliveries import signature
from campaign.sandbox.shapes import event
from campaign.work import handling

PEAK = 350


def measure(place: Place, count: int) -> Row:
    """The rate of the backlog, the lag of the stream, and that the books are right after both."""
    with place.app.app_context():
        drained = drain(count, name="backlog")
    sent, lag, settled = _stream(place, count)
    with place.app.app_context():
        assert books.findings(db.engine) == []
    return Row(
        name="donations settled",
        aim=f">= {PEAK}/s sustained, lag p99 < 2 s",
        figure=f"{drained:.0f}/s from a backlog; at {sent:.0f}/s lag p99 {lag:.2f} s, {settled} of {count} settled",
        floor=f"{PEAK}/s",
        ratio=drained / PEAK,
        reached=drained >= PEAK and sent >= 0.97 * PEAK and lag < 2 and settled == count,
    )


def drain(count: int, *, name: str) -> float:
    """Gifts a second that one worker settles from a backlog."""
    handling.handle_events()  # What the row before left waiting.
    for body in [json.dumps(_completed(d)).encode() for d in begun(count, name)]:
        stripe_events.keep(stripe_events.read_event(body), source="webhook")
    db.session.commit()
    started = time.monotonic()
    assert handling.handle_events() == count
    return count / (time.monotonic() - started)


def _stream(place: Place, count: int) -> tuple[float, float, int]:
    with place.app.app_context():
        made = [json.dumps(_completed(d)).encode() for d in begun(count, "stream")]
        first = db.session.scalar(text("SELECT coalesce(max(id), 0) FROM stripe_event"))
    with place.web() as address, place.running("worker", "-m", "campaign", "worker", ready=f"{address}/readyz"):
        asks = [Ask(path="/stripe/webhook", body=b, headers={"Stripe-Signature": signature(b, SECRET, at=int(time.time()))}) for b in made]
        sent = post_all(address, asks, connections=16, per_second=PEAK)
        time.sleep(4)
        with place.app.app_context():
            row = db.session.execute(
                text(
                    "SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM done_at - received_at)), count(done_at) "
                    "FROM stripe_event WHERE id > :first"
                ),
                {"first": first},
            ).one()
    return sent.rate, float(row[0] or 999), int(row[1])


def begun(count: int, name: str) -> list[Donation]:
    """Gifts on their way to being paid, each with its match held."""
    campaign, now = default_campaign(), datetime.now(UTC)
    assert campaign
    made = []
    for number in range(count):
        gift = _gift(number)
        made.append(checkouts.begin(campaign, gift, Beginning(attempt=f"{name}-{number}", expected_match_cents=0, livemode=False, now=now)))
        if number % 200 == 199:
            db.session.commit()
    db.session.commit()
    return made


def _gift(number: int) -> Gift:
    texts = dict.fromkeys(("organization", "address_line2", "public_name", "tribute_name", "message"), "")
    return Gift(
        frequency="once",
        **texts,
        language="en",
        amount_cents=5_00,
        covered_fee_cents=0,
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


def _completed(donation: Donation) -> dict[str, object]:
    about = {
        "id": f"cs_{donation.public_id}",
        "object": "checkout.session",
        "metadata": {"donation": donation.public_id},
        "payment_intent": f"pi_{donation.public_id}",
        "payment_status": "paid",
        "amount_total": donation.charged_cents,
        "currency": "cad",
        "livemode": False,
    }
    return event(kind="checkout.session.completed", about=about, previous=None, key=None)
