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


def measure(place: Place, count: int) -> Row:
    """Both in the same run, each with a warm-up; nobody handles what is stored."""
    with place.app.app_context():
        db.session.execute(text("CREATE TABLE IF NOT EXISTS floor_event (id text PRIMARY KEY, body bytea)"))
        db.session.commit()
    with place.web() as address:
        post_all(address, _asks(count // 8, "/stripe/webhook"), connections=CONNECTIONS)
        ours = post_all(address, _asks(count, "/stripe/webhook"), connections=CONNECTIONS)
    floor = _floor(place, count)
    assert set(ours.statuses) == set(floor.statuses) == {"200"}, (ours.statuses, floor.statuses)
    return Row(
        name="webhooks stored",
        aim=">= 60% of floor, p99 < 150 ms",
        figure=f"{ours.rate:.0f}/s, p99 {ours.percentile(0.99):.0f} ms",
        floor=f"{floor.rate:.0f}/s",
        ratio=ours.rate / floor.rate,
        reached=ours.rate >= 0.6 * floor.rate and ours.percentile(0.99) < 150,
    )


def _floor(place: Place, count: int) -> Answers:
    address = f"http://127.0.0.1:{place.stub_port}"
    arguments = ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(place.stub_port), "--workers", "2"]
    with place.running("floor", *arguments, "--blocking-threads", "12", "--no-log", "benchmarks.floor:app", ready=f"{address}/"):
        post_all(address, _asks(count // 8, "/"), connections=CONNECTIONS)
        return post_all(address, _asks(count, "/"), connections=CONNECTIONS)


def _asks(count: int, path: str) -> list[Ask]:
    made = []
    for _ in range(count):
        about = payment_intent(amount=5000, currency="cad", metadata={"donation": "d_unknown"})
        body = json.dumps(event(kind="payment_intent.created", about=about, previous=None, key=None)).encode()
        made.append(Ask(path=path, body=body, headers={"Stripe-Signature": signature(body, SECRET, at=int(time.time()))}))
    return made
