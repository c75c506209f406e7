"""The counters that number receipts: one for each charity and year, or one continuous counter, as the charity has chosen.

The number comes from the counter's row, in the transaction that inserts the receipt. A sequence would leave gaps after a rollback.
"""

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.rules.receipt_requirements import CONTINUOUS


class ReceiptSeries(Base):
    """The counter of one charity and year. Year 0 (`CONTINUOUS`) is the series that never restarts."""

    __tablename__ = "receipt_series"

    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    last_number: Mapped[int] = mapped_column(server_default="0")


def series_of(charity: Charity, year: int) -> int:
    """The series, a year or `CONTINUOUS`, that numbers a receipt issued in this year."""
    return CONTINUOUS if charity.series == "continuous" else year


def take_next_number(charity_id: int, year: int) -> int:
    """Take the next number of the series. The counter's row stays locked until the transaction ends."""
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
