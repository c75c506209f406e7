"""Access control, rate limits, CSRF protection and security headers. A route that declares no access is not served."""

import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import structlog
from flask import Flask, Response, abort, after_this_request, current_app, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_security import current_user
from flask_wtf.csrf import CSRFProtect
from itsdangerous import Signer
from werkzeug.exceptions import Forbidden, NotFound

from campaign.config import Settings
from campaign.staff.members import ROLES
from campaign.web.bare_headers import HSTS
from campaign.web.networks import client_key
from campaign.web.uploads import LARGEST_UPLOAD

log = structlog.get_logger()

View = TypeVar("View", bound=Callable[..., object])

FORM_LIMIT = 64 * 1024
FRESH = timedelta(minutes=10)
# Of the moment in the session; Flask-Security sets it at sign-in.
CONFIRMED_AT = "fs_paa"
DONATIONS_PER_CLIENT = "200 per 20 minutes"
# A household gives more than once under one address, and nobody so often within minutes. What is typed on one network leaves enough for the owner
# of the address on another.
DONATIONS_PER_EMAIL_AND_CLIENT = "40 per 20 minutes"
DONATIONS_PER_EMAIL = "120 per 20 minutes"
DONATIONS_OVERALL = "12000 per minute"
LINKS_PER_CLIENT = "60 per minute"
# Those of periods that are over are stored.
STATEMENTS_PER_CLIENT = "60 per minute"
# Pictures and posters, whose drawing costs; a network may have many who open links.
DRAWINGS_PER_CLIENT = "120 per minute"

# Of a page that pages of others embed: it loads its stylesheet, and nothing else.
FRAMED_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *"

# No rate-limit headers: each would cost more Redis round trips. A refused request gets Retry-After from errors.py.
# Clients are networks, and Redis has no address of anybody. Without Redis each process counts by itself.
limiter = Limiter(client_key, in_memory_fallback_enabled=True, default_limits=[])
csrf = CSRFProtect()


# Of all that is signed: form tokens, attempts, links. The library's default is SHA-1.
Signer.default_digest_method = staticmethod(sha256)


class SignedSessions(SecureCookieSessionInterface):
    """Sessions of browsers, in cookies that are signed with HMAC-SHA256."""

    digest_method = staticmethod(sha256)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set the cookie, but for static files and what other sites show: they are the same for everybody, also in shared caches."""
        if request.endpoint != "static" and not getattr(_current_view(), "is_shared", False):
            super().save_session(app, session, response)


class AccessRequired(Forbidden):
    """A donor has to ask for a link before they may change something (public/donor_access.py), on the page with the path `page`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page


class FunderLinkRequired(Forbidden):
    """A funder has to open the link to their report first (funders/access_links.py)."""


class FunderLinkEnded(NotFound):
    """A link to a report that opens nothing: it has ended, or never was one."""


class FreshnessRequired(Forbidden):
    """The member has to confirm that it is them (staff/confirm.py)."""


def access(role: str, *, fresh: bool = False, takes_document: bool = False) -> Callable[[View], View]:
    """Declare who may use a route: `public`, `funder` (with an access link), or the minimum role of staff.

    A `fresh` route also wants the member's password or passkey of the last ten minutes. One that takes a document reads more of a request.
    """
    assert role in {"public", "funder", *ROLES}, role

    def declare(view: View) -> View:
        view.access, view.needs_fresh, view.takes_document = role, fresh, takes_document  # type: ignore[attr-defined]  # read by `_guard`
        return view

    return declare


def shared(*, in_frames: bool = False) -> Callable[[View], View]:
    """Declare that other sites show what a public route serves: it sets no cookie, so that anybody may store the response.

    With `in_frames`, their pages may embed the page; it runs no script and takes no form.
    """

    def declare(view: View) -> View:
        view.is_shared, view.in_frames = True, in_frames  # type: ignore[attr-defined]  # read by `SignedSessions` and `_headers`
        return view

    return declare


def init_app(app: Flask, settings: Settings, *, confirm: Callable[[], bool]) -> None:
    """Check access before every request, and set headers after it. `confirm` checks what a form has to confirm that it is the member."""
    app.session_interface = SignedSessions()
    csrf.init_app(app)
    limiter.init_app(app)
    app.before_request(partial(_guard, confirm))
    app.after_request(_headers)
    app.jinja_env.globals["csp_nonce"] = _nonce
    app.config["SENDS_HSTS"] = settings.is_https


def _current_view() -> object:
    return current_app.view_functions.get(request.endpoint or "")


def _guard(confirm: Callable[[], bool]) -> ResponseReturnValue | None:
    if request.endpoint is None or request.endpoint == "static":
        return None
    view = current_app.view_functions[request.endpoint]
    role = getattr(view, "access", "public" if request.blueprint == "security" else None)
    if role is None:
        abort(404)
    if role in ROLES and not has_role(role):
        if current_user.is_authenticated:
            abort(403)
        campaign = request.args.get("campaign", "")
        return redirect(url_for("security.login", next=f"{request.path}?{urlencode({'campaign': campaign})}" if campaign else request.path))
    if getattr(view, "takes_document", False):
        request.max_content_length = request.max_form_memory_size = LARGEST_UPLOAD  # The parser counts a chunk of a file as a field, too.
        after_this_request(_close_files)
    if getattr(view, "needs_fresh", False) and not is_fresh() and not confirm():
        raise FreshnessRequired
    return None


def _close_files(response: Response) -> Response:
    """End the temporary files of large documents with the request."""
    request.close()
    return response


def is_fresh() -> bool:
    """Whether the member signed in, or confirmed that it is them, within FRESH."""
    return bool(0 <= time.time() - session.get(CONFIRMED_AT, 0) <= FRESH.total_seconds())


def has_role(minimum: str) -> bool:
    """Whether the current user is staff with at least this role."""
    sufficient = ROLES[ROLES.index(minimum) :]
    return bool(current_user.is_authenticated) and any(current_user.has_role(name) for name in sufficient)


def _nonce() -> str:
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def allow_redirect_to(url: str) -> None:
    """Let forms redirect to this address, which Stripe returned: it is on a custom domain that no setting names yet.

    The donor who is first may have to press the button twice, and only in a browser that applies `form-action` to redirects.
    """
    parts, allowed = urlsplit(url), current_app.config["CHECKOUT_ORIGINS"]
    origin = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme == "https" and parts.netloc and origin not in allowed.split():
        current_app.config["CHECKOUT_ORIGINS"] = f"{allowed} {origin}"
        log.error("checkout.unknown_host", origin=origin, setting="STRIPE_CHECKOUT_HOSTS")


def _headers(response: Response) -> Response:
    nonce = f" 'nonce-{g.csp_nonce}'" if "csp_nonce" in g else ""
    # Browsers apply form-action to redirects too: the donation form redirects to Stripe.
    checkout_origins = current_app.config["CHECKOUT_ORIGINS"]
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self'{nonce}; worker-src 'self'; style-src 'self'{nonce}; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; form-action 'self' {checkout_origins}; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    if getattr(_current_view(), "in_frames", False) and response.status_code in {200, 304}:
        response.headers["Content-Security-Policy"] = FRAMED_POLICY
        del response.headers["X-Frame-Options"]
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
    if current_app.config["SENDS_HSTS"]:
        response.headers["Strict-Transport-Security"] = HSTS
    if request.endpoint == "security.logout":
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
    if "Cache-Control" not in response.headers and (response.mimetype == "text/html" or request.path.startswith(("/staff", "/funder"))):
        # The donor's browser may cache the form, so that going back from Stripe loses no input.
        response.headers["Cache-Control"] = "private, no-cache" if request.blueprint in {"campaigns", "donate"} else "private, no-store"
    return response
