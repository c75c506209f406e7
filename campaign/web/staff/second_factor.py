"""The second half of a sign-in: a one-time code, a passkey or a recovery code; or, the first time, setting up the codes.

A sign-in for the first time has three steps: a password, the authenticator app, recovery codes.
"""

from typing import Any

from flask import Flask, abort, current_app, flash, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from campaign.edges.db import db
from campaign.staff import recovery_codes
from campaign.staff.factor_changes import FactorChange
from campaign.staff.members import Staff
from campaign.web.staff import factor_reports, halfway, passkey_challenges
from campaign.web.staff.halfway import Factor
from campaign.web.staff.one_time_codes import WINDOW_SECONDS
from campaign.web.staff.passkey_challenges import Use

METHOD = "authenticator"
# Pages of the library that ours replace.
UNUSED = ("security.two_factor_setup_validate", "security.two_factor_rescue", "security.tf_select")
GUESSED_AT = frozenset({"security.login", "security.two_factor_token_validation", "security.recovery_code", "security.passkey"})


def init_app(app: Flask) -> None:
    """Put our pages in the place of the library's, at its addresses."""
    for endpoint in UNUSED:
        app.view_functions[endpoint] = _unused
    app.view_functions["security.two_factor_setup"] = set_up
    app.view_functions["security.two_factor_token_validation"] = take_code
    app.add_url_rule("/staff/recovery-code", "security.recovery_code", take_recovery_code, methods=["GET", "POST"])
    app.add_url_rule("/staff/passkey", "security.passkey", take_passkey, methods=["POST"])


def _unused(**_: object) -> ResponseReturnValue:
    abort(404)


def take_code() -> ResponseReturnValue:
    """The one-time code of the authenticator app."""
    member = halfway.find_member(halfway.AWAITS_FACTOR)
    if member is None:
        return halfway.restart()
    if request.method == "GET":
        return _code_page(member)
    if is_code_right(member, member.tf_totp_secret or ""):
        return _complete(member, Factor.CODE)
    member.track_failed_authn("code", True)  # noqa: FBT003  # the library's signature
    return _code_page(member, error=wrong_code())


def _code_page(member: Staff, *, error: str = "", passkey_error: str = "") -> str:
    prompt = passkey_challenges.sign_prompt(Use.SIGN_IN, member)
    return render_template("staff/code.html", error=error, passkey_error=passkey_error, prompt=prompt)


def take_passkey() -> ResponseReturnValue:
    """A passkey in place of the one-time code."""
    member = halfway.find_member(halfway.AWAITS_FACTOR)
    if member is None:
        return halfway.restart()
    if passkey_challenges.accept_signature(Use.SIGN_IN, member):
        return _complete(member, Factor.PASSKEY)
    member.track_failed_authn("passkey", True)  # noqa: FBT003
    return _code_page(member, passkey_error=gettext("This passkey was not recognized. Please try again, or use a code."))


def take_recovery_code() -> ResponseReturnValue:
    """A recovery code in place of the one-time code."""
    member = halfway.find_member(halfway.AWAITS_FACTOR)
    if member is None:
        return halfway.restart()
    if request.method == "GET":
        return render_template("staff/recovery_code.html", error="")
    if recovery_codes.accept(member, request.form.get("code", "")):
        left = recovery_codes.count_left(member)
        factor_reports.report_recovery(member, codes_left=left)
        flash(_codes_left(left))
        return _complete(member, Factor.RECOVERY_CODE)
    member.track_failed_authn("recovery code", True)  # noqa: FBT003
    error = gettext("This is none of your recovery codes, or it was used before. Please check it, or take another one.")
    return render_template("staff/recovery_code.html", error=error)


def _codes_left(count: int) -> str:
    return str(
        ngettext(
            "%(num)s code is left. Each lets you sign in once when you do not have your phone.",
            "%(num)s codes are left. Each lets you sign in once when you do not have your phone.",
            count,
        )
    )


def set_up() -> ResponseReturnValue:
    """Step 2 of a first sign-in. The right code signs in, and leads to the recovery codes."""
    member = halfway.find_member(halfway.AWAITS_SET_UP)
    if member is None or _lock_and_check_factor(member):
        return halfway.restart()
    if request.method == "GET":
        return set_up_page(member)
    secret = session.get(halfway.SECRET, "")
    if not secret or not is_first_code_right(member, secret):
        return set_up_page(member, error=wrong_code())
    store_secret(member, secret)
    codes = recovery_codes.replace(member)
    halfway.complete(member, factor=Factor.CODE)
    return render_template("staff/recovery_codes.html", codes=codes, is_first=True, error="")


def _lock_and_check_factor(member: Staff) -> bool:
    """Whether the member has set one up elsewhere since this sign-in began. Locks the member, so that only one of two does."""
    db.session.refresh(member, with_for_update={"of": Staff})
    return member.tf_totp_secret is not None


def set_up_page(member: Staff, *, error: str = "", is_change: bool = False) -> str:
    """The QR code and its key, the same ones until a code of theirs was right."""
    codes = _codes()
    if halfway.SECRET not in session:
        session[halfway.SECRET] = codes.generate_totp_secret()
    values = codes.fetch_setup_values(session[halfway.SECRET], member)
    template, key = "staff/second_factor.html", values["key"].replace("-", " ")
    return render_template(template, qr_code=values["image"], key=key, error=error, is_change=is_change)


def is_first_code_right(member: Staff, secret: str) -> bool:
    """Whether the posted code is of the new secret. Codes of an earlier secret that were used do not matter."""
    member.tf_last_counter = None
    db.session.flush()
    if is_code_right(member, secret):
        return True
    db.session.rollback()
    return False


def store_secret(member: Staff, secret: str) -> None:
    """Commit the new secret of the member's one-time codes; their other sessions end."""
    member.tf_primary_method, member.tf_totp_secret = METHOD, secret
    session.pop(halfway.SECRET, None)
    factor_reports.report_change(member, FactorChange.ONE_TIME_CODES)


def is_code_right(member: Staff, secret: str) -> bool:
    """Whether the posted code is of this secret, and was not used."""
    typed = "".join(request.form.get("code", "")[:20].split())
    return bool(_codes().verify_totp(token=typed, totp_secret=secret, user=member, window=WINDOW_SECONDS))


def wrong_code() -> str:
    """Why a one-time code was refused, and what to do."""
    return str(gettext("This code is not right, or it was used before. Please type the six digits that the app shows now."))


def _complete(member: Staff, factor: Factor) -> ResponseReturnValue:
    address = halfway.next_page()
    halfway.complete(member, factor=factor)
    return redirect(address)


def _codes() -> Any:
    return current_app.extensions["security"].totp_factory
