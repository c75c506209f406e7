"""Selects English or French: from the URL, from the visitor's choice in the session, or from the browser."""

from urllib.parse import urlencode

from flask import Flask, current_app, g, request, session
from flask_babel import Babel, get_locale
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, RequestRedirect

from campaign.texts.dates import format_day

LANGUAGES = ("en", "fr")


def init_app(app: Flask) -> None:
    """Set up translations and the language functions of the templates."""
    Babel(app, locale_selector=requested_language, default_translation_directories=str(app.config["TRANSLATIONS"]))
    app.jinja_env.globals["language"] = current_language
    app.jinja_env.globals["in_language"] = url_in
    app.jinja_env.filters["day_in_words"] = lambda day: format_day(day, current_language())


def requested_language() -> str:
    """The language for this request, `en` or `fr`. A choice with `?lang=` is stored in the session."""
    requested = (request.view_args or {}).get("language") or request.args.get("lang") or _first_path_segment()
    if requested in LANGUAGES:
        if request.args.get("lang") == requested:
            session["language"] = requested
        return str(requested)
    if session.get("language") in LANGUAGES:
        return str(session["language"])
    return request.accept_languages.best_match(LANGUAGES) or "en"


def _first_path_segment() -> str:
    return request.path.strip("/").partition("/")[0]


def current_language() -> str:
    """The language in effect, `en` or `fr`; `force_locale` changes it."""
    locale = get_locale()
    return "fr" if locale is not None and locale.language == "fr" else "en"


def url_in(language: str) -> str:
    """The URL of this page in another language."""
    if "has_failed" in g:  # Every 404 has the same body: it does not repeat the requested path.
        return f"/?lang={language}"
    first, _, rest = request.path.strip("/").partition("/")
    if first in LANGUAGES:
        return f"/{language}/{rest}" if request.method == "GET" else f"/{language}/{rest.removesuffix('/donations')}"
    query = [*request.args.items(multi=True)] if request.method == "GET" else []
    return f"{_page_of_request()}?{urlencode([*(pair for pair in query if pair[0] != 'lang'), ('lang', language)])}"


def _page_of_request() -> str:
    """The path of the page that is shown: after a form that was refused, that of the form, as its own address may take no GET."""
    routes = current_app.create_url_adapter(request)
    if request.method == "GET" or (routes is not None and _is_page(routes, request.path)):
        return request.path
    return nearest_page() or request.path


def nearest_page() -> str:
    """The page to which a form belongs whose address was opened, reloaded or stored as a bookmark: the nearest above it. Empty if none is."""
    routes = current_app.create_url_adapter(request)
    parts = request.path.strip("/").split("/")
    while routes is not None and (parts := parts[:-1]):
        for path in ("/" + "/".join(parts), "/" + "/".join(parts) + "/"):
            if _is_page(routes, path):
                return path
    return ""


def _is_page(routes: MapAdapter, path: str) -> bool:
    try:
        endpoint, _ = routes.match(path, method="GET")
    except (HTTPException, RequestRedirect):
        return False
    return bool(endpoint != "static")
