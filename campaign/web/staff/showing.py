"""The decision of a member of staff about showing something of a gift, as a form posts it."""

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from campaign.donations.showing import Decision

UNDECIDED = "open"


def posted_decision() -> Decision | None:
    """The decision, None to take one back. Responds 400 to anything else."""
    named = request.form.get("decision", "")
    if named not in {*Decision, UNDECIDED}:
        abort(400)
    return None if named == UNDECIDED else Decision(named)


def back_to(list_endpoint: str, public_id: str, *, anchor: str) -> ResponseReturnValue:
    """The list from which the decision was posted, else that part of the gift's page."""
    if request.form.get("back") == "list":
        return redirect(url_for(list_endpoint), 303)
    return redirect(url_for("staff_donations.page", public_id=public_id, _anchor=anchor), 303)
