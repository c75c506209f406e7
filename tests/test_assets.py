"""Static files have addresses of their content, and only what shows nobody's data is compressed."""

import gzip
import re
from collections.abc import Callable

import brotli
import pytest
from flask.testing import FlaskClient

from campaign.campaigns.campaigns import Campaign
from tests.factories import start_donation
from tests.web import FORM, SLUG

PAGE = f"/en/{SLUG}"
BOTH = {"Accept-Encoding": "gzip, br"}


@pytest.mark.parametrize(("accepted", "encoding", "decode"), [("gzip, br", "br", brotli.decompress), ("gzip", "gzip", gzip.decompress)])
def test_a_stylesheet_is_compressed_as_the_browser_can_read_it(
    client: FlaskClient, accepted: str, encoding: str, decode: Callable[[bytes], bytes]
) -> None:
    plain = client.get("/static/site.css").data
    sent = client.get("/static/site.css", headers={"Accept-Encoding": accepted})
    assert sent.headers["Content-Encoding"] == encoding
    assert sent.headers["Vary"] == "Accept-Encoding"
    assert decode(sent.data) == plain
    assert len(sent.data) < len(plain) / 2


def test_a_browser_that_accepts_no_compression_gets_none(client: FlaskClient) -> None:
    sent = client.get("/static/site.css", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in sent.headers
    assert "Accept-Encoding" in sent.headers["Vary"]


def test_a_stylesheet_that_the_browser_has_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get("/static/site.css", headers=BOTH)
    again = client.get("/static/site.css", headers={**BOTH, "If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_pages_name_the_version_of_static_files_and_browsers_may_keep_it(client: FlaskClient) -> None:
    address = re.search(r'href="(/static/site\.css\?v=[0-9a-f]{10})"', client.get(PAGE).text)
    assert address
    assert client.get(address[1]).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "immutable" not in client.get("/static/site.css?v=0123456789").headers["Cache-Control"]
    assert "immutable" not in client.get("/static/site.css").headers["Cache-Control"]


def test_the_campaign_page_is_compressed(client: FlaskClient) -> None:
    sent = client.get(f"{PAGE}?amount=50", headers=BOTH)
    assert sent.headers["Content-Encoding"] == "br"
    assert len(sent.data) < 12_000


def test_a_page_with_what_somebody_typed_is_not_compressed(client: FlaskClient, campaign: Campaign) -> None:
    donation = start_donation(campaign)
    again = client.get(f"{PAGE}?again={donation.token}", headers=BOTH)
    refused = client.post(f"{PAGE}/donations", data={**FORM, "amount": ""}, headers=BOTH)
    own = client.get(f"/en/donations/{donation.token}", headers=BOTH)
    for response in (again, refused, own):
        assert "Content-Encoding" not in response.headers
    assert (again.status_code, refused.status_code, own.status_code) == (200, 422, 200)


def test_pages_of_staff_are_not_compressed(client: FlaskClient) -> None:
    assert "Content-Encoding" not in client.get("/staff/sign-in", headers=BOTH).headers


@pytest.mark.parametrize("refused", ["br;q=0", "gzip;q=0, br;q=0.0", "br;q=0, gzip;q=0, *;q=0"])
def test_an_encoding_that_is_refused_is_not_sent(client: FlaskClient, refused: str) -> None:
    assert "Content-Encoding" not in client.get("/static/site.css", headers={"Accept-Encoding": refused}).headers
    assert "Content-Encoding" not in client.get(PAGE, headers={"Accept-Encoding": refused}).headers


def test_a_shared_cache_stores_nothing_under_the_address_of_another_version(client: FlaskClient) -> None:
    assert "no-store" in client.get("/static/site.css?v=0123456789").headers["Cache-Control"]
    assert "no-store" not in client.get("/static/site.css").headers["Cache-Control"]
