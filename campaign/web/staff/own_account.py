"""The member who is signed in."""

from flask_security import current_user

from campaign.staff.members import Staff


def own() -> Staff:
    """The member who is signed in, on a page that only members see."""
    member = current_user._get_current_object()  # noqa: SLF001  # the member behind the proxy
    assert isinstance(member, Staff)
    return member
