"""Messages that donors let the funder read: staff read each of them first, and agree or refuse. That can be taken back."""

from typing import Any

from flask import Blueprint, flash, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations import message_actions, shared_messages
from campaign.donations.donations import Donation
from campaign.donations.showing import Decision
from campaign.texts.dates import format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.donation_lookup import donation_or_404
from campaign.web.staff.showing import back_to, posted_decision

bp = Blueprint("staff_messages", __name__, url_prefix="/staff")

SHOWN = 50


@bp.get("/messages")
@access("viewer")
def page() -> ResponseReturnValue:
    """The messages that wait, the earliest first."""
    campaign = campaign_or_404()
    waiting = shared_messages.list_waiting(campaign, limit=SHOWN)
    return render_template(
        "staff/messages.html",
        title=campaign.title(current_language()),
        donations=waiting,
        more=shared_messages.count_waiting(campaign) - len(waiting),
        may_decide=has_role("clerk"),
    )


@bp.post("/donations/<public_id>/message/decisions")
@access("clerk")
def decide(public_id: str) -> ResponseReturnValue:
    """Agree or refuse to show the message to the funder, or take that back."""
    donation, decision = donation_or_404(public_id), posted_decision()
    if not message_actions.decide(donation, decision, actor=current_user.email):
        flash(gettext("Nothing was changed: the donor has withdrawn the message, or this was decided already."), "error")
    else:
        done = {
            Decision.AGREED: gettext("The funder can read the message, without the donor’s name."),
            Decision.REFUSED: gettext("The message is not shown to the funder."),
            None: gettext("The message is not shown, and waits for a decision again."),
        }
        flash(done[decision])
    return back_to("staff_messages.page", public_id, anchor="message")


def shown_message(donation: Donation) -> dict[str, Any] | None:
    """What is decided about the donation's message; None when the donor did not agree that it may be shown."""
    found = shared_messages.find_of(donation)
    if found is None:
        return None
    at = format_moment(donation.campaign.charity.local(found.decided_at), current_language()) if found.decided_at else ""
    return {"decision": found.decision or "", "who": found.decided_by, "at": at}
