"""What a picture of a signature or logo must be, and why one is refused (edges/pictures.py)."""

from enum import StrEnum

MAX_BYTES = 200 * 1024
MAX_PIXELS = 4_000_000
# About 100 dots per inch at the height at which receipts print it.
LEAST_WIDTH, LEAST_HEIGHT = 100, 50


class PictureFlaw(StrEnum):
    """Why a picture cannot be printed on receipts."""

    TOO_LARGE = "too large"
    UNREADABLE = "unreadable"
    TOO_SMALL = "too small"
    BLANK = "blank"
    ANIMATED = "animated"
