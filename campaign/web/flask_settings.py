"""What Flask and its extensions are configured with, from the settings of the service."""

from urllib.parse import urlsplit

from campaign.config import STRIPE, Settings, resource
from campaign.edges.db import AUTOCOMMIT, autocommit_options, engine_options
from campaign.edges.secret_keys import Purpose, SecretKeys
from campaign.web import security

STATIC_SECONDS = 3600


def flask_settings(settings: Settings, keys: SecretKeys) -> dict[str, object]:
    """The configuration of the Flask app and of its extensions."""
    cookie_name = "__Host-session" if settings.is_https else "session"
    return {
        "SECRET_KEY": keys.current(Purpose.WEB),
        "SECRET_KEY_FALLBACKS": tuple(reversed(keys.earlier(Purpose.WEB))),
        "WTF_CSRF_SECRET_KEY": keys.oldest_first(Purpose.WEB),
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(),
        "SQLALCHEMY_BINDS": {AUTOCOMMIT: autocommit_options(settings.database_url)},
        "SESSION_COOKIE_NAME": cookie_name,
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
        "TRANSLATIONS": resource("translations"),
        "IS_SANDBOX": settings.is_sandbox,
        "CHECKOUT_ORIGINS": checkout_origins(settings),
        "RATELIMIT_STORAGE_URI": settings.redis_url.replace("redis+socket://", "redis+unix://", 1),
        "RATELIMIT_STORAGE_OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
    }


def checkout_origins(settings: Settings) -> str:
    """Origins of the pages where donors pay: Stripe's, or those of a sandbox on this machine."""
    if settings.stripe_api_base == STRIPE:
        custom = [f"https://{host.strip()}" for host in settings.stripe_checkout_hosts.split(",") if host.strip()]
        return " ".join(["https://checkout.stripe.com", "https://billing.stripe.com", *custom])
    url = urlsplit(settings.stripe_api_base)
    return f"{url.scheme}://{url.netloc} http://127.0.0.1:* http://localhost:*"
