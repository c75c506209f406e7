"""Sealing a campaign: one person asks for it, another agrees or refuses. Each act commits once, with its audit row.

The last heads of the hash chains are signed and published in the transaction of the seal. All managers and administrators, and both people
named, are notified by mail of each request and of each decision.
"""

from campaign.campaigns import seals
from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.seals import SealRequest
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import enqueue_notice
from campaign.reporting import published_heads, seal_blockers
from campaign.staff import audit, two_people
from campaign.texts.action_errors import ActionError, ActionRefused

ASKED = "asked to seal a campaign"
AGREED = "agreed to seal a campaign"
REFUSED = "refused to seal a campaign"
ACTS = (ASKED, AGREED, REFUSED)


@two_people.roll_back_if_refused()
def request_seal(campaign: Campaign, *, actor: str, reason: str) -> SealRequest:
    """Ask that the campaign be sealed. `actor` is the address of a manager or administrator. Raises ActionRefused."""
    seals.lock(campaign)
    member = two_people.get_requester(actor)
    _check(campaign)
    if seals.open_for(campaign) is not None:
        raise ActionRefused(ActionError.SEAL_IS_REQUESTED)
    request = seals.create_request(campaign, actor=member.email, reason=reason)
    audit.record(member.email, ASKED, campaign.slug, reason=reason)
    _notify(request, MessageKind.SEAL_REQUESTED)
    db.session.commit()
    services().waker.wake("mail")
    return request


@two_people.roll_back_if_refused()
def decide_seal(request: SealRequest, *, agrees: bool, actor: str) -> None:
    """Agree to a request, which seals the campaign for ever, or refuse it.

    The requester may refuse their own request, which withdraws it, but may not agree to it. Raises ActionRefused and SigningKeyMissing.
    """
    campaign = db.session.get_one(Campaign, request.campaign_id)
    seals.lock(campaign)
    locked = two_people.lock_open(SealRequest, request.id)
    if locked is None:
        raise ActionRefused(ActionError.SEAL_IS_DECIDED)
    member = two_people.get_decider(locked, actor, agrees=agrees)
    if agrees:
        _check(campaign)
    two_people.decide(locked, agrees=agrees, actor=member.email)
    audit.record(member.email, AGREED if agrees else REFUSED, campaign.slug, requested_by=locked.requested_by)
    if agrees:
        seals.create_seal(locked)
        published_heads.publish(services().signing_key)
    _notify(locked, MessageKind.SEAL_DECIDED)
    db.session.commit()
    services().waker.wake("mail")


def _check(campaign: Campaign) -> None:
    if campaign.sealed_at is not None:
        raise ActionRefused(ActionError.CAMPAIGN_IS_SEALED)
    if not campaign.is_public or seal_blockers.blockers_of(campaign):
        raise ActionRefused(ActionError.NOT_READY_TO_SEAL)


def _notify(request: SealRequest, kind: MessageKind) -> None:
    for staff_id in two_people.list_notified(request):
        enqueue_notice(kind, f"{request.id}:{staff_id}", staff_id=staff_id, seal_request_id=request.id)
