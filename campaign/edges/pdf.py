"""Renders PDFs from typst templates and plain data. Text entered by people is data to the template, never markup."""

import json
import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import segno
import typst

FONTS = Path(__file__).resolve().parent / "fonts"
# Where a character is looked for, in this order. The first is built in.
FONT_FAMILIES = (
    *("Libertinus Serif", "Noto Sans CJK TC", "Noto Naskh Arabic", "Noto Sans Hebrew", "Noto Sans Armenian", "Noto Sans Georgian"),
    *("Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Gurmukhi", "Noto Sans Gujarati", "Noto Sans Tamil", "Noto Sans Telugu"),
    *("Noto Sans Kannada", "Noto Sans Malayalam", "Noto Sans Sinhala", "Noto Sans Thai", "Noto Sans Lao", "Noto Sans Khmer"),
    *("Noto Sans Myanmar", "Noto Sans Ethiopic", "Noto Sans CanAborig", "Noto Sans Canadian Aboriginal"),
)
# Characters of this range that are not control characters are in the built-in font; a test prints all of them.
LAST_OF_LATIN = "\u024f"
# These and the punctuation of our texts are.
NOT_CERTAINLY_BUILT_IN = re.compile("[^\\s!-~\u00a1-\u024f\u2010-\u2015\u2018-\u201e\u2020-\u2022\u2026\u2039\u203a\u20ac\u2122]")
VARIATION_SELECTORS = "\ufe0e\ufe0f"  # They follow an emoji.
LINE_BREAKS = re.compile(r"[ \t\n\r\f\v\u0085\u2028\u2029]+")
TRIAL = b"""
#set document(title: "x")
#set text(font: json(bytes(sys.inputs.fonts)), fallback: false)
#json(bytes(sys.inputs.data))
"""
NOT_DISPLAYED = re.compile(r'the text `"(.+?)"` could not be displayed')
ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")
QUIET_ZONE = 2
# Pale enough to read through, in colour and in grey.
WATERMARK = b"""
#set page(width: auto, height: auto, margin: 0pt, fill: none)
#set text(size: 72pt, weight: "bold", fill: rgb("#f6e2d3"), top-edge: "bounds", bottom-edge: "bounds", fallback: false)
#sys.inputs.text
"""


class RenderingFailed(Exception):
    """typst could not render the template with these data."""


def render(template: Path, data: dict[str, Any], *, at: datetime) -> bytes:
    """Render a tagged, archivable PDF (PDF/A-2a and PDF/UA-1). Raises RenderingFailed.

    The same template, data and moment give the same bytes. The standards forbid a character without a glyph. The built-in fonts cover
    European scripts; the large fonts for other scripts are loaded only for a document that needs them.
    """
    try:
        return _compile(template, data, at, [])
    except RenderingFailed:
        return _compile(template, data, at, extra_fonts())


def first_unprintable(*texts: str) -> str:
    """The first characters, usually one, that no font of the documents has; empty when all texts can be printed."""
    return _first_unprintable("\n".join(text for text in texts if not _is_latin(text)))


def printable(text: str) -> str:
    """The text on one line, without the characters that no font of the documents has, such as emoji."""
    while unknown := first_unprintable(*needs_extra_fonts(text)):
        text = re.sub(f"[{re.escape(unknown)}{VARIATION_SELECTORS}]", "", text)
    return LINE_BREAKS.sub(" ", text).strip()


def needs_extra_fonts(text: str) -> list[str]:
    """The characters of the text of which it is not certain that the built-in fonts have them."""
    return sorted(set(NOT_CERTAINLY_BUILT_IN.findall(text)))


def _is_latin(text: str) -> bool:
    return text.isprintable() and all(c <= LAST_OF_LATIN for c in text)


@lru_cache(1000)
def _first_unprintable(text: str) -> str:
    if not text:
        return ""
    try:
        _compile(TRIAL, text, datetime.fromtimestamp(0, UTC), extra_fonts())
    except RenderingFailed as error:
        named = NOT_DISPLAYED.search(str(error))
        return ESCAPED.sub(lambda code: chr(int(code[1], 16)), named[1]) if named else text
    return ""


def _compile(template: Path | bytes, data: object, at: datetime, font_paths: list[Path]) -> bytes:
    try:
        document = typst.compile(  # type: ignore[misc]  # its stubs do not know that either kind of input is one
            template,
            root=template.parent if isinstance(template, Path) else None,
            sys_inputs={"data": json.dumps(data, ensure_ascii=False), "fonts": json.dumps(FONT_FAMILIES)},
            ignore_system_fonts=True,
            font_paths=font_paths,
            pdf_standards=["a-2a", "ua-1"],
            timestamp=int(at.timestamp()),
        )
    except Exception as error:
        raise RenderingFailed(str(error)) from error
    assert isinstance(document, bytes)
    return document


@cache
def extra_fonts() -> list[Path]:
    """Directories of the fonts for other scripts: our own, and the package with Chinese, Japanese and Korean characters."""
    package = find_spec("cvttf_NotoSansCJK_Regular")
    assert package and package.origin
    return [FONTS, Path(package.origin).parent]


@lru_cache(100)
def outlines(text: str) -> str:
    """Return the pale outlines of this text as SVG, for a watermark that readers of text do not find among the words of a page."""
    svg = typst.compile(WATERMARK, format="svg", sys_inputs={"text": text}, ignore_system_fonts=True)
    assert isinstance(svg, bytes)
    return svg.decode()


def qr_code(text: str) -> str:
    """Return a QR code as SVG, for a template to show as an image.

    The mask is fixed: choosing the best of eight takes most of the time, and scanners do not need it.
    """
    rows = segno.make(text, error="m", boost_error=False, mask=2).matrix
    side = len(rows) + 2 * QUIET_ZONE
    runs = "".join(_runs(row, y + QUIET_ZONE) for y, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}"><path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path d="{runs}"/></svg>'
    )


def _runs(row: bytearray | tuple[int, ...], y: int) -> str:
    """Return the dark runs of one row as SVG path commands."""
    parts, start = [], None
    for x, is_dark in enumerate([*row, 0]):
        if is_dark and start is None:
            start = x
        elif not is_dark and start is not None:
            parts.append(f"M{start + QUIET_ZONE} {y}h{x - start}v1H{start + QUIET_ZONE}z")
            start = None
    return "".join(parts)
