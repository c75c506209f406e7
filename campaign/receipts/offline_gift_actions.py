"""Actions of staff on offline gifts: record one, undo or reverse it, close a deposit. Each commits once, with its audit row.

Donors are found or created before the funds are locked, as at a checkout, so that the two never wait for each other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations import declarations, donor_merges, donors, similar_donors
from campaign.donations.declarations import Statement
from campaign.donations.donations import Donation, DonationDetails
from campaign.donations.donors import Donor
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching import effects
from campaign.matching.rematching import RematchingSession, lock_match_session
from campaign.outbox import messages
from campaign.outbox.message_kinds import MessageKind
from campaign.payments import checkouts, deposits, offline_gifts
from campaign.payments.deposits import Deposit, DepositSlip
from campaign.payments.offline_gifts import RECEIPT_DELAY_SECONDS, GiftState, OfflinePayment, ReversalDetails
from campaign.receipts import filed_returns, receipts
from campaign.rules.offline_gifts import OfflineMethod, OfflineQuestion, OfflineReversalKind, moment_of_day, questions_about
from campaign.rules.receipt_names import ReceiptNames
from campaign.staff import audit
from campaign.texts.action_errors import ActionError, ActionRefused

UNDONE = "undone after it was recorded"


class GiftDoubtful(Exception):
    """Something must be asked before the gift is recorded; `questions` are those that were not answered."""

    def __init__(self, questions: Sequence[OfflineQuestion]) -> None:
        super().__init__(", ".join(questions))
        self.questions = questions


class DonorUnclear(Exception):
    """The gift names no email address, and these donors have the same name and postal code: `latest` are their latest gifts."""

    def __init__(self, latest: Sequence[Donation]) -> None:
        super().__init__(f"{len(latest)} donors")
        self.latest = latest


@dataclass(frozen=True, kw_only=True)
class TypedGift:
    """An offline gift as staff typed it, validated. `received_on` is a day in the charity's time zone.

    `donor_id` is the donor whom staff chose, 0 for a new one, None when they were not asked. `statement` is what the payment says about whose money
    it is. `attempt` came with the form: sent twice, the gift is recorded once.
    """

    details: DonationDetails
    method: OfflineMethod
    reference: str
    received_on: date
    is_matchable: bool
    attempt: str
    donor_id: int | None = None
    statement: Statement | None = None
    answered: Collection[OfflineQuestion] = ()


def record(campaign: Campaign, typed: TypedGift, *, livemode: bool, actor: str) -> Donation:
    """Record a gift that the charity has received: it is posted, matched and receipted like any other.

    Raises ActionRefused, GiftDoubtful when there are questions that are not answered, and DonorUnclear when it may be by one of several donors.
    """
    attempt = f"offline:{typed.attempt}"
    if checkouts.has_begun(attempt):
        return _recorded_by(attempt, typed)
    now, zone = datetime.now(UTC), ZoneInfo(campaign.charity.time_zone)
    today = now.astimezone(zone).date()
    if typed.received_on > today:
        raise ActionRefused(ActionError.GIFT_IN_FUTURE)
    if campaign.sealed_at is not None:
        raise ActionRefused(ActionError.CAMPAIGN_IS_SEALED)
    payment = OfflinePayment(
        method=typed.method,
        reference=typed.reference,
        moment=moment_of_day(typed.received_on, zone, now=now),
        is_matchable=typed.is_matchable,
        livemode=livemode,
    )
    donor_id = _get_or_create_donor(typed)
    session = lock_match_session([campaign.id])
    if checkouts.has_begun(attempt):  # The same form was sent twice at the same moment.
        db.session.rollback()
        return _recorded_by(attempt, typed)
    _ask(campaign, typed, payment, donor_id=donor_id, today=today)
    donation = offline_gifts.insert_donation(campaign, typed.details, payment, donor_id=donor_id, attempt=attempt, actor=actor)
    _complete(donation, typed, session, actor=actor)
    return donation


def _recorded_by(attempt: str, typed: TypedGift) -> Donation:
    """The gift that this form has recorded before. Raises ActionRefused when that is another gift, or was undone: the form came back changed."""
    donation = checkouts.donation_by_attempt(attempt)
    gift = offline_gifts.find(donation.id)
    assert gift is not None
    was = (donation.amount_cents, gift.method, gift.reference, donation.full_name)
    d = typed.details
    name = ReceiptNames(first_name=d.first_name, last_name=d.last_name, organization=d.organization, in_own_name=d.in_own_name).on_receipt
    if not donation.net_cents or was != (d.amount_cents, typed.method.value, typed.reference, name):
        raise ActionRefused(ActionError.FORM_IS_USED)
    return donation


def _get_or_create_donor(typed: TypedGift) -> int:
    """The donor by their email address, the one whom staff chose, or a new one. Raises DonorUnclear."""
    email, chosen = typed.details.email, _current_donor(typed.donor_id) if typed.donor_id else None
    if email and (donors.donor_at(email) is not None or chosen is None):
        return donors.get_or_create_donor_ids([email])[email]
    if chosen is not None:
        if email and chosen.email is None:
            chosen.email = email.casefold()
        return chosen.id
    d = typed.details
    latest = similar_donors.donors_like(last_name=d.last_name, organization=d.organization, postal_code=d.postal_code)
    if latest and typed.donor_id is None:
        raise DonorUnclear(latest)
    return donors.create_without_email()


def _current_donor(donor_id: int) -> Donor | None:
    """The donor, or the one into whom they were merged."""
    for merge in donor_merges.merges_of(donor_id):
        if merge.merged_donor_id == donor_id and merge.undone_at is None:
            donor_id = merge.primary_donor_id
    return db.session.get(Donor, donor_id)


def _ask(campaign: Campaign, typed: TypedGift, payment: OfflinePayment, *, donor_id: int, today: date) -> None:
    """Raise GiftDoubtful unless all questions are answered. The campaign is locked, so that two people never record one cheque unasked."""
    day = typed.received_on
    same = offline_gifts.same_gifts(campaign, payment, cents=typed.details.amount_cents, donor_id=donor_id)
    asked = questions_about(day, today=today, is_filed=filed_returns.has_filed(campaign.charity, {day}), same=same)
    if questions := [question for question in asked if question not in typed.answered]:
        db.session.rollback()
        raise GiftDoubtful(questions)


def _complete(donation: Donation, typed: TypedGift, session: RematchingSession, *, actor: str) -> None:
    if session.has_per_donor_caps:  # The donor was found before the campaign was locked.
        donor_merges.move_strays([donation])
    if typed.statement is not None:
        declarations.record(typed.statement, [donation.id], donation.organization)
    if typed.method.takes_deposit:
        gift, deposit = offline_gifts.find(donation.id), deposits.get_or_open(donation.campaign.charity_id)
        assert gift is not None
        gift.deposit_id = deposit.id
    effects.apply_effects(session, [offline_gifts.record_payment(donation, session)])
    db.session.expire(donation, ["net_cents"])  # A trigger has moved it.
    messages.postpone_first(MessageKind.RECEIPT, donation, seconds=RECEIPT_DELAY_SECONDS)
    audit.record(
        actor,
        "recorded an offline gift",
        donation.public_id,
        cents=donation.amount_cents,
        method=typed.method.value,
        reference=typed.reference,
        received_on=typed.received_on.isoformat(),
        is_matchable=typed.is_matchable,
    )
    db.session.commit()


def undo(donation: Donation, *, actor: str) -> None:
    """Undo a gift that was recorded wrongly, while it has no receipt and was not taken to the bank. Raises ActionRefused."""
    session, locked = _lock(donation)
    _, deposit = deposits.lock_of_gift(locked.id)
    if _state(locked, deposit) is not GiftState.UNDOABLE:
        _refuse(ActionError.GIFT_IS_FINAL if locked.net_cents else ActionError.GIFT_IS_REVERSED)
    kind = OfflineReversalKind.MISTAKE
    details = ReversalDetails(kind=kind, cents=locked.net_cents, reversed_on=_today(locked), reference="", reason=UNDONE)
    _post_reversal(locked, details, session, action="undid an offline gift", actor=actor)


def record_reversal(donation: Donation, details: ReversalDetails, *, actor: str) -> None:
    """Reverse a gift: its payment came back from the bank, it was recorded wrongly, or money of it was given back. Raises ActionRefused.

    What never was a gift is reversed as a whole, and reported to nobody: the charity has given nothing back (Income Tax Act, s. 110.1(16) and
    118.1(27), speak of property that is returned to the donor). What was given back is reported as a refund is, also when the bank returns the
    payment later: then only the rest is reversed, as the refund has left the books before.
    """
    session, locked = _lock(donation)
    left, received_on = locked.net_cents, _local_day(locked, locked.received_at)
    if not left:
        _refuse(ActionError.GIFT_IS_REVERSED)
    if not received_on <= details.reversed_on <= _today(locked):
        _refuse(ActionError.REVERSAL_DAY)
    if details.kind is OfflineReversalKind.REFUNDED and offline_gifts.has_refund(locked.id, details):
        _refuse(ActionError.OFFLINE_REFUND_IS_RECORDED)
    if details.kind is OfflineReversalKind.MISTAKE and left != locked.amount_cents:
        _refuse(ActionError.GIFT_WAS_REFUNDED)
    if details.cents > left:
        _refuse(ActionError.REVERSAL_TOO_MUCH)
    assert details.kind is OfflineReversalKind.REFUNDED or details.cents == left
    _post_reversal(locked, details, session, action="reversed an offline gift", actor=actor)


def _lock(donation: Donation) -> tuple[RematchingSession, Donation]:
    session = lock_match_session([donation.campaign_id], [donation.id])
    if donation.campaign.sealed_at is not None:
        _refuse(ActionError.CAMPAIGN_IS_SEALED)
    return session, session.donations[donation.id]


def _post_reversal(donation: Donation, details: ReversalDetails, session: RematchingSession, *, action: str, actor: str) -> None:
    """Post the reversal. What was not taken to the bank, and never will be, leaves its deposit. What was taken there stays on its slip."""
    gift, deposit = deposits.lock_of_gift(donation.id)
    if deposit is not None and deposit.closed_at is None and details.cents == donation.amount_cents:
        gift.deposit_id = None
    effects.apply_effects(session, [offline_gifts.record_reversal(donation, details, session, actor=actor)])
    db.session.expire(donation, ["net_cents"])
    audit.record(
        actor,
        action,
        donation.public_id,
        kind=details.kind.value,
        cents=details.cents,
        on=details.reversed_on.isoformat(),
        reason=details.reason,
    )
    db.session.commit()
    services().waker.wake("mail")


def state_of(donation: Donation) -> GiftState:
    """What staff may do with an offline gift now."""
    return _state(donation, deposits.deposit_of(donation.id))


def _state(donation: Donation, deposit: Deposit | None) -> GiftState:
    if not donation.net_cents:
        return GiftState.REVERSED
    is_banked = deposit is not None and deposit.closed_at is not None
    has_changed = is_banked or donation.net_cents != donation.amount_cents or receipts.last_receipt_of(donation.id) is not None
    return GiftState.COUNTS if has_changed else GiftState.UNDOABLE


def close_deposit(deposit: Deposit, slip: DepositSlip, *, taken: Collection[int], shown: Collection[int], actor: str) -> Deposit | None:
    """Close a deposit with the gifts that are taken to the bank, of those that were shown. The others go to the next one, which is returned.

    Raises ActionRefused, also when the gifts in it are no longer those that were shown.
    """
    locked = deposits.lock(deposit.id)
    if locked.closed_at is not None:
        _refuse(ActionError.DEPOSIT_IS_CLOSED)
    if not taken:
        _refuse(ActionError.DEPOSIT_IS_EMPTY)
    if set(deposits.donation_ids_of(locked.id)) != set(shown) or not set(taken) <= set(shown):
        _refuse(ActionError.DEPOSIT_HAS_CHANGED)
    charity, received_at = db.session.get_one(Charity, locked.charity_id), deposits.last_received_at(taken)
    if slip.deposited_on > charity.local(datetime.now(UTC)).date():
        _refuse(ActionError.GIFT_IN_FUTURE)
    if received_at is not None and slip.deposited_on < charity.local(received_at).date():
        _refuse(ActionError.DEPOSIT_BEFORE_GIFT)
    following = deposits.close(locked, slip, left_out=set(shown) - set(taken), actor=actor)
    audit.record(
        actor,
        "closed a deposit",
        f"deposit {locked.number}",
        of_charity=charity.id,
        gifts=locked.gifts,
        cents=locked.cents,
        on=slip.deposited_on.isoformat(),
    )
    db.session.commit()
    return following


def _refuse(error: ActionError) -> None:
    db.session.rollback()
    raise ActionRefused(error)


def _today(donation: Donation) -> date:
    return _local_day(donation, datetime.now(UTC))


def _local_day(donation: Donation, moment: datetime | None) -> date:
    assert moment is not None
    return donation.campaign.charity.local(moment).date()
