"""The spaces of French typography, which forms and people lose: no line ends before a colon, a unit or within a number (OQLF)."""

import re

NO_BREAK = "\u00a0"
_RULES = (
    (re.compile(r"(?<=\d) (?=\d{3}(?!\d))"), NO_BREAK),  # 50 000
    (re.compile(r"(?<=\d) (?=(?:\$|%|h\b|M\$))"), NO_BREAK),  # 50 $, 14 h
    (re.compile(r" (?=[:»])"), NO_BREAK),
    (re.compile(r"(?<=«) "), NO_BREAK),
)


def with_no_break_spaces(text: str) -> str:
    """The French text with a no-break space in place of each plain one that must not break."""
    for pattern, space in _RULES:
        text = pattern.sub(space, text)
    return text
