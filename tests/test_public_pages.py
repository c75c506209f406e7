"""Every page that donors see, in every state and both languages: by axe, at 400 percent, by keyboard, with wide spacing, and as a screen reader has it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from tests.browser import chromium_path, keep_picture, open_browser, serve
from tests.conftest import Stripe
from tests.public_pages import NO_PAGES, OWNER, Shown, pages
from tests.web import grant_access

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")]

# A window of 1280 by 1024 pixels at 400 percent, and a phone that is high enough for bars that stay on the screen.
ZOOMED, PHONE = ViewportSize(width=320, height=256), ViewportSize(width=320, height=640)
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RULES = {
    "runOnly": {"type": "tag", "values": WCAG},
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
    "preload": False,
}
# The widget in pages of others has no scripts to stay true with, and nothing in it is typed into (test_widget.py).
ACCEPTED = {"meta-refresh"}
UNFOLD = "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"
OVERFLOW = """() => document.scrollingElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, .trap')).map(e => e.outerHTML.slice(0, 90)).slice(0, 3)"""
# WCAG 1.4.12, and what is cut off by it: text in a box that hides what goes beyond it, or beside the page.
SPACING = "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } p { margin-bottom: 2em !important }"
CUT_OFF = """() => [...document.querySelectorAll('body *')].filter(e => {
    const style = getComputedStyle(e), hides = /hidden|clip/;
    if (!e.innerText?.trim() || e.closest('.unseen, .hidden, .trap, svg, .skip') || !e.getClientRects().length) return false;
    return (hides.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1) || (hides.test(style.overflowY) && e.scrollHeight > e.clientHeight + 1);
}).map(e => e.outerHTML.slice(0, 90))"""
# The element that has the focus: whether it is on the screen, and not all of it under something that stays there. Null at the end of the page.
FOCUS = """() => {
    const active = document.activeElement;
    if (!active || active === document.body) return null;
    const shown = active.matches('[type=radio]') && active.labels[0] ? active.labels[0] : active;
    const boxes = [...shown.getClientRects()].filter(b => b.width && b.height);
    const points = boxes.flatMap(b => [.1, .5, .9].flatMap(x => [.1, .5, .9].map(y => [b.left + b.width * x, b.top + b.height * y])));
    const seen = points.filter(([x, y]) => x >= 0 && y >= 0 && x <= innerWidth && y <= innerHeight);
    const isBar = (e) => { for (; e && e !== document.body; e = e.parentElement) if (/fixed|sticky/.test(getComputedStyle(e).position)) return true; return false; };
    const free = seen.filter(([x, y]) => {
        const top = document.elementFromPoint(x, y);
        return top && (shown.contains(top) || top.contains(shown) || !isBar(top));
    });
    return { name: active.outerHTML.slice(0, 110), isSeen: free.length > 0 };
}"""
# One main heading, none that skips a level, landmarks that have names where there are several, and errors that are tied to their fields.
STRUCTURE = """() => {
    const wrong = [], all = (s) => [...document.querySelectorAll(s)].filter(e => e.getClientRects().length);
    const levels = all('h1, h2, h3, h4').map(e => Number(e.localName[1]));
    if (levels.filter(level => level === 1).length !== 1) wrong.push(`h1: ${levels}`);
    if (levels.some((level, i) => i > 0 && level > levels[i - 1] + 1)) wrong.push(`skipped: ${levels}`);
    if (!document.title) wrong.push('no title');
    for (const one of ['main', 'body > header, body > footer']) if (one === 'main' && all(one).length !== 1) wrong.push(`${one}: ${all(one).length}`);
    for (const nav of all('nav')) if (!nav.getAttribute('aria-label') && !nav.getAttribute('aria-labelledby')) wrong.push('nav without a name');
    for (const error of all('.error[id]')) {
        const field = document.querySelector(`[aria-describedby~="${error.id}"]`);
        if (!field || field.getAttribute('aria-invalid') !== 'true') wrong.push(`${error.id} is tied to nothing`);
    }
    for (const field of all('[aria-invalid=true]')) {
        const ids = (field.getAttribute('aria-describedby') || '').split(' ');
        if (!ids.some(id => document.getElementById(id)?.textContent.trim())) wrong.push(`${field.id} does not say what is wrong`);
    }
    for (const attribute of ['aria-labelledby', 'aria-describedby']) for (const e of all(`[${attribute}]`))
        for (const id of e.getAttribute(attribute).trim().split(/\\s+/)) if (!document.getElementById(id)) wrong.push(`${attribute} ${id}`);
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) wrong.push(`id twice: ${id}`);
    return wrong;
}"""
UNNAMED = re.compile(
    r"^\s*- (textbox|combobox|checkbox|radio|button|link|spinbutton|searchbox|img|region|navigation|radiogroup)(?: \[.*\])?:?$",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def test_every_public_page_has_a_case(app: Flask, stripe: Stripe, campaign: Campaign) -> None:
    public = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and not rule.endpoint.startswith("security.")
        and getattr(app.view_functions[rule.endpoint], "access", "") == "public"
    }
    cases = {shown.endpoint for shown in pages(app, stripe, campaign, "en")} - {""}
    assert public >= NO_PAGES and cases <= public, "a route that is no more"
    assert public - cases - NO_PAGES == set(), "a page without a case here, or a file that is not in NO_PAGES"


def contexts(app: Flask, browser: Browser, site: str, *, scheme: Any) -> dict[bool, BrowserContext]:
    """Browsers without and with the access of a donor who came by the link that was mailed."""
    found = {
        has: browser.new_context(viewport=ZOOMED, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True) for has in (False, True)
    }
    client = app.test_client()
    grant_access(client, db.session.query(Donation).filter_by(email=OWNER).limit(1).one())
    cookie = client.get_cookie("session")
    assert cookie
    found[True].add_cookies([{"name": "session", "value": cookie.value, "url": site}])
    return found


def visit(page: Page, site: str, shown: Shown) -> None:
    page.set_viewport_size(ZOOMED)
    page.goto(f"{site}{shown.path}")
    if shown.act:
        shown.act(page)
    page.evaluate(UNFOLD)


def seen_wrong(page: Page) -> list[object]:
    """What is wrong with the page as it is, at 400 percent."""
    violations = Axe().run(page, options=RULES).response["violations"]
    found = [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in violations if v["id"] not in ACCEPTED]
    return [
        *found,
        *page.evaluate(OVERFLOW),
        *page.evaluate(STRUCTURE),
        *(one[0].strip() for one in UNNAMED.finditer(page.aria_snapshot())),
    ]


def cut_off(page: Page) -> list[object]:
    """What is cut off, or goes beside a phone, when somebody spaces letters, words, lines and paragraphs."""
    page.set_viewport_size(PHONE)
    page.add_style_tag(content=SPACING)
    return [*page.evaluate(CUT_OFF), *page.evaluate(OVERFLOW)]


def hidden_when_focused(page: Page) -> list[object]:
    """What has the focus and cannot be seen, on the way through the page by keyboard."""
    page.set_viewport_size(PHONE)
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    hidden, count = list[object](), 0
    while count < 120:
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUS)
        if found is None:
            break
        count += 1
        if not found["isSeen"]:
            hidden.append(found["name"])
    assert count < 120, "the keyboard is caught in the page"
    return hidden


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("fr", "dark")])
def test_every_page_in_every_state(app: Flask, chromium: Browser, stripe: Stripe, campaign: Campaign, language: str, scheme: str) -> None:
    """By axe, zoomed, and in French with other spacing, in English by keyboard: a language has no keys of its own, and French is longer."""
    cases = pages(app, stripe, campaign, language)
    wrong: dict[str, list[object]] = {}
    with serve(app) as site:
        opened = contexts(app, chromium, site, scheme=scheme)
        tabs = {has: context.new_page() for has, context in opened.items()}
        db.session.rollback()  # A transaction that is idle for a minute is ended, and the pages take longer.
        for shown in cases:
            page = tabs[shown.has_access]
            visit(page, site, shown)
            keep_picture(page, f"page-{shown.endpoint}-{shown.state.replace(' ', '_').replace(',', '')}-{language}-320-{scheme}-js")
            found = seen_wrong(page)
            found += cut_off(page) if language == "fr" else hidden_when_focused(page)
            if found:
                wrong[str(shown)] = found
        for context in opened.values():
            context.close()
    assert wrong == {}
    assert len(cases) > 60


BROKEN = """<html lang="en"><head><title>Broken</title><style>
    .bar { position: fixed; inset: 0 0 auto; height: 300px; background: #ccc } .cut { height: 20px; overflow: hidden } .wide { width: 900px }
    .small { display: inline-block; width: 12px; height: 12px; padding: 0; border: 0 }
</style></head><body><div class="bar">Bar</div><main><h1>One</h1><h1>Two</h1><h3>Three</h3><p class="cut">Text that is cut</p><p class="wide">Wide</p>
    <a href="#x">Covered</a><div><button class="small">a</button><button class="small">b</button></div>
    <p style="color: #bbb; background: #fff">Pale</p><input id="field" aria-invalid="true"><span class="error" id="field-error">Wrong</span></main></body></html>"""


def test_control_what_is_broken_is_found(chromium: Browser) -> None:
    context = chromium.new_context(viewport=ZOOMED, bypass_csp=True)
    page = context.new_page()
    page.set_content(BROKEN)
    found = str(seen_wrong(page))
    for wrong in ("target-size", "color-contrast", "label", "wide", "h1: 1,1,3", "skipped", "field-error is tied to nothing", "- textbox"):
        assert wrong in found, wrong
    assert "Covered" in str(hidden_when_focused(page))
    assert "cut" in str(cut_off(page))
    context.close()
