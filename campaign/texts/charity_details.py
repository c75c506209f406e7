"""The names of a charity's details, why they are not real and what to do about it, and the donor of the sample receipt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from campaign.rules.charity_details import LONGEST, MOST_ADDRESS_LINES, Detail, Finding, Problem
from campaign.rules.pictures import LEAST_HEIGHT, LEAST_WIDTH, MAX_BYTES, PictureFlaw
from campaign.rules.receipt_requirements import CONTINUOUS, format_serial
from campaign.rules.return_lines import AwaitedAs
from campaign.texts.catalogue import gettext_noop, pgettext_noop, translator
from campaign.texts.characters import describe_forbidden, describe_unprintable
from campaign.texts.dates import format_day_of_year

ANY_LEAP_YEAR = 2024

_NAMES = {
    Detail.LEGAL_NAME: gettext_noop("Legal name"),
    Detail.NAME_EN: gettext_noop("Public name in English"),
    Detail.NAME_FR: gettext_noop("Public name in French"),
    Detail.ADDRESS: gettext_noop("Address on file"),
    Detail.REGISTRATION_NUMBER: gettext_noop("Registration number"),
    Detail.PLACE_OF_ISSUE: gettext_noop("Place of issue"),
    Detail.SIGNATORY_NAME: gettext_noop("Name of the signatory"),
    Detail.SIGNATORY_TITLE_EN: gettext_noop("Title of the signatory in English"),
    Detail.SIGNATORY_TITLE_FR: gettext_noop("Title of the signatory in French"),
    Detail.SIGNATURE: gettext_noop("Signature"),
    Detail.LOGO: gettext_noop("Logo"),
    Detail.EMAIL: gettext_noop("Email address for donors"),
    Detail.PHONE: gettext_noop("Phone number for donors"),
    Detail.WEBSITE: gettext_noop("Website"),
    Detail.PRIVACY_OFFICER: gettext_noop("Email address of the privacy officer"),
}
_PROBLEMS = {
    Problem.MISSING: gettext_noop("It is missing."),
    Problem.NO_LETTERS: gettext_noop("It has no letters. Please write it out."),
    Problem.TOO_LONG: gettext_noop("It is too long. Please write at most %(longest)s characters."),
    Problem.TOO_MANY_LINES: gettext_noop("It has too many lines. Please write the address in %(lines)s lines at most."),
    Problem.EXAMPLE: gettext_noop("It is an example. Please write the real one."),
    Problem.ONE_LINE: gettext_noop("It has one line. Please write the whole address on file with the CRA, line by line."),
    Problem.NO_POSTAL_CODE: gettext_noop("It has no Canadian postal code. Please write the address on file with the CRA."),
    Problem.WRONG_FORM: gettext_noop("It is not nine digits, RR and four digits, as 123456782RR0001."),
    Problem.WRONG_CHECK_DIGIT: gettext_noop("Its check digit is wrong, so a digit is mistyped. Please compare it with the CRA’s letter."),
    Problem.WHOLE_ADDRESS: gettext_noop("It must be a city or town alone, without street and postal code."),
    Problem.NO_EMAIL_ADDRESS: gettext_noop("Please write an email address, for example name@example.org."),
    Problem.NO_PHONE_NUMBER: gettext_noop("Please write a phone number with its area code, for example 613-555-0123."),
    Problem.NO_WEB_ADDRESS: gettext_noop("Please write the address of a website, for example https://www.example.org."),
    Problem.UNUSABLE_PICTURE: gettext_noop("The picture shows nothing or cannot be read."),
}
_NO_SIGNATURE = gettext_noop("There is no picture of it, and a receipt must be signed.")
_FLAWS = {
    PictureFlaw.TOO_LARGE: gettext_noop("A picture must be a PNG of at most %(kilobytes)s KB and four million pixels."),
    PictureFlaw.UNREADABLE: gettext_noop("This file is no complete PNG; save the picture as a standard PNG and try again."),
    PictureFlaw.TOO_SMALL: gettext_noop("A picture must be at least %(width)s by %(height)s pixels; scan or save it larger."),
    PictureFlaw.BLANK: gettext_noop("This picture shows nothing on white paper; it must be in a dark colour."),
    PictureFlaw.ANIMATED: gettext_noop("This picture moves; save one frame of it as a standard PNG and try again."),
}
_SAMPLE_DONOR = (
    pgettext_noop("sample receipt", "Jane Q. Sample"),
    pgettext_noop("sample receipt", "1 Sample Street"),
    pgettext_noop("sample receipt", "Sampleton ON  K0A 0A0"),
)


def name_of(detail: Detail, language: str) -> str:
    """The name of the detail."""
    return translator(language).gettext(_NAMES[detail])


def describe_finding(finding: Finding, language: str) -> str:
    """Why the detail is not real, or cannot be printed."""
    detail = finding.detail
    match finding.problem:
        case Problem.FORBIDDEN:
            return describe_forbidden(finding.characters, language)
        case Problem.UNPRINTABLE:
            return describe_unprintable(finding.characters, language)
        case Problem.MISSING if detail is Detail.SIGNATURE:
            return translator(language).gettext(_NO_SIGNATURE)
        case problem:
            return translator(language).gettext(_PROBLEMS[problem], longest=LONGEST.get(detail, 0), lines=MOST_ADDRESS_LINES)


def describe_flaw(flaw: PictureFlaw, language: str) -> str:
    """Why a picture cannot be printed, and what to do."""
    return translator(language).gettext(_FLAWS[flaw], kilobytes=MAX_BYTES // 1024, width=LEAST_WIDTH, height=LEAST_HEIGHT)


class _Settings(Protocol):
    """What of a charity decides about its receipts and returns, beside the details."""

    series: str
    bilingual_receipts: bool
    awaited_gifts_as: str
    time_zone: str


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting in words. Staff choose its `column` among `choices`, which has the words of each; the time zone has none."""

    name: str
    value: str
    column: str = ""
    chosen: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    help: str = ""


def format_year_end(year_end: str, language: str) -> str:
    """The last day of a fiscal year, stored as `03-31`, in words."""
    return format_day_of_year(date.fromisoformat(f"{ANY_LEAP_YEAR}-{year_end}"), language)


def list_settings(charity: _Settings, language: str, *, year: int) -> list[Setting]:
    """What decides about receipts and returns, and is no detail that is confirmed, in this year."""
    gettext = translator(language).gettext
    series = {
        "yearly": gettext("one series a year, such as %(serial)s", serial=format_serial(year, 1)),
        "continuous": gettext("one series for all years, such as %(serial)s", serial=format_serial(CONTINUOUS, 1)),
    }
    languages = {"no": gettext("the donor’s"), "yes": gettext("both on one page, the donor’s first")}
    awaited = {AwaitedAs.RECEIPTED.value: gettext("on line 12"), AwaitedAs.UNRECEIPTED.value: gettext("on line 14")}
    is_bilingual = "yes" if charity.bilingual_receipts else "no"
    return [
        Setting(name=gettext("Serial numbers"), value=series[charity.series], column="series", chosen=charity.series, choices=series),
        Setting(
            name=gettext("Languages of receipts"),
            value=languages[is_bilingual],
            column="bilingual_receipts",
            chosen=is_bilingual,
            choices=languages,
        ),
        Setting(
            name=gettext("Gifts whose receipt is still to come, on TP-985.22"),
            value=awaited[charity.awaited_gifts_as],
            column="awaited_gifts_as",
            chosen=charity.awaited_gifts_as,
            choices=awaited,
            help=gettext("The accountant decides."),
        ),
        Setting(
            name=gettext("Time zone of all dates"),
            value=charity.time_zone,
            help=gettext("It is set once, when the charity is created: days of gifts and receipts depend on it."),
        ),
    ]


def sample_donor(language: str) -> tuple[str, tuple[str, ...]]:
    """The name and the address of the donor on a sample receipt, whom nobody knows."""
    to = translator(language)
    name, *lines = (to.pgettext("sample receipt", message) for message in _SAMPLE_DONOR)
    return name, tuple(lines)
