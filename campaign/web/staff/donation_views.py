"""Saving the filters of the list of donations under a name, for oneself or for all members; renaming and deleting one’s own."""

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.reporting import donation_list
from campaign.staff import audit, saved_views
from campaign.staff.saved_views import LONGEST_NAME, MOST_VIEWS, NameTaken, SavedView, TooManyViews
from campaign.web.security import access, has_role
from campaign.web.staff.donation_filter_form import read_filters
from campaign.web.staff.donation_list import render_page
from campaign.web.staff.typed_fields import TypedLine, read_line, refused

bp = Blueprint("staff_donation_views", __name__, url_prefix="/staff/donations/views")


@bp.post("")
@access("viewer")
def save() -> ResponseReturnValue:
    """Save the filters in the query under the posted name."""
    form, name = read_filters(*donation_list.campaigns_and_funds()), _read_name()
    if not name.error and not form.used:
        name = TypedLine(text=name.text, error=gettext("Nothing is filtered. Choose a filter first, then save it."))
    if name.error:
        return refused(render_page(typed_name=name.text, name_error=name.error))
    try:
        view = saved_views.record_view(current_user.id, name.text, form.used, is_shared=_is_shared())
    except (NameTaken, TooManyViews) as error:
        db.session.rollback()
        return refused(render_page(typed_name=name.text, name_error=_why_not(error)))
    audit.record(current_user.email, "saved a view", f"view {view.id}", name=view.name, filters=form.recorded, is_shared=view.is_shared)
    db.session.commit()
    flash(gettext("The view is saved: %(name)s", name=view.name))
    return redirect(url_for("staff_donation_list.page", **view.filters), 303)


@bp.post("/<int:view_id>")
@access("viewer")
def change(view_id: int) -> ResponseReturnValue:
    """Give a view the posted name, and share it or not: one’s own, or for managers one that is shared."""
    view, name = _find_changeable_or_404(view_id), _read_name()
    if name.error:
        return refused(render_page(typed_name=name.text, name_error=name.error, view_id=view_id))
    before = {"name": view.name, "is_shared": view.is_shared}
    try:
        saved_views.change_view(view, name=name.text, is_shared=_is_shared())
    except NameTaken as error:
        db.session.rollback()
        return refused(render_page(typed_name=name.text, name_error=_why_not(error), view_id=view_id))
    after = {"name": view.name, "is_shared": view.is_shared}
    audit.record(current_user.email, "changed a view", f"view {view.id}", before=before, after=after)
    db.session.commit()
    flash(gettext("The view is saved: %(name)s", name=view.name))
    return redirect(url_for("staff_donation_list.page", **view.filters), 303)


@bp.post("/<int:view_id>/deletion")
@access("viewer")
def delete(view_id: int) -> ResponseReturnValue:
    """Delete a view, one’s own or for managers one that is shared; the list stays filtered by it."""
    view = _find_changeable_or_404(view_id)
    saved_views.delete_view(view)
    audit.record(current_user.email, "deleted a view", f"view {view_id}", name=view.name)
    db.session.commit()
    flash(gettext("The view %(name)s is deleted. The list is still filtered by it, so you can save it again.", name=view.name))
    return redirect(url_for("staff_donation_list.page", **view.filters), 303)


def _read_name() -> TypedLine:
    return read_line(
        "name", longest=LONGEST_NAME, empty=gettext("Please write a name of at most %(longest)s characters.", longest=LONGEST_NAME)
    )


def _is_shared() -> bool:
    """Whether the view is for all members, which a viewer’s is not."""
    return "is_shared" in request.form and has_role("clerk")


def _why_not(error: NameTaken | TooManyViews) -> str:
    if isinstance(error, NameTaken):
        return str(gettext("You have another view of this name. Please choose another name."))
    return str(gettext("You have %(most)s views. Please delete one first.", most=MOST_VIEWS))


def _find_changeable_or_404(view_id: int) -> SavedView:
    view = saved_views.find_changeable(view_id, current_user.id, is_manager=has_role("manager"))
    if view is None:
        abort(404)
    return view
