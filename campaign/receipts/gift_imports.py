"""Imports of offline gifts: a file of a spreadsheet, stored row by row until it is recorded or expires, so that several people can work on it.

A row begins as WRONG, DOUBTFUL or READY, and is QUEUED by whoever confirms it. From then on jobs alone change it. Its donation carries the row's
attempt, so that no interruption records it twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db

# What is not confirmed, and the personal data of what is, are deleted after this time.
EXPIRES_AFTER = timedelta(days=14)


class RowState(StrEnum):
    """What has become of a row.

    WRONG: a field has to be corrected. DOUBTFUL: a question has to be answered. READY: it is recorded when somebody confirms the import.
    LEFT_OUT: somebody decided that it is not recorded. QUEUED: confirmed, and recorded within moments. UNDOING: the same for undoing it.
    """

    WRONG = "wrong"
    DOUBTFUL = "doubtful"
    READY = "ready"
    LEFT_OUT = "left_out"
    QUEUED = "queued"
    RECORDED = "recorded"
    UNDOING = "undoing"
    UNDONE = "undone"


OPEN = frozenset({RowState.WRONG, RowState.DOUBTFUL, RowState.READY, RowState.LEFT_OUT})
UNDER_WAY = frozenset({RowState.QUEUED, RowState.UNDOING})


class GiftImport(Base):
    """One file. `columns` is the place of each field's column, from 0 on; `day_order` is as staff chose it. `version` rises with each change of these.

    `method`, `donor_language`, `is_matchable` and `details_unknown` are for rows that do not say otherwise. `is_mapped` says that somebody has
    confirmed the columns.
    """

    __tablename__ = "gift_import"
    __table_args__ = (Index("ix_gift_import_campaign_id", "campaign_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    file_name: Mapped[str]
    headings: Mapped[list[str]] = mapped_column(JSONB)
    columns: Mapped[dict[str, Any]]
    day_order: Mapped[str | None]
    method: Mapped[str]
    donor_language: Mapped[str]
    is_matchable: Mapped[bool]
    details_unknown: Mapped[bool]
    is_mapped: Mapped[bool]
    version: Mapped[int]
    uploaded_by: Mapped[str]
    uploaded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    undo_reason: Mapped[str]

    campaign: Mapped[Campaign] = relationship(lazy="joined")


class GiftImportRow(Base):
    """One row; `number` is its line in the file. `cells` are as in the file, `fields` as in the form, `flaws` why a cell cannot be read, by field.

    `gift` is the validated gift. `questions` are open or answered; `answered` of them were answered yes. `like_row` is an earlier row that may be
    the same gift. `refusal` is why recording or undoing it was refused.
    """

    __tablename__ = "gift_import_row"
    __table_args__ = (
        Index("imported_once", "donation_id", unique=True, postgresql_where=text("donation_id IS NOT NULL")),
        Index("ix_gift_import_row_under_way", "import_id", "number", postgresql_where=text("state IN ('queued', 'undoing')")),
    )

    import_id: Mapped[int] = mapped_column(ForeignKey("gift_import.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cells: Mapped[list[str]] = mapped_column(JSONB)
    fields: Mapped[dict[str, Any]]
    flaws: Mapped[dict[str, Any]]
    is_corrected: Mapped[bool]
    version: Mapped[int]
    state: Mapped[str]
    gift: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    questions: Mapped[list[str]] = mapped_column(JSONB)
    answered: Mapped[list[str]] = mapped_column(JSONB)
    like_row: Mapped[int | None]
    refusal: Mapped[str]
    decided_by: Mapped[str]
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"))

    @property
    def attempt(self) -> str:
        """What the donation of the row is found by."""
        return f"import:{self.import_id}:{self.number}"

    @property
    def unanswered(self) -> list[str]:
        """The questions that nobody answered."""
        return [question for question in self.questions if question not in self.answered]


@dataclass(frozen=True, kw_only=True)
class RowCount:
    """How many rows of a state there are, and the sum of their gifts in cents."""

    rows: int = 0
    cents: int = 0


def find(charity: Charity, import_id: int) -> GiftImport | None:
    """The import, if it is the charity's."""
    of_charity = select(Campaign.id).where(Campaign.charity_id == charity.id)
    return db.session.scalar(select(GiftImport).where(GiftImport.id == import_id, GiftImport.campaign_id.in_(of_charity)))


def list_imports(charity: Charity, *, before: int | None, limit: int) -> list[GiftImport]:
    """The imports of the charity, the latest first, those with an id below `before` if there is one."""
    of_charity = select(Campaign.id).where(Campaign.charity_id == charity.id)
    found = select(GiftImport).where(GiftImport.campaign_id.in_(of_charity))
    if before is not None:
        found = found.where(GiftImport.id < before)
    return list(db.session.scalars(found.order_by(GiftImport.id.desc()).limit(limit)))


def lock(import_id: int) -> GiftImport:
    """Lock the import, and return it as it is now: what people change of its rows, they change one after the other."""
    locked = select(GiftImport).where(GiftImport.id == import_id).options(joinedload(GiftImport.campaign)).with_for_update(of=GiftImport)
    return db.session.scalars(locked, execution_options={"populate_existing": True}).one()


def rows_of(import_id: int, states: Collection[RowState] = tuple(RowState)) -> list[GiftImportRow]:
    """The rows in these states, in the order of the file, as they are now."""
    of_import = select(GiftImportRow).where(GiftImportRow.import_id == import_id, GiftImportRow.state.in_([*states]))
    return list(db.session.scalars(of_import.order_by(GiftImportRow.number), execution_options={"populate_existing": True}))


def page_of_rows(import_id: int, states: Collection[RowState], *, after: int, limit: int) -> list[GiftImportRow]:
    """The rows in these states behind the line `after`, in the order of the file."""
    of_import = select(GiftImportRow).where(GiftImportRow.import_id == import_id, GiftImportRow.state.in_([*states]))
    return list(db.session.scalars(of_import.where(GiftImportRow.number > after).order_by(GiftImportRow.number).limit(limit)))


def find_row(import_id: int, number: int) -> GiftImportRow | None:
    """The row as it is now."""
    return db.session.get(GiftImportRow, (import_id, number), populate_existing=True)


def counts_of(import_ids: Collection[int]) -> Mapping[int, Mapping[RowState, RowCount]]:
    """How many rows of each state the imports have, by import."""
    r = GiftImportRow
    cents = func.coalesce(func.sum(r.gift["details"]["amount_cents"].as_integer()), 0)
    rows = db.session.execute(
        select(r.import_id, r.state, func.count(), cents).where(r.import_id.in_(import_ids)).group_by(r.import_id, r.state)
    )
    found: dict[int, dict[RowState, RowCount]] = {import_id: {} for import_id in import_ids}
    for import_id, state, count, sum_cents in rows:
        found[import_id][RowState(state)] = RowCount(rows=count, cents=int(sum_cents))
    return found


def is_under_way() -> bool:
    """Whether rows of any import wait to be recorded or undone."""
    waiting = select(GiftImportRow.number).where(GiftImportRow.state.in_([*UNDER_WAY])).limit(1)
    return db.session.scalar(waiting) is not None


def next_under_way(*, after: tuple[int, int]) -> GiftImportRow | None:
    """The next row behind this import and line that waits to be recorded or undone, as it is now."""
    import_id, number = after
    waiting = select(GiftImportRow).where(
        GiftImportRow.state.in_([*UNDER_WAY]),
        (GiftImportRow.import_id > import_id) | ((GiftImportRow.import_id == import_id) & (GiftImportRow.number > number)),
    )
    order = waiting.order_by(GiftImportRow.import_id, GiftImportRow.number).limit(1)
    return db.session.scalar(order, execution_options={"populate_existing": True})


def import_of(donation_id: int) -> GiftImportRow | None:
    """The row from which the donation was recorded, if it was imported."""
    return db.session.scalar(select(GiftImportRow).where(GiftImportRow.donation_id == donation_id))


def move_rows(import_id: int, source: RowState, target: RowState, *, actor: str, numbers: Collection[int] | None = None) -> int:
    """Move the rows of one state to another; of those numbers, if there are any. Returns how many."""
    r = GiftImportRow
    moved = update(r).where(r.import_id == import_id, r.state == source.value)
    if numbers is not None:
        moved = moved.where(r.number.in_(numbers))
    result = db.session.execute(
        moved.values(state=target.value, decided_by=actor, refusal="", version=r.version + 1),
        execution_options={"synchronize_session": False},
    )
    return int(result.rowcount)  # type: ignore[attr-defined]  # of an UPDATE


def list_expired(now: datetime) -> list[int]:
    """The ids of imports whose time is over and of which something is still to be deleted."""
    has_more = GiftImportRow.state.in_([*OPEN]) | (GiftImportRow.fields != {})
    has_content = select(GiftImportRow.number).where(GiftImportRow.import_id == GiftImport.id, has_more)
    return list(db.session.scalars(select(GiftImport.id).where(GiftImport.expires_at < now, has_content.exists())))


def delete_open(imported: GiftImport) -> None:
    """Delete the rows that were not recorded; of the others, all but what their donations were recorded from. The caller has locked the import."""
    r = GiftImportRow
    db.session.execute(delete(r).where(r.import_id == imported.id, r.state.in_([*OPEN])), execution_options={"synchronize_session": False})
    cleared: dict[str, Any] = {"cells": [], "fields": {}, "flaws": {}, "gift": None}
    rest = update(r).where(r.import_id == imported.id, r.state.not_in([*UNDER_WAY])).values(cleared)
    db.session.execute(rest, execution_options={"synchronize_session": False})
