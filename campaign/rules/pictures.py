"""What a picture of a signature or logo, or of a page, must be, and why one is refused (edges/pictures.py)."""

from enum import StrEnum

MAX_BYTES = 200 * 1024
MAX_PIXELS = 4_000_000
# About 100 dots per inch at the height at which receipts print it.
LEAST_WIDTH, LEAST_HEIGHT = 100, 50

# Of a campaign's page. A telephone takes photographs of 50 megapixels.
MOST_UPLOADED_BYTES, MOST_UPLOADED_PIXELS = 7 * 1024 * 1024, 60_000_000
LEAST_PAGE_WIDTH, LEAST_PAGE_HEIGHT = 600, 300
MOST_PAGE_WIDTH, MOST_PAGE_HEIGHT = 1400, 1400

# Of the logo at the head of pages, which is at most 40 pixels high there, or 80 on a fine screen.
MOST_LOGO_BYTES, MOST_LOGO_PIXELS = 2 * 1024 * 1024, 20_000_000
LEAST_LOGO_WIDTH, LEAST_LOGO_HEIGHT = 40, 40
MOST_LOGO_WIDTH, MOST_LOGO_HEIGHT = 600, 200
SHOWN_LOGO_WIDTH, SHOWN_LOGO_HEIGHT = 240, 40

# Of the people behind a fund: a square, 112 pixels wide on pages, or 336 on the finest screens.
LEAST_PORTRAIT_SIDE, MOST_PORTRAIT_SIDE = 200, 400


def shown_size(width: int, height: int) -> tuple[int, int]:
    """The width and height at which a page shows a logo of this size: as large as fits, and never larger than it is."""
    part = min(1, SHOWN_LOGO_WIDTH / width, SHOWN_LOGO_HEIGHT / height)
    return max(1, round(width * part)), max(1, round(height * part))


class PictureFlaw(StrEnum):
    """Why a picture cannot be printed on receipts, or shown."""

    TOO_LARGE = "too large"
    UNREADABLE = "unreadable"
    TOO_SMALL = "too small"
    BLANK = "blank"
    ANIMATED = "animated"
