"""PDF from a typst template and plain data. Text from people is data to the template, never markup."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import typst


class NotRendered(Exception):
    """The template and the data did not make a document."""


def render(template: Path, data: dict[str, Any], *, at: datetime) -> bytes:
    """A tagged, archivable PDF; the same template, data and moment make the same bytes."""
    try:
        document = typst.compile(
            template,
            root=template.parent,
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            ignore_system_fonts=True,
            pdf_standards=["a-2a", "ua-1"],
            timestamp=int(at.timestamp()),
        )
    except Exception as error:
        raise NotRendered(str(error)) from error
    assert isinstance(document, bytes)
    return document
