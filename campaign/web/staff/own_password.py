"""Changing one's own password, with the current one. All other sessions end."""

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user, hash_password
from flask_security.signals import password_reset

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.staff.members import Staff
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.networks import pseudonym
from campaign.web.security import access, limiter
from campaign.web.staff.session_tokens import replace_token
from campaign.web.staff.sign_in_rules import GUESSES_PER_ACCOUNT, LONGEST_READ, normalized

bp = Blueprint("staff_password", __name__, url_prefix="/staff/account/password")

CURRENT, NEW, AGAIN = "current_password", "new_password", "new_password_again"


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The form."""
    return _page(campaign_or_404(), {})


@bp.post("")
@access("viewer")
@limiter.limit(GUESSES_PER_ACCOUNT, key_func=lambda: pseudonym(f"password:{current_user.id}"), deduct_when=lambda _: "wrong_password" in g)
def change() -> ResponseReturnValue:
    """Change the password, or show the form again with its errors."""
    campaign, member = campaign_or_404(), db.session.get_one(Staff, current_user.id)
    errors, new = _check(member)
    if errors:
        return _page(campaign, errors), 422
    member.password = hash_password(new)
    replace_token(member)
    db.session.commit()
    password_reset.send(current_app._get_current_object(), user=member)  # type: ignore[attr-defined]  # noqa: SLF001  # all that follows a new password
    flash(gettext("Your password has changed. You are signed out everywhere else."))
    return redirect(url_for("staff_account.page"), 303)


def _check(member: Staff) -> tuple[dict[str, str], str]:
    """The error of each field, and the new password in Unicode's normal form."""
    passwords = current_app.extensions["security"].password_util
    current, new, again = (request.form.get(name, "")[:LONGEST_READ] for name in (CURRENT, NEW, AGAIN))
    if not member.password or not member.verify_and_update_password(normalized(current)):
        g.wrong_password = True
        member.track_failed_authn("current password")
        return {CURRENT: gettext("This password is not right. Please try again.")}, ""
    reasons, normal = passwords.validate(new, is_register=False, user=member)
    if reasons:
        return {NEW: reasons[0]}, ""
    if normal == normalized(current):
        return {NEW: gettext("This is your password already. Please choose another one.")}, ""
    if new != again:
        return {AGAIN: gettext("The two new passwords differ. Please type them again.")}, ""
    return {}, normal


def _page(campaign: Campaign, errors: dict[str, str]) -> str:
    title = campaign.title(current_language())
    return render_template("staff/own_password.html", title=title, email=current_user.email, errors=errors)
