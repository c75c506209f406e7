"""Links with which a member of staff chooses a password: each works once, within two days."""

from flask_security.recoverable import generate_reset_password_token

from campaign.edges.services import services
from campaign.staff.members import Staff


def one_time_link(member: Staff) -> str:
    """A link for this member. It ends when they choose a password, and with `reset_staff` and `add_staff`."""
    return services().links.staff_password(generate_reset_password_token(member))
