"""Row 3: checkouts begun: form checked, hold in the books, Stripe answered by a stub, at 32 connections on one fund."""

import re
import secrets
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from benchmarks.load import Ask, post_all
from benchmarks.place import Place
from benchmarks.row import Row
from benchmarks.webhooks import bare_handler
from campaign.giving.first_campaign import SLUG
from campaign.web.forms import Attempts

AIM = 150
# What the bare handler of webhooks did on the machine on which the aim was first measured.
YARDSTICK = 3467
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


def measure(place: Place, count: int) -> Row:
    """Each gift has an attempt and an address of its own. The bare handler before and after says how fast the machine is meanwhile."""
    stub = f"http://127.0.0.1:{place.stub_port}"
    bare = [bare_handler(place, count).rate]
    with place.running("stub", "-m", "benchmarks.stripe_stub", str(place.stub_port), ready=stub), place.web() as address:
        post_all(address, _asks(place, address, count // 8), connections=32)
        found = post_all(address, _asks(place, address, count), connections=32)
    bare.append(bare_handler(place, count).rate)
    assert set(found.statuses) == {"303"}, found.statuses
    speed = sum(bare) / 2 / YARDSTICK
    aim = AIM * min(1.0, speed)
    return Row(
        name="checkouts begun",
        aim=f">= {AIM}/s at 32 connections; in proportion where the bare handler does less than {YARDSTICK}/s",
        figure=f"{found.rate:.0f}/s, p99 {found.percentile(0.99):.0f} ms; the bare handler {sum(bare) / 2:.0f}/s",
        floor=f"{aim:.0f}/s",
        ratio=found.rate / aim,
        reached=found.rate >= aim,
    )


def _asks(place: Place, address: str, count: int) -> list[Ask]:
    connection = HTTPConnection(urlsplit(address).netloc)
    connection.request("GET", f"/en/{SLUG}")
    answer = connection.getresponse()
    cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    token = re.search(r'name="csrf_token"[^>]*value="([^"]*)"', answer.read().decode())
    assert token
    attempts = Attempts(place.environment["SECRET_KEY"])
    made = []
    for number in range(count):
        own = {"csrf_token": token.group(1), "attempt": attempts.new(secrets.token_urlsafe(12)), "email": f"donor{number}@example.org"}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": cookie,
            "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        }
        made.append(Ask(path=f"/en/{SLUG}/donations", body=urlencode({**FORM, **own}).encode(), headers=headers))
    return made
