"""Proofs that anybody can verify independently: the hash chain of a fund's entries, and one donation's entries in it (docs/verify.md).

An entry's digest is the SHA-256 of its text; its hash is the SHA-256 of the previous hash followed by the digest. A digest reveals nothing
about an entry, because each text contains a random id.
"""

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from sqlalchemy import select

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.matching.funds import Fund

READ_SIZE = 1000
PROOF_SIZE = 5000


def text_of(entry: LedgerEntry) -> str:
    """The text that the digest is of: the fields of the entry, separated by `|`."""
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


def pages_of(fund: Fund, *, last: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the position, text and hash of the fund's entries up to the position `last`, in order, up to a thousand at a time.

    Each page is read in a transaction of its own, which ends before the page is yielded.
    """
    chain = f"fund:{fund.id}"
    for after in range(0, last, READ_SIZE):
        until = min(after + READ_SIZE, last)
        query = select(LedgerEntry).where(LedgerEntry.chain == chain, LedgerEntry.position > after, LedgerEntry.position <= until)
        entries = db.session.scalars(query.order_by(LedgerEntry.position)).all()
        lines = [{"position": entry.position, "text": text_of(entry), "hash": entry.hash.hex()} for entry in entries]
        for entry in entries:
            db.session.expunge(entry)
        db.session.rollback()
        yield lines


def proof_of(donation: Donation) -> dict[str, Any]:
    """For each fund with entries of the donation: the text of these entries, and only the digests of the others after the first of them.

    It ends at most 5000 entries after the donation's last one. A later statement of the fund contains the hash of that position.
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
        .where(LedgerEntry.chain == chain, LedgerEntry.position >= first, LedgerEntry.position <= own[-1].position + PROOF_SIZE)
        .order_by(LedgerEntry.position)
    ).all()
    return {
        "fund": fund.slug,
        "hash_before": (before or b"").hex(),
        "entries": [{"position": p, "text": texts[p]} if p in texts else {"position": p, "digest": d.hex()} for p, d, _ in rows],
        "head": {"position": rows[-1][0], "hash": rows[-1][2].hex()},
    }
