"""PDF from a typst template and plain data. Text from people is data to the template, never markup."""

import json
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import segno
import typst

FONTS = Path(__file__).resolve().parent / "fonts"
QUIET = 2


class NotRendered(Exception):
    """The template and the data did not make a document."""


def render(template: Path, data: dict[str, Any], *, at: datetime) -> bytes:
    """A tagged, archivable PDF (PDF/A-2a and PDF/UA-1); the same template, data and moment make the same bytes. Raises NotRendered.

    The standards refuse a letter without a shape. The built-in fonts have the shapes of Europe; only a document that needs more pays for
    opening the others.
    """
    try:
        return _compiled(template, data, at, [])
    except NotRendered:
        return _compiled(template, data, at, _more_letters())


def _compiled(template: Path, data: dict[str, Any], at: datetime, font_paths: list[Path]) -> bytes:
    try:
        document = typst.compile(
            template,
            root=template.parent,
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            ignore_system_fonts=True,
            font_paths=font_paths,
            pdf_standards=["a-2a", "ua-1"],
            timestamp=int(at.timestamp()),
        )
    except Exception as error:
        raise NotRendered(str(error)) from error
    assert isinstance(document, bytes)
    return document


@cache
def _more_letters() -> list[Path]:
    """Where the fonts of other scripts are: ours, and the large one with Chinese, Japanese and Korean letters, which is a package."""
    found = find_spec("cvttf_NotoSansCJK_Regular")
    assert found and found.origin
    return [FONTS, Path(found.origin).parent]


def qr_code(text: str) -> str:
    """A QR code as SVG, for a template to show as an image.

    One mask for all: choosing the best of eight takes most of the time, and readers need none.
    """
    rows = segno.make(text, error="m", boost_error=False, mask=2).matrix
    side = len(rows) + 2 * QUIET
    runs = "".join(_runs(row, y + QUIET) for y, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}"><path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path d="{runs}"/></svg>'
    )


def _runs(row: bytearray | tuple[int, ...], y: int) -> str:
    """The dark stretches of one row as parts of a path."""
    parts, start = [], None
    for x, is_dark in enumerate([*row, 0]):
        if is_dark and start is None:
            start = x
        elif not is_dark and start is not None:
            parts.append(f"M{start + QUIET} {y}h{x - start}v1H{start + QUIET}z")
            start = None
    return "".join(parts)
