"""What a preview of a campaign's page says to the member of staff who opened it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PreviewNotice:
    """The words, in the language of the member, which may not be that of the page."""

    label: str
    text: str
    language: str
