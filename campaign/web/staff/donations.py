"""One donation for staff: where it stands, and everything that happened to it, told from the books."""

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime

from campaign.giving.donations import donation_by_public_id
from campaign.giving.standing import standing
from campaign.reporting import lives
from campaign.rules.match_of_a_gift import told
from campaign.rules.money import written
from campaign.web.languages import spoken
from campaign.web.security import access
from campaign.web.states import state_words

bp = Blueprint("staff_donations", __name__, url_prefix="/staff/donations")


@bp.get("/<public_id>")
@access("viewer")
def page(public_id: str) -> ResponseReturnValue:
    """The gift, its match, and its life in plain sentences with what brought each about."""
    donation = donation_by_public_id(public_id)
    if donation is None:
        abort(404)
    language, now, charity = spoken(), standing(donation), donation.campaign.charity
    return render_template(
        "staff/donation.html",
        title=donation.campaign.title(language),
        donation=donation,
        state_words=state_words()[now.state],
        amount=written(donation.amount_cents, language),
        net=written(now.net_cents, language),
        held=written(now.held_cents, language),
        matched=written(now.matched_cents, language),
        waits=lives.is_waiting(donation),
        life=[
            {
                "at": format_datetime(charity.local(moment.at), "yyyy-MM-dd HH:mm:ss", rebase=False),
                "iso": moment.at.isoformat(),
                "told": told(moment.life, language),
                "source": moment.source,
            }
            for moment in lives.of_donation(donation, language)
        ],
    )
