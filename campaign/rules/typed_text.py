"""Text as people type and paste it: cleaned of what nobody sees, and checked for characters that no name, page or email can carry.

Every genuine letter is kept, in Unicode's normal form NFC. Whether a receipt can print it is a question to its fonts (edges/pdf.py).
"""

import unicodedata

BIDI_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNREADABLE = "\ufffd"
# Zero width non-joiner and joiner: they shape the letters around them in Persian and in Indic scripts, and are invisible elsewhere.
JOINERS = frozenset("\u200c\u200d")
# Unicode's Default_Ignorable_Code_Point without bidirectional overrides, which are refused, and joiners.
_INVISIBLE = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200B)),
    *((0x200E, 0x200F), (0x2060, 0x2065), (0x206A, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0)),
    *((0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE00FF), (0xE01F0, 0xE0FFF)),
)
# Of a Chinese character, a selector chooses one of its forms: some Japanese names need it.
_FORM_SELECTORS = range(0xE0100, 0xE01F0)
_FIRST_CHINESE = "\u2e80"
_VIRAMA, _ARABIC = 9, "AL"
_COLOUR_SELECTOR = 0xFE0F
_NOTHING_INVISIBLE = {code: None for first, last in _INVISIBLE for code in range(first, last + 1)}
_NOTHING_INVISIBLE_BUT_COLOURS = {code: None for code in _NOTHING_INVISIBLE if code != _COLOUR_SELECTOR}
_SEPARATORS_AS_SPACES = {0x2028: " ", 0x2029: " "}
_SEPARATORS_AS_LINE_ENDS = {0x2028: "\n", 0x2029: "\n"}
_PICTOGRAMS = ("\U0001f000", "\U0001ffff")


def clean(text: str | None) -> str:
    """One line, in NFC: without invisible characters, with plain spaces, and without spaces around it. Line ends are refused later."""
    text = text or ""
    if text.isascii():
        return text.strip(" ")
    visible = _with_plain_spaces(text.translate(_NOTHING_INVISIBLE).translate(_SEPARATORS_AS_SPACES))
    meant = "".join(c for place, c in enumerate(visible) if not _is_stray(visible, place))
    return unicodedata.normalize("NFC", meant.strip(" "))


def clean_lines(text: str | None) -> str:
    """As `clean`, for text of several lines, with one kind of line end. What emoji are joined and coloured with is kept."""
    text = (text or "").replace("\r\n", "\n").replace("\r", "\n")
    visible = _with_plain_spaces(text.translate(_NOTHING_INVISIBLE_BUT_COLOURS).translate(_SEPARATORS_AS_LINE_ENDS))
    return unicodedata.normalize("NFC", visible.strip("\n "))


def _with_plain_spaces(text: str) -> str:
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)


def _is_stray(text: str, place: int) -> bool:
    """Whether a joiner or a form selector is where it changes nothing (as RFC 5892, appendix A.1, has it for joiners)."""
    c, before, after = text[place], text[place - 1 : place], text[place + 1 : place + 2]
    if ord(c) in _FORM_SELECTORS:
        return before < _FIRST_CHINESE
    if c not in JOINERS:
        return False
    joins_arabic = before and after and unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == _ARABIC
    return not joins_arabic and not (before and unicodedata.combining(before) == _VIRAMA)


def has_words(text: str) -> bool:
    """Whether there is something to read in it: a letter or a digit of any script, not marks and blanks alone.

    A forbidden character counts, for the check that names it.
    """
    return any(c.isalnum() or _is_forbidden(c) or _is_pictogram(c) for c in text)


def first_forbidden(text: str, *, has_lines: bool = False) -> str:
    """The first character that is never part of a text: a control character, an override of direction, broken UTF-8, an emoji in one line.

    Empty when there is none.
    """
    allowed = "\n\t" if has_lines else ""
    return next((c for c in text if c not in allowed and (_is_forbidden(c) or (not has_lines and _is_pictogram(c)))), "")


def _is_forbidden(c: str) -> bool:
    return c == UNREADABLE or c in BIDI_OVERRIDES or unicodedata.category(c) in {"Cc", "Cn", "Co", "Cs"}


def _is_pictogram(c: str) -> bool:
    return _PICTOGRAMS[0] <= c <= _PICTOGRAMS[1]


def code_points(text: str) -> str:
    """`U+2764`, or several of these."""
    return " ".join(f"U+{ord(c):04X}" for c in text)


def is_visible(text: str) -> bool:
    """Whether a message can show the characters; otherwise it names their code points alone."""
    return not any(_is_forbidden(c) or unicodedata.category(c)[0] in {"C", "Z"} for c in text)
