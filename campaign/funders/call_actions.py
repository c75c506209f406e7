"""Actions on calls for funds: issue one, cancel one, issue a credit note, say that one was posted. Each commits once, with its audit row.

The funder is notified by mail, if there is an address. The same is refused to a second person whose page is from before the first one acted.
"""

from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from campaign.campaigns import bank_details
from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.funders import call_contents, calls, payments
from campaign.funders.call_documents import PostedCall
from campaign.funders.calls import CallKind, FundCall
from campaign.matching.funds import Fund
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import enqueue_notice
from campaign.staff import audit, two_people
from campaign.texts.action_errors import ActionError, ActionRefused


def version_of(fund: Fund) -> str:
    """A hash over the fund's calls and the bank details, by which a form knows whether they are still as they were when it was opened."""
    details = bank_details.details_of(db.session.get_one(Campaign, fund.campaign_id).charity)
    seen = [(call.number, calls.cancellation_of(call) is not None) for call in calls.calls_of(fund)]
    return sha256(repr((seen, details.id if details else 0)).encode()).hexdigest()


def preview_content(fund: Fund, *, cents: int, due_on: date, is_test: bool) -> dict[str, Any]:
    """The content of the call as it would be issued now. Takes no number. Raises ActionRefused."""
    now = datetime.now(UTC)
    lines = call_contents.earned_lines(fund, call_contents.read_entries(fund), now=now)
    _check_callable(lines.callable_cents, cents)
    return call_contents.content_of_call(fund, lines, cents=cents, due_on=due_on, now=now, is_test=is_test)


@two_people.roll_back_if_refused()
def issue(fund: Fund, *, cents: int, due_on: date, version: str, livemode: bool, actor: str) -> FundCall:
    """Issue a call for so many cents of what is earned and not called. Raises ActionRefused before a number is taken."""
    read = call_contents.read_entries(fund)
    payments.lock_fund(fund)
    if version != version_of(fund):
        raise ActionRefused(ActionError.CALLS_HAVE_CHANGED)
    now = datetime.now(UTC)
    lines = call_contents.earned_lines(fund, read, now=now)
    _check_callable(lines.callable_cents, cents)
    content = call_contents.content_of_call(fund, lines, cents=cents, due_on=due_on, now=now, is_test=not livemode)
    call = _post(FundCall(kind=CallKind.CALL, cents=cents, due_on=due_on, content=content), fund, now=now, actor=actor)
    audit.record(actor, "issued a call for funds", fund.slug, call=call.name, cents=cents, due_on=due_on.isoformat())
    return _complete(call)


def _check_callable(callable_cents: int, cents: int) -> None:
    if callable_cents <= 0:
        raise ActionRefused(ActionError.NOTHING_TO_CALL)
    if cents > callable_cents:
        raise ActionRefused(ActionError.CALL_TOO_MUCH)


def _post(call: FundCall, fund: Fund, *, now: datetime, actor: str) -> FundCall:
    charity = db.session.get_one(Campaign, fund.campaign_id).charity
    call.charity_id, call.fund_id, call.issued_by, call.issued_at = charity.id, fund.id, actor, now
    call.issued_on = charity.local(now).date()
    call.number = calls.take_next_number(charity.id)
    calls.post_call(call, fund)
    return call


def _complete(call: FundCall) -> FundCall:
    if calls.funder_of(call).email:
        enqueue_notice(MessageKind.FUND_CALL, str(call.id), fund_call_id=call.id)
    db.session.commit()
    services().waker.wake("mail")
    return call


@two_people.roll_back_if_refused()
def cancel(call: FundCall, *, reason: str, actor: str) -> None:
    """Cancel a call to which nothing is applied. Its number stays used, and the funder is notified. Raises ActionRefused."""
    fund = calls.fund_of(call)
    payments.lock_fund(fund)
    if calls.cancellation_of(call) is not None:
        raise ActionRefused(ActionError.CALL_IS_CANCELLED)
    if not calls.has_nothing_applied(call, fund):
        raise ActionRefused(ActionError.CALL_IS_PAID)
    calls.post_cancellation(call, fund, reason=reason, actor=actor)
    audit.record(actor, "cancelled a call for funds", fund.slug, call=call.name, reason=reason)
    if calls.funder_of(call).email:
        enqueue_notice(MessageKind.FUND_CALL_CANCELLED, str(call.id), fund_call_id=call.id)
    db.session.commit()
    services().waker.wake("mail")


@two_people.roll_back_if_refused()
def issue_credit_note(fund: Fund, *, reason: str, version: str, livemode: bool, actor: str) -> FundCall:
    """Issue a credit note for all that is called of an ended fund and matched no longer. Raises ActionRefused before a number is taken."""
    payments.lock_fund(fund)
    if version != version_of(fund):
        raise ActionRefused(ActionError.CALLS_HAVE_CHANGED)
    now = datetime.now(UTC)
    cents = calls.called_cents(fund) - calls.callable_cents(fund, now=now)
    if not fund.has_ended(now):
        raise ActionRefused(ActionError.CREDIT_BEFORE_END)
    if cents <= 0:
        raise ActionRefused(ActionError.NOTHING_TO_CREDIT)
    content = call_contents.content_of_credit_note(fund, cents=cents, reason=reason, now=now, is_test=not livemode)
    note = _post(FundCall(kind=CallKind.CREDIT_NOTE, cents=cents, content=content, reason=reason), fund, now=now, actor=actor)
    audit.record(actor, "issued a credit note", fund.slug, call=note.name, cents=cents, reason=reason)
    return _complete(note)


def mark_posted(call: FundCall, *, actor: str) -> None:
    """Record that the document was printed and posted. Repeating it changes nothing."""
    row = insert(PostedCall).values(call_id=call.id, posted_by=actor).on_conflict_do_nothing()
    if db.session.scalar(row.returning(PostedCall.call_id)) is not None:
        audit.record(actor, "posted a call for funds", calls.fund_of(call).slug, call=call.name)
    db.session.commit()


def undo_posted(call: FundCall, *, actor: str) -> None:
    """Record that it was not posted after all."""
    row = delete(PostedCall).where(PostedCall.call_id == call.id).returning(PostedCall.call_id)
    if db.session.scalar(row) is not None:
        audit.record(actor, "took back that a call for funds was posted", calls.fund_of(call).slug, call=call.name)
    db.session.commit()
