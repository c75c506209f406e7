"""Staff sign-in: Flask-Security with a password (Argon2id) and a required time-based one-time code, on our own pages.

A new member opens a one-time link, chooses a password, sets up the second factor and stores recovery codes (second_factor.py).
"""

from functools import partial
from typing import Any

import structlog
from flask import Flask, current_app, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import user_logged_out  # type: ignore[import-untyped]
from flask_security import MailUtil, Security, SQLAlchemyUserDatastore, current_user, logout_user
from flask_security.signals import password_reset, user_authenticated, user_failed_authn
from itsdangerous import URLSafeTimedSerializer

from campaign.config import Settings
from campaign.edges.db import db
from campaign.edges.secret_keys import Purpose, SecretKeys
from campaign.mail import mail_actions
from campaign.staff import audit, sessions
from campaign.staff.factor_changes import FactorChange
from campaign.staff.members import Role, Staff
from campaign.web.networks import client_key
from campaign.web.security import limiter
from campaign.web.staff import confirm, factor_reports, halfway, second_factor, sign_in_texts
from campaign.web.staff.one_time_codes import OneTimeCodes
from campaign.web.staff.session_tokens import replace_token
from campaign.web.staff.sign_in_rules import GUESSES_PER_ACCOUNT, Passwords, SignInForm, account_key, has_failed, is_known_network

log = structlog.get_logger()

LINK_LIFETIME = "48 hours"
ISSUER = "Campaign"
# Of a session in the browser's cookie.
SESSION_KEY = sessions.COOKIE_KEY
SIGN_INS_PER_CLIENT = "20 per minute; 100 per hour"


class StaffMail(MailUtil):
    """Puts the email of Flask-Security, the link to choose a password, into the outbox: a known address takes as long as an unknown one."""

    def send_mail(self, *_: object, user: Staff, **values: object) -> None:  # type: ignore[override]  # the library passes the user
        if mail_actions.enqueue_password_link(user):
            log.info("security.password_link", staff=user.id)


def init_app(app: Flask, settings: Settings, keys: SecretKeys) -> None:
    """Set up sign-in under /staff."""
    app.config.update(_library_settings(settings, keys))
    datastore = SQLAlchemyUserDatastore(db, Staff, Role)
    app.before_request(mark_anonymous)  # Before the library's own hooks, which load the user.
    make_codes = partial(_make_codes, keys)
    security = Security(
        app,
        datastore,
        mail_util_cls=StaffMail,
        totp_cls=make_codes,  # type: ignore[arg-type]  # it is called like a class
        login_form=SignInForm,
        password_util_cls=Passwords,
    )
    security.want_json(lambda _: False)  # Pages only: as JSON, the library would give out tokens that outlive a session.
    # The library would sign with the oldest key.
    security.reset_serializer = URLSafeTimedSerializer(keys.oldest_first(Purpose.WEB), salt="reset")
    app.before_request(check_session)
    app.jinja_env.globals["signed_in_as"] = signed_in_as
    security.unauthn_handler(_redirect_to_sign_in)  # type: ignore[arg-type]  # it accepts any response
    user_authenticated.connect(_start_session, app)
    user_logged_out.connect(_end_session, app)
    password_reset.connect(_report_password, app)
    user_failed_authn.connect(_record_failure, app)
    second_factor.init_app(app)
    confirm.init_app(app)
    _limit_guesses(app)


def _limit_guesses(app: Flask) -> None:
    """Bound what one network may send to the library's forms, and how often anybody may guess for one account."""
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith("security."):
            timed = halfway.timed(view) if endpoint in {"security.login", "security.reset_password"} else view
            limited: Any = limiter.limit(SIGN_INS_PER_CLIENT, methods=["POST"])(timed)
            if endpoint in second_factor.GUESSED_AT:
                limited = limiter.limit(
                    GUESSES_PER_ACCOUNT, methods=["POST"], key_func=account_key, deduct_when=has_failed, exempt_when=is_known_network
                )(limited)
            limited.access = getattr(view, "access", "public")
            app.view_functions[endpoint] = limited


def _record_failure(app: Flask, user: Staff, auth_type: str, **kw: Any) -> None:
    log.warning("security.sign_in_failed", staff=user.id, factor=auth_type)
    audit.record(user.email, "failed to sign in", user.email, factor=auth_type)
    db.session.commit()


def _library_settings(settings: Settings, keys: SecretKeys) -> dict[str, Any]:
    return {
        **sign_in_texts.library_settings(),
        "SECURITY_URL_PREFIX": "/staff",
        "SECURITY_LOGIN_URL": "/sign-in",
        "SECURITY_LOGOUT_URL": "/sign-out",
        "SECURITY_LOGOUT_METHODS": ["POST"],
        "SECURITY_RESET_URL": "/password",
        "SECURITY_RECOVERABLE": True,
        "SECURITY_RESET_PASSWORD_WITHIN": LINK_LIFETIME,
        "SECURITY_POST_RESET_VIEW": "/staff/sign-in",
        "SECURITY_POST_LOGIN_VIEW": "/staff/",
        "SECURITY_POST_LOGOUT_VIEW": "/staff/sign-in",
        "SECURITY_TWO_FACTOR": True,
        "SECURITY_TWO_FACTOR_REQUIRED": True,
        "SECURITY_TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
        "SECURITY_TWO_FACTOR_SETUP_URL": "/second-factor",
        "SECURITY_TWO_FACTOR_TOKEN_VALIDATION_URL": "/code",
        "SECURITY_TWO_FACTOR_ALWAYS_VALIDATE": True,
        "SECURITY_TOTP_SECRETS": {"unused": keys.current(Purpose.SECOND_FACTOR)},  # OneTimeCodes has all of them.
        "SECURITY_TOTP_ISSUER": ISSUER,
        "SECURITY_CACHE_CONTROL": None,  # It writes `private=True, no-store=True`, which browsers ignore; see campaign.web.security.
        "SECURITY_PASSWORD_HASH": "argon2",
        # Without a second hash that is keyed by SECRET_KEY: a rotation would lock everybody out.
        "SECURITY_PASSWORD_SINGLE_HASH": ["argon2"],
        "SECURITY_PASSWORD_LENGTH_MIN": 12,
        "SECURITY_RETURN_GENERIC_RESPONSES": True,
        "SECURITY_EMAIL_VALIDATOR_ARGS": {"check_deliverability": False, "test_environment": True},
        "SECURITY_SEND_PASSWORD_RESET_NOTICE_EMAIL": False,
        "SECURITY_EMAIL_SENDER": settings.mail_from,
        "SECURITY_DEFAULT_REMEMBER_ME": False,
        "SECURITY_REDIRECT_VALIDATE_MODE": ["absolute"],
        "SECURITY_LOGIN_USER_TEMPLATE": "staff/sign_in.html",
        "SECURITY_FORGOT_PASSWORD_TEMPLATE": "staff/forgot_password.html",
        "SECURITY_RESET_PASSWORD_TEMPLATE": "staff/password.html",
        "SECURITY_TWO_FACTOR_RESCUE_EMAIL": False,  # Otherwise access to the mailbox would bypass the second factor.
        "PERMANENT_SESSION_LIFETIME": sessions.MAX_SESSION,
    }


def _make_codes(keys: SecretKeys, secrets: object, issuer: str) -> OneTimeCodes:
    return OneTimeCodes(keys, issuer=issuer)


def _redirect_to_sign_in(mechanisms: object = None, headers: object = None) -> ResponseReturnValue:
    return redirect(url_for("security.login", next=request.path))


def _start_session(app: Flask, user: Staff, **kw: Any) -> None:
    """Begin a session with a token of its own, whatever the browser had before."""
    session.permanent = True
    replace_token(user)
    factor = g.get("second_factor", "")
    log.info("security.signed_in", staff=user.id, factor=factor, client=client_key())
    audit.record(user.email, "signed in", user.email, factor=factor)


def _end_session(app: Flask, **kw: Any) -> None:
    if SESSION_KEY in session:
        sessions.end_by_token(session.pop(SESSION_KEY))
        db.session.commit()


def _report_password(app: Flask, user: Staff, **kw: Any) -> None:
    factor_reports.report_change(user, FactorChange.PASSWORD)
    halfway.note_password(user)


def mark_anonymous() -> None:
    """Treat a session without a sign-in as anonymous. Loading the user would modify the session, and resend the cookie to every donor."""
    if "_user_id" not in session:
        g._login_user = current_app.login_manager.anonymous_user()  # type: ignore[attr-defined]  # noqa: SLF001  # where Flask-Login caches the user


def check_session() -> None:
    """Sign out unless the session is open; note that it is used."""
    if not current_user.is_authenticated:
        return
    found = sessions.find_open(session.get(SESSION_KEY, ""), current_user.id)
    if found is None:
        logout_user()
        flash(gettext("Your session has ended. Please sign in again."))
    elif found.is_note_due:
        sessions.record_seen(found.id)
        db.session.commit()


def signed_in_as() -> str:
    """The e-mail address and role of the current user, for the page header."""
    return f"{current_user.email} ({role_label(current_user.roles[0].name)})"


def role_label(role: str) -> str:
    """The name of a role in the current language."""
    return {
        "viewer": gettext("viewer"),
        "clerk": gettext("clerk"),
        "manager": gettext("manager"),
        "admin": gettext("administrator"),
    }[role]
