"""The widget and the badge that other sites embed: headers, languages, states of the campaign, hostile texts, and a real frame in a real browser."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from wsgiref.types import WSGIApplication
from xml.etree import ElementTree as ET

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from playwright.sync_api import Page
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox.__main__ import Quiet
from campaign.edges.db import db
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.web.public.shared_figures import shared_figures
from tests.browser import chromium_path, open_browser
from tests.factories import another_campaign, paid
from tests.seals import make_ready, seal
from tests.sharing import ALL, HOSTILE, badge, get, picture, poster, take_real_money, widget
from tests.web import SLUG, open_page

SVG = "{http://www.w3.org/2000/svg}"
SPACES = {ord("\u00a0"): " "}


class Words(HTMLParser):
    """The words of a page and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[dict[str, str | None]] = []
        self._words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [dict(attrs)] if tag == "a" else []

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self._words))


def words_of(app: Flask, language: str = "en", slug: str = SLUG) -> Words:
    return Words(get(app, widget(language, slug)).text)


def svg_texts(app: Flask, language: str = "en") -> list[str]:
    root = ET.fromstring(get(app, badge(language)).data)
    return [(element.text or "").translate(SPACES) for element in root.iter(f"{SVG}text")]


def test_only_the_widget_may_be_framed_and_only_when_there_is_one(app: Flask, campaign: Campaign) -> None:
    framed = get(app, widget("en"))
    assert "frame-ancestors *" in framed.headers["Content-Security-Policy"]
    assert framed.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")
    assert ("X-Frame-Options" in framed.headers, framed.headers["X-Content-Type-Options"]) == (False, "nosniff")
    others = [f"/en/{SLUG}", "/embed/unknown", badge("en"), picture("en"), poster("en"), "/sitemap.xml", "/staff/sign-in", "/nothing"]
    for path in others:
        headers = get(app, path).headers
        assert ("frame-ancestors 'none'" in headers["Content-Security-Policy"], headers["X-Frame-Options"]) == (True, "DENY"), path


def test_what_others_show_sets_no_cookie_and_does_not_depend_on_one(app: Flask, campaign: Campaign) -> None:
    paths = [*(address(language) for address in ALL for language in ("en", "fr")), "/embed/unknown?lang=fr", "/robots.txt", "/sitemap.xml"]
    for path in [*paths, *(f"{path}{'&' if '?' in path else '?'}lang=fr&campaign={SLUG}" for path in paths)]:
        response = get(app, path)
        assert ("Set-Cookie" in response.headers, "Vary" in response.headers) == (False, False), path
    client = app.test_client()
    assert "Set-Cookie" in get(app, "/no/such/page?lang=fr", client=client).headers, "control: other pages store the choice"
    assert get(app, f"/embed/{SLUG}", client=client).text.startswith('<!doctype html>\n<html lang="en">')


@pytest.mark.parametrize(("query", "language"), [("", "en"), ("?lang=fr", "fr"), ("?lang=en", "en"), ("?lang=xx", "en"), ("?lang=", "en")])
def test_the_site_chooses_the_language_and_not_the_reader_s_browser(app: Flask, campaign: Campaign, query: str, language: str) -> None:
    for path in (f"/embed/{SLUG}{query}", f"/{SLUG}/badge.svg{query}"):
        with app.app_context():
            page = app.test_client().get(path, headers={"Accept-Language": "fr" if language == "en" else "en"}).text
        assert (campaign.title(language) in page, f'lang="{language}"' in page) == (True, True)
    assert ("Donner" if language == "fr" else "Give") in open_page(app.test_client(), f"/embed/{SLUG}{query}").text


def test_the_widget_has_the_sums_the_claim_and_a_way_to_give_and_no_script(app: Flask, campaign: Campaign, fund: Fund) -> None:
    paid(campaign, 12_345_67)
    page = words_of(app)
    assert "$24,691.34 raised of $200,000" in page.text
    assert "Given by donors $12,345.67 Matched $12,345.67" in page.text
    assert "every dollar you give is doubled. $37,654.33 of matching is left." in page.text
    [link] = page.links
    assert (link["href"], link["target"], link["rel"]) == (f"http://127.0.0.1:8000/en/{SLUG}", "_blank", "noopener")
    assert {"script", "form", "input", "iframe", "img"} & set(page.tags) == set()
    french = words_of(app, "fr")
    assert "24 691,34 $ recueillis sur 200 000 $" in french.text
    assert "Il reste 37 654,33 $ de jumelage." in french.text
    assert french.links[0]["href"] == f"http://127.0.0.1:8000/fr/{SLUG}"
    assert '<meta http-equiv="refresh" content="60">' in get(app, widget("fr")).text


def test_the_claim_follows_the_fund_and_the_bar_the_goal(app: Flask, campaign: Campaign, fund: Fund) -> None:
    empty = words_of(app)
    assert ("Goal: $200,000" in empty.text, "svg" in empty.tags, "raised of" in empty.text) == (True, False, False)
    paid(campaign, 4_000_00)
    little = words_of(app)
    assert ("$8,000 raised of" in little.text, "svg" in little.tags) == (True, False), "a nearly empty bar is hidden"
    fund_lifecycle.pause(fund, actor="test", reason="test")
    assert "is paused for now" in words_of(app).text
    fund_lifecycle.resume(fund, actor="test", reason="test")
    for n in range(10):
        paid(campaign, 25_000_00, email=f"{n}@example.org")
    full = words_of(app)
    assert ("svg" in full.tags, "has all been used" in full.text, "$304,000 raised of $200,000" in full.text) == (True, True, True)
    rects = re.findall(r'<rect (?:x="(\d+)" )?width="(\d+)" height="16" class="part', get(app, widget("en")).text)
    assert sum(int(width) for _, width in rects) == 1000, "the bar ends at the goal"
    assert svg_texts(app)[1] == "$304,000 raised, 152%"


def test_the_bar_is_that_of_the_page(app: Flask, campaign: Campaign) -> None:
    for cents in (5_000_00, 10_000_00, 33_333_33):
        paid(campaign, cents)
        on_widget, on_page = (get(app, path).text for path in (widget("en"), f"/en/{SLUG}"))
        labels = [re.findall(r'aria-label="\d+%[^"]*"', text) for text in (on_widget, on_page)]
        assert labels[0] == labels[1] != []
        thousandths = [int(width) for width in re.findall(r'width="(\d+)" height="16" class="part', on_widget)]
        percents = [float(width) for width in re.findall(r'class="part[^>]* width="([\d.]+)%"', on_page)]
        assert percents == [parts / 10 for parts in thousandths] != []


def test_the_goal_of_donors_alone_is_shown_without_the_match(app: Flask, campaign: Campaign) -> None:
    campaign.match_counts = False
    paid(campaign, 20_000_00)
    assert "$20,000 given of $200,000" in words_of(app).text
    assert svg_texts(app) == ["TEST: Vision Sanâa and Richard", "$20,000 given, 10%"]
    assert svg_texts(app, "fr")[1] == "20 000 $ donnés, 10 %"


def test_a_closed_and_a_sealed_campaign_thank_and_show_the_result(app: Flask, campaign: Campaign) -> None:
    make_ready(campaign)
    closed = words_of(app)
    assert ("This campaign is over. Thank you" in closed.text, "See the result" in closed.text) == (True, True)
    assert "matching" not in closed.text
    seal(campaign)
    assert "its result is final" in words_of(app).text
    assert "son résultat est définitif. Merci" in words_of(app, "fr").text
    assert [get(app, address("fr")).status_code for address in ALL] == [200] * 4


def test_strangers_find_nothing_of_drafts(app: Flask, campaign: Campaign) -> None:
    draft = another_campaign(like=campaign)
    db.session.commit()
    campaign_actions.take_back(draft, actor="test")
    for slug in (draft.slug, "unknown", "a%00b", "x" * 500):
        bodies = {get(app, address("en", slug)).status_code for address in ALL}
        assert bodies == {404}, slug
    campaign_actions.take_back(campaign, actor="test")
    assert {get(app, address("en")).status_code for address in ALL} == {404}


def test_texts_of_people_are_texts(app: Flask, campaign: Campaign) -> None:
    campaign.title_en = campaign.charity.name_en = HOSTILE
    page = words_of(app)
    assert HOSTILE in page.text
    assert {"b", "label", "script"} & set(page.tags) == set()
    assert svg_texts(app)[0] == f"TEST: {HOSTILE[:39].rstrip()}…"
    [title] = [element.text for element in ET.fromstring(get(app, badge("en")).data) if element.tag == f"{SVG}title"]
    assert title == f"{HOSTILE}: $0 raised, 0%"


def test_the_badge_fits_its_texts_whatever_fonts_there_are(app: Flask, campaign: Campaign) -> None:
    campaign.title_en = "希望" * 60
    paid(campaign, 1_234_56)
    root = ET.fromstring(get(app, badge("en")).data)
    left, right = root.iter(f"{SVG}text")
    assert int(left.attrib["x"]) + int(left.attrib["textLength"]) < int(right.attrib["x"])
    assert int(right.attrib["x"]) + int(right.attrib["textLength"]) < int(root.attrib["width"]) < 700
    assert right.text == "$2,468 raised, 1%", "whole dollars"
    assert get(app, badge("en")).mimetype == "image/svg+xml"


def test_the_etag_is_that_of_what_is_shown(app: Flask, campaign: Campaign) -> None:
    client = app.test_client()
    for address in ALL:
        first = get(app, address("en"))
        assert re.fullmatch(r"public, max-age=\d\d", first.headers["Cache-Control"])
        with app.app_context():
            again = client.get(address("en"), headers={"If-None-Match": first.headers["ETag"]})
            other = client.get(address("fr"), headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data, other.status_code) == (304, b"", 200), address
    before = {address: get(app, address("en")).headers["ETag"] for address in ALL}
    paid(campaign, 20_000_00)
    after = {address: get(app, address("en")).headers["ETag"] for address in ALL}
    assert [before[address] == after[address] for address in ALL] == [False, False, False, True], "the poster has no balance"


def test_a_trial_says_so_everywhere_and_live_mode_does_not(app: Flask, campaign: Campaign) -> None:
    assert ("TEST – this is a trial" in words_of(app).text, svg_texts(app)[0]) == (True, "TEST: Vision Sanâa and Richard")
    assert ("ESSAI –" in words_of(app, "fr").text, svg_texts(app, "fr")[0]) == (True, "ESSAI : Vision Sanâa et Richard")
    take_real_money(app)
    assert ("TEST" in words_of(app).text, svg_texts(app)[0]) == (False, "Vision Sanâa and Richard")


def test_pictures_show_whole_dollars_and_no_last_cent_is_hidden(app: Flask, campaign: Campaign, fund: Fund) -> None:
    for n, cents in enumerate((24_999_99, 24_999_77)):
        paid(campaign, cents, email=f"{n}@example.org")
    db.session.commit()
    db.session.expire_all()
    with app.test_request_context():
        exact, rounded = (shared_figures(campaign, "en", in_dollars=in_dollars) for in_dollars in (False, True))
        assert (exact.donated, rounded.donated) == ("$49,999.76", "$49,999")
        assert ("Only $0.24" in exact.claim, "Only $0.24" in rounded.claim) == (True, True), "it is not used up yet"


@contextmanager
def serving(app: WSGIApplication) -> Iterator[BaseWSGIServer]:
    running = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def server(app: Flask) -> Iterator[BaseWSGIServer]:
    with serving(app) as running:
        yield running


@pytest.fixture
def another_site() -> Iterator[str]:
    """The address of a site whose pages have the page in a frame that is named after it."""

    @Request.application
    def host(request: Request) -> Response:
        frame = f"<iframe title='A widget' src='{request.args['frame']}' width=320 height=440></iframe>"
        return Response(f"<!doctype html><link rel=icon href='data:,'><title>Another site</title>{frame}", mimetype="text/html")

    with serving(host) as running:
        yield f"http://localhost:{running.port}/?frame="


@pytest.fixture
def tab(server: BaseWSGIServer) -> Iterator[tuple[Page, list[str]]]:
    """A tab, and the errors of its console."""
    errors: list[str] = []
    with open_browser() as browser:
        page = browser.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page, errors


@pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_widget_in_a_page_of_another_site_and_no_other_page(
    app: Flask, campaign: Campaign, server: BaseWSGIServer, another_site: str, tab: tuple[Page, list[str]]
) -> None:
    paid(campaign, 20_000_00)
    db.session.commit()
    page, errors = tab
    base = f"http://127.0.0.1:{server.port}"
    page.goto(f"{another_site}{base}{widget('fr')}")
    frame = page.frame_locator("iframe")
    frame.get_by_text("40 000 $ recueillis sur 200 000 $").wait_for()
    assert frame.locator(".give").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(20, 97, 79)", "its stylesheet is loaded"
    assert (errors, page.context.cookies()) == ([], [])
    page.goto(f"{base}/en/{SLUG}")
    assert errors == [], "data for search engines are not refused as a script"
    page.goto(f"{another_site}{base}/fr/{SLUG}")
    page.wait_for_timeout(500)
    assert "frame-ancestors" in " ".join(errors), "control: the page itself is refused"


@pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_widget_is_accessible_and_fits_220_pixels(
    app: Flask, campaign: Campaign, server: BaseWSGIServer, tab: tuple[Page, list[str]], scheme: str
) -> None:
    paid(campaign, 20_000_00)
    campaign.title_en = "Supercalifragilisticexpialidociouswolfeschlegelsteinhausenbergerdorff"
    db.session.commit()
    page, _ = tab
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for language in ("en", "fr"):
        page.set_viewport_size({"width": 220, "height": 440})
        page.goto(f"http://127.0.0.1:{server.port}{widget(language)}")
        assert page.evaluate("document.documentElement.scrollWidth") == 220
        violations = [violation["id"] for violation in Axe().run(page).response["violations"]]
        assert violations == ["meta-refresh"], "which nothing is typed into, and which a frame without scripts needs to stay true"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "give"
