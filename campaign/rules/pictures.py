"""What a picture of a signature or logo, or of a campaign's page, must be, and why one is refused (edges/pictures.py)."""

from enum import StrEnum

MAX_BYTES = 200 * 1024
MAX_PIXELS = 4_000_000
# About 100 dots per inch at the height at which receipts print it.
LEAST_WIDTH, LEAST_HEIGHT = 100, 50

# Of a campaign's page. A telephone takes photographs of 50 megapixels.
MOST_UPLOADED_BYTES, MOST_UPLOADED_PIXELS = 7 * 1024 * 1024, 60_000_000
LEAST_PAGE_WIDTH, LEAST_PAGE_HEIGHT = 600, 300
MOST_PAGE_WIDTH, MOST_PAGE_HEIGHT = 1400, 1400


class PictureFlaw(StrEnum):
    """Why a picture cannot be printed on receipts, or shown."""

    TOO_LARGE = "too large"
    UNREADABLE = "unreadable"
    TOO_SMALL = "too small"
    BLANK = "blank"
    ANIMATED = "animated"
