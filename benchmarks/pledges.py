"""Raises the pledge of a fund for a benchmark, by two members of staff as in production."""

from sqlalchemy import func

from campaign.matching import pledge_actions
from campaign.matching.funds import Fund
from campaign.staff import members

MEMBERS = ("asks@bench.example.org", "agrees@bench.example.org")


def raise_pledge(fund: Fund, cents: int, *, reason: str) -> None:
    """Raise the pledge of an active fund. Commits."""
    for address in MEMBERS:
        if members.find_member(address) is None:
            member = members.add_staff(address, "manager")
            member.password, member.role_since = "never signs in", func.now() - members.APPOINTED_FOR
    asks, agrees = MEMBERS
    request = pledge_actions.request_raise(fund, cents, actor=asks, reason=reason)
    pledge_actions.decide_raise(request, agrees=True, actor=agrees)
