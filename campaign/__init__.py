"""A charity's campaign with matched gifts. `create_app` is the only place that knows all parts of the service."""

from urllib.parse import urlsplit

import sentry_sdk
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from campaign import logs
from campaign.config import ROOT, STRIPE, Settings, read_settings
from campaign.edges import queue
from campaign.edges.db import KEEPING, db, engine_options, keeping_options
from campaign.edges.outside import Outside
from campaign.edges.queue import Waker
from campaign.edges.sealing import KeyFile
from campaign.edges.stripe_api import StripeApi
from campaign.edges.stripe_books import StripeBooks
from campaign.edges.stripe_monthly import StripeMonthly
from campaign.giving import audit, heartbeats, watermarks  # noqa: F401  # their tables belong to the whole
from campaign.web import api, campaigns, donate, errors, funders, health, languages, monthly, own_page, own_receipt, security
from campaign.web.staff import donations as staff_donations
from campaign.web.staff import events as staff_events
from campaign.web.staff import mail as staff_mail
from campaign.web.staff import quarantine as staff_quarantine
from campaign.web.staff import receipts as staff_receipts
from campaign.web.staff import returned_gifts as staff_returned_gifts
from campaign.web.staff import sign_in, totals
from campaign.web.staff import stripe as staff_stripe
from campaign.web.webhooks import WebhookDoor

STATIC_SECONDS = 3600


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI app for these settings, or for those of the environment; raises SettingsError."""
    settings = settings or read_settings()
    logs.configure(settings.log_level)
    if settings.sentry_dsn:
        sentry_sdk.init(dsn=settings.sentry_dsn, send_default_pii=False, max_request_body_size="never")
    app = Flask("campaign", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "campaign" / "web" / "static"))
    app.config.update(_flask_settings(settings))
    app.wsgi_app = ProxyFix(app.wsgi_app, *[settings.proxy_hops] * 3)  # type: ignore[method-assign]  # Flask's own way
    db.init_app(app)
    queue.configure(settings.redis_url)
    app.extensions["outside"] = Outside(
        settings=settings,
        stripe=StripeApi(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        stripe_books=StripeBooks(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        stripe_monthly=StripeMonthly(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        waker=Waker(settings.redis_url),
        key=KeyFile(path=settings.key_path),
    )
    languages.speak(app)
    errors.answer_errors(app)
    sign_in.sign_in(app, settings)  # Before the guard, which asks who is signed in.
    security.secure(app, settings)
    for door in (
        campaigns,
        donate,
        own_page,
        own_receipt,
        monthly,
        api,
        health,
        funders,
        totals,
        staff_donations,
        staff_events,
        staff_quarantine,
        staff_stripe,
        staff_receipts,
        staff_returned_gifts,
        staff_mail,
    ):
        app.register_blueprint(door.bp)
    app.wsgi_app = WebhookDoor(app, app.wsgi_app)  # type: ignore[method-assign]
    return app


def _checkout_origins(settings: Settings) -> str:
    """Where a donor may be sent to pay: Stripe's page, or a sandbox on this machine."""
    if settings.stripe_api_base == STRIPE:
        return "https://checkout.stripe.com https://billing.stripe.com"
    at = urlsplit(settings.stripe_api_base)
    return f"{at.scheme}://{at.netloc} http://127.0.0.1:* http://localhost:*"


def _flask_settings(settings: Settings) -> dict[str, object]:
    name = "__Host-session" if settings.is_https else "session"
    return {
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(),
        "SQLALCHEMY_BINDS": {KEEPING: keeping_options(settings.database_url)},
        "SESSION_COOKIE_NAME": name,
        "SESSION_COOKIE_SECURE": settings.is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "TRUSTED_HOSTS": settings.hosts,
        "MAX_CONTENT_LENGTH": security.FORM_LIMIT,
        "MAX_FORM_MEMORY_SIZE": security.FORM_LIMIT,
        "MAX_FORM_PARTS": 100,
        "SEND_FILE_MAX_AGE_DEFAULT": STATIC_SECONDS,
        "WTF_CSRF_TIME_LIMIT": 24 * 3600,
        "BABEL_DEFAULT_LOCALE": "en",
        "TRANSLATIONS": ROOT / "translations",
        "IS_SANDBOX": settings.is_sandbox,
        "CHECKOUT_ORIGINS": _checkout_origins(settings),
        "RATELIMIT_STORAGE_URI": settings.redis_url.replace("redis+socket://", "redis+unix://", 1),
        "RATELIMIT_STORAGE_OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
    }
