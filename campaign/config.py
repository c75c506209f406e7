"""Settings, read once from the environment. No other module of the service reads it.

Unsafe settings are refused: a short secret key, a test key in live mode, a live key outside of it or with a sandbox in place of Stripe.
"""

import json
import os
import re
from collections.abc import Mapping
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent
STRIPE = "https://api.stripe.com"
SHORTEST_SECRET = 32
FEWEST_CHARACTERS = 10
_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")
# With these, libpq verifies the certificate of the server.
VERIFYING = {"verify-ca", "verify-full"}
# In a checkout the data stays in the checkout; an installed service keeps its data in the directory that it is started in.
HOME = ROOT if (ROOT / "pyproject.toml").is_file() else Path.cwd()
RUNNING = HOME / "var" / "run" / "settings.json"
# The name in that file of the file's own path.
STORED_IN = "STORED_IN"
# The name in that file of the database's URL for its owner, who migrates it.
OWNER_URL = "OWNER_DATABASE_URL"


class SettingsError(Exception):
    """A setting is missing or invalid. The message is one sentence for the operator."""


class Settings(BaseSettings):
    """One field for each setting, named as in the environment (contract.md, section 3)."""

    model_config = SettingsConfigDict(case_sensitive=False, extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: str = Field(description="PostgreSQL, as postgresql://user:password@host/name")
    redis_url: str = Field(description="Redis or Valkey, as redis://host:port/0 or redis+socket:///path")
    secret_key: str = Field(description="signs cookies and forms; at least 32 random characters")
    secret_key_fallbacks: str = Field(
        default="", description="earlier values of SECRET_KEY during a rotation, separated by commas, newest first (docs/security.md)"
    )
    base_url: str = Field(description="public URL of the service, as https://give.example.org")
    stripe_secret_key: str = Field(description="Stripe's secret or restricted key")
    stripe_api_base: str = Field(default=STRIPE, description="URL of Stripe's API, or of a sandbox")
    stripe_checkout_hosts: str = Field(
        default="", description="custom domains of Stripe Checkout and the billing portal, separated by commas; default: Stripe's own"
    )
    stripe_webhook_secrets: str = Field(description="signing secrets of the webhook; several, separated by commas, during a rotation")
    stripe_livemode: bool = Field(default=False, description="true when real money moves")
    mail_url: str = Field(description="SMTP server, as smtp://user:password@host:port?tls=starttls; user, password and tls are optional")
    mail_from: str = Field(description="sender address of all email")
    bounce_address: str = Field(
        default="", description="address to which servers report undeliverable email; default: that of MAIL_FROM (docs/operations.md)"
    )
    bounce_mailbox_url: str = Field(
        default="",
        description="optional: mailbox of its own where those reports arrive, as imaps://user:password@host/INBOX, or imap://…?tls=starttls",
    )
    receipt_key_file: str = Field(
        default="var/keys/receipts.pem", description="file with the charity's key that signs receipts; `setup` creates it"
    )
    trusted_hosts: str = Field(
        default="", description="accepted host names, separated by commas; default: the host of BASE_URL, and loopback"
    )
    proxy_hops: int = Field(default=0, ge=0, le=5, description="number of reverse proxies that set X-Forwarded-For")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")
    sentry_dsn: str = Field(default="", description="optional: Sentry project that receives errors")

    @field_validator("database_url")
    @classmethod
    def _with_driver(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not rest:
            raise ValueError("DATABASE_URL must be a PostgreSQL URL, as postgresql://user:password@host/name")
        try:
            make_url(f"postgresql://{rest}")
        except (ArgumentError, ValueError):
            raise ValueError("DATABASE_URL must be a PostgreSQL URL, as postgresql://user:password@host/name") from None
        return f"postgresql+psycopg://{rest}"

    @field_validator("mail_url")
    @classmethod
    def _mail_scheme(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"smtp", "smtps"} or not urlsplit(url).hostname:
            raise ValueError("MAIL_URL must be the URL of an SMTP server, as smtp://user:password@host:587?tls=starttls")
        return url

    @field_validator("bounce_address")
    @classmethod
    def _one_address(cls, address: str) -> str:
        if address and not _ADDRESS.fullmatch(address):
            raise ValueError("BOUNCE_ADDRESS must be one address without a name, as bounces@example.org")
        return address

    @field_validator("bounce_mailbox_url")
    @classmethod
    def _imap_scheme(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in {"imap", "imaps"} or not parts.hostname or not parts.username):
            raise ValueError("BOUNCE_MAILBOX_URL must be the URL of an IMAP mailbox, as imaps://user:password@host/INBOX")
        return url

    @field_validator("stripe_webhook_secrets")
    @classmethod
    def _some_secret(cls, text: str) -> str:
        if not text.replace(",", "").strip():
            raise ValueError("STRIPE_WEBHOOK_SECRETS contains no secret")
        return text

    @field_validator("base_url")
    @classmethod
    def _without_trailing_slash(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValueError("BASE_URL must be an http or https URL, as https://give.example.org")
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
        for name, secret in (("SECRET_KEY", self.secret_key), *(("SECRET_KEY_FALLBACKS", earlier) for earlier in self.earlier_secret_keys)):
            if _is_guessable(secret):
                raise ValueError(f"{name} must be a secret of at least {SHORTEST_SECRET} random characters")
        live_key = self.stripe_secret_key.startswith(("sk_live_", "rk_live_"))
        if self.stripe_livemode and not live_key:
            raise ValueError("STRIPE_SECRET_KEY is a test key, but STRIPE_LIVEMODE is true")
        if live_key and not self.stripe_livemode:
            raise ValueError("STRIPE_SECRET_KEY is a live key, but STRIPE_LIVEMODE is not true")
        if live_key and self.stripe_api_base != STRIPE:
            raise ValueError("STRIPE_API_BASE is a sandbox, which is refused with a live key")
        if self.stripe_livemode and not self.is_https:
            raise ValueError("BASE_URL must begin with https:// when STRIPE_LIVEMODE is true")
        if self.stripe_livemode and (plain := self._unencrypted()):
            raise ValueError(f"{plain}, or be on this machine, when STRIPE_LIVEMODE is true")
        return self

    def _unencrypted(self) -> str:
        """The setting of a server on another machine to which connections are not encrypted, with what to do. Empty if there is none."""
        database, redis, mail = make_url(self.database_url), urlsplit(self.redis_url), urlsplit(self.mail_url)
        host = database.host or str(database.query.get("host", ""))
        if not _is_on_this_machine(host) and database.query.get("sslmode") not in VERIFYING:
            return "DATABASE_URL must end in ?sslmode=verify-full, with sslrootcert when the authority is your own"
        if redis.scheme == "redis" and not _is_on_this_machine(redis.hostname or ""):
            return "REDIS_URL must begin with rediss://"
        is_tls = mail.scheme == "smtps" or set(parse_qs(mail.query).get("tls", [])) & {"starttls", "implicit", "ssl", "tls"}
        if not is_tls and not _is_on_this_machine(mail.hostname or ""):
            return "MAIL_URL must begin with smtps:// or end in ?tls=starttls"
        mailbox = urlsplit(self.bounce_mailbox_url)
        is_starttls = "starttls" in parse_qs(mailbox.query).get("tls", [])
        if mailbox.scheme == "imap" and not is_starttls and not _is_on_this_machine(mailbox.hostname or ""):
            return "BOUNCE_MAILBOX_URL must begin with imaps:// or end in ?tls=starttls"
        return ""

    @cached_property
    def earlier_secret_keys(self) -> tuple[str, ...]:
        """The values of SECRET_KEY that still count, newest first."""
        return tuple(s.strip() for s in self.secret_key_fallbacks.split(",") if s.strip())

    @cached_property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets with which a webhook may be signed."""
        return tuple(s.strip() for s in self.stripe_webhook_secrets.split(",") if s.strip())

    @property
    def envelope_sender(self) -> str:
        """The address to which servers report undeliverable email (RFC 5321, section 4.4)."""
        return self.bounce_address or parseaddr(self.mail_from)[1] or self.mail_from

    @cached_property
    def hosts(self) -> list[str]:
        """Accepted host names."""
        listed = [h.strip() for h in self.trusted_hosts.split(",") if h.strip()]
        return listed or [urlsplit(self.base_url).hostname or "", "localhost", "127.0.0.1", "[::1]"]

    @cached_property
    def key_path(self) -> Path:
        """The file with the charity's key; a relative path starts at HOME."""
        return HOME / self.receipt_key_file

    @cached_property
    def is_https(self) -> bool:
        """Whether the public URL is https: then cookies are Secure and HSTS is sent."""
        return self.base_url.startswith("https:")

    @cached_property
    def is_sandbox(self) -> bool:
        """Whether no real money moves: emails and documents are then marked TEST."""
        return not self.stripe_livemode


def _is_on_this_machine(host: str) -> bool:
    """Whether a host is this machine: a socket, or the loopback."""
    return not host or host.startswith("/") or host in {"localhost", "127.0.0.1", "::1"}


def _is_guessable(secret: str) -> bool:
    """Whether the secret is short, made of few characters, or a repetition."""
    repeats = any(secret == (secret[:length] * len(secret))[: len(secret)] for length in range(1, len(secret) // 2 + 1))
    return len(secret) < SHORTEST_SECRET or len(set(secret)) < FEWEST_CHARACTERS or repeats


def resource(name: Literal["migrations", "templates", "tools", "translations"]) -> Path:
    """The directory of this name: inside the package when installed from a wheel, beside it in a checkout."""
    installed = PACKAGE / name
    return installed if installed.is_dir() else ROOT / name


def read_settings() -> Settings:
    """Read the settings from the environment, and those it lacks from files in CREDENTIALS_DIRECTORY, if it is set. Raises SettingsError."""
    try:
        return Settings(_secrets_dir=os.environ.get("CREDENTIALS_DIRECTORY"))  # type: ignore[call-arg]  # pydantic fills the fields
    except ValidationError as error:
        raise SettingsError(_in_one_sentence(error)) from None


def settings_from(values: Mapping[str, str]) -> Settings:
    """Build settings from values that are named as in the environment. Raises SettingsError."""
    try:
        return Settings(**{name.lower(): value for name, value in values.items() if value})  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as error:
        raise SettingsError(_in_one_sentence(error)) from None


def setting_descriptions() -> dict[str, str]:
    """The description of each setting, by its name in the environment."""
    return {name.upper(): field.description or "" for name, field in Settings.model_fields.items()}


def settings_of_running_service(*, as_owner: bool = False) -> dict[str, str]:
    """The settings of the `make run` that is running in this checkout; empty when none is. DATABASE_URL is the service's, or the owner's."""
    try:
        stored = json.loads(RUNNING.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict) or stored.pop(STORED_IN, None) != str(RUNNING.resolve()):
        return {}  # It was copied with its checkout, and names the sockets of the original.
    settings = {k: str(v) for k, v in stored.items()}
    owner_url = settings.pop(OWNER_URL, "")
    return {**settings, "DATABASE_URL": owner_url} if as_owner and owner_url else settings


def _in_one_sentence(error: ValidationError) -> str:
    missing = [str(e["loc"][0]).upper() for e in error.errors() if e["type"] == "missing"]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        return f"{', '.join(missing)} {are} not set (the README lists all settings)."
    first = error.errors()[0]
    where = f"{str(first['loc'][0]).upper()}: " if first["loc"] and first["type"] != "value_error" else ""
    return where + str(first["msg"]).removeprefix("Value error, ") + "."
