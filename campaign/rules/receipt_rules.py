"""What an official donation receipt must hold (Income Tax Regulations, s. 3501(1)), whether it is all there, and what its number looks like.

A receipt that lacks one element is worth nothing to the donor, so it is refused before a number is used (policy.md, section 4).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

REGISTRATION_NUMBER = re.compile(r"[0-9]{9}RR[0-9]{4}")
CONTINUOUS = 0
INFORMATION_RETURN_ABOVE_CENTS = 50_00
INFORMATION_RETURN_WITHIN_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class GiftLine:
    """One gift on a receipt of several: the day it was received, and its cents."""

    received_on: date
    cents: int


@dataclass(frozen=True, kw_only=True)
class ReceiptContent:
    """Everything printed on a receipt but its serial number, which is given last. Sums in cents, days in the charity's time zone.

    A receipt for one gift has the day on which it was received. One for all gifts of a year has the year, and each gift in `gifts`.
    `is_bilingual` prints both languages, `language` first. `replaces` is the serial number of the receipt that this one cancels.
    `check_url` is where anybody who holds it can see whether it stands. `is_test` marks what no real money was given for.
    `signature` names the picture of the signature, if there is one.
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

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they are frozen in the books."""
        plain = {k: v.isoformat() if isinstance(v, date) else v for k, v in asdict(self).items()}
        lines = {k: list(plain[k]) for k in ("charity_address", "donor_address")}
        return {**plain, **lines, "gifts": [{"received_on": g.received_on.isoformat(), "cents": g.cents} for g in self.gifts]}


def content_from_json(frozen: Mapping[str, Any]) -> ReceiptContent:
    """The content as it was frozen; what older receipts did not say is absent, and those were all tests."""
    received = frozen["received_on"]
    days = {"received_on": date.fromisoformat(received) if received else None, "issued_on": date.fromisoformat(frozen["issued_on"])}
    lines = {k: tuple(frozen[k]) for k in ("charity_address", "donor_address")}
    gifts = tuple(GiftLine(received_on=date.fromisoformat(g["received_on"]), cents=g["cents"]) for g in frozen.get("gifts", ()))
    return ReceiptContent(**{"is_test": True, **frozen, **days, **lines, "gifts": gifts})


def missing(content: ReceiptContent) -> list[str]:
    """Names of the elements that are absent or wrong, in the order of the regulation; empty when the receipt may be issued."""
    gifts = content.gifts
    wrong = {
        "registration_number": not REGISTRATION_NUMBER.fullmatch(content.registration_number),
        "charity_address": len(_filled(content.charity_address)) < 2,
        "donor_address": len(_filled(content.donor_address)) < 2,
        "donor_name": len(content.donor_name.strip()) < 2,
        "amount_cents": content.amount_cents <= 0 or (bool(gifts) and sum(g.cents for g in gifts) != content.amount_cents),
        "advantage_cents": content.advantage_cents < 0,
        "eligible_cents": content.eligible_cents <= 0 or content.eligible_cents != content.amount_cents - content.advantage_cents,
        "received_on": (content.received_on is None) == (content.received_in is None)
        or any(g.received_on.year != content.received_in for g in gifts),
        "issued_on": content.issued_on < _last_received(content),
    }
    return [f.name for f in fields(content) if f.name not in MAY_BE_EMPTY and (wrong.get(f.name) or _is_blank(getattr(content, f.name)))]


MAY_BE_EMPTY = {"is_bilingual", "is_test", "signature", "received_in", "gifts", "replaces"}


def _last_received(content: ReceiptContent) -> date:
    days = [g.received_on for g in content.gifts]
    return max([*days, content.received_on or (days[0] if days else content.issued_on)])


def _filled(lines: tuple[str, ...]) -> list[str]:
    return [line for line in lines if line.strip()]


def _is_blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


LACKING: dict[str, tuple[str, str]] = {
    "language": ("the language", "la langue"),
    "charity_name": ("the charity’s name", "le nom de l’organisme"),
    "charity_address": ("the charity’s address", "l’adresse de l’organisme"),
    "registration_number": ("the registration number", "le numéro d’enregistrement"),
    "place_of_issue": ("the place of issue", "le lieu de délivrance"),
    "received_on": ("the date the gift was received", "la date de réception du don"),
    "issued_on": ("the date of issue", "la date de délivrance"),
    "donor_name": ("the donor’s full name", "le nom complet du donateur"),
    "donor_address": ("the donor’s address", "l’adresse du donateur"),
    "amount_cents": ("the amount of the gift", "le montant du don"),
    "advantage_cents": ("the amount of the advantage", "la valeur de l’avantage"),
    "eligible_cents": ("the eligible amount", "le montant admissible"),
    "signatory_name": ("the name of who signs", "le nom du signataire"),
    "signatory_title": ("the title of who signs", "le titre du signataire"),
    "currency": ("the currency", "la monnaie"),
    "check_url": ("the address where it can be checked", "l’adresse où le vérifier"),
    "confirmation": ("the confirmation of the charity’s legal details", "la confirmation des coordonnées légales de l’organisme"),
    "payment": ("the payment", "le paiement"),
}


def lacking_in_words(names: Sequence[str], language: str) -> str:
    """What a receipt lacks, as staff read it: `the donor’s address, the place of issue`."""
    return ", ".join(LACKING[name][language == "fr"] for name in names if name in LACKING)


def serial(year: int, number: int) -> str:
    """`2026-000042`: the year of the series, then the consecutive number; `000042` in a series that never starts again."""
    return f"{number:06d}" if year == CONTINUOUS else f"{year}-{number:06d}"
