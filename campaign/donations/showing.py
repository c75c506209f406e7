"""What members of staff decide about showing something of a gift to others, to whom its donor agreed."""

from enum import StrEnum


class Decision(StrEnum):
    """What a member of staff said. Nobody has decided yet where there is none."""

    AGREED = "agreed"
    REFUSED = "refused"
