"""What takes two people: one asks for it, another agrees or refuses. Both are managers or administrators who have had their role for a day.

A table of requests has the columns of `TwoPersonRequest`, an index that permits one open request, and a CHECK that keeps the two people distinct.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import db
from campaign.staff import members
from campaign.staff.members import Staff
from campaign.texts.action_errors import ActionError, ActionRefused


class TwoPersonRequest:
    """A request and its decision. `decision` is agreed, refused, or None while it is open. Both people are members of staff, by address.

    A request changes once, when it is decided.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    requested_by: Mapped[str] = mapped_column(ForeignKey("staff.email"))
    reason: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("staff.email"))
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]

    @property
    def is_agreed(self) -> bool:
        """Whether a second person agreed."""
        return self.decision == "agreed"


R = TypeVar("R", bound=TwoPersonRequest)


@contextmanager
def roll_back_if_refused() -> Iterator[None]:
    """End the transaction of an action that is refused, so that nothing stays locked."""
    try:
        yield
    except ActionRefused:
        db.session.rollback()
        raise


def get_requester(address: str) -> Staff:
    """The member with this address, who may ask for what takes two people. Raises ActionRefused."""
    member = _get_manager(address)
    _check_role(member)
    return member


def get_decider(request: TwoPersonRequest, address: str, *, agrees: bool) -> Staff:
    """The member with this address, who may decide on the request. Raises ActionRefused.

    Whoever asked may refuse, which withdraws the request, and so may a member who was just appointed. Nobody may agree while the requester, who may
    have another role where that is enough to ask, has had it for less than a day: whoever agrees might have appointed them for it.
    """
    member = _get_manager(address)
    if agrees and request.requested_by.casefold() == member.email.casefold():
        raise ActionRefused(ActionError.ANOTHER_PERSON)
    if agrees:
        _check_role(member)
        if requester := members.find_member(request.requested_by):
            _check_role(requester)
    return member


def _get_manager(address: str) -> Staff:
    member = members.find_manager(address)
    if member is None:
        raise ActionRefused(ActionError.NOT_A_MANAGER)
    return member


def _check_role(member: Staff) -> None:
    if members.new_role_until(member):
        raise ActionRefused(ActionError.NEW_MANAGER)


def lock_open(table: type[R], request_id: int) -> R | None:
    """The request, locked; None when it is decided already."""
    query = select(table).where(table.id == request_id, table.decision.is_(None)).with_for_update()
    return db.session.scalar(query, execution_options={"populate_existing": True})


def decide(request: TwoPersonRequest, *, agrees: bool, actor: str) -> None:
    """Record the decision. Flushes, so that the database refuses an agreement by the person who made the request."""
    request.decision, request.decided_by, request.decided_at = "agreed" if agrees else "refused", actor, func.now()
    db.session.flush()


def list_notified(request: TwoPersonRequest) -> list[int]:
    """Who is notified of a request and of its decision, by their ids: all managers and administrators, and both people named."""
    named = [members.find_member(address) for address in (request.requested_by, request.decided_by) if address]
    return sorted({member.id for member in (*members.members_to_notify(), *named) if member})
