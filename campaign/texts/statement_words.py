"""The words of a funder's statement: its labels, what its lines are and why, its periods and its definitions."""

from collections.abc import Collection, Mapping

from campaign.rules.statement_lines import LineRule, ListingExtent
from campaign.rules.statement_periods import MONTHS_OF_QUARTER, PeriodKind, StatementPeriod
from campaign.texts.catalogue import pgettext_noop, translator
from campaign.texts.dates import format_day, format_month

_LABELS = {
    "title": pgettext_noop("statement", "Matching fund statement"),
    "test_banner": pgettext_noop("statement", "TEST – not a real statement"),
    "logo": pgettext_noop("statement", "Logo"),
    "registration_number": pgettext_noop("statement", "Registration number"),
    "funder": pgettext_noop("statement", "Funder"),
    "fund": pgettext_noop("statement", "Fund"),
    "campaign": pgettext_noop("statement", "Campaign"),
    "charity": pgettext_noop("statement", "Charity"),
    "period": pgettext_noop("statement", "Period"),
    "as_of": pgettext_noop("statement", "As of"),
    "time_zone": pgettext_noop("statement", "Time zone"),
    "unfinished": pgettext_noop("statement", "Unfinished"),
    "grows": pgettext_noop("statement", "This period is not over: the figures still grow."),
    "account": pgettext_noop("statement", "From opening to closing"),
    "opening": pgettext_noop("statement", "Opening"),
    "change": pgettext_noop("statement", "Change"),
    "closing": pgettext_noop("statement", "Closing"),
    "pledged": pgettext_noop("statement", "Pledged"),
    "matched": pgettext_noop("statement", "Matched"),
    "held": pgettext_noop("statement", "Held"),
    "left": pgettext_noop("statement", "Left"),
    "called": pgettext_noop("statement", "Called"),
    "received": pgettext_noop("statement", "Received"),
    "left_after": pgettext_noop("statement", "Left at the end"),
    "donations_matched": pgettext_noop("statement", "Gifts matched"),
    "by_day": pgettext_noop("statement", "By day"),
    "by_rule": pgettext_noop("statement", "By rule"),
    "entries": pgettext_noop("statement", "Entries"),
    "number": pgettext_noop("statement", "Number"),
    "day": pgettext_noop("statement", "Day"),
    "time": pgettext_noop("statement", "Time"),
    "what": pgettext_noop("statement", "What"),
    "why": pgettext_noop("statement", "Why"),
    "reference": pgettext_noop("statement", "Reference"),
    "amount": pgettext_noop("statement", "Amount"),
    "total": pgettext_noop("statement", "Total"),
    "nothing": pgettext_noop("statement", "Nothing moved in this period."),
    "definitions": pgettext_noop("statement", "What the words mean"),
    "auditor": pgettext_noop("statement", "For your auditor"),
    "chain": pgettext_noop("statement", "Where the chain of the fund’s entries ends, to compare with any later statement:"),
    "signed": pgettext_noop("statement", "The charity’s signature of these words:"),
    "about": pgettext_noop("statement", "About this file"),
    "summary": pgettext_noop("statement", "Summary"),
    "days": pgettext_noop("statement", "Days"),
    "rules": pgettext_noop("statement", "Rules"),
    "lines": pgettext_noop("statement", "Lines"),
    "trial": pgettext_noop("statement", "Trial"),
    "shares": pgettext_noop("statement", "Shares of the funders"),
    "part": pgettext_noop("statement", "Promised at activation"),
    "other_funders": pgettext_noop("statement", "Other funders together"),
}
_MORE_ENTRIES = pgettext_noop(
    "statement",
    "The period has %(entries)s entries, too many to print. They are all in the CSV, XLSX and JSON of this statement, on the same page as this PDF.",
)
_LISTED = {
    ListingExtent.EXCEPTIONAL: pgettext_noop(
        "statement", "Printed here are calls for funds, payments, changes of the pledge, and what is no longer matched, with its reason."
    ),
    ListingExtent.ACCOUNT: pgettext_noop("statement", "Printed here are calls for funds, payments and changes of the pledge."),
}
_LISTED_TO_CONTRIBUTOR = {
    ListingExtent.EXCEPTIONAL: pgettext_noop(
        "statement", "Printed here are changes of the pledge, and what is no longer matched, with its reason."
    ),
    ListingExtent.ACCOUNT: pgettext_noop("statement", "Printed here are changes of the pledge."),
}
_SHARES = pgettext_noop(
    "statement",
    "Each sum at the closing is shared in proportion to what each funder promised of the pledge when the fund was activated, in whole cents that add up. The lead funder pays the charity for all.",
)
_MORE_SHEETS = pgettext_noop("statement", "A sheet holds 1,048,576 rows: the lines go on in the sheets after it.")
_VERIFY = pgettext_noop(
    "statement",
    "This PDF is signed: a reader of PDFs shows by whom, and whether a byte was changed. The JSON of this statement has each entry with its hash. The page “Statements” of your fund has the program that verifies it, and how; the charity publishes the heads of its chains once a day at %(url)s.",
)
_DEFINITIONS = {
    "pledged": pgettext_noop("statement", "what was promised to match gifts with, in all."),
    "held": pgettext_noop(
        "statement", "reserved for donors who were paying at that moment. It is matched when they have paid, or released."
    ),
    "matched": pgettext_noop("statement", "what goes with gifts that are paid, less what was reversed. It is what the charity calls."),
    "left": pgettext_noop("statement", "the part of the pledge that is neither held nor matched."),
    "called": pgettext_noop(
        "statement", "what the charity has asked the funder to pay of what is matched, less what was cancelled or credited."
    ),
    "received": pgettext_noop("statement", "what the funder has paid towards the pledge, less what was returned."),
    "reference": pgettext_noop(
        "statement", "a random code of the gift, which names nobody, the number of a call, or that of the funder’s payment."
    ),
}
_PLEDGE = pgettext_noop("statement", "Pledge")
_HOLD = pgettext_noop("statement", "Hold")
_RELEASE = pgettext_noop("statement", "Release")
_MATCH = pgettext_noop("statement", "Match")
_REVERSAL = pgettext_noop("statement", "Reversal of a match")
_CALL = pgettext_noop("statement", "Call for funds")
_PAYMENT = pgettext_noop("statement", "Payment")
_LINES: Mapping[LineRule, tuple[str, str]] = {
    LineRule.PLEDGED: (_PLEDGE, pgettext_noop("statement", "the fund began with it")),
    LineRule.RAISED: (_PLEDGE, pgettext_noop("statement", "it was raised")),
    LineRule.HELD: (_HOLD, pgettext_noop("statement", "a donor went to pay")),
    LineRule.RELEASED: (_RELEASE, pgettext_noop("statement", "the payment did not take place as it was begun")),
    LineRule.RELEASED_LATE: (_RELEASE, pgettext_noop("statement", "the payment came after the time that the hold was for")),
    LineRule.MATCHED: (_MATCH, pgettext_noop("statement", "the gift was paid")),
    LineRule.REMATCHED: (_MATCH, pgettext_noop("statement", "money became free for an earlier gift")),
    LineRule.MATCHED_ON_CHANGE: (_MATCH, pgettext_noop("statement", "the fund was opened, resumed or raised, for an earlier gift")),
    LineRule.MATCHED_AGAIN: (_MATCH, pgettext_noop("statement", "a refunded or disputed gift came back")),
    LineRule.REFUNDED: (_REVERSAL, pgettext_noop("statement", "the gift was refunded")),
    LineRule.DISPUTED: (_REVERSAL, pgettext_noop("statement", "the gift was lost in a dispute")),
    LineRule.FELL_THROUGH: (_REVERSAL, pgettext_noop("statement", "the cheque or transfer fell through, or was recorded by mistake")),
    LineRule.REDUCED: (_REVERSAL, pgettext_noop("statement", "the gift became smaller")),
    LineRule.CALLED: (_CALL, pgettext_noop("statement", "the charity asked for what was matched")),
    LineRule.CALL_CANCELLED: (_CALL, pgettext_noop("statement", "it was cancelled")),
    LineRule.CREDITED: (_CALL, pgettext_noop("statement", "credit note: what was called was no longer matched")),
    LineRule.RECEIVED: (_PAYMENT, pgettext_noop("statement", "received from the funder")),
    LineRule.RETURNED: (_PAYMENT, pgettext_noop("statement", "returned to the funder")),
    LineRule.CORRECTED: (_PAYMENT, pgettext_noop("statement", "taken out: it was recorded by mistake")),
    LineRule.RETURN_UNDONE: (_PAYMENT, pgettext_noop("statement", "counted again: its return was recorded by mistake")),
}
_WEEK = pgettext_noop("statement", "Week from %(first)s to %(last)s")
_QUARTER = pgettext_noop("statement", "Quarter %(number)s of %(year)s")
_TO_DAY = pgettext_noop("statement", "From the beginning to the end of %(day)s")
_TO_MOMENT = pgettext_noop("statement", "From the beginning to the moment of this statement")


def _word(message: str, language: str, **values: object) -> str:
    translated = translator(language).pgettext("statement", message)
    return translated % values if values else translated


def statement_labels(language: str) -> dict[str, str]:
    """Return the labels of a funder's statement by key."""
    return {key: _word(message, language) for key, message in _LABELS.items()}


def line_words(rule: LineRule, language: str) -> tuple[str, str]:
    """What a line of this rule is, and why it is there."""
    what, why = _LINES[rule]
    return _word(what, language), _word(why, language)


def definitions(language: str, accounts: Collection[str]) -> list[tuple[str, str]]:
    """The words of a statement with these balances, each with what it means."""
    labels = statement_labels(language)
    return [(labels[key], _word(message, language)) for key, message in _DEFINITIONS.items() if key in {*accounts, "reference"}]


def describe_shares(language: str) -> str:
    """How the sums are shared among several funders."""
    return _word(_SHARES, language)


def describe_period(period: StatementPeriod, language: str) -> str:
    """The period in words."""
    match period.kind:
        case PeriodKind.WEEK if period.first_on and period.last_on:
            days = {"first": period.first_on, "last": period.last_on}
            return _word(_WEEK, language, **{name: format_day(day, language) for name, day in days.items()})
        case PeriodKind.MONTH if period.first_on:
            text = format_month(period.first_on, language)
            return text[:1].upper() + text[1:]
        case PeriodKind.QUARTER if period.last_on:
            number = period.last_on.month // MONTHS_OF_QUARTER
            return _word(_QUARTER, language, number=number, year=period.last_on.year)
        case PeriodKind.TO_DAY if period.last_on:
            return _word(_TO_DAY, language, day=format_day(period.last_on, language))
        case _:
            return _word(_TO_MOMENT, language)


def describe_more_entries(entries: str, extent: ListingExtent, language: str, *, is_contributor: bool = False) -> str:
    """That a PDF does not list so many entries, where they are, and which it lists; empty where it lists all."""
    if extent is ListingExtent.ALL:
        return ""
    return f"{_word(_MORE_ENTRIES, language, entries=entries)} {_word((_LISTED_TO_CONTRIBUTOR if is_contributor else _LISTED)[extent], language)}"


def describe_more_sheets(language: str) -> str:
    """That the lines of a workbook need more than one sheet."""
    return _word(_MORE_SHEETS, language)


def describe_verification(url: str, language: str) -> str:
    """How an auditor verifies a statement; `url` is that of the published heads."""
    return _word(_VERIFY, language, url=url)
