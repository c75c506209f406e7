"""The members of staff, for administrators: invite, change a role, end sessions, deactivate and reactivate. The last administrator cannot go."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.staff import audit, members, sessions
from campaign.staff.members import ADMIN, ROLES, AlreadyStaff, LastAdmin, Staff
from campaign.staff.password_links import one_time_link
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.sign_in import role_label

bp = Blueprint("staff_members", __name__, url_prefix="/staff/members")


@bp.get("")
@access(ADMIN, fresh=True)
def page() -> ResponseReturnValue:
    """All members with their roles, and the form to invite one."""
    return _page()


def _page(link: str = "", invited: str = "") -> str:
    campaign = campaign_or_404()
    rows = [
        {
            "id": member.id,
            "email": member.email,
            "role": member.roles[0].name if member.roles else "",
            "is_active": member.active,
            "is_invited": member.active and not member.password,
            "is_self": member.id == current_user.id,
        }
        for member in members.list_members()
    ]
    roles = [(role, role_label(role)) for role in ROLES]
    title = campaign.title(current_language())
    return render_template("staff/members.html", title=title, members=rows, roles=roles, labels=dict(roles), link=link, invited=invited)


@bp.post("")
@access(ADMIN, fresh=True)
def invite() -> ResponseReturnValue:
    """Add a member and show their one-time link, once."""
    role = request.form.get("role", "")
    if role not in ROLES:
        abort(400)
    try:
        typed = request.form.get("email", "")[:254]
        address = parse_email(typed).casefold()
        member = members.add_staff(address, role)
    except InvalidEmail:
        flash(gettext("This does not look like an email address. Please check it, for example name@example.com."), "error")
        return redirect(url_for("staff_members.page"), 303)
    except AlreadyStaff:
        db.session.rollback()
        flash(gettext("%(email)s is a member already.", email=typed), "error")
        return redirect(url_for("staff_members.page"), 303)
    audit.record(current_user.email, "invited a member", address, role=role)
    db.session.commit()
    return _page(link=one_time_link(member), invited=address)


@bp.post("/<int:member_id>/role")
@access(ADMIN, fresh=True)
def change_role(member_id: int) -> ResponseReturnValue:
    """Give a member another role. Their sessions end."""
    member, role = _member_or_404(member_id), request.form.get("role", "")
    if role not in ROLES:
        abort(400)
    was = member.roles[0].name if member.roles else ""
    return _change(member, lambda: members.change_role(member, role), "changed a role", before={"role": was}, after={"role": role})


@bp.post("/<int:member_id>/sessions/end")
@access(ADMIN, fresh=True)
def end_sessions(member_id: int) -> ResponseReturnValue:
    """End all sessions of a member, who may sign in again."""
    member = _member_or_404(member_id)
    ended = sessions.end_all(member.id)
    audit.record(current_user.email, "ended sessions", member.email, sessions=ended)
    db.session.commit()
    flash(gettext("Done. Sessions of %(email)s have ended.", email=member.email))
    return redirect(url_for("staff_members.page"), 303)


@bp.post("/<int:member_id>/deactivation")
@access(ADMIN, fresh=True)
def deactivate(member_id: int) -> ResponseReturnValue:
    """Keep a member from signing in."""
    member = _member_or_404(member_id)
    return _change(member, lambda: members.deactivate(member), "deactivated a member")


@bp.post("/<int:member_id>/reactivation")
@access(ADMIN, fresh=True)
def reactivate(member_id: int) -> ResponseReturnValue:
    """Let a deactivated member sign in again."""
    member = _member_or_404(member_id)
    return _change(member, lambda: members.reactivate(member), "reactivated a member")


def _change(member: Staff, change: members.Change, action: str, **detail: object) -> ResponseReturnValue:
    try:
        change()
    except LastAdmin:
        db.session.rollback()
        flash(gettext("%(email)s is the last administrator who can sign in. Make somebody else one first.", email=member.email), "error")
    else:
        audit.record(current_user.email, action, member.email, **detail)
        db.session.commit()
        flash(gettext("Done. Sessions of %(email)s have ended.", email=member.email))
    return redirect(url_for("staff_members.page"), 303)


def _member_or_404(member_id: int) -> Staff:
    member = db.session.get(Staff, member_id)
    if member is None:
        abort(404)
    return member
