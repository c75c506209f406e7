"""Notices that nobody's act owes: to funders whose pledge is matched in full, and once a day to staff about what needs a person."""

from datetime import UTC, datetime

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import outbox
from campaign.giving.campaigns import default_campaign
from campaign.giving.funds import Fund, Funder
from campaign.giving.staff import told_of_needs
from campaign.reporting import needs

MORNING = 8


def owe_notices() -> int:
    """Owe what is new; each is owed once, however often this is asked. How many kinds of news there were."""
    count = _to_funders() + _to_staff()
    db.session.commit()
    if count:
        outside().waker.wake("mail")
    return count


def _to_funders() -> int:
    full = db.session.query(Fund).join(Funder, Funder.id == Fund.funder_id)
    full = full.filter(Funder.email != "", Fund.pledged_cents > 0, Fund.matched_cents == Fund.pledged_cents)
    for fund in full:
        outbox.owe_other("fund_matched", f"{fund.id}:{fund.pledged_cents}")
    return full.count()


def _to_staff() -> int:
    """In the morning by the charity's clocks; at once when donors or the match suffer. At most once a day each."""
    campaign = default_campaign()
    if campaign is None:
        return 0
    found, local = needs.of_campaign(campaign), campaign.charity.local(datetime.now(UTC))
    if not found.counted or (local.hour < MORNING and not found.is_urgent):
        return 0
    how = "urgent" if found.is_urgent else "daily"
    for member in told_of_needs():
        outbox.owe_other("staff_notice", f"{local:%Y-%m-%d}:{how}:{member.id}")
    return 1
