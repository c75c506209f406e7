"""Reads the pictures that receipts print, and makes those that pages show, with Pillow.

Official receipts may bear a facsimile signature (Income Tax Regulations, s. 3501(3)), and the image of a signature is one (CRA, CPS-014,
"Computer-generated official donation receipts", paragraphs 5 to 7). A receipt whose picture shows nothing is not signed.
"""

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps, ImageStat

from campaign.rules.pictures import (
    LEAST_HEIGHT,
    LEAST_LOGO_HEIGHT,
    LEAST_LOGO_WIDTH,
    LEAST_PAGE_HEIGHT,
    LEAST_PAGE_WIDTH,
    LEAST_PORTRAIT_SIDE,
    LEAST_WIDTH,
    MAX_BYTES,
    MAX_PIXELS,
    MOST_LOGO_BYTES,
    MOST_LOGO_HEIGHT,
    MOST_LOGO_PIXELS,
    MOST_LOGO_WIDTH,
    MOST_PAGE_HEIGHT,
    MOST_PAGE_WIDTH,
    MOST_PORTRAIT_SIDE,
    MOST_UPLOADED_BYTES,
    MOST_UPLOADED_PIXELS,
    PictureFlaw,
)

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


class UnusablePicture(Exception):
    """The upload cannot be shown, because of `flaw`."""

    def __init__(self, flaw: PictureFlaw) -> None:
        super().__init__(flaw)
        self.flaw = flaw


@dataclass(frozen=True, kw_only=True)
class PagePicture:
    """A picture as pages show it: a JPEG without anything that the camera wrote into it, such as the place."""

    jpeg: bytes
    width: int
    height: int


def page_picture(upload: bytes) -> PagePicture:
    """The uploaded photograph, upright and no larger than pages show it. Raises UnusablePicture."""
    upright = _upright(
        upload,
        formats=["JPEG", "PNG", "WEBP"],
        most_bytes=MOST_UPLOADED_BYTES,
        most_pixels=MOST_UPLOADED_PIXELS,
        shown=(MOST_PAGE_WIDTH, MOST_PAGE_HEIGHT),
    )
    if upright.width < LEAST_PAGE_WIDTH or upright.height < LEAST_PAGE_HEIGHT:
        raise UnusablePicture(PictureFlaw.TOO_SMALL)
    upright.thumbnail((MOST_PAGE_WIDTH, MOST_PAGE_HEIGHT))
    return _as_jpeg(upright)


def portrait(upload: bytes) -> PagePicture:
    """The uploaded photograph, upright and cut to a square about where faces are. Raises UnusablePicture."""
    upright = _upright(
        upload,
        formats=["JPEG", "PNG"],
        most_bytes=MOST_UPLOADED_BYTES,
        most_pixels=MOST_UPLOADED_PIXELS,
        shown=(2 * MOST_PORTRAIT_SIDE, 2 * MOST_PORTRAIT_SIDE),
    )
    side = min(upright.width, upright.height, MOST_PORTRAIT_SIDE)
    if side < LEAST_PORTRAIT_SIDE:
        raise UnusablePicture(PictureFlaw.TOO_SMALL)
    return _as_jpeg(ImageOps.fit(upright, (side, side), centering=(0.5, 0.4)))


def _as_jpeg(picture: Image.Image) -> PagePicture:
    shown = Image.alpha_composite(Image.new("RGBA", picture.size, PRINTED_ON), picture).convert("RGB")
    saved = BytesIO()
    shown.save(saved, "JPEG", quality=82, optimize=True, progressive=True)
    return PagePicture(jpeg=saved.getvalue(), width=shown.width, height=shown.height)


@dataclass(frozen=True, kw_only=True)
class LogoPicture:
    """A logo as pages show it: a PNG that may be transparent, with nothing in it but the picture."""

    png: bytes
    width: int
    height: int


def page_logo(upload: bytes) -> LogoPicture:
    """The uploaded logo without its transparent margins, no larger than pages show it. Raises UnusablePicture."""
    upright = _upright(
        upload,
        formats=["PNG", "JPEG"],
        most_bytes=MOST_LOGO_BYTES,
        most_pixels=MOST_LOGO_PIXELS,
        shown=(MOST_LOGO_WIDTH, MOST_LOGO_HEIGHT),
    )
    if _is_blank(upright):
        raise UnusablePicture(PictureFlaw.BLANK)
    upright = upright.crop(upright.getbbox())
    if upright.width < LEAST_LOGO_WIDTH or upright.height < LEAST_LOGO_HEIGHT:
        raise UnusablePicture(PictureFlaw.TOO_SMALL)
    upright.thumbnail((MOST_LOGO_WIDTH, MOST_LOGO_HEIGHT))
    if upright.height < LEAST_LOGO_HEIGHT:  # It is so wide that nothing would be seen of it.
        raise UnusablePicture(PictureFlaw.TOO_SMALL)
    bare = Image.alpha_composite(Image.new("RGBA", upright.size), upright)
    saved = BytesIO()
    bare.save(saved, "PNG", optimize=True)
    return LogoPicture(png=saved.getvalue(), width=bare.width, height=bare.height)


def _upright(upload: bytes, *, formats: list[str], most_bytes: int, most_pixels: int, shown: tuple[int, int]) -> Image.Image:
    """The picture as it is seen, decoded. Raises UnusablePicture."""
    if len(upload) > most_bytes:
        raise UnusablePicture(PictureFlaw.TOO_LARGE)
    try:
        opened = Image.open(BytesIO(upload), formats=formats)
        if opened.width * opened.height > most_pixels:
            raise UnusablePicture(PictureFlaw.TOO_LARGE)
        # A telephone adds pictures of depth or brightness to a photograph: the first one is the photograph.
        if getattr(opened, "is_animated", False) and opened.format != "MPO":
            raise UnusablePicture(PictureFlaw.ANIMATED)
        opened.draft("RGB", shown)  # A large JPEG is decoded at a part of its size.
        return _with_alpha(ImageOps.exif_transpose(opened))
    except _BROKEN:
        raise UnusablePicture(PictureFlaw.UNREADABLE) from None


def _open(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png), formats=["PNG"])


def _is_blank(picture: Image.Image) -> bool:
    """Whether nothing of it is seen on white paper: it is transparent, white on transparent, of one colour, or pale."""
    paper = Image.new("RGBA", picture.size, PRINTED_ON)
    printed = Image.alpha_composite(paper, _with_alpha(picture)).convert("RGB")
    return all(lightest - darkest < LEAST_CONTRAST for darkest, lightest in ImageStat.Stat(printed).extrema)


def _with_alpha(picture: Image.Image) -> Image.Image:
    # Pillow cuts off grey of 16 bits above 255 instead of scaling it.
    scaled = picture.convert("I").point(lambda grey: grey * (1 / 257)) if picture.mode.startswith("I") else picture
    return scaled.convert("RGBA")
