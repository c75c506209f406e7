"""Error pages in the visitor's language, which say what to do next. Every 404 has the same body, so that it reveals nothing."""

import time
from urllib.parse import quote

import sentry_sdk
import structlog
from flask import Flask, Response, abort, current_app, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, SecurityError

from campaign.campaigns import seals
from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import list_charities
from campaign.edges.db import db
from campaign.edges.pdf import RenderingFailed
from campaign.edges.pdf_signing import SigningKeyMissing
from campaign.staff.members import ROLES
from campaign.texts.action_errors import ActionError, describe_error
from campaign.web.chosen_campaign import chosen_campaign
from campaign.web.languages import current_language, nearest_page, requested_language
from campaign.web.networks import client_key
from campaign.web.security import AccessRequired, FunderLinkEnded, FunderLinkRequired, limiter

log = structlog.get_logger()


def init_app(app: Flask) -> None:
    """Register the error handlers: JSON for the API and for `.json` URLs, an HTML page for the rest."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(OperationalError, _database_unavailable)
    app.register_error_handler(PoolTimeout, _database_unavailable)
    app.register_error_handler(DataError, _unreadable)
    app.register_error_handler(IntegrityError, _refused_by_database)
    app.register_error_handler(RenderingFailed, _not_printable)
    app.register_error_handler(SigningKeyMissing, _key_missing)
    app.register_error_handler(Exception, _unexpected)


def campaign_or_404() -> Campaign:
    """The campaign of this page of staff; 404 before the first one is created."""
    campaign = chosen_campaign()
    if campaign is None:
        abort(404)
    return campaign


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:
        return error.response
    if isinstance(error, SecurityError):  # The host is not ours, so no page with links can be rendered.
        return Response("This host is not served here.\n", status=400, mimetype="text/plain")
    code = error.code or 500
    if code == 405 and request.method in {"GET", "HEAD"} and (page := nearest_page()):
        return redirect(quote(page) + (f"?lang={requested_language()}" if "lang" in request.args else ""), 303)
    headers = {k: v for k, v in error.get_headers() if k.lower() in {"retry-after", "allow"}}
    wait = 60
    if code == 429 and limiter.current_limit is not None:
        wait = max(1, limiter.current_limit.reset_at - int(time.time()))
        headers["Retry-After"] = str(wait)
    if code in {403, 429}:
        _log_refusal("security.throttled" if code == 429 else "security.forbidden")
    title, text = _message_for(code, minutes=-(-wait // 60))
    if isinstance(error, AccessRequired):
        text = gettext("Nothing was changed. On the page of your gift you can ask for a link that lets you change it.")
        return _page(code, gettext("First a link from us"), text, headers, back=(error.page, gettext("To the page of your gift")))
    if isinstance(error, FunderLinkRequired):
        text = gettext(
            "Your session ends after half an hour without use, and after twelve hours in all. Please open the link to your report again."
        )
        return _page(code, gettext("First the link to your report"), f"{text} {_how_to_get_a_link()}", headers)
    if isinstance(error, FunderLinkEnded):
        return _page(code, gettext("This link does not open a report"), _how_to_get_a_link(), headers)
    return _page(code, title, text, headers)


def _how_to_get_a_link() -> str:
    text = gettext("A link ends 90 days after it was made, after 45 days without use, and when the charity ends it.")
    emails = dict.fromkeys(charity.email for charity in list_charities())
    ask = gettext("Write to %(email)s for a new link.", email=" / ".join(emails)) if emails else ""
    return f"{text} {ask}".strip()


def _log_refusal(event: str) -> None:
    """Log what was refused, to which member of staff, and to which network as a keyed hash."""
    staff = current_user.id if current_user and current_user.is_authenticated else None
    log.warning(event, endpoint=request.endpoint, staff=staff, client=client_key())


def _message_for(code: int, *, minutes: int = 1) -> tuple[str, str]:
    messages = {
        400: (gettext("This request could not be read"), gettext("Please go back, reload the page and try again.")),
        401: (gettext("Please sign in"), gettext("This page is for staff who have signed in.")),
        403: (gettext("Not for you"), gettext("Your role does not allow this. Ask an administrator if it should.")),
        404: (
            gettext("This page does not exist"),
            gettext("The link may be old or cut short. If it came by email, please use the whole link."),
        ),
        405: (gettext("This cannot be done here"), gettext("Please go back and try again.")),
        413: (
            gettext("This is too large"),
            gettext("The file is too large to be read at all. Please make it smaller, and upload it again.")
            if request.path.startswith("/staff/")
            else gettext("Please shorten what you wrote and send it again. Nothing has been charged."),
        ),
        429: (
            gettext("Too many tries"),
            gettext("Please try again in %(minutes)s min. Nothing has been charged.", minutes=minutes),
        ),
        503: (gettext("We cannot do this right now"), gettext("Please try again in a minute. Nothing has been charged.")),
    }
    return messages.get(code, (gettext("Something went wrong"), gettext("The error was recorded. Please try again in a minute.")))


def _stale_form(error: CSRFError) -> ResponseReturnValue:
    _log_refusal("security.form_refused")
    if getattr(current_app.view_functions.get(request.endpoint or ""), "access", "public") in ROLES and not current_user.is_authenticated:
        back = (url_for("security.login", next=nearest_page() or "/staff/"), gettext("Sign in"))
        return _page(
            403, gettext("Your session has ended"), gettext("Nothing was done. Please sign in again, and send it once more."), {}, back=back
        )
    if current_app.config["SESSION_COOKIE_NAME"] not in request.cookies:
        text = gettext(
            "Your browser sent no cookie, without which we cannot tell that this came from you. Please allow cookies for this site."
        )
        return _page(400, gettext("Cookies are needed here"), text, {})
    return _page(400, gettext("This page was open for a long time"), gettext("Please go back, reload the page and try again."), {})


def _database_unavailable(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    log.error("database.unavailable", error=type(error).__name__)
    return _page(503, *_message_for(503), {"Retry-After": "10"})


def _unreadable(error: DataError) -> ResponseReturnValue:
    """A value that PostgreSQL cannot take, such as a NUL in a text or a number beyond its range."""
    db.session.rollback()
    log.warning("request.unreadable", endpoint=request.endpoint, error=type(error.orig).__name__)
    return _page(400, *_message_for(400), {})


def _refused_by_database(error: IntegrityError) -> ResponseReturnValue:
    """What would move a campaign that is sealed, perhaps since the page was opened, is refused by the database alone."""
    if not seals.is_refusal(error):
        return _unexpected(error)
    db.session.rollback()
    log.warning("request.after_seal", endpoint=request.endpoint)
    return _page(409, gettext("This campaign is sealed"), describe_error(ActionError.CAMPAIGN_IS_SEALED, current_language()), {})


def _not_printable(error: RenderingFailed) -> ResponseReturnValue:
    db.session.rollback()
    log.error("document.not_rendered", endpoint=request.endpoint, error=str(error)[:200])
    text = gettext("A character in the name or address cannot be printed. Please write to us: we correct it and send the receipt.")
    return _page(409, gettext("This receipt cannot be printed yet"), text, {})


def _key_missing(error: SigningKeyMissing) -> ResponseReturnValue:
    db.session.rollback()
    log.error("signing_key.missing", endpoint=request.endpoint, error=str(error)[:200])
    return _page(503, *_message_for(503), {"Retry-After": "60"})


def _unexpected(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    log.exception("request.failed", endpoint=request.endpoint)
    sentry_sdk.capture_exception(error)  # The page that is shown keeps Sentry's own hook from seeing it.
    return _page(500, *_message_for(500), {})


def _page(code: int, title: str, text: str, headers: dict[str, str], *, back: tuple[str, str] = ("", "")) -> ResponseReturnValue:
    """`back` is the address of a page and what its link says."""
    g.has_failed = True
    if request.path.startswith("/api/") or request.path.endswith(".json"):
        response = jsonify({"error": title})
        if request.path.startswith("/api/"):
            response.headers["Access-Control-Allow-Origin"] = "*"
    else:
        response = Response(
            render_template("donate/error.html", title=title, text=text, back=back[0], back_label=back[1]), mimetype="text/html"
        )
    response.status_code = code
    response.headers.update(headers)
    return response
