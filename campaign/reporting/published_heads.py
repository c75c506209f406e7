"""The heads of the hash chains as they were published: signed, and kept, so that a chain that was written anew has another hash there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Index, LargeBinary, UniqueConstraint, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import Base, db
from campaign.edges.pdf_signing import KeyFile
from campaign.matching.funds import Fund

SHOWN = 400


class PublishedHead(Base):
    """The hash of a chain at a position. `signature` is that of the charity's key `key` over `text_of` it."""

    __tablename__ = "published_head"
    __table_args__ = (UniqueConstraint("chain", "position", name="head_is_published_once"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    chain: Mapped[str]
    position: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    published_at: Mapped[datetime] = mapped_column(server_default=func.now())
    key: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)


Index("ix_published_head_published_at", PublishedHead.published_at)

# The end of each chain: of each fund's entries and changes, and of each campaign's other entries.
_ENDS = text("""
    SELECT 'fund:' || id AS chain, chain_entries AS position, chain_hash AS hash FROM fund WHERE chain_entries > 0
    UNION ALL SELECT 'campaign:' || campaign_id, chain_entries, chain_hash FROM campaign_totals WHERE chain_entries > 0
    UNION ALL SELECT * FROM (SELECT DISTINCT ON (fund_id) 'changes:' || fund_id, position, hash FROM fund_change ORDER BY fund_id, position DESC) c
    ORDER BY 1
""")


# Records that are never changed either: who did what, and what Stripe sent, up to the first that is younger than an hour, as a transaction under way
# may still add one before it. The head after some rows is the SHA-256 of the head before them, followed by that of their texts, one a line.
_LOG = """
    WITH settled AS (SELECT coalesce((SELECT min(id) - 1 FROM {table} WHERE {moment} >= now() - interval '1 hour'), (SELECT max(id) FROM {table})) AS id)
    SELECT max(l.id) AS position, sha256(convert_to(coalesce(string_agg(concat_ws('|', {columns}), chr(10) ORDER BY l.id), ''), 'UTF8')) AS digest
    FROM {table} l, settled s WHERE l.id > :after AND l.id <= s.id
"""
_LOGS = {
    "audit": text(
        _LOG.format(
            table="audit_entry",
            moment="at",
            columns="""l.id, to_char(l.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), l.actor, l.action, l.subject, l.detail::text""",
        )
    ),
    "events": text(
        _LOG.format(
            table="stripe_event",
            moment="received_at",
            columns="l.id, l.event_id, l.type, l.subject, l.livemode, l.source, encode(coalesce(l.body_sha256, sha256(l.body)), 'hex')",
        )
    ),
}


def text_of(chain: str, position: int, head: bytes) -> str:
    """The text whose signature is published."""
    return f"campaign-head/2|{chain}|{position}|{head.hex()}"


def is_due(*, hours: int) -> bool:
    """Whether no head was published for so many hours."""
    last = db.session.scalar(select(func.max(PublishedHead.published_at)))
    return last is None or (datetime.now(UTC) - last).total_seconds() >= hours * 3600


def publish(key: KeyFile) -> int:
    """Sign and store the present heads that are not published yet. Returns how many. The caller commits. Raises SigningKeyMissing."""
    rows = []
    for end in [*_ends_of_chains(), *_ends_of_logs()]:
        signature = key.sign_bytes(text_of(end.chain, end.position, end.hash).encode())
        rows.append({"chain": end.chain, "position": end.position, "hash": end.hash, "key": signature.key, "signature": signature.value})
    if not rows:
        return 0
    stored = insert(PublishedHead).on_conflict_do_nothing(constraint="head_is_published_once").returning(PublishedHead.id)
    return len(db.session.scalars(stored, rows).all())


class _End(NamedTuple):
    chain: str
    position: int
    hash: bytes


def _ends_of_chains() -> list[_End]:
    return [_End(row.chain, row.position, row.hash) for row in db.session.execute(_ENDS)]


def _ends_of_logs() -> list[_End]:
    """Where each log ends now, after its last published head."""
    ends = []
    for chain, query in _LOGS.items():
        h = PublishedHead
        last = db.session.scalar(select(h).where(h.chain == chain).order_by(h.position.desc()).limit(1))
        row = db.session.execute(query, {"after": last.position if last else 0}).one()
        if row.position is not None:
            ends.append(_End(chain, row.position, sha256((last.hash if last else b"") + row.digest).digest()))
    return ends


@dataclass(frozen=True, kw_only=True)
class SignedHead:
    """An end of the chain of a fund: the text that was signed, and the signature in hex."""

    text: str
    signature: str


def end_of(fund: Fund) -> str:
    """The text that says where the chain of the fund ends now."""
    return text_of(f"fund:{fund.id}", fund.chain_entries, fund.chain_hash)


def sign_end(fund: Fund, position: int, head: bytes, key: KeyFile) -> SignedHead:
    """Sign that the chain of the fund ended here. Raises SigningKeyMissing."""
    signed = text_of(f"fund:{fund.id}", position, head)
    return SignedHead(text=signed, signature=key.sign_bytes(signed.encode()).value.hex())


def heads_of(campaign: Campaign, fund_ids: Sequence[int]) -> dict[str, Any]:
    """The published heads of the campaign's chains, latest first, as they are shown to everybody."""
    chains = [*_LOGS, f"campaign:{campaign.id}", *(f"{kind}:{number}" for number in fund_ids for kind in ("fund", "changes"))]
    h = PublishedHead
    heads = db.session.scalars(select(h).where(h.chain.in_(chains)).order_by(h.id.desc()).limit(SHOWN))
    return {
        "format": "campaign-heads/2",
        "campaign": campaign.slug,
        "heads": [
            {
                "chain": head.chain,
                "position": head.position,
                "hash": head.hash.hex(),
                "published_at": head.published_at.astimezone(UTC).isoformat(),
                "key": head.key,
                "signature": head.signature.hex(),
            }
            for head in heads
        ],
    }
