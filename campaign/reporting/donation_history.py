"""The history of a donation, derived from the books: what was held, matched, rematched and reversed, when and why."""

from dataclasses import dataclass
from datetime import UTC, datetime

from babel.lists import format_list
from sqlalchemy import Select, select

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import REMATCH_CAUSE, DonationMatch, DonorMatch, freed_by, match_of
from campaign.matching.rematching import QueuedDonation, pending_rematch_of
from campaign.payments import offline_gifts, quarantine
from campaign.payments.quarantine import Decision
from campaign.payments.status import DonationStatus
from campaign.rules.allocation import MatchRequest, allocate, total
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.texts.donation_timeline import MatchStatus, TimelineEvent, TimelineKind

KIND_OF_MOVE = {
    Move.HOLD: TimelineKind.HELD,
    Move.RELEASE: TimelineKind.RELEASED,
    Move.MATCH: TimelineKind.MATCHED,
    Move.UNMATCH: TimelineKind.UNMATCHED,
    Move.DONATION: TimelineKind.PAID,
    Move.REFUND: TimelineKind.REFUNDED,
    Move.DISPUTE: TimelineKind.LOST,
    Move.REINSTATEMENT: TimelineKind.REINSTATED,
    Move.OFFLINE_REVERSAL: TimelineKind.BOUNCED,
}
# The covered fee is posted beside the gift, and shown with it: what follows the kind of move in their references is the same.
COVERED_FEE_MOVES = {Move.COVERED_FEE, Move.COVERED_FEE_REFUND, Move.COVERED_FEE_REINSTATEMENT}
# A reversal so small that all of it was covered fee has no entry for the gift.
KIND_WITHOUT_GIFT = {
    Move.COVERED_FEE_REFUND: TimelineKind.REFUNDED,
    Move.COVERED_FEE_REINSTATEMENT: TimelineKind.REINSTATED,
}


KIND_OF_END = {"expired": TimelineKind.EXPIRED, "failed": TimelineKind.FAILED, "refunded": TimelineKind.REFUNDED}


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """An event in the history. For staff, `cause` is that of its ledger entry, `actor` the person, with a reason if there is one."""

    at: datetime
    event: TimelineEvent
    cause: str = ""
    actor: str = ""
    reason: str = ""


def history_of(donation: Donation, language: str, *, is_public: bool = False) -> list[HistoryEntry]:
    """The whole history, in order, for staff. Fund names are in `language`; anonymous funders are not named if it `is_public`."""
    entries = [_started(donation), *_posted(donation, language, is_public=is_public), *_ended(donation)]
    return sorted(entries, key=lambda entry: entry.at)


def public_history_of(donation: Donation, language: str) -> list[HistoryEntry]:
    """The history that a donor sees: the donation and its match."""
    hidden = {TimelineKind.BEGUN, TimelineKind.ENTERED, TimelineKind.QUARANTINED, TimelineKind.ACCEPTED}
    return [entry for entry in history_of(donation, language, is_public=True) if entry.event.kind not in hidden]


def _started(donation: Donation) -> HistoryEntry:
    """That the donor began to give, or that staff recorded an offline gift."""
    gift = offline_gifts.find(donation.id)
    kind, actor = (TimelineKind.ENTERED, gift.recorded_by) if gift else (TimelineKind.BEGUN, "")
    return HistoryEntry(at=donation.started_at, event=TimelineEvent(kind=kind, cents=donation.amount_cents), actor=actor)


def _posted(donation: Donation, language: str, *, is_public: bool) -> list[HistoryEntry]:
    fund_names_by_id = {
        fund.id: fund.public_name(language) if is_public else fund.name(language)
        for fund in db.session.scalars(select(Fund).where(Fund.campaign_id == donation.campaign_id))
    }
    entries = []
    # The number of entries up to the last one of the settlement: its matches follow the donation entry.
    settlement_end = None
    posted = db.session.scalars(select(LedgerEntry).where(LedgerEntry.donation_id == donation.id).order_by(LedgerEntry.id)).all()
    fees = {_what(entry): entry.cents for entry in posted if entry.kind in COVERED_FEE_MOVES}
    with_gift = {_what(entry) for entry in posted if entry.kind in KIND_OF_MOVE}
    reversals = {offline_gifts.reference_of(reversal): reversal for reversal in offline_gifts.reversals_of(donation.id)}
    for entry in posted:
        kind = KIND_OF_MOVE.get(Move(entry.kind))
        if kind is None and _what(entry) not in with_gift:
            kind = KIND_WITHOUT_GIFT.get(Move(entry.kind))
        if kind is None:
            continue
        freed = freed_by(entry.cause)
        if kind is TimelineKind.MATCHED and freed:
            kind = TimelineKind.REMATCHED
        reversal = reversals.get(entry.reference)
        if reversal is not None and reversal.kind == OfflineReversalKind.MISTAKE:
            kind = TimelineKind.MISTAKEN
        event = TimelineEvent(
            kind=kind,
            cents=0 if entry.kind in COVERED_FEE_MOVES else entry.cents,
            covered_fee_cents=0 if entry.fund_id else fees.get(_what(entry), 0),
            fund_name=fund_names_by_id.get(entry.fund_id or 0, ""),
            reason=freed or "",
        )
        by = {"actor": reversal.recorded_by, "reason": reversal.reason} if reversal else {}
        entries.append(HistoryEntry(at=entry.at, event=event, cause=entry.cause, **by))
        if kind is TimelineKind.PAID or (kind is TimelineKind.MATCHED and settlement_end is not None):
            settlement_end = len(entries)
    if donation.match_limit and settlement_end is not None:
        at = entries[settlement_end - 1].at
        entries.insert(settlement_end, HistoryEntry(at=at, event=TimelineEvent(kind=TimelineKind.LESS, reason=donation.match_limit)))
    if not donation.is_matchable and settlement_end is not None:
        excluded = TimelineEvent(kind=TimelineKind.NOT_MATCHABLE)
        entries.insert(settlement_end, HistoryEntry(at=entries[settlement_end - 1].at, event=excluded))
    return entries


def _what(entry: LedgerEntry) -> str:
    """What was posted: the donation, or the posting of a reversal."""
    return entry.reference.partition(":")[2]


def _ended(donation: Donation) -> list[HistoryEntry]:
    entries = []
    if donation.ended_at:
        kind = KIND_OF_END[donation.ended_as or "failed"]
        if kind is TimelineKind.EXPIRED and (donation.closed_by or donation.cancelled_at):
            kind = TimelineKind.CLOSED if donation.closed_by else TimelineKind.CANCELLED
        event = TimelineEvent(kind=kind, cents=donation.amount_cents)
        entries.append(HistoryEntry(at=donation.ended_at, event=event, actor=donation.closed_by or ""))
    for payment in quarantine.payments_of(donation):
        entries.append(HistoryEntry(at=payment.quarantined_at, event=TimelineEvent(kind=TimelineKind.QUARANTINED)))
        if payment.decided_at and payment.decision == Decision.ACCEPTED:
            event, actor, reason = TimelineEvent(kind=TimelineKind.ACCEPTED), payment.decided_by or "", payment.reason or ""
            entries.append(HistoryEntry(at=payment.decided_at, event=event, actor=actor, reason=reason))
    return entries


def match_status(donation: Donation, now: DonationStatus, language: str) -> MatchStatus:
    """The current match of a donation, for texts/donation_timeline.py."""
    return MatchStatus(
        gift_cents=now.net_cents,
        held_cents=now.held_cents,
        matched_cents=now.matched_cents,
        fund_name=fund_names(donation, language),
        cause=donation.campaign.cause(language),
        is_paid=donation.received_at is not None,
        is_processing=donation.is_debit,
        is_unverified=donation.campaign.holds_match and donation.unverified_at is not None and not donation.is_debit,
        later_cents=_later_cents(donation) if donation.is_open else 0,
        waits=is_queued(donation),
        is_reachable=bool(donation.email),
    )


def _later_cents(donation: Donation) -> int:
    """What would be matched beyond the hold if the donation were paid now, in cents."""
    if pending_rematch_of(donation.campaign_id):
        return 0
    held = {part.fund_id: part.cents for part in match_of(donation.id).held}
    cents = donation.amount_cents
    capped = select(DonorMatch.fund_id, DonorMatch.cents).where(DonorMatch.donor_id == donation.donor_id)
    request = MatchRequest(
        matchable_cents=cents,
        amount_cents=cents,
        at=datetime.now(UTC),
        allocated=held,
        donor_allocated={row.fund_id: row.cents for row in db.session.execute(capped)},
    )
    return total(allocate(request, [fund.offer() for fund in funds_of(donation.campaign_id)]))


def fund_names(donation: Donation, language: str) -> str:
    """Names of the funds that match a donation now, in the order in which they are used, joined for a sentence."""
    funds = select(Fund).join(DonationMatch, DonationMatch.fund_id == Fund.id).where(DonationMatch.donation_id == donation.id)
    return _joined(funds.where(DonationMatch.matched_cents > 0), language)


def rematched_by(donation: Donation, language: str) -> tuple[int, str]:
    """The cents rematched with a donation after its settlement, and the names of the funds, joined for a sentence."""
    e = LedgerEntry
    rematched = (e.donation_id == donation.id, e.kind == Move.MATCH, e.cause.startswith(REMATCH_CAUSE))
    cents = sum(db.session.scalars(select(e.cents).where(*rematched)))
    return cents, _joined(select(Fund).where(Fund.id.in_(select(e.fund_id).where(*rematched))), language)


def _joined(funds: Select[Fund], language: str) -> str:
    names = dict.fromkeys(fund.public_name(language) for fund in db.session.scalars(funds.order_by(Fund.position)))
    return format_list(list(names), locale=language)


def is_queued(donation: Donation) -> bool:
    """Whether the donation is in the match queue."""
    return db.session.scalar(select(QueuedDonation.position).where(QueuedDonation.donation_id == donation.id)) is not None
