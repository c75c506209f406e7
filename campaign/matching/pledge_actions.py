"""Actions of staff on the pledge of an active fund: request that it be raised, and agree or refuse. Each commits once, with its audit row.

All managers and administrators, and both people named, are notified by mail of each request and of each decision.
"""

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching import fund_lifecycle, pledge_requests
from campaign.matching.funds import Fund, FundStatus, lock_funds
from campaign.matching.pledge_requests import PledgeRequest
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import enqueue_notice
from campaign.staff import audit, two_people
from campaign.texts.action_errors import ActionError, ActionRefused


@two_people.roll_back_if_refused()
def request_raise(fund: Fund, cents: int, *, actor: str, reason: str) -> PledgeRequest:
    """Request that the pledge of an active fund be raised by so many cents; a second person must agree.

    `actor` is the address of a manager or administrator. Raises ActionRefused.
    """
    lock_funds([fund.campaign_id])  # Requests at the same time are made one after the other.
    db.session.refresh(fund)
    member = two_people.get_requester(actor)
    _check_is_active(fund)
    if pledge_requests.open_for(fund) is not None:
        raise ActionRefused(ActionError.PLEDGE_IS_REQUESTED)
    request = pledge_requests.create(fund, cents, actor=member.email, reason=reason)
    audit.record(member.email, "asked to raise a pledge", fund.slug, cents=cents, reason=reason)
    _notify(request, MessageKind.PLEDGE_REQUESTED)
    db.session.commit()
    services().waker.wake("mail")
    return request


@two_people.roll_back_if_refused()
def decide_raise(request: PledgeRequest, *, agrees: bool, actor: str) -> None:
    """Agree to a request, which raises the pledge and matches queued donations, or refuse it.

    The requester may refuse their own request, which withdraws it, but may not agree to it. Raises ActionRefused.
    """
    fund = db.session.get_one(Fund, request.fund_id)
    lock_funds([fund.campaign_id])  # Before the request, the lock order of all transactions.
    db.session.refresh(fund)
    locked = two_people.lock_open(PledgeRequest, request.id)
    if locked is None:
        raise ActionRefused(ActionError.PLEDGE_IS_DECIDED)
    member = two_people.get_decider(locked, actor, agrees=agrees)
    if agrees:
        _check_is_active(fund)
    two_people.decide(locked, agrees=agrees, actor=member.email)
    action = "agreed to raise a pledge" if agrees else "refused to raise a pledge"
    audit.record(member.email, action, fund.slug, cents=locked.cents, requested_by=locked.requested_by)
    if agrees:
        fund_lifecycle.raise_agreed_pledge(fund, locked)
    _notify(locked, MessageKind.PLEDGE_DECIDED)
    db.session.commit()
    services().waker.wake("mail")


def _check_is_active(fund: Fund) -> None:
    if fund.status == FundStatus.DRAFT:
        raise ActionRefused(ActionError.FUND_IS_DRAFT)
    if fund.status == FundStatus.ENDED:
        raise ActionRefused(ActionError.FUND_HAS_ENDED)


def _notify(request: PledgeRequest, kind: MessageKind) -> None:
    for staff_id in two_people.list_notified(request):
        enqueue_notice(kind, f"{request.id}:{staff_id}", staff_id=staff_id, pledge_request_id=request.id)
