"""What an official donation receipt must contain (Income Tax Regulations, s. 3501(1)), which elements are missing, and the serial number.

A receipt that lacks an element is worth nothing to the donor, so it is refused before a number is used (policy.md, section 4).
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

REGISTRATION_NUMBER = re.compile(r"[0-9]{9}RR[0-9]{4}")
CONTINUOUS = 0
LANGUAGES = ("en", "fr")
INFORMATION_RETURN_ABOVE_CENTS = 50_00
INFORMATION_RETURN_WITHIN_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class GiftLine:
    """One donation on a receipt for several: the day on which it was received, and its cents."""

    received_on: date
    cents: int


@dataclass(frozen=True, kw_only=True)
class ReceiptContent:
    """Everything printed on a receipt except its serial number, which is assigned last. Dates are in the charity's time zone.

    A receipt for one donation has `received_on`. A receipt for a year has `received_in`, and each donation in `gifts`.
    `is_bilingual` prints both languages, `language` first. `replaces` is the serial number of the receipt that this one cancels.
    `check_url` is the page that says whether the receipt is valid. `is_test` marks a receipt for which no real money was paid.
    `signature` and `logo` are the SHA-256 of pictures, empty when there is none.
    """

    language: str
    charity_name: str
    charity_address: tuple[str, ...]
    registration_number: str
    place_of_issue: str
    received_on: date | None
    issued_on: date
    donor_name: str
    donor_address: tuple[str, ...]
    amount_cents: int
    advantage_cents: int
    eligible_cents: int
    signatory_name: str
    signatory_title: str
    currency: str
    is_bilingual: bool = False
    received_in: int | None = None
    gifts: tuple[GiftLine, ...] = ()
    replaces: str = ""
    check_url: str = ""
    is_test: bool = False
    signature: str = ""
    logo: str = ""

    @property
    def languages(self) -> list[str]:
        """The languages in which the receipt is printed, the donor's first."""
        return receipt_languages(self.language, is_bilingual=self.is_bilingual)

    def as_json(self) -> dict[str, Any]:
        """Values for JSON, as they are frozen with the receipt."""
        plain = {k: v.isoformat() if isinstance(v, date) else v for k, v in asdict(self).items()}
        lines = {k: list(plain[k]) for k in ("charity_address", "donor_address")}
        return {**plain, **lines, "gifts": [{"received_on": g.received_on.isoformat(), "cents": g.cents} for g in self.gifts]}


def receipt_languages(language: str, *, is_bilingual: bool) -> list[str]:
    """The languages in which a receipt is printed, the donor's first."""
    return list(dict.fromkeys((language, *LANGUAGES))) if is_bilingual else [language]


def content_from_json(frozen: Mapping[str, Any]) -> ReceiptContent:
    """The content as it was frozen. Receipts that were frozen without `is_test` were all tests."""
    received = frozen["received_on"]
    days = {"received_on": date.fromisoformat(received) if received else None, "issued_on": date.fromisoformat(frozen["issued_on"])}
    lines = {k: tuple(frozen[k]) for k in ("charity_address", "donor_address")}
    gifts = tuple(GiftLine(received_on=date.fromisoformat(g["received_on"]), cents=g["cents"]) for g in frozen.get("gifts", ()))
    return ReceiptContent(**{"is_test": True, **frozen, **days, **lines, "gifts": gifts})


def missing_elements(content: ReceiptContent) -> list[str]:
    """Names of the fields that are missing or wrong, in their order in `ReceiptContent`; empty when the receipt may be issued."""
    gifts = content.gifts
    wrong = {
        "registration_number": not REGISTRATION_NUMBER.fullmatch(content.registration_number),
        "charity_address": len(_non_blank(content.charity_address)) < 2,
        "donor_address": len(_non_blank(content.donor_address)) < 2,
        "donor_name": len(content.donor_name.strip()) < 2,
        "amount_cents": content.amount_cents <= 0 or (bool(gifts) and sum(g.cents for g in gifts) != content.amount_cents),
        "advantage_cents": content.advantage_cents < 0,
        "eligible_cents": content.eligible_cents <= 0 or content.eligible_cents != content.amount_cents - content.advantage_cents,
        "received_on": (content.received_on is None) == (content.received_in is None)
        or any(g.received_on.year != content.received_in for g in gifts),
        "issued_on": content.issued_on < _last_received(content),
    }
    return [
        f.name for f in fields(content) if f.name not in OPTIONAL_ELEMENTS and (wrong.get(f.name) or _is_blank(getattr(content, f.name)))
    ]


OPTIONAL_ELEMENTS = {"is_bilingual", "is_test", "signature", "logo", "received_in", "gifts", "replaces"}


def _last_received(content: ReceiptContent) -> date:
    days = [g.received_on for g in content.gifts]
    return max([*days, content.received_on or (days[0] if days else content.issued_on)])


def _non_blank(lines: tuple[str, ...]) -> list[str]:
    return [line for line in lines if line.strip()]


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


def format_serial(year: int, number: int) -> str:
    """`2026-000042`: the year of the series and the consecutive number; `000042` in a continuous series."""
    return f"{number:06d}" if year == CONTINUOUS else f"{year}-{number:06d}"
