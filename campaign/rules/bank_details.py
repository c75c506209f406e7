"""What a charity's bank details are, as a letter that asks for money states them, and what is wrong with those that were typed. Pure.

A Canadian account has an institution of three digits, a transit (branch) of five, and an account of at most twelve (Payments Canada, Standard 005).
Money from abroad comes by SWIFT code (ISO 9362) and an account number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

_BETWEEN = dict.fromkeys(map(ord, " \u00a0\u202f-–"))
CODES = ("institution", "transit", "account_number", "swift")
DIGITS_SHOWN = 4


class BankFlaw(StrEnum):
    """Why a field is refused."""

    MISSING = "missing"
    INSTITUTION = "institution"
    TRANSIT = "transit"
    ACCOUNT_NUMBER = "account number"
    SWIFT = "swift"
    NO_BANK = "no bank"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class BankAccount:
    """Where money is sent: by transfer within Canada, by SWIFT, or by a cheque to `cheque_payable_to`. What is not used is empty."""

    account_holder: str = ""
    bank_name: str = ""
    institution: str = ""
    transit: str = ""
    account_number: str = ""
    swift: str = ""
    cheque_payable_to: str = ""

    @property
    def has_transfer(self) -> bool:
        """Whether money can be transferred."""
        return bool(self.account_number)

    @property
    def last_digits(self) -> str:
        """The end of the account number, by which people know it; the whole number is only on letters."""
        return self.account_number[-DIGITS_SHOWN:]


FIELDS = tuple(field.name for field in fields(BankAccount))


def normalized(typed: Mapping[str, str]) -> BankAccount:
    """The fields as they are stored: codes without what people write between their parts."""
    return BankAccount(
        **{name: typed[name].translate(_BETWEEN).upper() if name in CODES else " ".join(typed[name].split()) for name in FIELDS}
    )


def flaws_of(account: BankAccount) -> dict[str, BankFlaw]:
    """What is wrong, by field. Empty when money can be sent by at least one way, and each way that is begun is complete."""
    found = dict[str, BankFlaw]()
    if any((account.institution, account.transit, account.account_number, account.swift, account.account_holder, account.bank_name)):
        found |= _flaws_of_transfer(account)
    elif not account.cheque_payable_to:
        found["account_number"] = BankFlaw.NOTHING
    return found


def _flaws_of_transfer(account: BankAccount) -> dict[str, BankFlaw]:
    is_canadian = bool(account.institution or account.transit or not account.swift)
    number = r"[0-9]{5,12}" if is_canadian else r"[A-Z0-9]{5,34}"
    checks = {
        "account_holder": (bool(account.account_holder), BankFlaw.MISSING),
        "bank_name": (bool(account.bank_name), BankFlaw.NO_BANK),
        "institution": (not is_canadian or re.fullmatch(r"[0-9]{3}", account.institution) is not None, BankFlaw.INSTITUTION),
        "transit": (not is_canadian or re.fullmatch(r"[0-9]{5}", account.transit) is not None, BankFlaw.TRANSIT),
        "account_number": (re.fullmatch(number, account.account_number) is not None, BankFlaw.ACCOUNT_NUMBER),
        "swift": (not account.swift or re.fullmatch(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?", account.swift) is not None, BankFlaw.SWIFT),
    }
    return {name: flaw for name, (is_right, flaw) in checks.items() if not is_right}
