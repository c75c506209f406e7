"""The real browser of the end-to-end tests."""

import shutil
from functools import cache
from pathlib import Path

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
