"""Scheduled notices: to funders whose pledge is fully matched or who have an open call, and to staff, at most once a day, about what needs attention."""

from datetime import UTC, datetime

from campaign.campaigns.campaigns import current_campaign
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.mail import call_notices
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import enqueue_notice
from campaign.reporting import staff_todo
from campaign.staff.members import members_to_notify

MORNING_HOUR = 8


def enqueue_notices() -> int:
    """Enqueue every notice that is due; a repeated run enqueues nothing twice.

    Returns the number of calls to remind of, plus one when staff have something to do.
    """
    count = call_notices.enqueue_reminders(now=datetime.now(UTC)) + _enqueue_for_staff()
    db.session.commit()
    if count:
        services().waker.wake("mail")
    return count


def _enqueue_for_staff() -> int:
    """From MORNING_HOUR in the time zone of the first charity; at any hour when it is urgent.

    At most one daily notice a day, one urgent one, and one because of what is on hold.
    """
    campaign = current_campaign()
    if campaign is None:
        return 0
    todo, local = staff_todo.todo_of_all(), campaign.charity.local(datetime.now(UTC))
    if not todo.counted or (local.hour < MORNING_HOUR and not todo.is_urgent):
        return 0
    urgency = "holds" if todo.has_suspicious_holds else "urgent" if todo.is_urgent else "daily"
    for member in members_to_notify():
        enqueue_notice(MessageKind.STAFF_TODO, f"{local:%Y-%m-%d}:{urgency}:{member.id}", staff_id=member.id)
    return 1
