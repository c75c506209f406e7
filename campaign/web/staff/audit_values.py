"""Values in entries of the audit trail in words, by the name of their detail: labels of what is chosen from a list, amounts, days, yes and no."""

from collections.abc import Callable, Mapping

from flask_babel import gettext

from campaign.donations.donors import ANNUAL, PER_DONATION
from campaign.funders.payment_requests import PaymentChange
from campaign.recurring.contacts import Scope
from campaign.reporting.month_checks import MonthCheck
from campaign.rules import local_time
from campaign.rules.charity_details import Detail
from campaign.rules.journal import Purpose
from campaign.rules.local_time import InvalidLocalTime
from campaign.rules.money import format_money
from campaign.rules.page_text import PageKind
from campaign.rules.return_lines import AwaitedAs
from campaign.texts.audit_details import describe_detail, describe_document
from campaign.texts.charity_details import format_year_end, name_of
from campaign.texts.dates import format_day
from campaign.texts.journal_words import purpose_label
from campaign.texts.month_words import check_sentence
from campaign.web import filter_labels, labels
from campaign.web.languages import current_language
from campaign.web.public.charity_pages import name_of as name_of_page
from campaign.web.staff.halfway import Factor
from campaign.web.staff.sign_in import role_label

DAYS = frozenset({"on", "due_on", "filed_on", "received_on", "from", "to"})
PICTURES = frozenset({"signature", "logo", "page_logo", "portrait"})
ROLES = ("viewer", "clerk", "manager", "admin")


def words_of(name: str, value: object) -> str:
    """The value of the detail or field with this name; `bank.code` is a field of an account. Empty for what has no words."""
    name = name.rpartition(".")[2]
    match value:
        case None | "":
            return ""
        case bool():
            return gettext("yes") if value else gettext("no")
        case int() if name.endswith("cents"):
            return format_money(value, current_language())
        case {**pairs}:
            return "; ".join(_pair(name, str(key), one) for key, one in pairs.items())
        case list():
            return ", ".join(words_of(name, one) for one in value)
        case str():
            return _text(name, value)
    return str(value)


def _pair(name: str, key: str, value: object) -> str:
    """One of what a list was filtered by, or of the checks that were open."""
    if name == "open" and key in set(MonthCheck) and isinstance(value, int):
        return check_sentence(key, value, current_language())
    return f"{field_label(key)}: {words_of(key, value)}"


def _text(name: str, text: str) -> str:
    language = current_language()
    if name in DAYS:
        return _day(text, language)
    if name in PICTURES:
        return gettext("a picture")
    if name == "fields":
        return field_label(text)
    if name == "document":
        return describe_document(text, language)
    if name == "country":
        return labels.country_name(text)
    if name == "fiscal_year_end":
        return format_year_end(text, language)
    return _CHOICES[name]().get(text, text) if name in _CHOICES else text


def _day(text: str, language: str) -> str:
    try:
        return format_day(local_time.parse_day(text), language)
    except InvalidLocalTime:
        return text


def plain(text: str) -> str:
    """A text that nothing is known about, without the signs of a code."""
    return text if "@" in text else text.replace("_", " ")


def field_label(name: str) -> str:
    """The name of a field that was changed."""
    language, (purpose, _, field) = current_language(), name.rpartition(".")
    words = labels.contact_labels() | {detail.value: name_of(detail, language) for detail in Detail} | _field_labels()
    label = words[field] if field in words else describe_detail(field, language)
    return f"{purpose_label(Purpose(purpose), language)}, {label}" if purpose in set(Purpose) else label


def _field_labels() -> dict[str, str]:
    return {
        "code": gettext("Code"),
        "tax_code": gettext("Tax code"),
        "language": gettext("Language"),
        "series": gettext("Serial numbers"),
        "bilingual_receipts": gettext("Receipts in both languages"),
        "page_logo": gettext("Logo on donors’ pages"),
        "cause_en": gettext("What gifts go to, in English"),
        "cause_fr": gettext("What gifts go to, in French"),
        "words_en": gettext("Their words in English"),
        "words_fr": gettext("Their words in French"),
        "portrait": gettext("Portrait"),
        "portrait_alt_en": gettext("What it shows, in English"),
        "portrait_alt_fr": gettext("What it shows, in French"),
        "fiscal_year_end": gettext("End of the fiscal year"),
        "awaited_gifts_as": gettext("Gifts whose receipt is still to come, on TP-985.22"),
        "time_zone": gettext("Time zone of all dates"),
        "q": gettext("Search"),
        "state": gettext("State"),
        "from": gettext("From"),
        "to": gettext("Until"),
        "campaign": gettext("Campaign"),
        "fund": gettext("Matching fund"),
        "match": gettext("Match"),
        "days": gettext("Days"),
        "tribute": gettext("Tribute"),
        "tribute_name": gettext("Name in the tribute"),
    }


def _factors() -> dict[str, str]:
    return {
        Factor.CODE.value: gettext("code of the authenticator app"),
        Factor.PASSKEY.value: gettext("passkey"),
        Factor.RECOVERY_CODE.value: gettext("recovery code"),
        "password": gettext("Password"),
    }


def _scopes() -> dict[str, str]:
    return {
        Scope.THIS_GIFT.value: gettext("this gift"),
        Scope.FROM_NOW_ON.value: gettext("from now on"),
        Scope.BOTH.value: gettext("this gift and from now on"),
    }


def _payment_changes() -> dict[str, str]:
    return {
        PaymentChange.CORRECT.value: gettext("it was written down wrongly"),
        PaymentChange.REVERSE.value: gettext("it never came"),
        PaymentChange.RETURN.value: gettext("money of it went back"),
        PaymentChange.UNDO_RETURN.value: gettext("the money did not go back"),
    }


_CHOICES: Mapping[str, Callable[[], Mapping[str, str]]] = {
    "role": lambda: {role: role_label(role) for role in ROLES},
    "factor": _factors,
    "scope": _scopes,
    "change": _payment_changes,
    "choice": lambda: {ANNUAL: gettext("one receipt a year"), PER_DONATION: gettext("a receipt for each gift")},
    "how": lambda: {one.value: words for one, words in (*labels.declaration_labels().items(), *labels.filing_labels().items())},
    "method": lambda: {one.value: words for one, words in labels.method_labels().items()},
    "kind": lambda: {one.value: words for one, words in labels.offline_reversal_labels().items()},
    "page": lambda: {one.value: name_of_page(one) for one in PageKind},
    "state": filter_labels.list_state_labels,
    "days": lambda: {one.value: words for one, words in filter_labels.relative_days_labels().items()},
    "tribute": lambda: {one.value: words for one, words in filter_labels.tribute_filter_labels().items()},
    "match": lambda: {one.value: words for one, words in labels.match_level_labels().items()},
    "language": labels.language_labels,
    "series": lambda: {"yearly": gettext("one series a year"), "continuous": gettext("one series for all years")},
    "awaited_gifts_as": lambda: {AwaitedAs.RECEIPTED.value: gettext("on line 12"), AwaitedAs.UNRECEIPTED.value: gettext("on line 14")},
}
