"""A member's own authenticator app and recovery codes: another app in place of the first, and new codes in place of the earlier ones."""

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.staff import recovery_codes
from campaign.staff.factor_changes import FactorChange
from campaign.web.security import access
from campaign.web.staff import factor_reports, halfway, second_factor
from campaign.web.staff.own_account import own

bp = Blueprint("staff_factors", __name__, url_prefix="/staff/account")


@bp.route("/authenticator", methods=["GET", "POST"])
@access("viewer", fresh=True)
def authenticator() -> ResponseReturnValue:
    """Set up another authenticator app; the first one ends once a code of the new one was right."""
    member = own()
    if request.method == "GET" or halfway.SECRET not in session:
        return second_factor.set_up_page(member, is_change=True)
    secret = session[halfway.SECRET]
    if not second_factor.is_first_code_right(member, secret):
        return second_factor.set_up_page(member, error=second_factor.wrong_code(), is_change=True)
    second_factor.store_secret(member, secret)
    flash(gettext("Your new authenticator app is set up. The earlier one no longer works."))
    return redirect(url_for("staff_account.page"), 303)


@bp.post("/recovery-codes")
@access("viewer", fresh=True)
def replace() -> ResponseReturnValue:
    """Make new codes and show them, once."""
    member = own()
    codes = recovery_codes.replace(member)
    factor_reports.report_change(member, FactorChange.RECOVERY_CODES)
    return render_template("staff/recovery_codes.html", codes=codes, is_first=False, error="")


@bp.post("/recovery-codes/stored")
@access("viewer")
def stored() -> ResponseReturnValue:
    """On to the first page once the member says that they have stored the codes; until then the page with the codes comes again."""
    codes, is_first = request.form.getlist("codes")[: recovery_codes.COUNT], bool(request.form.get("is_first"))
    if not request.form.get("stored") and codes and recovery_codes.are_valid(own(), codes):
        error = gettext("Please store the codes first, and then tick this box.")
        return render_template("staff/recovery_codes.html", codes=codes, is_first=is_first, error=error)
    return redirect(url_for("staff_dashboard.page" if is_first else "staff_account.page"), 303)
