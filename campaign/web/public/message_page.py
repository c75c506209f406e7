"""Where a donor withdraws their agreement that the funder may read the message of a gift: on the page of the gift."""

from flask import Blueprint, abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.donations import message_actions
from campaign.donations.donations import donation_by_token
from campaign.web.public.donor_access import require_access
from campaign.web.security import LINKS_PER_CLIENT, access, limiter

bp = Blueprint("message_page", __name__)


@bp.post("/<any(en,fr):language>/donations/<token>/message/withdrawals")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def withdraw(language: str, token: str) -> ResponseReturnValue:
    """Withdraw it, for a browser that may change something."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    require_access(donation)
    message_actions.withdraw(donation)
    flash(gettext("Your message is no longer shown to the funder."))
    return redirect(url_for("donation_page.page", language=language, token=token), 303)
