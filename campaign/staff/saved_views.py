"""Views of the list of donations that members save: filters under a name, their own or shared with all members."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.staff.members import Staff

LONGEST_NAME = 60
MOST_VIEWS = 30


class SavedView(Base):
    """One view. `filters` are the fields of the list's form that are not empty."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("staff_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    name: Mapped[str]
    filters: Mapped[dict[str, Any]]
    is_shared: Mapped[bool]
    saved_at: Mapped[datetime] = mapped_column(server_default=func.now())


class NameTaken(Exception):
    """The member has another view of this name."""


class TooManyViews(Exception):
    """The member has saved MOST_VIEWS already."""


def views_for(staff_id: int) -> list[SavedView]:
    """The member's views and those that others share, by name."""
    visible = select(SavedView).where(or_(SavedView.staff_id == staff_id, SavedView.is_shared))
    return list(db.session.scalars(visible.order_by(func.lower(SavedView.name), SavedView.id)))


def find_changeable(view_id: int, staff_id: int, *, is_manager: bool) -> SavedView | None:
    """The view with this id if it is the member's own, or if it is shared and the member `is_manager`: whoever shared it may have left."""
    is_theirs = SavedView.staff_id == staff_id
    return db.session.scalar(
        select(SavedView).where(SavedView.id == view_id, or_(is_theirs, SavedView.is_shared) if is_manager else is_theirs)
    )


def owners_of(views: Sequence[SavedView]) -> dict[int, str]:
    """The addresses of the members whose views these are, by the views' ids."""
    members = db.session.scalars(select(Staff).where(Staff.id.in_({view.staff_id for view in views}))).unique()
    emails = {member.id: member.email for member in members}
    return {view.id: emails[view.staff_id] for view in views}


def record_view(staff_id: int, name: str, filters: dict[str, str], *, is_shared: bool) -> SavedView:
    """Save the filters under the name. Raises NameTaken and TooManyViews."""
    _check_name(staff_id, name, except_id=0)
    if (db.session.scalar(select(func.count()).where(SavedView.staff_id == staff_id)) or 0) >= MOST_VIEWS:
        raise TooManyViews
    view = SavedView(staff_id=staff_id, name=name, filters=filters, is_shared=is_shared)
    db.session.add(view)
    _flush(name)
    return view


def change_view(view: SavedView, *, name: str, is_shared: bool) -> None:
    """Give the view another name, or share it or no longer. Raises NameTaken."""
    _check_name(view.staff_id, name, except_id=view.id)
    view.name, view.is_shared = name, is_shared
    _flush(name)


def _flush(name: str) -> None:
    """Write the view, whose name another request of the member may have taken meanwhile."""
    try:
        db.session.flush()
    except IntegrityError as error:
        raise NameTaken(name) from error


def delete_view(view: SavedView) -> None:
    """Delete the view."""
    db.session.delete(view)
    db.session.flush()


def _check_name(staff_id: int, name: str, *, except_id: int) -> None:
    taken = select(SavedView.id).where(SavedView.staff_id == staff_id, SavedView.name == name, SavedView.id != except_id)
    if db.session.scalar(taken) is not None:
        raise NameTaken(name)
