"""Pages of a list, newest first, that continue from the id of a row: one costs the same wherever it is, and what is added meanwhile moves nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from campaign.edges.db import db

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a page continues: with what is older than the row `before`, or newer than the row `after`; 0 for neither, which is the first page."""

    before: int = 0
    after: int = 0


FIRST_PAGE = Position()


@dataclass(frozen=True, kw_only=True)
class KeysetPage(Generic[Row]):
    """Rows, newest first, and the positions of the neighbouring pages; None where there is none."""

    rows: list[Row]
    newer: Position | None
    older: Position | None

    def with_rows(self, rows: list[Any]) -> "KeysetPage[Any]":
        """The same page, with other rows."""
        return KeysetPage(rows=rows, newer=self.newer, older=self.older)


def page_of(
    query: Select[Row], key: InstrumentedAttribute[int], id_of: Callable[[Row], int], at: Position, *, size: int
) -> KeysetPage[Row]:
    """One page of the entities that the query selects. A page that nothing is on, as its rows are gone, is the first page instead."""
    if at.after:
        ordered = query.where(key > at.after).order_by(key)
    else:
        ordered = (query.where(key < at.before) if at.before else query).order_by(key.desc())
    found = list(db.session.scalars(ordered.limit(size + 1)))
    if not found and at != FIRST_PAGE:
        return page_of(query, key, id_of, FIRST_PAGE, size=size)
    has_more, rows = len(found) > size, found[:size]
    if at.after:
        rows.reverse()
    has_newer, has_older = has_more if at.after else at.before > 0, bool(at.after) or has_more
    return KeysetPage(
        rows=rows,
        newer=Position(after=id_of(rows[0])) if has_newer else None,
        older=Position(before=id_of(rows[-1])) if has_older else None,
    )
