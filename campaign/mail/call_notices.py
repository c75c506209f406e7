"""Composes the e-mails about calls for funds from the books as they are, and about changed bank details; and reminds funders of open calls."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from campaign.campaigns import bank_details
from campaign.campaigns.bank_details import BankDetails
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.funders import access_links, calls
from campaign.funders.calls import FundCall
from campaign.mail.letters import bank_details as bank_emails
from campaign.mail.letters import calls as call_emails
from campaign.mail.letters.calls import CallNews
from campaign.outbox.deliveries import EmailContent
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage, enqueue_notice
from campaign.reporting import published_heads
from campaign.rules.call_reminders import LAST_DAYS_AFTER, Reminder, due_reminder
from campaign.staff.members import Staff

# Nobody is reminded at night.
MORNING_HOUR = 8


def enqueue_reminders(*, now: datetime) -> int:
    """Enqueue the reminders of open calls that are due, each once ever; returns how many calls one is due for. The caller commits."""
    found, since = 0, now.date() - timedelta(days=LAST_DAYS_AFTER + 1)
    for call, _ in calls.list_open(due_since=since):
        reminder = _due_reminder(call, now=now)
        if reminder is not None and calls.funder_of(call).email:
            enqueue_notice(MessageKind.FUND_CALL_REMINDER, f"{call.id}:{reminder}", fund_call_id=call.id, reminder=reminder.value)
            found += 1
    return found


def _due_reminder(call: FundCall, *, now: datetime) -> Reminder | None:
    """The reminder that is due for a call, whether something of it is open or not; None at night, and for a credit note."""
    local = calls.campaign_of(call).charity.local(now)
    if call.due_on is None or local.hour < MORNING_HOUR:
        return None
    return due_reminder(issued_on=call.issued_on, due_on=call.due_on, today=local.date())


def _news_of(message: OutboxMessage) -> CallNews:
    call = db.session.get_one(FundCall, message.fund_call_id)
    fund = calls.fund_of(call)
    left = {one.call.id: one.open_cents for one in calls.balances_of(fund)}
    return CallNews(
        call=call,
        funder=calls.funder_of(call),
        campaign=calls.campaign_of(call),
        open_cents=left.get(call.id, 0),
        head=published_heads.end_of(fund),
    )


def _call_issued(message: OutboxMessage) -> EmailContent | None:
    """None when the call was cancelled meanwhile, or the funder has no e-mail address any more."""
    news = _news_of(message)
    if not news.funder.email or calls.cancellation_of(news.call) is not None:
        return None
    return call_emails.of_kind(news)


def _call_reminder(message: OutboxMessage) -> EmailContent | None:
    """None when nothing of the call is open, or the day of a later reminder has come while this one waited: that one is sent."""
    news, reminder = _news_of(message), Reminder(message.reminder or "")
    assert news.call.due_on is not None
    today = news.campaign.charity.local(datetime.now(UTC)).date()
    is_latest = due_reminder(issued_on=news.call.issued_on, due_on=news.call.due_on, today=today) is reminder
    return call_emails.call_reminder(news, reminder) if news.funder.email and news.open_cents and is_latest else None


def _call_cancelled(message: OutboxMessage) -> EmailContent | None:
    """None when the funder has no e-mail address any more."""
    news = _news_of(message)
    cancellation = calls.cancellation_of(news.call)
    if cancellation is None or not news.funder.email:
        return None
    cancelled_on = _day_of(cancellation.at, news.campaign.charity)
    still_open = sum(calls.open_cents(fund) for fund in access_links.funds_of_funder(calls.fund_of(news.call)))
    return call_emails.call_cancelled(news, cancelled_on=cancelled_on, still_open_cents=still_open)


def _day_of(moment: datetime, charity: Charity) -> date:
    return charity.local(moment).date()


def _bank_details_changed(message: OutboxMessage) -> EmailContent | None:
    """None for a member who was deactivated meanwhile."""
    member, details = db.session.get(Staff, message.staff_id), db.session.get_one(BankDetails, message.bank_details_id)
    if member is None or not member.active:
        return None
    return bank_emails.bank_details_changed(
        details,
        bank_details.details_before(details),
        charity=db.session.get_one(Charity, details.charity_id),
        recipient=member.email,
        url=services().links.staff_bank_details(),
        is_test=services().settings.is_sandbox,
    )


COMPOSERS: dict[MessageKind, Callable[[OutboxMessage], EmailContent | None]] = {
    MessageKind.FUND_CALL: _call_issued,
    MessageKind.FUND_CALL_REMINDER: _call_reminder,
    MessageKind.FUND_CALL_CANCELLED: _call_cancelled,
    MessageKind.BANK_DETAILS_CHANGED: _bank_details_changed,
}
