"""What an official donation receipt must hold (Income Tax Regulations, s. 3501(1)), and whether it is all there.

A receipt that lacks one element is worth nothing to the donor, so it is refused before a number is used (policy.md, section 4).
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

REGISTRATION_NUMBER = re.compile(r"[0-9]{9}RR[0-9]{4}")


@dataclass(frozen=True, kw_only=True)
class ReceiptContent:
    """Everything printed on a receipt but its serial number, which is given last. Sums in cents, days in the charity's time zone."""

    language: str
    charity_name: str
    charity_address: tuple[str, ...]
    registration_number: str
    place_of_issue: str
    received_on: date
    issued_on: date
    donor_name: str
    donor_address: tuple[str, ...]
    amount_cents: int
    advantage_cents: int
    eligible_cents: int
    signatory_name: str
    signatory_title: str
    currency: str

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they are frozen in the books."""
        return {k: v.isoformat() if isinstance(v, date) else v for k, v in asdict(self).items()}


def content_from_json(frozen: Mapping[str, Any]) -> ReceiptContent:
    """The content as it was frozen."""
    days = {k: date.fromisoformat(frozen[k]) for k in ("received_on", "issued_on")}
    lines = {k: tuple(frozen[k]) for k in ("charity_address", "donor_address")}
    return ReceiptContent(**{**frozen, **days, **lines})


def missing(content: ReceiptContent) -> list[str]:
    """Names of the elements that are absent or wrong, in the order of the regulation; empty when the receipt may be issued."""
    wrong = {
        "registration_number": not REGISTRATION_NUMBER.fullmatch(content.registration_number),
        "charity_address": len(_filled(content.charity_address)) < 2,
        "donor_address": len(_filled(content.donor_address)) < 2,
        "donor_name": len(content.donor_name.strip()) < 2,
        "amount_cents": content.amount_cents <= 0,
        "advantage_cents": content.advantage_cents < 0,
        "eligible_cents": content.eligible_cents <= 0 or content.eligible_cents != content.amount_cents - content.advantage_cents,
        "issued_on": content.issued_on < content.received_on,
    }
    return [f.name for f in fields(content) if wrong.get(f.name) or _is_blank(getattr(content, f.name))]


def _filled(lines: tuple[str, ...]) -> list[str]:
    return [line for line in lines if line.strip()]


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


def serial(year: int, number: int) -> str:
    """`2026-000042`: the year of the series, then the consecutive number."""
    return f"{year}-{number:06d}"
