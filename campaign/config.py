"""Settings, read once from the environment; nothing else in the service reads it.

Refuses what would be unsafe: production without a secret of its own, a test key in live mode, a stand-in for Stripe with a live key.
"""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
STRIPE = "https://api.stripe.com"
RUNNING = ROOT / "var" / "run" / "settings.json"


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one sentence for the operator."""


class Settings(BaseSettings):
    """One field a setting, named as in the environment (contract.md, section 3)."""

    model_config = SettingsConfigDict(case_sensitive=False, extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: str = Field(description="PostgreSQL, as postgresql://user:password@host/name")
    redis_url: str = Field(description="Redis or Valkey, as redis://host:port/0 or redis+socket:///path")
    secret_key: str = Field(description="signs cookies and forms; at least 32 characters, of chance")
    base_url: str = Field(description="where donors reach the service, as https://give.example.org")
    stripe_secret_key: str = Field(description="Stripe's secret or restricted key")
    stripe_api_base: str = Field(default=STRIPE, description="Stripe's own address unless a sandbox is used")
    stripe_webhook_secrets: str = Field(description="signing secrets of the webhook, comma separated during a rotation")
    stripe_livemode: bool = Field(default=False, description="true when real money moves")
    mail_url: str = Field(description="smtp://user:password@host:port?tls=starttls; user, password and tls may be left out")
    mail_from: str = Field(description="sender of all mail")
    receipt_key_file: str = Field(
        default="var/keys/receipts.pem", description="the charity's key that receipts are signed with; made by setup when there is none"
    )
    trusted_hosts: str = Field(
        default="", description="host names that may be asked for, comma separated; default: that of BASE_URL and loopback"
    )
    proxy_hops: int = Field(default=0, ge=0, le=5, description="reverse proxies in front that set X-Forwarded-For")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")
    sentry_dsn: str = Field(default="", description="optional: where errors are reported")

    @field_validator("database_url")
    @classmethod
    def _with_driver(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not rest:
            raise ValueError("DATABASE_URL must be a PostgreSQL address, as postgresql://user:password@host/name")
        try:
            make_url(f"postgresql://{rest}")
        except (ArgumentError, ValueError):
            raise ValueError("DATABASE_URL must be a PostgreSQL address, as postgresql://user:password@host/name") from None
        return f"postgresql+psycopg://{rest}"

    @field_validator("mail_url")
    @classmethod
    def _mail_scheme(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"smtp", "smtps"} or not urlsplit(url).hostname:
            raise ValueError("MAIL_URL must be a mail server, as smtp://user:password@host:587?tls=starttls")
        return url

    @field_validator("stripe_webhook_secrets")
    @classmethod
    def _some_secret(cls, text: str) -> str:
        if not text.replace(",", "").strip():
            raise ValueError("STRIPE_WEBHOOK_SECRETS holds no secret")
        return text

    @field_validator("base_url")
    @classmethod
    def _without_trailing_slash(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValueError("BASE_URL must be a web address, as https://give.example.org")
        return url.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"redis", "rediss", "redis+socket", "unix"}:
            raise ValueError("REDIS_URL must begin with redis://, rediss:// or redis+socket://")
        return url.replace("unix://", "redis+socket://", 1)

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR")
        return level.upper()

    @model_validator(mode="after")
    def _safe(self) -> "Settings":
        if len(self.secret_key) < 32:
            raise ValueError("SECRET_KEY must be a secret of at least 32 characters, made by chance")
        live_key = self.stripe_secret_key.startswith(("sk_live_", "rk_live_"))
        if self.stripe_livemode and not live_key:
            raise ValueError("STRIPE_SECRET_KEY is a test key, but STRIPE_LIVEMODE is true")
        if live_key and not self.stripe_livemode:
            raise ValueError("STRIPE_SECRET_KEY is a live key, but STRIPE_LIVEMODE is not true")
        if live_key and self.stripe_api_base != STRIPE:
            raise ValueError("STRIPE_API_BASE is a sandbox; it is refused with a live key")
        return self

    @cached_property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that a webhook's signature may be made with."""
        return tuple(s.strip() for s in self.stripe_webhook_secrets.split(",") if s.strip())

    @cached_property
    def hosts(self) -> list[str]:
        """Host names that we answer to."""
        named = [h.strip() for h in self.trusted_hosts.split(",") if h.strip()]
        return named or [urlsplit(self.base_url).hostname or "", "localhost", "127.0.0.1", "[::1]"]

    @cached_property
    def key_path(self) -> Path:
        """Where the charity's key lies; a relative path is one in the checkout."""
        return ROOT / self.receipt_key_file

    @cached_property
    def is_https(self) -> bool:
        """Whether donors reach us by https: then cookies are Secure and HSTS is sent."""
        return self.base_url.startswith("https:")

    @cached_property
    def is_sandbox(self) -> bool:
        """Whether no real money moves: everything that leaves us is then marked TEST."""
        return not self.stripe_livemode


def resource(name: Literal["migrations", "templates", "translations"]) -> Path:
    """The folder of this name: inside the package when installed from a wheel, beside it in a checkout."""
    installed = PACKAGE / name
    return installed if installed.is_dir() else ROOT / name


def read_settings() -> Settings:
    """Settings from the environment; raises SettingsError with one sentence."""
    try:
        return Settings()  # type: ignore[call-arg]  # pydantic fills the fields from the environment
    except ValidationError as error:
        raise SettingsError(_in_one_sentence(error)) from None


def settings_from(given: Mapping[str, str]) -> Settings:
    """Settings from these values instead, named as in the environment; raises SettingsError."""
    try:
        return Settings(**{name.lower(): value for name, value in given.items() if value})  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as error:
        raise SettingsError(_in_one_sentence(error)) from None


def names_and_meanings() -> dict[str, str]:
    """Each setting as the environment names it, and what it is."""
    return {name.upper(): field.description or "" for name, field in Settings.model_fields.items()}


def settings_of_running_service() -> dict[str, str]:
    """What a `make run` that is up in this checkout wrote for commands beside it; empty when none is."""
    try:
        found = json.loads(RUNNING.read_text())
    except (OSError, ValueError):
        return {}
    return {k: str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _in_one_sentence(error: ValidationError) -> str:
    missing = [str(e["loc"][0]).upper() for e in error.errors() if e["type"] == "missing"]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return f"{', '.join(missing)} {verb} not set (the README lists all settings)."
    first = error.errors()[0]
    where = f"{str(first['loc'][0]).upper()}: " if first["loc"] and first["type"] != "value_error" else ""
    return where + str(first["msg"]).removeprefix("Value error, ") + "."
