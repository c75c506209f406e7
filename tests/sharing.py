"""What other sites show of a campaign, in tests: the addresses, and clients that ask for them as a stranger does."""

from dataclasses import replace

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.edges.db import db
from tests.web import SLUG, open_page

HOSTILE = "</script><b>\"Quoted\" & 'tick'</b> #panic() $x^2$ \\ *bold* <label> @ref"


def widget(language: str, slug: str = SLUG) -> str:
    return f"/embed/{slug}?lang={language}"


def badge(language: str, slug: str = SLUG) -> str:
    return f"/{slug}/badge.svg?lang={language}"


def picture(language: str, slug: str = SLUG) -> str:
    return f"/{language}/{slug}/og.png"


def poster(language: str, slug: str = SLUG) -> str:
    return f"/{language}/{slug}/poster.pdf"


ALL = (widget, badge, picture, poster)


def get(app: Flask, path: str, *, client: FlaskClient | None = None) -> TestResponse:
    """The response of this moment, with what is stored and nothing that was drawn before."""
    db.session.commit()
    app.extensions.pop("drawings", None)
    return open_page(client or app.test_client(), path)


def take_real_money(app: Flask) -> None:
    """As in live mode, in what pages and documents say."""
    found = app.extensions["services"]
    settings = found.settings.model_copy(update={"stripe_livemode": True})
    settings.__dict__.pop("is_sandbox", None)  # It was computed before.
    app.extensions["services"] = replace(found, settings=settings)
    app.config["IS_SANDBOX"] = False
