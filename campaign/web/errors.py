"""What went wrong, said in the visitor's language, with what to do next. One body for everything that is not found."""

import time

import structlog
from flask import Flask, Response, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, SecurityError

from campaign.edges.db import db
from campaign.web.security import limiter

log = structlog.get_logger()


def answer_errors(app: Flask) -> None:
    """Answer every failure with a page, or with data where data was asked for."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _stale_page)
    app.register_error_handler(OperationalError, _database_away)
    app.register_error_handler(PoolTimeout, _database_away)
    app.register_error_handler(Exception, _unforeseen)


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:
        return error.response
    if isinstance(error, SecurityError):  # A host that is not ours: no page of ours has an address there.
        return Response("This host is not served here.\n", status=400, mimetype="text/plain")
    code = error.code or 500
    extra = {k: v for k, v in error.get_headers() if k.lower() in {"retry-after", "allow"}}
    wait = 60
    if code == 429 and limiter.current_limit is not None:
        wait = max(1, limiter.current_limit.reset_at - int(time.time()))
        extra["Retry-After"] = str(wait)
    title, text = _words(code, minutes=-(-wait // 60))
    return _page(code, title, text, extra)


def _words(code: int, *, minutes: int = 1) -> tuple[str, str]:
    words = {
        400: (gettext("This request could not be read"), gettext("Please go back, reload the page and try again.")),
        401: (gettext("Please sign in"), gettext("This page is for staff who have signed in.")),
        403: (gettext("Not for you"), gettext("Your role does not allow this. Ask an administrator if it should.")),
        404: (
            gettext("This page does not exist"),
            gettext("The link may be old or cut short. If it came by mail, please use the whole link."),
        ),
        405: (gettext("This cannot be done here"), gettext("Please go back and try again.")),
        413: (gettext("This is too large"), gettext("Please shorten what you wrote and send it again. Nothing has been charged.")),
        429: (
            gettext("Too many tries"),
            gettext("Please try again in %(minutes)s min. Nothing has been charged.", minutes=minutes),
        ),
        503: (gettext("We cannot do this right now"), gettext("Please try again in a minute. Nothing has been charged.")),
    }
    return words.get(code, (gettext("Something went wrong"), gettext("We have been told and will look. Please try again in a minute.")))


def _stale_page(error: CSRFError) -> ResponseReturnValue:
    return _page(400, gettext("This page was open for a long time"), gettext("Please go back, reload the page and try again."), {})


def _database_away(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    log.error("database.away", error=type(error).__name__)
    return _page(503, *_words(503), {"Retry-After": "10"})


def _unforeseen(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    log.exception("request.failed", endpoint=request.endpoint)
    return _page(500, *_words(500), {})


def _page(code: int, title: str, text: str, extra: dict[str, str]) -> ResponseReturnValue:
    g.has_failed = True
    if request.path.startswith("/api/") or request.path.endswith(".json"):
        answer = jsonify({"error": title})
        answer.headers["Access-Control-Allow-Origin"] = "*"
    else:
        answer = Response(render_template("donate/error.html", title=title, text=text), mimetype="text/html")
    answer.status_code = code
    answer.headers.update(extra)
    return answer
