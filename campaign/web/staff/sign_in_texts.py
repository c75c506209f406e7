"""The sentences of the sign-in pages that Flask-Security shows: ours in place of the library's, so that none of its own is ever read."""

from typing import Any

from flask_security.core import _default_messages

from campaign.config import resource
from campaign.texts.catalogue import gettext_noop

WRONG = gettext_noop("The email address or the password is not right. Please check both, and try again.")
UNREADABLE = gettext_noop("This could not be read. Please try again.")
ANYTHING_ELSE = gettext_noop("This did not work. Please try again.")
MESSAGES = {
    "API_ERROR": UNREADABLE,
    "INVALID_INPUT": UNREADABLE,
    "GENERIC_AUTHN_FAILED": WRONG,
    "EMAIL_NOT_PROVIDED": gettext_noop("Please enter your email address."),
    "INVALID_EMAIL_ADDRESS": gettext_noop("This does not look like an email address. Please check it, for example name@example.com."),
    "PASSWORD_NOT_PROVIDED": gettext_noop("Please write a password."),
    "INVALID_PASSWORD": gettext_noop("This password is not right. Please try again."),
    "RETYPE_PASSWORD_MISMATCH": gettext_noop("The two passwords are not the same. Please type both again."),
    "PASSWORD_RESET_REQUEST": gettext_noop("If %(email)s is a member of staff, a link is on its way there."),
    "PASSWORD_RESET_EXPIRED": gettext_noop("This link is more than two days old. Please ask for a new one here."),
    "INVALID_RESET_PASSWORD_TOKEN": gettext_noop(
        "This link has been used, or was replaced by a later one. You can ask for a new one here."
    ),
    "PASSWORD_RESET_NO_LOGIN": gettext_noop("Your new password is set."),
    "UNAUTHENTICATED": gettext_noop("Please sign in."),
    "LOGIN": gettext_noop("Please sign in."),
}


def library_settings() -> dict[str, Any]:
    """Every message of the library as one of ours, which our own catalogue translates."""
    texts = {f"SECURITY_MSG_{name}": (MESSAGES.get(name, ANYTHING_ELSE), category) for name, (_, category) in _default_messages.items()}
    return {**texts, "SECURITY_I18N_DOMAIN": "messages", "SECURITY_I18N_DIRNAME": str(resource("translations"))}
