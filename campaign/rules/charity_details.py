"""What is not real about a charity's details, which its official receipts state (Income Tax Regulations, s. 3501(1)) and donors read.

A receipt with an invented name, address, number, place or signature is worth nothing to the donor. The details are confirmed by a person; what
a program can see is refused before, when a detail is set and again when all are confirmed.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from campaign.rules import business_numbers, contact_addresses, typed_text
from campaign.rules.postal_codes import CANADIAN_POSTAL_CODE
from campaign.rules.receipt_requirements import REGISTRATION_NUMBER

LEAST_ADDRESS_LINES = 2
SHORTEST_NAME = 2
FINGERPRINT_DIGITS = 12
# Localities of British Columbia that are named after a number of miles.
NUMBERED_LOCALITY = re.compile(r"\d+ mile \w+", re.IGNORECASE)
EXAMPLE_MARKS = ("(example)", "(exemple)")
EXAMPLE_STREET = re.compile(r"\b(?:example (?:street|road|avenue|st|rd|ave)|(?:rue|avenue|chemin) (?:de l’|de l'|d’|d'|)exemple)\b")
SEPARATOR = "\x1f"


class Detail(StrEnum):
    """A detail that a receipt states, or by which donors know or reach the charity; the fields of `CharityDetails`."""

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
    EMAIL = "email"
    PHONE = "phone"
    WEBSITE = "website"
    PRIVACY_OFFICER = "privacy_officer"


PICTURES = (Detail.SIGNATURE, Detail.LOGO)
# How donors reach the charity. Pages and emails show them and no receipt does: they must be real when the others are confirmed, and are no part of
# what is confirmed, so that a new address stops no receipt.
CONTACTS = (Detail.EMAIL, Detail.PHONE, Detail.WEBSITE, Detail.PRIVACY_OFFICER)
OPTIONAL = (Detail.PHONE, Detail.LOGO)
CONFIRMED = tuple(detail for detail in Detail if detail not in CONTACTS)
MOST_ADDRESS_LINES = 6
LONGEST = {
    Detail.LEGAL_NAME: 160,
    Detail.NAME_EN: 120,
    Detail.NAME_FR: 120,
    Detail.ADDRESS: 400,
    Detail.REGISTRATION_NUMBER: 30,
    Detail.PLACE_OF_ISSUE: 80,
    Detail.SIGNATORY_NAME: 80,
    Detail.SIGNATORY_TITLE_EN: 80,
    Detail.SIGNATORY_TITLE_FR: 80,
    Detail.EMAIL: contact_addresses.LONGEST_EMAIL,
    Detail.PHONE: 30,
    Detail.WEBSITE: 200,
    Detail.PRIVACY_OFFICER: contact_addresses.LONGEST_EMAIL,
}


class Problem(StrEnum):
    """Why a detail is not real, or cannot be printed or sent."""

    MISSING = "missing"
    NO_LETTERS = "no letters"
    FORBIDDEN = "forbidden character"
    UNPRINTABLE = "unprintable character"
    TOO_LONG = "too long"
    TOO_MANY_LINES = "too many lines"
    EXAMPLE = "example"
    ONE_LINE = "one line"
    NO_POSTAL_CODE = "no postal code"
    WRONG_FORM = "wrong form"
    WRONG_CHECK_DIGIT = "wrong check digit"
    WHOLE_ADDRESS = "whole address"
    NO_EMAIL_ADDRESS = "no email address"
    NO_PHONE_NUMBER = "no phone number"
    NO_WEB_ADDRESS = "no web address"
    UNUSABLE_PICTURE = "unusable picture"


@dataclass(frozen=True, kw_only=True)
class CharityDetails:
    """The details as they are printed and shown. `signature` and `logo` are the SHA-256 of pictures, empty when there is none."""

    legal_name: str
    name_en: str
    name_fr: str
    address: tuple[str, ...]
    registration_number: str
    place_of_issue: str
    signatory_name: str
    signatory_title_en: str
    signatory_title_fr: str
    email: str
    website: str
    privacy_officer: str
    phone: str = ""
    signature: str = ""
    logo: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One detail that is not real, and why. `characters` are those that cannot be used or printed, if that is the reason."""

    detail: Detail
    problem: Problem
    characters: str = ""


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


def normalized(detail: Detail, typed: str) -> str | list[str]:
    """The text of a detail as it is stored: the address line by line, the registration number without spaces, the website with https://."""
    if detail is Detail.ADDRESS:
        return [line for line in map(typed_text.clean, typed_text.clean_lines(typed).split("\n")) if line]
    text = typed_text.clean(typed)
    match detail:
        case Detail.REGISTRATION_NUMBER:
            return business_numbers.normalized(text)
        case Detail.WEBSITE:
            return contact_addresses.complete_website(text)
        case _:
            return text


def list_findings(
    details: CharityDetails, *, usable_pictures: Collection[Detail], unprintable: Mapping[Detail, str] | None = None
) -> list[Finding]:
    """What is not real, at most one finding for a detail, in the order of `Detail`; empty when the details may be confirmed.

    `usable_pictures` are the details whose stored picture is one (edges/pictures.py), `unprintable` has the characters of texts that no font has
    (edges/pdf.py). A charity need not have a logo.
    """
    found = {detail: _finding_of(detail, details, (unprintable or {}).get(detail, "")) for detail in Detail if detail not in PICTURES}
    for detail in (picture for picture in PICTURES if picture not in usable_pictures):
        if text_of(details, detail):
            found[detail] = Finding(detail=detail, problem=Problem.UNUSABLE_PICTURE)
        elif detail is Detail.SIGNATURE:
            found[detail] = Finding(detail=detail, problem=Problem.MISSING)
    return [finding for detail in Detail if (finding := found.get(detail))]


def _finding_of(detail: Detail, details: CharityDetails, unprintable: str) -> Finding | None:
    text = text_of(details, detail)
    if forbidden := typed_text.first_forbidden(text.replace("\n", "") if detail is Detail.ADDRESS else text):
        return Finding(detail=detail, problem=Problem.FORBIDDEN, characters=forbidden)
    problem = _problem_of(detail, details)
    if unprintable and problem is not Problem.TOO_LONG:
        return Finding(detail=detail, problem=Problem.UNPRINTABLE, characters=unprintable)
    return Finding(detail=detail, problem=problem) if problem else None


def _problem_of(detail: Detail, details: CharityDetails) -> Problem | None:
    text = text_of(details, detail)
    if detail in OPTIONAL and not text:
        return None
    if len(text.strip()) < SHORTEST_NAME:
        return Problem.MISSING
    if detail not in (*PICTURES, *CONTACTS, Detail.REGISTRATION_NUMBER) and sum(map(str.isalpha, text)) < SHORTEST_NAME:
        return Problem.NO_LETTERS
    if len(text) > LONGEST[detail]:
        return Problem.TOO_LONG
    if _is_example(detail, details):
        return Problem.EXAMPLE
    match detail:
        case Detail.ADDRESS:
            return _problem_of_address(details.address)
        case Detail.REGISTRATION_NUMBER:
            return problem_of_number(details.registration_number)
        case Detail.PLACE_OF_ISSUE:
            return None if _is_locality(details) else Problem.WHOLE_ADDRESS
        case Detail.EMAIL | Detail.PRIVACY_OFFICER:
            return None if contact_addresses.is_email(text) else Problem.NO_EMAIL_ADDRESS
        case Detail.PHONE:
            return None if contact_addresses.is_phone_number(text) else Problem.NO_PHONE_NUMBER
        case Detail.WEBSITE:
            return None if contact_addresses.is_website(text) else Problem.NO_WEB_ADDRESS
        case _:
            return None


def _is_example(detail: Detail, details: CharityDetails) -> bool:
    text = text_of(details, detail).casefold()
    if any(mark in text for mark in EXAMPLE_MARKS):
        return True
    if detail in CONTACTS:
        return contact_addresses.is_reserved(text)
    if detail is Detail.ADDRESS:
        return _bare(EXAMPLES.address[0]) in {_bare(line) for line in details.address} or EXAMPLE_STREET.search(text) is not None
    return _bare(text) == _bare(getattr(EXAMPLES, detail, ""))


def _bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _problem_of_address(address: tuple[str, ...]) -> Problem | None:
    lines = [line for line in address if line.strip()]
    if len(lines) < LEAST_ADDRESS_LINES:
        return Problem.ONE_LINE
    if len(lines) > MOST_ADDRESS_LINES:
        return Problem.TOO_MANY_LINES
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
    """A short hash over what is confirmed, pictures included: it changes with each. Without a logo it is that of before there were any."""
    joined = SEPARATOR.join(text_of(details, detail) for detail in CONFIRMED if detail is not Detail.LOGO or details.logo)
    return sha256(joined.encode()).hexdigest()[:FINGERPRINT_DIGITS]
