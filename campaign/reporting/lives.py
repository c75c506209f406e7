"""The life of a donation, told from the books: what was held, matched, healed, returned, when and why."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from campaign.edges.db import db
from campaign.giving import quarantine
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.healing import UnderMatched
from campaign.giving.ledger import LedgerEntry, Move
from campaign.giving.matches import DonationMatch
from campaign.giving.quarantine import Decision
from campaign.giving.standing import Standing
from campaign.rules.match_of_a_gift import Happening, Life, MatchNow

HEALED = "healed/"
OF_ENTRIES = {
    Move.HOLD: Happening.HELD,
    Move.RELEASE: Happening.RELEASED,
    Move.MATCH: Happening.MATCHED,
    Move.UNMATCH: Happening.UNMATCHED,
    Move.DONATION: Happening.PAID,
    Move.OFFLINE: Happening.PAID,
    Move.REFUND: Happening.REFUNDED,
    Move.DISPUTE: Happening.LOST,
    Move.REINSTATEMENT: Happening.REINSTATED,
}


ENDS = {"expired": Happening.EXPIRED, "failed": Happening.FAILED, "refunded": Happening.REFUNDED}


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One thing that happened. `source` names what brought it about, for staff: an event of Stripe's, a question to Stripe."""

    at: datetime
    life: Life
    source: str = ""


def of_donation(donation: Donation, language: str) -> list[Moment]:
    """All that happened, in order."""
    begun = Moment(at=donation.begun_at, life=Life(what=Happening.BEGUN, cents=donation.amount_cents))
    moments = [begun, *_posted(donation, language), *_ended(donation)]
    return sorted(moments, key=lambda moment: moment.at)


def of_match(donation: Donation, language: str) -> list[Moment]:
    """What a donor is shown: the gift and its match, without what is only for staff."""
    hidden = {Happening.BEGUN, Happening.QUARANTINED, Happening.ACCEPTED}
    return [moment for moment in of_donation(donation, language) if moment.life.what not in hidden]


def _posted(donation: Donation, language: str) -> list[Moment]:
    names = {fund.id: fund.name(language) for fund in db.session.scalars(select(Fund).where(Fund.campaign_id == donation.campaign_id))}
    moments = []
    last_of_settlement = None
    query = select(LedgerEntry).where(LedgerEntry.donation_id == donation.id).order_by(LedgerEntry.id)
    for entry in db.session.scalars(query):
        what = OF_ENTRIES.get(Move(entry.kind))
        if what is None:
            continue
        freed = entry.cause.removeprefix(HEALED).partition("/")[0] if entry.cause.startswith(HEALED) else ""
        if what is Happening.MATCHED and freed:
            what = Happening.HEALED
        life = Life(what=what, cents=entry.cents, fund_name=names.get(entry.fund_id or 0, ""), why=freed)
        moments.append(Moment(at=entry.at, life=life, source=entry.cause))
        if what is Happening.PAID or (what is Happening.MATCHED and last_of_settlement is not None):
            last_of_settlement = len(moments)
    if donation.match_limit and last_of_settlement is not None:
        at = moments[last_of_settlement - 1].at
        moments.insert(last_of_settlement, Moment(at=at, life=Life(what=Happening.LESS, why=donation.match_limit)))
    return moments


def _ended(donation: Donation) -> list[Moment]:
    moments = []
    if donation.ended_at:
        what = ENDS[donation.ended_as or "failed"]
        life = Life(what=Happening.CANCELLED if donation.cancelled_at and what is Happening.EXPIRED else what, cents=donation.amount_cents)
        moments.append(Moment(at=donation.ended_at, life=life))
    for payment in quarantine.of_donation(donation):
        moments.append(Moment(at=payment.kept_at, life=Life(what=Happening.QUARANTINED), source=payment.payment_intent))
        if payment.decided_at and payment.decision == Decision.ACCEPTED:
            moments.append(
                Moment(at=payment.decided_at, life=Life(what=Happening.ACCEPTED), source=f"{payment.decided_by}: {payment.reason}")
            )
    return moments


def match_now(donation: Donation, now: Standing, language: str) -> MatchNow:
    """The match of a donation as it stands, for the words about it."""
    return MatchNow(
        gift_cents=now.net_cents,
        held_cents=now.held_cents,
        matched_cents=now.matched_cents,
        fund_name=fund_names(donation, language),
        is_paid=donation.paid_at is not None,
        is_processing=donation.processing_at is not None,
        waits=is_waiting(donation),
    )


def fund_names(donation: Donation, language: str) -> str:
    """The funds that stand beside a donation now, in the order they are drawn on, joined for a sentence."""
    names = select(Fund).join(DonationMatch, DonationMatch.fund_id == Fund.id).where(DonationMatch.donation_id == donation.id)
    return _joined(names.where(DonationMatch.matched_cents > 0), language)


def healed_by(donation: Donation, language: str) -> tuple[int, str]:
    """What came to a donation after it was settled, in cents, and from which funds."""
    e = LedgerEntry
    healed = (e.donation_id == donation.id, e.kind == Move.MATCH, e.cause.startswith(HEALED))
    cents = sum(db.session.scalars(select(e.cents).where(*healed)))
    return cents, _joined(select(Fund).where(Fund.id.in_(select(e.fund_id).where(*healed))), language)


def _joined(funds: Select[Fund], language: str) -> str:
    names = [fund.name(language) for fund in db.session.scalars(funds.order_by(Fund.position))]
    return (" et " if language == "fr" else " and ").join(names)


def is_waiting(donation: Donation) -> bool:
    """Whether the donation waits for match that may come free."""
    return db.session.scalar(select(UnderMatched.place).where(UnderMatched.donation_id == donation.id)) is not None
