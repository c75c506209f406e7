"""Row 3: checkouts started at 32 connections on one fund: the form is validated, match is held, and a stub responds for Stripe."""

import re
import secrets
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from benchmarks.load import PostRequest, post_all
from benchmarks.place import Servers
from benchmarks.row import Row
from benchmarks.webhooks import bare_handler
from campaign.cli.first_campaign import SLUG
from campaign.web.public.donation_form import Attempts

TARGET = 150
# The rate of the bare webhook handler on the machine where the target was first measured.
REFERENCE_RATE = 3467
FORM = {
    "amount": "5",
    "frequency": "once",
    "first_name": "Sanâa",
    "last_name": "Roy",
    "address_line1": "1 Main Street",
    "city": "Ottawa",
    "province": "Ontario",
    "postal_code": "K1A 0B1",
    "country": "CA",
    "expected_match": "0",
}


def measure(servers: Servers, count: int) -> Row:
    """Start checkouts, each with its own attempt and email. The bare handler, before and after, measures the machine's speed meanwhile."""
    stub = f"http://127.0.0.1:{servers.stub_port}"
    bare = [bare_handler(servers, count).rate]
    with servers.running("stub", "-m", "benchmarks.stripe_stub", str(servers.stub_port), ready=stub), servers.web() as address:
        post_all(address, _requests(servers, address, count // 8), connections=32)
        result = post_all(address, _requests(servers, address, count), connections=32)
    bare.append(bare_handler(servers, count).rate)
    assert set(result.statuses) == {"303"}, result.statuses
    speed = sum(bare) / 2 / REFERENCE_RATE
    target = TARGET * min(1.0, speed)
    return Row(
        name="checkouts started",
        target=f">= {TARGET}/s at 32 connections; scaled down where the bare handler does less than {REFERENCE_RATE}/s",
        figure=f"{result.rate:.0f}/s, p99 {result.percentile(0.99):.0f} ms; the bare handler {sum(bare) / 2:.0f}/s",
        floor=f"{target:.0f}/s",
        ratio=result.rate / target,
        reached=result.rate >= target,
    )


def _requests(servers: Servers, address: str, count: int) -> list[PostRequest]:
    connection = HTTPConnection(urlsplit(address).netloc)
    connection.request("GET", f"/en/{SLUG}")
    response = connection.getresponse()
    cookie = (response.getheader("Set-Cookie") or "").partition(";")[0]
    token = re.search(r'name="csrf_token"[^>]*value="([^"]*)"', response.read().decode())
    assert token
    attempts = Attempts(servers.app.extensions["services"].keys)
    requests = []
    for number in range(count):
        own = {"csrf_token": token.group(1), "attempt": attempts.sign(secrets.token_urlsafe(12)), "email": f"donor{number}@example.org"}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": cookie,
            "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        }
        requests.append(PostRequest(path=f"/en/{SLUG}/donations", body=urlencode({**FORM, **own}).encode(), headers=headers))
    return requests
