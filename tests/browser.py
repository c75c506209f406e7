"""The real browser of the end-to-end tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

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
