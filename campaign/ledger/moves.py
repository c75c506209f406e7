"""The closed table of moves: the permitted kinds of entries, each with its two accounts."""

from enum import StrEnum

from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base


class Move(StrEnum):
    """The kind of an entry; with its two accounts it must be a row of `ledger_move`."""

    DONATION = "donation"
    COVERED_FEE = "covered_fee"
    FEE = "fee"
    FEE_REFUND = "fee_refund"
    REFUND = "refund"
    COVERED_FEE_REFUND = "covered_fee_refund"
    COVERED_FEE_REINSTATEMENT = "covered_fee_reinstatement"
    DISPUTE = "dispute"
    REINSTATEMENT = "reinstatement"
    OFFLINE_REVERSAL = "offline_reversal"
    PAYOUT = "payout"
    PAYOUT_REVERSAL = "payout_reversal"
    PLEDGE = "pledge"
    HOLD = "hold"
    RELEASE = "release"
    MATCH = "match"
    UNMATCH = "unmatch"
    RECEIVE = "receive"
    RECEIVE_REVERSAL = "receive_reversal"
    CALL = "call"
    CALL_REVERSAL = "call_reversal"


class LedgerMove(Base):
    """A permitted move. `of_fund` says whether its accounts belong to a fund or to the campaign. The rows never change."""

    __tablename__ = "ledger_move"

    kind: Mapped[str] = mapped_column(primary_key=True)
    from_account: Mapped[str] = mapped_column(primary_key=True)
    to_account: Mapped[str] = mapped_column(primary_key=True)
    of_fund: Mapped[bool] = mapped_column(primary_key=True)
