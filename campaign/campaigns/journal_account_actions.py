"""Changes the charity's accounts for the journal, with what each was before in the audit trail."""

from collections.abc import Mapping

from sqlalchemy import select

from campaign.campaigns import journal_accounts
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.rules.journal import Account, Purpose
from campaign.staff import audit

CHANGED_ACCOUNTS = "changed the accounts of the journal"


class AccountsChanged(Exception):
    """Somebody has changed the accounts since the member opened them."""


def change_accounts(charity: Charity, accounts: Mapping[Purpose, Account], *, seen: int, actor: str) -> int:
    """Store those that differ from what is stored; returns how many. `seen` is the version that the member saw. Raises AccountsChanged."""
    db.session.execute(select(Charity.id).where(Charity.id == charity.id).with_for_update())
    if journal_accounts.version_of(charity) != seen:
        db.session.rollback()
        raise AccountsChanged
    stored = journal_accounts.accounts_of(charity)
    changed = [account for purpose, account in accounts.items() if account != stored[purpose]]
    if changed:
        journal_accounts.set_accounts(charity, changed, actor=actor)
        detail = {account.purpose.value: {"before": _detail(stored[account.purpose]), "after": _detail(account)} for account in changed}
        audit.record(actor, CHANGED_ACCOUNTS, charity.legal_name, **detail)
    db.session.commit()
    return len(changed)


def _detail(account: Account) -> dict[str, str]:
    return {name: value for name, value in vars(account).items() if name != "purpose"}
