"""PDF from a typst template and plain data. Text from people is data to the template, never markup."""

import json
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typst


class NotRendered(Exception):
    """The template and the data did not make a document."""


def render(template: Path, data: dict[str, Any], *, at: datetime) -> bytes:
    """A tagged, archivable PDF; the same template, data and moment make the same bytes. Raises NotRendered.

    The standards refuse a letter without a shape. The built-in fonts have the shapes of Europe; only a document that needs more pays for
    opening the large font.
    """
    try:
        return _compiled(template, data, at, [])
    except NotRendered:
        return _compiled(template, data, at, [_more_letters()])


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


def _more_letters() -> Path:
    """Where the font with Chinese, Japanese and Korean letters is installed."""
    found = find_spec("cvttf_NotoSansCJK_Regular")
    assert found and found.origin
    return Path(found.origin).parent
