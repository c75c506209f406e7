"""The search of staff: one text finds donors, gifts, receipts, tributes, payouts, funders, funds and notes, and goes straight to what it names exactly.

It finds those of all charities: whoever finds something is shown whose it is, and led to that one's.
"""

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import ColumnElement, Row, SQLColumnExpression, and_, select, text

from campaign.donations import search_words, staff_notes
from campaign.donations.donations import Donation
from campaign.donations.donors import DonorMerge, donor_at
from campaign.donations.staff_notes import StaffNote
from campaign.edges.db import db
from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund
from campaign.payments.quarantine import QuarantinedPayment
from campaign.receipts.numbering import ReceiptSeries
from campaign.receipts.receipts import Receipt
from campaign.reporting import search_terms
from campaign.stripe_sync.payouts import Payout

SHOWN = 10
# Of a search that finds more gifts, some are shown: more words find less.
WALKED = 500
# A single word may be in a tenth of all gifts. The index then returns about so many of them, from all times, and leaves out the others. It is read
# even so: the planner would rather read all gifts until it has found enough.
MOST_OF_ONE_WORD, ALL = "3000", "0"
_READ = text("SELECT set_config('gin_fuzzy_search_limit', :most, true), set_config('enable_seqscan', :may_scan, true)")
LARGEST_NUMBER = 10**9

HasName = TypeVar("HasName", Funder, Fund)


class Kind(StrEnum):
    """What a text can name exactly."""

    DONATION = "donation"
    DONOR = "donor"
    RECEIPT = "receipt"
    PAYOUT = "payout"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, kw_only=True)
class Named:
    """The one object that a text names; `key` is its public id, id, serial number or id at Stripe, and `charity_id` whose receipt it is."""

    kind: Kind
    key: str
    charity_id: int = 0


@dataclass(frozen=True, kw_only=True)
class FoundDonor:
    """A donor, with the name and email of their latest gift that was found."""

    id: int
    name: str
    email: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a text finds, at most SHOWN of each kind, the latest first."""

    donors: list[FoundDonor]
    gifts: list[Donation]
    receipts: list[Receipt]
    tributes: list[Donation]
    payouts: list[Payout]
    funders: list[Funder]
    funds: list[Fund]
    notes: list[StaffNote]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not any((self.donors, self.gifts, self.receipts, self.tributes, self.payouts, self.funders, self.funds, self.notes))


def named_by(typed: str, language: str) -> Named | None:
    """The one object that the text names: by its id here or at Stripe, its serial number, or the whole email address of a donor.

    A serial number that several charities have names nothing.
    """
    if search_terms.is_id(typed):
        return _with_id(typed, language)
    found = db.session.scalars(select(Receipt).where(search_terms.has_serial(typed)).limit(2)).all()
    if len(found) == 1:
        return Named(kind=Kind.RECEIPT, key=found[0].serial, charity_id=found[0].charity_id)
    donor = donor_at(typed) if "@" in typed else None
    if donor is None:
        return None
    merged = select(DonorMerge.primary_donor_id).where(DonorMerge.merged_donor_id == donor.id, DonorMerge.undone_at.is_(None))
    return Named(kind=Kind.DONOR, key=str(db.session.scalar(merged) or donor.id))


def _with_id(typed: str, language: str) -> Named | None:
    stripe_id, condition = search_terms.stripe_id_of(typed), search_terms.is_found(typed, language)
    if stripe_id.startswith("po_"):
        payout = db.session.scalar(select(Payout.stripe_id).where(Payout.stripe_id == stripe_id))
        return Named(kind=Kind.PAYOUT, key=payout) if payout else None
    assert condition is not None
    gifts = db.session.scalars(select(Donation.public_id).where(condition).order_by(Donation.id).limit(2)).all()
    if len(gifts) == 1:
        return Named(kind=Kind.DONATION, key=gifts[0])
    quarantined = select(QuarantinedPayment.payment_intent).where(QuarantinedPayment.payment_intent == stripe_id)
    found = db.session.scalar(quarantined) if not gifts else None
    return Named(kind=Kind.QUARANTINE, key=found) if found else None


def find_all(typed: str, language: str) -> Found:
    """What the text finds. It reads as many rows as it finds, and of gifts WALKED at most."""
    is_id, cents = search_terms.is_id(typed), search_terms.amount_of(typed, language)
    gifts = _of_amount(cents) if cents else []
    walked = _walk(search_terms.is_found(typed, language)) if is_id else _walk_words(typed)
    gifts += [gift for gift in _latest(walked) if gift not in gifts]
    return Found(
        donors=[] if is_id else _donors(walked),
        gifts=gifts[:SHOWN],
        receipts=_receipts(typed),
        tributes=_latest(_walk(None if is_id else search_words.is_in_tribute(typed))),
        payouts=list(db.session.scalars(select(Payout).where(Payout.cents == cents).order_by(Payout.id.desc()).limit(SHOWN)))
        if cents
        else [],
        funders=_named(Funder, (Funder.name_en, Funder.name_fr, Funder.legal_name), typed),
        funds=_named(Fund, (Fund.name_en, Fund.name_fr), typed),
        notes=_notes(typed),
    )


def _of_amount(cents: int) -> list[Donation]:
    """The latest gifts of this amount, and of this amount with the covered fee; each kind has an index of its own."""
    conditions = (search_terms.is_gift_of(cents), search_terms.is_charge_of(cents))
    queries = (select(Donation).where(condition).order_by(Donation.received_at.desc()).limit(SHOWN) for condition in conditions)
    found = {gift.id: gift for query in queries for gift in db.session.scalars(query)}
    return sorted(found.values(), key=lambda gift: (gift.received_at or gift.started_at, gift.id), reverse=True)[:SHOWN]


def _walk_words(typed: str) -> Sequence[Row[int, int]]:
    """Gifts that have the words; those in which words only begin so are added if the others are few."""
    whole = search_words.has_whole_words(typed)
    if whole is not None:
        db.session.execute(_READ, {"most": MOST_OF_ONE_WORD if search_words.is_one_word(typed) else ALL, "may_scan": "off"})
        found = _walk(whole)
        db.session.execute(_READ, {"most": ALL, "may_scan": "on"})
        if len(found) == WALKED:
            return found
    return _walk(search_words.is_of_words(typed))


def _walk(condition: ColumnElement[bool] | None) -> Sequence[Row[int, int]]:
    """The ids of up to WALKED gifts that meet the condition, with those of their donors."""
    if condition is None:
        return []
    return db.session.execute(select(Donation.id, Donation.donor_id).where(condition).limit(WALKED)).all()


def _latest(walked: Sequence[Row[int, int]]) -> list[Donation]:
    latest = heapq.nlargest(SHOWN, (donation_id for donation_id, _ in walked))
    return _newest_first(latest)


def _newest_first(donation_ids: Collection[int]) -> list[Donation]:
    if not donation_ids:
        return []
    return list(db.session.scalars(select(Donation).where(Donation.id.in_(donation_ids)).order_by(Donation.id.desc())))


def _donors(walked: Sequence[Row[int, int]]) -> list[FoundDonor]:
    """The donors of these gifts, each once."""
    last: dict[int, int] = {}
    for donation_id, donor_id in walked:
        last[donor_id] = max(donation_id, last.get(donor_id, 0))
    gifts = _newest_first(heapq.nlargest(SHOWN, last.values()))
    return [FoundDonor(id=gift.donor_id, name=gift.full_name, email=gift.email) for gift in gifts]


def find_donors(typed: str, language: str) -> list[FoundDonor]:
    """The donors whom the text names or may mean, at most SHOWN: by name, email, a gift's id here or at Stripe, or a receipt's serial number."""
    own = donor_at(typed) if "@" in typed else None
    found = {one.id: one for one in _donors(_walk(search_terms.is_of_person(typed, language)))}
    if own is not None and own.id not in found:
        found = {own.id: FoundDonor(id=own.id, name="", email=own.email or ""), **found}
    return list(found.values())[:SHOWN]


def _receipts(typed: str) -> list[Receipt]:
    """Receipts with this serial number, and those of any year with this number, without the year that their serial numbers begin with."""
    found = list(db.session.scalars(select(Receipt).where(search_terms.has_serial(typed)).limit(SHOWN)))
    if not (typed.isascii() and typed.isdigit()) or int(typed[:40]) >= LARGEST_NUMBER:
        return found
    s = ReceiptSeries
    query = select(Receipt).join(s, and_(s.charity_id == Receipt.charity_id, s.year == Receipt.year)).where(Receipt.number == int(typed))
    return [*found, *db.session.scalars(query.order_by(Receipt.id.desc()).limit(SHOWN - len(found)))]


def funds_of_funders(funders: Sequence[Funder]) -> dict[int, Fund]:
    """The first fund that each of these funders leads, or else contributes to, by the funder’s id."""
    ids, c = [one.id for one in funders], FundContributor
    led = db.session.scalars(select(Fund).where(Fund.funder_id.in_(ids)).order_by(Fund.id.desc()))
    shared = db.session.execute(
        select(c.funder_id, Fund).join(Fund, Fund.id == c.fund_id).where(c.funder_id.in_(ids)).order_by(Fund.id.desc())
    )
    return dict(iter(shared)) | {fund.funder_id: fund for fund in led}


def _notes(typed: str) -> list[StaffNote]:
    query = search_words.words_query(typed)
    return [] if query is None else staff_notes.find_notes(query, limit=SHOWN)


def _named(table: type[HasName], names: Sequence[SQLColumnExpression[str]], typed: str) -> list[HasName]:
    condition = search_terms.has_words(names, typed)
    return [] if condition is None else list(db.session.scalars(select(table).where(condition).order_by(table.id).limit(SHOWN)))
