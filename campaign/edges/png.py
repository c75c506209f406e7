"""Draws pictures from typst templates and plain data, as PNG. Text entered by people is data to the template, never markup."""

import json
from functools import lru_cache
from pathlib import Path

import typst

from campaign.edges.pdf import FONT_FAMILIES, RenderingFailed, extra_fonts, needs_extra_fonts

# A point of the template is a pixel.
PIXELS_PER_INCH = 72


@lru_cache(64)
def draw(template: Path, data: str) -> bytes:
    """Draw the first page of the template with these data, which are JSON. Raises RenderingFailed.

    The same data are drawn once by a process, while it has not drawn many others since.
    """
    try:
        picture = typst.compile(
            template,
            root=template.parent,
            sys_inputs={"data": data, "fonts": json.dumps(FONT_FAMILIES)},
            ignore_system_fonts=True,
            font_paths=extra_fonts() if needs_extra_fonts(data) else [],
            format="png",
            ppi=PIXELS_PER_INCH,
        )
    except Exception as error:
        raise RenderingFailed(str(error)) from error
    assert isinstance(picture, bytes)
    return picture
