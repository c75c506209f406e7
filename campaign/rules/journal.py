"""A journal for bookkeeping software: which accounts it has, what its entries are of, and how its lines are made and divided into files.

Each movement of money is two lines of the same amount, a debit and a credit, so that a journal entry always balances. Gifts bear no GST/HST or
QST, as nothing is supplied for them (CRA, GI-067); what Stripe charges for a payment is an exempt financial service (Stripe, "Taxes on Stripe
fees for businesses based in Canada").
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby

LONGEST_CODE, LONGEST_NAME, LONGEST_TAX_CODE = 10, 100, 50
_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.\-/]*")


class Purpose(StrEnum):
    """What an account is for. A charity names its account for each in its own chart of accounts."""

    STRIPE = "stripe"
    UNDEPOSITED = "undeposited"
    BANK = "bank"
    DONATIONS = "donations"
    DONATIONS_RETURNED = "donations_returned"
    COVERED_FEES = "covered_fees"
    FUNDERS = "funders"
    FEES = "fees"


class Tax(StrEnum):
    """How the lines of an account count for GST/HST and QST."""

    OUT_OF_SCOPE = "out_of_scope"
    EXEMPT = "exempt"


def tax_of(purpose: Purpose) -> Tax:
    """Bank charges are exempt purchases; gifts, and movements between accounts, are outside the tax."""
    return Tax.EXEMPT if purpose is Purpose.FEES else Tax.OUT_OF_SCOPE


class Subject(StrEnum):
    """What a journal entry is of: one a day for each of the first three, one for each payout, deposit and payment of a funder."""

    GIFTS = "gifts"
    FEES = "fees"
    RETURNS = "returns"
    PAYOUTS = "payouts"
    DEPOSITS = "deposits"
    FUNDERS = "funders"


# What QuickBooks takes as the number of a journal entry.
LONGEST_NUMBER = 21
_SIGNS = {
    Subject.GIFTS: "GIFTS",
    Subject.FEES: "FEES",
    Subject.RETURNS: "BACK",
    Subject.PAYOUTS: "PAY",
    Subject.DEPOSITS: "DEP",
    Subject.FUNDERS: "FUND",
}


class Grain(StrEnum):
    """What is one journal entry: a day's entries of the ledger of one subject, or each of them."""

    DAY = "day"
    ENTRY = "entry"


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account in the charity's chart. A `tax_code` that is empty is the usual one of the software."""

    purpose: Purpose
    code: str
    name_en: str
    name_fr: str
    tax_code: str = ""

    def name(self, language: str) -> str:
        """The name in this language."""
        return self.name_fr if language == "fr" else self.name_en


class AccountError(StrEnum):
    """Why an account cannot be what was typed."""

    CODE = "code"
    NAME = "name"
    TAX_CODE = "tax_code"
    SAME_CODE = "same_code"


def account_errors(accounts: Iterable[Account]) -> Iterator[tuple[Purpose, str, AccountError]]:
    """Yield what is wrong, with the account and the field. Two purposes may be one account, then with the same names."""
    names = dict[str, tuple[str, str]]()
    for account in accounts:
        if len(account.code) > LONGEST_CODE or not _CODE.fullmatch(account.code):
            yield account.purpose, "code", AccountError.CODE
        elif names.setdefault(account.code, (account.name_en, account.name_fr)) != (account.name_en, account.name_fr):
            yield account.purpose, "code", AccountError.SAME_CODE
        for field in ("name_en", "name_fr"):
            if not 0 < len(getattr(account, field)) <= LONGEST_NAME:
                yield account.purpose, field, AccountError.NAME
        if len(account.tax_code) > LONGEST_TAX_CODE:
            yield account.purpose, "tax_code", AccountError.TAX_CODE


@dataclass(frozen=True, kw_only=True)
class Posting:
    """The two accounts of a move of the ledger, and the subject of its journal entry."""

    subject: Subject
    debit: Purpose
    credit: Purpose


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Ledger entries of one kind of a day, added up, or one of them. `number` is of its journal entry; `reference` of the payout, payment or gift."""

    on: date
    number: str
    posting: Posting
    kind: str
    entries: int
    cents: int
    reference: str
    campaign_id: int
    fund_id: int | None


@dataclass(frozen=True, kw_only=True)
class JournalLine:
    """One line: of `debit_cents` and `credit_cents` one is zero."""

    movement: Movement
    purpose: Purpose
    debit_cents: int = 0
    credit_cents: int = 0


def number_of_day(on: date, subject: Subject, row: int | None) -> str:
    """The number of a journal entry: the same whenever it is exported. `row` is that of a payout, payment or deposit, of at most seven digits."""
    return "-".join([f"{on:%Y%m%d}", _SIGNS[subject], *([str(row)] if row else [])])


def number_of_entry(on: date, subject: Subject, entry_id: int) -> str:
    """The number of the journal entry of one ledger entry, of at most eleven digits, or of its deposit, which may be on the same day.

    What comes later changes neither the number nor what it is of, so that software that has it takes it for what it is.
    """
    return f"{on:%Y%m%d}-{'D' if subject is Subject.DEPOSITS else 'E'}{entry_id}"


def lines_of(movements: Iterable[Movement]) -> Iterator[JournalLine]:
    """Yield a debit and a credit for each movement."""
    for movement in movements:
        yield JournalLine(movement=movement, purpose=movement.posting.debit, debit_cents=movement.cents)
        yield JournalLine(movement=movement, purpose=movement.posting.credit, credit_cents=movement.cents)


def parts_of(lines: Iterable[JournalLine], *, most: int) -> Iterator[list[JournalLine]]:
    """Divide the lines into files of at most `most`; a journal entry is never divided, and one that is longer is a file by itself."""
    part = list[JournalLine]()
    for _, group in groupby(lines, key=lambda line: line.movement.number):
        entry = list(group)
        if part and len(part) + len(entry) > most:
            yield part
            part = []
        part += entry
    if part:
        yield part


@dataclass(frozen=True, kw_only=True)
class AccountSum:
    """What the lines debit and credit an account with, in cents."""

    debit_cents: int = 0
    credit_cents: int = 0

    @property
    def net_cents(self) -> int:
        """Debits less credits."""
        return self.debit_cents - self.credit_cents


def sums_by_purpose(lines: Iterable[JournalLine]) -> dict[Purpose, AccountSum]:
    """The sums of each account that has lines, in the order of the chart."""
    debits, credits_ = dict.fromkeys(Purpose, 0), dict.fromkeys(Purpose, 0)
    seen = set[Purpose]()
    for line in lines:
        seen.add(line.purpose)
        debits[line.purpose] += line.debit_cents
        credits_[line.purpose] += line.credit_cents
    return {p: AccountSum(debit_cents=debits[p], credit_cents=credits_[p]) for p in Purpose if p in seen}
