"""A real browser for stories, where there is one."""

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
    """Where Chromium is on this machine, None when there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    unpacked = Path.home() / ".cache" / "campaign-chromium" / "chromium"
    return str(unpacked) if unpacked.exists() else None
