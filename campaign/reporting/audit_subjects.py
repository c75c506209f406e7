"""Subjects of the audit trail that each charity has its own of: serial numbers, deposits, months and returns have the same names in several.

Their entries say of which charity they are. Those from before say nothing: what one charity alone has is its own, the rest stays open.
"""

import re
from collections.abc import Collection, Iterator

from sqlalchemy import select

from campaign.campaigns.charities import list_charities
from campaign.edges.db import db
from campaign.payments.deposits import Deposit
from campaign.receipts.receipts import Receipt
from campaign.reporting.closed_months import ClosedMonth
from campaign.rules import local_time
from campaign.rules.return_lines import Form

SERIAL = re.compile(r"([0-9]{4}-)?[0-9]{6,}")
MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
DEPOSIT = re.compile(r"deposit ([0-9]{1,9})")
FILED = re.compile(rf"(?:{'|'.join(map(re.escape, Form))}) [0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}")


def is_of_each_charity(subject: str) -> bool:
    """Whether several charities may have an object of this name."""
    return any(form.fullmatch(subject) for form in (SERIAL, MONTH, DEPOSIT, FILED))


def charities_of(subjects: Collection[str]) -> dict[str, int]:
    """The ids of the charities of those subjects that one charity alone has."""
    ids = [charity.id for charity in list_charities()]
    if len(ids) == 1:
        return dict.fromkeys(subjects, ids[0])
    owners: dict[str, set[int]] = {}
    for subject, charity_id in _owned(subjects, ids):
        owners.setdefault(subject, set()).add(charity_id)
    return {subject: next(iter(of)) for subject, of in owners.items() if len(of) == 1}


def _owned(subjects: Collection[str], charity_ids: Collection[int]) -> Iterator[tuple[str, int]]:
    serials = [one for one in subjects if SERIAL.fullmatch(one)]
    months = {local_time.parse_day(f"{one}-01"): one for one in subjects if MONTH.fullmatch(one)}
    deposits = {int(found[1]): one for one in subjects if (found := DEPOSIT.fullmatch(one))}
    r, d, m = Receipt, Deposit, ClosedMonth
    # By charity too, as the indexes begin with it.
    if serials:
        for serial, charity_id in db.session.execute(
            select(r.serial, r.charity_id).where(r.charity_id.in_(charity_ids), r.serial.in_(serials))
        ):
            yield serial, charity_id
    if deposits:
        for number, charity_id in db.session.execute(
            select(d.number, d.charity_id).where(d.charity_id.in_(charity_ids), d.number.in_(deposits))
        ):
            yield deposits[number], charity_id
    if months:
        for first_on, charity_id in db.session.execute(select(m.first_on, m.charity_id).where(m.first_on.in_(months)).distinct()):
            yield months[first_on], charity_id
