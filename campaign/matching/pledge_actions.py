"""Actions of staff on the pledge of an active fund: request that it be raised, and agree or refuse. Each commits once, with its audit row.

All managers and administrators, and both people named, are notified by mail of each request and of each decision.
"""

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching import fund_lifecycle, pledge_requests
from campaign.matching.funds import Fund, FundStatus, lock_funds
from campaign.matching.pledge_requests import PledgeRequest
from campaign.outbox.messages import MessageKind, enqueue_notice
from campaign.staff import audit, members
from campaign.staff.members import Staff
from campaign.texts.action_errors import ActionError


class PledgeActionRefused(Exception):
    """The action is not possible; `refusal` says why."""

    def __init__(self, refusal: ActionError) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


def request_raise(fund: Fund, cents: int, *, actor: str, reason: str) -> PledgeRequest:
    """Request that the pledge of an active fund be raised by so many cents; a second person must agree.

    `actor` is the address of a manager or administrator. Raises PledgeActionRefused.
    """
    lock_funds([fund.campaign_id])  # Requests at the same time are made one after the other.
    db.session.refresh(fund)
    member = _get_manager(actor)
    _check_role(member)
    _check_is_active(fund)
    if pledge_requests.open_for(fund) is not None:
        raise _refusal(ActionError.PLEDGE_IS_REQUESTED)
    request = pledge_requests.create(fund, cents, actor=member.email, reason=reason)
    audit.record(member.email, "asked to raise a pledge", fund.slug, cents=cents, reason=reason)
    _notify(request, MessageKind.PLEDGE_REQUESTED)
    db.session.commit()
    services().waker.wake("mail")
    return request


def decide_raise(request: PledgeRequest, *, agrees: bool, actor: str) -> None:
    """Agree to a request, which raises the pledge and matches queued donations, or refuse it.

    The requester may refuse their own request, which withdraws it, but may not agree to it. Raises PledgeActionRefused.
    """
    fund = db.session.get_one(Fund, request.fund_id)
    lock_funds([fund.campaign_id])  # Before the request, the lock order of all transactions.
    db.session.refresh(fund)
    locked, member = pledge_requests.lock(request.id), _get_manager(actor)
    if locked is None:
        raise _refusal(ActionError.PLEDGE_IS_DECIDED)
    if agrees and locked.requested_by.casefold() == member.email.casefold():
        raise _refusal(ActionError.ANOTHER_PERSON)
    if agrees:
        _check_role(member)
        _check_is_active(fund)
    pledge_requests.decide(locked, agrees=agrees, actor=member.email)
    action = "agreed to raise a pledge" if agrees else "refused to raise a pledge"
    audit.record(member.email, action, fund.slug, cents=locked.cents, requested_by=locked.requested_by)
    if agrees:
        fund_lifecycle.raise_agreed_pledge(fund, locked)
    _notify(locked, MessageKind.PLEDGE_DECIDED)
    db.session.commit()
    services().waker.wake("mail")


def _get_manager(address: str) -> Staff:
    member = members.find_manager(address)
    if member is None:
        raise _refusal(ActionError.NOT_A_MANAGER)
    return member


def _check_role(member: Staff) -> None:
    if members.is_appointed_recently(member):
        raise _refusal(ActionError.NEW_MANAGER)


def _check_is_active(fund: Fund) -> None:
    if fund.status == FundStatus.DRAFT:
        raise _refusal(ActionError.FUND_IS_DRAFT)
    if fund.status == FundStatus.ENDED:
        raise _refusal(ActionError.FUND_HAS_ENDED)


def _refusal(error: ActionError) -> PledgeActionRefused:
    db.session.rollback()
    return PledgeActionRefused(error)


def _notify(request: PledgeRequest, kind: MessageKind) -> None:
    named = [members.find_member(address) for address in (request.requested_by, request.decided_by) if address]
    for staff_id in sorted({member.id for member in (*members.members_to_notify(), *named) if member}):
        enqueue_notice(kind, f"{request.id}:{staff_id}", staff_id=staff_id, pledge_request_id=request.id)
