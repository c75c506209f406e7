"""The picture for links and the poster: what is on them, their bounds in a flood, and texts that would break a page. Also the list for search engines."""

import re
import shutil
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import time_machine
from flask import Flask
from PIL import Image
from pypdf import PdfReader

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaigns import Campaign
from campaign.edges import pdf, png
from campaign.edges.db import db
from campaign.edges.pdf import RenderingFailed
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.web.public import drawings
from campaign.web.public.drawings import Drawings
from campaign.web.public.shared_files import PICTURE
from campaign.web.security import DRAWINGS_PER_CLIENT, limiter
from tests.factories import another_campaign, create_fund, paid
from tests.seals import make_ready
from tests.sharing import HOSTILE, get, picture, poster, take_real_money
from tests.web import SLUG, open_page

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_NAME = "The Guillain-Barré Syndrome and Chronic Inflammatory Demyelinating Polyneuropathy Foundation of Eastern and Western Canada"
TITLES = {
    "hostile": HOSTILE,
    "long": "Supercalifragilisticexpialidocious Wolfeschlegelsteinhausenbergerdorff research for the people who live with neuropathy",
    "one word": "A" * 120,
    "scripts": "希望 รวมพลังช่วยเหลือ Надежда ελπίδα אמונה امل नेपाल ᐃᓄᒃᑎᑐᑦ",
    "no spaces": "希望" * 60,
    "emoji": "🎗️ Hope 👩‍⚕️ \u0378 🎉",
    "nothing printable": "🎉",
}


def text_of(document: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(BytesIO(document)).pages))


def ink_in(image: Image.Image, area: tuple[int, int, int, int]) -> int:
    """How many pixels of this area are not the paper's color."""
    part = image.convert("RGB").crop(area)
    paper = (0xFA, 0xF8, 0xF3)
    counts = part.getcolors(part.width * part.height) or []
    return sum(count for count, color in counts if color != paper)


def has_color(image: Image.Image, color: tuple[int, int, int]) -> bool:
    found = image.convert("RGB").getcolors(1200 * 630) or []
    return any(count > 2_000 and one == color for count, one in found)


def drawn(app: Flask, language: str = "en") -> Image.Image:
    response = get(app, picture(language))
    assert (response.status_code, response.mimetype) == (200, "image/png")
    image = Image.open(BytesIO(response.data))
    image.load()
    assert (image.format, image.size) == ("PNG", (1200, 630))
    return image


def test_the_picture_has_a_bar_in_two_colors_once_it_is_worth_showing(app: Flask, campaign: Campaign) -> None:
    green, gold = (0x14, 0x61, 0x4F), (0xB7, 0x79, 0x1F)
    assert not has_color(drawn(app), (0xE8, 0xE4, 0xD8)), "no bar before a twentieth of the goal"
    paid(campaign, 25_000_00)
    paid(campaign, 25_000_00)
    for language in ("en", "fr"):
        image = drawn(app, language)
        assert [has_color(image, color) for color in (green, gold, (0xE8, 0xE4, 0xD8))] == [True, True, True]
    for _ in range(8):
        paid(campaign, 25_000_00)
    assert not has_color(drawn(app), (0xE8, 0xE4, 0xD8)), "the bar is full beyond the goal"


@pytest.mark.parametrize("name", TITLES)
def test_no_title_breaks_the_picture_or_the_poster(app: Flask, campaign: Campaign, name: str) -> None:
    campaign.title_en, campaign.lead_en = TITLES[name], (f"{TITLES[name]} $ #panic() " * 5)[:500]
    campaign.charity.name_en = LONG_NAME
    paid(campaign, 25_000_00)
    image = drawn(app)
    assert ink_in(image, (1130, 0, 1200, 630)) == 0, "nothing runs over the edge"
    assert ink_in(image, (72, 600, 1200, 630)) == 0
    response = get(app, poster("en"))
    pages = PdfReader(BytesIO(response.data)).pages
    assert (response.status_code, len(pages)) == (200, 1)
    if name == "hostile":
        assert HOSTILE.replace(" ", "") in text_of(response.data).replace(" ", "")


def test_the_longest_terms_leave_the_poster_on_one_page(app: Flask, campaign: Campaign, fund: Fund) -> None:
    fund_lifecycle.pause(fund, actor="test", reason="test")
    terms: dict[str, Any] = {"minimum_cents": 1_234_56, "per_donation_cents": 12_345_67, "per_donor_cents": 23_456_78}
    window: dict[str, Any] = {"opens_at": NOW, "closes_at": datetime.now(UTC) + timedelta(days=50)}
    other = create_fund(campaign, 9_876_543_21, position=2, ratio_numerator=2, ratio_denominator=3, **terms, **window)
    other.name_en = other.name_fr = LONG_NAME[:80]
    campaign.title_fr, campaign.lead_fr = TITLES["long"], ("Le syndrome de Guillain-Barré peut ôter la force en quelques jours. " * 9)[:500]
    campaign.charity.name_fr = LONG_NAME
    response = get(app, poster("fr"))
    assert len(PdfReader(BytesIO(response.data)).pages) == 1
    assert "1 234,56 $ et plus" in text_of(response.data).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            [
                *(
                    "Vision Sanâa and Richard",
                    "Help us raise",
                    "Scan to give",
                    "GBS/CIDP Foundation of Canada · Registered charity 000000000RR0001",
                ),
                *("one dollar for each dollar given, up to $50,000 in all", "while matching is left", "TEST – this is a trial"),
            ],
        ),
        (
            "fr",
            [
                *(
                    "Vision Sanâa et Richard",
                    "Aidez-nous",
                    "Balayez le code pour donner",
                    "Organisme de bienfaisance enregistré 000000000RR0001",
                ),
                *("jusqu’à 50 000 $ en tout", "tant qu’il reste du jumelage", "ESSAI – aucun argent réel"),
            ],
        ),
    ],
)
def test_the_poster_has_what_one_needs_to_give(app: Flask, campaign: Campaign, language: str, words: list[str]) -> None:
    paid(campaign, 12_345_67)
    response = get(app, poster(language))
    found = text_of(response.data).replace("\u00a0", " ")
    assert [part for part in [*words, f"127.0.0.1:8000/{language}/{SLUG}"] if part not in found] == []
    assert not re.search(r"12,345|12 345|37,654|37 654", found), "no figure that changes with the next gift"
    assert response.headers["Content-Disposition"] == f'inline; filename="{SLUG}-{language}.pdf"'
    reader = PdfReader(BytesIO(response.data))
    [page] = reader.pages
    assert (float(page.mediabox.width), float(page.mediabox.height)) == (612, 792), "letter, as in Canada"
    assert (reader.trailer["/Root"]["/Lang"], reader.trailer["/Root"]["/MarkInfo"]["/Marked"]) == (f"{language}-CA", True)  # type: ignore[index]  # a dictionary


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_code_on_the_poster_opens_the_campaign_s_page(app: Flask, campaign: Campaign, tmp_path: Path, language: str) -> None:
    if not shutil.which("zbarimg") or not shutil.which("pdftoppm"):
        pytest.skip("zbarimg or pdftoppm is not installed")
    (tmp_path / "poster.pdf").write_bytes(get(app, poster(language)).data)
    subprocess.run(
        ["pdftoppm", "-r", "100", "-png", "-singlefile", tmp_path / "poster.pdf", tmp_path / "page"], check=True, capture_output=True
    )
    read = subprocess.run(["zbarimg", "-q", "--raw", tmp_path / "page.png"], capture_output=True, text=True, check=False).stdout.strip()
    assert read == f"http://127.0.0.1:8000/{language}/{SLUG}"
    assert open_page(app.test_client(), read.removeprefix("http://127.0.0.1:8000")).status_code == 200


def test_the_poster_promises_no_match_that_there_is_not(app: Flask, campaign: Campaign, fund: Fund) -> None:
    fund_lifecycle.pause(fund, actor="test", reason="test")
    paused = text_of(get(app, poster("en")).data)
    assert ("dollar" in paused, "matching" in paused, "Scan to give" in paused) == (False, False, True)
    fund_lifecycle.resume(fund, actor="test", reason="test")
    make_ready(campaign)
    closed = text_of(get(app, poster("en")).data)
    assert ("dollar" in closed, "This campaign is over" in closed, "Scan to see the result" in closed) == (False, True, True)
    assert "Cette campagne est terminée" in text_of(get(app, poster("fr")).data)


def test_live_mode_has_no_mark_of_a_trial(app: Flask, campaign: Campaign) -> None:
    trial = drawn(app)
    take_real_money(app)
    mark = (0x7A, 0x3B, 0x00)
    assert (has_color(trial, mark), has_color(drawn(app), mark), "TEST" in text_of(get(app, poster("en")).data)) == (True, False, False)


def test_the_figures_change_at_most_once_a_minute_and_the_state_at_once(app: Flask, campaign: Campaign) -> None:
    client = app.test_client()

    def etag() -> str:
        db.session.commit()
        return open_page(client, picture("en")).headers["ETag"]

    with time_machine.travel(NOW, tick=False) as clock:
        first = etag()
        paid(campaign, 20_000_00)
        clock.shift(59)
        assert etag() == first
        clock.shift(1)
        second = etag()
        assert second != first
        campaign_actions.close_to_gifts(campaign, actor="test")
        assert etag() not in {first, second}


def test_in_a_flood_one_is_drawn_and_all_get_it() -> None:
    store, calls, at_once, most, lock = Drawings(), [], 0, 0, threading.Lock()

    def draw() -> bytes:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.05)
        calls.append(1)
        with lock:
            at_once -= 1
        return b"drawn"

    found: list[bytes] = []

    def ask(key: str, now: datetime) -> None:
        drawing = store.get_or_draw((key,), draw, now=now)
        found.append(drawing.content if drawing else b"")

    def flood(now: datetime) -> None:
        threads = [threading.Thread(target=ask, args=(key, now)) for key in ("a", "b") * 20]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    flood(NOW)
    assert (found, len(calls), most) == ([b"drawn"] * 40, 2, 1)
    flood(NOW + timedelta(seconds=59))
    assert len(calls) == 2
    flood(NOW + timedelta(seconds=60))
    assert (found, most) == ([b"drawn"] * 120, 1)
    assert 3 <= len(calls) <= 4, "whoever comes while another is drawn gets the one of before"


def test_who_comes_while_another_is_drawn_gets_the_old_one_or_503(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "WAIT_SECONDS", 0)
    assert open_page(app.test_client(), picture("en")).status_code == 200
    store = drawings.drawings()
    with store._turn, time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        assert open_page(app.test_client(), picture("en")).status_code == 200
        busy = open_page(app.test_client(), picture("fr"))
        assert (busy.status_code, "Cache-Control" in busy.headers, "public" in busy.headers["Cache-Control"]) == (503, True, False)
    assert open_page(app.test_client(), picture("fr")).status_code == 200


def test_a_failed_drawing_lets_the_next_one_in() -> None:
    store = Drawings()

    def fail() -> bytes:
        raise RenderingFailed

    with pytest.raises(RenderingFailed):
        store.get_or_draw(("a",), fail, now=NOW)
    drawing = store.get_or_draw(("a",), lambda: b"drawn", now=NOW)
    assert drawing
    assert drawing.content == b"drawn"


def test_only_so_many_drawings_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "MOST", 3)
    store = Drawings()
    for n in range(10):
        store.get_or_draw((n,), lambda: b"drawn", now=NOW)
    assert len(store._latest) == 3


def test_the_same_data_are_drawn_once_and_bad_data_are_an_error(app: Flask, campaign: Campaign) -> None:
    before = png.draw.cache_info()
    get(app, picture("en"))
    get(app, picture("en"))
    after = png.draw.cache_info()
    assert (after.misses - before.misses <= 1, after.hits - before.hits >= 1) == (True, True)
    with pytest.raises(RenderingFailed):
        png.draw(PICTURE, "{}")


def test_one_network_asks_for_so_many_files_a_minute(app: Flask, campaign: Campaign) -> None:
    limiter._storage_dead = False
    client, most = app.test_client(), int(DRAWINGS_PER_CLIENT.split()[0])
    statuses = [client.get(picture("en")).status_code for _ in range(most + 3)]
    assert statuses == [200] * most + [429] * 3
    assert client.get(picture("en"), environ_overrides={"REMOTE_ADDR": "10.1.2.3"}).status_code == 200


def test_what_no_font_has_is_left_out() -> None:
    assert pdf.printable("🎗️ Hope 🎉\n 50\u00a0000\u00a0$") == "Hope 50\u00a0000\u00a0$"
    assert (pdf.printable("Ålesund – “été” €5…"), pdf.printable("🎉"), pdf.printable("")) == ("Ålesund – “été” €5…", "", "")


SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
XHTML = "{http://www.w3.org/1999/xhtml}"


def test_the_site_map_has_the_pages_of_public_campaigns_in_both_languages(app: Flask, campaign: Campaign) -> None:
    draft, closed = another_campaign(like=campaign), another_campaign(like=campaign)
    db.session.commit()
    campaign_actions.take_back(draft, actor="test")
    campaign_actions.close_to_gifts(closed, actor="test")
    robots = get(app, "/robots.txt")
    assert (robots.mimetype, "Sitemap: http://127.0.0.1:8000/sitemap.xml" in robots.text.splitlines()) == ("text/plain", True)
    assert "Disallow: /staff/" in robots.text.splitlines()
    response = get(app, "/sitemap.xml")
    assert response.mimetype == "application/xml"
    rows = ET.fromstring(response.data).findall(f"{SITEMAP}url")
    urls = {
        row.findtext(f"{SITEMAP}loc") or "": {a.attrib["hreflang"]: a.attrib["href"] for a in row.findall(f"{XHTML}link")} for row in rows
    }
    base, ends = "http://127.0.0.1:8000", ("", "/privacy", "/accessibility", "/refunds", "/terms")
    assert set(urls) == {f"{base}/{of}/{c.slug}{end}" for c in (campaign, closed) for of in ("en", "fr") for end in ends}
    for url, alternates in urls.items():
        path = url.removeprefix(base)[4:]
        assert alternates == {"en": f"{base}/en/{path}", "fr": f"{base}/fr/{path}", "x-default": f"{base}/en/{path}"}
        assert get(app, url.removeprefix(base)).status_code == 200


def test_programs_find_whom_to_tell_of_a_flaw_and_an_icon(app: Flask, campaign: Campaign) -> None:
    found = get(app, "/.well-known/security.txt")
    lines = dict(line.split(": ", 1) for line in found.text.splitlines())
    assert (found.mimetype, lines["Contact"]) == ("text/plain", f"mailto:{campaign.charity.email}")
    expires = datetime.fromisoformat(lines["Expires"])
    assert timedelta(days=150) < expires - datetime.now(UTC) < timedelta(days=365), "as RFC 9116 asks"
    icon = get(app, "/favicon.ico")
    assert icon.status_code == 301
    assert get(app, icon.location).mimetype == "image/svg+xml"
