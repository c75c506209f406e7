"""Offline gifts in tests: recorded by a clerk, and reversed."""

import itertools
from datetime import date
from typing import Any

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.payments.offline_gifts import ReversalDetails
from campaign.receipts import offline_gift_actions
from campaign.receipts.offline_gift_actions import TypedGift
from campaign.rules.offline_gifts import OfflineMethod, OfflineReversalKind
from tests.factories import donation_details, today

_count = itertools.count(1)
CLERK = "clerk@example.org"


def cheque(campaign: Campaign, cents: int = 100_00, **changed: Any) -> Donation:
    changed.setdefault("received_on", today(campaign.charity))
    return offline_gift_actions.record(campaign, typed_gift(cents, **changed), livemode=False, actor=CLERK)


def typed_gift(cents: int = 100_00, **changed: Any) -> TypedGift:
    values: dict[str, Any] = {
        "method": OfflineMethod.CHEQUE,
        "reference": f"{next(_count)}",
        "received_on": today(),
        "is_matchable": True,
        "attempt": f"attempt-{next(_count)}",
        "donor_id": 0,
    }
    typed = {name: changed.pop(name, value) for name, value in values.items()}
    own = {name: changed.pop(name) for name in ("statement", "answered") if name in changed}
    return TypedGift(details=donation_details(cents, **changed), **typed, **own)


def reversed_gift(donation: Donation, kind: OfflineReversalKind, cents: int | None = None, *, on: date | None = None) -> None:
    details = ReversalDetails(
        kind=kind, cents=cents or donation.net_cents, reversed_on=on or today(donation.campaign.charity), reference="", reason="NSF"
    )
    offline_gift_actions.record_reversal(donation, details, actor=CLERK)
    db.session.refresh(donation)
