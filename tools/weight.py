"""Prints what the campaign's page weighs on a phone and how soon the button to give can be used: `make weight`. Not part of the test suite.

A phone here has a processor a quarter as fast as this machine's, and a slow mobile network: 150 ms there and back, 1.6 Mbit/s.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser import open_browser, serve
from tests.web import SLUG

PHONE = ViewportSize(width=390, height=700)
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 // 8, "uploadThroughput": 750_000 // 8}
# Notes when the button is on the screen with nothing above it, when scripts lead through the form, and how far things moved.
WATCH = """() => {
    const seen = window.seen = { shift: 0 };
    new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) seen.shift += e.value; }).observe({ type: 'layout-shift', buffered: true });
    const look = () => {
        const button = document.querySelector('.intro .to-form a');
        const box = button?.getBoundingClientRect();
        const top = box && document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        if (!seen.button && top && button.contains(top) && box.bottom <= innerHeight) seen.button = performance.now();
        if (!seen.form && document.documentElement?.classList.contains('has-scripts')) seen.form = performance.now();
        requestAnimationFrame(look);
    };
    look();
}"""
MEASURED = """() => ({ ...window.seen, paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime })"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def load(page: Page, url: str) -> tuple[dict[str, int], dict[str, float]]:
    """The bytes that were sent for each address, and the moments in milliseconds."""
    sent: dict[str, int] = {}
    page.on("requestfinished", lambda request: sent.update({request.url: request.sizes()["responseBodySize"]}))
    page.add_init_script(f"({WATCH})()")
    page.goto(url, wait_until="networkidle")
    page.wait_for_timeout(500)
    moments: dict[str, Any] = page.evaluate(MEASURED)
    return sent, moments


@pytest.mark.parametrize("kind", ["this machine", "a slow phone"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_print_weight_and_moments(app: Flask, chromium: Browser, kind: str, language: str, capsys: pytest.CaptureFixture[str]) -> None:
    context = chromium.new_context(viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
    page = context.new_page()
    if kind == "a slow phone":
        phone = context.new_cdp_session(page)
        phone.send("Network.enable")
        phone.send("Network.emulateNetworkConditions", SLOW)
        phone.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    with serve(app) as site:
        sent, moments = load(page, f"{site}/{language}/{SLUG}")
        context.close()
    with capsys.disabled():
        print(f"\n{language}, {kind}: {sum(sent.values()) / 1000:.1f} KB in {len(sent)} requests, layout shift {moments['shift']:.4f}")
        words = {"paint": "first contentful paint", "button": "button to the form on the screen", "form": "form led by scripts"}
        print("  " + ", ".join(f"{word} {moments.get(name) or 0:.0f} ms" for name, word in words.items()))
        for url, size in sorted(sent.items(), key=lambda item: -item[1]):
            print(f"  {size / 1000:6.1f} KB  {url.removeprefix(site).partition('?')[0]}")
    assert sum(sent.values()) < 60_000 and moments["shift"] < 0.01
    assert all(url.startswith(site) for url in sent), "no third party"
