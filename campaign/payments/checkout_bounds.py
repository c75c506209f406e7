"""How many checkouts one network and one e-mail may begin within an hour during card testing. Those that are paid do not count."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select

from campaign.donations.donations import Donation
from campaign.donations.donors import donor_with
from campaign.edges.db import db

PERIOD = timedelta(hours=1)
# A family gives in several names, a typed address may be wrong; nobody begins more under one address.
PER_EMAIL = 6
# A hospital or a mobile network is one address for many donors, and most of them pay. Programs compute a proof as browsers do, so it is bounded too.
PER_NETWORK_WITH_PROOF = 20
# Few donors have a browser without scripts.
PER_NETWORK_WITH_CODE = 6


class Bound(StrEnum):
    """Whose bound is reached."""

    EMAIL = "email"
    NETWORK = "network"


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Which bound is reached, and in how many seconds another checkout may be begun if none is paid meanwhile."""

    bound: Bound
    seconds: int


def wait_for(*, email: str, client_key: str, most_of_network: int) -> Wait | None:
    """What to wait for before another checkout is begun; None when it may be begun now."""
    of_email = Donation.donor_id == donor_with(email)
    for bound, whose, most in ((Bound.EMAIL, of_email, PER_EMAIL), (Bound.NETWORK, Donation.client_key == client_key, most_of_network)):
        seconds = _seconds_until_fewer_than(most, whose)
        if seconds is not None:
            return Wait(bound=bound, seconds=max(1, seconds))
    return None


def _seconds_until_fewer_than(most: int, whose: ColumnElement[bool]) -> int | None:
    """None when fewer were begun within the period."""
    left = func.ceil(func.extract("epoch", Donation.started_at + PERIOD - func.now()))
    unpaid = select(left).where(whose, Donation.received_at.is_(None), Donation.started_at > func.now() - PERIOD)
    found = db.session.scalar(unpaid.order_by(Donation.started_at.desc()).offset(most - 1).limit(1))
    return None if found is None else int(found)
