"""Why an uploaded picture cannot be shown on pages, in words for the member of staff who chose it."""

from dataclasses import dataclass

from flask_babel import gettext

from campaign.rules.pictures import PictureFlaw

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class PictureLimits:
    """How large a picture may be as a file, in bytes, and the least that it measures, in pixels."""

    most_bytes: int
    least_width: int
    least_height: int

    @property
    def megabytes(self) -> int:
        """The largest file, in whole megabytes."""
        return self.most_bytes // MEGABYTE


def describe_flaw(flaw: PictureFlaw, limits: PictureLimits, *, unreadable: str) -> str:
    """What is wrong with the picture; `unreadable` names the formats that can be read."""
    match flaw:
        case PictureFlaw.TOO_LARGE:
            return gettext("This picture is too large. Please choose one of at most %(megabytes)s MB.", megabytes=limits.megabytes)
        case PictureFlaw.TOO_SMALL:
            return gettext(
                "This picture is too small. It needs at least %(width)s by %(height)s pixels.",
                width=limits.least_width,
                height=limits.least_height,
            )
        case PictureFlaw.ANIMATED:
            return gettext("This picture moves. Please choose a still one.")
        case PictureFlaw.BLANK:
            return gettext("This picture shows nothing on a light background. Please choose one in darker colours.")
        case PictureFlaw.UNREADABLE:
            return unreadable
