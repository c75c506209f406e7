"""A worker of the receipt storm: sends due messages until it is killed, and exits once between a receipt's number and its commit."""

import itertools
import os
import time
from typing import Any

from sqlalchemy import text

from campaign import create_app
from campaign.config import Settings
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.receipts import receipts
from campaign.receipts.receipts import Receipt


def exit_at_receipt(count: int) -> None:
    """Exit at this receipt between its number and the commit, where a counter outside the transaction would lose a number."""
    freeze, calls = receipts.issue_frozen, itertools.count(1)

    def freeze_or_exit(*args: Any, **kw: Any) -> Receipt:
        receipt = freeze(*args, **kw)
        if next(calls) == count:
            os._exit(9)
        return receipt

    receipts.issue_frozen = freeze_or_exit


def number_by_sequence() -> None:
    """The control: numbers from a sequence, which a rolled-back transaction does not return."""

    def from_sequence(charity_id: int, year: int) -> int:
        db.session.execute(
            text(
                "INSERT INTO receipt_series VALUES (:c, :y, 1) ON CONFLICT (charity_id, year) "
                "DO UPDATE SET last_number = receipt_series.last_number + 1"
            ),
            {"c": charity_id, "y": year},
        )
        return int(db.session.execute(text("SELECT nextval('serials')")).scalar_one())

    setattr(receipts, "take_next_number", from_sequence)  # noqa: B010


def work(settings: Settings, *, exit_at: int, from_sequence: bool) -> None:
    """Work until killed. With numbers from a sequence, it is the control."""
    app = create_app(settings)
    exit_at_receipt(exit_at)
    if from_sequence:
        number_by_sequence()
    with app.app_context():
        while True:
            send_jobs.send_due()
            time.sleep(0.05)
