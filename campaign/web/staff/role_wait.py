"""From when the member who is signed in may be one of the two people that some actions take, for pages to say it before anything is typed."""

from datetime import timedelta

from flask_babel import format_datetime

from campaign.staff import members
from campaign.web.errors import campaign_or_404
from campaign.web.security import has_role
from campaign.web.staff.own_account import own


def role_wait() -> str:
    """The minute in the charity's time zone from which the member may ask and agree; empty when they may, or their role never lets them."""
    until = members.new_role_until(own()) if has_role("manager") else None
    if until is None:
        return ""
    # The first whole minute in which it is possible.
    minute = (until + timedelta(minutes=1)).replace(second=0, microsecond=0)
    return str(format_datetime(campaign_or_404().charity.local(minute), "yyyy-MM-dd HH:mm", rebase=False))
