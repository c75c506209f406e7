"""A checkout: a donation on its way to being paid, begun with its match held, until Stripe says how it ended.

The same attempt never makes two donations. What the donor was shown as match is what is held, or the donation does not begin; what is
held never shrinks, and is freed only when Stripe says that the payment can no longer happen.
"""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Executable, ScalarResult, Select, Text, bindparam, case, column, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from campaign.edges.db import db
from campaign.edges.stripe_api import CHECKOUT_MINUTES
from campaign.giving import ledger
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation, Gift
from campaign.giving.donors import donor_ids_for
from campaign.giving.healing import open_desk
from campaign.giving.matches import DonationMatch
from campaign.rules.matching import Limit

# Stripe wants at least 30 minutes ahead at the moment it is asked; a plan older than this is made anew.
PLAN_LASTS = timedelta(seconds=40)


class LessMatch(Exception):
    """Less can be held than the donor was shown; `held_cents` is what could be, `limit` why it is not all."""

    def __init__(self, *, held_cents: int, full_cents: int, limit: Limit | None) -> None:
        super().__init__(f"{held_cents} of {full_cents}: {limit}")
        self.held_cents = held_cents
        self.full_cents = full_cents
        self.limit = limit


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """How a gift begins. `expected_match_cents` is what the donor was shown, None when nothing was; `client_key` tells their network
    address without being it.
    """

    attempt: str
    expected_match_cents: int | None
    livemode: bool
    now: datetime
    client_key: str = ""


def begin(campaign: Campaign, gift: Gift, how: Beginning) -> Donation:
    """The donation of this attempt, with its match held; made if the attempt is new.

    Raises LessMatch when less can be held than was shown, or than the full match when nothing was; the caller must then roll back.
    """
    (begun,) = begin_all(campaign, [(gift, how)])
    if isinstance(begun, LessMatch):
        raise begun
    return begun or begun_before(how.attempt)


def begin_all(campaign: Campaign, asked: Sequence[tuple[Gift, Beginning]]) -> list[Donation | LessMatch | None]:
    """As `begin`, for several at once, in order; None where the attempt had begun before.

    Where one answer is LessMatch the caller must roll back, and may begin the others again without it.
    """
    donors = donor_ids_for([gift.email for gift, _ in asked])
    made = _made(campaign, asked, donors)
    begun: dict[str, Donation | LessMatch] = dict(made)
    if campaign.holds_match and made:
        promised: dict[str, int | None] = {}
        for _, how in asked:
            if how.attempt in made:
                promised.setdefault(how.attempt, how.expected_match_cents)  # What the first of two presses was shown is what counts.
        begun |= _hold(campaign, [made[attempt] for attempt in promised], promised)
    return [begun.pop(how.attempt, None) for _, how in asked]


def put_in_books(campaign: Campaign, gift: Gift, how: Beginning) -> Donation:
    """The donation of this attempt, made if it is new, without any match held: it is paid already, or about to be."""
    made = _made(campaign, [(gift, how)], donor_ids_for([gift.email]))
    return made.get(how.attempt) or begun_before(how.attempt)


def begun_before(attempt: str) -> Donation:
    """The donation of an attempt that has begun."""
    return db.session.scalars(select(Donation).where(Donation.attempt == attempt)).one()


def _made(campaign: Campaign, asked: Sequence[tuple[Gift, Beginning]], donors: Mapping[str, int]) -> dict[str, Donation]:
    """Those whose attempt is new, by attempt. In one fixed order, so that two who make the same ones wait for each other in turn."""
    rows = [_row(campaign, gift, how, donors[gift.email]) for gift, how in sorted(asked, key=lambda pair: pair[1].attempt)]
    columns = {name: [row[name] for row in rows] for name in _GIVEN}
    made: ScalarResult[Donation] = db.session.scalars(_make, columns)
    return {donation.attempt: donation for donation in made}


def _row(campaign: Campaign, gift: Gift, how: Beginning, donor_id: int) -> dict[str, object]:
    return {
        **vars(gift),
        "public_id": f"d_{secrets.token_hex(10)}",
        "token": secrets.token_urlsafe(24),
        "attempt": how.attempt,
        "campaign_id": campaign.id,
        "donor_id": donor_id,
        "livemode": how.livemode,
        "currency": campaign.currency,
        "news_consent_at": how.now if gift.news_consent else None,
        "checkout_tries": 1,
        "checkout_expires_at": how.now + timedelta(minutes=CHECKOUT_MINUTES),
        "client_key": how.client_key,
    }


def _making() -> Executable:
    """One INSERT for any number of donations."""
    table = Donation.__table__
    arrays = (bindparam(name, type_=ARRAY(table.c[name].type)) for name in _GIVEN)
    given = func.unnest(*arrays).table_valued(*_GIVEN).render_derived()
    adding = insert(table)  # type: ignore[arg-type]  # a declarative class's table is a Table
    rows = adding.from_select(list(_GIVEN), select(*(given.c[name] for name in _GIVEN)), include_defaults=False)
    return select(Donation).from_statement(rows.on_conflict_do_nothing(index_elements=["attempt"]).returning(*table.c))


_GIVEN = (
    *(field.name for field in fields(Gift) if field.name != "news_consent"),
    *("public_id", "token", "attempt", "campaign_id", "donor_id", "livemode", "currency", "news_consent_at"),
    *("checkout_tries", "checkout_expires_at", "client_key"),
)
_make = _making()


def _hold(campaign: Campaign, donations: Sequence[Donation], promised: Mapping[str, int | None]) -> dict[str, Donation | LessMatch]:
    """Hold the match of each, in order; LessMatch where that would be less than was promised. Nothing is held when there is one."""
    held = _held_by(campaign, donations)  # Before the lock: the bound need not be exact, and all others wait for the lock.
    desk = open_desk([campaign.id])
    desk.take_up_new(donations)
    entries: list[ledger.Entry] = []
    less: dict[str, Donation | LessMatch] = {}
    for donation in donations:
        promise = promised[donation.attempt]
        donor, client = ("donor", donation.donor_id), ("client", donation.client_key)
        most, full, limit = desk.most_to_hold(donation)
        if most and (held[donor] >= campaign.holds_per_email or held[client] >= campaign.holds_per_address):
            most, limit = 0, Limit.HELD_ELSEWHERE
        if most < (full if promise is None else promise):
            less[donation.attempt] = LessMatch(held_cents=most, full_cents=full, limit=limit)
        elif most:
            entries += desk.hold(donation)
            held.update([donor, client] if donation.client_key else [donor])
    if not less:
        ledger.post(*entries)
    return less


def _held_by(campaign: Campaign, donations: Sequence[Donation]) -> Counter[tuple[str, int | str]]:
    """How many open gifts hold match for each of these donors, and for each of these clients."""
    who = {"campaign": campaign.id, "donors": [d.donor_id for d in donations], "clients": [d.client_key or None for d in donations]}
    held: Counter[tuple[str, int | str]] = Counter()
    for row in db.session.execute(_holding, who):
        held["donor", row.donor] = row.of_donor
        held["client", row.client or ""] = row.of_client
    return held


def _counting_holds() -> Select[tuple[int, str | None, int, int]]:
    """Found by donor and by client alone: what else is asked stands in the FILTER, where no index of the whole campaign can tempt."""
    arrays = bindparam("donors", type_=ARRAY(BigInteger)), bindparam("clients", type_=ARRAY(Text))
    who = func.unnest(*arrays).table_valued(column("donor", BigInteger), column("client", Text)).render_derived()
    is_open = Donation.paid_at.is_(None) & Donation.ended_at.is_(None)
    holds = select(DonationMatch.donation_id).where(DonationMatch.donation_id == Donation.id, DonationMatch.held_cents > 0).exists()
    count = select(func.count().filter((Donation.campaign_id == bindparam("campaign")) & is_open & holds)).select_from(Donation)
    of_donor = count.where(Donation.donor_id == who.c.donor).scalar_subquery()
    of_client = count.where(Donation.client_key == who.c.client, is_open).scalar_subquery()
    return select(who.c.donor, who.c.client, of_donor.label("of_donor"), of_client.label("of_client"))


_holding = _counting_holds()


def plan_checkout(donation: Donation, *, now: datetime) -> None:
    """Make sure that the time to ask Stripe for is still far enough ahead; a new plan has a new key at Stripe."""
    expires_at = donation.checkout_expires_at
    least = now + timedelta(minutes=CHECKOUT_MINUTES) - PLAN_LASTS
    if donation.checkout_id is None and (expires_at is None or expires_at < least):
        db.session.refresh(donation, with_for_update={"key_share": True})
        if donation.checkout_expires_at == expires_at:
            donation.checkout_tries += 1
            donation.checkout_expires_at = now + timedelta(minutes=CHECKOUT_MINUTES)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What Stripe opened for a donation."""

    donation_id: int
    session_id: str
    url: str | None


def checkouts_opened(opened: Sequence[Opened]) -> None:
    """Stripe has opened these; written in the fixed order in which donations are locked."""
    db.session.execute(_opened, [vars(one) for one in sorted(opened, key=lambda one: one.donation_id)])


_opened = (
    update(Donation.__table__)  # type: ignore[arg-type]  # a declarative class's table is a Table
    .where(Donation.id == bindparam("donation_id"))
    .values(checkout_id=bindparam("session_id"), checkout_url=bindparam("url"))
)


# A bank debit is under way for days: asked about now and then, it does not crowd out the others.
_pause = case((Donation.processing_at.is_(None), timedelta(seconds=50)), else_=timedelta(hours=1))


def open_past_expiry(*, limit: int) -> list[Donation]:
    """Donations whose checkout should have ended by now, but of whose end we have not heard."""
    return list(
        db.session.scalars(
            select(Donation)
            .where(
                Donation.paid_at.is_(None),
                Donation.ended_at.is_(None),
                Donation.quarantined_at.is_(None),
                Donation.checkout_expires_at < func.now() - timedelta(seconds=30),
                func.coalesce(Donation.asked_stripe_at, Donation.begun_at) < func.now() - _pause,
            )
            .order_by(Donation.checkout_expires_at)
            .limit(limit)
        )
    )
