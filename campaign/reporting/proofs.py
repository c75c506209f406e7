"""Proofs that anybody can verify independently: the hash chain of a fund's entries, and one donation's entries in it (docs/verify.md).

An entry's digest is the SHA-256 of its text; its hash is the SHA-256 of the previous hash followed by the digest. A digest reveals nothing
about an entry, because each text contains a random id.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.pdf_signing import KeyFile, Signature
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.fund_lifecycle import FundChange
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of

READ_SIZE = 1000
PROOF_SIZE = 5000


def text_of(entry: LedgerEntry, donation: str | None) -> str:
    """The text that the digest is of: the fields of the entry, separated by `|`, with the public id of its donation."""
    moment = entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    parts = (
        entry.chain,
        entry.position,
        entry.kind,
        entry.from_account,
        entry.to_account,
        entry.cents,
        donation or "",
        entry.reference,
        entry.cause,
        moment,
    )
    return "|".join(str(part) for part in parts)


def pages_of(fund: Fund, *, last: int, digests_of: Collection[Move] = ()) -> Iterator[list[dict[str, Any]]]:
    """Yield the position, text and hash of the fund's entries up to the position `last`, in order, up to a thousand at a time.

    Entries of the kinds `digests_of` have the digest in place of the text. Each page is read in a transaction of its own, which ends before the page is yielded.
    """
    chain = f"fund:{fund.id}"
    for after in range(0, last, READ_SIZE):
        until = min(after + READ_SIZE, last)
        query = select(LedgerEntry, Donation.public_id).outerjoin(Donation, Donation.id == LedgerEntry.donation_id)
        query = query.where(LedgerEntry.chain == chain, LedgerEntry.position > after, LedgerEntry.position <= until)
        entries = db.session.execute(query.order_by(LedgerEntry.position)).all()
        lines = [
            {
                "position": entry.position,
                **({"digest": entry.digest.hex()} if entry.kind in digests_of else {"text": text_of(entry, name)}),
                "hash": entry.hash.hex(),
            }
            for entry, name in entries
        ]
        for entry, _ in entries:
            db.session.expunge(entry)
        db.session.rollback()
        yield lines


def changes_of(fund: Fund, *, before: datetime) -> list[dict[str, Any]]:
    """The position, text and hash of the changes of the fund before the moment, in order, with its terms in each."""
    query = select(FundChange).where(FundChange.fund_id == fund.id, FundChange.at < before).order_by(FundChange.position)
    return [{"position": change.position, "text": change.text, "hash": change.hash.hex()} for change in db.session.scalars(query)]


def signed(pieces: Iterable[str], sign: Callable[[bytes], Signature]) -> Iterator[str]:
    """The pieces of a JSON object, without its closing brace, and after them the charity's signature of the hex of their SHA-256.

    Raises SigningKeyMissing.
    """
    digest = sha256()
    for piece in pieces:
        digest.update(piece.encode())
        yield piece
    signature = sign(digest.hexdigest().encode())
    yield f',\n "signed": {{"key": "{signature.key}", "signature": "{signature.value.hex()}"}}\n}}\n'


def signed_proof_of(donation: Donation, key: KeyFile) -> str:
    """The proof of the donation as signed JSON. Raises SigningKeyMissing."""
    return "".join(signed([json.dumps(proof_of(donation), ensure_ascii=False, indent=1)[:-2]], key.sign_bytes))


def proof_of(donation: Donation) -> dict[str, Any]:
    """For each fund with entries of the donation: the text of these entries, and only the digests of the others after the first of them.

    It ends at most 5000 entries after the donation's last one. A later statement of the fund contains the hash of that position.
    """
    query = select(Fund).where(Fund.id.in_(select(LedgerEntry.fund_id).where(LedgerEntry.donation_id == donation.id)))
    sums = match_of(donation.id)
    return {
        "format": "campaign-proof/2",
        "donation": donation.public_id,
        "held_cents": sums.held_cents,
        "matched_cents": sums.matched_cents,
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
    texts = {entry.position: text_of(entry, donation.public_id) for entry in own}
    before = db.session.scalar(select(LedgerEntry.hash).where(LedgerEntry.chain == chain, LedgerEntry.position == first - 1))
    rows = db.session.execute(
        select(LedgerEntry.position, LedgerEntry.digest, LedgerEntry.hash)
        .where(LedgerEntry.chain == chain, LedgerEntry.position >= first, LedgerEntry.position <= own[-1].position + PROOF_SIZE)
        .order_by(LedgerEntry.position)
    ).all()
    return {
        # The slug may be the name of a funder who is anonymous.
        "fund": f"fund-{fund.id}" if fund.is_anonymous else fund.slug,
        "chain": chain,
        "hash_before": (before or b"").hex(),
        "entries": [{"position": p, "text": texts[p]} if p in texts else {"position": p, "digest": d.hex()} for p, d, _ in rows],
        "head": {"position": rows[-1][0], "hash": rows[-1][2].hex()},
    }
