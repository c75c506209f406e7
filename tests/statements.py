"""Lives of a fund for tests of its statements: random acts, and time that passes between them."""

from hashlib import sha256
from random import Random
from typing import Any

from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.funds import Fund
from tests.factories import create_refund, end, pay, start_donation

_UTC = '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\''


def live(campaign: Campaign, random: Random, *, acts: int, gifts: list[Donation]) -> None:
    """Do so many random acts: begin, pay and end gifts, refund them, lose them in a dispute and have them back. Commits."""
    for _ in range(acts):
        waiting = [gift for gift in gifts if gift.is_open]
        paid = [gift for gift in gifts if gift.received_at and gift.net_cents]
        match random.choice(["begin", "begin", "pay", "pay", "end", "refund", "lose"]):
            case "pay" if waiting:
                pay(random.choice(waiting))
            case "end" if waiting:
                end(random.choice(waiting), "expired")
            case "refund" if paid:
                gift = random.choice(paid)
                create_refund(gift, random.randrange(1, gift.net_cents + 1))
            case "lose" if paid:
                gift = random.choice(paid)
                create_refund(gift, gift.net_cents, kind="dispute", name=f"dp_{gift.public_id}")
                if random.random() < 0.5:
                    db.session.commit()
                    create_refund(gift, gift.amount_cents, kind="dispute", name=f"dp_{gift.public_id}", status="won")
            case _:
                gifts.append(start_donation(campaign, random.randrange(5_00, 900_00)))
        db.session.commit()


def let_pass(fund: Fund, *, days: int) -> None:
    """Let everything that was posted and changed so far lie so many days further back, with its hashes. Needs the owner of the database."""
    run("SET session_replication_role = replica")
    past = f"interval '{days} days'"
    run(f"UPDATE ledger_entry SET at = at - {past} WHERE fund_id = {fund.id}")
    run(f"""UPDATE fund_change SET at = at - {past}, text = replace(text, to_char(at AT TIME ZONE 'UTC', {_UTC}),
            to_char((at - {past}) AT TIME ZONE 'UTC', {_UTC})) WHERE fund_id = {fund.id}""")
    run(f"UPDATE fund SET activated_at = activated_at - {past} WHERE id = {fund.id}")
    entries = run(
        "SELECT e.id, ledger_entry_text(e.chain, e.position, e.kind, e.from_account, e.to_account, e.cents, d.public_id, e.reference, e.cause, e.at)"
        f" FROM ledger_entry e LEFT JOIN donation d ON d.id = e.donation_id WHERE fund_id = {fund.id} ORDER BY position"
    ).all()
    hashed = _rechain("UPDATE ledger_entry SET digest = :digest, hash = :hash WHERE id = :id", entries)
    run("UPDATE fund SET chain_hash = :hash WHERE id = :id", hash=hashed, id=fund.id)
    _rechain(
        "UPDATE fund_change SET hash = :hash WHERE id = :id AND :digest = :digest",
        run(f"SELECT id, text FROM fund_change WHERE fund_id = {fund.id} ORDER BY position").all(),
    )
    run("SET session_replication_role = origin")
    db.session.commit()
    db.session.expire_all()


def _rechain(statement: str, rows: Any) -> bytes:
    running = b""
    for row_id, line in rows:
        digest = sha256(line.encode()).digest()
        running = sha256(running + digest).digest()
        run(statement, digest=digest, hash=running, id=row_id)
    return running


def run(statement: str, **values: object) -> Any:
    """Run this SQL."""
    return db.session.execute(text(statement), values)
