"""The message above the donation form."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A message above the form. `kind` is problem, change or unavailable, and is a CSS class."""

    kind: str
    title: str
    text: str
    link: str = ""
    link_text: str = ""
