"""The bank details of a charity, which letters that ask for money state. Each change is a row of its own, and the latest one is in force."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.rules.bank_details import FIELDS, BankAccount


class BankDetails(Base):
    """The details as somebody set them. The database never changes a row."""

    __tablename__ = "bank_details"
    __table_args__ = (Index("ix_bank_details_charity_id", "charity_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    account_holder: Mapped[str]
    bank_name: Mapped[str]
    institution: Mapped[str]
    transit: Mapped[str]
    account_number: Mapped[str]
    swift: Mapped[str]
    cheque_payable_to: Mapped[str]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def account(self) -> BankAccount:
        """The details as plain values."""
        return BankAccount(**{name: getattr(self, name) for name in FIELDS})


def details_of(charity: Charity) -> BankDetails | None:
    """The details in force; None until somebody has set some."""
    latest = select(BankDetails).where(BankDetails.charity_id == charity.id).order_by(BankDetails.id.desc())
    return db.session.scalar(latest.limit(1))


def details_before(details: BankDetails) -> BankDetails | None:
    """The details that these replaced, or None."""
    earlier = select(BankDetails).where(BankDetails.charity_id == details.charity_id, BankDetails.id < details.id)
    return db.session.scalar(earlier.order_by(BankDetails.id.desc()).limit(1))
