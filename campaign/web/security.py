"""What every answer carries and every route must declare: headers, limits, and who may use it. Deny by default."""

import secrets
from collections.abc import Callable
from typing import TypeVar

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_security import current_user
from flask_wtf.csrf import CSRFProtect

from campaign.config import Settings
from campaign.giving.staff import ROLES

View = TypeVar("View", bound=Callable[..., object])

FORM_LIMIT = 64 * 1024
DONATIONS_PER_CLIENT = "200 per 20 minutes"
DONATIONS_IN_ALL = "12000 per minute"
LINKS_PER_CLIENT = "60 per minute"

# Without headers on every answer: they would cost Redis a few more questions each. Whoever is refused is told when to come again.
limiter = Limiter(get_remote_address, in_memory_fallback_enabled=True, default_limits=[])
csrf = CSRFProtect()


def access(who: str) -> Callable[[View], View]:
    """Declare who may use a route: `public`, `funder` (a link), or the least role of staff."""
    assert who in {"public", "funder", *ROLES}, who

    def declare(view: View) -> View:
        view.access = who  # type: ignore[attr-defined]  # a mark that the guard below reads
        return view

    return declare


def secure(app: Flask, settings: Settings) -> None:
    """Put guards before, and headers after, every request of the app."""
    csrf.init_app(app)
    limiter.init_app(app)
    app.before_request(_guard)
    app.after_request(_headers)
    app.jinja_env.globals["csp_nonce"] = _nonce
    app.config["SENDS_HSTS"] = settings.is_https


def _guard() -> ResponseReturnValue | None:
    if request.endpoint is None or request.endpoint == "static" or request.blueprint == "security":
        return None
    who = getattr(current_app.view_functions[request.endpoint], "access", None)
    if who is None:
        abort(404)
    if who in ROLES and not has_role(who):
        if current_user.is_authenticated:
            abort(403)
        return redirect(url_for("security.login", next=request.path))
    return None


def has_role(least: str) -> bool:
    """Whether whoever asks is staff of at least this role."""
    enough = ROLES[ROLES.index(least) :]
    return bool(current_user.is_authenticated) and any(current_user.has_role(role) for role in enough)


def _nonce() -> str:
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def _headers(response: Response) -> Response:
    nonce = f" 'nonce-{g.csp_nonce}'" if "csp_nonce" in g else ""
    # A form that is answered with a redirect to Stripe is a form that goes to Stripe, so its address stands beside 'self'.
    pay = current_app.config["CHECKOUT_ORIGINS"]
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self'{nonce}; style-src 'self'{nonce}; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; form-action 'self' {pay}; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
    if current_app.config["SENDS_HSTS"]:
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    if response.mimetype == "text/html" and "Cache-Control" not in response.headers:
        # The form may be kept by the donor's own browser, so that going back from Stripe loses nothing that was typed.
        response.headers["Cache-Control"] = (
            "private, no-cache" if request.blueprint in {"campaigns", "donate", "own_page"} else "private, no-store"
        )
    return response
