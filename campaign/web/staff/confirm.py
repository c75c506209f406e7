"""Confirming that it is the member: with the password or a passkey of the last ten minutes, before what moves money, exports or changes access.

A form that was sent too late loses nothing that was typed: it is carried on by the page that asks for the password.
"""

import time

from flask import Flask, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.edges.db import db
from campaign.web.networks import pseudonym
from campaign.web.security import CONFIRMED_AT, FreshnessRequired, access, limiter
from campaign.web.staff import halfway, passkey_challenges
from campaign.web.staff.own_account import own
from campaign.web.staff.passkey_challenges import Use
from campaign.web.staff.session_tokens import replace_token
from campaign.web.staff.sign_in_rules import GUESSES_PER_ACCOUNT, normalized

PASSWORD = "confirm_password"  # noqa: S105  # a field's name
_OWN_FIELDS = frozenset({PASSWORD, Use.CONFIRM.challenge, Use.CONFIRM.answer, "csrf_token"})


def init_app(app: Flask) -> None:
    """Answer whatever needs a confirmation with our page."""
    app.register_error_handler(FreshnessRequired, ask)
    app.view_functions["security.verify"] = confirm_member


@access("viewer")
def confirm_member() -> ResponseReturnValue:
    """Ask for the password or a passkey, and go on to `next`."""
    if confirm_from_form():
        return redirect(halfway.next_page(), 303)
    return _page(url_for("security.verify", next=halfway.next_page()), fields=[], is_waiting=False)


def ask(_: FreshnessRequired) -> ResponseReturnValue:
    """Ask first: a form waits in the page that asks, and another page comes after it."""
    if request.method != "POST":
        return redirect(url_for("security.verify", next=request.full_path.rstrip("?")), 303)
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in _OWN_FIELDS]
    fields += [(f"{name}_lost", "y") for name, file in request.files.items() if file.filename]  # A page cannot carry a file on.
    return _page(request.full_path.rstrip("?"), fields=fields, is_waiting=True), 403


def confirm_from_form() -> bool:
    """Whether the posted form confirms that it is the member. They count as confirmed from now on."""
    return request.method == "POST" and PASSWORD in request.form and bool(_check())


def _account() -> str:
    return pseudonym(f"confirm:{own().id}")


@limiter.shared_limit(GUESSES_PER_ACCOUNT, scope="confirm", key_func=_account, deduct_when=lambda _: "confirm_error" in g)
def _check() -> bool:
    member = own()
    if request.form.get(Use.CONFIRM.answer):
        is_right = passkey_challenges.accept_signature(Use.CONFIRM, member)
        error = gettext("This passkey was not recognized. Please try again, or use your password.")
    else:
        is_right = bool(member.password) and member.verify_and_update_password(normalized(request.form[PASSWORD]))
        error = gettext("This password is not right. Please try again.")
    if is_right:
        session[CONFIRMED_AT] = time.time()
        replace_token(member)
        db.session.commit()
    else:
        g.confirm_error = error
        member.track_failed_authn("confirmation")
    return is_right


def _page(action: str, *, fields: list[tuple[str, str]], is_waiting: bool) -> str:
    """`fields` are of a form that waits; the answer to this page goes to `action`."""
    prompt, error = passkey_challenges.sign_prompt(Use.CONFIRM, own()), g.get("confirm_error", "")
    return render_template("staff/verify.html", action=action, fields=fields, is_waiting=is_waiting, prompt=prompt, error=error)
