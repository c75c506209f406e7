"""What moves at Stripe after a campaign was sealed: its books do not take it any more, so staff are alerted."""

from collections.abc import Mapping

from campaign.donations.donations import Donation
from campaign.matching.effects import Effects
from campaign.payments.alerts import Alert, AlertKind, raise_alert, remove_alert


def raise_alerts(donation: Donation, moved: Mapping[str, int]) -> Effects | None:
    """Raise an alert for each object at Stripe that has moved cents, in or out, since the seal; close that of one that has not after all.

    None when none has moved any.
    """
    late = {object_id: cents for object_id, cents in moved.items() if cents}
    for object_id, cents in late.items():
        raise_alert(Alert(kind=AlertKind.AFTER_SEAL, object_id=object_id, donation_id=donation.id, detail={"amount_cents": cents}))
    for object_id in moved.keys() - late.keys():
        remove_alert(AlertKind.AFTER_SEAL, object_id)
    return Effects(outcome="after the seal: staff are alerted") if late else None


def raise_alert_of_payout(payout: str, slug: str, cents: int) -> None:
    """Raise an alert of a payout that came back, with the campaign's share of it: the money lies at Stripe again, or never left."""
    raise_alert(Alert(kind=AlertKind.AFTER_SEAL, object_id=f"{payout}, {slug}", donation_id=None, detail={"amount_cents": cents}))
