"""Calls for funds in tests: a charity with bank details, and calls that a manager issues, cancels and credits."""

from datetime import UTC, datetime, timedelta

from campaign.campaigns import bank_details
from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import bank_details_actions, call_actions, calls
from campaign.funders.calls import FundCall
from campaign.matching.funds import Fund
from campaign.rules.bank_details import BankAccount
from tests.factories import today
from tests.funder_payments import ONE

ACCOUNT = BankAccount(
    account_holder="Fondation canadienne du SGB",
    bank_name="Banque Nationale",
    institution="006",
    transit="00011",
    account_number="1234567",
    cheque_payable_to="GBS/CIDP Foundation of Canada",
)


def set_bank_details(fund: Fund) -> None:
    charity = db.session.get_one(Campaign, fund.campaign_id).charity
    bank_details_actions.change(charity, ACCOUNT, seen_id=0, actor=ONE)


def callable_now(fund: Fund) -> int:
    """What may be called now."""
    return calls.callable_cents(fund, now=datetime.now(UTC)) - calls.called_cents(fund)


def issue_call(fund: Fund, cents: int = 0, *, days: int = 30) -> FundCall:
    """Call so much, by default all that is earned and not called."""
    db.session.refresh(fund)
    if not bank_details.details_of(db.session.get_one(Campaign, fund.campaign_id).charity):
        set_bank_details(fund)
    charity = db.session.get_one(Campaign, fund.campaign_id).charity
    due_on, version = today(charity) + timedelta(days=days), call_actions.version_of(fund)
    return call_actions.issue(fund, cents=cents or callable_now(fund), due_on=due_on, version=version, livemode=False, actor=ONE)


def credit(fund: Fund) -> FundCall:
    return call_actions.issue_credit_note(
        fund, reason="a gift was returned", version=call_actions.version_of(fund), livemode=False, actor=ONE
    )


def open_sums(fund: Fund) -> list[int]:
    """What is open of each call that is not cancelled, oldest first."""
    return [one.open_cents for one in calls.balances_of(fund)]
