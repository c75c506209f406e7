"""What the document of a call or credit note says, from the books as they are now. Issuing one freezes it (call_actions.py).

The lines of a call add up to what it asks for: what was matched since the last call, less what was released, with what was left uncalled before. What the
funder has paid beyond earlier calls is taken off what is to be paid.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from campaign.campaigns import bank_details
from campaign.campaigns.bank_details import BankDetails
from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.funders import calls, payments
from campaign.funders.calls import CallKind
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund
from campaign.texts.action_errors import ActionError, ActionRefused


@dataclass(frozen=True, kw_only=True)
class EarnedLines:
    """Where the sum that may be called now comes from, in cents.

    `matched_cents` less `released_cents` is of the entries since the last call, `before_cents` what was earned and not called by then, `leftover_cents` what
    was not matched and is given all the same.
    """

    matched_cents: int
    released_cents: int
    before_cents: int
    leftover_cents: int

    @property
    def callable_cents(self) -> int:
        """Their sum: what may be called now. Negative once more was called than is matched."""
        return self.matched_cents - self.released_cents + self.before_cents + self.leftover_cents


@dataclass(frozen=True, kw_only=True)
class Read:
    """What was read of the fund's entries before it was locked, up to a position of its chain, so that the lock is short."""

    after: int
    upto: int
    matched_cents: int
    released_cents: int


def read_entries(fund: Fund) -> Read:
    """Sum the entries since the last call, however many there are."""
    after, upto = calls.last_position(fund), fund.chain_entries
    matched, released = calls.matched_between(fund, after=after, upto=upto)
    return Read(after=after, upto=upto, matched_cents=matched, released_cents=released)


def earned_lines(fund: Fund, read: Read, *, now: datetime) -> EarnedLines:
    """The lines with the entries that came after those that were read."""
    more, fewer = calls.matched_between(fund, after=max(read.upto, read.after), upto=fund.chain_entries)
    matched, released = read.matched_cents + more, read.released_cents + fewer
    return EarnedLines(
        matched_cents=matched,
        released_cents=released,
        before_cents=fund.matched_cents - (matched - released) - calls.called_cents(fund),
        leftover_cents=calls.callable_cents(fund, now=now) - fund.matched_cents,
    )


def content_of_call(fund: Fund, lines: EarnedLines, *, cents: int, due_on: date, now: datetime, is_test: bool) -> dict[str, Any]:
    """The content of a call for so many cents. Raises ActionRefused when the funder or the charity lacks what it must say."""
    details = get_details(fund)
    surplus = calls.surplus_cents(fund)
    later = lines.callable_cents - cents
    summed = [
        ("matched", lines.matched_cents),
        ("released", -lines.released_cents),
        ("before", lines.before_cents),
        ("leftover", lines.leftover_cents),
        ("later", -later),
    ]
    to_pay = cents - min(cents, surplus)
    return {
        **letterhead(fund, CallKind.CALL, now=now, is_test=is_test),
        "due_on": due_on.isoformat(),
        "lines": [[name, value] for name, value in summed if value or name == "matched"],
        "cents": cents,
        "received_cents": cents - to_pay,
        "to_pay_cents": to_pay,
        "bank": vars(details.account),
        "bank_details_id": details.id,
    }


def content_of_credit_note(fund: Fund, *, cents: int, reason: str, now: datetime, is_test: bool) -> dict[str, Any]:
    """The content of a credit note: what was called, what is earned after all, and what becomes of the difference."""
    called, returned = calls.called_cents(fund), max(payments.received_cents(fund) - (calls.called_cents(fund) - cents), 0)
    to_return = min(returned, cents)
    return {
        **letterhead(fund, CallKind.CREDIT_NOTE, now=now, is_test=is_test),
        "lines": [["called", called], ["earned", -(called - cents)]],
        "cents": cents,
        "received_cents": 0,
        "to_pay_cents": 0,
        "less_open_cents": cents - to_return,
        "to_return_cents": to_return,
        "reason": reason,
    }


def get_details(fund: Fund) -> BankDetails:
    """The bank details of the fund's charity. Raises ActionRefused without any."""
    details = bank_details.details_of(_charity_of(fund))
    if details is None:
        raise ActionRefused(ActionError.NO_BANK_DETAILS)
    return details


def _charity_of(fund: Fund) -> Charity:
    return db.session.get_one(Campaign, fund.campaign_id).charity


def letterhead(fund: Fund, kind: CallKind, *, now: datetime, is_test: bool) -> dict[str, Any]:
    """What documents for a funder say of the charity, the funder and the fund. Raises ActionRefused for one whom nothing reaches."""
    campaign, funder = db.session.get_one(Campaign, fund.campaign_id), db.session.get_one(Funder, fund.funder_id)
    charity, language = campaign.charity, funder.language
    if not funder.email and not funder.address:
        raise ActionRefused(ActionError.FUNDER_HAS_NO_ADDRESS)
    return {
        "kind": kind,
        "language": language,
        "charity_name": charity.legal_name,
        "charity_address": list(charity.address),
        "registration_number": charity.registration_number.replace(" ", ""),
        "charity_email": charity.email,
        "charity_phone": charity.phone,
        "logo": charity.logo or "",
        "signatory_name": charity.signatory_name,
        "signatory_title": charity.signatory_title(language),
        "funder_name": funder.legal_name or funder.name(language),
        "funder_address": list(funder.address),
        "fund": fund.name(language),
        "campaign": campaign.title(language),
        "currency": campaign.currency,
        "issued_on": charity.local(now).date().isoformat(),
        "pledged_cents": fund.pledged_cents,
        "matched_cents": fund.matched_cents,
        "called_before_cents": calls.called_cents(fund),
        "received_before_cents": payments.received_cents(fund),
        "is_test": is_test,
    }
