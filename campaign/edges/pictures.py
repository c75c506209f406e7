"""Reads the pictures that receipts print, with Pillow.

Official receipts may bear a facsimile signature (Income Tax Regulations, s. 3501(3)), and the image of a signature is one (CRA, CPS-014,
"Computer-generated official donation receipts", paragraphs 5 to 7). A receipt whose picture shows nothing is not signed.
"""

import struct
import zlib
from io import BytesIO

from PIL import Image, ImageStat

from campaign.rules.pictures import LEAST_HEIGHT, LEAST_WIDTH, MAX_BYTES, MAX_PIXELS, PictureFlaw

PRINTED_ON = "white"
# Of 255 steps between black and white: less is not seen on paper.
LEAST_CONTRAST = 48

# What Pillow raises for a file that is no PNG, broken, truncated, or larger when decoded than its limits, which stay on.
_BROKEN = (OSError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning)


def flaw_of(png: bytes) -> PictureFlaw | None:
    """What is wrong with the picture; None for a still PNG that decodes completely, is large enough, and shows something on white paper."""
    if len(png) > MAX_BYTES:
        return PictureFlaw.TOO_LARGE
    try:
        _open(png).verify()  # Reads all chunks to the last, with their checksums.
        picture = _open(png)
        if picture.width * picture.height > MAX_PIXELS:
            return PictureFlaw.TOO_LARGE
        if picture.width < LEAST_WIDTH or picture.height < LEAST_HEIGHT:
            return PictureFlaw.TOO_SMALL
        if getattr(picture, "is_animated", False):
            return PictureFlaw.ANIMATED
        return PictureFlaw.BLANK if _is_blank(picture) else None
    except _BROKEN:
        return PictureFlaw.UNREADABLE


def _open(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png), formats=["PNG"])


def _is_blank(picture: Image.Image) -> bool:
    """Whether nothing of it is seen on white paper: it is transparent, white on transparent, of one colour, or pale."""
    # Pillow cuts off grey of 16 bits above 255 instead of scaling it.
    with_alpha = (picture.convert("I").point(lambda grey: grey * (1 / 257)) if picture.mode.startswith("I") else picture).convert("RGBA")
    paper = Image.new("RGBA", with_alpha.size, PRINTED_ON)
    printed = Image.alpha_composite(paper, with_alpha).convert("RGB")
    return all(lightest - darkest < LEAST_CONTRAST for darkest, lightest in ImageStat.Stat(printed).extrema)
