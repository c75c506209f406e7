"""The hash chains of a bulk load: entries in the order of their events, with the digests and hashes that the database's triggers would compute."""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from campaign.cli.bulk_seeds.tables import Rows, binary, moment


@dataclass
class Chain:
    """Where a chain ends."""

    name: str
    position: int = 0
    hash: bytes = b""


class OfGift(NamedTuple):
    """The donation of an entry."""

    id: int
    public_id: str


@dataclass(kw_only=True)
class Ledger:
    """Posts entries of one campaign and its funds. `sums` are the cents of each kind, without those of funds."""

    rows: Rows
    campaign_id: int
    next_id: int
    chains: dict[int | None, Chain]
    sums: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def post(
        self,
        kind: str,
        accounts: tuple[str, str],
        cents: int,
        *,
        at: int,
        reference: str,
        cause: str,
        gift: OfGift | None = None,
        fund_id: int | None = None,
    ) -> int:
        """Post the entry and return its id."""
        chain, when = self.chains[fund_id], moment(at)
        chain.position += 1
        number, self.next_id = self.next_id, self.next_id + 1
        source, target = accounts
        text = f"{chain.name}|{chain.position}|{kind}|{source}|{target}|{cents}|{gift.public_id if gift else ''}|{reference}|{cause}|{when}"
        digest = sha256(text.encode()).digest()
        chain.hash = sha256(chain.hash + digest).digest()
        donation_id = gift.id if gift else None
        row = (number, kind, source, target, cents, self.campaign_id, fund_id, donation_id, reference, cause, when)
        self.rows.add("ledger_entry", *row, chain.name, chain.position, binary(digest), binary(chain.hash))
        if fund_id is None:
            self.sums[kind] += cents
            self.counts[kind] += 1
        return number
