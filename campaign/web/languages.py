"""English or French: by the address for donors, by choice or the browser for everybody else."""

from flask import Flask, g, request, session
from flask_babel import Babel, get_locale

LANGUAGES = ("en", "fr")


def speak(app: Flask) -> None:
    """Let every page and mail of the app speak both languages."""
    Babel(app, locale_selector=chosen, default_translation_directories=str(app.config["TRANSLATIONS"]))
    app.jinja_env.globals["language"] = spoken
    app.jinja_env.globals["in_language"] = address_in


def chosen() -> str:
    """The language for this request."""
    asked = (request.view_args or {}).get("language") or request.args.get("lang") or _first_part()
    if asked in LANGUAGES:
        if request.args.get("lang") == asked:
            session["language"] = asked
        return str(asked)
    if session.get("language") in LANGUAGES:
        return str(session["language"])
    return request.accept_languages.best_match(LANGUAGES) or "en"


def _first_part() -> str:
    return request.path.strip("/").partition("/")[0]


def spoken() -> str:
    """The language being spoken, `en` or `fr`."""
    locale = get_locale()
    return "fr" if locale is not None and locale.language == "fr" else "en"


def address_in(language: str) -> str:
    """This page in the other language."""
    if "has_failed" in g:  # One body for all that is not found: it does not repeat what was asked for.
        return f"/?lang={language}"
    first, _, rest = request.path.strip("/").partition("/")
    if first in LANGUAGES:
        return f"/{language}/{rest}" if request.method == "GET" else f"/{language}/{rest.removesuffix('/donations')}"
    return f"{request.path}?lang={language}"
