"""Delays of delivery that mail servers have reported, for staff. The servers still try: nothing else follows from a delay."""

from datetime import datetime

from sqlalchemy import ForeignKey, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


class DeliveryDelay(Base):
    """The first report that an e-mail is delayed for a reason; `status` is as `4.4.1`, or empty."""

    __tablename__ = "delivery_delay"

    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(primary_key=True)
    diagnostic: Mapped[str]
    reported_at: Mapped[datetime] = mapped_column(server_default=func.now())


def record_delay(outbox_id: int, *, status: str, diagnostic: str) -> bool:
    """Record that the e-mail is delayed; False when it was recorded before for the same reason."""
    row = insert(DeliveryDelay).values(outbox_id=outbox_id, status=status, diagnostic=diagnostic)
    return db.session.scalar(row.on_conflict_do_nothing().returning(DeliveryDelay.outbox_id)) is not None


def delays_of(outbox_id: int) -> list[DeliveryDelay]:
    """The delays of this message, the first one first."""
    return list(db.session.scalars(select(DeliveryDelay).where(DeliveryDelay.outbox_id == outbox_id).order_by(DeliveryDelay.reported_at)))
