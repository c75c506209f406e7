"""The members of staff, for administrators: invite, change a role, end sessions, deactivate and reactivate. The last administrator cannot go."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.mail import mail_actions
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


def _page(*, link: str = "", invited: str = "", is_mailed: bool = False, typed: dict[str, str] | None = None, error: str = "") -> str:
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
    return render_template(
        "staff/members.html",
        title=title,
        members=rows,
        roles=roles,
        labels=dict(roles),
        link=link,
        invited=invited,
        is_mailed=is_mailed,
        typed=typed or {"email": "", "role": ""},
        error=error,
    )


@bp.post("")
@access(ADMIN, fresh=True)
def invite() -> ResponseReturnValue:
    """Add a member, mail them a one-time link, and show it, once."""
    role = request.form.get("role", "")
    if role not in ROLES:
        abort(400)
    typed = {"email": request.form.get("email", "")[:254], "role": role}
    try:
        address = parse_email(typed["email"]).casefold()
        member, is_mailed = mail_actions.invite_member(address, role, actor=current_user.email)
    except InvalidEmail:
        error = gettext("This does not look like an email address. Please check it, for example name@example.com.")
        return _page(typed=typed, error=error), 422
    except AlreadyStaff:
        db.session.rollback()
        return _page(typed=typed, error=gettext("%(email)s is a member already.", email=typed["email"])), 422
    return _page(link=one_time_link(member), invited=address, is_mailed=is_mailed)


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
