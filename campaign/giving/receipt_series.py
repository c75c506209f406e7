"""The counters that receipts are numbered from: one a charity and year, or one for good, as the charity has chosen.

The number comes from the counter's row in the transaction that writes the receipt: a sequence would leave gaps.
"""

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.charities import Charity
from campaign.rules.receipt_rules import CONTINUOUS


class ReceiptSeries(Base):
    """The counter of one charity and year; year nought is the series that never starts again."""

    __tablename__ = "receipt_series"

    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    last_number: Mapped[int] = mapped_column(server_default="0")


def series_of(charity: Charity, year: int) -> int:
    """The series that a receipt issued in this year is numbered in."""
    return CONTINUOUS if charity.series == "continuous" else year


def next_number(charity_id: int, year: int) -> int:
    """The next number of the series, whose row stays locked until the receipt is committed."""
    counted = (
        insert(ReceiptSeries)
        .values(charity_id=charity_id, year=year, last_number=1)
        .on_conflict_do_update(
            index_elements=[ReceiptSeries.charity_id, ReceiptSeries.year],
            set_={"last_number": ReceiptSeries.last_number + 1},
        )
        .returning(ReceiptSeries.last_number)
    )
    return db.session.scalars(counted).one()
