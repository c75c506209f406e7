"""A member's own passkeys: add one, call it otherwise, remove it."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.edges.db import db
from campaign.edges.passkeys import PasskeyRefused
from campaign.rules import typed_text
from campaign.staff import passkeys
from campaign.staff.factor_changes import FactorChange
from campaign.staff.passkeys import LONGEST_NAME, PasskeyKnown
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff import factor_reports, passkey_challenges
from campaign.web.staff.own_account import own

bp = Blueprint("staff_passkeys", __name__, url_prefix="/staff/account/passkeys")


@bp.get("/new")
@access("viewer", fresh=True)
def new() -> ResponseReturnValue:
    """The form in which the browser makes a passkey."""
    return _form()


def _form(*, name: str = "", error: str = "") -> str:
    owner = campaign_or_404().charity.name(current_language())
    prompt = passkey_challenges.creation_prompt(own(), owner=owner)
    return render_template("staff/passkey.html", prompt=prompt, name=name, error=error, longest_name=LONGEST_NAME)


@bp.post("")
@access("viewer", fresh=True)
def add() -> ResponseReturnValue:
    """Store the passkey that the browser made."""
    member, name = own(), _read_name()
    if not name:
        return _form(error=_name_needed()), 422
    if len(passkeys.list_of(member.id)) >= passkeys.MOST:
        return _form(name=name, error=gettext("You have as many passkeys as there can be. Please remove one first.")), 422
    try:
        new_key = passkey_challenges.read_new_passkey(member)
        passkeys.add(
            member.id,
            credential_id=new_key.credential_id,
            public_key=new_key.public_key,
            sign_count=new_key.sign_count,
            transports=new_key.transports,
            name=name,
        )
    except PasskeyRefused:
        return _form(name=name, error=gettext("The passkey could not be made. Please try again.")), 422
    except PasskeyKnown:
        return _form(name=name, error=gettext("This passkey is in use already. Please take another one.")), 422
    factor_reports.report_change(member, FactorChange.PASSKEY_ADDED)
    flash(gettext("The passkey “%(name)s” is set up. You can sign in with it from now on.", name=name))
    return redirect(url_for("staff_account.page"), 303)


@bp.post("/<int:passkey_id>/name")
@access("viewer")
def change_name(passkey_id: int) -> ResponseReturnValue:
    """Call a passkey otherwise."""
    name = _read_name()
    if not name:
        flash(_name_needed(), "error")
    elif not passkeys.change_name(passkey_id, name, staff_id=own().id):
        abort(404)
    db.session.commit()
    return redirect(url_for("staff_account.page"), 303)


@bp.post("/<int:passkey_id>/removal")
@access("viewer", fresh=True)
def remove(passkey_id: int) -> ResponseReturnValue:
    """Remove a passkey."""
    name = passkeys.remove(passkey_id, staff_id=own().id)
    if not name:
        abort(404)
    factor_reports.report_change(own(), FactorChange.PASSKEY_REMOVED)
    flash(gettext("The passkey “%(name)s” is removed.", name=name))
    return redirect(url_for("staff_account.page"), 303)


def _read_name() -> str:
    """The name in the form, or an empty string when it has none that can be shown."""
    name = typed_text.clean(request.form.get("name"))
    return "" if len(name) > LONGEST_NAME or typed_text.first_forbidden(name) else name


def _name_needed() -> str:
    return str(gettext("Please give the passkey a name of up to %(count)s characters, such as the device it is on.", count=LONGEST_NAME))
