"""The charity's accounts for the journal: each change of one is a row of its own, so that rows are the history, and the last one counts."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.rules.journal import Account, Purpose
from campaign.texts.journal_words import suggested_account


class JournalAccount(Base):
    """What the account of a purpose was set to. Rows never change."""

    __tablename__ = "journal_account"
    __table_args__ = (Index("ix_journal_account_charity_id", "charity_id", "purpose", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    purpose: Mapped[str]
    code: Mapped[str]
    name_en: Mapped[str]
    name_fr: Mapped[str]
    tax_code: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def account(self) -> Account:
        """The account as it was set."""
        return Account(purpose=Purpose(self.purpose), code=self.code, name_en=self.name_en, name_fr=self.name_fr, tax_code=self.tax_code)


def accounts_of(charity: Charity) -> dict[Purpose, Account]:
    """The charity's accounts in the order of purposes, with our suggestions for those that nobody has set."""
    a = JournalAccount
    latest = select(func.max(a.id)).where(a.charity_id == charity.id).group_by(a.purpose)
    stored = {row.account.purpose: row.account for row in db.session.scalars(select(a).where(a.id.in_(latest)))}
    return {purpose: stored.get(purpose) or suggested_account(purpose) for purpose in Purpose}


def version_of(charity: Charity) -> int:
    """A number that every change of the accounts makes larger."""
    last = select(func.coalesce(func.max(JournalAccount.id), 0)).where(JournalAccount.charity_id == charity.id)
    return int(db.session.scalars(last).one())


def set_accounts(charity: Charity, accounts: Sequence[Account], *, actor: str) -> None:
    """Store these accounts. The caller has locked the charity."""
    for account in accounts:
        db.session.add(JournalAccount(charity_id=charity.id, **vars(account), set_by=actor))
    db.session.flush()


def history_of(charity: Charity, *, limit: int) -> list[JournalAccount]:
    """What accounts were set to, the latest first."""
    a = JournalAccount
    return list(db.session.scalars(select(a).where(a.charity_id == charity.id).order_by(a.id.desc()).limit(limit)))
