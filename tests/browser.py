"""The real browser of the end-to-end tests."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from flask import Flask
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from werkzeug.serving import make_server

from campaign.devstack.sandbox.__main__ import Quiet
from campaign.web.public.regions import region_of

EXPECT_MILLISECONDS = 30_000  # As long as a click may wait. Playwright's five seconds are short for a machine that runs other tests.

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@cache
def chromium_path() -> str | None:
    """The path of Chromium on this machine, None when it is not installed."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    unpacked = Path.home() / ".cache" / "campaign-chromium" / "chromium"
    return str(unpacked) if unpacked.exists() else None


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window, until the block ends."""
    expect.set_options(timeout=EXPECT_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def serve(app: Flask) -> Iterator[str]:
    """Serve the app of the test to a browser, until the block ends; the address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()


def fill_in(field: Locator, value: str) -> None:
    """Type the value, or choose it from a list: by its name in either language, or by its code."""
    if field.evaluate("element => element.localName") != "select":
        field.fill(value)
        return
    code = region_of(value, "en")[0]
    field.select_option(value=code) if field.locator(f'option[value="{code}"]').count() else field.select_option(label=value)


# Where keep_picture puts its pictures (`pytest --pictures DIRECTORY`, `make screenshots`); without it there are none.
PICTURES: list[Path] = []


def keep_picture(page: Page, name: str) -> None:
    """Store a picture of the whole page as it is, where pictures are asked for."""
    for directory in PICTURES:
        directory.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=directory / f"{name}.png", full_page=True)
