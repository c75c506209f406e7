"""Row 1: signed webhooks stored durably, beside a handler that only verifies and inserts."""

import json
import time

from sqlalchemy import text

from benchmarks.load import Answers, Ask, post_all
from benchmarks.place import SECRET, Place
from benchmarks.row import Row
from campaign.edges.db import db
from campaign.sandbox.deliveries import signature
from campaign.sandbox.shapes import event, payment_intent

CONNECTIONS = 16
TURNS = 2


def measure(place: Place, count: int) -> Row:
    """Both in turns in the same run, each with a warm-up; nobody handles what is stored."""
    ours, floors = [], []
    for _ in range(TURNS):
        floors.append(bare_handler(place, count // TURNS).rate)
        with place.web() as address:
            post_all(address, _asks(count // 8, "/stripe/webhook"), connections=CONNECTIONS)
            ours.append(post_all(address, _asks(count // TURNS, "/stripe/webhook"), connections=CONNECTIONS))
    assert {status for answers in ours for status in answers.statuses} == {"200"}
    rate, floor, p99 = sum(one.rate for one in ours) / TURNS, sum(floors) / TURNS, max(one.percentile(0.99) for one in ours)
    return Row(
        name="webhooks stored",
        aim=">= 60% of floor, p99 < 150 ms",
        figure=f"{rate:.0f}/s, p99 {p99:.0f} ms",
        floor=f"{floor:.0f}/s",
        ratio=rate / floor,
        reached=rate >= 0.6 * floor and p99 < 150,
    )


def bare_handler(place: Place, count: int) -> Answers:
    """What a handler does that only verifies and inserts: the yardstick of a machine, too."""
    with place.app.app_context():
        db.session.execute(text("CREATE TABLE IF NOT EXISTS floor_event (id text PRIMARY KEY, body bytea)"))
        db.session.commit()
    address = f"http://127.0.0.1:{place.stub_port}"
    arguments = ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(place.stub_port), "--workers", "2"]
    with place.running("floor", *arguments, "--blocking-threads", "12", "--no-log", "benchmarks.floor:app", ready=f"{address}/"):
        post_all(address, _asks(count // 8, "/"), connections=CONNECTIONS)
        found = post_all(address, _asks(count, "/"), connections=CONNECTIONS)
    assert set(found.statuses) == {"200"}
    return found


def _asks(count: int, path: str) -> list[Ask]:
    made = []
    for _ in range(count):
        about = payment_intent(amount=5000, currency="cad", metadata={"donation": "d_unknown"})
        body = json.dumps(event(kind="payment_intent.created", about=about, previous=None, key=None)).encode()
        made.append(Ask(path=path, body=body, headers={"Stripe-Signature": signature(body, SECRET, at=int(time.time()))}))
    return made
