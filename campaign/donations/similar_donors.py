"""Who may be the donor of a gift that names no email address: donors with the same name and postal code."""

import unicodedata
from collections.abc import Collection, Sequence

from sqlalchemy import select

from campaign.donations.donations import Donation
from campaign.donations.donors import Donor, donor_with
from campaign.edges.db import db

# So many gifts of a postal code are compared: it has twenty households or one large building.
GIFTS_COMPARED = 200
DONORS_FOUND = 5


def donors_like(*, last_name: str, organization: str, postal_code: str) -> list[Donation]:
    """The latest gift of each paid donor with this last name or organization and this postal code, the latest first."""
    names = {folded(name) for name in (last_name, organization) if name.strip()}
    if not names or not postal_code.strip():
        return []
    d = Donation
    of_place = select(d).where(d.postal_code == postal_code.strip(), d.received_at.is_not(None)).order_by(d.id.desc())
    found: dict[int, Donation] = {}
    for gift in db.session.scalars(of_place.limit(GIFTS_COMPARED)):
        if names & {folded(gift.last_name), folded(gift.organization)} - {""}:
            found.setdefault(gift.donor_id, gift)
    return list(found.values())[:DONORS_FOUND]


def known_postal_codes(codes: Collection[str]) -> set[str]:
    """Those of these postal codes in which a paid donor lives."""
    known = select(Donation.postal_code).where(Donation.postal_code.in_(codes), Donation.received_at.is_not(None)).distinct()
    return set(db.session.scalars(known))


def is_same_name(gift: Donation, *, first_name: str, last_name: str, organization: str) -> bool:
    """Whether the gift bears this whole name, whatever its accents and capitals."""
    names = ((gift.first_name, first_name), (gift.last_name, last_name), (gift.organization, organization))
    return all(folded(one) == folded(other) for one, other in names)


def latest_gift_at(email: str) -> Donation | None:
    """The latest paid gift of the donor with this email address; None without one."""
    of_donor = select(Donation).where(Donation.donor_id == donor_with(email), Donation.received_at.is_not(None))
    return db.session.scalar(of_donor.order_by(Donation.id.desc()).limit(1))


def emails_of(donor_ids: Sequence[int]) -> dict[int, str]:
    """The email addresses of these donors; empty for those who have none."""
    found = db.session.execute(select(Donor.id, Donor.email).where(Donor.id.in_(donor_ids)))
    return {donor_id: email or "" for donor_id, email in found}


def folded(name: str) -> str:
    """The name without accents and case, to compare it with others."""
    decomposed = unicodedata.normalize("NFD", name.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).replace("-", " ").split())
