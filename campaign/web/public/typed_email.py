"""An email address that was typed and is none, for the page that asks for it again: in the cookie of its browser, until it is shown once."""

from flask import session

from campaign.rules.contact_addresses import LONGEST_EMAIL

_KEY = "typed_email"


def store_typed_email(text: str) -> None:
    """Let the next page show what was typed, with what is wrong about it."""
    session[_KEY] = text[:LONGEST_EMAIL]


def take_typed_email() -> str | None:
    """What was typed and is wrong; None when nothing is."""
    typed: str | None = session.pop(_KEY, None)
    return typed
