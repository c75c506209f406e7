"""The addresses of the neighbouring pages of a list that continues from a row (reporting/keyset_pages.py)."""

from typing import Any

from flask import request, url_for

from campaign.reporting.keyset_pages import KeysetPage, Position

LONGEST_NUMBER = 18


def read_position(of: str = "") -> Position:
    """The position in the query, of the list with this name if the page has several."""
    return Position(before=_number(f"{of}before"), after=_number(f"{of}after"))


def _number(name: str) -> int:
    typed = request.args.get(name, "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= LONGEST_NUMBER else 0


def page_links(page: KeysetPage[Any], endpoint: str, *, of: str = "", anchor: str | None = None, **values: Any) -> dict[str, str]:
    """The addresses of the first, the newer and the older page; empty where there is none."""

    def url(at: Position | None) -> str:
        if at is None:
            return ""
        position: dict[str, Any] = {f"{of}before": at.before or None, f"{of}after": at.after or None}
        return url_for(endpoint, _anchor=anchor, **values, **position)

    return {"first": url(Position()) if page.newer else "", "newer": url(page.newer), "older": url(page.older)}
