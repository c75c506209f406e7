"""The beginnings of a seeded history: the funds of a campaign that nobody has donated to yet, with pledges for half of what will be donated.

The entries and changes of these funds are dated back to before the first donation, and their chains computed again. What was published of these
chains is removed: in an empty trial database, nobody relies on it.
"""

from hashlib import sha256

from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.cli.bulk_seeds import plan
from campaign.edges.db import db
from campaign.matching.funds import Fund, funds_of


def move_back(campaign: Campaign, count: int) -> None:
    """Move what the funds of the campaign have back in time, by the length of the history and a day. Triggers fire again after it.

    The first pledge of the first fund is made large enough for about half of so many donations.
    """
    db.session.execute(text("SET LOCAL session_replication_role = replica"))
    values = {"campaign": campaign.id, "days": plan.DAYS + 1}
    db.session.execute(
        text("""
            UPDATE fund SET activated_at = activated_at - make_interval(days => :days), paused_at = paused_at - make_interval(days => :days),
                            ended_at = ended_at - make_interval(days => :days) WHERE campaign_id = :campaign
        """),
        values,
    )
    open_funds = [fund for fund in funds_of(campaign.id) if fund.ended_at is None]
    missing = count * plan.MEAN_CENTS // 2 - sum(fund.available_cents for fund in open_funds)
    if open_funds and missing > 0:
        _extend_pledge(open_funds[0], missing)
    for fund in db.session.query(Fund).filter_by(campaign_id=campaign.id):
        _move_back_entries(fund, values)
        _move_back_changes(fund, values)
        db.session.execute(text("DELETE FROM published_head WHERE chain IN ('fund:' || :id, 'changes:' || :id)"), {"id": str(fund.id)})
    db.session.execute(text("SET LOCAL session_replication_role = origin"))


def _extend_pledge(fund: Fund, cents: int) -> None:
    values = {"fund": fund.id, "cents": cents}
    for statement in (
        "UPDATE fund SET pledged_cents = pledged_cents + :cents WHERE id = :fund",
        """UPDATE ledger_entry SET cents = cents + :cents WHERE (chain, position) =
           (SELECT chain, min(position) FROM ledger_entry WHERE fund_id = :fund AND kind = 'pledge' GROUP BY chain)""",
        """UPDATE fund_change SET cents = cents + :cents WHERE (fund_id, position) =
           (SELECT fund_id, min(position) FROM fund_change WHERE fund_id = :fund AND kind = 'pledged' GROUP BY fund_id)""",
    ):
        db.session.execute(text(statement), values)


def _move_back_entries(fund: Fund, values: dict[str, int]) -> None:
    entries = db.session.execute(
        text("""
            UPDATE ledger_entry SET at = at - make_interval(days => :days) WHERE fund_id = :fund
            RETURNING position, id, ledger_entry_text(chain, position, kind, from_account, to_account, cents, '', reference, cause, at) AS text
        """),
        values | {"fund": fund.id},
    ).all()
    last = b""
    for entry in sorted(entries):
        digest = sha256(entry.text.encode()).digest()
        last = sha256(last + digest).digest()
        row = {"id": entry.id, "digest": digest, "hash": last}
        db.session.execute(text("UPDATE ledger_entry SET digest = :digest, hash = :hash WHERE id = :id"), row)
    db.session.execute(text("UPDATE fund SET chain_hash = :hash WHERE id = :id"), {"hash": last, "id": fund.id})


def _move_back_changes(fund: Fund, values: dict[str, int]) -> None:
    db.session.execute(
        text("UPDATE fund_change SET at = at - make_interval(days => :days) WHERE fund_id = :fund"), values | {"fund": fund.id}
    )
    changes = db.session.execute(
        text("""
            SELECT c.position, c.id, fund_change_text(c, f) AS text FROM fund_change c JOIN fund f ON f.id = c.fund_id
            WHERE f.id = :fund ORDER BY c.position
        """),
        {"fund": fund.id},
    ).all()
    last = b""
    for change in changes:
        last = sha256(last + sha256(change.text.encode()).digest()).digest()
        db.session.execute(
            text("UPDATE fund_change SET text = :text, hash = :hash WHERE id = :id"), {"id": change.id, "text": change.text, "hash": last}
        )
