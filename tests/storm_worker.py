"""A worker of the storm: sends what is owed until it is killed, and now and then dies by itself between a receipt's number and its commit.

python -m tests.storm_worker SETTINGS.json DIES_AT [sequence]
"""

import itertools
import json
import os
import sys
import time
from pathlib import Path

from sqlalchemy import text

from campaign import create_app
from campaign.config import Settings
from campaign.edges.db import db
from campaign.giving import receipts
from campaign.work import owed


def dying(at: int) -> None:
    """At this receipt, between the number and the commit, where a counter that is no row of the books would lose one."""
    freeze, calls = receipts.freeze, itertools.count(1)

    def freezes_or_dies(*args: object, **kw: object) -> object:
        frozen = freeze(*args, **kw)
        if next(calls) == at:
            os._exit(9)
        return frozen

    receipts.freeze = freezes_or_dies


def counting_by_sequence() -> None:
    """The control: numbers from a sequence, which a transaction that ends early does not give back."""

    def from_sequence(charity_id: int, year: int) -> int:
        db.session.execute(
            text(
                "INSERT INTO receipt_series VALUES (:c, :y, 1) ON CONFLICT (charity_id, year) "
                "DO UPDATE SET last_number = receipt_series.last_number + 1"
            ),
            {"c": charity_id, "y": year},
        )
        return int(db.session.execute(text("SELECT nextval('serials')")).scalar_one())

    receipts.next_number = from_sequence


def main(settings_file: str, dies_at: str, how: str = "") -> None:
    app = create_app(Settings(_env_file=None, **json.loads(Path(settings_file).read_text())))
    dying(int(dies_at))
    if how == "sequence":
        counting_by_sequence()
    with app.app_context():
        while True:
            owed.send_owed()
            time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
