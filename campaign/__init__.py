"""Donation campaigns of a charity, with matching funds. `create_app` is the only function that knows all parts of the service."""

import sentry_sdk
from flask import Flask
from sentry_sdk.types import Event, Hint
from werkzeug.middleware.proxy_fix import ProxyFix

from campaign import logs
from campaign.config import PACKAGE, Settings, read_settings, resource
from campaign.edges import wakeups
from campaign.edges.db import db
from campaign.edges.links import Links, without_tokens
from campaign.edges.pdf_signing import KeyFile
from campaign.edges.secret_keys import SecretKeys
from campaign.edges.services import Services
from campaign.edges.stripe.account import StripeAccount
from campaign.edges.stripe.balance import StripeBalance
from campaign.edges.stripe.payments import StripePayments
from campaign.edges.stripe.subscriptions import StripeSubscriptions
from campaign.edges.wakeups import Waker
from campaign.operations import heartbeats  # noqa: F401  # registers its table
from campaign.staff import audit  # noqa: F401  # registers its table
from campaign.stripe_sync import cursors  # noqa: F401  # registers its table
from campaign.web import assets, chosen_campaign, done_message, errors, languages, malformed, security
from campaign.web.flask_settings import flask_settings
from campaign.web.pages import PAGES
from campaign.web.staff import confirm, shown_sections, sign_in, typed_fields
from campaign.web.stripe_webhook import WebhookEndpoint


def create_app(settings: Settings | None = None) -> Flask:
    """Create the WSGI app with these settings, or with those of the environment. Raises SettingsError."""
    settings = settings or read_settings()
    logs.configure(settings.log_level)
    if settings.sentry_dsn:
        # Without local variables and bodies: they hold names, addresses and keys.
        sentry_sdk.init(
            dsn=settings.sentry_dsn, include_local_variables=False, max_request_body_size="never", before_send=_without_request_details
        )
    app = Flask("campaign", template_folder=str(resource("templates")), static_folder=str(PACKAGE / "web" / "static"))
    keys = SecretKeys(secret=settings.secret_key, fallbacks=settings.earlier_secret_keys)
    app.config.update(flask_settings(settings, keys))
    app.wsgi_app = ProxyFix(app.wsgi_app, *[settings.proxy_hops] * 3)  # type: ignore[method-assign]  # as Flask documents it
    db.init_app(app)
    wakeups.configure(settings.redis_url)
    app.extensions["services"] = Services(
        settings=settings,
        keys=keys,
        links=Links(settings.base_url),
        stripe_payments=StripePayments(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        stripe_balance=StripeBalance(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        stripe_subscriptions=StripeSubscriptions(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        stripe_account=StripeAccount(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        waker=Waker(settings.redis_url),
        signing_key=KeyFile(path=settings.key_path),
    )
    assets.init_app(app)
    malformed.init_app(app)
    languages.init_app(app)
    chosen_campaign.init_app(app)
    errors.init_app(app)
    done_message.init_app(app)
    typed_fields.init_app(app)
    shown_sections.init_app(app)
    sign_in.init_app(app, settings, keys)  # Before the access check, which needs the signed-in member.
    security.init_app(app, settings, confirm=confirm.confirm_from_form)
    for module in PAGES:
        app.register_blueprint(module.bp)
    app.extensions["stripe_webhook"] = app.wsgi_app = WebhookEndpoint(app, app.wsgi_app)  # type: ignore[method-assign]
    return app


def _without_request_details(event: Event, _hint: Hint) -> Event:
    """What is reported to Sentry: of the request only its method and its address, whose tokens are hidden."""
    request = event.get("request", {})
    event["request"] = {"method": request.get("method", ""), "url": without_tokens(str(request.get("url", "")))}
    return event
