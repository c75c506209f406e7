"""Signing in: Flask-Security with a password (Argon2id) and a time-based code for everybody, in our words and pages.

A new member comes by a one-time link, chooses a password, scans a code, and is in.
"""

import time
from datetime import timedelta
from hashlib import sha256
from typing import Any

import structlog
from flask import Flask, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import MailUtil, Security, SQLAlchemyUserDatastore, current_user, logout_user
from flask_security.recoverable import generate_reset_password_token
from flask_security.signals import user_authenticated

from campaign.config import Settings
from campaign.edges import mail
from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import audit
from campaign.giving.staff import Role, Staff
from campaign.web.security import limiter

log = structlog.get_logger()

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
LINK_LASTS = "48 hours"
BEGUN, SEEN = "staff_begun_at", "staff_seen_at"
SIGN_INS_PER_CLIENT = "20 per minute; 100 per hour"


class OurMail(MailUtil):
    """Flask-Security's few mails (a new password was asked for, was set) go out through our own edge."""

    def send_mail(  # type: ignore[override]  # the library gives no more than these
        self,
        template: str,
        subject: str,
        recipient: str,
        sender: str | tuple[str, str],
        body: str,
        html: str | None,
        **kw: Any,
    ) -> None:
        settings = outside().settings
        here = request.url_root.rstrip("/")  # Links are made from our own address, not from the one that was asked for.
        now = db.session.scalars(db.func.now().select()).one()
        mark = sha256(f"{recipient}{now.isoformat()}".encode()).hexdigest()[:24]
        letter = mail.Message(
            message_id=f"<staff.{mark}@{settings.mail_from.rpartition('@')[2].strip(' >')}>",
            at=now,
            sender=settings.mail_from,
            sender_name="",
            recipient=recipient,
            recipient_name="",
            language="en",
            subject=subject,
            text=body.replace(here, settings.base_url),
            html=(html or body).replace(here, settings.base_url),
        )
        try:
            mail.send(settings.mail_url, mail.compose(letter))
        except (mail.MailDelayed, mail.MailRefused, mail.MailUnknown) as error:
            # The page answers the same as for an address that nobody has; whoever asked may ask again.
            log.error("staff.mail_not_sent", error=type(error).__name__)


def sign_in(app: Flask, settings: Settings) -> None:
    """Put sign-in under /staff."""
    app.config.update(
        SECURITY_URL_PREFIX="/staff",
        SECURITY_LOGIN_URL="/sign-in",
        SECURITY_LOGOUT_URL="/sign-out",
        SECURITY_LOGOUT_METHODS=["POST"],
        SECURITY_RESET_URL="/password",
        SECURITY_RECOVERABLE=True,
        SECURITY_RESET_PASSWORD_WITHIN=LINK_LASTS,
        SECURITY_POST_RESET_VIEW="/staff/sign-in",
        SECURITY_POST_LOGIN_VIEW="/staff/",
        SECURITY_POST_LOGOUT_VIEW="/staff/sign-in",
        SECURITY_TWO_FACTOR=True,
        SECURITY_TWO_FACTOR_REQUIRED=True,
        SECURITY_TWO_FACTOR_ENABLED_METHODS=["authenticator"],
        SECURITY_TWO_FACTOR_SETUP_URL="/second-factor",
        SECURITY_TWO_FACTOR_TOKEN_VALIDATION_URL="/code",
        SECURITY_TWO_FACTOR_ALWAYS_VALIDATE=True,
        SECURITY_TOTP_SECRETS={"1": sha256(f"totp:{settings.secret_key}".encode()).hexdigest()},
        SECURITY_TOTP_ISSUER="Campaign",
        SECURITY_PASSWORD_HASH="argon2",
        SECURITY_PASSWORD_SALT=sha256(f"password:{settings.secret_key}".encode()).hexdigest(),
        SECURITY_PASSWORD_LENGTH_MIN=12,
        SECURITY_RETURN_GENERIC_RESPONSES=True,
        SECURITY_EMAIL_VALIDATOR_ARGS={"check_deliverability": False, "test_environment": True},
        SECURITY_SEND_PASSWORD_RESET_NOTICE_EMAIL=False,
        SECURITY_EMAIL_SENDER=settings.mail_from,
        SECURITY_DEFAULT_REMEMBER_ME=False,
        SECURITY_REDIRECT_VALIDATE_MODE=["absolute"],
        SECURITY_LOGIN_USER_TEMPLATE="staff/sign_in.html",
        SECURITY_FORGOT_PASSWORD_TEMPLATE="staff/forgot_password.html",
        SECURITY_RESET_PASSWORD_TEMPLATE="staff/password.html",
        SECURITY_TWO_FACTOR_SETUP_TEMPLATE="staff/second_factor.html",
        SECURITY_TWO_FACTOR_VERIFY_CODE_TEMPLATE="staff/code.html",
        SECURITY_TWO_FACTOR_RESCUE_EMAIL=False,  # Else the mailbox alone would open everything.
        PERMANENT_SESSION_LIFETIME=LONGEST,
    )
    datastore = SQLAlchemyUserDatastore(db, Staff, Role)
    app.before_request(know_strangers)  # Before the library's own hooks, which ask who it is.
    security = Security(app, datastore, mail_util_cls=OurMail)
    app.before_request(end_if_idle)
    app.jinja_env.globals["who_is_in"] = who_is_in
    security.unauthn_handler(_to_sign_in)  # type: ignore[arg-type]  # it takes any answer
    user_authenticated.connect(_signed_in, app)
    for endpoint in ("login", "forgot_password", "reset_password", "two_factor_token_validation", "two_factor_rescue"):
        name = f"security.{endpoint}"
        app.view_functions[name] = limiter.limit(SIGN_INS_PER_CLIENT, methods=["POST"])(app.view_functions[name])  # type: ignore[assignment]  # the limiter keeps the view as it is


def _to_sign_in(mechanisms: object = None, headers: object = None) -> ResponseReturnValue:
    return redirect(url_for("security.login", next=request.path))


def _signed_in(app: Flask, user: Staff, **kw: Any) -> None:
    session.permanent = True
    session[BEGUN] = session[SEEN] = int(time.time())
    audit.record(user.email, "signed in", user.email)


def know_strangers() -> None:
    """Whose session holds no sign-in is nobody: looking further would have the cookie of every donor signed and sent anew."""
    if "_user_id" not in session:
        g._login_user = current_app.login_manager.anonymous_user()  # type: ignore[attr-defined]  # noqa: SLF001  # where Flask-Login keeps it


def end_if_idle() -> None:
    """Sign out whoever was away for half an hour, or has been in for twelve."""
    now = int(time.time())
    if not current_user.is_authenticated:
        return
    if now - session.get(SEEN, 0) > IDLE.total_seconds() or now - session.get(BEGUN, 0) > LONGEST.total_seconds():
        logout_user()
        return
    session[SEEN] = now


def one_time_link(member: Staff) -> str:
    """Where a new member chooses a password; good once, for two days."""
    return outside().settings.base_url + url_for("security.reset_password", token=generate_reset_password_token(member), _external=False)


def who_is_in() -> str:
    """Who is signed in and as what, for the top of a page."""
    return f"{current_user.email} ({_role_words(current_user.roles[0].name)})"


def _role_words(role: str) -> str:
    """A role, as staff read it."""
    return {
        "viewer": gettext("viewer"),
        "clerk": gettext("clerk"),
        "manager": gettext("manager"),
        "admin": gettext("administrator"),
    }[role]
