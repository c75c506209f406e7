"""Which accounts of the charity's bookkeeping each move of the ledger debits and credits."""

from collections.abc import Mapping
from enum import StrEnum

from campaign.ledger.moves import Move
from campaign.rules.journal import Posting, Purpose, Subject


class OfflineMove(StrEnum):
    """Moves of money that never lay at Stripe, whose kinds the ledger has for other money too, or which are two for the bookkeeper.

    A cheque and cash are UNDEPOSITED until their DEPOSIT; a transfer is at the bank at once.
    """

    DONATION = "offline_donation"
    REFUND = "offline_refund"
    UNDEPOSITED_DONATION = "undeposited_donation"
    UNDEPOSITED_REFUND = "undeposited_refund"
    UNDEPOSITED_REVERSAL = "undeposited_reversal"
    DEPOSIT = "deposit"


MoneyMove = Move | OfflineMove

# Each move, once. What a fund promises, holds, matches and calls is no money: it has no lines. A funder's money has one when it is received, so a call
# makes no receivable.
POSTINGS: Mapping[MoneyMove, Posting | None] = {
    OfflineMove.DONATION: Posting(subject=Subject.GIFTS, debit=Purpose.BANK, credit=Purpose.DONATIONS),
    OfflineMove.REFUND: Posting(subject=Subject.RETURNS, debit=Purpose.DONATIONS_RETURNED, credit=Purpose.BANK),
    Move.OFFLINE_REVERSAL: Posting(subject=Subject.RETURNS, debit=Purpose.DONATIONS, credit=Purpose.BANK),
    OfflineMove.UNDEPOSITED_DONATION: Posting(subject=Subject.GIFTS, debit=Purpose.UNDEPOSITED, credit=Purpose.DONATIONS),
    OfflineMove.UNDEPOSITED_REFUND: Posting(subject=Subject.RETURNS, debit=Purpose.DONATIONS_RETURNED, credit=Purpose.UNDEPOSITED),
    OfflineMove.UNDEPOSITED_REVERSAL: Posting(subject=Subject.RETURNS, debit=Purpose.DONATIONS, credit=Purpose.UNDEPOSITED),
    OfflineMove.DEPOSIT: Posting(subject=Subject.DEPOSITS, debit=Purpose.BANK, credit=Purpose.UNDEPOSITED),
    Move.DONATION: Posting(subject=Subject.GIFTS, debit=Purpose.STRIPE, credit=Purpose.DONATIONS),
    Move.COVERED_FEE: Posting(subject=Subject.GIFTS, debit=Purpose.STRIPE, credit=Purpose.COVERED_FEES),
    Move.FEE: Posting(subject=Subject.FEES, debit=Purpose.FEES, credit=Purpose.STRIPE),
    Move.FEE_REFUND: Posting(subject=Subject.FEES, debit=Purpose.STRIPE, credit=Purpose.FEES),
    Move.REFUND: Posting(subject=Subject.RETURNS, debit=Purpose.DONATIONS_RETURNED, credit=Purpose.STRIPE),
    Move.DISPUTE: Posting(subject=Subject.RETURNS, debit=Purpose.DONATIONS_RETURNED, credit=Purpose.STRIPE),
    Move.REINSTATEMENT: Posting(subject=Subject.RETURNS, debit=Purpose.STRIPE, credit=Purpose.DONATIONS_RETURNED),
    Move.COVERED_FEE_REFUND: Posting(subject=Subject.RETURNS, debit=Purpose.COVERED_FEES, credit=Purpose.STRIPE),
    Move.COVERED_FEE_REINSTATEMENT: Posting(subject=Subject.RETURNS, debit=Purpose.STRIPE, credit=Purpose.COVERED_FEES),
    Move.PAYOUT: Posting(subject=Subject.PAYOUTS, debit=Purpose.BANK, credit=Purpose.STRIPE),
    Move.PAYOUT_REVERSAL: Posting(subject=Subject.PAYOUTS, debit=Purpose.STRIPE, credit=Purpose.BANK),
    Move.RECEIVE: Posting(subject=Subject.FUNDERS, debit=Purpose.BANK, credit=Purpose.FUNDERS),
    Move.RECEIVE_REVERSAL: Posting(subject=Subject.FUNDERS, debit=Purpose.FUNDERS, credit=Purpose.BANK),
    Move.PLEDGE: None,
    Move.HOLD: None,
    Move.RELEASE: None,
    Move.MATCH: None,
    Move.UNMATCH: None,
    Move.CALL: None,
    Move.CALL_REVERSAL: None,
}
MONEY = {move: posting for move, posting in POSTINGS.items() if posting}


def money_move(kind: str) -> MoneyMove:
    """The move with this name."""
    return OfflineMove(kind) if kind in set(OfflineMove) else Move(kind)
