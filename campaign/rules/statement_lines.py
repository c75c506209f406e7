"""What a line of a funder's statement is, and why it is there: the rules by which a fund's money moves, as far as a funder sees them. Pure."""

from enum import StrEnum


class ListingExtent(StrEnum):
    """Which entries of a period a printed statement lists: ALL; those that are no hold and no match; or calls, payments and terms alone."""

    ALL = "all"
    EXCEPTIONAL = "exceptional"
    ACCOUNT = "account"


class LineRule(StrEnum):
    """Why an entry of a fund was posted. Its words are in texts/statement_words.py."""

    PLEDGED = "pledged"
    RAISED = "raised"
    HELD = "held"
    RELEASED = "released"
    RELEASED_LATE = "released_late"
    MATCHED = "matched"
    REMATCHED = "rematched"
    MATCHED_ON_CHANGE = "matched_on_change"
    MATCHED_AGAIN = "matched_again"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    FELL_THROUGH = "fell_through"
    REDUCED = "reduced"
    CALLED = "called"
    CALL_CANCELLED = "call_cancelled"
    CREDITED = "credited"
    RECEIVED = "received"
    RETURNED = "returned"
    CORRECTED = "corrected"
    RETURN_UNDONE = "return_undone"


# What is between the charity and the lead funder: contributors see nothing of it.
OF_LEAD_ALONE = frozenset(
    {
        *(LineRule.CALLED, LineRule.CALL_CANCELLED, LineRule.CREDITED),
        *(LineRule.RECEIVED, LineRule.RETURNED, LineRule.CORRECTED, LineRule.RETURN_UNDONE),
    }
)
