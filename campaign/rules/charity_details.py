"""What is not real about a charity's details, which its official receipts state (Income Tax Regulations, s. 3501(1)).

A receipt with an invented name, address, number, place or signature is worth nothing to the donor. The details are confirmed by a person; what
a program can see is refused before.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from campaign.rules import business_numbers
from campaign.rules.postal_codes import CANADIAN_POSTAL_CODE
from campaign.rules.receipt_requirements import REGISTRATION_NUMBER

LEAST_ADDRESS_LINES = 2
SHORTEST_NAME = 2
FINGERPRINT_DIGITS = 12
# Localities of British Columbia that are named after a number of miles.
NUMBERED_LOCALITY = re.compile(r"\d+ mile \w+", re.IGNORECASE)
EXAMPLE_MARKS = ("(example)", "(exemple)")
SEPARATOR = "\x1f"


class Detail(StrEnum):
    """A detail that a receipt states, or by which donors know the charity; the fields of `CharityDetails`."""

    LEGAL_NAME = "legal_name"
    NAME_EN = "name_en"
    NAME_FR = "name_fr"
    ADDRESS = "address"
    REGISTRATION_NUMBER = "registration_number"
    PLACE_OF_ISSUE = "place_of_issue"
    SIGNATORY_NAME = "signatory_name"
    SIGNATORY_TITLE_EN = "signatory_title_en"
    SIGNATORY_TITLE_FR = "signatory_title_fr"
    SIGNATURE = "signature"
    LOGO = "logo"


PICTURES = (Detail.SIGNATURE, Detail.LOGO)


class Problem(StrEnum):
    """Why a detail is not real, or cannot be printed."""

    MISSING = "missing"
    EXAMPLE = "example"
    ONE_LINE = "one line"
    NO_POSTAL_CODE = "no postal code"
    WRONG_FORM = "wrong form"
    WRONG_CHECK_DIGIT = "wrong check digit"
    WHOLE_ADDRESS = "whole address"
    UNUSABLE_PICTURE = "unusable picture"


@dataclass(frozen=True, kw_only=True)
class CharityDetails:
    """The details as they are printed. `signature` and `logo` are the SHA-256 of pictures, empty when there is none."""

    legal_name: str
    name_en: str
    name_fr: str
    address: tuple[str, ...]
    registration_number: str
    place_of_issue: str
    signatory_name: str
    signatory_title_en: str
    signatory_title_fr: str
    signature: str = ""
    logo: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One detail that is not real, and why."""

    detail: Detail
    problem: Problem


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Invented details, which `campaign setup` writes and which no charity may confirm."""

    address: tuple[str, ...] = ("100 Example Street, Suite 200", "Ottawa ON  K1A 0B1")
    registration_number: str = "000000000RR0001"
    place_of_issue: str = "Exampleville, Ontario"
    signatory_name: str = "A. Example"
    signatory_title_en: str = "Treasurer (example)"
    signatory_title_fr: str = "Trésorière (exemple)"


EXAMPLES = Examples()


def list_findings(details: CharityDetails, *, usable_pictures: Collection[Detail]) -> list[Finding]:
    """What is not real, at most one finding for a detail, in the order of `Detail`; empty when the details may be confirmed.

    `usable_pictures` are the details whose stored picture is one (edges/pictures.py). A charity need not have a logo.
    """
    found: dict[Detail, Problem | None] = {detail: _problem_of(detail, details) for detail in Detail if detail not in PICTURES}
    for detail in (picture for picture in PICTURES if picture not in usable_pictures):
        if text_of(details, detail):
            found[detail] = Problem.UNUSABLE_PICTURE
        elif detail is Detail.SIGNATURE:
            found[detail] = Problem.MISSING
    return [Finding(detail=detail, problem=problem) for detail, problem in found.items() if problem]


def _problem_of(detail: Detail, details: CharityDetails) -> Problem | None:
    if len(text_of(details, detail).strip()) < SHORTEST_NAME:
        return Problem.MISSING
    if _is_example(detail, details):
        return Problem.EXAMPLE
    match detail:
        case Detail.ADDRESS:
            return _problem_of_address(details.address)
        case Detail.REGISTRATION_NUMBER:
            return problem_of_number(details.registration_number)
        case Detail.PLACE_OF_ISSUE:
            return None if _is_locality(details) else Problem.WHOLE_ADDRESS
        case _:
            return None


def _is_example(detail: Detail, details: CharityDetails) -> bool:
    text = text_of(details, detail).casefold()
    if any(mark in text for mark in EXAMPLE_MARKS):
        return True
    if detail is Detail.ADDRESS:
        return _bare(EXAMPLES.address[0]) in {_bare(line) for line in details.address}
    return _bare(text) == _bare(getattr(EXAMPLES, detail, ""))


def _bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _problem_of_address(address: tuple[str, ...]) -> Problem | None:
    lines = [line for line in address if line.strip()]
    if len(lines) < LEAST_ADDRESS_LINES:
        return Problem.ONE_LINE
    return None if any(_has_postal_code(line) for line in lines) else Problem.NO_POSTAL_CODE


def _has_postal_code(line: str) -> bool:
    return CANADIAN_POSTAL_CODE.search(line.upper()) is not None


def problem_of_number(number: str) -> Problem | None:
    """Why this is no registration number: nine digits, RR and the program account, from 0001 on (CRA, "What is a business number?")."""
    bare = business_numbers.normalized(number)
    if not REGISTRATION_NUMBER.fullmatch(bare) or bare.endswith("0000"):
        return Problem.WRONG_FORM
    # The check digit of nine zeros fits.
    return None if business_numbers.is_registration_number(bare) and bare[:9].strip("0") else Problem.WRONG_CHECK_DIGIT


def _is_locality(details: CharityDetails) -> bool:
    """Whether the place of issue is a town alone: a receipt states "the place or locality where the receipt was issued" (s. 3501(1)(d))."""
    place = details.place_of_issue
    streets = {_bare(line) for line in details.address[:1]}
    return not _has_postal_code(place) and not re.search(r"\d", NUMBERED_LOCALITY.sub("", place)) and _bare(place) not in streets


def text_of(details: CharityDetails, detail: Detail) -> str:
    """The detail as text: the lines of the address one below the other."""
    value = getattr(details, detail)
    return value if isinstance(value, str) else "\n".join(value)


def fingerprint_of(details: CharityDetails) -> str:
    """A short hash over all details, pictures included: it changes with each of them. Without a logo it is that of before there were any."""
    joined = SEPARATOR.join(text_of(details, detail) for detail in Detail if detail is not Detail.LOGO or details.logo)
    return sha256(joined.encode()).hexdigest()[:FINGERPRINT_DIGITS]
