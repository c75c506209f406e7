"""Proof that anybody can check without us: the chain of a fund's entries, and one donor's lines in it (docs/verify.md).

An entry's digest is the SHA-256 of its text; its hash is that of the hash before it and its digest. A digest tells nothing of an entry to
whoever does not know it already, because each text holds a name of chance.
"""

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from sqlalchemy import select

from campaign.edges.db import db
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.ledger import LedgerEntry

A_READ = 1000
A_PROOF = 5000


def text_of(entry: LedgerEntry) -> str:
    """What the digest is of: the facts of the entry, parted by bars."""
    moment = entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    parts = (
        entry.chain,
        entry.position,
        entry.kind,
        entry.from_account,
        entry.to_account,
        entry.cents,
        entry.reference,
        entry.cause,
        moment,
    )
    return "|".join(str(part) for part in parts)


def entries_of(fund: Fund, *, last: int) -> Iterator[LedgerEntry]:
    """The fund's entries up to a place in its chain, in order; a bounded number in memory at a time."""
    chain = f"fund:{fund.id}"
    for after in range(0, last, A_READ):
        to = min(after + A_READ, last)
        query = select(LedgerEntry).where(LedgerEntry.chain == chain, LedgerEntry.position > after, LedgerEntry.position <= to)
        for entry in list(db.session.scalars(query.order_by(LedgerEntry.position))):
            yield entry
            db.session.expunge(entry)


def as_line(entry: LedgerEntry) -> dict[str, Any]:
    """An entry as data: its text, and the hash that the chain has after it."""
    return {"position": entry.position, "text": text_of(entry), "hash": entry.hash.hex()}


def proof_of(donation: Donation) -> dict[str, Any]:
    """For each fund that stood beside the donation: its own entries, and of the others from the first of them on nothing but digests.

    It ends some thousand entries after the donation's last; statements of any later day hold the hash of that place too.
    """
    query = select(Fund).where(Fund.id.in_(select(LedgerEntry.fund_id).where(LedgerEntry.donation_id == donation.id)))
    return {
        "format": "campaign-proof/1",
        "donation": donation.public_id,
        "funds": [_chain(fund, donation) for fund in db.session.scalars(query.order_by(Fund.position))],
    }


def _chain(fund: Fund, donation: Donation) -> dict[str, Any]:
    chain = f"fund:{fund.id}"
    own = list(
        db.session.scalars(
            select(LedgerEntry).where(LedgerEntry.chain == chain, LedgerEntry.donation_id == donation.id).order_by(LedgerEntry.position)
        )
    )
    first = own[0].position
    texts = {entry.position: text_of(entry) for entry in own}
    before = db.session.scalar(select(LedgerEntry.hash).where(LedgerEntry.chain == chain, LedgerEntry.position == first - 1))
    rows = db.session.execute(
        select(LedgerEntry.position, LedgerEntry.digest, LedgerEntry.hash)
        .where(LedgerEntry.chain == chain, LedgerEntry.position >= first, LedgerEntry.position <= own[-1].position + A_PROOF)
        .order_by(LedgerEntry.position)
    ).all()
    return {
        "fund": fund.slug,
        "hash_before": (before or b"").hex(),
        "entries": [{"position": p, "text": texts[p]} if p in texts else {"position": p, "digest": d.hex()} for p, d, _ in rows],
        "head": {"position": rows[-1][0], "hash": rows[-1][2].hex()},
    }
