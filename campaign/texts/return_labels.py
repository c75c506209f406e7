"""What the lines of the charity's returns ask for, and the names of the forms, by version (rules/return_lines.py)."""

from campaign.rules.return_lines import Form, FormVersion, ReturnLine
from campaign.texts.catalogue import pgettext_noop, translator

CONTEXT = "return"
_TITLES = {
    Form.T3010: pgettext_noop("return", "T3010, Registered Charity Information Return"),
    Form.TP_985_22: pgettext_noop("return", "TP-985.22, Information Return for Registered Charities and Other Donees"),
}
_T3010 = {
    "4490": pgettext_noop("return", "Did the charity issue tax receipts for gifts?"),
    "4500": pgettext_noop("return", "Eligible amount of all gifts for which tax receipts were or will be issued"),
    "4510": pgettext_noop("return", "Received from other registered charities"),
    "4530": pgettext_noop("return", "Other gifts without a tax receipt (without lines 4575 and 4630)"),
    "4571": pgettext_noop("return", "Tax-receipted revenue from outside Canada (part of line 4500)"),
    "4575": pgettext_noop("return", "Revenue from outside Canada without a tax receipt"),
}
_LINES = {
    (Form.T3010, "23"): _T3010,
    (Form.T3010, "24"): _T3010,
    (Form.TP_985_22, "2023-10"): {
        "12": pgettext_noop("return", "Eligible amount of gifts with official receipts"),
        "13": pgettext_noop("return", "Gifts from other organizations with the same tax status"),
        "14": pgettext_noop("return", "Other gifts without an official receipt"),
        "16": pgettext_noop("return", "Revenue from sources outside Canada"),
    },
}


# Where on the form its lines are.
_PLACES = {
    Form.T3010: pgettext_noop(
        "return",
        "Line 4490 is in Section D alone. The other lines are in Section D and in Schedule 6. Schedule 6 is used instead of Section D when revenue "
        "exceeds $100,000, property that is not used in charitable activities exceeds $25,000, or the charity has permission to accumulate funds.",
    ),
    Form.TP_985_22: pgettext_noop("return", "The lines are in section 2.1 of the form."),
}


def form_title(form: Form, language: str) -> str:
    """The number and the name of the form."""
    return translator(language).pgettext(CONTEXT, _TITLES[form])


def form_number(form: Form) -> str:
    """The number of the form."""
    return _TITLES[form].partition(",")[0]


def places_of_lines(form: Form, language: str) -> str:
    """In which parts of the form its lines are."""
    return translator(language).pgettext(CONTEXT, _PLACES[form])


def line_label(version: FormVersion, line: ReturnLine, language: str) -> str:
    """What the line asks for."""
    return translator(language).pgettext(CONTEXT, _LINES[version.form, version.version][line.number])
