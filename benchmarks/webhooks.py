"""Row 1: signed webhooks stored durably, compared with a handler that only verifies and inserts."""

import json
import time

from sqlalchemy import text

from benchmarks.load import LoadResult, PostRequest, post_all
from benchmarks.place import SECRET, Servers
from benchmarks.row import Row
from campaign.devstack.sandbox.deliveries import signature_header
from campaign.devstack.sandbox.shapes import event, payment_intent
from campaign.edges.db import db

CONNECTIONS = 16
ROUNDS = 2


def measure(servers: Servers, count: int) -> Row:
    """Alternate between both in the same run, each with a warm-up. No worker processes the stored events."""
    ours, floors = [], []
    for _ in range(ROUNDS):
        floors.append(bare_handler(servers, count // ROUNDS).rate)
        with servers.web() as address:
            post_all(address, _requests(count // 8, "/stripe/webhook"), connections=CONNECTIONS)
            ours.append(post_all(address, _requests(count // ROUNDS, "/stripe/webhook"), connections=CONNECTIONS))
    assert {status for run in ours for status in run.statuses} == {"200"}
    rate, floor, p99 = sum(run.rate for run in ours) / ROUNDS, sum(floors) / ROUNDS, max(run.percentile(0.99) for run in ours)
    return Row(
        name="webhooks stored",
        target=">= 60% of floor, p99 < 150 ms",
        figure=f"{rate:.0f}/s, p99 {p99:.0f} ms",
        floor=f"{floor:.0f}/s",
        ratio=rate / floor,
        reached=rate >= 0.6 * floor and p99 < 150,
    )


def bare_handler(servers: Servers, count: int) -> LoadResult:
    """Measure a handler that only verifies and inserts: the baseline, and a measure of the machine's speed."""
    with servers.app.app_context():
        db.session.execute(text("CREATE TABLE IF NOT EXISTS floor_event (id text PRIMARY KEY, body bytea)"))
        db.session.commit()
    address = f"http://127.0.0.1:{servers.stub_port}"
    arguments = ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(servers.stub_port), "--workers", "2"]
    with servers.running("floor", *arguments, "--blocking-threads", "12", "--no-log", "benchmarks.floor:app", ready=f"{address}/"):
        post_all(address, _requests(count // 8, "/"), connections=CONNECTIONS)
        result = post_all(address, _requests(count, "/"), connections=CONNECTIONS)
    assert set(result.statuses) == {"200"}
    return result


def _requests(count: int, path: str) -> list[PostRequest]:
    requests = []
    for _ in range(count):
        intent = payment_intent(amount=5000, currency="cad", metadata={"donation": "d_unknown"})
        body = json.dumps(event(kind="payment_intent.created", subject=intent, previous=None, key=None)).encode()
        requests.append(
            PostRequest(path=path, body=body, headers={"Stripe-Signature": signature_header(body, SECRET, at=int(time.time()))})
        )
    return requests
